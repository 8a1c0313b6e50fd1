"""What a mailbox takes from strangers is bounded in every way they could make it grow. (SCP-06 §9)"""

from __future__ import annotations

from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.directory import Found
from swarmchat.ids import AccountId
from swarmchat.limits import (
    MAIL_OF_STRANGERS_HOUR,
    MAIL_PER_SENDER_HOUR,
    MAIL_SENDERS_MAX,
    MAILBOX_OPENED_AT_ONCE,
    MAILBOX_OPENED_PER_S,
    MAILBOX_RUBBISH_MAX,
    MAILBOX_SEEN_MAX,
    MAILBOX_WRITERS_MAX,
)
from swarmchat.swarm.mailbox import Mailbox

HOUR_S = 3_600.0


def found(data: bytes | int, writer: int = 1) -> Found:
    content = data if isinstance(data, bytes) else data.to_bytes(8, "big")
    return Found(DhtKey(bytes(20)), b"", content, 0, writer.to_bytes(32, "big"))


def account(number: int) -> AccountId:
    return AccountId(f"{number:040x}")


def test_one_record_is_opened_once_whatever_writer_and_place_it_comes_back_with() -> None:
    box = Mailbox()
    assert box.admits(found(b"a"), 0.0)
    assert not box.admits(found(b"a"), 1.0)
    assert not box.admits(found(b"a", writer=2), 2.0)
    assert box.admits(found(b"b"), 3.0)


def test_a_flood_costs_so_many_tries_and_then_so_many_a_second() -> None:
    box = Mailbox()
    tried = sum(box.admits(found(number, writer=number), 0.0) for number in range(1_000))
    assert tried == MAILBOX_OPENED_AT_ONCE
    tried = sum(box.admits(found(number, writer=number), 10.0) for number in range(1_000, 2_000))
    assert tried == 10 * MAILBOX_OPENED_PER_S


def test_what_came_in_a_flood_and_was_not_tried_has_another_chance() -> None:
    box = Mailbox()
    for number in range(MAILBOX_OPENED_AT_ONCE):
        box.admits(found(number), 0.0)
    assert not box.admits(found(b"honest", writer=2), 0.0)
    assert box.admits(found(b"honest", writer=2), 60.0)


def test_who_writes_rubbish_is_not_read_for_an_hour_and_others_are() -> None:
    box = Mailbox()
    for number in range(MAILBOX_RUBBISH_MAX):
        assert box.admits(found(number), float(number))
        box.rubbish(found(number), float(number))
    assert not box.admits(found(b"more"), 100.0)
    assert box.admits(found(b"other", writer=2), 100.0)
    assert not box.admits(found(b"more"), HOUR_S - 1)
    assert box.admits(found(b"more"), HOUR_S)


def test_so_many_writers_are_remembered_and_no_more() -> None:
    box = Mailbox()
    for writer in range(MAILBOX_WRITERS_MAX + 1):
        for _ in range(MAILBOX_RUBBISH_MAX):
            box.rubbish(found(0, writer=writer), 0.0)
    assert len(box._rubbish) == MAILBOX_WRITERS_MAX
    assert box.admits(found(b"first again", writer=0), 1.0)


def test_one_account_is_heard_so_often_in_an_hour() -> None:
    box = Mailbox()
    heard = [box.counts(account(1), float(second), is_stranger=False) for second in range(100)]
    assert sum(heard) == MAIL_PER_SENDER_HOUR
    assert box.counts(account(2), 100.0, is_stranger=False)
    assert not box.counts(account(1), HOUR_S - 1, is_stranger=False)
    assert box.counts(account(1), HOUR_S, is_stranger=False)


def test_strangers_share_one_bound_and_take_nothing_from_whom_we_know() -> None:
    box = Mailbox()
    heard = [box.counts(account(number), 0.0, is_stranger=True) for number in range(500)]
    assert sum(heard) == MAIL_OF_STRANGERS_HOUR
    assert box.counts(account(1_000), 1.0, is_stranger=False)
    assert box.counts(account(2_000), HOUR_S, is_stranger=True)


def test_so_many_senders_are_remembered_and_no_more() -> None:
    box = Mailbox()
    for number in range(MAIL_SENDERS_MAX + 10):
        box.counts(account(number), 0.0, is_stranger=False)
    assert len(box._letters) == MAIL_SENDERS_MAX


def test_so_many_records_are_remembered_and_the_oldest_is_forgotten() -> None:
    box = Mailbox()
    step_s = 1.0 / MAILBOX_OPENED_PER_S
    for number in range(MAILBOX_SEEN_MAX + 1):
        assert box.admits(found(number, writer=number), number * step_s)
    late = (MAILBOX_SEEN_MAX + 10) * step_s
    assert not box.admits(found(1, writer=1), late)
    assert box.admits(found(0), late)


def test_rubbish_of_an_hour_ago_does_not_count_any_more() -> None:
    box = Mailbox()
    for _ in range(MAILBOX_RUBBISH_MAX - 1):
        box.rubbish(found(0), 500.0)
    box.rubbish(found(0), 500.0 + HOUR_S)
    assert box.admits(found(b"one"), 500.0 + HOUR_S)
    for _ in range(MAILBOX_RUBBISH_MAX - 2):
        box.rubbish(found(0), 500.0 + HOUR_S)
    assert box.admits(found(b"two"), 500.0 + HOUR_S)
    box.rubbish(found(0), 500.0 + HOUR_S)
    assert not box.admits(found(b"three"), 500.0 + HOUR_S)


def test_who_wrote_last_is_the_last_to_be_forgotten() -> None:
    box = Mailbox()
    for second in range(MAIL_PER_SENDER_HOUR):
        assert box.counts(account(0), float(second), is_stranger=False)
    for number in range(1, MAIL_SENDERS_MAX):
        box.counts(account(number), 100.0, is_stranger=False)
    assert not box.counts(account(0), 200.0, is_stranger=False)
    box.counts(account(MAIL_SENDERS_MAX), 300.0, is_stranger=False)
    assert not box.counts(account(0), 400.0, is_stranger=False)
    assert account(1) not in box._letters


def test_whom_we_know_takes_no_place_of_a_stranger() -> None:
    box = Mailbox()
    for number in range(2 * MAIL_OF_STRANGERS_HOUR):
        assert box.counts(account(number), 0.0, is_stranger=False)
    assert box.counts(account(1_000), 1.0, is_stranger=True)


def test_the_hour_begins_with_the_first_letter_that_counts() -> None:
    box = Mailbox()
    for second in range(MAIL_PER_SENDER_HOUR):
        assert box.counts(account(1), 10_000.0 + second, is_stranger=False)
    assert not box.counts(account(1), 10_000.0 + HOUR_S - 0.1, is_stranger=False)
    assert box.counts(account(1), 10_000.0 + HOUR_S, is_stranger=False)
    assert not box.counts(account(1), 10_000.0 + HOUR_S, is_stranger=False)
    assert box.counts(account(1), 10_001.0 + HOUR_S, is_stranger=False)
