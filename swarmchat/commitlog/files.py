"""Every change that a commit log makes to its folder goes through here, so that a test can let the n-th one fail. (SCP-04 §4.5)"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from swarmchat import disk
from swarmchat.errors import StorageError

OBJECT_MODE = 0o444  # as git has it: an object never changes
_DAMAGED = "the disk may be failing; run `swarmchat verify` on the conversation and save what you can"


class DamageError(StorageError):
    """What is on the disk is not what was written there."""

    code = "damaged"


class NewFile:
    """A file that is being written for the first time; nobody else knows its name yet."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle
        self._open = True

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes; StorageError."""
        with refusals(self.path, "write"):
            view = memoryview(data)
            while view:
                view = view[os.write(self._handle, view) :]

    def sync(self) -> None:
        """The bytes survive a power cut from here on; StorageError."""
        with refusals(self.path, "write"):
            os.fsync(self._handle)

    def close(self) -> None:
        """Give the handle back; twice is once."""
        if self._open:
            self._open = False
            os.close(self._handle)


class SteadyFile:
    """A file whose size is fixed and whose every block was written once: to sync it costs its new data and nothing else."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle

    def write_at(self, offset: int, data: bytes) -> None:
        """Replace bytes in the middle; StorageError."""
        with refusals(self.path, "write"):
            view = memoryview(data)
            while view:
                written = os.pwrite(self._handle, view, offset)
                view, offset = view[written:], offset + written

    def sync(self) -> None:
        """What was written survives a power cut from here on; StorageError."""
        with refusals(self.path, "write"):
            os.fdatasync(self._handle)

    def close(self) -> None:
        """Give the handle back."""
        os.close(self._handle)


class Files:
    """The file system as a commit log uses it. Every failure is a StorageError with a hint."""

    def create(self, path: Path, mode: int = OBJECT_MODE) -> NewFile:
        """A new, empty file; one of that name must not be there."""
        with refusals(path, "write"):
            return NewFile(path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode))

    def reserve(self, path: Path, size: int) -> SteadyFile:
        """A new file of `size` zero bytes, on the disk for its owner alone; its name is durable only after `sync_folder`."""
        file = self.create(path, disk.FILE_MODE)
        try:
            file.write(bytes(size))
            file.sync()
            with refusals(path, "write"):
                return self.steady(path, os.open(path, os.O_WRONLY | os.O_CLOEXEC))
        except BaseException:
            with suppress(StorageError):
                self.remove(path)
            raise
        finally:
            file.close()

    def steady(self, path: Path, handle: int) -> SteadyFile:
        """The reserved file behind an open handle."""
        return SteadyFile(path, handle)

    def write(self, path: Path, data: bytes, mode: int = OBJECT_MODE) -> None:
        """A new file with these bytes, synced; its name is durable only after `sync_folder`."""
        file = self.create(path, mode)
        try:
            file.write(data)
            file.sync()
        finally:
            file.close()

    def rename(self, source: Path, target: Path) -> None:
        """Give a file or folder its final name, in place of what was there."""
        with refusals(target, "write"):
            source.replace(target)

    def remove(self, path: Path) -> None:
        """Remove a file; one that is gone already is no fault."""
        with refusals(path, "remove"):
            path.unlink(missing_ok=True)

    def make_folder(self, path: Path) -> None:
        """Make a folder for its owner alone; one that is there already is no fault."""
        with refusals(path, "make the directory"):
            path.mkdir(mode=disk.DIRECTORY_MODE, parents=True, exist_ok=True)

    def sync_folder(self, path: Path) -> None:
        """The names in this folder survive a power cut from here on."""
        with refusals(path, "write"):
            disk.sync_directory(path)

    def remove_tree(self, path: Path) -> None:
        """Remove a folder and all in it; one that is gone already is no fault."""
        with refusals(path, "remove"), suppress(FileNotFoundError):
            shutil.rmtree(path)


@contextmanager
def refusals(path: Path, doing: str) -> Iterator[None]:
    """What the disk refuses in here becomes a StorageError for people."""
    try:
        yield
    except OSError as error:
        refusal = disk.refusal(error, path, doing)
        if error.errno == errno.EIO:
            raise StorageError(refusal.message, hint=_DAMAGED, data=refusal.data) from error
        raise refusal from error
