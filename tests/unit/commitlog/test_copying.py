"""Many packs and loose objects become the entries of one: a delta rests on a whole commit of the same pack, always. (SCP-04 §4.7)"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from swarmchat import limits
from swarmchat.commitlog.copying import Copies
from swarmchat.commitlog.libgit2 import object_id
from swarmchat.commitlog.packfiles import PackFile
from swarmchat.commitlog.packs import Writer, encode, encode_delta, entry_header, index
from swarmchat.commitlog.repository import DamagedObjectError
from swarmchat.commitlog.trees import BLOB, COMMIT, TREE

K = limits.DELTAS_PER_BASE_MAX
Object = tuple[int, bytes, bytes]  # kind, id, content
Entry = tuple[int, bytes, bytes]  # kind, id, entry


def commit(number: int, author: str = "Ann", body: str = "") -> Object:
    raw = (
        f"tree {'ac3ca3c3' * 5}\nparent {random.Random(number).randbytes(20).hex()}\n"
        f"author {author} <{author.encode().hex() * 30}> {number} +0000\n\nmessage {number} {body}"
    ).encode()
    return COMMIT, object_id(COMMIT, raw), raw


def commits(count: int, author: str = "Ann", first: int = 0) -> list[Object]:
    return [commit(first + n, author) for n in range(count)]


def other(kind: int, raw: bytes) -> Object:
    return kind, object_id(kind, raw), raw


class Bench:
    """Packs in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.packs = 0

    def pack(self, entries: Iterable[Entry]) -> PackFile:
        entries = list(entries)
        writer = Writer(len(entries))
        for _, oid, entry in entries:
            writer.add(oid, entry)
        self.packs += 1
        place = self.folder / f"pack-{self.packs}.idx"
        place.with_suffix(".pack").write_bytes(writer.end())
        place.write_bytes(index(writer.rows, writer.trailer))
        return PackFile(place)

    def plain(self, objects: Sequence[Object]) -> PackFile:
        return self.pack((kind, oid, encode(kind, raw)) for kind, oid, raw in objects)

    def copied(self, *packs: PackFile, loose: Sequence[Object] = ()) -> PackFile:
        """What is copied of these, and looked at."""
        contents = {oid: (kind, raw) for kind, oid, raw in loose}
        copies = Copies(packs, list(contents), contents.__getitem__)
        count = len(copies)
        pack = self.pack(copies)
        assert pack.count == count
        return sound(pack)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def nothing(oid: bytes) -> tuple[int, bytes]:
    raise AssertionError(oid)


def sound(pack: PackFile) -> PackFile:
    """Every object is read as what its id says, every delta stands behind its base, and none has too many."""
    uses: Counter[bytes] = Counter()
    before: set[bytes] = set()
    for row in pack.rows():
        kind, raw = pack.read(row.start, row.end)
        assert object_id(kind, raw) == row.oid
        assert row.oid not in before
        base = pack.base_at(row.start)
        if not pack.is_whole(row.start):
            assert base in before
            span = pack.span(base or b"-")
            assert span is not None
            assert pack.is_whole(span[0])
            uses[base or b""] += 1
        before.add(row.oid)
    assert max(uses.values(), default=0) <= K
    return pack


def entries_of(pack: PackFile) -> dict[bytes, bytes]:
    return {row.oid: pack.slice(row.start, row.end) for row in pack.rows()}


def whole(pack: PackFile) -> int:
    return sum(pack.is_whole(row.start) for row in pack.rows())


def test_of_each_author_one_commit_of_33_is_whole(bench: Bench) -> None:
    objects = [each for n in range(2 * (K + 1)) for each in (commit(n, "Ann"), commit(n, "Bob"))]
    pack = bench.copied(bench.plain(objects))
    assert whole(pack) == 4
    assert set(pack.ids()) == {oid for _, oid, _ in objects}
    one_more = bench.copied(bench.plain([*objects, commit(1000, "Ann")]))
    assert whole(one_more) == 5


def test_loose_objects_go_behind_and_are_told_apart_too(bench: Bench) -> None:
    pack = bench.copied(bench.plain(commits(10)), loose=commits(5, first=10))
    assert (pack.count, whole(pack)) == (15, 1)
    assert (bench.copied(loose=commits(5)).count, bench.copied(bench.plain(commits(5))).count) == (5, 5)


def test_trees_files_long_commits_and_commits_of_nobody_stay_whole(bench: Bench) -> None:
    size = len(commit(1)[2])
    edge = commit(1, body="x" * (limits.DELTA_COMMIT_BYTES_MAX - size))
    assert len(edge[2]) == limits.DELTA_COMMIT_BYTES_MAX
    long = [commit(n, body="x" * limits.DELTA_COMMIT_BYTES_MAX) for n in range(3)]
    nobody = [other(COMMIT, b"tree of nobody %d" % n) for n in range(3)]
    rest = [other(TREE, b"tree\nauthor Ann <x> %d" % n) for n in range(3)] + [other(BLOB, b"b%d" % n) for n in range(3)]
    plain = bench.plain([*long, *nobody, *rest])
    pack = bench.copied(plain)
    assert entries_of(pack) == entries_of(plain)
    assert whole(bench.copied(bench.plain([commit(0), edge]))) == 1


