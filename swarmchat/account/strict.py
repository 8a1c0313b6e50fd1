"""Reading JSON that must be exactly as expected: right keys, right types, within bounds, or ValueError naming the place."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

NUMBER_MAX = 2**53 - 1  # what every JSON reader keeps exactly


def decode(data: bytes) -> object:
    """The value of a JSON document in UTF-8; ValueError for anything else, a key given twice, or nesting without end."""
    try:
        value: object = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def encode(value: object) -> bytes:
    """The JSON document of a value: UTF-8, sorted keys, one final LF; equal values give equal bytes."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1).encode("utf-8") + b"\n"


class Fields:
    """One JSON object with exactly the given keys; `where` names it in errors."""

    def __init__(self, value: object, where: str, keys: Iterable[str]) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{where}: not an object")  # noqa: TRY004 - hostile data is a ValueError everywhere
        if value.keys() != set(keys):
            wrong = sorted(str(key) for key in value.keys() ^ set(keys))
            raise ValueError(f"{where}: missing or unknown {', '.join(wrong)[:80]}")
        self._value = value
        self._where = where

    def text(self, key: str, limit: int) -> str:
        """A string of at most `limit` characters that UTF-8 can carry."""
        value = self._value[key]
        if not isinstance(value, str) or len(value) > limit:
            raise self.wrong(key, f"not a string of at most {limit} characters")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise self.wrong(key, "not valid text") from None
        return value

    def number(self, key: str, maximum: int = NUMBER_MAX) -> int:
        """A whole number, 0 … `maximum`."""
        value = self._value[key]
        if type(value) is not int or not 0 <= value <= maximum:
            raise self.wrong(key, f"not a whole number of 0 … {maximum}")
        return value

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self._value[key]
        if not isinstance(value, bool):
            raise self.wrong(key, "neither true nor false")
        return value

    def parsed(self, key: str, parse: Callable[[str], T], limit: int = 512) -> T:
        """A string that `parse` accepts."""
        text = self.text(key, limit)
        try:
            return parse(text)
        except ValueError as error:
            raise self.wrong(key, str(error)) from None

    def optional(self, key: str, parse: Callable[[str], T], limit: int = 512) -> T | None:
        """The same, or null."""
        return None if self._value[key] is None else self.parsed(key, parse, limit)

    def items(self, key: str, limit: int) -> list[object]:
        """An array of at most `limit` elements."""
        value = self._value[key]
        if not isinstance(value, list) or len(value) > limit:
            raise self.wrong(key, f"not an array of at most {limit}")
        return value

    def each(self, key: str, limit: int, read: Callable[[object, str], T]) -> list[T]:
        """An array, each element read by `read(value, where)`."""
        return [read(item, f"{self._where}.{key}[{index}]") for index, item in enumerate(self.items(key, limit))]

    def value(self, key: str) -> object:
        """The value, not looked at yet."""
        return self._value[key]

    def wrong(self, key: str, reason: str) -> ValueError:
        """The error for one field."""
        return ValueError(f"{self._where}.{key}: {reason}")


def plain(value: T, where: str) -> T:
    """The value, if it is a text that UTF-8 can carry or no text at all."""
    if isinstance(value, str):
        Fields({"text": value}, where, ("text",)).text("text", len(value))
    return value


def string(value: object, where: str, parse: Callable[[str], T]) -> T:
    """An array element that is a string `parse` accepts."""
    if not isinstance(value, str):
        raise ValueError(f"{where}: not a string")  # noqa: TRY004 - as above
    try:
        return parse(value)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key is given twice")
    return value


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
