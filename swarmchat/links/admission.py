"""How many callers are heard at once, and whom we do not hear for a while. No I/O; `now` is given. (SCP-03 §2b, §6)"""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict, deque

from swarmchat.limits import (
    HANDSHAKE_FAILURES_PER_MINUTE,
    HANDSHAKE_SILENCE_S,
    HANDSHAKE_SOURCES_MAX,
    HANDSHAKES_MAX,
    HANDSHAKES_PER_SOURCE_MAX,
    STRANGER_LINKS_MAX,
    STRANGER_LINKS_PER_SOURCE_MAX,
)

_MINUTE_S = 60.0


def source_of(host: str) -> str:
    """Whom a caller counts as: his IPv4 address, or the /64 of his IPv6 one, which is what one subscriber is given."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))


class HandshakeGate:
    """Admits callers to a handshake. `admit`, then exactly one `done`."""

    def __init__(self) -> None:
        self._running: Counter[str] = Counter()
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._silent_until: OrderedDict[str, float] = OrderedDict()

    def admit(self, source: str, now: float) -> bool:
        """Whether a caller from `source` may begin a handshake."""
        until = self._silent_until.get(source)
        if until is not None:
            if now < until:
                return False
            del self._silent_until[source]
        if self._running.total() >= HANDSHAKES_MAX or self._running[source] >= HANDSHAKES_PER_SOURCE_MAX:
            return False
        self._running[source] += 1
        return True

    def done(self, source: str, now: float, *, failed: bool) -> None:
        """The handshake is over; the tenth failure within a minute silences the source for 60 s."""
        self._running[source] -= 1
        if self._running[source] <= 0:
            del self._running[source]
        if not failed:
            return
        times = self._failures.setdefault(source, deque(maxlen=HANDSHAKE_FAILURES_PER_MINUTE))
        self._failures.move_to_end(source)
        times.append(now)
        if len(times) == HANDSHAKE_FAILURES_PER_MINUTE and now - times[0] < _MINUTE_S:
            del self._failures[source]
            self._silent_until[source] = now + HANDSHAKE_SILENCE_S
        for remembered in (self._failures, self._silent_until):
            if len(remembered) > HANDSHAKE_SOURCES_MAX:
                remembered.popitem(last=False)


class StrangerQuota:
    """How many links with strangers stand. `admit`, then exactly one `done`."""

    def __init__(self) -> None:
        self._standing: Counter[str] = Counter()

    def admit(self, source: str) -> bool:
        """Whether one more stranger from `source` is taken."""
        if self._standing.total() >= STRANGER_LINKS_MAX or self._standing[source] >= STRANGER_LINKS_PER_SOURCE_MAX:
            return False
        self._standing[source] += 1
        return True

    def done(self, source: str) -> None:
        """A stranger is gone, or none any more."""
        self._standing[source] -= 1
        if self._standing[source] <= 0:
            del self._standing[source]
