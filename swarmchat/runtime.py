"""All that is not deterministic, in one place: the clock, sleep, dice and threads are asked for here and nowhere else.

A simulation hands in a Runtime of its own, so that the same seed gives the same run.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from typing import Protocol, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Runtime(Protocol):
    """What a node needs of the world outside its own logic."""

    def now(self) -> float:
        """Wall clock, seconds since 1970; may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never runs backwards. Deadlines are in this clock."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Wait `delay_s` seconds."""
        ...

    def entropy(self, count: int) -> bytes:
        """`count` unpredictable bytes: key material, nonces, salts."""
        ...

    def random(self) -> float:
        """0.0 ≤ x < 1.0, for jitter; not for secrets."""
        ...

    async def offload(self, work: Callable[[Unpack[Ts]], T], *args: *Ts) -> T:
        """Run blocking work where it does not hold up the event loop; a simulation runs it inline."""
        ...


class SystemRuntime:
    """The machine's own clock, dice and threads."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)

    def entropy(self, count: int) -> bytes:
        return os.urandom(count)

    def random(self) -> float:
        return random.random()

    async def offload(self, work: Callable[[Unpack[Ts]], T], *args: *Ts) -> T:
        return await asyncio.to_thread(work, *args)
