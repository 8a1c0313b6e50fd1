"""Messages of protocol buffers: one way to write them, strict reading, nothing lost that nobody here knows."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated

import pytest

from swarmchat.gateways.protobuf import (
    BOOL,
    BYTES,
    ENUM,
    INT32,
    INT64,
    STRING,
    UINT32,
    UINT64,
    Fault,
    Field,
    Message,
    Unknown,
    delimited,
    undelimited,
)
from swarmchat.gateways.refusal import Refused
from swarmchat.limits import PROTOBUF_BYTES_MAX, PROTOBUF_FIELDS_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner(Message):
    number: Annotated[int, Field(1, INT64)] = 0
    text: Annotated[str, Field(2, STRING)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer(Message):
    """Not in the order of its numbers, so that writing has to sort."""

    far: Annotated[tuple[Inner, ...], Field(6004, Inner, repeated=True)] = ()
    clock: Annotated[int, Field(1, UINT64)] = 0
    names: Annotated[tuple[str, ...], Field(2, STRING, repeated=True)] = ()
    inner: Annotated[Inner | None, Field(3, Inner)] = None
    kind: Annotated[int, Field(4, ENUM)] = 0
    small: Annotated[int, Field(5, UINT32)] = 0
    signed: Annotated[int, Field(6, INT32)] = 0
    flag: Annotated[bool, Field(7, BOOL)] = False
    raw: Annotated[bytes, Field(8, BYTES)] = b""
    one: Annotated[Inner | None, Field(9, Inner, oneof="choice")] = None
    other: Annotated[bytes | None, Field(10, BYTES, oneof="choice")] = None


def read(data: str | bytes) -> Outer:
    message = Outer.decode(bytes.fromhex(data) if isinstance(data, str) else data)
    assert isinstance(message, Outer), message
    return message


def fault(data: str | bytes) -> str:
    refused = Outer.decode(bytes.fromhex(data) if isinstance(data, str) else data)
    assert isinstance(refused, Refused), refused
    return refused.reason


def test_fields_are_written_by_ascending_number_and_defaults_are_left_out() -> None:
    message = Outer(far=(Inner(number=1), Inner()), clock=300, names=("a", ""), small=7)
    assert message.encode().hex() == "08ac0212016112002807a2f702020801a2f70200"
    assert Outer().encode() == b""
    assert read(message.encode()) == message


@pytest.mark.parametrize(
    ("message", "written"),
    [
        (Outer(clock=2**64 - 1), "08ffffffffffffffffff01"),
        (Outer(small=2**32 - 1), "28ffffffff0f"),
        (Outer(kind=-1), "20ffffffffffffffffff01"),
        (Outer(signed=-(2**31)), "3080808080f8ffffffff01"),
        (Outer(signed=2**31 - 1), "30ffffffff07"),
        (Outer(inner=Inner(number=-(2**63))), "1a0b0880808080808080808001"),
        (Outer(flag=True), "3801"),
        (Outer(inner=Inner()), "1a00"),
        (Outer(other=b""), "5200"),
        (Outer(raw=b"\0"), "420100"),
    ],
)
def test_the_edges_of_every_kind_of_value(message: Outer, written: str) -> None:
    assert message.encode().hex() == written
    assert read(written) == message


@pytest.mark.parametrize(
    "message",
    [
        Outer(clock=-1),
        Outer(clock=2**64),
        Outer(small=2**32),
        Outer(signed=2**31),
        Outer(inner=Inner(number=2**63)),
        Outer(names=("\ud800",)),
        Outer(one=Inner(), other=b""),
    ],
)
def test_what_the_wire_cannot_say_is_not_written(message: Outer) -> None:
    with pytest.raises(ValueError):
        message.encode()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("08", Fault.CUT_SHORT),
        ("0880", Fault.CUT_SHORT),
        ("08ffffffffffffffffff02", Fault.BAD_NUMBER),
        ("0880808080808080808002", Fault.BAD_NUMBER),
        ("0880808080808080808080", Fault.BAD_NUMBER),
        ("120a" + 10 * "61" + "0880", Fault.CUT_SHORT),
        ("088080808080808080808000", Fault.BAD_NUMBER),
        ("1202", Fault.CUT_SHORT),
        ("120261", Fault.CUT_SHORT),
        ("1a0208011a0108", Fault.CUT_SHORT),
        ("5d000000", Fault.CUT_SHORT),
        ("59" + 7 * "00", Fault.CUT_SHORT),
        ("1201ff", Fault.BAD_TEXT),
        ("1203eda080", Fault.BAD_TEXT),
        ("288080808010", Fault.BAD_NUMBER),
        ("308080808008", Fault.BAD_NUMBER),
        ("30fffffffff7ffffffff01", Fault.BAD_NUMBER),
        ("3802", Fault.BAD_NUMBER),
        ("0000", Fault.BAD_FIELD),
        ("808080801000", Fault.BAD_FIELD),
        ("0b0c", Fault.BAD_FIELD),
        ("0e", Fault.BAD_FIELD),
        ("5a010f", None),
    ],
)
def test_broken_bytes_are_refused_with_what_is_wrong(data: str, expected: str | None) -> None:
    if expected is None:  # a field nobody knows is not looked into
        assert read(data).unknown == (Unknown(11, bytes.fromhex(data)),)
    else:
        assert fault(data) == expected


def test_a_part_of_a_message_does_not_end_in_the_next() -> None:
    assert fault("1a01081a0101") == Fault.CUT_SHORT  # together they would be one field


def test_a_replaced_member_of_a_oneof_must_be_whole_too() -> None:
    assert fault("4a01085200") == Fault.CUT_SHORT


def test_fields_nobody_knows_are_written_again_in_their_place() -> None:
    data = "08011d010203042199000000000000003a01785a01615800e2f702020801"
    message = read(data)
    assert [each.number for each in message.unknown] == [3, 4, 7, 11, 11, 6012]
    assert message.clock == 1
    assert message.inner is None
    assert message.encode().hex() == data


def test_fields_nobody_knows_stand_by_number_however_they_came() -> None:
    late, early = "620161", "5a0162"
    assert read(late + "0805" + early).encode().hex() == "0805" + early + late
    assert read(late + early) == read(early + late)


def test_the_largest_number_a_field_can_have_is_read() -> None:
    assert read("f8ffffff0f00").unknown == (Unknown(2**29 - 1, bytes.fromhex("f8ffffff0f00")),)


def test_a_truth_value_is_true_or_false() -> None:
    assert read("3801").flag is True
    assert read("3800").flag is False


def test_a_refusal_names_the_field_where_that_helps_and_else_the_message() -> None:
    assert Outer.decode(b"\x38\x02") == Refused(Fault.BAD_NUMBER, "flag")
    assert Outer.decode(b"\x1a\x03\x12\x01\xff") == Refused(Fault.BAD_TEXT, "text")
    assert Outer.decode(b"\x08") == Refused(Fault.CUT_SHORT, "Outer")


def test_of_a_field_given_twice_the_last_counts() -> None:
    assert read("08010802").clock == 2
    assert read("1201610801120162").names == ("a", "b")


def test_messages_given_twice_are_merged() -> None:
    assert read("1a0208011a031201611a020802").inner == Inner(number=2, text="a")


def test_of_a_oneof_the_last_counts_and_is_not_merged_with_what_stood_before_the_other() -> None:
    assert read("4a02080152017a") == Outer(other=b"z")
    assert read("4a02080152004a03120161") == Outer(one=Inner(text="a"))
    assert read("4a0208014a03120161") == Outer(one=Inner(number=1, text="a"))


def test_a_message_has_so_many_fields_and_no_more() -> None:
    assert len(read(b"\x12\x00" * PROTOBUF_FIELDS_MAX).names) == PROTOBUF_FIELDS_MAX
    assert fault(b"\x12\x00" * (PROTOBUF_FIELDS_MAX + 1)) == Fault.TOO_MANY_FIELDS
    nested = Outer(inner=Inner(number=1)).encode()
    assert fault(b"\x12\x00" * (PROTOBUF_FIELDS_MAX - 1) + nested) == Fault.TOO_MANY_FIELDS


def test_a_message_has_so_many_bytes_and_no_more() -> None:
    longest = Outer(raw=bytes(PROTOBUF_BYTES_MAX - 5)).encode()
    assert len(longest) == PROTOBUF_BYTES_MAX
    assert len(read(longest).raw) == PROTOBUF_BYTES_MAX - 5
    assert fault(Outer(raw=bytes(PROTOBUF_BYTES_MAX - 4)).encode()) == Fault.TOO_BIG


def test_a_stream_of_messages_is_read_back() -> None:
    messages = (b"", b"a", bytes(300))
    assert delimited(messages)[:4].hex() == "000161ac"
    assert undelimited(delimited(messages), 3) == messages
    assert undelimited(b"", 0) == ()
    assert undelimited(delimited([bytes(PROTOBUF_BYTES_MAX)]), 1) == (bytes(PROTOBUF_BYTES_MAX),)


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"\x02a", Fault.CUT_SHORT),
        (b"\x00\x80", Fault.CUT_SHORT),
        (b"\xff" * 10, Fault.BAD_NUMBER),
        (b"\x00\x00\x00\x00", Fault.TOO_MANY_FIELDS),
        (delimited([bytes(PROTOBUF_BYTES_MAX + 1)]), Fault.TOO_BIG),
    ],
)
def test_a_broken_stream_is_refused_whole(stream: bytes, expected: str) -> None:
    refused = undelimited(stream, 3)
    assert isinstance(refused, Refused)
    assert refused.reason == expected


def test_a_member_of_an_enum_is_written_as_quickly_as_its_number() -> None:
    class Number(enum.IntEnum):
        LAST = 2**63 - 1

    assert (
        Inner(number=Number.LAST).encode().hex() == "08ffffffffffffffff7f"
    )  # a range looked through would take for ever
