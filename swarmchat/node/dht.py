"""The DHT of a node: a `Directory` from the first moment; a key and sockets when there is a way in. (SCP-05 §1.7, §1.8)"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.discovery.addressbook import Source
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.dht import sockets
from swarmchat.discovery.directory import Entry, Found
from swarmchat.errors import StorageError, UserError
from swarmchat.node.config import Config
from swarmchat.node.ports import Ports
from swarmchat.runtime import Runtime

if TYPE_CHECKING:
    from swarmchat.discovery.dht.dht import Dht
    from swarmchat.discovery.dht.identity import NodeKey
    from swarmchat.discovery.dht.state import State

_log = logging.getLogger(__name__)

_WAY_IN: Final = "name one with --bootstrap HOST:PORT, or link with somebody who is in it"
_STATE_FILE: Final = "dht.json"
_PORTS_FILE: Final = "dht-ports.json"


class _StoppedError(Exception):
    """Nobody waits for the key any more."""


@dataclass(frozen=True, slots=True)
class DhtStatus:
    """How it stands: one word, one sentence, and what helps if something is missing."""

    state: str  # off, waiting, making-key, joining, connected
    found: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class KnownNode:
    """A node of the DHT that this one knows: by whom it was told of first, and the seconds since it answered."""

    id: str  # 40 hex digits
    address: Address
    source: str  # bootstrap, lan, link; kept: from the last run; dht: from other nodes
    age_s: float


@dataclass(slots=True, eq=False)
class _Watched:
    key: DhtKey
    found: Callable[[Found], None]
    end: Callable[[], None] | None = None


@dataclass(slots=True)
class _Wanted:
    """What was asked for before there was a node to ask."""

    published: dict[str, Callable[[float], Entry | None]] = field(default_factory=dict)
    watched: dict[int, _Watched] = field(default_factory=dict)


class DhtPart:
    """Begins when a bootstrap node is named, the LAN is looked at, somebody was known before, or a peer tells of a node.

    Without any of these it opens no socket and looks for no key. `told` hears the UDP port when it is known.
    """

    def __init__(self, folder: Path, config: Config, runtime: Runtime, told: Callable[[int], None]) -> None:
        self._folder = folder
        self._config = config
        self._runtime = runtime
        self._told = told
        self._wanted = _Wanted()
        self._met: dict[Address, Source] = {}
        self._kept: frozenset[tuple[str, int]] = frozenset()
        self._way = asyncio.Event()
        self._changed = asyncio.Event()
        self._dht: Dht | None = None
        self._tries: int | None = None  # keys looked at, while one is looked for
        self._begun: float | None = None  # when it began to ask
        self._stopped = False
        self._problem: str | None = None

    # --- what it hears

    def met(self, address: Address, source: Source) -> None:
        """The LAN or a link told where a node of the DHT hears."""
        if address not in self._met and len(self._met) >= limits.DHT_CANDIDATES_MAX:
            del self._met[next(iter(self._met))]
        self._met[address] = source
        if self._dht is not None:
            self._meet(self._dht, address)
        self._way.set()

    def network_changed(self) -> None:
        """Interfaces came or went: all is put and watched anew, at most every 10 s."""
        self._changed.set()

    # --- its life

    async def run(self) -> None:
        """Live until cancelled; leaves no task and no socket. Never raises for what network or disk do."""
        if not self._config.dht_enabled:
            return
        try:
            kept = await self._runtime.offload(self._load)
            self._kept = frozenset(kept.addresses) if kept is not None else frozenset()
            if self._config.dht_bootstrap or self._config.lan_enabled or (kept is not None and kept.addresses):
                self._way.set()
            await self._way.wait()
            key = await self._key(kept)
            self._begun = self._runtime.monotonic()
            await self._live(await self._begin(key, kept))
        finally:
            self._stopped = True

    async def _begin(self, key: NodeKey, kept: State | None) -> Dht:
        """A node with its sockets open; tried until they can be had."""
        while True:
            dht = self._make(key, kept)
            try:
                await dht.start(await self._listens())
            except UserError as fault:
                self._problem = fault.message
                _log.warning("%s", fault.message)
                await self._runtime.sleep(limits.DHT_PORT_RETRY_S)
            else:
                return dht

    async def _live(self, dht: Dht) -> None:
        self._problem, self._dht = None, dht
        try:
            listens = dht.listens
            _log.info("DHT: node %s on %s", dht.id.hex(), ", ".join(map(str, listens)))
            for name, make in self._wanted.published.items():
                dht.publish(name, make)
            for watched in self._wanted.watched.values():
                watched.end = dht.watch(watched.key, watched.found)
            for address in self._met:
                self._meet(dht, address)
            self._told(listens[0].port)
            self._changed.clear()
            while True:
                await self._changed.wait()
                self._changed.clear()
                dht.network_changed()
                await self._runtime.sleep(limits.DHT_CHANGES_S)  # containers come and go; each put costs work
        finally:
            self._dht = None
            await dht.stop()

    # --- the Directory

    async def put(self, entry: Entry) -> int:
        """See `Directory.put`."""
        return 0 if self._dht is None else await self._dht.put(entry)

    async def get(self, key: DhtKey) -> list[Found]:
        """See `Directory.get`."""
        return [] if self._dht is None else await self._dht.get(key)

    def watch(self, key: DhtKey, found: Callable[[Found], None]) -> Callable[[], None]:
        """See `Directory.watch`."""
        watched = _Watched(key, found)
        self._wanted.watched[id(watched)] = watched
        if self._dht is not None:
            watched.end = self._dht.watch(key, found)

        def end() -> None:
            self._wanted.watched.pop(id(watched), None)
            if watched.end is not None:
                watched.end()

        return end

    def publish(self, name: str, make: Callable[[float], Entry | None]) -> None:
        """See `Directory.publish`."""
        self._wanted.published[name] = make
        if self._dht is not None:
            self._dht.publish(name, make)

    def withdraw(self, name: str) -> None:
        """See `Directory.withdraw`."""
        self._wanted.published.pop(name, None)
        if self._dht is not None:
            self._dht.withdraw(name)

    @property
    def connected(self) -> bool:
        """See `Directory.connected`."""
        return self._dht is not None and self._dht.connected

    # --- what it tells of itself

    @property
    def dht(self) -> Dht | None:
        """The running node, if there is one."""
        return self._dht

    @property
    def port(self) -> int | None:
        """The UDP port, when it is known."""
        return None if self._dht is None else self._dht.listens[0].port

    def nodes(self) -> list[KnownNode]:
        """The nodes that this one knows, the latest heard of first."""
        heard = [] if self._dht is None else self._dht.heard()
        named = {(one.address.host, one.address.port) for one in self._config.dht_bootstrap}
        pinned = {one.id for one in self._config.dht_bootstrap} - {None}

        def source(node: bytes, endpoint: tuple[str, int]) -> str:
            if endpoint in named or node in pinned:
                return "bootstrap"
            met = self._met.get(Address(*endpoint))
            return met if met is not None else "kept" if endpoint in self._kept else "dht"

        return [KnownNode(node.hex(), Address(*endpoint), source(node, endpoint), age) for node, endpoint, age in heard]

    @property
    def status(self) -> DhtStatus:
        """In a word and a sentence."""
        config = self._config
        if not config.dht_enabled:
            return DhtStatus("off", "switched off: only who is linked, on this network or at a known address is found")
        if self._problem is not None:
            return DhtStatus("waiting", self._problem, "choose another port with dht.port in config.toml")
        if self._tries is not None:
            return DhtStatus("making-key", f"looking for the key of this node, once: {keys_tried(self._tries)}")
        if self._dht is not None and self._dht.connected:
            count = len({node for node, _ in self._dht.contacts()})
            return DhtStatus("connected", f"{count} node{'s' * (count != 1)} known, on UDP port {self.port}")
        if config.dht_bootstrap:
            named = ", ".join(str(one.address) for one in config.dht_bootstrap[:3])
            if self._begun is not None and self._runtime.monotonic() < self._begun + limits.DHT_FIRST_ANSWER_S:
                return DhtStatus("joining", f"asking {named}")
            hint = "see whether they run, and whether UDP leaves this network"
            return DhtStatus("joining", f"no bootstrap node has answered yet: {named}", hint)
        if config.lan_enabled:
            return DhtStatus("joining", "no bootstrap node is named, and the local network shows none", _WAY_IN)
        if self._dht is not None:
            return DhtStatus("joining", "no bootstrap node is named, and nobody known from before answers", _WAY_IN)
        return DhtStatus("waiting", "no bootstrap node is named, and the local network is not looked at", _WAY_IN)

    # --- inside

    def _load(self) -> State | None:
        from swarmchat.discovery.dht import state  # noqa: PLC0415 - who has no DHT needs it not

        return state.load(self._folder / _STATE_FILE)

    async def _key(self, kept: State | None) -> NodeKey:
        """The key of before; else a fresh one, looked for in a thread and kept at once."""
        from swarmchat.discovery.dht import state  # noqa: PLC0415
        from swarmchat.discovery.dht.identity import NodeKey, find_node_key  # noqa: PLC0415

        if kept is not None:
            try:
                return NodeKey.from_seed(kept.seed)
            except ValueError as fault:
                _log.warning("%s: %s", self._folder / _STATE_FILE, fault)

        def progress(tries: int) -> None:
            self._tries = tries
            if self._stopped:
                raise _StoppedError

        self._tries = 0
        _log.info("DHT: looking for the key of this node, which takes some seconds once")
        key = await self._runtime.offload(find_node_key, self._runtime.entropy, progress)
        self._tries = None
        try:
            await self._runtime.offload(state.save, self._folder / _STATE_FILE, state.State(key.private.seed))
        except StorageError as fault:
            _log.warning("DHT: the key of this node is not kept: %s", fault)
        return key

    def _make(self, key: NodeKey, kept: State | None) -> Dht:
        from swarmchat.discovery.dht.dht import Dht  # noqa: PLC0415 - as above: its libraries are 2 MB

        same = kept if kept is not None and kept.seed == key.private.seed else None
        dht = Dht(key, self._runtime, kept=same, file=self._folder / _STATE_FILE)
        dht.configure(self._config.dht_bootstrap)
        return dht

    async def _listens(self) -> list[Address]:
        """Where to open sockets: the port of the settings, or of the last start, or any that is free."""
        ports = Ports(self._folder / _PORTS_FILE)
        wanted = hosts(self._config.listen)

        async def free(addresses: Sequence[Address]) -> list[Address]:
            return free_ports(wanted, addresses[0].port)

        try:
            found = await ports.listen(Address(wanted[0], self._config.dht_port), free)
        except OSError as fault:
            raise UserError(f"the DHT cannot listen: {fault.strerror or fault}") from fault
        await self._runtime.offload(ports.save)
        return found

    def _meet(self, dht: Dht, address: Address) -> None:
        from swarmchat.discovery.dht.joining import Entrance  # noqa: PLC0415

        dht.meet(Entrance(address))


def hosts(listen: Iterable[Address]) -> list[str]:
    """Where the DHT listens: the first host of each family that links are accepted on; all of both where those are names."""
    first: dict[int, str] = {}
    for address in listen:
        try:
            first.setdefault(ipaddress.ip_address(address.host).version, address.host)
        except ValueError:
            continue
    return [host for _, host in sorted(first.items())] or ["0.0.0.0", "::"]  # noqa: S104 - nodes are reached from outside


def keys_tried(count: int) -> str:
    """How far the search for a node key is, in words; chance may ask for several times the average."""
    return f"{count:,} keys tried; it takes {2**limits.DHT_PUZZLE_BITS:,} on average, often more"


def free_ports(hosts: Sequence[str], port: int) -> list[Address]:
    """Those of these hosts where this UDP port can be had now, the same for all; 0: any. OSError when it is none."""
    found: list[Address] = []
    faults: list[OSError] = []
    for host in hosts:
        try:
            with sockets.opened(Address(host, found[0].port if found else port)) as tried:
                found.append(Address(host, tried.getsockname()[1]))
        except UserError as fault:
            _log.warning("%s", fault.message)
            faults.append(fault.__cause__ if isinstance(fault.__cause__, OSError) else OSError(fault.message))
    if not found:
        raise faults[0]
    return found
