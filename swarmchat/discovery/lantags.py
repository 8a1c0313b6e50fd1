"""Short daily tags: on the LAN a device is recognised only by who knows its id. Pure. (SCP-05 §2.1)"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable

from swarmchat.ids import DeviceId

DAY_S = 86_400


def day(now: float) -> int:
    """The UTC day of a time in seconds since 1970."""
    return int(now // DAY_S)


def tag(device: DeviceId, number: int) -> str:
    """The tag of a device on a day: 16 hex digits."""
    mac = hmac.new(bytes.fromhex(device), b"swarmchat/lan/1/%d" % number, hashlib.sha256)
    return mac.hexdigest()[:16]


def is_tag(text: str) -> bool:
    """Whether a text has the form of a tag."""
    return re.fullmatch(r"[0-9a-f]{16}", text) is not None


def changes_at(now: float, dice: float) -> float:
    """When the next tag is put out: in the first hour of the coming day, at a part of it given by `dice` (0 … 1).

    Were it midnight sharp, old and new name of all devices would change together and could be matched.
    """
    return (day(now) + 1) * DAY_S + dice * 3600.0


class Recogniser:
    """Which known device a tag belongs to; tries yesterday, today and tomorrow, since clocks differ. Memoised for a day and set."""

    def __init__(self) -> None:
        self._day = -1
        self._known: frozenset[DeviceId] = frozenset()
        self._tags: dict[str, DeviceId] = {}

    def device(self, found: str, known: Iterable[DeviceId], now: float) -> DeviceId | None:
        """The known device with this tag, or None."""
        known, today = frozenset(known), day(now)
        if (today, known) != (self._day, self._known):
            self._day, self._known = today, known
            self._tags = {tag(device, today + shift): device for device in sorted(known) for shift in (-1, 1, 0)}
        return self._tags.get(found)
