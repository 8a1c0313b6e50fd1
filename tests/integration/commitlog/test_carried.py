"""A conversation in a file: whole or told apart, whoever wrote it. (SCP-04 §9)"""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest

from swarmchat import limits
from swarmchat.commitlog import carried
from swarmchat.commitlog.carried import MAGIC, Carried, CarriedError
from swarmchat.commitlog.log import CommitLog
from swarmchat.errors import NotFoundError, StorageError, UserError
from swarmchat.ids import CommitId
from tests.support.builders import ALICE, BOB
from tests.support.commitlogs import clone, group, post, posts


@pytest.fixture
def log(tmp_path: Path) -> CommitLog:
    log = group(tmp_path, BOB)
    for number in range(5):
        post(log, ALICE, f"text {number}")
    return log


def written(log: CommitLog, haves: list[CommitId] | None = None) -> bytes:
    file = io.BytesIO()
    assert carried.write(log, file, haves or []) is not None
    return file.getvalue()


def sealed(*parts: bytes) -> bytes:
    """With the right checksum, whatever stands before it."""
    data = b"".join(parts)
    return data + hashlib.sha256(data).digest()


def pieces(*packs: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(pack)) + pack + bytes(4) for pack in packs) + bytes(4)


def head(log: CommitLog, **other: Any) -> bytes:
    told = {"conversation": log.conversation, "heads": list(log.heads), "since": [], "commits": 1} | other
    return MAGIC + json.dumps(told).encode() + b"\n"


def taken(log: CommitLog, path: Path) -> None:
    with Carried(path) as found:
        for pack in found.packs():
            with log.ingest() as ingest:
                for piece in pack:
                    ingest.feed(piece)
                ingest.finish()


def refused(path: Path, data: bytes, words: str) -> CarriedError:
    path.write_bytes(data)
    with pytest.raises(CarriedError, match=words) as caught:
        Carried(path)
    return caught.value


def test_what_is_written_comes_out_whole(log: CommitLog, tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    path.write_bytes(written(log))
    with Carried(path) as found:
        assert (found.header.conversation, found.header.heads, found.header.since) == (log.conversation, log.heads, ())
        assert found.header.commits == len(log.history)
    other = CommitLog.prepare(tmp_path / "other.git", log.conversation)
    taken(other, path)
    assert (other.heads, other.main, posts(other)) == (log.heads, log.main, posts(log))
    assert b"text 4" not in path.read_bytes()  # packed


def test_only_what_is_lacking_is_written_and_what_it_builds_on_is_named(log: CommitLog, tmp_path: Path) -> None:
    other = clone(log, tmp_path / "other.git")
    there = log.heads
    post(log, ALICE, "new")
    path = tmp_path / "bundle"
    path.write_bytes(written(log, [*there, CommitId("f" * 40)]))
    with Carried(path) as found:
        assert (found.header.since, found.header.commits) == (there, 1)
    taken(other, path)
    assert other.heads == log.heads


def test_nothing_is_written_when_nothing_is_lacking(log: CommitLog) -> None:
    file = io.BytesIO()
    assert carried.write(log, file, log.heads) is None
    assert file.getvalue() == b""


def test_a_long_history_goes_in_several_packs(log: CommitLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BATCH_COMMITS_MAX", 3)
    monkeypatch.setattr(limits, "PACK_PIECE_BYTES_MAX", 100)
    path = tmp_path / "bundle"
    path.write_bytes(written(log))
    with Carried(path) as found:
        counts = [sum(len(piece) > 0 for piece in pack) for pack in found.packs()]
    assert len(counts) >= 3
    assert max(counts) > 3
    other = CommitLog.prepare(tmp_path / "other.git", log.conversation)
    taken(other, path)
    assert other.heads == log.heads


# --- what is no bundle


def test_a_file_that_ends_early_is_told_apart_wherever_it_ends(log: CommitLog, tmp_path: Path) -> None:
    data = written(log)
    for length in range(0, len(data), 7):
        (tmp_path / "cut").write_bytes(data[:length])
        with pytest.raises(CarriedError):
            Carried(tmp_path / "cut")
    refused(tmp_path / "cut", data[:-1], "checksum")
    refused(tmp_path / "more", data + b"x", "checksum")


def test_a_byte_that_changed_is_told_apart_wherever_it_is(log: CommitLog, tmp_path: Path) -> None:
    data = written(log)
    for place in range(0, len(data), 11):
        spoilt = bytearray(data)
        spoilt[place] ^= 0x20
        (tmp_path / "spoilt").write_bytes(spoilt)
        with pytest.raises(CarriedError):
            Carried(tmp_path / "spoilt")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no bundle"),
        (b"hello", "no bundle"),
        (b"# swarmchat bundle 2\n{}\n", "no bundle"),
        (b"# v2 git bundle\n-abc\n\nPACK", "no bundle"),
        (MAGIC, "no end"),
        (MAGIC + b"x" * 2 * limits.BUNDLE_HEADER_BYTES_MAX, "no end"),
        (MAGIC + b"[" * 100_000 + b"\n", "damaged"),
        (MAGIC + b"{}\n", "other keys"),
        (MAGIC + b"\xff\n", "damaged"),
        (MAGIC + b"3\n", "other keys"),
    ],
)
def test_what_is_no_bundle_is_told_with_a_reason(tmp_path: Path, data: bytes, words: str) -> None:
    fault = refused(tmp_path / "file", data, words)
    assert fault.exit_status == 7
    assert ("conversation import" in (fault.hint or "")) == data.startswith(b"# v2")


