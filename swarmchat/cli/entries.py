"""How one entry of a conversation reads on a terminal: message, edit, reaction, or something the group did. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from itertools import groupby
from typing import Any, Final

from swarmchat.cli.terminal import Palette, clock, lines, local_time, padded, plain, short, width
from swarmchat.limits import FUTURE_TOLERANCE_S
from swarmchat.node.deeds import deed

_AUTHOR_CELLS_MAX: Final = 24
_QUOTE_CHARS: Final = 60
_AUTHOR_STYLES: Final = ("cyan", "magenta", "blue", "yellow", "green")
_STATUS_MARKS: Final = {"written": "·", "sent": "✓", "read": "✓✓"}

Entry = Mapping[str, Any]


class EntryView:
    """Renders entries for one reader. `me`: whose messages carry a delivery mark."""

    def __init__(
        self,
        names: Callable[[str | None], str],
        paint: Palette,
        *,
        me: str | None = None,
        zone: tzinfo | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._names = names
        self._paint = paint
        self._me = me
        self._zone = zone
        self._now = now
        self._texts: dict[str, tuple[str, str]] = {}  # what may be quoted: author and first line
        self._day: str | None = None
        self._column = 0

    def expect(self, entries: Sequence[Entry]) -> None:
        """Entries that may be quoted and whose authors share a column."""
        for entry in entries:
            self._remember(entry)
            if entry["type"] == "text/plain":
                self._column = min(_AUTHOR_CELLS_MAX, max(self._column, width(self.speaker(entry))))

    def lines(self, entry: Entry) -> list[str]:
        """The entry as it stands in a log: a line with the date before the first of each day."""
        self._remember(entry)
        moment = local_time(entry["time"], self._zone)
        day = moment.strftime("%a %d %b %Y") if moment else ""
        heading = [] if day == self._day else [self._paint(day, "bold")]
        self._day = day
        mark = self._paint("!", "yellow") if self._is_ahead(entry) else " "
        left = f"{moment.strftime('%H:%M') if moment else '--:--'}{mark} {self._paint(short(entry['id']), 'dim')}  "
        first, *rest = self._said(entry)
        indent = " " * width(left)
        return [*heading, left + first, *(indent + line for line in rest)]

    def page(self, entry: Entry) -> list[str]:
        """The entry alone, with ids, versions and who reacted."""
        told = [
            f"id      {plain(entry['id'])}",
            f"from    {self.speaker(entry)}  {plain(entry['author'])}",
            *([f"key     {plain(entry['via']['key'])}"] if entry.get("via") else []),
            f"device  {plain(entry['device'])}",
            f"time    {clock(entry['time'], self._zone)}{'  (by its author; ahead of the clock here)' * self._is_ahead(entry)}",
            f"type    {plain(entry['type'])}",
        ]
        if entry["reply_to"]:
            told.append(f"answers {plain(entry['reply_to'])}")
        if entry["hidden"]:
            told.append("hidden  written beside the ban of its author, and nobody had seen it before")
        told += ["", *(f"    {line}" for line in self._body(entry))]
        if entry["edits"]:
            told += ["", "edited"]
            told += [f"    {clock(edit['time'], self._zone)}  {short(edit['id'])}" for edit in entry["edits"]]
        if entry["reactions"]:
            told += ["", "reactions"]
            told += [
                f"    {plain(one['reaction'])}  {self.speaker(one)}  {clock(one['time'], self._zone)}"
                for one in entry["reactions"]
            ]
        if status := entry.get("status"):
            told += ["", f"status  {plain(status['state'])}"]
            told += [f"    sent to {self._names(account)}" for account in status["sent"]]
            told += [f"    read by {self._names(account)}" for account in status["read"]]
        if delivery := entry.get("delivery"):
            told += ["", "delivery"]
            for one in delivery:
                told.append(f"    {self._names(one['account'])}  {plain(one['state'])}")
                told += [f"        {self._arrival(device)}" for device in one["devices"]]
        return told

    def _arrival(self, device: Mapping[str, Any]) -> str:
        times = [(word, device[key]) for word, key in (("sent", "sent_at"), ("read", "read_at"))]
        told = [f"{word} {clock(at, self._zone)}" for word, at in times if at is not None]
        return "  ".join([short(device["device"]), *told])

    def _is_ahead(self, entry: Entry) -> bool:
        """Whether it claims to be of the future: shown with a mark, and standing where it stands. (SCP-02 §2.3)"""
        moment = local_time(entry["time"])
        return moment is not None and moment.timestamp() > self._now() + FUTURE_TOLERANCE_S

    def _said(self, entry: Entry) -> list[str]:
        name = self.speaker(entry) if entry["type"] == "text/plain" else self._names(entry["author"])
        if entry["type"] != "text/plain":
            return [
                self._paint(f"· {name} {deed(entry['type'], entry['body'], self._names)}{self._marks(entry)}", "dim")
            ]
        voice = (entry.get("via") or {}).get("account") or entry["author"]
        author = self._paint(padded(name, self._column), "bold", _AUTHOR_STYLES[_number(voice)])
        body = self._body(entry)
        body[-1] += self._marks(entry)
        quote = self._quote(entry["reply_to"])
        block = [*([quote] if quote else []), *body, *self._reactions(entry)]
        indent = " " * (max(self._column, width(name)) + 2)
        return [f"{author}  {block[0]}", *(indent + line for line in block[1:])]

    def _body(self, entry: Entry) -> list[str]:
        if entry["type"] != "text/plain":
            return [deed(entry["type"], entry["body"], self._names)]
        return lines(entry["body"]) if entry["body"] else [self._paint("(deleted)", "dim")]

    def _marks(self, entry: Entry) -> str:
        marks = ["(edited)"] if entry["edits"] and entry["body"] else []
        marks += ["(hidden)"] if entry["hidden"] else []
        told = "".join(f" {self._paint(mark, 'dim')}" for mark in marks)
        status = entry.get("status")
        if status and self._me is not None and entry["author"] == self._me and entry["type"] == "text/plain":
            told += f" {self._paint(_STATUS_MARKS.get(status['state'], ''), 'dim')}".rstrip()
        return told

    def _quote(self, target: str | None) -> str | None:
        if not target:
            return None
        author, text = self._texts.get(target, ("", ""))
        words = f"{author}: {text}" if author else short(target)
        return self._paint(f"↪ {words}", "dim")

    def _reactions(self, entry: Entry) -> list[str]:
        by_kind = sorted(entry["reactions"], key=lambda one: (one["time"], one["id"]))
        order = list(dict.fromkeys(one["reaction"] for one in by_kind))
        by_kind.sort(key=lambda one: order.index(one["reaction"]))
        told = [
            f"{plain(kind)} {', '.join(self.speaker(one) for one in same)}"
            for kind, same in groupby(by_kind, key=lambda one: one["reaction"])
        ]
        return ["   ".join(told)] if told else []

    def speaker(self, entry: Entry) -> str:
        """Its author; where he speaks for somebody who has no account, that one through him."""
        author, via = self._names(entry["author"]), entry.get("via")
        return author if not via else f"{plain(via['name']) or self._names(via['account'])} via {author}"

    def _remember(self, entry: Entry) -> None:
        if entry["type"] == "text/plain":
            first = lines(entry["body"])[0] if entry["body"] else "(deleted)"
            words = first if len(first) <= _QUOTE_CHARS else first[:_QUOTE_CHARS] + "…"
            self._texts[entry["id"]] = (self.speaker(entry), words)


def _number(account: str) -> int:
    """The same colour for the same account on every machine."""
    return sum(map(ord, str(account)[:40])) % len(_AUTHOR_STYLES)
