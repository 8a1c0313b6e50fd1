"""The sockets of a node, one for each family, and searches through all of them. (SCP-05 §1.15, §1.19)"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from swarmchat import limits
from swarmchat.discovery.dht.counters import Counters
from swarmchat.discovery.dht.hosts import Endpoint
from swarmchat.discovery.dht.lookup import Harvest
from swarmchat.discovery.dht.protocol import Protocol
from swarmchat.discovery.dht.routing import Contact
from swarmchat.discovery.dht.searching import Search
from swarmchat.discovery.dht.settings import DhtSettings
from swarmchat.discovery.dht.wire import Peer
from swarmchat.runtime import Runtime

Place = tuple[Protocol, Peer]  # a node, and the socket that reaches it


class Net:
    """IPv4 and IPv6 are two networks with the same keys: each has a table of its own, and each is asked."""

    def __init__(self, runtime: Runtime, settings: DhtSettings, counters: Counters) -> None:
        self.protocols: dict[str, Protocol] = {}  # by family: "4", "6"
        self._runtime = runtime
        self._settings = settings
        self._counters = counters
        self._turns = asyncio.Semaphore(limits.DHT_LOOKUPS_MAX)

    @property
    def size(self) -> int:
        """How many contacts there are, in all tables."""
        return sum(len(one.router) for one in self.protocols.values())

    def protocol_of(self, endpoint: Endpoint) -> Protocol | None:
        """The socket that reaches this endpoint, if we have one of its family."""
        return self.protocols.get(family(endpoint[0]))

    def contacts(self) -> list[tuple[Protocol, Contact]]:
        """All contacts, with the socket that reaches each."""
        return [(one, contact) for _, one in sorted(self.protocols.items()) for contact in one.router.contacts()]

    async def nearest(self, target: bytes, *, width: int, op: str, harvest: Harvest | None = None) -> list[Place]:
        """The `width` nodes of each family nearest to `target` that answer, nearest first; with a harvest, what they hold."""
        async with self._turns:
            begun = self._runtime.monotonic()
            protocols = [one for _, one in sorted(self.protocols.items())]
            found = await asyncio.gather(*(self._search(one, target, width, harvest) for one in protocols))
            self._counters.add("lookup_seconds_sum", self._runtime.monotonic() - begun, op)
            self._counters.add("lookup_seconds_count", 1, op)
        places = [(protocol, peer) for protocol, peers in zip(protocols, found, strict=True) for peer in peers]
        return sorted(places, key=lambda place: _distance(place[1].id, target))

    async def _search(self, protocol: Protocol, target: bytes, width: int, harvest: Harvest | None) -> list[Peer]:
        table = protocol.router
        known = [_peer(one) for one in table.nearest(target, limits.DHT_SEEDS)]
        found = await self._once(protocol, target, width, harvest, known)
        if len(found) * 2 < width and len(table) > len(found):  # most were dead: once more, from all that we know
            everybody = [_peer(one) for one in table.nearest(target, len(table), failed=True)]
            if {one.id for one in everybody} - {one.id for one in found}:
                found = await self._once(protocol, target, width, harvest, everybody)
        return found

    async def _once(
        self, protocol: Protocol, target: bytes, width: int, harvest: Harvest | None, seeds: Sequence[Peer]
    ) -> list[Peer]:
        search = Search(
            protocol, target, seeds, self._runtime, width=width, alpha=self._settings.alpha, harvest=harvest
        )
        try:
            return await search.run()
        finally:
            self._counters.add("lookup_queries", search.queries)


def family(host: str) -> str:
    """The family of a numeric host: "4" or "6"."""
    return "6" if ":" in host else "4"


def _peer(contact: Contact) -> Peer:
    return Peer(contact.id, contact.address)


def _distance(node_id: bytes, target: bytes) -> int:
    return int.from_bytes(node_id, "big") ^ int.from_bytes(target, "big")
