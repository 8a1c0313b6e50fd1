"""A Runtime in virtual time, one for each life of a node: its clock may be wrong, its dice are seeded, its threads are none."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple, Unpack

from tests.support.sim.loop import START_S

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

EPOCH = 1_790_000_000.0  # 2026-09-21: what a right clock shows when a simulation starts
TICK_S = 1e-6  # a real clock has moved on after any sleep, however short
OFFLOAD_S = 0.004  # work in a thread ends within this time, in any order: other tasks run in between


class SimRuntime:
    """See `swarmchat.runtime.Runtime`. `skew_s`: how far the wall clock is ahead; it may be changed while running.

    `disk_s`: how long work in a thread takes at most. After `kill` nothing that was handed to a thread happens any more, like in a process that was killed.
    """

    def __init__(self, seed: object, *, skew_s: float = 0.0) -> None:
        self.skew_s = skew_s
        self.disk_s = OFFLOAD_S
        self.dead = False
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._dice = random.Random(f"runtime {seed}")

    def now(self) -> float:
        return EPOCH + (asyncio.get_running_loop().time() - START_S) + self.skew_s

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(max(delay_s, TICK_S))

    def entropy(self, count: int) -> bytes:
        return self._dice.randbytes(count)

    def random(self) -> float:
        return self._dice.random()

    async def offload(self, work: Callable[[Unpack[Ts]], T], *args: *Ts) -> T:
        """Run `work` in the loop, a moment later; like a thread it is not stopped when the one who waits is cancelled."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._busy += 1

        def turn() -> None:
            self._busy -= 1
            if not self._busy:
                self._idle.set()
            if self.dead:
                done.cancel()
                return
            try:
                result = work(*args)
            except Exception as error:  # noqa: BLE001 - it belongs to the one who waits
                if not done.cancelled():
                    done.set_exception(error)
                return
            if not done.cancelled():
                done.set_result(result)

        self._idle.clear()
        loop.call_later(self._dice.random() * self.disk_s, turn)
        return await done

    async def idle(self) -> None:
        """Wait until no thread works any more, as a process does before it ends."""
        await self._idle.wait()

    @property
    def is_idle(self) -> bool:
        """Whether no thread works."""
        return not self._busy

    def kill(self) -> None:
        """The process is gone."""
        self.dead = True
