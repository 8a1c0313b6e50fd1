"""What time it is elsewhere: nodes say it with each answer to a ping, and a clock that is wrong makes all our records so. (SCP-05 §1.22)"""

from __future__ import annotations

from collections import OrderedDict

from swarmchat import limits
from swarmchat.discovery.dht.hosts import prefix


class Clocks:
    """The last word of each network; one network has one voice, however many nodes it runs."""

    def __init__(self) -> None:
        self._offsets: OrderedDict[bytes, float] = OrderedDict()

    def told(self, teller: str, theirs: float, ours: float) -> None:
        """The node at this host says that it is `theirs`, seconds since 1970."""
        self._offsets[prefix(teller)] = theirs - ours
        self._offsets.move_to_end(prefix(teller))
        if len(self._offsets) > limits.DHT_TELLERS_MAX:
            self._offsets.popitem(last=False)

    @property
    def offsets_s(self) -> list[float]:
        """Theirs less ours, of each network, sorted; none as long as fewer than `DHT_CLOCKS_MIN` have spoken."""
        return sorted(self._offsets.values()) if len(self._offsets) >= limits.DHT_CLOCKS_MIN else []
