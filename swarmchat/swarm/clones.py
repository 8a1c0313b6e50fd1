"""What is cloned to become ours: fetched from whoever has it, and joined, or objected to. (SCP-06 §5, §9)"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Sequence

from swarmchat.account.records import ConversationState
from swarmchat.commitlog.log import CommitLog
from swarmchat.conversation import profile
from swarmchat.conversation.actions import Join
from swarmchat.conversation.rejection import Rejection
from swarmchat.discovery.addressbook import Source
from swarmchat.ids import AccountId, CommitId, ConversationId
from swarmchat.limits import WRITE_PATIENCE_S
from swarmchat.swarm import objections
from swarmchat.swarm.access import candidates
from swarmchat.swarm.events import ConversationReady, ConversationRefused, ConversationSyncing
from swarmchat.swarm.lines import Lines
from swarmchat.swarm.objections import Cause, Objection
from swarmchat.swarm.pairs import Pairs
from swarmchat.swarm.parts import Parts
from swarmchat.swarm.replicator import Replicator
from swarmchat.swarm.session import Heads

_log = logging.getLogger(__name__)


class Clones:
    """The conversations that the state says are SYNCING. `prepare`: the replicator of what is here, or of an empty log."""

    def __init__(
        self,
        parts: Parts,
        lines: Lines,
        pairs: Pairs,
        get: Callable[[ConversationId], Replicator | None],
        prepare: Callable[[ConversationId], Awaitable[Replicator]],
    ) -> None:
        self._parts = parts
        self._lines = lines
        self._pairs = pairs
        self._get = get
        self._prepare = prepare
        self._refused: dict[ConversationId, Objection] = {}  # those that do not become ours, and why
        self._agreed: set[ConversationId] = set()  # to another mode than the invitation said

    def objection(self, conversation: ConversationId) -> Objection | None:
        """Why it does not become ours."""
        return self._refused.get(conversation)

    async def expect(self, conversation: ConversationId) -> Replicator:
        """A conversation that the state says is SYNCING: an empty log, to be filled by whoever has it."""
        parts = self._parts
        replicator = await self._prepare(conversation)
        replicator.session.closed = False
        parts.access.set_heirs(conversation, None)
        self._refused.pop(conversation, None)
        known = parts.state.conversations[conversation]
        if known.refused and replicator.log.is_empty:
            fault = objections.to_history(replicator.log.refusals())
            if fault is not None:  # of an earlier run: the same heads are not tried again
                self._refused[conversation] = fault
        parts.access.set_sources(conversation, candidates(known))
        for host in known.hosts:  # of an archive: where its members' devices were
            parts.finder.learnt(host.device, [host.address], Source.LINK)
        self._lines.reevaluate()
        parts.tell(ConversationSyncing(conversation, 0, 0))
        self._pairs.reconsider()
        if not replicator.log.is_empty:
            parts.chores.add(f"join {conversation}", lambda: self._join(conversation))
        return replicator

    def is_coming(self, conversation: ConversationId, linked: Collection[AccountId]) -> bool:
        """Whether one that is not here yet was accepted just now, or is fetched from somebody who is linked."""
        age_ms = self._parts.now_ms - self._parts.state.conversations[conversation].added_ms
        if age_ms < WRITE_PATIENCE_S * 1000:
            return True  # links come and go while both still dial
        return not self._parts.access.sources_of(conversation).isdisjoint(linked)

    async def begin_anew(self, conversation: ConversationId) -> None:
        """We are of it, and its history is gone from this disk: the others have it."""
        _log.warning("the history of %s is not on this disk any more: it is cloned again", conversation)
        await self._parts.change(lambda state: state.change_conversation(conversation, state=ConversationState.SYNCING))
        await self.expect(conversation)

    async def agree(self, conversation: ConversationId) -> None:
        """The user takes the conversation in whatever mode it is."""
        if not self._parts.access.is_expected(conversation):
            return
        self._agreed.add(conversation)
        objection = self._refused.get(conversation)
        if objection is not None and objection.cause is Cause.OTHER_MODE:
            del self._refused[conversation]
        await self._join(conversation)

    def forget(self, conversation: ConversationId) -> None:
        """It is erased."""
        self._refused.pop(conversation, None)
        self._agreed.discard(conversation)

    # --- what replicators tell

    def look_at(self, conversation: ConversationId) -> None:
        """It grew, or nothing that a linked device announced is missing here: it may be joined now."""
        if self._parts.access.is_expected(conversation):
            self._parts.chores.add(f"join {conversation}", lambda: self._join(conversation))

    def refused(self, conversation: ConversationId, heads: Heads, rejected: tuple[Rejection, ...]) -> None:
        """A device brought nothing but what is invalid: its heads are not tried again."""
        fault = objections.to_history(rejected)
        assert fault is not None, "something was refused"
        self._object(conversation, fault)

        async def remember() -> None:
            await self._parts.change(lambda state: state.refuse_heads(conversation, heads))

        self._parts.chores.add(f"refuse {conversation}", remember)

    def barren(self, conversation: ConversationId) -> Sequence[CommitId]:
        """Heads whose history was invalid before."""
        known = self._parts.state.conversations.get(conversation)
        return known.refused if known else ()

    # --- inside

    async def _join(self, conversation: ConversationId) -> None:
        """The clone has come: join if we may, and if it is what the invitation said. (SCP-06 §5, §9)"""
        parts, replicator = self._parts, self._get(conversation)
        known = parts.state.conversations.get(conversation)
        if replicator is None or known is None or known.state is not ConversationState.SYNCING:
            return
        if replicator.log.is_empty or not replicator.session.is_level(parts.runtime.monotonic()):
            return
        if is_torn(replicator.log, parts.account.id):
            return
        roster, me = replicator.log.roster, parts.account.id
        if not roster.is_joined(me):
            any_mode = conversation in self._agreed
            awaited = known.invitation is None or not replicator.log.knows(known.invitation)
            refused = replicator.log.refusals() if awaited else ()
            mine = (me, parts.account.device)
            objection = objections.to_roster(known, roster, mine, any_mode=any_mode, refused=refused)
            if objection is not None:
                again = known.invitation is not None and not replicator.log.knows(known.invitation)
                if again and replicator.log.history.by_account(me):
                    return  # we were of it before, and the news that we are invited again is on its way
            elif isinstance(outcome := await replicator.append(Join(me)), Rejection):
                objection = objections.to_joining(outcome)
            if objection is not None:
                self._object(conversation, objection)
                return
        await parts.change(
            lambda state: state.change_conversation(
                conversation,
                title=profile.shown(roster.profile).title or None,
                mode=roster.mode,
                state=ConversationState.ACTIVE,
            )
        )
        self._refused.pop(conversation, None)
        self._agreed.discard(conversation)
        parts.access.clear_sources(conversation)
        self._lines.reevaluate()
        parts.tell(ConversationReady(conversation))
        self._pairs.reconsider()
        self._lines.moved(conversation)
        await self._lines.notify(conversation)

    def _object(self, conversation: ConversationId, objection: Objection) -> None:
        if self._refused.get(conversation) == objection:
            return
        self._refused[conversation] = objection
        self._parts.tell(ConversationRefused(conversation, objection.commit, objection.rule, objection.text))
        self._lines.moved(conversation)


def is_torn(log: CommitLog, account: AccountId) -> bool:
    """Whether a damaged disk took so much that the account does not stand there any more. (SCP-04 §4.5a)"""
    return bool(log.lost) and (log.is_empty or not log.roster.is_joined(account))
