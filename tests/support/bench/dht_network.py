"""A network in one process, measured, a process of its own for each: JSON at the end.

`python -m tests.support.bench.dht_network {ours|stock} measure NODES GETS PUTS CHURN`: the story of a network, with deaths and
losses if CHURN is not 0. `… serve NODES`: be one until the input ends. `… search PORT SECONDS`: join it and look for nodes.

Every datagram goes through a `Line` that drops a share of them by seeded dice; nodes are killed by closing their sockets.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from kademlia.crawling import NodeSpiderCrawl
from kademlia.network import Server
from kademlia.node import Node as KademliaNode

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.dht.dht import Dht
from swarmchat.discovery.dht.joining import Entrance
from swarmchat.discovery.directory import Entry, Found
from tests.support.bench.measure import p50, p95, rss_mib
from tests.support.dht_nodes import QUICK, Line, Nodes, until

_AT_ONCE = 16
_BYTES = 300
_GIVEN_UP_S = 90.0
_SETTINGS = replace(
    QUICK,
    put_every_s=limits.DHT_PUT_EVERY_S,
    renew_s=limits.DHT_RENEW_S,
    tick_s=_GIVEN_UP_S * 1_000,  # a thousand nodes that look after themselves in one process are no thousand machines
)


class Stack(Protocol):
    """What is measured of a network, whoever made it."""

    async def grow(self, count: int) -> None: ...
    async def put(self, index: int) -> bool: ...
    async def get(self, index: int) -> bool: ...
    async def join(self, port: int) -> None: ...
    async def search(self) -> None: ...
    def lose(self, share: float) -> None: ...
    async def kill(self, share: float) -> None: ...
    async def close(self) -> None: ...


class Ours:
    """Nodes of this program; a get is the union over all replicas, as for a mailbox."""

    def __init__(self, seed: int) -> None:
        self.nodes = Nodes(seed, _SETTINGS)
        self._values: dict[int, Entry] = {}
        self._writers: dict[int, Dht] = {}

    async def grow(self, count: int) -> None:
        await self.nodes.grow(count)

    async def put(self, index: int) -> bool:
        entry = self._values.setdefault(index, self.nodes.entry(self.nodes.dice.randbytes(_BYTES)))
        writer = self._writers.get(index)
        if writer is None or writer not in self.nodes.nodes:
            writer = self._writers[index] = self.nodes.pick()
        return await writer.put(entry) > 0

    async def get(self, index: int) -> bool:
        entry = self._values[index]
        return entry.data in {one.data for one in await self.nodes.pick().get(entry.key)}

    async def join(self, port: int) -> None:
        node = await self.nodes.start(client=True)
        assert await node.bootstrap([Entrance(Address("127.0.0.1", port))])

    async def search(self) -> None:
        await self.nodes.nodes[0]._net.nearest(self.nodes.dice.randbytes(20), width=8, op="bench")

    def lose(self, share: float) -> None:
        self.nodes.lose(share)

    async def kill(self, share: float) -> None:
        await self.nodes.kill(self.nodes.dice.sample(self.nodes.nodes, int(len(self.nodes.nodes) * share)))

    async def close(self) -> None:
        await self.nodes.close()

    async def pushed(self, count: int) -> list[float]:
        """Seconds from the beginning of a put to the callback of who watches, one after the other."""
        took: list[float] = []
        for _ in range(count):
            told = asyncio.Event()

            def found(one: Found, told: asyncio.Event = told) -> None:
                told.set()

            entry = self.nodes.entry(self.nodes.dice.randbytes(_BYTES))
            watcher, writer = self.nodes.dice.sample(self.nodes.nodes, 2)
            stop = watcher.watch(DhtKey(entry.key), found)
            (watch,) = watcher._watches._watches.values()
            await until(partial(_stands, watch), _GIVEN_UP_S)
            begun = time.perf_counter()
            putting = asyncio.ensure_future(writer.put(entry))
            await asyncio.wait_for(told.wait(), _GIVEN_UP_S)
            took.append(time.perf_counter() - begun)
            await putting
            stop()
        return took


def _stands(watch: Any) -> bool:
    return len(watch.places) >= limits.DHT_LISTENERS


class Stock:
    """Servers of the kademlia package as it is."""

    def __init__(self, seed: int) -> None:
        self.servers: list[Server] = []
        self._dice = random.Random(seed)

    async def grow(self, count: int) -> None:
        for _ in range(count):
            await self.join(self._dice.choice(self.servers).port if self.servers else 0)

    async def join(self, port: int) -> None:
        server = Server()
        await server.listen(0, "127.0.0.1")
        server.port = server.transport.get_extra_info("sockname")[1]
        server.protocol.transport = Line(server.protocol.transport, self._dice)
        if port:
            await server.bootstrap([("127.0.0.1", port)])
        self.servers.append(server)

    async def put(self, index: int) -> bool:
        return bool(await self._dice.choice(self.servers).set(f"key{index}", bytes(_BYTES)))

    async def get(self, index: int) -> bool:
        return await self._dice.choice(self.servers).get(f"key{index}") is not None

    async def search(self) -> None:
        server, target = self.servers[0], KademliaNode(self._dice.randbytes(20))
        near = server.protocol.router.find_neighbors(target)
        await NodeSpiderCrawl(server.protocol, target, near, server.ksize, server.alpha).find()

    def lose(self, share: float) -> None:
        for server in self.servers:
            server.protocol.transport.loss = share

    async def kill(self, share: float) -> None:
        for server in self._dice.sample(self.servers, int(len(self.servers) * share)):
            self.servers.remove(server)
            server.stop()

    async def close(self) -> None:
        for server in self.servers:
            server.stop()


async def timed(doing: Callable[[int], Awaitable[bool]], indices: list[int]) -> dict[str, float]:
    """Do it for each index, some at once: share that succeeded, median and 95th percentile in seconds."""
    turns = asyncio.Semaphore(_AT_ONCE)
    took: list[float] = []
    good = 0

    async def one(index: int) -> None:
        nonlocal good
        async with turns:
            begun = time.perf_counter()
            try:
                done = await asyncio.wait_for(doing(index), _GIVEN_UP_S)
            except Exception as error:  # noqa: BLE001 - the stock package raises what it likes
                print(f"# {error!r}", file=sys.stderr)
                done = False
            good += done
            took.append(time.perf_counter() - begun)

    await asyncio.gather(*(one(index) for index in indices))
    return {"good": good / len(indices), "p50": p50(took), "p95": p95(took)}


async def measure(stack: Stack, nodes: int, gets: int, puts: int, churn: int) -> dict[str, Any]:
    """The whole story of one network."""
    dice = random.Random(3)
    chosen = [dice.randrange(puts) for _ in range(gets)]
    gc.collect()
    before = rss_mib(os.getpid())
    await stack.grow(nodes)
    await asyncio.sleep(0.5)
    gc.collect()
    found: dict[str, Any] = {"kb": (rss_mib(os.getpid()) - before) * 1024 / nodes}
    found["put"] = await timed(stack.put, list(range(puts)))
    found["get"] = await timed(stack.get, chosen)
    if isinstance(stack, Ours):
        found["push"] = p50(await stack.pushed(max(3, gets // 4)))
    if not churn:
        return found
    stack.lose(0.2)
    found["get lossy"] = await timed(stack.get, chosen)
    stack.lose(0.0)
    await timed(stack.put, list(range(puts)))
    for percent in (10, 30, 50):
        await stack.kill(percent / 100)
        found[f"get {percent}"] = await timed(stack.get, chosen)
        found[f"put {percent}"] = await timed(stack.put, list(range(puts)))
    return found


async def serve(stack: Ours | Stock, nodes: int) -> None:
    """Be a network until the input ends; say the port of one node."""
    await stack.grow(nodes)
    first = stack.nodes.nodes[0].listens[0].port if isinstance(stack, Ours) else stack.servers[0].port
    print(first, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def search(stack: Stack, port: int, seconds: float) -> dict[str, float]:
    """Look for random places, some at once: how many a second, and what each costs this process."""
    await stack.join(port)
    await asyncio.sleep(0.5)
    done, begun, used = 0, time.perf_counter(), time.process_time()

    async def look() -> None:
        nonlocal done
        while time.perf_counter() < begun + seconds:
            await stack.search()
            done += 1

    await asyncio.gather(*(look() for _ in range(_AT_ONCE)))
    took_s = time.perf_counter() - begun
    return {"rate": done / took_s, "cpu_ms": (time.process_time() - used) / done * 1e3}


def main() -> None:
    logging.disable(logging.CRITICAL)
    kind, doing, *numbers = sys.argv[1:]

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        seed = 8 if doing == "search" else 7  # the seed makes the keys, and nobody looks for himself
        stack = Ours(seed) if kind == "ours" else Stock(seed)
        if doing == "serve":
            await serve(stack, int(numbers[0]))
        elif doing == "search":
            print(json.dumps(await search(stack, int(numbers[0]), float(numbers[1]))), flush=True)
        else:
            print(json.dumps(await measure(stack, *map(int, numbers))), flush=True)
        sys.stdout.flush()
        os._exit(0)  # what is left of a network that was killed is nobody's business

    asyncio.run(run())


if __name__ == "__main__":
    main()
