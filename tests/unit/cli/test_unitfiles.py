"""Units for systemd, made for this installation. (SCP-08 §1.5)"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from swarmchat.cli.unitfiles import _quoted
from tests.support.fake_door import Outcome, swarmchat


def install(folder: Path, *words: str, **environ: str) -> Outcome:
    return swarmchat("daemon", "install-unit", *words, environ={"HOME": str(folder), "USER": "ann"} | environ)


def test_a_unit_runs_this_very_program_and_what_comes_next_is_said(tmp_path: Path) -> None:
    outcome = install(tmp_path)
    unit = tmp_path / ".config/systemd/user/swarmchat.service"
    assert (outcome.status, outcome.out) == (0, f"{unit}\n")
    assert "next: systemctl --user enable --now swarmchat\n" in outcome.err
    text = unit.read_text()
    assert f"ExecStart={Path(sys.executable).with_name('swarmchat')} daemon run\n" in text
    assert "Type=notify\n" in text
    assert "SWARMCHAT_HOME" not in text
    assert "@" not in re.sub(r"=@system-service", "", text)
    assert unit.stat().st_mode & 0o777 == 0o644


def test_a_home_of_its_own_and_odd_names_are_said_so_that_systemd_reads_them(tmp_path: Path) -> None:
    home = tmp_path / '100% "mine"'
    text = install(tmp_path, "--print", "--home", str(home)).out
    assert f'Environment="SWARMCHAT_HOME={tmp_path}/100%% \\"mine\\""\n' in text
    assert not (tmp_path / ".config").exists()
    assert _quoted("/usr/bin/x") == "/usr/bin/x"
    assert _quoted("/a b/x") == '"/a b/x"'


def test_a_file_that_says_something_else_stays_unless_forced(tmp_path: Path) -> None:
    install(tmp_path, "--socket")
    folder = tmp_path / ".config/systemd/user"
    assert {one.name for one in folder.iterdir()} == {"swarmchat.service", "swarmchat.socket"}
    assert install(tmp_path).status == 0  # the same again
    (folder / "swarmchat.service").write_text("mine")
    outcome = install(tmp_path, "--json")
    assert (outcome.status, json.loads(outcome.err)["error"]["hint"]) == (1, "look with --print, then add --force")
    assert (folder / "swarmchat.service").read_text() == "mine"
    assert install(tmp_path, "--force").status == 0
    assert (folder / "swarmchat.service").read_text() != "mine"


def test_the_socket_is_where_commands_look_for_it(tmp_path: Path) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    text = install(tmp_path, "--socket", "--print", XDG_RUNTIME_DIR=str(runtime)).out
    assert f"ListenStream={runtime}/swarmchat/control.sock\n" in text
    assert "SocketMode=0600\n" in text


def test_the_machine_has_no_use_for_a_socket_unit(tmp_path: Path) -> None:
    assert install(tmp_path, "--system", "--socket").status == 1


def test_an_installation_that_the_machines_unit_cannot_see_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/opt/venv/bin/python")
    monkeypatch.setattr("sys.base_prefix", "/home/ann/.pyenv")  # the interpreter that the environment was made of
    outcome = swarmchat("daemon", "install-unit", "--system", environ={"HOME": "/nonexistent"})
    assert (outcome.status, "sees nothing under /home" in outcome.err) == (1, True)
    shown = swarmchat("daemon", "install-unit", "--system", "--print", environ={"HOME": "/nonexistent"})
    assert (shown.status, "ProtectHome=yes" in shown.out) == (0, True)
