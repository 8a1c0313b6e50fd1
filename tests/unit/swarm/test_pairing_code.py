from __future__ import annotations

import os
from collections import Counter

import pytest

from swarmchat.addresses import Address
from swarmchat.errors import UsageError
from swarmchat.ids import DeviceId
from swarmchat.swarm.pairing_code import PairingCode, draw_words, parse_code, word_list

DEVICE = DeviceId("0123456789abcdef" * 4)
WORDS = "acid-zoom-stew-oasis-crisp-cable"
TEXT = f"swarm-link:{DEVICE}:{WORDS}"


def test_a_code_reads_back_as_it_was_shown() -> None:
    """L-01: the new device shows a token, the existing one takes it."""
    addresses = (Address("192.0.2.7", 4000), Address("2001:db8::7", 4000))
    code = PairingCode(DEVICE, WORDS, addresses)
    assert str(code) == f"{TEXT}?at=192.0.2.7:4000&at=[2001:db8::7]:4000"
    assert parse_code(str(code)) == code
    assert parse_code(TEXT) == PairingCode(DEVICE, WORDS)


@pytest.mark.parametrize(
    "typed",
    [f"  {TEXT}\n", TEXT.upper(), TEXT.replace("-stew-", " stew "), TEXT.replace("-", "--").replace("m--l", "m-l")],
)
def test_case_and_what_stands_between_the_words_do_not_matter(typed: str) -> None:
    assert parse_code(typed) == PairingCode(DEVICE, WORDS)


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("swarm:" + "1" * 40, "no code"),
        ("swarm-link:" + DEVICE, "no code"),
        (f"swarm-link:{DEVICE[:-1]}:{WORDS}", "64 lower-case hex"),
        (f"swarm-link:{DEVICE}:{WORDS}-acid", "six words|6 words"),
        (f"swarm-link:{DEVICE}:{WORDS.rpartition('-')[0]}", "6 words"),
        (f"swarm-link:{DEVICE}:{WORDS.replace('stew', 'stewe')}", "'stewe' is none of the words"),
        (f"{TEXT}?at=nowhere", "host:port"),
        (f"{TEXT}?at=192.0.2.7:0", "port 0"),
        (TEXT + "?x=" + "y" * 4096, "at most 4,096"),
    ],
)
def test_a_slip_of_the_finger_is_named_before_it_costs_a_try(typed: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        parse_code(typed)


def test_a_word_that_is_nearly_right_is_guessed_for_the_person() -> None:
    with pytest.raises(UsageError) as caught:
        parse_code(TEXT.replace("oasis", "oaisis"))
    assert caught.value.hint == "did you mean oasis?"


def test_what_a_later_version_says_beside_is_passed_over_and_sixteen_addresses_are_kept() -> None:
    many = "&".join(f"at=192.0.2.{number}:4000" for number in range(1, 20))
    code = parse_code(f"{TEXT}?relay=x&{many}")
    assert len(code.addresses) == 16


def test_the_list_has_its_words_and_none_that_holds_a_dash() -> None:
    words = word_list()
    assert (len(words), len(set(words))) == (1295, 1295)
    assert all(word.isascii() and word.islower() for word in words)
    assert "yo-yo" not in words


def test_six_words_are_drawn_each_as_likely_as_any_other() -> None:
    assert len(draw_words(os.urandom).split("-")) == 6
    every = iter(range(65_536))
    drawn: Counter[str] = Counter()
    try:
        while True:
            drawn.update(draw_words(lambda _: next(every).to_bytes(2, "big")).split("-"))
    except StopIteration:
        pass
    assert set(drawn.values()) <= {49, 50}  # the last six may be missing: 65,536 tries, 50 for each word
    assert sum(drawn.values()) >= 50 * 1295 - 6
