"""The order of messages that name each other, circles included."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

from swarmchat.gateways.datasync.order import arranged
from swarmchat.gateways.datasync.payload import MessageId


def order(signed: Mapping[str, str], claimed: Mapping[str, str]) -> dict[str, set[str]]:
    """`arranged` over one-letter messages, all orders of asking tried."""
    names = sorted({*signed, *claimed})
    found: dict[str, set[str]] | None = None
    for each in permutations(names):
        links = arranged(
            {_id(name): [_id(one) for one in signed.get(name, "")] for name in each},
            {_id(name): [_id(one) for one in claimed.get(name, "")] for name in each},
        )
        seen: set[MessageId] = set()
        for message, followed in links.items():
            assert followed <= seen, "it comes before what it follows"
            seen.add(message)
        now = {chr(message[0]): {chr(one[0]) for one in followed} for message, followed in links.items()}
        assert found is None or now == found, "it depends on what came first"
        found = now
    assert found is not None
    return found


def _id(name: str) -> MessageId:
    return MessageId(name.encode() * 32)


def test_each_follows_what_it_names_and_is_here() -> None:
    assert order({"a": "", "b": "a"}, {"c": "bz", "d": "ac"}) == {"a": set(), "b": {"a"}, "c": {"b"}, "d": {"a", "c"}}


def test_claims_on_a_circle_do_not_count_and_those_beside_it_do() -> None:
    claimed = {"a": "c", "b": "a", "c": "bx", "d": "c", "x": "", "e": "d"}
    assert order({}, claimed) == {"a": set(), "b": set(), "c": {"x"}, "d": {"c"}, "x": set(), "e": {"d"}}


def test_what_is_signed_counts_on_a_circle_too() -> None:
    assert order({"b": "a", "c": "b"}, {"a": "c"}) == {"a": set(), "b": {"a"}, "c": {"b"}}


def test_what_lies_between_two_circles_keeps_its_place() -> None:
    claimed = {"a": "b", "b": "a", "m": "b", "c": "dm", "d": "c"}
    assert order({}, claimed) == {"a": set(), "b": set(), "m": {"b"}, "c": {"m"}, "d": set()}


def test_circles_within_circles_fall_apart() -> None:
    assert order({}, {"a": "be", "b": "a", "c": "bd", "d": "c", "e": "d"}) == {name: set() for name in "abcde"}
