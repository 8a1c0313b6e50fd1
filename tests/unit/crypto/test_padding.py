from __future__ import annotations

import pytest

from swarmchat.crypto.padding import PAYLOAD_BYTES_MAX, SIZES, pad, unpad


@pytest.mark.parametrize(
    ("length", "size"),
    [(0, 256), (254, 256), (255, 512), (510, 512), (511, 1024), (1023, 2048), (2046, 2048), (2047, 3072), (3071, 3584), (3582, 3584)],
)  # fmt: skip
def test_a_payload_takes_the_next_of_six_sizes(length: int, size: int) -> None:
    payload = b"x" * length
    assert pad(payload) == length.to_bytes(2, "big") + payload + bytes(size - 2 - length)
    assert unpad(pad(payload)) == payload


def test_a_larger_payload_is_refused() -> None:
    with pytest.raises(ValueError, match="3582"):
        pad(bytes(PAYLOAD_BYTES_MAX + 1))


@pytest.mark.parametrize(
    "padded",
    [b"", b"\0", bytes(255), bytes(257), b"\xff\xff" + bytes(3582), b"\0\x01" + bytes(510), bytes(255) + b"\1",
     (256).to_bytes(2, "big") + bytes(254), (3583).to_bytes(2, "big") + bytes(3583)],
)  # fmt: skip
def test_any_other_padding_is_refused(padded: bytes) -> None:
    with pytest.raises(ValueError, match="padded"):
        unpad(padded)


def test_the_sizes_are_those_of_the_specification() -> None:
    assert SIZES == (256, 512, 1024, 2048, 3072, 3584)
