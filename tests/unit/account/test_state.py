from __future__ import annotations

import pytest

from swarmchat import limits
from swarmchat.account import requests
from swarmchat.account.records import ConversationState, Host, OwnDevice, RequestKind
from swarmchat.account.requests import Verdict
from swarmchat.account.state import State
from swarmchat.addresses import Address
from tests.support.accounts import DAY_MS, NOW, account, ask, commit, conversation, device, invite, received

# --- contacts (SCP-06 §1)


def test_a_contact_is_active_from_adding_to_removing_and_again() -> None:
    """CS-06"""
    state, contact = State().add_contact(account(1), conversation=conversation(1), name="Bob", now_ms=NOW)
    assert contact is not None
    assert contact.active
    assert state.is_contact(account(1))
    state, contact = state.remove_contact(account(1), now_ms=NOW + 1)
    assert contact is not None
    assert not contact.active
    assert state.remove_contact(account(1), now_ms=NOW + 2) == (state, None)
    state, contact = state.add_contact(account(1), conversation=conversation(2), now_ms=NOW + 2)
    assert contact is not None
    assert (contact.active, contact.name, contact.conversation) == (True, "Bob", conversation(2))


def test_a_clock_that_went_back_still_adds_and_removes() -> None:
    state, _ = State().add_contact(account(1), conversation=None, now_ms=NOW)
    state, contact = state.remove_contact(account(1), now_ms=NOW - DAY_MS)
    assert contact is not None
    assert not contact.active
    state, contact = state.add_contact(account(1), conversation=None, now_ms=NOW - DAY_MS)
    assert contact is not None
    assert contact.active


def test_of_two_one_to_ones_the_lower_id_is_used() -> None:
    state, _ = State().add_contact(account(1), conversation=conversation(7), now_ms=NOW)
    state, contact = state.add_contact(account(1), conversation=conversation(3), now_ms=NOW + 1)
    assert contact is not None
    assert contact.conversation == conversation(3)
    _, contact = state.add_contact(account(1), conversation=conversation(9), now_ms=NOW + 2)
    assert contact is not None
    assert contact.conversation == conversation(3)


def test_a_contact_is_confirmed_once_and_only_while_active() -> None:
    assert State().confirm_contact(account(1), now_ms=NOW)[1] is None
    state, _ = State().add_contact(account(1), conversation=None, now_ms=NOW)
    state, contact = state.confirm_contact(account(1), now_ms=NOW + 5)
    assert contact is not None
    assert contact.confirmed_ms == NOW + 5
    assert state.confirm_contact(account(1), now_ms=NOW + 6)[1] is None
    state, _ = state.remove_contact(account(1), now_ms=NOW + 7)
    state, contact = state.add_contact(account(1), conversation=None, now_ms=NOW + 8)
    assert contact is not None
    assert contact.confirmed_ms == 0, "who was removed must confirm anew"


def test_removing_a_contact_withdraws_the_request_to_it_and_no_group_invitation() -> None:
    state, _ = State().add_contact(account(1), conversation=conversation(1), now_ms=NOW)
    state, _ = state.invite(account(1), conversation(1), kind=RequestKind.CONTACT, commit=commit(1), now_ms=NOW)
    state, _ = state.invite(account(1), conversation(2), kind=RequestKind.GROUP, commit=commit(2), now_ms=NOW)
    state, _ = state.remove_contact(account(1), now_ms=NOW + 1)
    assert [waiting.conversation for waiting in state.invitations.values()] == [conversation(2)]


def test_the_contact_beyond_the_last_is_not_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CONTACTS_MAX", 2)
    state = State()
    for number in (1, 2):
        state, contact = state.add_contact(account(number), conversation=None, now_ms=NOW)
        assert contact is not None
    assert state.add_contact(account(3), conversation=None, now_ms=NOW) == (state, None)
    assert state.add_contact(account(2), conversation=None, now_ms=NOW)[1] is not None


def test_describing_a_contact_changes_only_what_is_given() -> None:
    assert State().describe_contact(account(1), name="x")[1] is None
    state, _ = State().add_contact(account(1), conversation=None, name="Bob", now_ms=NOW)
    state, contact = state.describe_contact(account(1), note="met in Ulm")
    assert contact is not None
    assert (contact.name, contact.note) == ("Bob", "met in Ulm")
    assert state.describe_contact(account(1), note="met in Ulm")[1] is None
    _, contact = state.describe_contact(account(1), name="x" * 500, note="y" * 5000)
    assert contact is not None
    assert (len(contact.name), len(contact.note)) == (limits.DISPLAY_NAME_CHARS_MAX, limits.NOTE_CHARS_MAX)


