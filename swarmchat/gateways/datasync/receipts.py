"""Acknowledgements of who came in or went: made for peers, noted when peers bring them, and in no log. (SCP-09 §4.5)

An ACK of ours follows the last that our account said before what it acknowledges, and has the time of that. So it comes out of
the log alone, the same on each device of the account and at each start. Nothing goes on from it: no log needs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from swarmchat.crypto.secp256k1 import Secret
from swarmchat.gateways.datasync.ledger import Ledger, Said
from swarmchat.gateways.datasync.messages import Ack, Join, Kick, Leave, sign, write_client
from swarmchat.gateways.datasync.payload import GroupId, Message, MessageId, Metadata, PeerId
from swarmchat.gateways.datasync.records import Messages
from swarmchat.gateways.refusal import Refused
from swarmchat.limits import DATASYNC_RECEIPT_BYTES_MAX


class Fault(StrEnum):
    """Why an ACK is not noted."""

    OF_NOTHING = "ack-of-nothing"  # what it acknowledges is no JOIN, LEAVE or KICK that counts
    NOT_A_MEMBER = "not-a-member"  # nor did its sender go with what it acknowledges
    TOO_BIG = "too-big"


@dataclass(frozen=True, slots=True)
class Receipt:
    """An ACK as it is kept: it follows what it acknowledges, and says no more."""

    message: Message
    target: MessageId
    sender: PeerId


class Receipts(Protocol):
    """Where they are kept."""

    def receipt(self, message: MessageId) -> Message | None:
        """The ACK of this id, if it is here."""


def made(ledger: Ledger, said: Said, secret: Secret) -> Receipt | None:
    """Our ACK of a message in the log; None where none is due: it is ours, no JOIN, LEAVE or KICK that counts, or from before us."""
    me = PeerId(secret.public.raw)
    if said.sender == me or not _is_acknowledged(ledger, said) or me not in ledger.fold.standing.members:
        return None
    previous = ledger.previous(me, said.commit)
    if previous is None:
        return None
    client = write_client(sign(Ack(said.message.id), previous, secret))
    return _receipt(ledger.group, said.message.timestamp, client, said.message.id, me)


def noted(ledger: Ledger, message: Message, ack: Ack, sender: PeerId) -> Receipt | Refused:
    """What is kept of an ACK that a peer brought, or why it is not."""
    said = ledger.said(ack.message)
    if said is None or not _is_acknowledged(ledger, said):
        return Refused(Fault.OF_NOTHING, message.id.hex())
    if sender not in ledger.fold.standing.members and sender != gone_with(said):
        return Refused(Fault.NOT_A_MEMBER, message.id.hex())
    if len(message.body) > DATASYNC_RECEIPT_BYTES_MAX:
        return Refused(Fault.TOO_BIG, message.id.hex())
    return _receipt(message.group, message.timestamp, message.body, ack.message, sender)


def gone_with(said: Said) -> PeerId | None:
    """Who is out by a message."""
    match said.body:
        case Leave():
            return said.sender
        case Kick(target):
            return PeerId(target.raw)
        case _:
            return None


class Shelf:
    """The `Messages` of a node's machine: what stands in its logs, and the receipts beside them."""

    def __init__(self, logs: Messages, receipts: Receipts) -> None:
        self._logs, self._receipts = logs, receipts

    def get(self, message: MessageId) -> Message | None:
        """See `Messages`. StorageError."""
        return self._logs.get(message) or self._receipts.receipt(message)

    def has(self, message: MessageId) -> bool:
        """See `Messages`. StorageError."""
        return self._logs.has(message) or self._receipts.receipt(message) is not None

    def add(self, message: Message) -> None:
        """See `Messages`."""
        self._logs.add(message)

    def heads(self, group: GroupId) -> tuple[MessageId, ...]:
        """See `Messages`: nothing follows a receipt. StorageError."""
        return self._logs.heads(group)


def _is_acknowledged(ledger: Ledger, said: Said) -> bool:
    """Whether it is one of those that are."""
    return isinstance(said.body, Join | Leave | Kick) and ledger.fold.verdict(said.message.id) is None


def _receipt(group: GroupId, timestamp: int, body: bytes, target: MessageId, sender: PeerId) -> Receipt:
    return Receipt(Message(group, timestamp, body, Metadata((target,))), target, sender)
