"""What an observer is told: facts, typed, with the names of SCP-08 §3.3. `data` gives what the event log stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from swarmchat.account.records import OwnDevice, RequestId, RequestKind
from swarmchat.addresses import Address
from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId


@dataclass(frozen=True, slots=True)
class MessageAdded:
    """A line of the conversation is new here: a message, a member action, a vote."""

    type: ClassVar[str] = "message.added"
    conversation: ConversationId
    id: CommitId
    kind: str  # the type of the commit
    author: AccountId
    device: DeviceId
    time: int  # seconds, the author's claim


@dataclass(frozen=True, slots=True)
class MessageUpdated:
    """A message was edited or deleted by `commit`."""

    type: ClassVar[str] = "message.updated"
    conversation: ConversationId
    id: CommitId
    commit: CommitId


@dataclass(frozen=True, slots=True)
class MessageHidden:
    """A message of somebody removed is hidden now. (SCP-02 §8.2)"""

    type: ClassVar[str] = "message.hidden"
    conversation: ConversationId
    id: CommitId


@dataclass(frozen=True, slots=True)
class ReactionAdded:
    """Somebody reacted to `message` by `commit`."""

    type: ClassVar[str] = "reaction.added"
    conversation: ConversationId
    message: CommitId
    commit: CommitId
    author: AccountId
    reaction: str


@dataclass(frozen=True, slots=True)
class ReactionRemoved:
    """The reaction that `commit` had set was taken back."""

    type: ClassVar[str] = "reaction.removed"
    conversation: ConversationId
    message: CommitId
    commit: CommitId
    author: AccountId
    reaction: str


@dataclass(frozen=True, slots=True)
class MemberChanged:
    """Where an account stands now: admin, member, invited, banned, left; or a `device` of it: member, banned."""

    type: ClassVar[str] = "member.changed"
    conversation: ConversationId
    account: AccountId | None
    role: str
    device: DeviceId | None = None


@dataclass(frozen=True, slots=True)
class VoteCast:
    """A vote was cast."""

    type: ClassVar[str] = "vote.cast"
    conversation: ConversationId
    commit: CommitId
    kind: str
    target: AccountId | DeviceId
    voter: AccountId


@dataclass(frozen=True, slots=True)
class VoteResolved:
    """A ballot was resolved."""

    type: ClassVar[str] = "vote.resolved"
    conversation: ConversationId
    commit: CommitId
    kind: str
    target: AccountId | DeviceId
    by: AccountId


@dataclass(frozen=True, slots=True)
class CommitRefused:
    """A commit of a peer did not enter."""

    type: ClassVar[str] = "commit.refused"
    conversation: ConversationId
    commit: CommitId
    reason: str
    rule: str
    detail: str
    path: str | None
    device: DeviceId | None  # who sent it


@dataclass(frozen=True, slots=True)
class EffectChanged:
    """A merge changed the effect of an earlier action."""

    type: ClassVar[str] = "effect.changed"
    conversation: ConversationId
    commit: CommitId
    reason: str


@dataclass(frozen=True, slots=True)
class ConversationAdded:
    """A conversation is known here: made, accepted, or named by its link."""

    type: ClassVar[str] = "conversation.added"
    conversation: ConversationId


@dataclass(frozen=True, slots=True)
class ConversationUpdated:
    """Its profile changed."""

    type: ClassVar[str] = "conversation.updated"
    conversation: ConversationId


@dataclass(frozen=True, slots=True)
class ConversationRemoved:
    """Left or removed."""

    type: ClassVar[str] = "conversation.removed"
    conversation: ConversationId


@dataclass(frozen=True, slots=True)
class ConversationSyncing:
    """It is being cloned: so many of so many objects (0 of 0 while none has come)."""

    type: ClassVar[str] = "conversation.syncing"
    conversation: ConversationId
    received: int
    total: int


@dataclass(frozen=True, slots=True)
class ConversationReady:
    """It is here and we are joined."""

    type: ClassVar[str] = "conversation.ready"
    conversation: ConversationId


@dataclass(frozen=True, slots=True)
class ConversationRefused:
    """It does not become ours: an invalid history (`commit`, `rule`), or another mode than was offered."""

    type: ClassVar[str] = "conversation.refused"
    conversation: ConversationId
    commit: CommitId | None
    rule: str
    detail: str


@dataclass(frozen=True, slots=True)
class RequestAdded:
    """An invitation or contact request waits for the user."""

    type: ClassVar[str] = "request.added"
    id: RequestId
    conversation: ConversationId
    sender: AccountId
    kind: RequestKind


@dataclass(frozen=True, slots=True)
class RequestRemoved:
    """It waits no more."""

    type: ClassVar[str] = "request.removed"
    id: RequestId
    conversation: ConversationId


@dataclass(frozen=True, slots=True)
class ContactChanged:
    """A contact was added, removed, confirmed, blocked or unblocked."""

    type: ClassVar[str] = "contact.changed"
    account: AccountId


@dataclass(frozen=True, slots=True)
class DeviceChanged:
    """A device of this account is new, called otherwise, or revoked, here or on another device; `state`: linked, revoked."""

    type: ClassVar[str] = "device.changed"
    device: DeviceId
    name: str
    state: str


@dataclass(frozen=True, slots=True)
class AccountRevoked:
    """This device is no longer one of its account."""

    type: ClassVar[str] = "account.revoked"
    account: AccountId
    device: DeviceId


@dataclass(frozen=True, slots=True)
class AccountChanged:
    """Its name or a setting is another, by our user's hand here or on another device."""

    type: ClassVar[str] = "account.changed"
    account: AccountId


