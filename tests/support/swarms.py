"""Whole swarms of a few accounts in virtual time: real logs on disk, real links over simulated wires, no TLS and no LAN."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from swarmchat.account import account as accounts
from swarmchat.account.account import Account
from swarmchat.account.state import State
from swarmchat.addresses import Address
from swarmchat.commitlog.catalog import Catalog
from swarmchat.commitlog.writing import Admission
from swarmchat.conversation.actions import Post
from swarmchat.discovery.addressbook import AddressBook, Source
from swarmchat.discovery.cards import CardBox
from swarmchat.discovery.finder import Finder
from swarmchat.ids import CommitId, ConversationId
from swarmchat.index.receipts import Receipts
from swarmchat.links.connection_manager import ConnectionManager
from swarmchat.links.peers import Identity
from swarmchat.swarm.events import Event
from swarmchat.swarm.swarm import Settings, Swarm
from tests.support.sim import loop as sim
from tests.support.sim.dht import SimDht
from tests.support.sim.loop import Trace
from tests.support.sim.network import NamingSecurity, Network
from tests.support.sim.runtime import EPOCH, SimRuntime

T = TypeVar("T")
PORT = 4000


@cache
def account_of(name: str, number: int = 1) -> Account:
    """Device `number` of an account; always the same for the same name and number."""
    now = int(EPOCH) - 86_400
    first = accounts.create(name=name, now=now, entropy=random.Random(f"account {name}").randbytes)
    if number == 1:
        return first
    return accounts.new_device(
        name=name,
        certificate=first.certificate,
        account_key=first.account_key,
        revocations=None,
        now=now,
        entropy=random.Random(f"device {name} {number}").randbytes,
    )


class MemoryKeeper:
    """A StateKeeper without a disk; counts what it would write."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.writes = 0

    async def change(self, step: Callable[[State], tuple[State, T]]) -> T:
        state, outcome = step(self.state)
        if state is not self.state:
            self.writes += 1
        self.state = state
        return outcome


class House:
    """One device of one account, with its disk; `up` and `down` as often as wanted."""

    def __init__(self, world: World, name: str, number: int, net: str, *, tells: bool = False) -> None:
        self.account = account_of(name, number)
        self.host = f"{net}.{number}.{sum(name.encode()) % 250 + 1}"
        self.address = Address(self.host, PORT)
        self.events: list[Event] = []
        self.keeper = MemoryKeeper(State())
        self.book = AddressBook()
        self.settings = Settings()
        self.tells = tells  # where it listens; else everybody knows only whom he was told to know
        self._world = world
        self._folder = world.folder / f"{name}{number}"
        self._folder.mkdir()
        self._lives = 0
        self._stack = AsyncExitStack()

    async def up(self) -> None:
        """Start a node and listen."""
        self._lives += 1
        self.runtime = runtime = SimRuntime(f"{self.host} {self._lives}")
        mine = self.account
        identity = Identity(mine.device_key, mine.device_certificate, mine.certificate, runtime.entropy(8))

        def links(**wiring: Any) -> ConnectionManager:
            security = NamingSecurity(identity, runtime.now, wiring["policy"].revoked)
            carrier = self._world.network.carrier(self.host)
            return ConnectionManager(identity, runtime, carrier=carrier, security=security, **wiring)

        self.catalog = Catalog(self._folder / "conversations")
        self.receipts = Receipts(self._folder / "receipts.sqlite")
        self.finder = Finder(runtime, self.book, CardBox())
        dht = self._world.dht
        self.directory = dht.at(self.host, runtime) if dht is not None else None
        self.swarm = Swarm(
            mine,
            self.keeper,
            self.catalog,
            runtime,
            links=links,
            finder=self.finder,
            receipts=self.receipts,
            observer=self.events.append,
            settings=self.settings,
            where=lambda: (self.address,) if self.tells else (),
            directory=self.directory,
        )
        self._task = self._world.tasks.create_task(self.swarm.run())
        await self.swarm.ready.wait()
        await self.swarm.links.listen([self.address])

    async def down(self) -> None:
        """Stop it as a user does."""
        await self.swarm.close()
        await self._task
        if self.directory is not None:
            self.directory.close()
        self.catalog.close()
        self.receipts.close()

    # --- doing

    async def knows(self, other: House) -> None:
        """`peer add`."""
        self.finder.learnt(other.account.id, [other.address], Source.STATIC)
        await self.swarm.surroundings.peer_added(other.account.id)

    async def post(self, conversation: ConversationId, text: str) -> CommitId:
        outcome = await self.swarm.append(conversation, Post(text))
        assert isinstance(outcome, Admission), outcome
        return outcome.new[-1]

    async def move(self) -> None:
        """Off; when it is on again it is elsewhere, and knows nothing of where others are."""
        await self.down()
        self.book.__init__()  # type: ignore[misc]
        self.host = self.host.replace("10.", "10.9", 1)
        self.address = Address(self.host, self.address.port)

    async def accept_all(self) -> None:
        for request in self.keeper.state.pending():
            await self.swarm.people.accept(request.id)

    # --- looking

    async def heads(self, conversation: ConversationId) -> tuple[CommitId, ...]:
        return (await self.swarm.log(conversation)).heads

    def seen(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.type == kind]

    def linked(self, other: House) -> bool:
        return self.swarm.links.link(other.account.device) is not None


class World:
    """The houses, the wires, and the clock."""

    def __init__(self, folder: Path, tasks: asyncio.TaskGroup, seed: object) -> None:
        self.folder = folder
        self.tasks = tasks
        self.network = Network(seed, Trace())
        self.dht: SimDht | None = None  # a story that wants one makes it before the first house
        self.houses: list[House] = []

    async def house(self, name: str, number: int = 1, *, net: str = "10.0", tells: bool = False) -> House:
        house = House(self, name, number, net, tells=tells)
        self.houses.append(house)
        await house.up()
        return house

    async def until(self, holds: Callable[[], bool], limit_s: float = 60.0) -> float:
        """Let time pass until it holds; how long that took (s of virtual time)."""
        start = asyncio.get_running_loop().time()
        while not holds():
            await asyncio.sleep(0.01)
            assert asyncio.get_running_loop().time() - start < limit_s, "it did not come about"
        return asyncio.get_running_loop().time() - start

    async def room(self, *houses: House, mode: Any = 1) -> ConversationId:
        """A conversation of these, each linked with the first at least."""
        first, *others = houses
        where = await first.swarm.create(mode)
        for other in others:
            await first.knows(other)
        outcomes = await first.swarm.invite(where, [other.account.id for other in others])
        assert all(isinstance(outcome, Admission) for outcome in outcomes)
        for other in others:
            await self.until(lambda other=other: bool(other.keeper.state.pending()))  # type: ignore[misc]
            await other.accept_all()
            assert await other.swarm.settled(where, 30.0) == "ready"
        await self.until(lambda: self.level(where, *houses))
        return where

    def level(self, where: ConversationId, *houses: House) -> bool:
        """Whether all hold the same heads."""
        logs = [house.catalog.open(where) for house in houses]
        return len({log.heads for log in logs}) == 1 and not logs[0].is_empty


def play(folder: Path, story: Callable[[World], Coroutine[Any, Any, None]], *, seed: object = 1) -> None:
    """Run a story in virtual time; every house is taken down at its end."""

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            world = World(folder, tasks, seed)
            await story(world)
            for house in world.houses:
                if not house._task.done():
                    await house.down()

    sim.run(main)
