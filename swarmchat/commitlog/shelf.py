"""Folders and rosters at hand: what was read or judged last is not read or computed again. (SCP-02 §7.4)"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from swarmchat import limits
from swarmchat.commitlog.trees import BLOB, TREE, Folder, differences, parse
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.tree import Mode
from swarmchat.ids import TreeId

K = TypeVar("K")
V = TypeVar("V")

_ALWAYS_KEPT = 4  # one giant is no reason to compute it anew each time


class Objects(Protocol):
    """Where trees and blobs come from; `read` raises MissingObjectError."""

    def read(self, kind: int, oid: bytes) -> bytes: ...
    def has(self, oid: bytes) -> bool: ...


class Recent(Generic[K, V]):
    """A bounded memory: what was not used for longest goes first, when the weights together exceed `limit`."""

    def __init__(self, limit: int, weigh: Callable[[V], int]) -> None:
        self._limit = limit
        self._weigh = weigh
        self._kept: OrderedDict[K, V] = OrderedDict()
        self._weight = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: K) -> V | None:
        """What is kept under this key, now the last used."""
        value = self._kept.get(key)
        if value is not None:
            self._kept.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        """Keep it."""
        former = self._kept.pop(key, None)
        if former is not None:
            self._weight -= self._weigh(former)
        self._kept[key] = value
        self._weight += self._weigh(value)
        while self._weight > self._limit and len(self._kept) > _ALWAYS_KEPT:
            _, oldest = self._kept.popitem(last=False)
            self._weight -= self._weigh(oldest)


class Shelf:
    """Parsed folders and rosters of one conversation. Both are functions of their id, so that of a refused commit is no lie."""

    def __init__(self) -> None:
        self._folders: Recent[tuple[bytes, str], Folder] = Recent(limits.TREE_ENTRIES_KEPT_MAX, lambda f: len(f) + 1)
        self._rosters: Recent[TreeId, Roster] = Recent(limits.ROSTER_FILES_KEPT_MAX, lambda r: len(r.files) + 1)

    def folder(self, objects: Objects, oid: bytes, path: str) -> Folder:
        """The folder at `path` with this id; TreeFaultError, MissingObjectError."""
        found = self._folders.get((oid, path))
        if found is None:
            found = parse(objects.read(TREE, oid), path)
            self._folders.put((oid, path), found)
        return found

    def changes(self, objects: Objects, old: TreeId | None, new: TreeId) -> dict[str, bytes | None]:
        """The files that differ, with their content after; equal folders are not read. TreeFaultError, MissingObjectError."""
        return {
            path: None if blob is None else objects.read(BLOB, blob)
            for path, blob in differences(
                None if old is None else bytes.fromhex(old),
                bytes.fromhex(new),
                lambda oid, path: self.folder(objects, oid, path),
            )
        }

    def roster(self, objects: Objects, tree: TreeId, mode: Mode) -> Roster:
        """The roster that a tree is; read from the objects when it is not at hand."""
        found = self._rosters.get(tree)
        if found is None:
            files = {path: content or b"" for path, content in self.changes(objects, None, tree).items()}
            found = Roster(mode, files)
            self._rosters.put(tree, found)
        return found

    def keep(self, tree: TreeId, roster: Roster) -> None:
        """This roster is that tree."""
        if self._rosters.get(tree) is not roster:
            self._rosters.put(tree, roster)
