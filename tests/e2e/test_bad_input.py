"""What people and strangers get wrong: a clear sentence, a hint, the right exit code, nothing half-written."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import swarmchat
from tests.support.process import NodeProcess, found_room, introduce, nodes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system needs root")


@pytest.fixture
def home(tmp_path: Path) -> NodeProcess:
    node = NodeProcess(tmp_path / "home", "Ann")
    node.did("account", "create", "--name", "Ann")
    return node


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_no_account_yet(tmp_path: Path) -> None:
    node = NodeProcess(tmp_path / "home", "Ann")
    shown = node.cli("--json", "account", "show")
    assert (shown.status, shown.error["code"]) == (3, "not_found")
    assert "account create" in shown.error["hint"]
    assert node.cli("daemon", "run").status == 3


def test_no_daemon(home: NodeProcess) -> None:
    peers = home.cli("--json", "peers")
    assert (peers.status, peers.error["hint"]) == (5, "swarmchat daemon start")


def test_unknown_ids_and_ambiguous_prefixes(home: NodeProcess) -> None:
    home.did("create", "--title", "Harbour")
    home.did("create", "--title", "Harbour")
    twice = home.cli("--json", "log", "Harbour")
    assert twice.status == 2
    assert len(twice.error["data"]["candidates"]) == 2
    assert home.cli("log", "Pier").status == 3
    room = twice.error["data"]["candidates"][0]
    assert home.cli("send", room, "x", "--reply-to", "feedface").status == 3
    assert home.cli("log", room[:3]).status == 3
    assert home.cli("ban", room, "0" * 40).status == 3
    assert home.cli("no-such-command").status == 2
    assert home.cli("send").status == 2


def test_what_the_rules_refuse(home: NodeProcess) -> None:
    room = home.did("create", "--title", "Harbour")["id"]
    refused = home.cli("--json", "invite", room, home.account)
    assert refused.status == 4
    assert refused.error["data"]["rule"] == "SCP-02 §5.2"
    home.did("invite", room, "1" * 40)
    last = home.cli("--json", "leave", room)
    assert last.status == 4
    assert last.error["data"]["rule"] == "SCP-02 §5.4"
    assert last.error["hint"]


def test_a_second_daemon_names_the_first(home: NodeProcess) -> None:
    home.start()
    try:
        assert home.process is not None
        second = home.cli("--json", "daemon", "run", "--no-lan")
        assert second.status == 1
        assert str(home.process.pid) in second.err
        assert home.cli("daemon", "start").status == 0  # it runs already
    finally:
        assert home.stop() == 0


@pytest.mark.parametrize("words", [("send", "Boats"), ("status", "identity", "--phrase")])
def test_a_closed_standard_input_is_an_empty_one(tmp_path: Path, words: tuple[str, ...]) -> None:
    """It was `a bug in swarmchat`, and the descriptor went to the next file that was opened."""
    command = [sys.executable, "-m", "swarmchat", "--home", str(tmp_path / "home"), *words]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode not in {0, None}
    assert done.stderr.startswith("error: ")
    assert "a bug in swarmchat" not in done.stderr


def test_a_port_that_is_taken(home: NodeProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = home.cli("--json", "daemon", "run", "--no-lan", "--listen", f"127.0.0.1:{port}")
    assert outcome.status == 1
    assert "cannot listen" in outcome.error["message"]
    assert outcome.error["hint"]


def test_another_protocol_on_the_port_costs_nobody_else(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann", "Ben") as (ann, ben):
        introduce(ann, ben)
        room = found_room(ann, ben)
        for rubbish in (
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\x16\x03\x01\xff\xff" + b"x" * 900,
            b"SSH-2.0-x\r\n",
            os.urandom(5000),
        ):
            with socket.create_connection((ann.listen.host, ann.listen.port), timeout=10) as line:
                line.sendall(rubbish)
                line.shutdown(socket.SHUT_WR)
                while line.recv(4096):
                    pass
        ben.did("send", room, "still here", "--wait", "all", "--timeout", "20")
        assert ann.texts(room) == ["still here"]
        assert "Traceback" not in ann.output()


@needs_root
def test_a_read_only_home(tmp_path: Path, home: NodeProcess) -> None:
    home.did("create", "--title", "Harbour")
    with mounted(tmp_path / "disk", "size=16m") as disk:
        node = NodeProcess(disk / "home", "Ann")
        subprocess.run(["cp", "-a", str(home.home), str(node.home)], check=True)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for command in (("send", "Harbour", "x"), ("daemon", "run"), ("create",)):
            outcome = node.cli("--json", *command)
            assert outcome.status == 1, outcome.err
            assert "read-only" in outcome.error["message"].lower()
            assert outcome.error["hint"]


@needs_root
def test_no_space_left_writes_nothing_half(tmp_path: Path, home: NodeProcess) -> None:
    room = home.did("create", "--title", "Harbour")["id"]
    with mounted(tmp_path / "disk", "size=16m") as disk:
        node = NodeProcess(disk / "home", "Ann")
        subprocess.run(["cp", "-a", str(home.home), str(node.home)], check=True)
        acknowledged = []
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"\0" * 4096)
        for number in range(3):
            outcome = node.cli("--json", "send", room, f"message {number}")
            if outcome.status == 0:
                acknowledged.append(f"message {number}")
            else:
                assert outcome.status == 1, outcome.err
                assert "no space" in outcome.error["message"].lower()
        assert len(acknowledged) < 3
        filler.unlink()
        assert node.cli("verify", room).status == 0
        texts = [line["body"] for line in node.did("log", room) if line["type"] == "text/plain"]
        assert texts == acknowledged
        node.did("send", room, "after")


def test_a_home_path_too_long_for_a_socket_still_works(tmp_path: Path) -> None:
    node = NodeProcess(tmp_path / ("d" * 100) / "home", "Ann")
    node.home.parent.mkdir()
    node.did("account", "create", "--name", "Ann")
    node.start()
    try:
        assert node.did("daemon", "status")["home"] == str(node.home)
        assert node.did("create", "--title", "Harbour")["mode"] == "private"
    finally:
        assert node.stop() == 0


def test_a_damaged_account_file_is_named_and_left_alone(home: NodeProcess) -> None:
    path = home.home / "account.json"
    path.write_text("{")
    outcome = home.cli("--json", "log", "Harbour")
    assert outcome.status == 1
    assert str(path) in outcome.error["message"]
    assert path.read_text() == "{"


def test_a_wrong_setting_is_named_and_has_a_status_after_which_no_service_manager_tries_again(
    home: NodeProcess,
) -> None:
    units = Path(swarmchat.__file__).parent / "cli" / "units"
    (home.home / "config.toml").write_text('lisen = ["x:1"]\n')
    outcome = home.cli("--json", "daemon", "run")
    assert outcome.status == 8
    assert outcome.error["code"] == "settings"
    assert "listen" in outcome.error["hint"]
    assert home.cli("daemon", "start").status == 8
    for unit in ("user.service", "system.service"):
        line = next(line for line in (units / unit).read_text().splitlines() if line.startswith("RestartPrevent"))
        assert "8" in line.partition("=")[2].split()
