from __future__ import annotations

import pytest

from swarmchat.crypto.exchange import exchange_public


def test_the_public_key_is_that_of_rfc_7748_after_one_iteration() -> None:
    nine = bytes([9]) + bytes(31)  # as scalar here, and as base point always
    assert exchange_public(nine).hex() == "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        exchange_public(bytes(length))
