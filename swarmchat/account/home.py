"""Where everything of one node lies: folders, names, permissions, the lock. (SCP-08 §1.1, §1.2)"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import pwd
import stat
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from swarmchat import disk
from swarmchat.errors import StorageError, UserError
from swarmchat.limits import SOCKET_PATH_BYTES_MAX

_LOCK_RETRY_S = 0.05
_LOCK_FILE_BYTES = 256
_TEMPORARY = Path("/tmp")  # noqa: S108 - a directory of our own inside it, owner and mode checked


@dataclass(frozen=True, slots=True)
class Home:
    """The places of one node. Making the value touches nothing on disk; `prepare` does."""

    data: Path
    config_file: Path
    state: Path  # logs
    socket: Path

    @classmethod
    def locate(cls, home: Path | None, environ: Mapping[str, str]) -> Self:
        """The home that `--home`, else SWARMCHAT_HOME, else XDG names; writes nothing. Raises UserError with a hint."""
        if home is None and environ.get("SWARMCHAT_HOME"):
            home = Path(environ["SWARMCHAT_HOME"])
        runtime = _runtime_directory(environ)
        if home is None:
            data = _xdg(environ, "XDG_DATA_HOME", ".local/share")
            config_file = _xdg(environ, "XDG_CONFIG_HOME", ".config") / "config.toml"
            state = _xdg(environ, "XDG_STATE_HOME", ".local/state")
            socket = _recorded_socket(data) or runtime / "control.sock"
        else:
            data = _absolute(home)
            config_file, state, socket = data / "config.toml", data / "log", data / "control.sock"
            if _too_long(socket):
                name = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
                socket = _recorded_socket(data) or runtime / f"{name}.sock"
        if _too_long(socket):
            raise UserError(
                f"{socket} is too long for a UNIX socket name ({SOCKET_PATH_BYTES_MAX} bytes)",
                hint="set XDG_RUNTIME_DIR to a shorter directory, or unset it",
            )
        return cls(data=data, config_file=config_file, state=state, socket=socket)

    @property
    def conversations(self) -> Path:
        """One bare repository for each conversation, `<id>.git`."""
        return self.data / "conversations"

    @property
    def archives(self) -> Path:
        """One bare repository for each history that was imported, `<id>.git`; absent until the first."""
        return self.data / "archives"

    @property
    def log_file(self) -> Path:
        """Where a daemon that was started behind writes."""
        return self.state / "daemon.log"

    @property
    def lock_file(self) -> Path:
        """Held with flock by whoever may write; has the holder's pid."""
        return self.data / "lock"

    @property
    def socket_record(self) -> Path:
        """Names the socket where it does not lie in the home, for clients with another environment."""
        return self.data / "socket"

    def prepare(self) -> None:
        """Make the directories, 0700, and record a socket that lies elsewhere; raises StorageError with a hint. Repeatable."""
        for directory in (self.data, self.conversations, self.state):
            disk.make_directory(directory)
        if self.config_file.parent != self.data:
            disk.make_directory(self.config_file.parent)
        if self.socket.parent != self.data:
            _make_runtime_directory(self.socket.parent)
            wanted = os.fsencode(self.socket) + b"\n"
            if disk.read_bounded(self.socket_record, 4096) != wanted:
                disk.write_whole(self.socket_record, wanted)

    def absent(self) -> tuple[Path, ...]:
        """The directories that `prepare` would make, the inner ones first; none where the home is there already."""
        places = (self.state, self.conversations, self.config_file.parent, self.data)
        return () if self.data.exists() else tuple(dict.fromkeys(place for place in places if not place.exists()))

    def withdraw(self, made: tuple[Path, ...]) -> None:
        """Take away what `prepare` had made (`absent` before it), if nothing came to lie in it. Under the lock."""
        own = {self.lock_file, self.socket_record, *made}
        if self.data not in made or not own.issuperset(self.data.iterdir()):
            return
        for file in (self.lock_file, self.socket_record):
            file.unlink(missing_ok=True)
        for place in made:
            with contextlib.suppress(OSError):  # something lies in it after all
                place.rmdir()

    @contextlib.contextmanager
    def lock(self, purpose: str, *, wait_s: float = 0.0) -> Iterator[None]:
        """Hold the home alone while inside; UserError naming the holder's pid if it is taken for longer than `wait_s`.

        The kernel lets go when the process dies, so kill -9 leaves no stale lock. The directory must exist.
        """
        try:
            handle = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, disk.FILE_MODE)
        except OSError as error:
            raise disk.refusal(error, self.lock_file, "lock") from error
        try:
            self._acquire(handle, wait_s)
            try:
                os.ftruncate(handle, 0)
                os.pwrite(handle, f"{os.getpid()} {purpose}\n".encode()[:_LOCK_FILE_BYTES], 0)
            except OSError as error:
                raise disk.refusal(error, self.lock_file, "write") from error
            try:
                yield
            finally:
                with contextlib.suppress(OSError):
                    os.ftruncate(handle, 0)
        finally:
            os.close(handle)

    def holder(self) -> int | None:
        """The pid of the process that holds the lock, or None."""
        pid, _ = self._lock_holder()
        if pid is None or not _alive(pid):
            return None  # the usual cases need no flock, so asking disturbs nobody who is about to take it
        try:
            handle = os.open(self.lock_file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return pid
        else:
            return None
        finally:
            os.close(handle)

    def _acquire(self, handle: int, wait_s: float) -> None:
        pause = threading.Event()
        for attempt in range(int(wait_s / _LOCK_RETRY_S) + 1):
            if attempt:
                pause.wait(_LOCK_RETRY_S)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
                    raise disk.refusal(error, self.lock_file, "lock") from error
            else:
                return
        pid, purpose = self._lock_holder()
        who = "another process" if pid is None else f"process {pid} ({purpose})" if purpose else f"process {pid}"
        raise UserError(
            f"{self.data} is in use by {who}",
            hint="wait for it to end, or stop it; a running daemon is stopped with `swarmchat daemon stop`",
            data={"pid": pid},
        )

    def _lock_holder(self) -> tuple[int | None, str]:
        try:
            with self.lock_file.open("rb") as file:
                text = file.read(_LOCK_FILE_BYTES)
        except OSError:
            return None, ""
        pid, _, purpose = text.decode("utf-8", "replace").rstrip("\n").partition(" ")
        number = int(pid) if pid.isascii() and pid.isdigit() and len(pid) < 10 else 0
        return (number or None), purpose


def _xdg(environ: Mapping[str, str], variable: str, fallback: str) -> Path:
    value = environ.get(variable, "")
    if value.startswith("/"):  # XDG: a relative path is to be ignored
        return Path(value) / "swarmchat"
    return _user_directory(environ) / fallback / "swarmchat"


def _user_directory(environ: Mapping[str, str]) -> Path:
    value = environ.get("HOME", "")
    if value.startswith("/"):
        return Path(value)
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        raise UserError("this user has no home directory", hint="say where to keep the data with --home DIR") from None


def _absolute(home: Path) -> Path:
    if not str(home) or "\0" in str(home):
        raise UserError("the home directory has no valid name", hint="give a directory with --home DIR")
    try:
        return home.expanduser().absolute()
    except RuntimeError:
        raise UserError(f"{home}: there is no such user", hint="give a directory with --home DIR") from None
    except OSError as error:
        raise disk.refusal(error, home, "find") from error


def _runtime_directory(environ: Mapping[str, str]) -> Path:
    value = environ.get("XDG_RUNTIME_DIR", "")
    if value.startswith("/") and _owned_directory(Path(value)):  # after `su` it often names another user's
        return Path(value) / "swarmchat"
    return _TEMPORARY / f"swarmchat-{os.getuid()}"


def _recorded_socket(data: Path) -> Path | None:
    """Where the node of this home said its socket lies, unless that directory is gone or not ours."""
    try:
        recorded = disk.read_bounded(data / "socket", 4096)
    except StorageError:
        return None
    if recorded is None or not recorded.startswith(b"/") or b"\0" in recorded:
        return None
    path = Path(os.fsdecode(recorded.removesuffix(b"\n")))
    return path if not _too_long(path) and _private(path.parent) else None


def _private(directory: Path) -> bool:
    try:
        found = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not stat.S_IMODE(found.st_mode) & 0o077


def _owned_directory(path: Path) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def _make_runtime_directory(directory: Path) -> None:
    """Everybody may write beside it: what lies there under our name must be a directory, not a link, and ours."""
    try:
        with contextlib.suppress(FileExistsError):
            directory.mkdir(mode=disk.DIRECTORY_MODE)
        found = directory.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
            directory.chmod(disk.DIRECTORY_MODE)
    except OSError as error:
        raise disk.refusal(error, directory, "make the directory") from error
    if not _private(directory):
        raise UserError(
            f"{directory} belongs to another user or is a link; the control socket cannot be put there",
            hint="set XDG_RUNTIME_DIR to a directory of your own",
        )


def _too_long(path: Path) -> bool:
    return len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it is there, and somebody else's
    return True
