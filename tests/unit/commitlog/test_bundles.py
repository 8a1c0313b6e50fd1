"""A git bundle is read strictly into memory, deltas resolved; whatever is wrong with it is told. (SCP-02 §9.1, §9.17)"""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path

import pytest

from swarmchat import limits
from swarmchat.commitlog.bundles import Bundle, BundleError
from swarmchat.commitlog.packs import entry_header
from swarmchat.commitlog.repository import MissingObjectError
from swarmchat.errors import StorageError, UserError
from tests.support.jami import BUNDLE

REF = b"1" * 40 + b" refs/heads/main\n"
BASE = b"a long enough text to copy from, and to go on with"


def blob(data: bytes) -> bytes:
    return entry_header(3, len(data)) + zlib.compress(data)


def offset_delta(delta: bytes, back: int) -> bytes:
    assert 0 < back < 128
    return entry_header(6, len(delta)) + bytes((back,)) + zlib.compress(delta)


def id_delta(delta: bytes, base: bytes) -> bytes:
    return entry_header(7, len(delta)) + base + zlib.compress(delta)


def oid(data: bytes) -> bytes:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).digest()


def pack(*entries: bytes, count: int | None = None) -> bytes:
    body = b"PACK" + struct.pack(">II", 2, len(entries) if count is None else count) + b"".join(entries)
    return body + hashlib.sha1(body).digest()


def saved(folder: Path, content: bytes) -> Path:
    path = folder / "x.bundle"
    path.write_bytes(content)
    return path


def bundle(folder: Path, *entries: bytes, head: bytes = REF) -> Bundle:
    return Bundle(saved(folder, b"# v2 git bundle\n" + head + b"\n" + pack(*entries)))


def test_the_real_bundle_holds_its_commits() -> None:
    read = Bundle(BUNDLE)
    assert read.refs() == {"refs/heads/main": "31fe4254576d489fedc686ef8190e5941edc2b5f"}
    tip = bytes.fromhex("31fe4254576d489fedc686ef8190e5941edc2b5f")
    assert read.has(tip)
    assert read.size(tip) == len(read.read(1, tip))
    with pytest.raises(MissingObjectError):
        read.read(2, tip)
    with pytest.raises(MissingObjectError):
        read.size(b"\0" * 20)


def test_deltas_of_either_kind_are_resolved_in_any_order(tmp_path: Path) -> None:
    copy = bytes((len(BASE), 12, 0x91, 2, 10, 2)) + b"!!"  # 10 bytes from 2 on, then two of its own
    made = BASE[2:12] + b"!!"
    first, second = blob(BASE), blob(b"other")
    read = bundle(tmp_path, first, second, offset_delta(copy, len(first) + len(second)))
    assert read.read(3, oid(made)) == made
    again = bytes((len(made), 2, 0x90, 2))
    read = bundle(tmp_path, id_delta(again, oid(made)), id_delta(copy, oid(BASE)), blob(BASE))
    assert read.read(3, oid(made[:2])) == made[:2]


@pytest.mark.parametrize(
    ("delta", "sentence"),
    [
        (bytes((len(BASE) + 1, 1, 0x90, 1)), "another base"),
        (bytes((len(BASE), 1, 0x91, len(BASE), 1)), "behind the end"),
        (bytes((len(BASE), 1, 0)), "unknown form"),
        (bytes((len(BASE), 5, 5)) + b"xx", "cut off"),
        (bytes((len(BASE), 5, 0x91)), "cut off"),
        (bytes((len(BASE), 1, 2)) + b"xx", "more than"),
        (bytes((len(BASE), 3, 2)) + b"xx", "less than"),
        (b"\xff" * 20, "unknown form"),
        (b"", "cut off"),
    ],
)
def test_a_false_delta_is_told(tmp_path: Path, delta: bytes, sentence: str) -> None:
    with pytest.raises(BundleError, match=sentence):
        bundle(tmp_path, blob(BASE), id_delta(delta, oid(BASE)))


