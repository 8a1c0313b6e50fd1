"""Objects that are here and not in the object store: of a pack that is being judged, of a commit that is being written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from swarmchat import limits
from swarmchat.commitlog.files import refusals
from swarmchat.commitlog.libgit2 import object_id
from swarmchat.commitlog.packs import Packed, read_entry
from swarmchat.commitlog.repository import MissingObjectError, Repository
from swarmchat.commitlog.shelf import Recent


class Staging:
    """Staged objects in front of a repository."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._written: dict[bytes, tuple[int, bytes]] = {}

    def read(self, kind: int, oid: bytes) -> bytes:
        """The content of a staged or stored object; MissingObjectError."""
        found = self._written.get(oid)
        if found is not None:
            return _of_kind(kind, oid, found)
        return self._repository.read(kind, oid)

    def put(self, kind: int, raw: bytes) -> bytes:
        """Stage an object of our own; gives its id."""
        oid = object_id(kind, raw)
        self._written.setdefault(oid, (kind, raw))
        return oid

    def has(self, oid: bytes) -> bool:
        """Whether it is staged or stored."""
        return oid in self._written or self._repository.has(oid)

    @property
    def mark(self) -> int:
        """A point to which `undo` leads back."""
        return len(self._written)

    def undo(self, mark: int) -> None:
        """Forget what was put since."""
        for oid in list(self._written)[mark:]:
            del self._written[oid]

    def written(self) -> list[tuple[int, bytes, bytes]]:
        """All that was put: kind, id, content, in that order."""
        return [(kind, oid, raw) for oid, (kind, raw) in self._written.items()]


class PackStaging(Staging):
    """Beside them the trees and blobs of a pack that lies in a file of the quarantine: in memory up to a bound, else read again."""

    def __init__(self, repository: Repository) -> None:
        super().__init__(repository)
        self.file: Path | None = None
        self._packed: dict[bytes, Packed] = {}
        self._contents: Recent[bytes, bytes] = Recent(limits.STAGED_TREE_BYTES_MAX, len)

    def add(self, packed: Packed, raw: bytes) -> None:
        """One more object has arrived."""
        self._packed[packed.oid] = packed
        self._contents.put(packed.oid, raw)

    def read(self, kind: int, oid: bytes) -> bytes:
        packed = self._packed.get(oid)
        if packed is None:
            return super().read(kind, oid)
        content = self._contents.get(oid)
        if content is None:
            content = self._read_again(packed)
            self._contents.put(oid, content)
        return _of_kind(kind, oid, (packed.kind, content))

    def has(self, oid: bytes) -> bool:
        return oid in self._packed or super().has(oid)

    def is_packed(self, oid: bytes) -> bool:
        """Whether it came with the pack."""
        return oid in self._packed

    def _read_again(self, packed: Packed) -> bytes:
        assert self.file is not None, "few objects are all in memory"
        ((_, _, entry),) = entries_at(self.file, [packed])
        return read_entry(entry)[1]


def entries_at(file: Path, places: Iterable[Packed]) -> Iterator[tuple[int, bytes, bytes]]:
    """Kind, id and entry of objects, out of the pack in `file`."""
    with refusals(file, "read"), file.open("rb") as source:
        for packed in places:
            source.seek(packed.offset)
            yield packed.kind, packed.oid, source.read(packed.length)


def _of_kind(kind: int, oid: bytes, found: tuple[int, bytes]) -> bytes:
    if found[0] != kind:
        raise MissingObjectError(f"object {oid.hex()} is of another kind than its place")
    return found[1]
