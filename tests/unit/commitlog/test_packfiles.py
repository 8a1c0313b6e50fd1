"""Our own packs, mapped: every entry is found, and a damaged file is said to be one."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from swarmchat.commitlog.packfiles import PackFile
from swarmchat.commitlog.packs import Writer, encode, entry_header, index, read_entry
from swarmchat.commitlog.trees import BLOB
from swarmchat.errors import StorageError
from tests.support.commitlogs import objects_of

OBJECTS = objects_of(*((BLOB, random.Random(n).randbytes(n % 50)) for n in range(1, 600)))


def written(folder: Path, *, delta: bool = False) -> PackFile:
    writer = Writer(len(OBJECTS))
    for number, (kind, oid, raw) in enumerate(OBJECTS):
        entry = encode(kind, raw)
        if delta and number == 0:
            entry = entry_header(7, len(raw)) + entry[1:]
        writer.add(kind, oid, entry)
    (folder / "pack-1.pack").write_bytes(writer.end())
    (folder / "pack-1.idx").write_bytes(index(writer.table, writer.trailer))
    return PackFile(folder / "pack-1.idx")


def test_every_entry_is_found_and_nothing_else(tmp_path: Path) -> None:
    pack = written(tmp_path)
    assert pack.count == len(OBJECTS)
    for kind, oid, raw in OBJECTS:
        entry = pack.entry(oid)
        assert entry is not None
        assert read_entry(entry) == (kind, raw)
    dice = random.Random(1)
    assert all(pack.entry(dice.randbytes(20)) is None for _ in range(300))
    assert pack.entry(bytes(20)) is None
    assert pack.entry(b"\xff" * 20) is None


def test_ids_come_in_the_order_of_the_pack(tmp_path: Path) -> None:
    assert list(written(tmp_path).ids()) == [oid for _, oid, _ in OBJECTS]


def test_a_delta_is_not_copied(tmp_path: Path) -> None:
    pack = written(tmp_path, delta=True)
    assert pack.entry(OBJECTS[0][1]) is None
    assert pack.span(OBJECTS[0][1]) is not None
    assert pack.entry(OBJECTS[1][1]) is not None


def test_a_pack_stays_readable_when_its_files_are_removed(tmp_path: Path) -> None:
    pack = written(tmp_path)
    for path in tmp_path.iterdir():
        path.unlink()
    assert pack.entry(OBJECTS[5][1]) is not None


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
        entry = pack.entry(oid)
        assert entry is not None
        assert read_entry(entry)[1] == raw
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
