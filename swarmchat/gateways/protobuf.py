"""Messages of protocol buffers (proto3) as plain values, written in one way and read strictly. (SCP-09 §3.2)

A message is a frozen dataclass whose annotations are its table:

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Pair(Message):
        clock: Annotated[int, Field(1, UINT64)] = 0
        names: Annotated[tuple[str, ...], Field(2, STRING, repeated=True)] = ()
        inner: Annotated[Inner | None, Field(3, Inner)] = None

Fields are written by ascending number and without those that have their default, so equal values give equal bytes. What a
table does not name is kept and written again in its place. How deep messages nest is what the tables say: they do not recur.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar, get_type_hints

from swarmchat import leb128, limits
from swarmchat.gateways.refusal import Refused


class Fault(enum.StrEnum):
    """Why bytes are no message."""

    TOO_BIG = "message-too-big"
    TOO_MANY_FIELDS = "too-many-fields"
    CUT_SHORT = "message-cut-short"
    BAD_NUMBER = "bad-number"  # over 64 bits, or more than the field can hold
    BAD_FIELD = "bad-field"  # number 0, or a kind of value that proto3 does not have
    BAD_TEXT = "bad-text"  # not UTF-8


class Scalar(enum.Enum):
    """What a field holds, unless it is a message."""

    UINT32 = enum.auto()
    UINT64 = enum.auto()
    INT32 = enum.auto()  # negative ones take ten bytes
    INT64 = enum.auto()
    BOOL = enum.auto()
    STRING = enum.auto()
    BYTES = enum.auto()


UINT32: Final = Scalar.UINT32
UINT64: Final = Scalar.UINT64
INT32: Final = Scalar.INT32
INT64: Final = Scalar.INT64
ENUM: Final = Scalar.INT32  # open: a number that nobody has named yet is kept as it is
BOOL: Final = Scalar.BOOL
STRING: Final = Scalar.STRING
BYTES: Final = Scalar.BYTES

_DEFAULTS: Final[dict[object, object]] = {STRING: "", BYTES: b"", BOOL: False}  # of all others: 0
_RANGES: Final = {
    UINT32: range(2**32),
    UINT64: range(2**64),
    INT32: range(-(2**31), 2**31),
    INT64: range(-(2**63), 2**63),
    BOOL: range(2),
}
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED: Final = {_FIXED64: 8, _FIXED32: 4}
_VARINT_BYTES_MAX: Final = 10
_NUMBER_MAX: Final = 2**29 - 1  # of a field

M = TypeVar("M", bound="Message")


@dataclass(frozen=True, slots=True)
class Field:
    """One row of a table; of those with the same `oneof` a message has one, and when it is there it is written even if empty.

    Only texts, bytes and messages repeat.
    """

    number: int
    kind: Scalar | type[Message]
    repeated: bool = False
    oneof: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A field that the table does not name, or not with this kind of value: its number, and all its bytes."""

    number: int
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What all messages have: fields nobody here knows, by ascending number."""

    unknown: tuple[Unknown, ...] = ()

    @classmethod
    def decode(cls, data: bytes) -> Self | Refused:
        """The message of these bytes; at most PROTOBUF_BYTES_MAX, with PROTOBUF_FIELDS_MAX fields. Never raises.

        Of a field given twice the last counts; messages given twice are merged, as the format has it.
        """
        if len(data) > limits.PROTOBUF_BYTES_MAX:
            return Refused(Fault.TOO_BIG, cls.__name__)
        try:
            return _read(cls, data, _Room(limits.PROTOBUF_FIELDS_MAX))
        except _BrokenError as broken:
            return Refused(broken.fault, broken.where or cls.__name__)

    def encode(self) -> bytes:
        """The bytes of this message; ValueError for a value that its field cannot hold, and for two members of one oneof."""
        pieces: list[tuple[int, bytes]] = []
        for number, row in _table(type(self)).items():
            value = getattr(self, row.name)
            if row.field.repeated:
                pieces += [(number, _written(row.field, each)) for each in value]
            elif value != row.default:
                if any(getattr(self, rival) is not None for rival in row.rivals):
                    raise ValueError(f"{row.name} and {', '.join(row.rivals)} cannot stand in one message")
                pieces.append((number, _written(row.field, value)))
        pieces += [(each.number, each.raw) for each in self.unknown]
        return b"".join(raw for _, raw in sorted(pieces, key=_number))


def delimited(messages: Iterable[bytes]) -> bytes:
    """One stream of many: each after its length, a number of as few bytes as it takes."""
    return b"".join(leb128.encode(len(each)) + each for each in messages)


def undelimited(stream: bytes, count_max: int) -> tuple[bytes, ...] | Refused:
    """The messages of such a stream, `count_max` at most; none may have more than PROTOBUF_BYTES_MAX."""
    messages: list[bytes] = []
    at = 0
    try:
        while at < len(stream):
            if len(messages) == count_max:
                return Refused(Fault.TOO_MANY_FIELDS, f"over {count_max} messages")
            length, at = _number_at(stream, at)
            if length > limits.PROTOBUF_BYTES_MAX:
                return Refused(Fault.TOO_BIG, f"message {len(messages) + 1}")
            messages.append(_bytes_at(stream, at, length))
            at += length
    except _BrokenError as broken:
        return Refused(broken.fault, f"message {len(messages) + 1}")
    return tuple(messages)


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    field: Field
    default: Any  # None where it matters whether something is there: then an empty one is written too
    rivals: tuple[str, ...]  # the other names of its oneof


_tables: dict[type[Message], Mapping[int, _Row]] = {}


def _table(kind: type[Message]) -> Mapping[int, _Row]:
    """The rows of a message by number; made when they are first asked for."""
    if kind not in _tables:
        hints = get_type_hints(kind, include_extras=True)
        fields = {name: each for name, hint in hints.items() for each in getattr(hint, "__metadata__", ())}
        _tables[kind] = {field.number: _row(name, field, fields) for name, field in fields.items()}
    return _tables[kind]


def _row(name: str, field: Field, fields: Mapping[str, Field]) -> _Row:
    rivals = tuple(other for other, each in fields.items() if other != name and field.oneof == each.oneof != "")
    told = bool(field.oneof) or isinstance(field.kind, type)
    return _Row(name, field, None if told else _DEFAULTS.get(field.kind, 0), rivals)


class _BrokenError(Exception):
    """What is read is no message; never leaves this module."""

    def __init__(self, fault: Fault, where: str = "") -> None:
        self.fault, self.where = fault, where


class _Room:
    """How many more fields one reading may meet, nested ones and those read twice included."""

    def __init__(self, fields: int) -> None:
        self.left = fields


def _read(kind: type[M], data: bytes, room: _Room) -> M:
    table = _table(kind)
    values: dict[str, Any] = {}
    parts: dict[str, list[bytes]] = {}  # of messages: they are merged by reading their parts as one
    unknown: list[Unknown] = []
    for number, wire, value, raw in _fields(data, room):
        row = table.get(number)
        if row is None or wire != _wire(row.field.kind):
            unknown.append(Unknown(number, raw))
            continue
        for rival in row.rivals:
            values.pop(rival, None)
            parts.pop(rival, None)
        read = _value(row, value, room)
        if row.field.repeated:
            values.setdefault(row.name, []).append(read)
            continue
        values[row.name] = read
        if isinstance(row.field.kind, type):
            parts.setdefault(row.name, []).append(value)
    for row in table.values():
        if row.field.repeated and row.name in values:
            values[row.name] = tuple(values[row.name])
        elif len(parts.get(row.name, ())) > 1:
            values[row.name] = _value(row, b"".join(parts[row.name]), room)
    return kind(**values, unknown=tuple(sorted(unknown, key=lambda each: each.number)))


def _fields(data: bytes, room: _Room) -> Iterator[tuple[int, int, Any, bytes]]:
    """Number, kind of value on the wire, value (a number or bytes), and all the bytes of each field."""
    at = 0
    while at < len(data):
        if not room.left:
            raise _BrokenError(Fault.TOO_MANY_FIELDS)
        room.left -= 1
        start = at
        tag, at = _number_at(data, at)
        number, wire = tag >> 3, tag & 7
        if not 0 < number <= _NUMBER_MAX:
            raise _BrokenError(Fault.BAD_FIELD, f"number {number}")
        value: int | bytes
        if wire == _VARINT:
            value, at = _number_at(data, at)
        elif wire == _LENGTH or wire in _FIXED:
            length, at = _number_at(data, at) if wire == _LENGTH else (_FIXED[wire], at)
            value = _bytes_at(data, at, length)
            at += length
        else:  # groups went out with proto2
            raise _BrokenError(Fault.BAD_FIELD, f"kind {wire} of field {number}")
        yield number, wire, value, data[start:at]


def _value(row: _Row, value: Any, room: _Room) -> Any:
    """What a field says whose value came over the wire as number or bytes."""
    kind = row.field.kind
    if isinstance(kind, type):
        return _read(kind, value, room)
    if kind is BYTES:
        return value
    if kind is STRING:
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise _BrokenError(Fault.BAD_TEXT, row.name) from None
    if kind in {INT32, INT64} and value >= 2**63:
        value -= 2**64
    if value not in _RANGES[kind]:
        raise _BrokenError(Fault.BAD_NUMBER, row.name)
    return bool(value) if kind is BOOL else value


def _written(field: Field, value: Any) -> bytes:
    """The bytes of one field."""
    kind = field.kind
    tag = leb128.encode(field.number << 3 | _wire(kind))
    if isinstance(kind, type) or kind in {STRING, BYTES}:
        content = value if kind is BYTES else value.encode()
        return b"".join((tag, leb128.encode(len(content)), content))
    number = int(value)  # a range asked for a member of an enum compares it with every number it has
    if number not in _RANGES[kind]:
        raise ValueError(f"field {field.number} cannot hold {number}")
    return tag + leb128.encode(number % 2**64)


def _wire(kind: Scalar | type[Message]) -> int:
    return _VARINT if kind in _RANGES else _LENGTH


def _number_at(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins there, and where it ends."""
    number = 0
    for index, byte in enumerate(data[at : at + _VARINT_BYTES_MAX]):
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            if number >= 2**64:
                raise _BrokenError(Fault.BAD_NUMBER)
            return number, at + index + 1
    raise _BrokenError(Fault.BAD_NUMBER if len(data) - at >= _VARINT_BYTES_MAX else Fault.CUT_SHORT)


def _bytes_at(data: bytes, at: int, length: int) -> bytes:
    if length > len(data) - at:
        raise _BrokenError(Fault.CUT_SHORT)
    return data[at : at + length]


def _number(piece: tuple[int, bytes]) -> int:
    return piece[0]
