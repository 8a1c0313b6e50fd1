"""Our own packs, mapped: every entry is found, and a damaged file is said to be one."""

from __future__ import annotations

import random
import struct
import zlib
from pathlib import Path

import pytest

from swarmchat.commitlog.deltas import Base
from swarmchat.commitlog.libgit2 import object_id
from swarmchat.commitlog.packfiles import PackFile
from swarmchat.commitlog.packs import Writer, encode, encode_delta, entry_header, index, read_entry
from swarmchat.commitlog.trees import BLOB, COMMIT
from swarmchat.errors import StorageError
from tests.support.commitlogs import objects_of

OBJECTS = objects_of(*((BLOB, random.Random(n).randbytes(n % 500 + 2)) for n in range(1, 600)))  # over 64 KiB


def written(folder: Path) -> PackFile:
    writer = Writer(len(OBJECTS))
    for kind, oid, raw in OBJECTS:
        writer.add(oid, encode(kind, raw))
    (folder / "pack-1.pack").write_bytes(writer.end())
    (folder / "pack-1.idx").write_bytes(index(writer.rows, writer.trailer))
    return PackFile(folder / "pack-1.idx")


def test_every_entry_is_found_and_nothing_else(tmp_path: Path) -> None:
    pack = written(tmp_path)
    assert pack.count == len(OBJECTS)
    for kind, oid, raw in OBJECTS:
        span = pack.span(oid)
        assert span is not None
        assert pack.is_whole(span[0])
        assert pack.read(*span) == (kind, raw) == read_entry(pack.slice(*span))
        assert pack.length(span[0]) == len(raw)
        assert pack.base_at(span[0]) is None
    dice = random.Random(1)
    assert all(pack.span(dice.randbytes(20)) is None for _ in range(300))
    assert pack.span(bytes(20)) is None
    assert pack.span(b"\xff" * 20) is None


def test_ids_that_begin_alike_are_told_apart(tmp_path: Path) -> None:
    """As many of them as a long history has; and the end of one with the beginning of the next is none."""
    dice = random.Random(3)
    oids = sorted(b"\x01" + dice.randbytes(19) for _ in range(500))
    pack = with_entries(tmp_path, *((oid, encode(BLOB, oid)) for oid in oids))
    assert [pack.read(*span)[1] for span in map(pack.span, oids) if span] == oids
    assert all(pack.span(b"\x01" + dice.randbytes(19)) is None for _ in range(300))
    one, two = b"\x01" + bytes(9) + b"\x01" + b"a" * 9, b"\x01" + b"b" * 9 + b"c" * 10
    across = (one + two)[10:30]
    pack = with_entries(tmp_path, *((oid, encode(BLOB, oid)) for oid in (one, two)))
    assert pack.span(across) is None
    pack = with_entries(tmp_path, *((oid, encode(BLOB, oid)) for oid in (one, two, across)))
    assert pack.read(*pack.span(across))[1] == across  # type: ignore[misc]


def test_ids_come_sorted_and_rows_in_the_order_of_the_pack(tmp_path: Path) -> None:
    pack = written(tmp_path)
    oids = [oid for _, oid, _ in OBJECTS]
    assert list(pack.ids()) == sorted(oids)
    assert [row.oid for row in pack.rows()] == oids


def test_rows_tell_the_places_and_checksums_of_entries(tmp_path: Path) -> None:
    pack = written(tmp_path)
    for row in pack.rows():
        kind, raw = pack.read(row.start, row.end)
        assert object_id(kind, raw) == row.oid
        assert zlib.crc32(pack.slice(row.start, row.end)) == row.crc


# --- deltas

ONE, TWO, THREE = (b"tree of a commit of one author, number %d" % n for n in range(3))
IDS = {raw: object_id(COMMIT, raw) for raw in (ONE, TWO, THREE)}


def with_entries(folder: Path, *entries: tuple[bytes, bytes]) -> PackFile:
    """A pack of these ids and entries."""
    writer = Writer(len(entries))
    for oid, entry in entries:
        writer.add(oid, entry)
    (folder / "pack-1.pack").write_bytes(writer.end())
    (folder / "pack-1.idx").write_bytes(index(writer.rows, writer.trailer))
    return PackFile(folder / "pack-1.idx")


def told_apart(raw: bytes, base: bytes) -> tuple[bytes, bytes]:
    return IDS[raw], encode_delta(IDS[base], Base(IDS[base], base).delta(raw))


def start_of(pack: PackFile, raw: bytes) -> int:
    span = pack.span(IDS[raw])
    assert span is not None
    return span[0]


@pytest.mark.parametrize("base_first", [True, False])
def test_a_delta_against_a_whole_commit_of_the_same_pack_is_read(tmp_path: Path, base_first: bool) -> None:
    entries = [(IDS[ONE], encode(COMMIT, ONE)), told_apart(TWO, ONE)]
    pack = with_entries(tmp_path, *(entries if base_first else reversed(entries)))
    span = pack.span(IDS[TWO])
    assert span is not None
    assert not pack.is_whole(span[0])
    assert pack.base_at(span[0]) == IDS[ONE]
    assert pack.read(*span) == (COMMIT, TWO)
    assert pack.length(span[0]) in range(len(TWO), 2 * len(TWO))  # at most, for batches are counted by it
    assert pack.read(*pack.span(IDS[ONE])) == (COMMIT, ONE)  # type: ignore[misc]


