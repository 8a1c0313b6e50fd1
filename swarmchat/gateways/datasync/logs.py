"""The conversations of a node that are opened for data sync, as its machine asks for them. (SCP-09 §4.5)"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from swarmchat.commitlog.log import CommitLog
from swarmchat.conversation.history import History
from swarmchat.gateways.datasync.ledger import Ledger, Said
from swarmchat.gateways.datasync.mapping import BRIDGE
from swarmchat.gateways.datasync.messages import Ack, Body, Invite, Join, Kick, read_body, read_client
from swarmchat.gateways.datasync.payload import GroupId, Message, MessageId, PeerId
from swarmchat.gateways.datasync.receipts import gone_with
from swarmchat.gateways.datasync.standing import Standing
from swarmchat.gateways.refusal import Refused
from swarmchat.ids import AccountId, ConversationId

_PIECE: Final = 200  # commits looked at in one go


@dataclass(slots=True)
class _Book:
    log: CommitLog
    history: History  # a repair begins it anew
    ledger: Ledger
    foreign: frozenset[AccountId] = frozenset()


class Logs:
    """A ledger for each, kept while its log is; the `Messages` and `Groups` of the machine. All but `foreign` in workers."""

    def __init__(self, clients: Callable[[], Collection[PeerId]]) -> None:
        """`clients`: the peers for whom something is kept while they are away."""
        self._clients = clients
        self._books: dict[ConversationId, _Book] = {}
        self._groups: dict[GroupId, ConversationId] = {}

    # --- ledgers

    def prepare(self, log: CommitLog) -> None:
        """Look through a long log piece by piece, so that who writes meanwhile does not wait for all of it. StorageError."""
        while True:
            with log.still():
                book = self._book(log)
                book.ledger.grow(log.history, log.commit, log.roster_at, _PIECE)
                if book.ledger.size == len(log.history):
                    return

    def ledger(self, log: CommitLog) -> Ledger:
        """The ledger of a log, up to date; under the log's lock. StorageError."""
        book = self._book(log)
        if book.ledger.size < len(log.history):
            book.ledger.grow(log.history, log.commit, log.roster_at)
        book.foreign = book.ledger.foreign
        self._groups[book.ledger.group] = log.conversation
        return book.ledger

    def _book(self, log: CommitLog) -> _Book:
        book = self._books.get(log.conversation)
        if book is None or book.log is not log or book.history is not log.history:
            book = self._books[log.conversation] = _Book(log, log.history, Ledger(log.conversation))
        return book

    @contextmanager
    def held(self, conversation: ConversationId) -> Iterator[tuple[CommitLog, Ledger] | None]:
        """The log, held still, and its ledger; None unless it was asked for before. StorageError."""
        book = self._books.get(conversation)
        if book is None:
            yield None
            return
        with book.log.still():
            yield book.log, self.ledger(book.log)

    def foreign(self, conversation: ConversationId) -> frozenset[AccountId]:
        """Who takes part and has no account, as far as the log was looked through. Quick."""
        book = self._books.get(conversation)
        return frozenset() if book is None else book.foreign

    def note_foreign(self, conversation: ConversationId, account: AccountId) -> None:
        """Such a one is about to be invited."""
        if (book := self._books.get(conversation)) is not None:
            book.foreign |= {account}

    def forget(self, conversation: ConversationId) -> None:
        """It is gone."""
        if (book := self._books.pop(conversation, None)) is not None:
            self._groups.pop(book.ledger.group, None)

    @property
    def conversations(self) -> tuple[ConversationId, ...]:
        """All that were asked for, sorted."""
        return tuple(sorted(self._books))

    def conversation_of(self, group: GroupId) -> ConversationId | None:
        """The conversation that a group is."""
        return self._groups.get(group)

    # --- see `records.Messages`

    def get(self, message: MessageId) -> Message | None:
        """See `Messages`. StorageError."""
        found = self._said(message)
        return None if found is None else found.message

    def has(self, message: MessageId) -> bool:
        """See `Messages`. StorageError."""
        return self._said(message) is not None

    def add(self, message: Message) -> None:
        """See `Messages`: its commit is the message."""

    def heads(self, group: GroupId) -> tuple[MessageId, ...]:
        """See `Messages`. StorageError."""
        conversation = self._groups.get(group)
        if conversation is None:
            return ()
        with self.held(conversation) as book:
            return () if book is None else book[1].parents_of_heads(book[0].heads)

    def _said(self, message: MessageId) -> Said | None:
        for conversation, book in list(self._books.items()):  # an id names its group, so no two have it
            # A payload asks a thousand times: whoever writes elsewhere meanwhile is not waited for.
            if not book.ledger.has(message) and book.ledger.size == len(book.log.history):
                continue
            with self.held(conversation) as held:
                if held is not None and (found := held[1].said(message)) is not None:
                    return found
        return None

    # --- see `records.Groups`

    def members(self, group: GroupId) -> Collection[PeerId]:
        """See `Groups`: those of them that are clients of this node. StorageError."""
        standing = self.standing(group)
        if standing is None:
            return frozenset()
        return (standing.members | standing.invited | standing.kicked) & frozenset(self._clients())

    def reads(self, peer: PeerId, message: Message) -> bool:
        """See `Groups`. StorageError."""
        standing = self.standing(message.group)
        if standing is None:
            return False
        if peer in standing.members:
            return True
        if (peer in standing.invited and invites(message, peer)) or (peer in standing.kicked and kicks(message, peer)):
            return True
        may_come = peer in standing.invited or (self._is_public(message.group) and peer not in standing.kicked)
        return may_come and self._is_by(message, peer)  # what he goes on from when he comes in again

    def writes(self, peer: PeerId, message: Message) -> bool:
        """See `Groups`. StorageError."""
        standing = self.standing(message.group)
        if standing is None:
            return False
        if peer in standing.members:
            return True
        if (peer in standing.invited or self._is_public(message.group)) and joins(message, peer):
            return True
        body = _body(message)
        target = self._said(body.message) if isinstance(body, Ack) else None
        if target is not None and gone_with(target) == peer:
            return True
        return self._is_by(message, peer)  # of who is out meanwhile, and never heard that it was taken: his LEAVE, say

    def standing(self, group: GroupId) -> Standing | None:
        """Who is in a group; None for one that is not here. StorageError."""
        conversation = self._groups.get(group)
        if conversation is None:
            return None
        with self.held(conversation) as book:
            return None if book is None or not is_open(book[0]) else book[1].fold.standing

    def groups_of(self, peer: PeerId) -> list[ConversationId]:
        """The conversations that a peer is in, or invited to. StorageError."""
        found = []
        for conversation in self.conversations:
            with self.held(conversation) as book:
                standing = None if book is None or not is_open(book[0]) else book[1].fold.standing
            if standing is not None and peer in standing.members | standing.invited:
                found.append(conversation)
        return found

    def _is_by(self, message: Message, peer: PeerId) -> bool:
        """Whether it is here, and that peer said it."""
        found = self._said(message.id)
        return found is not None and found.sender == peer

    def people(self) -> tuple[frozenset[PeerId], frozenset[PeerId]]:
        """Who is a member of any group, and who is invited to one. StorageError."""
        found = [self.standing(self._books[conversation].ledger.group) for conversation in self.conversations]
        here = [standing for standing in found if standing is not None]
        members, invited = ([getattr(each, name) for each in here] for name in ("members", "invited"))
        return frozenset().union(*members), frozenset().union(*invited)

    def _is_public(self, group: GroupId) -> bool:
        conversation = self._groups.get(group)
        if conversation is None:
            return False
        with self.held(conversation) as book:
            return book is not None and book[1].is_public


def is_open(log: CommitLog) -> bool:
    """Whether a conversation is opened for data sync. Quick."""
    return log.history.has_type(BRIDGE)


def invites(message: Message, peer: PeerId) -> bool:
    """Whether it asks that peer in."""
    body = _body(message)
    return isinstance(body, Invite) and body.invitee.raw == peer


def kicks(message: Message, peer: PeerId) -> bool:
    """Whether it puts that peer out: the last that he hears."""
    body = _body(message)
    return isinstance(body, Kick) and body.target.raw == peer


def moved_by(said: Said) -> PeerId | None:
    """Whom it asks in, or puts out."""
    match said.body:
        case Invite(invitee=who) | Kick(target=who):
            return PeerId(who.raw)
        case _:
            return None


def joins(message: Message, peer: PeerId) -> bool:
    """Whether by it that peer comes in."""
    body = _body(message)
    return isinstance(body, Join) and body.who.raw == peer


def _body(message: Message) -> Body | None:
    client = read_client(message.body)
    body = None if isinstance(client, Refused) else read_body(client)
    return None if isinstance(body, Refused) else body
