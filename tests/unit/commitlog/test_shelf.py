"""What was used last stays, up to a weight; a roster is read once."""

from __future__ import annotations

from swarmchat.commitlog.libgit2 import object_id
from swarmchat.commitlog.repository import MissingObjectError
from swarmchat.commitlog.shelf import Recent, Shelf
from swarmchat.commitlog.trees import TREE, rebuild
from swarmchat.conversation.roster import Roster
from swarmchat.ids import TreeId

A = f"{1:040x}"


class Memory:
    def __init__(self) -> None:
        self.found: dict[bytes, tuple[int, bytes]] = {}
        self.reads = 0

    def put(self, kind: int, raw: bytes) -> bytes:
        oid = object_id(kind, raw)
        self.found[oid] = (kind, raw)
        return oid

    def read(self, kind: int, oid: bytes) -> bytes:
        self.reads += 1
        if oid not in self.found:
            raise MissingObjectError("gone")
        assert self.found[oid][0] == kind
        return self.found[oid][1]

    def has(self, oid: bytes) -> bool:
        return oid in self.found


def test_what_was_not_used_for_longest_goes_first() -> None:
    recent: Recent[str, str] = Recent(12, len)
    for key in "abcdef":
        recent.put(key, "xx")
    assert recent.get("a") == "xx"  # now the last used
    recent.put("g", "xx")
    assert (recent.get("b"), recent.get("a"), recent.get("g")) == (None, "xx", "xx")


def test_a_giant_does_not_push_out_the_last_four() -> None:
    recent: Recent[int, str] = Recent(5, len)
    for key in range(10):
        recent.put(key, "x" * 100)
    assert [key for key in range(10) if recent.get(key)] == [6, 7, 8, 9]


def test_the_same_key_again_weighs_once() -> None:
    recent: Recent[str, str] = Recent(10, len)
    for text in ("x" * 9, "y" * 9, "z" * 9):
        recent.put("a", text)
    for key in "bcdef":
        recent.put(key, "")
    assert recent.get("a") == "z" * 9
    assert len(recent) == 6


def test_a_roster_is_read_from_its_tree_once() -> None:
    memory, shelf = Memory(), Shelf()
    files = {f"admins/{A}.crt": b"pem", f"invited/{A}": b""}
    tree = TreeId(rebuild(None, dict(files), lambda oid, path: shelf.folder(memory, oid, path), memory.put).hex())
    roster = shelf.roster(memory, tree, 1)
    assert roster == Roster(1, files)
    memory.reads = 0
    assert shelf.roster(memory, tree, 1) is roster
    assert memory.reads == 0
    assert memory.found[bytes.fromhex(tree)][0] == TREE
