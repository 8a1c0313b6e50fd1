from __future__ import annotations

import pytest

from swarmchat import limits
from swarmchat.discovery.dht.reach import Reach

OUTSIDE, OTHER, HOME = ("8.8.8.8", 1), ("9.9.9.9", 1), ("192.168.1.7", 4222)
LATE = 10_000.0


def test_a_node_is_a_client_until_somebody_comes_whom_it_sent_nothing() -> None:
    reach = Reach()
    reach.sent(OUTSIDE, LATE)
    reach.heard(OUTSIDE, LATE + 1)
    reach.heard(("8.8.8.8", 2), LATE + 1)  # a router that lets in the host lets in its ports
    assert not reach.serves("8.8.8.8", LATE + 1)
    reach.heard(OTHER, LATE + 1)
    assert reach.serves("8.8.8.8", LATE + 1)


def test_what_a_router_has_forgotten_proves_again() -> None:
    reach = Reach()
    reach.sent(OUTSIDE, LATE)
    reach.heard(OUTSIDE, LATE + limits.DHT_MAPPING_S)
    assert not reach.serves("9.9.9.9", LATE + limits.DHT_MAPPING_S)
    reach.heard(OUTSIDE, LATE + limits.DHT_MAPPING_S + 1)
    assert reach.serves("9.9.9.9", LATE + limits.DHT_MAPPING_S + 1)


def test_a_proof_lasts_half_an_hour_and_is_sought_anew_after_half_of_it() -> None:
    reach = Reach()
    assert reach.wants_proof("8.8.8.8", LATE)
    reach.heard(OTHER, LATE)
    half = LATE + limits.DHT_REACHED_S / 2
    assert not reach.wants_proof("8.8.8.8", half)
    assert reach.wants_proof("8.8.8.8", half + 1)
    assert reach.serves("8.8.8.8", LATE + limits.DHT_REACHED_S - 1)
    assert not reach.serves("8.8.8.8", LATE + limits.DHT_REACHED_S)


def test_being_reached_at_home_says_nothing_of_the_world() -> None:
    reach = Reach()
    reach.heard(HOME, LATE)
    assert reach.serves("192.168.1.9", LATE)
    assert not reach.serves("8.8.8.8", LATE)


def test_at_home_who_sees_us_as_we_are_proves_that_nothing_stands_between() -> None:
    reach = Reach()
    reach.seen_as(("192.168.1.2", 4223), HOME, 4222, LATE)  # a router in between gave us another port
    reach.seen_as(("8.8.4.4", 4222), HOME, 4222, LATE)
    reach.seen_as(("192.168.1.2", 4222), OUTSIDE, 4222, LATE)
    assert not reach.serves(HOME[0], LATE)
    reach.seen_as(("192.168.1.2", 4222), HOME, 4222, LATE)
    assert reach.serves(HOME[0], LATE)
    assert not reach.serves(OUTSIDE[0], LATE)


def test_where_so_many_were_sent_to_nothing_proves_for_a_while() -> None:
    reach = Reach()
    for number in range(limits.DHT_SENT_REMEMBERED_MAX + 1):
        reach.sent((f"8.{number // 250}.{number % 250}.8", 1), LATE)
    reach.heard(OTHER, LATE + 1)
    assert not reach.serves("8.8.8.8", LATE + 1)
    reach.heard(OTHER, LATE + limits.DHT_MAPPING_S)
    assert reach.serves("8.8.8.8", LATE + limits.DHT_MAPPING_S)


@pytest.mark.parametrize("client", [True, False])
def test_who_is_told_what_he_is_asks_nobody(client: bool) -> None:
    reach = Reach(client=client)
    assert not reach.wants_proof("8.8.8.8", LATE)
    reach.heard(OTHER, LATE)
    assert reach.serves("8.8.8.8", LATE) is not client


def test_one_machine_may_play_the_world() -> None:
    reach = Reach(home=False)
    reach.seen_as(("127.0.0.1", 4222), ("127.0.0.1", 1), 4222, LATE)
    reach.sent(("127.0.0.1", 1), LATE)
    reach.heard(("127.0.0.1", 1), LATE)
    assert not reach.serves("127.0.0.1", LATE)
    reach.heard(("127.0.0.1", 2), LATE)
    assert reach.serves("127.0.0.1", LATE)


def test_being_reached_from_outside_is_not_being_reached_at_home() -> None:
    reach = Reach()
    reach.heard(("192.168.1.9", 1), LATE)
    assert not reach.from_outside(LATE)
    reach.heard(("8.8.8.8", 1), LATE)
    assert reach.from_outside(LATE + limits.DHT_REACHED_S - 1)
    assert not reach.from_outside(LATE + limits.DHT_REACHED_S)
    assert Reach(client=False).from_outside(LATE)
    assert not Reach(client=True).from_outside(LATE)
