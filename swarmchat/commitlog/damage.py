"""What of an object store is not what was written there: named file by file, put aside, the intact rest kept. (SCP-02 §7.5, SCP-04 §4.5a)"""

from __future__ import annotations

import hashlib
import mmap
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from swarmchat import limits
from swarmchat.commitlog.deltas import applied
from swarmchat.commitlog.files import Files, refusals
from swarmchat.commitlog.libgit2 import object_id
from swarmchat.commitlog.packs import HEADER_BYTES, REF_DELTA, TRAILER_BYTES, take_entry
from swarmchat.commitlog.repository import Repository
from swarmchat.commitlog.trees import BLOB, COMMIT, TREE

ASIDE: Final = "damaged"  # a folder of the repository; nothing in it is ever read again by this program
_KINDS: Final = {b"commit": COMMIT, b"tree": TREE, b"blob": BLOB}
_INDEX_HEAD: Final = b"\377tOc\0\0\0\2"
_INDEX_IDS_AT: Final = 8 + 256 * 4


@dataclass(frozen=True, slots=True)
class Damage:
    """One file that is damaged or gone: its path in the repository, the object if it is one, and what is wrong."""

    path: str
    oid: str | None
    what: str


@dataclass(frozen=True, slots=True)
class _Entry:
    """An intact object in a damaged pack."""

    kind: int
    oid: bytes
    start: int
    end: int


@dataclass(slots=True)
class Survey:
    """All of an object store: the intact objects by kind, and the damage."""

    objects: dict[bytes, int] = field(default_factory=dict)
    damage: list[Damage] = field(default_factory=list)
    _loose: list[Path] = field(default_factory=list)
    _packs: dict[Path, list[_Entry]] = field(default_factory=dict)

    def loose(self, repository: Repository, path: Path, oid: bytes) -> None:
        """Look at a loose object."""
        try:
            content = zlib.decompress(path.read_bytes())
        except (OSError, zlib.error) as error:
            return self._bad_loose(repository, path, oid, str(error))
        if hashlib.sha1(content, usedforsecurity=False).digest() != oid:
            return self._bad_loose(repository, path, oid, "it holds something else than its name says")
        self.objects[oid] = _KINDS.get(content.partition(b" ")[0], 0)
        return None

    def pack(self, repository: Repository, path: Path) -> None:
        """Look at a pack, its index or both."""
        rows = path.with_suffix(".idx")
        fault = _pack_fault(path, rows)
        if fault is None:
            for oid in _index_rows(rows.read_bytes()):
                self.objects.setdefault(oid, repository.kind_of(oid))
            return
        intact = _salvage(path, rows)
        self._packs[path] = intact
        self.objects.update({entry.oid: entry.kind for entry in intact})
        kept = f"; {len(intact)} objects of it are intact" if path.exists() else ""
        self.damage.append(Damage(_inside(repository, path), None, f"{fault}{kept}"))

    def put_aside(self, repository: Repository, files: Files) -> None:
        """Move the damaged files out of the way, after the intact objects of damaged packs were stored anew. StorageError."""
        if not self.damage:
            return
        aside = repository.path / ASIDE
        files.make_folder(aside)
        for path, intact in sorted(self._packs.items()):
            new = repository.write_pack(len(intact), _copies(path, intact)) if intact else None
            for place in (path.with_suffix(suffix) for suffix in (".idx", ".pack", ".rev", ".bitmap")):
                if place.exists() and (new is None or place.stem != new.stem):
                    files.rename(place, aside / place.name)
        if self._packs:
            files.remove(repository.path / "objects" / "pack" / "multi-pack-index")  # it would name packs that went
            files.sync_folder(repository.path / "objects" / "pack")
        for path in self._loose:
            files.rename(path, aside / (path.parent.name + path.name))
            files.sync_folder(path.parent)
        files.sync_folder(aside)
        repository.rest()

    def _bad_loose(self, repository: Repository, path: Path, oid: bytes, what: str) -> None:
        self._loose.append(path)
        self.damage.append(Damage(_inside(repository, path), oid.hex(), what))


def survey(repository: Repository, *, strays: bool = True) -> Survey:
    """Read every object, and tell the intact from the damaged; changes nothing. StorageError where a folder cannot be read.

    A pack without an index is what a crash leaves behind, or has lost its index: without `strays` it is passed over.
    """
    found = Survey()
    objects = repository.path / "objects"
    for oid in repository.loose_objects():
        name = oid.hex()
        found.loose(repository, objects / name[:2] / name[2:], oid)
    with refusals(objects, "read"):
        stems = {
            place.with_suffix("") for suffix in ("idx", "pack") for place in (objects / "pack").glob(f"pack-*.{suffix}")
        }
    for stem in sorted(stem for stem in stems if strays or stem.with_name(f"{stem.name}.idx").exists()):
        found.pack(repository, stem.with_name(f"{stem.name}.pack"))
    return found


