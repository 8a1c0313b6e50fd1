"""One account's swarm on this device: all its conversations, links and mail, composed. (SCP-04, SCP-06)"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from swarmchat.account.account import Account
from swarmchat.addresses import Address
from swarmchat.commitlog.carried import Carried
from swarmchat.commitlog.catalog import Catalog
from swarmchat.commitlog.log import CommitLog
from swarmchat.conversation import profile
from swarmchat.conversation.actions import Action, UpdateProfile
from swarmchat.conversation.rejection import Rejection
from swarmchat.conversation.tree import Mode
from swarmchat.discovery.directory import Directory
from swarmchat.discovery.finder import Finder
from swarmchat.errors import RefusedError, StorageError, SwarmchatError
from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId
from swarmchat.index.receipts import Receipts
from swarmchat.limits import INVITATIONS_CHECKED_S, WRITE_PATIENCE_S
from swarmchat.links.connection_manager import ConnectionManager
from swarmchat.links.link import Link
from swarmchat.runtime import Runtime
from swarmchat.swarm.access import Access
from swarmchat.swarm.attendance import Attendance
from swarmchat.swarm.carrying import Brought, Carrier
from swarmchat.swarm.choices import Choices
from swarmchat.swarm.connector import Connector
from swarmchat.swarm.events import (
    ConversationReady,
    ConversationRemoved,
    ConversationSyncing,
    Delivered,
    Event,
    MemberChanged,
    MessageAdded,
    ReadMarked,
)
from swarmchat.swarm.lastseen import LastSeen
from swarmchat.swarm.lines import Lines
from swarmchat.swarm.mail import Revoked
from swarmchat.swarm.merges import Merges
from swarmchat.swarm.mesh import Mesh
from swarmchat.swarm.objections import Objection
from swarmchat.swarm.outreach import Outreach, Ties
from swarmchat.swarm.own_account import OwnAccount
from swarmchat.swarm.own_cards import OwnCards
from swarmchat.swarm.own_devices import OwnDevices
from swarmchat.swarm.own_marks import OwnMarks
from swarmchat.swarm.own_status_key import OwnStatusKey
from swarmchat.swarm.parts import (
    AccountKeeper,
    Audience,
    Bridge,
    DhtWay,
    Fixed,
    InMemory,
    Parts,
    Settings,
    StateKeeper,
    Witness,
)
from swarmchat.swarm.people import People
from swarmchat.swarm.postman import Postman
from swarmchat.swarm.presences import Presences
from swarmchat.swarm.readmarks import ReadMarks
from swarmchat.swarm.replicator import Replicator
from swarmchat.swarm.revocations import Revocations
from swarmchat.swarm.rooms import Rooms
from swarmchat.swarm.status import PeerRow, Status, SyncRow
from swarmchat.swarm.surroundings import Surroundings
from swarmchat.swarm.switchboard import Switchboard
from swarmchat.swarm.waiting import Waiting
from swarmchat.swarm.write_queue import Intent, Outcome

_log = logging.getLogger(__name__)

__all__ = ["Audience", "PeerRow", "Settings", "StateKeeper", "Swarm", "SyncRow"]


class Swarm:
    """`load` first (`run` does); then everything works, with `run` also over links."""

    def __init__(
        self,
        account: Account,
        keeper: StateKeeper,
        catalog: Catalog,
        runtime: Runtime,
        *,
        links: Callable[..., ConnectionManager],
        finder: Finder,
        receipts: Receipts,
        observer: Callable[[Event], None],
        settings: Settings = Settings(),  # noqa: B008 - frozen
        where: Callable[[], Sequence[Address]] = tuple,  # our own addresses now, as others may know them
        witness: Witness | None = None,
        directory: Directory | None = None,  # the DHT
        way: DhtWay = DhtWay(),  # noqa: B008 - frozen
        fixed: Fixed = Fixed(),  # noqa: B008 - frozen
        account_keeper: AccountKeeper | None = None,  # None: nothing outlives this swarm
    ) -> None:
        self._waiting = Waiting()
        self.ready = asyncio.Event()  # `links` runs: listen now
        self.recheck_lan: Callable[[], None] = lambda: None  # the devices that the LAN may show have changed
        self._observer = observer
        access = Access(account.id, account.device, keeper.state)
        self._parts = Parts(
            account, keeper, catalog, runtime, finder, receipts, self._tell, settings, access, witness=witness, way=way
        )
        own = OwnCards(self._parts, where)
        self._board = Switchboard(self._parts, own, where)
        board = self._board
        lines = Lines(
            post=board.post,
            link=board.link,
            account_of=board.account_of,
            reevaluate=board.reevaluate,
            flushed=board.flushed,
            notify=self._notify,
            withdraw=self._withdraw,
            ask=board.ask,
            moved=self._moved,
            unsure=board.ask_behind,
        )
        self._rooms = Rooms(self._parts, lines)
        self._postman = Postman(self._parts, self._rooms, self._board.links_of, self._board.reevaluate)
        self._seen = LastSeen(self._parts)
        self.attendance = Attendance(self._parts, self._seen, self._board.linked)
        self._marks = ReadMarks(self._parts, self._seen, self._rooms.get, self._board.post)
        self._presences = Presences(self._parts, self._marks, self._board.listeners, self._board.post)
        self._outreach: Outreach | None = None
        self.links = links(
            policy=access,
            on_channel=self._board.serve,
            on_link_up=self._board.link_up,
            on_link_down=self._board.link_down,
            on_outcast=self._dismiss,
        )
        mesh = Mesh(account.device, runtime.random)
        self._connector = Connector(mesh, finder, self.links, runtime, self._board.account_of)
        self.people = People(
            self._parts, self._rooms, self._postman, self._board.reevaluate, self._connector.sighted, self._ready
        )
        kept = account_keeper or InMemory(self._parts)
        self._carrier = Carrier(self._parts, self._rooms, self.people.join)
        self._choices = Choices(self._parts, kept, settings, fixed)
        self._revocations = Revocations(
            self._parts,
            self._rooms,
            kept,
            changed=self._board.reevaluate,
            told=self._relisted,
        )
        self._merges = Merges(
            self._parts,
            self._rooms,
            self._postman,
            self._board.reevaluate,
            self._connector.sighted,
            self._choices.followed,
        )
        self._postman.outcast = self._revocations.told_by_anybody
        self._own_devices = OwnDevices(self._parts, self._merges.merged, self._revocations.told_by_own)
        self._own_marks = OwnMarks(self._parts, self._own_devices, self._marks, self._seen, self._rooms.get)
        self._board.connect(
            self._rooms,
            self._own_devices,
            self._postman,
            self._presences,
            self._seen,
            self.links,
            self._connector,
            self._recheck_lan,
        )
        if directory is not None:
            ties = Ties(board.linked, lambda: mesh.targets, self._connector.hinted, board.reevaluate)
            self._outreach = Outreach(self._parts, self._rooms, self._postman, own, where, directory, ties)
            self._postman.absent = self._outreach
            board.stir = self._outreach.stir
        self.own = OwnAccount(
            self._parts,
            self._choices,
            self._revocations,
            OwnStatusKey(self._parts, kept, self._own_devices),
            self.links,
            directory,
            load=self.load,
            links_of=board.links_of,
            where=where,
            recheck_lan=self._recheck_lan,
            reevaluate=board.reevaluate,
        )
        self.surroundings = Surroundings(self._parts, board, self._connector, self.load)
        self.status = Status(self._parts, self._rooms, self._seen, self.links, self._connector, board)
        self._loaded = False
        self._loading = asyncio.Lock()
        self._closing = asyncio.Event()

    # --- life

    @property
    def account(self) -> Account:
        """Who this is, revocations included."""
        return self._parts.account

    def attach(self, bridge: Bridge) -> None:
        """From now on conversations are told in foreign vocabularies as well. (SCP-09)"""
        self._parts.bridge = bridge

    async def load(self) -> None:
        """Open every conversation of this home; once. StorageError."""
        async with self._loading:
            if not self._loaded:
                try:
                    await self.own.note_this_device()
                    await self._choices.follow()
                except StorageError as error:  # what is here can be read all the same
                    _log.warning("this device cannot be noted among those of the account: %s", error)
                await self._rooms.load()
                await self._seen.load()
                await self._marks.load()
                await self._own_marks.load()
                self._board.reevaluate()
                self._loaded = True

    async def run(self) -> None:
        """Keep everything in step until `close` or cancelled; once."""
        await self.load()
        async with asyncio.TaskGroup() as tasks:
            linking = tasks.create_task(
                self.links.run()
            )  # first, so that it runs before anybody hears that we are ready
            running = [
                tasks.create_task(part())
                for part in (
                    self._rooms.run,
                    self._board.run,
                    self._connector.run,
                    self._presences.run,
                    self._own_marks.run,
                    self._parts.chores.run,
                    self._revocations.run,
                    self._keep_time,
                    *([self._outreach.run] if self._outreach else []),
                )
            ]
            self.ready.set()
            self._parts.chores.add("revocations", self._revocations.publish)  # a crash may have come between
            await self._closing.wait()
            await self._board.farewell("closing")
            await self.links.close()
            await linking
            await self._seen.save()
            for task in running:
                task.cancel()

    async def close(self) -> None:
        """End `run`."""
        self._closing.set()

    # --- conversations

    async def create(
        self,
        mode: Mode,
        *,
        title: str = "",
        invited: AccountId | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> ConversationId:
        """A new conversation with us as admin; `extra` adds keys to its first commit. RefusedError, StorageError."""
        await self._ready()
        replicator = await self._rooms.create(mode, invited, extra)
        if title:
            content = profile.write(profile.Profile(title=title))
            outcome = await replicator.append(UpdateProfile(), profile=content)
            if isinstance(outcome, Rejection):
                raise RefusedError(str(outcome), data={"rule": outcome.rule})
        await self._parts.chores.drain()
        return replicator.conversation

    async def log(self, conversation: ConversationId) -> CommitLog:
        """The log of a conversation, perhaps still empty; NotFoundError."""
        await self.load()
        return self._rooms.room(conversation).log

    def met(self, conversation: ConversationId, error: SwarmchatError) -> None:
        """Somebody met this error with the log of a conversation: what is damaged is repaired. (SCP-04 §4.5a)"""
        replicator = self._rooms.get(conversation)
        if replicator is not None:
            replicator.met(error)

    async def repair(self, conversation: ConversationId) -> None:
        """Put aside what is damaged of a conversation, and have what is lost fetched again. NotFoundError, StorageError."""
        await self._rooms.room(conversation).repair()

    async def append(
        self,
        conversation: ConversationId,
        action: Action,
        *,
        profile: bytes | None = None,
        extra: Mapping[str, Any] | None = None,
        at: CommitId | None = None,
    ) -> Outcome:
        """Write one commit: durable when this returns, then announced. NotFoundError, StorageError."""
        replicator = await self._written_to(conversation)
        outcome = await replicator.append(action, profile=profile, extra=extra, at=at)
        await self._written(replicator, [action], [outcome])
        return outcome

    async def append_all(self, conversation: ConversationId, actions: Sequence[Action]) -> list[Outcome]:
        """Write several, one on the other; ends with the first rejection."""
        replicator = await self._written_to(conversation)
        outcomes = await replicator.append_all(actions)
        await self._written(replicator, actions, outcomes)
        return outcomes

    async def append_at_once(self, conversation: ConversationId, intents: Sequence[Intent]) -> list[Outcome]:
        """Write several with nothing between them and one sync of the disk, whatever becomes of each. NotFoundError, StorageError."""
        replicator = await self._written_to(conversation)
        outcomes = await replicator.append_at_once(intents)
        await self._written(replicator, [intent.action for intent in intents], outcomes)
        return outcomes

    async def invite(self, conversation: ConversationId, accounts: Sequence[AccountId]) -> list[Outcome]:
        """Add accounts and send them invitations until they have joined; ends with the first rejection. (SCP-06 §3)"""
        replicator = await self._written_to(conversation)
        outcomes = await self.people.invite_into(replicator, accounts)
        self._wrote(conversation, outcomes)
        await self._parts.chores.drain()
        return outcomes

    async def bring(self, carried: Carried) -> Brought:
        """Take in what a file holds, judged like what a peer sends. VerificationError, RefusedError, StorageError. (SCP-04 §9)"""
        await self._ready()
        brought = await self._carrier.bring(carried)
        if brought.new and self._outreach is not None:
            self._outreach.wrote(brought.conversation)
        return brought

    async def confirm_mode(self, conversation: ConversationId) -> None:
        """The user takes a clone in the mode it has, whatever the invitation said."""
        await self.load()
        await self._rooms.clones.agree(conversation)
        await self._parts.chores.drain()

    async def leave(
        self, conversation: ConversationId, *, promote: AccountId | None = None, dissolve: bool = False
    ) -> Outcome | None:
        """Leave: it is shown no more, and served until somebody else has our last commit. (SCP-06 §7)"""
        await self._ready()
        outcome = await self._rooms.leave(conversation, promote=promote, dissolve=dissolve)
        await self._parts.chores.drain()
        return outcome

    async def merge_old_forks(self, conversation: ConversationId) -> None:
        """The user lets old forks that were held back into `main`. (SCP-02 §6.4 g) NotFoundError, StorageError."""
        replicator = await self._written_to(conversation)
        await replicator.merge_old_forks()
        await self._parts.chores.drain()

    async def purge(self, conversation: ConversationId) -> None:
        """Erase what lies here of a conversation; nobody else is told, and other own devices keep theirs. StorageError."""
        await self.load()
        erased = await self._parts.change(lambda state: state.erase_conversation(conversation))
        await self._rooms.erase(conversation)
        if erased is not None:
            self._tell(ConversationRemoved(conversation))
        self._moved(conversation)

    # --- reading and typing

    async def read(self, conversation: ConversationId, commit: CommitId) -> None:
        """Our user has read up to a commit. NotFoundError, StorageError."""
        await self.load()
        await self._marks.read(self._rooms.room(conversation), commit)

    async def typing(self, conversation: ConversationId, on: bool) -> None:
        """Our user types, or stopped."""
        await self.load()
        self._presences.typing(self._rooms.room(conversation).conversation, on)

    # --- waiting and looking

    def state_of(self, conversation: ConversationId) -> str:
        """`ready`, `syncing`, `refused` or `closed`."""
        return self._rooms.state_of(conversation)

    def objection(self, conversation: ConversationId) -> Objection | None:
        """Why a conversation is `refused`; None for any other."""
        return self._rooms.objection(conversation)

    async def settled(self, conversation: ConversationId, timeout_s: float) -> str:
        """Wait until a clone is ready or refused, or the time is over; the state then."""
        await self._waiting.until(lambda: self.state_of(conversation) != "syncing", timeout_s)
        return self.state_of(conversation)

    async def delivered(
        self,
        conversation: ConversationId,
        commit: CommitId,
        enough: Callable[[frozenset[AccountId]], bool],
        timeout_s: float,
    ) -> dict[DeviceId, AccountId]:
        """Wait until enough other accounts have a commit, or the time is over; the devices that had it meanwhile."""
        await self.load()
        replicator = self._rooms.room(conversation)
        return await self._waiting.delivered(replicator, self.account.id, commit, enough, timeout_s)

    # --- inside

    def _tell(self, event: Event) -> None:
        if isinstance(event, MessageAdded | MemberChanged):
            self._presences.noticed(event)
        elif isinstance(event, ReadMarked | Delivered):
            self._own_marks.stir()
        elif isinstance(event, ConversationSyncing) and not event.total and self._loaded:
            self._own_marks.begin_anew()
        elif isinstance(event, ConversationRemoved):
            self._marks.removed(event.conversation)
        elif isinstance(event, ConversationReady):
            self._parts.chores.add("revocations", self._revocations.publish)
        self._observer(event)

    async def _dismiss(self, link: Link) -> None:
        """A revoked device called: it is told, and that is all. (SCP-01 §3.3)"""
        reason = self._revocations.reason(link.peer.account, link.peer.device)
        if reason is not None:
            await self._postman.send(link, Revoked(reason))

    async def _relisted(self, revoked: frozenset[DeviceId]) -> None:
        await self._own_devices.relisted_flushed(revoked)

    async def _written(self, replicator: Replicator, actions: Sequence[Action], outcomes: Sequence[Outcome]) -> None:
        """See to what follows from what was written, done when this returns."""
        self._wrote(replicator.conversation, outcomes)
        await self.people.unbanned(replicator, actions)
        await self._parts.chores.drain()

    def _wrote(self, conversation: ConversationId, outcomes: Sequence[Outcome]) -> None:
        if self._outreach is not None and not all(isinstance(outcome, Rejection) for outcome in outcomes):
            self._outreach.wrote(conversation)

    async def _withdraw(self, account: AccountId, conversation: ConversationId) -> None:
        await self._postman.withdraw(account, conversation)

    async def _notify(self, conversation: ConversationId) -> None:
        """We are one of a conversation now: tell who does not know."""
        await self._board.notify(conversation)
        if self._outreach is not None:
            self._outreach.wrote(conversation)

    def _recheck_lan(self) -> None:
        self.recheck_lan()

    def _moved(self, conversation: ConversationId) -> None:
        self._waiting.moved()
        self._marks.moved(conversation)

    async def _ready(self) -> None:
        """RefusedError where this device is no longer one of its account."""
        await self.load()
        self._revocations.must_be_ours()

    async def _written_to(self, conversation: ConversationId) -> Replicator:
        await self._ready()
        replicator = self._rooms.room(conversation)
        linked = {link.peer.account for link in self.links.links}
        if self.state_of(conversation) == "syncing" and self._rooms.clones.is_coming(conversation, linked):
            await self.settled(conversation, WRITE_PATIENCE_S)
        if replicator.log.is_empty:
            raise RefusedError("the conversation is not here yet", hint="wait until it is ready")
        return replicator

    async def _keep_time(self) -> None:
        """What is due without anybody asking: invitations again, those that expire, what was left long ago."""
        while True:
            await self._parts.runtime.sleep(INVITATIONS_CHECKED_S)
            for account in sorted({link.peer.account for link in self.links.links}):
                self._parts.chores.add(f"mail to {account}", partial(self._postman.deliver, account))
            self._parts.chores.add("expire invitations", self._postman.expire)
            self._parts.chores.add("revocations", self._revocations.publish)
            self._rooms.look_after()
