"""How targets read structure out of fuzzed bytes: small numbers and pieces, zeros once the bytes are used up."""

from __future__ import annotations

import atexit
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

_MEMORY = Path("/dev/shm")


class Recipe:
    """Takes values off the front of the input; never raises, so that every input means something."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def more(self) -> bool:
        """Whether bytes are left."""
        return self._at < len(self._data)

    def u8(self) -> int:
        """A number of 0 … 255."""
        return int.from_bytes(self.take(1), "big")

    def u16(self) -> int:
        """A number of 0 … 65,535."""
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        """A number of 32 bits."""
        return int.from_bytes(self.take(4), "big")

    def take(self, count: int) -> bytes:
        """The next bytes, fewer at the end."""
        taken = self._data[self._at : self._at + count]
        self._at += len(taken)
        return taken

    def piece(self) -> bytes:
        """Bytes with their length in two bytes before them."""
        return self.take(self.u16())

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data))


def piece(data: bytes) -> bytes:
    """What `Recipe.piece` reads back; for seeds."""
    return len(data).to_bytes(2, "big") + data


def chunks(data: bytes, dice: int) -> Iterator[bytes]:
    """The data in pieces of uneven sizes that `dice` fixes: what a network does to a stream."""
    position = 0
    while position < len(data):
        dice = (dice * 1_103_515_245 + 12_345) & 0x7FFFFFFF
        size = 1 + (dice >> 16) % (3 if dice & 0x8000 else 700)
        yield data[position : position + size]
        position += size


def patched(data: bytes, recipe: Recipe) -> bytes:
    """The data with a few places overwritten, cut out or put in, as the recipe says to its end."""
    for _ in range(8):
        if not recipe.more:
            break
        kind, at = recipe.u8(), recipe.u16() % (len(data) + 1)
        new = recipe.take(recipe.u8() % 48)
        match kind % 3:
            case 0:
                data = data[:at] + new + data[at + len(new) :]
            case 1:
                data = data[:at] + new + data[at:]
            case _:
                data = data[:at] + data[at + len(new) :]
    return data


def folder(name: str) -> Path:
    """A folder for a target's files, in memory where there is such a place; goes with the process."""
    made = Path(mkdtemp(prefix=f"fuzz-{name}-", dir=_MEMORY if _MEMORY.is_dir() else None))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made
