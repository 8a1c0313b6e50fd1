"""Frames between data-sync peers: four bytes of length, then one protocol buffer. Sans-IO. (SCP-09 §4.6)"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from swarmchat.gateways.refusal import Refused
from swarmchat.limits import DATASYNC_FRAME_BYTES_MAX

_LENGTH_BYTES: Final = 4


class Fault(StrEnum):
    """Why a stream of bytes is not read any further."""

    BAD_FRAME = "bad-frame"


def frame(body: bytes) -> bytes:
    """The bytes of one frame; ValueError unless it holds 1 … DATASYNC_FRAME_BYTES_MAX bytes."""
    if not 1 <= len(body) <= DATASYNC_FRAME_BYTES_MAX:
        raise ValueError(f"a frame has 1 to {DATASYNC_FRAME_BYTES_MAX} bytes, this one {len(body)}")
    return len(body).to_bytes(_LENGTH_BYTES) + body


class Frames:
    """Cuts a stream into frames, however it comes."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._broken: Refused | None = None

    def feed(self, data: bytes) -> None:
        """More of the stream."""
        if self._broken is None:
            self._bytes += data

    def next(self) -> bytes | Refused | None:
        """The next frame's content; None: not all of it is here; from a wrong length on nothing but the refusal."""
        if self._broken is not None or len(self._bytes) < _LENGTH_BYTES:
            return self._broken
        length = int.from_bytes(self._bytes[:_LENGTH_BYTES])
        if not 1 <= length <= DATASYNC_FRAME_BYTES_MAX:
            self._broken = Refused(Fault.BAD_FRAME, f"a length of {length}")
            self._bytes.clear()
            return self._broken
        end = _LENGTH_BYTES + length
        if len(self._bytes) < end:
            return None
        body = bytes(self._bytes[_LENGTH_BYTES:end])
        del self._bytes[:end]
        return body
