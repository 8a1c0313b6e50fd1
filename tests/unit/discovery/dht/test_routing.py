from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kademlia.node import Node

from swarmchat import limits
from swarmchat.discovery.dht.identity import NodeId
from swarmchat.discovery.dht.routing import Contact, Table

K = limits.DHT_BUCKET_CONTACTS
OWN = bytes(20)


def table(own: bytes = OWN, k: int = K) -> Table:
    return Table(None, k, Node(own))


def node_id(number: int) -> NodeId:
    return NodeId(number.to_bytes(20, "big"))


def far(number: int) -> NodeId:
    """An id in the half of the space that is not ours."""
    return node_id((1 << 159) + number)


def home(number: int) -> tuple[str, int]:
    return "127.0.0.1", 1 + number


def public(number: int) -> tuple[str, int]:
    return f"8.{number}.8.8", 4222


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 300), wanted=st.integers(1, 25))
def test_the_nearest_are_the_nearest_of_all_that_are_known(seed: int, count: int, wanted: int) -> None:
    dice = random.Random(seed)
    known = table(dice.randbytes(20))
    for index in range(count):
        known.answered(NodeId(dice.randbytes(20)), home(index), 1.0)
    target = dice.randbytes(20)
    number = int.from_bytes(target, "big")
    exact = sorted(known.contacts(), key=lambda one: one.long_id ^ number)[:wanted]
    assert known.nearest(target, wanted) == exact
    assert known.find_neighbors(Node(target), wanted) == exact
    assert all(len(bucket) <= K for bucket in known.buckets)
    assert sum(len(bucket) for bucket in known.buckets) == len(known)


def test_the_target_itself_is_no_neighbour_of_it() -> None:
    known = table()
    known.answered(far(1), home(1), 0.0)
    known.answered(far(2), home(2), 0.0)
    assert [one.id for one in known.nearest(far(1), 5)] == [far(2)]
    assert known.find_neighbors(Node(far(9)), exclude=Node(far(2), *home(2))) == [known.get(far(1))]


def test_the_ends_of_the_space_have_their_bucket() -> None:
    known = table(far(5))
    for number in (0, 1, 2**160 - 1, 2**159, 2**159 - 1):
        assert known.answered(node_id(number), home(number % 1000), 0.0)
    assert {one.long_id for one in known.contacts()} == {0, 1, 2**160 - 1, 2**159, 2**159 - 1}


def test_we_are_no_contact_of_ours() -> None:
    known = table()
    assert not known.answered(NodeId(OWN), home(1), 0.0)
    assert not known.wants(OWN, home(1))


def test_one_lost_request_drops_nobody_and_the_third_in_a_row_does() -> None:
    known = table()
    known.answered(far(1), home(1), 0.0)
    for _ in range(limits.DHT_FAILURES_MAX - 1):
        known.failed(far(1))
    assert known.get(far(1)) is not None
    assert known.nearest(far(0), 5) == []
    assert [one.id for one in known.nearest(far(0), 5, failed=True)] == [far(1)]
    known.answered(far(1), home(1), 1.0)
    for _ in range(limits.DHT_FAILURES_MAX):
        assert len(known) == 1
        known.remove_contact(Node(far(1)))
    assert len(known) == 0
    known.failed(far(1))


def test_who_says_that_he_is_no_node_goes() -> None:
    known = table()
    known.answered(far(1), home(1), 0.0)
    known.left(far(1))
    known.left(far(1))
    assert known.contacts() == []


def test_who_answers_keeps_his_place_in_a_full_bucket_and_who_does_not_loses_it() -> None:
    known = table()
    for number in range(K):
        known.answered(
            node_id(number + 1), home(number), 0.0
        )  # our own half, so that the other one is a bucket of its own
    for number in range(K + 1):
        known.answered(far(number), home(100 + number), 0.0)
    assert known.get(far(K)) is None
    assert not known.wants(far(K), home(99))
    known.failed(far(3))
    assert known.wants(far(K), home(99))
    assert known.answered(far(K), home(100 + K), 1.0)
    assert known.get(far(3)) is None


