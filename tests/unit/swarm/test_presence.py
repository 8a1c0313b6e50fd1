"""Typing: 12 s, once in 2 s. (SCP-04 §6.2)"""

from __future__ import annotations

from swarmchat.ids import DeviceId
from swarmchat.limits import TYPING_INTERVAL_S, TYPING_TIMEOUT_S, TYPISTS_MAX
from swarmchat.swarm.presence import Typing, TypingSeen


def device(number: int) -> DeviceId:
    return DeviceId(f"{number:064x}")


BOB = device(1)


def test_who_begins_is_told_once() -> None:
    typing = Typing()
    assert typing.heard(BOB, on=True, now=0.0) == [TypingSeen(BOB, on=True)]
    assert typing.heard(BOB, on=True, now=2.0) == []
    assert typing.heard(BOB, on=False, now=3.0) == [TypingSeen(BOB, on=False)]
    assert typing.heard(BOB, on=False, now=3.0) == []


def test_silence_of_12_seconds_ends_it() -> None:
    typing = Typing()
    typing.heard(BOB, on=True, now=0.0)
    typing.heard(BOB, on=True, now=2.0)
    assert typing.deadline() == 2.0 + TYPING_TIMEOUT_S
    assert typing.tick(13.9) == []
    assert typing.tick(14.0) == [TypingSeen(BOB, on=False)]
    assert typing.deadline() is None


def test_a_message_ends_it() -> None:
    typing = Typing()
    typing.heard(BOB, on=True, now=0.0)
    assert typing.stopped(BOB) == [TypingSeen(BOB, on=False)]
    assert typing.stopped(BOB) == []


def test_we_say_it_at_most_every_two_seconds_and_the_end_once() -> None:
    typing = Typing()
    assert typing.say(on=True, now=0.0)
    assert not typing.say(on=True, now=TYPING_INTERVAL_S - 0.1)
    assert typing.say(on=True, now=TYPING_INTERVAL_S)
    assert typing.say(on=False, now=2.1)
    assert not typing.say(on=False, now=2.2)


def test_typists_beyond_the_bound_are_not_seen() -> None:
    typing = Typing()
    for number in range(TYPISTS_MAX):
        typing.heard(device(number), on=True, now=0.0)
    assert typing.heard(device(TYPISTS_MAX), on=True, now=0.0) == []
    assert typing.heard(device(0), on=True, now=1.0) == []


def test_who_begins_and_stops_all_the_time_is_told_once_a_second() -> None:
    typing = Typing()
    told = [
        seen
        for number in range(40)
        for seen in (*typing.heard(BOB, on=True, now=number / 20), *typing.heard(BOB, on=False, now=number / 20))
    ]
    assert told == [TypingSeen(BOB, on=True), TypingSeen(BOB, on=False)] * 2
    assert typing.heard(BOB, on=True, now=2.0) == [TypingSeen(BOB, on=True)]


def test_typists_who_have_just_stopped_count_for_the_bound() -> None:
    typing = Typing()
    for number in range(TYPISTS_MAX):
        typing.heard(DeviceId(f"{number:064x}"), on=True, now=0.0)
        typing.heard(DeviceId(f"{number:064x}"), on=False, now=0.0)
    assert typing.heard(DeviceId("f" * 64), on=True, now=0.9) == []
    assert typing.heard(DeviceId("f" * 64), on=True, now=1.0) != []
