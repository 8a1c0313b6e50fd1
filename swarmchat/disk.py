"""Write whole or not at all, and say in a sentence why the disk refused. (SCP-08 §1.1, §1.2)"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import BinaryIO

from swarmchat.errors import StorageError, UserError

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700
_DRAFTS = count()
_OR_FORCE = "choose another name, or replace it with --force"
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)  # of a file system that has none, as on most USB sticks

_SENTENCES = {
    errno.ENOSPC: ("there is no space left", "free some space on the disk that holds {path}"),
    errno.EDQUOT: ("the disk quota is used up", "free some space on the disk that holds {path}"),
    errno.EROFS: ("the file system is read-only", "choose a directory that can be written, with --home DIR"),
    errno.EACCES: ("permission denied", "see who owns {path}, or choose another directory with --home DIR"),
    errno.EPERM: ("permission denied", "see who owns {path}, or choose another directory with --home DIR"),
    errno.ENOTDIR: ("a part of the path is a file, not a directory", "choose another directory with --home DIR"),
    errno.EEXIST: ("a part of the path is a file, not a directory", "choose another directory with --home DIR"),
    errno.EIO: ("the disk does not answer", "the disk that holds {path} may be failing: save what you can"),
    errno.EISDIR: ("it is a directory", "name a file in it, or move it out of the way"),
    errno.ELOOP: ("it is a symbolic link that leads round in a circle", "name the file itself, or mend the link"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter path"),
}


def refusal(error: OSError, path: Path, doing: str) -> StorageError:
    """What the disk refused, as a StorageError for people, with a hint where there is a cure."""
    reason, hint = _SENTENCES.get(error.errno or 0, (error.strerror or str(error), None))
    return StorageError(
        f"cannot {doing} {path}: {reason}", hint=hint and hint.format(path=path), data={"path": str(path)}
    )


def make_directory(path: Path) -> None:
    """Make a directory (and those above it) for its owner alone, 0700; raises StorageError.

    One that is there already must be ours, and is closed to others.
    """
    try:
        path.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        found = path.stat()
        if found.st_uid != os.geteuid():
            raise StorageError(
                f"{path} belongs to another user",
                hint="choose a directory of your own with --home DIR",
                data={"path": str(path)},
            )
        if stat.S_IMODE(found.st_mode) & 0o077:
            path.chmod(DIRECTORY_MODE)
    except OSError as error:
        raise refusal(error, path, "make the directory") from error


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file so that after a power cut it holds the old or the new bytes, never a mixture; mode 0600; raises StorageError."""
    draft = path.with_name(f".{path.name}.new")
    try:
        try:
            with contextlib.suppress(FileNotFoundError):
                draft.unlink()  # left by a crash, or a trap laid by a link: O_EXCL below refuses to follow one
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)
    except OSError as error:
        raise refusal(error, path, "write") from error


def write_new(path: Path, data: bytes) -> None:
    """Write a file that must not exist yet, mode 0600, and leave nothing of it when that fails; UserError, StorageError."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise refusal(error, path, "write") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with contextlib.suppress(OSError):  # a disk that fails in this too has said enough
            path.unlink(missing_ok=True)
        raise refusal(error, path, "write") from error


@contextlib.contextmanager
def new_file(path: Path, *, force: bool = False) -> Iterator[BinaryIO]:
    """A file to be written in pieces, mode 0600, that has its name only when all went well and is durable then.

    UserError when there is one already, unless `force`: then it is replaced. StorageError.
    """
    if path.is_dir():
        raise UserError(f"{path} is a directory", hint="name a file in it")
    if path.exists() and not force:
        raise _exists(path, _OR_FORCE)
    try:
        draft, handle = _new_draft(path)
    except OSError as error:
        raise refusal(error, path, "write") from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if force:
            draft.replace(path)
        else:
            _name_new(draft, path)
        sync_directory(path.parent)
    except FileExistsError:
        raise _exists(path, _OR_FORCE) from None
    except OSError as error:
        raise refusal(error, path, "write") from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def _new_draft(path: Path) -> tuple[Path, int]:
    while True:
        draft = path.with_name(f".swarmchat.{os.getpid()}-{next(_DRAFTS)}.part")
        with contextlib.suppress(
            FileExistsError
        ):  # of one that was killed, or lives in another container, as process 1 too
            return draft, os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)


def _name_new(draft: Path, path: Path) -> None:
    try:
        path.hardlink_to(draft)  # a rename would replace what came meanwhile
    except OSError as error:
        if error.errno not in _NO_LINKS or path.exists():
            raise
        draft.replace(path)


def _exists(path: Path, hint: str = "choose another name; nothing is overwritten") -> UserError:
    return UserError(f"{path} exists already", hint=hint)


def sync_directory(path: Path) -> None:
    """Make a rename in this directory survive a power cut; raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def open_file(path: Path) -> BinaryIO:
    """A file, opened for reading. Raises FileNotFoundError, UserError for what is no file: a pipe would keep its reader waiting; StorageError."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise refusal(error, path, "read") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise UserError(f"{path} is no file", hint="name a file: what comes through a pipe is written into one first")
    return os.fdopen(handle, "rb")


def read_bounded(path: Path, limit: int, *, pipes: bool = True, hint: str | None = None) -> bytes | None:
    """All bytes of a file, or None when there is none; StorageError when it cannot be read or exceeds `limit` bytes.

    Without `pipes` it never waits, and raises UserError for what is no file. `hint` is for who has a file that is too large.
    """
    try:
        with path.open("rb") if pipes else open_file(path) as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise refusal(error, path, "read") from error
    if len(data) > limit:
        raise StorageError(f"{path} is larger than {limit} bytes and was not read", hint=hint, data={"path": str(path)})
    return data
