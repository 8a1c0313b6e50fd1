"""Numbers in as few bytes as they take: unsigned LEB128, as git's deltas and protocol buffers write them. Pure."""

from __future__ import annotations


def encode(number: int) -> bytes:
    """Seven bits a byte, lowest first; the top bit says that more come. The number is not negative."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
