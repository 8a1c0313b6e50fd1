"""The packs in our own object store, mapped: find an entry, copy it as it lies there, or read it. (SCP-04 §3.3, §4.7)

Commits may lie there as deltas, as a roll-up writes them: each against a whole commit of the same pack. Every other form of
delta is somebody's `git gc`, and left to libgit2.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from swarmchat import limits
from swarmchat.commitlog import deltas
from swarmchat.commitlog.files import DamageError, refusals
from swarmchat.commitlog.packs import (
    HEADER_BYTES,
    OBJECT_BYTES_MAX,
    OID_BYTES,
    REF_DELTA,
    TRAILER_BYTES,
    entry_size,
    read_entry,
    take_entry,
)
from swarmchat.commitlog.trees import COMMIT

_FAN_AT = 8
_IDS_AT = _FAN_AT + 256 * 4
_ROW_BYTES = 20 + 4 + 4
_LARGE = 1 << 31
_CRC = struct.Struct(">I")
_HEAD_BYTES_MAX = 10
_BASES_BYTES_MAX = 1 << 20  # contents of bases at hand, of one pack
_SAMPLES = 64
_SCANNED = 64  # so many ids are looked through at once: quicker than to halve them


class Row(NamedTuple):
    """One object: where its entry lies, and the checksum that the index has of it."""

    oid: bytes
    start: int
    end: int
    crc: int


class PackFile:
    """One pack and its index, read only. Stays usable when its files are removed meanwhile. StorageError when damaged."""

    def __init__(self, index_path: Path) -> None:
        self.index_path = index_path
        self.path = index_path.with_suffix(".pack")
        self._index = _mapped(index_path)
        self._pack = _mapped(self.path)
        if self._index[:_FAN_AT] != b"\377tOc\0\0\0\2" or len(self._index) < _IDS_AT + 2 * TRAILER_BYTES:
            raise _damaged(index_path)
        self._fan = struct.unpack_from(">256I", self._index, _FAN_AT)
        self.count = self._fan[255]
        self._offsets_at = _IDS_AT + 24 * self.count
        if (
            list(self._fan) != sorted(self._fan)
            or len(self._index) < _IDS_AT + _ROW_BYTES * self.count + 2 * TRAILER_BYTES
            or self._pack[:4] != b"PACK"
        ):
            raise _damaged(index_path)
        offsets = struct.unpack_from(f">{self.count}I", self._index, self._offsets_at)
        self._starts = array("Q", sorted(at if at < _LARGE else self._offset(row) for row, at in enumerate(offsets)))
        if self._starts and (self._starts[0] < HEADER_BYTES or self._starts[-1] >= len(self._pack) - TRAILER_BYTES):
            raise _damaged(index_path)
        self._starts.append(len(self._pack) - TRAILER_BYTES)
        self._bases: dict[bytes, bytes] = {}
        self._bases_bytes = 0

    def span(self, oid: bytes) -> tuple[int, int] | None:
        """Where the entry of an object begins and ends."""
        first = oid[0]
        low, high = (self._fan[first - 1] if first else 0), self._fan[first]
        index = self._index
        while high - low > _SCANNED:
            middle = (low + high) >> 1
            at = _IDS_AT + OID_BYTES * middle
            if index[at : at + OID_BYTES] <= oid:
                low = middle
            else:
                high = middle
        ids = index[_IDS_AT + OID_BYTES * low : _IDS_AT + OID_BYTES * high]
        at = ids.find(oid)
        while at % OID_BYTES and at > 0:  # across two ids
            at = ids.find(oid, at + 1)
        if at < 0:
            return None
        start = self._offset(low + at // OID_BYTES)
        return start, self._starts[bisect_right(self._starts, start)]

    def is_whole(self, start: int) -> bool:
        """Whether the entry that begins there is no delta."""
        return self._pack[start] >> 4 & 7 in OBJECT_BYTES_MAX

    def length(self, start: int) -> int | None:
        """How long the content of an entry is, of a delta at most; None for a delta that no roll-up made. ValueError: damaged."""
        size, at = entry_size(self._pack[start : start + _HEAD_BYTES_MAX])
        if self.is_whole(start):
            return size
        base = self._base_behind(start, start + at)
        return None if base is None else len(base) + size  # a roll-up copies no byte of a base twice

    def read(self, start: int, end: int) -> tuple[int, bytes]:
        """Kind and content of an entry that has a length. ValueError: damaged."""
        at = self._head_end(start)
        base = self._base_behind(start, at)
        if base is None:
            return read_entry(self._pack[start:end])
        try:
            delta = zlib.decompress(self._pack[at + OID_BYTES : end])
        except zlib.error as error:
            raise ValueError(str(error)) from error
        return COMMIT, deltas.applied(delta, base, limits.COMMIT_BYTES_MAX)

    def base_at(self, start: int) -> bytes | None:
        """The id of the whole commit of this pack that the delta that begins there is told apart from; None where no such delta is. ValueError: damaged."""
        at = self._head_end(start)
        return None if self._base_behind(start, at) is None else self._pack[at : at + OID_BYTES]

    @property
    def is_plain(self) -> bool:
        """Whether most of what lies here is whole commits, told from a few dozen entries."""
        starts = self._starts[: self.count : max(1, self.count // _SAMPLES)]
        return 2 * sum(self._pack[start] >> 4 & 7 == COMMIT for start in starts) > len(starts)

    def slice(self, start: int, end: int) -> bytes:
        """The bytes of an entry."""
        return self._pack[start:end]

    def ids(self) -> Iterator[bytes]:
        """All objects, sorted."""
        return (self._index[at : at + OID_BYTES] for at in range(_IDS_AT, _IDS_AT + OID_BYTES * self.count, OID_BYTES))

    def rows(self) -> Iterator[Row]:
        """All objects with their places, in the order in which they lie in the pack."""
        stretches: dict[int, list[int]] = {}  # each sorted alone: a long sort would hold up other threads
        for row in range(self.count):
            start = self._offset(row)
            stretches.setdefault(start >> 16, []).append(start << 32 | row)
        crcs_at = _IDS_AT + OID_BYTES * self.count
        for number, stretch in sorted(stretches.items()):
            for place in sorted(stretch):
                start, row = place >> 32, place & 0xFFFFFFFF
                at = _IDS_AT + OID_BYTES * row
                (crc,) = _CRC.unpack_from(self._index, crcs_at + 4 * row)
                end = self._starts[bisect_right(self._starts, start)]
                yield Row(self._index[at : at + OID_BYTES], start, end, crc)
            self._pack.madvise(mmap.MADV_DONTNEED, number << 16, 1 << 16)  # else a long one counts as our memory

    def _head_end(self, start: int) -> int:
        pack, at = self._pack, start
        while pack[at] & 0x80 and at < start + _HEAD_BYTES_MAX:
            at += 1
        return at + 1

    def _base_behind(self, start: int, at: int) -> bytes | None:
        """The content of the base that is named at `at`, if the entry is a delta that a roll-up made. ValueError: damaged."""
        if self._pack[start] >> 4 & 7 != REF_DELTA:
            return None
        oid = self._pack[at : at + OID_BYTES]
        return self._bases.get(oid) or self._base(oid)

    def _base(self, oid: bytes) -> bytes | None:
        """The content of a whole commit; None when it is no such one. ValueError: damaged. For several threads at once."""
        span = self.span(oid) if len(oid) == OID_BYTES else None
        if span is None or self._pack[span[0]] >> 4 & 7 != COMMIT:
            return None
        content = take_entry(self._pack, *span).content
        if self._bases_bytes > _BASES_BYTES_MAX:
            self._bases, self._bases_bytes = {}, 0
        self._bases[oid] = content
        self._bases_bytes += len(content)
        return content

    def _offset(self, row: int) -> int:
        (offset,) = struct.unpack_from(">I", self._index, self._offsets_at + 4 * row)
        if offset < _LARGE:
            return int(offset)
        at = self._offsets_at + 4 * self.count + 8 * (offset - _LARGE)
        if at + 8 > len(self._index):
            raise _damaged(self.index_path)
        return int(struct.unpack_from(">Q", self._index, at)[0])


def _mapped(path: Path) -> mmap.mmap:
    with refusals(path, "read"), path.open("rb") as file:
        try:
            return mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        except ValueError:  # an empty file cannot be mapped
            raise _damaged(path) from None


def _damaged(path: Path) -> DamageError:
    return DamageError(
        f"{path} is damaged", hint="run `swarmchat verify` on the conversation, or remove it and clone it again"
    )
