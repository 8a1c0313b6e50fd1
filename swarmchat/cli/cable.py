"""A cable on this machine that can be pulled: a TCP relay on loopback between two nodes, cut and healed at will.

The tour and the end-to-end tests put one between every two nodes, so that a partition needs no root and no second machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from types import TracebackType
from typing import Self

from swarmchat.addresses import Address

_CHUNK_BYTES = 64 * 1024


class Switchboard:
    """All cables of one tour, carried by one thread. A context manager; leaving it pulls them all."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cables", daemon=True)
        self._cables: list[Cable] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for cable in self._cables:
            cable.cut()
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cable(self, target: Address) -> Cable:
        """A new cable that leads to `target`; dial its `address` instead."""
        cable = asyncio.run_coroutine_threadsafe(Cable.lay(self._loop, target), self._loop).result()
        self._cables.append(cable)
        return cable

    async def _end(self) -> None:
        for cable in self._cables:
            await cable.end()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


class Cable:
    """One way of dialling one node. Calls come from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, target: Address) -> None:
        self._loop = loop
        self._target = target
        self._whole = True
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.address = target

    @classmethod
    async def lay(cls, loop: asyncio.AbstractEventLoop, target: Address) -> Self:
        """Open the near end on a free port of loopback."""
        cable = cls(loop, target)
        cable._server = await asyncio.start_server(cable._carry, "127.0.0.1", 0)
        cable.address = Address(*cable._server.sockets[0].getsockname()[:2])
        return cable

    def cut(self) -> None:
        """Break what is connected and let nothing through until `heal`."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result()

    def heal(self) -> None:
        """Let calls through again."""
        self._whole = True

    async def end(self) -> None:
        """Close the near end for good."""
        if self._server is not None:
            self._server.close()

    async def _cut(self) -> None:
        self._whole = False
        for writer in self._open:
            writer.transport.abort()

    async def _carry(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        self._open.add(back)
        try:
            if not self._whole:
                return
            far, forth = await asyncio.open_connection(self._target.host, self._target.port)
            self._open.add(forth)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_pour(near, forth))
                    group.create_task(_pour(far, back))
            finally:
                self._open.discard(forth)
                forth.transport.abort()
        except OSError:
            pass  # the far end does not answer: the caller sees the line drop, as on a real cable
        finally:
            self._open.discard(back)
            back.transport.abort()


async def _pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await source.read(_CHUNK_BYTES):
            sink.write(chunk)
            await sink.drain()
    with contextlib.suppress(OSError):
        sink.write_eof()
