"""A strict reader, and a writer, of the little DER that certificates and revocation lists need. (X.690, RFC 5280 §4.1, §5.1)

One value has one spelling here: definite lengths in their shortest form, shortest integers, no second form of a date.
"""

from __future__ import annotations

import re
from calendar import timegm
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
OBJECT_ID: Final = 0x06
UTF8_STRING: Final = 0x0C
UTC_TIME: Final = 0x17
GENERALIZED_TIME: Final = 0x18
SEQUENCE: Final = 0x30
SET: Final = 0x31

_UTC_TIME = re.compile(rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z")
_GENERALIZED_TIME = re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z")
_PADDED_ARC = re.compile(rb"(?:^|[\x00-\x7f])\x80")
_GENERALIZED_FROM_YEAR = 2050  # RFC 5280 §4.1.2.5: earlier dates are UTCTime


class DerError(ValueError):
    """These bytes are not the DER that was expected."""


class Reader:
    """Takes one element after another out of `data[start:end]`; every method raises DerError for what it did not expect."""

    __slots__ = ("_data", "_end", "_position")

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self._data = data
        self._position = start
        self._end = len(data) if end is None else end

    def at(self, tag: int) -> bool:
        """Whether another element follows and has this tag."""
        return self._position < self._end and self._data[self._position] == tag

    @property
    def finished(self) -> bool:
        """Whether nothing follows."""
        return self._position == self._end

    def finish(self) -> None:
        """Insist that nothing follows."""
        if self._position != self._end:
            raise DerError("bytes after the end of a value")

    def enter(self, tag: int) -> Reader:
        """Go into an element; returns a reader of its content."""
        start, end = self._take(tag)
        return Reader(self._data, start, end)

    def content(self, tag: int) -> bytes:
        """The content of an element."""
        start, end = self._take(tag)
        return self._data[start:end]

    def element(self, tag: int) -> bytes:
        """A whole element, tag and length included."""
        begin = self._position
        _, end = self._take(tag)
        return self._data[begin:end]

    def integer(self) -> int:
        """A non-negative INTEGER of at most 20 bytes."""
        content = self.content(INTEGER)
        if not content or len(content) > 20:
            raise DerError("an integer of no or too many bytes")
        if content[0] & 0x80:
            raise DerError("a negative integer")
        if len(content) > 1 and content[0] == 0 and not content[1] & 0x80:
            raise DerError("an integer with superfluous zeros")
        return int.from_bytes(content, "big")

    def object_id(self) -> bytes:
        """The content of an OBJECT IDENTIFIER: each arc in its shortest form, at most 63 bytes in all."""
        content = self.content(OBJECT_ID)
        if not 1 <= len(content) <= 63 or content[-1] & 0x80 or _PADDED_ARC.search(content):
            raise DerError("not an object identifier")
        return content

    def boolean(self) -> bool:
        """A BOOLEAN that stands only where it is TRUE, as `DEFAULT FALSE` wants it."""
        if not self.at(BOOLEAN):
            return False
        if self.content(BOOLEAN) != b"\xff":
            raise DerError("a BOOLEAN that should be absent or TRUE")
        return True

    def bits(self) -> bytes:
        """A BIT STRING of whole bytes."""
        content = self.content(BIT_STRING)
        if not content or content[0] != 0:
            raise DerError("a BIT STRING that is not whole bytes")
        return content[1:]

    def flags(self) -> int:
        """The first eight flags of a named BIT STRING; flag 0 is 0x80."""
        content = self.content(BIT_STRING)
        if not 2 <= len(content) <= 3 or content[0] > 7 or content[-1] & ((1 << content[0]) - 1):
            raise DerError("not a BIT STRING of flags")
        return content[1]

    def time(self) -> int:
        """A Time of RFC 5280, as seconds since 1970."""
        if self.at(UTC_TIME):
            match = _UTC_TIME.fullmatch(self.content(UTC_TIME))
            years = 0
        else:
            match = _GENERALIZED_TIME.fullmatch(self.content(GENERALIZED_TIME))
            years = _GENERALIZED_FROM_YEAR
        if match is None:
            raise DerError("not a date of RFC 5280")
        year, month, day, hour, minute, second = map(int, match.groups())
        if years == 0:
            year += 2000 if year < 50 else 1900
        elif year < years:
            raise DerError("a date before 2050 is a UTCTime")
        try:
            moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError as error:
            raise DerError(f"no such date: {error}") from None
        return timegm(moment.timetuple())

    def _take(self, tag: int) -> tuple[int, int]:
        data, position, limit = self._data, self._position, self._end
        if position + 2 > limit:
            raise DerError("cut off")
        if data[position] != tag:
            raise DerError(f"tag {data[position]:#04x} where {tag:#04x} was expected")
        length = data[position + 1]
        start = position + 2
        if length & 0x80:
            count = length & 0x7F
            if not 1 <= count <= 3 or start + count > limit:
                raise DerError("a length of a forbidden form")
            length = int.from_bytes(data[start : start + count], "big")
            start += count
            if length < 0x80 or length < 1 << 8 * (count - 1):
                raise DerError("a length that is not in its shortest form")
        end = start + length
        if end > limit:
            raise DerError("cut off")
        self._position = end
        return start, end


@dataclass(frozen=True, slots=True)
class Extension:
    """One X.509 extension; `oid` and `value` are the contents of its OBJECT IDENTIFIER and OCTET STRING."""

    oid: bytes
    critical: bool
    value: bytes


def read_extensions(reader: Reader) -> dict[bytes, Extension]:
    """Read a SEQUENCE OF Extension by oid; DerError if it is empty or one stands twice."""
    sequence = reader.enter(SEQUENCE)
    found: dict[bytes, Extension] = {}
    while not found or not sequence.finished:
        one = sequence.enter(SEQUENCE)
        extension = Extension(one.object_id(), one.boolean(), one.content(OCTET_STRING))
        one.finish()
        if extension.oid in found:
            raise DerError("the same extension twice")
        found[extension.oid] = extension
    return found


def element(tag: int, *contents: bytes) -> bytes:
    """Write one element; contents of up to 2^24 − 1 bytes."""
    content = b"".join(contents)
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size, "big") + content


def integer(value: int) -> bytes:
    """Write a non-negative INTEGER."""
    return element(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def time(seconds: int) -> bytes:
    """Write a Time of RFC 5280; ValueError before 1970 or after 9999."""
    if not 0 <= seconds < 253_402_300_800:
        raise ValueError(f"{seconds} s is no time that a certificate can carry")
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    if moment.year < _GENERALIZED_FROM_YEAR:
        return element(UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").encode())
    return element(GENERALIZED_TIME, moment.strftime("%Y%m%d%H%M%SZ").encode())


def extension(oid: bytes, value: bytes, *, critical: bool = False) -> bytes:
    """Write one Extension."""
    mark = element(BOOLEAN, b"\xff") if critical else b""
    return element(SEQUENCE, element(OBJECT_ID, oid), mark, element(OCTET_STRING, value))
