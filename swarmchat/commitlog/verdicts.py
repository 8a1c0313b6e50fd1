"""What was judged: one row for each accepted commit, in the order of admission, and every refusal. (SCP-02 §7.4, SCP-04 §4.5)

A cache: the rows say that a commit in the object store was judged, and what the law must know of it. All but the refusals
can be computed anew from git.
"""

from __future__ import annotations

import gc
import json
import operator
import sqlite3
import struct
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NewType, TypeVar, cast

from swarmchat import disk
from swarmchat.conversation import actions
from swarmchat.conversation.actions import Relation
from swarmchat.conversation.entries import Control, Fact
from swarmchat.conversation.history import History
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.rows import Rows
from swarmchat.errors import StorageError
from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId, TreeId

FILE_NAME: Final = "verdicts.sqlite3"
_VERSION = 2  # of the tables and of the law they were judged by: another one means judging again
_SCHEMA = """
create table about(version integer not null, conversation text not null);
create table commits(seq integer primary key, id blob not null, parents blob not null, tree blob not null,
                     author integer, time integer not null, type text not null, relation text, target blob);
create table authors(number integer primary key, account blob not null, device blob not null, unique(account, device));
create table controls(seq integer primary key, action text not null, admins integer not null, votes integer not null,
                      voters integer not null, revoked blob not null);
create table changes(seq integer not null, path text not null, content blob, primary key(seq, path)) without rowid;
create table sets(number integer primary key, members blob not null unique);
create table rejections(id blob primary key, reason text not null, detail text not null, path text) without rowid;
"""
_ANEW = "start again: it is made anew from the repository; if that does not help the disk may be failing"
_AT_ONCE = 8_192  # rows
_NO_PARENT = bytes(4)  # in the column of those with one
_REASONS = {reason.code: reason for reason in Reason}
N = TypeVar("N", AccountId, CommitId)
_Set = NewType("_Set", int)


class DamagedError(Exception):
    """The rows cannot be believed: they are to be made anew."""


