"""Letters: sealed to one device by anybody who has its card. HPKE (RFC 9180), base mode, single shot. (SCP-05 §1.3)

The suite is DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305; a letter is `enc` (32 bytes) and the ciphertext. It
says nothing of who wrote it: the mail inside is signed (SCP-06 §9).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from swarmchat.crypto.exchange import KEY_BYTES
from swarmchat.crypto.padding import SIZES, pad, unpad

OVERHEAD_BYTES: Final = 32 + 16  # the one-time public key, and the tag

_CONTEXT: Final = b"swarmchat/seal/1"


class LetterError(ValueError):
    """A letter does not open with any key of ours, or what is inside has not the form of one."""


def seal_letter(payload: bytes, recipient: bytes, *, purpose: str, device: bytes, key: bytes) -> bytes:
    """Seal for the device (its 32-byte id) with the X25519 key `recipient`, to stand under the 20-byte DHT key `key`.

    ValueError above 3,582 bytes, or if the key of the card is none. It is another letter each time.
    """
    if len(recipient) != KEY_BYTES:
        raise ValueError("an X25519 key has 32 bytes")
    public = X25519PublicKey.from_public_bytes(recipient)
    return _suite().encrypt(pad(payload), public, _info(purpose, device, key))


def open_letter(sealed: bytes, privates: Sequence[bytes], *, purpose: str, device: bytes, key: bytes) -> bytes:
    """The payload of a letter found under `key`, tried with each X25519 private key in turn; LetterError if none opens it."""
    if len(sealed) - OVERHEAD_BYTES not in SIZES:
        raise LetterError("this is no letter: it has another length")
    info = _info(purpose, device, key)
    for private in privates:
        try:
            padded = _suite().decrypt(sealed, X25519PrivateKey.from_private_bytes(private), info)
        except (InvalidTag, ValueError):
            continue
        try:
            return unpad(padded)
        except ValueError as error:
            raise LetterError(str(error)) from None
    raise LetterError("the letter is sealed to another key, or damaged")


def _info(purpose: str, device: bytes, key: bytes) -> bytes:
    if "\0" in purpose or len(device) != 32 or len(key) != 20:
        raise ValueError("a letter is bound to a purpose, a device id of 32 bytes and a DHT key of 20")
    return _CONTEXT + purpose.encode() + b"\0" + device + key


@lru_cache(maxsize=1)
def _suite() -> Suite:
    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
