"""Disks that lose power or have no room: a change to the files is the last one, and what was not synced is lost in part or whole."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path

from swarmchat.commitlog.files import OBJECT_MODE, Files, NewFile, SteadyFile, refusals

Patch = tuple[int, bytes, bytes]  # in the middle of a file: where, what was there, what was written
Unsafe = int | list[Patch]  # so many bytes survive a power cut, or all but these


class WatchedFiles(Files):
    """Calls `last` before the change to the files that is chosen by `arm`; knows what a power cut would take; may be full."""

    def __init__(self) -> None:
        self.full = False  # not a byte more goes onto it
        self.unsafe: dict[Path, Unsafe] = {}
        self._left = 0
        self._last: Callable[[], None] = lambda: None

    def arm(self, changes: int, last: Callable[[], None]) -> None:
        """Call `last` once, before the change number `changes` from now, 1 being the next."""
        self._left, self._last = changes, last

    def change(self) -> None:
        """One more change is about to be made."""
        self._left -= 1
        if self._left == 0:
            self._last()

    def need_room(self, path: Path) -> None:
        """StorageError when the disk is full."""
        if self.full:
            with refusals(path, "write"):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def create(self, path: Path, mode: int = OBJECT_MODE) -> NewFile:
        self.change()
        self.need_room(path)
        made = super().create(path, mode)
        file = _File(path, os.dup(made._handle), self)
        made.close()
        self.unsafe[path] = 0
        return file

    def rename(self, source: Path, target: Path) -> None:
        self.change()
        super().rename(source, target)
        for path in [each for each in self.unsafe if each == source or source in each.parents]:
            self.unsafe[target / path.relative_to(source)] = self.unsafe.pop(path)

    def remove(self, path: Path) -> None:
        self.change()
        super().remove(path)
        self.unsafe.pop(path, None)

    def make_folder(self, path: Path) -> None:
        self.change()
        if not path.exists():
            self.need_room(path)
        super().make_folder(path)

    def sync_folder(self, path: Path) -> None:
        self.change()
        super().sync_folder(path)

    def remove_tree(self, path: Path) -> None:
        self.change()
        super().remove_tree(path)

    def steady(self, path: Path, handle: int) -> SteadyFile:
        return _SteadyFile(path, handle, self)


class _File(NewFile):
    """Remembers how much of it is safe."""

    def __init__(self, path: Path, handle: int, files: WatchedFiles) -> None:
        super().__init__(path, handle)
        self._files = files

    def write(self, data: bytes | memoryview) -> None:
        self._files.change()
        self._files.need_room(self.path)
        super().write(data)

    def sync(self) -> None:
        self._files.change()
        super().sync()
        self._files.unsafe.pop(self.path, None)


class _SteadyFile(SteadyFile):
    """Writing in it is a change, and so is syncing it."""

    def __init__(self, path: Path, handle: int, files: WatchedFiles) -> None:
        super().__init__(path, handle)
        self._files = files

    def write_at(self, offset: int, data: bytes) -> None:
        self._files.change()
        with self.path.open("rb") as file:
            file.seek(offset)
            patch = offset, file.read(len(data)), data
        patches = self._files.unsafe.setdefault(self.path, [])
        assert isinstance(patches, list), "it was synced when it was reserved"
        patches.append(patch)
        super().write_at(offset, data)

    def sync(self) -> None:
        self._files.change()
        super().sync()
        self._files.unsafe.pop(self.path, None)


def cut(unsafe: Mapping[Path, Unsafe], dice: random.Random) -> None:
    """The power is gone: of what was not synced some bytes are there, or none."""
    for path, what in sorted(unsafe.items(), key=lambda item: item[0]):
        if not path.exists():
            continue
        path.chmod(0o600)
        if isinstance(what, int):
            os.truncate(path, dice.randint(what, path.stat().st_size))
            continue
        with path.open("r+b") as file:
            for offset, before, after in what:
                kept = dice.randint(0, len(after))
                file.seek(offset)
                file.write(after[:kept] + before[kept:])


class PowerCutError(BaseException):
    """Nothing runs after this, so nothing may catch it as an error."""


class CutFiles(WatchedFiles):
    """The power goes at the change number `last`."""

    def __init__(self, last: int, dice: random.Random) -> None:
        super().__init__()
        self.arm(last, lambda: cut(self.unsafe, dice))

    def change(self) -> None:
        super().change()
        if self._left <= 0:
            raise PowerCutError
