"""A damaged disk: what is damaged is named, the intact rest stands, what others have comes again. (SCP-02 §7.5, SCP-04 §4.5a)"""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from swarmchat import limits
from swarmchat.commitlog.damage import ASIDE, survey
from swarmchat.commitlog.log import CommitLog, Pending
from swarmchat.commitlog.packfiles import PackFile, Row
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


# --- a pack with deltas (SCP-04 §4.7)


def rolled(folder: Path) -> tuple[CommitLog, CommitLog, PackFile]:
    """A log all of whose objects lie in one pack that a roll-up wrote, and Bob's copy."""
    mine = group(folder, BOB)
    for who in (ALICE, BOB):
        mine.append_all([Pending(Post(f"{who.name} {n}"), writer(who), NOW) for n in range(150)])
    assert mine.rollup()
    theirs = clone(mine, folder / "bob.git")
    mine.close()
    (pack,) = mine._store.repository.pack_files()
    mine.close()
    return mine, theirs, pack


def flip(pack: PackFile, row: Row) -> None:
    pack.path.chmod(0o600)
    data = bytearray(pack.path.read_bytes())
    data[(row.start + row.end) // 2] ^= 0x10
    pack.path.write_bytes(data)


def intact(log: CommitLog) -> set[bytes]:
    """What the store holds after a repair, read object by object."""
    log.repair()
    found = set(survey(log._store.repository).objects)
    for oid in found:
        log._store.repository.read_any(oid)
    return found


def mended(log: CommitLog, theirs: CommitLog) -> None:
    pull(log, theirs)
    assert (log.heads, log.lost) == (theirs.heads, frozenset())
    assert log.verify().valid
    assert not survey(log._store.repository).damage


@pytest.mark.parametrize("harm", HARMS)
def test_a_pack_with_deltas_that_lost_its_index_loses_nothing(tmp_path: Path, harm: Harm) -> None:
    mine, theirs, pack = rolled(tmp_path)
    oids = set(pack.ids())
    harm(pack.index_path)
    log = CommitLog.open(mine.path, mine.conversation)
    assert intact(log) == oids
    assert not log.lost
    mended(log, theirs)


@pytest.mark.parametrize("rows", ["kept", "lost"])
def test_a_damaged_delta_costs_its_commit_and_nothing_else(tmp_path: Path, rows: str) -> None:
    mine, theirs, pack = rolled(tmp_path)
    row = next(row for row in list(pack.rows())[200:] if not pack.is_whole(row.start))
    flip(pack, row)
    if rows == "lost":
        lose_rows(mine)
    log = CommitLog.open(mine.path, mine.conversation)
    assert intact(log) == set(pack.ids()) - {row.oid}
    mended(log, theirs)


def test_a_damaged_base_costs_at_most_so_many_commits(tmp_path: Path) -> None:
    mine, theirs, pack = rolled(tmp_path)
    uses = Counter(pack.base_at(row.start) for row in pack.rows())
    del uses[None]
    (base, count), *_ = uses.most_common()
    assert base is not None
    resting = {row.oid for row in pack.rows() if pack.base_at(row.start) == base}
    assert len(resting) == count == limits.DELTAS_PER_BASE_MAX
    flip(pack, next(row for row in pack.rows() if row.oid == base))
    log = CommitLog.open(mine.path, mine.conversation)
    assert intact(log) == set(pack.ids()) - {base} - resting
    mended(log, theirs)


@pytest.mark.parametrize("index", [True, False])
def test_of_a_pack_with_deltas_that_is_cut_off_all_before_the_cut_stay(tmp_path: Path, index: bool) -> None:
    mine, theirs, pack = rolled(tmp_path)
    rows = list(pack.rows())
    assert not pack.is_whole(rows[200].start)
    pack.path.chmod(0o600)
    pack.path.write_bytes(pack.path.read_bytes()[: rows[200].end])
    if not index:
        pack.index_path.unlink()
    log = CommitLog.open(mine.path, mine.conversation)
    assert intact(log) == {row.oid for row in rows[:201]}
    mended(log, theirs)


@pytest.mark.parametrize("which", [20, 100, -1])
def test_without_an_index_all_before_the_damage_stay(tmp_path: Path, which: int) -> None:
    mine, theirs, pack = rolled(tmp_path)
    rows = list(pack.rows())
    flip(pack, rows[which])
    pack.index_path.unlink()
    log = CommitLog.open(mine.path, mine.conversation)
    assert intact(log) == {row.oid for row in rows[:which]}
    mended(log, theirs)


def test_what_is_saved_of_a_pack_is_a_pack_that_git_reads(tmp_path: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed: its opinion is not asked")
    mine, _, pack = rolled(tmp_path)
    flip(pack, list(pack.rows())[250])
    log = CommitLog.open(mine.path, mine.conversation)
    log.repair()
    log.close()
    (saved,) = (log.path / "objects" / "pack").glob("*.idx")
    told = subprocess.run(["git", "verify-pack", "-v", str(saved)], capture_output=True, text=True, check=True).stdout
    assert "chain length = 1" in told


@pytest.mark.parametrize("part", ["delta", "base"])
def test_what_is_damaged_is_neither_sent_nor_shown(tmp_path: Path, part: str) -> None:
    mine, _, pack = rolled(tmp_path)
    delta = next(row for row in list(pack.rows())[250:] if not pack.is_whole(row.start))
    base = pack.base_at(delta.start)
    flip(pack, delta if part == "delta" else next(row for row in pack.rows() if row.oid == base))
    log = CommitLog.open(mine.path, mine.conversation)
    with pytest.raises(StorageError, match="damaged"):
        log.commit(CommitId(delta.oid.hex()))
    for stored in (False, True):
        with pytest.raises(StorageError, match="damaged"):
            b"".join(log.pack(None, (), stored=stored).chunks)  # type: ignore[union-attr]


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
