"""The files of a debug bundle. (SCP-08 §2.7)"""

from __future__ import annotations

import json
import re
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from swarmchat.account.home import Home
from swarmchat.errors import StorageError, UsageError, UserError
from swarmchat.node import debugbundle

ACCOUNT = "ab12" * 10
FOUND: dict[str, Any] = {
    "doctor": [{"check": "space", "about": "/x", "state": "ok", "found": "900 MiB free", "hint": None}],
    "conversations": [{"id": ACCOUNT, "title": "Boats", "mode": "private", "members": 3}],
    "settings": {"path": "/x", "settings": [{"key": "name", "value": "Zed", "summary": "a word", "set": True}]},
    "peers": {"error": "unreachable", "message": "no daemon is running"},
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home.locate(tmp_path / "home", {})
    made.prepare()
    return made


def test_a_bundle_is_one_private_new_file_of_either_kind(home: Home, tmp_path: Path) -> None:
    for name in ("b.zip", "b.tar.gz", "b.tgz"):
        path = tmp_path / name
        made = debugbundle.write(path, home, b"k" * 32, 1_800_000_000, FOUND, ())
        assert path.stat().st_mode & 0o777 == 0o600
        assert made["bytes"] == path.stat().st_size
        if name.endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                inside = {one.filename: one.file_size for one in archive.infolist()}
        else:
            with tarfile.open(path) as archive:
                inside = {one.name: one.size for one in archive.getmembers()}
                assert {(one.uid, one.uname, one.gname, one.mode) for one in archive.getmembers()} == {
                    (0, "", "", 0o600)
                }
        assert inside == {f"swarmchat-debug/{one['name']}": one["bytes"] for one in made["files"]}
        with pytest.raises(UserError, match="exists already"):
            debugbundle.write(path, home, b"k" * 32, 0, FOUND, ())
    with pytest.raises(UsageError, match=r"neither .zip nor"):
        debugbundle.write(tmp_path / "b.rar", home, b"k" * 32, 0, FOUND, ())
    with pytest.raises(StorageError):
        debugbundle.write(tmp_path / "no" / "b.zip", home, b"k" * 32, 0, FOUND, ())


def test_it_begins_with_what_it_is_and_what_is_in_it(home: Home) -> None:
    first, *rest = debugbundle.parts(home, b"k" * 32, FOUND, ())
    assert first.name == "README.txt"
    assert [one.name for one in rest] == [
        *(
            "versions.json",
            "doctor.json",
            "settings.json",
            "peers.json",
            "conversations.json",
            "storage.json",
            "log.txt",
        )
    ]
    for one in rest:
        assert f"{one.name} ".encode() in first.data
        assert one.about.encode() in first.data


def test_titles_and_names_are_not_in_it_and_a_verb_that_refused_says_so(home: Home) -> None:
    parts = {one.name: one.data for one in debugbundle.parts(home, b"k" * 32, FOUND, ["Zed"])}
    assert not [
        name for name, data in parts.items() if b"Zed" in data or b"Boats" in data or ACCOUNT[:8].encode() in data
    ]
    (row,) = json.loads(parts["conversations.json"])
    assert row | {"id": ""} == {"id": "", "mode": "private", "members": 3}
    assert json.loads(parts["peers.json"])["error"] == "unreachable"


def test_a_part_in_which_an_id_is_found_all_the_same_is_left_out(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for way in ("_HEX", "_TOKEN"):
        monkeypatch.setattr(f"swarmchat.node.redaction.{way}", re.compile("(?!)"))
    parts = {one.name: one for one in debugbundle.parts(home, b"k" * 32, FOUND, ())}
    assert parts["conversations.json"].data == b"left out\n"
    assert parts["conversations.json"].about.startswith("left out")
    assert parts["doctor.json"].data != b"left out\n"


def test_the_newest_lines_of_the_log_are_taken_and_none_is_torn(home: Home) -> None:
    home.log_file.write_bytes(
        b"first, torn by the bound\n" + b"".join(b"line %07d %s\n" % (n, b"x " * 300) for n in range(3_000))
    )
    (log,) = [one for one in debugbundle.parts(home, b"k" * 32, {}, ()) if one.name == "log.txt"]
    lines = log.data.decode().splitlines()
    assert lines[-1].startswith("line 0002999 ")
    assert all(line.startswith("line ") for line in lines)
    assert 1_000 < len(lines) <= 2_000


def test_without_a_log_it_says_where_to_look(home: Home) -> None:
    (log,) = [one for one in debugbundle.parts(home, b"k" * 32, {}, ()) if one.name == "log.txt"]
    assert b"journal" in log.data


def test_files_are_told_with_mode_size_and_schema(home: Home) -> None:
    (home.data / "state.json").write_text('{"version": 7}')
    (home.data / "state.json").chmod(0o644)
    (home.data / "broken.json").write_text("{")
    (home.data / "broken.sqlite").write_bytes(b"no database " * 100)
    repository = home.conversations / f"{ACCOUNT}.git" / "objects"
    repository.mkdir(parents=True)
    (repository / "pack").write_bytes(b"x" * 100)
    (storage,) = [one for one in debugbundle.parts(home, b"k" * 32, {}, ()) if one.name == "storage.json"]
    found = json.loads(storage.data)
    rows = {row["file"]: row for row in found["files"]}
    assert rows["state.json"] == {"file": "state.json", "mode": "-rw-r--r--", "bytes": 14, "schema": 7}
    assert "schema" not in rows["broken.json"]
    assert "schema" not in rows["broken.sqlite"]
    (kept,) = found["repositories"]
    assert (kept["in"], kept["files"], kept["whole"]) == ("conversations", 2, True)
    assert kept["bytes"] >= 100


def test_where_names_are_not_known_the_log_is_left_out(home: Home) -> None:
    home.log_file.write_text("Zed was here\n")
    (log,) = [one for one in debugbundle.parts(home, b"k" * 32, {}, None) if one.name == "log.txt"]
    assert (log.data, log.about[:8]) == (b"left out\n", "left out")
