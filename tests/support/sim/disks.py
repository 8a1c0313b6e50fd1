"""Disks that lose power: a change to the files is the last one, and what was not synced is lost in part or whole."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

from swarmchat.commitlog.files import OBJECT_MODE, Files, NewFile


class WatchedFiles(Files):
    """Calls `last` before the change to the files that is chosen by `arm`; until then, and after, files as they are."""

    def __init__(self) -> None:
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

    def create(self, path: Path, mode: int = OBJECT_MODE) -> NewFile:
        self.change()
        return super().create(path, mode)

    def rename(self, source: Path, target: Path) -> None:
        self.change()
        super().rename(source, target)

    def remove(self, path: Path) -> None:
        self.change()
        super().remove(path)

    def make_folder(self, path: Path) -> None:
        self.change()
        super().make_folder(path)

    def sync_folder(self, path: Path) -> None:
        self.change()
        super().sync_folder(path)

    def remove_tree(self, path: Path) -> None:
        self.change()
        super().remove_tree(path)


class PowerCutError(BaseException):
    """Nothing runs after this, so nothing may catch it as an error."""


class _File(NewFile):
    """Remembers how much of it is safe."""

    def __init__(self, path: Path, handle: int, files: CutFiles) -> None:
        super().__init__(path, handle)
        self.safe = 0
        self._files = files

    def write(self, data: bytes | memoryview) -> None:
        self._files.change()
        super().write(data)

    def sync(self) -> None:
        self._files.change()
        super().sync()
        self.safe = os.fstat(self._handle).st_size


class CutFiles(WatchedFiles):
    """The power goes at the change number `last`; files written and not synced keep a part of their bytes."""

    def __init__(self, last: int, dice: random.Random) -> None:
        super().__init__()
        self.arm(last, self._lose)
        self._dice = dice
        self._open: list[_File] = []

    def change(self) -> None:
        super().change()
        if self._left <= 0:
            raise PowerCutError

    def create(self, path: Path, mode: int = OBJECT_MODE) -> NewFile:
        made = super().create(path, mode)
        file = _File(path, os.dup(made._handle), self)
        made.close()
        self._open.append(file)
        return file

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        for file in self._open:
            if file.path == source:
                file.path = target

    def _lose(self) -> None:
        for file in self._open:
            if file.path.exists():
                file.path.chmod(0o600)
                os.truncate(file.path, self._dice.randint(file.safe, file.path.stat().st_size))
