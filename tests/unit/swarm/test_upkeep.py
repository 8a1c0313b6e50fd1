"""When the object store of a log is put in order. (SCP-04 §4.3a, §4.7)"""

from __future__ import annotations

from swarmchat.limits import ROLLUP_IDLE_S, STEPS_AGE_S, STEPS_IDLE_S
from swarmchat.swarm.upkeep import Task, Upkeep


def test_nothing_is_due_before_the_log_has_grown() -> None:
    upkeep = Upkeep()
    assert (upkeep.due(1e9), upkeep.deadline) == ([], None)


def test_each_is_due_once_when_nothing_came_for_its_while() -> None:
    upkeep = Upkeep()
    upkeep.grew(100.0)
    done = []
    while (at := upkeep.deadline) is not None:
        assert upkeep.due(at - 0.001) == []
        done += [(at - 100.0, task) for task in upkeep.due(at)]
    assert sorted(done, key=lambda each: each[1].value) == [
        (STEPS_IDLE_S, Task.PUT_AWAY),
        (ROLLUP_IDLE_S, Task.ROLL_UP),
    ]


def test_steps_are_put_away_at_last_however_much_comes() -> None:
    upkeep = Upkeep()
    now = 0.0
    while Task.PUT_AWAY not in upkeep.due(now):
        upkeep.grew(now)
        now += STEPS_IDLE_S / 2
    assert now - STEPS_IDLE_S / 2 <= STEPS_AGE_S <= now
