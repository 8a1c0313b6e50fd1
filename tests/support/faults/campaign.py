"""Starts the crash points in a process with the shim, and makes a table of what they came to."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.support.faults import shim

ROOT = Path(__file__).parents[3]


def play(arguments: Sequence[str], told: Callable[[dict[str, Any]], None] = lambda row: None) -> list[dict[str, Any]]:
    """Rows and failures of `tests.support.faults.points` with these arguments; `told` gets each as it comes."""
    command = [sys.executable, "-m", "tests.support.faults.points", *arguments]
    rows: list[dict[str, Any]] = []
    with subprocess.Popen(
        command, cwd=ROOT, env=shim.environment(shim.build()), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            rows.append(json.loads(line))
            told(rows[-1])
    assert process.returncode == int(any("lost" in row for row in rows)), f"ended with {process.returncode}"
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Write path × way: points survived, or survived/tried where some were not."""
    counted = {(row["path"], row["way"]): row for row in rows if "path" in row}
    ways = list(dict.fromkeys(way for _, way in counted))
    lines = [["write path", *ways, "all"]]
    for path in dict.fromkeys(path for path, _ in counted):
        mine = [counted[path, way] for way in ways]
        lines.append([path, *map(_cell, mine), _cell(_sum(mine))])
    lines.append(["all", *(_cell(_sum([counted[key] for key in counted if key[1] == way])) for way in ways)])
    lines[-1].append(_cell(_sum(list(counted.values()))))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if not at else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def story(row: dict[str, Any]) -> str:
    """One point that was not survived, for people."""
    return f"{row['lost']}: {row['way']} at call {row['number']} ({row['call']})\n{row['fault']}"


def _sum(rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    return {key: sum(row[key] for row in rows) for key in ("tried", "survived")}


def _cell(row: dict[str, int]) -> str:
    return str(row["tried"]) if row["tried"] == row["survived"] else f"{row['survived']}/{row['tried']}"