class Verdicts:
    """The rows of one conversation. StorageError when the disk refuses, DamagedError when it holds no such rows."""

    def __init__(self, path: Path, conversation: ConversationId) -> None:
        self._path = path
        self._count = 0
        self._authors: dict[tuple[AccountId, DeviceId], int] = {}
        self._sets: dict[bytes, _Set] = {}
        self._conversation = conversation
        self._connection: sqlite3.Connection | None = None

    def rest(self) -> None:
        """Let go of the file until the next use."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @staticmethod
    def remove(path: Path) -> None:
        """Remove the rows, to make them anew; StorageError."""
        for suffix in ("", "-wal", "-shm", "-journal"):
            try:
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            except OSError as error:
                raise disk.refusal(error, path, "remove") from error

    # --- reading

    def load(self) -> tuple[History, list[TreeId]]:
        """All accepted commits and the tree of each, by the numbers of their rows; DamagedError where they do not fit together."""
        with self._refusals(), _uncollected():
            rows = Rows()
            several: dict[int, tuple[int, ...]] = {}
            self._authors = {}
            for number, account, device in self._db.execute(
                "select number, account, device from authors order by number"
            ):
                author = AccountId(account.hex()), DeviceId(device.hex())
                if rows.author_number(*author) != number:
                    raise DamagedError(f"author {number}")
                self._authors[author] = number
            members = dict(self._db.execute("select number, members from sets"))
            self._sets = {content: _Set(number) for number, content in members.items()}
            controls = self._load_controls(members)
            parents, writers, times, types = array("I"), array("i"), array("q"), array("I")
            ids: list[CommitId] = []
            trees: list[TreeId] = []
            spelled: dict[bytes, TreeId] = {}
            found = self._db.execute("select seq, id, parents, author, time, type, tree from commits order by seq")
            while some := found.fetchmany(_AT_ONCE):
                seqs, oids, packed, authors, claimed, kinds, roots = zip(*some, strict=True)
                start = len(ids)
                if seqs != tuple(range(start, start + len(some))) or any(len(oid) != 20 for oid in oids):
                    raise DamagedError("rows out of their order")
                names = b"".join(oids).hex()
                ids.extend([CommitId(names[at : at + 40]) for at in range(0, len(names), 40)])
                parents.frombytes(b"".join([one if len(one) == 4 else _NO_PARENT for one in packed]))
                for seq, one in zip(seqs, packed, strict=True):
                    if len(one) != 4:
                        several[seq] = _numbers(one)
                writers.extend([-1 if author is None else author for author in authors])
                times.extend(claimed)
                numbers = {kind: rows.type_number(kind) for kind in dict.fromkeys(kinds)}
                types.extend([numbers[kind] for kind in kinds])
                spelled.update((root, TreeId(root.hex())) for root in {*roots} - spelled.keys())
                trees.extend([spelled[root] for root in roots])
            if sys.byteorder == "little":
                parents.byteswap()
            _check(parents, several)
            count = len(ids)
            if count and not -1 <= min(writers) <= max(writers) < len(rows.authors):
                raise DamagedError("rows of an unknown author")
            if any(not 0 <= seq < count for seq in controls):
                raise DamagedError("control data of commits that are not there")
            relations = {
                seq: (cast(Relation, relation), CommitId(target.hex()))
                for seq, relation, target in self._db.execute(
                    "select seq, relation, target from commits where relation is not null order by seq"
                )
            }
            rows.extend(ids, array("i", parents), several, writers, times, types, relations)
            if len(rows.numbers) != count:
                raise DamagedError("a commit stands twice")
            self._count = count
            return History.of(rows, controls), trees

    def refused(self) -> set[CommitId]:
        """The ids of all refused commits; DamagedError when one was refused for a reason that is unknown here."""
        with self._refusals():
            if not {code for (code,) in self._db.execute("select distinct reason from rejections")} <= _REASONS.keys():
                raise DamagedError("refusals by another program")
            return {CommitId(oid.hex()) for (oid,) in self._db.execute("select id from rejections")}

    def refusal(self, commit: CommitId) -> Rejection | None:
        """Why a commit was refused."""
        with self._in_use():
            row = self._db.execute(
                "select reason, detail, path from rejections where id = ?", (bytes.fromhex(commit),)
            ).fetchone()
        return row and Rejection(_REASONS[row[0]], row[1], row[2], commit)

    def refusals(self) -> tuple[Rejection, ...]:
        """All refusals, by commit."""
        with self._in_use():
            rows = self._db.execute("select id, reason, detail, path from rejections order by id").fetchall()
        return tuple(Rejection(_REASONS[code], detail, path, CommitId(oid.hex())) for oid, code, detail, path in rows)

    # --- writing

    @contextmanager
    def recording(
        self, accepted: Iterable[tuple[Fact, TreeId, Sequence[int]]], rejected: Iterable[Rejection] = ()
    ) -> Iterator[None]:
        """Add rows in one transaction around what is done inside: accepted commits with their trees and parents' numbers, refusals.

        The numbers of `accepted` follow those that are here. When anything fails, inside or here, nothing was added;
        StorageError.
        """
        known_authors, known_sets, known_count = dict(self._authors), dict(self._sets), self._count
        try:
            with self._in_use():
                self._db.execute("begin immediate")
                self._db.executemany("insert into commits values(?, ?, ?, ?, ?, ?, ?, ?, ?)", self._rows(accepted))
                self._db.executemany(
                    "insert or replace into rejections values(?, ?, ?, ?)",
                    [
                        (bytes.fromhex(each.commit), each.reason.code, each.detail, each.path)
                        for each in rejected
                        if each.commit is not None
                    ],
                )
            yield
            with self._in_use():
                self._db.execute("commit")
        except BaseException:
            self._authors, self._sets, self._count = known_authors, known_sets, known_count
            if self._connection is not None and self._connection.in_transaction:
                self._connection.execute("rollback")
            self.rest()  # a file that could not be opened for writing once stays read-only as long as the connection lives
            raise

    # --- inside

    @property
    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = normal")  # rows lost in a power cut are judged anew (SCP-04 §4.5)
        about = (_VERSION, self._conversation)
        if not connection.execute("select 1 from sqlite_master").fetchone():
            connection.executescript(f"begin immediate; {_SCHEMA}")
            connection.execute("insert into about values(?, ?)", about)
            connection.execute("commit")
        elif connection.execute("select version, conversation from about").fetchall() != [about]:
            raise DamagedError("rows of another version or another conversation")

    def _rows(self, accepted: Iterable[tuple[Fact, TreeId, Sequence[int]]]) -> Iterator[tuple[object, ...]]:
        for fact, tree, parents in accepted:
            seq = self._count
            self._count += 1
            author = None
            if fact.account is not None and fact.device is not None:
                author = self._author(fact.account, fact.device)
            kind, target = fact.relation or (None, None)
            if fact.control is not None:
                self._add_control(seq, fact.control)
            yield (
                seq,
                bytes.fromhex(fact.id),
                struct.pack(f">{len(parents)}I", *parents),
                bytes.fromhex(tree),
                author,
                fact.time,
                fact.type,
                kind,
                target and bytes.fromhex(target),
            )

    def _add_control(self, seq: int, control: Control) -> None:
        self._db.execute(
            "insert into controls values(?, ?, ?, ?, ?, ?)",
            (
                seq,
                actions.message(control.action).decode(),
                self._set(control.admins),
                self._set(control.votes),
                self._set(control.voters),
                b"".join(sorted(control.revoked)),
            ),
        )
        self._db.executemany(
            "insert into changes values(?, ?, ?)",
            [(seq, path, content) for path, content in sorted(control.changes.items())],
        )

    def _author(self, account: AccountId, device: DeviceId) -> int:
        number = self._authors.get((account, device))
        if number is None:
            number = self._authors[account, device] = len(self._authors)
            self._db.execute(
                "insert into authors values(?, ?, ?)", (number, bytes.fromhex(account), bytes.fromhex(device))
            )
        return number

    def _set(self, names: frozenset[N]) -> _Set:
        content = bytes.fromhex("".join(sorted(names)))
        number = self._sets.get(content)
        if number is None:
            number = self._sets[content] = _Set(len(self._sets))
            self._db.execute("insert into sets values(?, ?)", (number, content))
        return number

    def _load_controls(self, members: dict[int, bytes]) -> dict[int, Control]:
        changes: dict[int, dict[str, bytes | None]] = {}
        for seq, path, content in self._db.execute("select seq, path, content from changes"):
            changes.setdefault(seq, {})[path] = content
        sets = {
            number: frozenset(content[at : at + 20].hex() for at in range(0, len(content), 20))
            for number, content in members.items()
        }
        controls: dict[int, Control] = {}
        for seq, text, admins, votes, voters, revoked in self._db.execute("select * from controls"):
            outcome = actions.parse(text.encode())
            if isinstance(outcome, Rejection) or not {admins, votes, voters} <= sets.keys() or seq not in changes:
                raise DamagedError(f"control data of row {seq}")
            controls[seq] = Control(
                outcome[0],
                changes[seq],
                cast(frozenset[AccountId], sets[admins]),
                cast(frozenset[CommitId], sets[votes]),
                cast(frozenset[AccountId], sets[voters]),
                frozenset(revoked[at : at + 16] for at in range(0, len(revoked), 16)),
            )
        return controls

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        """Rows that were believed when the log was opened: the next opening makes them anew."""
        try:
            with self._refusals():
                yield
        except DamagedError as error:
            raise StorageError(f"{self._path} is damaged: {error}", hint=_ANEW) from error

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise _storage_error(self._path, error) from error
        except (sqlite3.DatabaseError, ValueError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise DamagedError(str(error)) from error


@contextmanager
def _uncollected() -> Iterator[None]:
    """Thousands of rows, none of them garbage, would have the collector look through all that the process holds, again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _numbers(packed: bytes) -> tuple[int, ...]:
    if len(packed) % 4:
        raise DamagedError("parents that are no numbers")
    return struct.unpack(f">{len(packed) // 4}I", packed)


def _check(parents: array[int], several: Mapping[int, tuple[int, ...]]) -> None:
    """Parents stand before children; those of `several` have 0 in the column."""
    late = any(map(operator.ge, parents[1:], range(1, len(parents)))) or any(
        parent >= seq for seq, numbers in several.items() for parent in numbers
    )
    if late or (parents and 0 not in several):
        raise DamagedError("a row stands before its parent")


def _storage_error(path: Path, error: sqlite3.OperationalError) -> Exception:
    code: Any = getattr(error, "sqlite_errorname", "")
    match code:
        case "SQLITE_FULL":
            return StorageError(
                f"cannot write {path}: there is no space left", hint=f"free some space on the disk that holds {path}"
            )
        case "SQLITE_READONLY" | "SQLITE_CANTOPEN" | "SQLITE_PERM":
            return StorageError(
                f"cannot open {path} for writing", hint="see who owns it, and whether the file system is read-only"
            )
        case "SQLITE_ERROR":  # no such table: rows of nobody we know
            return DamagedError(str(error))
        case _:
            return StorageError(f"cannot use {path}: {error}", hint="the disk may be failing; save what you can")
