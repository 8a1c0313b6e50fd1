"""Who may pull now: so many at once in all, and so many from one device, so that none can take every turn or keep it. (SCP-04 §3.2)"""

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


class Turn:
    """One turn, while it is held."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.is_given_up = False

    def gives_way(self) -> bool:
        """Whether somebody waits for whom no other turn is given up already; this one is then."""
        if not self.is_given_up and self._turns.waiting > self._turns.given_up:
            self.is_given_up = True
            self._turns.given_up += 1
        return self.is_given_up


class Turns:
    """At most `in_all` at once, and at most `of_one` of one device; first come, first served."""

    def __init__(self, in_all: int, of_one: int) -> None:
        self._all = asyncio.Semaphore(in_all)
        self._of_one = of_one
        self._queues: dict[DeviceId, _Queue] = {}
        self.waiting = 0  # for any turn at all, not for one of their own device
        self.given_up = 0  # and not over yet

    @asynccontextmanager
    async def of(self, device: DeviceId) -> AsyncIterator[Turn]:
        """Wait for a turn, and hold it inside."""
        queue = self._queues.setdefault(device, _Queue(asyncio.Semaphore(self._of_one)))
        queue.users += 1
        try:
            async with queue.turns:
                self.waiting += 1
                try:
                    await self._all.acquire()
                finally:
                    self.waiting -= 1
                turn = Turn(self)
                try:
                    yield turn
                finally:
                    self._all.release()
                    self.given_up -= turn.is_given_up
        finally:
            queue.users -= 1
            if not queue.users:
                del self._queues[device]
