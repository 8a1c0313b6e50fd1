from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmchat import limits
from swarmchat.account.statuskey import StatusKey
from swarmchat.crypto.scalars import ORDER
from swarmchat.errors import RefusedError

LOW, HIGH = b"\1" * 32, b"\2" * 32
KEYS = st.builds(StatusKey, st.integers(1, 3), st.sampled_from([LOW, HIGH, b"\3" * 32]))


@pytest.mark.parametrize(
    ("lesser", "greater"),
    [(StatusKey(1, LOW), StatusKey(1, HIGH)), (StatusKey(1, HIGH), StatusKey(2, LOW)), (StatusKey(2, LOW), StatusKey(10, LOW))],
)  # fmt: skip
def test_the_later_generation_counts_and_of_one_generation_the_greater_bytes(
    lesser: StatusKey, greater: StatusKey
) -> None:
    assert lesser.merged(greater) is greater
    assert greater.merged(lesser) is greater
    assert lesser.merged(None) is lesser


def test_an_equal_key_changes_nothing() -> None:
    held = StatusKey(1, LOW)
    assert StatusKey(1, LOW).merged(held) is held


@given(st.lists(KEYS, min_size=1, max_size=4))
def test_devices_that_heard_the_same_in_any_order_hold_the_same(keys: list[StatusKey]) -> None:
    ends = set()
    for order in permutations(keys):
        held = None
        for key in order:
            held = key.merged(held)
        ends.add(held)
    assert len(ends) == 1


def test_what_its_user_wants_beats_what_he_has_and_what_any_device_draws_meanwhile() -> None:
    first = StatusKey.set(LOW, None)
    assert StatusKey.made(b"\xee" * 32) < first
    second = StatusKey.set(b"\1" * 31 + b"\0", first)
    assert (first.generation, second.generation) == (2, 3)
    assert second.merged(first) is second


def test_setting_the_key_that_is_held_changes_nothing() -> None:
    held = StatusKey.made(LOW)
    assert StatusKey.set(LOW, held) is held


def test_the_last_generation_cannot_be_replaced() -> None:
    last = StatusKey(limits.STATUS_KEY_GENERATION_MAX, LOW)
    assert StatusKey.set(HIGH, StatusKey(last.generation - 1, LOW)).generation == last.generation
    with pytest.raises(RefusedError, match="as often as it can be"):
        StatusKey.set(HIGH, last)


@pytest.mark.parametrize("generation", [0, -1, limits.STATUS_KEY_GENERATION_MAX + 1, True, 1.0, "1"])
def test_a_generation_out_of_bounds_is_none(generation: int) -> None:
    with pytest.raises(ValueError, match="generation"):
        StatusKey(generation, LOW)


@pytest.mark.parametrize("secret", [b"", bytes(32), b"\1" * 31, b"\1" * 33, ORDER.to_bytes(32), "1" * 32])
def test_bytes_that_are_no_number_of_the_curve_are_no_key(secret: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        StatusKey(1, secret)


def test_it_does_not_show_its_secret() -> None:
    assert repr(StatusKey(1, LOW)) == "StatusKey(generation=1)"
