"""The other side of the door for programs that live in an event loop. (SCP-08 §3.1)"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from swarmchat import limits
from swarmchat.account.home import Home
from swarmchat.api import answers
from swarmchat.api.shapes import JsonObject
from swarmchat.errors import SwarmchatError, UnreachableError


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
        try:
            async with asyncio.timeout(timeout_s), self._turn:
                self._calls += 1
                number = self._calls
                self._writer.write(answers.call(number, method, params))
                await self._writer.drain()
                while (answer := await self._line()).get("id") not in {number, None}:
                    continue  # to a call that nobody waited for
        except TimeoutError:
            raise answers.late(timeout_s) from None
        except OSError as error:
            raise answers.gone(error) from None
        return answers.result(answer)

    async def events(self, since: int | None = None) -> AsyncIterator[JsonObject]:
        """Every event after `since` (default: from now on), for ever; a gap is an event of type `gap` without id.

        Raises UnreachableError with the daemon's reason when it ends.
        """
        async with await type(self).connect(self._path) as stream:
            await stream.call("events.subscribe", since=since)
            while True:
                if (event := answers.event(await stream.heard())) is not None:
                    yield event

    async def heard(self) -> JsonObject:
        """The next line that the daemon says; UnreachableError at its end."""
        try:
            return await self._line()
        except OSError as error:
            raise answers.gone(error) from None

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
            raise answers.gone("end of stream") from None
        except asyncio.LimitOverrunError:
            raise SwarmchatError("the daemon said something endless") from None
        return answers.said(line)
