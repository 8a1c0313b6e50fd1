from __future__ import annotations

import sqlite3
import stat
import threading
import tracemalloc
from pathlib import Path

import pytest

from swarmchat import limits
from swarmchat.errors import StorageError
from swarmchat.index import events
from swarmchat.index.events import Event, EventLog, Gap
from swarmchat.limits import EVENTS_LOST_MAX

T0 = 1_750_000_000_000
DAY_MS = 86_400_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.sqlite"


def filled(path: Path, count: int = 5, **bounds: int) -> EventLog:
    log = EventLog(path, **bounds)
    for number in range(1, count + 1):
        assert log.append("message.added", {"n": number, "text": "ä☃"}, time_ms=T0 + number).id == number
    return log


def ids(found: list[Event] | Gap) -> list[int]:
    assert isinstance(found, list), found
    return [event.id for event in found]


def test_events_are_numbered_from_one_and_read_back(path: Path) -> None:
    log = EventLog(path)
    assert (log.last, log.read(0, 10), log.rebuilt) == (0, [], None)
    made = log.append("read", {"who": "ä", "deep": {"list": [1, None]}}, time_ms=T0)
    assert made == Event(1, T0, "read", {"who": "ä", "deep": {"list": [1, None]}})
    assert log.read(0, 10) == [made]
    assert log.append("read", {}, time_ms=T0 - 5).id == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    log.close()


def test_a_client_goes_on_where_it_was(path: Path) -> None:
    log = filled(path)
    assert ids(log.read(0, 2)) == [1, 2]
    assert ids(log.read(2, 100)) == [3, 4, 5]
    assert ids(log.read(5, 100)) == []
    assert ids(log.read(0, 0)) == []
    log.close()


def test_numbers_go_on_after_a_restart_also_when_all_is_pruned(path: Path) -> None:
    filled(path).close()
    log = EventLog(path)
    assert ids(log.read(3, 10)) == [4, 5]
    log.prune(now_ms=T0 + 31 * DAY_MS)
    assert ids(log.read(5, 10)) == []
    log.close()
    log = EventLog(path)
    assert log.append("read", {}, time_ms=T0).id == 6
    log.close()


def test_what_is_acknowledged_is_on_the_disk_without_a_close(path: Path) -> None:
    log = filled(path)
    copy = path.with_name("copy.sqlite")
    for suffix in ("", "-wal"):
        copy.with_name(copy.name + suffix).write_bytes(path.with_name(path.name + suffix).read_bytes())
    again = EventLog(copy)
    assert ids(again.read(0, 10)) == [1, 2, 3, 4, 5]
    again.close()
    log.close()


def test_older_than_thirty_days_is_an_explicit_gap(path: Path) -> None:
    log = filled(path)
    log.prune(now_ms=T0 + 3 + 30 * DAY_MS)
    assert log.read(0, 10) == Gap(since=0, resume=3)
    assert log.read(2, 10) == Gap(since=2, resume=3)
    assert ids(log.read(3, 10)) == [4, 5]
    log.prune(now_ms=T0 + 31 * DAY_MS)
    assert log.read(4, 10) == Gap(since=4, resume=5)
    assert ids(log.read(5, 10)) == []
    log.close()


def test_more_than_are_kept_go_from_the_old_end(path: Path) -> None:
    log = filled(path, 5, kept_max=3)
    log.prune(now_ms=T0)
    assert log.read(1, 10) == Gap(since=1, resume=2)
    assert ids(log.read(2, 10)) == [3, 4, 5]
    log.close()


def test_a_clock_that_went_back_makes_no_hole(path: Path) -> None:
    log = EventLog(path)
    for time_ms in (T0, T0 - 40 * DAY_MS, T0):
        log.append("read", {}, time_ms=time_ms)
    log.prune(now_ms=T0 + 1)
    assert ids(log.read(0, 10)) == [1, 2, 3]
    log.close()


def test_pruning_happens_by_itself(path: Path) -> None:
    log = EventLog(path, kept_max=10)
    for _ in range(11):
        log.append_all([("read", {})] * 100, time_ms=T0)
    assert log.last == 1_100
    assert log.read(0, 1) == Gap(since=0, resume=990)
    log.close()


def test_a_number_that_was_never_given_is_a_gap(path: Path) -> None:
    log = filled(path)
    assert log.read(6, 10) == Gap(since=6, resume=5)
    assert log.read(-1, 10) == Gap(since=-1, resume=0)
    log.close()


def test_a_batch_enters_whole_or_not_at_all(path: Path) -> None:
    log = filled(path)
    assert [event.id for event in log.append_all([("read", {}), ("typing", {})], time_ms=T0)] == [6, 7]
    assert log.append_all([], time_ms=T0) == []
    for bad in ({"x": float("nan")}, {"x": object()}):
        with pytest.raises((ValueError, TypeError)):
            log.append_all([("read", {}), ("read", bad)], time_ms=T0)
    assert log.last == 7
    log.close()


def test_the_texts_of_a_long_batch_are_not_in_memory_all_at_once(path: Path) -> None:
    log = EventLog(path)
    facts = [("message.added", {"text": "x" * 2_000})] * 2_000
    tracemalloc.start()
    try:
        log.append_all(facts, time_ms=T0)
        assert tracemalloc.get_traced_memory()[1] < 2_000 * 1_000
    finally:
        tracemalloc.stop()
    assert log.last == 2_000
    log.close()


def test_many_threads_get_many_numbers(path: Path) -> None:
    log = EventLog(path)
    found: list[int] = []

    def write() -> None:
        found.extend(log.append("read", {}, time_ms=T0).id for _ in range(25))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(1, 101))
    log.close()


