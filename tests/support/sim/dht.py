"""A DHT in memory, shared by the nodes of a simulated world: cut by the same partitions, with the same loss, in virtual time.

What somebody put is there for whom he could reach now; so both sides of a cut have a DHT of their own, and one again when it heals.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.directory import Entry, Found
from swarmchat.limits import DHT_AHEAD_MAX_S
from tests.support.sim.loop import START_S
from tests.support.sim.network import Network
from tests.support.sim.runtime import EPOCH, SimRuntime

LATENCY_S = 0.3  # a lookup takes at most so long
RENEWED_S = 60.0  # a watcher that missed something hears it then
EVERY_S = 300.0
AGAIN_S = 15.0
PER_KEY_MAX = 64
PER_WRITER_MAX = 4


def right_time() -> float:
    """What a right clock shows."""
    return EPOCH + (asyncio.get_running_loop().time() - START_S)


@dataclass
class _Record:
    found: Found
    until: float
    host: str
    bits: int


@dataclass(eq=False)
class _Watch:
    by: SimDirectory
    key: DhtKey
    call: Callable[[Found], None]
    told: set[Found] = field(default_factory=set)
    timer: asyncio.TimerHandle | None = None


class SimDht:
    """All records, as a true clock and the wires let them be seen."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.records: dict[DhtKey, dict[tuple[bytes, bytes], _Record]] = {}
        self.watches: dict[DhtKey, list[_Watch]] = {}
        self.hosts: list[str] = []
        self.puts = 0
        self._starts = 0

    def at(self, host: str, runtime: SimRuntime) -> SimDirectory:
        """A node's own door."""
        self._starts += 1
        if host not in self.hosts:
            self.hosts.append(host)
        return SimDirectory(self, host, runtime, random.Random(f"dht {host} {self._starts}"))

    def seen_from(self, host: str, key: DhtKey) -> list[Found]:
        """What a node finds under a key."""
        now, there = right_time(), self.records.get(key, {})
        for name in [name for name, record in there.items() if record.until <= now]:
            del there[name]
        return [record.found for record in there.values() if self.network.reachable(record.host, host)]

    def store(self, host: str, writer: bytes, entry: Entry, created: int) -> int:
        """As storing nodes do it: on how many it stands."""
        now = right_time()
        if created > now + DHT_AHEAD_MAX_S or created + entry.ttl_s <= now:
            return 0
        there = self.records.setdefault(entry.key, {})
        self.seen_from(host, entry.key)  # what ran out makes room
        name = writer, entry.salt
        if name not in there and sum(other == writer for other, _ in there) >= PER_WRITER_MAX:
            return 0
        if name not in there and len(there) >= PER_KEY_MAX:
            poorest = min(there, key=lambda each: there[each].bits)
            if there[poorest].bits >= entry.bits:
                return 0
            del there[poorest]
        self.puts += 1
        found = Found(entry.key, entry.salt, entry.data, created, writer)
        there[name] = _Record(found, min(created, now) + entry.ttl_s, host, entry.bits)
        for watch in list(self.watches.get(entry.key, ())):
            if self.network.reachable(host, watch.by.host):
                watch.by.push(watch, found)
        return 8


class SimDirectory:
    """See `swarmchat.discovery.directory.Directory`."""

    def __init__(self, dht: SimDht, host: str, runtime: SimRuntime, dice: random.Random) -> None:
        self.host = host
        self._dht = dht
        self._runtime = runtime
        self._dice = dice
        self._published: dict[str, tuple[Callable[[float], Entry | None], asyncio.TimerHandle]] = {}
        self._watches: list[_Watch] = []
        self._closed = False

    @property
    def connected(self) -> bool:
        others = [host for host in self._dht.hosts if host != self.host]
        return any(self._dht.network.reachable(host, self.host) for host in others)

    async def put(self, entry: Entry) -> int:
        await self._runtime.sleep(self._dice.random() * LATENCY_S)
        return self._store(entry)

    async def get(self, key: DhtKey) -> list[Found]:
        await self._runtime.sleep(self._dice.random() * LATENCY_S)
        return [] if self._lost() else self._dht.seen_from(self.host, key)

    def watch(self, key: DhtKey, found: Callable[[Found], None]) -> Callable[[], None]:
        watch = _Watch(self, key, found)
        self._watches.append(watch)
        self._dht.watches.setdefault(key, []).append(watch)
        watch.timer = self._later(self._dice.random() * LATENCY_S, self._renew, watch)

        def stop() -> None:
            if watch in self._watches:
                self._watches.remove(watch)
                self._dht.watches[key].remove(watch)
                assert watch.timer is not None
                watch.timer.cancel()

        return stop

    def publish(self, name: str, make: Callable[[float], Entry | None]) -> None:
        self.withdraw(name)
        self._published[name] = make, self._later(self._dice.random() * LATENCY_S, self._put_again, name)

    def withdraw(self, name: str) -> None:
        if name in self._published:
            self._published.pop(name)[1].cancel()

    def close(self) -> None:
        """The node is gone."""
        self._closed = True
        for name in list(self._published):
            self.withdraw(name)
        for watch in list(self._watches):
            self._dht.watches[watch.key].remove(watch)
            if watch.timer is not None:
                watch.timer.cancel()
        self._watches.clear()

    def push(self, watch: _Watch, found: Found) -> None:
        """Something new stands under a key."""
        if not self._lost():
            self._later(self._dice.random() * LATENCY_S, self._tell, watch, found)

    def _tell(self, watch: _Watch, found: Found) -> None:
        if watch in self._watches and found not in watch.told:
            watch.told.add(found)
            watch.call(found)

    def _renew(self, watch: _Watch) -> None:
        if not self._lost():
            for found in self._dht.seen_from(self.host, watch.key):
                self._tell(watch, found)
        if watch in self._watches:
            watch.timer = self._later(RENEWED_S, self._renew, watch)

    def _put_again(self, name: str) -> None:
        make, _ = self._published[name]
        entry = make(self._runtime.now())
        stored = entry is None or self._store(entry) > 0
        delay_s = EVERY_S * (0.9 + 0.2 * self._dice.random()) if stored else AGAIN_S
        if name in self._published:
            self._published[name] = make, self._later(delay_s, self._put_again, name)

    def _store(self, entry: Entry) -> int:
        if self._closed or self._runtime.dead or self._lost() or not self.connected:
            return 0
        writer = hashlib.sha256(self.host.encode() + entry.key).digest()
        return self._dht.store(self.host, writer, entry, int(self._runtime.now()))

    def _lost(self) -> bool:
        """One of its datagrams too many: the real one tries again, so it is seldom."""
        return self._dice.random() < self._dht.network.loss**2

    def _later(self, delay_s: float, call: Callable[..., None], *arguments: object) -> asyncio.TimerHandle:
        def guarded() -> None:
            if not self._closed and not self._runtime.dead:
                call(*arguments)

        return asyncio.get_running_loop().call_later(delay_s, guarded)
