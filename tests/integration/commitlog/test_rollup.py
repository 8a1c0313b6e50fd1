"""Many small files become one pack, and everything is still there. (SCP-04 §4.7)"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from swarmchat import limits
from swarmchat.commitlog import serving
from swarmchat.commitlog.copying import Copies, Entry
from swarmchat.commitlog.files import DamageError
from swarmchat.commitlog.housekeeping import small_ones
from swarmchat.commitlog.ingest import Ingest
from swarmchat.commitlog.log import CommitLog, Pending
from swarmchat.commitlog.trees import COMMIT
from swarmchat.conversation.actions import Post
from swarmchat.errors import StorageError
from tests.support.builders import ALICE, BOB, NOW, Person
from tests.support.commitlogs import clone, forged, group, packed, post, posts, stored, writer


def loose(log: CommitLog) -> int:
    return len(log._store.repository.loose_objects())


def packs(log: CommitLog) -> list[int]:
    return sorted(pack.count for pack in log._store.repository.pack_files())


def test_nothing_happens_before_it_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = group(tmp_path)
    before = stored(log)
    monkeypatch.setattr(limits, "LOOSE_OBJECTS_MAX", loose(log))
    assert not log.rollup()
    assert stored(log) == before
    post(log, ALICE, "one more")
    assert log.rollup()
    assert (loose(log), len(packs(log))) == (0, 1)
    assert not log.rollup()


def test_too_many_packs_become_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = group(tmp_path)
    monkeypatch.setattr(limits, "PACKS_MAX", 3)
    for n in range(4):
        log.append_all([Pending(Post(f"{n} {m}"), writer(ALICE), NOW) for m in range(20)])
        log.put_away()
    expected = posts(log)
    assert packs(log) == [20] * 4
    assert log.rollup()
    assert len(packs(log)) == 1
    assert posts(log) == expected
    assert log.verify().valid
    assert posts(CommitLog.open(log.path, log.conversation)) == expected
    assert posts(clone(log, tmp_path / "b.git")) == expected


def test_merges_that_nobody_built_on_go_and_that_of_main_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = group(tmp_path, BOB)
    base = log.heads[0]
    post(log, ALICE, "one", at=base)
    post(log, BOB, "two", at=base)
    superseded = log.main
    post(log, ALICE, "three", at=base)
    assert superseded is not None
    assert log._store.repository.has(bytes.fromhex(superseded))
    monkeypatch.setattr(limits, "LOOSE_OBJECTS_MAX", 0)
    assert log.rollup()
    assert not log._store.repository.has(bytes.fromhex(superseded))
    assert log._store.repository.has(bytes.fromhex(log.main))  # type: ignore[arg-type]
    assert loose(log) == 0
    again = CommitLog.open(log.path, log.conversation)
    assert (again.main, again.heads) == (log.main, log.heads)


def test_it_waits_while_a_pack_is_coming_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = group(tmp_path, BOB)
    monkeypatch.setattr(limits, "LOOSE_OBJECTS_MAX", 0)
    with log.ingest() as ingest:
        ingest.feed(packed(forged(log, BOB, Post("slow"))[1])[:20])
        assert not log.rollup()
    assert log.rollup()


def test_a_pack_that_is_being_sent_is_sent_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = group(tmp_path)
    log.append_all(
        [Pending(Post(f"{n} " + random.Random(n).randbytes(2000).hex()), writer(ALICE), NOW) for n in range(60)]
    )
    for n in range(5):
        post(log, ALICE, f"loose {n}")
    pack = log.pack(None, ())
    assert pack is not None
    data = next(pack.chunks)
    monkeypatch.setattr(limits, "LOOSE_OBJECTS_MAX", 0)
    monkeypatch.setattr(limits, "PACKS_MAX", 0)
    assert log.rollup()
    data += b"".join(pack.chunks)
    copy = CommitLog.prepare(tmp_path / "b.git", log.conversation)
    copy.admit(data, pack.heads)
    assert posts(copy) == posts(log)


# --- deltas


def scattered(log: CommitLog, count: int, who: Person = ALICE) -> None:
    """So many messages in one pack, as they come in."""
    log.append_all(
        [Pending(Post(f"{who.name} says {n}: the boats come in at four"), writer(who), NOW) for n in range(count)]
    )


def whole(log: CommitLog) -> list[int]:
    """Of each pack, how many of its entries are no deltas."""
    return [sum(pack.is_whole(row.start) for row in pack.rows()) for pack in log._store.repository.pack_files()]


def pack_bytes(log: CommitLog) -> int:
    return sum(pack.path.stat().st_size for pack in log._store.repository.pack_files())


def test_commits_become_deltas_and_everybody_reads_them(tmp_path: Path) -> None:
    log = group(tmp_path, BOB)
    for _ in range(3):
        scattered(log, 60)
        scattered(log, 60, BOB)
        log.put_away()
    before, expected = pack_bytes(log), posts(log)
    assert log.rollup()
    assert (len(packs(log)), loose(log)) == (1, 0)
    assert pack_bytes(log) < before * 0.5
    assert pack_bytes(log) / 360 < 230  # trees and certificates of the members included
    assert posts(log) == expected
    assert log.verify().valid
    for stored_ in (False, True):
        pack = log.pack(None, (), stored=stored_)
        assert pack is not None
        data = b"".join(pack.chunks)
        assert len(data) <= pack.size <= 1.5 * len(data)
        copy = CommitLog.prepare(tmp_path / f"copy-{stored_}.git", log.conversation)
        copy.admit(data, pack.heads)
        assert (copy.heads, copy.roster) == (log.heads, log.roster)
        assert copy.verify().valid
    assert posts(CommitLog.open(log.path, log.conversation)) == expected


@pytest.mark.parametrize("stored_", [False, True])
def test_a_batch_ends_by_what_is_sent_and_not_by_what_lies_there(tmp_path: Path, stored_: bool) -> None:
    log = group(tmp_path)
    scattered(log, 300)
    assert log.rollup()
    repository, most = log._store.repository, 60_000
    missing = log.history.numbers_missing(log.heads, ())
    locate = partial(repository.locate, stored=stored_)
    places, heads = serving.plan(log._store.ledger, missing, log._folder, locate, bytes_max=most)
    data = b"".join(serving.stream(places, partial(repository.entry, stored=stored_)))
    assert most / 2 < len(data) <= most
    copy = CommitLog.prepare(tmp_path / "copy.git", log.conversation)
    assert len(copy.admit(data, heads).new) < 150


def test_what_came_in_whole_is_told_apart_once(tmp_path: Path) -> None:
    source = group(tmp_path)
    scattered(source, limits.LOOSE_OBJECTS_MAX)
    copy = clone(source, tmp_path / "copy.git")
    before = pack_bytes(copy)
    assert copy.rollup()
    assert pack_bytes(copy) < before / 2
    after = stored(copy)
    assert not copy.rollup()
    assert not CommitLog.open(copy.path, copy.conversation).rollup()
    assert stored(copy) == after


def test_a_small_pack_that_came_in_whole_waits_for_others(tmp_path: Path) -> None:
    log = group(tmp_path)
    log.put_away()
    room = limits.LOOSE_OBJECTS_MAX - loose(log)
    scattered(log, room)
    assert not log.rollup()
    post(log, ALICE, "one more")
    assert log.rollup()
    assert len(packs(log)) == 1


def test_what_cannot_be_told_apart_is_tried_once_in_each_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DELTA_COMMIT_BYTES_MAX", 10)
    log = group(tmp_path)
    scattered(log, limits.LOOSE_OBJECTS_MAX + 1)
    assert log.rollup()
    expected = stored(log)
    assert not log.rollup()
    assert CommitLog.open(log.path, log.conversation).rollup()
    assert stored(log) == expected


def test_deltas_are_copied_as_they_are_when_more_comes(tmp_path: Path) -> None:
    log = group(tmp_path)
    scattered(log, 300)
    assert log.rollup()
    (first,) = log._store.repository.pack_files()
    rows = {row.oid: first.slice(row.start, row.end) for row in first.rows()}
    scattered(log, 300)
    assert log.rollup()
    (second,) = log._store.repository.pack_files()
    again = {row.oid: second.slice(row.start, row.end) for row in second.rows()}
    same = sum(again[oid] == entry for oid, entry in rows.items())
    assert same >= len(rows) - limits.DELTAS_PER_BASE_MAX // 2  # the last base had room left
    assert log.verify().valid
    assert len(posts(log)) == 600


# --- while it copies


class Interrupted(Copies):
    """Something happens in the middle of the copying, in another thread."""

    do: Callable[[], object]

    def __iter__(self) -> Iterator[Entry]:
        for number, entry in enumerate(super().__iter__()):
            if number == 3:
                thread = threading.Thread(target=type(self).do)
                thread.start()
                thread.join(20)
                assert not thread.is_alive(), "it waits for the roll-up"
            yield entry


def meanwhile(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> None:
    monkeypatch.setattr(limits, "LOOSE_OBJECTS_MAX", 0)
    monkeypatch.setattr(Interrupted, "do", staticmethod(do), raising=False)
    monkeypatch.setattr("swarmchat.commitlog.housekeeping.Copies", Interrupted)


def test_others_read_and_write_while_it_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = group(tmp_path, BOB)
    scattered(log, 30)
    commit, objects = forged(log, BOB, Post("from elsewhere"))

    def do() -> None:
        post(log, ALICE, "meanwhile")
        log.put_away()
        log.admit(packed(objects))
        assert log.pack(None, ()) is not None
        assert not log.rollup(), "one at a time"
        assert posts(log)[-2:] == ["meanwhile", "from elsewhere"]

    meanwhile(monkeypatch, do)
    assert log.rollup()
    assert log.knows(commit)
    assert log.verify().valid
    again = CommitLog.open(log.path, log.conversation)
    assert (again.heads, again.main) == (log.heads, log.main)
    assert posts(again) == posts(log)


def nothing_changed(log: CommitLog, before: set[str]) -> None:
    assert stored(log) == before
    assert log.verify().valid


def test_who_begins_to_count_on_the_old_files_meanwhile_has_them_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = group(tmp_path, BOB)
    before = stored(log)
    ingests: list[Ingest] = []
    meanwhile(monkeypatch, lambda: ingests.append(log.ingest()))
    assert not log.rollup()
    nothing_changed(log, before)
    ingests[0].close()
    monkeypatch.setattr(Interrupted, "do", staticmethod(lambda: None))
    assert log.rollup()
    assert loose(log) == 0


def test_a_log_that_is_closed_meanwhile_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who stops a daemon does not wait for a long copy; and a conversation that is removed is not written to."""
    log = group(tmp_path, BOB)
    before = stored(log)
    copied: list[bytes] = []

    class Counted(Interrupted):
        def __iter__(self) -> Iterator[Entry]:
            for entry in super().__iter__():
                copied.append(entry[1])
                yield entry

    meanwhile(monkeypatch, log.close)
    monkeypatch.setattr("swarmchat.commitlog.housekeeping.Copies", Counted)
    assert not log.rollup()
    assert len(copied) == 4, "it goes no further"
    nothing_changed(log, before)