def test_a_delta_is_made_once_and_copied_as_it_is_from_then_on(bench: Bench) -> None:
    first = bench.copied(bench.plain(commits(100)))
    again = bench.copied(first)
    assert entries_of(again) == entries_of(first)
    more = bench.copied(first, bench.plain(commits(100, first=100)))
    assert entries_of(first).items() <= entries_of(more).items()


def test_bases_of_few_deltas_are_made_anew(bench: Bench) -> None:
    """Else a swarm of many authors would never come to more than a few deltas a base."""
    enough, few = K // 2, K // 2 - 1
    kept = bench.copied(bench.plain(commits(1 + enough)))
    more = bench.plain(commits(K, first=100))
    pack = bench.copied(more, kept)
    assert entries_of(kept).items() <= entries_of(pack).items()
    assert whole(pack) == 2
    gone = bench.copied(bench.plain(commits(1 + few)))
    assert not entries_of(gone).items() <= entries_of(bench.copied(more, gone)).items()
    packs = [bench.copied(bench.plain(commits(3, first=10 * n))) for n in range(10)]
    assert [whole(pack) for pack in packs] == [1] * 10
    assert whole(bench.copied(*packs)) == 1


@pytest.mark.parametrize("delta_first", [True, False])
def test_an_object_that_is_a_delta_in_one_pack_and_a_base_in_another_is_whole(bench: Bench, delta_first: bool) -> None:
    mine = commits(K + 1)
    one = bench.copied(bench.plain(mine))
    oid = mine[5][1]
    assert not one.is_whole(one.span(oid)[0])  # type: ignore[index]
    two = bench.copied(bench.plain([mine[5], *commits(K, first=500)]))
    assert two.is_whole(two.span(oid)[0])  # type: ignore[index]
    packs = (one, two) if delta_first else (two, one)
    pack = bench.copied(*packs)
    assert pack.count == 2 * K + 1
    assert pack.is_whole(pack.span(oid)[0])  # type: ignore[index]
    assert whole(pack) == 2


@pytest.mark.parametrize("delta_first", [True, False])
def test_an_object_that_is_a_delta_here_and_whole_there_comes_along_once(bench: Bench, delta_first: bool) -> None:
    mine = commits(K + 1)
    one, two = bench.copied(bench.plain(mine)), bench.plain(mine[3:9])
    pack = bench.copied(*((one, two) if delta_first else (two, one)))
    assert pack.count == K + 1
    assert whole(pack) <= 2


def test_two_packs_with_the_same_base_give_it_no_more_than_its_share(bench: Bench) -> None:
    base = commit(0)
    packs = [bench.copied(bench.plain([base, *commits(K, first=100 * n)])) for n in (1, 2)]
    assert all(whole(pack) == 1 for pack in packs)
    pack = bench.copied(*packs)
    assert (pack.count, whole(pack)) == (2 * K + 1, 2)


def test_somebody_elses_deltas_are_read_and_made_ours(bench: Bench) -> None:
    mine = commits(4)
    by_place = COMMIT, mine[1][1], entry_header(6, 3) + b"\x01xyz"
    elsewhere = COMMIT, mine[2][1], encode_delta(b"e" * 20, b"delta")
    pack = bench.pack([(COMMIT, mine[0][1], encode(COMMIT, mine[0][2])), by_place, elsewhere])
    contents = {oid: (kind, raw) for kind, oid, raw in mine}
    copied = sound(bench.pack(Copies([pack], [], contents.__getitem__)))
    assert (copied.count, whole(copied)) == (3, 1)


@pytest.mark.parametrize("which", [0, 1, 5])
def test_an_entry_that_is_not_what_was_written_is_not_copied(bench: Bench, which: int) -> None:
    """Under the checksum of the new pack nobody would notice."""
    pack = bench.copied(bench.plain(commits(10)))
    row = list(pack.rows())[which]
    data = bytearray(pack.path.read_bytes())
    data[row.end - 6] ^= 1
    pack.path.write_bytes(data)
    with pytest.raises(DamagedObjectError):
        list(Copies([PackFile(pack.index_path)], [], nothing))


@pytest.mark.parametrize("seed", range(30))
def test_whatever_is_copied_in_whatever_order_stays_sound(bench: Bench, seed: int) -> None:
    dice = random.Random(seed)
    pool = [commit(n, dice.choice("ABCDEFG"[: dice.randint(1, 7)])) for n in range(200)]
    pool += [other(TREE, b"tree %d" % n) for n in range(10)]
    present: list[PackFile] = []
    for _ in range(12):
        if not present or dice.random() < 0.5:
            present.append(bench.plain(dice.sample(pool, dice.randint(1, 80))))
        else:
            chosen = dice.sample(present, dice.randint(1, len(present)))
            loose = dice.sample(pool, dice.randint(0, 20))
            expected = {oid for pack in chosen for oid in pack.ids()} | {oid for _, oid, _ in loose}
            new = bench.copied(*chosen, loose=loose)
            assert set(new.ids()) == expected
            present = [pack for pack in present if pack not in chosen] + [new]
