"""The other side of the door for programs that live in an event loop. (SCP-08 §3.1)"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from swarmchat import limits
from swarmchat.account.home import Home
from swarmchat.api import jsonrpc
from swarmchat.api.shapes import JsonObject
from swarmchat.errors import DeliveryTimeout, SwarmchatError, UnreachableError


class AsyncClient:
    """One connection to a daemon's socket; calls wait for each other, streams of events have connections of their own."""

    def __init__(self, path: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._path = path
        self._reader = reader
        self._writer = writer
        self._turn = asyncio.Lock()
        self._calls = 0

    @classmethod
    async def connect(cls, path: Path | None = None) -> Self:
        """The daemon at a socket; None: that of this user, or of SWARMCHAT_HOME. UnreachableError when none answers."""
        place = Home.locate(None, os.environ).socket if path is None else path  # noqa: TID251 - a bot is a program of its own
        try:
            reader, writer = await asyncio.open_unix_connection(str(place), limit=limits.API_REPLY_BYTES_MAX)
        except OSError as error:
            raise UnreachableError(
                "no daemon is running", hint="swarmchat daemon start", data={"socket": str(place), "reason": str(error)}
            ) from None
        return cls(place, reader, writer)

    async def call(self, method: str, /, *, timeout_s: float | None = None, **params: Any) -> Any:
        """The result of one method; parameters that are None are not sent. Raises what the command raised there.

        DeliveryTimeout when no answer came within `timeout_s`, UnreachableError when the daemon went away meanwhile. May
        be cancelled; what was asked for may be done all the same.
        """
        given = {name: value for name, value in params.items() if value is not None}
        try:
            async with asyncio.timeout(timeout_s), self._turn:
                self._calls += 1
                number = self._calls
                self._writer.write(jsonrpc.encode({"jsonrpc": "2.0", "id": number, "method": method, "params": given}))
                await self._writer.drain()
                while (answer := await self._line()).get("id") not in {number, None}:
                    continue  # to a call that nobody waited for
        except TimeoutError:
            raise DeliveryTimeout(f"the daemon did not answer within {timeout_s or 0:g} s") from None
        except OSError as error:
            raise _gone(str(error)) from None
        if "result" in answer:
            return answer["result"]
        raise jsonrpc.error_of(answer)

    async def events(self, since: int | None = None) -> AsyncIterator[JsonObject]:
        """Every event after `since` (default: from now on), for ever; a gap is an event of type `gap` without id.

        Raises UnreachableError with the daemon's reason when it ends.
        """
        async with await type(self).connect(self._path) as stream:
            await stream.call("events.subscribe", since=since)
            while True:
                said = await stream.heard()
                params = said.get("params", {})
                match said.get("method"):
                    case "event":
                        yield params
                    case "event.gap":
                        yield {"type": "gap", "data": params}
                    case "events.closed":
                        raise UnreachableError(f"the stream of events ended: {params.get('reason')}")
                    case _:
                        continue  # a reader ignores what it does not know

    async def heard(self) -> JsonObject:
        """The next line that the daemon says; UnreachableError at its end."""
        try:
            return await self._line()
        except OSError as error:
            raise _gone(str(error)) from None

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except OSError:
            return  # it had gone already

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _line(self) -> JsonObject:
        try:
            line = await self._reader.readuntil(b"\n")
        except asyncio.IncompleteReadError:
            raise _gone("end of stream") from None
        except asyncio.LimitOverrunError:
            raise SwarmchatError("the daemon said something endless") from None
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise SwarmchatError("the daemon said something that is not JSON-RPC")
        return value


def _gone(reason: str) -> UnreachableError:
    return UnreachableError(
        "the daemon went away in the middle of this", hint="swarmchat daemon status", data={"reason": reason}
    )
