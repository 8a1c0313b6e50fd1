from __future__ import annotations

import hashlib

import pytest

from swarmchat.crypto.keccak import keccak256


@pytest.mark.parametrize(
    ("text", "digest"),
    [(b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
     (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
     (b"transfer(address,uint256)", "a9059cbb2ab09eb219583f4a59a5d0623ade346d962bcd4e46b11da047c9049b")],
)  # fmt: skip
def test_published_digests_are_reproduced(text: bytes, digest: str) -> None:
    assert keccak256(text).hex() == digest


def test_it_is_not_the_digest_that_was_made_a_standard_of_it() -> None:
    assert keccak256(b"abc") != hashlib.sha3_256(b"abc").digest()


def test_parts_are_one_text() -> None:
    assert keccak256(b"a", b"", b"bc") == keccak256(b"abc")
    assert keccak256() == keccak256(b"")
