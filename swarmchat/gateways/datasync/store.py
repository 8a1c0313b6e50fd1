"""What data sync keeps beside the logs: its records, the epoch, who its clients are, how far each log was looked through, and receipts. (SCP-09 §4.5)

Other messages are not among it: a node answers for them from its logs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from swarmchat.gateways.datasync.payload import GroupId, Message, MessageId, PeerId, read_message, write_message
from swarmchat.gateways.datasync.records import Kind, Record
from swarmchat.gateways.refusal import Refused
from swarmchat.ids import ConversationId
from swarmchat.index.database import Database, damaged
from swarmchat.limits import DATASYNC_CLIENTS_MAX, DATASYNC_RECEIPTS_MAX

SCHEMA_VERSION: Final = 1
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS records (
  peer BLOB NOT NULL, message BLOB NOT NULL, kind INTEGER NOT NULL, gid BLOB, send_count INTEGER NOT NULL, send_epoch INTEGER NOT NULL,
  PRIMARY KEY (peer, message, kind)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS records_due ON records (peer, send_epoch, kind, message);
CREATE INDEX IF NOT EXISTS records_of ON records (message, kind);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS clients (peer BLOB PRIMARY KEY, seen INTEGER NOT NULL) WITHOUT ROWID;
"""
_RECEIPTS: Final = """
CREATE TABLE IF NOT EXISTS receipts (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, gid BLOB NOT NULL, target BLOB NOT NULL, sender BLOB NOT NULL,
  raw BLOB NOT NULL, UNIQUE (target, sender)
);
CREATE INDEX IF NOT EXISTS receipts_of ON receipts (gid, number);
"""
_EPOCH: Final = "epoch"
_EVER: Final = 2**62
_ONE: Final = "SELECT * FROM records WHERE peer = ? AND message = ? AND kind = ?"
_DUE: Final = "SELECT * FROM records WHERE peer = ? AND send_epoch <= ? ORDER BY send_epoch, kind, message LIMIT ?"
_OLD_CLIENTS: Final = "SELECT peer FROM clients ORDER BY seen DESC, peer LIMIT -1 OFFSET ?"
_OLD_RECEIPTS: Final = (
    """DELETE FROM receipts WHERE number <= (SELECT number FROM receipts ORDER BY number DESC LIMIT 1 OFFSET ?)"""
)


