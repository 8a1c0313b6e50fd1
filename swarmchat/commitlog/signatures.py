"""Signatures checked in batches beside the judging, on all cores. (SCP-04 §4.2)"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Final

from swarmchat.crypto.keys import verify_batch
from swarmchat.ids import CommitId

Item = tuple[bytes, bytes, bytes]  # raw key, signature, signed bytes
BATCH: Final = 256  # a thread hand-over costs about one signature
_AHEAD_MAX: Final = 16  # batches that wait while commits are judged: 2 MB


class Signatures:
    """Takes what is to be checked, and says later which did not hold. A few are checked at once, by who asks."""

    def __init__(self) -> None:
        self._waiting: list[tuple[CommitId, Item]] = []
        self._running: list[tuple[list[CommitId], Future[list[bool]]]] = []

    def add(self, commit: CommitId, item: Item) -> None:
        """One more signature."""
        self._waiting.append((commit, item))
        if len(self._waiting) >= BATCH:
            commits = [commit for commit, _ in self._waiting]
            self._running.append((commits, _pool().submit(verify_batch, [item for _, item in self._waiting])))
            self._waiting = []
            if len(self._running) > _AHEAD_MAX:
                self._running[-_AHEAD_MAX][1].result()

    def broken_so_far(self) -> Iterator[CommitId]:
        """The commits whose signature is known not to hold, each once; waits for nothing."""
        running, self._running = self._running, []
        for commits, future in running:
            if future.done():
                yield from _broken(commits, future.result())
            else:
                self._running.append((commits, future))

    def wait(self) -> None:
        """Check all that was added; `broken_so_far` tells all then."""
        if self._waiting:
            future: Future[list[bool]] = Future()
            future.set_result(verify_batch([item for _, item in self._waiting]))
            self._running.append(([commit for commit, _ in self._waiting], future))
            self._waiting = []
        for _, future in self._running:
            future.result()

    def cancel(self) -> None:
        """Nobody wants to know any more."""
        for _, future in self._running:
            future.cancel()
        self._waiting, self._running = [], []


def _broken(commits: list[CommitId], held: list[bool]) -> Iterator[CommitId]:
    return (commit for commit, good in zip(commits, held, strict=True) if not good)


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 2, thread_name_prefix="signatures")
