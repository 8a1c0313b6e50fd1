"""The strict pack: what is written is read back in any pieces, and what is hostile is refused before it costs anything."""

from __future__ import annotations

import hashlib
import os
import random
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from swarmchat import limits
from swarmchat.commitlog.libgit2 import object_id
from swarmchat.commitlog.packs import (
    STORED_MORE_BYTES,
    Bounds,
    Packed,
    PackFault,
    Scanner,
    encode,
    encode_delta,
    encode_stored,
    entry_header,
    header,
    index,
    read_entry,
    take_entry,
    write_whole,
)
from swarmchat.commitlog.trees import BLOB, COMMIT, TREE
from tests.support.commitlogs import entry, objects_of, packed, raw_pack

OBJECTS = objects_of((BLOB, b""), (BLOB, b"x" * 5000), (TREE, os.urandom(300)), (COMMIT, b"c" * 100), (COMMIT, b"d"))
PACK = packed(OBJECTS)


def scan(data: bytes, *, step: int | None = None, bounds: Bounds | None = None) -> list[tuple[int, bytes, bytes]]:
    scanner = Scanner(bounds or Bounds())
    step = step or len(data)
    found = [scanned for at in range(0, len(data), step) for scanned in scanner.feed(data[at : at + step])]
    assert scanner.complete
    assert scanner.done == scanner.total
    return [(scanned.packed.kind, scanned.packed.oid, scanned.raw) for scanned in found]


@pytest.mark.parametrize("step", [1, 2, 3, 7, 19, 20, 21, 64, 1000, None])
def test_a_pack_is_read_in_pieces_of_any_size(step: int | None) -> None:
    assert scan(PACK, step=step) == OBJECTS


def test_a_pack_is_read_in_uneven_pieces() -> None:
    dice = random.Random(7)
    for _ in range(50):
        scanner, found, at = Scanner(), [], 0
        while at < len(PACK):
            size = dice.choice((0, 1, 5, 30, 900))
            found += scanner.feed(PACK[at : at + size])
            at += size
        assert scanner.complete
        assert [scanned.raw for scanned in found] == [raw for _, _, raw in OBJECTS]


def test_objects_come_out_as_soon_as_they_are_whole() -> None:
    scanner = Scanner()
    first = len(header(0)) + len(encode(BLOB, b""))
    assert [scanned.raw for scanned in scanner.feed(PACK[:first])] == [b""]
    assert (scanner.done, scanner.total) == (1, 5)
    assert not scanner.complete


def test_places_and_checksums_of_entries_are_those_of_the_file() -> None:
    scanner = Scanner()
    for scanned in scanner.feed(PACK):
        place = scanned.packed
        data = PACK[place.offset : place.offset + place.length]
        assert zlib.crc32(data) == place.crc
        assert read_entry(data) == (place.kind, scanned.raw)


def test_stored_entries_are_read_too() -> None:
    data = write_whole([(kind, oid, encode_stored(kind, raw)) for kind, oid, raw in OBJECTS])
    assert scan(data, step=100) == OBJECTS


