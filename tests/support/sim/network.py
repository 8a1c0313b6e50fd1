"""Links carried in memory and virtual time: delay, stall, cut, partition; and in the place of TLS a stub that names the peer.

The mux, the link and the connection manager above it are the real ones.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field

from swarmchat.addresses import Address
from swarmchat.crypto.certificates import Certificate, ChainFault, check_chain
from swarmchat.ids import AccountId, DeviceId
from swarmchat.links.peers import Identity, Peer
from swarmchat.links.streams import ByteStream, Receiver
from tests.support.sim.loop import Trace

HIGH = 64 * 1024  # bytes on the way above which a stream says that it is congested; TCP has the same
LOW = 32 * 1024
PIECE = 16 * 1024  # what arrives at once, at most
RATE = 20e6  # bytes a second
RETRANSMIT_S = 0.2  # until what was lost is sent again; then double
BLOCKED_S = 30.0  # so long the kernel tries to get bytes through before it gives the stream up; TCP_USER_TIMEOUT


class Network:
    """All hosts and the wires between them. Whoever cannot reach whom is told by `partition`, `cut`, `stall` and `unplug`."""

    def __init__(
        self, seed: object, trace: Trace, *, delay_s: tuple[float, float] = (0.001, 0.08), loss: float = 0.0
    ) -> None:
        self.trace = trace
        self.dice = random.Random(f"network {seed}")
        self.streams: list[tuple[SimStream, SimStream]] = []
        self.delivered = 0  # bytes
        self.loss = loss  # of 1: what is sent is lost on the way, and sent again by the kernel
        self._delay_s = delay_s
        self._ears: dict[Address, tuple[int, Callable[[ByteStream], None]]] = {}
        self._island: dict[str, int] = {}
        self._lives: dict[str, int] = {}
        self._ports = itertools.count(40_000)
        self._pair_delay: dict[tuple[str, str], float] = {}

    # --- nodes

    def carrier(self, host: str) -> SimCarrier:
        """For one life of the node at `host`; the carriers of its earlier lives are dead."""
        self._lives[host] = self._lives.get(host, 0) + 1
        return SimCarrier(self, host, self._lives[host])

    def unplug(self, host: str, *, silently: bool) -> None:
        """The node at `host` is gone; `silently`: like a machine without power, else its kernel still ends the streams."""
        self._lives[host] = self._lives.get(host, 0) + 1
        self._ears = {address: ear for address, ear in self._ears.items() if address.host != host}
        for pair in list(self.streams):
            for ours in pair:
                if ours.host == host and not ours.over:
                    if not silently:
                        self.later(ours.other.break_off, "reset by peer", delay_s=self.delay(host, ours.other.host))
                    ours.die()

    # --- faults

    def partition(self, groups: Iterable[Iterable[str]]) -> None:
        """Only hosts of one group reach each other; those in no group reach nobody. Streams across hang."""
        self._island = {host: number for number, group in enumerate(groups) for host in group}
        self._check()

    def heal(self) -> None:
        """Everybody reaches everybody; what was on its way arrives, unless its stream was given up meanwhile."""
        self._island = {}
        self._check()

    @property
    def partitioned(self) -> bool:
        """Whether somebody may not reach somebody."""
        return bool(self._island)

    def reachable(self, one: str, other: str) -> bool:
        """Whether bytes go from `one` to `other` now."""
        if not self._island or one == other:
            return True
        return one in self._island and self._island.get(one) == self._island.get(other)

    def cut(self, pair: tuple[SimStream, SimStream]) -> None:
        """Both ends learn at once that this stream is broken; what was on its way is lost."""
        for end in pair:
            end.break_off("connection reset")

    def stall(self, pair: tuple[SimStream, SimStream], seconds: float) -> None:
        """Nothing moves on this stream for so long."""
        for end in pair:
            end.stall(seconds)

    def standing(self) -> list[tuple[SimStream, SimStream]]:
        """The streams that are not over, the oldest first."""
        self.streams = [pair for pair in self.streams if not (pair[0].over and pair[1].over)]
        return [pair for pair in self.streams if not (pair[0].over or pair[1].over)]

    def _check(self) -> None:
        for pair in self.standing():
            for end in pair:
                end.unblock()

    # --- what carriers and streams ask for

    def alive(self, host: str, life: int) -> bool:
        return self._lives.get(host) == life

    def delay(self, one: str, other: str) -> float:
        """One way; each pair has its own, with a little jitter."""
        pair = (min(one, other), max(one, other))
        if pair not in self._pair_delay:
            self._pair_delay[pair] = self.dice.uniform(*self._delay_s)
        took = self._pair_delay[pair] * self.dice.uniform(1.0, 1.2)
        again_s = RETRANSMIT_S
        while self.loss and self.dice.random() < self.loss:
            took += again_s
            again_s *= 2
        return took

    def later(self, call: Callable[..., object], *args: object, delay_s: float) -> None:
        asyncio.get_running_loop().call_later(delay_s, call, *args)

    def note(self, what: str) -> None:
        self.trace.note(asyncio.get_running_loop().time(), what)

    def port(self) -> int:
        return next(self._ports)

    def is_up(self, host: str) -> bool:
        """Whether somebody listens there."""
        return any(address.host == host and self.alive(host, life) for address, (life, _) in self._ears.items())

    def ear(self, address: Address) -> Callable[[ByteStream], None] | None:
        """Who listens there, if that life of the host still lives."""
        life, accept = self._ears.get(address, (0, None))
        return accept if accept is not None and self.alive(address.host, life) else None

    def open_ear(self, address: Address, life: int, accept: Callable[[ByteStream], None]) -> None:
        if self.ear(address) is not None:
            raise OSError(f"{address} is taken")
        self._ears[address] = (life, accept)

    def close_ear(self, address: Address, life: int) -> None:
        if self._ears.get(address, (0, None))[0] == life:
            del self._ears[address]


@dataclass(frozen=True)
class SimCarrier:
    """See `streams.Carrier`."""

    network: Network
    host: str
    life: int

    async def dial(self, address: Address) -> ByteStream:
        network = self.network
        await asyncio.sleep(network.delay(self.host, address.host))
        while not network.reachable(self.host, address.host):  # noqa: ASYNC110
            await asyncio.sleep(1.0)  # the SYN is sent again; the caller gives up when it wants
        accept = network.ear(address)
        if accept is None or not network.alive(self.host, self.life):
            await asyncio.sleep(network.delay(self.host, address.host))
            raise ConnectionRefusedError(f"{address} refuses")
        ours = SimStream(network, self.host, address)
        theirs = SimStream(network, address.host, Address(self.host, network.port()))
        ours.other, theirs.other = theirs, ours
        network.streams.append((ours, theirs))
        network.note(f"stream {self.host} to {address}")
        accept(theirs)
        try:
            await asyncio.sleep(network.delay(self.host, address.host))
        except asyncio.CancelledError:
            ours.abort()
            raise
        if ours.over:
            raise ConnectionResetError("reset by peer")
        return ours

    async def listen(self, address: Address, accept: Callable[[ByteStream], None]) -> SimListener:
        bound = Address(self.host, address.port or self.network.port())
        self.network.open_ear(bound, self.life, accept)
        return SimListener(self, bound)


@dataclass(frozen=True)
class SimListener:
    """See `streams.Listener`."""

    carrier: SimCarrier
    address: Address

    def close(self) -> None:
        self.carrier.network.close_ear(self.address, self.carrier.life)


@dataclass(eq=False)
class SimStream:
    """One end of a pipe. What it writes arrives at the other end in order, in pieces, later."""

    network: Network
    host: str
    remote: Address
    over: bool = False
    congested: bool = False
    other: SimStream = field(init=False)
    _receiver: Receiver | None = None
    _early: list[bytes] = field(default_factory=list)  # arrived before `start`
    _early_end: str | None = None
    _under_way: list[bytes | None] = field(default_factory=list)  # written, not arrived; None: the end
    _moving: bool = False
    _held_until: float = 0.0
    _blocked_since: float | None = None
    _closing: bool = False
    _dead: bool = False  # the process is gone: nobody is told anything

    @property
    def path(self) -> str:
        return f"sim {self.remote}"

    # --- what a link asks for

    def start(self, receiver: Receiver) -> None:
        self._receiver = receiver
        early, self._early = self._early, []
        loop = asyncio.get_running_loop()
        for data in early:
            loop.call_soon(self._take, data)
        if self._early_end is not None:
            loop.call_soon(self._tell_end, self._early_end)

    def write(self, data: bytes) -> None:
        if self.over or self._closing or not data:
            return
        view = bytes(data)
        while view:
            size = self.network.dice.randint(1, PIECE) if len(view) > 1 and self.network.dice.random() < 0.1 else PIECE
            self._under_way.append(view[:size])
            view = view[size:]
        self.congested = self.unarrived > HIGH
        self._move()

    def close(self) -> None:
        if self.over or self._closing:
            return
        self._closing = True
        self._under_way.append(None)
        self._move()
        asyncio.get_running_loop().call_soon(self._end, "closed")

    def abort(self) -> None:
        if not self.over:
            self._under_way = [None]
            self._closing = True
            self._move()
            asyncio.get_running_loop().call_soon(self._end, "aborted")

    # --- what the network does

    def stall(self, seconds: float) -> None:
        self._held_until = asyncio.get_running_loop().time() + seconds

    def unblock(self) -> None:
        """Reachability has changed."""
        if self._under_way and not self._moving:
            self._move()

    def break_off(self, reason: str) -> None:
        """The stream is broken and this end learns it."""
        self._under_way.clear()
        self._end(reason)

    def die(self) -> None:
        """The process of this end is gone."""
        self._dead = True
        self.over = True
        self._under_way.clear()
        self._receiver = None

    @property
    def unarrived(self) -> int:
        """Bytes written and not arrived."""
        return sum(len(piece) for piece in self._under_way if piece is not None)

    def _move(self) -> None:
        if self._moving or not self._under_way:
            return
        network = self.network
        now = asyncio.get_running_loop().time()
        if not network.reachable(self.host, self.other.host):
            if self._blocked_since is None:
                self._blocked_since = now
                network.later(self._give_up, now, delay_s=BLOCKED_S)
            return
        self._blocked_since = None
        self._moving = True
        piece = self._under_way[0]
        wait_s = network.delay(self.host, self.other.host) + (len(piece) / RATE if piece else 0.0)
        network.later(self._arrive, delay_s=max(wait_s, self._held_until - now))

    def _arrive(self) -> None:
        self._moving = False
        if not self._under_way:
            return
        if not self.network.reachable(self.host, self.other.host):
            self._move()  # notes since when it is blocked
            return
        # All that is on the way arrives with the first piece, up to a piece's size: one delay for a burst, as on a wire.
        arrived = 0
        while self._under_way and arrived < PIECE:
            piece = self._under_way.pop(0)
            if piece is None:
                self.other._told("closed")
                break
            arrived += len(piece)
            self.other._take(piece)
        if self.congested and self.unarrived <= LOW:
            self.congested = False
            if self._receiver is not None and not self.over and not self._closing:
                self._receiver.writable()
        self._move()

    def _give_up(self, since: float) -> None:
        if self._blocked_since == since and self._under_way:
            self.break_off("timed out")

    def _told(self, reason: str) -> None:
        """The other end has closed."""
        if not self._dead:
            self._end(reason)

    def _take(self, data: bytes) -> None:
        if self._dead:
            network = self.network
            if network.is_up(self.host):  # it was started again, and its kernel knows nothing of this stream
                network.later(self.other.break_off, "reset by peer", delay_s=network.delay(self.host, self.other.host))
            else:
                network.later(self.other.break_off, "timed out", delay_s=BLOCKED_S)
        elif self.over:
            return
        elif self._receiver is None:
            self._early.append(data)
        else:
            self.network.delivered += len(data)
            self.network.note(f"{self.remote} > {self.host} {len(data)} {hash_of(data)}")
            self._receiver.received(data)

    def _end(self, reason: str) -> None:
        if self.over:
            return
        self.over = True
        if self._receiver is None:
            self._early_end = reason
        else:
            self._tell_end(reason)

    def _tell_end(self, reason: str) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.ended(reason)


def hash_of(data: bytes) -> str:
    """Short, and the same in every process."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()[:12]


