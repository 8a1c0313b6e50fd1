"""`export` to standard output and to a file."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from swarmchat.errors import UserError
from tests.support.fake_commands import FakeCommands
from tests.support.fake_door import swarmchat


def test_without_a_file_the_document_goes_to_standard_output_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    node, asked = FakeCommands(), []

    async def export(*, conversation: str, path: str, format: str) -> Any:  # noqa: A002
        assert stat.S_IMODE(Path(path).parent.stat().st_mode) == 0o700
        Path(path).write_text("<é>\n" * 50_000, encoding="utf-8")  # noqa: ASYNC240
        asked.append((conversation, format))
        return {}

    node.answers["export"] = export
    outcome = swarmchat("export", "boats", "--format", "html", node=node)
    assert (outcome.status, outcome.out, outcome.err) == (0, "<é>\n" * 50_000, "")
    assert asked == [("boats", "html")]
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_fails_prints_nothing_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    node = FakeCommands()
    node.answers["export"] = UserError("no")
    outcome = swarmchat("export", "boats", node=node)
    assert (outcome.status, outcome.out) == (1, "")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_named_as_it_was_written() -> None:
    outcome = swarmchat("export", "boats", "-o", "boats.html", "--format", "html")
    assert outcome.out == "/x/boats.html: 12 lines, 4096 bytes\n"
