"""When two texts count as alike to who searches: in any case, with or without accents. Pure. (SCP-08 §3.4)

Every character is folded alone, so that a place in the folded text is a place in the text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

FORM: Final = f"1/{unicodedata.unidata_version}"  # what was folded in another form is folded anew

_ACCENTS: Final = range(
    0x0300, 0x0370
)  # of Latin, Greek and Cyrillic letters; marks of other scripts are letters to who reads them
_UNSEEN: Final = frozenset(
    {0x0, 0xAD, *range(0xFE00, 0xFE10)}
)  # NUL ends texts in SQLite; soft hyphens, variation selectors
_SURROGATES: Final = range(0xD800, 0xE000)
_REPLACED: Final = "\ufffd"
_MEMO_MAX: Final = 70_000


class _Folds(dict[int, str]):
    """What each character becomes, made when it is first met."""

    def __missing__(self, code: int) -> str:
        found = "".join(_folded(code))
        if len(self) < _MEMO_MAX:
            self[code] = found
        return found


class _Exact(dict[int, str | None]):
    """What no database can hold, replaced."""

    def __missing__(self, code: int) -> str | None:
        return None if code == 0 else _REPLACED if code in _SURROGATES else chr(code)


def _folded(code: int) -> Iterator[str]:
    if code in _UNSEEN:
        return
    if code in _SURROGATES:
        yield _REPLACED
        return
    if chr(code).isspace():
        yield " "
        return
    for char in unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", chr(code)).casefold()):
        for each in unicodedata.normalize("NFKD", char.casefold()):
            if ord(each) not in _ACCENTS and ord(each) not in _UNSEEN and not each.isspace():
                yield each


_FOLDS: Final = _Folds()
_EXACT: Final = _Exact()


def exact(text: str) -> str:
    """The text as it is compared letter by letter: composed (NFC), without NUL and surrogates."""
    if text.isascii():
        return text.replace("\0", "")
    return unicodedata.normalize("NFC", text.translate(_EXACT))


def fold(text: str) -> str:
    """An exact text in the form in which alike texts are equal. Blanks stay as they are."""
    return text.lower() if text.isascii() else text.translate(_FOLDS)


def spaced(text: str) -> str:
    """The text with one blank for each run of them."""
    return " ".join(text.split())


def places(text: str) -> list[int]:
    """For each character of an exact text where it ends in the folded one."""
    if text.isascii():
        return list(range(1, len(text) + 1))
    return list(accumulate(len(_FOLDS[ord(char)]) for char in text))
