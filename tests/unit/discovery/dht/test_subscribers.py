from __future__ import annotations

from swarmchat import limits
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.dht.subscribers import Subscribers

KEY, OTHER = DhtKey(bytes(20)), DhtKey(b"k" * 20)
HERE = ("8.8.8.8", 1)


def public(number: int) -> tuple[str, int]:
    return f"8.{number // 250}.{number % 250}.8", 4222


def test_who_subscribed_is_told_until_his_time_is_over() -> None:
    subscribers = Subscribers()
    assert subscribers.add(KEY, HERE, 0.0)
    assert subscribers.told(KEY, limits.DHT_SUBSCRIPTION_S - 0.1) == [HERE]
    assert subscribers.told(OTHER, 1.0) == []
    assert subscribers.told(KEY, limits.DHT_SUBSCRIPTION_S) == []
    assert len(subscribers) == 0


def test_renewing_counts_once_and_lasts() -> None:
    subscribers = Subscribers()
    for now in (0.0, 60.0, 120.0):
        assert subscribers.add(KEY, HERE, now)
    assert len(subscribers) == 1
    assert subscribers.told(KEY, 200.0) == [HERE]


def test_who_goes_is_told_no_more() -> None:
    subscribers = Subscribers()
    subscribers.add(KEY, HERE, 0.0)
    subscribers.drop(KEY, ("8.8.8.8", 2))
    subscribers.drop(OTHER, HERE)
    assert subscribers.told(KEY, 1.0) == [HERE]
    subscribers.drop(KEY, HERE)
    subscribers.drop(KEY, HERE)
    assert subscribers.told(KEY, 1.0) == []
    assert len(subscribers) == 0


def test_a_key_has_so_many_and_who_was_there_stays() -> None:
    subscribers = Subscribers()
    taken = [subscribers.add(KEY, public(number), 0.0) for number in range(limits.DHT_SUBSCRIBERS_PER_KEY_MAX + 2)]
    assert taken == [True] * limits.DHT_SUBSCRIBERS_PER_KEY_MAX + [False] * 2
    assert subscribers.add(KEY, public(0), 1.0)
    assert subscribers.add(KEY, public(999), limits.DHT_SUBSCRIPTION_S + 0.5)


def test_a_network_has_so_many() -> None:
    subscribers = Subscribers()
    most = limits.DHT_SUBSCRIBERS_PER_PREFIX_MAX
    taken = [subscribers.add(DhtKey(number.to_bytes(20, "big")), HERE, 0.0) for number in range(most + 1)]
    assert taken == [True] * most + [False]
    assert subscribers.add(KEY, ("9.9.9.9", 1), 0.0)


def test_there_are_so_many_in_all_and_those_that_are_over_make_room() -> None:
    subscribers = Subscribers()
    for number in range(limits.DHT_SUBSCRIBERS_MAX):
        assert subscribers.add(DhtKey((number // 60).to_bytes(20, "big")), public(number), 0.0)
    assert not subscribers.add(OTHER, HERE, 1.0)
    assert subscribers.add(OTHER, HERE, limits.DHT_SUBSCRIPTION_S)
    assert len(subscribers) == 1


def test_nobody_is_told_more_often_than_he_can_bear() -> None:
    subscribers = Subscribers()
    subscribers.add(KEY, HERE, 0.0)
    told = sum(len(subscribers.told(KEY, 1.0)) for _ in range(200))
    assert told == limits.DHT_NOTIFIED_PER_S
