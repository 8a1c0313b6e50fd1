"""When the object store of one log is put in order: it grew, and then nothing came for a while. Pure. (SCP-04 §4.3a, §4.7)"""

from __future__ import annotations

import enum

from swarmchat.limits import ROLLUP_IDLE_S, STEPS_AGE_S, STEPS_IDLE_S


class Task(enum.Enum):
    """What there is to do."""

    PUT_AWAY = enum.auto()  # steps become objects that git sees
    ROLL_UP = enum.auto()  # small packs become one


class Upkeep:
    """Times in seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._put_away_at: float | None = None
        self._put_away_by = 0.0  # however much comes
        self._roll_up_at: float | None = None

    def grew(self, now: float) -> None:
        """Commits came in."""
        if self._put_away_at is None:
            self._put_away_by = now + STEPS_AGE_S
        self._put_away_at = min(now + STEPS_IDLE_S, self._put_away_by)
        self._roll_up_at = now + ROLLUP_IDLE_S

    def due(self, now: float) -> list[Task]:
        """What is to be done now; it is not due again before the log has grown."""
        tasks = []
        if self._put_away_at is not None and now >= self._put_away_at:
            self._put_away_at = None
            tasks.append(Task.PUT_AWAY)
        if self._roll_up_at is not None and now >= self._roll_up_at:
            self._roll_up_at = None
            tasks.append(Task.ROLL_UP)
        return tasks

    @property
    def deadline(self) -> float | None:
        """When something is due; None while nothing is."""
        return min((at for at in (self._put_away_at, self._roll_up_at) if at is not None), default=None)
