from __future__ import annotations

import hashlib

import pytest

from swarmchat import limits
from swarmchat.crypto.keys import PrivateKey
from swarmchat.discovery.dht.identity import NodeKey, find_node_key, node_id, solves


def zero_bits(digest: bytes) -> int:
    return 8 * len(digest) - int.from_bytes(digest, "big").bit_length()


def test_an_id_is_twenty_bytes_of_the_hash_of_the_key() -> None:
    public = bytes(range(32))
    assert node_id(public) == hashlib.sha256(b"swarmchat/node-id/1" + public).digest()[:20]


@pytest.mark.parametrize("bits", [0, 1, 7, 8, 9, 255, 256])
def test_the_puzzle_asks_for_leading_zero_bits(bits: int) -> None:
    public = bytes([3]) * 32
    digest = hashlib.sha256(b"swarmchat/node-puzzle/1" + public).digest()
    assert solves(public, bits) is (zero_bits(digest) >= bits)


def test_the_key_found_is_the_first_from_the_random_start_that_solves_the_puzzle() -> None:
    start = 2**256 - 2  # the count runs over the end and goes on at 0
    found = find_node_key(lambda count: start.to_bytes(count, "big"), lambda tries: None, 4)
    tried = ((start + number) % 2**256 for number in range(1_000))
    keys = (PrivateKey.from_seed(seed.to_bytes(32, "big")) for seed in tried)
    assert found.private == next(key for key in keys if solves(key.public.raw, 4))
    assert found.id == node_id(found.public)


def test_who_looks_hears_of_the_progress_and_can_end_it() -> None:
    told: list[int] = []

    class StopError(Exception):
        pass

    def progress(tries: int) -> None:
        told.append(tries)
        if tries == 3_072:
            raise StopError

    with pytest.raises(StopError):
        find_node_key(bytes, progress, 200)
    assert told == [1_024, 2_048, 3_072]


def test_a_kept_seed_gives_the_same_node_and_another_is_refused() -> None:
    found = find_node_key(lambda count: bytes([7]) * count, lambda tries: None, 4)
    assert NodeKey.from_seed(found.private.seed, 4) == found
    with pytest.raises(ValueError, match="puzzle"):
        NodeKey.from_seed(found.private.seed, 200)
    with pytest.raises(ValueError, match="32 bytes"):
        NodeKey.from_seed(bytes(31), 0)


def test_what_a_node_signs_is_verified_with_its_public_key() -> None:
    key = NodeKey.from_seed(bytes(32), 0)
    assert key.private.public.verify(key.sign(b"pong"), b"pong")
    assert limits.DHT_PUZZLE_BITS == 16
