from __future__ import annotations

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from swarmchat.crypto.padding import pad
from swarmchat.crypto.veil import OVERHEAD_BYTES, VeilError, unveil, veil

ID, KEY, NONCE = bytes(range(20)), bytes(range(20, 40)), bytes(range(12))


def veiled(payload: bytes = b"card") -> bytes:
    return veil(payload, ID, purpose="presence", bucket=480_000, key=KEY, nonce=NONCE)


def test_a_veil_is_the_cipher_of_the_specification() -> None:
    extracted = hmac.digest(bytes(32), ID, hashlib.sha256)
    secret = hmac.digest(extracted, b"swarmchat/veil/1/presence/480000\x01", hashlib.sha256)
    assert veiled() == NONCE + ChaCha20Poly1305(secret).encrypt(NONCE, pad(b"card"), KEY)


@pytest.mark.parametrize(("length", "size"), [(0, 256), (254, 256), (255, 512), (3582, 3584)])
def test_what_is_veiled_comes_back_and_its_length_says_little(length: int, size: int) -> None:
    found = veiled(bytes(length))
    assert len(found) == size + OVERHEAD_BYTES
    assert unveil(found, ID, purpose="presence", bucket=480_000, key=KEY) == bytes(length)


def test_only_who_knows_id_purpose_bucket_and_key_lifts_it() -> None:
    right = {"id_bytes": ID, "purpose": "presence", "bucket": 480_000, "key": KEY}
    for other in ({"id_bytes": bytes(20)}, {"purpose": "crl"}, {"bucket": 480_001}, {"key": bytes(20)}):
        with pytest.raises(VeilError, match="another"):
            unveil(veiled(), **(right | other))  # type: ignore[arg-type]


def test_damage_is_no_payload() -> None:
    found = veiled()
    for at in (0, 11, 12, len(found) - 1):
        with pytest.raises(VeilError):
            unveil(
                found[:at] + bytes([found[at] ^ 1]) + found[at + 1 :], ID, purpose="presence", bucket=480_000, key=KEY
            )
    for other in (b"", found[:-1], found + b"\0", bytes(28)):
        with pytest.raises(VeilError, match="length"):
            unveil(other, ID, purpose="presence", bucket=480_000, key=KEY)
    raw = ChaCha20Poly1305(
        hmac.digest(hmac.digest(bytes(32), ID, "sha256"), b"swarmchat/veil/1/presence/480000\x01", "sha256")
    )
    with pytest.raises(VeilError, match="padded"):
        unveil(NONCE + raw.encrypt(NONCE, b"\1" * 256, KEY), ID, purpose="presence", bucket=480_000, key=KEY)


def test_a_nonce_of_another_length_and_a_larger_payload_are_refused() -> None:
    with pytest.raises(ValueError, match="12 bytes"):
        veil(b"", ID, purpose="presence", bucket=0, key=KEY, nonce=bytes(11))
    with pytest.raises(ValueError, match="3582"):
        veiled(bytes(3583))
