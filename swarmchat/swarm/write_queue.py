"""Who writes at the same time shares one sync of the disk. (SCP-04 §5.1)"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from swarmchat.commitlog.writing import Admission, Pending
from swarmchat.conversation.actions import Action
from swarmchat.conversation.rejection import Rejection
from swarmchat.errors import StorageError

Outcome = Admission | Rejection


@dataclass(frozen=True, slots=True)
class Intent:
    """A commit of ours to be written: `profile` is what an update-profile makes, `extra` adds keys to its JSON."""

    action: Action
    profile: bytes | None = None
    extra: Mapping[str, object] | None = None


@dataclass(slots=True)
class _Writing:
    items: tuple[Pending, ...]
    done: asyncio.Future[list[Outcome]]


class WriteQueue:
    """Gathers what is to be written while another write is under way; `write` gets all of it at once, under `lock`."""

    def __init__(self, lock: asyncio.Lock, write: Callable[[list[Pending]], Awaitable[list[Outcome]]]) -> None:
        self._lock = lock
        self._write = write
        self._waiting: deque[_Writing] = deque()

    async def put(self, items: tuple[Pending, ...]) -> list[Outcome]:
        """The outcomes of these, in their order. What `write` raises is raised for everybody in the batch; StorageError."""
        writing = _Writing(items, asyncio.get_running_loop().create_future())
        self._waiting.append(writing)
        try:
            async with self._lock:
                if not writing.done.done():
                    # Others wait for the same sync: a caller that goes away must not take their answer along.
                    await asyncio.shield(self._write_all())
        except asyncio.CancelledError:
            if writing in self._waiting:
                self._waiting.remove(writing)
            raise
        return await writing.done

    async def _write_all(self) -> None:
        batch = list(self._waiting)
        self._waiting.clear()
        try:
            outcomes = await self._write([item for writing in batch for item in writing.items])
        except BaseException as error:
            fault = error if isinstance(error, StorageError) else StorageError("the write was broken off")
            for writing in batch:  # nobody must wait for ever for an answer
                _settle(writing.done, fault)
            if fault is error:
                return
            raise
        start = 0
        for writing in batch:
            stop = start + len(writing.items)
            _settle(writing.done, outcomes[start:stop])
            start = stop


def _settle(future: asyncio.Future[list[Outcome]], result: list[Outcome] | StorageError) -> None:
    if future.done():
        return
    if isinstance(result, StorageError):
        future.set_exception(result)
        future.exception()  # seen: who asked may have gone away meanwhile, and that is no fault to be told of
    else:
        future.set_result(result)
