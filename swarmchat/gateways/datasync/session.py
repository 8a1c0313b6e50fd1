"""One data-sync peer over one connection: who it is is proved first, then payloads come and go. (SCP-09 §4.6)"""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Protocol

from swarmchat.errors import SwarmchatError
from swarmchat.gateways.datasync.frames import Frames, frame
from swarmchat.gateways.datasync.hello import Fault, Handshake
from swarmchat.gateways.datasync.payload import Payload, PeerId, read_payload, write_payload
from swarmchat.gateways.refusal import Refused
from swarmchat.limits import DATASYNC_HELLO_S, DATASYNC_UNSENT_PAYLOADS_MAX

if TYPE_CHECKING:
    from swarmchat.links.channel import Channel

CHANNEL: Final = "mvds"
EXPORTER_LABEL: Final = b"EXPORTER-swarmchat-mvds"
_READ_BYTES: Final = 64 * 1024


class Wire(Protocol):
    """A connection that carries bytes. What breaks it is an OSError or a SwarmchatError."""

    async def read(self) -> bytes:
        """What came, at least one byte; nothing at the peer's end."""

    async def write(self, data: bytes) -> None:
        """Send, and wait while too much is unsent."""

    def close(self) -> None:
        """The end."""


class StreamWire:
    """A TCP connection."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        """See Wire."""
        return await self._reader.read(_READ_BYTES)

    async def write(self, data: bytes) -> None:
        """See Wire."""
        self._writer.write(data)
        await self._writer.drain()

    def close(self) -> None:
        """See Wire. What a peer has not read by now it is sent again: it holds no connection open by not reading."""
        self._writer.transport.abort()


class ChannelWire:
    """A channel of a link, after its opening was answered."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def read(self) -> bytes:
        """See Wire."""
        return await self._channel.receive_bytes(_READ_BYTES)

    async def write(self, data: bytes) -> None:
        """See Wire."""
        await self._channel.send_bytes(data)

    def close(self) -> None:
        """See Wire."""
        self._channel.close()


class Session:
    """A connection to a peer that has proved who it is."""

    def __init__(self, wire: Wire, frames: Frames, peer: PeerId, loses: Callable[[], bool]) -> None:
        self.peer = peer
        self._wire = wire
        self._frames = frames
        self._loses = loses
        self._unsent: asyncio.Queue[bytes] = asyncio.Queue(DATASYNC_UNSENT_PAYLOADS_MAX)

    def send(self, payload: Payload) -> None:
        """Have it sent; lost where the peer reads so slowly that too many wait, and then sent again later."""
        if not self._loses():
            with contextlib.suppress(asyncio.QueueFull):
                self._unsent.put_nowait(frame(write_payload(payload)))

    async def run(self, take: Callable[[Payload | Refused], Awaitable[None]]) -> Refused | None:
        """Hand over what the peer says, until it ends: a payload, or why one is none. What is no frame ends it; OSError, SwarmchatError."""
        broken: Exception
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(self._write())
            try:
                return await self._read(take)
            except (OSError, SwarmchatError) as fault:  # as itself, and not in a group of one
                broken = fault
            finally:
                writing.cancel()
        raise broken

    def close(self) -> None:
        """The end."""
        self._wire.close()

    async def _read(self, take: Callable[[Payload | Refused], Awaitable[None]]) -> Refused | None:
        while True:
            body = await _next(self._wire, self._frames)
            if body is None or isinstance(body, Refused):
                return body
            if not self._loses():
                await take(read_payload(body))

    async def _write(self) -> None:
        try:
            while True:
                await self._wire.write(await self._unsent.get())
        except (OSError, SwarmchatError):
            self._wire.close()  # the reader hears of it too


def _never() -> bool:
    return False


async def shake(wire: Wire, handshake: Handshake, *, loses: Callable[[], bool] = _never) -> Session | Refused:
    """Prove each other who one is, within DATASYNC_HELLO_S. OSError, SwarmchatError of the wire.

    `loses` tells of each payload, those that come and those that go, whether it is lost: for trials.
    """
    frames = Frames()
    try:
        async with asyncio.timeout(DATASYNC_HELLO_S):
            await wire.write(frame(handshake.first()))
            while handshake.peer is None:
                body = await _next(wire, frames)
                if body is None:
                    return Refused(Fault.NO_HELLO, "it went away")
                answer = body if isinstance(body, Refused) else handshake.receive(body)
                if isinstance(answer, Refused):
                    return answer
                if answer is not None:
                    await wire.write(frame(answer))
    except TimeoutError:
        return Refused(Fault.NO_HELLO, f"within {DATASYNC_HELLO_S:g} s")
    return Session(wire, frames, PeerId(handshake.peer.raw), loses)


async def _next(wire: Wire, frames: Frames) -> bytes | Refused | None:
    while True:
        body = frames.next()
        if body is not None:
            return body
        data = await wire.read()
        if not data:
            return None
        frames.feed(data)
