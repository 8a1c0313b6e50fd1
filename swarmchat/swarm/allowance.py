"""So many at once, then so many a second. Pure."""

from __future__ import annotations


class Allowance:
    """What may be spent: `at_once`, refilled by `per_s`. `now` is the monotonic clock, in seconds."""

    def __init__(self, at_once: float, per_s: float) -> None:
        self._at_once = at_once
        self._per_s = per_s
        self._left = at_once
        self._counted: float | None = None

    def take(self, now: float) -> bool:
        """Spend one; False when there is none."""
        if self._counted is not None:
            self._left = min(self._at_once, self._left + max(0.0, now - self._counted) * self._per_s)
        self._counted = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
