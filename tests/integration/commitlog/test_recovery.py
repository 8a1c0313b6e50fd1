"""Whatever ends a run, the next one finds the log as it was before or after a step, never between."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from swarmchat import limits
from swarmchat.commitlog import audit as auditing
from swarmchat.commitlog import judging, verdicts
from swarmchat.commitlog.files import Files
from swarmchat.commitlog.log import CommitLog, Pending
from swarmchat.commitlog.repository import Repository
from swarmchat.commitlog.verdicts import FILE_NAME
from swarmchat.conversation.actions import Add, Initial, Kick, Post
from swarmchat.errors import StorageError
from swarmchat.ids import CommitId, ConversationId
from tests.support.builders import ALICE, BOB, CAROL, NOW
from tests.support.commitlogs import (
    FailingFiles,
    Killed,
    KilledFiles,
    clone,
    forged,
    group,
    must,
    packed,
    post,
    posts,
    pull,
    stored,
    writer,
)

BATCH = limits.LOOSE_OBJECTS_PER_BATCH + 4


def reopened(log: CommitLog) -> CommitLog:
    log.close()
    return CommitLog.open(log.path, log.conversation)


def busy(tmp_path: Path) -> CommitLog:
    """A log with merges, refusals, membership changes and several heads."""
    log = group(tmp_path, BOB, mode=2)
    other = clone(log, tmp_path / "b.git")
    for text in ("one", "two"):
        post(log, ALICE, text)
        must(other.append(Add(CAROL.id), writer(BOB), now=NOW)) if text == "one" else post(other, BOB, text)
        pull(log, other)
        post(log, ALICE, "merging " + text)
        pull(other, log)
    log.admit(packed(forged(log, BOB, Kick(ALICE.id))[1]))
    post(log, ALICE, "side", at=log.heads[0])
    post(log, ALICE, "other side", at=CommitId(log.conversation))
    return log


def same(one: CommitLog, other: CommitLog) -> None:
    assert (one.heads, one.main, one.roster, one.held) == (other.heads, other.main, other.roster, other.held)
    assert [entry.fact for entry in one.history.entries] == [entry.fact for entry in other.history.entries]
    assert one.history.entries == other.history.entries
    assert one._store.ledger.trees == other._store.ledger.trees


# --- restarts (SCP-02 §7.4)


def test_a_restart_finds_everything_and_judges_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = busy(tmp_path)
    monkeypatch.setattr(judging, "judge", None)
    monkeypatch.setattr(judging, "judge_merge", None)
    again = reopened(log)
    same(again, log)
    assert again.refusals() == log.refusals()
    assert len(again.refusals()) == 1


def lose(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        (path / (FILE_NAME + suffix)).unlink(missing_ok=True)


def spoil(path: Path) -> None:
    lose(path)
    (path / FILE_NAME).write_bytes(b"SQLite format 3\0" + os.urandom(5000))


def be_something_else(path: Path) -> None:
    lose(path)
    (path / FILE_NAME).write_text("no database at all, but a text of some length")


def execute(path: Path, *statements: str) -> None:
    with sqlite3.connect(path / FILE_NAME) as db:
        for statement in statements:
            db.execute(statement)
    db.close()


@pytest.mark.parametrize(
    "harm",
    [
        lose,
        spoil,
        be_something_else,
        lambda path: execute(path, "update about set version = 999"),
        lambda path: execute(path, f"update about set conversation = '{'f' * 40}'"),
        lambda path: execute(path, "delete from commits where seq = 3"),
        lambda path: execute(path, "delete from changes where seq = 0"),
        lambda path: execute(path, "delete from authors"),
        lambda path: execute(path, "delete from sets"),
        lambda path: execute(path, "update commits set id = x'00' where seq = 2"),
        lambda path: execute(path, "update commits set parents = x'0000ffff' where seq = 2"),
        lambda path: execute(path, "update controls set action = '{}'"),
        lambda path: execute(path, "drop table commits"),
        lambda path: execute(path, "drop table about"),
        lambda path: execute(path, "insert into controls values(9999, '{}', 0, 0, 0, x'')"),
    ],
)
def test_lost_or_damaged_rows_are_made_anew_from_git(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    log = busy(tmp_path)
    log.close()
    harm(log.path)
    again = CommitLog.open(log.path, log.conversation)
    assert (again.heads, again.main, again.roster) == (log.heads, log.main, log.roster)
    assert {entry.fact for entry in again.history.entries if entry.is_merge} == {
        entry.fact for entry in log.history.entries if entry.is_merge
    }
    assert {entry.id for entry in again.history.entries} == {entry.id for entry in log.history.entries}
    post(again, BOB, "and on")
    same(reopened(again), again)


def test_rows_that_are_behind_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = group(tmp_path, BOB)
    log.close()
    old = (log.path / FILE_NAME).read_bytes()
    for n in range(3):
        post(log, ALICE, str(n))
    log.close()
    lose(log.path)
    (log.path / FILE_NAME).write_bytes(old)
    counted: list[str] = []
    real = judging.judge
    monkeypatch.setattr(
        judging, "judge", lambda commit, *rest, **more: counted.append(commit.id) or real(commit, *rest, **more)
    )  # type: ignore[func-returns-value]
    again = CommitLog.open(log.path, log.conversation)
    assert posts(again) == ["0", "1", "2"]
    assert len(counted) == 3
    same(again, log)


def test_refs_that_are_behind_are_moved(tmp_path: Path) -> None:
    log = group(tmp_path, BOB)
    log.close()
    old = (log.path / "packed-refs").read_bytes()
    post(log, ALICE, "after")
    log.close()
    new = (log.path / "packed-refs").read_bytes()
    (log.path / "packed-refs").write_bytes(old)
    again = CommitLog.open(log.path, log.conversation)
    same(again, log)
    assert (log.path / "packed-refs").read_bytes() == new


def test_rows_of_commits_that_git_does_not_have_are_not_believed(tmp_path: Path) -> None:
    log = group(tmp_path, BOB)
    before = log.heads
    log.close()
    refs = (log.path / "packed-refs").read_bytes()
    head = post(log, ALICE, "lost")
    log.close()
    (log.path / "objects" / head[:2] / head[2:]).unlink()
    (log.path / "packed-refs").write_bytes(refs)
    again = CommitLog.open(log.path, log.conversation)
    assert again.heads == before
    assert not again.knows(head)


def test_damaged_objects_are_said_to_be_and_never_blamed_on_a_peer(tmp_path: Path) -> None:
    log = group(tmp_path, BOB)
    head = post(log, ALICE, "soon gone")
    log.close()
    place = log.path / "objects" / head[:2] / head[2:]
    place.chmod(0o600)
    place.write_bytes(b"garbage")
    lose(log.path)
    report = auditing.verify(log.path)
    assert not report.valid
    assert f"objects/{head[:2]}/{head[2:]}" in [one.path for one in report.rejections]
    again = CommitLog.open(log.path, log.conversation)
    assert (again.lost, again.refusals()) == ({head}, ())


def test_a_ref_made_by_hand_to_an_invalid_commit_is_dropped(tmp_path: Path) -> None:
    log = group(tmp_path, BOB)
    bad, objects = forged(log, BOB, Kick(ALICE.id))
    log._store.repository.write(objects)
    heads = log.heads
    log.close()
    (log.path / "refs" / "swarm" / "heads").mkdir(parents=True)
    (log.path / "refs" / "swarm" / "heads" / bad).write_text(bad + "\n")
    (log.path / "refs" / "heads" / "main").write_text(bad + "\n")
    again = CommitLog.open(log.path, log.conversation)
    assert (again.heads, again.main) == (heads, heads[0])
    assert again.refusal(bad) is not None
    assert not (log.path / "refs" / "swarm" / "heads" / bad).exists()


# --- a disk that refuses: the log is as it was, in memory and on disk


def append_one(log: CommitLog) -> None:
    must(log.append(Post("new"), writer(ALICE), now=NOW))


def append_many(log: CommitLog) -> None:
    for result in log.append_all([Pending(Post(f"new {n}"), writer(ALICE), NOW) for n in range(BATCH)]):
        must(result)


def invite(log: CommitLog) -> None:
    must(log.append(Add(CAROL.id), writer(ALICE), now=NOW))


def take_few(log: CommitLog) -> None:
    assert len(log.admit(STEP_PACKS["few"], None).new) == 3


def take_many(log: CommitLog) -> None:
    assert len(log.admit(STEP_PACKS["many"], None).new) == BATCH


def take_part(log: CommitLog) -> None:
    admission = log.admit(STEP_PACKS["part"], None)
    assert len(admission.new) == BATCH
    assert len(admission.rejected) == 1


def roll_up(log: CommitLog) -> None:
    assert log.rollup()


STEPS = [append_one, append_many, invite, take_few, take_many, take_part, roll_up]
STEP_PACKS: dict[str, bytes] = {}


def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommitLog:
    """Two heads and so a merge to be written, and packs for the steps that take some."""
    log = group(tmp_path, BOB)
    base = log.heads[0]
    post(log, ALICE, "left", at=base)
    post(log, BOB, "right", at=base)
    monkeypatch.setattr(limits, "LOOSE_OBJECTS_MAX", 2)
    for name, count in (("few", 3), ("many", BATCH), ("part", BATCH)):
        objects, parent = [], base
        for n in range(count):
            parent, new = forged(log, BOB, Post(f"taken {n}"), parent=parent)
            objects += new
        if name == "part":
            objects += forged(log, BOB, Kick(ALICE.id))[1]
        STEP_PACKS[name] = packed(objects)
    log.close()
    return log


@pytest.mark.parametrize("for_good", [True, False])
@pytest.mark.parametrize("step", STEPS)
def test_a_full_disk_changes_nothing_at_whatever_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: Callable[[CommitLog], None], for_good: bool
) -> None:
    source = prepared(tmp_path, monkeypatch)
    whole = copied(source, tmp_path / "whole.git")
    step(whole)
    fail_at = 0
    while True:
        fail_at += 1
        files = FailingFiles(code=errno.ENOSPC, for_good=for_good)
        log = copied(source, tmp_path / f"{fail_at}.git", files)
        before = log.heads, log.main, log.roster, len(log.history), log.refusals()
        files.count, files.fail_at = 0, fail_at
        try:
            step(log)
        except StorageError as error:
            hint = error.hint
        else:
            assert files.count < fail_at or log.heads == whole.heads  # only tidying up was refused
            break
        files.fail_at = 0
        assert hint
        assert (log.heads, log.main, log.roster, len(log.history), log.refusals()) == before
        found = copied(log, tmp_path / f"{fail_at} found.git")
        if for_good:  # a disk that is dead does not take a ref back either
            assert found.heads in (log.heads, whole.heads)
        else:
            same(found, log)
        assert found.verify().valid
        assert not [name for name in stored(found) if name.startswith("incoming/")]
        post(log, BOB, "space again")
        same(reopened(log), log)
    assert fail_at > 3


def copied(log: CommitLog, path: Path, files: Files | None = None) -> CommitLog:
    """What another start would find now."""
    shutil.copytree(log.path, path)
    return CommitLog.open(path, log.conversation, files=files)


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_process_leaves_the_state_before_or_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: Callable[[CommitLog], None]
) -> None:
    source = prepared(tmp_path, monkeypatch)
    whole = copied(source, tmp_path / "whole.git")
    step(whole)
    old, new = (source.heads, source.main), (whole.heads, whole.main)
    seen, fail_at, ended = set(), 0, False
    while not ended:
        fail_at += 1
        files = KilledFiles()
        log = copied(source, tmp_path / f"{fail_at}.git", files)
        files.count, files.fail_at = 0, fail_at
        try:
            step(log)
            ended = True
        except Killed:
            pass
        log._store._verdicts.rest()
        again = CommitLog.open(log.path, source.conversation)
        assert (again.heads, again.main) in ((new,) if ended else (old, new))
        assert again.verify().valid
        assert not [name for name in stored(again) if name.startswith("incoming/")]
        seen.add((again.heads, again.main))
        post(again, BOB, "and on")
        same(reopened(again), again)
    assert seen == {old, new}
    assert fail_at > 3


def test_a_creation_that_fails_or_is_killed_leaves_no_conversation(tmp_path: Path) -> None:
    for kind, error in ((FailingFiles, StorageError), (KilledFiles, Killed)):
        for fail_at in range(1, 200):
            folder = tmp_path / f"{kind.__name__} {fail_at}"
            folder.mkdir()
            files = kind(fail_at=fail_at)
            try:
                CommitLog.create(folder / "a.git", writer(ALICE), Initial(1, "0" * 32), now=NOW, files=files)
            except error:
                pass
            else:
                break
            if (folder / "a.git").exists():
                log = CommitLog.open(folder / "a.git", _root_of(folder / "a.git"))
                assert log.verify().valid
            else:
                log = CommitLog.create(folder / "a.git", writer(ALICE), Initial(1, "0" * 32), now=NOW)
            post(log, ALICE, "here we are")
        assert fail_at > 10


def _root_of(path: Path) -> ConversationId:
    report = auditing.verify(path)
    assert report.conversation is not None
    return report.conversation


@pytest.mark.parametrize("part", ["begin", "commit"])
def test_rows_that_cannot_be_written_leave_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    log = group(tmp_path, BOB)
    refs = (log.path / "packed-refs").read_bytes()
    before = log.heads, log.main
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorname = "SQLITE_FULL"

    class FullDisk:
        def __init__(self, real: sqlite3.Connection) -> None:
            self.real = real

        def execute(self, text: str, *rest: object) -> object:
            if text.startswith(part):
                raise full
            return self.real.execute(text, *rest)  # type: ignore[arg-type]

        def __getattr__(self, name: str) -> object:
            return getattr(self.real, name)

    connect = sqlite3.connect
    log._store._verdicts.rest()
    monkeypatch.setattr(sqlite3, "connect", lambda *where, **how: FullDisk(connect(*where, **how)))
    many = [Pending(Post(f"too many for a step: {n}"), writer(ALICE), NOW) for n in range(limits.STEP_COMMITS_MAX + 1)]
    with pytest.raises(StorageError, match="no space") as refusal:
        log.append_all(many)
    assert refusal.value.hint
    assert (log.heads, log.main) == before
    assert (log.path / "packed-refs").read_bytes() == refs
    post(log, ALICE, "a step needs no row")
    with pytest.raises(StorageError, match="no space"):
        log.put_away()
    assert (log.path / "packed-refs").read_bytes() == refs
    assert posts(copied(log, tmp_path / "found.git")) == ["a step needs no row"]
    monkeypatch.undo()
    post(log, ALICE, "kept")
    log.put_away()
    assert posts(reopened(log)) == ["a step needs no row", "kept"]


def test_rows_that_opened_read_only_once_are_opened_again_for_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = group(tmp_path, BOB)
    log._store._verdicts.rest()
    connect = sqlite3.connect
    ways = iter(["?mode=ro"])

    def falls_back_once(path: Path, **how: object) -> sqlite3.Connection:  # as SQLite does after a passing fault
        return connect(f"{path.as_uri()}{next(ways, '')}", uri=True, **how)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(sqlite3, "connect", falls_back_once)
    post(log, ALICE, "kept")
    with pytest.raises(StorageError, match="for writing"):
        log.put_away()
    log.put_away()
    assert posts(copied(log, tmp_path / "found.git")) == ["kept"]


def test_a_read_only_file_system_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = group(tmp_path)

    def refuse(*rest: object, **more: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    real = os.open
    monkeypatch.setattr(
        os,
        "open",
        lambda path, flags, *rest, **more: refuse() if flags & os.O_CREAT else real(path, flags, *rest, **more),
    )
    with pytest.raises(StorageError, match="read-only") as refusal:
        post(log, ALICE, "x")
    assert refusal.value.hint


def test_a_failing_disk_is_said_to_be_failing(tmp_path: Path) -> None:
    files = Files()
    file = files.create(tmp_path / "x")
    file.close()
    with pytest.raises(StorageError) as refusal:
        files.create(tmp_path / "nowhere" / "x")
    assert "cannot write" in refusal.value.message


def test_a_process_that_holds_the_rows_makes_us_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = group(tmp_path)
    log.close()
    other = sqlite3.connect(log.path / FILE_NAME, isolation_level=None)
    other.execute("begin immediate")
    real = sqlite3.connect
    monkeypatch.setattr(verdicts.sqlite3, "connect", lambda *rest, **more: real(*rest, **more, timeout=0.01))
    try:
        post(log, ALICE, "x")
        with pytest.raises(StorageError, match="locked"):
            log.put_away()
    finally:
        other.execute("rollback")
        other.close()
    monkeypatch.undo()
    post(log, ALICE, "y")


def test_an_unfinished_creation_of_a_repository_is_redone(tmp_path: Path) -> None:
    (tmp_path / ".a.git.new" / "objects").mkdir(parents=True)
    (tmp_path / ".a.git.new" / "HEAD").write_text("half")
    Repository.create(tmp_path / "a.git", Files())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.git"]
