"""Drawing a commit graph, pure: text like `git log --graph`, Graphviz dot, and a picture that needs no other program."""

from __future__ import annotations

import colorsys
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from xml.sax.saxutils import escape

from swarmchat.cli.terminal import Palette, padded, plain, short, width

_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8
_LINES: Final[Mapping[int, str]] = {
    0: " ",
    _UP | _DOWN: "│",
    _LEFT | _RIGHT: "─",
    _DOWN | _RIGHT: "╭",
    _DOWN | _LEFT: "╮",
    _UP | _RIGHT: "╰",
    _UP | _LEFT: "╯",
    _UP | _DOWN | _RIGHT: "├",
    _UP | _DOWN | _LEFT: "┤",
    _DOWN | _LEFT | _RIGHT: "┬",
    _UP | _LEFT | _RIGHT: "┴",
    _UP | _DOWN | _LEFT | _RIGHT: "┼",
}
_LANE_STYLES: Final = ("cyan", "magenta", "yellow", "green", "blue", "red")

ROW: Final = 26  # pixels between two commits of the picture
LANE: Final = 18  # pixels between two lanes


@dataclass(frozen=True, slots=True)
class Node:
    """One commit: newest stand first; parents that are not drawn are no lines."""

    id: str
    parents: tuple[str, ...]
    type: str
    author: str  # as people call them; empty for a merge

    @property
    def is_merge(self) -> bool:
        """Whether it is a merge, which nobody wrote."""
        return not self.author


@dataclass(frozen=True, slots=True)
class Row:
    """One commit in its place. `joins`: lanes that end here; `forks`: lanes in which its further parents go on."""

    node: Node
    lane: int
    joins: tuple[int, ...]
    forks: tuple[int, ...]
    before: tuple[bool, ...]  # which lanes are in use above the commit
    after: tuple[bool, ...]  # and below it
    parent_lanes: tuple[tuple[str, int], ...]  # where the line to each parent runs


def commits(graph: Mapping[str, Any], names: Callable[[str | None], str]) -> list[Node]:
    """The nodes of the API's `graph`, with people's names; harmless to print."""
    return [
        Node(
            id=str(commit["id"]),
            parents=tuple(map(str, commit["parents"])),
            type=plain(commit["type"]),
            author=names(commit["author"]) if commit["author"] else "",
        )
        for commit in graph["commits"]
    ]


def as_text(graph: Mapping[str, Any], names: Callable[[str | None], str] | Mapping[str, str]) -> str:
    """The API's `graph` as plain text in one call."""
    called = names if callable(names) else lambda account: plain(names.get(account or "", short(account)))
    return to_text(commits(graph, called))


def layout(nodes: Sequence[Node]) -> list[Row]:
    """Give every commit a lane, children above their parents. Each lane waits for one commit."""
    drawn = {node.id for node in nodes}
    waiting: list[str | None] = []
    rows: list[Row] = []
    for node in nodes:
        mine = [lane for lane, commit in enumerate(waiting) if commit == node.id]
        lane = mine[0] if mine else _free(waiting)
        waiting[lane] = node.id
        before = tuple(
            commit is not None and not (position == lane and not mine) for position, commit in enumerate(waiting)
        )
        for joined in mine:
            waiting[joined] = None
        parents = [parent for parent in dict.fromkeys(node.parents) if parent in drawn]
        places: list[tuple[str, int]] = []
        for number, parent in enumerate(parents):
            if number == 0:
                goes_on = lane  # straight down, even if another lane waits for the same: they join above the parent
            elif parent in waiting:
                goes_on = waiting.index(parent)
            else:
                goes_on = _free(waiting)
            waiting[goes_on] = parent
            places.append((parent, goes_on))
        forks = tuple(goes_on for _, goes_on in places[1:])
        after = tuple(commit is not None for commit in waiting)
        rows.append(Row(node, lane, tuple(mine[1:]), forks, before, after, tuple(places)))
        while waiting and waiting[-1] is None:
            waiting.pop()
    return rows


