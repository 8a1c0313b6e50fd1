"""What a thin peer keeps between its runs: its records, every message of its group, and what it told its user. (SCP-09 §4.7)"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from swarmchat.gateways.datasync.payload import GroupId, Message, MessageId, read_message, write_message
from swarmchat.gateways.datasync.store import SCHEMA, SCHEMA_VERSION, StoredRecords
from swarmchat.gateways.refusal import Refused
from swarmchat.index.database import Database, damaged

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS messages (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, raw BLOB NOT NULL,
  mine INTEGER NOT NULL, confirmed INTEGER NOT NULL, told INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""
_GROUP: Final = "group"
_PAST: Final = "past"  # and the id


@dataclass(frozen=True, slots=True)
class Kept:
    """A message; `mine` was composed here, `confirmed` says that a node has it for good, `told` that the user saw it.

    `is_news`: whether it was not of the past when it came, as what put us out before we came in again.
    """

    message: Message
    mine: bool
    confirmed: bool
    told: bool
    is_news: bool = True


class ThinStore(StoredRecords):
    """One file. What was put there is there whatever becomes of the process or the machine; StorageError."""

    def __init__(self, path: Path) -> None:
        self._file = Database(path, SCHEMA + _TABLES, SCHEMA_VERSION)
        super().__init__(self._file)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def group(self) -> GroupId | None:
        """The group that it is in, or was invited to."""
        found = self._rows("SELECT value FROM facts WHERE name = ?", _GROUP)
        return GroupId(found[0][0]) if found else None

    def set_group(self, group: GroupId) -> None:
        """From now on it is that one."""
        self._do("INSERT OR REPLACE INTO facts VALUES (?, ?)", _GROUP, group)

    def keep(self, message: Message, *, mine: bool, is_news: bool = True) -> None:
        """One more message; a known one changes nothing."""
        if not is_news:
            self._do("INSERT OR REPLACE INTO facts VALUES (?, ?)", f"{_PAST} {message.id.hex()}", b"")
        row = (message.id, write_message(message), mine, mine)
        self._do(
            "INSERT OR IGNORE INTO messages (id, raw, mine, confirmed, told) VALUES (?, ?, ?, 0, ?)",
            *row,
        )

    def take_back(self, message: MessageId) -> None:
        """It was never said: it is here no more, and nobody is sent it."""

        def take_back(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM records WHERE message = ?", (message,))
            connection.execute("DELETE FROM messages WHERE id = ?", (message,))

        self._file.run(take_back)

    def kept(self) -> list[Kept]:
        """All of them, in the order in which they came."""

        def read(connection: sqlite3.Connection) -> list[Kept]:
            rows = connection.execute("SELECT raw, mine, confirmed, told FROM messages ORDER BY number").fetchall()
            past = {row[0] for row in connection.execute("SELECT name FROM facts")}
            found = []
            for raw, mine, confirmed, told in rows:
                message = read_message(raw)
                if isinstance(message, Refused):
                    raise damaged(f"a message that was kept is none: {message.reason}")
                found.append(
                    Kept(message, bool(mine), bool(confirmed), bool(told), f"{_PAST} {message.id.hex()}" not in past)
                )
            return found

        return self._file.run(read)

    def note_confirmed(self, message: MessageId) -> None:
        """A node has it."""
        self._do("UPDATE messages SET confirmed = 1 WHERE id = ?", message)

    def note_told(self, message: MessageId) -> None:
        """The user saw it."""
        self._do("UPDATE messages SET told = 1 WHERE id = ?", message)