@dataclass(frozen=True, slots=True)
class PreferenceChanged:
    """Our user wants something else of a conversation, here or on another device; None: nothing."""

    type: ClassVar[str] = "conversation.prefs"
    conversation: ConversationId
    name: str
    value: str | None


@dataclass(frozen=True, slots=True)
class LinkUp:
    """A link with a device stands."""

    type: ClassVar[str] = "link.up"
    account: AccountId
    device: DeviceId
    path: str
    address: Address


@dataclass(frozen=True, slots=True)
class LinkDown:
    """A link is gone."""

    type: ClassVar[str] = "link.down"
    account: AccountId
    device: DeviceId
    reason: str


@dataclass(frozen=True, slots=True)
class PeerOnline:
    """The first link with a device of that account stands."""

    type: ClassVar[str] = "peer.online"
    account: AccountId


@dataclass(frozen=True, slots=True)
class PeerOffline:
    """The last link with that account is gone."""

    type: ClassVar[str] = "peer.offline"
    account: AccountId


@dataclass(frozen=True, slots=True)
class TypingChanged:
    """Somebody began or stopped typing."""

    type: ClassVar[str] = "typing"
    conversation: ConversationId
    account: AccountId
    device: DeviceId
    on: bool


@dataclass(frozen=True, slots=True)
class ReadMarked:
    """Somebody, perhaps this user on another device, has read up to `commit`."""

    type: ClassVar[str] = "read"
    conversation: ConversationId
    account: AccountId
    device: DeviceId
    commit: CommitId
    at_ms: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """A device has more than before. Not of SCP-08's list: for who waits, not for the log."""

    type: ClassVar[str] = "delivered"
    conversation: ConversationId
    account: AccountId
    device: DeviceId


Event = (
    MessageAdded
    | MessageUpdated
    | MessageHidden
    | ReactionAdded
    | ReactionRemoved
    | MemberChanged
    | VoteCast
    | VoteResolved
    | CommitRefused
    | EffectChanged
    | ConversationAdded
    | ConversationUpdated
    | ConversationRemoved
    | ConversationSyncing
    | ConversationReady
    | ConversationRefused
    | RequestAdded
    | RequestRemoved
    | ContactChanged
    | DeviceChanged
    | AccountRevoked
    | AccountChanged
    | PreferenceChanged
    | LinkUp
    | LinkDown
    | PeerOnline
    | PeerOffline
    | TypingChanged
    | ReadMarked
    | Delivered
)


def of_devices(
    before: Mapping[DeviceId, OwnDevice], after: Mapping[DeviceId, OwnDevice], this: DeviceId
) -> list[DeviceChanged]:
    """What is to be told where own devices were these and are those, by device; that `this` one is noted is no news."""
    found = []
    for device, known in sorted(after.items()):
        old = before.get(device)
        if known == old or (old is None and device == this):
            continue
        if old is None or (old.name, old.revoked_ms > 0) != (known.name, known.revoked_ms > 0):
            found.append(DeviceChanged(device, known.name, "revoked" if known.revoked_ms else "linked"))
    return found


def data(event: Event) -> dict[str, Any]:
    """The event's fields as JSON knows them."""
    found = {field.name: getattr(event, field.name) for field in fields(event)}
    return {name: str(value) if isinstance(value, Address) else value for name, value in found.items()}
