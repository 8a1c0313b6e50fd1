from __future__ import annotations

import copy
from dataclasses import fields
from typing import Any

import pytest

from swarmchat.account import preferences, requests, sharing, strict
from swarmchat.account.records import ConversationState, Host, OwnDevice, RequestKind
from swarmchat.account.state import State
from swarmchat.account.statefile import state_from_json, state_to_json
from swarmchat.addresses import Address
from tests.support.accounts import account, ask, commit, conversation, device, invite

NOW = 1_750_000_000_000


def full_state() -> State:
    """One of everything."""
    state, _ = State().add_contact(account(1), conversation=conversation(1), name="Bób", now_ms=NOW)
    state, _ = state.describe_contact(account(1), note="line one\nline two")
    state, _ = state.block(account(2), now_ms=NOW)
    state, _ = requests.receive(state, invite(3, conv=3), shared=True, now_ms=NOW)
    state, _ = requests.receive(state, ask(4, conv=4, at_ms=NOW), shared=False, now_ms=NOW)
    state, _ = requests.decline(state, state.pending()[1].id, now_ms=NOW)
    state, _ = state.add_conversation(
        conversation(5), title="Garden", mode=2, now_ms=NOW, state=ConversationState.SYNCING, invited_by=account(1),
        invitation=commit(5), members=[account(1), account(2)], hosts=[Host(device(1), Address("fe80::1%eth0", 4000))],
    )  # fmt: skip
    state, _ = state.refuse_heads(conversation(5), [commit(6)])
    state, _ = state.invite(account(1), conversation(1), kind=RequestKind.CONTACT, commit=commit(1), now_ms=NOW)
    state, _ = state.add_device(OwnDevice(device(1), "laptop", NOW, may_link=True))
    state, _ = preferences.prefer(state, conversation(5), "colour", "#aabbcc")
    state = preferences.with_setting(preferences.with_setting(state, "send_typing", False), "name", "Bób")
    return sharing.completed(state, device=device(1))


def test_a_state_is_read_back_equal() -> None:
    """CS-03, CS-09, CS-10, CS-15, CI-03, CI-07"""
    state = full_state()
    assert all(len(getattr(state, field.name)) for field in fields(state))
    assert state_from_json(strict.decode(strict.encode(state_to_json(state)))) == state
    assert state_from_json(state_to_json(State())) == State()


def test_equal_states_give_equal_bytes_whatever_the_order_of_their_making() -> None:
    one, two = State(), State()
    for number in (1, 2):
        one, _ = one.add_contact(account(number), conversation=None, now_ms=NOW)
        two, _ = two.add_contact(account(3 - number), conversation=None, now_ms=NOW)
    assert strict.encode(state_to_json(one)) == strict.encode(state_to_json(two))


def places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """The way to everything inside a document."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found + [place for key, item in items for place in places(item, (*path, key))]


def changed(document: Any, path: tuple[Any, ...], value: object) -> Any:
    document = copy.deepcopy(document)
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return document


@pytest.mark.parametrize("junk", [-1, 1.5, True, "\ud800", {}, [{}], [None], 2**53, "x" * 600])
def test_no_field_takes_just_anything(junk: object) -> None:
    document = state_to_json(full_state())
    for path in places(document):
        if junk is True and path[-1] in {"shared", "may_link", "send_typing"}:
            continue
        if path == ("settings",) and junk == {}:
            continue
        if path == ("preferences",) and junk == {}:
            continue
        with pytest.raises(ValueError):
            state_from_json(changed(document, path, junk))


def test_a_missing_or_unknown_key_is_refused_everywhere() -> None:
    document = state_to_json(full_state())
    for path in places(document):
        if isinstance(path[-1], str) and path[0] not in {"settings", "preferences"}:  # none of these has to be there
            parent = document
            for key in path[:-1]:
                parent = parent[key]  # type: ignore[index]
            less = {key: value for key, value in parent.items() if key != path[-1]}
            for other in (less, parent | {"surprise": 1}):
                with pytest.raises(ValueError, match=str(path[-1]) if other is less else "surprise"):
                    state_from_json(changed({"": document}, ("", *path[:-1]), other)[""])


@pytest.mark.parametrize(
    "name", ["contacts", "requests", "declined", "arrivals", "conversations", "invitations", "devices"]
)
def test_the_same_thing_twice_is_refused(name: str) -> None:
    document: Any = state_to_json(full_state())
    document[name] = [document[name][0], document[name][0]]
    with pytest.raises(ValueError, match="twice"):
        state_from_json(document)


def test_an_unknown_version_is_named() -> None:
    with pytest.raises(ValueError, match="version 3"):
        state_from_json(state_to_json(State()) | {"version": 3})


def test_a_state_from_before_anything_was_shared_is_read() -> None:
    old = {
        key: value
        for key, value in state_to_json(full_state()).items()
        if key not in {"settings", "preferences", "sharing"}
    }
    state = state_from_json(old | {"version": 1})
    assert state.contacts == full_state().contacts
    assert not state.stamps
    with pytest.raises(ValueError, match="preferences, sharing"):
        state_from_json(old | {"version": 1, "settings": {}})
