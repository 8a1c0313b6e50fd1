"""Stock git as a second opinion: it reads, checks, verifies and repacks what we write."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from swarmchat import limits
from swarmchat.commitlog.audit import verify
from swarmchat.commitlog.log import CommitLog, Pending
from swarmchat.conversation.actions import Add, Join, Kick, Post
from swarmchat.conversation.rejection import Reason
from swarmchat.crypto.sshsig import allowed_signers_line
from swarmchat.errors import NotFoundError
from swarmchat.ids import CommitId, ConversationId
from tests.support.builders import ALICE, BOB, CAROL, NOW
from tests.support.commitlogs import clone, forged, group, must, post, posts, pull, writer

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed: its opinion is not asked")


def git(folder: Path, *words: str, ok: bool = True) -> str:
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is ok, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def log(tmp_path: Path) -> CommitLog:
    """Texts, members, merges, a pack that came over the wire, loose objects."""
    source = group(tmp_path, BOB, name="source.git", mode=2)
    source.append_all([Pending(Post(f"message {n}"), writer(ALICE), NOW + n) for n in range(30)])
    log = clone(source, tmp_path / "clone.git")
    must(log.append(Add(CAROL.id), writer(BOB), now=NOW + 100))
    post(source, ALICE, "concurrent", now=NOW + 100)
    pull(log, source)
    post(log, BOB, "merged", now=NOW + 200)
    must(log.append(Join(CAROL.id), writer(CAROL), now=NOW + 200))
    post(log, ALICE, "a fork", at=log.heads[0], now=NOW + 300)
    post(log, CAROL, "another", at=must_parent(log), now=NOW + 300)
    log.close()
    return log


def must_parent(log: CommitLog) -> CommitId:
    (parent,) = log.history[log.heads[0]].fact.parents
    return parent


def test_git_finds_nothing_wrong(log: CommitLog) -> None:
    assert git(log.path, "fsck", "--strict", "--full", "--no-dangling") == ""


def test_git_shows_the_messages_of_main_and_exactly_our_refs(log: CommitLog) -> None:
    shown = git(log.path, "log", "--format=%s", "main")
    assert all(f'"body":"{text}"' in shown for text in posts(log))
    refs = dict(reversed(line.split()) for line in git(log.path, "show-ref").splitlines())
    assert refs == {
        "refs/heads/main": log.main,
        **{f"refs/swarm/heads/{head}": head for head in log.heads},
    }
    assert git(log.path, "symbolic-ref", "HEAD").strip() == "refs/heads/main"
    assert len(log.heads) == 2


def test_git_verifies_every_signature(log: CommitLog, tmp_path: Path) -> None:
    """R-01, R-02"""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed: git cannot verify SSH signatures without it")
    signers = tmp_path / "signers"
    people = (ALICE, BOB, CAROL)
    signers.write_text("".join(allowed_signers_line(who.device, who.device_key.public) + "\n" for who in people))
    ordinary = [entry.id for entry in log.history.entries if not entry.is_merge]
    told = git(log.path, "-c", f"gpg.ssh.allowedSignersFile={signers}", "verify-commit", "-v", *ordinary[-6:])
    assert told.count('Good "git" signature') == 6
    assert ALICE.device in told


def test_a_clone_that_git_made_is_verified_bare_or_not(log: CommitLog, tmp_path: Path) -> None:
    for words, name in ((("--bare",), "bare"), ((), "worktree")):
        git(tmp_path, "clone", "-q", *words, str(log.path), name)
        before = sorted(path for path in (tmp_path / name).rglob("*"))
        report = verify(tmp_path / name)
        assert report.valid, report.rejections
        assert (report.conversation, report.heads, report.roster) == (log.conversation, log.heads, log.roster)
        assert report.commits + report.merges == len(log.history) + 1
        assert sorted(path for path in (tmp_path / name).rglob("*")) == before
        wrong = verify(tmp_path / name, ConversationId("a" * 40))
        assert not wrong.valid
        assert {each.reason for each in wrong.rejections} == {Reason.WRONG_ROOT, Reason.REFUSED_PARENT}
    with pytest.raises(NotFoundError):
        verify(tmp_path)


def test_progress_of_a_verification_is_told(log: CommitLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarmchat.commitlog.audit._PROGRESS_EVERY", 10)
    told: list[int] = []
    assert log.verify(told.append).valid
    assert told == list(range(10, len(log.history) + 2, 10))  # and the merge of main


def test_a_repository_with_an_invalid_commit_is_reported_and_the_rest_counted(log: CommitLog) -> None:
    bad, objects = forged(log, BOB, Kick(ALICE.id))
    log._store.repository.write(objects)
    git(log.path, "update-ref", "refs/heads/evil", bad)
    report = verify(log.path)
    assert not report.valid
    assert [(each.commit, each.reason) for each in report.rejections] == [(bad, Reason.BAD_REMOVAL)]
    assert report.heads == log.heads


def test_somebody_elses_history_is_no_conversation(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "project")
    work = tmp_path / "project"
    (work / "readme").write_text("hello")
    git(work, "add", ".")
    git(work, "-c", "user.name=x", "-c", "user.email=x@y", "commit", "-q", "-m", "first")
    report = verify(work)
    assert not report.valid
    assert [each.reason for each in report.rejections] == [Reason.MALFORMED_COMMIT]
    assert (report.heads, report.roster) == ((), None)
    git(tmp_path, "init", "-q", "empty")
    empty = verify(tmp_path / "empty")
    assert (empty.valid, empty.commits, empty.conversation) == (True, 0, None)


def test_a_sha256_repository_is_said_to_be_one(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--object-format=sha256", "new")
    with pytest.raises(NotFoundError, match="SHA-256"):
        verify(tmp_path / "new")


def test_what_git_gc_made_of_it_is_read_served_and_rolled_up(
    log: CommitLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody runs `git gc`: deltas, a commit graph, packed refs."""
    expected = posts(log)
    log.close()
    git(log.path, "repack", "-q", "-a", "-d", "-f", "--depth=50")
    git(log.path, "gc", "-q")
    (index,) = (log.path / "objects" / "pack").glob("*.idx")
    assert "chain length" in git(log.path, "verify-pack", "-v", str(index))
    again = CommitLog.open(log.path, log.conversation)
    assert posts(again) == expected
    assert again.verify().valid
    copy = clone(again, tmp_path / "copy.git")
    assert (copy.heads, copy.main, copy.roster) == (log.heads, log.main, log.roster)
    post(again, ALICE, "after gc", now=NOW + 400)
    monkeypatch.setattr(limits, "LOOSE_OBJECTS_MAX", 0)
    monkeypatch.setattr(limits, "PACKS_MAX", 0)
    assert again.rollup()
    (pack,) = again._store.repository.pack_files()
    assert all(pack.length(row.start) is not None for row in pack.rows()), "all deltas are ours"
    assert git(log.path, "fsck", "--strict", "--full", "--no-dangling") == ""
    assert posts(CommitLog.open(log.path, log.conversation)) == [*expected, "after gc"]


