"""What a group is after its events, and who may do what in it: two sets of rules. (SCP-09 §3.6)

`status-go` is what clients do, `rfc55` the text of 55/STATUS-1TO1-CHAT. Keys stand here as events spell them: `0x04…`, and
other letters are another member.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import chat_ids
from swarmchat.gateways.status.events import SignedEvent
from swarmchat.gateways.status.wire import EventType, MembershipUpdateMessage


class Rules(enum.StrEnum):
    """Whose word on who may do what."""

    STATUS_GO = "status-go"
    RFC55 = "rfc55"


class Fault(enum.StrEnum):
    """Why an event has no effect."""

    NOT_CREATED = "not-created"  # there is no chat before CHAT_CREATED
    ALREADY_CREATED = "already-created"
    WRONG_CREATOR = "wrong-creator"  # the chat id names another
    NOT_AN_ADMIN = "not-an-admin"
    NOT_A_MEMBER = "not-a-member"
    EMPTY = "empty"  # of a name, a colour, a picture
    NOT_ONE_MEMBER = "not-one-member"
    TARGET_IS_ADMIN = "target-is-admin"
    TARGET_NOT_A_MEMBER = "target-not-a-member"
    NOT_ONESELF = "not-oneself"
    UNKNOWN_TYPE = "unknown-type"
    SIGNED_BEFORE = "signed-before"  # this very signature stood under another event


@dataclass(slots=True)
class Group:
    """A chat as its events left it; grows by `apply`. Members and admins are in the order in which they came."""

    chat_id: str
    creator: str | None = None  # None: nothing happened yet
    name: str = ""
    color: str = ""
    image: bytes = b""
    members: dict[str, None] = field(default_factory=dict)
    admins: dict[str, None] = field(default_factory=dict)
    joined: set[str] = field(default_factory=set)
    last_clock: int = 0

    def fault(self, signed: SignedEvent, rules: Rules, *, strict_55: bool = False) -> Fault | None:
        """Why this event may not come next; None when it may."""
        if signed.event.type == EventType.CHAT_CREATED:
            return self._creation_fault(signed, rules, strict_55=strict_55)
        if self.creator is None:
            return Fault.NOT_CREATED
        check = _CHECKS[rules].get(signed.event.type)
        return check(self, signed) if check else Fault.UNKNOWN_TYPE

    def apply(self, signed: SignedEvent, rules: Rules) -> None:
        """Let an event without fault have its effect."""
        event, author = signed.event, signed.author.legacy
        match event.type:
            case EventType.CHAT_CREATED:
                self.creator, self.name, self.color = author, event.name, event.color
                self.members[author] = self.admins[author] = None
                self.joined.add(author)
            case EventType.NAME_CHANGED:
                self.name = event.name
            case EventType.COLOR_CHANGED:
                self.color = event.color
            case EventType.IMAGE_CHANGED:
                self.image = event.image
            case EventType.MEMBERS_ADDED:
                self.members |= dict.fromkeys(event.members)
                if rules is Rules.STATUS_GO:  # nobody is asked any more
                    self.joined |= set(event.members)
            case EventType.MEMBER_JOINED if author in self.members:
                self.joined.add(author)
            case EventType.MEMBER_REMOVED:
                (gone,) = event.members
                self.members.pop(gone, None)
                self.admins.pop(gone, None)
                self.joined.discard(gone)
            case EventType.ADMINS_ADDED:
                self.admins |= dict.fromkeys(event.members)
            case EventType.ADMIN_REMOVED:
                self.admins.pop(author)
            case _:
                pass  # a join of somebody who was not added
        self.last_clock = max(self.last_clock, event.clock)

    def _creation_fault(self, signed: SignedEvent, rules: Rules, *, strict_55: bool) -> Fault | None:
        # Clients let a group that everybody left be created anew by anybody; here it stays with who made the chat id.
        over = rules is Rules.STATUS_GO and not self.admins and not self.members
        if self.creator is not None and not over:
            return Fault.ALREADY_CREATED
        return None if chat_ids.is_by(self.chat_id, signed.author, strict_55=strict_55) else Fault.WRONG_CREATOR


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event without effect, and why."""

    event: SignedEvent
    reason: Fault


@dataclass(frozen=True)
class Fold:
    """The group, the events that made it, in order, and those that had no effect. The group is the caller's own."""

    group: Group
    events: tuple[SignedEvent, ...]
    ignored: tuple[Ignored, ...]

    @cached_property
    def listed(self) -> bytes:
        """The events as they stand in every message of the group, before what is said: written once, for they may be many."""
        raws = tuple([signed.raw for signed in self.events])
        return MembershipUpdateMessage(chat_id=self.group.chat_id, events=raws).encode()


