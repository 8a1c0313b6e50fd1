"""Daemons that answer over HTTP, and bots on them: killed at any moment they miss nothing, and the end is quick. (SCP-08 §3.2)"""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swarmchat.account.home import Home
from swarmchat.api.bots import Node, Place, connect, follow
from tests.support.browser import free_port
from tests.support.process import PATIENCE_S, NodeProcess, introduce, nodes
from tests.support.terminals import ROOT
from tests.support.transcript import Saved, steps

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

SEED = 20261121
ON_LOOPBACK = ("--listen", "127.0.0.1:0", "--no-lan", "--no-dht")


@contextlib.contextmanager
def with_http(folder: Path, name: str) -> Iterator[tuple[NodeProcess, str]]:
    """A node that answers over HTTP, at the same URL after a restart; and the link of its page."""
    url = f"127.0.0.1:{free_port()}"
    with nodes(folder, name, options=(*ON_LOOPBACK, "--http", url)) as (node,):
        yield node, str(node.call("web.link")["link"])


def echo_bot(folder: Path) -> Path:
    """The echo bot of the guide."""
    page = (ROOT / "docs/guide/bots.md").read_text()
    (script,) = (step for step in steps(page) if isinstance(step, Saved) and step.name == "echo_bot.py")
    path = folder / script.name
    path.write_text(script.text)
    return path


class Bot:
    """A bot as a process in a folder of its own."""

    def __init__(self, script: Path, home: Path) -> None:
        self._command = [sys.executable, str(script)]
        self._folder = script.parent
        self._environment = {"SWARMCHAT_HOME": str(home), "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._command,
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def line(self) -> str:
        assert self.process is not None
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


def test_a_bot_that_is_killed_again_and_again_answers_everybody_once(tmp_path: Path) -> None:
    dice = random.Random(SEED)
    with nodes(tmp_path / "nodes", "Ann", "Ben", options=ON_LOOPBACK) as (ann, ben):
        introduce(ann, ben)
        room = ann.call("conversation.create", title="Boats")["id"]
        ann.call("member.invite", conversation=room, accounts=[ben.account])
        ben.until(lambda: ben.call("request.list"))
        ben.call("request.accept", request=room, timeout=PATIENCE_S)
        bot = Bot(echo_bot(tmp_path), ann.home)
        try:
            bot.start()
            assert bot.line() == "listening\n"
            wait_for((tmp_path / "echo.place").exists)
            asked = []
            for number in range(24):
                ben.call("message.send", conversation=room, text=f"echo {number}")
                asked.append(f"{number}")
                threading.Event().wait(dice.random() * 0.1)
                if number % 4 == 3:
                    bot.kill()  # perhaps before, perhaps in the middle of an answer, perhaps after it
                    bot.start()
                if number == 12:
                    bot.kill()
                    ann.kill()
                    ann.start()
                    introduce(ann, ben)
                    bot.start()

            def answers() -> list[str]:
                return [one["body"] for one in ann.log(room) if one["reply_to"] and one["author"] == ann.account]

            wait_for(lambda: len(set(answers())) == len(asked))
            assert sorted(answers(), key=int) == asked
        finally:
            bot.kill()


def test_who_follows_over_http_hears_every_event_once_though_the_node_is_killed(tmp_path: Path) -> None:
    with with_http(tmp_path / "node", "Ann") as (ann, link):
        room = ann.call("conversation.create", title="Boats")["id"]
        place = Place(tmp_path / "place")
        place.write(0)
        heard: list[Any] = []
        over = threading.Event()

        def reach() -> Node:
            if over.is_set():
                raise InterruptedError
            return connect(link)

        def bot() -> None:
            with contextlib.suppress(InterruptedError):
                for event in follow(place, reach):
                    heard.append(event)  # noqa: PERF402 - it is read meanwhile

        thread = threading.Thread(target=bot, daemon=True)
        thread.start()
        for number in range(6):
            for _ in range(5):
                ann.call("message.send", conversation=room, text=f"{number}")
            if number % 2:
                ann.kill()
                ann.start()
        last = ann.call("message.send", conversation=room, text="the end")["id"]
        wait_for(lambda: any(event["data"].get("id") == last for event in heard))
        kept = ann.call("events.list", since=0, limit=1_000)["events"]
        assert heard == kept[: len(heard)]
        assert sum(event["type"] == "message.added" for event in heard) >= 31
        over.set()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_the_end_is_quick_though_many_wait_and_nothing_is_left(tmp_path: Path) -> None:
    with with_http(tmp_path / "node", "Ann") as (ann, link):
        streams = [connect(link).events() for _ in range(8)]
        port = int(link.split("#")[0].rstrip("/").rpartition(":")[2])
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(8)]
        idle[0].sendall(b"POST /api/v1/rpc HTTP/1.1\r\nhost: localhost\r\n")
        before = time.monotonic()
        assert ann.stop() == 0
        assert time.monotonic() - before < 5
        for stream in streams:
            with pytest.raises(Exception, match="the daemon stops"):
                list(stream)
        for one in idle:
            with contextlib.suppress(ConnectionError):
                assert one.recv(1) == b""
            one.close()
        log = (ann.home / "daemon.out").read_text()
        assert "Traceback" not in log
        assert "ERROR" not in log


def test_http_is_opened_by_the_first_who_wants_the_page_and_tokens_outlive_the_daemon(tmp_path: Path) -> None:
    with nodes(tmp_path / "node", "Ann", options=ON_LOOPBACK) as (ann,):
        assert "HTTP on" not in ann.output()
        made = ann.did("token", "add", "bot", "--scope", "read")
        found = ann.did("web")
        assert ann.did("web") == found
        with connect(found["url"], made["token"]) as node:
            assert node.call("account.show")["id"] == ann.account
        ann.stop()
        assert ann.cli("--json", "web").error["code"] == "unreachable"
        assert [one["name"] for one in ann.did("token", "list")] == ["api-token", "bot"]
        ann.did("token", "remove", "api-token")
        ann.start()
        with connect(ann.did("web")["url"], made["token"]) as node:
            assert node.call("account.show")["id"] == ann.account
        again = ann.did("web")
        assert again["link"].split("#")[1] != found["link"].split("#")[1]
        for file in ("api-token", "tokens.json"):
            assert Home.locate(ann.home, {}).data.joinpath(file).stat().st_mode & 0o777 == 0o600


def test_an_address_that_others_reach_or_that_is_taken_keeps_the_daemon_from_starting(tmp_path: Path) -> None:
    node = NodeProcess(tmp_path / "ann", "Ann")
    node.did("account", "create", "--name", "Ann")
    for address, words in (("192.0.2.1:80", "without TLS"), ("example.org:80", "is a name")):
        outcome = node.cli("--json", "daemon", "start", *ON_LOOPBACK, "--http", address)
        assert (outcome.status, words in outcome.error["message"]) == (8, True)  # starting again is no use
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        outcome = node.cli("--json", "daemon", "start", *ON_LOOPBACK, "--http", address)
        assert (outcome.status, "in use" in outcome.error["message"]) == (1, True)


def wait_for(holds: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)
