"""What the LAN shows of others, apart from what listens there: a node without LAN needs no mDNS library in memory."""

from __future__ import annotations

from dataclasses import dataclass

from swarmchat.addresses import Address
from swarmchat.ids import DeviceId


@dataclass(frozen=True, slots=True)
class Sighting:
    """One instance on the LAN. `device` is None for one that nobody here knows; all of it is a hint, TLS decides."""

    instance: str
    tag: str
    device: DeviceId | None
    addresses: tuple[Address, ...]
    dht_port: int | None = None
    gone: bool = False
