"""What a commit says in Status' words, rebuilt to the very wrappers that were signed, and checked. Pure. (SCP-09 §3.7)"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from swarmchat.conversation.commit import Commit
from swarmchat.crypto.keccak import keccak256
from swarmchat.crypto.secp256k1 import Key, recover
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import entities, envelopes, notes, pairs, words
from swarmchat.gateways.status.chats import Chat
from swarmchat.gateways.status.envelopes import Wrapper
from swarmchat.gateways.status.fold import Fold
from swarmchat.gateways.status.ledger import Ledger, Proof, Source
from swarmchat.gateways.status.notes import Note, Spoken
from swarmchat.gateways.status.wire import (
    ApplicationMetadataMessage,
    ChatMessage,
    Entity,
    MembershipUpdateMessage,
    PayloadType,
)
from swarmchat.ids import AccountId

_LOOKED_AT_BYTES: Final = 4 * 1_048_576
_COMMIT_BYTES: Final = 16_384  # to read one takes as long as to look at so many bytes


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
class Rebuilt:
    """A wrapper of which the log keeps message and signature: with the group's events it may have 3 MiB, so nobody holds many."""

    ledger: Ledger = field(repr=False)
    number: int  # of the commit
    spoken: Spoken
    author: Key
    id: str

    @property
    def raw(self) -> bytes:
        """See Wrapper. Under the log's lock."""
        message = ChatMessage.decode(self.spoken.message)
        assert not isinstance(message, Refused), "read before"
        fold = self.ledger.fold_at(self.number, message.clock)
        assert fold is not None, "there is a chat"
        return wrapped(payload(fold, message), self.spoken.signature)

    @property
    def head(self) -> bytes:
        """See Wrapper."""
        return ApplicationMetadataMessage(signature=self.spoken.signature).encode()


@dataclass(frozen=True, slots=True)
class Said:
    """One wrapper and what is said in it; in a commit that says several things the first has the commit's id."""

    envelope: Wrapper
    entity: Entity

    @property
    def order(self) -> tuple[int, bytes, str]:
        """By what sayings are sorted."""
        return self.entity.clock, self.envelope.head, self.envelope.id

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


def may_speak(chat: Chat, fold: Fold, key: Key) -> bool:
    """Whether the holder of that key is in the chat, which comes to this fold."""
    return key.legacy in fold.group.members if chat.pair is None else key in chat.pair.keys


def payload(fold: Fold, message: ChatMessage) -> bytes:
    """A message in the group, with all that happened in it before: the fold at its parent, until its own clock."""
    return fold.listed + MembershipUpdateMessage(message=message).encode()


def wrapped(payload: bytes, signature: bytes) -> bytes:
    """The wrapper of such a message out of its bytes, which need not be written twice: they may be many."""
    return ApplicationMetadataMessage(
        signature=signature, payload=payload, type=PayloadType.MEMBERSHIP_UPDATE_MESSAGE
    ).encode()


def look_at(ledger: Ledger, here: Source, first: int) -> int | None:
    """Find out about some of what is said in the group from commit number `first` on, and keep it; where to go on, None at the end.

    One call takes some 4 MiB of events: who looks at all of a log takes its lock for so long at a time. StorageError.
    """
    history, left = here.history, _LOOKED_AT_BYTES
    for number in ledger.speaking_from(first):
        if left <= 0:
            return number
        commit, account = here.commit(history.id(number)), history.entry(number).fact.account
        assert isinstance(commit, Commit), "what says something is no merge"
        assert account is not None, "nor nobody's"
        note, chat, fold = notes.read(commit.body), ledger.chat_at(number), ledger.fold_at(number)
        if note is not None and note.spoken and chat is not None and fold is not None:
            left -= _COMMIT_BYTES if ledger.proof(number) is not None else len(note.spoken) * len(fold.listed)
            _proof(ledger, number, note, ledger.claims_at(number, account))
        left -= _COMMIT_BYTES
    return None


def _checked(
    ledger: Ledger, number: int, commit: Commit, account: AccountId, note: Note, chat: Chat
) -> tuple[Said, ...] | Refused:
    if chat.pair is not None and note.spoken:
        return Refused(Fault.OTHER_CHAT)  # that is the form of a group
    found: list[Said] = []
    if note.spoken:
        proof = _proof(ledger, number, note, ledger.claims_at(number, account))
        if isinstance(proof, Refused):
            return proof
        for spoken, (author, message) in zip(note.spoken, proof, strict=True):
            entity = ChatMessage.decode(spoken.message)
            assert not isinstance(entity, Refused), "read before"
            found.append(Said(Rebuilt(ledger, number, spoken, author, message), entity))
    for raw in note.envelopes:
        envelope = envelopes.read(raw)
        if isinstance(envelope, Refused):
            return envelope
        said_in = words.entity_of(envelope.message)
        if said_in is None:
            return Refused(Fault.MALFORMED)
        if chat.pair is None:
            is_here = envelope.message.chat_id == chat.id
        else:
            is_here = pairs.spoken_in(envelope.author, envelope.message) == chat.pair
        if not is_here:
            return Refused(Fault.OTHER_CHAT)
        found.append(Said(envelope, said_in))
    for one in found:
        if (fault := _place_fault(chat, one) or entities.fault(one.entity, ledger.clock(number))) is not None:
            return fault
    if found[0].envelope.id != note.id:
        return Refused(Fault.WRONG_ID)
    if not words.agrees(commit.action, [one.entity for one in found]):
        return Refused(Fault.DISAGREES)
    return tuple(found)


def _place_fault(chat: Chat, said: Said) -> Refused | None:
    """Why that is not said in this chat; of a one-to-one it was asked of the whole wrapper."""
    if chat.pair is not None:
        return None
    if chat.id != said.entity.chat_id:
        return Refused(Fault.OTHER_CHAT)
    return Refused(entities.Fault.BAD_MESSAGE_TYPE) if pairs.is_one_to_one(said.entity) else None


def _proof(ledger: Ledger, number: int, note: Note, keys: Collection[Key]) -> Proof | Refused:
    """By whom the parts are and what their ids are; found out once. It depends on the commit and its ancestors alone."""
    known = ledger.proof(number)
    if known is None:
        known = _found_out(ledger, number, note.spoken, keys)
        ledger.note_proof(number, known)
    return known


def _found_out(ledger: Ledger, number: int, parts: Iterable[Spoken], keys: Collection[Key]) -> Proof | Refused:
    found = []
    for spoken in parts:
        message = ChatMessage.decode(spoken.message)
        if isinstance(message, Refused):
            return message
        if message.encode() != spoken.message:
            return Refused(Fault.MALFORMED)  # spelled in another way than it would be rebuilt
        fold = ledger.fold_at(number, message.clock)
        assert fold is not None, "there is a chat"
        raw = payload(fold, message)
        signer = recover(keccak256(raw), spoken.signature)
        author = next((key for key in keys if key == signer), None)
        if author is None:
            return Refused(Fault.FORGED)
        if author.legacy not in fold.group.members:
            return Refused(Fault.NOT_A_MEMBER)
        found.append((author, envelopes.message_id(author, wrapped(raw, spoken.signature))))
    return tuple(found)
