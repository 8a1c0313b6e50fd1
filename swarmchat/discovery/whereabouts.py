"""What to tell others of where this node listens. Pure. (SCP-05 §1.12)"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from swarmchat.addresses import Address
from swarmchat.limits import CARD_ADDRESSES_MAX


def whereabouts(listens: Iterable[Address], hosts: Iterable[str]) -> tuple[Address, ...]:
    """At most 8 addresses at which others may reach us, public ones first; `hosts` are this machine's own addresses.

    0.0.0.0 and :: stand for all of their family. Loopback only where there is nothing else: it is for who is on this machine.
    """
    own = sorted(set(hosts))
    found: set[Address] = set()
    for listen in listens:
        asked = ipaddress.ip_address(listen.host)
        same = (host for host in own if ipaddress.ip_address(host).version == asked.version)
        found |= {Address(host, listen.port) for host in (same if asked.is_unspecified else [listen.host])}
    told = sorted((address for address in found if address.may_travel), key=_rank)
    outside = [address for address in told if not address.is_loopback]
    return tuple((outside or told)[:CARD_ADDRESSES_MAX])


def _rank(address: Address) -> tuple[bool, int, Address]:
    ip = ipaddress.ip_address(address.host)
    return not ip.is_global, ip.version, address
