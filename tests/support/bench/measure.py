"""What a measurement is, and the instruments: clocks of other processes, their memory, the machine's own speed."""

from __future__ import annotations

import hashlib
import os
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
_BLOCK = bytes(64 * 1024)


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound and where it is written."""

    bound: float
    source: str
    at_least: bool = False

    def met(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {number(self.bound)}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table: what was measured, how much of which unit, and what it should be.

    `topic` names the story that other programs were measured in too (peers.TOPICS).
    """

    what: str
    value: float
    unit: str
    goal: Goal | None = None
    note: str = ""
    topic: str | None = None

    @property
    def verdict(self) -> str:
        return "" if self.goal is None else "met" if self.goal.met(self.value) else "missed"


def at_least(bound: float, source: str = "SCP-04 §8") -> Goal:
    return Goal(bound, source, at_least=True)


def at_most(bound: float, source: str = "SCP-04 §8") -> Goal:
    return Goal(bound, source)


def number(value: float) -> str:
    """Three digits that mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def p50(values: Sequence[float]) -> float:
    return statistics.median(values)


def p95(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]


# --- processes


def cpu_s(pid: int) -> float:
    """Seconds of CPU that all threads of a process have used, those that ended included."""
    return time.clock_gettime((~pid << 3) | 2)  # the clock id that Linux gives the process of that number


def rss_mib(pid: int | str = "self", *, peak: bool = False) -> float:
    """Resident memory now, or the most it ever was."""
    field = "VmHWM:" if peak else "VmRSS:"
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


# --- the machine


def sha256_gb_s() -> float:
    """How fast one core hashes right now: the median of five bursts of 32 MiB. Says how busy the machine is."""
    rates = []
    for _ in range(5):
        digest, started = hashlib.sha256(), time.perf_counter()
        for _ in range(32 * MIB // len(_BLOCK)):
            digest.update(_BLOCK)
        rates.append(32 * MIB / (time.perf_counter() - started) / 1e9)
    return p50(rates)


def fsync_ms(folder: Path, times: int) -> float:
    """The median of `times` appends of 4 KiB, each made durable, on the disk that holds `folder`."""
    path = folder / "fsync"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        took = []
        for _ in range(times):
            os.write(handle, _BLOCK[:4096])
            started = time.perf_counter()
            os.fsync(handle)
            took.append((time.perf_counter() - started) * 1e3)
    finally:
        os.close(handle)
        with suppress(OSError):
            path.unlink()
    return p50(took)


def timed_ms(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3