class StoredRecords:
    """The `Records` of a machine, in a database that has the tables of `SCHEMA`. A killed process loses none; StorageError."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.epoch = self.counter(_EPOCH)  # as of the last record that was put

    def put(self, record: Record) -> None:
        """See `Records`."""
        row = (record.peer, record.message, int(record.kind), record.group, record.send_count, record.send_epoch)

        def put(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?, ?)", row)
            connection.execute("INSERT OR REPLACE INTO counters VALUES (?, ?)", (_EPOCH, self.epoch))

        self._database.run(put)

    def get(self, peer: PeerId, message: MessageId, kind: Kind) -> Record | None:
        """See `Records`."""
        found = self._rows(_ONE, peer, message, int(kind))
        return _record(found[0]) if found else None

    def remove(self, peer: PeerId, message: MessageId, *kinds: Kind) -> bool:
        """See `Records`."""
        if not kinds:
            return self._do("DELETE FROM records WHERE peer = ? AND message = ?", peer, message) > 0
        text = "DELETE FROM records WHERE peer = ? AND message = ? AND kind = ?"
        return any([self._do(text, peer, message, int(kind)) for kind in kinds])  # noqa: C419 - all of them

    def answered(self, message: MessageId) -> None:
        """See `Records`."""
        self._do("DELETE FROM records WHERE message = ? AND kind = ?", message, int(Kind.REQUEST))

    def due(self, peer: PeerId, epoch: int, limit: int) -> list[Record]:
        """See `Records`."""
        return [_record(row) for row in self._rows(_DUE, peer, epoch, limit)]

    def count(self, peer: PeerId, *kinds: Kind) -> int:
        """See `Records`."""
        rows = self._rows("SELECT kind, count(*) FROM records WHERE peer = ? GROUP BY kind", peer)
        return sum(count for kind, count in rows if not kinds or kind in kinds)

    def hasten(self, peer: PeerId, epochs: Callable[[], int]) -> None:
        """See `Records`."""

        def hasten(connection: sqlite3.Connection) -> None:
            rows = connection.execute(_DUE, (peer, _EVER, -1)).fetchall()
            sooner = [(epochs(), row) for row in rows]
            connection.executemany(
                "UPDATE records SET send_epoch = ? WHERE peer = ? AND message = ? AND kind = ?",
                [(epoch, *row[:3]) for epoch, row in sooner if epoch < row[5]],
            )

        self._database.run(hasten)

    # --- beside the records

    def counter(self, name: str) -> int:
        """A number that is kept under a name; 0 at first."""
        found = self._rows("SELECT value FROM counters WHERE name = ?", name)
        return int(found[0][0]) if found else 0

    def set_counter(self, name: str, value: int) -> None:
        """Keep it."""
        self._do("INSERT OR REPLACE INTO counters VALUES (?, ?)", name, value)

    def _rows(self, text: str, *values: Any) -> list[Any]:
        return self._database.run(lambda connection: connection.execute(text, values).fetchall())

    def _do(self, text: str, *values: Any) -> int:
        return self._database.run(lambda connection: connection.execute(text, values).rowcount)


class Store(StoredRecords):
    """`<home>/datasync.sqlite`. Losing it costs that everything is offered once more."""

    def __init__(self, path: Path) -> None:
        """StorageError."""
        self._file = Database(path, SCHEMA + _RECEIPTS, SCHEMA_VERSION, lasting=False)
        super().__init__(self._file)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def looked_through(self, conversation: ConversationId) -> int:
        """How many commits of its log were passed to the machine."""
        return self.counter(conversation)

    def note_looked_through(self, conversation: ConversationId, commits: int) -> None:
        """So many."""
        self.set_counter(conversation, commits)

    def clients(self) -> frozenset[PeerId]:
        """The peers that called once: what is new is kept for them."""
        return frozenset(PeerId(row[0]) for row in self._rows("SELECT peer FROM clients"))

    def note_client(self, peer: PeerId, now: int) -> None:
        """It calls. Of more than DATASYNC_CLIENTS_MAX who called longest ago is forgotten, with all that waited for him."""

        def note(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO clients VALUES (?, ?)", (peer, now))
            gone = connection.execute(_OLD_CLIENTS, (DATASYNC_CLIENTS_MAX,)).fetchall()
            connection.executemany("DELETE FROM clients WHERE peer = ?", gone)
            connection.executemany("DELETE FROM records WHERE peer = ?", gone)

        self._file.run(note)

    def note_receipt(self, ack: Message, target: MessageId, sender: PeerId) -> None:
        """Keep an ACK: the first of each sender for each target, and of all the newest DATASYNC_RECEIPTS_MAX."""
        row = (ack.id, ack.group, target, sender, write_message(ack))

        def note(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR IGNORE INTO receipts (id, gid, target, sender, raw) VALUES (?, ?, ?, ?, ?)", row
            )
            connection.execute(_OLD_RECEIPTS, (DATASYNC_RECEIPTS_MAX,))

        self._file.run(note)

    def receipt(self, message: MessageId) -> Message | None:
        """See `receipts.Receipts`."""
        rows = self._rows("SELECT raw FROM receipts WHERE id = ?", message)
        found = read_message(rows[0][0]) if rows else None
        if isinstance(found, Refused):
            raise damaged(f"a receipt that was kept is none: {found.reason}")
        return found

    def receipts_of(self, group: GroupId) -> list[tuple[MessageId, PeerId]]:
        """What was acknowledged in a group and by whom, the oldest first."""
        rows = self._rows("SELECT target, sender FROM receipts WHERE gid = ? ORDER BY number", group)
        return [(MessageId(target), PeerId(sender)) for target, sender in rows]


def _record(row: tuple[Any, ...]) -> Record:
    peer, message, kind, group, send_count, send_epoch = row
    group = None if group is None else GroupId(group)
    return Record(Kind(kind), PeerId(peer), MessageId(message), group, send_count, send_epoch)
