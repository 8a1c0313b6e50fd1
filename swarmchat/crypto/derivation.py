"""One secret, many keys: HKDF-SHA256. (RFC 5869; SCP-05 §1.3)"""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def derive(secret: bytes, info: bytes) -> bytes:
    """32 bytes for one use, named by `info`; the salt is empty. Who has them learns nothing of the secret."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)
