"""Whether people are there, as of when, and by what that is known. (SCP-04 §6.4)"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from swarmchat.crypto.revocation import device_prefix
from swarmchat.discovery.addressbook import Source
from swarmchat.ids import AccountId, DeviceId
from swarmchat.index.receipt_rows import How, Seen
from swarmchat.swarm.lastseen import LastSeen
from swarmchat.swarm.parts import Parts


class There(enum.StrEnum):
    """What is known of a device, or of the likeliest of an account's."""

    LINKED = "linked"  # now
    THERE = "there"  # it says so, or the LAN shows it
    AWAY = "away"  # it was there
    UNKNOWN = "unknown"


_RANK = {There.LINKED: 3, There.THERE: 2, There.AWAY: 1, There.UNKNOWN: 0}


@dataclass(frozen=True, slots=True)
class Presence:
    """A state, the time it is of (seconds since 1970), and the source of that."""

    state: There = There.UNKNOWN
    as_of: float | None = None
    source: Source | None = None  # link, lan, card or dht


@dataclass(frozen=True, slots=True)
class Attested:
    """What the newest card of a device says: made then, there until."""

    made: int
    until: int
    source: Source


@dataclass(frozen=True, slots=True)
class Clues:
    """All that is known of a device."""

    linked: bool = False
    on_lan: bool = False
    seen: Seen | None = None
    card: Attested | None = None
    good_s: int = 0  # when an address of it was good last


def presence(clues: Clues, now: float) -> Presence:
    """What the clues say at a time. A card outlives a link that broke, not a `bye` that was said after it."""
    if clues.linked:
        return Presence(There.LINKED, now, Source.LINK)
    if clues.on_lan:
        return Presence(There.THERE, now, Source.LAN)
    seen, card = clues.seen, clues.card
    made = 0.0 if card is None else min(card.made, now)  # its clock may be ahead
    went = seen is not None and seen.how is How.BYE and seen.time_ms >= made * 1000
    if card is not None and now < card.until and not went:
        return Presence(There.THERE, made, card.source)
    linked_s = max(0.0 if seen is None else seen.time_ms / 1000, clues.good_s)
    if card is not None and made > linked_s:
        return Presence(There.AWAY, made, card.source)
    return Presence(There.AWAY, linked_s, Source.LINK) if linked_s else Presence()


def best(presences: Iterable[Presence]) -> Presence:
    """That of somebody with several devices: the likeliest, then the latest."""
    return max(presences, key=lambda one: (_RANK[one.state], one.as_of or 0.0), default=Presence())


class Attendance:
    """Asks all who know."""

    def __init__(self, parts: Parts, seen: LastSeen, linked: Callable[[], Mapping[DeviceId, AccountId]]) -> None:
        self._parts = parts
        self._seen = seen
        self._linked = linked

    def devices_of(self, account: AccountId) -> dict[DeviceId, Presence]:
        """Each device of an account that is known and not revoked, by id, this one left out; none of who is blocked."""
        parts = self._parts
        if parts.state.is_blocked(account):
            return {}
        linked = {device for device, owner in self._linked().items() if owner == account}
        written = {device for roster in parts.access.joined_with(account) for device in roster.devices_of(account)}
        carded = {card.device_id for card in parts.finder.devices(account)}
        known = carded | linked | written | self._seen.devices_of(account)
        revoked = parts.access.revoked(account)
        return {
            device: self.device(account, device)
            for device in sorted(known - {parts.account.device})
            if device_prefix(device) not in revoked
        }

    def device(self, account: AccountId, device: DeviceId) -> Presence:
        """One device of an account; nothing of who is blocked."""
        parts, finder = self._parts, self._parts.finder
        if parts.state.is_blocked(account):
            return Presence()
        card = next((card for card in finder.devices(account) if card.device_id == device), None)
        clues = Clues(
            linked=device in self._linked(),
            on_lan=finder.on_lan(device),
            seen=self._seen.get(device),
            card=None if card is None else Attested(card.made, card.online_until, finder.card_source(device)),
            good_s=max((each.good_s for each in finder.addresses(device)), default=0),
        )
        return presence(clues, parts.runtime.now())
