"""A git bundle (version 2) read into memory: its refs and the objects of its pack, deltas resolved. (SCP-02 §9.1, §9.17)

Strict and bounded: a bundle is a file that somebody gives us. Nothing is written, and no git is run.
"""

from __future__ import annotations

import hashlib
import mmap
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from swarmchat import limits
from swarmchat.commitlog import deltas
from swarmchat.commitlog.files import refusals
from swarmchat.commitlog.libgit2 import CollisionError, object_id
from swarmchat.commitlog.repository import MissingObjectError
from swarmchat.errors import UserError, VerificationError
from swarmchat.ids import CommitId

_SIGNATURE: Final = b"# v2 git bundle\n"
_REF: Final = re.compile(rb"([0-9a-f]{40}) (refs/[!-~]{1,255}|HEAD)")
_OFFSET_DELTA, _REF_DELTA = 6, 7
_KINDS: Final = (1, 2, 3, 4)
_TRAILER_BYTES: Final = 20
_VARINT_BYTES_MAX: Final = 9


class BundleError(VerificationError):
    """A file that is no bundle, or a damaged one, or one that holds only a part of a history."""


@dataclass(slots=True)
class _Entry:
    kind: int
    base: int | bytes | None  # of a delta: where its base begins, or the id of its base
    data: bytes


