"""What a data-sync machine wants done, or tells. (SCP-09 §4.2)"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from swarmchat.gateways.datasync.payload import Message, MessageId, Payload, PeerId
from swarmchat.gateways.datasync.records import Kind
from swarmchat.gateways.refusal import Refused


class Fault(StrEnum):
    """Why something in a payload had no effect."""

    NOT_A_MEMBER = "not-a-member"  # the peer may not bring or have this message
    UNKNOWN_MESSAGE = "unknown-message"  # nothing of that id is here, or nothing was waiting for this answer
    TOO_MANY = "too-many"  # of what this peer brought waits already
    TOO_BIG = "too-big"  # for something ephemeral


@dataclass(frozen=True, slots=True)
class Send:
    """Send this to a peer now."""

    peer: PeerId
    payload: Payload


@dataclass(frozen=True, slots=True)
class Deliver:
    """A message came. Say `taken`, `refused` or `dropped`, unless it is ephemeral."""

    message: Message
    sender: PeerId  # who brought it first; who wrote it is another question


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The peer has what we offered or sent it."""

    peer: PeerId
    message: MessageId


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The peer never answered."""

    peer: PeerId
    message: MessageId
    kind: Kind


@dataclass(frozen=True, slots=True)
class Ignored:
    """Something that a peer sent had no effect."""

    peer: PeerId
    why: Refused


Effect = Send | Deliver | Confirmed | GivenUp | Ignored
