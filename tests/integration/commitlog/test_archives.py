"""Histories of Jami are copied into archives when they are valid, and leave nothing behind when they are not. (SCP-02 §9.18)"""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from swarmchat.commitlog import foreign
from swarmchat.commitlog.archives import Archives
from swarmchat.commitlog.files import Files
from swarmchat.commitlog.repository import MAIN
from swarmchat.conversation.timeline import Timeline
from swarmchat.errors import NotFoundError, RefusedError, StorageError, UserError, VerificationError
from swarmchat.ids import CommitId, ConversationId
from tests.support.jami import ALICE, BOB, BUNDLE, CAROL, MALLORY, bundled, doctored, group, pair

ROOM = ConversationId("eb15b5c699a5438291b883584a6af910d1713e1e")


@pytest.fixture
def archives(tmp_path: Path) -> Archives:
    return Archives(tmp_path / "home" / "archives")


def everything_under(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def left(tmp_path: Path) -> list[str]:
    folder = tmp_path / "home" / "archives"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_a_bundle_a_bare_copy_and_a_work_tree_are_the_same_history(archives: Archives, tmp_path: Path) -> None:
    places = [
        BUNDLE,
        bundled().save(tmp_path / "bare.git"),
        bundled().save(tmp_path / "tree", bare=False),
        bundled().save(tmp_path / ROOM),
    ]
    before = everything_under(tmp_path)
    for path in places:
        report = foreign.verify(path)
        assert (report.valid, report.form, report.conversation, report.commits) == (True, "jami", ROOM, 8)
    assert everything_under(tmp_path) == before
    assert [archives.bring(path).new for path in places] == [True, False, False, False]
    assert left(tmp_path) == [f"{ROOM}.git"]


def test_an_archive_outlives_the_process_and_what_it_came_from(archives: Archives, tmp_path: Path) -> None:
    source = group().save(tmp_path / "source")
    brought = archives.bring(source).summary
    assert (brought.mode, brought.members, brought.commits, brought.merges) == (2, 3, 6, 0)
    again = Archives(tmp_path / "home" / "archives")
    assert again.list() == (brought,)
    log = again.open(brought.id)
    assert log.roster.joined == {ALICE.uri, BOB.uri, CAROL.uri}
    assert log.verify().valid
    texts = [log.commit(item.commit) for item in Timeline(log.history).page(9)]
    assert [getattr(text, "body", {}).get("type") for text in texts] == ["initial", "text/plain"] + ["member"] * 4
    again.close()
    assert log.commit(texts[0].id) == texts[0]


def test_the_note_beside_an_archive_may_be_lost_or_damaged(archives: Archives, tmp_path: Path) -> None:
    brought = archives.bring(BUNDLE).summary
    note = tmp_path / "home" / "archives" / f"{ROOM}.git" / "archive.json"
    for damage in (b"", b"{}", b'{"id":1}', note.read_bytes().replace(b'"members": 2', b'"members": -2'), b"\xff" * 9):
        note.unlink()
        note.write_bytes(damage)
        assert Archives(note.parent.parent).list() == (brought,)
    note.unlink()
    assert Archives(note.parent.parent).list() == (brought,)


def test_a_pair_is_called_as_its_two_call_themselves_and_a_group_by_its_profile(
    archives: Archives, tmp_path: Path
) -> None:
    assert archives.bring(BUNDLE).summary.title == "Alice, Charlie"
    story = group()
    card = b"BEGIN:VCARD\nVERSION:2.1\nFN:Boats\nDESCRIPTION:two\nlines\nEND:VCARD"
    story.write(ALICE, {"type": "application/update-profile"}, {"profile.vcf": card})
    assert archives.bring(story.save(tmp_path / "group")).summary.title == "Boats"


def test_a_doctored_history_is_refused_with_its_rule_and_leaves_nothing(archives: Archives, tmp_path: Path) -> None:
    told, struck = doctored(bundled(), 4, lambda raw: raw.replace(b"reply", b"other"))
    with pytest.raises(VerificationError, match=r"SCP-02 §9\.6") as caught:
        archives.bring(told.save(tmp_path / "doctored"))
    assert caught.value.exit_status == 7
    assert caught.value.data["rule"] == "SCP-02 §9.6"
    assert caught.value.data["commit"] == struck
    assert left(tmp_path) == []
    assert archives.list() == ()


def test_a_folder_that_bears_the_name_of_another_conversation_is_refused(archives: Archives, tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match=r"SCP-02 §9\.8"):
        archives.bring(bundled().save(tmp_path / ("1" * 40)))
    assert foreign.verify(bundled().save(tmp_path / ("2" * 40), bare=False)).valid is False
    assert left(tmp_path) == []


def test_what_jami_did_not_make_is_no_archive(archives: Archives, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        archives.bring(tmp_path / "nowhere")
    empty = bundled()
    empty.main = None
    with pytest.raises(UserError):
        archives.bring(empty.save(tmp_path / "empty"))
    assert left(tmp_path) == []


def test_only_the_branch_of_the_conversation_is_judged(archives: Archives, tmp_path: Path) -> None:
    """Jami keeps the branches of others that it refused itself."""
    told, _ = doctored(bundled(), 4, lambda raw: raw.replace(b"reply", b"other"))
    forged = told.main
    told.main = bundled().main
    path = told.save(tmp_path / "repository")
    (path / "refs/remotes/other").mkdir(parents=True)
    (path / "refs/remotes/other/main").write_text(f"{forged}\n")
    assert archives.bring(path).new
    assert forged not in archives.open(ROOM).history


def test_a_longer_copy_replaces_a_shorter_and_a_shorter_changes_nothing(archives: Archives, tmp_path: Path) -> None:
    story = group()
    short = story.save(tmp_path / "short")
    story.text(BOB, "more")
    long = story.save(tmp_path / "long")
    room = archives.bring(short).summary.id
    log = archives.open(room)
    assert archives.bring(long).new
    assert len(archives.open(room).history) == len(log.history) + 1
    assert archives.list()[0].commits == 7
    assert not archives.bring(short).new
    assert archives.list()[0].commits == 7
    assert left(tmp_path) == [f"{room}.git"]


def test_copies_that_went_different_ways_are_not_mixed(archives: Archives, tmp_path: Path) -> None:
    story = group()
    fork = story.main
    story.text(BOB, "here")
    one = story.save(tmp_path / "one")
    story.text(CAROL, "there", at=fork)
    other = story.save(tmp_path / "other")
    before = archives.bring(one).summary
    with pytest.raises(RefusedError, match="another copy"):
        archives.bring(other)
    assert archives.list() == (before,)


def test_merges_are_kept_and_not_shown(archives: Archives, tmp_path: Path) -> None:
    story = group()
    fork = story.main
    one, two = story.text(ALICE, "a", at=fork), story.add(BOB, MALLORY, at=fork)
    story.merge(CAROL, one, two, base=fork)
    room = archives.bring(story.save(tmp_path / "merged")).summary
    assert (room.commits, room.merges) == (8, 1)
    log = archives.open(room.id)
    assert set(log.history.heads) == {one, two}
    assert log.roster.invited == {MALLORY.uri}
    assert [item.commit for item in Timeline(log.history).page(2)] == [one, two]


def test_a_vote_says_what_it_is_for(archives: Archives, tmp_path: Path) -> None:
    story = group()
    vote = story.vote(ALICE, "ban", "members", BOB.uri)
    log = archives.open(archives.bring(story.save(tmp_path / "votes")).summary.id)
    told = log.commit(CommitId(vote))
    assert getattr(told, "body", {})["kind"] == "ban"


def test_what_is_removed_is_gone(archives: Archives, tmp_path: Path) -> None:
    archives.bring(BUNDLE)
    archives.remove(ROOM)
    archives.remove(ROOM)
    assert left(tmp_path) == []
    assert ROOM not in archives
    with pytest.raises(NotFoundError):
        archives.open(ROOM)
    assert archives.bring(BUNDLE).new


def test_halves_that_a_crash_left_are_tidied(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "archives"
    Archives(folder).bring(BUNDLE)
    (folder / ".new").mkdir()
    (folder / f".{ROOM}.removed").mkdir()
    (folder / f"{ROOM}.git").rename(folder / f".{ROOM}.git.replaced")  # its successor never came
    assert Archives(folder).open(ROOM).verify().valid
    assert left(tmp_path) == [f"{ROOM}.git"]
    (folder / f".{ROOM}.git.replaced").mkdir()  # its successor came
    assert Archives(folder).open(ROOM).verify().valid
    assert left(tmp_path) == [f"{ROOM}.git"]


class Failing(Files):
    """The n-th change to the disk fails."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.done = 0

    def _count(self) -> None:
        self.done += 1
        if self.done == self.number:
            raise StorageError("no space", data={"errno": errno.ENOSPC})

    def write(self, path: Path, data: bytes, mode: int = 0o444) -> None:
        self._count()
        super().write(path, data, mode)

    def rename(self, source: Path, target: Path) -> None:
        self._count()
        super().rename(source, target)

    def make_folder(self, path: Path) -> None:
        self._count()
        super().make_folder(path)


def test_an_import_that_the_disk_refuses_leaves_what_was_there(tmp_path: Path) -> None:
    story = group()
    short = story.save(tmp_path / "short")
    story.text(BOB, "more")
    long = story.save(tmp_path / "long")
    folder = tmp_path / "home" / "archives"
    kept = Archives(folder).bring(short).summary
    number, failed = 1, 0
    while True:
        files = Failing(number)
        try:
            Archives(folder, files).bring(long)
        except StorageError:
            failed += 1
            assert Archives(folder).list() == (kept,)
            assert Archives(folder).open(kept.id).verify().valid
            assert left(tmp_path) == [f"{kept.id}.git"]
        else:
            break
        number += 1
    assert failed >= 8
    assert Archives(folder).list()[0].commits == kept.commits + 1


def test_a_damaged_archive_says_so(archives: Archives, tmp_path: Path) -> None:
    archives.bring(BUNDLE)
    repository = tmp_path / "home" / "archives" / f"{ROOM}.git"
    (pack,) = (repository / "objects" / "pack").glob("*.pack")
    content = pack.read_bytes()
    pack.chmod(0o600)
    pack.write_bytes(content[:3000] + b"\0" * 64 + content[3064:])
    fresh = Archives(repository.parent)
    assert fresh.list()[0].id == ROOM
    with pytest.raises(StorageError, match="damaged"):
        fresh.open(ROOM)
    (repository / "packed-refs").unlink()
    with pytest.raises(StorageError):
        Archives(repository.parent).open(ROOM)
    assert MAIN not in foreign.verify(bundled().save(tmp_path / "sound")).heads


def test_a_one_to_one_is_archived_with_who_left(archives: Archives, tmp_path: Path) -> None:
    story = pair()
    story.leave(BOB)
    room = archives.bring(story.save(tmp_path / "pair")).summary
    assert (room.mode, room.members) == (0, 1)
