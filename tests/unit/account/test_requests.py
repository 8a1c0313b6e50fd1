from __future__ import annotations

from dataclasses import replace

import pytest

from swarmchat import limits
from swarmchat.account import requests
from swarmchat.account.records import ConversationState, request_id
from swarmchat.account.requests import Verdict
from swarmchat.account.state import State
from tests.support.accounts import DAY_MS, HOUR_MS, NOW, account, ask, commit, conversation, invite, received


def test_a_request_waits_and_its_repetition_is_no_news() -> None:
    state, outcome = requests.receive(State(), invite(), shared=False, now_ms=NOW)
    assert outcome.verdict is Verdict.NEW
    assert outcome.request is not None
    assert state.pending() == (outcome.request,)
    assert received(state, invite(), NOW + HOUR_MS) == (state, Verdict.DUPLICATE)


def test_an_invitation_that_comes_again_as_an_answer_counts_once_in_the_hour() -> None:
    """It is delivered, and the hello that named the conversation made us ask for it: with another time, and no other word."""
    state = State()
    for number in range(limits.REQUESTS_PER_HOUR_PER_SENDER):
        state, verdict = received(state, invite(conv=number, at_ms=NOW))
        assert verdict is Verdict.NEW
        assert received(state, invite(conv=number, at_ms=NOW + 4)) == (state, Verdict.DUPLICATE)
    assert received(state, invite(conv=99))[1] is Verdict.TOO_MANY


def test_a_newer_invitation_to_the_same_conversation_replaces_the_waiting_one() -> None:
    state, _ = received(State(), invite(add=1, at_ms=NOW))
    state, verdict = received(state, invite(add=2, at_ms=NOW + 1), NOW + 1)
    assert verdict is Verdict.UPDATED
    assert [(request.offer.commit, request.received_ms) for request in state.pending()] == [(commit(2), NOW)]
    assert received(state, invite(add=1, at_ms=NOW))[1] is Verdict.DUPLICATE, "an older one that was late"


def test_a_declined_invitation_stays_declined_and_another_comes_after_a_day() -> None:
    state, _ = received(State(), invite(add=1))
    (pending,) = state.pending()
    state, declined = requests.decline(state, pending.id, now_ms=NOW + 5)
    assert declined == pending
    assert state.pending() == ()
    assert received(state, invite(add=1), NOW + 100 * DAY_MS) == (state, Verdict.DECLINED)
    assert received(state, invite(add=2), NOW + DAY_MS - 1) == (state, Verdict.TOO_SOON)
    assert received(state, invite(add=2), NOW + DAY_MS)[1] is Verdict.NEW
    assert received(state, invite(sender=2, add=1))[1] is Verdict.NEW, "declined for that sender only"


def test_who_brings_the_same_invitation_is_declined_with_it_and_nobody_else() -> None:
    state = State()
    for offer in (invite(1, add=1), invite(2, add=1), invite(3, add=2), invite(4, conv=2, add=1)):
        state, _ = received(state, offer)
    state, declined = requests.decline(state, request_id(account(2), conversation(1)), now_ms=NOW)
    assert declined is not None
    assert declined.offer.sender == account(2)
    assert [request.offer.sender for request in state.pending()] == [account(3), account(4)]
    for holder in (1, 2):
        assert received(state, invite(holder, add=1))[1] is Verdict.DECLINED


def test_blocking_one_who_brings_an_invitation_declines_it_of_nobody_else() -> None:
    state, _ = received(State(), invite(1, add=1))
    state, _ = received(state, invite(2, add=1))
    state, gone = state.block(account(2), now_ms=NOW)
    assert [request.offer.sender for request in gone] == [account(2)]
    assert [request.offer.sender for request in state.pending()] == [account(1)]


def test_a_contact_request_with_the_ids_of_anothers_is_not_declined_with_it() -> None:
    state, _ = received(State(), ask(1))
    state, _ = received(state, replace(ask(1), sender=account(2)))
    state, _ = requests.decline(state, request_id(account(2), ask(1).conversation), now_ms=NOW)
    assert [request.offer.sender for request in state.pending()] == [account(1)]


def test_a_declined_contact_request_is_new_only_by_a_later_action_of_its_user() -> None:
    state, _ = received(State(), ask(at_ms=NOW + HOUR_MS))  # a clock ahead of ours
    state, _ = requests.decline(state, state.pending()[0].id, now_ms=NOW)
    later = NOW + 2 * DAY_MS
    assert received(state, ask(at_ms=NOW + HOUR_MS), later)[1] is Verdict.DECLINED
    assert received(state, ask(at_ms=NOW + HOUR_MS + 1), later)[1] is Verdict.NEW


