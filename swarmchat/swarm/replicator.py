"""One conversation on this node: carries out what its session wishes, writes for everybody here, serves packs. (SCP-04 §2–§5)"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from swarmchat.commitlog.files import DamageError
from swarmchat.commitlog.log import CommitLog
from swarmchat.commitlog.writing import Admission, Annotate, Pending, Writer
from swarmchat.conversation.actions import Action
from swarmchat.conversation.rejection import Rejection
from swarmchat.errors import LinkError, NotFoundError, StorageError, SwarmchatError
from swarmchat.ids import CommitId, ConversationId, DeviceId
from swarmchat.index.receipts import Receipts
from swarmchat.limits import (
    BAD_MESSAGES_MAX,
    PULL_TURN_S,
    PUSH_PACK_BYTES_MAX,
    SYNCING_EVERY_S,
)
from swarmchat.links.channel import Channel
from swarmchat.links.link import Link
from swarmchat.runtime import Runtime
from swarmchat.swarm import facts, transfer
from swarmchat.swarm.dag import LogDag
from swarmchat.swarm.events import ConversationSyncing, Event
from swarmchat.swarm.messages import Bad, Got, News, PackRequest, SyncMessage, announced
from swarmchat.swarm.parts import Witness
from swarmchat.swarm.session import Acknowledge, Announce, Heads, Pull, Reputation, Session, TakePush, Wish
from swarmchat.swarm.telling import Teller
from swarmchat.swarm.told_heads import ToldHeads
from swarmchat.swarm.turns import Turn, Turns
from swarmchat.swarm.upkeep import Task, Upkeep
from swarmchat.swarm.write_queue import Intent, Outcome, WriteQueue

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wires:
    """How a replicator reaches the rest of the node."""

    post: Callable[[DeviceId, SyncMessage], None]  # to a linked device; nothing happens if it is not
    link: Callable[[DeviceId], Link | None]
    tell: Callable[[Event], None]
    writer: Callable[[], Writer]
    admitted: Callable[[ConversationId, Admission], None]  # called in the loop, after the log has grown
    refused: Callable[[ConversationId, Heads, tuple[Rejection, ...]], None]  # a clone brought nothing valid
    held: Callable[[ConversationId, DeviceId], None]  # a device holds more than before
    level: Callable[[ConversationId], None]  # all that was announced is here
    barren: Callable[[ConversationId], Iterable[CommitId]]  # heads whose history was invalid before (SCP-06 §5)
    annotator: Callable[[CommitLog], Annotate | None] = lambda log: None  # what adds a foreign form to what is written


class Replicator:
    """Keeps one commit log in step; `run` owns its tasks. Appending works without it, then nothing travels."""

    def __init__(
        self,
        log: CommitLog,
        runtime: Runtime,
        wires: Wires,
        receipts: Receipts,
        reputation: Reputation,
        pulls: Turns,
        witness: Witness | None = None,
    ) -> None:
        self.log = log
        self.dag = LogDag(log, wires.barren)
        self.session = Session(self.dag, reputation, runtime.random)
        self._runtime = runtime
        self._wires = wires
        self._pulls = pulls
        self._lock = asyncio.Lock()
        self._writes = WriteQueue(self._lock, self._write_batch)
        self._woken = asyncio.Event()
        self._is_damaged = False
        self._syncing_told = -SYNCING_EVERY_S
        self._teller = Teller(log, witness)
        self._told_heads = ToldHeads(log.conversation, receipts, runtime, self.wake)
        self._upkeep = Upkeep()

    @property
    def conversation(self) -> ConversationId:
        """Which one."""
        return self.log.conversation

    async def run(self) -> None:
        """Carry out the session's wishes until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._woken.clear()
                for wish in self.session.poll(self._runtime.monotonic()):
                    self._carry_out(wish, tasks)
                if not self.log.is_empty and self.session.is_level(self._runtime.monotonic()):
                    self._wires.level(self.conversation)
                if self._is_damaged:
                    self._is_damaged = False
                    tasks.create_task(self._repair())
                for task in self._upkeep.due(self._runtime.monotonic()):
                    self._put_in_order(task, tasks)
                if self._told_heads.is_due():
                    tasks.create_task(self._told_heads.store())
                await self._sleep()

    # --- writing (SCP-04 §5.1)

    async def append(
        self,
        action: Action,
        *,
        profile: bytes | None = None,
        extra: Mapping[str, Any] | None = None,
        at: CommitId | None = None,
    ) -> Outcome:
        """Write one commit; durable when it returns. NotFoundError for an unknown `at`, StorageError."""
        if at is not None and not self.log.knows(at):
            raise NotFoundError(f"no commit {at} in this conversation")
        annotate = self._wires.annotator(self.log)
        pending = Pending(action, self._wires.writer(), int(self._runtime.now()), profile, extra, at, annotate)
        (outcome,) = await self._writes.put((pending,))
        return outcome

    async def append_all(self, actions: Sequence[Action]) -> list[Outcome]:
        """Write several, one on the other; ends with the first rejection. Raises StorageError."""
        outcomes: list[Outcome] = []
        for action in actions:
            outcomes.append(await self.append(action))
            if isinstance(outcomes[-1], Rejection):
                break
        return outcomes

    async def append_at_once(self, wanted: Sequence[Action | Intent]) -> list[Outcome]:
        """Write several with nothing between them and one sync, whatever becomes of each. Raises StorageError."""
        writer, now, annotate = self._wires.writer(), int(self._runtime.now()), self._wires.annotator(self.log)
        intents = [each if isinstance(each, Intent) else Intent(each) for each in wanted]
        pending = [Pending(each.action, writer, now, each.profile, each.extra, None, annotate) for each in intents]
        return await self._writes.put(tuple(pending))

    async def merge_old_forks(self) -> Admission:
        """The user agrees to the heads that `main` leaves out as old forks. (SCP-02 §6.4 g) StorageError."""
        async with self._lock:
            admission, told = await self._runtime.offload(self._teller.merge_old_forks)
        self._grown(admission, told)
        self._wires.admitted(self.conversation, admission)
        return admission

    async def _write_batch(self, items: list[Pending]) -> list[Outcome]:
        try:
            outcomes, told = await self._runtime.offload(self._teller.append_all, items)
        except StorageError as error:
            self.met(error)
            raise
        self.session.wrote(self._runtime.monotonic())
        self.wake()  # first: the others are told before our own events are written down
        for outcome, events in zip(outcomes, told, strict=True):
            if isinstance(outcome, Admission):
                self._grown(outcome, events)
        return outcomes

    async def tell_missed(self) -> None:
        """Tell what the commits mean of which a process that died had not told. StorageError."""
        if self.log.is_empty:
            return
        first, there = self._teller.untold(), len(self.log.history)
        if first is not None:
            for event in await self._runtime.offload(self._teller.missed, first):
                self._wires.tell(event)
        self._teller.caught_up(there)  # what was admitted meanwhile tells of itself

    # --- what devices have

    def held_by(self, device: DeviceId) -> Heads:
        """What the device certainly has, with all that is behind: the heads it named last, and what it wrote itself."""
        return (*self.session.heads_of(device), *self.log.history.newest_of(device))

    def has(self, device: DeviceId, commit: CommitId, told: Iterable[CommitId] = ()) -> bool:
        """Whether the heads that the device named last, or `told` before the start, say that it has a commit."""
        return self.dag.covers((*self.session.heads_of(device), *told), (commit,))

    def base_of(self, device: DeviceId) -> Heads:
        """What a pack for a linked device may build on: what it will have read, and what it wrote itself."""
        return tuple(sorted({*self.session.base_of(device), *self.log.history.newest_of(device)}))

    # --- what devices say

    def hello(self, device: DeviceId, heads: Heads, *, told: Heads | None) -> None:
        """It shares the conversation; `told`: our heads in our last hello to it."""
        more = self._note(device, heads)
        self.session.hello(device, heads, self._runtime.monotonic(), told=told)
        self.wake()
        if more:
            self._wires.held(self.conversation, device)

    def probe(self, device: DeviceId) -> None:
        """It may have what is cloned here, and does not speak of it."""
        if self.log.is_empty:
            self.session.probe(device)
            self.wake()

    def news(self, device: DeviceId, news: News) -> None:
        """It announced something."""
        more = self._note(device, news.heads)
        self.session.news(device, news.heads, self._runtime.monotonic(), since=news.since, pack=news.pack)
        self.wake()
        if more:
            self._wires.held(self.conversation, device)

    def got(self, device: DeviceId, heads: Heads) -> None:
        """It admitted something."""
        more = self._note(device, heads)
        self.session.got(device, heads, self._runtime.monotonic())
        self.wake()
        if more:
            self._wires.held(self.conversation, device)

    def unlinked(self, device: DeviceId) -> None:
        """Its link is gone, or the conversation no longer common."""
        self.session.unlinked(device)
        self.wake()

    def forget(self, device: DeviceId) -> None:
        """It is no longer of this conversation: what it announced counts for nothing."""
        self.session.forget(device)
        self.wake()

    def wake(self) -> None:
        """Something changed: look at the session again."""
        self._woken.set()

    async def serve(self, channel: Channel, request: PackRequest) -> None:
        """Answer a `pack` channel."""
        self.session.fetched(channel.link.peer.device)
        try:
            await transfer.serve(channel, self.log, request, self._runtime)
        except StorageError as error:
            self.met(error)
            raise

    # --- a damaged disk (SCP-04 §4.5a)

    def met(self, error: SwarmchatError) -> None:
        """Somebody met this error with the log: if the disk is damaged, the log is repaired and the rest asked for again."""
        if isinstance(error, DamageError):
            self._is_damaged = True
            self.wake()

    async def _repair(self) -> None:
        try:
            await self.repair()
        except StorageError as error:
            _log.warning("%s is damaged and not repaired yet: %s", self.conversation, error)

    async def repair(self) -> None:
        """Put aside what is damaged, and have what is lost fetched again. StorageError: try again."""
        async with self._lock:
            repaired = await self._runtime.offload(self.log.repair)
        for damage in repaired.damage:
            _log.warning("%s: %s is damaged: %s", self.conversation, damage.path, damage.what)
        if repaired.lost:
            _log.warning("%s: %d commits are to be fetched again", self.conversation, len(repaired.lost))
        self.session.shrunk(self._runtime.monotonic())
        self.wake()

    # --- carrying out

    def _carry_out(self, wish: Wish, tasks: asyncio.TaskGroup) -> None:
        match wish:
            case Acknowledge(devices):
                for device in devices:
                    self._wires.post(device, Got(self.conversation, announced(self.log.heads)))
            case Announce(devices, since):
                at_hand = (self.log.heads, None) if since is None else self.log.pack_at_hand(since, PUSH_PACK_BYTES_MAX)
                if at_hand is None:
                    tasks.create_task(self._announce(devices, since))
                else:
                    self._say(devices, since, *at_hand)
            case Pull(device, want):
                tasks.create_task(self._pull(device, want))
            case TakePush(device, heads, pack):
                tasks.create_task(self._take(device, heads, pack))

    async def _announce(self, devices: tuple[DeviceId, ...], since: Heads | None) -> None:
        heads, pack = self.log.heads, None
        if since is not None:
            try:
                heads, pack = await self._runtime.offload(self._small_pack, since)
            except StorageError as error:
                _log.warning("no pack of %s to push: %s", self.conversation, error)
                self.met(error)
        self._say(devices, since, heads, pack)

    def _say(self, devices: tuple[DeviceId, ...], since: Heads | None, heads: Heads, pack: bytes | None) -> None:
        carried = since if pack is not None else None
        for device in devices:
            self._wires.post(device, News(self.conversation, announced(heads), carried, pack))
        self.session.announced(devices, heads, carried=pack is not None, now=self._runtime.monotonic())
        self.wake()

    def _small_pack(self, since: Heads) -> tuple[Heads, bytes | None]:
        """Heads and the pack up to them; another thread may write between the two."""
        heads = self.log.heads
        pack = self.log.small_pack(since, PUSH_PACK_BYTES_MAX)
        return (heads, pack) if self.log.heads == heads else (self.log.heads, None)

    async def _take(self, device: DeviceId, heads: Heads, pack: bytes) -> None:
        failed, refused = False, False
        try:
            admission, told = await self._runtime.offload(self._teller.admit, pack, heads, device)
        except SwarmchatError as error:
            _log.info("the push of %s from %s: %s", self.conversation, device, error)
            self.met(error)
            failed = True
        else:
            refused = bool(admission.rejected)
            self._received(device, admission, told)
        self.session.took(self._runtime.monotonic(), refused=refused, failed=failed)
        self.wake()

    async def take_in(self, pack: Iterable[bytes]) -> Admission:
        """Take a pack that came in a file, judged like one that a peer sent. PackFault: nothing of it is kept; StorageError."""
        try:
            admission, told = await self._runtime.offload(self._teller.ingest, pack)
        except SwarmchatError as error:
            self.met(error)
            raise
        self._grown(admission, told)
        self.session.wrote(self._runtime.monotonic())
        self.wake()
        return admission

    async def _pull(self, device: DeviceId, want: Heads | None) -> None:
        failed, refused, grew, stuck = False, False, False, False
        cloning = self.log.is_empty
        async with self._pulls.of(device) as turn:
            try:
                admission = await self._fetch(device, want, turn)
            except SwarmchatError as error:
                _log.info("the pull of %s from %s: %s", self.conversation, device, error)
                self.met(error)
                failed, stuck, admission = True, isinstance(error, StorageError), None
        if admission is not None:
            refused, grew = bool(admission.rejected), bool(admission.new)
            told: list[Event] = list(facts.refusals(self.conversation, admission.rejected, device))
            if not cloning:  # a clone is told as one thing: conversation.ready
                told = await self._runtime.offload(self._teller.describe, admission, device)
            self._received(device, admission, told)
            if cloning and refused and self.log.is_empty:
                invalid = {each.commit for each in admission.rejected}
                # Only what was judged: it may name honest heads too, which others have.
                barren = tuple(head for head in self.session.heads_of(device) if head in invalid)
                self._wires.refused(self.conversation, barren, admission.rejected)
        now = self._runtime.monotonic()
        self.session.pulled(device, now, refused=refused, failed=failed, grew=grew, stuck=stuck)
        self.wake()

    async def _fetch(self, device: DeviceId, want: Heads | None, turn: Turn) -> Admission | None:
        link = self._wires.link(device)
        if link is None:
            raise LinkError("the link is gone")
        began = self._runtime.monotonic()
        self.session.began(device, began)

        def gives_way() -> bool:
            now = self._runtime.monotonic()
            return now - began >= PULL_TURN_S and (turn.gives_way() or self.session.gives_way(device, now))

        have = await self._runtime.offload(self.log.locator)
        request = PackRequest(self.conversation, have, want)
        return await transfer.fetch(link, self.log, request, self._runtime, self._progress, gives_way)

    # --- growing

    def _received(self, device: DeviceId, admission: Admission, told: list[Event]) -> None:
        for each in admission.rejected[:BAD_MESSAGES_MAX]:
            if each.commit is not None:
                self._wires.post(device, Bad(self.conversation, each.commit, each.reason.code, each.rule))
        self._grown(admission, told)

    def _grown(self, admission: Admission, told: list[Event]) -> None:
        for event in told:
            self._wires.tell(event)
        if admission.new:
            self._teller.note_told(admission.new)
            self._upkeep.grew(self._runtime.monotonic())
            self._wires.admitted(self.conversation, admission)

    def _progress(self, received: int, total: int) -> None:
        now = self._runtime.monotonic()
        if self.log.is_empty and now - self._syncing_told >= SYNCING_EVERY_S:
            self._syncing_told = now
            self._wires.tell(ConversationSyncing(self.conversation, received, total))

    def _put_in_order(self, task: Task, tasks: asyncio.TaskGroup) -> None:
        match task:
            case Task.PUT_AWAY:
                if self.log.waiting:
                    tasks.create_task(self._in_order(self.log.put_away))
            case Task.ROLL_UP:
                tasks.create_task(self._in_order(self.log.rollup))

    async def _in_order(self, work: Callable[[], object]) -> None:
        try:
            await self._runtime.offload(work)
        except StorageError as error:
            _log.warning("%s is not put in order: %s", self.conversation, error)
            self.met(error)

    def _note(self, device: DeviceId, heads: Heads) -> bool:
        """Whether these are other heads than it named before; then they are stored soon."""
        if self.session.heads_of(device) == heads:
            return False
        self._told_heads.note(device, heads)
        return True

    async def _sleep(self) -> None:
        now = self._runtime.monotonic()
        times = [
            at
            for at in (
                self.session.deadline(now),
                self._upkeep.deadline,
                self._told_heads.deadline,
            )
            if at is not None
        ]
        if not times:
            await self._woken.wait()
            return
        loop = asyncio.get_running_loop()
        alarm = loop.call_later(max(0.0, min(times) - now), self.wake)  # a timeout costs five times that
        try:
            await self._woken.wait()
        finally:
            alarm.cancel()