@dataclass
class NamingSecurity:
    """In the place of TLS: each end shows its certificates and is believed to hold the keys; the chain is checked as TLS does."""

    identity: Identity
    now: Callable[[], float]
    revoked: Callable[[AccountId], Container[bytes]]

    def endpoint(self, *, server: bool, device: DeviceId | None = None) -> NamingEndpoint:
        return NamingEndpoint(self, device, server=server)


class NamingEndpoint:
    """Two certificates, each after its length in 4 bytes; then plain bytes."""

    def __init__(self, security: NamingSecurity, wanted: DeviceId | None, *, server: bool) -> None:
        self.peer: Peer | None = None
        self.fault: str | None = None
        self.finished = False
        self._security = security
        self._wanted = wanted
        self._server = server
        us = security.identity
        self._out = b"".join(len(each.der).to_bytes(4, "big") + each.der for each in (us.device, us.account))
        self._in = b""

    def start(self) -> None:
        """Both sides speak at once."""

    def receive(self, data: bytes | memoryview) -> bytes:
        self._in += bytes(data)
        if self.peer is None and self.fault is None:
            self._meet()
        if self.peer is None or self.fault is not None:
            return b""
        plain, self._in = self._in, b""
        return plain

    def send(self, data: bytes) -> None:
        assert self.peer is not None, "nothing is said to a claim"
        self._out += data

    def pull(self) -> bytes:
        out, self._out = self._out, b""
        return out

    def end(self) -> None:
        """The end of the stream says it."""

    def _meet(self) -> None:
        shown: list[Certificate] = []
        rest = self._in
        for _ in range(2):
            size = int.from_bytes(rest[:4], "big")
            if len(rest) < 4 + size or len(rest) < 4:
                return
            shown.append(Certificate.from_der(rest[4 : 4 + size]))
            rest = rest[4 + size :]
        leaf, root = shown
        self._in = rest
        security = self._security
        fault = check_chain(leaf, root, at=security.now(), revoked=security.revoked(root.account_id))
        if fault is not None and not (self._server and fault is ChainFault.REVOKED):
            self.fault = fault.value
        elif leaf.device_id == security.identity.device.device_id:
            self.fault = "that is this device"
        elif self._wanted is not None and leaf.device_id != self._wanted:
            self.fault = "another device answers"
        else:
            self.peer = Peer(leaf.device_id, root.account_id, leaf, root)
