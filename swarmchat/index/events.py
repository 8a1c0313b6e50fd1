"""The numbered event log: who was away asks for what came `since`. (SCP-08 §3.3)

What was written survives the process at once, and a power cut from the next `checkpoint` on. A number that was handed out is
never another event's: a log that finds that the machine went down under it goes on far above what may have been lost.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from swarmchat import limits
from swarmchat.index.database import Database, Rebuilt, damaged

_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    type TEXT NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS numbering (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    last INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS sitting (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    boot TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS told (
    conversation TEXT PRIMARY KEY,
    commits INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""
_PRUNE_EVERY = 1_000  # appends
_BOOT = Path("/proc/sys/kernel/random/boot_id")  # of the running system; none elsewhere


@dataclass(frozen=True, slots=True)
class Event:
    """One fact for observers; `time_ms` since 1970."""

    id: int
    time_ms: int
    type: str
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Gap:
    """Events after `since` are gone: the reader must look at the state anew and go on from `resume` (a new `since`)."""

    since: int
    resume: int


class EventLog:
    """Numbered +1 from 1, never reused; kept for 30 days and up to a million. Synchronous: offload it."""

    def __init__(
        self, path: Path, *, kept_max: int = limits.EVENTS_KEPT_MAX, kept_s: int = limits.EVENTS_KEPT_S
    ) -> None:
        """Opens or makes the file; a damaged one is moved aside (`rebuilt`). Raises StorageError."""
        self._database = Database(path, _SCHEMA, _VERSION, lasting=False)
        self._sitting = False
        self._kept_max = kept_max
        self._kept_ms = kept_s * 1000
        self._appends = 0
        self._unsafe = 0

    @property
    def rebuilt(self) -> Rebuilt | None:
        """What had to be given up at opening, as a warning for people."""
        return self._database.rebuilt

    @property
    def last(self) -> int:
        """The number of the newest event ever, 0 before the first."""
        return self._database.run(_last)

    def append(self, type: str, data: Mapping[str, object], *, time_ms: int) -> Event:  # noqa: A002 - the key's name in the API
        """Write an event and give it its number. ValueError for data that is not JSON; StorageError."""
        return self.append_all([(type, data)], time_ms=time_ms)[0]

    def append_all(
        self,
        facts: Sequence[tuple[str, Mapping[str, object]]],
        *,
        time_ms: int,
        told: Mapping[str, int | None] | None = None,
    ) -> list[Event]:
        """Several of one moment, in one write; `told`: how many commits of a conversation are told of with them, None where it is gone."""
        if not self._sitting:
            self._database.run(_sit_down)
            self._database.checkpoint()
            self._sitting = True

        def write(connection: sqlite3.Connection) -> list[Event]:
            last = _last(connection)
            if not last and self._database.has_forerunner:
                # The old numbers are lost. Going on far above any of them makes every old `since` an explicit gap.
                last = time_ms // 1000
            events = [Event(last + 1 + index, time_ms, kind, data) for index, (kind, data) in enumerate(facts)]
            rows = ((event.id, time_ms, event.type, _text(event.data)) for event in events)  # not all texts at once
            connection.executemany("INSERT INTO event VALUES (?, ?, ?, ?)", rows)
            connection.execute("INSERT OR REPLACE INTO numbering VALUES (1, ?)", (last + len(events),))
            for conversation, commits in sorted((told or {}).items()):
                if commits is None:
                    connection.execute("DELETE FROM told WHERE conversation = ?", (conversation,))
                else:
                    connection.execute("INSERT OR REPLACE INTO told VALUES (?, ?)", (conversation, commits))
            return events

        events = self._database.run(write)
        self._appends += len(events)
        self._unsafe += len(events)
        if self._appends >= _PRUNE_EVERY:
            self.prune(now_ms=time_ms)
        return events

    def told(self, conversation: str) -> int | None:
        """How many commits of a conversation were told of; None for one of which that was never written."""
        query = "SELECT commits FROM told WHERE conversation = ?"
        row = self._database.run(lambda connection: connection.execute(query, (conversation,)).fetchone())
        return None if row is None else int(row[0])

    @property
    def is_unsafe(self) -> bool:
        """Whether a power cut would take so many events that it is time for a `checkpoint`."""
        return self._unsafe >= limits.EVENTS_UNSAFE_MAX

    def checkpoint(self) -> None:
        """Have all that was written survive a power cut; StorageError."""
        self._database.checkpoint()
        self._unsafe = 0

    def read(self, since: int, limit: int) -> list[Event] | Gap:
        """Events with id > `since`, oldest first, at most `limit`; Gap if any of them is gone, or `since` is of another log."""

        def fetch(connection: sqlite3.Connection) -> list[Event] | Gap:
            last = _last(connection)
            oldest = connection.execute("SELECT min(id) FROM event").fetchone()[0]
            first = last + 1 if oldest is None else int(oldest)
            if since > last:
                return Gap(since, resume=last)
            if since < first - 1:
                return Gap(since, resume=first - 1)
            rows = connection.execute(
                "SELECT id, time_ms, type, data FROM event WHERE id > ? ORDER BY id LIMIT ?", (since, max(limit, 0))
            ).fetchall()
            return [Event(number, time_ms, kind, _data(text)) for number, time_ms, kind, text in rows]

        return self._database.run(fetch)

    def counts(self) -> dict[str, int]:
        """How many events of each type are kept; reads all of them."""

        def count(connection: sqlite3.Connection) -> dict[str, int]:
            return dict(connection.execute("SELECT type, COUNT(*) FROM event GROUP BY type ORDER BY type"))

        return self._database.run(count)

    def prune(self, *, now_ms: int) -> None:
        """Drop what is older than 30 days or beyond a million; always from the old end, so that no hole appears."""

        def drop(connection: sqlite3.Connection) -> None:
            last, begin_ms = _last(connection), now_ms - self._kept_ms
            young = connection.execute("SELECT min(id) FROM event WHERE time_ms > ?", (begin_ms,)).fetchone()[0]
            first = max(last + 1 if young is None else int(young), last - self._kept_max + 1)
            connection.execute("DELETE FROM event WHERE id < ?", (first,))

        self._appends = 0
        self._database.run(drop)

    def close(self) -> None:
        """Close the file: a proper end."""
        try:
            if self._sitting:
                self._database.checkpoint()  # first, so that what says that all is there is not there alone
                self._database.run(lambda connection: connection.execute("DELETE FROM sitting"))
                self._sitting = False
        finally:
            self._database.close()


def _sit_down(connection: sqlite3.Connection) -> None:
    boot = _BOOT.read_text("ascii").strip() if _BOOT.exists() else ""
    row = connection.execute("SELECT boot FROM sitting").fetchone()
    if row is not None and (row[0] != boot or not boot):
        last = _last(connection) + limits.EVENTS_LOST_MAX
        connection.execute("INSERT OR REPLACE INTO numbering VALUES (1, ?)", (last,))
    connection.execute("INSERT OR REPLACE INTO sitting VALUES (1, ?)", (boot,))


def _last(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT last FROM numbering").fetchone()
    return 0 if row is None else int(row[0])


def _text(data: Mapping[str, object]) -> str:
    return json.dumps(data, ensure_ascii=False, allow_nan=False)


def _data(text: str) -> Mapping[str, object]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise damaged(f"an event is not what was written: {error}") from error
    if not isinstance(data, dict):
        raise damaged("an event is not what was written")
    return data
