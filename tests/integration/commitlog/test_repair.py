"""A damaged disk: what is damaged is named, the intact rest stands, what others have comes again. (SCP-02 §7.5, SCP-04 §4.5a)"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from swarmchat import limits
from swarmchat.commitlog.damage import ASIDE, survey
from swarmchat.commitlog.log import CommitLog, Pending
from swarmchat.commitlog.verdicts import FILE_NAME
from swarmchat.conversation.actions import Add, Post
from swarmchat.errors import StorageError
from swarmchat.ids import CommitId
from tests.support.builders import ALICE, BOB, CAROL, NOW
from tests.support.commitlogs import clone, group, must, post, posts, pull, writer

Harm = Callable[[Path], None]


def place_of(log: CommitLog, commit: CommitId) -> Path:
    return log.path / "objects" / commit[:2] / commit[2:]


def cut(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-9])


def spoil(path: Path) -> None:
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    for at in range(len(data) // 2, len(data) // 2 + 8):
        data[at] ^= 0x55
    path.write_bytes(bytes(data))


def delete(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(b"")


HARMS = [cut, spoil, delete, empty]


def lose_rows(log: CommitLog) -> None:
    for place in log.path.glob(f"{FILE_NAME}*"):
        place.unlink()


def story(folder: Path) -> tuple[CommitLog, CommitLog, list[CommitId]]:
    """Alice's log with three shared texts and two of her own that nobody has yet, and Bob's copy of the shared ones."""
    mine = group(folder, BOB)
    shared = [post(mine, ALICE, f"shared {n}") for n in range(3)]
    theirs = clone(mine, folder / "bob.git")
    own = [post(mine, ALICE, f"own {n}") for n in range(2)]
    mine.close()
    return mine, theirs, [*shared, *own]


def everything(log: CommitLog) -> set[str]:
    return {entry.id for entry in log.history.entries}


@pytest.mark.parametrize("rows", ["kept", "lost"])
@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_commit_is_lost_with_what_is_built_on_it_and_both_stand_again(
    tmp_path: Path, harm: Harm, rows: str
) -> None:
    mine, theirs, texts = story(tmp_path)
    before, heads = everything(mine), mine.heads
    harm(place_of(mine, texts[1]))
    if rows == "lost":
        lose_rows(mine)
    log = CommitLog.open(mine.path, mine.conversation)
    repaired = log.repair()
    assert posts(log) == ["shared 0"]
    assert set(texts[1:]) == log.lost == set(repaired.lost)
    again = CommitLog.open(mine.path, mine.conversation)
    assert posts(again) == ["shared 0"]
    assert again.lost == log.lost
    assert not again.rollup()
    admission = pull(again, theirs)
    assert admission is not None
    assert set(admission.new) == set(texts[1:])
    assert (everything(again), again.heads, again.lost) == (before, heads, frozenset())
    assert again.verify().valid
    assert not survey(again._store.repository).damage
    last = CommitLog.open(mine.path, mine.conversation)
    assert (last.heads, last.roster, last.lost) == (heads, theirs.roster, frozenset())
    pull(theirs, last)
    assert theirs.heads == heads


def test_what_is_damaged_is_named_with_its_file_and_moved_aside(tmp_path: Path) -> None:
    mine, _, texts = story(tmp_path)
    cut(place_of(mine, texts[1]))
    (found,) = survey(mine._store.repository).damage
    assert (found.path, found.oid) == (f"objects/{texts[1][:2]}/{texts[1][2:]}", texts[1])
    report = mine.verify()
    assert not report.valid
    assert [(one.commit, one.path) for one in report.rejections if one.path] == [(texts[1], found.path)]
    mine.repair()
    assert [place.name for place in (mine.path / ASIDE).iterdir()] == [texts[1]]


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_tree_takes_the_commits_with_it_that_need_it(tmp_path: Path, harm: Harm) -> None:
    mine, theirs, _ = story(tmp_path)
    added = must(mine.append(Add(CAROL.id), writer(ALICE), now=NOW)).new[0]
    pull(theirs, mine)
    tree = mine._store.ledger.tree_of(added)
    mine.close()
    heads = mine.heads
    harm(mine.path / "objects" / tree[:2] / tree[2:])
    mine.repair()
    assert mine.lost == {added}
    assert not mine.roster.is_invited(CAROL.id)
    pull(mine, theirs)
    assert mine.heads == heads
    assert mine.verify().valid


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("suffix", [".pack", ".idx"])
def test_of_a_damaged_pack_the_intact_objects_stay(tmp_path: Path, harm: Harm, suffix: str) -> None:
    mine = group(tmp_path, BOB)
    batch = [Pending(Post(f"text {n}"), writer(ALICE), NOW) for n in range(limits.LOOSE_OBJECTS_PER_BATCH + 10)]
    for result in mine.append_all(batch):
        must(result)
    theirs = clone(mine, tmp_path / "bob.git")
    mine.close()
    own = post(mine, ALICE, "own")
    mine.close()
    heads, count = mine.heads, len(batch)
    (pack,) = (mine.path / "objects" / "pack").glob(f"*{suffix}")
    harm(pack)
    log = CommitLog.open(mine.path, mine.conversation)
    log.repair()
    if suffix == ".idx":
        assert not log.lost
    elif harm is cut:
        assert not log.lost, "the checksum alone is cut off"
    elif harm is spoil:
        assert 1 <= len(log.lost) < count, "what is intact before the damage is kept"
    else:
        assert len(log.lost) > count
    pull(log, theirs)
    assert (log.heads, log.lost) == (heads, frozenset())
    assert log.knows(own)
    assert log.verify().valid
    assert not survey(log._store.repository).damage


@pytest.mark.parametrize("harm", HARMS)
def test_damaged_refs_and_lost_rows_together_cost_nothing(tmp_path: Path, harm: Harm) -> None:
    mine, theirs, _ = story(tmp_path)
    before = everything(mine)
    harm(mine.path / "packed-refs")
    lose_rows(mine)
    log = CommitLog.open(mine.path, mine.conversation)
    assert everything(log) == before
    assert (log.heads, log.roster, log.lost) == (mine.heads, theirs.roster, frozenset())
    assert log.verify().valid


def test_a_root_that_is_gone_leaves_an_empty_log_that_is_cloned_anew_and_has_our_own_again(tmp_path: Path) -> None:
    mine, theirs, texts = story(tmp_path)
    delete(place_of(mine, CommitId(mine.conversation)))
    lose_rows(mine)
    log = CommitLog.open(mine.path, mine.conversation)
    assert log.is_empty
    assert set(texts) <= log.lost
    pull(log, theirs)
    assert set(texts) <= everything(log)
    assert (log.heads, log.lost) == (mine.heads, frozenset())


def test_what_only_we_had_and_is_damaged_is_lost_and_everything_else_goes_on(tmp_path: Path) -> None:
    mine, theirs, texts = story(tmp_path)
    delete(place_of(mine, texts[-1]))
    log = CommitLog.open(mine.path, mine.conversation)
    assert log.lost == {texts[-1]}
    assert posts(log)[-1] == "own 0"
    post(log, BOB, "and on")
    pull(theirs, log)
    assert log.heads == theirs.heads
    assert CommitLog.open(mine.path, mine.conversation).lost == {texts[-1]}


def test_a_repair_that_is_broken_off_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, theirs, texts = story(tmp_path)
    delete(place_of(mine, texts[1]))
    with monkeypatch.context() as patch:
        patch.setattr(type(mine._store), "begin_anew", lambda *rest: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            mine.repair()
    mine.close()
    log = CommitLog.open(mine.path, mine.conversation)
    assert posts(log) == ["shared 0"]
    pull(log, theirs)
    assert log.heads == mine.heads


def test_a_repair_waits_for_who_reads_or_writes(tmp_path: Path) -> None:
    mine, _, _ = story(tmp_path)
    with mine.ingest(), pytest.raises(StorageError, match="being read"):
        mine.repair()
    assert not mine.repair().lost


def test_a_repair_of_a_sound_log_changes_nothing(tmp_path: Path) -> None:
    mine, theirs, _ = story(tmp_path)
    post(theirs, BOB, "beside")
    pull(mine, theirs)
    mine.close()
    state = mine.heads, mine.main, mine.roster, everything(mine), mine.refusals()
    files = {place for place in mine.path.rglob("*") if place.is_file() and "sqlite" not in place.name}
    assert mine.repair().damage == ()
    assert (mine.heads, mine.main, mine.roster, everything(mine), mine.refusals()) == state
    assert {place for place in mine.path.rglob("*") if place.is_file() and "sqlite" not in place.name} == files
    shutil.rmtree(mine.path)
