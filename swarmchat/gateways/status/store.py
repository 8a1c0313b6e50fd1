"""Keeps beside the logs who asks to be let into chats of Status, and which of their events had no effect. (SCP-09 §3.12)"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, Final, TypeVar

from swarmchat import limits
from swarmchat.gateways.status.aside import Asked, Ignored, State
from swarmchat.ids import ConversationId
from swarmchat.index.database import Database, Rebuilt, damaged

SCHEMA_VERSION: Final = 1
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS requests (
  conversation TEXT NOT NULL, key BLOB NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL, clock INTEGER NOT NULL,
  received_ms INTEGER NOT NULL, state TEXT NOT NULL, answered_ms INTEGER NOT NULL,
  PRIMARY KEY (conversation, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ignored (
  conversation TEXT NOT NULL, id TEXT NOT NULL, what TEXT NOT NULL, author BLOB NOT NULL, reason TEXT NOT NULL,
  clock INTEGER NOT NULL, noted_ms INTEGER NOT NULL,
  PRIMARY KEY (conversation, id)
) WITHOUT ROWID;
"""
_REQUESTS: Final = "SELECT key, name, text, clock, received_ms, state, answered_ms FROM requests WHERE conversation = ? ORDER BY received_ms, clock, key"
_IGNORED: Final = (
    "SELECT id, what, author, reason, clock, noted_ms FROM ignored WHERE conversation = ? ORDER BY clock, id"
)
# who waits stays before who was answered, who waits longest first: else fresh keys, which cost nothing, would put him out
_OLD_REQUESTS: Final = "DELETE FROM requests WHERE (conversation, key) IN (SELECT conversation, key FROM requests {} ORDER BY state != 'waiting', state != 'declined', CASE state WHEN 'waiting' THEN received_ms ELSE -answered_ms END, clock, key LIMIT -1 OFFSET ?)"
# the newest stay, of one conversation and then of all
_OLD_IGNORED: Final = "DELETE FROM ignored WHERE (conversation, id) IN (SELECT conversation, id FROM ignored {} ORDER BY noted_ms DESC, clock DESC, id LIMIT -1 OFFSET ?)"
_OF_ONE: Final = "WHERE conversation = ?"

_KEY_BYTES: Final = 65  # as in `crypto.secp256k1`, which nothing loads that no gateway was opened for
T = TypeVar("T")

_log = logging.getLogger(__name__)


class Store:
    """`<home>/status.sqlite`, made when there is first something to keep. For several threads; methods raise StorageError.

    Losing it costs that what waits has to be imported anew, and that who was declined may ask at once.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Database | None = None
        self._told: Rebuilt | None = None  # of which the log says that it was damaged
        self._lock = threading.Lock()

    def requests(self, conversation: ConversationId) -> list[Asked]:
        """All that are remembered of a conversation, answered ones too, by when they came."""
        return self._read(lambda connection: _requests(connection, conversation), [])

    def revise(self, conversation: ConversationId, change: Callable[[list[Asked]], Iterable[Asked]]) -> None:
        """Keep what `change` makes of the requests of a conversation, bounded: the answered go first, then who came last."""

        def work(connection: sqlite3.Connection) -> None:
            rows = [
                (conversation, one.key, one.name, one.text, one.clock, one.received_ms, one.state, one.answered_ms)
                for one in change(_requests(connection, conversation))
            ]
            connection.executemany("INSERT OR REPLACE INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            if rows:
                most = limits.STATUS_REQUESTS_PER_CONVERSATION_MAX
                connection.execute(_OLD_REQUESTS.format(_OF_ONE), (conversation, most))
                connection.execute(_OLD_REQUESTS.format(""), (limits.STATUS_REQUESTS_MAX,))

        if self._is_there or list(change([])):
            self._run(work)

    def ignored(self, conversation: ConversationId) -> list[Ignored]:
        """The events of a conversation that had no effect, by their clocks."""
        return self._read(lambda connection: _ignored(connection, conversation), [])

    def note_ignored(
        self, conversation: ConversationId, found: Iterable[Ignored], no_more: Collection[str] = ()
    ) -> None:
        """Keep these, bounded, the oldest go; forget those with the ids `no_more`. What is here keeps the time it was noted at."""
        rows = [
            (conversation, one.id, one.what, one.author, one.reason, one.clock, one.noted_ms)
            for one in sorted(found, key=lambda one: (-one.clock, one.id))[: limits.STATUS_IGNORED_PER_CONVERSATION_MAX]
        ]

        def work(connection: sqlite3.Connection) -> None:
            gone = [(conversation, name) for name in no_more]
            connection.executemany("DELETE FROM ignored WHERE conversation = ? AND id = ?", gone)
            connection.executemany(
                "INSERT INTO ignored VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET reason = excluded.reason",
                rows,
            )
            if rows:
                most = limits.STATUS_IGNORED_PER_CONVERSATION_MAX
                connection.execute(_OLD_IGNORED.format(_OF_ONE), (conversation, most))
                connection.execute(_OLD_IGNORED.format(""), (limits.STATUS_IGNORED_MAX,))

        if rows or self._is_there:
            self._run(work)

    def keep_only(self, conversations: Collection[ConversationId]) -> None:
        """Forget all that is about any other conversation."""

        def work(connection: sqlite3.Connection) -> None:
            for table in ("requests", "ignored"):
                found = connection.execute(f"SELECT DISTINCT conversation FROM {table}").fetchall()  # noqa: S608
                gone = [row for row in found if row[0] not in conversations]
                connection.executemany(f"DELETE FROM {table} WHERE conversation = ?", gone)  # noqa: S608

        self._read(work, None)

    def close(self) -> None:
        """Close the file, if it was opened."""
        with self._lock:
            if self._file is not None:
                self._file.close()

    @property
    def _is_there(self) -> bool:
        return self._file is not None or self._path.exists()

    def _opened(self) -> Database:
        with self._lock:
            if self._file is None:
                self._file = Database(self._path, SCHEMA, SCHEMA_VERSION)
            return self._file

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        file = self._opened()
        found = file.run(work)
        if (rebuilt := file.rebuilt) is not None and rebuilt is not self._told:
            self._told = rebuilt
            _log.warning(
                "%s was damaged (%s), lies in %s now and was begun anew: take in again the files of who waits",
                rebuilt.path,
                rebuilt.reason,
                rebuilt.moved_to.name,
            )
        return found

    def _read(self, work: Callable[[sqlite3.Connection], T], nothing: T) -> T:
        return self._run(work) if self._is_there else nothing


def _requests(connection: sqlite3.Connection, conversation: ConversationId) -> list[Asked]:
    return [_asked(row) for row in connection.execute(_REQUESTS, (conversation,)).fetchall()]


def _asked(row: tuple[Any, ...]) -> Asked:
    key, name, text, clock, received_ms, state, answered_ms = row
    if not isinstance(key, bytes) or len(key) != _KEY_BYTES or state not in set(State):
        raise damaged("a request that nobody wrote")
    return Asked(key, str(name), str(text), int(clock), int(received_ms), State(state), int(answered_ms))


def _ignored(connection: sqlite3.Connection, conversation: ConversationId) -> list[Ignored]:
    return [_event(row) for row in connection.execute(_IGNORED, (conversation,)).fetchall()]


def _event(row: tuple[Any, ...]) -> Ignored:
    name, what, author, reason, clock, noted_ms = row
    if not isinstance(author, bytes):
        raise damaged("an event that nobody wrote")
    return Ignored(str(name), str(what), author, str(reason), int(clock), int(noted_ms))
