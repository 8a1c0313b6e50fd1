"""Keys and recoverable signatures on secp256k1, as Status and data-sync peers name their authors. (SCP-09 §3.1, SEC 2)

A signature is r (32 bytes) ‖ s (32) ‖ v (1): big endian, nonce of RFC 6979, low s, v 0 or 1. Who signed is recovered from it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import cached_property

from coincurve import PrivateKey, PublicKey

from swarmchat.crypto.keccak import keccak256
from swarmchat.crypto.scalars import ORDER, is_secret
from swarmchat.ids import AccountId

SIGNATURE_BYTES = 65
KEY_BYTES = 65
_MULTICODEC = b"\xe7\x01"  # secp256k1-pub
_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_LEGACY_CHARS = 132
_COMPRESSED_CHARS = 49  # of the one prefix and length there are


@dataclass(frozen=True)
class Key:
    """A public key: 65 bytes, uncompressed, on the curve."""

    raw: bytes

    @classmethod
    def read(cls, raw: bytes) -> Key:
        """A key from its 65 bytes; ValueError for anything that is no point of the curve."""
        if len(raw) != KEY_BYTES or raw[0] != 4:
            raise ValueError("a key is 65 bytes, the first of them 4")
        PublicKey(raw)
        return cls(raw)

    @classmethod
    def parse(cls, text: str) -> Key:
        """A key as people write it: `0x04…` with 130 hex digits, or `zQ3sh…`; ValueError otherwise."""
        if text[:2] in {"0x", "0X"}:
            if len(text) == _LEGACY_CHARS:  # `fromhex` overlooks spaces
                with contextlib.suppress(ValueError):
                    return cls.read(bytes.fromhex(text[2:]))
            raise ValueError("a key in hex is 0x04 and 128 digits, and a point of the curve")
        if len(text) != _COMPRESSED_CHARS or text[0] != "z":
            raise ValueError("a key is 0x04… (132 characters) or zQ3sh… (49 characters)")
        raw = _base58(text[1:])
        if raw[:2] != _MULTICODEC:
            raise ValueError("the text names a key of another kind")
        return cls(PublicKey(raw[2:]).format(compressed=False))

    @cached_property
    def legacy(self) -> str:
        """`0x04…`: 132 characters, lower case; how a key stands inside of events and chat ids."""
        return "0x" + self.raw.hex()

    @property
    def point(self) -> bytes:
        """33 bytes: one half of the point, and which of the two other halves."""
        return bytes((2 + self.raw[-1] % 2,)) + self.raw[1:33]

    @cached_property
    def compressed(self) -> str:
        """`zQ3sh…`: 49 characters, multibase base58btc of the multicodec `e7 01` and 33 bytes; how people see it."""
        number = int.from_bytes(_MULTICODEC + self.point)
        digits = []
        while number:
            number, digit = divmod(number, 58)
            digits.append(_ALPHABET[digit])
        return "z" + "".join(reversed(digits))

    @cached_property
    def uri(self) -> AccountId:
        """The account id under which a conversation keeps somebody that has no account of ours: an Ethereum address in hex."""
        return AccountId(keccak256(self.raw[1:])[12:].hex())


class Secret:
    """A private key; `repr` does not show it."""

    def __init__(self, raw: bytes) -> None:
        """ValueError unless it is 32 bytes that are a number from 1 up to the order of the curve."""
        if not is_secret(raw):
            raise ValueError("a secret is 32 bytes, more than 0 and less than the order of the curve")
        self.raw = raw
        self._key = PrivateKey(raw)
        self.public = Key(self._key.public_key.format(compressed=False))

    def sign(self, digest: bytes) -> bytes:
        """65 bytes over a digest of 32."""
        return self._key.sign_recoverable(digest, hasher=None)


def recover(digest: bytes, signature: bytes) -> Key | None:
    """Who signed a digest of 32 bytes; None for bytes that nobody can have signed.

    The other form of a signature (high s) is refused as well: else anybody could make two of one, and signatures name events.
    """
    if len(signature) != SIGNATURE_BYTES or signature[64] > 1 or int.from_bytes(signature[32:64]) > ORDER // 2:
        return None
    try:
        return Key(PublicKey.from_signature_and_message(signature, digest, hasher=None).format(compressed=False))
    except Exception:  # noqa: BLE001 - the library raises bare ones
        return None


def _base58(text: str) -> bytes:
    number = 0
    for letter in text:
        digit = _ALPHABET.find(letter)
        if digit < 0:
            raise ValueError(f"{letter!r} does not stand in base58")
        number = number * 58 + digit
    try:
        return number.to_bytes(35)
    except OverflowError:
        raise ValueError("the text names more bytes than a key has") from None
