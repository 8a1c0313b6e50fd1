"""Who sent invalid commits. (SCP-04 §4.3)"""

from __future__ import annotations

from collections import OrderedDict, deque

from swarmchat.ids import DeviceId
from swarmchat.limits import INVALID_COMMITS_PER_HOUR_MAX, PEER_BARRED_S, REPUTATIONS_MAX

_HOUR_S = 3_600.0


class Reputation:
    """Who sent invalid commits; one for all conversations. Three times in an hour: not pulled from for a day. (SCP-04 §4.3)"""

    def __init__(self) -> None:
        self._times: OrderedDict[DeviceId, deque[float]] = OrderedDict()
        self._barred: OrderedDict[DeviceId, float] = OrderedDict()

    def invalid(self, device: DeviceId, now: float) -> None:
        """The device sent a batch with an invalid commit."""
        times = self._times.setdefault(device, deque(maxlen=INVALID_COMMITS_PER_HOUR_MAX))
        self._times.move_to_end(device)
        times.append(now)
        if len(times) == INVALID_COMMITS_PER_HOUR_MAX and now - times[0] < _HOUR_S:
            del self._times[device]
            self._barred[device] = now + PEER_BARRED_S
        for remembered in (self._times, self._barred):
            if len(remembered) > REPUTATIONS_MAX:
                remembered.popitem(last=False)

    def barred(self, device: DeviceId, now: float) -> bool:
        """Whether nothing is taken from the device."""
        until = self._barred.get(device)
        if until is not None and now >= until:
            del self._barred[device]
            return False
        return until is not None