@pytest.mark.parametrize(
    "other",
    [
        {"conversation": "../../etc/passwd"},
        {"conversation": 5},
        {"conversation": "F" * 40},
        {"heads": "f" * 40},
        {"heads": [5]},
        {"heads": ["x" * 40]},
        {"since": ["a" * 40] * (limits.BUNDLE_COMMITS_NAMED_MAX + 1)},
        {"since": None},
        {"commits": 0},
        {"commits": True},
        {"commits": 2**53},
        {"commits": "1"},
        {"more": 1},
    ],
)
def test_a_head_that_names_what_there_is_not_is_refused(log: CommitLog, tmp_path: Path, other: dict[str, Any]) -> None:
    refused(tmp_path / "file", sealed(head(log, **other), pieces()), "damaged")


def test_a_head_names_as_many_commits_as_it_may(log: CommitLog, tmp_path: Path) -> None:
    most = ["a" * 40] * limits.BUNDLE_COMMITS_NAMED_MAX
    line = head(log, heads=most, since=most)
    assert len(line) - len(MAGIC) < limits.BUNDLE_HEADER_BYTES_MAX
    (tmp_path / "file").write_bytes(sealed(line, pieces()))
    with Carried(tmp_path / "file") as found:
        assert found.header.heads == found.header.since == tuple(most)
    refused(tmp_path / "file", sealed(head(log, heads=[*most, most[0]]), pieces()), "damaged")


def test_pieces_have_a_bound_and_an_end(log: CommitLog, tmp_path: Path) -> None:
    path = tmp_path / "file"
    for tail in (struct.pack(">I", limits.PACK_PIECE_BYTES_MAX + 1), struct.pack(">I", 100) + b"short", b"\0"):
        path.write_bytes(sealed(head(log), tail))
        with Carried(path) as found, pytest.raises(CarriedError):
            [list(pack) for pack in found.packs()]


def test_a_file_that_changes_after_it_was_checked_is_judged_all_the_same(log: CommitLog, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(written(log))
    with Carried(path) as found:
        os.truncate(path, 400)
        with pytest.raises(CarriedError, match="ends early"):
            [list(pack) for pack in found.packs()]


def test_what_is_no_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="no file"):
        Carried(tmp_path / "pipe")
    with pytest.raises((UserError, StorageError)):
        Carried(tmp_path)
    with pytest.raises(UserError, match="no file"):
        Carried(Path("/dev/zero"))
    with pytest.raises(NotFoundError):
        Carried(tmp_path / "nowhere")
    monkeypatch.setattr(limits, "BUNDLE_BYTES_MAX", 10)
    refused(tmp_path / "long", b"x" * 11, "over 10 bytes")
