"""Keys that we want to be told of: a subscription on the nodes nearest to each, renewed, and what was missed caught up with.
(SCP-05 §1.6, §1.20)"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from swarmchat import limits
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.dht.calls import ignore
from swarmchat.discovery.dht.hosts import Endpoint
from swarmchat.discovery.dht.lookup import Harvest
from swarmchat.discovery.dht.net import Place
from swarmchat.discovery.dht.protocol import Protocol
from swarmchat.discovery.dht.records import Record
from swarmchat.discovery.dht.searching import Fetching
from swarmchat.discovery.dht.wire import Method, Peer, Request
from swarmchat.discovery.directory import Found
from swarmchat.runtime import Runtime

_log = logging.getLogger(__name__)
_SEARCHED_EVERY: Final = 5  # renewals: then the nearest nodes are looked for anew


@dataclass(slots=True)
class _Told:
    seq: int
    data: bytes
    found: Found


@dataclass(slots=True, eq=False)
class _Watch:
    key: DhtKey
    listeners: list[Callable[[Found], None]] = field(default_factory=list)
    told: OrderedDict[tuple[bytes, bytes], _Told] = field(default_factory=OrderedDict)
    digests: OrderedDict[bytes, None] = field(default_factory=OrderedDict)  # of records that need not be sent again
    places: list[Place] = field(default_factory=list)
    renewals: int = 0
    task: asyncio.Task[None] | None = None

    def tell(self, record: Record) -> None:
        """Hear of a record that holds; whoever listens is told what is new."""
        self.digests[record.digest] = None
        while len(self.digests) > limits.DHT_LIST_MAX:
            self.digests.popitem(last=False)
        last = self.told.get(record.slot)
        if last is not None and last.seq >= record.seq:
            return
        found = Found(record.key, record.salt, record.data, record.created, record.writer)
        self.told[record.slot] = _Told(record.seq, record.data, found)
        self.told.move_to_end(record.slot)
        while len(self.told) > limits.DHT_RECORDS_WATCHED_MAX:
            self.told.popitem(last=False)
        if last is None or last.data != record.data:
            for listener in tuple(self.listeners):
                listener(found)


class Watches:
    """All keys that are watched. Nothing is subscribed to before `run`, and nothing after it."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        bits: int,
        find: Callable[[Harvest, int], Awaitable[list[Place]]],
        interval: Callable[[], float],
        protocol_of: Callable[[Endpoint], Protocol | None],
    ) -> None:
        self._runtime = runtime
        self._bits = bits
        self._find = find
        self._interval = interval
        self._protocol_of = protocol_of
        self._watches: dict[DhtKey, _Watch] = {}
        self._fetching: dict[bytes, Fetching] = {}
        self._tasks: asyncio.TaskGroup | None = None

    def __len__(self) -> int:
        return len(self._watches)

    def watch(self, key: DhtKey, found: Callable[[Found], None]) -> Callable[[], None]:
        """Tell `found` what stands under the key, then what comes; returns what ends it."""
        watch = self._watches.get(key)
        if watch is None:
            watch = self._watches[key] = _Watch(key)
            self._start(watch)
        listener = _Listener(found)  # the same function twice is two watchers
        watch.listeners.append(listener)
        for told in list(watch.told.values()):
            listener(told.found)
        return partial(self._stop, watch, listener)

    def again(self) -> None:
        """Subscribe anew, everywhere: the network is another one."""
        for _, watch in sorted(self._watches.items()):
            watch.renewals = 0
            self._start(watch)

    def notified(self, source: Endpoint, ask: Request) -> None:
        """Somebody says that a record came under a key; nothing is believed for that."""
        watch = self._watches.get(ask.key)
        protocol = self._protocol_of(source)
        if watch is None or protocol is None or ask.digest in watch.digests:
            return
        harvest = Harvest(ask.key, self._bits)
        if ask.data:
            harvest.offer(ask.data, self._runtime.now())
            self._tell(watch, harvest.records)
        elif ask.digest not in self._fetching and len(self._fetching) < limits.DHT_FETCHED_AT_ONCE_MAX:
            self._fetch(watch, protocol, source, ask)

    def stored(self, record: Record) -> None:
        """This node keeps a record that just came in: nobody else needs to tell us."""
        watch = self._watches.get(record.key)
        if watch is not None:
            self._tell(watch, [record])

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self.again()
                await asyncio.get_running_loop().create_future()  # for ever: the group lives as long as we do
        finally:
            self._tasks = None
            for fetching in self._fetching.values():
                fetching.cancel()
            self._fetching.clear()

    def _fetch(self, watch: _Watch, protocol: Protocol, source: Endpoint, ask: Request) -> None:
        """A record too long for one datagram: fetched from who told of it, if that is a node where we subscribed."""
        peer = next((peer for _, peer in watch.places if peer.address == source), None)
        if peer is None:
            return
        harvest = Harvest(watch.key, self._bits)

        def over() -> None:
            self._fetching.pop(ask.digest, None)
            self._tell(watch, harvest.records)

        fetching = self._fetching[ask.digest] = Fetching(protocol, harvest, self._runtime, over)
        fetching.fetch(peer, ask.digest, ask.count)

    def _start(self, watch: _Watch) -> None:
        if self._tasks is None:
            return
        if watch.task is not None:
            watch.task.cancel()
        watch.task = self._tasks.create_task(self._tend(watch))

    def _stop(self, watch: _Watch, listener: Callable[[Found], None]) -> None:
        if listener not in watch.listeners:
            return
        watch.listeners.remove(listener)
        if watch.listeners:
            return
        self._watches.pop(watch.key, None)
        if watch.task is not None:
            watch.task.cancel()
        for protocol, peer in watch.places:
            request = Request(Method.UNSUBSCRIBE, protocol.asker(peer.address), watch.key)
            protocol.ask(peer.address, request, ignore, expect=peer.id, tries=1)  # one that is lost fades

    async def _tend(self, watch: _Watch) -> None:
        while True:
            await self._renew(watch)
            wait = self._interval() if watch.places else min(self._interval(), limits.DHT_PUT_AGAIN_S)
            await self._runtime.sleep(wait * (0.9 + 0.2 * self._runtime.random()))

    async def _renew(self, watch: _Watch) -> None:
        """Stand on the places of the last time; where one is gone, or once in a while, on the nearest there are now."""
        watch.renewals += 1
        stood = len(watch.places)
        if watch.renewals % _SEARCHED_EVERY != 1 and stood:
            watch.places = await self._subscribe(watch, watch.places)
            if len(watch.places) == stood:
                return
        harvest = Harvest(watch.key, self._bits)
        nearest = await self._find(harvest, limits.DHT_LISTENERS)
        self._tell(watch, harvest.records)
        watch.places = await self._subscribe(watch, nearest)

    async def _subscribe(self, watch: _Watch, places: Iterable[Place]) -> list[Place]:
        """Those of the places that took the subscription; what they have that we have not is told."""
        wanted = list(places)
        taken = await asyncio.gather(*(self._subscribe_at(watch, *place) for place in wanted))
        return [place for place, ok in zip(wanted, taken, strict=True) if ok]

    async def _subscribe_at(self, watch: _Watch, protocol: Protocol, peer: Peer) -> bool:
        token = protocol.token(peer.address)
        if not token:
            return False
        have = tuple(watch.digests)
        request = Request(Method.SUBSCRIBE, protocol.asker(peer.address), watch.key, token, have)
        heard = await protocol.asked(peer.address, request, expect=peer.id)
        if heard is None or heard.answer.refused:
            return False
        harvest = Harvest(watch.key, self._bits)
        for digest in have:
            harvest.claim(digest)
        idle = asyncio.Event()
        fetching = Fetching(protocol, harvest, self._runtime, idle.set)
        fetching.take(peer, heard.answer)
        try:
            if fetching.busy:
                await idle.wait()
        finally:
            fetching.cancel()
        self._tell(watch, harvest.records)
        return True

    def _tell(self, watch: _Watch, records: Iterable[Record]) -> None:
        for record in records:
            try:
                watch.tell(record)
            except Exception:  # noqa: BLE001
                _log.exception("DHT: what was found could not be told")  # a mistake of one listener stops no renewal


class _Listener:
    """One who is told; two are never equal."""

    def __init__(self, found: Callable[[Found], None]) -> None:
        self._found = found

    def __call__(self, found: Found) -> None:
        self._found(found)
