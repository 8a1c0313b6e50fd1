"""Inviting and being invited: the steps that change what the account keeps about others. (SCP-06 §2–§5, §8)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from swarmchat.account.records import Contact, ConversationState, RequestId, RequestKind
from swarmchat.account.state import State
from swarmchat.addresses import Address
from swarmchat.conversation.actions import Add
from swarmchat.conversation.rejection import Rejection
from swarmchat.discovery.addressbook import Source
from swarmchat.errors import NotFoundError, UserError
from swarmchat.ids import AccountId, CommitId, ConversationId
from swarmchat.swarm.access import MODE_PAIR
from swarmchat.swarm.events import ContactChanged, ConversationAdded, RequestRemoved
from swarmchat.swarm.parts import Parts
from swarmchat.swarm.postman import Postman
from swarmchat.swarm.replicator import Replicator
from swarmchat.swarm.rooms import Rooms
from swarmchat.swarm.write_queue import Outcome

T = TypeVar("T")

_MODE_UNKNOWN: Final = 3  # of what a link names; what the clone brings counts


class People:
    """The verbs about accounts. Raises StorageError, and then nothing has changed."""

    def __init__(
        self,
        parts: Parts,
        rooms: Rooms,
        postman: Postman,
        reevaluate: Callable[[], None],
        sighted: Callable[[AccountId], None],
    ) -> None:
        self._parts = parts
        self._rooms = rooms
        self._postman = postman
        self._reevaluate = reevaluate
        self._sighted = sighted

    # --- conversations

    async def invite(self, replicator: Replicator, accounts: Sequence[AccountId]) -> list[Outcome]:
        """Add accounts; an invitation waits for each from then on. Ends with the first rejection."""
        outcomes: list[Outcome] = []
        for account in accounts:
            outcome = await replicator.append(Add(account))
            outcomes.append(outcome)
            if isinstance(outcome, Rejection):
                break
            await self._await_answer(account, replicator.conversation, RequestKind.GROUP, outcome.new[-1])
        return outcomes

    async def join(
        self, conversation: ConversationId, mode: int | None, inviter: AccountId | None, addresses: Sequence[Address]
    ) -> None:
        """Take up what a link names; nothing happens for one that is here and that we are in."""
        known = self._parts.state.conversations.get(conversation)
        coming = known if known is not None and known.state is ConversationState.SYNCING else None
        gone = known is None or known.state is ConversationState.REMOVED
        if not gone and coming is None and not self._parts.access.is_outside(conversation):
            return
        if inviter is not None:
            self._parts.finder.learnt(inviter, addresses, Source.STATIC)
        now_ms = self._parts.now_ms
        added = await self._settle(
            lambda state: state.add_conversation(
                conversation,
                title=coming.title if coming else "",
                mode=coming.mode if coming else _MODE_UNKNOWN if mode is None else mode,
                state=ConversationState.SYNCING,
                invited_by=inviter or (coming.invited_by if coming else None),
                invitation=coming.invitation if coming else None,
                members=coming.members if coming else (),
                now_ms=now_ms,
            )
        )
        if added is None:
            raise UserError("there are too many conversations")
        if coming is None:
            self._parts.tell(ConversationAdded(conversation))
        await self._rooms.expect(conversation)

    async def accept(self, request: RequestId) -> ConversationId:
        """Take up a request; NotFoundError."""
        now_ms = self._parts.now_ms
        found = await self._settle(lambda state: state.accept(request, now_ms=now_ms))
        if found is None:
            raise NotFoundError(f"no request {request} waits")
        offer = found.offer
        self._parts.tell(ConversationAdded(offer.conversation))
        if offer.kind is RequestKind.CONTACT:
            self._parts.tell(ContactChanged(offer.sender))
        await self._rooms.expect(offer.conversation)
        await self._postman.accepted(offer.conversation, offer.sender, offer.kind)
        return offer.conversation

    async def decline(self, request: RequestId) -> None:
        """Refuse a request; its sender is not told. NotFoundError."""
        now_ms = self._parts.now_ms
        if await self._settle(lambda state: state.decline(request, now_ms=now_ms)) is None:
            raise NotFoundError(f"no request {request} waits")

    # --- contacts

    async def add_contact(self, account: AccountId, name: str, addresses: Sequence[Address]) -> Contact:
        """Make the one-to-one conversation and let the request wait; for a contact, change name and addresses."""
        parts = self._parts
        if account == parts.account.id:
            raise UserError("that is your own account")
        parts.finder.learnt(account, addresses, Source.STATIC)
        conversation = parts.state.contact(account).conversation
        is_new = conversation is None or self._rooms.state_of(conversation) == "closed"
        if is_new:
            conversation = (await self._rooms.create(MODE_PAIR, account)).conversation
        now_ms = parts.now_ms
        contact = await parts.change(
            lambda state: state.add_contact(account, conversation=conversation, name=name, now_ms=now_ms)
        )
        if contact is None:
            raise UserError("there are too many contacts")
        parts.tell(ContactChanged(account))
        if is_new and conversation is not None:
            await self._await_answer(account, conversation, RequestKind.CONTACT, CommitId(conversation))
        self._reevaluate()
        self._sighted(account)
        return contact

    async def remove_contact(self, account: AccountId) -> Contact:
        """Remove it, and leave the one-to-one conversation; NotFoundError."""
        now_ms = self._parts.now_ms
        removed = await self._parts.change(lambda state: state.remove_contact(account, now_ms=now_ms))
        if removed is None:
            raise NotFoundError(f"{account} is no contact")
        if removed.conversation is not None and self._rooms.state_of(removed.conversation) != "closed":
            await self._rooms.leave(removed.conversation, promote=None, dissolve=False)
        self._parts.tell(ContactChanged(account))
        self._reevaluate()
        return removed

    async def block(self, account: AccountId) -> None:
        """Hear nothing of it any more: from now on it is a stranger in all it can observe."""
        now_ms = self._parts.now_ms
        await self._settle(lambda state: state.block(account, now_ms=now_ms))
        self._parts.tell(ContactChanged(account))
        self._reevaluate()

    async def unblock(self, account: AccountId) -> None:
        """Hear of it again; nothing happens for one that was not blocked."""
        if await self._parts.change(lambda state: state.unblock(account)):
            self._parts.tell(ContactChanged(account))
            self._reevaluate()

    # --- inside

    async def _settle(self, step: Callable[[State], tuple[State, T]]) -> T:
        """Take a step that answers requests, and tell of each that waits no more."""

        def taken(state: State) -> tuple[State, tuple[T, list[RequestRemoved]]]:
            after, outcome = step(state)
            gone = [each for each in state.pending() if each.id not in after.requests]
            return after, (outcome, [RequestRemoved(each.id, each.offer.conversation) for each in gone])

        outcome, removed = await self._parts.change(taken)
        for event in removed:
            self._parts.tell(event)
        return outcome

    async def _await_answer(
        self, account: AccountId, conversation: ConversationId, kind: RequestKind, commit: CommitId
    ) -> None:
        """An invitation waits for an account; it is sent at once to those of its devices that are linked."""
        now_ms = self._parts.now_ms
        await self._parts.change(
            lambda state: state.invite(account, conversation, kind=kind, commit=commit, now_ms=now_ms)
        )
        self._reevaluate()
        self._sighted(account)
        self._parts.chores.add(f"mail to {account}", partial(self._postman.deliver, account))
