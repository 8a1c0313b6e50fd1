"""Inviting and being invited: the steps that change what the account keeps about others. (SCP-06 §2–§5, §8)"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from swarmchat.account import requests
from swarmchat.account.records import Contact, ConversationState, Request, RequestId, RequestKind, request_id
from swarmchat.account.state import State
from swarmchat.addresses import Address
from swarmchat.conversation.actions import Action, Add, Unban
from swarmchat.conversation.rejection import Rejection
from swarmchat.discovery.addressbook import Source
from swarmchat.errors import NotFoundError, RefusedError, UserError
from swarmchat.ids import AccountId, CommitId, ConversationId
from swarmchat.swarm import pairs
from swarmchat.swarm.access import MODE_PAIR
from swarmchat.swarm.events import ContactChanged, ConversationAdded, RequestRemoved
from swarmchat.swarm.pairs import Standing
from swarmchat.swarm.parts import Parts
from swarmchat.swarm.postman import Postman
from swarmchat.swarm.replicator import Replicator
from swarmchat.swarm.rooms import Rooms
from swarmchat.swarm.write_queue import Outcome

T = TypeVar("T")


def _asks_to_be_contact(request: Request, account: AccountId) -> bool:
    return request.offer.kind is RequestKind.CONTACT and request.offer.sender == account


_MODE_UNKNOWN: Final = 3  # of what a link names; what the clone brings counts


class People:
    """The verbs about accounts. Raises RefusedError where this device is no longer one of its account, StorageError; then nothing has changed."""

    def __init__(
        self,
        parts: Parts,
        rooms: Rooms,
        postman: Postman,
        reevaluate: Callable[[], None],
        sighted: Callable[[AccountId], None],
        ready: Callable[[], Awaitable[None]],  # everything is loaded, and we may write
    ) -> None:
        self._parts = parts
        self._rooms = rooms
        self._postman = postman
        self._reevaluate = reevaluate
        self._sighted = sighted
        self._ready = ready

    # --- conversations

    async def invite_into(self, replicator: Replicator, accounts: Sequence[AccountId]) -> list[Outcome]:
        """Add accounts; an invitation waits for each from then on. Ends with the first rejection."""
        outcomes: list[Outcome] = []
        for account in accounts:
            outcome = await replicator.append(Add(account))
            outcomes.append(outcome)
            if isinstance(outcome, Rejection):
                break
            await self._await_answer(account, replicator.conversation, RequestKind.GROUP, outcome.new[-1])
        return outcomes

    async def unbanned(self, replicator: Replicator, actions: Sequence[Action]) -> None:
        """Whom one of these let in again as invited is invited again: the ban had taken the invitation back."""
        for target in [action.uri for action in actions if isinstance(action, Unban)]:
            offer = self._rooms.pairs.offer(replicator.conversation, AccountId(target))
            if offer is not None:
                await self._await_answer(AccountId(target), replicator.conversation, RequestKind.GROUP, offer)

    async def join(
        self,
        conversation: ConversationId,
        *,
        mode: int | None = None,
        inviter: AccountId | None = None,
        addresses: Sequence[Address] = (),
    ) -> None:
        """Clone and join what a link names; nothing happens for one that is here and that we are in."""
        await self._ready()
        known = self._parts.state.conversations.get(conversation)
        coming = known if known is not None and known.state is ConversationState.SYNCING else None
        gone = known is None or known.is_gone
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
        await self._rooms.clones.expect(conversation)

    async def accept(self, request: RequestId) -> ConversationId:
        """Take up a request: the conversation is cloned from now on. NotFoundError."""
        await self._ready()
        now_ms = self._parts.now_ms
        found = await self._settle(lambda state: requests.accept(state, request, now_ms=now_ms))
        if found is None:
            raise NotFoundError(f"no request {request} waits")
        await self._postman.take_up(found)
        return found.offer.conversation

    async def decline(self, request: RequestId) -> None:
        """Refuse a request; its sender is not told. NotFoundError."""
        await self._ready()
        now_ms = self._parts.now_ms
        if await self._settle(lambda state: requests.decline(state, request, now_ms=now_ms)) is None:
            raise NotFoundError(f"no request {request} waits")

    # --- contacts

    async def add_contact(self, account: AccountId, *, name: str = "", addresses: Sequence[Address] = ()) -> Contact:
        """Have a one-to-one with it: what it asks for is accepted, what it left is offered again, else one is made.

        The request waits until it is answered. For a contact, change name and addresses. UserError.
        """
        await self._ready()
        parts = self._parts
        if account == parts.account.id:
            raise UserError("that is your own account")
        parts.finder.learnt(account, addresses, Source.STATIC)
        asked = [each for each in parts.state.pending() if _asks_to_be_contact(each, account)]
        if asked:
            await self.accept(asked[-1].id)
            pair, offer = asked[-1].offer.conversation, None
        else:
            pair, offer = await self._pair_with(account)
        now_ms = parts.now_ms

        def added(state: State) -> tuple[State, tuple[Contact | None, tuple[Request, ...]]]:
            state, new = state.add_contact(account, conversation=pair, name=name, now_ms=now_ms)
            state, crossed = requests.take_wanted(state, now_ms=now_ms)  # what came while the one-to-one was made
            return state, (new and state.contact(account), crossed)

        contact, crossed = await self._settle(added)
        if contact is None:
            raise UserError("there are too many contacts")
        parts.tell(ContactChanged(account))
        for request in crossed:
            await self._postman.take_up(request)
        if offer is not None:
            await self._await_answer(account, pair, RequestKind.CONTACT, offer)
        self._reevaluate()
        self._sighted(account)
        await parts.chores.drain()
        return contact

    async def remove_contact(self, account: AccountId) -> Contact:
        """Remove it, decline what it asks, and leave every one-to-one with it; NotFoundError."""
        await self._ready()
        parts, now_ms = self._parts, self._parts.now_ms
        waiting = (each for each in parts.state.invitations.values() if each.kind is RequestKind.CONTACT)
        for conversation in sorted(each.conversation for each in waiting if each.account == account):
            await self._postman.withdraw(account, conversation)  # while there is a link
        removed = await self._settle(lambda state: state.remove_contact(account, now_ms=now_ms))
        if removed is None:
            raise NotFoundError(f"{account} is no contact")
        for pair in sorted(self._rooms.pairs.of(account)):
            await self._rooms.leave(pair, promote=None, dissolve=False)
        parts.tell(ContactChanged(account))
        self._reevaluate()
        await parts.chores.drain()
        return removed

    def gone(self) -> frozenset[AccountId]:
        """Contacts that have left the one-to-one that is in use: what is written there reaches nobody."""
        return self._rooms.pairs.gone()

    async def block(self, account: AccountId) -> None:
        """Hear nothing of it any more: from now on it is a stranger in all it can observe. UserError for our own account. (SCP-06 §4, §8)"""
        await self._ready()
        if account == self._parts.account.id:
            raise UserError("that is your own account")  # its other devices would be strangers too
        now_ms = self._parts.now_ms
        await self._settle(lambda state: state.block(account, now_ms=now_ms))
        self._parts.tell(ContactChanged(account))
        self._reevaluate()

    async def unblock(self, account: AccountId) -> None:
        """Hear of it again; nothing happens for one that was not blocked."""
        await self._ready()
        if await self._parts.change(lambda state: state.unblock(account)):
            self._parts.tell(ContactChanged(account))
            self._reevaluate()

    # --- inside

    async def _pair_with(self, account: AccountId) -> tuple[ConversationId, CommitId | None]:
        """The one-to-one to use, and the commit of the request that has to go out for it, if any."""
        rooms = self._rooms
        found = rooms.pairs.of(account)
        pair = pairs.in_use(found)
        kept = self._parts.state.contact(account).conversation
        known = self._parts.state.conversations.get(kept) if kept is not None else None
        if known is not None and pairs.is_elsewhere(known, account):
            await self.join(known.id, mode=MODE_PAIR, inviter=account)  # we are still of it
            return known.id, None
        if pair is None:
            made = (await rooms.create(MODE_PAIR, account)).conversation
            return made, CommitId(made)
        if found[pair] is Standing.OVER:
            outcome = await rooms.room(pair).append(Add(account))
            if isinstance(outcome, Rejection):
                raise RefusedError(str(outcome), data={"rule": outcome.rule})
            return pair, outcome.new[-1]
        waits = request_id(account, pair) in self._parts.state.invitations
        return pair, None if waits else rooms.pairs.offer(pair, account)

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
