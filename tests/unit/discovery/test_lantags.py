from __future__ import annotations

import hashlib
import hmac

import pytest

from swarmchat.discovery.lantags import DAY_S, Recogniser, changes_at, day, is_tag, tag
from swarmchat.ids import device_id
from tests.support.accounts import device

ALICE = device_id("ab" * 32)
NOW = 20_000 * DAY_S + 3600


def test_the_tag_is_that_of_the_spec() -> None:
    assert (
        tag(ALICE, 20_000)
        == hmac.new(bytes.fromhex("ab" * 32), b"swarmchat/lan/1/20000", hashlib.sha256).hexdigest()[:16]
    )


def test_the_tag_vector_stands() -> None:
    assert tag(ALICE, 20_000) == "293bb7ac92c6d090"


@pytest.mark.parametrize(("now", "number"), [(0.0, 0), (DAY_S - 0.001, 0), (DAY_S, 1), (NOW, 20_000)])
def test_a_day_begins_at_midnight_utc(now: float, number: int) -> None:
    assert day(now) == number


@pytest.mark.parametrize(("shift", "known"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_device_is_recognised_when_the_clocks_differ_by_a_day(shift: int, known: bool) -> None:
    found = Recogniser().device(tag(ALICE, 20_000 + shift), [device(1), ALICE], NOW)
    assert found == (ALICE if known else None)


def test_who_is_not_known_is_not_recognised_until_it_is() -> None:
    recogniser = Recogniser()
    assert recogniser.device(tag(ALICE, 20_000), [device(1)], NOW) is None
    assert recogniser.device(tag(ALICE, 20_000), [device(1), ALICE], NOW) == ALICE
    assert recogniser.device(tag(ALICE, 20_000), [ALICE], NOW + 2 * DAY_S) is None


@pytest.mark.parametrize(("dice", "second"), [(0.0, 0), (0.5, 1800), (0.999, 3596.4)])
def test_the_name_changes_in_the_first_hour_of_the_next_day(dice: float, second: float) -> None:
    assert changes_at(NOW, dice) == pytest.approx(20_001 * DAY_S + second)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("0123456789abcdef", True),
        ("0123456789ABCDEF", False),
        ("0" * 15, False),
        ("0" * 17, False),
        ("0" * 16 + "\n", False),
    ],
)
def test_only_sixteen_hex_digits_are_a_tag(text: str, good: bool) -> None:
    assert is_tag(text) is good
