"""What shall go on standing under its keys: put now, and again before it fades. (SCP-05 §1.2, §1.20)"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from swarmchat import limits
from swarmchat.discovery.dht.settings import DhtSettings
from swarmchat.discovery.directory import Entry
from swarmchat.runtime import Runtime

_log = logging.getLogger(__name__)

Make = Callable[[float], Entry | None]


class Publications:
    """Names and what makes their entries. Nothing is put before `run`, and nothing after it."""

    def __init__(
        self,
        runtime: Runtime,
        settings: DhtSettings,
        put: Callable[[Entry], Awaitable[int]],
        enough: Callable[[], int],
    ) -> None:
        self._runtime = runtime
        self._settings = settings
        self._put = put
        self._enough = enough
        self._makes: dict[str, Make] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._running: dict[str, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(limits.DHT_PUTS_MAX)

    def __len__(self) -> int:
        return len(self._makes)

    def publish(self, name: str, make: Make) -> None:
        """Put what `make` gives now and from time to time; in place of what had this name."""
        self.withdraw(name)
        self._makes[name] = make
        if self._tasks is not None:
            self._running[name] = self._tasks.create_task(self._tend(make))

    def withdraw(self, name: str) -> None:
        """Put it no more."""
        self._makes.pop(name, None)
        task = self._running.pop(name, None)
        if task is not None:
            task.cancel()

    def again(self) -> None:
        """Put all of it now: the network, or the clock, is another one."""
        for name, make in sorted(self._makes.items()):
            self.publish(name, make)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self.again()
                await asyncio.get_running_loop().create_future()  # for ever: the group lives as long as we do
        finally:
            self._tasks = None
            self._running.clear()

    async def _tend(self, make: Make) -> None:
        while True:
            held = await self._once(make)
            wait = self._settings.put_every_s if held else self._settings.put_again_s
            await self._runtime.sleep(wait * (0.9 + 0.2 * self._runtime.random()))

    async def _once(self, make: Make) -> bool:
        """Put it once; whether so many hold it that it can wait for the next time."""
        async with self._turns:
            try:
                entry = make(self._runtime.now())
            except Exception:  # noqa: BLE001
                _log.exception("DHT: a publication could not be made")  # a mistake in one of them stops no other
                return False
            return entry is None or await self._put(entry) >= self._enough()
