from __future__ import annotations

import errno
import itertools
import os
import stat
from pathlib import Path

import pytest

from swarmchat import disk
from swarmchat.errors import StorageError, UserError


def test_a_file_is_replaced_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "file"
    disk.write_whole(path, b"old")
    disk.write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("step", ["fsync", "replace", "write"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_refusal_at_any_step_leaves_the_old_file_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, code: int
) -> None:
    path = tmp_path / "file"
    disk.write_whole(path, b"old")

    def refuse(*args: object, **keywords: object) -> None:
        raise OSError(code, os.strerror(code))

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", refuse)
    elif step == "replace":
        monkeypatch.setattr(Path, "replace", refuse)
    else:
        monkeypatch.setattr(os, "fdopen", refuse)
    with pytest.raises(StorageError) as caught:
        disk.write_whole(path, b"new")
    assert str(path) in caught.value.message
    assert caught.value.hint is not None
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_draft_left_by_a_crash_and_a_link_in_its_place_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / ".file.new").symlink_to(tmp_path / "victim")
    disk.write_whole(tmp_path / "file", b"new")
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert (tmp_path / "file").read_bytes() == b"new"


def test_reading_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert disk.read_bounded(tmp_path / "file", 5) == b"12345"
    with pytest.raises(StorageError, match="larger than 4 bytes"):
        disk.read_bounded(tmp_path / "file", 4)
    assert disk.read_bounded(tmp_path / "none", 4) is None
    with pytest.raises(StorageError, match="cannot read"):
        disk.read_bounded(tmp_path, 4)


def test_a_new_file_is_private_and_what_exists_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "file"
    disk.write_new(path, b"new")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o600)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for place in (path, tmp_path / "link"):
        with pytest.raises(UserError, match="exists already"):
            disk.write_new(place, b"other")
    assert path.read_bytes() == b"new"
    assert not (tmp_path / "elsewhere").exists()


def test_a_new_file_that_could_not_be_written_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match="no space left"):
        disk.write_new(tmp_path / "file", b"new")
    assert list(tmp_path.iterdir()) == []


# --- a file in pieces


def test_a_new_file_has_its_name_when_it_is_whole_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with disk.new_file(path) as file:
        file.write(b"one ")
        assert not path.exists()
        file.write(b"two")
    assert path.read_bytes() == b"one two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_replaces_nothing_unless_told_to(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(UserError, match="exists already"), disk.new_file(path):
        raise AssertionError("never begun")
    with disk.new_file(path, force=True) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    with pytest.raises(UserError, match="is a directory"), disk.new_file(tmp_path, force=True):
        raise AssertionError("a directory is not replaced")


def test_what_came_meanwhile_under_the_name_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with pytest.raises(UserError, match="exists already"), disk.new_file(path):
        path.write_bytes(b"theirs")
    assert path.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_a_draft_of_a_process_of_the_same_number_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container each is process 1: one that was killed kept all that came after it from writing."""
    monkeypatch.setattr(disk, "_DRAFTS", itertools.count(7))
    left = tmp_path / f".swarmchat.{os.getpid()}-7.part"
    left.write_bytes(b"half")
    with disk.new_file(tmp_path / "file") as file:
        file.write(b"whole")
    assert ((tmp_path / "file").read_bytes(), left.read_bytes()) == (b"whole", b"half")


def test_a_new_file_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="midway"), disk.new_file(tmp_path / "file"):
        raise ValueError("midway")
    with pytest.raises(StorageError, match="no space"), disk.new_file(tmp_path / "file"):
        raise OSError(errno.ENOSPC, "full")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StorageError), disk.new_file(tmp_path / "nowhere" / "file"):
        raise AssertionError("never begun")


def test_on_a_disk_without_links_a_new_file_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = tmp_path / "file"
    with disk.new_file(path) as file:
        file.write(b"ours")
    assert path.read_bytes() == b"ours"
    with pytest.raises(StorageError), disk.new_file(tmp_path / "other"):
        (tmp_path / "other").write_bytes(b"theirs")
    assert (tmp_path / "other").read_bytes() == b"theirs"


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(UserError, match="is no file"):
            disk.open_file(path)
        with pytest.raises(UserError, match="is no file"):
            disk.read_bounded(path, 10, pipes=False)
    (tmp_path / "file").write_bytes(b"0123456789")
    assert disk.read_bounded(tmp_path / "file", 10, pipes=False) == b"0123456789"
    with pytest.raises(StorageError, match="larger than 9 bytes"):
        disk.read_bounded(tmp_path / "file", 9, pipes=False)
    assert disk.read_bounded(tmp_path / "nothing", 10, pipes=False) is None


def test_links_in_a_circle_and_directories_are_refused_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for pipes in (True, False):
        with pytest.raises(StorageError, match="round in a circle") as refused:
            disk.read_bounded(tmp_path / "loop", 10, pipes=pipes)
        assert "mend the link" in str(refused.value.hint)
    with pytest.raises(StorageError, match="it is a directory") as refused:
        disk.read_bounded(tmp_path, 10)
    assert "name a file in it" in str(refused.value.hint)
