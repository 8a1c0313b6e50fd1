"""The link to the web page, printed and opened."""

from __future__ import annotations

import stat
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click
import pytest

from tests.support.fake_commands import ANSWERS
from tests.support.fake_door import swarmchat

LINK = ANSWERS["web.link"]["link"]


def test_a_browser_is_opened_without_the_token_among_its_arguments(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(click, "launch", opened.append)
    run = swarmchat("--home", str(tmp_path), "web", "--open")
    assert (run.status, run.out) == (0, f"{LINK}\n")
    (url,) = opened
    assert "token" not in url
    file = Path(unquote(urlsplit(url).path))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f'url={LINK}"' in file.read_text()


def test_nothing_is_opened_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click, "launch", pytest.fail)
    assert swarmchat("web").out == f"{LINK}\n"


def test_a_new_token_stands_alone_on_standard_output() -> None:
    run = swarmchat("token", "add", "bot")
    assert run.out == f"{ANSWERS['token.add']['token']}\n"
    assert "shown this once" in run.err
