"""Walks through a graph of numbered commits: the answers that no column holds.

Numbers rise from parents to children, and below the *floor* of a commit every number is that of an ancestor: so a walk
ends early, and costs the concurrent stretch and not the history.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Protocol


class Graph(Protocol):
    """What a walk asks."""

    def parents(self, number: int, /) -> Sequence[int]:
        """The numbers of the parents."""

    def floor(self, number: int, /) -> int:
        """Below it every number is that of an ancestor (or of this commit itself)."""


def leads_to(graph: Graph, start: int, target: int) -> bool:
    """Whether `target` is an ancestor of `start`, which is the younger one."""
    stack, seen = [start], {start}
    while stack:
        number = stack.pop()
        if target < graph.floor(number):
            return True
        for parent in graph.parents(number):
            if parent == target:
                return True
            if parent > target and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return False


def missing(graph: Graph, wants: set[int], haves: set[int]) -> list[int]:
    """What is reachable from `wants` and not from `haves`, rising: parents first."""
    wanted, hidden = wants - haves, set(haves)
    pending = [-number for number in wanted | hidden]
    heapq.heapify(pending)
    queued, open_wants, found = wanted | hidden, len(wanted), []
    while pending and open_wants:
        number = -heapq.heappop(pending)
        queued.discard(number)  # whoever comes later has a lower number
        if number in hidden:
            hidden.discard(number)
            for parent in graph.parents(number):
                if parent in wanted:
                    wanted.discard(parent)
                    open_wants -= 1
                hidden.add(parent)
                if parent not in queued:
                    queued.add(parent)
                    heapq.heappush(pending, -parent)
            continue
        wanted.discard(number)
        open_wants -= 1
        found.append(number)
        for parent in graph.parents(number):
            if parent not in queued:
                queued.add(parent)
                wanted.add(parent)
                open_wants += 1
                heapq.heappush(pending, -parent)
    found.reverse()
    return found


def is_antichain(graph: Graph, targets: set[int]) -> bool:
    """Whether none of these is an ancestor of another. Costs one walk back to the oldest of them."""
    oldest = min(targets, default=0)
    seen: set[int] = set()
    stack = [parent for number in targets for parent in graph.parents(number)]
    while stack:
        number = stack.pop()
        if number < oldest or number in seen:
            continue
        if graph.floor(number) > oldest or number in targets:
            return False
        seen.add(number)
        stack.extend(graph.parents(number))
    return True


def floor_above(graph: Graph, parents: Sequence[int], number: int) -> int:
    """The floor of a commit that gets this number and has these parents."""
    if not parents:
        return 0
    best = parents[0] if len(parents) == 1 else max(parents, key=lambda each: (graph.floor(each), each))
    floor = graph.floor(best)
    if floor == best:
        floor += 1
    if len(parents) == 1 or floor >= number:
        return floor
    # A merge closes the gap between its parents: with all between the best floor and here among its ancestors,
    # whoever comes later need not search behind it. The search costs the concurrent stretch, once a merge.
    seen: set[int] = set()
    stack = [each for each in parents if each >= floor]
    while stack:
        each = stack.pop()
        if each in seen:
            continue
        seen.add(each)
        stack.extend(up for up in graph.parents(each) if up >= floor and up not in seen)
    while floor in seen:
        floor += 1
    return floor
