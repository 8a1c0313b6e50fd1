"""Who may ask, how often, and is he where he says: meters, tokens, and records that come in parts. Times are given. (SCP-05 §1.17)"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from dataclasses import dataclass, field

from swarmchat import limits
from swarmchat.discovery.dht.hosts import Endpoint, pack, prefix
from swarmchat.discovery.dht.wire import TOKEN_BYTES


class Meter:
    """So many a second for each of a bounded number of sources, and a burst of them at once."""

    def __init__(self, rate: float, burst: float, sources: int = limits.DHT_METERED_MAX) -> None:
        self._rate = rate
        self._burst = burst
        self._sources = sources
        self._left: OrderedDict[object, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._left)

    def take(self, source: object, now: float) -> bool:
        """Whether `source` may have one more now."""
        left, since = self._left.get(source, (self._burst, now))
        left = min(self._burst, left + max(0.0, now - since) * self._rate)
        allowed = left >= 1
        self._left[source] = (left - allowed, now)
        self._left.move_to_end(source)
        if len(self._left) > self._sources:
            self._left.popitem(last=False)  # the longest silent: its burst is whole again by now, or soon
        return allowed


class Tokens:
    """What an answer hands out and a `put` or `subscribe` hands back: it came to the address that it says. (BEP 5)"""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def mint(self, address: Endpoint, now: float) -> bytes:
        """The token of this address; good for 300 to 600 s."""
        return self._token(address, int(now // limits.DHT_TOKEN_S))

    def holds(self, address: Endpoint, token: bytes, now: float) -> bool:
        """Whether this address was given this token lately."""
        epoch = int(now // limits.DHT_TOKEN_S)
        return any(hmac.compare_digest(token, self._token(address, one)) for one in (epoch, epoch - 1))

    def _token(self, address: Endpoint, epoch: int) -> bytes:
        return hmac.digest(self._secret, pack(address) + epoch.to_bytes(8, "big", signed=True), "sha256")[:TOKEN_BYTES]


@dataclass(slots=True)
class _Partial:
    count: int
    begun: float
    parts: dict[int, bytes] = field(default_factory=dict)


class Partials:
    """Records that come in parts, for a few seconds; one address cannot spoil or crowd out what another sends."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[Endpoint, bytes], _Partial] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def add(self, source: Endpoint, digest: bytes, index: int, count: int, data: bytes, now: float) -> bytes | bool:
        """The whole record once all its parts are there; else whether this part is held."""
        self._expire(now)
        name = (source, digest)
        partial = self._held.get(name)
        if partial is None:
            mine = prefix(source[0])
            if sum(1 for other, _ in self._held if prefix(other[0]) == mine) >= limits.DHT_PARTIALS_PER_PREFIX_MAX:
                return False
            while len(self._held) >= limits.DHT_PARTIALS_MAX:
                self._held.popitem(last=False)
            partial = self._held[name] = _Partial(count, now)
        if partial.count != count:
            return False
        partial.parts[index] = data
        if len(partial.parts) < count:
            return True
        del self._held[name]
        return b"".join(partial.parts[one] for one in range(count))

    def _expire(self, now: float) -> None:
        while self._held:
            name, oldest = next(iter(self._held.items()))
            if now - oldest.begun < limits.DHT_PARTIAL_S:
                return
            del self._held[name]
