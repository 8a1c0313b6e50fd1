"""A node of the DHT: put, get and watch for us, keep and answer for others. (SCP-05 §1)

kademlia's `Server` as far as it goes: the parameters, the node, the hook for the protocol. What it does with values is
replaced, and cannot be reached by accident.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from kademlia.network import Server

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.dht import sockets, state
from swarmchat.discovery.dht.admission import Meter
from swarmchat.discovery.dht.calls import ignore
from swarmchat.discovery.dht.clocks import Clocks
from swarmchat.discovery.dht.counters import Counters
from swarmchat.discovery.dht.hosts import Endpoint, is_private
from swarmchat.discovery.dht.identity import NodeId, NodeKey
from swarmchat.discovery.dht.joining import Entrance, Joining
from swarmchat.discovery.dht.lookup import Harvest
from swarmchat.discovery.dht.net import Net, Place, family
from swarmchat.discovery.dht.placing import Placing
from swarmchat.discovery.dht.protocol import Protocol
from swarmchat.discovery.dht.publishing import Publications
from swarmchat.discovery.dht.reach import Reach
from swarmchat.discovery.dht.records import Kind, Record, pseudonym, work, write
from swarmchat.discovery.dht.serving import Now, Served, Serving
from swarmchat.discovery.dht.settings import DhtSettings
from swarmchat.discovery.dht.storage import RecordStorage
from swarmchat.discovery.dht.watching import Watches
from swarmchat.discovery.dht.wire import Method, Request
from swarmchat.discovery.directory import Entry, Found
from swarmchat.errors import StorageError
from swarmchat.runtime import Runtime

_log = logging.getLogger(__name__)
_FAMILIES = {"4": "ipv4", "6": "ipv6"}


class Dht(Server):  # type: ignore[misc] # the package is untyped
    """A `Directory` over the network. `kept` says what an earlier run left; `file` is where this one leaves it, if anywhere."""

    protocol_class = Protocol
    transport: asyncio.DatagramTransport | None
    protocol: Protocol | None

    def __init__(
        self,
        key: NodeKey,
        runtime: Runtime,
        settings: DhtSettings | None = None,
        *,
        kept: state.State | None = None,
        file: Path | None = None,
    ) -> None:
        self._settings = settings or DhtSettings()
        storage = RecordStorage(bytes_max=self._settings.storage_bytes)
        super().__init__(self._settings.contacts, self._settings.alpha, key.id, storage)
        self.storage = storage  # the package takes an empty one for none
        self._key = key
        self._runtime = runtime
        self._file = file
        self._seq = kept.seq if kept else 0
        self._counters = Counters()
        self._reach = Reach(client=self._settings.client, home=self._settings.home)
        self._clocks = Clocks()
        self._net = Net(runtime, self._settings, self._counters)
        self._serving = Serving(storage, runtime.entropy(32), bits=self._settings.work_bits, told=self._notified)
        self._placing = Placing(self._net, self._serving, runtime, self._settings, self._counters)
        self._joining = Joining(self._net, self._reach, runtime, self._settings, key.id, self._joined)
        self._publications = Publications(runtime, self._settings, self.put, self._enough)
        self._watches = Watches(
            runtime,
            bits=self._settings.work_bits,
            find=self._find,
            interval=self._renewal,
            protocol_of=self._net.protocol_of,
        )
        for host, port in reversed(kept.addresses if kept else ()):
            self._joining.meet(Entrance(Address(host, port)))
        self._kept = kept.addresses if kept else ()  # not forgotten by a run in which nobody could be asked
        self._way_in = asyncio.Event()  # somebody has answered, for the first time
        self._owner: asyncio.Task[None] | None = None

    # --- its life

    @property
    def id(self) -> NodeId:
        """Who this node is."""
        return self._key.id

    @property
    def listens(self) -> tuple[Address, ...]:
        """Where it listens, with the ports that it got."""
        return tuple(
            Address(*one.transport.get_extra_info("sockname")[:2]) for _, one in sorted(self._net.protocols.items())
        )

    async def start(self, listens: Sequence[Address]) -> None:
        """Open a socket on each of these, one of each family at most, and live until `stop`. UserError if one is refused."""
        loop = asyncio.get_running_loop()
        meter = Meter(self._settings.requests_per_s, self._settings.requests_burst)
        make = partial(
            self.protocol_class,
            self._key,
            self._settings,
            self._serving,
            self._runtime,
            meter=meter,
            reach=self._reach,
            clocks=self._clocks,
            counters=self._counters,
            tell=self._carry_out,
        )
        try:
            for listen in listens:
                opened = sockets.opened(listen)
                transport, protocol = await loop.create_datagram_endpoint(make, sock=opened)
                protocol.port = transport.get_extra_info("sockname")[1]
                self._net.protocols[family(listen.host)] = protocol
                self.transport, self.protocol = self.transport or transport, self.protocol or protocol
        except BaseException:
            await self.stop()
            raise
        self._owner = loop.create_task(self._live())

    async def stop(self) -> None:
        """Save what is kept, close the sockets; no task of the node is left."""
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.cancel()
            await asyncio.gather(owner, return_exceptions=True)
            await self._save()
        for protocol in self._net.protocols.values():
            protocol.close()
        for protocol in self._net.protocols.values():
            await protocol.gone.wait()
        self._net.protocols.clear()

    async def bootstrap(self, entrances: Iterable[Entrance]) -> int:
        """Take this list for the one to begin with, and ask all of it now; how many nodes answered."""
        self._joining.configure(entrances)
        return await self._joining.join()

    def configure(self, entrances: Iterable[Entrance]) -> None:
        """Take this list for the one to begin with; it is asked in the background, again and again until one answers."""
        self._joining.configure(entrances)

    def meet(self, entrance: Entrance) -> None:
        """Hear of a node from elsewhere: the LAN, a link. Its network and ours become one."""
        self._joining.meet(entrance)

    def network_changed(self) -> None:
        """Addresses are others now, or the machine slept: subscribe and put anew, see who of the neighbours is there."""
        self._joined()
        for protocol in self._net.protocols.values():
            for contact in protocol.router.nearest(self.id, limits.DHT_REPLICAS, failed=True):
                ping = Request(Method.PING, protocol.asker(contact.address))
                protocol.ask(contact.address, ping, ignore, expect=contact.id)

    # --- the directory

    @property
    def connected(self) -> bool:
        """See `Directory.connected`."""
        return self._net.size > 0

    async def put(self, entry: Entry) -> int:
        """See `Directory.put`."""
        if not self.connected:
            return 0  # the work would be for nobody
        now = self._runtime.now()
        self._seq = max(self._seq + 1, int(now * 1000))
        writer = pseudonym(self._key.private.seed, entry.key)
        record = write(
            Kind.MAILBOX,
            entry.key,
            writer,
            entry.data,
            seq=self._seq,
            created=int(now),
            ttl=entry.ttl_s,
            salt=entry.salt,
        )
        return await self.put_record(await self._runtime.offload(work, record, entry.bits))

    async def put_record(self, record: Record) -> int:
        """Put a record as it is; on how many nodes it stands."""
        count, served = await self._placing.place(record)
        if served is not None:
            self._carry_out(served)
        return count

    async def get(self, key: DhtKey) -> list[Found]:
        """See `Directory.get`."""
        return [Found(one.key, one.salt, one.data, one.created, one.writer) for one in (await self.get_records(key))]

    async def get_records(self, key: DhtKey) -> list[Record]:
        """The union of what the replicas hold, and this node, the newest of each slot."""
        harvest = Harvest(key, self._settings.work_bits)
        await self._find(harvest, 0)
        return harvest.records

    def watch(self, key: DhtKey, found: Callable[[Found], None]) -> Callable[[], None]:
        """See `Directory.watch`."""
        return self._watches.watch(key, found)

    def publish(self, name: str, make: Callable[[float], Entry | None]) -> None:
        """See `Directory.publish`."""
        self._publications.publish(name, make)

    def withdraw(self, name: str) -> None:
        """See `Directory.withdraw`."""
        self._publications.withdraw(name)

    # --- what it tells of itself

    def contacts(self) -> list[tuple[NodeId, Endpoint]]:
        """All nodes it knows, by family and id."""
        return [(contact.id, contact.address) for _, contact in self._net.contacts()]

    def heard(self) -> list[tuple[NodeId, Endpoint, float]]:
        """The same with the seconds since each answered last, that first which did so latest."""
        now = self._runtime.monotonic()
        ages = [(contact.id, contact.address, max(0.0, now - contact.seen)) for _, contact in self._net.contacts()]
        return sorted(ages, key=lambda one: (one[2], one[0], one[1]))

    @property
    def serves(self) -> bool:
        """Whether it is a node to anybody, or a client to all."""
        return any(protocol.serves_any for protocol in self._net.protocols.values())

    @property
    def reached(self) -> bool | None:
        """Whether who is outside our own networks reaches this node unasked; None while nobody outside is known who could tell."""
        if all(is_private(endpoint[0]) for _, endpoint in self.contacts()):
            return None
        return self._reach.from_outside(self._runtime.monotonic())

    @property
    def clock_offsets_s(self) -> list[float]:
        """Clocks of others less ours, one of each of five networks and more; our records are refused where it is over 120 s."""
        return self._clocks.offsets_s

    def metrics(self) -> dict[str, float]:
        """Counters and present values under their Prometheus names. (SCP-05 §1.22)"""
        gauges: dict[tuple[str, str], float] = {
            ("records", ""): self._serving.storage.count,
            ("record_bytes", ""): self._serving.storage.size,
            ("records_expired_total", ""): self._serving.storage.expired,
            ("subscriptions", "served"): len(self._serving.subscribers),
            ("subscriptions", "own"): len(self._watches),
            ("publications", ""): len(self._publications),
        }
        for name, protocol in self._net.protocols.items():
            gauges["contacts", _FAMILIES[name]] = len(protocol.router)
        if offsets := self.clock_offsets_s:
            gauges["clock_offset_seconds", ""] = offsets[len(offsets) // 2]
        for fault, count in self._serving.storage.rejected.items():
            gauges["records_rejected_total", str(fault)] = count
        for reason, count in self._serving.refused.items():
            gauges["records_rejected_total", str(reason)] = count
        return self._counters.rendered(gauges)

    # --- inside

    async def _live(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._joining.run())
            tasks.create_task(self._publications.run())
            tasks.create_task(self._watches.run())
            tasks.create_task(self._tidy())
            await self._way_in.wait()
            await self._save()  # who is killed soon after begins where it was

    async def _tidy(self) -> None:
        """Forget what is over, save what is kept, notice that the machine slept."""
        saved, before = -math.inf, Now(self._runtime.now(), self._runtime.monotonic())
        while True:
            await self._runtime.sleep(self._settings.tick_s)
            now = Now(self._runtime.now(), self._runtime.monotonic())
            self._serving.sweep(now)
            slept = (now.wall - before.wall) - (now.steady - before.steady) > limits.DHT_CLOCK_JUMP_S
            before = now
            if slept:
                self.network_changed()
            if self.connected and now.steady - saved >= limits.DHT_SAVE_S:
                saved = now.steady
                await self._save()

    async def _save(self) -> None:
        if self._file is None:
            return
        known = sorted((contact for _, contact in self._net.contacts()), key=lambda one: (one.failures, -one.seen))
        addresses = dict.fromkeys((*(one.address for one in known), *self._kept))
        kept = state.State(self._key.private.seed, self._seq, tuple(addresses))
        try:
            await self._runtime.offload(state.save, self._file, kept)
        except StorageError as error:
            _log.warning("DHT: %s", error)

    def _enough(self) -> int:
        """How many replicas make a put good enough for five minutes; in a small network all there are."""
        return max(1, min(limits.DHT_PUT_ENOUGH, self._net.size))

    def _renewal(self) -> float:
        return self._settings.renew_s if self.serves else self._settings.renew_client_s

    async def _find(self, harvest: Harvest, count: int) -> list[Place]:
        """Read a key; the `count` nearest nodes of each family."""
        places = await self._net.nearest(harvest.key, width=self._settings.replicas, op="get", harvest=harvest)
        now = self._runtime.now()
        for record in self._serving.storage.records(harvest.key, now):
            harvest.offer(record.encoded, now)
        for fault, number in harvest.refused.items():
            self._counters.add("records_rejected_total", number, f"read-{fault}")
        chosen: list[Place] = []
        for protocol in self._net.protocols.values():
            chosen += [place for place in places if place[0] is protocol][:count]
        return chosen

    def _joined(self) -> None:
        """There is a network now: what was put and watched before reached nobody, and does not wait for its next turn."""
        if self.connected:
            self._way_in.set()
        self._watches.again()
        self._publications.again()

    def _notified(self, source: Endpoint, ask: Request) -> None:
        self._counters.add("notifications_total", 1, "in")
        self._watches.notified(source, ask)

    def _carry_out(self, served: Served) -> None:
        if served.news is not None:
            self._push(served.news)
        if served.knock is not None:
            self._have_knocked(served.knock)
        protocol = self._net.protocol_of(served.ping) if served.ping is not None else None
        if protocol is not None and served.ping is not None:
            ping = Request(Method.PING, protocol.asker(served.ping))
            protocol.ask(served.ping, ping, ignore, tries=2)

    def _push(self, record: Record) -> None:
        """Tell the subscribers of a key, and ourselves."""
        whole = record.encoded if len(record.encoded) <= limits.DHT_PART_BYTES else b""
        for endpoint in self._serving.subscribers.told(record.key, self._runtime.monotonic()):
            protocol = self._net.protocol_of(endpoint)
            if protocol is not None:
                request = Request(
                    Method.NOTIFY,
                    protocol.asker(endpoint),
                    record.key,
                    digest=record.digest,
                    count=len(record.encoded),
                    data=whole,
                )
                self._counters.add("notifications_total", 1, "out")
                protocol.ask(endpoint, request, partial(self._told, record.key, endpoint))
        self._watches.stored(record)

    def _told(self, key: DhtKey, endpoint: Endpoint, heard: object) -> None:
        if heard is None:
            self._serving.subscribers.drop(key, endpoint)

    def _have_knocked(self, asker: Endpoint) -> None:
        """Ask a contact that is somewhere else to ping him: one whom he may not have sent anything to."""
        protocol = self._net.protocol_of(asker)
        if protocol is None:
            return
        others = [one for one in protocol.router.contacts() if one.address != asker and not one.failures]
        if others:
            third = others[int(self._runtime.random() * len(others))]
            request = Request(Method.KNOCK, protocol.asker(third.address), address=asker)
            protocol.ask(third.address, request, ignore, expect=third.id)

    # --- what the package offers under these names is not this network's

    def listen(self, *_: Any, **__: Any) -> NoReturn:
        """Not this: `start`."""
        raise TypeError("start() opens the sockets")

    def set(self, *_: Any, **__: Any) -> NoReturn:
        """Not this: `put`."""
        raise TypeError("put() stores an entry")

    def set_digest(self, *_: Any, **__: Any) -> NoReturn:
        """Not this: `put`."""
        raise TypeError("put() stores an entry")

    refresh_table = save_state = save_state_regularly = load_state = bootstrap_node = listen
