"""How a node finds the others, stays with them, and makes two networks one. (SCP-05 §1.8, §1.18, §1.21)"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import socket
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Self

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.discovery.dht.calls import ignore
from swarmchat.discovery.dht.hosts import Endpoint
from swarmchat.discovery.dht.identity import NodeId
from swarmchat.discovery.dht.net import Net, family
from swarmchat.discovery.dht.protocol import Protocol
from swarmchat.discovery.dht.reach import Reach
from swarmchat.discovery.dht.settings import DhtSettings
from swarmchat.discovery.dht.wire import Method, Request
from swarmchat.runtime import Runtime

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where a node is said to be; with an id, only the node with that id counts."""

    address: Address
    id: NodeId | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `host:port` or `host:port#id` (40 hex digits); ValueError with a sentence."""
        where, mark, name = text.partition("#")
        if mark and (len(name) != 2 * limits.DHT_KEY_BYTES or not name.isascii()):
            raise ValueError(f"{text!r}: the id of a node is 40 hex digits")
        address = Address.parse(where)
        if not address.port:
            raise ValueError(f"{text!r} has no port")
        return cls(address, NodeId(bytes.fromhex(name)) if mark else None)

    def __str__(self) -> str:
        return f"{self.address}#{self.id.hex()}" if self.id else str(self.address)


_PROBED_AT_ONCE: Final = 2

Known = tuple[Protocol, NodeId, Endpoint]  # a node that answered


class Joining:
    """Asks all entrances as long as nobody is known; later keeps the tables fresh. `joined` is called when it is alone no more."""

    def __init__(
        self,
        net: Net,
        reach: Reach,
        runtime: Runtime,
        settings: DhtSettings,
        own: NodeId,
        joined: Callable[[], None] = lambda: None,
    ) -> None:
        self._net = net
        self._reach = reach
        self._runtime = runtime
        self._settings = settings
        self._own = own
        self._joined = joined
        self._connected = False
        self._configured: tuple[Entrance, ...] = ()
        self._heard_of: OrderedDict[Entrance, None] = OrderedDict()
        self._fresh: set[Entrance] = set()  # to be asked at the next look, though somebody is known already
        self._news = asyncio.Event()
        self._looked_around = float("-inf")
        self._newcomers = 0
        self._merged = float("-inf")
        self._probed = float("-inf")
        self._introductions = 0  # rounds still to come

    def configure(self, entrances: Iterable[Entrance]) -> None:
        """The list that is asked first, always."""
        self._configured = tuple(dict.fromkeys(entrances))
        self._news.set()

    def meet(self, entrance: Entrance) -> None:
        """Somebody told us of a node: the LAN, a link. It may be of another network than ours."""
        if entrance not in self._heard_of:
            self._fresh.add(entrance)
        self._heard_of[entrance] = None
        self._heard_of.move_to_end(entrance)
        while len(self._heard_of) > limits.DHT_CANDIDATES_MAX:
            gone, _ = self._heard_of.popitem(last=False)
            self._fresh.discard(gone)
        self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        delay = limits.DHT_BACKOFF_MIN_S
        while True:
            self._news.clear()
            self._note()
            if self._net.size:
                delay = limits.DHT_BACKOFF_MIN_S
                await self._look_after()
                await self._wait(self._settings.tick_s)
            elif await self.join():
                delay = limits.DHT_BACKOFF_MIN_S
            else:
                await self._wait(delay * (0.5 + 0.5 * self._runtime.random()))
                delay = min(2 * delay, limits.DHT_BACKOFF_MAX_S)

    async def join(self) -> int:
        """Ask every entrance that is known, all at once, and look around where one answers; how many answered."""
        self._fresh.clear()
        heard = await self._ask_all(list(dict.fromkeys((*self._configured, *self._heard_of))))
        if heard:
            await self._prove(heard)
            await self._wait_for_proof([endpoint[0] for _, _, endpoint in heard])
            await self.look_around()
        self._note()
        return len(heard)

    async def look_around(self) -> None:
        """Search our own place, so that our neighbours know us, then the parts of the table that are far from it."""
        self._looked_around = self._runtime.monotonic()
        await self._net.nearest(self._own, width=self._settings.contacts, op="refresh")
        self._newcomers = self._neighbours()
        ranges = [
            bucket.range
            for protocol in self._net.protocols.values()
            for bucket in protocol.router.buckets
            if not bucket.has_in_range(protocol.source_node)
        ]
        await self._search_in(ranges[-limits.DHT_REFRESHES_MAX * 2 :])

    def _note(self) -> None:
        """Tell when there is somebody to ask, after nobody was there."""
        before, self._connected = self._connected, self._net.size > 0
        if self._connected and not before:
            self._joined()

    async def _wait(self, delay_s: float) -> None:
        """So long, or until there is somebody new to ask."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._news.wait()

    async def _look_after(self) -> None:
        now = self._runtime.monotonic()
        if self._fresh:
            fresh, self._fresh = sorted(self._fresh, key=str), set()
            await self._meet_all(fresh)
        await self._merge(now)
        if self._neighbours() != self._newcomers and now - self._looked_around >= self._settings.neighbours_s:
            self._looked_around, self._newcomers = now, self._neighbours()
            await self._net.nearest(self._own, width=self._settings.contacts, op="refresh")
        for protocol in list(self._net.protocols.values()):
            for contact in protocol.router.stale(now - limits.DHT_STALE_S, limits.DHT_STALE_PINGS):
                ping = Request(Method.PING, protocol.asker(contact.address))
                protocol.ask(contact.address, ping, ignore, expect=contact.id)
            quiet = protocol.router.quiet(now - limits.DHT_REFRESH_S)
            await self._search_in(quiet[: limits.DHT_REFRESHES_MAX])
        await self._prove([(protocol, contact.id, contact.address) for protocol, contact in self._net.contacts()])

    async def _search_in(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Search a random place in each of these ranges of ids."""
        targets = []
        for lower, upper in ranges:
            within = int.from_bytes(self._runtime.entropy(limits.DHT_KEY_BYTES), "big") % (upper - lower + 1)
            targets.append((lower + within).to_bytes(limits.DHT_KEY_BYTES, "big"))
        await asyncio.gather(*(self._net.nearest(one, width=self._settings.replicas, op="refresh") for one in targets))
        now = self._runtime.monotonic()
        for protocol in self._net.protocols.values():
            protocol.router.searched(targets, now)

    def _neighbours(self) -> int:
        return sum(protocol.router.newcomers for protocol in self._net.protocols.values())

    # --- entrances

    async def _ask_all(self, entrances: list[Entrance]) -> list[Known]:
        turns = asyncio.Semaphore(limits.DHT_JOINING_MAX)

        async def one(entrance: Entrance) -> list[Known]:
            async with turns:
                found = []
                for protocol, endpoint in await self._resolved(entrance):
                    ping = Request(Method.PING, protocol.asker(endpoint))
                    heard = await protocol.asked(endpoint, ping, expect=entrance.id)
                    if heard is not None and heard.peer.id != self._own:
                        found.append((protocol, heard.peer.id, endpoint))
                return found

        return [known for found in await asyncio.gather(*map(one, entrances)) for known in found]

    async def _resolved(self, entrance: Entrance) -> list[tuple[Protocol, Endpoint]]:
        """Where a name leads, the first address of each family that we have a socket of."""
        try:
            infos = await asyncio.get_running_loop().getaddrinfo(
                entrance.address.host, entrance.address.port, type=socket.SOCK_DGRAM
            )
        except (OSError, UnicodeError) as error:
            _log.info("DHT: %s is not found: %s", entrance.address, error)
            return []
        first: dict[str, Endpoint] = {}
        for _, _, _, _, where in infos:
            endpoint = (str(where[0]), int(where[1]))
            if "%" not in endpoint[0]:
                first.setdefault(family(endpoint[0]), endpoint)
        found = [(self._net.protocol_of(one), one) for _, one in sorted(first.items())]
        return [(protocol, one) for protocol, one in found if protocol is not None]

    # --- two networks that meet

    async def _meet_all(self, entrances: list[Entrance]) -> None:
        """Ask those we heard of; where one knows neighbours of ours that we do not, his network is another: make it ours."""
        heard = await self._ask_all(entrances)
        strangers = False
        for protocol, node_id, endpoint in heard:
            find = Request(Method.FIND, protocol.asker(endpoint), self._own)  # type: ignore[arg-type] # ids are keys here
            answer = await protocol.asked(endpoint, find, expect=node_id)
            if answer is not None:
                strangers |= any(protocol.router.wants(peer.id, peer.address) for peer in answer.answer.peers)
        if strangers:
            self._introductions = limits.DHT_INTRODUCTIONS

    async def _merge(self, now: float) -> None:
        """Look around and make our contacts known to each other; some rounds of it, as each leads to more of them."""
        if not self._introductions or now - self._merged < self._settings.neighbours_s:
            return
        self._introductions -= 1
        self._merged = now
        await self.look_around()
        self._introduce()

    def _introduce(self) -> None:
        """Have each contact ping the next one: neighbours that did not know of each other look around then themselves."""
        for protocol in self._net.protocols.values():
            for bucket in protocol.router.buckets:
                members = sorted(bucket.get_nodes(), key=lambda one: one.long_id)
                for one, other in itertools.pairwise(members):
                    knock = Request(Method.KNOCK, protocol.asker(one.address), address=other.address)
                    protocol.ask(one.address, knock, ignore, expect=one.id)

    # --- can strangers reach us

    async def _prove(self, known: Iterable[Known]) -> None:
        """Where it is not known whether strangers reach us, ask up to two nodes to have a third one try."""
        now = self._runtime.monotonic()
        if now - self._probed < self._settings.neighbours_s:
            return
        wanting = [one for one in known if self._reach.wants_proof(one[2][0], now)]
        for _ in range(min(_PROBED_AT_ONCE, len(wanting))):
            # any of them: who takes an id that comes first in every table shall not keep us a client by doing nothing
            protocol, node_id, endpoint = wanting.pop(int(self._runtime.random() * len(wanting)))
            self._probed = now
            if not protocol.token(endpoint):
                find = Request(Method.FIND, protocol.asker(endpoint), self._own)  # type: ignore[arg-type]
                await protocol.asked(endpoint, find, expect=node_id)
            if token := protocol.token(endpoint):
                probe = Request(Method.PROBE, protocol.asker(endpoint), token=token)
                await protocol.asked(endpoint, probe, expect=node_id)

    async def _wait_for_proof(self, hosts: list[str]) -> None:
        """Give the third node a moment before we ask around: what comes from whom we have asked proves nothing."""
        until = self._runtime.monotonic() + limits.DHT_PROOF_WAIT_S
        while (now := self._runtime.monotonic()) < until and any(self._reach.wants_proof(one, now) for one in hosts):
            await self._runtime.sleep(limits.DHT_PROOF_WAIT_S / 20)
