"""Whether bytes come fast enough. (SCP-04 §3.2)"""

from __future__ import annotations

from swarmchat.limits import PULL_SLOW_BYTES_PER_S, PULL_SLOW_S
from swarmchat.swarm.pace import Pace


def test_a_kilobyte_a_second_is_enough() -> None:
    pace = Pace(0.0)
    assert pace.received(1, PULL_SLOW_S - 0.1)
    assert pace.received(int(PULL_SLOW_S * PULL_SLOW_BYTES_PER_S) - 1, PULL_SLOW_S)


def test_less_than_that_for_a_minute_is_a_stall() -> None:
    pace = Pace(0.0)
    assert not pace.received(int(PULL_SLOW_S * PULL_SLOW_BYTES_PER_S) - 1, PULL_SLOW_S)


def test_each_minute_is_judged_alone() -> None:
    pace = Pace(0.0)
    assert pace.received(10**9, PULL_SLOW_S)
    assert not pace.received(1, 2 * PULL_SLOW_S)
