"""Whether a group event says what the commit does that brings it: else it is not taken. Pure. (SCP-09 §3.7)"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

from swarmchat.conversation.actions import (
    Action,
    Add,
    Ban,
    Demote,
    Initial,
    Join,
    Kick,
    Leave,
    Other,
    Promote,
    Unban,
    UpdateProfile,
)
from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways.status import notes
from swarmchat.gateways.status.events import SignedEvent
from swarmchat.gateways.status.wire import EventType
from swarmchat.ids import AccountId

_TYPES: Final[Mapping[type, frozenset[int]]] = {
    Initial: frozenset({EventType.CHAT_CREATED}),
    Add: frozenset({EventType.MEMBERS_ADDED}),
    Unban: frozenset({EventType.MEMBERS_ADDED}),
    Join: frozenset({EventType.MEMBER_JOINED}),
    Leave: frozenset({EventType.MEMBER_REMOVED}),
    Kick: frozenset({EventType.MEMBER_REMOVED}),
    Ban: frozenset({EventType.MEMBER_REMOVED}),
    Promote: frozenset({EventType.ADMINS_ADDED}),
    Demote: frozenset({EventType.ADMIN_REMOVED}),
    UpdateProfile: frozenset({EventType.NAME_CHANGED, EventType.COLOR_CHANGED, EventType.IMAGE_CHANGED}),
}
_SNAPSHOT: Final = frozenset(
    {EventType.CHAT_CREATED, EventType.MEMBERS_ADDED, EventType.ADMINS_ADDED, EventType.IMAGE_CHANGED}
)


def agrees(action: Action, signed: SignedEvent, keys_of: Callable[[AccountId], Collection[Key]]) -> bool:
    """Whether the event is one that such a commit brings, about the same person; `keys_of` an account: what it has proved."""
    match action:
        case Other(notes.EVENT):
            return True
        case Other(notes.BRIDGE):
            return signed.event.type in _SNAPSHOT
        case Join(uri):
            named = {signed.author}
        case Add(uri) | Leave(uri) | Kick(uri) | Promote(uri) | Demote(uri) | Ban(uri) | Unban(uri):
            named = set(members(signed))
        case Initial() | UpdateProfile():
            return signed.event.type in _TYPES[type(action)]
        case _:
            return False
    who = AccountId(uri)
    is_named = any(key.uri == who for key in named) or any(key in named for key in keys_of(who))
    return signed.event.type in _TYPES[type(action)] and is_named


def members(signed: SignedEvent) -> Iterator[Key]:
    """The keys that an event names; what is none is passed over."""
    for text in signed.event.members:
        try:
            key = Key.parse(text)
        except ValueError:
            continue
        if key.legacy == text:  # other letters are another member
            yield key
