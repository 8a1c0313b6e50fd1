"""Sealed mail on its way into mailboxes: in which order, how often, in which place of the mailbox. Pure. (SCP-06 §9)

A storing node keeps few records of one writer under one key, so a letter stands for some seconds, and then makes room.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from swarmchat.ids import DeviceId
from swarmchat.limits import (
    DHT_TTL_MAX_S,
    POSTED_AT_ONCE,
    POSTED_RETRY_S,
    POSTED_SLOT_S,
    POSTED_SLOTS,
    POSTED_TRIES_MAX,
    POSTED_WAITING_MAX,
)
from swarmchat.swarm.invitations import Sender
from swarmchat.swarm.mail import Mail


@dataclass(frozen=True, slots=True)
class Posting:
    """One letter to one device; of two about one `topic` the newer counts."""

    to: Sender
    topic: str
    mail: Mail
    ttl_s: int = DHT_TTL_MAX_S
    slot: int = 0  # where in the mailbox
    tries: int = 0
    due: float = 0.0


class Outbox:
    """`now` is the monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[tuple[DeviceId, str], Posting] = OrderedDict()
        self._under_way = 0
        self._free_at: dict[DeviceId, list[float]] = {}  # when the next letter may take each place

    def __len__(self) -> int:
        return len(self._waiting) + self._under_way

    def post(self, posting: Posting) -> bool:
        """Have it put soon; False when too many wait."""
        name = posting.to.device, posting.topic
        if name not in self._waiting and len(self._waiting) >= POSTED_WAITING_MAX:
            return False
        self._waiting[name] = posting
        return True

    def withdraw(self, device: DeviceId) -> None:
        """What waits for a device need not go this way any more."""
        for name in [name for name in self._waiting if name[0] == device]:
            del self._waiting[name]

    def take(self, now: float) -> list[Posting]:
        """Those to be put now; `done` must follow for each."""
        over = now - DHT_TTL_MAX_S  # what stood there is gone by itself
        self._free_at = {device: times for device, times in self._free_at.items() if max(times) > over}
        chosen = []
        for name, posting in list(self._waiting.items()):
            if self._under_way >= POSTED_AT_ONCE:
                break
            times = self._free_at.setdefault(posting.to.device, [over] * POSTED_SLOTS)
            slot = min(range(POSTED_SLOTS), key=lambda each: (times[each], each))
            if posting.due <= now and times[slot] <= now:
                del self._waiting[name]
                times[slot] = now + POSTED_SLOT_S
                self._under_way += 1
                chosen.append(replace(posting, slot=slot, tries=posting.tries + 1))
        return chosen

    def done(self, posting: Posting, now: float, *, stored: bool) -> None:
        """It was put, or nobody took it: then again in 15 s, unless there is newer mail, at most four times."""
        self._under_way -= 1
        if not stored and posting.tries < POSTED_TRIES_MAX and (posting.to.device, posting.topic) not in self._waiting:
            self.post(replace(posting, due=now + POSTED_RETRY_S))

    def wake_at(self) -> float | None:
        """When `take` may have more, if nothing happens before."""
        if not self._waiting or self._under_way >= POSTED_AT_ONCE:
            return None
        return min(
            max(posting.due, min(self._free_at.get(posting.to.device, [posting.due])))
            for posting in self._waiting.values()
        )
