from __future__ import annotations

import pytest

from swarmchat import limits
from swarmchat.discovery.dht.admission import Meter, Partials, Tokens

HERE, THERE, NEAR = ("8.8.8.8", 1), ("9.9.9.9", 1), ("8.8.8.9", 1)
DIGEST = b"digest.8"


def test_a_burst_goes_and_then_so_many_a_second() -> None:
    meter = Meter(10.0, 5.0)
    assert [meter.take("a", 0.0) for _ in range(6)] == [True] * 5 + [False]
    assert meter.take("b", 0.0)
    assert not meter.take("a", 0.09)
    assert meter.take("a", 0.1)
    assert [meter.take("a", 100.0) for _ in range(6)] == [True] * 5 + [False]


def test_a_clock_that_stands_gives_nothing() -> None:
    meter = Meter(10.0, 1.0)
    assert meter.take("a", 5.0)
    assert not meter.take("a", 4.0)


def test_so_many_sources_are_metered_and_no_more() -> None:
    meter = Meter(1.0, 1.0, sources=3)
    for source in range(10):
        meter.take(source, 0.0)
    assert len(meter) == 3
    assert not meter.take(9, 0.0)


def test_a_token_holds_for_its_address_in_its_span_and_the_next() -> None:
    tokens = Tokens(b"s" * 32)
    token = tokens.mint(HERE, 10.0)
    assert len(token) == 8
    assert tokens.holds(HERE, token, 10.0)
    assert tokens.holds(HERE, token, 2 * limits.DHT_TOKEN_S - 0.1)
    assert not tokens.holds(HERE, token, 2 * limits.DHT_TOKEN_S)
    assert not tokens.holds(THERE, token, 10.0)
    assert not tokens.holds((HERE[0], 2), token, 10.0)
    assert not Tokens(b"t" * 32).holds(HERE, token, 10.0)
    assert tokens.holds(HERE, tokens.mint(HERE, 0.0), 0.0)


def test_parts_make_a_whole_in_any_order() -> None:
    partials = Partials()
    assert partials.add(HERE, DIGEST, 2, 3, b"c", 0.0) is True
    assert partials.add(HERE, DIGEST, 0, 3, b"a", 0.0) is True
    assert partials.add(HERE, DIGEST, 0, 3, b"a", 0.0) is True
    assert partials.add(HERE, DIGEST, 1, 3, b"b", 0.0) == b"abc"
    assert len(partials) == 0


def test_another_address_spoils_nothing() -> None:
    partials = Partials()
    partials.add(HERE, DIGEST, 0, 2, b"a", 0.0)
    assert partials.add(NEAR, DIGEST, 1, 2, b"rubbish", 0.0) is True
    assert partials.add(HERE, DIGEST, 1, 2, b"b", 0.0) == b"ab"


def test_parts_of_another_count_are_no_parts() -> None:
    partials = Partials()
    partials.add(HERE, DIGEST, 0, 2, b"a", 0.0)
    assert partials.add(HERE, DIGEST, 1, 3, b"b", 0.0) is False


def test_what_stays_in_parts_is_forgotten() -> None:
    partials = Partials()
    partials.add(HERE, DIGEST, 0, 2, b"a", 0.0)
    assert partials.add(HERE, DIGEST, 1, 2, b"b", limits.DHT_PARTIAL_S) is True
    assert len(partials) == 1


@pytest.mark.parametrize("host", ["8.8.8.{}", "192.168.1.1"])
def test_one_network_has_its_share_of_parts(host: str) -> None:
    partials = Partials()
    held = [
        partials.add((host.format(number % 250), 1), number.to_bytes(8, "big"), 0, 2, b"a", 0.0)
        for number in range(limits.DHT_PARTIALS_PER_PREFIX_MAX + 3)
    ]
    assert held == [True] * limits.DHT_PARTIALS_PER_PREFIX_MAX + [False] * 3


def test_so_many_parts_are_held_and_the_oldest_goes() -> None:
    partials = Partials()
    for number in range(limits.DHT_PARTIALS_MAX + 1):
        partials.add((f"8.{number // 250}.{number % 250}.8", 1), DIGEST, 0, 2, b"a", 0.0)
    assert len(partials) == limits.DHT_PARTIALS_MAX
    assert partials.add(("8.0.0.8", 1), DIGEST, 1, 2, b"b", 0.0) is True
