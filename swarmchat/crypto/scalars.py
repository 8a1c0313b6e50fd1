"""Private numbers of secp256k1, for who keeps one and need not load the library of the curve. (SEC 2)"""

from __future__ import annotations

from typing import Final

SECRET_BYTES: Final = 32
ORDER: Final = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141


def is_secret(raw: bytes) -> bool:
    """Whether these are 32 bytes that are a number from 1 up to the order of the curve."""
    return len(raw) == SECRET_BYTES and 0 < int.from_bytes(raw) < ORDER
