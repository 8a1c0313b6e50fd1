"""Asking devices where they listen, when, and for how long an answer counts; and answering not too often. Pure. (SCP-05 §1.12)"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable

from swarmchat.ids import DeviceId
from swarmchat.limits import (
    WANT_AFTER_S,
    WANT_ANSWER_S,
    WANT_EVERY_MAX_S,
    WANT_EVERY_S,
    WANTS_ANSWERED_PER_MINUTE,
    WANTS_OPEN_MAX,
)
from swarmchat.swarm.allowance import Allowance

_MINUTE_S = 60.0


class Wants:
    """`now` is the monotonic clock, in seconds; `dice` gives 0.0 ≤ x < 1.0; `is_dialled`: an address of a device is known."""

    def __init__(self, dice: Callable[[], float], is_dialled: Callable[[DeviceId], bool]) -> None:
        self._dice = dice
        self._is_dialled = is_dialled
        self._due: dict[DeviceId, tuple[int, float]] = {}  # asked how often, and when again
        self._asked: OrderedDict[DeviceId, float] = OrderedDict()
        self._answers = Allowance(WANTS_ANSWERED_PER_MINUTE, WANTS_ANSWERED_PER_MINUTE / _MINUTE_S)

    def shown(self, device: DeviceId, now: float) -> None:
        """Its newest card came just now: it is there, and can be asked again."""
        count, when = self._due.get(device, (0, math.inf))
        self._due[device] = count, min(when, now + self._delay_s(device))

    def take(self, devices: Iterable[DeviceId], now: float) -> list[DeviceId]:
        """Of the devices that are wanted, there, and not linked: those to be asked now.

        A new one at once, or after 2 s if an address of it is being dialled; again with its next card, or after 1, 2, 4 … 10 min.
        """
        due, asked = dict[DeviceId, tuple[int, float]](), list[DeviceId]()
        for device in sorted(devices):
            count, when = self._due.get(device) or (0, now + self._delay_s(device))
            if when <= now:
                asked.append(device)
                count, when = count + 1, now + min(WANT_EVERY_S * 2 ** min(count, 16), WANT_EVERY_MAX_S)
                self._asked.pop(device, None)
                self._asked[device] = now
            due[device] = count, when
        self._due = due
        while self._asked and (
            next(iter(self._asked.values())) <= now - WANT_ANSWER_S or len(self._asked) > WANTS_OPEN_MAX
        ):
            self._asked.popitem(last=False)
        return asked

    def wake_at(self) -> float | None:
        """When `take` may have more, if nothing happens before."""
        return min((when for _, when in self._due.values()), default=None)

    def expects(self, device: DeviceId, now: float) -> bool:
        """Whether an answer of the device counts: it was asked in the last 5 minutes."""
        asked = self._asked.get(device)
        return asked is not None and now - asked < WANT_ANSWER_S

    def may_answer(self, now: float) -> bool:
        """Whether one more question is answered: 10 a minute, whoever asks."""
        return self._answers.take(now)

    def _delay_s(self, device: DeviceId) -> float:
        return WANT_AFTER_S * (0.5 + self._dice()) if self._is_dialled(device) else 0.0
