"""Who has what, and who has read what: heads and read marks for each device. (SCP-04, SCP-08 §3.4)"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from swarmchat.ids import CommitId, ConversationId, DeviceId
from swarmchat.index.database import Database, Rebuilt

_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS heads (
    conversation TEXT NOT NULL,
    device TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    heads TEXT NOT NULL,
    PRIMARY KEY (conversation, device)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS read_mark (
    conversation TEXT NOT NULL,
    device TEXT NOT NULL,
    position INTEGER NOT NULL,
    commit_id TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    PRIMARY KEY (conversation, device)
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Held:
    """The heads a device said that it holds, and when (ms)."""

    heads: frozenset[CommitId]
    time_ms: int


@dataclass(frozen=True, slots=True)
class ReadMark:
    """How far a device has read: a commit and its position in the order the caller counts in."""

    commit: CommitId
    position: int
    time_ms: int


class Receipts:
    """What other devices told of themselves, kept over restarts. Bounded by the rosters the caller feeds it from. Synchronous."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the file; a damaged one is moved aside (`rebuilt`). Raises StorageError."""
        self._database = Database(path, _SCHEMA, _VERSION, lasting=False)  # devices tell it again

    @property
    def rebuilt(self) -> Rebuilt | None:
        """What had to be given up at opening, as a warning for people."""
        return self._database.rebuilt

    def heads(self, conversation: ConversationId, device: DeviceId) -> Held | None:
        """What a device holds of a conversation, as far as it told."""
        return self.all_heads(conversation).get(device)

    def all_heads(self, conversation: ConversationId) -> Mapping[DeviceId, Held]:
        """The same of every device, by id."""
        query = "SELECT device, heads, time_ms FROM heads WHERE conversation = ? ORDER BY device"
        rows = self._database.run(lambda connection: connection.execute(query, (conversation,)).fetchall())
        return {DeviceId(device): _held(heads, time_ms) for device, heads, time_ms in rows}

    def set_heads(
        self, conversation: ConversationId, device: DeviceId, heads: Iterable[CommitId], *, time_ms: int
    ) -> bool:
        """A device told its heads; False, and nothing is written, when they are what is known."""
        return self._change(
            "INSERT INTO heads VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET heads = excluded.heads, "
            "time_ms = excluded.time_ms WHERE heads.heads <> excluded.heads",
            (conversation, device, time_ms, " ".join(sorted(set(heads)))),
        )

    def read_mark(self, conversation: ConversationId, device: DeviceId) -> ReadMark | None:
        """How far a device has read."""
        return self.read_marks(conversation).get(device)

    def read_marks(self, conversation: ConversationId) -> Mapping[DeviceId, ReadMark]:
        """The same of every device, by id."""
        query = "SELECT device, commit_id, position, time_ms FROM read_mark WHERE conversation = ? ORDER BY device"
        rows = self._database.run(lambda connection: connection.execute(query, (conversation,)).fetchall())
        return {DeviceId(device): ReadMark(CommitId(commit), position, at) for device, commit, position, at in rows}

    def mark_read(
        self, conversation: ConversationId, device: DeviceId, commit: CommitId, *, position: int, time_ms: int
    ) -> bool:
        """A device has read up to here; forward only: False for a position not beyond the known one."""
        return self._change(
            "INSERT INTO read_mark VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET position = excluded.position, "
            "commit_id = excluded.commit_id, time_ms = excluded.time_ms WHERE read_mark.position < excluded.position",
            (conversation, device, position, commit, time_ms),
        )

    def forget(self, conversation: ConversationId) -> None:
        """The conversation was erased here."""
        for table in ("heads", "read_mark"):
            self._change(f"DELETE FROM {table} WHERE conversation = ?", (conversation,))  # noqa: S608 - two names of ours

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _change(self, statement: str, values: tuple[object, ...]) -> bool:
        return self._database.run(lambda connection: connection.execute(statement, values).rowcount > 0)


def _held(heads: str, time_ms: int) -> Held:
    return Held(frozenset(CommitId(head) for head in heads.split()), time_ms)
