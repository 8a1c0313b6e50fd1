"""Whose cards are watched: all of few, and of many each in turn. (SCP-05 §1.11)"""

from __future__ import annotations

import pytest

from swarmchat.ids import AccountId
from swarmchat.limits import DHT_WATCHED_FIRST, DHT_WATCHED_MAX
from swarmchat.swarm.lookout import watched


def accounts(first: int, count: int) -> list[AccountId]:
    return [AccountId(f"{number:040x}") for number in range(first, first + count)]


def test_few_are_all_watched_all_the_time() -> None:
    some, others = accounts(0, 16), accounts(100, 16)
    assert {watched(some, others, turn) for turn in range(5)} == {frozenset((*some, *others))}


@pytest.mark.parametrize(("first", "rest"), [(200, 0), (0, 200), (200, 200), (3, 500), (25, 8), (1_000, 1), (33, 0)])
def test_of_many_so_many_are_watched_at_once_and_each_in_turn(first: int, rest: int) -> None:
    some, others = accounts(0, first), accounts(10_000, rest)
    turns = [watched(some, others, turn) for turn in range(first + rest)]
    assert all(len(turn) <= DHT_WATCHED_MAX for turn in turns)
    assert frozenset().union(*turns) == frozenset((*some, *others))


def test_who_is_waited_for_has_most_of_the_places() -> None:
    some, others = accounts(0, 100), accounts(10_000, 1_000)
    assert len(watched(some, others, 3) & set(some)) == DHT_WATCHED_FIRST


def test_a_name_of_both_kinds_has_one_place() -> None:
    some = accounts(0, 3)
    assert watched(some, some, 0) == frozenset(some)
