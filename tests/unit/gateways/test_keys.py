"""Keys as people type them."""

from __future__ import annotations

import pytest

from swarmchat.crypto.secp256k1 import Secret
from swarmchat.errors import UsageError
from swarmchat.gateways.keys import is_meant, parsed

KEY = Secret(b"\1" * 32).public


@pytest.mark.parametrize("text", [KEY.legacy, KEY.compressed, f" {KEY.compressed}\n"])
def test_a_key_is_read_in_both_forms_and_with_spaces_around_it(text: str) -> None:
    assert parsed(text, "") == KEY
    assert is_meant(text)


@pytest.mark.parametrize("text", ["zQ3shfoo", "0x0412", "0X", KEY.legacy[:-1], KEY.compressed[:-1]])
def test_a_part_of_a_key_is_told_to_be_no_key_with_the_hint(text: str) -> None:
    assert is_meant(text)
    with pytest.raises(UsageError) as refused:
        parsed(text, "all of it")
    assert (repr(text) in str(refused.value), refused.value.hint) == (True, "all of it")


@pytest.mark.parametrize("text", ["", "zebra", "z", "00ab", "Regatta"])
def test_other_words_were_not_to_be_keys(text: str) -> None:
    assert not is_meant(text)
