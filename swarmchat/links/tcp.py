"""The carrier that exists everywhere: TCP. (SCP-03 §1, §7)"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from swarmchat.addresses import Address
from swarmchat.errors import in_words
from swarmchat.limits import KIB, LISTEN_BACKLOG, TCP_USER_TIMEOUT_MS
from swarmchat.links.streams import ByteStream, Receiver

_READ_BYTES: Final = 128 * KIB
_WRITE_HIGH: Final = 64 * KIB  # above it `congested`: what waits behind it cannot be overtaken by a ping
_WRITE_LOW: Final = 32 * KIB
_NOTSENT_LOWAT: Final = 128 * KIB  # the same for what the kernel holds unsent
_FLUSH_S: Final = 5.0  # how long a closed stream may still try to send


class TcpCarrier:
    """Dials and listens on TCP, in one event loop: all its streams read into one buffer, as only one reads at a time."""

    def __init__(self) -> None:
        self._buffer = memoryview(bytearray(_READ_BYTES))

    async def dial(self, address: Address) -> ByteStream:
        """See `streams.Dialer`."""
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(lambda: _TcpStream(self._buffer, None), address.host, address.port)
        return stream

    async def listen(self, address: Address, accept: Callable[[ByteStream], None]) -> TcpListener:
        """See `streams.Carrier`; the host is a literal address, `0.0.0.0` or `::`."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: _TcpStream(self._buffer, accept), address.host, address.port, backlog=LISTEN_BACKLOG
        )
        return TcpListener(server, address)


class TcpListener:
    """See `streams.Listener`."""

    def __init__(self, server: asyncio.Server, asked: Address) -> None:
        self._server = server
        self._asked = asked
        self._port: int = server.sockets[0].getsockname()[1]

    @property
    def address(self) -> Address:
        """The asked host with the port that it got."""
        return Address(self._asked.host, self._port)

    def close(self) -> None:
        """Take no more."""
        self._server.close()


class _TcpStream(asyncio.BufferedProtocol):
    __slots__ = ("_accept", "_buffer", "_receiver", "_transport", "congested", "path", "remote")

    def __init__(self, buffer: memoryview, accept: Callable[[ByteStream], None] | None) -> None:
        self.congested = False
        self.remote = Address("", 0)
        self.path = "tcp"
        self._buffer = buffer
        self._accept = accept
        self._receiver: Receiver | None = None
        self._transport: asyncio.Transport | None = None

    # --- what a link asks for

    def start(self, receiver: Receiver) -> None:
        self._receiver = receiver
        if self._transport is None:
            asyncio.get_running_loop().call_soon(receiver.ended, "cut off")  # it broke before it was used
        else:
            self._transport.resume_reading()

    def write(self, data: bytes) -> None:
        if self._transport is not None and data:
            self._transport.write(data)

    def close(self) -> None:
        transport = self._transport
        if transport is None:
            return
        transport.close()
        if transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(_FLUSH_S, transport.abort)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # --- what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        host, port, *_ = transport.get_extra_info("peername") or ("", 0)
        self.remote = Address(host, port)
        self.path = f"tcp {self.remote}"
        transport.set_write_buffer_limits(high=_WRITE_HIGH, low=_WRITE_LOW)
        transport.pause_reading()
        _tune(transport.get_extra_info("socket"))
        if self._accept is not None:
            self._accept(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._receiver is not None:
            self._receiver.received(self._buffer[:nbytes])

    def eof_received(self) -> bool:
        return False  # there is no half of a link

    def pause_writing(self) -> None:
        self.congested = True

    def resume_writing(self) -> None:
        self.congested = False
        if self._receiver is not None:
            self._receiver.writable()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._receiver is not None:
            self._receiver.ended(in_words(exc) if exc else "closed")


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, value in (("TCP_NOTSENT_LOWAT", _NOTSENT_LOWAT), ("TCP_USER_TIMEOUT", TCP_USER_TIMEOUT_MS)):
        option = getattr(socket, name, None)  # Linux has both, other systems one or none
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
