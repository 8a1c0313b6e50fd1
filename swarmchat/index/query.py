"""What somebody looks for: words, and phrases in quotes. Pure; no text can break out of it. (SCP-08 §3.4)"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from swarmchat.errors import UsageError
from swarmchat.index.folding import exact, fold, places, spaced

_GRAM: Final = 3  # characters; what is shorter is looked for without the index
_GRAMS_MAX: Final = 64  # asked of the index; the text itself is compared anyway
_PART: Final = re.compile(r'"([^"]*)"?|([^\s"]+)')
_BEFORE_CHARS: Final = 60
_SNIPPET_CHARS: Final = 240


@dataclass(frozen=True)
class Query:
    """Terms of which every one must occur, in any order: in any case and accents, or with `case` letter by letter."""

    terms: tuple[str, ...]
    case: bool = False

    @cached_property
    def grams(self) -> tuple[str, ...]:
        """Runs of three characters that stand in every folded text that fits; none if all terms are shorter."""
        found: dict[str, None] = {}
        for term in self._folded:
            found.update(dict.fromkeys(term[at : at + _GRAM] for at in range(len(term) - _GRAM + 1)))
        return tuple(found)[:_GRAMS_MAX]

    @property
    def wanted(self) -> tuple[str, ...]:
        """What must stand in the text, or in the folded text without `case`; either with one blank for each run of them."""
        return self.terms if self.case else self._folded

    def fits(self, text: str) -> bool:
        """Whether all terms occur in a text."""
        shown = exact(text)
        content = spaced(shown if self.case else fold(shown))
        return all(term in content for term in self.wanted)

    def marked(self, text: str) -> list[tuple[str, bool]]:
        """The text in pieces, and of each whether it is what was looked for: about 240 characters from shortly before the first.

        Whitespace is one blank, and a cut end is told by an ellipsis.
        """
        shown = spaced(exact(text))
        found = list(self._found(shown))
        start = max(0, found[0][0] - _BEFORE_CHARS) if found else 0
        end = min(len(shown), start + _SNIPPET_CHARS)
        if end == len(shown):
            start = max(0, end - _SNIPPET_CHARS) if start else 0
        pieces: list[tuple[str, bool]] = [("…", False)] if start else []
        at = start
        for begin, stop in found:
            if begin >= end:
                break
            if max(begin, start) > at:
                pieces.append((shown[at : max(begin, start)], False))
            if min(stop, end) > max(begin, at):
                pieces.append((shown[max(begin, at) : min(stop, end)], True))
            at = max(at, min(stop, end))
        if at < end:
            pieces.append((shown[at:end], False))
        return [*pieces, ("…", False)] if end < len(shown) else pieces

    # --- inside

    @cached_property
    def _folded(self) -> tuple[str, ...]:
        return tuple(spaced(fold(term)) for term in self.terms) if self.case else self.terms

    def _found(self, shown: str) -> Iterator[tuple[int, int]]:
        """Where terms stand, from where to where, one after the other."""
        content = shown if self.case else fold(shown)
        ends = None if self.case else places(shown)
        for begin, stop in _occurrences(content, self.wanted):
            if ends is None:
                yield begin, stop
            else:
                yield bisect_right(ends, begin), bisect_left(ends, stop) + 1


def parse(text: str, *, case: bool = False) -> Query:
    """What a person typed: words, and "phrases" in quotes; a quote that is not closed reaches to the end. UsageError for nothing."""
    terms: dict[str, None] = {}
    for phrase, word in _PART.findall(text):
        term = exact(phrase or word)
        if term := spaced(term if case else fold(term)):
            terms[term] = None
    if not terms:
        raise UsageError("there is nothing to look for", hint="give a word, or a phrase in quotes")
    return Query(tuple(terms), case)


def _occurrences(content: str, terms: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Where any term stands in a text; what overlaps or touches is one."""
    alternatives = "|".join(re.escape(term).replace("\\ ", " +") for term in sorted(terms, key=len, reverse=True))
    begin = end = -1
    for found in re.finditer(f"(?=({alternatives}))", content):
        if found.start(1) > end:
            if end > begin:
                yield begin, end
            begin, end = found.span(1)
        else:
            end = max(end, found.end(1))
    if end > begin:
        yield begin, end
