"""Lamport clocks with a bid of the time, in milliseconds: those of messages, and those that commits have by them. (SCP-09 §3.5)"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from swarmchat import limits

_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,19}")


def following(last: int, now_ms: int) -> int:
    """The clock of what is said now, when `last` is the largest that was seen in this chat."""
    return max(now_ms, last + 1)


def is_acceptable(clock: int, now_ms: int) -> bool:
    """Whether a clock that came in is taken: not 0, and at most STATUS_CLOCK_AHEAD_MS_MAX ahead. Nothing is too old."""
    return 0 < clock <= now_ms + limits.STATUS_CLOCK_AHEAD_MS_MAX


def parsed(text: object) -> int | None:
    """The clock that a commit states: a decimal of at most 64 bits without leading zeros, as a string; None for all else."""
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        return None
    clock = int(text)
    return clock if clock < 2**64 else None


def of_commit(commit_time_s: int, explicit: int | None, parents: Iterable[int]) -> int:
    """The clock of a commit: what it states, if that is after its parents and not far ahead of its own time; else the next after both.

    It depends on the commit and its ancestors alone, so it is the same everywhere, and always larger than those of the ancestors.
    """
    before = max(parents, default=0)
    if explicit is not None and before < explicit <= commit_time_s * 1000 + limits.STATUS_CLOCK_AHEAD_MS_MAX:
        return explicit
    return following(before, commit_time_s * 1000)


def shares(clock: int, count: int) -> range:
    """The clocks of the events of a commit that has `count` of them, one at least: the last has the commit's own."""
    return range(clock - count + 1, clock + 1)


def bids(parents: Iterable[int], now_ms: int, count: int) -> range:
    """The clocks of `count` events that are about to be signed on top of commits with these clocks; the last is what the commit states."""
    first = following(max(parents, default=0), now_ms)
    return range(first, first + count)
