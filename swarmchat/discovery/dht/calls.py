"""Requests that wait for their answer: sent up to three times, timed, forgotten when nobody waits. Times are given. (SCP-05 §1.16)"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from swarmchat import limits
from swarmchat.discovery.dht.hosts import Endpoint
from swarmchat.discovery.dht.wire import Answer, Peer

_WAITS: Final = (1.0, 1.5, 2.5)  # after each sending, in units of the time-out


@dataclass(frozen=True, slots=True)
class Heard:
    """A signed answer, and whose it is."""

    peer: Peer
    answer: Answer


@dataclass(slots=True, eq=False)
class Call:
    """One request on its way. `done` gets what was heard, or None: nobody answered, or nonsense.

    `slow` hears twice: when the answer is late (False), as most have come by then, and when it is sent again (True).
    """

    transaction: bytes
    address: Endpoint
    datagram: bytes
    expect: bytes | None  # the id that has to sign the answer
    done: Callable[[Heard | None], None]
    slow: Callable[[bool], None] | None
    tries: int
    begun: float
    deadline: float = 0.0
    sent: int = 1
    late: bool = False  # `slow` was told


class Due(NamedTuple):
    """What the time has come for."""

    slow: list[Call]
    again: list[Call]
    over: list[Call]


class Calls:
    """The requests of one socket, and the time-out that their answers teach. (RFC 6298)"""

    def __init__(self) -> None:
        self.rto_s: float = limits.DHT_RTO_FIRST_S
        self.slow_s: float = limits.DHT_SLOW_FIRST_S
        self._srtt: float | None = None
        self._varied = 0.0
        self._waiting: dict[bytes, Call] = {}
        self._due: list[tuple[float, bytes]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def next_due(self) -> float | None:
        """When `due` has something to say at the earliest."""
        while self._due and not self._counts(*self._due[0]):
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def begin(self, call: Call) -> None:
        """The request goes out now."""
        self._waiting[call.transaction] = call
        self._wait(call, call.begun)

    def awaited(self, transaction: bytes, address: Endpoint) -> Call | None:
        """The request that an answer from this address may belong to."""
        call = self._waiting.get(transaction)
        return call if call is not None and call.address == address else None

    def answered(self, call: Call, now: float) -> float | None:
        """It is over; the round trip where it is beyond doubt, in seconds."""
        self.forget(call)
        if call.sent > 1:
            return None  # which of the sendings was answered cannot be told
        took = max(0.0, now - call.begun)
        if self._srtt is None:
            self._srtt, self._varied = took, took / 2
        else:
            self._varied += (abs(took - self._srtt) - self._varied) / 8
            self._srtt += (took - self._srtt) / 16
        self.rto_s = min(limits.DHT_RTO_MAX_S, max(limits.DHT_RTO_MIN_S, self._srtt + 4 * self._varied))
        self.slow_s = min(self.rto_s, max(limits.DHT_SLOW_MIN_S, self._srtt + 2 * self._varied))
        return took

    def forget(self, call: Call) -> None:
        """Nobody waits for the answer any more."""
        self._waiting.pop(call.transaction, None)

    def due(self, now: float) -> Due:
        """What is to be done now: whom to tell that it is slow, what to send again, what nobody answered and is over."""
        due = Due([], [], [])
        while self._due and self._due[0][0] <= now:
            deadline, transaction = heapq.heappop(self._due)
            if not self._counts(deadline, transaction):
                continue
            call = self._waiting[transaction]
            if call.slow is not None and not call.late:
                call.late = True
                due.slow.append(call)
                self._wait(call, call.begun)
            elif call.sent < call.tries:
                call.sent += 1
                due.again.append(call)
                self._wait(call, now)
            else:
                due.over.append(call)
                self.forget(call)
        return due

    def clear(self) -> list[Call]:
        """Forget all of them; returns those that waited."""
        waiting = list(self._waiting.values())
        self._waiting.clear()
        self._due.clear()
        return waiting

    def _wait(self, call: Call, now: float) -> None:
        late = call.slow is None or call.late
        call.deadline = now + (self.rto_s * _WAITS[call.sent - 1] if late else self.slow_s)
        heapq.heappush(self._due, (call.deadline, call.transaction))

    def _counts(self, deadline: float, transaction: bytes) -> bool:
        call = self._waiting.get(transaction)
        return call is not None and call.deadline == deadline


def ignore(heard: Heard | None) -> None:
    """For who asks and needs no answer: the table has taken note of it."""
