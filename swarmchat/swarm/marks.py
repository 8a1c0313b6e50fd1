"""What own devices tell each other of receipts, as values and as maps: who holds what, who has read what. Pure. (SCP-04 §7.7)

A file of receipts numbers its changes; who asks names the last one it has taken. One page at a time is on its way: the next
`have` asks for the next. Strict and bounded: what another device sends is one of these values, or a MessageError.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from swarmchat import ids
from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId
from swarmchat.index.receipt_rows import Cursor, HeldRow, MarkRow
from swarmchat.limits import MARKS_PAGE_ROWS, MARKS_ROW_HEADS
from swarmchat.links.frames import Message
from swarmchat.swarm.messages import MessageError

KIND: Final = "marks"
_NUMBER_MAX: Final = 2**53 - 1
_EPOCH_BYTES: Final = 16
_ID_BYTES: Final = 20
_DEVICE_BYTES: Final = 32
_MARK_ITEMS: Final = 5
_HELD_ITEMS: Final = 6
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Have:
    """Up to where the speaker has taken the listener's changes; None: nothing of this file."""

    upto: Cursor | None


@dataclass(frozen=True, slots=True)
class Told:
    """A row, and whose the device is, as far as the speaker knows."""

    row: HeldRow | MarkRow
    account: AccountId | None


@dataclass(frozen=True, slots=True)
class Rows:
    """The speaker's changes up to a cursor. An origin that is not named is the speaker."""

    upto: Cursor
    rows: tuple[Told, ...]


def encode(message: Have | Rows) -> Message:
    """The map that travels."""
    match message:
        case Have(upto):
            return {"t": KIND, "have": None if upto is None else [bytes.fromhex(upto.epoch), upto.change]}
        case Rows(upto, rows):
            told = [_fields(each) for each in rows]
            return {"t": KIND, "epoch": bytes.fromhex(upto.epoch), "change": upto.change, "rows": told}


def decode(fields: Message, speaker: DeviceId) -> Have | Rows:
    """The message of a map; MessageError for one that is none. Unknown keys are left out."""
    if "have" in fields:
        return Have(_optional(fields["have"], _cursor))
    rows = fields.get("rows")
    if not isinstance(rows, list) or len(rows) > MARKS_PAGE_ROWS:
        raise MessageError("marks: rows")
    upto = _cursor([fields.get("epoch"), fields.get("change")])
    return Rows(upto, tuple(_told(each, speaker) for each in rows))


class Exchange:
    """Whose turn it is with one other device."""

    def __init__(self) -> None:
        self.theirs: Cursor | None = None  # what it has of ours
        self._asks = False  # it has said so, and nothing is on its way

    def asked(self, upto: Cursor | None) -> None:
        """It has taken so much."""
        self.theirs, self._asks = upto, True

    @property
    def may_send(self) -> bool:
        """Whether it waits for what is more than it has."""
        return self._asks

    def sent(self) -> None:
        """A page is on its way."""
        self._asks = False


# --- pieces


def _fields(told: Told) -> list[Any]:
    row, account = told.row, None if told.account is None else ids.raw(told.account)
    key = [ids.raw(row.conversation), ids.raw(row.device), account, row.time_ms]
    match row:
        case MarkRow(commit=commit):
            return [*key, ids.raw(commit)]
        case HeldRow(origin=origin, heads=heads):
            named = [ids.raw(head) for head in sorted(heads)[:MARKS_ROW_HEADS]]
            return [*key, None if origin is None else ids.raw(origin), named]


def _told(value: object, speaker: DeviceId) -> Told:
    if not isinstance(value, list) or len(value) not in {_MARK_ITEMS, _HELD_ITEMS}:
        raise MessageError("marks: a row")
    where, device = ConversationId(_id(value[0], _ID_BYTES)), DeviceId(_id(value[1], _DEVICE_BYTES))
    account = _optional(value[2], lambda one: AccountId(_id(one, _ID_BYTES)))
    time_ms = _number(value[3])
    if len(value) == _MARK_ITEMS:
        return Told(MarkRow(where, device, CommitId(_id(value[4], _ID_BYTES)), time_ms), account)
    origin, heads = _optional(value[4], lambda one: DeviceId(_id(one, _DEVICE_BYTES))), value[5]
    if not isinstance(heads, list) or len(heads) > MARKS_ROW_HEADS:
        raise MessageError("marks: heads")
    named = tuple(CommitId(_id(head, _ID_BYTES)) for head in heads)
    return Told(HeldRow(where, device, origin or speaker, named, time_ms), account)


def _cursor(value: object) -> Cursor:
    if not isinstance(value, list) or len(value) != 2:
        raise MessageError("marks: a cursor")
    return Cursor(_id(value[0], _EPOCH_BYTES), _number(value[1]))


def _optional(value: object, read: Callable[[object], T]) -> T | None:
    return None if value is None else read(value)


def _id(value: object, length: int) -> str:
    if not isinstance(value, bytes) or len(value) != length:
        raise MessageError(f"marks: an id of {length} bytes")
    return value.hex()


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _NUMBER_MAX:
        raise MessageError("marks: a number")
    return value
