from __future__ import annotations

import hashlib
import hmac

import pytest

from swarmchat.discovery.blinding import Purpose, blinded_key, bucket, reading, writing

HOUR = 3600
EDGE = 480_000 * HOUR


def test_a_key_is_twenty_bytes_of_an_hmac_keyed_with_the_id() -> None:
    name = b"swarmchat/dht/1/presence/480000"
    assert blinded_key(Purpose.PRESENCE, bytes(20), 480_000) == hmac.digest(bytes(20), name, hashlib.sha256)[:20]


def test_id_purpose_and_hour_each_give_another_key() -> None:
    keys = {
        blinded_key(purpose, id_bytes, number)
        for purpose in Purpose
        for id_bytes in (bytes(20), bytes(31) + b"\1")
        for number in (0, 1, 480_000)
    }
    assert len(keys) == len(Purpose) * 2 * 3


def test_the_bucket_is_the_hour_since_1970() -> None:
    assert [bucket(now) for now in (0, 3599.9, 3600, EDGE - 0.001, EDGE)] == [0, 0, 1, 479_999, 480_000]
    assert writing(EDGE - 1) == 479_999
    assert writing(EDGE) == 480_000


@pytest.mark.parametrize(
    ("after_edge", "read"),
    [
        (-181, (479_999,)),
        (-180, (479_999, 480_000)),
        (-1, (479_999, 480_000)),
        (0, (479_999, 480_000)),
        (719, (479_999, 480_000)),
        (720, (480_000,)),
        (1800, (480_000,)),
    ],
)
def test_around_the_hour_two_keys_are_read(after_edge: int, read: tuple[int, ...]) -> None:
    assert reading(EDGE + after_edge) == read


def test_what_is_written_is_always_read_by_a_clock_two_minutes_off() -> None:
    for second in range(-900, 900, 30):
        for skew in (-120, 0, 120):
            assert writing(EDGE + second) in reading(EDGE + second + skew)
