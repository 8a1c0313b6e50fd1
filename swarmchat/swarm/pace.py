"""Whether bytes come fast enough. (SCP-04 §3.2)"""

from __future__ import annotations

from swarmchat.limits import PULL_SLOW_BYTES_PER_S, PULL_SLOW_S


class Pace:
    """Watches one transfer: under 1 kB/s for 60 s is a stall. Silence is the reader's own timeout."""

    def __init__(self, now: float) -> None:
        self._since = now
        self._bytes = 0

    def received(self, count: int, now: float) -> bool:
        """Bytes came; False when the last minute was too slow."""
        self._bytes += count
        if now - self._since < PULL_SLOW_S:
            return True
        fast_enough = self._bytes >= PULL_SLOW_BYTES_PER_S * (now - self._since)
        self._since, self._bytes = now, 0
        return fast_enough
