"""Where a conversation may be fetched from by whoever restores the account: what the archive keeps of it. Pure. (SCP-01 §4.1)"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, zip_longest

from swarmchat import limits
from swarmchat.account.records import Host
from swarmchat.discovery.addressbook import Candidate
from swarmchat.ids import DeviceId


def hosts(devices: Iterable[DeviceId], told: Mapping[DeviceId, Sequence[Candidate]]) -> tuple[Host, ...]:
    """At most 8 of the addresses in `told`, of these devices: one of each device before a second of any.

    Those that lead off this machine go first, then those where a link stood, then what was heard of last.
    """
    known = [(device, told[device]) for device in devices if told.get(device)]
    known.sort(key=lambda one: (_rank(one[1][0]), one[0]))
    rounds = zip_longest(*([Host(device, each.address) for each in candidates] for device, candidates in known))
    return tuple([host for host in chain.from_iterable(rounds) if host is not None][: limits.CLONE_HOSTS_MAX])


def _rank(candidate: Candidate) -> tuple[bool, bool, int]:
    return candidate.address.is_loopback, not candidate.good_s, -candidate.last_s
