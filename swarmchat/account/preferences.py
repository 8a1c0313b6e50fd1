"""What the user wants: settings of the account, and preferences of a conversation, on all own devices. Pure. (SCP-06)"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from swarmchat import limits
from swarmchat.account.mappings import with_item, without
from swarmchat.account.state import Setting, State
from swarmchat.ids import ConversationId

_SETTINGS: Mapping[str, type] = MappingProxyType({"name": str, "send_read_receipts": bool, "send_typing": bool})
_PREFERENCE = re.compile(r"[0-9a-f]{40}/[A-Za-z0-9_-]{1,32}")


def with_setting(state: State, name: str, value: Setting | None) -> State:
    """A setting of the account, on all own devices; None takes it back. ValueError for one that there is not."""
    if value is not None and not is_setting(name, value):
        raise ValueError(f"{name} cannot be that")
    kept = without(state.settings, name) if value is None else with_item(state.settings, name, value)
    return replace(state, settings=kept)


def prefer(state: State, conversation: ConversationId, name: str, value: str | None) -> tuple[State, bool]:
    """What the user wants of a conversation on all own devices, say its colour; None takes it back.

    False when the conversation is unknown or has 32 preferences. ValueError for a name or value out of bounds.
    """
    key = f"{conversation}/{name}"
    if not is_preference(key) or (value is not None and len(value) > limits.PREFERENCE_CHARS_MAX):
        raise ValueError("a preference has a name of letters, digits, - and _, and a short text")
    if value is None:
        return replace(state, preferences=without(state.preferences, key)), True
    there = sum(other.startswith(f"{conversation}/") for other in state.preferences)
    known = state.conversations.get(conversation)
    if known is None or known.is_gone:
        return state, False
    if key not in state.preferences and there >= limits.PREFERENCES_MAX:
        return state, False
    return replace(state, preferences=with_item(state.preferences, key, value)), True


def of(state: State, conversation: ConversationId) -> Mapping[str, str]:
    """The preferences of one conversation, by name."""
    begin = f"{conversation}/"
    return {
        key.removeprefix(begin): state.preferences[key] for key in sorted(state.preferences) if key.startswith(begin)
    }


def has_setting(name: str) -> bool:
    """Whether an account has a setting of this name; one of a later version may have more."""
    return name in _SETTINGS


def is_setting(name: str, value: object) -> bool:
    """Whether an account has such a setting, and it can have that value."""
    kind = _SETTINGS.get(name)
    if kind is None or not isinstance(value, kind):
        return False
    return not isinstance(value, str) or len(value) <= limits.DISPLAY_NAME_CHARS_MAX


def is_preference(key: str) -> bool:
    """Whether it is "conversation/name"."""
    return _PREFERENCE.fullmatch(key) is not None
