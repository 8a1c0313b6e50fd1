"""A strict subset of git's pack format: version 2, no deltas, what is used stands before what uses it. (SCP-04 §3.1, §4.1)

Every git reads such a pack; and it can be checked in one bounded pass while it arrives.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from swarmchat import limits
from swarmchat.commitlog.libgit2 import CollisionError, object_id
from swarmchat.commitlog.trees import BLOB, COMMIT, TREE
from swarmchat.errors import PeerError

HEADER_BYTES = 12
TRAILER_BYTES = 20
_MAGIC = b"PACK\0\0\0\2"
_ENTRY_HEADER_BYTES_MAX = 7  # 4 + 6 × 7 bits of size; an object here has at most 24
_LEVEL = 1  # commits are mostly ids and signatures: a higher level costs time and gains nothing

OBJECT_BYTES_MAX: Mapping[int, int] = {
    COMMIT: limits.COMMIT_BYTES_MAX,
    TREE: limits.TREE_BYTES_MAX,
    BLOB: limits.PROFILE_BYTES_MAX,
}


class PackFaultError(PeerError):
    """The bytes that a peer sent are no strict pack, or not the one it announced. Nothing of it is kept."""

    code = "pack_fault"

    def __init__(self, message: str) -> None:
        super().__init__("bad-message", message)


PackFault = PackFaultError  # the name in the interfaces


class Packed(NamedTuple):
    """One object of a pack: its kind and id, and where its entry lies."""

    kind: int
    oid: bytes
    offset: int
    length: int  # of the entry: header and zlib stream
    crc: int


class Scanned(NamedTuple):
    """One object that has arrived whole."""

    packed: Packed
    raw: bytes


# --- writing


def entry_header(kind: int, size: int) -> bytes:
    """The head of an entry: the kind, and the size of the object when inflated."""
    byte = kind << 4 | size & 15
    size >>= 4
    head = bytearray()
    while size:
        head.append(byte | 0x80)
        byte = size & 0x7F
        size >>= 7
    head.append(byte)
    return bytes(head)


def encode(kind: int, raw: bytes, level: int = _LEVEL) -> bytes:
    """The entry of an object."""
    return entry_header(kind, len(raw)) + zlib.compress(raw, level)


def header(count: int) -> bytes:
    """The first 12 bytes of a pack of `count` objects."""
    return _MAGIC + struct.pack(">I", count)


class Writer:
    """Entries in, the bytes of a pack and the table of its objects out, unless nobody wants it. `count` entries must follow."""

    def __init__(self, count: int, *, keeps_table: bool = True) -> None:
        self.table: list[Packed] = []
        self._keeps_table = keeps_table
        self._pending = [header(count)]
        self._left = count
        self._hash = hashlib.sha1(usedforsecurity=False)
        self._offset = HEADER_BYTES
        self.waiting = HEADER_BYTES  # bytes that `take` would give

    def add(self, kind: int, oid: bytes, entry: bytes) -> None:
        """The next entry."""
        if self._keeps_table:
            self.table.append(Packed(kind, oid, self._offset, len(entry), zlib.crc32(entry)))
        self._pending.append(entry)
        self._offset += len(entry)
        self.waiting += len(entry)
        self._left -= 1

    def take(self) -> bytes:
        """The bytes since the last `take`."""
        data = b"".join(self._pending)
        self._pending.clear()
        self.waiting = 0
        self._hash.update(data)
        return data

    def end(self) -> bytes:
        """The last bytes, with the trailer."""
        assert self._left == 0, "a pack with another number of objects than it says"
        data = self.take()
        return data + self._hash.digest()

    @property
    def trailer(self) -> bytes:
        """The checksum of what was taken: the trailer, once `end` was called."""
        return self._hash.digest()


def index(table: Iterable[Packed], trailer: bytes) -> bytes:
    """The `.idx` file (version 2) of a pack below 2 GiB."""
    rows = sorted(table, key=lambda row: row.oid)
    counts = [0] * 256
    for row in rows:
        counts[row.oid[0]] += 1
    total = 0
    for first, count in enumerate(counts):
        total += count
        counts[first] = total
    size = len(rows)
    content = b"".join(
        (
            b"\377tOc\0\0\0\2",
            struct.pack(">256I", *counts),
            b"".join([row.oid for row in rows]),
            struct.pack(f">{size}I", *[row.crc for row in rows]),
            struct.pack(f">{size}I", *[row.offset for row in rows]),
            trailer,
        )
    )
    return content + hashlib.sha1(content, usedforsecurity=False).digest()


# --- reading what strangers send


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one pack may cost us."""

    objects: int = limits.BATCH_OBJECTS_MAX
    bytes: int = limits.BATCH_BYTES_MAX
    inflated: int = limits.BATCH_INFLATED_BYTES_MAX


class _Entry:
    """An entry that is on its way in."""

    __slots__ = ("consumed", "crc", "got", "inflate", "kind", "length_max", "parts", "size")

    def __init__(self, kind: int, size: int, head: bytes) -> None:
        self.kind = kind
        self.size = size
        self.consumed = len(head)
        self.crc = zlib.crc32(head)
        self.length_max = len(head) + size + (size >> 6) + 64  # no honest zlib stream is longer
        self.inflate = zlib.decompressobj()
        self.parts: list[bytes] = []
        self.got = 0