@pytest.mark.parametrize("content", [b"this is not a database at all" * 50, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_moved_aside_and_told(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.with_name(path.name + "-wal").write_bytes(b"old")
    log = EventLog(path)
    assert log.rebuilt is not None
    assert log.rebuilt.moved_to.read_bytes() == content
    assert log.rebuilt.reason
    first = log.append("read", {}, time_ms=T0)
    assert log.read(first.id - 1, 10) == [first]
    log.close()
    path.write_bytes(content)
    log = EventLog(path)
    assert {entry.name for entry in path.parent.glob("*.damaged-*")} == {
        "events.sqlite.damaged-1",
        "events.sqlite.damaged-2",
    }
    log.close()


def test_after_damage_no_old_number_is_given_again(path: Path) -> None:
    filled(path).close()
    path.write_bytes(b"junk" * 1000)
    log = EventLog(path)
    assert log.read(3, 10) == Gap(since=3, resume=0)
    first = log.append("read", {}, time_ms=T0)
    assert log.append("read", {}, time_ms=T0).id == first.id + 1
    assert log.read(3, 10) == Gap(since=3, resume=first.id - 1)
    log.close()


def test_damage_met_while_running_is_moved_aside_too(path: Path) -> None:
    filled(path, 500).close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    log = EventLog(path)
    assert isinstance(log.read(0, 1000), (list, Gap))
    assert log.append("read", {}, time_ms=T0).id > 500
    assert log.rebuilt is not None
    log.close()


@pytest.mark.parametrize("text", ["{", "[]", "1"])
def test_a_row_that_says_something_else_is_damage(path: Path, text: str) -> None:
    filled(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE event SET data = ? WHERE id = 3", (text,))
    connection.close()
    log = EventLog(path)
    assert isinstance(log.read(0, 10), Gap) or log.read(0, 10) == []
    assert log.rebuilt is not None
    log.close()


def test_things_of_somebody_else_under_our_names_are_moved_aside(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE other (x)")
        connection.execute("CREATE INDEX numbering ON other (x)")
    connection.close()
    log = EventLog(path)
    assert log.rebuilt is not None
    assert log.append("read", {}, time_ms=T0).id > 1
    log.close()


def test_a_file_of_a_newer_version_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match="newer") as caught:
        EventLog(path)
    assert caught.value.hint
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        EventLog(tmp_path / "none" / "events.sqlite")
    with pytest.raises(StorageError):
        EventLog(tmp_path)


def test_a_full_disk_is_a_storage_error_and_the_log_stays_usable(path: Path) -> None:
    log = filled(path)
    log._database.run(lambda connection: connection.execute("PRAGMA max_page_count = 1"))
    with pytest.raises(StorageError, match="full") as caught:
        log.append("read", {"x": "y" * 100_000}, time_ms=T0)
    assert caught.value.hint
    assert log.last == 5
    log._database.run(lambda connection: connection.execute("PRAGMA max_page_count = 10000"))
    assert log.append("read", {}, time_ms=T0).id == 6
    log.close()


def test_numbers_that_a_power_cut_may_have_taken_are_never_used_again(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot = tmp_path / "boot"
    monkeypatch.setattr(events, "_BOOT", boot)
    boot.write_text("first\n")
    dead = filled(path)  # never closed
    assert filled(tmp_path / "other.sqlite").last == 5
    again = EventLog(path)
    assert again.append("read", {}, time_ms=T0).id == 6, "the process died, the machine did not"
    boot.write_text("second\n")
    later = EventLog(path)
    assert later.last == 6
    assert later.append("read", {}, time_ms=T0).id == 7 + EVENTS_LOST_MAX
    assert ids(later.read(5, 10)) == [6, 7 + EVENTS_LOST_MAX]
    assert ids(later.read(5_000, 10)) == [7 + EVENTS_LOST_MAX], "one that was handed out and lost"
    later.close()
    boot.write_text("third\n")
    closed = EventLog(path)
    assert closed.append("read", {}, time_ms=T0).id == 8 + EVENTS_LOST_MAX, "it had been closed properly"
    for log in (dead, again, closed):
        log.close()


def test_where_nobody_knows_whether_the_machine_went_down_it_may_have(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_BOOT", Path("/nowhere"))
    dead = filled(path)
    log = EventLog(path)
    assert log.append("read", {}, time_ms=T0).id == 6 + EVENTS_LOST_MAX
    log.close()
    dead.close()


def test_after_so_many_events_it_is_time_to_sync_them(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EVENTS_UNSAFE_MAX", 3)
    log = filled(path, 2)
    assert not log.is_unsafe
    log.append("read", {}, time_ms=T0)
    assert log.is_unsafe
    log.checkpoint()
    assert not log.is_unsafe
    log.close()


def test_how_many_commits_were_told_of_stands_with_their_events(path: Path) -> None:
    log = EventLog(path)
    assert log.told("c" * 40) is None
    log.append_all([("read", {})], time_ms=T0, told={"c" * 40: 7, "d" * 40: 1})
    log.append_all([], time_ms=T0, told={"c" * 40: 9, "d" * 40: None})
    log.close()
    log = EventLog(path)
    assert (log.told("c" * 40), log.told("d" * 40), log.last) == (9, None, 1)
    log.close()


def test_a_log_begun_anew_by_a_run_that_went_no_further_still_counts_from_far_above(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite"
    path.write_bytes(b"no database " * 500)
    EventLog(path).close()
    log = EventLog(path)
    assert log.rebuilt is None
    assert log.append("x", {}, time_ms=5_000_000).id == 5_001
    log.close()


def test_events_are_counted_by_type(path: Path) -> None:
    log = filled(path, 3)
    log.append("typing", {}, time_ms=T0)
    assert log.counts() == {"message.added": 3, "typing": 1}
