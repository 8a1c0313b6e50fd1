"""Who may do what in a group of data sync, and what comes of it. (SCP-09 §4.4)

One message on one standing; which messages come before which is for `gateways.datasync.group`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, StrEnum

from swarmchat.gateways.datasync.messages import Ack, Body, Invite, Join, Kick, Leave, Post
from swarmchat.gateways.datasync.payload import PeerId
from swarmchat.gateways.refusal import Refused


class Kind(Enum):
    """Who comes in how."""

    PRIVATE = "private"  # two, and nobody else
    GROUP = "group"  # owner and admins invite
    MEMBERS = "members"  # whoever is in it invites
    PUBLIC = "public"  # nobody needs an invitation who was not put out


class Fault(StrEnum):
    """Why a message of a group does not count."""

    NOT_FOUNDED = "not-founded"  # nothing can come before the first INVITE
    NOT_THE_FOUNDER = "not-the-founder"
    DISSOLVED = "dissolved"  # the owner left
    NOT_A_MEMBER = "not-a-member"
    NOT_INVITED = "not-invited"
    ALREADY_A_MEMBER = "already-a-member"
    NOT_ALLOWED = "not-allowed"  # it is for the owner and admins; nobody puts out the owner, or himself
    OF_TWO = "of-two"  # a private group has its two already


@dataclass(frozen=True, slots=True)
class Law:
    """What a group knows of itself before its first message."""

    kind: Kind | None = None  # None: what the text of the first INVITE says, and GROUP if it says nothing
    founder: PeerId | None = None  # None: whoever founds it; of several the first by id
    admins: frozenset[PeerId] = frozenset()  # beside the owner, while they are members


@dataclass(frozen=True, slots=True)
class Standing:
    """Who is in a group at one point of its history."""

    kind: Kind = Kind.GROUP
    owner: PeerId | None = None  # None: it is not founded
    members: frozenset[PeerId] = frozenset()
    invited: frozenset[PeerId] = frozenset()
    kicked: frozenset[PeerId] = frozenset()  # and not invited since
    dissolved: bool = False  # read-only from there on


def step(law: Law, standing: Standing, sender: PeerId, body: Body) -> Standing | Refused:
    """What the group is after a message of this sender; the same standing after ACK and POST."""
    if standing.owner is None:
        return _founded(law, sender, body) if isinstance(body, Invite) else Refused(Fault.NOT_FOUNDED)
    if isinstance(body, Ack):
        return standing if sender in standing.members else Refused(Fault.NOT_A_MEMBER)
    if standing.dissolved:
        return Refused(Fault.DISSOLVED)
    if isinstance(body, Join):
        return _joined(standing, sender)
    if sender not in standing.members:
        return Refused(Fault.NOT_A_MEMBER)
    in_charge = sender == standing.owner or sender in law.admins
    match body:
        case Invite():
            allowed = in_charge or standing.kind is Kind.MEMBERS
            return _invited(standing, PeerId(body.invitee.raw)) if allowed else Refused(Fault.NOT_ALLOWED)
        case Kick():
            target = PeerId(body.target.raw)
            if not in_charge or target in {standing.owner, sender}:
                return Refused(Fault.NOT_ALLOWED)
            return replace(
                standing,
                members=standing.members - {target},
                invited=standing.invited - {target},
                kicked=standing.kicked | {target},
            )
        case Leave():
            return replace(standing, members=standing.members - {sender}, dissolved=sender == standing.owner)
        case Post():
            return standing


def _founded(law: Law, sender: PeerId, first: Invite) -> Standing | Refused:
    if law.founder not in {None, sender}:
        return Refused(Fault.NOT_THE_FOUNDER)
    named = first.text if first.text in _KINDS else Kind.GROUP.value
    invited = frozenset({PeerId(first.invitee.raw)} - {sender})
    return Standing(law.kind or Kind(named), sender, frozenset({sender}), invited)


def _invited(standing: Standing, invitee: PeerId) -> Standing | Refused:
    if invitee in standing.members:
        return Refused(Fault.ALREADY_A_MEMBER)
    if standing.kind is Kind.PRIVATE and (standing.members | standing.invited) - {standing.owner, invitee}:
        return Refused(Fault.OF_TWO)
    return replace(standing, invited=standing.invited | {invitee}, kicked=standing.kicked - {invitee})


def _joined(standing: Standing, sender: PeerId) -> Standing | Refused:
    if sender in standing.members:
        return Refused(Fault.ALREADY_A_MEMBER)
    open_to_him = standing.kind is Kind.PUBLIC and sender not in standing.kicked
    if not open_to_him and sender not in standing.invited:
        return Refused(Fault.NOT_INVITED)
    return replace(standing, members=standing.members | {sender}, invited=standing.invited - {sender})


_KINDS = {kind.value for kind in Kind}