def to_text(nodes: Sequence[Node], paint: Palette | None = None) -> str:
    """Lines and dots: ● a commit, ○ a merge; then id, type and author."""
    paint = paint or Palette(on=False)
    rows = layout(nodes)
    gutter = max((2 * max(len(row.before), len(row.after)) for row in rows), default=0)
    types = max((width(node.type) for node in nodes), default=0)
    told: list[str] = []
    for row in rows:
        if row.joins:
            told.append(_strip(_join_cells(row), paint))
        cells = [_UP | _DOWN if used else 0 for used in row.before]
        dots = [_LINES[cell] for cell in cells]
        dots[row.lane] = "○" if row.node.is_merge else "●"
        for joined in row.joins:
            dots[joined] = " "
        drawing = padded(" ".join(_tint(dot, lane, paint) for lane, dot in enumerate(dots)), gutter)
        author = row.node.author or "merge"
        told.append(
            f"{drawing} {paint(short(row.node.id), 'yellow')}  {padded(row.node.type if row.node.author else '', types)}  "
            f"{author if row.node.author else paint(author, 'dim')}".rstrip()
        )
        if row.forks:
            told.append(_strip(_fork_cells(row), paint))
    return "\n".join(told)


def to_dot(nodes: Sequence[Node]) -> str:
    """A Graphviz digraph; arrows point from a commit to its parents."""
    drawn = {node.id for node in nodes}
    told = [
        "digraph conversation {",
        "  rankdir=BT;",
        '  node [shape=box, style="rounded,filled", fontname="sans-serif", fontsize=10, color="#94a3b8"];',
        '  edge [color="#64748b", arrowsize=0.6];',
    ]
    for node in nodes:
        label = f"{short(node.id)}\\n{_dot(node.type)}\\n{_dot(node.author)}" if node.author else short(node.id)
        look = f'fillcolor="{_hue(node.author)}"' if node.author else 'shape=circle, fillcolor="#f1f5f9", fontsize=7'
        told.append(f'  "{_dot(node.id)}" [label="{label}", {look}];')
        told += [f'  "{_dot(node.id)}" -> "{_dot(parent)}";' for parent in node.parents if parent in drawn]
    return "\n".join([*told, "}", ""])


def to_svg(nodes: Sequence[Node], *, title: str) -> str:
    """A picture: one row a commit, one colour an author, light or dark as its reader likes."""
    rows = layout(nodes)
    place = {row.node.id: (row.lane, number) for number, row in enumerate(rows)}
    lanes = max((max(len(row.before), len(row.after)) for row in rows), default=1)
    left, top = 24, 66
    text_x = left + lanes * LANE + 10
    longest = max((width(f"{row.node.type} {row.node.author}") for row in rows), default=0)
    right = max(text_x + 110 + 7.3 * longest + 40, 360.0, 48 + 9.5 * width(title))
    bottom = top + len(rows) * ROW + 18

    def x(lane: int) -> float:
        return left + lane * LANE

    def y(number: int) -> float:
        return top + number * ROW

    edges, dots, words = [], [], []
    for number, row in enumerate(rows):
        for parent, lane in row.parent_lanes:
            parent_lane, parent_number = place[parent]
            hue = _hue(row.node.author) if len(row.parent_lanes) == 1 else "#94a3b8"
            path = _edge(x(row.lane), y(number), x(lane), x(parent_lane), y(parent_number))
            edges.append(f'<path class="edge" stroke="{hue}" d="{path}"/>')
        if row.node.is_merge:
            dots.append(f'<circle class="merge" cx="{x(row.lane):g}" cy="{y(number):g}" r="4"/>')
            words.append(
                f'<text x="{text_x:g}" y="{y(number) + 4:g}"><tspan class="id">{short(row.node.id)}</tspan>'
                f'<tspan x="{text_x + 78:g}" class="type">merge</tspan></text>'
            )
            continue
        dots.append(
            f'<circle class="commit" cx="{x(row.lane):g}" cy="{y(number):g}" r="5.5" fill="{_hue(row.node.author)}">'
            f"<title>{_xml(row.node.id)}</title></circle>"
        )
        words.append(
            f'<text x="{text_x:g}" y="{y(number) + 4:g}"><tspan class="id">{short(row.node.id)}</tspan>'
            f'<tspan x="{text_x + 78:g}" font-weight="600">{_xml(row.node.author)}</tspan>'
            f'<tspan dx="9" class="type">{_xml(row.node.type)}</tspan></text>'
        )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{right:g}" height="{bottom:g}" viewBox="0 0 {right:g} {bottom:g}" role="img">',
            f"<title>{_xml(title)}</title>",
            f"<style>{_STYLE}</style>",
            f'<rect class="page" width="{right:g}" height="{bottom:g}" rx="10"/>',
            f'<text class="title" x="{left - 6}" y="34">{_xml(title)}</text>',
            *edges,
            *dots,
            *words,
            "</svg>",
            "",
        ]
    )


