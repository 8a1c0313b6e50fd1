"""A device with its disk, and the node that runs on it from a start to a stop or a crash."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from swarmchat.account import account as accounts
from swarmchat.account.account import Account
from swarmchat.account.state import State
from swarmchat.account.statuskey import StatusKey
from swarmchat.addresses import Address
from swarmchat.commitlog.catalog import Catalog
from swarmchat.crypto.revocation import RevocationList
from swarmchat.discovery.addressbook import AddressBook
from swarmchat.discovery.cards import CardBox
from swarmchat.discovery.finder import Finder
from swarmchat.ids import CommitId, ConversationId, DeviceId
from swarmchat.index.receipts import Receipts
from swarmchat.links.connection_manager import ConnectionManager
from swarmchat.links.peers import Identity
from swarmchat.swarm.events import ConversationRemoved, ConversationSyncing, Event, MessageAdded, data
from swarmchat.swarm.swarm import Swarm
from tests.support.sim.directory import PORT
from tests.support.sim.disks import Unsafe, WatchedFiles, cut
from tests.support.sim.network import NamingSecurity
from tests.support.sim.runtime import EPOCH, OFFLOAD_S, SimRuntime

if TYPE_CHECKING:
    from tests.support.sim.world import World

T = TypeVar("T")
SLOW_S = 4.0  # the longest that a slow disk takes for one piece of work


DAY_S = 86_400


@cache
def account_of(name: str, number: int, days: int = 1) -> Account:
    """Device `number` of an account that was made so many days ago; the same account for the same name."""
    now = int(EPOCH) - days * DAY_S
    first = accounts.create(name=name, now=now, entropy=random.Random(f"account {name}").randbytes)
    if number == 1:
        return first
    assert first.account_key is not None
    return accounts.new_device(
        name=name,
        certificate=first.certificate,
        account_key=first.account_key,
        revocations=None,
        now=now,
        entropy=random.Random(f"device {name} {number}").randbytes,
    )


@dataclass(eq=False)
class Machine:
    """A device, switched on (`life`) or off."""

    number: int
    account: Account
    folder: Path  # the disk
    stubborn: bool = False  # goes on speaking where it is banned
    hostile: bool = False  # no node of ours runs on it: see `villains`
    saved: State = field(default_factory=State)  # also on the disk
    life: Life | None = None
    lives: int = 0
    skew_s: float = 0.0
    is_slow: bool = False  # its disk
    is_full: bool = False
    told: dict[ConversationId, Counter[CommitId]] = field(default_factory=dict)  # of which messages its user was told

    @property
    def host(self) -> str:
        return f"10.0.0.{self.number + 1}"

    def save_disk(self, unsafe: Mapping[Path, Unsafe], dice: random.Random) -> None:
        """What the disk holds at this moment is all that a next life will find, but for what was `unsafe`."""
        before, self.folder = self.folder, self.folder.with_name(f"{self.number}-{self.lives}")
        shutil.copytree(before, self.folder, ignore=shutil.ignore_patterns("*-shm"))
        cut({self.folder / path.relative_to(before): safe for path, safe in unsafe.items()}, dice)

    def was_told(self, event: Event) -> None:
        """Count it; a conversation that is gone, or fetched anew, is told anew."""
        match event:
            case ConversationRemoved(where) | ConversationSyncing(where):
                self.told.pop(where, None)
            case MessageAdded():
                self.told.setdefault(event.conversation, Counter())[event.id] += 1
            case _:
                pass

    def adjust(self) -> None:
        """The node that runs finds the clock and the disk as they are now."""
        if self.life is not None:
            self.life.runtime.skew_s = self.skew_s
            self.life.runtime.disk_s = SLOW_S if self.is_slow else OFFLOAD_S
            self.life.files.full = self.is_full

    def __str__(self) -> str:
        return f"{self.account.name}/{self.number}"


class MemoryKeeper:
    """A StateKeeper whose disk is the machine's `saved`."""

    def __init__(self, machine: Machine, runtime: SimRuntime) -> None:
        self._machine = machine
        self._runtime = runtime
        self._turn = asyncio.Lock()
        self.state: State = machine.saved

    async def change(self, step: Callable[[State], tuple[State, T]]) -> T:
        async with self._turn:
            state, outcome = step(self.state)
            if state is not self.state:
                if self._machine.life is not None:
                    self._machine.life.files.need_room(self._machine.folder / "state.json")
                await self._runtime.offload(self._save, state)
                self.state = state
            return outcome

    def _save(self, state: State) -> None:
        self._machine.saved = state


