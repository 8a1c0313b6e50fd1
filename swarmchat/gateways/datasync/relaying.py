"""Whether a message that a peer brought is taken in, and as which commit; or noted as a receipt. Pure. (SCP-09 §4.5)"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from swarmchat.conversation.roster import Roster
from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways.datasync import attesting, mapping, messages, receipts
from swarmchat.gateways.datasync.carriage import field
from swarmchat.gateways.datasync.ledger import Ledger
from swarmchat.gateways.datasync.mapping import FIELD, Plan, Unmappable
from swarmchat.gateways.datasync.messages import ClientMessage, read_body, read_client
from swarmchat.gateways.datasync.payload import Message, MessageId, PeerId
from swarmchat.gateways.datasync.receipts import Receipt
from swarmchat.gateways.datasync.standing import Kind, Standing
from swarmchat.gateways.refusal import Refused
from swarmchat.ids import AccountId, CommitId


class Fault(StrEnum):
    """Why a message is not taken in."""

    NOT_A_MEMBER = "not-a-member"
    NOT_INVITED = "not-invited"
    NOT_ALLOWED = "not-allowed"  # only who opened the group, an admin, or a member with git may say that
    OTHER_GROUP = "other-group"  # its body names another one
    FOREIGN_PREVIOUS = "foreign-previous"  # it claims to follow what another sender said
    NO_PREVIOUS = "no-previous"  # it claims to be the first of a sender who has spoken
    REPLAYED = "replayed"  # the same signature stands under another id
    LOST_PREVIOUS = "lost-previous"  # it follows what is in no log, so it would have no effect in one
    OVER = "over"  # who opened the group has left


_UNSAID: Final = frozenset({Fault.NOT_A_MEMBER, Fault.NOT_INVITED, Fault.NO_PREVIOUS, Fault.LOST_PREVIOUS, Fault.OVER})


@dataclass(frozen=True, slots=True)
class Known:
    """It is in the log."""


@dataclass(frozen=True, slots=True)
class Relay:
    """A commit to be written; where the law refuses it, the other one is."""

    plan: Plan
    otherwise: Plan


def considered(ledger: Ledger, roster: Roster, me: AccountId, message: Message) -> Known | Relay | Receipt | Refused:
    """What is to be done with a message of this group; `me` writes the commit."""
    if ledger.said(message.id) is not None:
        return Known()
    client = read_client(message.body)
    if isinstance(client, Refused):
        return client
    body, key = read_body(client), client.sender
    if isinstance(body, Refused):
        return body
    assert key is not None, "a message that was read has a sender"
    fault = _chain_fault(ledger, client, message.id, key)
    if fault is None and isinstance(body, messages.Ack):
        return receipts.noted(ledger, message, body, PeerId(key.raw))
    fault = fault or _lost_fault(ledger, client, body) or _fault(ledger, body, key, roster)
    if fault is not None:
        return Refused(fault, message.id.hex())
    plan = mapping.imported(body, _Scene(ledger, roster, me, PeerId(key.raw)))
    assert not isinstance(plan, Unmappable), "an ACK is the only message that is no commit"
    carried = field(message.timestamp, message.body)
    otherwise = mapping.event(client.type.name.lower(), mapping.Why.NOT_ALLOWED)
    return Relay(_with(plan, carried), _with(otherwise, carried))


def is_unsaid(message: Message, reason: str, peer: PeerId) -> bool:
    """Whether what this peer brought, and was refused for a reason of ours, gets no ACK, which tells who wrote it that a log has it.

    Who wrote it says it later, or anew after what he said last. Of what is replayed a log has the very words; nothing goes on
    from an ACK; and the form of 2019 has no chain, but parents that would wait.
    """
    client = read_client(message.body)
    if isinstance(client, Refused) or client.legacy or client.sender is None or client.sender.raw != peer:
        return False
    return reason == Fault.NO_PREVIOUS or (reason in _UNSAID and client.type is not messages.Type.ACK)


def _with(plan: Plan, carried: dict[str, str]) -> Plan:
    return Plan(plan.action, {**plan.extra, FIELD: carried})


def _chain_fault(ledger: Ledger, client: ClientMessage, message: MessageId, key: Key) -> Fault | None:
    sender = PeerId(key.raw)
    if client.previous is None and not client.legacy and ledger.has_spoken(sender):
        return Fault.NO_PREVIOUS  # the same signature may stand here: his first JOIN, of which he knows no more
    if ledger.is_replayed(client, message):
        return Fault.REPLAYED
    if client.previous is None:
        return None
    before = ledger.said(client.previous)
    return Fault.FOREIGN_PREVIOUS if before is not None and before.sender != sender else None


def _lost_fault(ledger: Ledger, client: ClientMessage, body: messages.Body) -> Fault | None:
    is_lost = client.previous is not None and ledger.said(client.previous) is None
    return Fault.LOST_PREVIOUS if is_lost and not isinstance(body, messages.Post) else None


def _fault(ledger: Ledger, body: messages.Body, key: Key, roster: Roster) -> Fault | None:
    standing, sender = ledger.fold.standing, PeerId(key.raw)
    if standing.dissolved:
        return Fault.OVER
    if getattr(body, "group", None) not in {None, ledger.group}:
        return Fault.OTHER_GROUP
    if isinstance(body, messages.Join):
        return _join_fault(ledger, standing, sender)
    if sender not in standing.members:
        return Fault.NOT_A_MEMBER
    if attesting.claim(body) is not None:
        return Fault.NOT_ALLOWED
    if isinstance(body, messages.Kick) and not _is_admin(ledger, key, roster):
        return Fault.NOT_ALLOWED
    if isinstance(body, messages.Invite) and ledger.kind is Kind.GROUP and not _is_admin(ledger, key, roster):
        return Fault.NOT_ALLOWED
    return None


def _join_fault(ledger: Ledger, standing: Standing, sender: PeerId) -> Fault | None:
    """Of who is in it has no effect, and is taken in all the same: what he says next follows it."""
    if sender in standing.members | standing.invited or (ledger.is_public and sender not in standing.kicked):
        return None
    return Fault.NOT_INVITED


def _is_admin(ledger: Ledger, key: Key, roster: Roster) -> bool:
    return ledger.bindings.owner(key) in roster.admins


@dataclass(frozen=True, slots=True)
class _Scene:
    """See `mapping.Scene`."""

    ledger: Ledger
    roster: Roster
    me: AccountId
    sender: PeerId

    def commit_of(self, message: MessageId) -> CommitId | None:
        return self.ledger.commit_of(message)

    def account_of(self, key: Key) -> AccountId:
        return self.ledger.account_of(key)

    def is_theirs(self, commit: CommitId) -> bool:
        said = self.ledger.said_by(commit)
        return said is not None and said.sender == self.sender and said.author == self.me

    def may_add(self, account: AccountId) -> bool:
        return not self.roster.is_joined(account) and not self.roster.is_invited(account)

    def may_kick(self, account: AccountId) -> bool:
        return self.me in self.roster.admins