def test_git_reads_our_pack_and_our_index(tmp_path: Path) -> None:
    scanner = Scanner()
    table = [scanned.packed for scanned in scanner.feed(PACK)]
    assert scanner.trailer is not None
    (tmp_path / "p.pack").write_bytes(PACK)
    (tmp_path / "p.idx").write_bytes(index([packed.row for packed in table], scanner.trailer))
    try:
        ours = subprocess.run(
            ["git", "verify-pack", "-v", "p.idx"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("git is not installed: its own opinion of our packs is not asked")
    assert ours.returncode == 0, ours.stderr
    assert all(oid.hex() in ours.stdout for _, oid, _ in OBJECTS)


# --- hostile ones


def refused(data: bytes, words: str, **options: object) -> None:
    for step in (None, 17):
        with pytest.raises(PackFault, match=words):
            scan(data, step=step, **options)  # type: ignore[arg-type]


def test_another_kind_of_file_is_refused() -> None:
    refused(b"PACK\0\0\0\3" + PACK[8:], "version 2")
    refused(b"not a pack at all, but long enough", "version 2")


@pytest.mark.parametrize("count", [0, limits.BATCH_OBJECTS_MAX + 1, 4_000_000_000])
def test_a_count_beyond_all_bounds_is_refused_at_the_header(count: int) -> None:
    with pytest.raises(PackFault, match="objects"):
        Scanner().feed(b"PACK\0\0\0\2" + struct.pack(">I", count))


def test_the_greatest_count_is_taken() -> None:
    scanner = Scanner()
    scanner.feed(b"PACK\0\0\0\2" + struct.pack(">I", limits.BATCH_OBJECTS_MAX))
    assert scanner.total == limits.BATCH_OBJECTS_MAX


@pytest.mark.parametrize(
    ("kind", "limit"),
    [(COMMIT, limits.COMMIT_BYTES_MAX), (TREE, limits.TREE_BYTES_MAX), (BLOB, limits.PROFILE_BYTES_MAX)],
)
def test_an_object_over_its_limit_is_refused_before_it_is_inflated(kind: int, limit: int) -> None:
    with pytest.raises(PackFault, match="object of"):
        Scanner().feed(header(1) + entry_header(kind, limit + 1))
    scanner = Scanner()
    assert scanner.feed(header(1) + entry_header(kind, limit)) == []


def test_a_bomb_of_a_gigabyte_is_refused_at_its_head() -> None:
    with pytest.raises(PackFault, match="object of"):
        Scanner().feed(header(1) + entry_header(BLOB, 1 << 30))


def test_a_bomb_that_lies_about_its_size_is_inflated_one_byte_too_far_at_most() -> None:
    refused(raw_pack(entry(BLOB, bytes(50_000_000), size=10)), "past its size")


def test_an_object_shorter_than_its_size_is_refused() -> None:
    refused(raw_pack(entry(BLOB, b"short", size=6)), "shorter")


def test_many_bombs_are_refused_by_what_they_inflate_to() -> None:
    blobs = [encode(BLOB, bytes([n]) * 1000) for n in range(11)]
    refused(raw_pack(*blobs), "inflates to over", bounds=Bounds(inflated=10_999))
    assert len(scan(raw_pack(*blobs), bounds=Bounds(inflated=11_000))) == 11


def test_a_zlib_stream_of_empty_blocks_without_end_is_refused() -> None:
    padding = b"\x78\x01" + b"\x00\x00\x00\xff\xff" * 1000
    refused(raw_pack(entry_header(BLOB, 5) + padding), "longer than any honest")


@pytest.mark.parametrize("kind", [0, 4, 5, 6, 7])
def test_deltas_tags_and_unknown_types_are_refused(kind: int) -> None:
    refused(raw_pack(entry(kind, b"x" * 20)), f"type {kind}")


def test_a_size_without_end_is_refused() -> None:
    refused(raw_pack(bytes([0xB0]) + b"\x80" * 20), "beyond all bounds")


def test_a_size_in_a_longer_form_is_refused() -> None:
    refused(raw_pack(bytes([0xB1, 0x00]) + zlib.compress(b"x")), "longer form")


def test_what_does_not_inflate_is_refused() -> None:
    refused(raw_pack(entry_header(BLOB, 5) + b"garbage and garbage"), "inflate")


def test_an_object_that_stands_twice_is_refused() -> None:
    refused(packed([OBJECTS[0], OBJECTS[0]]), "twice")


def test_bytes_after_the_pack_are_refused() -> None:
    refused(PACK + b"x", "after the pack")
    scanner = Scanner()
    scanner.feed(PACK)
    with pytest.raises(PackFault, match="after the pack"):
        scanner.feed(b"x")


def test_a_wrong_checksum_is_refused() -> None:
    refused(PACK[:-1] + bytes([PACK[-1] ^ 1]), "checksum")
    refused(PACK[:20] + bytes([PACK[20] ^ 1]) + PACK[21:], "checksum|inflate|size")


def test_a_truncated_pack_is_never_complete() -> None:
    for cut in (0, 5, 12, 13, 100, len(PACK) - 1):
        scanner = Scanner()
        scanner.feed(PACK[:cut])
        assert not scanner.complete


def test_more_bytes_than_a_batch_may_have_are_refused() -> None:
    assert scan(PACK, bounds=Bounds(bytes=len(PACK))) == OBJECTS
    with pytest.raises(PackFault, match="bytes"):
        scan(PACK, bounds=Bounds(bytes=len(PACK) - 1))


def test_random_damage_is_a_fault_or_an_unfinished_pack_and_nothing_else() -> None:
    dice = random.Random(11)
    for _ in range(400):
        data = bytearray(PACK)
        for _ in range(dice.randint(1, 4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        scanner = Scanner()
        try:
            scanner.feed(bytes(data))
        except PackFault:
            continue
        assert not scanner.complete or bytes(data) == PACK


def test_an_id_is_gits_own() -> None:
    assert object_id(BLOB, b"hello\n").hex() == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert object_id(BLOB, b"x") == hashlib.sha1(b"blob 1\0x").digest()


def test_an_entry_that_is_a_delta_or_damaged_is_said_to_be() -> None:
    for delta in (entry(6, b"x"), encode_delta(bytes(20), b"x")):
        with pytest.raises(ValueError, match="delta"):
            read_entry(delta)
    with pytest.raises(ValueError, match="incorrect"):
        read_entry(entry_header(BLOB, 3) + b"nonsense")
    for wrong in (entry(BLOB, b"words", size=4), entry(BLOB, b"words", size=6), encode(BLOB, b"words")[:-1]):
        with pytest.raises(ValueError, match="as long as it says"):
            read_entry(wrong)
    with pytest.raises(ValueError, match="size that none has"):
        read_entry(entry(COMMIT, b"words", size=limits.COMMIT_BYTES_MAX + 1))


@pytest.mark.parametrize("cut", [b"", b"\xb0", b"\xb0\xff\xff"], ids=["nothing", "one byte", "no end of its size"])
def test_an_entry_that_ends_in_its_head_is_damaged(cut: bytes) -> None:
    with pytest.raises(ValueError, match="cut off"):
        read_entry(cut)


def test_an_entry_is_taken_out_of_a_longer_file_up_to_where_it_ends() -> None:
    whole, delta = encode(BLOB, b"words"), encode_delta(b"b" * 20, b"of a delta")
    data = b"before" + whole + delta + b"behind"
    first = take_entry(data, 6, len(data))
    assert (first.kind, first.base, first.content, first.end) == (BLOB, None, b"words", 6 + len(whole))
    second = take_entry(data, first.end, len(data))
    assert (second.kind, second.base, second.content) == (7, b"b" * 20, b"of a delta")
    assert data[second.end :] == b"behind"
    with pytest.raises(ValueError, match="as long as"):
        take_entry(data, first.end, second.end - 1)


@pytest.mark.parametrize("size", [0, 1, 4096, 4097, 65535, 65536, 200_000])
def test_an_entry_of_any_size_is_read_back_compressed_or_not(size: int) -> None:
    raw = (os.urandom(300) * (size // 300 + 1))[:size]
    assert read_entry(encode(TREE, raw)) == (TREE, raw)
    stored = encode_stored(TREE, raw)
    assert read_entry(stored) == (TREE, raw)
    assert size <= len(stored) <= size + STORED_MORE_BYTES + size // 1000


def test_the_index_is_sorted_by_id() -> None:
    rows = [Packed(BLOB, bytes([n]) * 20, 12 + n, 5, n).row for n in (9, 3, 200)]
    content = index(rows, b"t" * 20)
    ids = content[8 + 1024 : 8 + 1024 + 60]
    assert ids == bytes([3]) * 20 + bytes([9]) * 20 + bytes([200]) * 20
    assert content[8 + 1024 + 60 : -40] == struct.pack(">6I", 3, 9, 200, 15, 21, 212)
    assert content[-20:] == hashlib.sha1(content[:-20]).digest()
