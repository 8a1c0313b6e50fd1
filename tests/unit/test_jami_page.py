"""The page of Jami's behaviours has each id once, names tests that exist and bear it, and counts right. (docs/reference/jami-behaviours.md)"""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reference/jami-behaviours.md").read_text()
DECISION = (ROOT / "docs/decisions/0006-jami-behaviours.md").read_text()

# How many tests each suite of the inventory has; 306 in all.
SUITES = {
    "C": 50, "BS": 2, "CC": 1, "FS": 4, "ME": 37, "RQ": 28, "CM": 5, "CS": 15, "CI": 9, "GS": 3, "GK": 5, "GT": 6, "TY": 4,
    "CA": 15, "R": 24, "B": 5, "RT": 20, "MW": 28, "SC": 1, "SP": 1, "SY": 14, "T": 3, "FT": 14, "L": 5, "RV": 2, "P": 5,
}  # fmt: skip
TESTED, VERDICTS = ("covered", "better"), ("covered", "better", "n/a")

_ID = re.compile(rf"\b(?:{'|'.join(SUITES)})-\d\d\b")
_ROW = re.compile(r"^\| ((?:[A-Z]+)-\d\d) \| (.+) \| (\S+) \| (.+) \|$", re.MULTILINE)
_NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
_COUNTED = re.compile(r"^\| (\*\*all\*\*|\d+ .+?) \|((?: \**\d+\** \|)+)$", re.MULTILINE)


def sections() -> dict[str, list[tuple[str, str, str, str]]]:
    """The rows of each section: id, words, verdict, test or reason."""
    parts = re.split(r"^## (\d+ .+)$", PAGE, flags=re.MULTILINE)[1:]
    return {name.split(" (")[0]: _ROW.findall(text) for name, text in zip(parts[::2], parts[1::2], strict=True)}


ROWS = [row for rows in sections().values() for row in rows]


@cache
def ids_of(path: str) -> dict[str, frozenset[str]]:
    """The test functions of a file below tests/, with the ids in their docstrings."""
    tree = ast.parse((ROOT / "tests" / path).read_text())
    found = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"))
    return {node.name: frozenset(_ID.findall(ast.get_docstring(node) or "")) for node in found}


def test_every_id_of_the_inventory_stands_once() -> None:
    expected = [f"{suite}-{number:02d}" for suite, count in SUITES.items() for number in range(1, count + 1)]
    assert len(expected) == 306
    assert [row[0] for row in ROWS] == expected


def test_every_row_has_words_a_verdict_and_a_test_or_a_reason() -> None:
    for name, words, verdict, last in ROWS:
        assert words.strip(), name
        assert verdict in VERDICTS, name
        assert bool(_NAMED.search(last)) == (verdict in TESTED), name
        assert verdict != "better" or "ours: " in words, name


def test_every_test_that_is_named_exists_and_bears_the_id() -> None:
    for name, _, _, last in ROWS:
        for path, function in _NAMED.findall(last):
            assert name in ids_of(path).get(function, ()), f"{name}: {path}::{function}"


def test_every_id_in_a_docstring_is_covered_on_the_page() -> None:
    covered = {name for name, _, verdict, _ in ROWS if verdict in TESTED}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for function, ids in ids_of(str(path.relative_to(ROOT / "tests"))).items():
            assert ids <= covered, f"{path.name}::{function}: {sorted(ids - covered)}"


def test_the_parts_of_the_decision_that_are_named_exist() -> None:
    parts = set(re.findall(r"^## (\d+) ", DECISION, re.MULTILINE))
    named = {part for _, _, _, last in ROWS for part in re.findall(r"0006 §(\d+)", last)}
    assert named <= parts
    assert parts <= named


def test_the_counts_at_the_top_are_right() -> None:
    table = re.search(r"^\| section \| (.+) \| all \|$", PAGE, re.MULTILINE)
    assert table is not None
    columns = [each.strip() for each in table[1].split("|")]
    told = {name: [int(each.strip(" *")) for each in counts.split("|")[:-1]] for name, counts in _COUNTED.findall(PAGE)}
    right = {name: Counter(row[2] for row in rows) for name, rows in sections().items()}
    everything = Counter(row[2] for row in ROWS)
    assert set(everything) <= set(columns)
    assert told.pop("**all**") == [*(everything[each] for each in columns), len(ROWS)]
    assert told == {name: [*(counts[each] for each in columns), counts.total()] for name, counts in right.items()}
