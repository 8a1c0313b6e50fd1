"""What every form of an export is made of: the conversation, its people, its lines one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, Protocol

from swarmchat.harmless import lines, plain
from swarmchat.node.deeds import deed

JsonObject = dict[str, Any]
Line = Mapping[str, Any]  # a MESSAGE of the API

_SHORT = 8


@dataclass(frozen=True)
class Document:
    """What stands at the head of an export, and how its people are called."""

    conversation: JsonObject  # id, title, description, mode, created, heads
    members: Sequence[JsonObject]  # as `member.list` has them

    @property
    def title(self) -> str:
        """One harmless line, never empty."""
        return plain(self.conversation["title"]) or "(no title)"

    def called(self, account: str | None) -> str:
        """What to call an account: the name it wrote under last, and the id where that is missing or shared."""
        found = self._names.get(account or "", "")
        short = plain((account or "–")[:_SHORT])
        if not found:
            return short
        return f"{found} ({short})" if self._counts[found] > 1 else found

    def speaker(self, said: Line) -> str:
        """Who says it: the author, or who speaks through him. (SCP-09 §1.5)"""
        author, via = self.called(said["author"]), said.get("via")
        return f"{plain(via['name']) or self.called(via['account'])} via {author}" if via else author

    def deed(self, line: Line) -> str:
        """What somebody did, with who it was."""
        return f"{self.called(line['author'])} {deed(line['type'], line['body'], self.called)}"

    @cached_property
    def _names(self) -> dict[str, str]:
        return {str(one["id"]): plain(one["name"] or "").strip() for one in self.members}

    @cached_property
    def _counts(self) -> Counter[str]:
        return Counter(self._names.values())


class Form(Protocol):
    """One form of an export."""

    def begin(self, document: Document) -> str:
        """What stands before the lines."""
        ...

    def line(self, line: Line) -> str:
        """One line of the conversation, oldest first."""
        ...

    def end(self) -> str:
        """What stands after them."""
        ...


def is_text(line: Line) -> bool:
    """Whether somebody said something, and did not only do something."""
    return line["type"] == "text/plain" and isinstance(line["body"], str)


def said(line: Line) -> list[str]:
    """The newest text in harmless lines."""
    return lines(line["body"]) if line["body"] else ["(deleted)"]


def reactions(document: Document, line: Line) -> Iterator[tuple[str, list[str]]]:
    """Each reaction with the names of those who gave it, the earliest first."""
    given = sorted(line["reactions"], key=lambda one: (one["time"], one["id"]))
    order = list(dict.fromkeys(one["reaction"] for one in given))
    given.sort(key=lambda one: order.index(one["reaction"]))
    for kind, same in groupby(given, key=lambda one: str(one["reaction"])):
        yield plain(kind), [document.speaker(one) for one in same]


def edited(line: Line) -> str | None:
    """When the newest version was written; None for a text as it was first said."""
    return str(line["edits"][-1]["time"]) if line["edits"] and line["body"] else None


def written(form: Form, document: Document, told: Iterable[Line]) -> Iterator[bytes]:
    """The whole document in pieces."""
    yield form.begin(document).encode()
    for line in told:
        yield form.line(line).encode()
    yield form.end().encode()
