"""Every row of `scripts/bench` can be measured. How fast anything is fails nothing here: machines differ, and are busy."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.support.bench.lab import SMALL, Lab
from tests.support.bench.measure import Figure, Goal, number
from tests.support.bench.peer import ROOT
from tests.support.bench.peers import PEERS_GB_S, TOPICS, compared
from tests.support.bench.rows import ROWS

pytestmark = [pytest.mark.bench, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One for all rows: they share its conversations."""
    made = Lab(tmp_path_factory.mktemp("bench"), replace(SMALL, many=SMALL.few))
    yield made
    made.close()


@pytest.mark.parametrize("row", sorted(ROWS))
def test_a_row_can_be_measured(row: str, lab: Lab) -> None:
    figures = list(ROWS[row](lab))
    assert figures
    for figure in figures:
        assert math.isfinite(figure.value), figure
        assert figure.value > 0 or figure.unit == "ms/s", figure  # only resting may cost nothing
        assert figure.topic is None or figure.topic in TOPICS, figure


def test_a_goal_says_whether_it_is_met() -> None:
    fast, slow = (Figure("x", value, "msg/s", Goal(8_000, "SCP-04 §8", at_least=True)) for value in (8_000, 7_999))
    quick, late = (Figure("x", value, "ms", Goal(4, "SCP-04 §8")) for value in (4, 4.1))
    assert [each.verdict for each in (fast, slow, quick, late)] == ["met", "missed", "met", "missed"]
    assert (str(fast.goal), str(quick.goal)) == ("≥ 8,000", "≤ 4")
    assert [number(value) for value in (12_345.6, 99.94, 0.01234)] == ["12,346", "99.9", "0.0123"]


def test_ours_stands_beside_the_others_at_their_pace() -> None:
    fast = Figure("clone of 10,000", 8_000, "messages/s", topic="clone")
    slow = Figure("send", 2, "ms", topic="append")
    plain = Figure("nobody else has this", 1, "ms")
    _, _, clone, append = compared([fast, plain, slow], 2 * PEERS_GB_S)  # a machine twice as fast
    assert clone.startswith("| clone, check and index 10,000 | messages/s | 8,000 | 4,000 | 3,810 |")
    assert "SSB: ours is 0.976 times as good" in clone
    assert "| 500 | 250 |" in append  # 2 ms each: a rate, as the others were measured


def test_the_command_prints_one_json_object_a_line() -> None:
    done = _bench("--json", "machine")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["unit"] for line in lines} == {"GB/s", "ms"}
    assert lines[0]["what"].startswith("sha256")
    assert "sha256" in lines[-1]["what"]  # the frame: how busy the machine was, before and after


def test_the_command_knows_its_rows() -> None:
    done = _bench("nonsense")
    assert done.returncode == 2
    assert "no row nonsense" in done.stderr


def _bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "bench"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
