"""The things an account keeps about others, as plain values. Times are milliseconds since 1970, 0 = never. (SCP-06)"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass
from typing import NewType

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId

RequestId = NewType("RequestId", str)  # 40 hex, the same on every device of the account


class RequestKind(enum.StrEnum):
    """Somebody wants to be a contact (a 1:1), or invites to a group."""

    CONTACT = "contact"
    GROUP = "group"


class ConversationState(enum.StrEnum):
    """Where a conversation stands on this account."""

    ACTIVE = "active"
    SYNCING = "syncing"
    REMOVED = "removed"
    ERASED = "erased"  # on this device alone, by its user; other own devices may have it (SCP-06 §7)


@dataclass(frozen=True, slots=True)
class Contact:
    """One other account and what passed between us; times in ms, 0 = never. (SCP-06 §1)"""

    account: AccountId
    added_ms: int = 0
    removed_ms: int = 0
    confirmed_ms: int = 0
    banned_ms: int = 0  # blocked by us; 0 = not blocked
    conversation: ConversationId | None = None
    name: str = ""
    note: str = ""

    @property
    def active(self) -> bool:
        """Whether it is a contact now: added later than removed."""
        return self.added_ms > self.removed_ms

    @property
    def blocked(self) -> bool:
        """Whether we want to hear nothing of it; local, and never told. (SCP-06 §8)"""
        return self.banned_ms > 0


@dataclass(frozen=True, slots=True)
class Offer:
    """What a trust request or a group invitation says, parsed; `sender` is proven by link or chain. (SCP-06 §9)"""

    sender: AccountId
    kind: RequestKind
    conversation: ConversationId
    commit: CommitId  # the root of a 1:1, the `add` of a group
    at_ms: int  # the sender's clock
    name: str = ""  # the sender's, of a contact request
    title: str = ""
    description: str = ""
    mode: int = 0
    members: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError past the bounds of SCP-06 §9: what is kept here must be readable from the disk again."""
        bounds = (
            (self.name, limits.REQUEST_NAME_CHARS_MAX),
            (self.title, limits.TITLE_CHARS_MAX),
            (self.description, limits.DESCRIPTION_CHARS_MAX),
        )
        if any(len(text) > bound for text, bound in bounds):
            raise ValueError("an invitation has a text that is too long")
        if not (0 <= self.at_ms < 2**53 and 0 <= self.members < 2**53 and self.mode in range(4)):
            raise ValueError("an invitation has a number out of bounds")
        "".join(text for text, _ in bounds).encode()  # UnicodeEncodeError is a ValueError

    @property
    def invitation(self) -> tuple[str, ...]:
        """What it is known by: who holds an invitation to a group brings the same (SCP-05 §1.11), for a contact only he himself asks."""
        whose = () if self.kind is RequestKind.GROUP else (self.sender,)
        return self.conversation, self.commit, *whose


@dataclass(frozen=True, slots=True)
class Request:
    """An offer that waits for the user."""

    offer: Offer
    received_ms: int
    shared: bool  # from somebody who shares a conversation or the LAN with us

    @property
    def id(self) -> RequestId:
        """Its name for people and programs."""
        return request_id(self.offer.sender, self.offer.conversation)


@dataclass(frozen=True, slots=True)
class Declined:
    """The last refusal for one (sender, conversation). (SCP-06 §4)"""

    sender: AccountId
    conversation: ConversationId
    commit: CommitId
    declined_ms: int  # not before the request's own time, so that resending it is never news
    asked_ms: int

    @property
    def id(self) -> RequestId:
        """The name of the request that was refused."""
        return request_id(self.sender, self.conversation)


@dataclass(frozen=True, slots=True, order=True)
class Host:
    """A device that holds a conversation and where it was."""

    device: DeviceId
    address: Address


@dataclass(frozen=True, slots=True)
class KnownConversation:
    """A conversation of this account, also one not cloned yet or left."""

    id: ConversationId
    title: str
    mode: int
    state: ConversationState
    added_ms: int
    removed_ms: int = 0
    invited_by: AccountId | None = None
    invitation: CommitId | None = None  # the `add` (1:1: the root) that we accepted
    members: tuple[AccountId, ...] = ()  # whom to clone from, beside the inviter; ≤ 64
    hosts: tuple[Host, ...] = ()  # ≤ 8
    refused: tuple[CommitId, ...] = ()  # heads whose history was invalid, ≤ 32, newest last

    @property
    def is_gone(self) -> bool:
        """Whether nothing is to be seen of it here: left, or erased."""
        return self.state in {ConversationState.REMOVED, ConversationState.ERASED}


@dataclass(frozen=True, slots=True)
class Invitation:
    """One that we sent, until the other has joined, declined, or 30 days have passed. (SCP-06 §2, §3)"""

    conversation: ConversationId
    account: AccountId
    kind: RequestKind
    commit: CommitId
    created_ms: int
    delivered_ms: int = 0  # 0 = no device of the other has confirmed to have read it
    tried_ms: int = 0

    @property
    def id(self) -> RequestId:
        """Its name: there is one for each person and conversation."""
        return request_id(self.account, self.conversation)

    @property
    def expires_ms(self) -> int:
        """When we stop sending it."""
        return self.created_ms + limits.INVITATION_KEPT_S * 1000


@dataclass(frozen=True, slots=True)
class OwnDevice:
    """A device of this account."""

    id: DeviceId
    name: str
    added_ms: int
    revoked_ms: int = 0
    may_link: bool = False  # holds the account key


@dataclass(frozen=True, slots=True, order=True)
class Stamp:
    """Who changed a thing that own devices share, and when; the later one counts. (SCP-04 §7)"""

    time_ms: int
    device: DeviceId
    number: int  # of that device's changes, counted from 1


def request_id(account: AccountId, conversation: ConversationId) -> RequestId:
    """The name of what stands between an account and us about one conversation."""
    return RequestId(hashlib.sha256(f"{account} {conversation}".encode()).hexdigest()[:40])
