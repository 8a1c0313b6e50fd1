"""What a session wants done, and what it misses, as values. (SCP-04 §2, §3.2)"""

from __future__ import annotations

from dataclasses import dataclass

from swarmchat.ids import CommitId, DeviceId

Heads = tuple[CommitId, ...]


@dataclass(frozen=True, slots=True)
class Announce:
    """Send `news` to these devices; with the commits since `since`, if it is given and they are few. Then `announced`."""

    devices: tuple[DeviceId, ...]
    since: Heads | None


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Send `got` with our heads to these devices."""

    devices: tuple[DeviceId, ...]


@dataclass(frozen=True, slots=True)
class Pull:
    """Fetch from the device, `want` None meaning all it has. Then `pulled`."""

    device: DeviceId
    want: Heads | None


@dataclass(frozen=True, slots=True)
class TakePush:
    """Admit this pack, which came inside an announcement with `heads`. Then `took`."""

    device: DeviceId
    heads: Heads
    pack: bytes


Wish = Announce | Acknowledge | Pull | TakePush


@dataclass(frozen=True, slots=True)
class Missing:
    """A head that was announced `for_s` seconds ago and has not been had from anyone. (SCP-04 §2.5)"""

    head: CommitId
    devices: tuple[DeviceId, ...]
    for_s: float