def fold(
    chat_id: str, events: Iterable[SignedEvent], rules: Rules = Rules.STATUS_GO, *, strict_55: bool = False
) -> Fold:
    """What all these events come to, in whatever order they arrived; one that may not be is ignored, with a reason.

    All must have been read for this chat id. Several copies of one event count once.
    """
    group = Group(chat_id)
    signatures: set[bytes] = set()
    counted, ignored = [], []
    for signed in ordered(events):
        # A signature fits under other bytes as well, by another author: only of one that counted it is known who made it.
        fault = (
            Fault.SIGNED_BEFORE if signed.signature in signatures else group.fault(signed, rules, strict_55=strict_55)
        )
        if fault:
            ignored.append(Ignored(signed, fault))
            continue
        group.apply(signed, rules)
        signatures.add(signed.signature)
        counted.append(signed)
    return Fold(group, tuple(counted), tuple(ignored))


def fold_strictly(
    chat_id: str, events: Iterable[SignedEvent], rules: Rules = Rules.STATUS_GO, *, strict_55: bool = False
) -> Fold | Refused:
    """The same as clients do it: the first event that may not be refuses all, and so does a list without events."""
    folded = fold(chat_id, events, rules, strict_55=strict_55)
    if folded.ignored:
        first = folded.ignored[0]
        return Refused(first.reason, f"{first.event.event.clock} by {first.event.author.compressed}")
    return folded if folded.events else Refused(Fault.NOT_CREATED)


def ordered(events: Iterable[SignedEvent]) -> list[SignedEvent]:
    """Each event once, by clock, then by signature."""
    return sorted({each.raw: each for each in events}.values(), key=lambda each: each.order)


_Check = Callable[[Group, SignedEvent], Fault | None]


def _by_admin(group: Group, signed: SignedEvent) -> Fault | None:
    return None if signed.author.legacy in group.admins else Fault.NOT_AN_ADMIN


def _by_anyone_inside(group: Group, signed: SignedEvent) -> Fault | None:
    author = signed.author.legacy
    return None if author in group.members or author in group.admins else Fault.NOT_A_MEMBER


def _by_member(group: Group, signed: SignedEvent) -> Fault | None:
    return None if signed.author.legacy in group.members else Fault.NOT_A_MEMBER


def _by_anybody(_group: Group, _signed: SignedEvent) -> Fault | None:
    return None  # of those who were not added it has no effect


def _change(group: Group, signed: SignedEvent) -> Fault | None:
    event = signed.event
    said = {EventType.NAME_CHANGED: event.name, EventType.COLOR_CHANGED: event.color}.get(
        EventType(event.type), event.image
    )
    return _by_anyone_inside(group, signed) or (None if said else Fault.EMPTY)


def _removal(group: Group, signed: SignedEvent) -> Fault | None:
    """Oneself, even when one is not in it; or, by an admin, somebody who is none."""
    if len(signed.event.members) != 1:
        return Fault.NOT_ONE_MEMBER
    target = signed.event.members[0]
    if target == signed.author.legacy:
        return None
    return _by_admin(group, signed) or (Fault.TARGET_IS_ADMIN if target in group.admins else None)


def _removal_of_a_member(group: Group, signed: SignedEvent) -> Fault | None:
    leaves = signed.event.members == (signed.author.legacy,)
    return _removal(group, signed) or (_by_member(group, signed) if leaves else None)


def _promotion_of_any(group: Group, signed: SignedEvent) -> Fault | None:
    """One of the new admins must be a member; the others may be anybody."""
    known = any(target in group.members for target in signed.event.members)
    return _by_admin(group, signed) or (None if known else Fault.TARGET_NOT_A_MEMBER)


def _promotion_of_all(group: Group, signed: SignedEvent) -> Fault | None:
    known = all(target in group.members for target in signed.event.members)
    return _by_admin(group, signed) or (None if known else Fault.TARGET_NOT_A_MEMBER)


def _stepping_down(group: Group, signed: SignedEvent) -> Fault | None:
    if len(signed.event.members) != 1:
        return Fault.NOT_ONE_MEMBER
    return _by_admin(group, signed) or (None if signed.event.members[0] == signed.author.legacy else Fault.NOT_ONESELF)


_CHECKS: Final[Mapping[Rules, Mapping[int, _Check]]] = {
    Rules.STATUS_GO: {
        EventType.NAME_CHANGED: _change,
        EventType.COLOR_CHANGED: _change,
        EventType.IMAGE_CHANGED: _change,
        EventType.MEMBERS_ADDED: _by_anyone_inside,
        EventType.MEMBER_JOINED: _by_member,
        EventType.MEMBER_REMOVED: _removal,
        EventType.ADMINS_ADDED: _promotion_of_any,
        EventType.ADMIN_REMOVED: _stepping_down,
    },
    Rules.RFC55: {
        EventType.NAME_CHANGED: _by_admin,
        EventType.COLOR_CHANGED: _by_admin,
        EventType.IMAGE_CHANGED: _by_admin,
        EventType.MEMBERS_ADDED: _by_admin,
        EventType.MEMBER_JOINED: _by_anybody,
        EventType.MEMBER_REMOVED: _removal_of_a_member,
        EventType.ADMINS_ADDED: _promotion_of_all,
        EventType.ADMIN_REMOVED: _stepping_down,
    },
}
