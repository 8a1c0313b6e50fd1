"""What is taken from our mailbox in the DHT, where anybody may put anything: which records are opened, which letters count. Pure.

What is not for us costs one try to open it; who writes much of that is not read for an hour. (SCP-05 §1.12, SCP-06 §9)
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque

from swarmchat.discovery.directory import Found
from swarmchat.ids import AccountId
from swarmchat.limits import (
    MAIL_OF_STRANGERS_HOUR,
    MAIL_PER_SENDER_HOUR,
    MAIL_SENDERS_MAX,
    MAILBOX_OPENED_AT_ONCE,
    MAILBOX_OPENED_PER_S,
    MAILBOX_RUBBISH_MAX,
    MAILBOX_SEEN_MAX,
    MAILBOX_WRITERS_MAX,
)
from swarmchat.swarm.allowance import Allowance

_HOUR_S = 3_600.0


class Mailbox:
    """Counts what came. `now` is the monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._tries = Allowance(MAILBOX_OPENED_AT_ONCE, MAILBOX_OPENED_PER_S)
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._rubbish: OrderedDict[bytes, tuple[int, float]] = OrderedDict()  # by writer: how many since when
        self._letters: OrderedDict[AccountId, deque[float]] = OrderedDict()
        self._of_strangers: deque[float] = deque(maxlen=MAIL_OF_STRANGERS_HOUR)

    def admits(self, found: Found, now: float) -> bool:
        """Whether a record is tried to open: not seen before, not of who writes rubbish, and not too many at once."""
        name = hashlib.sha256(found.data).digest()
        if name in self._seen or self._is_ignored(found.writer, now):
            return False
        if not self._tries.take(now):
            return False  # not marked as seen: put again it has another chance
        self._seen[name] = None
        if len(self._seen) > MAILBOX_SEEN_MAX:
            self._seen.popitem(last=False)
        return True

    def rubbish(self, found: Found, now: float) -> None:
        """It did not open, or was no letter."""
        count, since = self._rubbish.pop(found.writer, (0, now))
        self._rubbish[found.writer] = (count + 1, since) if now - since < _HOUR_S else (1, now)
        if len(self._rubbish) > MAILBOX_WRITERS_MAX:
            self._rubbish.popitem(last=False)

    def counts(self, sender: AccountId, now: float, *, is_stranger: bool) -> bool:
        """Whether a letter is acted on: at most 60 an hour of one account, and 120 of all strangers together."""
        times = self._letters.setdefault(sender, deque(maxlen=MAIL_PER_SENDER_HOUR))
        self._letters.move_to_end(sender)
        if len(self._letters) > MAIL_SENDERS_MAX:
            self._letters.popitem(last=False)
        if _is_full(times, now) or (is_stranger and _is_full(self._of_strangers, now)):
            return False
        times.append(now)
        if is_stranger:
            self._of_strangers.append(now)
        return True

    def _is_ignored(self, writer: bytes, now: float) -> bool:
        count, since = self._rubbish.get(writer, (0, now))
        return count >= MAILBOX_RUBBISH_MAX and now - since < _HOUR_S


def _is_full(times: deque[float], now: float) -> bool:
    return len(times) == times.maxlen and now - times[0] < _HOUR_S
