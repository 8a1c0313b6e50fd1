"""Who a node of the DHT is: the hash of a key of its own that took some work to find. (SCP-05 §1.7)

The key belongs to no account and no device; who throws it away is somebody else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NewType, Self

from swarmchat import limits
from swarmchat.crypto.keys import KEY_BYTES, PrivateKey, public_of

NodeId = NewType("NodeId", bytes)  # 20 bytes, in the same space as the DHT's keys

_ID: Final = b"swarmchat/node-id/1"
_PUZZLE: Final = b"swarmchat/node-puzzle/1"
_PROGRESS_EVERY: Final = 1_024


def node_id(public: bytes) -> NodeId:
    """The id of the node with this Ed25519 key (32 raw bytes): the first 20 bytes of SHA-256("swarmchat/node-id/1" ‖ key)."""
    return NodeId(hashlib.sha256(_ID + public).digest()[: limits.DHT_KEY_BYTES])


def solves(public: bytes, bits: int = limits.DHT_PUZZLE_BITS) -> bool:
    """Whether SHA-256("swarmchat/node-puzzle/1" ‖ key) begins with `bits` zero bits."""
    return hashlib.sha256(_PUZZLE + public).digest() < work_target(bits)


@dataclass(frozen=True, slots=True)
class NodeKey:
    """The key pair of a node."""

    private: PrivateKey
    id: NodeId

    @property
    def public(self) -> bytes:
        """The 32 raw bytes that answers carry."""
        return self.private.public.raw

    @classmethod
    def from_seed(cls, seed: bytes, bits: int = limits.DHT_PUZZLE_BITS) -> Self:
        """The node key of a seed that was kept; ValueError if it has not 32 bytes or its key does not solve the puzzle."""
        private = PrivateKey.from_seed(seed)
        if not solves(private.public.raw, bits):
            raise ValueError("this key is no node's: it does not solve the puzzle")
        return cls(private, node_id(private.public.raw))

    def sign(self, data: bytes) -> bytes:
        """The 64-byte signature of this node."""
        return self.private.sign(data)


def find_node_key(
    entropy: Callable[[int], bytes], progress: Callable[[int], None], bits: int = limits.DHT_PUZZLE_BITS
) -> NodeKey:
    """Look for a key that solves the puzzle: 2^bits tries on average, about 15 µs each; offload it.

    `entropy` gives unpredictable bytes and is asked once. `progress` gets the number of tries every 1,024 of them, and
    ends the search by raising.
    """
    start, below = int.from_bytes(entropy(KEY_BYTES), "big"), work_target(bits)
    tries = 0
    while True:
        seed = ((start + tries) % 2**256).to_bytes(KEY_BYTES, "big")
        if hashlib.sha256(_PUZZLE + public_of(seed)).digest() < below:
            return NodeKey.from_seed(seed, bits)
        tries += 1
        if tries % _PROGRESS_EVERY == 0:
            progress(tries)


def work_target(bits: int) -> bytes:
    """What every SHA-256 digest with `bits` (0 to 256) leading zero bits is less than, and no other; compared as bytes."""
    return (1 << 256 - bits).to_bytes(33, "big")[1:] if bits else b"\xff" * 33
