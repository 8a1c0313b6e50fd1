"""The page of weaknesses names tests that exist, all 35 weaknesses, and rules beside each. (docs/reference/weaknesses.md)"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reference/weaknesses.md").read_text()
NONE = "not applicable: "

_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_ROW = re.compile(r"^\| (.+) \|$", re.MULTILINE)


def rows(heading: str) -> list[list[str]]:
    """The rows of the table under a heading."""
    part = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return [row.split(" | ") for row in _ROW.findall(part)][1:]


@cache
def functions_of(path: str) -> frozenset[str]:
    """The test functions of a file."""
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize(("path", "name"), sorted(set(_NAMED.findall(PAGE))), ids=lambda part: part)
def test_every_test_that_is_named_exists(path: str, name: str) -> None:
    assert name in functions_of(path)


def test_every_weakness_stands_once_with_a_rule_and_a_test_or_the_reason_why_not() -> None:
    table = rows("The 35")
    assert [row[0] for row in table] == [str(number) for number in range(1, 36)]
    for _, weakness, answer, tests in table:
        assert weakness
        if answer.startswith(NONE):
            assert tests == "–"
        else:
            assert re.search(r"SCP-0\d §", answer), answer
            assert _NAMED.search(tests), answer


def test_every_other_attack_has_a_rule_and_a_test() -> None:
    for attack, answer, tests in rows("What else was tried"):
        assert re.search(r"SCP-0\d §", answer), attack
        assert _NAMED.search(tests), attack


def test_every_weakness_of_the_hostile_tests_is_on_the_page() -> None:
    folder = ROOT / "tests/integration/hostile"
    numbered = {
        (f"tests/integration/hostile/{path.name}", name)
        for path in sorted(folder.glob("test_*.py"))
        for name in functions_of(f"tests/integration/hostile/{path.name}")
        if re.match(r"test_w\d\d_", name)
    }
    assert numbered <= set(_NAMED.findall(PAGE))
