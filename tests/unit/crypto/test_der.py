from __future__ import annotations

from datetime import UTC, datetime

import pytest

from swarmchat.crypto import der
from swarmchat.crypto.der import DerError, Reader


def read_time(tag: int, text: bytes) -> int:
    return Reader(der.element(tag, text)).time()


@pytest.mark.parametrize("length", [0, 1, 127, 128, 255, 256, 65535, 65536, 70000])
def test_an_element_of_any_length_is_read_back(length: int) -> None:
    written = der.element(der.OCTET_STRING, bytes(length))
    reader = Reader(written)
    assert reader.content(der.OCTET_STRING) == bytes(length)
    reader.finish()
    assert Reader(written).element(der.OCTET_STRING) == written


@pytest.mark.parametrize(
    "data",
    [
        "", "04", "0401", "040200", "0480", "0480000000", "048100", "04817f" + "00" * 127, "0482007f" + "00" * 127,
        "0482", "048200ff" + "00" * 255, "0484000000010a", "04ff", "0500", "2401",
    ],
)  # fmt: skip
def test_lengths_in_a_second_form_other_tags_and_cut_values_are_refused(data: str) -> None:
    with pytest.raises(DerError):
        Reader(bytes.fromhex(data)).content(der.OCTET_STRING)


def test_an_inner_value_cannot_reach_out_of_its_outer_one() -> None:
    outer = der.element(der.SEQUENCE, b"\x04\x05ab") + b"cdefg"
    with pytest.raises(DerError, match="cut off"):
        Reader(outer).enter(der.SEQUENCE).content(der.OCTET_STRING)


@pytest.mark.parametrize("value", [0, 1, 127, 128, 255, 256, 2**63 - 1, 2**159 - 1])
def test_integers_are_read_back(value: int) -> None:
    assert Reader(der.integer(value)).integer() == value


@pytest.mark.parametrize("content", [b"", b"\x80", b"\xff", b"\0\x7f", b"\0\0", bytes(21)])
def test_integers_that_are_negative_padded_or_huge_are_refused(content: bytes) -> None:
    with pytest.raises(DerError):
        Reader(der.element(der.INTEGER, content)).integer()


def test_a_boolean_is_true_or_absent() -> None:
    assert Reader(b"\x01\x01\xff").boolean()
    assert not Reader(b"").boolean()
    assert not Reader(b"\x02\x01\x01").boolean()
    for wrong in (b"\x01\x01\x00", b"\x01\x01\x01", b"\x01\x00"):
        with pytest.raises(DerError):
            Reader(wrong).boolean()


@pytest.mark.parametrize(
    ("content", "flags"), [(b"\x07\x80", 0x80), (b"\x01\x06", 0x06), (b"\x07\x06\x80", 0x06), (b"\0\1", 1)]
)
def test_flags_are_read(content: bytes, flags: int) -> None:
    assert Reader(der.element(der.BIT_STRING, content)).flags() == flags


@pytest.mark.parametrize("content", [b"", b"\0", b"\x08\x00", b"\x07\xc0", b"\0\0\0\0"])
def test_flags_of_another_shape_are_refused(content: bytes) -> None:
    with pytest.raises(DerError):
        Reader(der.element(der.BIT_STRING, content)).flags()


@pytest.mark.parametrize("content", [b"", b"\x01\x02"])
def test_a_bit_string_of_broken_bytes_is_refused(content: bytes) -> None:
    with pytest.raises(DerError):
        Reader(der.element(der.BIT_STRING, content)).bits()


@pytest.mark.parametrize(
    ("year", "tag"),
    [(1970, der.UTC_TIME), (2049, der.UTC_TIME), (2050, der.GENERALIZED_TIME), (9999, der.GENERALIZED_TIME)],
)
def test_a_date_is_read_back_and_changes_its_form_in_2050(year: int, tag: int) -> None:
    seconds = int(datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())
    assert der.time(seconds)[0] == tag
    assert Reader(der.time(seconds)).time() == seconds


def test_dates_before_1970_are_read() -> None:
    assert read_time(der.UTC_TIME, b"500101000000Z") == int(datetime(1950, 1, 1, tzinfo=UTC).timestamp())


@pytest.mark.parametrize("seconds", [-1, 253_402_300_800])
def test_times_that_no_certificate_can_carry_are_not_written(seconds: int) -> None:
    with pytest.raises(ValueError, match="no time"):
        der.time(seconds)


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        (der.UTC_TIME, b"250101000000"),
        (der.UTC_TIME, b"2501010000Z"),
        (der.UTC_TIME, b"250101000000+0000"),
        (der.UTC_TIME, b"250230000000Z"),
        (der.UTC_TIME, b"250101240000Z"),
        (der.UTC_TIME, b"250101000060Z"),
        (der.UTC_TIME, b"2501010000\xd9\xa0Z"),
        (der.UTC_TIME, b"250101000000Z\n"),
        (der.GENERALIZED_TIME, b"20491231235959Z"),
        (der.GENERALIZED_TIME, b"20500101000000.5Z"),
        (der.GENERALIZED_TIME, b"00000101000000Z"),
        (der.OCTET_STRING, b"250101000000Z"),
    ],
)
def test_other_spellings_of_a_date_are_refused(tag: int, text: bytes) -> None:
    with pytest.raises(DerError):
        read_time(tag, text)


@pytest.mark.parametrize("content", ["2a", "0992268993f22c640101", "2a8100", "60" * 63, "00"])
def test_an_object_identifier_is_read(content: str) -> None:
    assert Reader(der.element(der.OBJECT_ID, bytes.fromhex(content))).object_id().hex() == content


@pytest.mark.parametrize("content", ["", "80", "8001", "2a8001", "2a81", "2a8180", "60" * 64])
def test_an_object_identifier_padded_cut_or_huge_is_refused(content: str) -> None:
    with pytest.raises(DerError):
        Reader(der.element(der.OBJECT_ID, bytes.fromhex(content))).object_id()


def test_extensions_are_read_by_name_and_none_may_stand_twice() -> None:
    one, two = der.extension(b"\x01", b"a"), der.extension(b"\x02", b"b", critical=True)
    found = der.read_extensions(Reader(der.element(der.SEQUENCE, one, two)))
    assert {oid: (each.critical, each.value) for oid, each in found.items()} == {
        b"\1": (False, b"a"),
        b"\2": (True, b"b"),
    }
    for wrong in ((one, one), (), (one + b"\0",), (der.element(der.SEQUENCE, one[2:], b"\5\0"),)):
        with pytest.raises(DerError):
            der.read_extensions(Reader(der.element(der.SEQUENCE, *wrong)))
