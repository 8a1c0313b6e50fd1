"""So many at once, then so many a second."""

from __future__ import annotations

from swarmchat.swarm.allowance import Allowance


def test_what_is_spent_comes_back_and_never_more_than_at_first() -> None:
    allowance = Allowance(3, 0.5)
    assert [allowance.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert [allowance.take(1.9), allowance.take(2.0), allowance.take(3.9), allowance.take(4.0)] == [
        False,
        True,
        False,
        True,
    ]
    assert [allowance.take(1_000.0) for _ in range(4)] == [True, True, True, False]


def test_a_clock_that_stands_gives_nothing_back() -> None:
    allowance = Allowance(1, 1.0)
    assert allowance.take(5.0)
    assert not allowance.take(5.0)
    assert not allowance.take(4.0)
