"""The table of what others have: ninety-nine rows, each answered, and its sums right."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from swarmchat.cli.main import SECTIONS

PAGE = (Path(__file__).resolve().parents[2] / "docs/reference/peer-features.md").read_text()
ROWS = [re.split(r"(?<!\\)\|", line)[1:-1] for line in PAGE.splitlines() if re.search(r"\| \d+ \+ \d+ \|$", line)]


def test_every_row_is_answered_and_counted() -> None:
    assert len(ROWS) == 99
    assert len({row[0] for row in ROWS}) == 99
    found = Counter(row[1].strip() for row in ROWS)
    assert found.keys() == {"yes", "partly", "no"}
    assert f"**Yes {found['yes']}, partly {found['partly']}, no {found['no']}.**" in PAGE


def test_what_is_there_or_partly_there_says_where() -> None:
    assert [row[0] for row in ROWS if row[1].strip() != "no" and not row[2].strip()] == []


def test_of_seventeen_no_more_than_seventeen_have_it() -> None:
    assert all(sum(map(int, row[3].split("+"))) <= 17 for row in ROWS)


def test_a_command_that_is_named_is_one() -> None:
    names = {name for section in SECTIONS.values() for name in section}
    named = {
        word
        for row in ROWS
        if row[1].strip() == "yes"
        for word in re.findall(r"`(?:swarmchat )?([a-z]+)(?: [a-z-]+)*(?: -[^`]*)?`", row[2])
    }
    assert named - names <= {"since", "main"}
