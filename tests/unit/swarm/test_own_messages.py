"""What own devices say to each other, and whose turn it is. (SCP-04 §7)"""

from __future__ import annotations

from typing import Any

import pytest

from swarmchat import limits
from swarmchat.account import preferences, sharing
from swarmchat.account.records import Stamp
from swarmchat.account.sharing import Entry
from swarmchat.account.state import State
from swarmchat.ids import DeviceId
from swarmchat.links import frames
from swarmchat.swarm.messages import MessageError
from swarmchat.swarm.own_messages import Delta, Exchange, Have, Other, decode, encode, pieces
from tests.support.accounts import account, device

NOW = 1_750_000_000_000
ONE, TWO = device(1), device(2)
ENTRY = Entry("setting/name", "Bob", Stamp(NOW, ONE, 3))
ROW = ["setting/name", "Bob", NOW, bytes.fromhex(ONE), 3]


@pytest.mark.parametrize(
    "message",
    [
        Have({}),
        Have({ONE: 1, TWO: 2**53 - 1}, b"list", bytes(32)),
        Delta((), {ONE: 5}),
        Delta(
            (ENTRY, Entry("contact/x", None, Stamp(1, TWO, 1)), Entry("k", [1, [True, None]], Stamp(1, TWO, 2))),
            {},
            more=True,
        ),
    ],
)
def test_what_is_said_is_heard(message: Have | Delta) -> None:
    (fields,) = frames.FrameDecoder().receive(frames.encode(encode(message)))
    assert decode(fields) == message


def test_what_is_for_another_part_or_of_a_later_version_is_no_fault() -> None:
    assert decode({"t": "marks", "x": 1}) == Other("marks", {"t": "marks", "x": 1})
    assert decode({"t": "have", "v": 1, "seen": {}, "later": [1]}) == Have({})


MANY = {device(number): 1 for number in range(1, limits.OWN_DEVICES_MAX + 2)}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"t": 5},
        {"t": "have"},
        {"t": "have", "seen": []},
        {"t": "have", "seen": {"x": 1}},
        {"t": "have", "seen": {ONE: 0}},
        {"t": "have", "seen": {ONE: True}},
        {"t": "have", "seen": {ONE: 2**53}},
        {"t": "have", "seen": MANY},
        {"t": "have", "seen": {}, "crl": "text"},
        {"t": "have", "seen": {}, "sum": bytes(31)},
        {"t": "have", "seen": {}, "sum": "x" * 32},
        {"t": "have", "seen": {}, "crl": b""},
        {"t": "have", "seen": {}, "crl": bytes(limits.REVOCATION_LIST_BYTES_MAX + 1)},
        {"t": "delta", "entries": [], "seen": {}},
        {"t": "delta", "entries": [], "seen": {}, "more": 1},
        {"t": "delta", "entries": {}, "seen": {}, "more": False},
        {"t": "delta", "entries": [ROW] * (limits.DELTA_ENTRIES_MAX + 1), "seen": {}, "more": False},
        {"t": "delta", "entries": [ROW], "more": False},
        *(
            {"t": "delta", "entries": [row], "seen": {}, "more": False}
            for row in (
                5,
                ROW[:4],
                [*ROW, 1],
                [b"key", *ROW[1:]],
                ["k" * (limits.STAMP_KEY_CHARS_MAX + 1), *ROW[1:]],
                [*ROW[:2], -1, *ROW[3:]],
                [*ROW[:2], 2**53, *ROW[3:]],
                [*ROW[:2], 1.0, *ROW[3:]],
                [*ROW[:3], ONE, 3],
                [*ROW[:3], bytes(31), 3],
                [*ROW[:4], 0],
            )
        ),
    ],
)
def test_what_is_no_message_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(MessageError):
        decode(fields)


def test_the_greatest_that_are_allowed_are_taken() -> None:
    del (most := dict(MANY))[device(1)]
    assert isinstance(decode({"t": "have", "seen": most, "crl": bytes(limits.REVOCATION_LIST_BYTES_MAX)}), Have)
    row = ["k" * limits.STAMP_KEY_CHARS_MAX, None, 2**53 - 1, bytes(32), 2**53 - 1]
    fields = {"t": "delta", "entries": [row] * limits.DELTA_ENTRIES_MAX, "seen": most, "more": False}
    assert isinstance(decode(fields), Delta)


def test_a_long_delta_travels_in_pieces_each_of_which_fits_a_frame() -> None:
    entries = [Entry(f"note/{account(n)}", "\N{SNOWMAN}" * 512, Stamp(NOW, ONE, n)) for n in range(1, 2_000)]
    entries += [Entry(f"block/{account(n)}", n, Stamp(NOW, ONE, n)) for n in range(2_000, 5_000)]
    cut = list(pieces(entries, {ONE: 5_000}))
    assert [entry for piece in cut for entry in piece.entries] == entries
    assert [piece.more for piece in cut] == [True] * (len(cut) - 1) + [False]
    assert len(cut) > 10
    for piece in cut:
        assert len(frames.encode(encode(piece), limits.SYNC_FRAME_BYTES_MAX)) < 2 * limits.DELTA_BYTES
    assert list(pieces([], {ONE: 1})) == [Delta((), {ONE: 1})]


