"""The other side of the door over HTTP, without asyncio and with nothing but the standard library. (SCP-08 §3.2)"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from swarmchat import limits
from swarmchat.api import answers
from swarmchat.api.shapes import JsonObject
from swarmchat.errors import DeliveryTimeout, RefusedError, SwarmchatError, UnreachableError, UsageError

_CONNECT_S: Final = 5.0
_SILENT_S: Final = 4 * limits.HTTP_PULSE_S  # a stream says something four times in this, if the other side lives
_TOKEN: Final = "token="  # noqa: S105 - the word before it


class HttpClient:
    """Calls, and streams of events, at a URL. Each on a connection of its own, so one may be used by several threads."""

    def __init__(self, url: str, token: str | None = None, *, certificate: Path | None = None) -> None:
        """`url`: as `swarmchat web` prints it, with the token behind the #, or without and with `token`.

        `certificate`: what an https server must prove itself by, if the system does not know it. Raises UsageError.
        """
        parts = urlsplit(url)
        told = parts.fragment.removeprefix(_TOKEN) if parts.fragment.startswith(_TOKEN) else None
        secret = token or told
        if parts.scheme not in {"http", "https"} or not parts.hostname or secret is None:
            raise UsageError("a URL and a token are wanted", hint="swarmchat web prints both in one")
        self._host, self._port = parts.hostname, parts.port
        self._is_secure = parts.scheme == "https"
        self._certificate = certificate
        self._headers = {"Authorization": f"Bearer {secret}"}
        self._open: set[http.client.HTTPConnection] = set()

    def call(self, method: str, /, *, timeout_s: float | None = None, **params: Any) -> Any:
        """The result of one method; parameters that are None are not sent. Raises what the command raised there.

        DeliveryTimeout when no answer came within `timeout_s`, UnreachableError when nobody is there or goes away,
        RefusedError for a token that is not known.
        """
        body = answers.call(1, method, params)
        headers = {**self._headers, "Content-Type": "application/json", "Connection": "close"}
        connection, response = self._ask("POST", "/api/v1/rpc", headers, body, timeout_s)
        try:
            data = response.read(limits.API_REPLY_BYTES_MAX + 1)
        except TimeoutError:
            raise answers.late(timeout_s) from None
        except (OSError, http.client.HTTPException) as error:
            raise _gone(error) from None
        finally:
            self._hang_up(connection)
        return answers.result(answers.said(data))

    def events(self, since: int | None = None) -> Iterator[JsonObject]:
        """Subscribe now: every event after `since` (default: from now on), for ever; a gap is an event of type `gap` without id.

        The stream raises UnreachableError with the daemon's reason when it ends.
        """
        target = "/api/v1/events" if since is None else f"/api/v1/events?since={since}"
        headers = {**self._headers, "Accept": "text/event-stream"}
        try:
            connection, response = self._ask("GET", target, headers, None, _SILENT_S)
        except DeliveryTimeout as error:  # a stream says at once that it stands
            raise _gone(error) from None
        return self._stream(connection, response)

    def _stream(
        self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse
    ) -> Iterator[JsonObject]:
        kind, data = "", ""
        try:
            while True:
                try:
                    line = response.readline(limits.API_REPLY_BYTES_MAX).decode("ascii")
                except (OSError, ValueError, http.client.HTTPException) as error:
                    raise _gone(error) from None
                name, _, value = line.rstrip("\n").partition(": ")
                match name:
                    case "event":
                        kind = value
                    case "data":
                        data = value
                    case "" if not line:
                        raise _gone(None)
                    case "" if line == "\n" and data:
                        if (said := _said(kind, answers.said(data.encode()))) is not None:
                            yield said
                        kind, data = "", ""
                    case _:
                        continue  # id, retry, comments
        finally:
            self._hang_up(connection)

    def close(self) -> None:
        """Hang up, streams too: who waits for one sees its end, in whatever thread, and gives back the rest."""
        for line in [connection.sock for connection in list(self._open)]:
            if line is not None:  # else the other thread has given it back just now
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(line, socket.SHUT_RDWR)  # closing alone would wait for who reads
                line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(
        self, method: str, target: str, headers: dict[str, str], body: bytes | None, timeout_s: float | None
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = self._connection()
        self._open.add(connection)
        try:
            connection.connect()
        except (OSError, http.client.HTTPException) as error:
            self._hang_up(connection)
            raise _nobody(error) from None
        try:
            connection.sock.settimeout(timeout_s)
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            if response.status == http.client.OK:
                return connection, response
            raise _refusal(response.status, response.read(limits.API_LINE_BYTES_MAX))
        except SwarmchatError:
            self._hang_up(connection)
            raise
        except TimeoutError:
            self._hang_up(connection)
            raise answers.late(timeout_s) from None
        except (OSError, http.client.HTTPException) as error:
            self._hang_up(connection)
            raise _nobody(error) from None

    def _connection(self) -> http.client.HTTPConnection:
        if not self._is_secure:
            return http.client.HTTPConnection(self._host, self._port, timeout=_CONNECT_S)
        context = ssl.create_default_context(cafile=None if self._certificate is None else str(self._certificate))
        return http.client.HTTPSConnection(self._host, self._port, timeout=_CONNECT_S, context=context)

    def _hang_up(self, connection: http.client.HTTPConnection) -> None:
        self._open.discard(connection)
        connection.close()


def _said(kind: str, data: JsonObject) -> JsonObject | None:
    match kind:
        case "":
            return data
        case "gap":
            return {"type": "gap", "data": data}
        case "closed":
            raise answers.ended(data.get("reason"))
        case _:
            return None  # a reader ignores what it does not know


def _refusal(status: int, body: bytes) -> SwarmchatError:
    try:
        error = json.loads(body)["error"]
        message, hint, data = str(error["message"]), error.get("hint"), dict(error.get("data") or {})
    except (ValueError, KeyError, TypeError, AttributeError):
        message, hint, data = f"the answer was {status}", None, {}
    match status:
        case http.client.SERVICE_UNAVAILABLE | http.client.TOO_MANY_REQUESTS:
            return UnreachableError(message, hint=hint)
        case http.client.BAD_REQUEST:
            return UsageError(message, hint=hint, data=data)
        case _:
            return RefusedError(message, hint=hint, data={**data, "status": status})


def _nobody(error: Exception) -> UnreachableError:
    return UnreachableError("no daemon answers there", hint="swarmchat web says where", data={"reason": str(error)})


def _gone(error: Exception | None) -> UnreachableError:
    return answers.gone(error or "end of stream", hint=None)
