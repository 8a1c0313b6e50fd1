"""What a process that runs on writes into its log."""

from __future__ import annotations

import logging
import sys

from swarmchat.node.logs import TextLines


def lines(message: str, *values: object, exc_info: object = None) -> list[str]:
    record = logging.LogRecord("swarmchat.x", logging.INFO, "", 0, message, values, exc_info)  # type: ignore[arg-type]
    return TextLines().format(record).split("\n")


def test_what_a_peer_says_neither_begins_a_line_nor_steers_a_terminal() -> None:
    (line,) = lines("it said %s", "x\n2026-01-01 ERROR forged\r\x1b[2J\x9b\u202e\u2028 ünï ✓")
    assert line.endswith(r"it said x\n2026-01-01 ERROR forged\r\x1b[2J\x9b\u202e\u2028 ünï ✓")
    assert line.isprintable()


def test_a_traceback_keeps_its_lines() -> None:
    try:
        int("x")
    except ValueError:
        found = lines("oh", exc_info=sys.exc_info())
    assert found[0].endswith("INFO    swarmchat.x: oh")
    assert found[-1].startswith("ValueError: ")
    assert len(found) > 2
