"""Ed25519 key pairs, signatures, and the ids that name a key. (SCP-01 §1.1–§1.4)"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from swarmchat.ids import AccountId, DeviceId

KEY_BYTES = 32
SIGNATURE_BYTES = 64
ED25519_ALGORITHM = bytes.fromhex("300506032b6570")  # AlgorithmIdentifier id-Ed25519, no parameters (RFC 8410)
_SPKI_PREFIX = bytes.fromhex("302a") + ED25519_ALGORITHM + bytes.fromhex("032100")
_PKCS8_PREFIX = bytes.fromhex("302e020100") + ED25519_ALGORITHM + bytes.fromhex("04220420")

_FIELD = 2**255 - 19
# y of the eight points whose order divides 8: under such a key one signature fits many messages, so it signs nothing.
_TORSION_Y = frozenset(
    {
        0,
        1,
        _FIELD - 1,
        2707385501144840649318225287225658788936804267575313519463743609750303402022,
        55188659117513257062467267217118295137698188065244968500265048394206261417927,
    }
)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key: 32 bytes, the canonical spelling of a point that is not of small order."""

    raw: bytes

    @classmethod
    def from_raw(cls, raw: bytes) -> Self:
        """Read the 32 bytes of RFC 8032; ValueError for another length, a second spelling or a point of small order."""
        if len(raw) != KEY_BYTES:
            raise ValueError("an Ed25519 key has 32 bytes")
        y = int.from_bytes(raw, "little") & (2**255 - 1)
        if y >= _FIELD or y in _TORSION_Y:
            raise ValueError("not an Ed25519 key that can sign")
        return cls(bytes(raw))

    @classmethod
    def from_spki(cls, der: bytes) -> Self:
        """Read a DER SubjectPublicKeyInfo of 44 bytes; ValueError for anything but an Ed25519 key."""
        if len(der) != len(_SPKI_PREFIX) + KEY_BYTES or not der.startswith(_SPKI_PREFIX):
            raise ValueError("not the SubjectPublicKeyInfo of an Ed25519 key")
        return cls.from_raw(der[len(_SPKI_PREFIX) :])

    @property
    def spki(self) -> bytes:
        """The DER SubjectPublicKeyInfo, 44 bytes."""
        return _SPKI_PREFIX + self.raw

    @property
    def account_id(self) -> AccountId:
        """The id of the account whose key this is. (SCP-01 §1.3)"""
        return _account_id(self.raw)

    @property
    def device_id(self) -> DeviceId:
        """The id of the device whose key this is. (SCP-01 §1.3)"""
        return _device_id(self.raw)

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether this key signed `data`; a signature of another length than 64 is simply false."""
        return _verify(self.raw, signature, data)


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """An Ed25519 private key, made from a seed of 32 unpredictable bytes; its repr shows the public half only."""

    seed: bytes = field(repr=False)
    public: PublicKey
    _key: Ed25519PrivateKey = field(repr=False, compare=False)

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """The key pair of a seed; ValueError if the seed has not 32 bytes."""
        if len(seed) != KEY_BYTES:
            raise ValueError("the seed of an Ed25519 key has 32 bytes")
        key = Ed25519PrivateKey.from_private_bytes(seed)
        return cls(bytes(seed), PublicKey(key.public_key().public_bytes_raw()), key)

    @property
    def pkcs8(self) -> bytes:
        """The key as unencrypted DER PKCS #8 (RFC 8410), for a TLS library."""
        return _PKCS8_PREFIX + self.seed

    def sign(self, data: bytes) -> bytes:
        """The 64-byte signature; the same data always gives the same bytes. (SCP-01 §2.2)"""
        return self._key.sign(data)


def verify_batch(items: Sequence[tuple[bytes, bytes, bytes]]) -> list[bool]:
    """For each (raw key, signature, data) whether it holds: the answer of `PublicKey.verify`, in two thirds of its time."""
    holds = _quick()
    return [holds(raw, signature, data) or _verify(raw, signature, data) for raw, signature, data in items]


def signed_by(raw: bytes, signature: bytes, data: bytes) -> bool:
    """Whether the key of 32 raw bytes signed `data`, by libsodium alone: two thirds of the time, and OpenSSL is not asked.

    For what no history rests on, as the DHT's datagrams and records (SCP-05 §1.2): an odd signature may count here or not.
    """
    return len(raw) == KEY_BYTES and len(signature) == SIGNATURE_BYTES and _sodium()(raw, signature, data)


def public_of(seed: bytes) -> bytes:
    """The 32-byte public key of a 32-byte seed, as `PrivateKey.from_seed` gives it, in two thirds of its time."""
    from nacl.bindings import crypto_sign_seed_keypair  # noqa: PLC0415 - an idle node does without

    public: bytes = crypto_sign_seed_keypair(seed)[0]
    return public


@lru_cache(maxsize=1)
def _sodium() -> Callable[[bytes, bytes, bytes], bool]:
    """libsodium's opinion of (raw key of 32 bytes, signature of 64, data)."""
    from nacl.bindings import crypto_sign_open  # noqa: PLC0415 - an idle node does without
    from nacl.exceptions import CryptoError  # noqa: PLC0415

    def holds(raw: bytes, signature: bytes, data: bytes) -> bool:
        try:
            crypto_sign_open(signature + data, raw)
        except CryptoError:
            return False
        return True

    return holds


@lru_cache(maxsize=1)
def _quick() -> Callable[[bytes, bytes, bytes], bool]:
    """Whether libsodium is content: then OpenSSL is too, and where it is not, OpenSSL has the last word (decision 1).

    Loaded when there is a batch; content with nothing where the library takes what holds only eight times over (RFC 8032
    §5.1.7).
    """
    content = _sodium()

    def holds(raw: bytes, signature: bytes, data: bytes) -> bool:
        return len(signature) == SIGNATURE_BYTES and _loaded(raw) is not None and content(raw, signature, data)

    return (lambda raw, signature, data: False) if holds(*_HOLDS_EIGHT_TIMES) else holds


# Key, signature (its R moved by a point of order 8), data: OpenSSL says no, as does the equation without cofactor.
_HOLDS_EIGHT_TIMES: Final = (
    bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"),
    bytes.fromhex(
        "b15bf26424d1b69dd33b7a9e57db5de4a2aadea4a2a051efd9bfd6af74165d2b"
        "25e73d62d418813377393f7eaf620b39e9ea3746848089feb8010d810aaaf00a"
    ),
    b"r",
)


def _verify(raw: bytes, signature: bytes, data: bytes) -> bool:
    if len(signature) != SIGNATURE_BYTES:
        return False
    key = _loaded(raw)
    if key is None:
        return False
    try:
        key.verify(signature, data)
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=4096)  # asked for each commit of a history, which repeats a few keys
def _account_id(raw: bytes) -> AccountId:
    return AccountId(hashlib.sha1(_SPKI_PREFIX + raw, usedforsecurity=False).hexdigest())


@lru_cache(maxsize=4096)
def _device_id(raw: bytes) -> DeviceId:
    return DeviceId(hashlib.sha256(_SPKI_PREFIX + raw).hexdigest())


@lru_cache(maxsize=4096)  # loading costs a fifth of a verification, and a history repeats a few keys
def _loaded(raw: bytes) -> Ed25519PublicKey | None:
    try:
        return Ed25519PublicKey.from_public_bytes(PublicKey.from_raw(raw).raw)
    except ValueError:
        return None
