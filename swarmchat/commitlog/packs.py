"""A strict subset of git's pack format: version 2, no deltas, what is used stands before what uses it. (SCP-04 §3.1, §4.1)

Every git reads such a pack; and it can be checked in one bounded pass while it arrives. Only packs that a roll-up writes for
ourselves also have deltas, and never travel. (SCP-04 §4.7)
"""

from __future__ import annotations

import hashlib
import mmap
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from swarmchat import limits
from swarmchat.commitlog.libgit2 import CollisionError, object_id
from swarmchat.commitlog.trees import BLOB, COMMIT, TREE
from swarmchat.errors import PeerError

HEADER_BYTES = 12
TRAILER_BYTES = 20
OID_BYTES = 20
_MAGIC = b"PACK\0\0\0\2"
_ENTRY_HEADER_BYTES_MAX = 7  # 4 + 6 × 7 bits of size; an object here has at most 24
_LEVEL = 1  # commits are mostly ids and signatures: a higher level costs time and gains nothing
_SMALL_BYTES = (
    4096  # so much fits in a window of 12 bits; to set up the usual one takes four times as long as to deflate a commit
)
_STORED_BYTES_MAX = 0xFFFF  # of one block of a zlib stream that is not compressed
STORED_MORE_BYTES = 16  # that an entry of up to 64 KiB has beside its content, when it is not compressed, at most
_STORED_HEAD = struct.Struct("<3BHH")
_ROW = struct.Struct(">II")
REF_DELTA = 7
_HEAD_BYTES_MAX = 10 + OID_BYTES  # of an entry with its base

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

    @property
    def row(self) -> bytes:
        """What the index has of it."""
        return index_row(self.oid, self.crc, self.offset)


class Scanned(NamedTuple):
    """One object that has arrived whole."""

    packed: Packed
    raw: bytes


# --- writing


@lru_cache(maxsize=4096)
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


def encode(kind: int, raw: bytes) -> bytes:
    """The entry of an object."""
    return entry_header(kind, len(raw)) + _deflated(raw)


def encode_stored(kind: int, raw: bytes) -> bytes:
    """The entry of an object, uncompressed: a hundred times as quick."""
    size = len(raw)
    if size > _STORED_BYTES_MAX:
        return entry_header(kind, size) + zlib.compress(raw, 0)
    head = _STORED_HEAD.pack(0x78, 0x01, 1, size, size ^ 0xFFFF)  # a zlib stream of one last block, stored
    return b"".join((entry_header(kind, size), head, raw, zlib.adler32(raw).to_bytes(4, "big")))


def encode_delta(base: bytes, delta: bytes) -> bytes:
    """The entry of a delta against the object with the id `base`."""
    return entry_header(REF_DELTA, len(delta)) + base + _deflated(delta)


def _deflated(raw: bytes) -> bytes:
    if len(raw) > _SMALL_BYTES:
        return zlib.compress(raw, _LEVEL)
    stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, 12, 5)
    return stream.compress(raw) + stream.flush()


def header(count: int) -> bytes:
    """The first 12 bytes of a pack of `count` objects."""
    return _MAGIC + struct.pack(">I", count)


class Writer:
    """Entries in, the bytes of a pack and the rows of its index out, unless nobody wants them. `count` entries must follow."""

    def __init__(self, count: int, *, keeps_rows: bool = True) -> None:
        self.rows: list[bytes] = []
        self._keeps_rows = keeps_rows
        self._pending = [header(count)]
        self._left = count
        self._hash = hashlib.sha1(usedforsecurity=False)
        self._offset = HEADER_BYTES
        self.waiting = HEADER_BYTES  # bytes that `take` would give

    def add(self, oid: bytes, entry: bytes) -> None:
        """The next entry."""
        if self._keeps_rows:
            self.rows.append(index_row(oid, zlib.crc32(entry), self._offset))
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


def index_row(oid: bytes, crc: int, offset: int) -> bytes:
    """What the index has of one object: bytes, for a hundred thousand tuples would keep the collector busy."""
    return oid + _ROW.pack(crc, offset)


def index(rows: Iterable[bytes], trailer: bytes) -> bytes:
    """The `.idx` file (version 2) of a pack below 2 GiB."""
    buckets: list[list[bytes]] = [[] for _ in range(256)]
    for row in rows:
        buckets[row[0]].append(row)
    counts: list[int] = []
    ids, crcs, offsets = bytearray(), bytearray(), bytearray()
    for bucket in buckets:  # each sorted alone: a long sort would hold up other threads
        for row in sorted(bucket):
            ids += row[:OID_BYTES]
            crcs += row[OID_BYTES:-4]
            offsets += row[-4:]
        counts.append(len(ids) // OID_BYTES)
    content = b"".join((b"\377tOc\0\0\0\2", struct.pack(">256I", *counts), ids, crcs, offsets, trailer))
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


# --- reading what this node wrote or scanned itself


def entry_size(entry: bytes) -> tuple[int, int]:
    """What the head of an entry says: how long its content is when inflated; and where the head ends. ValueError."""
    size, shift, position = 0, 4, 1
    try:
        byte = entry[0]
        size = byte & 15
        while byte & 0x80:
            byte = entry[position]
            size |= (byte & 0x7F) << shift
            shift += 7
            position += 1
    except IndexError:
        raise ValueError("an entry that is cut off") from None
    return size, position


class Taken(NamedTuple):
    """One entry: of a delta against an id its base, and the delta as content."""

    kind: int
    base: bytes | None
    content: bytes
    end: int


def take_entry(pack: bytes | mmap.mmap, start: int, end: int) -> Taken:
    """The entry that begins there and ends at `end` or before. ValueError for any other delta, and a damaged one."""
    head = pack[start : min(end, start + _HEAD_BYTES_MAX)]
    size, at = entry_size(head)
    kind, base = head[0] >> 4 & 7, None
    if kind == REF_DELTA:
        base, at = head[at : at + OID_BYTES], at + OID_BYTES
    elif kind not in OBJECT_BYTES_MAX:
        raise ValueError("a delta, or nothing")
    if size > OBJECT_BYTES_MAX.get(kind, limits.COMMIT_BYTES_MAX):
        raise ValueError("an object of a size that none has")
    stream = zlib.decompressobj()
    window = pack[start + at : min(end, start + at + size + (size >> 6) + 64)]
    try:
        content = stream.decompress(window, size + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(content) != size or not stream.eof:
        raise ValueError("an object that is not as long as it says")
    return Taken(kind, base, content, start + at + len(window) - len(stream.unused_data))


def read_entry(entry: bytes) -> tuple[int, bytes]:
    """Kind and content of an entry; ValueError for a delta or a damaged one."""
    kind, base, content, _ = take_entry(entry, 0, len(entry))
    if base is not None:
        raise ValueError("a delta")
    return kind, content


def write_whole(objects: Sequence[tuple[int, bytes, bytes]]) -> bytes:
    """A pack of (kind, id, entry) in this order, as one piece."""
    writer = Writer(len(objects))
    for _, oid, entry in objects:
        writer.add(oid, entry)
    return writer.end()
