"""Guides as transcripts: fenced blocks read as steps, and what a screen shows compared with what a page says.

The convention stands in docs/guide/README.md, for readers. Nothing is replaced but what the page itself marks: `‹name›` is
what a screen showed where the name stood first, `…` is anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

ANYTHING = "…"
INTERRUPT = "^C"
_NAME = re.compile(r"‹([^‹›\n]+)›")
_FENCE = re.compile(r"^(`{3,})(.*)$")


class PageError(ValueError):
    """A page that cannot be run as it is written."""


@dataclass(frozen=True)
class Block:
    """One fenced block: its words after the fence, and its lines."""

    line: int
    info: tuple[str, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Typed:
    """A command typed at somebody's terminal, and what the screen shows then."""

    line: int
    terminal: str
    command: str
    shown: tuple[str, ...]
    interrupted: bool = False  # Ctrl-C after that
    running: bool = False  # it goes on running


@dataclass(frozen=True)
class Seen:
    """What a command that goes on running shows later."""

    line: int
    terminal: str
    shown: tuple[str, ...]
    interrupted: bool = False


@dataclass(frozen=True)
class Saved:
    """A file that somebody writes with an editor."""

    line: int
    terminal: str
    name: str
    text: str


@dataclass(frozen=True)
class Done:
    """Something done by hand, as `unplug Ben`."""

    line: int
    deed: str


Step = Typed | Seen | Saved | Done


def blocks(page: str) -> Iterator[Block]:
    """The fenced blocks of a page."""
    fence, info, start, inside = "", "", 0, list[str]()
    for number, line in enumerate(page.splitlines(), 1):
        found = _FENCE.match(line)
        if fence:
            if found and found[1] == fence and not found[2].strip():
                yield Block(start, tuple(info.split()), tuple(inside))
                fence = ""
            else:
                inside.append(line)
        elif found:
            fence, info, start, inside = found[1], found[2], number, []
    if fence:
        raise PageError(f"line {start}: a block without an end")


def steps(page: str) -> list[Step]:
    """What a page tells its readers to do, in its order."""
    found: list[Step] = []
    for block in blocks(page):
        match block.info:
            case ("sh", terminal):
                found += _typed(block, terminal, running=False)
            case ("sh", terminal, "running"):
                found += _typed(block, terminal, running=True)
            case ("sh", *_):
                raise PageError(
                    f"line {block.line}: whose terminal is it? ```sh NAME, or ```text for what is not to be run"
                )
            case ("python", terminal, name):
                found.append(Saved(block.line, terminal, name, "\n".join(block.lines) + "\n"))
            case ("hands",):
                found += [Done(block.line + 1 + at, deed) for at, deed in enumerate(block.lines)]
            case _:
                continue
    return found


def _typed(block: Block, terminal: str, *, running: bool) -> Iterator[Step]:
    groups: list[tuple[int, str | None, list[str]]] = [(block.line + 1, None, [])]
    for number, line in enumerate(block.lines, block.line + 1):
        if line.startswith("$ "):
            groups.append((number, line[2:], []))
        elif line.startswith("> ") and groups[-1][1] is not None and not groups[-1][2]:
            groups[-1] = (groups[-1][0], f"{groups[-1][1]}\n{line[2:]}", [])
        else:
            groups[-1][2].append(line)
    for at, (number, command, shown) in enumerate(groups):
        interrupted = bool(shown) and shown[-1] == INTERRUPT
        lines = tuple(shown[:-1] if interrupted else shown)
        if command is not None:
            last = at == len(groups) - 1
            yield Typed(number, terminal, command, lines, interrupted, running and last)
        elif shown:
            yield Seen(number, terminal, lines, interrupted)


@dataclass
class Screen:
    """Compares what is shown with what a page says, and keeps the values of its ‹names›."""

    values: dict[str, str] = field(default_factory=dict)

    def command(self, text: str) -> str:
        """The command with its ‹names› filled in; PageError for one that no screen has shown yet."""

        def value(found: re.Match[str]) -> str:
            if found[1] not in self.values:
                raise PageError(f"nothing has shown ‹{found[1]}› yet")
            return self.values[found[1]]

        return _NAME.sub(value, text)

    def shows(self, output: str, lines: tuple[str, ...]) -> bool:
        """Whether the whole output is what the lines say; new ‹names› are kept then."""
        return self._learn(_pattern(lines, self.values).fullmatch(_tidy(output)))

    def begins(self, output: str, lines: tuple[str, ...]) -> int | None:
        """How many characters of the output, up to a line end, are what the lines say; None if they are not there yet."""
        found = _pattern(lines, self.values).match(output)
        self._learn(found)
        return found.end() if found else None

    def _learn(self, found: re.Match[str] | None) -> bool:
        if found is None:
            return False
        for group, value in found.groupdict().items():
            self.values[bytes.fromhex(group[1:]).decode()] = value
        return True


def _tidy(output: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in output.splitlines())


def _pattern(lines: tuple[str, ...], values: Mapping[str, str]) -> re.Pattern[str]:
    seen: set[str] = set()
    return re.compile("".join(_line(line.rstrip(), values, seen) for line in lines))


def _line(line: str, values: Mapping[str, str], seen: set[str]) -> str:
    if line == ANYTHING:
        return r"(?:[^\n]*\n)*?"
    told = ""
    for part in re.split(r"(‹[^‹›\n]+›|…)", line):
        name = _NAME.fullmatch(part)
        if part == ANYTHING:
            told += r"[^\n]*?"
        elif name is None:
            told += re.escape(part)
        elif name[1] in values:
            told += re.escape(values[name[1]])
        else:
            group = f"g{name[1].encode().hex()}"
            told += f"(?P={group})" if name[1] in seen else rf"(?P<{group}>\S+?)"
            seen.add(name[1])
    return told + r"[ \t]*\n"
