"""Many small files become one pack, and everything is still there. (SCP-04 §4.7)"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from swarmchat import limits
from swarmchat.commitlog.housekeeping import small_ones
from swarmchat.commitlog.log import CommitLog, Pending
from swarmchat.conversation.actions import Post
from tests.support.builders import ALICE, BOB, NOW
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