# --- whose turn it is


def grown(state: State, count: int) -> State:
    for number in range(count):
        after = preferences.with_setting(
            state, "name", f"{sharing.__name__} {len(state.seen)} {state.seen.get(ONE, 0)} {number}"
        )
        state = sharing.stamped(state, after, device=ONE, now_ms=NOW)
    return state


def said(exchange: Exchange, state: State, revoked: bytes | None = None) -> list[str]:
    return [type(each).__name__ for each in exchange.due(state, revoked)]


def test_each_says_first_what_it_has_and_then_what_the_other_lacks() -> None:
    one, state = Exchange(TWO), grown(State(), 2)
    assert said(one, state) == ["Have"]
    assert said(one, state) == []
    one.heard(Have({}))
    (delta,) = one.due(state, None)
    assert isinstance(delta, Delta)
    assert [entry.key for entry in delta.entries] == ["setting/name"]
    assert said(one, state) == [], "it is on its way"


def test_one_delta_is_on_its_way_at_a_time_and_what_changes_meanwhile_goes_with_the_next() -> None:
    one, state = Exchange(TWO), grown(State(), 1)
    assert said(one, state) == ["Have"]
    one.heard(Have({}))
    assert said(one, state) == ["Delta"]
    later = grown(state, 3)
    one.heard(Have({TWO: 9}))  # it was on its way before ours came
    assert said(one, later) == []
    one.heard(Have({ONE: 1, TWO: 9}))
    assert said(one, later) == ["Delta"]
    one.heard(Have({ONE: 4, TWO: 9}))
    assert said(one, later) == []


def test_a_delta_is_answered_when_its_last_piece_is_durable() -> None:
    two = Exchange(ONE)
    assert said(two, State()) == ["Have"]
    two.heard(Have({ONE: 2}))
    two.heard(Delta((ENTRY,), {ONE: 3}, more=True))
    assert said(two, State()) == []
    two.heard(Delta((), {ONE: 3}))
    assert said(two, State()) == ["Have"]


def test_what_the_other_told_is_not_told_back() -> None:
    two, state = Exchange(ONE), grown(State(), 3)
    assert said(two, State()) == ["Have"]
    two.heard(Have({ONE: 2}))
    two.heard(Delta((ENTRY,), {ONE: 3}))
    assert said(two, state) == ["Have"]


def test_another_revocation_list_is_told_at_once() -> None:
    one = Exchange(TWO)
    assert list(one.due(State(), b"old")) == [Have({}, b"old", bytes(32))]
    one.owe()
    assert list(one.due(State(), b"new")) == [Have({}, b"new", bytes(32))]


def test_whose_disk_was_put_back_is_given_all_its_own_changes() -> None:
    one, state = Exchange(ONE), grown(State(), 3)
    assert said(one, state) == ["Have"]
    one.heard(Have({ONE: 1}))
    other = sharing.stamped(State(), preferences.with_setting(State(), "send_typing", False), device=ONE, now_ms=NOW)
    (delta,) = one.due(state, None)
    assert isinstance(delta, Delta)
    taken = sharing.adopted(sharing.merged(other, delta.entries, device=ONE, now_ms=NOW), delta.seen, device=ONE)
    assert sorted(stamp.number for stamp in taken.stamps.values()) == [4, 5]


def talk(states: dict[DeviceId, State]) -> int:
    """Two devices talk until neither has anything to say; how many deltas that took."""
    one, two = states
    exchanges, deltas = {one: Exchange(two), two: Exchange(one)}, 0
    for _ in range(20):
        for speaker, listener in ((one, two), (two, one)):
            for message in list(exchanges[speaker].due(states[speaker], None)):
                if isinstance(message, Delta):
                    deltas += 1
                    taken = sharing.merged(states[listener], message.entries, device=listener, now_ms=NOW)
                    states[listener] = sharing.adopted(taken, message.seen, device=listener)
                exchanges[listener].heard(message)
    return deltas


def test_who_have_seen_the_same_and_hold_other_things_tell_each_other_all_once() -> None:
    """A disk that was put back, and on which more was changed than others know: its numbers mean two things."""
    backup = blocked(State(), 1)
    states = {ONE: blocked(backup, 2), TWO: State()}
    talk(states)
    states[ONE] = blocked(blocked(blocked(backup, 4), 5), 6)
    assert talk(states) == 3, "what is beyond, and then all, each way"
    assert {who for who, known in states[ONE].contacts.items() if known.blocked} == set(map(account, (1, 2, 4, 5, 6)))
    assert states[ONE].contacts == states[TWO].contacts
    assert sharing.digest(states[ONE]) == sharing.digest(states[TWO])
    assert talk(states) == 0


def blocked(state: State, number: int) -> State:
    after, _ = state.block(account(number), now_ms=NOW + number)
    return sharing.stamped(state, after, device=ONE, now_ms=NOW + number)