def test_deltas_of_nothing_and_in_a_circle_are_told(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="base"):
        bundle(tmp_path, id_delta(b"x", b"\1" * 20))
    with pytest.raises(BundleError, match="base"):
        bundle(tmp_path, blob(BASE), offset_delta(b"x", 1))


def test_a_chain_of_deltas_has_its_bound(tmp_path: Path) -> None:
    def chain(length: int) -> list[bytes]:
        entries, last = [blob(b"0")], b"0"
        for number in range(length):
            made = b"%d" % (number + 1)
            entries.append(id_delta(bytes((len(last), len(made), len(made))) + made, oid(last)))
            last = made
        return entries

    assert bundle(tmp_path, *chain(limits.JAMI_DELTA_DEPTH_MAX)).has(oid(b"%d" % limits.JAMI_DELTA_DEPTH_MAX))
    with pytest.raises(BundleError, match="chain"):
        bundle(tmp_path, *chain(limits.JAMI_DELTA_DEPTH_MAX + 1))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "not a git bundle"),
        (b"# v3 git bundle\n" + REF + b"\n" + pack(blob(b"x")), "not a git bundle"),
        (b"# v2 git bundle\n" + REF, "no end"),
        (b"# v2 git bundle\n-" + REF + REF + b"\n" + pack(blob(b"x")), "newer part"),
        (b"# v2 git bundle\nnonsense\n\n" + pack(blob(b"x")), "no ref"),
        (b"# v2 git bundle\n" + REF + b"\n" + b"PACK", "no pack"),
        (b"# v2 git bundle\n" + REF + b"\n" + pack(blob(b"x"))[:-1] + b"x", "checksum"),
        (b"# v2 git bundle\n" + REF + b"\n" + pack(blob(b"x"), count=2), "cut off"),
        (b"# v2 git bundle\n" + REF + b"\n" + pack(blob(b"x") + b"rest", count=1), "behind the last"),
        (b"# v2 git bundle\n" + REF + b"\n" + pack(entry_header(3, 9) + zlib.compress(b"x")), "as long as"),
        (b"# v2 git bundle\n" + REF + b"\n" + pack(entry_header(3, 1) + zlib.compress(b"xx")), "as long as"),
        (b"# v2 git bundle\n" + REF + b"\n" + pack(entry_header(3, 1) + b"rubbish"), "inflate"),
        (b"# v2 git bundle\n" + REF + b"\n" + pack(entry_header(5, 1) + zlib.compress(b"x")), "kind"),
        (b"# v2 git bundle\n" + REF + b"\n" + pack(b"\xff" * 40), "cut off"),
    ],
)
def test_what_is_no_whole_bundle_is_told(tmp_path: Path, content: bytes, sentence: str) -> None:
    with pytest.raises(BundleError, match=sentence):
        Bundle(saved(tmp_path, content))


def test_every_bound_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = BUNDLE.stat().st_size
    inflated = sum(len(data) for _, data in Bundle(BUNDLE)._objects.values())
    for name, bound, error in (
        ("JAMI_BUNDLE_BYTES_MAX", size, UserError),
        ("JAMI_OBJECTS_MAX", len(Bundle(BUNDLE)._objects), BundleError),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(limits, name, bound)
            Bundle(BUNDLE)
            patched.setattr(limits, name, bound - 1)
            with pytest.raises(error):
                Bundle(BUNDLE)
    monkeypatch.setattr(limits, "JAMI_BUNDLE_INFLATED_BYTES_MAX", inflated - 1)
    with pytest.raises(BundleError, match="holds over"):
        Bundle(BUNDLE)


def test_every_byte_of_the_real_bundle_that_is_changed_is_noticed(tmp_path: Path) -> None:
    data = BUNDLE.read_bytes()
    start = data.index(b"PACK")
    for at in range(start, len(data), 97):
        with pytest.raises(BundleError):
            Bundle(saved(tmp_path, data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        Bundle(tmp_path / "none.bundle")