class Scanner:
    """Takes a pack in pieces of any size and gives its objects as they are complete.

    Every bound is checked before the bytes it bounds are inflated, and nothing is inflated twice. PackFaultError for
    whatever is not a strict pack; the scanner is of no use after one.
    """

    def __init__(self, bounds: Bounds = Bounds()) -> None:
        self._bounds = bounds
        self._rest = b""
        self._entry: _Entry | None = None
        self._hash = hashlib.sha1(usedforsecurity=False)
        self._seen: set[bytes] = set()
        self._received = 0
        self._inflated = 0
        self._offset = HEADER_BYTES
        self.total: int | None = None  # objects, once the header is in
        self.done = 0
        self.trailer: bytes | None = None

    @property
    def complete(self) -> bool:
        """Whether the pack has arrived to its last byte."""
        return self.trailer is not None

    def feed(self, data: bytes) -> list[Scanned]:
        """The objects that these bytes complete."""
        self._received += len(data)
        if self._received > self._bounds.bytes:
            raise PackFaultError(f"the pack is over {self._bounds.bytes} bytes")
        if self.trailer is not None and data:
            raise PackFaultError("bytes after the pack")
        buffer = self._rest + data if self._rest else bytes(data)
        position = 0
        if self.total is None:
            if len(buffer) < HEADER_BYTES:
                self._rest = buffer
                return []
            self._open(buffer)
            position = HEADER_BYTES
        view = memoryview(buffer)
        found: list[Scanned] = []
        total = self.total or 0
        while self.done < total:
            if self._entry is None:
                start = position
                position = self._head(buffer, start)
                if position == start:
                    break
            position = self._body(view, position, found)
            if self._entry is not None:
                break
        self._hash.update(view[:position])
        self._rest = buffer[position:]
        if self.done == total and len(self._rest) >= TRAILER_BYTES:
            self._close()
        return found

    def _open(self, buffer: bytes) -> None:
        if not buffer.startswith(_MAGIC):
            raise PackFaultError("not a pack of version 2")
        (total,) = struct.unpack_from(">I", buffer, 8)
        if not 0 < total <= self._bounds.objects:
            raise PackFaultError(f"{total} objects in one pack")
        self.total = total

    def _close(self) -> None:
        if len(self._rest) > TRAILER_BYTES:
            raise PackFaultError("bytes after the pack")
        if self._rest != self._hash.digest():
            raise PackFaultError("the checksum of the pack is wrong")
        self.trailer, self._rest = self._rest, b""
        self._seen.clear()

    def _head(self, buffer: bytes, start: int) -> int:
        """Read an entry's head and open the entry; gives `start` when the head is not whole yet."""
        position = start
        end = len(buffer)
        kind, size, shift = 0, 0, 0
        while True:
            if position == end:
                return start
            byte = buffer[position]
            if position == start:
                kind, size, shift = byte >> 4 & 7, byte & 15, 4
            else:
                size |= (byte & 0x7F) << shift
                shift += 7
            position += 1
            if not byte & 0x80:
                break
            if position - start == _ENTRY_HEADER_BYTES_MAX:
                raise PackFaultError("an entry with a size beyond all bounds")
        limit = OBJECT_BYTES_MAX.get(kind)
        if limit is None:
            raise PackFaultError(f"an object of type {kind}: only commits, trees and blobs, and no deltas")
        if size > limit:
            raise PackFaultError(f"an object of {size} bytes")
        head = buffer[start:position]
        if head != entry_header(kind, size):
            raise PackFaultError("an entry with a size in a longer form than needed")
        self._inflated += size
        if self._inflated > self._bounds.inflated:
            raise PackFaultError(f"the pack inflates to over {self._bounds.inflated} bytes")
        self._entry = _Entry(kind, size, head)
        return position

    def _body(self, view: memoryview, position: int, found: list[Scanned]) -> int:
        """Inflate what is here of the open entry; closes it when it is whole. Gives the position behind what was used."""
        entry = self._entry
        assert entry is not None
        window = view[position : position + entry.length_max - entry.consumed]
        try:
            part = entry.inflate.decompress(window, entry.size - entry.got + 1)
        except zlib.error as error:
            raise PackFaultError(f"an object that does not inflate: {error}") from None
        used = len(window) - len(entry.inflate.unused_data) - len(entry.inflate.unconsumed_tail)
        entry.got += len(part)
        entry.consumed += used
        entry.crc = zlib.crc32(window[:used], entry.crc)
        if entry.got > entry.size:
            raise PackFaultError("an object that inflates past its size")
        if not entry.inflate.eof:
            if entry.consumed >= entry.length_max:
                raise PackFaultError("a zlib stream that is longer than any honest one")
            entry.parts.append(part)
            return position + used
        if entry.got != entry.size:
            raise PackFaultError("an object that is shorter than its size")
        if entry.parts:
            entry.parts.append(part)
            part = b"".join(entry.parts)
        try:
            oid = object_id(entry.kind, part)
        except CollisionError as error:
            raise PackFaultError(str(error)) from None
        if oid in self._seen:
            raise PackFaultError("an object stands twice")
        self._seen.add(oid)
        found.append(Scanned(Packed(entry.kind, oid, self._offset, entry.consumed, entry.crc), part))
        self._offset += entry.consumed
        self.done += 1
        self._entry = None
        return position + used


def read_entry(entry: bytes) -> tuple[int, bytes]:
    """Kind and content of an entry that this node wrote or scanned itself; ValueError for a delta or a damaged one."""
    position = 1
    while entry[position - 1 : position] > b"\x7f":
        position += 1
    kind = entry[0] >> 4 & 7 if entry else 0
    if kind not in OBJECT_BYTES_MAX:
        raise ValueError("a delta, or nothing")
    try:
        return kind, zlib.decompress(entry[position:])
    except zlib.error as error:
        raise ValueError(str(error)) from error


def write_whole(objects: Sequence[tuple[int, bytes, bytes]]) -> bytes:
    """A pack of (kind, id, entry) in this order, as one piece."""
    writer = Writer(len(objects))
    for kind, oid, entry in objects:
        writer.add(kind, oid, entry)
    return writer.end()
