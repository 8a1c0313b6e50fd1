"""The newest commits that two commits have in common: what a merge is measured against. (SCP-02 §9.16)"""

from __future__ import annotations

import heapq

from swarmchat.conversation.entries import Entry
from swarmchat.conversation.history import History
from swarmchat.ids import CommitId

_FIRST, _SECOND, _OLD = 1, 2, 4


class TooFarError(Exception):
    """The two differ for longer than the caller walks."""


def merge_bases(
    history: History, one: CommitId, other: CommitId, *, steps_max: int
) -> tuple[tuple[CommitId, ...], int]:
    """The common ancestors (the two themselves included) that no other common ancestor descends from, sorted; and the steps it took.

    Costs the stretch where the two differ, not the length of the history; TooFarError when that has over `steps_max` commits.
    """
    steps = 0
    marks: dict[int, int] = {}
    queue: list[int] = []
    fresh = 0  # queued entries that are not known to be behind a common ancestor

    def mark(entry: Entry, flags: int) -> None:
        nonlocal fresh
        had = marks.get(entry.seq, 0)
        marks[entry.seq] = had | flags
        if not had:
            heapq.heappush(queue, -entry.seq)
            fresh += not flags & _OLD
        elif flags & _OLD and not had & _OLD:
            fresh -= 1

    mark(history[one], _FIRST)
    mark(history[other], _SECOND)
    found: list[Entry] = []
    while queue and fresh:
        steps += 1
        if steps > steps_max:
            raise TooFarError
        entry = history.entries[-heapq.heappop(queue)]
        flags = marks[entry.seq]
        fresh -= not flags & _OLD
        if flags & (_FIRST | _SECOND) == _FIRST | _SECOND and not flags & _OLD:
            found.append(entry)
            flags |= _OLD
        for parent in entry.fact.parents:
            mark(history[parent], flags)
    return tuple(sorted(entry.id for entry in found)), steps