def test_a_repair_waits_and_a_damaged_entry_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = group(tmp_path, BOB)
    scattered(log, 30)
    log.put_away()

    def do() -> None:
        with pytest.raises(StorageError, match="being read or written"):
            log.repair()

    meanwhile(monkeypatch, do)
    assert log.rollup()
    scattered(log, 30)
    log.close()
    pack = min(log._store.repository.pack_files(), key=lambda pack: pack.count)
    row = list(pack.rows())[7]
    pack.path.chmod(0o600)
    data = bytearray(pack.path.read_bytes())
    data[row.end - 6] ^= 1
    pack.path.write_bytes(data)
    before = stored(log)
    monkeypatch.setattr(Interrupted, "do", staticmethod(lambda: None))
    with pytest.raises(DamageError, match=row.oid.hex()):
        log.rollup()
    assert stored(log) == before
    assert not (log.path / "incoming" / "roll-up.pack").exists()


def test_a_merge_that_is_needed_again_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = group(tmp_path, BOB)
    base = log.heads[0]
    post(log, ALICE, "one", at=base)
    post(log, BOB, "two", at=base)
    superseded = log.main
    assert superseded is not None
    oid = bytes.fromhex(superseded)
    merge = (COMMIT, oid, log._store.repository.read(COMMIT, oid))
    built, objects = forged(log, BOB, Post("on the merge"), parent=superseded)
    post(log, ALICE, "three", at=base)
    log.put_away()
    assert not log.knows(superseded)

    def do() -> None:
        log.admit(packed([merge, *objects]))
        log.put_away()

    meanwhile(monkeypatch, do)
    assert log.rollup()
    assert log.knows(built)
    assert log.knows(superseded)
    assert log.verify().valid
    assert CommitLog.open(log.path, log.conversation).knows(built)


