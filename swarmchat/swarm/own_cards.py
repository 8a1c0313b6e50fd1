"""Our own card, for hellos and the DHT: one that says where we are, and one that does not. (SCP-05 §1.10, §1.12a)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from swarmchat.addresses import Address
from swarmchat.discovery import cards
from swarmchat.limits import CARD_AHEAD_S, CARD_FRESH_S
from swarmchat.swarm.parts import Parts


@dataclass(frozen=True, slots=True)
class Pair:
    """`plain` says no addresses and is a second older than `full`, so that who is handed both takes `full` for newer."""

    made: int
    where: tuple[Address, ...]
    plain: bytes
    full: bytes


class OwnCards:
    """`where`: our own addresses now, as `whereabouts` gives them."""

    def __init__(self, parts: Parts, where: Callable[[], Sequence[Address]]) -> None:
        self._parts = parts
        self._where = where
        self._last: Pair | None = None

    def now(self) -> Pair:
        """Cards of what holds now, at most 60 s old."""
        now, where, old = self._parts.runtime.now(), tuple(self._where()), self._last
        made = int(now)
        if old is not None and old.made < now + CARD_AHEAD_S / 2:  # else the clock was set back
            if old.where == where and now < old.made + CARD_FRESH_S:
                return old
            made = max(made, old.made + 2)  # else it would count for no newer
        self._last = Pair(made, where, self._card(made - 1, None), self._card(made, where))
        return self._last

    def _card(self, made: int, where: Sequence[Address] | None) -> bytes:
        mine = self._parts.account
        return cards.build(
            account=mine.certificate,
            device=mine.device_certificate,
            key=mine.device_key,
            seal=mine.sealing.public,
            seal_previous=mine.sealing.previous_public,
            now=made,
            addresses=where,
        ).data
