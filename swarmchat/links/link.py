"""One trusted, multiplexed line to one device: from the first byte to the last. (SCP-03 §2–§4, §7)"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from swarmchat.errors import LinkError, PeerError
from swarmchat.ids import DeviceId
from swarmchat.limits import (
    ANSWER_TIMEOUT_S,
    CHANNEL_LINGER_S,
    HANDSHAKE_TIMEOUT_S,
    LINK_DRAIN_S,
    PAIRING_LINK_S,
    PING_AFTER_S,
    PING_TIMEOUT_S,
    PINGS_MISSED_MAX,
    STRANGER_BYTES_MAX,
    STRANGER_IDLE_S,
)
from swarmchat.links.channel import BULK, LASTING, NAMES, Channel
from swarmchat.links.frames import FrameError, Message, Preface
from swarmchat.links.mux import (
    GO_AWAY_NORMAL,
    GO_AWAY_PROTOCOL,
    DataReceived,
    Event,
    GoneAway,
    MuxError,
    PongReceived,
    StreamEnded,
    StreamOpened,
    StreamReset,
)
from swarmchat.links.peers import LinkClass, Peer
from swarmchat.links.pump import Pump, PumpHooks
from swarmchat.links.stack import Stack
from swarmchat.links.streams import ByteStream, Endpoint
from swarmchat.links.tiebreak import Claim
from swarmchat.runtime import Runtime

_CODE_CHARS_MAX = 64
_TEXT_CHARS_MAX = 256
_UNTRUSTED = frozenset({LinkClass.STRANGER, LinkClass.REVOKED})


@dataclass(frozen=True, slots=True)
class LinkTimes:
    """How long a link waits for what, seconds; a test gives its own."""

    handshake_s: float = HANDSHAKE_TIMEOUT_S
    answer_s: float = ANSWER_TIMEOUT_S
    ping_after_s: float = PING_AFTER_S
    ping_timeout_s: float = PING_TIMEOUT_S
    drain_s: float = LINK_DRAIN_S
    linger_s: float = CHANNEL_LINGER_S
    stranger_idle_s: float = STRANGER_IDLE_S
    pairing_s: float = PAIRING_LINK_S


@dataclass(frozen=True, slots=True)
class LinkHooks:
    """Whom a link tells, and asks."""

    up: Callable[[Link], None]  # may close or drain it
    going: Callable[[Link], None]  # the peer takes no new channels: it goes, or another link is better
    over: Callable[[Link, str], None]  # called once
    may_open: Callable[[Link, Message], str | None]  # an error code of SCP-03 §4a, or None
    serve: Callable[[Channel], None]  # a channel that the peer opened and may have


class Link:
    """A line to one device. Its owner runs `watch` as long as it lives; `up` tells when it can be used."""

    def __init__(
        self,
        stream: ByteStream,
        endpoint: Endpoint,
        preface: Preface,
        runtime: Runtime,
        hooks: LinkHooks,
        *,
        times: LinkTimes,
    ) -> None:
        self.dialled = preface.dial is not None  # we dialled: we are client of TLS and mux
        self.address = stream.remote
        self.path = stream.path
        self.since = runtime.now()  # seconds since 1970; when it came up, once it is
        self.link_class: LinkClass | None = None
        self.blamed = False  # it ended by a fault of the peer
        self._runtime = runtime
        self._hooks = hooks
        self._times = times
        self._preface = preface
        self._stack = Stack(endpoint, preface, client=self.dialled)
        self._pump = Pump(
            stream,
            self._stack,
            monotonic=runtime.monotonic,
            hooks=PumpHooks(self._came_up, self._happened, self._has_room, self._ended),
        )
        self._started = runtime.monotonic()
        self._channels: dict[int, Channel] = {}
        self._lingering: dict[int, float] = {}  # closed by us, not yet by the peer: when to reset
        self._quiet_since = self._started  # no channel is open since
        self._draining_until: float | None = None
        self._pings: dict[int, asyncio.Future[float]] = {}
        self._pinged_at: float | None = None
        self._missed = 0
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[str] = loop.create_future()
        self._over: asyncio.Future[str] = loop.create_future()

    def start(self) -> None:
        """Begin the handshake."""
        self._pump.start()

    # --- what is known

    @property
    def is_up(self) -> bool:
        """Whether both prefaces are read."""
        return self._stack.up

    @property
    def is_open(self) -> bool:
        """Whether channels can be opened."""
        return self._stack.up and not self._pump.over and self._draining_until is None

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._pump.over

    @property
    def peer(self) -> Peer:
        """The device at the other end; only once the link is up, or its handshake finished."""
        peer = self._stack.peer
        assert peer is not None, "a link has a peer once its handshake is finished"
        return peer

    def exporter(self, label: bytes) -> bytes:
        """32 bytes that only the two ends of this link can compute: who proves with them is no man in the middle. (SCP-01 §3.2)"""
        return self._stack.exporter(label)

    @property
    def agent(self) -> str:
        """What the peer says it runs: for people, and not to be trusted."""
        return self._stack.heard.agent if self._stack.heard else ""

    @property
    def clock_offset_s(self) -> float:
        """How far the peer's clock was ahead of ours when the link came up."""
        return self._stack.heard.now - self.since if self._stack.heard else 0.0

    @property
    def bytes_in(self) -> int:
        """Bytes that came, as they travelled."""
        return self._pump.bytes_in

    @property
    def bytes_out(self) -> int:
        """Bytes that went, as they travelled."""
        return self._pump.bytes_out

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The open ones."""
        return tuple(self._channels.values())

    @property
    def closed(self) -> asyncio.Future[str]:
        """Awaitable: the reason, when it has ended. May be cancelled without harm."""
        return asyncio.shield(self._over)

    def claim(self, us: DeviceId) -> Claim:
        """What the tie-break compares. (SCP-03 §5)"""
        heard = self._stack.heard
        assert heard is not None, "a link without a preface takes part in no tie-break"
        dial = self._preface.dial if self.dialled else heard.dial
        assert dial is not None, "one of the two prefaces is the client's"
        return Claim(us if self.dialled else self.peer.device, dial, heard.boot)

    # --- what can be asked

    async def up(self) -> None:
        """Wait until it can be used; LinkError with the reason if it never can."""
        await asyncio.wait({self._ready, self._over}, return_when=asyncio.FIRST_COMPLETED)
        if self._over.done():
            raise LinkError(self._over.result())

    async def open_channel(self, name: str, **fields: Any) -> tuple[Channel, Message]:
        """Open a channel with `{"c":name,"v":1,**fields}`; it and the peer's answer.

        PeerError with the peer's code if it refuses, LinkError if the link breaks or no answer comes within 10 s.
        """
        if not self.is_open:
            raise LinkError(self._over.result() if self._over.done() else "the link takes no new channels")
        try:
            stream = self._pump.open(bulk=name in BULK)
        except MuxError as error:
            raise LinkError(str(error)) from error
        channel = Channel(self, self._pump, stream, incoming=False, opened_at=self._runtime.monotonic())
        channel.named(name, {"c": name, "v": 1, **fields})
        self._channels[stream] = channel
        try:
            async with asyncio.timeout(self._times.answer_s):
                await channel.send(channel.opening)
                answer = await channel.receive()
        except TimeoutError:
            channel.reset()
            raise LinkError(f"no answer within {self._times.answer_s:g} s") from None
        except BaseException:
            channel.reset()
            raise
        if answer is not None and answer.get("ok") is True:
            return channel, answer
        channel.close()
        raise _refusal(answer)

    async def ping(self) -> float:
        """The time to the peer and back, seconds; LinkError if it breaks meanwhile."""
        if self._pump.over:
            raise LinkError(self._over.result())
        waiter: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        asked = self._runtime.monotonic()
        self._pings[self._pump.ping()] = waiter
        ends: list[asyncio.Future[Any]] = [waiter, self._over]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not waiter.done():
            raise LinkError(self._over.result())
        return waiter.result() - asked

    def close(self, reason: str) -> None:
        """End it now; what the channels still had to send is dropped."""
        self._pump.close(reason)

    def break_off(self, reason: str) -> None:
        """End it because the peer broke the protocol."""
        self._pump.close(reason, code=GO_AWAY_PROTOCOL, blame=True)

    def drain(self) -> None:
        """Take no new channels, let those that are open finish (but those that move to a better link), then end."""
        if self._pump.over or self._draining_until is not None:
            return
        self._draining_until = self._runtime.monotonic() + self._times.drain_s
        self._pump.go_away()
        for channel in self.channels:
            if channel.name in LASTING:
                channel.close()
        self._end_if_drained()

    def judge_channels(self) -> None:
        """The policy may have changed: break off what the peer opened and may not have any more. (SCP-03 §2b)"""
        for channel in self.channels:
            if channel.incoming and channel.name and self._hooks.may_open(self, channel.opening) is not None:
                channel.reset()

    async def watch(self) -> None:
        """Keep the times of SCP-03 §2a, §2b, §7 until the link ends."""
        while not self._pump.over:
            await self._runtime.sleep(self._tick(self._runtime.monotonic()))

    # --- what the pump tells

    def _came_up(self) -> None:
        self.since = self._runtime.now()
        self._quiet_since = self._runtime.monotonic()
        self._hooks.up(self)
        if not self._ready.done() and not self._pump.over:
            self._ready.set_result("")

    def _ended(self, reason: str, blame: bool) -> None:
        self.blamed = blame
        for channel in self.channels:
            channel.broke(f"the link ended: {reason}")
        self._channels.clear()
        self._over.set_result(reason)
        self._hooks.over(self, reason)

    def _has_room(self, stream: int) -> None:
        if channel := self._channels.get(stream):
            channel.has_room()

    def _happened(self, event: Event) -> None:
        match event:
            case DataReceived(stream, data):
                self._on_data(stream, data)
            case StreamOpened(stream):
                now = self._runtime.monotonic()
                self._channels[stream] = Channel(self, self._pump, stream, incoming=True, opened_at=now)
            case StreamEnded(stream):
                self._on_end(stream)
            case StreamReset(stream, why):
                self._lingering.pop(stream, None)
                if channel := self._channels.pop(stream, None):
                    channel.broke(why or "the peer reset the channel")
                    self._fewer_channels()
            case PongReceived(value):
                waiter = self._pings.pop(value, None)
                if waiter is not None and not waiter.done():
                    waiter.set_result(self._runtime.monotonic())
            case GoneAway(code):
                self._on_go_away(code)
        if self.link_class in _UNTRUSTED and not self.dialled and self._pump.bytes_in > STRANGER_BYTES_MAX:
            self._pump.close("a stranger sent too much")

    def _on_data(self, stream: int, data: bytes) -> None:
        channel = self._channels.get(stream)
        if channel is None:
            self._pump.consumed(stream, len(data))  # we closed it
            return
        channel.arrived(data)
        if channel.awaits_opening:
            self._try_opening(channel)

    def _on_end(self, stream: int) -> None:
        self._lingering.pop(stream, None)
        channel = self._channels.get(stream)
        if channel is None:
            return
        channel.peer_ended()
        if channel.awaits_opening:
            channel.reset()  # it ended before it said what it is

    def _on_go_away(self, code: int) -> None:
        if code != GO_AWAY_NORMAL:
            self._pump.close(f"the peer broke off (code {code})")
        elif self._draining_until is None:
            self._hooks.going(self)
            self.drain()
        else:
            self._end_if_drained()

    # --- channels that the peer opens

    def _try_opening(self, channel: Channel) -> None:
        try:
            opening = channel.try_opening()
        except FrameError as error:
            self.break_off(f"opening: {error}")
            return
        if opening is None:
            return
        name = opening.get("c")
        code = self._judge_opening(name, opening)
        self._pump.accept(channel.stream, bulk=isinstance(name, str) and name in BULK)
        channel.named(name if isinstance(name, str) and name in NAMES else "?", opening)
        if code is not None:
            channel.refuse_now(code)
        elif not channel.closed:
            self._hooks.serve(channel)

    def _judge_opening(self, name: object, opening: Message) -> str | None:
        version = opening.get("v")
        if not isinstance(name, str) or not isinstance(version, int) or isinstance(version, bool):
            return "bad-message"
        if name not in NAMES:
            return "unknown-channel"
        if version != 1:
            return "version"
        if self.link_class is LinkClass.REVOKED:
            return "forbidden"
        if self._draining_until is not None:
            return "busy"
        if name in LASTING:
            if self.dialled:
                return "forbidden"  # the side that dialled opens it
            if any(other.name == name and not other.ended for other in self._channels.values()):
                return "busy"
        return self._hooks.may_open(self, opening)

    # --- channels that end

    def closing(self, channel: Channel) -> None:
        """`channel` was closed or reset on our side."""
        if self._channels.pop(channel.stream, None) is not None:
            if not channel.is_broken:
                self._lingering[channel.stream] = self._runtime.monotonic() + self._times.linger_s
            self._fewer_channels()

    def _fewer_channels(self) -> None:
        if not self._channels:
            self._quiet_since = self._runtime.monotonic()
            self._end_if_drained()

    def _end_if_drained(self) -> None:
        if self._draining_until is not None and not self._channels and not self._pump.over:
            self._pump.close("drained")

    # --- time

    def _tick(self, now: float) -> float:
        """Do what is due; in how many seconds to look again."""
        times = self._times
        if not self._stack.up:
            left_s = self._expire(
                self._started + times.handshake_s, now, f"no handshake in {times.handshake_s:g} s", True
            )
            return min(left_s, times.ping_timeout_s)  # it may come up meanwhile, and other times begin
        for stream, due in sorted(self._lingering.items()):
            if due <= now:
                del self._lingering[stream]
                self._pump.reset(stream)
        for channel in self.channels:
            if channel.awaits_opening and channel.opened_at + times.answer_s <= now:
                channel.reset()
        waits = [times.ping_timeout_s, self._check_liveness(now)]
        if self._draining_until is not None:
            waits.append(self._expire(self._draining_until, now, "drained long enough"))
        if self.link_class is LinkClass.STRANGER and not self.dialled and not self._channels:
            waits.append(self._expire(self._quiet_since + times.stranger_idle_s, now, "an idle stranger"))
        if self.link_class is LinkClass.PAIRING:
            waits.append(self._expire(self._started + times.pairing_s, now, "pairing took too long"))
        return min(waits)

    def _expire(self, due: float, now: float, reason: str, blame: bool = False) -> float:
        if now < due:
            return due - now
        self._pump.close(reason, blame=blame)
        return 0.0

    def _check_liveness(self, now: float) -> float:
        times = self._times
        heard = self._pump.heard_at
        if self._pinged_at is None or heard >= self._pinged_at:
            self._pinged_at, self._missed = None, 0
            if now - heard < times.ping_after_s:
                return heard + times.ping_after_s - now
        elif now - self._pinged_at < times.ping_timeout_s:
            return self._pinged_at + times.ping_timeout_s - now
        else:
            self._missed += 1
        if self._missed >= PINGS_MISSED_MAX:
            self._pump.close("the peer is silent")
            return 0.0
        self._pinged_at = now
        self._pump.ping()
        return times.ping_timeout_s


def _refusal(answer: Message | None) -> LinkError | PeerError:
    if answer is None:
        return LinkError("the channel ended without an answer")
    code, text = answer.get("error"), answer.get("text")
    if not isinstance(code, str):
        return PeerError("bad-message", "the answer is neither ok nor an error")
    return PeerError(code[:_CODE_CHARS_MAX], (text if isinstance(text, str) and text else code)[:_TEXT_CHARS_MAX])