def test_every_other_delta_is_somebody_elses(tmp_path: Path) -> None:
    """Of a base that is elsewhere, or itself a delta, or no commit; and one against a place in the pack."""
    blob = object_id(BLOB, ONE)
    pack = with_entries(tmp_path, told_apart(TWO, ONE))
    assert (pack.length(start_of(pack, TWO)), pack.base_at(start_of(pack, TWO))) == (None, None)
    chain = (IDS[ONE], encode(COMMIT, ONE)), told_apart(TWO, ONE), told_apart(THREE, TWO)
    pack = with_entries(tmp_path, *chain)
    assert pack.length(start_of(pack, TWO)) is not None
    assert pack.length(start_of(pack, THREE)) is None
    pack = with_entries(tmp_path, (blob, encode(BLOB, ONE)), (IDS[TWO], encode_delta(blob, Base(blob, ONE).delta(TWO))))
    assert pack.length(start_of(pack, TWO)) is None
    by_place = entry_header(6, 3) + b"\x7f" + zlib.compress(b"xyz")
    pack = with_entries(tmp_path, (IDS[ONE], encode(COMMIT, ONE)), (IDS[TWO], by_place))
    assert pack.length(start_of(pack, TWO)) is None
    assert pack.base_at(start_of(pack, TWO)) is None


def test_a_damaged_delta_and_a_damaged_base_are_said_to_be(tmp_path: Path) -> None:
    base, (oid, delta) = encode(COMMIT, ONE), told_apart(TWO, ONE)
    for entries in (
        ((IDS[ONE], base), (oid, delta[:-4] + b"\0\0\0\0")),
        ((IDS[ONE], base[:-4] + b"\0\0\0\0"), (oid, delta)),
        ((IDS[ONE], base), (oid, encode_delta(IDS[ONE], b"nonsense"))),
        ((IDS[ONE], base), (oid, encode_delta(IDS[ONE], Base(oid, THREE + b"!").delta(TWO)))),
    ):
        pack = with_entries(tmp_path, *entries)
        with pytest.raises(ValueError, match=r"."):
            pack.read(*pack.span(oid))  # type: ignore[misc]


def test_few_bases_are_kept_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commits = [b"%d: " % n + b"x" * 300 for n in range(40)]
    entries = []
    for raw in commits:
        oid, other = object_id(COMMIT, raw), raw + b"!"
        entries.append((oid, encode(COMMIT, raw)))
        entries.append((object_id(COMMIT, other), encode_delta(oid, Base(oid, raw).delta(other))))
    monkeypatch.setattr("swarmchat.commitlog.packfiles._BASES_BYTES_MAX", 2000)
    pack = with_entries(tmp_path, *entries)
    for raw in [*commits, *commits]:
        assert pack.read(*pack.span(object_id(COMMIT, raw + b"!"))) == (COMMIT, raw + b"!")  # type: ignore[misc]
        assert sum(map(len, pack._bases.values())) <= 2000 + 400


@pytest.mark.parametrize(("whole", "plain"), [(40, True), (5, False)])
def test_a_pack_is_plain_when_most_of_it_is_whole_commits(tmp_path: Path, whole: int, plain: bool) -> None:
    commits = [b"commit %d" % n for n in range(60)]
    oids = [object_id(COMMIT, raw) for raw in commits]
    first = Base(oids[0], commits[0])
    pack = with_entries(
        tmp_path,
        *(
            (oid, encode(COMMIT, raw) if n < whole else encode_delta(oids[0], first.delta(raw)))
            for n, (oid, raw) in enumerate(zip(oids, commits, strict=True))
        ),
    )
    assert pack.is_plain is plain
    assert not written(tmp_path).is_plain


def test_a_pack_stays_readable_when_its_files_are_removed(tmp_path: Path) -> None:
    pack = written(tmp_path)
    for path in tmp_path.iterdir():
        path.unlink()
    kind, oid, raw = OBJECTS[5]
    assert pack.read(*pack.span(oid)) == (kind, raw)  # type: ignore[misc]


def test_large_offsets_of_somebody_elses_index_are_followed(tmp_path: Path) -> None:
    """git writes offsets beyond 2 GiB into a table of their own; it may do so for small ones."""
    written(tmp_path)
    path = tmp_path / "pack-1.idx"
    data = bytearray(path.read_bytes())
    offsets_at = 8 + 1024 + 24 * len(OBJECTS)
    (offset,) = struct.unpack_from(">I", data, offsets_at)
    struct.pack_into(">I", data, offsets_at, 1 << 31)
    data[-40:-40] = struct.pack(">Q", offset)
    path.write_bytes(data)
    pack = PackFile(path)
    for _, oid, raw in OBJECTS:
        assert pack.read(*pack.span(oid))[1] == raw  # type: ignore[misc]
    struct.pack_into(">I", data, offsets_at, (1 << 31) + 1)
    path.write_bytes(data)
    with pytest.raises(StorageError, match="damaged"):
        PackFile(path)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("pack-1.idx", lambda data: b""),
        ("pack-1.idx", lambda data: b"\377tOc\0\0\0\3" + data[8:]),
        ("pack-1.idx", lambda data: data[:500]),
        ("pack-1.idx", lambda data: data[:-5000]),
        ("pack-1.idx", lambda data: data[:8] + b"\x7f" + data[9:]),
        ("pack-1.pack", lambda data: b""),
        ("pack-1.pack", lambda data: b"KCAP" + data[4:]),
        ("pack-1.pack", lambda data: data[:1000]),
    ],
)
def test_a_damaged_file_is_said_to_be_one(tmp_path: Path, name: str, damage) -> None:  # type: ignore[no-untyped-def]
    written(tmp_path)
    path = tmp_path / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(StorageError, match="damaged") as refusal:
        PackFile(tmp_path / "pack-1.idx")
    assert refusal.value.hint


def test_a_missing_pack_is_a_storage_error(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "pack-1.pack").unlink()
    with pytest.raises(StorageError):
        PackFile(tmp_path / "pack-1.idx")
