"""What a commit says in Status' words, rebuilt to the very wrappers that were signed, and checked. Pure. (SCP-09 §3.7)"""

from __future__ import annotations

import enum
from collections.abc import Collection
from dataclasses import dataclass

from swarmchat.conversation.commit import Commit
from swarmchat.crypto.keccak import keccak256
from swarmchat.crypto.secp256k1 import Key, recover
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import entities, envelopes, notes, words
from swarmchat.gateways.status.envelopes import Envelope
from swarmchat.gateways.status.fold import Fold
from swarmchat.gateways.status.ledger import Chat, Ledger
from swarmchat.gateways.status.notes import Note, Spoken
from swarmchat.gateways.status.wire import (
    ApplicationMetadataMessage,
    ChatMessage,
    Entity,
    MembershipUpdateMessage,
    PayloadType,
)
from swarmchat.ids import AccountId


class Fault(enum.StrEnum):
    """Why what a commit says for Status is not handed on, beside the faults of events and entities."""

    MALFORMED = "malformed"
    NO_CHAT = "no-chat"
    OTHER_CHAT = "other-chat"
    FORGED = "forged"  # not signed with a key of the commit's author
    WRONG_ID = "wrong-id"
    DISAGREES = "disagrees"  # the commit says something else
    NOT_A_MEMBER = "not-a-member"


@dataclass(frozen=True, slots=True)
class Said:
    """One wrapper and what is said in it; in a commit that says several things the first has the commit's id."""

    envelope: Envelope
    entity: Entity

    @property
    def order(self) -> tuple[int, bytes]:
        """By what sayings are sorted."""
        return self.entity.clock, self.envelope.raw

    @property
    def author(self) -> Key:
        """Who said it."""
        return self.envelope.author


def said(ledger: Ledger, number: int, commit: Commit, account: AccountId) -> tuple[Said, ...] | Refused:
    """All that a commit of this account says; nothing where it says nothing, Refused where a part of it does not hold.

    It depends on the commit and its ancestors alone.
    """
    note = notes.read(commit.body)
    if note is None or not (note.envelopes or note.spoken):
        return ()
    chat = ledger.chat_at(number)
    if chat is None:
        return Refused(Fault.NO_CHAT)
    if not note.is_whole:
        return Refused(Fault.MALFORMED)
    return _checked(ledger, number, commit, account, note, chat)


def payload(chat: Chat, fold: Fold, message: ChatMessage) -> MembershipUpdateMessage:
    """A message in the group, with all that happened in it before: the fold at its parent, until its own clock."""
    return MembershipUpdateMessage(
        chat_id=chat.id, events=tuple([signed.raw for signed in fold.events]), message=message
    )


def wrapped(payload: bytes, signature: bytes) -> bytes:
    """The wrapper of such a message out of its bytes, which need not be written twice: they may be many."""
    return ApplicationMetadataMessage(
        signature=signature, payload=payload, type=PayloadType.MEMBERSHIP_UPDATE_MESSAGE
    ).encode()


def _checked(
    ledger: Ledger, number: int, commit: Commit, account: AccountId, note: Note, chat: Chat
) -> tuple[Said, ...] | Refused:
    keys = ledger.claims_at(number, account)
    found: list[Said] = []
    for spoken in note.spoken:
        rebuilt = _rebuilt(ledger, number, spoken, chat, keys)
        if isinstance(rebuilt, Refused):
            return rebuilt
        found.append(_said(rebuilt))
    for raw in note.envelopes:
        envelope = envelopes.read(raw)
        if isinstance(envelope, Refused):
            return envelope
        if words.entity_of(envelope.message) is None:
            return Refused(Fault.MALFORMED)
        found.append(_said(envelope))
    for one in found:
        if chat.id != one.entity.chat_id or one.envelope.message.chat_id != chat.id:
            return Refused(Fault.OTHER_CHAT)
        if (fault := entities.fault(one.entity, ledger.clock(number))) is not None:
            return fault
    if found[0].envelope.id != note.id:
        return Refused(Fault.WRONG_ID)
    if not words.agrees(commit.action, [one.entity for one in found]):
        return Refused(Fault.DISAGREES)
    return tuple(found)


def _said(envelope: Envelope) -> Said:
    entity = words.entity_of(envelope.message)
    assert entity is not None, "checked before"
    return Said(envelope, entity)


def _rebuilt(ledger: Ledger, number: int, spoken: Spoken, chat: Chat, keys: Collection[Key]) -> Envelope | Refused:
    message = ChatMessage.decode(spoken.message)
    if isinstance(message, Refused):
        return message
    if message.encode() != spoken.message:
        return Refused(Fault.MALFORMED)  # spelled in another way than it would be rebuilt
    fold = ledger.fold_at(number, message.clock)
    assert fold is not None, "there is a chat"
    whole = payload(chat, fold, message)
    raw = whole.encode()
    author = recover(keccak256(raw), spoken.signature)
    if author is None or author not in keys:
        return Refused(Fault.FORGED)
    if author.legacy not in fold.group.members:
        return Refused(Fault.NOT_A_MEMBER)
    return Envelope(wrapped(raw, spoken.signature), whole, author)
