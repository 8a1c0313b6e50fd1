"""A commit as its difference to another one, in git's delta format. Pure. (SCP-04 §4.7)

Made only for packs of our own that a roll-up writes; read also where somebody's bundle brings them. Two commits of one
author share most of their lines, and of the lines that differ often the beginning or the end.
"""

from __future__ import annotations

from typing import Final

from swarmchat import leb128

_COPY_LEAST: Final = 5  # bytes; to copy fewer takes as many as to insert them
_NEXT: Final = 8  # lines in which one that begins alike is looked for
_INSERT_MAX: Final = 127  # of one instruction
_VARINT_BYTES_MAX: Final = 9


class DeltaError(ValueError):
    """Bytes that are no delta, or none for this base."""


class Base:
    """A commit that others are told apart from. `uses` counts how many were."""

    __slots__ = ("_lines", "_places", "_starts", "oid", "raw", "uses")

    def __init__(self, oid: bytes, raw: bytes) -> None:
        self.oid = oid
        self.raw = raw
        self.uses = 0
        self._lines = raw.splitlines(keepends=True)
        self._starts: list[int] = []
        self._places: dict[bytes, int] = {}
        start = 0
        for number, line in enumerate(self._lines):
            self._starts.append(start)
            self._places.setdefault(line, number)
            start += len(line)

    def delta(self, raw: bytes) -> bytes:
        """How `raw` is made of this one, line by line; no byte of this one is copied twice, so it is at most both together."""
        lines, starts = self._lines, self._starts
        made = _Delta(len(self.raw), len(raw))
        number = 0
        for line in raw.splitlines(keepends=True):
            like = self._like(line, number)
            if like is None:
                made.insert(line)
                continue
            number = like + 1
            old, start = lines[like], starts[like]
            if old == line:
                made.copy(start, len(line))
                continue
            begin = _common(old, line)
            end = _common(old[begin:][::-1], line[begin:][::-1])
            if end < _COPY_LEAST:
                end = 0
            made.copy(start, begin)
            made.insert(line[begin : len(line) - end])
            made.copy(start + len(old) - end, end)
        return made.end()

    def _like(self, line: bytes, number: int) -> int | None:
        """The line from `number` on that is the same, else one of the next that begins alike."""
        lines = self._lines
        if number < len(lines) and lines[number] == line:
            return number
        if len(line) < _COPY_LEAST:
            return None
        same = self._places.get(line, -1)
        if same >= number:
            return same
        beginning = line[:_COPY_LEAST]
        return next((n for n in range(number, min(number + _NEXT, len(lines))) if lines[n].startswith(beginning)), None)


class _Delta:
    """Instructions, neighbours joined."""

    __slots__ = ("_from", "_length", "_new", "_out")

    def __init__(self, base: int, size: int) -> None:
        self._out = bytearray(leb128.encode(base) + leb128.encode(size))
        self._from = self._length = 0  # what is to be copied
        self._new = b""  # what is to be inserted; of the two one is empty

    def copy(self, start: int, length: int) -> None:
        if not length:
            return
        if self._length and self._from + self._length == start:
            self._length += length
            return
        self._flush()
        self._from, self._length = start, length

    def insert(self, data: bytes) -> None:
        if self._length and data:
            self._flush()
        self._new += data

    def end(self) -> bytes:
        self._flush()
        return bytes(self._out)

    def _flush(self) -> None:
        out = self._out
        if self._length:
            place, start, length = len(out), self._from, self._length
            out.append(0)
            code = 0x80
            for bits in ((start, 0x01, 4), (length, 0x10, 3)):
                value, bit, most = bits
                for _ in range(most):
                    if value & 0xFF:
                        code |= bit
                        out.append(value & 0xFF)
                    value >>= 8
                    bit <<= 1
            out[place] = code
            self._length = 0
        elif self._new:
            for at in range(0, len(self._new), _INSERT_MAX):
                part = self._new[at : at + _INSERT_MAX]
                out.append(len(part))
                out += part
            self._new = b""


def sizes(delta: bytes) -> tuple[int, int]:
    """How long the base of a delta is, and what it makes, as it says; its beginning is enough. DeltaError."""
    try:
        base, at = _size(delta, 0)
        return base, _size(delta, at)[0]
    except IndexError:
        raise DeltaError("a delta that is cut off") from None


def applied(delta: bytes, base: bytes, bytes_max: int) -> bytes:
    """What a delta makes of its base, at most `bytes_max`. DeltaError; nothing is made beyond what it says."""
    try:
        size, at = _size(delta, 0)
        if size != len(base):
            raise DeltaError("a delta for another base")
        wanted, at = _size(delta, at)
        if wanted > bytes_max:
            raise DeltaError(f"a delta that makes over {bytes_max} bytes")
        parts: list[bytes] = []
        made, end = 0, len(delta)
        while at < end:
            code = delta[at]
            at += 1
            if code & 0x80:
                start, length, at = _copy(delta, code, at)
                if start + length > size:
                    raise DeltaError("a delta that copies from behind the end of its base")
                parts.append(base[start : start + length])
                made += length
            elif code:
                if at + code > end:
                    raise DeltaError("a delta that is cut off")
                parts.append(delta[at : at + code])
                at += code
                made += code
            else:
                raise DeltaError("a delta of an unknown form")
            if made > wanted:
                raise DeltaError("a delta that makes more than it says")
    except IndexError:
        raise DeltaError("a delta that is cut off") from None
    if made != wanted:
        raise DeltaError("a delta that makes less than it says")
    return b"".join(parts)


def _copy(delta: bytes, code: int, at: int) -> tuple[int, int, int]:
    """From where and how much an instruction copies, and where the next one begins. IndexError."""
    start = length = 0
    if code & 0x01:
        start = delta[at]
        at += 1
    if code & 0x02:
        start |= delta[at] << 8
        at += 1
    if code & 0x04:
        start |= delta[at] << 16
        at += 1
    if code & 0x08:
        start |= delta[at] << 24
        at += 1
    if code & 0x10:
        length = delta[at]
        at += 1
    if code & 0x20:
        length |= delta[at] << 8
        at += 1
    if code & 0x40:
        length |= delta[at] << 16
        at += 1
    return start, length or 0x10000, at


def _common(one: bytes, other: bytes) -> int:
    """How many bytes at the beginning are the same."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while high - low > 1:
        middle = (low + high) >> 1
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low


def _size(delta: bytes, at: int) -> tuple[int, int]:
    size, shift = 0, 0
    while True:
        byte = delta[at]
        size |= (byte & 0x7F) << shift
        shift += 7
        at += 1
        if not byte & 0x80:
            return size, at
        if shift > 7 * _VARINT_BYTES_MAX:
            raise DeltaError("a delta of an unknown form")
