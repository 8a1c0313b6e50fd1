"""DNS-SD on the LAN: put ourselves out under a tag that changes daily, and see the others. (SCP-05 §2)

mDNS sockets belong to the interfaces that were there when they were made. So any change of the interfaces (a cable, an
address, Wi-Fi coming back) starts a fresh instance under a fresh name: what was seen before is forgotten and seen again,
which is also what tells the others to dial anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace

import zeroconf
from zeroconf import DNSQuestionType, IPVersion, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.discovery import lantags
from swarmchat.discovery.interfaces import Interface, Watcher, hosts_for
from swarmchat.discovery.sightings import Sighting
from swarmchat.ids import DeviceId
from swarmchat.runtime import Runtime

SERVICE = "_swarmchat._tcp.local."
_VERSION = "1"

_log = logging.getLogger(__name__)


class Lan:
    """Runs until cancelled. `listens` says where links are accepted (0.0.0.0 and :: mean every address of the machine).

    `watcher` is run by somebody else.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        device: DeviceId,
        listens: Sequence[Address],
        known: Callable[[], Iterable[DeviceId]],
        on_sighting: Callable[[Sighting], None],
        watcher: Watcher,
    ) -> None:
        self._runtime = runtime
        self._device = device
        self._listens = tuple(listens)
        self._known = known
        self._tell = on_sighting
        self._watcher = watcher
        self._dht_port: int | None = None
        self._dht_moved = asyncio.Event()
        self._recogniser = lantags.Recogniser()
        self._seen: dict[str, Sighting] = {}
        self.problem: str | None = None  # why nothing is seen, for `doctor`

    async def run(self) -> None:
        """Announce and watch until cancelled; leaves no task and no socket. Never raises for what the network does."""
        while True:
            interfaces = self._chosen(self._watcher.found)
            begin = self._runtime.now()
            until = lantags.changes_at(begin, self._runtime.random())
            try:
                if interfaces:
                    await self._run_instance(interfaces, begin, until)
                else:
                    self.problem = "no network interface is up"
                    await self._wait_for_change(interfaces, begin, until)
            except (OSError, zeroconf.Error) as error:
                self.problem = f"multicast DNS does not start: {error}"
                _log.warning("LAN discovery: %s", self.problem)
                await self._runtime.sleep(limits.LAN_RETRY_S)

    def put_out_dht(self, port: int) -> None:
        """Say from now on that our node of the DHT hears on this UDP port."""
        if port != self._dht_port:
            self._dht_port = port
            self._dht_moved.set()

    def sightings(self) -> list[Sighting]:
        """All instances in sight, by name, recognised with what is known now."""
        return [self._recognised(self._seen[name]) for name in sorted(self._seen)]

    async def _run_instance(self, interfaces: frozenset[Interface], begin: float, until: float) -> None:
        engine = _start_engine(interfaces)
        changed: asyncio.Queue[tuple[str, bool]] = asyncio.Queue()

        def note(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
            if changed.qsize() < limits.LAN_INSTANCES_MAX:  # a flood of names: the rest comes when they answer again
                changed.put_nowait((name, state_change is not ServiceStateChange.Removed))

        browser: AsyncServiceBrowser | None = None
        announcing: list[Awaitable[object]] = []
        try:
            await engine.zeroconf.async_wait_for_start()
            self._dht_moved.clear()
            infos = self._infos(interfaces, begin)
            own = frozenset(info.name for info in infos)
            for info in infos:
                # The name has 64 random bits: probing for a clash would cost most of a second and find none.
                announcement = await engine.async_register_service(info, cooperating_responders=True)
                announcing.append(announcement)
            # Questions by multicast: an answer by unicast reaches only one of several nodes on this machine.
            browser = AsyncServiceBrowser(engine.zeroconf, [SERVICE], handlers=[note], question_type=DNSQuestionType.QM)
            self.problem = None
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(self._watch(engine.zeroconf, changed, own, interfaces))
                retelling = tasks.create_task(self._retell(engine, infos, begin, announcing))
                await self._wait_for_change(interfaces, begin, until)
                watching.cancel()
                retelling.cancel()
        finally:
            await _stop_engine(engine, browser, announcing)
            for name in sorted(self._seen):
                self._forget(name)

    async def _retell(
        self,
        engine: AsyncZeroconf,
        infos: Sequence[AsyncServiceInfo],
        begin: float,
        announcing: list[Awaitable[object]],
    ) -> None:
        """Announce the same instances with another TXT record whenever the port of the DHT is another."""
        while True:
            await self._dht_moved.wait()
            self._dht_moved.clear()
            told = [await engine.async_update_service(self._told_anew(info, begin)) for info in infos]
            announcing.extend(told)

    async def _watch(
        self,
        engine: Zeroconf,
        changed: asyncio.Queue[tuple[str, bool]],
        own: frozenset[str],
        interfaces: frozenset[Interface],
    ) -> None:
        alone = all(one.is_loopback for one in interfaces)
        asking: dict[str, asyncio.Task[None]] = {}

        async def resolve(name: str) -> None:
            info = AsyncServiceInfo(SERVICE, name)
            found = info.load_from_cache(engine)
            if found or await info.async_request(engine, limits.LAN_RESOLVE_S * 1000, question_type=DNSQuestionType.QM):
                self._see(name, info, loopback=alone)

        async with asyncio.TaskGroup() as tasks:
            while True:
                name, there = await changed.get()
                if name in asking:
                    asking.pop(name).cancel()
                if not there:
                    self._forget(name)
                elif name not in own:
                    asking = {other: task for other, task in asking.items() if not task.done()}
                    if len(asking) < limits.LAN_RESOLVING_MAX:
                        asking[name] = tasks.create_task(resolve(name))

    def _see(self, name: str, info: AsyncServiceInfo, *, loopback: bool) -> None:
        sighting = read_service(name, info, loopback=loopback)
        if sighting is None:
            return
        sighting = self._recognised(sighting)
        if self._seen.get(name) == sighting:
            return
        if name not in self._seen and len(self._seen) >= limits.LAN_INSTANCES_MAX:
            strangers = sorted(other for other, seen in self._seen.items() if seen.device is None)
            if sighting.device is None or not strangers:
                return
            self._forget(strangers[0])
        self._seen[name] = sighting
        self._tell(sighting)

    def _forget(self, name: str) -> None:
        seen = self._seen.pop(name, None)
        if seen is not None:
            self._tell(replace(self._recognised(seen), gone=True))

    def _recognised(self, sighting: Sighting) -> Sighting:
        return replace(sighting, device=self._recogniser.device(sighting.tag, self._known(), self._runtime.now()))

    async def _wait_for_change(self, interfaces: frozenset[Interface], begin: float, until: float) -> None:
        """Until we should speak on others than `interfaces`, or the day of the tag is over."""
        while begin - lantags.DAY_S < self._runtime.now() < until:  # the clock may be set back as well
            found = self._watcher.found
            if self._chosen(found) != interfaces:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limits.LAN_DAY_CHECKED_S):
                    await self._watcher.changed(found)

    def _chosen(self, found: frozenset[Interface]) -> frozenset[Interface]:
        """The interfaces to speak on: loopback only where there is nothing else, or where we listen nowhere else."""
        accepted = hosts_for(found, [listen.host for listen in self._listens])
        inside = [one for one in sorted(found) if one.is_loopback and one.host in accepted]
        alone = all(ipaddress.ip_address(listen.host).is_loopback for listen in self._listens)
        outside = [] if alone else [one for one in sorted(found) if not one.is_loopback]
        return frozenset((outside or inside)[: limits.LAN_INTERFACES_MAX])

    def _properties(self, begin: float) -> dict[str, str]:
        """What the TXT record of an instance says that began then."""
        told = {"v": _VERSION, "d": lantags.tag(self._device, lantags.day(begin))}
        return told if self._dht_port is None else told | {"dht": str(self._dht_port)}

    def _told_anew(self, info: AsyncServiceInfo, begin: float) -> AsyncServiceInfo:
        return AsyncServiceInfo(
            SERVICE,
            info.name,
            addresses=info.addresses_by_version(IPVersion.All),
            port=info.port,
            properties=self._properties(begin),
            server=info.server,
        )

    def _infos(self, interfaces: frozenset[Interface], begin: float) -> list[AsyncServiceInfo]:
        """One service for each port that we listen on."""
        infos = []
        for port in sorted({listen.port for listen in self._listens}):
            hosts = hosts_for(interfaces, [listen.host for listen in self._listens if listen.port == port])
            hosts = hosts[: limits.LAN_ADDRESSES_MAX]
            name = self._runtime.entropy(8).hex()
            if hosts:
                infos.append(
                    AsyncServiceInfo(
                        SERVICE,
                        f"{name}.{SERVICE}",
                        addresses=[ipaddress.ip_address(host.partition("%")[0]).packed for host in hosts],
                        port=port,
                        properties=self._properties(begin),
                        server=f"{name}.local.",
                    )
                )
        return infos


