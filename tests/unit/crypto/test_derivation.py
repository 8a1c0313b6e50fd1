from __future__ import annotations

import hashlib
import hmac

from swarmchat.crypto.derivation import derive


def test_a_key_is_one_block_of_hkdf_with_an_empty_salt() -> None:
    extracted = hmac.digest(bytes(32), b"secret", hashlib.sha256)  # RFC 5869 §2.2: no salt is 32 zero bytes
    assert derive(b"secret", b"use") == hmac.digest(extracted, b"use\x01", hashlib.sha256)


def test_another_secret_or_use_gives_another_key() -> None:
    assert len({derive(secret, info) for secret in (b"a", b"b") for info in (b"", b"x", b"y")}) == 6