def test_adding_a_contact_takes_back_that_it_was_declined_or_blocked() -> None:
    """ME-34: and leaves alone what was declined of its groups."""
    state, _ = received(State(), ask(1, conv=1))
    state, _ = received(state, invite(1, conv=2))
    for request in state.pending():
        state, _ = requests.decline(state, request.id, now_ms=NOW)
    state, _ = state.block(account(1), now_ms=NOW)
    state, contact = state.add_contact(account(1), conversation=None, now_ms=NOW)
    assert contact is not None
    assert not contact.blocked
    assert [each.conversation for each in state.declined.values()] == [conversation(2)]
    assert received(state, ask(1, conv=1))[1] is Verdict.TAKEN_UP


def test_removing_a_contact_declines_what_it_asks() -> None:
    """RQ-12: on the device where it is done."""
    state, _ = State().add_contact(account(1), conversation=conversation(7), now_ms=NOW)
    state, _ = state.add_conversation(conversation(7), title="", mode=0, now_ms=NOW)
    state, _ = state.remove_conversation(conversation(7), now_ms=NOW)
    state, _ = received(state, ask(1, conv=7, at_ms=NOW + 1), NOW + 1)
    assert len(state.pending()) == 1
    state, _ = state.remove_contact(account(1), now_ms=NOW + 2)
    assert state.pending() == ()
    assert received(state, ask(1, conv=7, at_ms=NOW + 1), NOW + 3)[1] is Verdict.DECLINED


def test_which_one_to_one_is_in_use_is_noted_for_contacts_only() -> None:
    assert State().use_pair(account(1), conversation(1)) == (State(), None)
    state, _ = State().add_contact(account(1), conversation=conversation(7), now_ms=NOW)
    assert state.use_pair(account(1), conversation(7)) == (state, None)
    state, contact = state.use_pair(account(1), None)
    assert contact is not None
    assert state.contact(account(1)).conversation is None


# --- blocking (SCP-06 §4, §8)


def test_who_is_blocked_is_not_heard_and_loses_what_was_pending() -> None:
    state, _ = received(State(), invite(1))
    state, _ = received(state, invite(2, conv=2))
    state, gone = state.block(account(1), now_ms=NOW)
    assert [request.offer.sender for request in gone] == [account(1)]
    assert [request.offer.sender for request in state.pending()] == [account(2)]
    after, verdict = received(state, invite(1, conv=5))
    assert (after, verdict) == (state, Verdict.BLOCKED)


def test_unblocking_continues_what_was_between_us() -> None:
    state, _ = State().add_contact(account(1), conversation=conversation(1), now_ms=NOW)
    state, _ = state.block(account(1), now_ms=NOW)
    assert state.is_blocked(account(1))
    assert state.is_contact(account(1))
    state, was = state.unblock(account(1))
    assert was
    assert state.contact(account(1)).conversation == conversation(1)
    assert state.unblock(account(1)) == (state, False)


def test_unblocking_a_stranger_leaves_no_trace() -> None:
    state, _ = State().block(account(1), now_ms=NOW)
    state, _ = state.unblock(account(1))
    assert state == State()


# --- conversations (SCP-06 §5, §7)


def test_what_was_left_is_removed_and_comes_back_only_by_another_invitation() -> None:
    """CI-09"""
    state, _ = received(State(), invite(add=1))
    state, _ = requests.accept(state, state.pending()[0].id, now_ms=NOW)
    state, _ = state.invite(account(5), conversation(1), kind=RequestKind.GROUP, commit=commit(3), now_ms=NOW)
    state, removed = state.remove_conversation(conversation(1), now_ms=NOW + 1)
    assert removed is not None
    assert removed.state is ConversationState.REMOVED
    assert state.invitations == {}
    assert state.remove_conversation(conversation(1), now_ms=NOW + 2) == (state, None)
    assert received(state, invite(add=1), NOW + 3) == (state, Verdict.KNOWN)
    state, verdict = received(state, invite(add=2), NOW + 3)
    assert verdict is Verdict.NEW
    state, _ = requests.accept(state, state.pending()[0].id, now_ms=NOW + 1)
    known = state.conversations[conversation(1)]
    assert known.state is ConversationState.SYNCING
    assert known.added_ms > known.removed_ms


def test_a_removed_one_to_one_comes_back_only_by_a_later_request() -> None:
    state, _ = State().add_conversation(conversation(1), title="", mode=0, now_ms=NOW)
    state, _ = state.remove_conversation(conversation(1), now_ms=NOW + 10)
    assert received(state, ask(at_ms=NOW + 10), NOW + 20)[1] is Verdict.KNOWN
    assert received(state, ask(at_ms=NOW + 11), NOW + 20)[1] is Verdict.NEW


