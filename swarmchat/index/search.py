"""The texts that people see, to be searched: SQLite FTS5 beside the logs, and made again from them at any time. (SCP-08 §3.4)

A text stands under the number of its commit in the history, 4,096 numbers of one conversation in a block of their own. So
the index of trigrams is dense, and whoever looks for the newest texts begins with the blocks that have them. FTS5 tells where
the trigrams of the terms stand; whether a text fits is then seen from the text.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from swarmchat import disk
from swarmchat.ids import AccountId, CommitId, ConversationId
from swarmchat.index.database import SIDE_FILES, Database
from swarmchat.index.folding import FORM, exact, fold, spaced
from swarmchat.index.query import Query

T = TypeVar("T")

_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS form (folding TEXT PRIMARY KEY) STRICT;
CREATE TABLE IF NOT EXISTS conversation (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    commits INTEGER NOT NULL,
    tip TEXT NOT NULL,
    unheard TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS author (number INTEGER PRIMARY KEY, account TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE IF NOT EXISTS block (
    number INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL,
    part INTEGER NOT NULL,
    oldest INTEGER NOT NULL,
    newest INTEGER NOT NULL,
    UNIQUE (conversation, part)
) STRICT;
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY,
    author INTEGER NOT NULL,
    time INTEGER NOT NULL,
    folded TEXT NOT NULL,
    text TEXT
) STRICT;
CREATE VIRTUAL TABLE IF NOT EXISTS gram USING fts5 (
    folded, content='message', content_rowid='id', tokenize='trigram case_sensitive 1', detail='none', columnsize=0
);
"""
_BLOCK_BITS: Final = 12
_BLOCK: Final = 1 << _BLOCK_BITS
_BLOCKS_FEW: Final = 64  # asked one after the other; of more it is asked first whether all that fits is little
_LITTLE: Final = 2_000
_TIME_MAX: Final = 1 << 53


class Line(NamedTuple):
    """The text under the number of a commit; an empty one: there is none any more."""

    number: int
    account: AccountId
    time: int  # seconds, the author's claim
    text: str


class Taken(NamedTuple):
    """How far a conversation is taken in: so many commits, the last of them, and the edits that are hidden."""

    commits: int
    tip: CommitId
    unheard: tuple[CommitId, ...] = ()


class Place(NamedTuple):
    """Where a text stands in the order of what is found: by time, then as it was taken in."""

    time: int
    id: int


class Hit(NamedTuple):
    """A text that fits."""

    conversation: ConversationId
    number: int
    place: Place


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to look: in these conversations, by this account, from `since` to before `until` (seconds), before a place."""

    conversations: Collection[ConversationId]
    account: AccountId | None = None
    since: int | None = None
    until: int | None = None
    before: Place | None = None


class _Block(NamedTuple):
    number: int
    conversation: ConversationId
    part: int
    oldest: int
    newest: int


class SearchIndex:
    """Opened when it is first needed, for nobody else depends on it. Synchronous and thread-safe: offload it.

    A damaged file is put aside and begun anew, one of another version is begun anew: then nothing is taken in.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.begun = 0  # changes when what was taken in may be gone, whatever the reason
        self._lock = threading.RLock()
        self._database: Database | None = None

    # --- taking in

    def taken(self, conversation: ConversationId) -> Taken | None:
        """How far it is; None for a conversation of which nothing was taken in. StorageError."""
        return self._run(lambda connection: _taken(connection, conversation))

    def take(self, conversation: ConversationId, after: Taken | None, lines: Iterable[Line], upto: Taken) -> bool:
        """Put these texts in place of what stood under their numbers, and note how far it is: all in one. StorageError.

        False, and nothing is done, where it is not so far as `after` says: a damaged file may have been begun anew.
        """

        def write(connection: sqlite3.Connection) -> bool:
            if _taken(connection, conversation) != after:
                return False
            row = connection.execute(
                "INSERT INTO conversation (id, commits, tip, unheard) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE "
                "SET commits = excluded.commits, tip = excluded.tip, unheard = excluded.unheard RETURNING number",
                (conversation, upto.commits, upto.tip, " ".join(upto.unheard)),
            ).fetchone()
            _Writing(connection, row[0]).put(lines)
            return True

        return self._run(write)

    def forget(self, conversation: ConversationId) -> None:
        """Nothing of it is known any more. StorageError."""
        if self._is_there():
            self._run(lambda connection: _forget(connection, [conversation]))

    def keep_only(self, conversations: Collection[ConversationId]) -> None:
        """Forget all others. StorageError."""

        def drop(connection: sqlite3.Connection) -> None:
            known = [ConversationId(row[0]) for row in connection.execute("SELECT id FROM conversation")]
            _forget(connection, [one for one in known if one not in conversations])

        if self._is_there():
            self._run(drop)

    def clear(self) -> None:
        """Begin anew. StorageError."""
        with self._lock:
            self.close()
            self.begun += 1
            self._remove()

    def count(self) -> int:
        """How many texts there are. StorageError."""
        return self._run(lambda connection: int(connection.execute("SELECT count(*) FROM message").fetchone()[0]))

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None
                self.begun += 1

    # --- finding

    def find(self, query: Query, scope: Scope, limit: int) -> list[Hit]:
        """The newest `limit` texts that fit, newest first. StorageError."""
        return self._run(lambda connection: _Finding(connection, query, scope, limit).found())

    def place(self, conversation: ConversationId, number: int) -> Place | None:
        """Where a text stands; None where there is none. StorageError."""

        def read(connection: sqlite3.Connection) -> Place | None:
            row = connection.execute(
                "SELECT message.time, message.id FROM message WHERE id = ? + (SELECT block.number << ? FROM block "
                "JOIN conversation ON conversation.number = block.conversation WHERE conversation.id = ? AND part = ?)",
                (number % _BLOCK, _BLOCK_BITS, conversation, number >> _BLOCK_BITS),
            ).fetchone()
            return None if row is None else Place(*row)

        return self._run(read)

    # --- inside

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            if self._database is None:
                self._database = self._open()
            database, rebuilt = self._database, self._database.rebuilt
            try:
                return database.run(work)
            finally:
                self.begun += database.rebuilt is not rebuilt

    def _is_there(self) -> bool:
        with self._lock:
            return self._database is not None or self.path.exists()

    def _open(self) -> Database:
        if _is_of_another_version(self.path):
            self._remove()
        database = Database(self.path, _SCHEMA, _VERSION, lasting=False)
        database.run(lambda connection: connection.execute("INSERT OR IGNORE INTO form VALUES (?)", (FORM,)))
        return database

    def _remove(self) -> None:
        try:
            for suffix in ("", *SIDE_FILES):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        except OSError as error:
            raise disk.refusal(error, self.path, "remove") from error