class Bundle:
    """The objects and refs of one bundle file. BundleError; UserError when it cannot be read."""

    def __init__(self, path: Path) -> None:
        self._objects: dict[bytes, tuple[int, bytes]] = {}
        self._room = limits.JAMI_BUNDLE_INFLATED_BYTES_MAX
        self._refs: dict[str, CommitId] = {}
        data = _whole(path)
        start = self._read_header(data)
        self._read_pack(data, start)

    def refs(self) -> dict[str, CommitId]:
        """The refs that the bundle names, but for HEAD."""
        return dict(self._refs)

    def read(self, kind: int, oid: bytes) -> bytes:
        """The content of an object; MissingObjectError when it is not in here or of another kind."""
        found = self._objects.get(oid)
        if found is None or found[0] != kind:
            raise MissingObjectError(f"object {oid.hex()} is not in the bundle")
        return found[1]

    def has(self, oid: bytes) -> bool:
        """Whether the object is in here."""
        return oid in self._objects

    def size(self, oid: bytes) -> int:
        """How many bytes the object has; MissingObjectError."""
        found = self._objects.get(oid)
        if found is None:
            raise MissingObjectError(f"object {oid.hex()} is not in the bundle")
        return len(found[1])

    def rest(self) -> None:
        """Nothing is held open."""

    # --- inside

    def _read_header(self, data: bytes) -> int:
        if not data.startswith(_SIGNATURE):
            raise BundleError("not a git bundle of version 2")
        end = data.find(b"\n\n", 0, limits.JAMI_BUNDLE_HEADER_BYTES_MAX)
        if end < 0:
            raise BundleError("the head of the bundle has no end")
        for line in data[len(_SIGNATURE) : end].split(b"\n"):
            if line.startswith(b"-"):
                raise BundleError(
                    "the bundle holds only the newer part of a history",
                    hint="make it with: git bundle create FILE main",
                )
            found = _REF.fullmatch(line)
            if found is None:
                raise BundleError("a line in the head of the bundle that names no ref")
            if found[2] != b"HEAD":
                self._refs[found[2].decode()] = CommitId(found[1].decode())
        return end + 2

    def _read_pack(self, data: bytes, start: int) -> None:
        end = len(data) - _TRAILER_BYTES
        if end - start < 12 or data[start : start + 8] != b"PACK\0\0\0\2":
            raise BundleError("the bundle has no pack of version 2")
        if hashlib.sha1(data[start:end], usedforsecurity=False).digest() != data[end:]:
            raise BundleError("the pack of the bundle is damaged: its checksum is wrong")
        (count,) = struct.unpack_from(">I", data, start + 8)
        if count > limits.JAMI_OBJECTS_MAX:
            raise BundleError(f"{count} objects in one bundle")
        entries: dict[int, _Entry] = {}
        at = start + 12
        for _ in range(count):
            begin = at
            entry, at = self._entry(data, begin, end)
            entries[begin] = entry
        if at != end:
            raise BundleError("bytes behind the last object of the bundle")
        self._resolve(entries)

    def _entry(self, data: bytes, begin: int, end: int) -> tuple[_Entry, int]:
        kind, size, at = _head(data, begin, end)
        base: int | bytes | None = None
        if kind == _OFFSET_DELTA:
            back, at = _offset(data, at, end)
            base = begin - back
        elif kind == _REF_DELTA:
            base, at = data[at : at + 20], at + 20
        elif kind not in _KINDS:
            raise BundleError("an object of a kind that git has not")
        self._take(size)
        inflate = zlib.decompressobj()
        window = memoryview(data)[at : min(end, at + size + (size >> 6) + 1024)]
        try:
            content = inflate.decompress(window, size + 1)
        except zlib.error:
            raise BundleError("an object that does not inflate") from None
        if len(content) != size or not inflate.eof:
            raise BundleError("an object that is not as long as it says")
        return _Entry(kind, base, content), at + len(window) - len(inflate.unused_data)

    def _resolve(self, entries: dict[int, _Entry]) -> None:
        """Turn deltas into objects: from each whole object outwards, so that no chain is walked twice and none recursively."""
        waiting: dict[int | bytes, list[int]] = {}
        ready: list[tuple[int, int, bytes, int]] = []  # where, kind, content, how deep
        for begin, entry in entries.items():
            if entry.base is None:
                ready.append((begin, entry.kind, entry.data, 0))
            else:
                waiting.setdefault(entry.base, []).append(begin)
        while ready:
            begin, kind, content, depth = ready.pop()
            if depth > limits.JAMI_DELTA_DEPTH_MAX:
                raise BundleError(f"a chain of over {limits.JAMI_DELTA_DEPTH_MAX} deltas")
            try:
                oid = object_id(kind, content)
            except CollisionError as error:
                raise BundleError(str(error)) from None
            self._objects[oid] = (kind, content)
            for name in (begin, oid):
                ready.extend(
                    (child, kind, self._applied(entries[child].data, content), depth + 1)
                    for child in waiting.pop(name, ())
                )
        if waiting:
            raise BundleError("a delta whose base is not in the bundle")

    def _applied(self, delta: bytes, base: bytes) -> bytes:
        try:
            wanted = deltas.sizes(delta)[1]
            self._take(wanted)
            return deltas.applied(delta, base, wanted)
        except deltas.DeltaError as error:
            raise BundleError(str(error)) from None

    def _take(self, size: int) -> None:
        self._room -= size
        if self._room < 0:
            raise BundleError(f"the bundle holds over {limits.JAMI_BUNDLE_INFLATED_BYTES_MAX} bytes")


def _whole(path: Path) -> bytes:
    with refusals(path, "read"), path.open("rb") as file:
        size = path.stat().st_size
        if size > limits.JAMI_BUNDLE_BYTES_MAX:
            raise UserError(f"{path} is over {limits.JAMI_BUNDLE_BYTES_MAX} bytes")
        if not size:
            raise BundleError("not a git bundle of version 2")
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
            return mapped[:]


def _head(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    kind, size, shift, first = 0, 0, 4, at
    while True:
        if at >= end or at - first > _VARINT_BYTES_MAX:
            raise BundleError("the bundle is cut off")
        byte = data[at]
        if at == first:
            kind, size = byte >> 4 & 7, byte & 15
        else:
            size |= (byte & 0x7F) << shift
            shift += 7
        at += 1
        if not byte & 0x80:
            return kind, size, at


def _offset(data: bytes, at: int, end: int) -> tuple[int, int]:
    value, first = -1, at
    while True:
        if at >= end or at - first > _VARINT_BYTES_MAX:
            raise BundleError("the bundle is cut off")
        byte = data[at]
        value = value + 1 << 7 | byte & 0x7F
        at += 1
        if not byte & 0x80:
            return value, at
