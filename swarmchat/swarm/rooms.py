"""The conversations of this account on this device: opened, made, left, erased. (SCP-06 §7)"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from itertools import islice
from typing import Any

from swarmchat.account.records import ConversationState, RequestKind
from swarmchat.account.state import State
from swarmchat.commitlog.files import DamageError
from swarmchat.commitlog.log import CommitLog
from swarmchat.commitlog.writing import Admission, Annotate
from swarmchat.conversation import profile
from swarmchat.conversation.actions import Add, Initial
from swarmchat.conversation.rejection import Rejection
from swarmchat.conversation.tree import Mode
from swarmchat.errors import NotFoundError, StorageError, SwarmchatError
from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId
from swarmchat.limits import CLONE_MEMBERS_MAX, INVITATIONS_LOOKED_BACK_MAX, PULLS_MAX, SERVED_PACKS_PER_PEER_MAX
from swarmchat.swarm import invitations
from swarmchat.swarm.access import MODE_PAIR
from swarmchat.swarm.clones import Clones, is_torn
from swarmchat.swarm.departures import Departures
from swarmchat.swarm.events import (
    ContactChanged,
    ConversationAdded,
    ConversationRemoved,
    Delivered,
    Event,
)
from swarmchat.swarm.farewells import Farewells
from swarmchat.swarm.lines import Lines
from swarmchat.swarm.mail import Notice
from swarmchat.swarm.messages import Bad, Got, News, Read, Typing
from swarmchat.swarm.objections import Objection
from swarmchat.swarm.pairs import Pairs
from swarmchat.swarm.parts import Parts
from swarmchat.swarm.replicator import Replicator, Wires
from swarmchat.swarm.session import Heads, Reputation
from swarmchat.swarm.turns import Turns
from swarmchat.swarm.write_queue import Outcome

_log = logging.getLogger(__name__)


class Rooms:
    """All replicators of one account."""

    def __init__(self, parts: Parts, lines: Lines) -> None:
        self.reputation = Reputation()
        self._parts = parts
        self._lines = lines
        self._replicators: dict[ConversationId, Replicator] = {}
        self._running: dict[ConversationId, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._pulls = Turns(PULLS_MAX, SERVED_PACKS_PER_PEER_MAX)
        self._damaged: dict[ConversationId, StorageError] = {}
        self._withdrawing: set[tuple[AccountId, ConversationId]] = set()
        self._departures = Departures(parts, self.get, self.erase, lines.reevaluate, lines.unsure)
        self.pairs = Pairs(parts, self.get)
        self.clones = Clones(parts, lines, self.pairs, self.get, self._prepare)
        self._farewells = Farewells(parts, lines.post, lines.account_of, lines.flushed, lines.reevaluate)
        self._wires = Wires(
            post=lines.post,
            link=lines.link,
            tell=self._tell,
            writer=parts.writer,
            admitted=self._admitted,
            refused=self.clones.refused,
            held=self._held,
            level=self.clones.look_at,
            barren=self.clones.barren,
            annotator=self._annotator,
        )

    # --- what is here

    def all(self) -> list[Replicator]:
        """Every replicator, by conversation."""
        return [self._replicators[each] for each in sorted(self._replicators)]

    def get(self, conversation: ConversationId) -> Replicator | None:
        """The replicator of a conversation that is here, also of one being cloned or handed over."""
        return self._replicators.get(conversation)

    def room(self, conversation: ConversationId) -> Replicator:
        """The same; NotFoundError for one that is not here, or left, StorageError for one that is damaged."""
        if conversation in self._damaged:
            raise self._damaged[conversation]
        found = self._replicators.get(conversation)
        known = self._parts.state.conversations.get(conversation)
        if found is None or (known is not None and known.is_gone):
            raise NotFoundError(f"no conversation {conversation} here")
        return found

    def state_of(self, conversation: ConversationId) -> str:
        """`ready`, `syncing`, `refused` or `closed`, as the local door says it."""
        known = self._parts.state.conversations.get(conversation)
        found = self._replicators.get(conversation)
        if known is None or known.is_gone or found is None:
            return "closed"
        if known.state is ConversationState.SYNCING:
            return "syncing" if self.clones.objection(conversation) is None else "refused"
        return "ready" if not found.log.is_empty and found.log.roster.is_joined(self._parts.account.id) else "closed"

    def objection(self, conversation: ConversationId) -> Objection | None:
        """Why a conversation is `refused`."""
        return self.clones.objection(conversation) if self.state_of(conversation) == "refused" else None

    # --- lifetime

    async def load(self) -> None:
        """Open all that lies on disk, and prepare what is to be cloned; what a crash left half done is finished."""
        here = set(await self._parts.runtime.offload(self._parts.catalog.list))
        for conversation in sorted(here):
            await self._open(conversation)
        here -= self._damaged.keys()
        known = self._parts.state.conversations
        for conversation in sorted(here - known.keys()):
            await self._adopt(self._replicators[conversation].log)
        for conversation in sorted(known):
            await self._take_up(conversation)
        self._leave_forsaken()
        self.pairs.reconsider()

    async def _open(self, conversation: ConversationId) -> None:
        """Open what lies on disk, or note why not: one that is damaged must not keep the others from opening."""
        try:
            replicator = self._enter(await self._parts.runtime.offload(self._parts.catalog.open, conversation))
            await replicator.tell_missed()
        except SwarmchatError as error:
            _log.warning("conversation %s cannot be opened: %s", conversation, error)
            hint = error.hint or "look into it with `swarmchat verify`, or purge the conversation and join it again"
            kind = DamageError if isinstance(error, DamageError) else StorageError
            self._damaged[conversation] = kind(error.message, hint=hint)
        else:
            self._damaged.pop(conversation, None)

    async def _open_again(self, conversation: ConversationId) -> None:
        """A disk that was full or did not answer may do so now."""
        await self._open(conversation)
        if conversation not in self._damaged:
            await self._take_up(conversation)
            self._lines.reevaluate()
            self._lines.moved(conversation)

    async def _take_up(self, conversation: ConversationId) -> None:
        """Go on with one where a crash, or a disk that was full, ended it; what the disk refuses now is tried again later."""
        try:
            match self._unfinished(conversation):
                case ConversationState.SYNCING:
                    await self.clones.expect(conversation)
                case ConversationState.REMOVED:
                    await self._departures.stay_behind(conversation)
                case ConversationState.ACTIVE if self._is_lost(conversation):
                    await self.clones.begin_anew(conversation)
                case ConversationState.ACTIVE:
                    await self._go(conversation)
                case ConversationState.ERASED:
                    await self.erase(conversation)
                case None:
                    pass
        except StorageError as error:
            _log.warning("conversation %s has to wait: %s", conversation, error)

    def _unfinished(self, conversation: ConversationId) -> ConversationState | None:
        """The state of one in which more is to be done than was done since the start."""
        known, replicator = self._parts.state.conversations.get(conversation), self._replicators.get(conversation)
        if known is None or conversation in self._damaged:
            return None
        if known.state is ConversationState.SYNCING:
            waits = not self._parts.access.is_expected(conversation)
        elif known.state is ConversationState.REMOVED:
            waits = replicator is not None and not replicator.session.closed
        elif known.state is ConversationState.ERASED:
            waits = replicator is not None
        else:
            waits = self._is_lost(conversation) or self._departures.has_left(conversation)
        return known.state if waits else None

    async def run(self) -> None:
        """Run all replicators, also those that come, until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                for replicator in self._replicators.values():
                    self._start(replicator)
                await asyncio.get_running_loop().create_future()
        finally:
            self._tasks = None
            self._running.clear()

    # --- making

    async def create(self, mode: Mode, invited: AccountId | None, extra: Mapping[str, Any] | None = None) -> Replicator:
        """Write a new conversation; `extra` adds keys to the JSON of its first commit. RefusedError, StorageError."""
        parts = self._parts
        root = Initial(mode, parts.runtime.entropy(16).hex(), invited)
        writer, now = parts.writer(), int(parts.runtime.now())
        log = await parts.runtime.offload(lambda: parts.catalog.create(writer, root, now=now, extra=extra))
        replicator = self._enter(log)
        await self._adopt(log)
        parts.tell(ConversationAdded(log.conversation))
        return replicator

    # --- leaving, erasing (SCP-06 §7)

    async def leave(self, conversation: ConversationId, *, promote: AccountId | None, dissolve: bool) -> Outcome | None:
        """Write the commits of leaving; the first rejection ends it, None when there was nothing to write."""
        outcome = await self._departures.write(self.room(conversation), promote, dissolve=dissolve)
        if isinstance(outcome, Rejection):
            return outcome
        await self._go(conversation)
        return outcome

    async def follow(self, conversation: ConversationId) -> None:
        """Another own device took it up, or left it: so does this one. (SCP-04 §7)"""
        await self._take_up(conversation)
        self._lines.moved(conversation)
        self.pairs.reconsider()

    def questions(self, account: AccountId) -> list[Notice]:
        """What an account is asked about conversations that we left: whether it knows."""
        return self._departures.questions(account)

    def wrote(self, account: AccountId, conversation: ConversationId, commit: CommitId) -> bool:
        """Whether a commit is here and is that account's."""
        replicator = self._replicators.get(conversation)
        entry = replicator.log.history.get(commit) if replicator is not None else None
        return entry is not None and entry.fact.account == account

    def has_invited(self, account: AccountId, conversation: ConversationId) -> bool:
        """Whether somebody invited the account to a conversation that is here, among the last 1,000 changes of its roster."""
        replicator = self._replicators.get(conversation)
        if replicator is None or replicator.log.is_empty:
            return False
        newest = islice(reversed(replicator.log.history.controls), INVITATIONS_LOOKED_BACK_MAX)
        return any(each.fact.control is not None and each.fact.control.action == Add(account) for each in newest)

    async def erase(self, conversation: ConversationId) -> None:
        """Drop all that lies here of a conversation. Nothing happens if there is nothing."""
        replicator = self._replicators.pop(conversation, None)
        task = self._running.pop(conversation, None)
        if task is not None:
            task.cancel()
        parts = self._parts
        parts.access.drop(conversation)
        self.clones.forget(conversation)
        self._departures.forget(conversation)
        self._lines.reevaluate()
        self.pairs.reconsider()
        if replicator is not None or self._damaged.pop(conversation, None) is not None:
            await parts.runtime.offload(parts.catalog.remove, conversation)
            await parts.runtime.offload(parts.receipts.forget, conversation)

    def look_after(self) -> None:
        """What was left 30 days ago and nobody took is erased; what a full disk kept from being done is tried again.

        And what another own device could not leave, whose user had erased it there before he removed the contact.
        """
        self._leave_forsaken()
        for conversation in self._departures.expired():
            self._parts.chores.add(f"erase {conversation}", partial(self.erase, conversation))
        for conversation in sorted(
            where for where, fault in self._damaged.items() if not isinstance(fault, DamageError)
        ):
            self._parts.chores.add(f"open {conversation}", partial(self._open_again, conversation))
        for conversation in sorted(self._parts.state.conversations):
            if self._unfinished(conversation) is not None:
                self._parts.chores.add(f"take up {conversation}", partial(self._take_up, conversation))

    # --- what replicators tell

    def _admitted(self, conversation: ConversationId, admission: Admission) -> None:
        parts = self._parts
        replicator = self._replicators.get(conversation)
        if replicator is None:
            return
        if parts.access.set_roster(conversation, replicator.log.roster):
            if self._departures.has_left(conversation):  # on another own device perhaps, whose commit this is
                parts.chores.add(f"take up {conversation}", partial(self._take_up, conversation))
            self._part(replicator)
            self._take_back(replicator)
            self._lines.reevaluate()
            parts.chores.add(f"settle {conversation}", lambda: self._settle(conversation))
        elif admission.before.profile is not admission.after.profile:
            parts.chores.add(f"settle {conversation}", lambda: self._settle(conversation))
        self.clones.look_at(conversation)
        self._lines.moved(conversation)

    def _part(self, replicator: Replicator) -> None:
        """Who is removed, by whomever, learns it before its links go; so do others when it is we. (SCP-06 §7)"""
        if self._tasks is not None and (farewells := self._farewells.begin(replicator)):
            self._tasks.create_task(self._farewells.say(replicator, farewells))

    def _take_back(self, replicator: Replicator) -> None:
        """Whom we invited and who is invited no more learns it before its links go."""
        parts, conversation, roster = self._parts, replicator.conversation, replicator.log.roster
        for invitation in parts.state.invitations.values():
            who = invitation.account
            if invitation.conversation != conversation or roster.is_invited(who) or roster.is_joined(who):
                continue
            if replicator.log.knows(invitation.commit) and (who, conversation) not in self._withdrawing:
                self._withdrawing.add((who, conversation))
                parts.access.part(who, over=False)
                parts.chores.add(f"withdraw {conversation} {who}", partial(self._withdraw, who, conversation))

    async def _withdraw(self, account: AccountId, conversation: ConversationId) -> None:
        try:
            await self._lines.withdraw(account, conversation)
        finally:
            self._withdrawing.discard((account, conversation))
            self._parts.access.part(account, over=True)
            self._lines.reevaluate()

    def answered(
        self, device: DeviceId, message: News | Got | Bad | Read | Typing, owner: AccountId | None = None
    ) -> bool:
        """Whether the message, about what is not common, says that a device has taken in why; `owner` where no link tells."""
        replicator = self._replicators.get(message.conversation)
        if replicator is not None and isinstance(message, News | Got):
            self._hand_over(replicator, device, message.heads, owner)  # also after its second, or before we know
        return self._farewells.answered(message.conversation, device, message)

    def _held(self, conversation: ConversationId, device: DeviceId) -> None:
        replicator = self._replicators.get(conversation)
        account = self._lines.account_of(device)
        if replicator is None or account is None:
            return
        self._parts.tell(Delivered(conversation, account, device))
        self._lines.moved(conversation)
        if not self._hand_over(replicator, device) and replicator.session.closed and account != self._parts.account.id:
            self._departures.ask_if_unsure(replicator, device)

    def _hand_over(
        self, replicator: Replicator, device: DeviceId, heads: Heads = (), owner: AccountId | None = None
    ) -> bool:
        """A device named heads: whether it has the commit by which we went. That is remembered, and it may end our staying."""
        if not self._departures.is_told(replicator, device, heads):
            return False
        conversation, account = replicator.conversation, owner or self._lines.account_of(device)
        if replicator.session.closed and account is not None and account != self._parts.account.id:
            work = partial(self._departures.taken, conversation, account)
            self._parts.chores.add(f"hand {conversation} over to {account}", work)
        return True

    # --- chores

    def _leave_forsaken(self) -> None:
        for pair in self.pairs.forsaken():
            self._parts.chores.add(f"leave {pair}", partial(self.leave, pair, promote=None, dissolve=False))

    async def _settle(self, conversation: ConversationId) -> None:
        """The roster or the profile changed: who joined has answered our invitation; keep what archives and lists show."""
        replicator = self._replicators.get(conversation)
        if replicator is None or replicator.log.is_empty:
            return
        parts, roster = self._parts, replicator.log.roster
        over = await parts.change(lambda state: invitations.joined(state, parts.access, self._knows))
        for invitation in over:
            if invitation.kind is RequestKind.CONTACT and roster.is_joined(invitation.account):
                who = invitation.account
                confirmed = await parts.change(partial(State.confirm_contact, account=who, now_ms=parts.now_ms))
                if confirmed is not None:
                    parts.tell(ContactChanged(who))
        members = (*sorted(roster.admins), *sorted(roster.members))[:CLONE_MEMBERS_MAX]
        known, title = parts.state.conversations.get(conversation), profile.shown(roster.profile).title
        if known is not None and known.state is ConversationState.ACTIVE:
            if roster.is_invited(parts.account.id):
                await self._lines.ask(conversation)  # removed and invited again: that mail may have come before this
            await parts.change(
                lambda state: state.change_conversation(conversation, title=title, mode=roster.mode, members=members)
            )
        if roster.mode == MODE_PAIR:
            self.pairs.reconsider()
        if over:
            self._lines.reevaluate()

    # --- inside

    def _annotator(self, log: CommitLog) -> Annotate | None:
        return self._parts.bridge.annotator(log)  # that of now: it comes after this

    async def _go(self, conversation: ConversationId) -> None:
        if await self._departures.go(conversation):
            self._parts.tell(ConversationRemoved(conversation))
        self._lines.moved(conversation)
        self.pairs.reconsider()

    def _knows(self, conversation: ConversationId, commit: CommitId) -> bool:
        replicator = self._replicators.get(conversation)
        return replicator is not None and replicator.log.knows(commit)

    def _tell(self, event: Event) -> None:
        """What is heard of a conversation that another own device left, until the commits of that come, is nobody's news."""
        conversation = getattr(event, "conversation", None)
        known = self._parts.state.conversations.get(conversation) if conversation is not None else None
        if known is None or not known.is_gone:
            self._parts.tell(event)

    def _enter(self, log: CommitLog) -> Replicator:
        parts = self._parts
        replicator = Replicator(
            log, parts.runtime, self._wires, parts.receipts, self.reputation, self._pulls, parts.witness
        )
        self._replicators[log.conversation] = replicator
        if not log.is_empty:
            parts.access.set_roster(log.conversation, log.roster)
        self._start(replicator)
        return replicator

    async def _prepare(self, conversation: ConversationId) -> Replicator:
        """The replicator of what is here; else of an empty log, to be filled."""
        if (found := self._replicators.get(conversation)) is not None:
            return found
        log = await self._parts.runtime.offload(self._parts.catalog.prepare, conversation)
        return self._replicators.get(conversation) or self._enter(log)  # somebody else expects it too

    def _start(self, replicator: Replicator) -> None:
        if self._tasks is not None:
            self._running[replicator.conversation] = self._tasks.create_task(replicator.run())

    def _is_lost(self, conversation: ConversationId) -> bool:
        replicator = self._replicators.get(conversation)
        return replicator is None or replicator.log.is_empty or is_torn(replicator.log, self._parts.account.id)

    async def _adopt(self, log: CommitLog) -> None:
        """Note a conversation that is on disk and that the state does not know: made just now, or before a crash."""
        if is_torn(log, self._parts.account.id):
            return  # nobody to ask is known; what is intact stays
        if log.is_empty or not log.roster.is_joined(self._parts.account.id):
            await self.erase(log.conversation)
            return
        title, mode, now_ms = profile.shown(log.roster.profile).title, log.roster.mode, self._parts.now_ms
        await self._parts.change(
            lambda state: state.add_conversation(log.conversation, title=title, mode=mode, now_ms=now_ms)
        )