def test_what_a_roll_up_made_of_it_git_reads_checks_and_repacks(
    log: CommitLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = CommitLog.open(log.path, log.conversation)
    for _ in range(3):
        again.append_all([Pending(Post(f"text {n}"), writer(ALICE), NOW + 400) for n in range(40)])
    monkeypatch.setattr(limits, "LOOSE_OBJECTS_MAX", 0)
    assert again.rollup()
    again.close()
    expected = posts(again)
    (index,) = (log.path / "objects" / "pack").glob("*.idx")
    told = git(log.path, "verify-pack", "-v", str(index))
    assert "chain length = 1: " in told
    assert "chain length = 2" not in told
    assert git(log.path, "fsck", "--strict", "--full", "--no-dangling") == ""
    shown = git(log.path, "log", "--format=%s", "main")
    assert all(f'"body":"{text}"' in shown for text in expected)
    git(tmp_path, "clone", "-q", "--bare", "--no-local", str(log.path), "bare")
    assert verify(tmp_path / "bare").valid
    git(log.path, "gc", "-q", "--aggressive", "--prune=now")
    assert posts(CommitLog.open(log.path, log.conversation)) == expected


def test_a_multi_pack_index_does_not_outlive_its_packs(log: CommitLog, monkeypatch: pytest.MonkeyPatch) -> None:
    git(log.path, "multi-pack-index", "write")
    monkeypatch.setattr(limits, "LOOSE_OBJECTS_MAX", 0)
    assert log.rollup()
    assert git(log.path, "fsck", "--strict", "--full", "--no-dangling") == ""
    assert log.verify().valid
