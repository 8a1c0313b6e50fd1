from __future__ import annotations

import ipaddress

import pytest
from zeroconf import ServiceInfo

from swarmchat.addresses import Address
from swarmchat.discovery.lan import SERVICE, Sighting, read_service
from swarmchat.discovery.lantags import tag
from tests.support.accounts import device

NAME = f"0123456789abcdef.{SERVICE}"
TAG = tag(device(1), 20_000)


def service(*hosts: str, port: int | None = 4000, **properties: str | bytes | None) -> ServiceInfo:
    return ServiceInfo(
        SERVICE, NAME, addresses=[ipaddress.ip_address(host).packed for host in hosts], port=port,
        properties={"v": "1", "d": TAG} | properties,
    )  # fmt: skip


def test_an_instance_is_read() -> None:
    found = read_service(NAME, service("192.0.2.7", "2001:db8::7", "169.254.1.1", dht="4001"), loopback=False)
    assert found is not None
    assert (found.instance, found.tag, found.device, found.dht_port, found.gone) == (NAME, TAG, None, 4001, False)
    assert set(found.addresses) == {
        Address("192.0.2.7", 4000),
        Address("2001:db8::7", 4000),
        Address("169.254.1.1", 4000),
    }


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "224.0.0.251", "::1", "::", "ff02::fb", "fe80::1"])
def test_hosts_that_lead_nowhere_from_here_are_left_out(host: str) -> None:
    """An IPv6 link-local address that came without its interface cannot be dialled."""
    assert read_service(NAME, service(host), loopback=False) is None
    found = read_service(NAME, service("192.0.2.7", host), loopback=False)
    assert found is not None
    assert found.addresses == (Address("192.0.2.7", 4000),)


def test_loopback_counts_where_there_is_nothing_else() -> None:
    found = read_service(NAME, service("127.0.0.1"), loopback=True)
    assert found is not None
    assert found.addresses == (Address("127.0.0.1", 4000),)


@pytest.mark.parametrize(
    "properties",
    [
        {"v": "2"},
        {"v": None},
        {"v": b"\xff"},
        {"d": "xyz"},
        {"d": None},
        {"d": TAG.upper()},
        {"d": TAG + "0"},
        {"d": "0" * 200},
    ],
)
def test_instances_of_another_kind_are_passed_over(properties: dict[str, str | bytes | None]) -> None:
    assert read_service(NAME, service("192.0.2.7", **properties), loopback=False) is None


@pytest.mark.parametrize("port", [None, 0])
def test_an_instance_without_a_port_is_passed_over(port: int | None) -> None:
    assert read_service(NAME, service("192.0.2.7", port=port), loopback=False) is None


@pytest.mark.parametrize("dht", ["0", "65536", "x", "-1", "", "99999999999", "²"])
def test_a_wrong_dht_port_is_none(dht: str) -> None:
    found = read_service(NAME, service("192.0.2.7", dht=dht), loopback=False)
    assert found is not None
    assert found.dht_port is None


def test_sixteen_addresses_of_an_instance_are_kept() -> None:
    found = read_service(NAME, service(*(f"192.0.2.{number}" for number in range(1, 40))), loopback=False)
    assert isinstance(found, Sighting)
    assert len(found.addresses) == 16