_STYLE: Final = (
    ".page{fill:#fff}.title{font:600 16px system-ui,sans-serif;fill:#0f172a}"
    "text{font:12.5px system-ui,sans-serif;fill:#1e293b}"
    ".id{font:11.5px ui-monospace,monospace;fill:#64748b}.type{fill:#64748b}"
    ".edge{fill:none;stroke-width:2}.commit{stroke:#fff;stroke-width:2}"
    ".merge{fill:#fff;stroke:#94a3b8;stroke-width:2}"
    "@media(prefers-color-scheme:dark){.page{fill:#0f172a}.title{fill:#f1f5f9}text{fill:#e2e8f0}.id,.type{fill:#94a3b8}"
    ".commit{stroke:#0f172a}.merge{fill:#0f172a}}"
)


def _free(waiting: list[str | None]) -> int:
    if None in waiting:
        return waiting.index(None)
    waiting.append(None)
    return len(waiting) - 1


def _join_cells(row: Row) -> list[int]:
    """The line above a commit: several lanes waited for it and run together."""
    cells = [_UP | _DOWN if used else 0 for used in row.before]
    for lane in row.joins:
        cells[lane] = _UP
    return _connect(cells, row.lane, row.joins)


def _fork_cells(row: Row) -> list[int]:
    """The line below a commit: its further parents go on in other lanes."""
    above = [used and lane not in row.joins for lane, used in enumerate(row.before)]
    cells = [0] * max(len(above), len(row.after))
    for lane in range(len(cells)):
        up = lane == row.lane or (lane < len(above) and above[lane])
        down = lane < len(row.after) and row.after[lane]
        cells[lane] = (_UP if up else 0) | (_DOWN if down else 0)
    return _connect(cells, row.lane, row.forks)


def _connect(cells: list[int], lane: int, others: Iterable[int]) -> list[int]:
    """Horizontal lines from `lane` to each other one; every second cell lies between two lanes."""
    wide = [0] * (2 * len(cells))
    wide[::2] = cells
    for other in others:
        low, high = sorted((2 * lane, 2 * other))
        wide[low] |= _RIGHT
        wide[high] |= _LEFT
        for between in range(low + 1, high):
            wide[between] |= _LEFT | _RIGHT
    return wide


def _strip(wide: list[int], paint: Palette) -> str:
    return "".join(_tint(_line(cell), number // 2, paint) for number, cell in enumerate(wide)).rstrip()


def _line(cell: int) -> str:
    return _LINES.get(cell, "│" if cell & (_UP | _DOWN) else "─")


def _tint(sign: str, lane: int, paint: Palette) -> str:
    return sign if sign == " " else paint(sign, _LANE_STYLES[lane % len(_LANE_STYLES)])


def _edge(x0: float, y0: float, x1: float, x2: float, y2: float) -> str:
    """From a commit into the lane its parent waits in, down that lane, and across into the parent."""
    bend = ROW * 0.55
    parts = [f"M{x0:g} {y0:g}"]
    low = y0
    if x1 != x0:
        low = y0 + ROW
        parts.append(f"C{x0:g} {y0 + bend:g} {x1:g} {low - bend:g} {x1:g} {low:g}")
    if x2 == x1:
        parts.append(f"L{x2:g} {y2:g}" if y2 > low else "")
    elif y2 - ROW >= low:
        parts.append(f"L{x1:g} {y2 - ROW:g} C{x1:g} {y2 - ROW + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2:g}")
    else:  # one row only: straight into the parent
        parts = [f"M{x0:g} {y0:g} C{x0:g} {y0 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2:g}"]
    return " ".join(part for part in parts if part)


def _hue(author: str) -> str:
    """The same colour for the same name on every machine."""
    hue = hashlib.sha256(author.encode("utf-8", "replace")).digest()[0] / 256
    red, green, blue = colorsys.hls_to_rgb(hue, 0.52, 0.6)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def _xml(text: str) -> str:
    return escape(text)


def _dot(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
