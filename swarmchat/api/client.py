"""The other side of the door, without asyncio: for the CLI and for tests. (SCP-08 §3.1)"""

from __future__ import annotations

import contextlib
import socket
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from swarmchat import limits
from swarmchat.api import answers
from swarmchat.api.shapes import JsonObject
from swarmchat.errors import SwarmchatError, UnreachableError

_CONNECT_TIMEOUT_S = 5.0
_CHUNK_BYTES = 64 * 1024


class Client:
    """One connection to a daemon. Not for several threads."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._buffer = bytearray()
        self._scanned = 0  # bytes of the buffer known to have no LF
        self._said: deque[JsonObject] = deque()  # notifications that came while waiting for an answer
        self._calls = 0

    @classmethod
    def connect(cls, path: Path) -> Self:
        """Raises UnreachableError when no daemon answers at `path`."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_CONNECT_TIMEOUT_S)
        try:
            connection.connect(str(path))
        except OSError as error:
            connection.close()
            raise UnreachableError(
                "no daemon is running", hint="swarmchat daemon start", data={"socket": str(path), "reason": str(error)}
            ) from None
        connection.settimeout(None)
        return cls(connection)

    def call(self, method: str, /, *, timeout_s: float | None = None, **params: Any) -> Any:
        """The result of one method; parameters that are None are not sent. Raises what the command raised there.

        DeliveryTimeout when no answer came within `timeout_s`, UnreachableError when the daemon went away meanwhile.
        """
        self._calls += 1
        self._send(answers.call(self._calls, method, params))
        while True:
            answer = self._receive(timeout_s)
            if "method" in answer:
                self._said.append(answer)
            elif answer.get("id") in {self._calls, None}:
                return answers.result(answer)

    def events(self, since: int | None = None) -> Iterator[JsonObject]:
        """Subscribe now: every event after `since` (default: from now on), for ever; a gap is an event of type `gap` without id.

        The stream raises UnreachableError with the daemon's reason when it ends.
        """
        self.call("events.subscribe", since=since)
        return self._stream()

    def _stream(self) -> Iterator[JsonObject]:
        while True:
            said = self._said.popleft() if self._said else self._receive(None)
            if (event := answers.event(said)) is not None:
                yield event

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def hang_up(self) -> None:
        """Hang up under another thread that waits for something to come: it sees the end, and its own `close` does the rest."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise answers.gone(error) from None

    def _receive(self, timeout_s: float | None) -> JsonObject:
        return answers.said(self._line(timeout_s))

    def _line(self, timeout_s: float | None) -> bytes:
        self._socket.settimeout(timeout_s)
        while (end := self._buffer.find(b"\n", self._scanned)) < 0:
            self._scanned = len(self._buffer)
            if self._scanned > limits.API_REPLY_BYTES_MAX:
                raise SwarmchatError("the daemon said something endless")
            try:
                chunk = self._socket.recv(_CHUNK_BYTES)
            except TimeoutError:
                raise answers.late(timeout_s) from None
            except OSError as error:
                raise answers.gone(error) from None
            if not chunk:
                raise answers.gone("end of stream")
            self._buffer += chunk
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._scanned = 0
        return line
