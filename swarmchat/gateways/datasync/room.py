"""Who has a seat among the data-sync peers that are connected, and who gives way to whom. Sans-IO; `now` in seconds. (SCP-09 §4.6)

A key costs nothing, so nobody is kept out by keys that nobody knows: who proves nothing gives way first, then who is in no group,
then who is invited; of one class who has been silent longest. And who waits to be invited waits on while there is room.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum

from swarmchat.gateways.datasync.payload import PeerId
from swarmchat.limits import (
    DATASYNC_AT_REST_MAX,
    DATASYNC_PER_SOURCE_MAX,
    DATASYNC_SESSIONS_MAX,
    DATASYNC_SILENT_S,
    DATASYNC_STRANGER_S,
    DATASYNC_UNPROVED_MAX,
)


class Rank(IntEnum):
    """Who gives way to whom: the lesser to the greater."""

    UNPROVED = 0  # it has not said, or not shown, whose key it holds
    STRANGER = 1  # a key that is in no group, and invited to none
    INVITED = 2
    MEMBER = 3


Ranks = Callable[[PeerId], Rank]


@dataclass(slots=True, eq=False)
class Seat:
    """A connection."""

    source: str | None  # None: of this machine, or a link, which proved who it is
    since: float
    peer: PeerId | None = None
    rank: Rank = Rank.UNPROVED
    heard: float = 0.0  # of a stranger what he says does not count


class Room:
    """The seats. Who is told to go has none any more."""

    def __init__(self) -> None:
        self._seats: dict[Seat, None] = {}  # in the order of their coming

    def enter(self, source: str | None, now: float) -> tuple[Seat, list[Seat]]:
        """Somebody connects: there is always room to say who one is; who goes for it."""
        gone: list[Seat] = []
        if source is not None:
            kin = [seat for seat in self._seats if seat.source == source and seat.rank <= Rank.STRANGER]
            if len(kin) >= DATASYNC_PER_SOURCE_MAX:
                gone.append(min(kin, key=lambda seat: (seat.rank, seat.since)))
        unproved = [seat for seat in self._seats if seat.rank is Rank.UNPROVED and seat not in gone]
        if len(unproved) >= DATASYNC_UNPROVED_MAX:
            counts = Counter(seat.source for seat in unproved)
            gone.append(min(unproved, key=lambda seat: (-counts[seat.source], seat.since)))
        seat = Seat(source, now, heard=now)
        self._seats[seat] = None
        return seat, self._without(gone)

    def prove(self, seat: Seat, peer: PeerId, ranks: Ranks, now: float) -> list[Seat] | None:
        """It has proved whose key it holds: who goes for it, an older seat of that key among them; None if it is itself to go."""
        if seat not in self._seats:
            return None
        older = [each for each in self._seats if each.peer == peer and each is not seat]
        seat.peer, seat.since, seat.heard = peer, now, now
        self._rank(ranks)
        others = [each for each in self._proved() if each is not seat and each not in older]
        if len(others) < DATASYNC_SESSIONS_MAX:
            return self._without(older)
        least = min(others, key=lambda each: (each.rank, each.heard))
        if least.rank < seat.rank or (least.rank == seat.rank and now - least.heard >= DATASYNC_SILENT_S):
            return self._without([*older, least])
        self._without([seat])
        return None

    def heard(self, peer: PeerId, now: float) -> None:
        """A peer said something."""
        for seat in self._seats:
            if seat.peer == peer and seat.rank > Rank.STRANGER:
                seat.heard = now

    def leave(self, seat: Seat) -> None:
        """It is gone."""
        self._seats.pop(seat, None)

    @property
    def is_crowded(self) -> bool:
        """Whether so many are here that nobody may wait for ever."""
        return len(self._proved()) > DATASYNC_AT_REST_MAX

    def overdue(self, ranks: Ranks, now: float) -> list[Seat]:
        """The strangers that waited long enough in a crowded room, longest first, until it is crowded no more."""
        self._rank(ranks)
        waiting = [
            seat for seat in self._seats if seat.rank is Rank.STRANGER and now - seat.heard >= DATASYNC_STRANGER_S
        ]
        over = max(0, len(self._proved()) - DATASYNC_AT_REST_MAX)
        return self._without(sorted(waiting, key=lambda seat: seat.heard)[:over])

    def _proved(self) -> list[Seat]:
        return [seat for seat in self._seats if seat.peer is not None]

    def _rank(self, ranks: Ranks) -> None:
        """Who was a stranger may be invited by now, and who was a member out."""
        for seat in self._seats:
            if seat.peer is not None:
                seat.rank = ranks(seat.peer)

    def _without(self, gone: Iterable[Seat]) -> list[Seat]:
        found = list(gone)
        for seat in found:
            self._seats.pop(seat, None)
        return found


def source_of(host: str) -> str | None:
    """Who shares one share: an IPv4 address, or an IPv6 network of 64 bits; None for this machine itself."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
