"""A step is durable with one sync of one file; git, rows and refs take it over later. (SCP-04 §4.3a)"""

from __future__ import annotations

import errno
import gc
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from swarmchat import limits
from swarmchat.commitlog import judging
from swarmchat.commitlog.log import CommitLog, Pending
from swarmchat.commitlog.steps import FILE_NAME
from swarmchat.conversation.actions import Add, Post
from swarmchat.errors import StorageError
from tests.support.builders import ALICE, BOB, CAROL, NOW
from tests.support.commitlogs import FailingFiles, clone, drop, group, must, post, posts, pull, writer


def found(log: CommitLog, path: Path) -> CommitLog:
    """What a start after a crash finds now."""
    shutil.copytree(log.path, path)
    return CommitLog.open(path, log.conversation)


def refs(log: CommitLog) -> bytes:
    return (log.path / "packed-refs").read_bytes()


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The syncs of files that a log makes."""
    seen: list[str] = []
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda handle, name=name: seen.append(name))
    return seen


def test_an_append_and_an_admission_cost_one_sync_each(tmp_path: Path, syncs: list[str]) -> None:
    log = group(tmp_path, BOB)
    other = clone(log, tmp_path / "b.git")
    post(log, ALICE, "makes the file")
    pull(other, log)
    for n in range(3):
        syncs.clear()
        post(log, ALICE, str(n))
        assert syncs == ["fdatasync"]
        syncs.clear()
        pull(other, log)
        assert syncs == ["fdatasync"]


def test_many_appends_at_once_cost_one_sync(tmp_path: Path, syncs: list[str]) -> None:
    log = group(tmp_path)
    post(log, ALICE, "makes the file")
    syncs.clear()
    log.append_all([Pending(Post(str(n)), writer(ALICE), NOW) for n in range(64)])
    assert syncs == ["fdatasync"]


def test_the_cost_of_a_message_does_not_grow_with_the_history(tmp_path: Path) -> None:
    cost = []
    for name, count in (("short", 10), ("long", 3_000)):
        log = group(tmp_path, BOB, name=name)
        log.append_all([Pending(Post(str(n)), writer(ALICE), NOW) for n in range(count)])
        calls = _calls(lambda log=log: post(log, ALICE, "one more"))  # type: ignore[misc]
        cost.append(calls)
    assert cost[1] <= cost[0] * 1.2, f"{cost} calls of Python functions for one append"


def _calls(work: Callable[[], object]) -> int:
    counted = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    gc.collect()
    gc.disable()  # what it calls has nothing to do with the work
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return counted


def test_git_does_not_see_a_step_before_it_is_put_away_and_a_start_does(tmp_path: Path) -> None:
    log = group(tmp_path, BOB)
    log.put_away()
    before = refs(log)
    head = post(log, ALICE, "new")
    assert (refs(log), log.waiting) == (before, 1)
    assert posts(found(log, tmp_path / "found.git")) == ["new"]
    log.put_away()
    assert head.encode() in refs(log)
    assert (log.path / "objects" / head[:2] / head[2:]).is_file()
    assert log.waiting == 0


def test_a_closed_log_is_all_git(tmp_path: Path) -> None:
    log = group(tmp_path, BOB)
    head = post(log, ALICE, "new")
    log.close()
    assert head.encode() in refs(log)
    assert not (log.path / FILE_NAME).exists()


def test_after_a_crash_only_the_steps_are_judged_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = group(tmp_path, BOB)
    log.put_away()
    log.append_all([Pending(Post(str(n)), writer(ALICE), NOW) for n in range(3)])
    must(log.append(Add(CAROL.id), writer(ALICE), now=NOW))
    counted: list[str] = []
    real = judging.judge
    monkeypatch.setattr(
        judging, "judge", lambda commit, *rest, **more: counted.append(commit.id) or real(commit, *rest, **more)
    )  # type: ignore[func-returns-value]
    again = found(log, tmp_path / "found.git")
    assert len(counted) == 4
    assert (again.heads, again.main, again.roster) == (log.heads, log.main, log.roster)
    assert again.waiting == 0
    assert again.verify().valid


def test_heads_and_their_merge_come_back(tmp_path: Path) -> None:
    log = group(tmp_path, BOB)
    base = log.heads[0]
    log.put_away()
    post(log, ALICE, "left", at=base)
    post(log, BOB, "right", at=base)
    again = found(log, tmp_path / "found.git")
    assert len(again.heads) == 2
    assert (again.heads, again.main, again.merged) == (log.heads, log.main, log.merged)
    post(again, ALICE, "on both")
    assert len(again.heads) == 1


@pytest.mark.parametrize("harm", ["cut", "flip"])
def test_of_a_torn_file_stands_what_was_whole(tmp_path: Path, harm: str) -> None:
    log = group(tmp_path, BOB)
    log.put_away()
    for n in range(3):
        post(log, ALICE, str(n))
    data = (log.path / FILE_NAME).read_bytes()
    end = log._store._steps._at
    seen = set()
    for number, place in enumerate(range(0, end, 97)):
        copy = tmp_path / f"{number}.git"
        shutil.copytree(log.path, copy)
        torn = data[:place] + (b"" if harm == "cut" else bytes([data[place] ^ 1]) + data[place + 1 :])
        (copy / FILE_NAME).write_bytes(torn)
        again = CommitLog.open(copy, log.conversation)
        kept = posts(again)
        assert kept == ["0", "1", "2"][: len(kept)]
        assert again.verify().valid
        seen.add(len(kept))
        post(again, BOB, "and on")
        again.close()
    assert seen == {0, 1, 2}


def test_an_old_file_that_comes_back_changes_nothing(tmp_path: Path) -> None:
    log = group(tmp_path, BOB)
    base = log.heads[0]
    log.put_away()
    post(log, ALICE, "one", at=base)
    post(log, BOB, "two", at=base)
    old = (log.path / FILE_NAME).read_bytes()
    post(log, ALICE, "three")
    log.close()
    (log.path / FILE_NAME).write_bytes(old)
    again = CommitLog.open(log.path, log.conversation)
    assert (again.heads, again.main, again.merged, len(again.history)) == (
        log.heads,
        log.main,
        log.merged,
        len(log.history),
    )
    assert not (log.path / FILE_NAME).exists()


def test_a_run_that_is_overwritten_in_part_is_not_taken_for_the_new_one(tmp_path: Path) -> None:
    log = group(tmp_path, BOB)
    log.append_all([Pending(Post("a" * n), writer(ALICE), NOW) for n in range(1, 9)])
    for n in range(8):
        post(log, ALICE, f"long before {n}")
    log.put_away()
    post(log, ALICE, "new")
    again = found(log, tmp_path / "found.git")
    assert posts(again) == posts(log)
    assert again.heads == log.heads


def test_a_full_file_is_put_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STEPS_FILE_BYTES", 4096)
    log = group(tmp_path, BOB)
    waiting = []
    for n in range(20):
        post(log, ALICE, str(n))
        waiting.append(log.waiting)
        assert posts(found(log, tmp_path / f"{n}.git")) == [str(k) for k in range(n + 1)]
    assert max(waiting) > 1
    assert waiting.count(1) > 2
    post(log, ALICE, "much more than the file holds " * 200)
    assert log.waiting == 0
    assert len(posts(found(log, tmp_path / "big.git"))) == 21


def test_a_start_on_a_full_disk_shows_what_the_steps_hold(tmp_path: Path) -> None:
    log = group(tmp_path, BOB)
    log.put_away()
    post(log, ALICE, "written before the disk was full")
    opened = 0
    for fail_at in range(2, 40):
        copy = tmp_path / f"{fail_at}.git"
        shutil.copytree(log.path, copy)
        files = FailingFiles(fail_at=fail_at, code=errno.ENOSPC)
        full = CommitLog.open(copy, log.conversation, files=files)
        opened += files.count >= fail_at
        assert posts(full) == ["written before the disk was full"]
        if files.count >= fail_at:
            with pytest.raises(StorageError):
                post(full, ALICE, "no room")
        files.fail_at = 0
        post(full, ALICE, "room again")
        drop(full)
        assert posts(CommitLog.open(copy, log.conversation)) == ["written before the disk was full", "room again"]
        if files.count < fail_at:
            break
    assert opened > 3


def test_a_step_that_was_refused_does_not_come_back(tmp_path: Path) -> None:
    files = FailingFiles()
    log = group(tmp_path, BOB, files=files)
    post(log, ALICE, "kept")
    files.count, files.fail_at, files.for_good = 0, 2, False  # written, and then the sync fails
    with pytest.raises(StorageError):
        post(log, ALICE, "refused")
    assert posts(found(log, tmp_path / "found.git")) == ["kept"]
    post(log, ALICE, "after it")
    assert posts(found(log, tmp_path / "later.git")) == ["kept", "after it"]
