"""The door to libgit2: ids with collision detection, and no library with known holes."""

from __future__ import annotations

import gc
import hashlib
from pathlib import Path

import cffi
import pygit2
import pytest
from pygit2 import _libgit2

from swarmchat import limits
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


def test_commits_that_were_read_are_not_kept_by_libgit2(tmp_path: Path) -> None:
    def read(repository: pygit2.Repository, count: int) -> int:
        tree, who = repository.TreeBuilder().write(), pygit2.Signature("a", "b", 1, 0)
        made = [repository.create_commit(None, who, who, f"m{at}", tree, []) for at in range(count)]
        gc.collect()
        before = pygit2.settings.cached_memory[0]
        for one in made:
            assert repository[one].message
        return int(pygit2.settings.cached_memory[0]) - before

    libgit2.harden()
    repository = pygit2.init_repository(tmp_path / "r.git", bare=True)
    assert read(repository, 50) <= 0
    assert pygit2.settings.cached_memory[1] == limits.OBJECT_CACHE_BYTES_MAX


def test_the_declarations_that_stand_here_in_short_are_those_of_libgit2() -> None:
    """What a C parser made of these three lines is in the module, so that no daemon loads the parser."""
    declared = cffi.FFI()
    declared.cdef(
        """
        typedef struct { unsigned char id[20]; } git_oid;
        int git_odb_hash(git_oid *out, const void *data, size_t len, int type);
        int git_libgit2_opts(int option, ...);
        """
    )
    library = declared.dlopen(_libgit2.__file__)
    for name in ("git_odb_hash", "git_libgit2_opts"):
        there = declared.getctype(declared.typeof(getattr(library, name)))
        here = libgit2._ffi.getctype(libgit2._ffi.typeof(getattr(libgit2._library, name)))
        assert here == there, name
    assert libgit2._ffi.sizeof("git_oid") == declared.sizeof("git_oid") == 20
    assert libgit2.object_id(BLOB, b"boat") == hashlib.sha1(b"blob 4\0boat", usedforsecurity=False).digest()


def test_an_object_made_for_a_collision_is_a_fault_of_who_sent_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """libgit2 reports a detected collision as an error of its hash; the known colliding files are too big to keep here."""
    pack = packed(objects_of((BLOB, b"shattered")))
    monkeypatch.setattr(libgit2, "_hash", lambda *rest: -1)
    with pytest.raises(libgit2.CollisionError):
        libgit2.object_id(BLOB, b"shattered")
    with pytest.raises(PackFault, match="collision"):
        Scanner().feed(pack)