def test_changing_a_conversation_reports_changes_only() -> None:
    assert State().change_conversation(conversation(1), title="x")[1] is None
    state, _ = State().add_conversation(conversation(1), title="Garden", mode=2, now_ms=NOW)
    assert state.change_conversation(conversation(1), title="Garden")[1] is None
    hosts = [Host(device(number), Address("192.0.2.1", 4000 + number)) for number in range(20)]
    members = [account(number) for number in range(100)]
    state, known = state.change_conversation(
        conversation(1), title="T" * 300, state=ConversationState.ERASED, members=members, hosts=hosts
    )
    assert known is not None
    assert (len(known.title), len(known.members), len(known.hosts)) == (128, 64, 8)
    assert known.state is ConversationState.ERASED


def test_heads_of_an_invalid_history_are_remembered_up_to_a_bound() -> None:
    assert State().refuse_heads(conversation(1), [commit(1)])[1] is None
    state, _ = State().add_conversation(conversation(1), title="", mode=2, now_ms=NOW)
    state, known = state.refuse_heads(conversation(1), [commit(2), commit(1)])
    assert known is not None
    assert known.refused == (commit(1), commit(2))
    assert state.refuse_heads(conversation(1), [commit(1)])[1] is None
    state, known = state.refuse_heads(conversation(1), [commit(number) for number in range(10, 50)])
    assert known is not None
    assert len(known.refused) == limits.REFUSED_HEADS_MAX
    assert known.refused[-1] == commit(49)


# --- invitations that we sent (SCP-06 §2, §3; SCP-05 §1.11)


def test_an_invitation_is_due_every_ten_minutes_until_it_is_settled() -> None:
    state, _ = State().invite(account(1), conversation(1), kind=RequestKind.GROUP, commit=commit(1), now_ms=NOW)
    state, _ = state.invite(account(2), conversation(1), kind=RequestKind.GROUP, commit=commit(2), now_ms=NOW + 1)
    assert [one.account for one in state.due_invitations(now_ms=NOW + 1)] == [account(1), account(2)]
    state = state.tried(account(1), conversation(1), delivered=True, now_ms=NOW + 2)
    state = state.tried(account(9), conversation(1), delivered=True, now_ms=NOW + 2)
    assert [one.account for one in state.due_invitations(now_ms=NOW + 3)] == [account(2)]
    assert state.due_invitations(now_ms=NOW + 3, account=account(1)) == ()
    assert [one.delivered_ms for one in state.due_invitations(now_ms=NOW + 600_002, account=account(1))] == [NOW + 2]
    state, settled = state.settle_invitation(account(1), conversation(1))
    assert settled is not None
    assert state.settle_invitation(account(1), conversation(1)) == (state, None)
    assert [one.account for one in state.due_invitations(now_ms=NOW + 600_002)] == [account(2)]


def test_an_invitation_ends_after_thirty_days() -> None:
    state, _ = State().invite(account(1), conversation(1), kind=RequestKind.GROUP, commit=commit(1), now_ms=NOW)
    end = NOW + 30 * DAY_MS
    assert state.due_invitations(now_ms=end - 1)
    assert state.due_invitations(now_ms=end) == ()
    assert state.expire_invitations(now_ms=end - 1) == (state, ())
    state, gone = state.expire_invitations(now_ms=end)
    assert [one.account for one in gone] == [account(1)]
    assert state == State()


def test_the_invitation_beyond_the_last_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "INVITATIONS_MAX", 1)
    state, _ = State().invite(account(1), conversation(1), kind=RequestKind.GROUP, commit=commit(1), now_ms=NOW)
    again, new = state.invite(account(1), conversation(1), kind=RequestKind.GROUP, commit=commit(2), now_ms=NOW)
    assert new is not None
    assert len(again.invitations) == 1
    assert state.invite(account(2), conversation(1), kind=RequestKind.GROUP, commit=commit(1), now_ms=NOW) == (
        state,
        None,
    )


# --- own devices


def test_sixteen_devices_are_in_use_at_most_and_revoked_ones_do_not_count() -> None:
    state = State()
    for number in range(16):
        state, added = state.add_device(OwnDevice(device(number), "", NOW))
        assert added
    assert state.add_device(OwnDevice(device(16), "", NOW)) == (state, False)
    state, revoked = state.revoke_device(device(0), now_ms=NOW)
    assert revoked is not None
    assert state.revoke_device(device(0), now_ms=NOW) == (state, None)
    assert state.revoke_device(device(99), now_ms=NOW) == (state, None)
    assert state.add_device(OwnDevice(device(0), "", NOW)) == (state, False)
    assert state.add_device(OwnDevice(device(16), "", NOW))[1]


def test_an_older_state_is_not_touched_by_a_newer_one() -> None:
    before = State()
    after, _ = before.add_contact(account(1), conversation=None, now_ms=NOW)
    assert before == State()
    with pytest.raises(TypeError):
        after.contacts[account(2)] = after.contacts[account(1)]  # type: ignore[index]