class _Writing:
    """Texts of one conversation on their way in."""

    def __init__(self, connection: sqlite3.Connection, conversation: int) -> None:
        self._connection = connection
        self._conversation = conversation
        self._authors: dict[AccountId, int] = {}
        self._blocks: dict[int, int] = {}

    def put(self, lines: Iterable[Line]) -> None:
        spans: dict[int, tuple[int, int]] = {}
        for line in lines:
            part = line.number >> _BLOCK_BITS
            row = (self._block(part) << _BLOCK_BITS) + line.number % _BLOCK
            self._drop(row)
            if line.text:
                time = min(max(line.time, 0), _TIME_MAX)
                self._add(row, line, time)
                oldest, newest = spans.get(part, (time, time))
                spans[part] = min(oldest, time), max(newest, time)
        for part, (oldest, newest) in spans.items():
            self._connection.execute(
                "UPDATE block SET oldest = min(oldest, ?), newest = max(newest, ?) WHERE number = ?",
                (oldest, newest, self._block(part)),
            )

    def _add(self, row: int, line: Line, time: int) -> None:
        text = exact(line.text)
        folded, text = spaced(fold(text)), spaced(text)
        values = (row, self._author(line.account), time, folded, None if text == folded else text)
        self._connection.execute("INSERT INTO message VALUES (?, ?, ?, ?, ?)", values)
        self._connection.execute("INSERT INTO gram (rowid, folded) VALUES (?, ?)", (row, folded))

    def _drop(self, row: int) -> None:
        former = self._connection.execute("DELETE FROM message WHERE id = ? RETURNING folded", (row,)).fetchone()
        if former is not None:
            self._connection.execute("INSERT INTO gram (gram, rowid, folded) VALUES ('delete', ?, ?)", (row, *former))

    def _author(self, account: AccountId) -> int:
        if account not in self._authors:
            self._connection.execute("INSERT OR IGNORE INTO author (account) VALUES (?)", (account,))
            row = self._connection.execute("SELECT number FROM author WHERE account = ?", (account,)).fetchone()
            self._authors[account] = row[0]
        return self._authors[account]

    def _block(self, part: int) -> int:
        if part not in self._blocks:
            key = (self._conversation, part)
            self._connection.execute(
                "INSERT OR IGNORE INTO block (conversation, part, oldest, newest) VALUES (?, ?, ?, -1)",
                (*key, _TIME_MAX),
            )
            query = "SELECT number FROM block WHERE conversation = ? AND part = ?"
            self._blocks[part] = self._connection.execute(query, key).fetchone()[0]
        return self._blocks[part]


