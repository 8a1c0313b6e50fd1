"""The door to libgit2: ids with collision detection, and no library with known holes."""

from __future__ import annotations

import pygit2
import pytest

from swarmchat.commitlog import libgit2
from swarmchat.commitlog.packs import PackFault, Scanner
from swarmchat.commitlog.trees import BLOB
from swarmchat.errors import StorageError
from tests.support.commitlogs import objects_of, packed


def test_an_old_libgit2_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    libgit2.harden()
    monkeypatch.setattr(pygit2, "LIBGIT2_VERSION", "1.9.4")
    with pytest.raises(StorageError, match="known holes") as refusal:
        libgit2.harden()
    assert refusal.value.hint


def test_an_object_made_for_a_collision_is_a_fault_of_who_sent_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """libgit2 reports a detected collision as an error of its hash; the known colliding files are too big to keep here."""
    pack = packed(objects_of((BLOB, b"shattered")))
    monkeypatch.setattr(libgit2, "_hash", lambda *rest: -1)
    with pytest.raises(libgit2.CollisionError):
        libgit2.object_id(BLOB, b"shattered")
    with pytest.raises(PackFault, match="collision"):
        Scanner().feed(pack)
