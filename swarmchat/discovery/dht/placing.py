"""Puts records on the nodes nearest to their keys, and remembers these for the next time. (SCP-05 §1.2, §1.19)"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from swarmchat import limits
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.dht.counters import Counters
from swarmchat.discovery.dht.net import Net, Place
from swarmchat.discovery.dht.records import Record, RecordFault
from swarmchat.discovery.dht.serving import Now, Served, Serving
from swarmchat.discovery.dht.settings import DhtSettings
from swarmchat.discovery.dht.storage import StoreFault
from swarmchat.discovery.dht.wire import Method, Request
from swarmchat.runtime import Runtime


@dataclass(frozen=True, slots=True)
class _Replicas:
    places: tuple[Place, ...]
    uses: int


class Placing:
    """One record at a time on up to `replicas` nodes of each family; on ourselves too where we are one of the nearest."""

    def __init__(self, net: Net, serving: Serving, runtime: Runtime, settings: DhtSettings, counters: Counters) -> None:
        self._net = net
        self._serving = serving
        self._runtime = runtime
        self._settings = settings
        self._counters = counters
        self._known: OrderedDict[DhtKey, _Replicas] = OrderedDict()

    async def place(self, record: Record) -> tuple[int, Served | None]:
        """How many different nodes hold it now, and what our own subscribers are to be told."""
        places = self._remembered(record.key)
        held: set[bytes] = set()
        uses = 0
        if places:
            held = await self._put(record, places, tries=1)  # who is dead shall not hold up the search for the living
            uses = self._known[record.key].uses + 1 if record.key in self._known else 1
        if not places or len(held) < len(places):
            places = tuple(await self._net.nearest(record.key, width=self._settings.replicas, op="put"))
            held |= await self._put(record, places)
            uses = 0
        self._remember(record.key, places, held, uses)
        served = self._keep(record, places, held)
        self._counters.add("put_replicas_sum", len(held))
        self._counters.add("put_replicas_count")
        return len(held), served

    def _remembered(self, key: DhtKey) -> tuple[Place, ...]:
        """The replicas of the last time, as long as we know of nobody nearer; every third time they are looked for anew."""
        known = self._known.get(key)
        if known is None or known.uses >= limits.DHT_REPLICAS_USED_MAX:
            return ()
        ids = {peer.id for _, peer in known.places}
        wanted = int.from_bytes(key, "big")
        farthest = max(int.from_bytes(one, "big") ^ wanted for one in ids)
        for protocol in self._net.protocols.values():
            for contact in protocol.router.nearest(key, self._settings.replicas):
                if contact.id not in ids and contact.long_id ^ wanted < farthest:
                    return ()
        return known.places

    def _remember(self, key: DhtKey, places: tuple[Place, ...], held: set[bytes], uses: int) -> None:
        self._known.pop(key, None)
        kept = tuple(place for place in places if place[1].id in held)
        if kept:
            self._known[key] = _Replicas(kept, uses)
            if len(self._known) > limits.DHT_REPLICAS_KEPT_MAX:
                self._known.popitem(last=False)

    def _keep(self, record: Record, places: tuple[Place, ...], held: set[bytes]) -> Served | None:
        """Hold it here as well if we are a node, and one of the nearest."""
        serving = [one for one in self._net.protocols.values() if one.serves_any]
        wanted = int.from_bytes(record.key, "big")
        for protocol in serving:
            mine = [int.from_bytes(peer.id, "big") ^ wanted for at, peer in places if at is protocol]
            own: bytes = protocol.source_node.id
            if len(mine) >= self._settings.replicas and int.from_bytes(own, "big") ^ wanted > max(mine):
                continue
            now = Now(self._runtime.now(), self._runtime.monotonic())
            outcome = self._serving.accept(record.encoded, record.key, None, now)
            if not isinstance(outcome, (RecordFault, StoreFault)):
                held.add(own)
                return Served.of(outcome)
        return None

    async def _put(self, record: Record, places: tuple[Place, ...], tries: int = limits.DHT_TRIES) -> set[bytes]:
        """The ids of those who say that they hold it."""
        taken = await asyncio.gather(*(self._put_at(record, place, tries) for place in places))
        return {peer.id for (_, peer), ok in zip(places, taken, strict=True) if ok}

    async def _put_at(self, record: Record, place: Place, tries: int) -> bool:
        protocol, peer = place
        token = protocol.token(peer.address)
        if not token:
            return False
        size = limits.DHT_PART_BYTES
        parts = [record.encoded[at : at + size] for at in range(0, len(record.encoded), size)]
        asked = []
        for index, part in enumerate(parts):
            request = Request(
                Method.PUT,
                protocol.asker(peer.address),
                record.key,
                token,
                (),
                record.digest,
                index,
                len(parts),
                part,
            )
            asked.append(protocol.asked(peer.address, request, expect=peer.id, tries=tries))
        heard = await asyncio.gather(*asked)
        answers = [one.answer for one in heard if one is not None]
        for answer in answers:
            if answer.refused:
                self._counters.add("puts_refused_total", 1, answer.refused)
        return any(answer.stored == 1 for answer in answers)
