"""Nodes of the DHT in this process, on loopback: brought up, cut off, lost on the way by seeded dice, heard on the wire."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple, Unpack

from swarmchat.addresses import Address
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.dht.dht import Dht
from swarmchat.discovery.dht.hosts import Endpoint
from swarmchat.discovery.dht.identity import NodeKey, find_node_key
from swarmchat.discovery.dht.joining import Entrance
from swarmchat.discovery.dht.protocol import Protocol
from swarmchat.discovery.dht.settings import DhtSettings
from swarmchat.discovery.directory import Entry
from swarmchat.runtime import SystemRuntime
from tests.support.sim.loop import START_S, SimLoop
from tests.support.sim.runtime import EPOCH

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
V4, V6 = Address("127.0.0.1", 0), Address("::1", 0)
PATIENCE_S = 20.0

# All share one address here, and hurry; the work is shown in the tests of records.
QUICK = DhtSettings(
    client=False,
    puzzle_bits=0,
    work_bits=0,
    requests_per_s=1e9,
    requests_burst=1e9,
    put_every_s=0.5,
    put_again_s=0.2,
    renew_s=0.5,
    renew_client_s=0.5,
    tick_s=0.3,
    neighbours_s=0.6,
)


class Runtime(SystemRuntime):
    """The machine's, with dice of our own and a wall clock that may be set."""

    def __init__(self, seed: int = 1) -> None:
        self.ahead_s = 0.0
        self._dice = random.Random(seed)

    def now(self) -> float:
        loop = asyncio.get_running_loop()
        return self.ahead_s + (EPOCH + loop.time() - START_S if isinstance(loop, SimLoop) else super().now())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def offload(self, work: Callable[[Unpack[Ts]], T], *args: *Ts) -> T:
        if isinstance(asyncio.get_running_loop(), SimLoop):
            return work(*args)
        return await super().offload(work, *args)

    def entropy(self, count: int) -> bytes:
        return self._dice.randbytes(count)

    def random(self) -> float:
        return self._dice.random()


class Line:
    """What a socket sends goes through here: dropped by chance or by address, and shown to `heard`."""

    def __init__(self, transport: Any, dice: random.Random) -> None:
        self._transport = transport
        self._dice = dice
        self.loss = 0.0
        self.cut: set[Endpoint] = set()
        self.sent = 0
        self.heard: Callable[[bytes, Endpoint], None] | None = None

    def sendto(self, data: bytes, address: Endpoint) -> None:
        self.sent += 1
        if self.heard is not None:
            self.heard(data, address)
        if address not in self.cut and self._dice.random() >= self.loss:
            self._transport.sendto(data, address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Nodes:
    """A network. Keys and dice come from the seed; what asyncio does when does not."""

    def __init__(self, seed: int = 1, settings: DhtSettings = QUICK) -> None:
        self.dice = random.Random(seed)
        self.settings = settings
        self.nodes: list[Dht] = []
        self.dead: list[Dht] = []
        self.mistakes: list[str] = []
        asyncio.get_running_loop().set_exception_handler(self._mistake)

    def _mistake(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.mistakes.append(f"{context.get('message')}: {context.get('exception')!r}")

    def key(self) -> NodeKey:
        return find_node_key(self.dice.randbytes, lambda tries: None, self.settings.puzzle_bits)

    async def start(
        self,
        *,
        listens: Sequence[Address] = (V4,),
        via: Sequence[Dht] = (),
        runtime: Runtime | None = None,
        file: Path | None = None,
        key: NodeKey | None = None,
        **settings: Any,
    ) -> Dht:
        """One node more, joined through `via`."""
        made = Dht(
            key or self.key(),
            runtime or Runtime(self.dice.getrandbits(32)),
            replace(self.settings, **settings),
            file=file,
        )
        await made.start(listens)
        for protocol in protocols(made):
            protocol.transport = Line(protocol.transport, self.dice)
        self.nodes.append(made)
        if via:
            assert await made.bootstrap([Entrance(address) for one in via for address in one.listens])
        return made

    async def grow(self, count: int, **more: Any) -> list[Dht]:
        """So many nodes, each joined through one that was there before."""
        made: list[Dht] = []
        for _ in range(count):
            made.append(await self.start(via=[self.dice.choice(made)] if made else (), **more))
        return made

    async def kill(self, victims: Sequence[Dht]) -> None:
        """Gone at once, without a word."""
        for one in victims:
            self.nodes.remove(one)
            self.dead.append(one)
            for protocol in protocols(one):
                protocol.transport.close()  # the node itself does not know

    def lose(self, share: float) -> None:
        """So much of what anybody sends is lost."""
        for one in self.nodes:
            for protocol in protocols(one):
                protocol.transport.loss = share

    def pick(self) -> Dht:
        return self.dice.choice(self.nodes)

    def entry(self, data: bytes = b"", **fields: Any) -> Entry:
        given = {"key": DhtKey(self.dice.randbytes(20)), "salt": b"", "data": data or self.dice.randbytes(300)}
        return Entry(**(given | {"bits": 0} | fields))

    async def close(self) -> None:
        await asyncio.gather(*(one.stop() for one in (*self.nodes, *self.dead)))


def protocols(node: Dht) -> list[Protocol]:
    """The sockets of a node."""
    return list(node._net.protocols.values())


def total(node: Dht, name: str) -> float:
    """The sum of a counter over its labels."""
    return sum(value for full, value in node.metrics().items() if full.removeprefix("swarmchat_dht_").startswith(name))


async def until(holds: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(patience_s):
        while not holds():  # noqa: ASYNC110 - of what a socket did no event tells
            await asyncio.sleep(0.01)


@asynccontextmanager
async def network(seed: int = 1, settings: DhtSettings = QUICK) -> AsyncIterator[Nodes]:
    """A network that is closed at the end; nothing it did may have raised anywhere, and no task is left."""
    before = asyncio.all_tasks()
    nodes = Nodes(seed, settings)
    try:
        yield nodes
    finally:
        await nodes.close()
    assert nodes.mistakes == []
    assert asyncio.all_tasks() == before