def test_a_clock_set_back_does_not_shut_anybody_out() -> None:
    state, _ = received(State(), invite(add=1), NOW)
    state, _ = requests.decline(state, state.pending()[0].id, now_ms=NOW)
    assert received(state, invite(add=2), NOW - 400 * DAY_MS)[1] is Verdict.NEW


def test_that_a_contact_was_declined_holds_in_whatever_conversation_it_is_asked() -> None:
    """RQ-04, RQ-19: an older question is declined with it, and a new one is heard after a day."""
    state, _ = received(State(), replace(ask(1, conv=1), at_ms=NOW))
    state, _ = requests.decline(state, state.pending()[0].id, now_ms=NOW)
    assert state.pending() == ()
    assert received(state, replace(ask(1, conv=1), at_ms=NOW))[1] is Verdict.DECLINED
    assert received(state, replace(ask(1, conv=2), at_ms=NOW))[1] is Verdict.DECLINED
    assert received(state, replace(ask(1, conv=2), at_ms=NOW + 1), NOW + DAY_MS - 1)[1] is Verdict.TOO_SOON
    assert received(state, replace(ask(1, conv=2), at_ms=NOW + 1), NOW + DAY_MS)[1] is Verdict.NEW
    assert received(state, invite(1, conv=3))[1] is Verdict.NEW, "a group is another question"
    assert received(state, ask(2, conv=2))[1] is Verdict.NEW, "and so is another person"


def test_of_two_requests_to_be_a_contact_the_newer_waits() -> None:
    """ME-36"""
    state, _ = received(State(), ask(1, conv=1, at_ms=NOW))
    first = state.pending()[0]
    assert received(state, ask(1, conv=2, at_ms=NOW - 1)) == (state, Verdict.DUPLICATE)
    state, outcome = requests.receive(state, ask(1, conv=2, at_ms=NOW), shared=False, now_ms=NOW)
    assert (outcome.verdict, outcome.dropped) == (Verdict.NEW, (first,))
    assert [each.offer.conversation for each in state.pending()] == [conversation(2)]
    assert received(state, ask(2, conv=3))[1] is Verdict.NEW
    state, _ = received(state, invite(1, conv=4))
    assert len(state.pending()) == 2


def test_accepting_a_group_does_not_answer_that_its_inviter_wants_to_be_a_contact() -> None:
    """RQ-02: two questions have two answers."""
    state, _ = received(State(), ask(1, conv=1))
    state, _ = received(state, invite(1, conv=2))
    state, _ = requests.accept(state, request_id(account(1), conversation(2)), now_ms=NOW)
    assert [each.offer.conversation for each in state.pending()] == [conversation(1)]
    assert not state.is_contact(account(1))


def test_what_a_contact_offers_is_taken_up_without_asking() -> None:
    """RQ-25: our user had asked for the same."""
    state, _ = State().add_contact(account(1), conversation=conversation(7), name="Bob", now_ms=NOW)
    assert received(state, invite(1))[1] is Verdict.NEW, "a group is another question"
    taken, outcome = requests.receive(state, ask(1, conv=9), shared=False, now_ms=NOW)
    assert (outcome.verdict, taken.pending()) == (Verdict.TAKEN_UP, ())
    assert taken.conversations[conversation(9)].state is ConversationState.SYNCING
    assert taken.contact(account(1)).confirmed_ms == NOW
    assert received(taken, ask(1, conv=9))[1] is Verdict.KNOWN
    removed, _ = state.remove_contact(account(1), now_ms=NOW)
    assert received(removed, ask(1, conv=9))[1] is Verdict.NEW
    blocked, _ = state.block(account(1), now_ms=NOW)
    assert received(blocked, ask(1, conv=9))[1] is Verdict.BLOCKED


def test_a_request_that_waits_is_taken_up_when_its_sender_has_become_a_contact_meanwhile() -> None:
    """On another own device, say: it is sent again every ten minutes."""
    state, _ = received(State(), ask(1, conv=9))
    state, _ = state.add_contact(account(1), conversation=conversation(7), now_ms=NOW)
    assert len(state.pending()) == 1
    state, verdict = received(state, ask(1, conv=9))
    assert (verdict, state.pending()) == (Verdict.TAKEN_UP, ())


