"""Who is typing; kept in memory, never stored. (SCP-04 §6.2)"""

from __future__ import annotations

from dataclasses import dataclass

from swarmchat.ids import DeviceId
from swarmchat.limits import TYPING_INTERVAL_S, TYPING_TIMEOUT_S, TYPISTS_MAX

# Who keeps to the interval may still be heard closer together: a line is not always equally slow.
_BEGINS_EVERY_S = TYPING_INTERVAL_S / 2


@dataclass(frozen=True, slots=True)
class TypingSeen:
    """A device began or stopped typing."""

    device: DeviceId
    on: bool


class Typing:
    """Typing in one conversation: what others do, and how often we tell. Times in seconds, the clock of `now`."""

    def __init__(self) -> None:
        self._until: dict[DeviceId, float] = {}
        self._began: dict[DeviceId, float] = {}  # a moment ago, and perhaps stopped since
        self._told: bool = False
        self._told_at: float | None = None

    def heard(self, device: DeviceId, on: bool, now: float) -> list[TypingSeen]:
        """A device says that it types, or that it stopped; what changed."""
        if not on:
            return self.stopped(device)
        if device in self._until:
            self._until[device] = now + TYPING_TIMEOUT_S
            return []
        self._began = {each: at for each, at in self._began.items() if now - at < _BEGINS_EVERY_S}
        if device in self._began or max(len(self._until), len(self._began)) >= TYPISTS_MAX:
            return []
        self._began[device] = now
        self._until[device] = now + TYPING_TIMEOUT_S
        return [TypingSeen(device, on=True)]

    def stopped(self, device: DeviceId) -> list[TypingSeen]:
        """It wrote a message, was removed, or is gone."""
        return [TypingSeen(device, on=False)] if self._until.pop(device, None) is not None else []

    def tick(self, now: float) -> list[TypingSeen]:
        """Who said nothing for 12 s has stopped."""
        over = sorted(device for device, until in self._until.items() if until <= now)
        return [seen for device in over for seen in self.stopped(device)]

    def deadline(self) -> float | None:
        """When to tick."""
        return min(self._until.values(), default=None)

    def say(self, on: bool, now: float) -> bool:
        """Our user types or stopped: whether to tell the others now (typing at most once in 2 s, the end once)."""
        if not on:
            told, self._told = self._told, False
            return told
        if self._told_at is not None and now - self._told_at < TYPING_INTERVAL_S:
            return False
        self._told, self._told_at = True, now
        return True
