"""Commit logs in a temporary folder, strangers' packs of any kind, and a disk that refuses at a chosen step."""

from __future__ import annotations

import errno
import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pygit2

from swarmchat.commitlog.files import Files, NewFile, SteadyFile
from swarmchat.commitlog.libgit2 import object_id
from swarmchat.commitlog.log import Admission, CommitLog, Writer
from swarmchat.commitlog.packs import encode, entry_header, header, write_whole
from swarmchat.commitlog.trees import BLOB, COMMIT, TREE, rebuild
from swarmchat.conversation import actions
from swarmchat.conversation.actions import Action, Add, Initial, Join, Post
from swarmchat.conversation.commit import Draft, sealed
from swarmchat.conversation.rejection import Rejection
from swarmchat.conversation.tree import Mode
from swarmchat.crypto import sshsig
from swarmchat.errors import StorageError
from swarmchat.ids import CommitId, TreeId
from tests.support.builders import ALICE, NOW, Person

Object = tuple[int, bytes, bytes]  # kind, id, content


def writer(who: Person, **fields: Any) -> Writer:
    return Writer(
        who.id, who.device, who.device_key, who.certificate.pem, who.device_certificate.pem, who.name, **fields
    )


def group(folder: Path, *others: Person, mode: Mode = 1, files: Files | None = None, name: str = "a.git") -> CommitLog:
    """Alice's conversation in which the others have joined."""
    log = CommitLog.create(folder / name, writer(ALICE), Initial(mode, "0" * 32), now=NOW, files=files)
    for other in others:
        must(log.append(Add(other.id), writer(ALICE), now=NOW))
        must(log.append(Join(other.id), writer(other), now=NOW))
    return log


def clone(log: CommitLog, path: Path) -> CommitLog:
    """Another node's copy."""
    copy = CommitLog.prepare(path, log.conversation)
    pull(copy, log)
    return copy


def drop(log: CommitLog) -> None:
    """What becomes of a log whose process dies: its files are closed, nothing is written."""
    log._store._steps.close()
    log._store._verdicts.rest()
    log._store.repository.rest()


def pull(to: CommitLog, source: CommitLog) -> Admission | None:
    """What one node does when another has news."""
    pack = source.pack(None, to.locator())
    return None if pack is None else to.admit(b"".join(pack.chunks), pack.heads)


def must(result: Admission | Rejection) -> Admission:
    assert isinstance(result, Admission), str(result)
    return result


def post(log: CommitLog, who: Person, text: str, now: int = NOW, at: CommitId | None = None) -> CommitId:
    return must(log.append(Post(text), writer(who), now=now, at=at)).new[0]


def posts(log: CommitLog) -> list[str]:
    """The texts in a log, in the order of its own admission."""
    return [
        log.commit(entry.id).body["body"]  # type: ignore[union-attr]
        for entry in log.history.entries
        if entry.fact.type == "text/plain"
    ]


def stored(log: CommitLog) -> set[str]:
    """All files of the object store and the quarantine."""
    log.put_away()
    folders = (log.path / "objects", log.path / "incoming")
    return {str(path.relative_to(log.path)) for folder in folders for path in folder.rglob("*") if path.is_file()}


def object_ids(log: CommitLog) -> set[str]:
    """All objects of the store, by git's own count."""
    log.put_away()
    return {str(oid) for oid in pygit2.Repository(str(log.path)).odb}


def refs(log: CommitLog) -> dict[str, str]:
    """All refs and where they point."""
    log.put_away()
    references = pygit2.Repository(str(log.path)).references
    return {name: str(references[name].target) for name in references}


# --- what strangers send


def objects_of(*contents: tuple[int, bytes]) -> list[Object]:
    return [(kind, object_id(kind, raw), raw) for kind, raw in contents]


def packed(objects: Sequence[Object]) -> bytes:
    return write_whole([(kind, oid, encode(kind, raw)) for kind, oid, raw in objects])


def raw_pack(*entries: bytes, count: int | None = None) -> bytes:
    """A pack of entries as they are, with a right checksum."""
    data = header(len(entries) if count is None else count) + b"".join(entries)
    return data + hashlib.sha1(data).digest()


def entry(kind: int, raw: bytes, *, size: int | None = None) -> bytes:
    """An entry that may lie about its size."""
    return entry_header(kind, len(raw) if size is None else size) + zlib.compress(raw)


