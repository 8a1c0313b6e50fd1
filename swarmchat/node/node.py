"""The node: builds every part, runs them in one group, holds no logic. (SCP-08 §1)"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from swarmchat import disk, limits
from swarmchat.account.account import Account
from swarmchat.account.home import Home
from swarmchat.account.records import ConversationState, OwnDevice
from swarmchat.account.statuskey import StatusKey
from swarmchat.account.store import AccountStore
from swarmchat.addresses import Address
from swarmchat.commitlog.archives import ArchivedLog, Archives
from swarmchat.commitlog.catalog import Catalog
from swarmchat.commitlog.log import CommitLog
from swarmchat.conversation.timeline import Timeline
from swarmchat.crypto.revocation import RevocationList, device_prefix
from swarmchat.discovery.addressbook import AddressBook, Candidate, Source
from swarmchat.discovery.cards import CardBox
from swarmchat.discovery.finder import Finder
from swarmchat.discovery.interfaces import Watcher
from swarmchat.discovery.sightings import Sighting
from swarmchat.discovery.whereabouts import whereabouts
from swarmchat.errors import StorageError, UserError
from swarmchat.ids import AccountId, ConversationId, DeviceId, is_device
from swarmchat.index.events import EventLog
from swarmchat.index.receipt_rows import ReadMark
from swarmchat.index.receipts import Receipts
from swarmchat.index.search import SearchIndex
from swarmchat.links.connection_manager import ConnectionManager
from swarmchat.links.peers import Identity
from swarmchat.links.streams import Carrier
from swarmchat.node.config import Config
from swarmchat.node.delivery import Delivery, Moments
from swarmchat.node.dht import DhtPart
from swarmchat.node.gateways import Gateways
from swarmchat.node.indexing import Indexing, Library, Size
from swarmchat.node.journal import Journal
from swarmchat.node.keeper import Keeper
from swarmchat.node.ports import Ports
from swarmchat.node.view import View
from swarmchat.runtime import Runtime
from swarmchat.swarm.events import Event, LinkUp
from swarmchat.swarm.parts import DhtWay, Fixed
from swarmchat.swarm.swarm import Settings, Swarm

if TYPE_CHECKING:
    from swarmchat.discovery.lan import Lan

_log = logging.getLogger(__name__)
T = TypeVar("T")

_TIMELINES_MAX = 32  # of the conversations looked at last
_SAVE_INTERVAL_S = 60.0  # addresses and cards are hints: losing a minute of them costs a dial
_SAVE_AFTER_S = 2.0  # of a link; where it is the only way to anybody, losing that costs more


@dataclass(frozen=True, slots=True)
class Parts:
    """What differs between a real node and a simulated one."""

    runtime: Runtime
    carrier: Carrier


class Node:
    """All conversations of one account on one device. The caller holds the home's lock."""

    def __init__(self, home: Home, config: Config, store: AccountStore, account: Account, parts: Parts) -> None:
        self.home = home
        self.config = config
        self.runtime = parts.runtime
        self.started = parts.runtime.now()
        self.listens: tuple[Address, ...] = ()
        self._watcher: Watcher | None = None
        self._linked = asyncio.Event()  # since hints were saved last
        self._lan_part: Lan | None = None
        self.dht = DhtPart(home.data, config, parts.runtime, self._tell_dht_port)
        self.keeper = Keeper(store, parts.runtime)
        self.catalog = Catalog(home.conversations, accept_old_forks=config.accept_old_forks)
        self.archives = Archives(home.archives)
        self.journal = Journal(EventLog(home.data / "events.sqlite"), parts.runtime)
        self.receipts = Receipts(home.data / "receipts.sqlite")
        self._book_file, self._cards_file = home.data / "addresses.json", home.data / "cards"
        self._book = _kept(self._book_file, AddressBook.from_json) or AddressBook()
        now = parts.runtime.now()
        self._cards = _kept(self._cards_file, lambda data: CardBox.load(data, now=now)) or CardBox()
        self._saved = (self._book.to_json(), self._cards.dump())
        self.finder = Finder(parts.runtime, self._book, self._cards)
        self._timelines: dict[ConversationId, tuple[CommitLog | ArchivedLog, Timeline]] = {}
        self._name = account.name  # as it stands in the file, whatever the settings say
        self._account_turn = asyncio.Lock()
        self._account = account if config.name is None else account.renamed(config.name)
        identity = Identity(
            account.device_key, account.device_certificate, account.certificate, parts.runtime.entropy(8)
        )

        def links(**wiring: object) -> ConnectionManager:
            return ConnectionManager(identity, parts.runtime, carrier=parts.carrier, **wiring)  # type: ignore[arg-type]

        self.swarm = Swarm(
            self._account,
            self.keeper,
            self.catalog,
            parts.runtime,
            links=links,
            finder=self.finder,
            receipts=self.receipts,
            observer=self._observe,
            settings=Settings(addresses=config.addresses),
            fixed=Fixed(config.name, config.send_read_receipts, config.send_typing),
            account_keeper=self,
            where=self.whereabouts,
            witness=self.journal,
            way=DhtWay(port=lambda: self.dht.port, met=lambda address: self.dht.met(address, Source.LINK)),
            directory=self.dht if config.dht_enabled else None,
        )
        library = Library(self.view, self._size, self.readable, self.swarm.met)
        self._gateways: Gateways | None = None
        self.indexing = Indexing(SearchIndex(home.data / "search.sqlite"), library, parts.runtime)

    @property
    def account(self) -> Account:
        """Who this node is, revocations included."""
        return self.swarm.account

    def attach(self, gateways: Gateways) -> None:
        """Have conversations told in foreign vocabularies as well; once, before anything runs. (SCP-09)"""
        self._gateways = gateways
        self.swarm.attach(gateways)

    # --- running

    async def run(self, up: Callable[[], None]) -> None:
        """Listen, find, link and keep in step until cancelled; `up` is called once links are accepted.

        Raises UserError when no address of the settings can be listened on.
        """
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.swarm.run())
            try:
                await self.swarm.ready.wait()
                self.listens = tuple(await self._listen())
                watcher = self._watcher = Watcher(self.runtime)
                self.swarm.surroundings.network_changed()  # links that stood before this are told where we listen
                watcher.tell(self.swarm.surroundings.network_changed)
                watcher.tell(self.dht.network_changed)
                tasks.create_task(watcher.run())
                if self.config.lan_enabled:
                    tasks.create_task(self._lan(watcher).run())
                tasks.create_task(self.dht.run())
                tasks.create_task(self._keep_hints())
                tasks.create_task(self._renew_sealing_keys())
                tasks.create_task(self.journal.run())
                tasks.create_task(self.indexing.run())
                if self._gateways is not None:
                    tasks.create_task(self._gateways.run())
                up()
                await asyncio.shield(running)  # who ends the node does not cut it off in the middle of a goodbye
            finally:
                await self.swarm.close()
                await asyncio.wait([running], timeout=limits.FAREWELLS_S)

    def close(self) -> None:
        """Write down what is only remembered, and close every file."""
        self._try_to_save_hints()
        self.catalog.close()
        self.archives.close()
        self.journal.close()
        self.receipts.close()
        self.indexing.index.close()
        if self._gateways is not None:
            self._gateways.close()

    async def _listen(self) -> Sequence[Address]:
        bound: list[Address] = []
        faults: list[str] = []
        ports = Ports(self.home.data / "ports.json")
        for address in self.config.listen:
            try:
                bound.extend(await ports.listen(address, self.swarm.links.listen))
            except OSError as error:
                faults.append(f"{address}: {error.strerror or error}")
        if not bound:
            raise UserError(
                f"cannot listen for links on {'; '.join(faults)}",
                hint="choose another address with --listen, or port 0 for any free one",
            )
        for fault in faults:
            _log.warning("not listening on %s", fault)
        await self.runtime.offload(ports.save)
        return bound

    def _lan(self, watcher: Watcher) -> Lan:
        def seen(sighting: Sighting) -> None:
            self.finder.saw_lan(sighting)
            if not sighting.gone:
                self.swarm.surroundings.sighted(sighting.device, sighting.instance, sighting.addresses)
            if sighting.dht_port is not None and not sighting.gone:
                for address in sighting.addresses:
                    self.dht.met(Address(address.host, sighting.dht_port), Source.LAN)

        from swarmchat.discovery.lan import Lan  # noqa: PLC0415 - 3 MB for who has a LAN

        lan = self._lan_part = Lan(
            self.runtime,
            device=self.account.device,
            listens=self.listens,
            known=self.swarm.surroundings.known_devices,
            on_sighting=seen,
            watcher=watcher,
        )
        loop = asyncio.get_running_loop()

        def look_again() -> None:
            for sighting in lan.sightings():
                seen(sighting)

        def recheck() -> None:
            loop.call_soon(look_again)  # asked from inside the swarm's own reckoning: told when that is done

        self.swarm.recheck_lan = recheck
        if self.dht.port is not None:
            lan.put_out_dht(self.dht.port)
        return lan

    def _tell_dht_port(self, port: int) -> None:
        if self._lan_part is not None:
            self._lan_part.put_out_dht(port)
        self.swarm.surroundings.dht_opened()

    async def _keep_hints(self) -> None:
        """A moment after a link stands, so that who is killed then finds the other again; what else is heard, once a minute."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SAVE_INTERVAL_S):
                    await self._linked.wait()
            await self.runtime.sleep(_SAVE_AFTER_S)  # in its hello the other says where it listens
            self._linked.clear()
            self._book.prune(now=self.runtime.now())
            await self.runtime.offload(self._try_to_save_hints)

    def _observe(self, event: Event) -> None:
        if isinstance(event, LinkUp):
            self._linked.set()
        self.journal.record(event)
        self.indexing.note(event)
        if self._gateways is not None:
            self._gateways.note(event)

    def _try_to_save_hints(self) -> None:
        """A disk that refuses costs hints and not the node."""
        try:
            self._save_hints()
        except StorageError as fault:
            _log.warning("addresses and cards are not kept: %s", fault.message)

    def _save_hints(self) -> None:
        book, cards = self._book.to_json(), self._cards.dump()
        if (book, cards) == self._saved:
            return
        disk.write_whole(self._book_file, book)
        disk.write_whole(self._cards_file, cards)
        self._saved = (book, cards)

    async def _renew_sealing_keys(self) -> None:
        """Every week a fresh key that letters to this device are sealed to; it is on the disk before anybody hears of it."""
        while True:
            now = int(self.runtime.now())
            if now >= limits.BUILT_S:  # else the clock is not set yet
                try:
                    async with self._account_turn:
                        fresh = self.account.rekeyed(now=now, entropy=self.runtime.entropy)
                        if fresh is not self.account:
                            await self.keeper.save_account(fresh.renamed(self._name))
                            self.swarm.own.renewed(fresh)
                except StorageError as fault:
                    _log.warning("the sealing key stays as it is: %s", fault)
            await self.runtime.sleep(limits.SEALING_KEY_CHECKED_S)

    @property
    def lan_problem(self) -> str | None:
        """Why nobody is found on the local network; None when it works, or is not wanted."""
        return None if self._lan_part is None else self._lan_part.problem

    # --- looking

    async def readable(self) -> list[ConversationId]:
        """All conversations that are to be read, archived ones last; some may be damaged. StorageError."""
        here = self.keeper.state.conversations.values()
        shown = [one.id for one in here if not one.is_gone and one.state is not ConversationState.SYNCING]
        archived = await self.runtime.offload(self.archives.ids)
        return [*sorted(shown), *(one for one in archived if one not in shown)]

    def is_archived(self, conversation: ConversationId) -> bool:
        """Whether it is an imported history."""
        return conversation not in self.keeper.state.conversations and conversation in self.archives

    async def view(self, conversation: ConversationId) -> View:
        """A conversation as it stands, to be read in a worker under its log's lock. NotFoundError, StorageError."""
        if self.is_archived(conversation):
            log: CommitLog | ArchivedLog = await self.runtime.offload(self.archives.open, conversation)
        else:
            log = await self.swarm.log(conversation)
        return View(log, self.timeline(log), self._gateways)

    async def _size(self, conversation: ConversationId) -> Size:
        if self.is_archived(conversation):
            summary = await self.runtime.offload(self.archives.summary, conversation)
            return Size(summary.commits + summary.merges, None)
        history = (await self.swarm.log(conversation)).history
        return Size(len(history), history)

    def timeline(self, log: CommitLog | ArchivedLog) -> Timeline:
        """The display order of a log, kept while it is looked at."""
        known = self._timelines.pop(log.conversation, None)
        if known is None or known[0] is not log or known[1].history is not log.history:  # a repair begins it anew
            known = (log, Timeline(log.history))
        self._timelines[log.conversation] = known
        if len(self._timelines) > _TIMELINES_MAX:
            del self._timelines[next(iter(self._timelines))]
        return known[1]

    def forget_timeline(self, conversation: ConversationId) -> None:
        """The log is about to go."""
        self._timelines.pop(conversation, None)

    def delivery(self, log: CommitLog | ArchivedLog) -> Delivery:
        """Who has what of a conversation, as far as they told; to be asked under the log's lock."""
        held, read = self.receipts.all_heads(log.conversation), self.receipts.read_marks(log.conversation)
        return Delivery(log.history, log.roster, self.account.id, held, read, self.swarm.status.owner)

    def read_marks(self, log: CommitLog | ArchivedLog) -> dict[AccountId, ReadMark]:
        """Up to where each account has read, as far as it told; to be asked under the log's lock."""
        read = self.receipts.read_marks(log.conversation)
        return Delivery(log.history, log.roster, self.account.id, {}, read, self.swarm.status.owner).furthest()

    def moments(self, conversation: ConversationId) -> Moments:
        """Since when devices have what of a conversation, and when they had read what."""
        return Moments(self.receipts.held_moments(conversation), self.receipts.read_moments(conversation))

    # --- addresses, devices

    def whereabouts(self) -> tuple[Address, ...]:
        """Where others can reach this node now, as they may be told."""
        return () if self._watcher is None else whereabouts(self.listens, [one.host for one in self._watcher.found])

    def for_archive(self) -> dict[DeviceId, list[Candidate]]:
        """Where each device that is known may be found by whoever restores the account, this one included."""
        now = self.runtime.now()
        found = {
            DeviceId(owner): self._book.for_others(owner, now=now) for owner in self._book.owners() if is_device(owner)
        }
        mine = [Candidate(address, Source.LINK, seen_s=int(now)) for address in self.whereabouts()]
        return found | {self.account.device: mine}

    def addresses_of(self, account: AccountId) -> list[Address]:
        """Where an account or its devices may be reached, the likeliest first."""
        owners: list[AccountId | DeviceId] = [account, *self.devices_of(account)]
        return [candidate.address for candidate in self._book.candidates(*owners, now=self.runtime.now())]

    def heard_of(self, device: DeviceId | None, account: AccountId | None) -> list[Candidate]:
        """Where a device, and whoever of its account answers, was heard to be, the likeliest first."""
        owners: list[AccountId | DeviceId] = [owner for owner in (device, account) if owner is not None]
        return self._book.candidates(*owners, now=self.runtime.now())

    def devices_of(self, account: AccountId) -> frozenset[DeviceId]:
        """The devices of an account that are known from cards."""
        return frozenset(card.device_id for card in self.finder.devices(account))

    async def add_address(self, account: AccountId, address: Address) -> None:
        """Remember where an account listens, for good, and try it."""
        self.finder.learnt(account, [address], Source.STATIC)
        await self.runtime.offload(self._save_hints)
        await self.swarm.surroundings.peer_added(account)

    async def remove_addresses(self, account: AccountId, address: Address | None) -> bool:
        """Forget what was given by hand; False when there was nothing."""
        removed = self.finder.forget(account, address)
        await self.runtime.offload(self._save_hints)
        return removed

    async def own_devices(self) -> list[OwnDevice]:
        """The devices of this account, this one first."""
        mine = self.account
        known = dict(self.keeper.state.devices)
        for card in self.finder.devices(mine.id):
            known.setdefault(card.device_id, OwnDevice(card.device_id, "", 0))
        for device in await self.swarm.own.devices():
            known.setdefault(device, OwnDevice(device, "", 0))
        made_ms = (mine.device_certificate.not_before + limits.NOT_BEFORE_SLACK_S) * 1000
        this = known.pop(mine.device, OwnDevice(mine.device, mine.name, made_ms))
        shown = replace(this, name=this.name or mine.name, added_ms=this.added_ms or made_ms, may_link=mine.may_link)
        return [shown, *(known[name] for name in sorted(known))]

    async def revoke(self, device: DeviceId) -> int:
        """Put a device of this account on the revocation list and say so in every conversation; in how many."""
        self.swarm.own.must_be_ours()
        async with self._account_turn:
            account = self.account
            if device_prefix(device) not in account.revoked:
                revoked = account.with_revocations(account.revoke(device, now=int(self.runtime.now())))
                await self.keeper.save_account(revoked.renamed(self._name))
                self.swarm.own.renewed(revoked)
        return await self.swarm.own.relisted()

    async def relist(self, listed: RevocationList) -> None:
        """See `swarm.parts.AccountKeeper`."""
        async with self._account_turn:
            account = replace(self.account, revocations=listed)
            await self.keeper.save_account(account.renamed(self._name))
            self.swarm.own.renewed(account)

    async def rename(self, name: str) -> None:
        """See `swarm.parts.AccountKeeper`; a name of this device's own settings stays in force here."""
        async with self._account_turn:
            if name == self._name:
                return
            await self.keeper.save_account(self.account.renamed(name))
            self._name = name
            self.swarm.own.renewed(self.account.renamed(self.config.name or name))

    async def rekey_status(self, step: Callable[[StatusKey | None], StatusKey]) -> StatusKey:
        """See `swarm.parts.AccountKeeper`."""
        async with self._account_turn:
            held = self.account.status_key
            key = step(held)
            if key is not held:
                account = replace(self.account, status_key=key)
                await self.keeper.save_account(account.renamed(self._name))
                self.swarm.own.renewed(account)
            return key

    async def with_account(self, work: Callable[[Account], T]) -> T:
        """Blocking work on the account's file, while nobody else changes it."""
        async with self._account_turn:
            return await self.runtime.offload(work, self.account.renamed(self._name))


def _kept(path: Path, read: Callable[[bytes], T]) -> T | None:
    data = disk.read_bounded(path, limits.HINTS_FILE_BYTES_MAX)
    if data is None:
        return None
    try:
        return read(data)
    except ValueError as fault:
        _log.warning("%s is damaged and begun anew: %s", path, fault)
        return None
