"""Text for people, as pure functions: what strangers wrote made harmless, columns, colours, times, ids.

Names and messages come from strangers. What reaches a terminal can neither move the cursor, colour or clear the screen,
nor turn the reading direction of what follows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any, Final

from swarmchat.harmless import lines, plain, to_json

__all__ = [
    "SHORT_ID",
    "Names",
    "Palette",
    "age",
    "clock",
    "counted",
    "lines",
    "local_time",
    "padded",
    "plain",
    "short",
    "table",
    "to_json",
    "width",
]

SHORT_ID: Final = 8  # hex digits; commands accept any unique prefix of at least 4

_STYLES: Final[Mapping[str, str]] = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}
_ANSI: Final = re.compile(r"\x1b\[[0-9;]*m")


def width(text: str) -> int:
    """Cells that `text` takes on a terminal; colour codes take none."""
    return sum(_cells(char) for char in _ANSI.sub("", text))


def padded(text: str, cells: int) -> str:
    """`text` filled with blanks to so many cells."""
    return text + " " * max(0, cells - width(text))


def table(rows: Iterable[Sequence[str]], header: Sequence[str] = ()) -> list[str]:
    """Columns two blanks apart, the last one ragged; nothing at all without rows."""
    body = [list(row) for row in rows]
    if not body:
        return []
    grid = [list(header), *body] if header else body
    widths = [max(width(row[column]) for row in grid) for column in range(len(grid[0]))]
    return ["  ".join(padded(cell, cells) for cell, cells in zip(row, widths, strict=True)).rstrip() for row in grid]


def short(identifier: str | None) -> str:
    """An id as people see and type it."""
    return plain((identifier or "–")[:SHORT_ID])


def counted(number: int, thing: str) -> str:
    """`1 fault`, `2 faults`: for words that take an s."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def local_time(stamp: str | None, zone: tzinfo | None = None) -> datetime | None:
    """The API's UTC time as local time (or in `zone`); None for what is no time."""
    try:
        return datetime.fromisoformat(stamp).astimezone(zone) if stamp else None
    except (ValueError, OverflowError, OSError):
        return None


def clock(stamp: str | None, zone: tzinfo | None = None) -> str:
    """Date and time to the second, local; a dash when there is none."""
    moment = local_time(stamp, zone)
    return moment.strftime("%Y-%m-%d %H:%M:%S") if moment else plain(stamp or "–")


def age(stamp: str | None, now: datetime) -> str:
    """How long ago that was, in its largest unit; empty for what is no time, and nothing is ahead of us."""
    moment = local_time(stamp)
    if moment is None:
        return ""
    seconds = max(0, int((now - moment).total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


class Palette:
    """Colours, or none."""

    def __init__(self, on: bool) -> None:
        self.on = on

    def __call__(self, text: str, *styles: str) -> str:
        """`text` in these styles."""
        if not self.on or not styles or not text:
            return text
        return f"\x1b[{';'.join(_STYLES[style] for style in styles)}m{text}\x1b[0m"


class Names:
    """Accounts by my word for a contact, else by the name they go by there; the id stands beside it where a name is missing or shared."""

    def __init__(self, members: Iterable[Mapping[str, Any]] = (), contacts: Iterable[Mapping[str, Any]] = ()) -> None:
        mine = {str(one["id"]): plain(one["name"]).strip() for one in contacts}
        self._names: dict[str, str] = {}
        seen: dict[str, int] = {}
        for member in members:
            account = str(member["id"])
            name = mine.get(account) or plain(member.get("name") or "").strip()
            self._names[account] = name
            seen[name] = seen.get(name, 0) + 1
        self._shared = {name for name, count in seen.items() if count > 1}

    def __call__(self, account: str | None) -> str:
        """What to call this account."""
        name = self._names.get(account or "", "")
        if not name:
            return short(account)
        return f"{name} ({short(account)})" if name in self._shared else name


def _cells(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1
