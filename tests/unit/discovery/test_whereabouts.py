from __future__ import annotations

import pytest

from swarmchat.addresses import Address
from swarmchat.discovery.whereabouts import whereabouts

HOSTS = ["127.0.0.1", "::1", "192.168.1.7", "9.9.9.9", "fd00::2", "fe80::2%eth0", "169.254.3.3"]


def at(*hosts: str, port: int = 4000) -> tuple[Address, ...]:
    return tuple(Address(host, port) for host in hosts)


def test_everything_of_a_family_is_told_but_for_one_cable_and_this_machine_and_public_ones_first() -> None:
    assert whereabouts(at("0.0.0.0"), HOSTS) == at("9.9.9.9", "192.168.1.7")
    assert whereabouts(at("::"), HOSTS) == at("fd00::2")
    both = [*at("0.0.0.0", port=1), *at("::", port=2)]
    assert whereabouts(both, HOSTS) == (*at("9.9.9.9", "192.168.1.7", port=1), *at("fd00::2", port=2))


def test_one_address_is_told_as_it_is() -> None:
    assert whereabouts(at("192.168.1.7"), HOSTS) == at("192.168.1.7")
    assert whereabouts(at("fe80::2%eth0"), HOSTS) == ()
    assert whereabouts([], HOSTS) == ()


def test_loopback_is_told_only_where_there_is_nothing_else() -> None:
    assert whereabouts(at("127.0.0.1"), HOSTS) == at("127.0.0.1")
    assert whereabouts(at("127.0.0.1", "192.168.1.7"), HOSTS) == at("192.168.1.7")
    assert whereabouts(at("0.0.0.0"), ["127.0.0.1", "169.254.3.3"]) == at("127.0.0.1")


@pytest.mark.parametrize("count", [7, 8, 9])
def test_eight_are_enough(count: int) -> None:
    assert len(whereabouts(at("0.0.0.0"), [f"10.0.0.{number}" for number in range(1, count + 1)])) == min(count, 8)
