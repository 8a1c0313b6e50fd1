"""Whose cards are watched in the DHT now, where not all can be. Pure. (SCP-05 §1.11)"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from swarmchat.ids import AccountId
from swarmchat.limits import DHT_WATCHED_FIRST, DHT_WATCHED_MAX

T = TypeVar("T")


def watched(first: Iterable[AccountId], rest: Iterable[AccountId], turn: int) -> frozenset[AccountId]:
    """At most 32 accounts: all, or in turns, 24 places for those who are waited for and 8 for the others.

    `turn` counts up; within so many turns as needed each had its place.
    """
    waited_for = sorted(set(first))
    others = sorted(set(rest).difference(waited_for))
    places = max(DHT_WATCHED_FIRST, DHT_WATCHED_MAX - len(others))
    chosen = in_turns(waited_for, places, turn)
    return frozenset((*chosen, *in_turns(others, DHT_WATCHED_MAX - len(chosen), turn)))


def in_turns(names: Sequence[T], places: int, turn: int) -> tuple[T, ...]:
    """The `places` of a ring of names whose turn it is; all, if there is room."""
    if len(names) <= places:
        return tuple(names)
    begin = turn * places % len(names)
    return tuple((*names[begin:], *names[:begin])[:places])
