from __future__ import annotations

from typing import Any

import pytest

from swarmchat.discovery.dht.hosts import is_private, pack, prefix, unpack, usable

PUBLIC, OTHER, HOME, LOOP = "8.8.8.8", "9.9.9.9", "192.168.1.7", "127.0.0.1"


@pytest.mark.parametrize("endpoint", [(PUBLIC, 1), (LOOP, 65535), ("2001:4860:4860::8888", 53), ("::1", 4222)])
def test_an_endpoint_is_packed_and_read_back(endpoint: tuple[str, int]) -> None:
    assert unpack(pack(endpoint)) == endpoint
    assert len(pack(endpoint)) == (18 if ":" in endpoint[0] else 6)


@pytest.mark.parametrize(
    "endpoint", [("name.example", 1), (PUBLIC, -1), (PUBLIC, 65536), ("fe80::1%eth0", 1), ("", 1), (None, 5)]
)
def test_what_is_no_endpoint_is_not_packed(endpoint: Any) -> None:
    with pytest.raises(ValueError, match="no address"):
        pack(endpoint)


@pytest.mark.parametrize("size", [0, 5, 7, 17, 19])
def test_packed_endpoints_have_one_of_two_lengths(size: int) -> None:
    with pytest.raises(ValueError, match="6 or 18"):
        unpack(bytes(size))


@pytest.mark.parametrize(
    ("host", "teller"), [(PUBLIC, OTHER), (PUBLIC, HOME), (HOME, HOME), (HOME, LOOP), (LOOP, LOOP), ("::1", "::1")]
)
def test_who_is_where_he_can_know_of_it_may_name_a_host(host: str, teller: str) -> None:
    assert usable((host, 4222), teller)


@pytest.mark.parametrize(
    ("host", "teller"),
    [
        (HOME, PUBLIC),
        (LOOP, PUBLIC),
        (LOOP, HOME),
        ("0.0.0.0", PUBLIC),
        ("::", PUBLIC),
        ("224.0.0.1", PUBLIC),
        ("255.255.255.255", HOME),
        ("240.0.0.1", HOME),
        ("ff02::1", HOME),
        ("fe80::1", HOME),
        ("::ffff:8.8.8.8", PUBLIC),
    ],
)
def test_nobody_may_name_what_is_no_host_or_inside_our_own_network(host: str, teller: str) -> None:
    assert not usable((host, 4222), teller)


def test_port_0_is_nowhere() -> None:
    assert not usable((PUBLIC, 0), PUBLIC)


def test_a_public_prefix_is_what_one_holder_gets_and_a_private_one_a_host() -> None:
    assert prefix("8.8.8.8") == prefix("8.8.8.250") != prefix("8.8.9.8")
    assert prefix("2001:4860:1:2::3") == prefix("2001:4860:1:9::") != prefix("2001:4860:2::")
    assert prefix(HOME) != prefix("192.168.1.8")
    assert is_private(HOME)
    assert not is_private(PUBLIC)
