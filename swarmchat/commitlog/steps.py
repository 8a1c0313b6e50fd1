"""The last steps of a log in one file of fixed size: one sync makes a step durable. (SCP-04 §4.3a)

The object store, the rows and the refs take the steps over later, many at once; until then `Repository` holds their objects
in memory. A step is one frame: length and run (4 bytes each), checksum (16), then `main`, the heads, and the new objects. A
frame of another run, or whose checksum is wrong, ends the file: what a crash tore off was acknowledged to nobody.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from swarmchat import disk, limits
from swarmchat.commitlog.files import Files, SteadyFile
from swarmchat.commitlog.libgit2 import object_id
from swarmchat.commitlog.trees import BLOB, COMMIT, TREE
from swarmchat.errors import StorageError
from swarmchat.ids import CommitId

FILE_NAME: Final = "steps"

Object = tuple[int, bytes, bytes]  # kind, id, content

_FRAME = struct.Struct(">II16s")
_REFS = struct.Struct(">20sI")
_OBJECT = struct.Struct(">BI")
_ID_BYTES = 20


@dataclass(frozen=True, slots=True)
class Step:
    """What a log grew by, and where it stood then."""

    main: CommitId
    heads: tuple[CommitId, ...]
    objects: tuple[Object, ...]


class Steps:
    """The file of one log. Under the log's lock; StorageError when the disk refuses."""

    def __init__(self, path: Path, files: Files) -> None:
        self._path = path
        self._files = files
        self._file: SteadyFile | None = None
        self._run = 0
        self._at = 0
        self._fault: StorageError | None = None

    @property
    def is_usable(self) -> bool:
        """Whether more can be added; after a fault not before the file was removed."""
        return self._fault is None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was added since the last restart."""
        return self._at == 0

    def read(self) -> list[Step]:
        """The steps that the last run left behind, oldest first. Nothing can be added before they are removed."""
        data = disk.read_bounded(self._path, limits.STEPS_FILE_BYTES)
        if data is None:
            return []
        self._fault = StorageError(f"{self._path} is of the last run")
        return [_parsed(payload) for payload in _payloads(data)]

    def size_of(self, heads: Sequence[CommitId], objects: Sequence[Object]) -> int:
        """How many bytes of the file such a step takes."""
        contents = sum(_OBJECT.size + len(raw) for _, _, raw in objects)
        return _FRAME.size + _REFS.size + _ID_BYTES * len(heads) + contents

    def has_room(self, size: int) -> bool:
        """Whether that many bytes are free."""
        return self._at + size <= limits.STEPS_FILE_BYTES

    def add(self, main: CommitId, heads: Sequence[CommitId], objects: Sequence[Object]) -> None:
        """Write one step; durable when this returns. StorageError: it is not there then, and the file takes no more."""
        payload = _payload(main, heads, objects)
        frame = _FRAME.pack(len(payload), self._run, _checksum(self._run, payload)) + payload
        try:
            if self._file is None:
                self._file = self._files.reserve(self._path, limits.STEPS_FILE_BYTES)
                self._files.sync_folder(self._path.parent)
            self._file.write_at(self._at, frame)
            self._file.sync()
        except StorageError as error:
            self._fault = error
            self._take_back()
            raise
        self._at += len(frame)

    def restart(self) -> None:
        """All steps were taken over: the next begins a new run at the start of the file.

        Nothing is synced for it. A crash may show the old run again, which changes nothing: all of it is known.
        """
        self._run += 1
        self._at = 0

    def remove(self) -> None:
        """All steps were taken over, and no more is expected soon; no StorageError: what stays is read at the next start."""
        self.close()
        with suppress(StorageError):
            self._files.remove(self._path)
            self._run, self._fault = 0, None

    def close(self) -> None:
        """Let go of the file."""
        self._at = 0
        if self._file is not None:
            self._file.close()
            self._file = None

    def _take_back(self) -> None:
        """A step that was refused must not come back at the next start."""
        if self._file is not None:
            with suppress(StorageError):  # a disk that is dead takes nothing back either
                self._file.write_at(self._at, bytes(_FRAME.size))
                self._file.sync()


def _checksum(run: int, payload: bytes) -> bytes:
    return hashlib.blake2b(payload, digest_size=16, key=struct.pack(">I", run)).digest()


def _payloads(data: bytes) -> Iterator[bytes]:
    at, first = 0, None
    while at + _FRAME.size <= len(data):
        length, run, checksum = _FRAME.unpack_from(data, at)
        at += _FRAME.size
        payload = data[at : at + length]
        first = run if first is None else first
        if run != first or not length or len(payload) < length or checksum != _checksum(run, payload):
            return
        yield payload
        at += length


def _payload(main: CommitId, heads: Sequence[CommitId], objects: Sequence[Object]) -> bytes:
    parts = [_REFS.pack(bytes.fromhex(main), len(heads)), bytes.fromhex("".join(heads))]
    for kind, _, raw in objects:
        parts.append(_OBJECT.pack(kind, len(raw)))
        parts.append(raw)
    return b"".join(parts)


def _parsed(payload: bytes) -> Step:
    """A payload whose checksum was right is what was written."""
    main, count = _REFS.unpack_from(payload)
    at = _REFS.size
    heads = [CommitId(payload[at + _ID_BYTES * n : at + _ID_BYTES * (n + 1)].hex()) for n in range(count)]
    at += _ID_BYTES * count
    objects: list[Object] = []
    while at < len(payload):
        kind, length = _OBJECT.unpack_from(payload, at)
        assert kind in (COMMIT, TREE, BLOB)
        at += _OBJECT.size
        raw = payload[at : at + length]
        objects.append((kind, object_id(kind, raw), raw))
        at += length
    return Step(CommitId(main.hex()), tuple(heads), tuple(objects))
