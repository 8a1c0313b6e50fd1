"""What receipts.sqlite holds: its tables, and its rows as values. (SCP-04 §6.1, SCP-08 §3.4)"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS held (
    conversation TEXT NOT NULL,
    device TEXT NOT NULL,
    origin TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    heads TEXT NOT NULL,
    change INTEGER NOT NULL,
    PRIMARY KEY (conversation, device, origin)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS held_by_change ON held (change);
CREATE TABLE IF NOT EXISTS held_moment (
    conversation TEXT NOT NULL,
    device TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    commits TEXT NOT NULL,
    PRIMARY KEY (conversation, device, time_ms)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mark (
    conversation TEXT NOT NULL,
    device TEXT NOT NULL,
    position INTEGER NOT NULL,
    commit_id TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    change INTEGER NOT NULL,
    PRIMARY KEY (conversation, device)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS mark_by_change ON mark (change);
CREATE TABLE IF NOT EXISTS mark_moment (
    conversation TEXT NOT NULL,
    device TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    commits TEXT NOT NULL,
    PRIMARY KEY (conversation, device, time_ms)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mark_waiting (
    arrival INTEGER PRIMARY KEY,
    conversation TEXT NOT NULL,
    device TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    UNIQUE (conversation, device)
) STRICT;
CREATE TABLE IF NOT EXISTS seen (
    device TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    how TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cursor (
    device TEXT PRIMARY KEY,
    epoch TEXT NOT NULL,
    change INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counting (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch TEXT NOT NULL,
    change INTEGER NOT NULL
) STRICT;
INSERT OR IGNORE INTO counting VALUES (1, lower(hex(randomblob(16))), 0);
"""
OLD: Final = (  # what version 1 kept, without moments
    "INSERT OR IGNORE INTO held SELECT conversation, device, '', time_ms, heads, row_number() OVER () FROM heads",
    "UPDATE counting SET change = (SELECT count(*) FROM held)",
    "INSERT OR IGNORE INTO mark SELECT conversation, device, position, commit_id, time_ms, "
    "(SELECT change FROM counting) + row_number() OVER () FROM read_mark",
    "UPDATE counting SET change = change + (SELECT count(*) FROM mark)",
    "DROP TABLE heads",
    "DROP TABLE read_mark",
)


@dataclass(frozen=True, slots=True)
class Held:
    """The heads a device said that it holds, and when it last said others (ms)."""

    heads: frozenset[CommitId]
    time_ms: int


@dataclass(frozen=True, slots=True)
class Moment:
    """Since `time_ms` at the latest a device has, or has read, these commits and all behind them."""

    time_ms: int
    commits: frozenset[CommitId]


@dataclass(frozen=True, slots=True)
class ReadMark:
    """How far a device has read: a commit and its position in the order the caller counts in."""

    commit: CommitId
    position: int
    time_ms: int


class How(enum.StrEnum):
    """What was last known of a device at first hand."""

    LINKED = "linked"  # a link stood
    BYE = "bye"  # it said that it goes
    LOST = "lost"  # its link broke


@dataclass(frozen=True, slots=True)
class Seen:
    """Whose a device is, as its link proved, and when it was last heard of (ms)."""

    account: AccountId
    time_ms: int
    how: How


@dataclass(frozen=True, slots=True)
class WaitingMark:
    """How far a device has read, where the commit is not here yet."""

    conversation: ConversationId
    device: DeviceId
    commit: CommitId
    time_ms: int


@dataclass(frozen=True, slots=True)
class HeldRow:
    """What `device` told an own device, the `origin` (None: the speaker), that it holds."""

    conversation: ConversationId
    device: DeviceId
    origin: DeviceId | None
    heads: tuple[CommitId, ...]
    time_ms: int


@dataclass(frozen=True, slots=True)
class MarkRow:
    """How far the user of `device` has read, and when."""

    conversation: ConversationId
    device: DeviceId
    commit: CommitId
    time_ms: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last change of a file that is known, and the file's epoch, 32 hex digits."""

    epoch: str
    change: int


@dataclass(frozen=True, slots=True)
class Page:
    """Changes of a file in their order, up to a cursor."""

    rows: tuple[HeldRow | MarkRow, ...]
    upto: Cursor


def thinned(times: Sequence[int], most: int) -> list[int]:
    """Of rising times at most so many: the last, and of the rest those without which least is known, measured by their age."""
    kept = list(times)
    while len(kept) > most:
        now = kept[-1] + 1
        worth = [(kept[place + 1] - at) / (now - at) for place, at in enumerate(kept[:-1])]
        del kept[worth.index(min(worth))]
    return kept