class MachineAccount:
    """An AccountKeeper whose disk is the machine."""

    def __init__(self, life: Life) -> None:
        self._life = life

    async def relist(self, listed: RevocationList) -> None:
        await self._save(replace(self._life.swarm.account, revocations=listed))

    async def rename(self, name: str) -> None:
        await self._save(self._life.swarm.account.renamed(name))

    async def rekey_status(self, step: Callable[[StatusKey | None], StatusKey]) -> StatusKey:
        held = self._life.swarm.account.status_key
        key = step(held)
        if key is not held:
            await self._save(replace(self._life.swarm.account, status_key=key))
        return key

    async def _save(self, account: Account) -> None:
        life = self._life
        life.files.need_room(life.machine.folder / "account.json")
        await life.runtime.offload(setattr, life.machine, "account", account)
        life.swarm.own.renewed(account)


class RoomyReceipts(Receipts):
    """Receipts on a disk that may be full."""

    def __init__(self, path: Path, files: WatchedFiles) -> None:
        super().__init__(path)
        self._files = files
        self._file = path

    def _change(self, work: Callable[[sqlite3.Connection], T]) -> T:
        self._files.need_room(self._file)
        return super()._change(work)


class Life:
    """One run of a node on a machine."""

    def __init__(self, world: World, machine: Machine) -> None:
        self.machine = machine
        self.host = machine.host
        self.device: DeviceId = machine.account.device
        self.runtime = SimRuntime(f"{world.seed} {machine.number} {machine.lives}", skew_s=machine.skew_s)
        self.work: set[asyncio.Task[None]] = set()  # what people do on it just now
        self.files = WatchedFiles()
        self._world = world
        self.catalog = Catalog(machine.folder / "conversations", files=self.files)
        self.receipts = RoomyReceipts(machine.folder / "receipts.sqlite", self.files)
        self.finder = Finder(self.runtime, AddressBook(), CardBox())
        self._directory = None if world.dht is None else world.dht.at(machine.host, self.runtime)
        account = machine.account
        self._identity = Identity(
            account.device_key, account.device_certificate, account.certificate, self.runtime.entropy(8)
        )
        self.swarm = Swarm(
            account,
            MemoryKeeper(machine, self.runtime),
            self.catalog,
            self.runtime,
            links=self._links,
            finder=self.finder,
            receipts=self.receipts,
            observer=self._observe,
            where=lambda: (Address(self.host, PORT),) if world.dht is not None else (),
            directory=self._directory,
            account_keeper=MachineAccount(self),
        )
        self.swarm.recheck_lan = self._recheck_lan
        if machine.stubborn:
            self.swarm._parts.access._in_it = lambda conversation, roster: True  # type: ignore[method-assign]
        self.task: asyncio.Task[None] = world.tasks.create_task(self._run(), name=f"life of {machine}")

    @property
    def dead(self) -> bool:
        """Killed: what it still does counts for nothing."""
        return self.runtime.dead

    def known(self, device: DeviceId) -> bool:
        """See `directory.Listens`."""
        return device in self.swarm.surroundings.known_devices()

    def sighted(self, device: DeviceId | None, name: str, address: Address) -> None:
        """See `directory.Listens`."""
        if self.swarm.ready.is_set():
            self.swarm.surroundings.sighted(device, name, (address,))

    async def up(self) -> None:
        """Wait until it listens."""
        await self.swarm.ready.wait()
        await self.swarm.links.listen([Address(self.host, PORT)])

    async def stop(self) -> None:
        """As a user stops it."""
        for task in sorted(self.work, key=hash):
            task.cancel()
        await self.swarm.close()
        await self.task
        if self._directory is not None:
            self._directory.close()
        await self.runtime.idle()
        self.catalog.close()
        self.receipts.close()

    def kill(self) -> None:
        """The process is gone in the middle of whatever it did."""
        self.runtime.kill()
        if self._directory is not None:
            self._directory.close()
        for task in (*sorted(self.work, key=hash), self.task):
            task.cancel()

    async def _run(self) -> None:
        try:
            await self.swarm.run()
        except BaseException as error:
            if not self.dead:
                self._world.faults.append(f"the node of {self.machine} fell over: {error!r}")
                raise

    def _links(self, **wiring: Any) -> ConnectionManager:
        security = NamingSecurity(self._identity, self.runtime.now, wiring["policy"].revoked)
        carrier = self._world.network.carrier(self.host)
        return ConnectionManager(self._identity, self.runtime, carrier=carrier, security=security, **wiring)

    def _recheck_lan(self) -> None:
        asyncio.get_running_loop().call_soon(self._world.directory.recognise, self)

    def _observe(self, event: Event) -> None:
        if not self.dead:
            self.machine.was_told(event)
            told = " ".join(f"{key}={str(value)[:12]}" for key, value in data(event).items())
            self._world.note(f"{self.machine} {event.type} {told}")