def test_what_was_left_since_the_contact_was_added_is_asked_for() -> None:
    state, _ = State().add_contact(account(1), conversation=conversation(7), now_ms=NOW)
    state, _ = state.add_conversation(conversation(7), title="", mode=0, now_ms=NOW)
    state, _ = state.remove_conversation(conversation(7), now_ms=NOW + 5)
    again = ask(1, conv=7, at_ms=NOW + 6)
    assert received(state, again, NOW + 6)[1] is Verdict.NEW
    state, _ = state.remove_contact(account(1), now_ms=NOW + 7)
    state, _ = state.add_contact(account(1), conversation=None, now_ms=NOW + 8)
    assert received(state, again, NOW + 9)[1] is Verdict.TAKEN_UP


def test_so_many_are_taken_up_in_a_day_and_the_next_is_asked_for() -> None:
    state, _ = State().add_contact(account(1), conversation=None, now_ms=NOW)
    for number in range(limits.PAIRS_TAKEN_UP_MAX):
        state, verdict = received(state, ask(1, conv=number), NOW + number)
        assert verdict is Verdict.TAKEN_UP
    assert received(state, ask(1, conv=99), NOW + DAY_MS - 1)[1] is Verdict.NEW
    assert received(state, ask(1, conv=99), NOW + DAY_MS)[1] is Verdict.TAKEN_UP


def test_what_cannot_be_taken_up_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    state, _ = State().add_contact(account(1), conversation=None, now_ms=NOW)
    monkeypatch.setattr(limits, "CONVERSATIONS_KNOWN_MAX", 0)
    assert received(state, ask(1))[1] is Verdict.NEW


def test_ten_requests_an_hour_from_one_sender_and_not_the_eleventh() -> None:
    state = State()
    for number in range(10):
        state, verdict = received(state, invite(1, conv=number), NOW + number)
        assert verdict is Verdict.NEW
    assert received(state, invite(1, conv=99), NOW + 20) == (state, Verdict.TOO_MANY)
    assert received(state, invite(2, conv=99), NOW + 20)[1] is Verdict.NEW
    assert received(state, invite(1, conv=99), NOW + HOUR_MS)[1] is Verdict.NEW, "the first of them is an hour old"


def test_strangers_fill_their_half_only_and_the_oldest_goes() -> None:
    state = State()
    for number in range(50):
        state, verdict = received(state, invite(sender=number, conv=number), NOW + number)
        assert verdict is Verdict.NEW
    state, _ = received(state, invite(sender=1000, conv=1000), NOW, shared=True)
    state, outcome = requests.receive(state, invite(sender=50, conv=50), shared=False, now_ms=NOW + 50)
    assert [each.offer.sender for each in outcome.dropped] == [account(0)]
    assert len(state.pending()) == 51
    assert any(request.shared for request in state.pending())


def test_requests_never_exceed_a_hundred() -> None:
    state = State()
    for number in range(120):
        state, _ = received(state, invite(sender=number, conv=number), NOW + number, shared=number % 2 == 0)
    assert len(state.requests) == 100
    assert sum(request.shared for request in state.requests.values()) == 50


def test_the_counted_senders_are_bounded_and_forgotten_after_an_hour() -> None:
    state = State()
    for number in range(limits.REQUEST_SENDERS_MAX + 10):
        state, _ = received(state, invite(sender=number, conv=number), NOW + number)
    assert len(state.arrivals) == limits.REQUEST_SENDERS_MAX
    assert account(limits.REQUEST_SENDERS_MAX + 9) in state.arrivals
    state, _ = received(state, invite(sender=5000, conv=5000), NOW + 2 * HOUR_MS)
    assert set(state.arrivals) == {account(5000)}


def test_the_declined_are_bounded_and_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DECLINED_MAX", 3)
    state = State()
    for number in range(4):
        state, _ = received(state, invite(sender=number, conv=number), NOW + number)
        state, _ = requests.decline(state, request_id(account(number), conversation(number)), now_ms=NOW + number)
    assert {record.sender for record in state.declined.values()} == {account(1), account(2), account(3)}


