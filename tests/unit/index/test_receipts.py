from __future__ import annotations

import sqlite3
from itertools import pairwise
from pathlib import Path

import pytest

from swarmchat import limits
from swarmchat.index.receipt_rows import (
    Cursor,
    Held,
    HeldRow,
    How,
    MarkRow,
    Moment,
    Page,
    ReadMark,
    Seen,
    WaitingMark,
    thinned,
)
from swarmchat.index.receipts import Receipts
from swarmchat.limits import MARKS_WAITING_MAX, RECEIPT_MOMENT_HEADS_MAX, RECEIPT_MOMENTS_MAX
from tests.support.accounts import account, commit, conversation, device

ONE, TWO = conversation(1), conversation(2)
BOB, EVE = device(1), device(2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "receipts.sqlite"


def test_heads_are_kept_for_each_device_and_conversation(path: Path) -> None:
    receipts = Receipts(path)
    assert receipts.heads(ONE, BOB) is None
    assert receipts.set_heads(ONE, {BOB: [commit(2), commit(1), commit(1)]}, time_ms=5)
    assert receipts.set_heads(ONE, {EVE: []}, time_ms=6)
    assert receipts.heads(ONE, BOB) == Held(frozenset({commit(1), commit(2)}), 5)
    assert receipts.all_heads(ONE) == {BOB: Held(frozenset({commit(1), commit(2)}), 5), EVE: Held(frozenset(), 6)}
    assert receipts.all_heads(TWO) == {}
    receipts.close()


def test_the_same_heads_again_are_not_written(path: Path) -> None:
    receipts = Receipts(path)
    receipts.set_heads(ONE, {BOB: [commit(1), commit(2)]}, time_ms=5)
    assert not receipts.set_heads(ONE, {BOB: [commit(2), commit(1)]}, time_ms=9)
    assert receipts.heads(ONE, BOB) == Held(frozenset({commit(1), commit(2)}), 5)
    assert receipts.set_heads(ONE, {BOB: [commit(3)]}, time_ms=9)
    assert receipts.heads(ONE, BOB) == Held(frozenset({commit(3)}), 9)
    receipts.close()


def test_a_read_mark_moves_forward_only(path: Path) -> None:
    receipts = Receipts(path)
    assert receipts.read_mark(ONE, BOB) is None
    assert receipts.mark_read(ONE, BOB, commit(5), position=5, time_ms=1)
    assert not receipts.mark_read(ONE, BOB, commit(4), position=4, time_ms=2)
    assert not receipts.mark_read(ONE, BOB, commit(6), position=5, time_ms=2)
    assert receipts.read_mark(ONE, BOB) == ReadMark(commit(5), 5, 1)
    assert receipts.mark_read(ONE, BOB, commit(6), position=6, time_ms=3)
    assert receipts.read_marks(ONE) == {BOB: ReadMark(commit(6), 6, 3)}
    assert receipts.read_marks(TWO) == {}
    receipts.close()


def test_a_restart_loses_nothing_and_forgetting_forgets_one_conversation(path: Path) -> None:
    receipts = Receipts(path)
    for where in (ONE, TWO):
        receipts.set_heads(where, {BOB: [commit(1)]}, time_ms=1)
        receipts.mark_read(where, BOB, commit(1), position=1, time_ms=1)
    receipts.close()
    receipts = Receipts(path)
    receipts.forget(ONE)
    assert (receipts.heads(ONE, BOB), receipts.read_mark(ONE, BOB)) == (None, None)
    assert receipts.heads(TWO, BOB) is not None
    assert receipts.read_mark(TWO, BOB) is not None
    receipts.close()


def test_a_damaged_file_is_begun_anew(path: Path) -> None:
    path.write_bytes(b"junk" * 1000)
    receipts = Receipts(path)
    assert receipts.rebuilt is not None
    assert receipts.set_heads(ONE, {BOB: [commit(1)]}, time_ms=1)
    receipts.close()


def test_since_when_a_device_has_what_is_kept_and_survives_a_restart(path: Path) -> None:
    receipts = Receipts(path)
    assert receipts.held_moments(ONE) == {}
    receipts.set_heads(ONE, {BOB: [commit(1)]}, time_ms=10)
    receipts.set_heads(ONE, {BOB: [commit(1)]}, time_ms=15)
    receipts.set_heads(ONE, {BOB: [commit(2), commit(3)], EVE: [commit(1)]}, time_ms=20)
    receipts.mark_read(ONE, BOB, commit(1), position=1, time_ms=30)
    receipts.mark_read(ONE, BOB, commit(2), position=2, time_ms=40)
    receipts.close()
    receipts = Receipts(path)
    first, second = Moment(10, frozenset({commit(1)})), Moment(20, frozenset({commit(2), commit(3)}))
    assert receipts.held_moments(ONE) == {BOB: [first, second], EVE: [Moment(20, frozenset({commit(1)}))]}
    assert receipts.read_moments(ONE) == {BOB: [Moment(30, frozenset({commit(1)})), Moment(40, frozenset({commit(2)}))]}
    receipts.forget(ONE)
    assert (receipts.held_moments(ONE), receipts.read_moments(ONE)) == ({}, {})
    receipts.close()


def test_moments_are_thinned_the_oldest_most_and_the_last_stays(path: Path) -> None:
    receipts = Receipts(path)
    for number in range(1, 501):
        receipts.set_heads(ONE, {BOB: [commit(number)]}, time_ms=number * 1_000)
        assert len(receipts.held_moments(ONE)[BOB]) <= RECEIPT_MOMENTS_MAX
    times = [moment.time_ms for moment in receipts.held_moments(ONE)[BOB]]
    assert times[-1] == 500_000
    assert len(times) >= RECEIPT_MOMENTS_MAX // 2
    assert [after - before for before, after in pairwise(times)][-8:] == [1_000] * 8
    receipts.close()
    receipts = Receipts(path)  # what it counted is gone; the bound is not
    receipts.set_heads(ONE, {BOB: [commit(501)]}, time_ms=501_000)
    assert len(receipts.held_moments(ONE)[BOB]) == RECEIPT_MOMENTS_MAX // 2
    receipts.close()


def test_thinning_keeps_what_is_known_best_of_each_age() -> None:
    assert thinned([1, 2, 3], 3) == [1, 2, 3]
    assert thinned([0, 100, 101, 1_000], 3) == [0, 101, 1_000]
    assert thinned([0, 1, 990, 1_000], 3) == [1, 990, 1_000]
    assert thinned([5], 1) == [5]


def test_a_moment_names_few_commits_and_the_rest_is_known_by_its_row(path: Path) -> None:
    receipts = Receipts(path)
    many = [commit(number) for number in range(1, RECEIPT_MOMENT_HEADS_MAX + 2)]
    receipts.set_heads(ONE, {BOB: many}, time_ms=10)
    receipts.set_heads(ONE, {EVE: []}, time_ms=10)
    (moment,) = receipts.held_moments(ONE)[BOB]
    assert moment.commits == frozenset(many[:-1])
    assert EVE not in receipts.held_moments(ONE)
    assert receipts.all_heads(ONE)[BOB].heads == frozenset(many)
    receipts.close()


def test_a_mark_whose_commit_is_not_here_waits_for_it_over_a_restart(path: Path) -> None:
    receipts = Receipts(path)
    early, late = WaitingMark(ONE, BOB, commit(1), 5), WaitingMark(ONE, BOB, commit(2), 6)
    other = WaitingMark(TWO, BOB, commit(1), 7)
    for mark in (early, other, late):
        receipts.await_commit(mark)
    receipts.close()
    receipts = Receipts(path)
    assert receipts.waiting() == [other, late], "the last of each device and conversation"
    receipts.awaited(early)
    assert receipts.waiting() == [other, late], "a later one came meanwhile"
    receipts.awaited(late)
    assert receipts.waiting() == [other]
    receipts.forget(TWO)
    assert receipts.waiting() == []
    receipts.close()


def test_of_marks_that_wait_too_many_the_oldest_go(path: Path) -> None:
    receipts = Receipts(path)
    receipts.await_commit(WaitingMark(TWO, BOB, commit(1), 1))
    marks = [WaitingMark(ONE, device(number), commit(1), 9) for number in range(MARKS_WAITING_MAX + 1)]
    for mark in marks:
        receipts.await_commit(mark)
    assert receipts.waiting() == [WaitingMark(TWO, BOB, commit(1), 1), *marks[1:]]
    receipts.close()


def test_what_the_first_version_kept_is_taken_over(path: Path) -> None:
    old = sqlite3.connect(path)
    old.executescript(
        "CREATE TABLE heads (conversation TEXT, device TEXT, time_ms INTEGER, heads TEXT);"
        "CREATE TABLE read_mark (conversation TEXT, device TEXT, position INTEGER, commit_id TEXT, time_ms INTEGER);"
    )
    old.execute("INSERT INTO heads VALUES (?, ?, 5, ?)", (ONE, BOB, f"{commit(1)} {commit(2)}"))
    old.execute("INSERT INTO read_mark VALUES (?, ?, 3, ?, 6)", (ONE, BOB, commit(1)))
    old.execute("PRAGMA user_version = 1")
    old.commit()
    old.close()
    for _ in range(2):
        receipts = Receipts(path)
        assert receipts.rebuilt is None
        assert receipts.heads(ONE, BOB) == Held(frozenset({commit(1), commit(2)}), 5)
        assert receipts.read_mark(ONE, BOB) == ReadMark(commit(1), 3, 6)
        assert len(receipts.since(None, 10).rows) == 2, "own devices may have it"
        assert receipts.since(None, 1).upto.change == 1
        receipts.close()


def test_how_far_one_has_read_on_his_devices_in_all_conversations(path: Path) -> None:
    receipts = Receipts(path)
    receipts.mark_read(ONE, BOB, commit(1), position=1, time_ms=1)
    receipts.mark_read(ONE, EVE, commit(2), position=2, time_ms=2)
    receipts.mark_read(TWO, EVE, commit(3), position=3, time_ms=3)
    assert receipts.marks_of([BOB, EVE]) == {
        ONE: [ReadMark(commit(1), 1, 1), ReadMark(commit(2), 2, 2)],
        TWO: [ReadMark(commit(3), 3, 3)],
    }
    assert receipts.marks_of([BOB]) == {ONE: [ReadMark(commit(1), 1, 1)]}
    assert receipts.marks_of([]) == {}
    receipts.close()


def test_whose_a_device_is_and_when_it_was_seen_last_is_kept_of_so_many(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SEEN_DEVICES_MAX", 2)
    receipts = Receipts(path)
    early, late = Seen(account(1), 5, How.LINKED), Seen(account(2), 9, How.BYE)
    receipts.set_seen({BOB: early, EVE: late})
    assert receipts.seen() == {BOB: early, EVE: late}
    again = Seen(account(1), 10, How.LOST)
    receipts.set_seen({BOB: again, device(3): Seen(account(3), 7, How.LINKED)})
    receipts.close()
    receipts = Receipts(path)
    assert receipts.seen() == {EVE: late, BOB: again}
    assert list(receipts.seen()) == [EVE, BOB], "the last heard of last"
    receipts.close()


def test_what_changed_is_told_in_order_from_where_one_was(path: Path) -> None:
    receipts = Receipts(path)
    start = receipts.since(None, 10)
    assert (start.rows, start.upto.change) == ((), 0)
    receipts.set_heads(ONE, {BOB: [commit(1)], EVE: [commit(2)]}, time_ms=1)
    receipts.mark_read(ONE, BOB, commit(1), position=1, time_ms=2)
    receipts.set_heads(ONE, {BOB: [commit(1)]}, time_ms=3)
    bobs = HeldRow(ONE, BOB, None, (commit(1),), 1)
    eves = HeldRow(ONE, EVE, None, (commit(2),), 1)
    mark = MarkRow(ONE, BOB, commit(1), 2)
    assert receipts.since(start.upto, 10).rows == (bobs, eves, mark)
    first = receipts.since(start.upto, 2)
    assert (first.rows, first.upto.change) == ((bobs, eves), 2)
    assert receipts.since(first.upto, 2).rows == (mark,)
    receipts.set_heads(ONE, {BOB: [commit(3)]}, time_ms=4)
    last = receipts.since(first.upto, 10)
    assert last.rows == (mark, HeldRow(ONE, BOB, None, (commit(3),), 4)), "the row as it is now, once"
    assert receipts.since(last.upto, 10) == Page((), last.upto)
    assert receipts.since(Cursor("00" * 16, 99), 10).rows == (eves, mark, last.rows[1]), "of another file: all"
    receipts.forget(ONE)
    receipts.mark_read(TWO, BOB, commit(1), position=1, time_ms=9)
    assert receipts.since(last.upto, 10).rows == (MarkRow(TWO, BOB, commit(1), 9),), "a number is never another's"
    receipts.close()
    receipts = Receipts(path)
    assert receipts.since(last.upto, 10).rows == (MarkRow(TWO, BOB, commit(1), 9),)
    receipts.close()


def test_what_own_devices_were_told_stands_beside_what_was_told_here(path: Path) -> None:
    me, sister = device(7), device(8)
    receipts = Receipts(path)
    receipts.set_heads(ONE, {BOB: [commit(1)]}, time_ms=5)
    assert receipts.take([HeldRow(ONE, BOB, sister, (commit(2),), 9)], this=me)
    assert receipts.heads(ONE, BOB) == Held(frozenset({commit(1), commit(2)}), 9)
    assert not receipts.take([HeldRow(ONE, BOB, sister, (commit(3),), 9)], this=me), "only what is newer"
    assert receipts.take([HeldRow(ONE, BOB, sister, (commit(3),), 10)], this=me)
    assert receipts.heads(ONE, BOB) == Held(frozenset({commit(1), commit(3)}), 10)
    told = [HeldRow(ONE, me, sister, (commit(4),), 11), HeldRow(ONE, BOB, me, (commit(4),), 11)]
    assert not receipts.take(told, this=me), "of us we know more than others"
    assert [row.origin for row in receipts.since(None, 9).rows if isinstance(row, HeldRow)] == [None, sister]
    assert [moment.time_ms for moment in receipts.held_moments(ONE)[BOB]] == [5, 9, 10]
    receipts.close()


def test_what_a_device_says_later_is_later_though_the_clock_was_put_back(path: Path) -> None:
    receipts = Receipts(path)
    receipts.set_heads(ONE, {BOB: [commit(1)]}, time_ms=500)
    receipts.set_heads(ONE, {BOB: [commit(2)]}, time_ms=400)
    (row,) = receipts.since(None, 9).rows
    assert row.time_ms == 501
    receipts.close()


def test_up_to_where_was_taken_is_kept(path: Path) -> None:
    receipts = Receipts(path)
    assert receipts.cursors() == {}
    receipts.set_cursor(BOB, Cursor("ab" * 16, 5))
    receipts.set_cursor(BOB, Cursor("ab" * 16, 6))
    receipts.close()
    receipts = Receipts(path)
    assert receipts.cursors() == {BOB: Cursor("ab" * 16, 6)}
    receipts.forget_cursors()
    assert receipts.cursors() == {}
    receipts.close()


def test_two_files_have_two_epochs(path: Path) -> None:
    one, two = Receipts(path), Receipts(path.with_name("other"))
    assert one.since(None, 1).upto.epoch != two.since(None, 1).upto.epoch
    one.close()
    two.close()
