from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from swarmchat.account.home import Home
from swarmchat.cli import daemon
from swarmchat.cli.daemon import _arguments, _last_words, _rotate, settings_given
from swarmchat.errors import UserError
from tests.support.fake_door import swarmchat


def test_what_was_given_to_start_is_given_to_run() -> None:
    flags = {
        "listen": ("h:1", "h:2"),
        "lan": False,
        "dht": True,
        "bootstrap": ("n:1", "n:2#id"),
        "addresses": "none",
        "http": "127.0.0.1:7777",
        "name": "Al",
        "log_level": "debug",
        "log_format": None,
    }
    settings = settings_given(flags)
    assert settings == {"listen": ["h:1", "h:2"], "lan.enabled": False, "dht.addresses": "none"} | {
        "api.http": "127.0.0.1:7777",
        "dht.enabled": True,
        "dht.bootstrap": ["n:1", "n:2#id"],
        "name": "Al",
        "log.level": "debug",
    }
    words = _arguments(settings)
    given = "--listen h:1 --listen h:2 --no-lan --dht --bootstrap n:1 --bootstrap n:2#id --addresses none"
    given += " --http 127.0.0.1:7777 --name Al"
    given += " --log-level debug"
    assert words == given.split()
    context = daemon.run.make_context("run", list(words), obj=None, resilient_parsing=True)
    assert settings_given(context.params) == settings


def test_nothing_given_changes_nothing() -> None:
    assert settings_given({"listen": (), "lan": None, "name": None, "log_level": None, "log_format": None}) == {}


def test_the_last_words_of_a_daemon_become_our_error(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    old = json.dumps({"error": {"code": "refused", "message": "long ago", "hint": None, "data": {}}}) + "\n"
    said = {"code": "not_found", "message": "no account", "hint": "make one", "data": {"path": "x"}}
    log.write_text(old + "INFO starting\n" + json.dumps({"error": said}) + "\nnonsense\n")
    error = _last_words(log, len(old), 3)
    assert (error.exit_status, error.message, error.hint, error.data) == (3, "no account", "make one", {"path": "x"})


def test_a_daemon_that_said_nothing_ended_with_a_status(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    assert "status -9" in _last_words(log, 0, -9).message
    log.write_text('{"error": 3}\n[]\n')
    assert isinstance(_last_words(log, 0, 1), UserError)


def test_a_large_log_makes_room_for_a_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "_LOG_BYTES_MAX", 10)
    log = tmp_path / "daemon.log"
    assert _rotate(log) == 0
    log.write_bytes(b"x" * 10)
    assert _rotate(log) == 10
    log.write_bytes(b"x" * 11)
    assert _rotate(log) == 0
    assert not log.exists()
    assert (tmp_path / "daemon.log.1").read_bytes() == b"x" * 11


def test_logs_show_the_newest_lines_harmlessly(tmp_path: Path) -> None:
    home = Home.locate(tmp_path, {})
    home.prepare()
    home.log_file.write_text("one\ntwo\x1b[2J\nthree\n")
    assert swarmchat("daemon", "logs", "-n", "2", "--home", str(tmp_path)).out == "two\\x1b[2J\nthree\n"
    assert swarmchat("daemon", "logs", "-n", "0", "--home", str(tmp_path)).out == ""
    assert swarmchat("daemon", "logs", "--home", str(tmp_path / "other")).status == 3


def test_stopping_what_does_not_run_is_fine_but_a_holder_that_is_silent_is_named(tmp_path: Path) -> None:
    home = Home.locate(tmp_path, {})
    home.prepare()
    assert swarmchat("daemon", "stop", "--home", str(tmp_path)).status == 0
    assert json.loads(swarmchat("daemon", "stop", "--json", "--home", str(tmp_path)).out)["stopping"] is False
    with home.lock("daemon"):
        outcome = swarmchat("daemon", "stop", "--home", str(tmp_path))
    assert outcome.status == 1
    assert "does not answer" in outcome.err


def test_the_help_of_a_group_lists_its_commands() -> None:
    outcome = CliRunner().invoke(daemon.daemon, ["--help"])
    assert all(name in outcome.output for name in ("run", "start", "stop", "status", "logs"))
