"""Veils: readable for whoever knows the id that it is about, and for no node that only keeps it. (SCP-05 §1.3)

ChaCha20-Poly1305 with a key made of the id; the nonce stands in front. Who knows the id can also veil: what is inside is
signed.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from swarmchat.crypto.derivation import derive
from swarmchat.crypto.padding import SIZES, pad, unpad

NONCE_BYTES: Final = 12
OVERHEAD_BYTES: Final = NONCE_BYTES + 16


class VeilError(ValueError):
    """What was found is veiled with another id or for another key, or damaged."""


def veil(payload: bytes, id_bytes: bytes, *, purpose: str, bucket: int, key: bytes, nonce: bytes) -> bytes:
    """Hide from who does not know the id; to stand under the DHT key `key` in this bucket. `nonce`: 12 random bytes.

    ValueError above 3,582 bytes, or for a nonce of another length.
    """
    if len(nonce) != NONCE_BYTES:
        raise ValueError("a veil takes a nonce of 12 bytes")
    return nonce + _cipher(id_bytes, purpose, bucket).encrypt(nonce, pad(payload), key)


def unveil(veiled: bytes, id_bytes: bytes, *, purpose: str, bucket: int, key: bytes) -> bytes:
    """The payload of what was found under the DHT key `key` of this bucket; VeilError if it was not veiled for it."""
    if len(veiled) - OVERHEAD_BYTES not in SIZES:
        raise VeilError("this is not veiled: it has another length")
    try:
        padded = _cipher(id_bytes, purpose, bucket).decrypt(veiled[:NONCE_BYTES], veiled[NONCE_BYTES:], key)
    except InvalidTag:
        raise VeilError("veiled with another id or for another key, or damaged") from None
    try:
        return unpad(padded)
    except ValueError as error:
        raise VeilError(str(error)) from None


def _cipher(id_bytes: bytes, purpose: str, bucket: int) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(derive(id_bytes, f"swarmchat/veil/1/{purpose}/{bucket}".encode()))
