"""Which one-to-one with somebody is in use, where there are several. (SCP-06 §2)"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping

from swarmchat.account.records import ConversationState, KnownConversation
from swarmchat.account.state import State
from swarmchat.conversation.actions import Add, Initial
from swarmchat.conversation.history import History
from swarmchat.conversation.roster import Roster
from swarmchat.ids import AccountId, CommitId, ConversationId
from swarmchat.swarm.access import MODE_PAIR
from swarmchat.swarm.events import ContactChanged
from swarmchat.swarm.parts import Parts
from swarmchat.swarm.replicator import Replicator

_HERE = frozenset({ConversationState.ACTIVE, ConversationState.SYNCING})


class Standing(enum.IntEnum):
    """How a one-to-one stands that we have not left; the greater is rather used."""

    OVER = 0  # the other left: what is written there reaches nobody
    BEGUN = 1  # one of the two is not joined yet
    COMMON = 2


def other_of(history: History, me: AccountId) -> AccountId | None:
    """The other account of a one-to-one, also when it is in it no more; None for one with ourselves, or for a group."""
    root = history.root.fact
    action = root.control.action if root.control else None
    if not isinstance(action, Initial) or action.mode != MODE_PAIR:
        return None
    other = action.invited if root.account == me else root.account
    return None if other == me else other


def standing(roster: Roster, me: AccountId, other: AccountId) -> Standing:
    """How a one-to-one that is here stands."""
    if not roster.is_joined(other) and not roster.is_invited(other):
        return Standing.OVER
    return Standing.COMMON if roster.is_joined(other) and roster.is_joined(me) else Standing.BEGUN


def is_elsewhere(known: KnownConversation, other: AccountId) -> bool:
    """Whether it was erased on this device alone, and the other had it: he goes on using it."""
    return known.state is ConversationState.ERASED and other in {*known.members, known.invited_by}


def in_use(pairs: Mapping[ConversationId, Standing]) -> ConversationId | None:
    """Of those in which both are joined, else of those that have begun, else of the others, the one with the lowest id."""
    return min(pairs, key=lambda each: (-pairs[each], each), default=None)


class Pairs:
    """The one-to-ones of one account on this device. `get`: the replicator of a conversation that is here."""

    def __init__(self, parts: Parts, get: Callable[[ConversationId], Replicator | None]) -> None:
        self._parts = parts
        self._get = get

    def all(self) -> dict[AccountId, dict[ConversationId, Standing]]:
        """Those that we have not left, by the other account."""
        found: dict[AccountId, dict[ConversationId, Standing]] = {}
        me = self._parts.account.id
        for conversation, known in self._parts.state.conversations.items():
            replicator = self._get(conversation)
            if known.state not in _HERE or replicator is None:
                continue
            if replicator.log.is_empty:
                other = known.invited_by if known.mode == MODE_PAIR else None
                stands = Standing.BEGUN
            else:
                roster = replicator.log.roster
                if roster.mode != MODE_PAIR or (other := other_of(replicator.log.history, me)) is None:
                    continue
                stands = standing(roster, me, other)
            if other is not None:
                found.setdefault(other, {})[conversation] = stands
        return found

    def of(self, account: AccountId) -> dict[ConversationId, Standing]:
        """Those with one account."""
        return self.all().get(account, {})

    def gone(self) -> frozenset[AccountId]:
        """Contacts that have left the one that is in use."""
        contacts = self._parts.state.contacts
        return frozenset(
            account
            for account, found in self.all().items()
            if account in contacts
            and any(
                stands is Standing.OVER and pair == contacts[account].conversation for pair, stands in found.items()
            )
        )

    def offer(self, conversation: ConversationId, account: AccountId) -> CommitId | None:
        """The commit by which an account is invited to one now."""
        replicator = self._get(conversation)
        if replicator is None or replicator.log.is_empty or not replicator.log.roster.is_invited(account):
            return None
        history = replicator.log.history
        adds = (e.id for e in reversed(history.controls) if e.fact.control and e.fact.control.action == Add(account))
        return next(adds, history.root.id)

    def forsaken(self) -> list[ConversationId]:
        """Those whose contact was removed, by who could not leave them: a crash came between, or they were erased there."""
        state = self._parts.state
        return [
            pair
            for account, found in sorted(self.all().items())
            for pair in sorted(found)
            if not (contact := state.contact(account)).active
            and state.conversations[pair].added_ms <= contact.removed_ms
        ]

    def reconsider(self) -> None:
        """Somebody came or went, or a conversation did: see soon which are in use."""
        self._parts.chores.add("one-to-ones", self.choose)

    async def choose(self) -> None:
        """Note for each contact which of its one-to-ones is in use."""
        found = self.all()

        def chosen(state: State) -> tuple[State, list[AccountId]]:
            changed = []
            for account, contact in state.contacts.items():
                if not contact.active or (account not in found and contact.conversation is None):
                    continue
                there = dict(found.get(account, {}))
                now = contact.conversation
                known = state.conversations.get(now) if now is not None else None
                if now is not None and known is not None and known.state is ConversationState.ERASED:
                    there[now] = Standing.COMMON if is_elsewhere(known, account) else Standing.OVER
                elif now is not None and (known is None or not known.is_gone):
                    there.setdefault(now, Standing.BEGUN)  # of another own device, an archive, or damaged here
                state, new = state.use_pair(account, in_use(there))
                changed += [] if new is None else [account]
            return state, changed

        for account in await self._parts.change(chosen):
            self._parts.tell(ContactChanged(account))