def test_what_an_attempt_left_behind_is_no_hindrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = group(tmp_path)
    for name in ("roll-up.pack", "roll-up.idx"):
        (log.path / "incoming" / name).write_bytes(b"of a disk that refused to remove it")
    monkeypatch.setattr(limits, "LOOSE_OBJECTS_MAX", 0)
    assert log.rollup()
    assert not list((log.path / "incoming").iterdir())


# --- which


class Sized:
    """A pack of so many objects."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.path = Path(f"pack-{count}")


@pytest.mark.parametrize(
    ("sizes", "loose_objects", "chosen"),
    [
        ([100_000], 300, []),
        ([500], 300, [500]),
        ([1000, 100_000], 600, [1000]),
        ([10, 20, 40, 100_000], 257, [10, 20, 40]),
        ([20] * 9, 0, [20] * 9),
        ([20] * 8 + [10_000], 0, [20] * 8),
        ([1, 4, 16, 64, 256, 1024, 4096, 16384, 65536], 0, [1, 4]),
    ],
)
def test_big_packs_are_copied_only_when_the_small_ones_have_grown(
    sizes: list[int], loose_objects: int, chosen: list[int]
) -> None:
    found = small_ones([Sized(size) for size in sizes], loose_objects)  # type: ignore[misc]
    assert sorted(pack.count for pack in found) == chosen


def test_each_object_is_copied_a_logarithm_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    present: list[Sized] = []
    copied = 0
    for _ in range(400):
        chosen = small_ones(present, 257)  # type: ignore[arg-type]
        together = 257 + sum(pack.count for pack in chosen)
        copied += together
        present = [pack for pack in present if pack not in chosen] + [Sized(together)]
        assert len(present) <= limits.PACKS_MAX
    assert copied < 12 * 400 * 257
