"""A real daemon and whoever supervises it: readiness, watchdog, a socket handed over, and what systemd thinks of the units. (SCP-08 §1.5)"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from swarmchat.account.home import Home
from swarmchat.api.client import Client
from swarmchat.cli.unitfiles import system_files
from tests.support.fake_door import swarmchat

ANALYZE = shutil.which("systemd-analyze")
PATIENCE_S = 30.0


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home.locate(tmp_path / "home", {})
    done = program(made, "account", "create", "--name", "Ann")
    assert done.wait(PATIENCE_S) == 0
    return made


def program(home: Home, *words: str, **options: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "swarmchat", "--home", str(home.data), "--no-input", *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)  # type: ignore[call-overload,no-any-return]


@contextmanager
def daemon(home: Home, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    words = ("daemon", "run", "--listen", "127.0.0.1:0", "--no-lan", "--no-dht")
    process = program(home, *words, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("abstract", [False, True])
def test_who_started_it_hears_that_it_is_ready_lives_and_stops(home: Home, tmp_path: Path, abstract: bool) -> None:
    name = f"@swarmchat-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind("\0" + name[1:] if abstract else name)
        ear.settimeout(PATIENCE_S)
        environ = {**os.environ, "NOTIFY_SOCKET": name, "WATCHDOG_USEC": "200000"}
        with daemon(home, env=environ) as process:
            assert ear.recv(4096) == b"READY=1"
            with Client.connect(home.socket) as client:  # it answers by then
                assert client.call("daemon.status")["pid"] == process.pid
            for _ in range(3):
                assert ear.recv(4096) == b"STATUS=0 links, 0 conversations, DHT off\nWATCHDOG=1"
            process.send_signal(signal.SIGTERM)
            last = ear.recv(4096)
            while last.endswith(b"WATCHDOG=1"):
                last = ear.recv(4096)
            assert last == b"STOPPING=1\nSTATUS=stopping"
            assert process.wait(PATIENCE_S) == 0


def test_a_daemon_that_hangs_is_silent(home: Home, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(PATIENCE_S)
        environ = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "100000"}
        with daemon(home, env=environ) as process:
            assert ear.recv(4096) == b"READY=1"
            assert ear.recv(4096).endswith(b"WATCHDOG=1")
            process.send_signal(signal.SIGSTOP)
            assert os.waitid(os.P_PID, process.pid, os.WSTOPPED) is not None
            ear.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while ear.recv(4096):  # what it said before
                    pass
            ear.settimeout(0.5)
            with pytest.raises(TimeoutError):
                ear.recv(4096)


@contextmanager
def handed(home: Home, held: socket.socket, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon with a socket as its descriptor 3, as a socket unit does it."""
    script = 'exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@"'
    command = ["/bin/sh", "-c", script, "sh", sys.executable, "-m", "swarmchat", "--home", str(home.data), "--no-input"]
    command += ["daemon", "run", "--listen", "127.0.0.1:0", "--no-lan", "--no-dht"]
    process = subprocess.Popen(command, stdin=held, stderr=subprocess.DEVNULL, env={**os.environ, **environ})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_the_first_command_waits_in_a_socket_that_was_handed_over_and_is_answered(home: Home) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as held:
        held.bind(str(home.socket))
        held.listen()
        inode = home.socket.stat().st_ino
        with Client.connect(home.socket) as early, handed(home, held) as process:
            assert early.call("daemon.status", timeout_s=PATIENCE_S)["pid"] == process.pid
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
        assert home.socket.stat().st_ino == inode  # it belongs to who made it, who listens on


def test_a_socket_of_another_name_is_not_taken(home: Home, tmp_path: Path) -> None:
    notify = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX) as held, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        held.bind(str(tmp_path / "other.sock"))
        held.listen()
        ear.bind(str(notify))
        ear.settimeout(PATIENCE_S)
        with handed(home, held, NOTIFY_SOCKET=str(notify)) as process:
            assert ear.recv(4096) == b"READY=1"
            with Client.connect(home.socket) as client:
                assert client.call("daemon.status")["pid"] == process.pid


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not on this machine")
def test_systemd_understands_the_units_and_finds_the_one_of_the_machine_closed(tmp_path: Path) -> None:
    outcome = swarmchat("daemon", "install-unit", "--socket", environ={"HOME": str(tmp_path)})
    assert outcome.status == 0, outcome
    system = tmp_path / "system"
    system.mkdir()
    for path, text in system_files().items():
        (system / path.name).write_text(text)
    user = sorted((tmp_path / ".config/systemd/user").iterdir())
    for scope, units in (("--user", user), ("--system", [system / "swarmchat.service"])):
        done = analyze(tmp_path, "verify", "--man=no", scope, *map(str, units))
        assert (done.returncode, done.stderr) == (0, ""), done
    done = analyze(
        tmp_path, "security", "--offline=yes", "--threshold=20", "--no-pager", str(system / "swarmchat.service")
    )
    assert done.returncode == 0, done.stdout  # 2.0 of 10, where 10 is open to all


def analyze(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    assert ANALYZE is not None
    environ = {**os.environ, "XDG_RUNTIME_DIR": str(folder)}
    return subprocess.run([ANALYZE, *words], capture_output=True, text=True, timeout=30, check=False, env=environ)
