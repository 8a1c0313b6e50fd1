"""HPKE from its specification, in the one suite used here, with a given one-time key: a second opinion. (RFC 9180 §4, §5)"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

_KEM = b"KEM\x00\x20"  # DHKEM(X25519, HKDF-SHA256)
_SUITE = b"HPKE\x00\x20\x00\x01\x00\x03"  # with HKDF-SHA256 and ChaCha20-Poly1305
_BASE = b"\x00"


def seal(payload: bytes, recipient: bytes, one_time: bytes, info: bytes, aad: bytes = b"") -> bytes:
    """The one-time public key and the ciphertext; `recipient` is a public key, `one_time` a private one."""
    private = X25519PrivateKey.from_private_bytes(one_time)
    enc = private.public_key().public_bytes_raw()
    shared = private.exchange(X25519PublicKey.from_public_bytes(recipient))
    key, nonce = _schedule(shared, enc + recipient, info)
    return enc + ChaCha20Poly1305(key).encrypt(nonce, payload, aad)


def unseal(sealed: bytes, private: bytes, info: bytes, aad: bytes = b"") -> bytes:
    """The payload; raises cryptography's InvalidTag."""
    ours, enc = X25519PrivateKey.from_private_bytes(private), sealed[:32]
    shared = ours.exchange(X25519PublicKey.from_public_bytes(enc))
    key, nonce = _schedule(shared, enc + ours.public_key().public_bytes_raw(), info)
    return ChaCha20Poly1305(key).decrypt(nonce, sealed[32:], aad)


def _schedule(shared: bytes, context: bytes, info: bytes) -> tuple[bytes, bytes]:
    prk = _extract(_KEM, b"", b"eae_prk", shared)
    secret = _expand(_KEM, prk, b"shared_secret", context, 32)
    schedule = _BASE + _extract(_SUITE, b"", b"psk_id_hash", b"") + _extract(_SUITE, b"", b"info_hash", info)
    prk = _extract(_SUITE, secret, b"secret", b"")
    return _expand(_SUITE, prk, b"key", schedule, 32), _expand(_SUITE, prk, b"base_nonce", schedule, 12)


def _extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, hashlib.sha256)


def _expand(suite: bytes, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    named = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(prk, named + b"\x01", hashlib.sha256)[:length]
