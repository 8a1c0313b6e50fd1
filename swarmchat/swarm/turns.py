"""Who may pull now: so many at once in all, and so many from one device, so that none can take every turn. (SCP-04 §3.2)"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from swarmchat.ids import DeviceId


@dataclass(slots=True)
class _Queue:
    turns: asyncio.Semaphore
    users: int = 0


class Turns:
    """At most `in_all` at once, and at most `of_one` of one device; first come, first served."""

    def __init__(self, in_all: int, of_one: int) -> None:
        self._all = asyncio.Semaphore(in_all)
        self._of_one = of_one
        self._queues: dict[DeviceId, _Queue] = {}

    @asynccontextmanager
    async def of(self, device: DeviceId) -> AsyncIterator[None]:
        """Wait for a turn, and hold it inside."""
        queue = self._queues.setdefault(device, _Queue(asyncio.Semaphore(self._of_one)))
        queue.users += 1
        try:
            async with queue.turns, self._all:
                yield
        finally:
            queue.users -= 1
            if not queue.users:
                del self._queues[device]