def read_service(name: str, info: AsyncServiceInfo, *, loopback: bool) -> Sighting | None:
    """What an instance says of itself, or None where it is not of our kind; anybody on the LAN can say anything."""
    tag, port = _property(info, b"d"), info.port or 0
    if _property(info, b"v") != _VERSION or tag is None or not lantags.is_tag(tag) or not 0 < port <= 65535:
        return None
    addresses = []
    for text in info.parsed_scoped_addresses():
        host = _dialable(text, loopback=loopback)
        if host is not None:
            addresses.append(Address(host, port))
    dht = _property(info, b"dht") or ""
    dht_port = int(dht) if dht.isascii() and dht.isdigit() and len(dht) <= 5 and 0 < int(dht) <= 65535 else None
    if not addresses:
        return None
    return Sighting(name, tag, None, tuple(addresses[: limits.LAN_ADDRESSES_MAX]), dht_port)


def _start_engine(interfaces: frozenset[Interface]) -> AsyncZeroconf:
    speaking: dict[
        tuple[str, int], str
    ] = {}  # one address of each family is enough for an interface, link-local before others
    for one in sorted(interfaces, key=lambda one: (not ipaddress.ip_address(one.host).is_link_local, one)):
        speaking.setdefault((one.name, ipaddress.ip_address(one.host).version), one.host)
    versions = {version for _, version in speaking}
    version = IPVersion.All if versions == {4, 6} else IPVersion.V6Only if versions == {6} else IPVersion.V4Only
    try:
        return AsyncZeroconf(interfaces=sorted(speaking.values()), ip_version=version)
    except RuntimeError as error:  # how it says that an address has gone since we looked
        raise OSError(str(error)) from error


async def _stop_engine(
    engine: AsyncZeroconf, browser: AsyncServiceBrowser | None, announcing: Iterable[Awaitable[object]]
) -> None:
    """Say goodbye and close; waits a quarter of a second at most."""
    if browser is not None:
        await browser.async_cancel()
    for task in announcing:
        if isinstance(task, asyncio.Task):
            task.cancel()
    await asyncio.gather(*announcing, return_exceptions=True)
    await engine.async_close()


def _property(info: AsyncServiceInfo, key: bytes) -> str | None:
    value = info.properties.get(key)
    return value.decode("ascii", "replace") if value is not None and len(value) <= 64 else None


def _dialable(text: str, *, loopback: bool) -> str | None:
    """A host that can be dialled from here: IPv6 link-local only with its interface, by name, since numbers change."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if found.is_unspecified or found.is_multicast or (found.is_loopback and not loopback):
        return None
    if found.version == 4 or not found.is_link_local:
        return str(found).partition("%")[0]
    host, _, scope = text.partition("%")
    if not scope:
        return None
    with contextlib.suppress(OSError):
        scope = socket.if_indextoname(int(scope)) if scope.isdigit() else scope
    return f"{host}%{scope}"