def test_accepting_a_group_invitation_begins_to_sync_and_settles_the_others() -> None:
    state, _ = received(State(), invite(1))
    state, _ = received(state, invite(2))
    state, accepted = requests.accept(state, request_id(account(1), conversation(1)), now_ms=NOW)
    assert accepted is not None
    known = state.conversations[conversation(1)]
    assert (known.state, known.invited_by, known.invitation) == (ConversationState.SYNCING, account(1), commit(1))
    assert (known.title, known.mode) == ("Garden", 2)
    assert state.pending() == ()
    assert state.contacts == {}
    assert received(state, invite(3))[1] is Verdict.KNOWN


def test_accepting_a_contact_request_makes_a_confirmed_contact() -> None:
    state, _ = received(State(), ask(1, conv=4))
    state, _ = requests.accept(state, state.pending()[0].id, now_ms=NOW)
    contact = state.contact(account(1))
    assert (contact.active, contact.confirmed_ms, contact.conversation, contact.name) == (
        True,
        NOW,
        conversation(4),
        "Bob",
    )


def test_what_is_not_there_is_neither_accepted_nor_declined() -> None:
    nothing = request_id(account(1), conversation(1))
    assert requests.accept(State(), nothing, now_ms=NOW) == (State(), None)
    assert requests.decline(State(), nothing, now_ms=NOW) == (State(), None)


def test_without_a_place_for_the_conversation_a_request_keeps_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    state, _ = State().add_conversation(conversation(9), title="", mode=2, now_ms=NOW)
    state, _ = received(state, invite())
    monkeypatch.setattr(limits, "CONVERSATIONS_KNOWN_MAX", 1)
    assert requests.accept(state, state.pending()[0].id, now_ms=NOW) == (state, None)
    assert state.add_conversation(conversation(8), title="", mode=2, now_ms=NOW) == (state, None)


@pytest.mark.parametrize(
    "change",
    [{"name": "n" * 65}, {"title": "t" * 129}, {"description": "d" * 513}, {"mode": 4}, {"mode": -1}, {"at_ms": -1},
     {"at_ms": 2**53}, {"members": -1}, {"title": "\ud800"}],
)  # fmt: skip
def test_an_offer_past_its_bounds_cannot_be_made(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        replace(invite(), **change)  # type: ignore[arg-type]


def test_an_offer_at_its_bounds_can_be_made() -> None:
    replace(invite(), name="n" * 64, title="t" * 128, description="d" * 512, mode=3, at_ms=2**53 - 1)


def test_accepting_a_request_does_not_rename_who_has_a_name_here() -> None:
    state, _ = State().add_contact(account(1), conversation=conversation(7), name="Bob", now_ms=NOW)
    state, _ = received(state, replace(ask(1), name="Robert the Great"))
    assert state.contact(account(1)).name == "Bob"


# --- removed by the others, and invited again


@pytest.mark.parametrize(
    ("outside", "add", "verdict"),
    [(True, 2, Verdict.NEW), (True, 1, Verdict.KNOWN), (False, 2, Verdict.KNOWN)],
)
def test_another_add_to_a_conversation_that_is_here_asks_anew_only_who_is_outside(
    outside: bool, add: int, verdict: Verdict
) -> None:
    first = invite(1)
    state, _ = received(State(), first)
    state, _ = requests.accept(state, request_id(account(1), first.conversation), now_ms=NOW)
    again = replace(first, commit=commit(add))
    assert requests.receive(state, again, shared=True, now_ms=NOW, outside=outside)[1].verdict is Verdict.KNOWN, (
        "being cloned"
    )
    state, _ = state.change_conversation(first.conversation, state=ConversationState.ACTIVE)
    assert requests.receive(state, again, shared=True, now_ms=NOW, outside=outside)[1].verdict is verdict


def test_a_request_that_came_while_its_sender_was_being_added_is_taken_up_with_him() -> None:
    """SCP-06 §2: both asked for it. Those of others, and groups, go on waiting."""
    state = State()
    for offer in (ask(1, conv=9), ask(2, conv=8), invite(1, conv=7)):
        state, _ = received(state, offer)
    assert requests.take_wanted(state, now_ms=NOW) == (state, ())
    state, _ = state.add_contact(account(1), conversation=conversation(5), now_ms=NOW)
    state, taken = requests.take_wanted(state, now_ms=NOW)
    assert [each.offer.conversation for each in taken] == [conversation(9)]
    assert {each.offer.conversation for each in state.pending()} == {conversation(8), conversation(7)}
    assert state.conversations[conversation(9)].state is ConversationState.SYNCING
    assert state.contact(account(1)).confirmed_ms == NOW
    assert requests.take_wanted(state, now_ms=NOW) == (state, ())
