"""What follows here from what was done on another own device. (SCP-04 §7)"""

from __future__ import annotations

from swarmchat.account import preferences, requests
from swarmchat.account.records import ConversationState, RequestKind
from swarmchat.account.state import State
from swarmchat.swarm.events import (
    ContactChanged,
    ConversationAdded,
    ConversationRemoved,
    PreferenceChanged,
    RequestAdded,
    RequestRemoved,
)
from swarmchat.swarm.merges import Effects, effects
from tests.support.accounts import account, commit, conversation, invite

NOW = 1_750_000_000_000


def test_nothing_follows_from_nothing() -> None:
    assert effects(State(), State()) == Effects()


def test_people_and_requests_are_told_of() -> None:
    before, _ = requests.receive(State(), invite(3, conv=3), shared=True, now_ms=NOW)
    after, _ = requests.decline(before, before.pending()[0].id, now_ms=NOW)
    after, _ = after.block(account(7), now_ms=NOW)
    after, _ = requests.receive(after, invite(4, conv=4), shared=True, now_ms=NOW)
    (waiting,) = after.pending()
    found = effects(before, after)
    assert found.events == (
        RequestRemoved(before.pending()[0].id, conversation(3)),
        RequestAdded(waiting.id, conversation(4), account(4), RequestKind.GROUP),
        ContactChanged(account(7)),
    )
    assert found.moved == found.invited == ()


def test_a_conversation_that_was_taken_up_comes_and_one_that_was_left_goes() -> None:
    before, _ = State().add_conversation(conversation(1), title="", mode=2, now_ms=NOW)
    before, _ = before.add_conversation(conversation(2), title="", mode=2, now_ms=NOW)
    after, _ = before.remove_conversation(conversation(1), now_ms=NOW)
    after, _ = after.add_conversation(conversation(3), title="", mode=2, state=ConversationState.SYNCING, now_ms=NOW)
    found = effects(before, after)
    assert found.events == (ConversationRemoved(conversation(1)), ConversationAdded(conversation(3)))
    assert found.moved == (conversation(1), conversation(3))


def test_what_was_erased_here_and_left_there_is_no_news() -> None:
    before, _ = State().add_conversation(conversation(1), title="", mode=2, now_ms=NOW)
    before, _ = before.erase_conversation(conversation(1))
    after, removed = before.remove_conversation(conversation(1), now_ms=NOW)
    assert removed is not None
    assert effects(before, after) == Effects()


def test_who_was_invited_elsewhere_is_invited_from_here_too_and_nobody_twice() -> None:
    before, _ = State().invite(account(1), conversation(1), kind=RequestKind.GROUP, commit=commit(1), now_ms=NOW)
    after, _ = before.invite(account(2), conversation(1), kind=RequestKind.GROUP, commit=commit(2), now_ms=NOW)
    assert effects(before, after).invited == (account(2),)
    again, _ = before.invite(account(1), conversation(1), kind=RequestKind.GROUP, commit=commit(3), now_ms=NOW)
    assert effects(before, again).invited == (account(1),)
    tried = before.tried(account(1), conversation(1), delivered=True, now_ms=NOW)
    assert effects(before, tried).invited == ()


def test_preferences_are_told_of_but_not_those_that_went_with_their_conversation() -> None:
    before, _ = State().add_conversation(conversation(1), title="", mode=2, now_ms=NOW)
    before, _ = preferences.prefer(before, conversation(1), "colour", "red")
    after, _ = preferences.prefer(before, conversation(1), "colour", "blue")
    after, _ = preferences.prefer(after, conversation(1), "bell", "off")
    told = (
        PreferenceChanged(conversation(1), "bell", "off"),
        PreferenceChanged(conversation(1), "colour", "blue"),
    )
    assert effects(before, after).events == told
    gone, _ = before.remove_conversation(conversation(1), now_ms=NOW)
    assert effects(before, gone).events == (ConversationRemoved(conversation(1)),)


def test_settings_of_the_account_are_followed() -> None:
    assert effects(State(), preferences.with_setting(State(), "send_typing", False)).settings