class _Finding:
    """One question to the index."""

    def __init__(self, connection: sqlite3.Connection, query: Query, scope: Scope, limit: int) -> None:
        self._connection = connection
        self._limit = limit
        self._scope = scope
        self._grams = " AND ".join(f'"{gram.replace(chr(34), chr(34) * 2)}"' for gram in query.grams)
        content = "ifnull(message.text, message.folded)" if query.case else "message.folded"
        conditions: list[tuple[str, tuple[object, ...]]] = []  # the cheap ones first
        if scope.account is not None:
            conditions.append(("message.author = (SELECT number FROM author WHERE account = ?)", (scope.account,)))
        if scope.since is not None:
            conditions.append(("message.time >= ?", (scope.since,)))
        if scope.until is not None:
            conditions.append(("message.time < ?", (scope.until,)))
        if scope.before is not None:
            conditions.append(("(message.time, message.id) < (?, ?)", scope.before))
        conditions += [(f"instr({content}, ?)", (term,)) for term in query.wanted]
        self._conditions = " AND ".join(condition for condition, _ in conditions)
        self._values = [value for _, values in conditions for value in values]

    def found(self) -> list[Hit]:
        if self._limit <= 0 or not self._is_author_known():
            return []
        blocks = self._blocks()
        if self._grams and len(blocks) > _BLOCKS_FEW:
            few = self._places(None, _LITTLE + 1, in_order=False)
            if len(few) <= _LITTLE:
                return self._hits(sorted(few, reverse=True), blocks)
        best: list[Place] = []
        for block in blocks:
            if len(best) >= self._limit and best[self._limit - 1].time > block.newest:
                break  # those that follow are older still
            best = sorted([*best, *self._places(block, self._limit)], reverse=True)[: self._limit]
        return self._hits(best, blocks)

    def _is_author_known(self) -> bool:
        query, account = "SELECT 1 FROM author WHERE account = ?", self._scope.account
        return account is None or self._connection.execute(query, (account,)).fetchone() is not None

    def _blocks(self) -> list[_Block]:
        """Those in which something may be, the newest first."""
        scope, wanted = self._scope, frozenset(self._scope.conversations)
        query = (
            "SELECT block.number, conversation.id, part, oldest, newest FROM block "
            "JOIN conversation ON conversation.number = block.conversation ORDER BY newest DESC, block.number DESC"
        )
        rows = (_Block(row[0], ConversationId(row[1]), *row[2:]) for row in self._connection.execute(query))
        return [
            block
            for block in rows
            if block.conversation in wanted
            and (scope.since is None or block.newest >= scope.since)
            and (scope.until is None or block.oldest < scope.until)
            and (scope.before is None or block.oldest <= scope.before.time)
        ]

    def _places(self, block: _Block | None, limit: int, *, in_order: bool = True) -> list[Place]:
        table, conditions, values = "message", self._conditions, list(self._values)
        if self._grams:
            table = "gram CROSS JOIN message ON message.id = gram.rowid"
            conditions, values = f"gram MATCH ? AND {conditions}", [self._grams, *values]
        if block is not None:
            first = block.number << _BLOCK_BITS
            row = "gram.rowid" if self._grams else "message.id"
            conditions, values = f"{row} BETWEEN ? AND ? AND {conditions}", [first, first + _BLOCK - 1, *values]
        order = "ORDER BY message.time DESC, message.id DESC" if in_order else ""
        query = f"SELECT message.time, message.id FROM {table} WHERE {conditions} {order} LIMIT ?"  # noqa: S608 - of texts of ours
        return [Place(*row) for row in self._connection.execute(query, (*values, limit))]

    def _hits(self, places: Sequence[Place], blocks: Sequence[_Block]) -> list[Hit]:
        """Those that stand in these blocks, as many as are wanted."""
        known = {block.number: block for block in blocks}
        hits: list[Hit] = []
        for place in places:
            block = known.get(place.id >> _BLOCK_BITS)
            if block is not None and len(hits) < self._limit:
                hits.append(Hit(block.conversation, (block.part << _BLOCK_BITS) + place.id % _BLOCK, place))
        return hits


def _taken(connection: sqlite3.Connection, conversation: ConversationId) -> Taken | None:
    query = "SELECT commits, tip, unheard FROM conversation WHERE id = ?"
    row = connection.execute(query, (conversation,)).fetchone()
    return None if row is None else Taken(row[0], CommitId(row[1]), tuple(map(CommitId, row[2].split())))


def _forget(connection: sqlite3.Connection, conversations: Sequence[ConversationId]) -> None:
    for conversation in conversations:
        row = connection.execute("DELETE FROM conversation WHERE id = ? RETURNING number", (conversation,)).fetchone()
        if row is None:
            continue
        gone = connection.execute("DELETE FROM block WHERE conversation = ? RETURNING number", row).fetchall()
        for (block,) in gone:
            span = (block << _BLOCK_BITS, (block + 1) << _BLOCK_BITS)
            connection.execute(
                "INSERT INTO gram (gram, rowid, folded) SELECT 'delete', id, folded FROM message WHERE id >= ? AND id < ?",
                span,
            )
            connection.execute("DELETE FROM message WHERE id >= ? AND id < ?", span)


def _is_of_another_version(path: Path) -> bool:
    """Whether a file that is whole was made by another version of this module, or of Unicode."""
    if not path.exists():
        return False
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
        version = file.execute("PRAGMA user_version").fetchone()[0]
        if version != _VERSION:
            return True
        return file.execute("SELECT folding FROM form").fetchall() not in ([(FORM,)], [])
    return False  # damaged, or begun and not more: that is seen when it is opened
