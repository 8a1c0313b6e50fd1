"""The addresses of this machine, and who wants to know when they change. (SCP-03 §7, SCP-05 §2.1c)

On Linux the kernel says over netlink that a link or an address has changed; what it says is not read, since the interfaces are
looked at anyway. Where there is no netlink they are looked at twice a second, and slowly even with it: a container may be denied it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import ifaddr

from swarmchat import limits
from swarmchat.runtime import Runtime

_log = logging.getLogger(__name__)

_FAMILY: Final = getattr(socket, "AF_NETLINK", None)  # Linux only
_ROUTE: Final = 0  # NETLINK_ROUTE
_GROUPS: Final = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
_CHUNK: Final = 65_536  # bytes; longer datagrams are cut, and nobody reads them


@dataclass(frozen=True, slots=True, order=True)
class Interface:
    """One usable address of this machine; IPv6 link-local with its scope."""

    name: str
    host: str

    @property
    def is_loopback(self) -> bool:
        """Whether nobody else can hear it."""
        return ipaddress.ip_address(self.host).is_loopback


class Watcher:
    """Keeps `found` true while `run` runs, and tells of every change."""

    def __init__(self, runtime: Runtime, look: Callable[[], Iterable[Interface]] | None = None) -> None:
        self._runtime = runtime
        self._look = look or usable_interfaces
        self._found = self._seen() or frozenset()
        self._change = asyncio.Event()  # replaced with each change: who waits takes the present one
        self._hearers: list[Callable[[], None]] = []

    @property
    def found(self) -> frozenset[Interface]:
        """What is usable now, loopback included."""
        return self._found

    def tell(self, hearer: Callable[[], None]) -> None:
        """Have `hearer` called after each change."""
        self._hearers.append(hearer)

    async def changed(self, since: frozenset[Interface]) -> None:
        """Return when `found` differs from `since`."""
        while self._found == since:
            await self._change.wait()

    async def run(self) -> None:
        """Watch until cancelled; leaves no socket. Never raises for what the network does."""
        with _notices() as notice:
            pause_s = limits.INTERFACES_POLL_S if notice is None else limits.INTERFACES_CHECKED_S
            heard = notice or asyncio.Event()
            while True:
                heard.clear()
                if self._compare():
                    await self._runtime.sleep(limits.INTERFACES_POLL_S)  # a flapping one must not keep us busy
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await heard.wait()
                        await self._runtime.sleep(limits.INTERFACES_GAP_S)

    def _compare(self) -> bool:
        found = self._seen()
        if found is None or found == self._found:
            return False
        self._found = found
        change, self._change = self._change, asyncio.Event()
        change.set()
        for hearer in self._hearers:
            hearer()
        return True

    def _seen(self) -> frozenset[Interface] | None:
        try:
            return frozenset(self._look())
        except OSError as error:
            _log.warning("the interfaces of this machine cannot be read: %s", error)
            return None


def usable_interfaces() -> list[Interface]:
    """All addresses of this machine through which something can be sent now, sorted. OSError when the machine does not say.

    Left out: interfaces without a carrier (so that plugging in a cable is a change), and IPv6 addresses that the kernel is still
    testing for duplicates (so that the end of the test is one).
    """
    found = set()
    for adapter in ifaddr.get_adapters():
        name = str(adapter.name)
        if not _has_carrier(name):
            continue
        for ip in adapter.ips:
            if isinstance(ip.ip, str):
                found.add(Interface(name, ip.ip))
                continue
            host, _, scope = ip.ip
            link_local = ipaddress.ip_address(host.partition("%")[0]).is_link_local
            if _can_bind(host, scope):
                found.add(Interface(name, f"{host}%{name}" if link_local else host))
    return sorted(found)


def hosts_for(interfaces: Iterable[Interface], listens: Iterable[str]) -> list[str]:
    """The hosts by which a port that is listened on at `listens` is reached; 0.0.0.0 and :: stand for all of their family."""
    hosts = [one.host for one in sorted(interfaces)]
    chosen = set()
    for listen in listens:
        own = ipaddress.ip_address(listen)
        family = [host for host in hosts if ipaddress.ip_address(host).version == own.version]
        chosen |= set(family) if own.is_unspecified else {host for host in family if host == str(own)}
    return sorted(chosen)


@contextlib.contextmanager
def _notices() -> Iterator[asyncio.Event | None]:
    """An event that is set whenever the kernel tells of a change; None where it tells nothing."""
    kernel = _netlink()
    if kernel is None:
        yield None
        return
    heard = asyncio.Event()
    loop = asyncio.get_running_loop()

    def read() -> None:
        heard.set()
        try:
            while kernel.recv(_CHUNK):
                pass
        except BlockingIOError:
            pass
        except OSError as error:  # ENOBUFS: there was more than fits
            _log.debug("netlink: %s", error)

    with kernel:
        try:
            loop.add_reader(kernel, read)
        except NotImplementedError:  # a simulated loop
            yield None
            return
        try:
            yield heard
        finally:
            loop.remove_reader(kernel)


def _netlink() -> socket.socket | None:
    if _FAMILY is None:
        return None
    try:
        return _open(_FAMILY)
    except OSError as error:
        _log.info("netlink is denied, so the interfaces are looked at twice a second: %s", error)
        return None


def _open(family: int) -> socket.socket:
    kernel = socket.socket(family, socket.SOCK_RAW, _ROUTE)
    try:
        kernel.setblocking(False)
        kernel.bind((0, _GROUPS))
    except OSError:
        kernel.close()
        raise
    return kernel


def _has_carrier(name: str) -> bool:
    try:
        return Path(f"/sys/class/net/{name}/carrier").read_text(encoding="ascii").strip() != "0"
    except FileNotFoundError:
        return True  # not Linux, or no such notion: the address has to do
    except (OSError, ValueError):
        return False  # Linux answers EINVAL for an interface that is down


def _can_bind(host: str, scope: int) -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind((host.partition("%")[0], 0, 0, scope))
    except OSError:
        return False
    return True
