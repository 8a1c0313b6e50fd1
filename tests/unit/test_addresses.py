from __future__ import annotations

import pytest

from swarmchat.addresses import Address


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_loopback_in_every_spelling_leads_to_whoever_dials_it(host: str) -> None:
    assert Address(host, 1).is_loopback


@pytest.mark.parametrize("host", ["169.254.0.1", "fe80::1", "fe80::1%eth0", "::ffff:169.254.0.1"])
def test_link_local_in_every_spelling_stays_on_its_cable(host: str) -> None:
    assert Address(host, 1).is_link_local
    assert not Address(host, 1).may_travel


@pytest.mark.parametrize(
    "host", ["localhost", "home.example", "0.0.0.0", "::", "::ffff:0.0.0.0", "224.0.0.1", "ff02::1"]
)
def test_what_is_no_address_of_one_host_does_not_travel(host: str) -> None:
    assert not Address(host, 1).may_travel
    assert not Address(host, 1).is_loopback


def test_the_address_of_a_host_travels_with_a_port() -> None:
    assert Address("192.0.2.7", 1).may_travel
    assert Address("fd00::7", 65_535).may_travel
    assert not Address("192.0.2.7", 0).may_travel
