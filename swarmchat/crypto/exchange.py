"""X25519 keys: what others seal a letter to. (SCP-05 §1.3, §1.10)"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

KEY_BYTES: Final = 32


def exchange_public(private: bytes) -> bytes:
    """The 32-byte X25519 public key of 32 unpredictable private bytes; ValueError for another length."""
    if len(private) != KEY_BYTES:
        raise ValueError("an X25519 key has 32 bytes")
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