def test_who_waits_in_reserve_comes_in_when_somebody_goes() -> None:
    known = table()
    for number in range(K):
        known.answered(node_id(number + 1), home(number), 0.0)
    for number in range(K + 1 + limits.DHT_RESERVE_MAX + 5):
        known.answered(far(number), home(100 + number), 0.0)
    for _ in range(limits.DHT_FAILURES_MAX):
        known.failed(far(0))
    last = far(K + limits.DHT_RESERVE_MAX + 5)
    assert known.get(far(0)) is None
    assert known.get(last) is not None
    assert all(len(bucket.replacement_nodes) <= limits.DHT_RESERVE_MAX for bucket in known.buckets)


def test_a_prefix_has_two_places_in_a_bucket() -> None:
    known = table()
    entered = [known.answered(far(number), ("8.8.8.8", 1000 + number), 0.0) for number in range(5)]
    assert entered == [True, True, False, False, False]
    assert not known.wants(far(77), ("8.8.8.99", 1))
    assert known.wants(far(77), ("8.8.9.99", 1))


def test_a_prefix_has_ten_places_in_a_table() -> None:
    known = table(k=1)
    entered = sum(known.answered(node_id(1 << (159 - number)), ("8.8.8.8", 1000 + number), 0.0) for number in range(30))
    assert entered == limits.DHT_PER_PREFIX_IN_TABLE_MAX


def test_at_home_everybody_has_one_address_and_is_let_in() -> None:
    known = table()
    assert all(known.answered(far(number), ("192.168.1.2", 1000 + number), 0.0) for number in range(K))


def test_an_address_is_one_node() -> None:
    known = table()
    for number in range(50):
        known.answered(far(number), home(1), float(number))
    assert [one.id for one in known.contacts()] == [far(49)]
    assert known.at(home(1)) is known.get(far(49))


def test_an_id_keeps_its_address_as_long_as_it_answers_there() -> None:
    known = table()
    known.answered(far(1), home(1), 0.0)
    assert not known.wants(far(1), home(2))
    known.answered(far(1), home(2), 1.0)
    assert known.contacts()[0].address == home(1)
    known.failed(far(1))
    assert known.wants(far(1), home(2))
    known.answered(far(1), home(2), 2.0)
    assert known.contacts()[0].address == home(2)
    assert known.at(home(1)) is None


@pytest.mark.parametrize("name", [b"", b"x", bytes(21), bytes(19)])
def test_an_id_of_another_length_is_not_wanted(name: bytes) -> None:
    assert not table().wants(name, home(1))


def test_the_longest_unheard_are_stale_first_and_parts_of_the_space_grow_quiet() -> None:
    known = table()
    for number in range(6):
        known.answered(far(number), public(number), float(number))
    assert [one.id for one in known.stale(3.0, 2)] == [far(0), far(1)]
    assert known.stale(0.0, 9) == []
    assert known.quiet(5.0) == []
    (part,) = known.quiet(5.1)
    known.searched([far(1)], 9.0)
    assert part[0] <= int.from_bytes(far(1), "big") <= part[1]
    assert known.quiet(5.1) == []
    assert known.lonely_buckets() == []


def test_newcomers_near_us_are_counted_and_others_are_not() -> None:
    known = table()
    for number in range(K):
        known.answered(far(number), home(number), 0.0)
    before = known.newcomers
    known.answered(far(K), home(K), 0.0)  # splits; the far half is full
    known.answered(node_id(1), home(K + 1), 0.0)
    assert (before, known.newcomers) == (K, K + 1)
    assert known.is_near(node_id(2))
    assert not known.is_near(far(2))


def test_the_names_of_the_package_do_the_same() -> None:
    known = table()
    known.add_contact(Contact(far(1), home(1)))
    assert not known.is_new_node(Node(far(1)))
    assert known.is_new_node(Node(far(2)))
    assert known.get_bucket_for(Node(far(1))) == 0
    assert known
    known.flush()
    assert len(known) == 0
