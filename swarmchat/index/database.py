"""Opening a SQLite file that may be damaged: moved aside and begun anew, with a warning as a value. (SCP-08 §3.4)"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from swarmchat import disk
from swarmchat.errors import StorageError

_BUSY_TIMEOUT_S = 5.0
SIDE_FILES: Final = ("-wal", "-shm")
_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_OTHER_CONTENT = "SQLITE_ERROR"  # at opening: tables of these names that are not ours

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A damaged file was moved aside and an empty one begun."""

    path: Path
    moved_to: Path
    reason: str


class Database:
    """One SQLite file in WAL mode, for several threads, one at a time. `rebuilt` tells whether it had to be begun anew."""

    def __init__(self, path: Path, schema: str, version: int, *, lasting: bool = True) -> None:
        """`lasting`: nothing is lost by a power cut, else what came since the last `checkpoint`. Raises StorageError where the disk refuses, and for a file of a newer version."""
        self.path = path
        self.rebuilt: Rebuilt | None = None
        self._schema = schema
        self._version = version
        self._lasting = lasting
        self._lock = threading.RLock()
        try:
            self._connection = self._open()
        except sqlite3.DatabaseError as error:
            if not _errorname(error).startswith((*_DAMAGE, _OTHER_CONTENT)):
                raise self._refusal(error) from error
            self._connection = self._begin_anew(error)
        except OSError as error:
            raise disk.refusal(error, path, "open") from error

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do the work in one transaction: all of it or nothing, whatever becomes of the process; StorageError when the disk refuses.

        Where the file turns out to be damaged, it is moved aside and the work is done on an empty one.
        """
        with self._lock:
            try:
                return self._attempt(work)
            except sqlite3.DatabaseError as error:
                if not _errorname(error).startswith(_DAMAGE):
                    raise self._refusal(error) from error
                self._connection.close()
                self._connection = self._begin_anew(error)
            try:
                return self._attempt(work)
            except sqlite3.Error as error:
                raise self._refusal(error) from error

    def checkpoint(self) -> None:
        """Nothing that was written before is lost by a power cut; StorageError when the disk refuses."""
        with self._lock:
            try:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.DatabaseError as error:
                raise self._refusal(error) from error

    @property
    def has_forerunner(self) -> bool:
        """Whether a damaged file of this name was ever moved aside, also by a run that went no further."""
        return self._free_name().name != f"{self.path.name}.damaged-1"

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        with self._lock:
            self._connection.close()

    def _open(self) -> sqlite3.Connection:
        with contextlib.suppress(FileExistsError):  # made here, so that its mode is right from the first moment
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, disk.FILE_MODE))
        connection = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT_S, check_same_thread=False)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if connection.execute("PRAGMA user_version").fetchone()[0] > self._version:
            raise StorageError(
                f"{self.path} was written by a newer swarmchat", hint="run that version, or move the file away"
            )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if self._lasting else 'NORMAL'}")
        connection.executescript(self._schema)
        connection.execute(f"PRAGMA user_version = {self._version:d}")

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._connection:
            return work(self._connection)

    def _begin_anew(self, error: sqlite3.DatabaseError) -> sqlite3.Connection:
        moved_to = self._free_name()
        try:
            self.path.replace(moved_to)
            for suffix in SIDE_FILES:
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            connection = self._open()
        except OSError as refused:
            raise disk.refusal(refused, self.path, "move the damaged file") from refused
        except sqlite3.Error as again:
            raise self._refusal(again) from again
        self.rebuilt = Rebuilt(self.path, moved_to, str(error))
        return connection

    def _free_name(self) -> Path:
        number = 1
        while (name := self.path.with_name(f"{self.path.name}.damaged-{number}")).exists():
            number += 1
        return name

    def _refusal(self, error: sqlite3.Error) -> StorageError:
        hints = {
            "SQLITE_FULL": f"free some space on the disk that holds {self.path}",
            "SQLITE_READONLY": "choose a directory that can be written, with --home DIR",
            "SQLITE_CANTOPEN": f"see who owns {self.path}",
            **dict.fromkeys(
                ("SQLITE_IOERR", *_DAMAGE), f"the disk that holds {self.path} may be failing: save what you can"
            ),
        }
        hint = next((text for code, text in hints.items() if _errorname(error).startswith(code)), None)
        return StorageError(f"{self.path}: {error}", hint=hint, data={"path": str(self.path)})


def fault(path: Path) -> str | None:
    """What is wrong with a file, which is not changed; None when it is whole."""
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_BUSY_TIMEOUT_S)
        ) as found:
            (verdict,) = found.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        return str(error)
    return None if verdict == "ok" else str(verdict)


def damaged(reason: str) -> sqlite3.DatabaseError:
    """What `work` raises when a row does not say what was written there."""
    error = sqlite3.DatabaseError(reason)
    error.sqlite_errorname = _DAMAGE[0]
    return error


def _errorname(error: sqlite3.Error) -> str:
    return str(getattr(error, "sqlite_errorname", ""))
