"""The objects of several packs and loose files as the entries of one new pack, commits as deltas. (SCP-04 §4.7)

A delta is made once: later copies take it over as it is, with its base. So a base stays whole in every pack that has a delta
against it, and no delta stands before its base. Nearly all of the time goes into zlib, which lets other threads run.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from swarmchat import limits
from swarmchat.commitlog.deltas import Base
from swarmchat.commitlog.packfiles import PackFile, Row
from swarmchat.commitlog.packs import encode, encode_delta
from swarmchat.commitlog.repository import damaged_object
from swarmchat.commitlog.shelf import Recent
from swarmchat.commitlog.trees import COMMIT

_BASES_LEAST: Final = (
    limits.DELTAS_PER_BASE_MAX // 2
)  # a base of fewer deltas is no base in the next pack; they are made anew

Entry = tuple[int, bytes, bytes]  # kind, id, entry


class Copies:
    """All objects of `packs` and the `loose` ones, each once, in the order of their places.

    `read` gives kind and content of a loose object, or of one that is here as somebody's delta.
    """

    def __init__(
        self, packs: Sequence[PackFile], loose: Sequence[bytes], read: Callable[[bytes], tuple[int, bytes]]
    ) -> None:
        self._packs = packs
        self._loose = [oid for oid in dict.fromkeys(loose) if _is_new(oid, packs)]
        self._read = read
        self._kept = _bases(packs)
        self._taken: Counter[bytes] = Counter()
        self._newest: Recent[bytes, Base] = Recent(limits.DELTA_AUTHORS_MAX, lambda base: 1)

    def __len__(self) -> int:
        packed = (sum(_is_new(oid, self._packs[:n]) for oid in pack.ids()) for n, pack in enumerate(self._packs))
        return sum(packed) + len(self._loose)

    def __iter__(self) -> Iterator[Entry]:
        """Once. DamagedObjectError for one that is not what was written there, MissingObjectError."""
        for number, pack in enumerate(self._packs):
            for row in pack.rows():
                if _is_new(row.oid, self._packs[:number]):
                    yield self._copy(pack, row)
        for oid in self._loose:
            kind, raw = self._read(oid)
            yield self._made(kind, oid, raw, None)

    def _copy(self, pack: PackFile, row: Row) -> Entry:
        oid = row.oid
        entry = pack.slice(row.start, row.end)
        if zlib.crc32(entry) != row.crc:
            raise damaged_object(oid, pack.path)  # else it would be hidden under a checksum that is right
        try:
            if pack.is_whole(row.start):
                if oid in self._kept or entry[0] >> 4 & 7 != COMMIT:
                    return entry[0] >> 4 & 7, oid, entry
                return self._made(*_of(oid, pack.read(row.start, row.end)), entry)
            base = pack.base_at(row.start)
            if base is None:
                return self._made(*_of(oid, self._read(oid)), None)
            if base in self._kept and oid not in self._kept and self._taken[base] < limits.DELTAS_PER_BASE_MAX:
                self._taken[base] += 1
                return COMMIT, oid, entry
            return self._made(*_of(oid, pack.read(row.start, row.end)), None)
        except ValueError as error:
            raise damaged_object(oid, pack.path) from error

    def _made(self, kind: int, oid: bytes, raw: bytes, whole: bytes | None) -> Entry:
        """The entry of an object: a delta of a commit, if it may be and there is something to tell it apart from; `whole` is there already."""
        author = raw.partition(b"\nauthor ")[2].partition(b"> ")[0]
        if kind == COMMIT and author and oid not in self._kept and len(raw) <= limits.DELTA_COMMIT_BYTES_MAX:
            base = self._newest.get(author)
            if base is not None and base.uses < limits.DELTAS_PER_BASE_MAX:
                delta = base.delta(raw)
                if len(delta) < len(raw):
                    base.uses += 1
                    return kind, oid, encode_delta(base.oid, delta)
            else:
                self._newest.put(author, Base(oid, raw))
        return kind, oid, whole or encode(kind, raw)


def _is_new(oid: bytes, packs: Sequence[PackFile]) -> bool:
    return all(pack.span(oid) is None for pack in packs)


def _bases(packs: Sequence[PackFile]) -> frozenset[bytes]:
    """The commits that stay whole because enough deltas are told apart from them. DamagedObjectError."""
    found: set[bytes] = set()
    for pack in packs:
        uses: Counter[bytes] = Counter()
        for row in pack.rows():
            try:
                base = pack.base_at(row.start)
            except ValueError as error:
                raise damaged_object(row.oid, pack.path) from error
            if base is not None:
                uses[base] += 1
        found.update(base for base, count in uses.items() if count >= _BASES_LEAST)
    return frozenset(found)


def _of(oid: bytes, content: tuple[int, bytes]) -> tuple[int, bytes, bytes]:
    return content[0], oid, content[1]
