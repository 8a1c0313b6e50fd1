"""Trees as bytes: read them strictly, compare two of them, write the changed parts of one. (SCP-02 §1.1, SCP-04 §4.1)

Pure: objects are fetched and put through callables. A tree is accepted in one spelling only (known names, known modes,
sorted, no empty folder), so a roster and the id of its tree stand for each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from swarmchat import limits
from swarmchat.commitlog.libgit2 import object_id
from swarmchat.conversation import tree as layout

COMMIT, TREE, BLOB = 1, 2, 3
EMPTY_TREE = object_id(TREE, b"")

_ENTRY = re.compile(rb"(40000|100644) ([^\x00/]{1,128})\x00(.{20})", re.DOTALL)
_FIXED_BYTES = len(b" \0") + 20


@dataclass(frozen=True, slots=True)
class Node:
    """One entry of a folder: the id of a folder or file."""

    oid: bytes
    is_folder: bool


Folder = Mapping[str, Node]  # name -> entry, in git's order
Load = Callable[[bytes, str], Folder]  # (tree id, its path) -> its entries


class TreeFaultError(ValueError):
    """A tree that no conversation has; `path` is the place of the fault."""

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(detail)
        self.path = path
        self.detail = detail


def parse(raw: bytes, path: str) -> dict[str, Node]:
    """Read the tree object of the folder at `path` ("" is the root); TreeFaultError for any name or mode but the law's."""
    if not raw and path:
        raise TreeFaultError(path, "an empty folder")
    found = _ENTRY.findall(raw)
    if sum(len(mode) + len(name) for mode, name, _ in found) + _FIXED_BYTES * len(found) != len(raw):
        raise TreeFaultError(path, "an entry that is no file 100644 and no folder")
    if len(found) > limits.TREE_ENTRIES_MAX:
        raise TreeFaultError(path, f"over {limits.TREE_ENTRIES_MAX} entries")
    prefix = path + "/" if path else ""
    nodes: dict[str, Node] = {}
    last = b""
    for mode, name, oid in found:
        is_folder = mode == b"40000"
        key = name + b"/" if is_folder else name
        if key <= last:
            raise TreeFaultError(path, "the entries are not sorted, or one stands twice")
        last = key
        text = name.decode("ascii", "replace")
        if not (layout.is_folder(prefix + text) if is_folder else layout.is_file(prefix + text)):
            raise TreeFaultError(prefix + text, "no conversation has this " + ("folder" if is_folder else "file"))
        nodes[text] = Node(oid, is_folder)
    return nodes


def encode(nodes: Mapping[str, Node]) -> bytes:
    """The tree object of these entries."""
    entries = sorted((name.encode() + (b"/" if node.is_folder else b""), node) for name, node in nodes.items())
    return b"".join(
        (b"40000 " + key[:-1] if node.is_folder else b"100644 " + key) + b"\0" + node.oid for key, node in entries
    )


def differences(old: bytes | None, new: bytes | None, load: Load) -> Iterator[tuple[str, bytes | None]]:
    """The files that differ between two root trees: path and blob id after, None where it goes. Equal folders are not read."""
    yield from _differences(old, new, "", load)


def additions(old: bytes | None, new: bytes, load: Load, seen: set[bytes]) -> Iterator[tuple[int, bytes]]:
    """The objects of tree `new` that `old` does not have at the same place and `seen` does not name, children first.

    `seen` is updated with what was yielded.
    """
    if new != old:
        yield from _additions(old, new, "", load, seen)


def rebuild(
    base: bytes | None, changes: Mapping[str, bytes | None], load: Load, put: Callable[[int, bytes], bytes]
) -> bytes:
    """The id of the root tree after `changes` (path -> content); only folders with a change are read and put."""
    blobs = {path: None if content is None else put(BLOB, content) for path, content in changes.items()}
    root = _rebuild(base, blobs, "", load, put)
    return put(TREE, b"") if root is None else root


def _differences(old: bytes | None, new: bytes | None, path: str, load: Load) -> Iterator[tuple[str, bytes | None]]:
    if old == new:
        return
    before = load(old, path) if old is not None else {}
    after = load(new, path) if new is not None else {}
    for name in sorted(before.keys() | after.keys()):
        here = f"{path}/{name}" if path else name
        was, now = before.get(name), after.get(name)
        if was == now:
            continue
        if (was or now).is_folder:  # type: ignore[union-attr]  # one of them is there; a name is always of one kind
            yield from _differences(was.oid if was else None, now.oid if now else None, here, load)
        else:
            yield here, now.oid if now else None


def _additions(old: bytes | None, new: bytes, path: str, load: Load, seen: set[bytes]) -> Iterator[tuple[int, bytes]]:
    if new in seen:
        return
    before = load(old, path) if old is not None else {}
    for name, node in load(new, path).items():
        was = before.get(name)
        if node == was:
            continue
        if node.is_folder:
            here = f"{path}/{name}" if path else name
            yield from _additions(was.oid if was else None, node.oid, here, load, seen)
        elif node.oid not in seen:
            seen.add(node.oid)
            yield BLOB, node.oid
    seen.add(new)
    yield TREE, new


def _rebuild(
    base: bytes | None, blobs: Mapping[str, bytes | None], path: str, load: Load, put: Callable[[int, bytes], bytes]
) -> bytes | None:
    nodes = dict(load(base, path)) if base is not None else {}
    inner: dict[str, dict[str, bytes | None]] = {}
    for place, blob in blobs.items():
        name, slash, rest = place.partition("/")
        if slash:
            inner.setdefault(name, {})[rest] = blob
        elif blob is None:
            nodes.pop(name, None)
        else:
            nodes[name] = Node(blob, is_folder=False)
    for name in sorted(inner):
        was = nodes.pop(name, None)
        folder = _rebuild(was.oid if was else None, inner[name], f"{path}/{name}" if path else name, load, put)
        if folder is not None:
            nodes[name] = Node(folder, is_folder=True)
    return put(TREE, encode(nodes)) if nodes else None
