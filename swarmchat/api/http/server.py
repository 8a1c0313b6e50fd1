"""The listener: bounded connections, bounded patience, and an end within seconds. (SCP-08 §1.1, §3.2)

Of uvicorn we take the protocols, HTTP/1.1 and WebSocket, and not its server: signals, the loop and the end are the daemon's.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.api.http import app
from swarmchat.api.http.gate import is_loopback
from swarmchat.api.http.house import NO_READER, House
from swarmchat.errors import SettingsError, UserError

log = logging.getLogger(__name__)

_FULL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\ncontent-length: 21\r\n"
    b"retry-after: 1\r\nconnection: close\r\n\r\ntoo many connections\n"
)
_LEFT_S: Final = 0.5  # from hanging up to the end of what was being answered


@asynccontextmanager
async def serve(house: House, address: Address, tls: tuple[Path, Path] | None) -> AsyncIterator[Address]:
    """Answer at `address` while the context lasts; yields where it listens. `tls`: files of the certificate and its key.

    UserError when it cannot listen there, SettingsError when others could reach it without TLS or its files are of no use.
    """
    if tls is None and not is_loopback(address.host):
        raise SettingsError(
            f"{address} can be reached from other machines, and without TLS all could read the token",
            hint="give api.tls_certificate and api.tls_key, or listen on 127.0.0.1 and use an SSH tunnel",
        )
    context = None if tls is None else _tls(*tls)
    state = ServerState()
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # rubbish from the network is no news
    config = uvicorn.Config(
        app.make(house),
        http=functools.partial(_Connection, house),  # type: ignore[arg-type]
        ws=_websocket,  # type: ignore[arg-type]
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        h11_max_incomplete_event_size=limits.HTTP_HEAD_BYTES_MAX,
        timeout_keep_alive=limits.HTTP_IDLE_S,
        ws_max_size=limits.API_LINE_BYTES_MAX,
        ws_per_message_deflate=False,
    )
    config.load()
    listener = _listen(address)
    loop = asyncio.get_running_loop()
    handshake_s = None if context is None else limits.HTTP_HEAD_S
    server = await loop.create_server(
        lambda: config.http_protocol_class(config=config, server_state=state, app_state={}),  # type: ignore[call-arg]
        sock=listener,
        ssl=context,
        ssl_handshake_timeout=handshake_s,
        backlog=limits.HTTP_CONNECTIONS_MAX,
    )
    host, port = listener.getsockname()[:2]
    try:
        yield Address(host, port)
    finally:
        house.close()
        server.close()
        await _finish(state, house.closed_at + limits.API_CLOSE_S + _LEFT_S)


async def _finish(state: ServerState, deadline: float) -> None:
    """Let what is being answered end by `deadline` of the loop's clock, then hang up."""
    for connection in list(state.connections):
        if isinstance(connection, H11Protocol):
            connection.shutdown()  # now if it is idle, else after its answer; a WebSocket is closed by its own dialogue
    if state.tasks:
        left_s = deadline - asyncio.get_running_loop().time()
        await asyncio.wait(set(state.tasks), timeout=max(_LEFT_S, left_s))
    for connection in list(state.connections):
        connection.transport.abort()
    if state.tasks:
        _, late = await asyncio.wait(set(state.tasks), timeout=_LEFT_S)
        for task in late:
            task.cancel()
    turn = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(turn.set_result, None)
    await turn  # connections that were dropped are told so in this turn of the loop


class _Connection(H11Protocol):
    """uvicorn's connection, with bounds that it has not: how many there are, and how long a request may take to be asked."""

    def __init__(
        self, house: House, config: uvicorn.Config, server_state: ServerState, app_state: dict[str, Any]
    ) -> None:
        super().__init__(config, server_state, app_state)
        inner = self.app

        async def ours(scope: Any, receive: Any, send: Any) -> None:
            scope["swarmchat.abort"] = functools.partial(_abort, self)
            scope["swarmchat.drained"] = self.flow.drain
            await inner(scope, receive, send)

        self.app = ours
        self._house = house
        self._head: asyncio.TimerHandle | None = None
        self._end: asyncio.TimerHandle | None = None
        self._is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """One more, unless there are too many."""
        if len(self.connections) >= limits.HTTP_CONNECTIONS_MAX or self._house.closing.is_set():
            self._is_refused = True
            self.transport = transport
            transport.write(_FULL)
            transport.close()
            return
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._stop_waiting()
        if self._end is not None:
            self._end.cancel()
        if not self._is_refused:
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a request, or rubbish."""
        if self._is_refused:
            return
        super().data_received(data)
        is_waiting = self.cycle is None or self.cycle.response_complete
        if self.transport.is_closing():
            self._stop_waiting()
            self._expect_end()
        elif is_waiting and self.transport.get_protocol() is self:  # else it is a WebSocket now
            self._expect_head()
        else:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """All of an answer is written; whether it is read remains to be seen."""
        super().on_response_complete()
        self._expect_end()

    def _expect_head(self) -> None:
        if self._head is None:
            self._head = self.loop.call_later(limits.HTTP_HEAD_S, self._give_up)

    def _stop_waiting(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _give_up(self) -> None:
        self._head = None
        self.transport.abort()

    def _expect_end(self) -> None:
        """Whoever takes nothing of what is left to send for a while is hung up on: closing alone would wait for ever."""
        if self._end is None and self.transport.get_write_buffer_size():
            left = self.transport.get_write_buffer_size()
            self._end = self.loop.call_later(limits.API_WRITE_TIMEOUT_S, self._look_again, left)

    def _look_again(self, before: int) -> None:
        self._end = None
        if self.transport.get_write_buffer_size() < before:
            self._expect_end()
            return
        self._house.cut += 1
        _abort(self, NO_READER)


def _websocket(config: uvicorn.Config, server_state: ServerState, app_state: dict[str, Any]) -> asyncio.Protocol:
    """A WebSocket in place of a connection; loaded with the first one."""
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol  # noqa: PLC0415 - 4 MB

    made = WebSocketsSansIOProtocol(config, server_state, app_state)
    inner = made.app

    async def ours(scope: Any, receive: Any, send: Any) -> None:
        scope["swarmchat.abort"] = functools.partial(_abort, made)
        scope["swarmchat.drained"] = made.writable.wait
        await inner(scope, receive, send)
        made.handshake_complete = True  # or was refused, or the client has gone: no error, as uvicorn would log it

    made.app = ours
    return made


def _abort(connection: Any, reason: str) -> None:
    log.warning("hung up on an HTTP client: %s", reason)
    connection.transport.abort()


def _listen(address: Address) -> socket.socket:
    host = "127.0.0.1" if address.host == "localhost" else address.host
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UserError(f"cannot listen for HTTP on {address}: {error.strerror or error}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(place)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise UserError(
            f"cannot listen for HTTP on {address}: {error.strerror or error}",
            hint="choose another port, or 0 for any free one: --http 127.0.0.1:0",
        ) from None
    return listener


def _tls(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"cannot use {certificate} with {key} for TLS: {error}",
            hint="both are PEM files, and the key is that of the certificate",
        ) from None
    return context


def _no_password() -> str:
    raise ValueError("the key is sealed with a password; one that is not is wanted")
