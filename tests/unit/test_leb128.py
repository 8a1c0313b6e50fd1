"""Numbers as git's deltas and protocol buffers write them."""

from __future__ import annotations

import pytest

from swarmchat import leb128


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0, "00"),
        (1, "01"),
        (127, "7f"),
        (128, "8001"),
        (300, "ac02"),
        (16_383, "ff7f"),
        (16_384, "808001"),
        (2**64 - 1, "ff" * 9 + "01"),
    ],
)
def test_a_number_takes_a_byte_for_seven_bits_lowest_first(number: int, written: str) -> None:
    assert leb128.encode(number).hex() == written


def test_there_is_no_negative_number() -> None:
    with pytest.raises(ValueError, match="byte must be in range"):
        leb128.encode(-1)
