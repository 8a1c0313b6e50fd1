"""Packs as strangers send them, and the index and pack files of our own store after damage. (SCP-04 §3.1, §4.1)"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from swarmchat.commitlog.deltas import Base
from swarmchat.commitlog.libgit2 import object_id
from swarmchat.commitlog.packfiles import PackFile
from swarmchat.commitlog.packs import (
    OBJECT_BYTES_MAX,
    Bounds,
    PackFaultError,
    Scanned,
    Scanner,
    Writer,
    encode,
    encode_delta,
    entry_header,
    header,
    index,
    read_entry,
    write_whole,
)
from swarmchat.commitlog.trees import BLOB, COMMIT, TREE
from swarmchat.errors import StorageError
from tests.fuzz.recipe import Recipe, chunks, folder, patched, piece

TOKENS = (b"PACK\0\0\0\2", b"\x78\x9c", b"\x78\x01", b"\377tOc\0\0\0\2", b"\x60", b"\x70", b"\x80\x80\x01")
_RAW, _ENTRIES, _FILES = range(3)
_BOUNDS = Bounds(objects=64, bytes=1 << 17, inflated=1 << 18)
_OBJECTS = [
    (COMMIT, b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nnothing"),
    (TREE, b"100644 profile.vcf\0" + bytes(20)),
    (BLOB, b""),
    (BLOB, b"words " * 200),
]


def seeds() -> Iterator[bytes]:
    """Packs whole, as entries, and the two files of a stored one."""
    rows = [(kind, object_id(kind, raw), encode(kind, raw)) for kind, raw in _OBJECTS]
    yield bytes((_RAW, 0, 3)) + write_whole(rows)
    yield bytes((_RAW, 1, 3)) + write_whole(rows)[:-20]
    yield bytes((_RAW, 1, 90)) + write_whole(rows[2:3])[:-20]
    yield bytes((_ENTRIES, 4, 5)) + b"".join(bytes((kind, 0, 0)) + piece(raw) for kind, raw in _OBJECTS)
    for lie in range(1, 8):
        yield bytes((_ENTRIES, 2, 5)) + bytes((BLOB, lie, 9)) + piece(b"some words") + bytes((BLOB, 0, 0)) + piece(b"x")
    yield bytes((_FILES,))
    for at in (4, 8 + 255 * 4, 8 + 256 * 4, 8 + 256 * 4 + 24 * 4, 8 + 256 * 4 + 28 * 4):
        yield bytes((_FILES, 0, 0)) + at.to_bytes(2, "big") + b"\4\x80\0\0\1"
    yield bytes((_FILES, 1, 0)) + b"\0\14\1\x62"


def run(data: bytes) -> None:
    """Only PackFaultError (StorageError for our own files) comes out; within the bounds; the same under any chunking."""
    recipe = Recipe(data)
    match recipe.u8() % 3:
        case 0:
            sums, dice, body = recipe.u8() & 1, recipe.u8(), recipe.rest()
            _scan(body + hashlib.sha1(body).digest() if sums else body, dice)
        case 1:
            _entries(recipe)
        case _:
            _files(recipe)


def _entries(recipe: Recipe) -> None:
    count, dice = recipe.u8(), recipe.u8()
    parts = []
    while recipe.more and len(parts) < 70:
        kind, lie, by = recipe.u8() & 7, recipe.u8() & 7, recipe.u8()
        raw = recipe.piece() * (1 + (by & 3 if lie == 7 else 0))
        head, body = entry_header(kind, len(raw)), zlib.compress(raw, by % 10)
        match lie:
            case 1:
                head = entry_header(kind, len(raw) + by)
            case 2:
                head = entry_header(kind, max(len(raw) - by, 0))
            case 3:
                body = body[: by % (len(body) + 1)]
            case 4:
                body += bytes(by)
            case 5:
                head = head[:-1] + bytes((head[-1] | 0x80, 0))  # a longer spelling of the same size
            case 6:
                squeeze = zlib.compressobj(0)
                body = (
                    squeeze.compress(raw)
                    + b"".join(squeeze.flush(zlib.Z_FULL_FLUSH) for _ in range(by))
                    + squeeze.flush()
                )
        parts.append(head + body)
    body = header(count) + b"".join(parts)
    _scan(body + hashlib.sha1(body).digest(), dice)


def _scan(pack: bytes, dice: int) -> None:
    whole, cut = _scanned(iter((pack,))), _scanned(chunks(pack, dice))
    assert whole[1] == cut[1], "the cuts of the stream decide"
    found, complete = whole
    if not complete:
        return
    assert found == cut[0]
    assert len({one.packed.oid for one in found}) == len(found) <= _BOUNDS.objects
    assert sum(len(one.raw) for one in found) <= _BOUNDS.inflated
    writer = Writer(len(found))
    for packed, raw in found:
        assert len(raw) <= OBJECT_BYTES_MAX[packed.kind]
        assert (
            hashlib.sha1(b"%s %d\0" % ((b"commit", b"tree", b"blob")[packed.kind - 1], len(raw)) + raw).digest()
            == packed.oid
        )
        entry = pack[packed.offset : packed.offset + packed.length]
        assert zlib.crc32(entry) == packed.crc
        assert read_entry(entry) == (packed.kind, raw)
        writer.add(packed.oid, entry)
    assert writer.end() == pack, "written again it is another pack"


def _scanned(pieces: Iterable[bytes]) -> tuple[list[Scanned], bool]:
    scanner, found = Scanner(_BOUNDS), []
    try:
        for one in pieces:
            found += scanner.feed(one)
    except PackFaultError:
        return found, False
    assert not scanner.complete or scanner.done == scanner.total == len(found)
    return found, scanner.complete


_FOLDER: list[Path] = []


def _files(recipe: Recipe) -> None:
    which = recipe.u8() & 1
    writer = Writer(len(_OBJECTS) + 1)
    oids = [object_id(kind, raw) for kind, raw in _OBJECTS]
    for oid, (kind, raw) in zip(oids, _OBJECTS, strict=True):
        writer.add(oid, encode(kind, raw))
    told_apart = _OBJECTS[0][1] + b" else"
    oids.append(object_id(COMMIT, told_apart))
    writer.add(oids[-1], encode_delta(oids[0], Base(oids[0], _OBJECTS[0][1]).delta(told_apart)))
    pack = writer.end()
    rows = index(writer.rows, writer.trailer)
    files = [rows, pack]
    files[which] = patched(files[which], recipe)
    if not _FOLDER:
        _FOLDER.append(folder("packs"))
    place = _FOLDER[0] / "pack-x.idx"
    place.write_bytes(files[0])
    place.with_suffix(".pack").write_bytes(files[1])
    try:
        stored = PackFile(place)
        for oid in [*oids, bytes(20), b"\xff" * 20]:
            span = stored.span(oid)
            if span is None:
                continue
            assert 12 <= span[0] < span[1] <= len(files[1]) - 20
            try:
                stored.base_at(span[0])
                if stored.length(span[0]) is not None:
                    stored.read(*span)
            except ValueError:
                continue
        assert len(list(stored.rows())) == stored.count
        assert len(list(stored.ids())) == stored.count
    except StorageError:
        return
