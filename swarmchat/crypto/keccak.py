"""Keccak-256 as Ethereum and Status use it: the padding of the contest, not that of SHA-3. (SCP-09 §3.1)"""

from __future__ import annotations

from Crypto.Hash import keccak


def keccak256(*parts: bytes) -> bytes:
    """32 bytes: the digest of the parts one after the other."""
    digest = keccak.new(digest_bits=256)
    for part in parts:
        digest.update(part)
    return digest.digest()
