"""A real daemon behind, started and stopped by the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


class Program:
    """`swarmchat` with one home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environ = {**os.environ, "TZ": "UTC"}

    def __call__(self, *words: str, status: int = 0) -> Any:
        """Run it with --json; its parsed result, or the error when `status` is another than 0."""
        command = [sys.executable, "-m", "swarmchat", "--home", str(self.home), "--json", "--no-input", *words]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environ, timeout=50, check=False)
        assert done.returncode == status, done
        return json.loads(done.stdout) if not status else json.loads(done.stderr)["error"]


@pytest.fixture
def swarmchat(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path)
    yield program
    program("daemon", "stop")


START = ("daemon", "start", "--listen", "127.0.0.1:0", "--no-lan")


def test_a_daemon_starts_once_answers_and_is_gone_after_stop(swarmchat: Program) -> None:
    mine = swarmchat("account", "create", "--name", "Ann")
    room = swarmchat("create", "--title", "Boats")
    offline = swarmchat("send", "Boats", "written without a daemon")
    started = swarmchat(*START)
    assert (started["account"], started["home"]) == (mine["id"], str(swarmchat.home))
    assert started["listen"][0].startswith("127.0.0.1:")
    assert swarmchat(*START)["pid"] == started["pid"]
    online = swarmchat("send", room["id"][:6], "written with a daemon")
    texts = [(entry["id"], entry["body"]) for entry in swarmchat("log", "Boats") if entry["type"] == "text/plain"]
    assert texts == [(offline["id"], "written without a daemon"), (online["id"], "written with a daemon")]
    assert swarmchat("daemon", "run", status=1)["data"]["pid"] == started["pid"]
    assert swarmchat("daemon", "stop") == {"pid": started["pid"], "stopping": True}
    assert not (swarmchat.home / "control.sock").exists()
    assert swarmchat("daemon", "status", status=5)["hint"] == "swarmchat daemon start"
    log = swarmchat.home / "log" / "daemon.log"
    assert log.stat().st_mode & 0o777 == 0o600
    assert swarmchat("log", "Boats")[-1]["id"] == online["id"]


def test_a_daemon_that_cannot_start_says_why(swarmchat: Program) -> None:
    assert "account create" in swarmchat(*START, status=3)["hint"]
    swarmchat("account", "create")
    taken = swarmchat("daemon", "start", "--listen", "203.0.113.1:1", "--no-lan", status=1)
    assert "203.0.113.1" in taken["message"]


def test_a_sealed_account_opens_with_its_password_only(swarmchat: Program, tmp_path: Path) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("secret\n")
    wrong.write_text("guess\n")
    swarmchat("account", "create", "--password-file", str(right))
    assert swarmchat(*START, status=1)["code"] == "password_needed"
    assert swarmchat(*START, "--password-file", str(wrong), status=1)["code"] == "password_needed"
    swarmchat(*START, "--password-file", str(right))
    assert swarmchat("create", "--title", "Sealed")["title"] == "Sealed"