# --- packs


def _pack_fault(path: Path, rows: Path) -> str | None:
    """Why a pack cannot be believed as a whole; checksums only, for they cover every byte."""
    try:
        if not path.exists():
            return "the pack is gone, and its index is here"
        if not rows.exists():
            return "it has no index"
        trailer = _checked(path)
        index = rows.read_bytes()
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if trailer is None:
        return "it is damaged or cut off"
    if not _is_whole_index(index) or index[-2 * TRAILER_BYTES : -TRAILER_BYTES] != trailer:
        return "its index is damaged"
    return None


def _checked(path: Path) -> bytes | None:
    """The checksum of a pack whose bytes it fits."""
    digest = hashlib.sha1(usedforsecurity=False)
    left = path.stat().st_size - TRAILER_BYTES
    if left < HEADER_BYTES:
        return None
    with path.open("rb") as file:
        while left:
            data = file.read(min(left, 1 << 20))
            if not data:
                return None
            digest.update(data)
            left -= len(data)
        trailer = file.read(TRAILER_BYTES)
    return trailer if trailer == digest.digest() else None


def _is_whole_index(index: bytes) -> bool:
    return (
        len(index) >= _INDEX_IDS_AT + 2 * TRAILER_BYTES
        and index.startswith(_INDEX_HEAD)
        and hashlib.sha1(index[:-TRAILER_BYTES], usedforsecurity=False).digest() == index[-TRAILER_BYTES:]
    )


def _index_rows(index: bytes) -> dict[bytes, int]:
    """The objects of a whole index with the places of their entries, up to 2 GiB."""
    (count,) = struct.unpack_from(">I", index, _INDEX_IDS_AT - 4)
    offsets = struct.unpack_from(f">{count}I", index, _INDEX_IDS_AT + 24 * count)
    ids = (index[_INDEX_IDS_AT + 20 * row : _INDEX_IDS_AT + 20 * row + 20] for row in range(count))
    return dict(zip(ids, offsets, strict=True))


def _salvage(path: Path, rows: Path) -> list[_Entry]:
    """The objects of a damaged pack that are intact."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as pack:
            index = rows.read_bytes() if rows.exists() else b""
            found = _by_index(pack, index) if _is_whole_index(index) else _in_order(pack)
            return sorted(found, key=lambda entry: entry.start)
    except (OSError, ValueError):  # gone, or empty
        return []


def _by_index(pack: mmap.mmap, index: bytes) -> Iterator[_Entry]:
    whole: dict[bytes, int] = {}
    rows = [row for row in _index_rows(index).items() if row[1] < len(pack)]
    for deltas in (False, True):  # what is whole first: deltas rest on it
        for oid, start in rows:
            if (pack[start] >> 4 & 7 == REF_DELTA) is deltas:
                entry = _intact(pack, start, whole)
                if entry is not None and entry.oid == oid:
                    if not deltas:
                        whole[oid] = start
                    yield entry


def _in_order(pack: mmap.mmap) -> Iterator[_Entry]:
    """Without an index: from the beginning up to the first damage. No delta stands before its base."""
    whole: dict[bytes, int] = {}
    at = HEADER_BYTES
    while at < len(pack):
        entry = _intact(pack, at, whole)
        if entry is None:
            return
        if pack[at] >> 4 & 7 != REF_DELTA:
            whole[entry.oid] = at
        yield entry
        at = entry.end


def _intact(pack: mmap.mmap, start: int, whole: Mapping[bytes, int]) -> _Entry | None:
    """The object whose entry begins there, if it and, of a delta, its base among the `whole` are what was written there."""
    try:
        kind, base, content, end = take_entry(pack, start, len(pack))
        if base is not None:
            kind, _, before, _ = take_entry(pack, whole[base], len(pack))
            content = applied(content, before, limits.COMMIT_BYTES_MAX)
        return _Entry(kind, object_id(kind, content), start, end)
    except (ValueError, KeyError):
        return None


def _copies(path: Path, intact: list[_Entry]) -> Iterator[tuple[int, bytes, bytes]]:
    with path.open("rb") as file:
        for entry in intact:
            file.seek(entry.start)
            yield entry.kind, entry.oid, file.read(entry.end - entry.start)


def _inside(repository: Repository, path: Path) -> str:
    return path.relative_to(repository.path).as_posix()
