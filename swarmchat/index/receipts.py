"""Who has what, and who has read what: heads and read marks for each device, and since when. (SCP-04 §6.1, SCP-08 §3.4)

Every row has the number of the change that made it, counted in this file alone, whose `epoch` tells it from any other: so
an own device asks for what came `since` the last it has taken.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from swarmchat import limits
from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId
from swarmchat.index.database import Database, Rebuilt
from swarmchat.index.receipt_rows import (
    OLD,
    SCHEMA,
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

T = TypeVar("T")

_VERSION = 2
_TABLES: Final = ("held", "held_moment", "mark", "mark_moment", "mark_waiting")
_HERE: Final = ""  # the origin of what the device told this node itself
_ROOMS_MAX: Final = 10_000  # devices in conversations whose moments are counted


class Receipts:
    """What other devices told of themselves, kept over restarts. Bounded by the rosters the caller feeds it from. Synchronous."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the file; a damaged one is moved aside (`rebuilt`). Raises StorageError."""
        self._database = Database(path, SCHEMA, _VERSION, lasting=False)  # devices tell it again
        self._room: dict[tuple[str, ConversationId, DeviceId], int] = {}  # moments until they are thinned
        self._database.run(_take_over_old)

    @property
    def rebuilt(self) -> Rebuilt | None:
        """What had to be given up at opening, as a warning for people."""
        return self._database.rebuilt

    # --- heads

    def heads(self, conversation: ConversationId, device: DeviceId) -> Held | None:
        """What a device holds of a conversation, as far as it told."""
        return self.all_heads(conversation).get(device)

    def all_heads(self, conversation: ConversationId) -> Mapping[DeviceId, Held]:
        """The same of every device, by id; what it told own devices stands with what it told here."""
        query = "SELECT device, heads, time_ms FROM held WHERE conversation = ? ORDER BY device"
        found: dict[DeviceId, Held] = {}
        for name, heads, time_ms in self._rows(query, conversation):
            device, more = DeviceId(name), _commits(heads)
            known = found.get(device)
            found[device] = Held(more, time_ms) if known is None else _both(known, more, time_ms)
        return found

    def set_heads(
        self, conversation: ConversationId, told: Mapping[DeviceId, Iterable[CommitId]], *, time_ms: int
    ) -> bool:
        """Devices told their heads, in one write; whether any are others than those known."""

        def write(connection: sqlite3.Connection) -> bool:
            change = before = _last(connection)
            for device, heads in sorted(told.items()):
                named = sorted(set(heads))
                if self._hold(connection, conversation, device, _HERE, named, time_ms, change + 1):
                    change += 1
            return _count(connection, before, change)

        return self._change(write)

    def held_moments(self, conversation: ConversationId) -> Mapping[DeviceId, Sequence[Moment]]:
        """Since when each device has what, the oldest first: at most 64 moments of each, the newer the closer together."""
        return self._moments("held_moment", conversation)

    # --- read marks

    def read_mark(self, conversation: ConversationId, device: DeviceId) -> ReadMark | None:
        """How far a device has read."""
        return self.read_marks(conversation).get(device)

    def read_marks(self, conversation: ConversationId) -> Mapping[DeviceId, ReadMark]:
        """The same of every device, by id."""
        query = "SELECT device, commit_id, position, time_ms FROM mark WHERE conversation = ? ORDER BY device"
        return {
            DeviceId(device): ReadMark(CommitId(commit), position, at)
            for device, commit, position, at in self._rows(query, conversation)
        }

    def marks_of(self, devices: Iterable[DeviceId]) -> Mapping[ConversationId, Sequence[ReadMark]]:
        """How far each of these devices has read, in all conversations."""
        found: dict[ConversationId, list[ReadMark]] = {}
        query = "SELECT conversation, commit_id, position, time_ms FROM mark WHERE device = ?"
        for device in sorted(devices):
            for where, commit, position, at in self._rows(query, device):
                found.setdefault(ConversationId(where), []).append(ReadMark(CommitId(commit), position, at))
        return found

    def mark_read(
        self, conversation: ConversationId, device: DeviceId, commit: CommitId, *, position: int, time_ms: int
    ) -> bool:
        """A device has read up to here; forward only: False for a position not beyond the known one."""

        def write(connection: sqlite3.Connection) -> bool:
            before = _last(connection)
            moved = self._mark(connection, conversation, device, commit, position, time_ms, before + 1)
            return _count(connection, before, before + moved)

        return self._change(write)

    def read_moments(self, conversation: ConversationId) -> Mapping[DeviceId, Sequence[Moment]]:
        """When each device said that it had read what, the oldest first; bounded as `held_moments`."""
        return self._moments("mark_moment", conversation)

    def await_commit(self, mark: WaitingMark) -> None:
        """A device has read up to a commit that is not here: the last of each device is kept, of a conversation the last 256."""

        self._change(lambda connection: _wait(connection, mark))

    def waiting(self) -> Sequence[WaitingMark]:
        """All marks whose commit was not here, in the order in which they came."""
        query = "SELECT conversation, device, commit_id, time_ms FROM mark_waiting ORDER BY arrival"
        return [
            WaitingMark(ConversationId(where), DeviceId(device), CommitId(commit), at)
            for where, device, commit, at in self._rows(query)
        ]

    def awaited(self, mark: WaitingMark) -> None:
        """Its commit has come, or it counts for nothing any more."""
        statement = "DELETE FROM mark_waiting WHERE conversation = ? AND device = ? AND commit_id = ?"
        values = (mark.conversation, mark.device, mark.commit)
        self._change(lambda connection: connection.execute(statement, values))

    # --- among own devices (SCP-04 §7.7)

    def since(self, cursor: Cursor | None, limit: int) -> Page:
        """What changed here after a cursor, at most so many rows; all from the first if it is None or of another file."""
        query = (
            "SELECT change, conversation, device, origin, heads, NULL, time_ms FROM held WHERE change > ?1 UNION ALL "
            "SELECT change, conversation, device, '', NULL, commit_id, time_ms FROM mark WHERE change > ?1 "
            "ORDER BY change LIMIT ?2"
        )

        def read(connection: sqlite3.Connection) -> Page:
            epoch, last = connection.execute("SELECT epoch, change FROM counting").fetchone()
            after = cursor.change if cursor is not None and cursor.epoch == epoch else 0
            found = connection.execute(query, (after, limit)).fetchall()
            upto = found[-1][0] if len(found) == limit else last
            return Page(tuple(_row(*each[1:]) for each in found), Cursor(epoch, upto))

        return self._database.run(read)

    def take(self, rows: Iterable[HeldRow], *, this: DeviceId) -> bool:
        """What own devices were told, each row with its origin: only what is newer of its origin, and nothing of `this` device; whether any was."""

        def write(connection: sqlite3.Connection) -> bool:
            change = before = _last(connection)
            for row in rows:
                if row.origin is None or this in {row.origin, row.device}:
                    continue
                known = connection.execute(
                    "SELECT time_ms FROM held WHERE conversation = ? AND device = ? AND origin = ?",
                    (row.conversation, row.device, row.origin),
                ).fetchone()
                if known is None or known[0] < row.time_ms:
                    key = (row.conversation, row.device, row.origin)
                    change += self._hold(connection, *key, sorted(set(row.heads)), row.time_ms, change + 1)
            return _count(connection, before, change)

        return self._change(write)

    def cursors(self) -> dict[DeviceId, Cursor]:
        """Up to where the changes of each own device's file were taken."""
        found = self._rows("SELECT device, epoch, change FROM cursor ORDER BY device")
        return {DeviceId(device): Cursor(epoch, change) for device, epoch, change in found}

    def set_cursor(self, device: DeviceId, cursor: Cursor) -> None:
        """All of its file up to there was taken."""
        values = (device, cursor.epoch, cursor.change)
        self._change(lambda connection: connection.execute("INSERT OR REPLACE INTO cursor VALUES (?, ?, ?)", values))

    def forget_cursors(self) -> None:
        """There is a conversation of which nothing was taken: all is to be told again."""
        self._change(lambda connection: connection.execute("DELETE FROM cursor"))

    # --- devices

    def seen(self) -> dict[DeviceId, Seen]:
        """The devices that a link ever stood with, the last 10,000."""
        query = "SELECT device, account, time_ms, how FROM seen ORDER BY time_ms, device"
        return {
            DeviceId(device): Seen(AccountId(account), at, How(how)) for device, account, at, how in self._rows(query)
        }

    def set_seen(self, seen: Mapping[DeviceId, Seen]) -> None:
        """These were heard of."""

        def write(connection: sqlite3.Connection) -> None:
            rows = [(device, one.account, one.time_ms, one.how) for device, one in sorted(seen.items())]
            connection.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)", rows)
            connection.execute(
                "DELETE FROM seen WHERE device IN (SELECT device FROM seen ORDER BY time_ms DESC LIMIT -1 OFFSET ?)",
                (limits.SEEN_DEVICES_MAX,),
            )

        self._change(write)

    # --- all

    def forget(self, conversation: ConversationId) -> None:
        """The conversation was erased here."""

        def write(connection: sqlite3.Connection) -> None:
            for table in _TABLES:
                connection.execute(f"DELETE FROM {table} WHERE conversation = ?", (conversation,))  # noqa: S608 - names of ours

        self._change(write)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    # --- inside

    def _rows(self, query: str, *values: object) -> list[Any]:
        return self._database.run(lambda connection: connection.execute(query, values).fetchall())

    def _change(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return self._database.run(work)

    def _hold(
        self,
        connection: sqlite3.Connection,
        conversation: ConversationId,
        device: DeviceId,
        origin: str,
        heads: Sequence[CommitId],
        time_ms: int,
        change: int,
    ) -> bool:
        told = connection.execute(
            "INSERT INTO held VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET heads = excluded.heads, change = "
            "excluded.change, time_ms = max(excluded.time_ms, held.time_ms + 1) WHERE held.heads <> excluded.heads",
            (conversation, device, origin, time_ms, " ".join(heads), change),
        )
        if not told.rowcount:
            return False
        self._note(connection, "held_moment", conversation, device, heads[: limits.RECEIPT_MOMENT_HEADS_MAX], time_ms)
        return True

    def _mark(
        self,
        connection: sqlite3.Connection,
        conversation: ConversationId,
        device: DeviceId,
        commit: CommitId,
        position: int,
        time_ms: int,
        change: int,
    ) -> bool:
        moved = connection.execute(
            "INSERT INTO mark VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET position = excluded.position, "
            "commit_id = excluded.commit_id, time_ms = excluded.time_ms, change = excluded.change "
            "WHERE mark.position < excluded.position",
            (conversation, device, position, commit, time_ms, change),
        )
        if not moved.rowcount:
            return False
        self._note(connection, "mark_moment", conversation, device, [commit], time_ms)
        return True

    def _note(
        self,
        connection: sqlite3.Connection,
        table: str,
        conversation: ConversationId,
        device: DeviceId,
        commits: Sequence[CommitId],
        time_ms: int,
    ) -> None:
        """One more moment; now and then those of the device are thinned, so that one costs little."""
        if not commits:
            return
        connection.execute(
            f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?)",  # noqa: S608 - a name of ours
            (conversation, device, time_ms, " ".join(commits)),
        )
        key = (table, conversation, device)
        room = self._room.pop(key, 0)
        if not room:
            where = f"FROM {table} WHERE conversation = ? AND device = ?"
            times = [at for (at,) in connection.execute(f"SELECT time_ms {where} ORDER BY time_ms", key[1:])]
            kept = thinned(times, limits.RECEIPT_MOMENTS_MAX // 2)
            dropped = [(*key[1:], at) for at in sorted(set(times).difference(kept))]
            connection.executemany(f"DELETE {where} AND time_ms = ?", dropped)
            room = limits.RECEIPT_MOMENTS_MAX - len(kept)
        self._room[key] = room - 1
        if len(self._room) > _ROOMS_MAX:
            del self._room[next(iter(self._room))]

    def _moments(self, table: str, conversation: ConversationId) -> dict[DeviceId, list[Moment]]:
        found: dict[DeviceId, list[Moment]] = {}
        query = f"SELECT device, time_ms, commits FROM {table} WHERE conversation = ? ORDER BY device, time_ms"  # noqa: S608
        for device, time_ms, commits in self._rows(query, conversation):
            found.setdefault(DeviceId(device), []).append(Moment(time_ms, _commits(commits)))
        return found


def _take_over_old(connection: sqlite3.Connection) -> None:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'read_mark'").fetchone():
        for statement in OLD:
            connection.execute(statement)


def _wait(connection: sqlite3.Connection, mark: WaitingMark) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO mark_waiting (conversation, device, commit_id, time_ms) VALUES (?, ?, ?, ?)",
        (mark.conversation, mark.device, mark.commit, mark.time_ms),
    )
    connection.execute(
        "DELETE FROM mark_waiting WHERE conversation = ? AND arrival NOT IN "
        "(SELECT arrival FROM mark_waiting WHERE conversation = ? ORDER BY arrival DESC LIMIT ?)",
        (mark.conversation, mark.conversation, limits.MARKS_WAITING_MAX),
    )


def _last(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT change FROM counting").fetchone()[0])


def _count(connection: sqlite3.Connection, before: int, change: int) -> bool:
    if change == before:
        return False
    connection.execute("UPDATE counting SET change = ?", (change,))
    return True


def _both(known: Held, heads: frozenset[CommitId], time_ms: int) -> Held:
    return Held(known.heads | heads, max(known.time_ms, time_ms))


def _commits(text: str) -> frozenset[CommitId]:
    return frozenset(CommitId(commit) for commit in text.split())


def _row(
    conversation: str, device: str, origin: str, heads: str | None, commit: str | None, time_ms: int
) -> HeldRow | MarkRow:
    where, whose = ConversationId(conversation), DeviceId(device)
    if commit is not None:
        return MarkRow(where, whose, CommitId(commit), time_ms)
    named = tuple(CommitId(head) for head in (heads or "").split())
    return HeldRow(where, whose, DeviceId(origin) if origin else None, named, time_ms)
