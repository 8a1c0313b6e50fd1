"""When a record is sent again. Epochs are ticks counted; the dice are given. (SCP-09 §4.2)"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from swarmchat.limits import DATASYNC_SENDS_MAX

_TRIAL_DOUBLINGS: Final = 2

Dice = Callable[[int], int]  # dice(n): one of 0 … n - 1


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long a tick is, and what `next` and `online` add to an epoch."""

    tick_s: float
    step: int  # epochs: times twice the count, or doubling with each count
    doubling: bool
    doublings_max: int  # then it grows no more
    spread: int  # epochs: as many values has what the dice add
    online_spread: int  # the same for a peer that comes online
    dropped_after: int | None  # sendings; None: nothing is given up

    def next(self, count: int, epoch: int, dice: Dice) -> int:
        """The epoch in which a record is due that was just sent for the `count`-th time, 1 or more."""
        delay = self.step << min(count - 1, self.doublings_max) if self.doubling else self.step * count
        return epoch + delay + _thrown(self.spread, dice)

    def online(self, epoch: int, dice: Dice) -> int:
        """The epoch in which a record is due whose peer just came online."""
        return epoch + _thrown(self.online_spread, dice)


SIMULATION: Final = Schedule(
    tick_s=1.0, step=2, doubling=False, doublings_max=0, spread=0, online_spread=0, dropped_after=None
)
# What Status does: 27 s, doubling, for about 10 days.
STATUS: Final = Schedule(
    tick_s=0.3, step=90, doubling=True, doublings_max=63, spread=30, online_spread=60, dropped_after=DATASYNC_SENDS_MAX
)
# On a link nothing is lost while it stands, and when it comes back all is due at once: so the delay grows to an hour and
# nothing is given up, else ten minutes of a bad connection would cost messages.
CHANNEL: Final = Schedule(
    tick_s=0.3, step=90, doubling=True, doublings_max=7, spread=30, online_spread=0, dropped_after=None
)


def trial(tick_s: float) -> Schedule:
    """That of channels with another tick, and pauses that soon grow no more: for trials with connections that lose much."""
    return replace(CHANNEL, tick_s=tick_s, doublings_max=_TRIAL_DOUBLINGS)


def _thrown(values: int, dice: Dice) -> int:
    return dice(values) if values else 0