def forged(
    log: CommitLog,
    who: Person,
    action: Action | bytes,
    *,
    parent: CommitId | None = None,
    changes: Mapping[str, bytes | None] | None = None,
    tree: TreeId | None = None,
    time: int = NOW,
    signer: Person | None = None,
    damaged: bool = False,
    extra: Mapping[str, object] | None = None,
) -> tuple[CommitId, list[Object]]:
    """A commit as a modified program would write it, with the objects it brings; what the law says is not asked."""
    parent = parent or log.heads[0]
    new: dict[bytes, tuple[int, bytes]] = {}

    def put(kind: int, raw: bytes) -> bytes:
        oid = object_id(kind, raw)
        new.setdefault(oid, (kind, raw))
        return oid

    store = log._store
    if tree is None:
        tree = store.ledger.tree_of(parent if log.knows(parent) else log.heads[0])
        if changes:
            tree = TreeId(
                rebuild(
                    bytes.fromhex(tree), changes, lambda oid, path: store.shelf.folder(store.repository, oid, path), put
                ).hex()
            )
    message = action if isinstance(action, bytes) else actions.message(action, extra)
    payload = Draft(parent, who.name, who.device, time, message).payload(tree)
    signed = payload + b" " if damaged else payload
    raw = sealed(payload, sshsig.sign((signer or who).device_key, signed))
    commit = put(COMMIT, raw).hex()
    return CommitId(commit), [(kind, oid, content) for oid, (kind, content) in new.items()]


# --- a disk that refuses


class _WatchedFile(NewFile):
    """Every write and sync of a file is a step too."""

    def __init__(self, file: NewFile, step: Callable[[str, Path], None]) -> None:
        self._step = step
        super().__init__(file.path, file._handle)

    def write(self, data: bytes | memoryview) -> None:
        try:
            self._step("fill", self.path)
        except BaseException:
            super().write(bytes(data)[: len(data) // 2])  # torn
            raise
        super().write(data)

    def sync(self) -> None:
        self._step("fsync", self.path)
        super().sync()


class _WatchedSteadyFile(SteadyFile):
    """So is every write in the middle of one."""

    def __init__(self, path: Path, handle: int, step: Callable[[str, Path], None]) -> None:
        super().__init__(path, handle)
        self._step = step

    def write_at(self, offset: int, data: bytes) -> None:
        try:
            self._step("fill", self.path)
        except BaseException:
            super().write_at(offset, data[: len(data) // 2])  # torn
            raise
        super().write_at(offset, data)

    def sync(self) -> None:
        self._step("fsync", self.path)
        super().sync()


@dataclass
class FailingFiles(Files):
    """Refuses the n-th change (from 1), and with `for_good` all that follow; counts them all."""

    fail_at: int = 0
    code: int = errno.ENOSPC
    for_good: bool = True
    count: int = 0
    log: list[str] = field(default_factory=list)

    def _step(self, name: str, path: Path) -> None:
        self.count += 1
        self.log.append(f"{name} {path.name}")
        if self.fail_at and (self.count == self.fail_at or (self.for_good and self.count > self.fail_at)):
            raise StorageError(f"cannot {name} {path}", hint="free some space") from OSError(self.code, "refused")

    def create(self, path: Path, mode: int = 0o444) -> NewFile:
        self._step("create", path)
        return _WatchedFile(super().create(path, mode), self._step)

    def steady(self, path: Path, handle: int) -> SteadyFile:
        return _WatchedSteadyFile(path, handle, self._step)

    def rename(self, source: Path, target: Path) -> None:
        self._step("rename", target)
        super().rename(source, target)

    def remove(self, path: Path) -> None:
        self._step("remove", path)
        super().remove(path)

    def make_folder(self, path: Path) -> None:
        self._step("make", path)
        super().make_folder(path)

    def sync_folder(self, path: Path) -> None:
        self._step("sync", path)
        super().sync_folder(path)


class Killed(BaseException):
    """The process is gone: nobody tidies up."""


class KilledFiles(FailingFiles):
    """At the n-th change the process dies."""

    def _step(self, name: str, path: Path) -> None:
        self.count += 1
        self.log.append(f"{name} {path.name}")
        if self.fail_at and self.count >= self.fail_at:
            raise Killed


__all__ = ["BLOB", "COMMIT", "TREE"]
