"""One-to-ones: two keys, and a chat id that each of the two writes otherwise. Pure. (SCP-09 §3.11)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from swarmchat.conversation.actions import Initial, Other
from swarmchat.conversation.commit import Commit
from swarmchat.conversation.history import History
from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import notes
from swarmchat.gateways.status.notes import Note
from swarmchat.gateways.status.wire import GroupChatInvitation, MembershipUpdateMessage, MessageType, Payload
from swarmchat.ids import AccountId

ALONE: Final = (
    "Status hears nothing of what you say to yourself",
    "open a one-to-one conversation with somebody else, or a group",
)


@dataclass(frozen=True, slots=True)
class Pair:
    """The keys of the two, which are not the same."""

    keys: frozenset[Key]

    @property
    def id(self) -> str:
        """A name for it that no wire knows and no group can have."""
        return "+".join(sorted(key.compressed for key in self.keys))

    def other(self, key: Key) -> Key:
        """Who the holder of one of the keys talks to; what he writes names him, as `0x04…`."""
        (found,) = self.keys - {key}
        return found


def of(one: Key, other: Key) -> Pair | None:
    """The one-to-one of two; None with oneself."""
    return Pair(frozenset({one, other})) if one != other else None


def spoken_in(author: Key, message: Payload) -> Pair | None:
    """The one-to-one that a message is said in: its author's with whom its chat id names, letter for letter.

    None for what is said in a group, to oneself, or to what is no key.
    """
    if not is_one_to_one(message):
        return None
    try:
        named = Key.parse(message.chat_id)
    except ValueError:
        return None
    return of(author, named) if named.legacy == message.chat_id else None


def is_one_to_one(message: Payload) -> bool:
    """Whether a message says of itself that it belongs to a one-to-one."""
    return (
        not isinstance(message, MembershipUpdateMessage | GroupChatInvitation)
        and message.message_type == MessageType.ONE_TO_ONE
    )


@dataclass(frozen=True, slots=True)
class Bridge:
    """What opens a one-to-one; `key` is that of the other where he has no account."""

    key: Key | None


def bridge(commit: Commit, note: Note, two: tuple[AccountId, AccountId]) -> Bridge | Refused | None:
    """What a commit in the one-to-one of these two opens; None for one that opens nothing, nor says so."""
    opens = isinstance(commit.action, Other) and commit.action.type == notes.BRIDGE
    named = commit.body.get("body") if opens else note.chat if isinstance(commit.action, Initial) else None
    if named is None:
        return Bridge(None) if opens else None
    try:
        key = Key.parse(str(named))
    except ValueError:
        return Refused("bad-chat")
    return Bridge(key) if key.legacy == named and key.uri in two else Refused("bad-chat")


def two_of(history: History) -> tuple[AccountId, AccountId] | None:
    """Whose one-to-one a conversation is, who made it first; None for a group, and for one with oneself."""
    root = history.root.fact
    action = root.control.action if root.control else None
    if not isinstance(action, Initial) or action.mode != 0 or root.account is None or action.invited is None:
        return None
    return None if action.invited == root.account else (root.account, action.invited)
