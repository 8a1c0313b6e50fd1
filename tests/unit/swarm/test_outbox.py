"""Letters wait, take their place, make room, and are tried again. (SCP-06 §9)"""

from __future__ import annotations

from swarmchat.ids import AccountId, ConversationId, DeviceId
from swarmchat.limits import (
    POSTED_AT_ONCE,
    POSTED_RETRY_S,
    POSTED_SLOT_S,
    POSTED_SLOTS,
    POSTED_TRIES_MAX,
    POSTED_WAITING_MAX,
)
from swarmchat.swarm.invitations import Sender
from swarmchat.swarm.mail import Ask, Want
from swarmchat.swarm.outbox import Outbox, Posting

ACCOUNT, BOB = AccountId("a" * 40), DeviceId("b" * 64)


def letter(topic: str = "want", device: DeviceId = BOB) -> Posting:
    return Posting(Sender(ACCOUNT, device), topic, Want(), ttl_s=60)


def device(number: int) -> DeviceId:
    return DeviceId(f"{number:064x}")


def all_done(box: Outbox, postings: list[Posting], now: float, *, stored: bool = True) -> None:
    for posting in postings:
        box.done(posting, now, stored=stored)


def test_of_two_letters_about_one_thing_the_newer_is_put() -> None:
    box = Outbox()
    box.post(letter("room"))
    box.post(Posting(Sender(ACCOUNT, BOB), "room", Ask(ConversationId("c" * 40)), ttl_s=600))
    (only,) = box.take(0.0)
    assert only.mail == Ask(ConversationId("c" * 40))


def test_so_many_are_put_at_once() -> None:
    box = Outbox()
    for number in range(10):
        box.post(letter(device=device(number)))
    first = box.take(0.0)
    assert len(first) == POSTED_AT_ONCE
    assert box.take(0.0) == []
    assert box.wake_at() is None, "a letter that is done wakes it"
    all_done(box, first, 1.0)
    assert len(box.take(1.0)) == POSTED_AT_ONCE


def test_letters_to_one_mailbox_stand_side_by_side_and_each_long_enough() -> None:
    box = Outbox()
    for number in range(POSTED_SLOTS + 2):
        box.post(letter(f"room {number}"))
    first = box.take(0.0)
    assert [each.slot for each in first] == [0, 1, 2, 3]
    all_done(box, first, 1.0)
    assert box.take(POSTED_SLOT_S - 0.1) == []
    assert box.wake_at() == POSTED_SLOT_S
    assert [each.slot for each in box.take(POSTED_SLOT_S)] == [0, 1]


def test_a_letter_takes_the_place_of_the_oldest_also_after_a_while() -> None:
    """Found by a simulated swarm with loss: what was put first was gone before the other looked again."""
    box, slots = Outbox(), []
    for number in range(6):
        box.post(letter(f"room {number}"))
        (posting,) = box.take(number * 100.0)
        box.done(posting, number * 100.0, stored=True)
        slots.append(posting.slot)
    assert slots == [0, 1, 2, 3, 0, 1]


def test_one_full_mailbox_holds_up_nobody_else() -> None:
    box = Outbox()
    for number in range(POSTED_SLOTS + 1):
        box.post(letter(f"room {number}"))
    all_done(box, box.take(0.0), 0.0)
    box.post(letter(device=device(7)))
    assert [each.to.device for each in box.take(0.0)] == [device(7)]


def test_what_nobody_took_is_tried_again_and_given_up() -> None:
    box, now, tries = Outbox(), 0.0, 0
    box.post(letter())
    while len(box):
        (posting,) = box.take(now)
        tries += 1
        box.done(posting, now, stored=False)
        assert box.take(now) == []
        now += POSTED_RETRY_S
    assert tries == POSTED_TRIES_MAX


def test_a_letter_that_failed_does_not_come_before_the_newer_one() -> None:
    box = Outbox()
    box.post(letter())
    (old,) = box.take(0.0)
    box.post(Posting(Sender(ACCOUNT, BOB), "want", Ask(ConversationId("c" * 40)), ttl_s=60))
    box.done(old, 0.0, stored=False)
    assert [each.mail for each in box.take(0.0)] == [Ask(ConversationId("c" * 40))]
    assert len(box) == 1, "the newer one is under way, and nothing waits behind it"


def test_what_waits_is_bounded_and_may_still_be_replaced() -> None:
    box = Outbox()
    assert all(box.post(letter(device=device(number))) for number in range(POSTED_WAITING_MAX))
    assert not box.post(letter(device=device(POSTED_WAITING_MAX)))
    assert box.post(letter(device=device(0)))
    assert len(box) == POSTED_WAITING_MAX


def test_nothing_goes_out_this_way_to_who_is_linked() -> None:
    box = Outbox()
    box.post(letter("one"))
    box.post(letter("two"))
    box.post(letter(device=device(7)))
    box.withdraw(BOB)
    assert [each.to.device for each in box.take(0.0)] == [device(7)]


def test_it_wakes_when_the_first_of_all_can_go() -> None:
    box = Outbox()
    assert box.wake_at() is None
    for number in range(POSTED_SLOTS):
        box.post(letter(f"room {number}"))
    all_done(box, box.take(0.0), 0.0)
    box.post(letter("one more"))
    assert box.wake_at() == POSTED_SLOT_S
    box.post(letter(device=device(7)))
    (other,) = box.take(1.0)
    box.done(other, 1.0, stored=False)
    assert box.wake_at() == POSTED_SLOT_S
    all_done(box, box.take(POSTED_SLOT_S), POSTED_SLOT_S)
    assert box.wake_at() == 1.0 + POSTED_RETRY_S
