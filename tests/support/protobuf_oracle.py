"""The runtime of protocol buffers, told our tables: what it writes and reads is what ours has to."""

from __future__ import annotations

import random
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from swarmchat.gateways import protobuf
from swarmchat.gateways.protobuf import BOOL, BYTES, INT32, INT64, STRING, UINT32, UINT64, Message

_Proto = descriptor_pb2.FieldDescriptorProto
_KINDS: Final = {
    UINT32: _Proto.TYPE_UINT32,
    UINT64: _Proto.TYPE_UINT64,
    INT32: _Proto.TYPE_INT32,
    INT64: _Proto.TYPE_INT64,
    BOOL: _Proto.TYPE_BOOL,
    STRING: _Proto.TYPE_STRING,
    BYTES: _Proto.TYPE_BYTES,
}
_EDGES: Final[dict[Any, tuple[int, ...]]] = {
    UINT32: (0, 1, 127, 128, 2**32 - 1),
    UINT64: (0, 1, 2**63, 2**64 - 1),
    INT32: (0, 1, -1, -(2**31), 2**31 - 1),
    INT64: (0, 1, -1, -(2**63), 2**63 - 1),
    BOOL: (False, True),
}


def runtime_class(kind: type[Message]) -> Any:
    """The class that the runtime makes of one of our tables, and of those it names."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{kind.__name__}.proto", package="ours", syntax="proto3")
    _describe(kind, file, set())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"ours.{kind.__name__}"))


def same(ours: Message, theirs: Any) -> bool:
    """Whether both say the same, fields nobody knows aside."""
    return all(_agrees(row, getattr(ours, row.name), theirs) for row in protobuf._table(type(ours)).values())


def told(ours: Message, kind: Any) -> Any:
    """The runtime's message that says the same as ours."""
    theirs = kind()
    for row in protobuf._table(type(ours)).values():
        value = getattr(ours, row.name)
        if row.field.repeated:
            for each in value:
                if isinstance(each, Message):
                    getattr(theirs, row.name).add().CopyFrom(told(each, type(getattr(kind(), row.name).add())))
                else:
                    getattr(theirs, row.name).append(each)
        elif isinstance(value, Message):
            getattr(theirs, row.name).CopyFrom(told(value, type(getattr(theirs, row.name))))
        elif value != row.default:
            setattr(theirs, row.name, value)
    return theirs


def anything(kind: type[Message], dice: random.Random) -> Message:
    """A message of this table, each field there or not, with values at the edges and between them."""
    values: dict[str, Any] = {}
    chosen: dict[str, str] = {}
    rows = list(protobuf._table(kind).values())
    for row in dice.sample(rows, len(rows)):
        if row.field.oneof and chosen.setdefault(row.field.oneof, row.name) != row.name:
            continue
        if row.field.repeated:
            values[row.name] = tuple(_value(row.field.kind, dice) for _ in range(dice.choice((0, 1, 2, 30))))
        elif dice.random() < 0.7:
            values[row.name] = _value(row.field.kind, dice)
    return kind(**values)


def _value(kind: Any, dice: random.Random) -> Any:
    if isinstance(kind, type):
        return anything(kind, dice)
    if kind is STRING:
        return "".join(dice.choices("aZ 0ßя漢🦊\0\n", k=dice.choice((0, 1, 5, 200))))
    if kind is BYTES:
        return dice.randbytes(dice.choice((0, 1, 65, 127, 128, 20_000)))
    edges = _EDGES[kind]
    return dice.choice((*edges, dice.randint(edges[0], edges[-1]))) if kind is not BOOL else dice.choice(edges)


def _agrees(row: protobuf._Row, value: Any, theirs: Any) -> bool:
    other = getattr(theirs, row.name)
    if row.field.repeated:
        return len(value) == len(other) and all(map(_equal, value, other))
    if row.default is None and not theirs.HasField(row.name):
        return value is None
    return value is not None and _equal(value, other)


def _equal(value: Any, other: Any) -> bool:
    return same(value, other) if isinstance(value, Message) else bool(value == other)


def _describe(kind: type[Message], file: Any, known: set[str]) -> None:
    if kind.__name__ in known:
        return
    known.add(kind.__name__)
    message = file.message_type.add(name=kind.__name__)
    oneofs: list[str] = []
    for number, row in protobuf._table(kind).items():
        field = message.field.add(name=row.name, number=number)
        field.label = _Proto.LABEL_REPEATED if row.field.repeated else _Proto.LABEL_OPTIONAL
        if isinstance(row.field.kind, type):
            field.type, field.type_name = _Proto.TYPE_MESSAGE, f".ours.{row.field.kind.__name__}"
            _describe(row.field.kind, file, known)
        else:
            field.type = _KINDS[row.field.kind]
        if row.field.oneof:
            if row.field.oneof not in oneofs:
                oneofs.append(row.field.oneof)
                message.oneof_decl.add(name=row.field.oneof)
            field.oneof_index = oneofs.index(row.field.oneof)
