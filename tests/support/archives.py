"""Sealed archives that cost next to nothing to open."""

from __future__ import annotations

import base64
import json

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

SALT, NONCE = bytes(range(16)), bytes(range(12))
DOCUMENT = b'{"account":"..."}'


def cheap_archive(document: bytes = DOCUMENT, password: str = "pw", *, t: int = 1, m: int = 8, p: int = 1) -> bytes:
    """An archive made by the words of SCP-01 §4.2 alone; whatever costs the header claims, the key is derived at the least."""
    fields = {"kdf": "argon2id", "t": t, "m": m, "p": p}
    fields |= {"salt": base64.b64encode(SALT).decode(), "nonce": base64.b64encode(NONCE).decode()}
    header = b"swarmchat-archive-1\n" + json.dumps(fields, separators=(",", ":")).encode() + b"\n"
    key = Argon2id(salt=SALT, length=32, iterations=1, lanes=1, memory_cost=8).derive(password.encode())
    return header + AESGCM(key).encrypt(NONCE, document, header)
