"""The packs in our own object store, mapped: find an entry, copy it to the wire as it lies there. (SCP-04 §3.3)"""

from __future__ import annotations

import mmap
import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from swarmchat.commitlog.files import DamageError, refusals
from swarmchat.commitlog.packs import HEADER_BYTES, OBJECT_BYTES_MAX, TRAILER_BYTES

_FAN_AT = 8
_IDS_AT = _FAN_AT + 256 * 4
_ROW_BYTES = 20 + 4 + 4
_LARGE = 1 << 31


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
        self._starts = array("Q", sorted(self._offset(row) for row in range(self.count)))
        if self._starts and (self._starts[0] < HEADER_BYTES or self._starts[-1] >= len(self._pack) - TRAILER_BYTES):
            raise _damaged(index_path)
        self._starts.append(len(self._pack) - TRAILER_BYTES)

    def span(self, oid: bytes) -> tuple[int, int] | None:
        """Where the entry of an object begins and ends."""
        first = oid[0]
        low, high = (self._fan[first - 1] if first else 0), self._fan[first]
        index = self._index
        while low < high:
            middle = (low + high) >> 1
            at = _IDS_AT + 20 * middle
            found = index[at : at + 20]
            if found < oid:
                low = middle + 1
            elif found > oid:
                high = middle
            else:
                start = self._offset(middle)
                return start, self._starts[bisect_right(self._starts, start)]
        return None

    def entry(self, oid: bytes) -> bytes | None:
        """The entry of an object; None when it is not here, or here only as a delta that somebody's `git gc` made."""
        span = self.span(oid)
        if span is None:
            return None
        return None if self.is_delta(span[0]) else self.slice(*span)

    def is_delta(self, start: int) -> bool:
        """Whether the entry that begins there is a delta."""
        return self._pack[start] >> 4 & 7 not in OBJECT_BYTES_MAX

    def slice(self, start: int, end: int) -> bytes:
        """The bytes of an entry."""
        return self._pack[start:end]

    def ids(self) -> Iterator[bytes]:
        """All objects, in the order in which they lie in the pack."""
        rows = sorted(range(self.count), key=self._offset)
        return (self._index[_IDS_AT + 20 * row : _IDS_AT + 20 * row + 20] for row in rows)

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
