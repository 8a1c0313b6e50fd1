"""Links without sockets and without waiting: a clock turned by hand, streams in memory, an endpoint that only names the peer."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from swarmchat.addresses import Address
from swarmchat.ids import DeviceId
from swarmchat.links.peers import Identity, Peer
from swarmchat.links.streams import ByteStream, Receiver
from swarmchat.runtime import SystemRuntime


async def settle() -> None:
    """Let everything happen that waits for nothing but its turn."""
    for _ in range(50):
        await asyncio.sleep(0)


class HandClock(SystemRuntime):
    """A runtime whose time passes only in `advance`."""

    def __init__(self, start: float) -> None:
        self.time = start
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, delay_s: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.time + delay_s, next(self._order), woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Pass `seconds`, waking each sleeper in its turn."""
        end = self.time + seconds
        await settle()
        while self._sleepers and min(self._sleepers)[0] <= end:
            entry = min(self._sleepers)
            self._sleepers.remove(entry)
            self.time = max(self.time, entry[0])
            if not entry[2].done():
                entry[2].set_result(None)
            await settle()
        self.time = end


@dataclass(eq=False)
class MemoryStream:
    """One end of a pipe; what is written is received by the other end in the next turn of the loop."""

    remote: Address
    path: str = "memory"
    congested: bool = False
    dead: bool = False  # swallows everything, like a cable that was pulled
    other: MemoryStream | None = None
    written: int = 0
    _receiver: Receiver | None = None
    _early: list[bytes] = field(default_factory=list)
    _over: bool = False

    def start(self, receiver: Receiver) -> None:
        self._receiver = receiver
        early, self._early = self._early, []
        for data in early:
            self._soon(self._take, data)

    def write(self, data: bytes) -> None:
        self.written += len(data)
        if data and not self._over and not self.dead and self.other is not None:
            self._soon(self.other._take, bytes(data))

    def relieve(self) -> None:
        """No longer congested."""
        self.congested = False
        assert self._receiver is not None
        self._receiver.writable()

    def close(self) -> None:
        if not self._over:
            self._over = True
            self._soon(self._end, "closed")
            if self.other is not None and not self.dead:
                self._soon(self.other._end, "closed")

    abort = close

    def _take(self, data: bytes) -> None:
        if self._receiver is None:
            self._early.append(data)
        elif not self._over:
            self._receiver.received(data)

    def _end(self, reason: str) -> None:
        self._over = True
        if self._receiver is not None:
            self._receiver.ended(reason)

    @staticmethod
    def _soon(call: Callable[..., None], *args: object) -> None:
        asyncio.get_running_loop().call_soon(call, *args)


class MemoryNetwork:
    """Where memory carriers find each other. `hosts` says from where a carrier calls."""

    def __init__(self) -> None:
        self.streams: list[tuple[MemoryStream, MemoryStream]] = []
        self._ears: dict[Address, Callable[[ByteStream], None]] = {}
        self._ports = itertools.count(4000)

    def carrier(self, host: str = "10.0.0.1") -> MemoryCarrier:
        return MemoryCarrier(self, host)


@dataclass
class MemoryCarrier:
    """A carrier on a MemoryNetwork."""

    network: MemoryNetwork
    host: str

    async def dial(self, address: Address) -> ByteStream:
        accept = self.network._ears.get(address)
        if accept is None:
            raise ConnectionRefusedError("refused")
        ours = MemoryStream(address)
        theirs = MemoryStream(Address(self.host, next(self.network._ports)))
        ours.other, theirs.other = theirs, ours
        self.network.streams.append((ours, theirs))
        asyncio.get_running_loop().call_soon(accept, theirs)
        return ours

    async def listen(self, address: Address, accept: Callable[[ByteStream], None]) -> MemoryListener:
        if address.port == 0:
            address = Address(address.host, next(self.network._ports))
        self.network._ears[address] = accept
        return MemoryListener(self.network, address)


@dataclass
class MemoryListener:
    """An ear on a MemoryNetwork."""

    network: MemoryNetwork
    address: Address

    def close(self) -> None:
        self.network._ears.pop(self.address, None)


@dataclass
class NamedSecurity:
    """In the place of TLS: each side says its name, and is believed."""

    identity: Identity
    everybody: dict[DeviceId, Peer]

    def __post_init__(self) -> None:
        self.everybody[self.identity.device.device_id] = self.identity.peer

    def endpoint(self, *, server: bool, device: DeviceId | None = None) -> NamedEndpoint:
        return NamedEndpoint(self.identity.device.device_id, self.everybody, device)


class NamedEndpoint:
    """64 hex digits of the speaker, then plain bytes."""

    def __init__(self, us: DeviceId, everybody: dict[DeviceId, Peer], wanted: DeviceId | None) -> None:
        self.peer: Peer | None = None
        self.fault: str | None = None
        self.finished = False
        self._everybody = everybody
        self._wanted = wanted
        self._us = us.encode()
        self._out = self._us
        self._in = b""

    def start(self) -> None:
        pass

    def receive(self, data: bytes | memoryview) -> bytes:
        self._in += bytes(data)
        if self.peer is None:
            if len(self._in) < 64:
                return b""
            name, self._in = self._in[:64].decode(), self._in[64:]
            self.peer = self._everybody[DeviceId(name)]
            if self._wanted is not None and name != self._wanted:
                self.fault = "another device answers"
        plain, self._in = self._in, b""
        return plain

    def send(self, data: bytes) -> None:
        self._out += data

    def exporter(self, label: bytes) -> bytes:
        assert self.peer is not None
        return hashlib.sha256(label + b"".join(sorted((self._us, self.peer.device.encode())))).digest()

    def pull(self) -> bytes:
        out, self._out = self._out, b""
        return out

    def end(self) -> None:
        pass
