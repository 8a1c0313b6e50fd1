"""Who wants to be told of what comes under a key, for two minutes at a time. Times are given. (SCP-05 §1.17)"""

from __future__ import annotations

from collections import Counter, OrderedDict

from swarmchat import limits
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.dht.admission import Meter
from swarmchat.discovery.dht.hosts import Endpoint, prefix


class Subscribers:
    """Bounded for each key, each prefix and in all; nobody loses his place to who comes later."""

    def __init__(self) -> None:
        self._until: dict[DhtKey, OrderedDict[Endpoint, float]] = {}
        self._of_prefix: Counter[bytes] = Counter()
        self._meter = Meter(limits.DHT_NOTIFIED_PER_S, limits.DHT_NOTIFIED_PER_S, limits.DHT_SUBSCRIBERS_MAX)

    def __len__(self) -> int:
        return self._of_prefix.total()

    def add(self, key: DhtKey, address: Endpoint, now: float) -> bool:
        """Tell this address for `DHT_SUBSCRIPTION_S` from now; whether there is room."""
        self._expire(key, now)
        there = self._until.get(key)
        if there is None or address not in there:
            if there is not None and len(there) >= limits.DHT_SUBSCRIBERS_PER_KEY_MAX:
                return False
            if self._of_prefix[prefix(address[0])] >= limits.DHT_SUBSCRIBERS_PER_PREFIX_MAX:
                return False
            if len(self) >= limits.DHT_SUBSCRIBERS_MAX:
                self.sweep(now)
                if len(self) >= limits.DHT_SUBSCRIBERS_MAX:
                    return False
            self._of_prefix[prefix(address[0])] += 1
        there = self._until.setdefault(key, OrderedDict())
        there[address] = now + limits.DHT_SUBSCRIPTION_S
        there.move_to_end(address)
        return True

    def drop(self, key: DhtKey, address: Endpoint) -> None:
        """Tell this address no longer; nothing happens where it was not told."""
        there = self._until.get(key)
        if there is None or there.pop(address, None) is None:
            return
        mine = prefix(address[0])
        self._of_prefix[mine] -= 1
        if not self._of_prefix[mine]:
            del self._of_prefix[mine]
        if not there:
            del self._until[key]

    def told(self, key: DhtKey, now: float) -> list[Endpoint]:
        """Whom to tell of a record now: all that subscribed to the key and were not told too often."""
        self._expire(key, now)
        return [address for address in self._until.get(key, ()) if self._meter.take(address, now)]

    def sweep(self, now: float) -> None:
        """Forget those whose time is over."""
        for key in list(self._until):
            self._expire(key, now)

    def _expire(self, key: DhtKey, now: float) -> None:
        there = self._until.get(key)
        while there:
            address, until = next(iter(there.items()))  # the longest not renewed stands first
            if until > now:
                return
            self.drop(key, address)
