"""One of six sizes for whatever is sealed or veiled, so that its length says little. (SCP-05 §1.3)"""

from __future__ import annotations

from typing import Final

SIZES: Final = (256, 512, 1024, 2048, 3072, 3584)
PAYLOAD_BYTES_MAX: Final = SIZES[-1] - 2


def pad(payload: bytes) -> bytes:
    """The length in two bytes, the payload, and zeros up to the next size; ValueError above 3,582 bytes."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise ValueError(f"a letter holds at most {PAYLOAD_BYTES_MAX} bytes")
    size = next(size for size in SIZES if len(payload) + 2 <= size)
    return (len(payload).to_bytes(2, "big") + payload).ljust(size, b"\0")


def unpad(padded: bytes) -> bytes:
    """The payload of what `pad` gave; ValueError for anything else."""
    payload = padded[2 : 2 + int.from_bytes(padded[:2], "big")]
    if len(payload) > PAYLOAD_BYTES_MAX or pad(payload) != padded:
        raise ValueError("not padded as letters are")
    return payload
