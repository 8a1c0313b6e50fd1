"""Real nodes for end-to-end tests: a process each, with its own home; tests wait for events, never for time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swarmchat.account.home import Home
from swarmchat.addresses import Address
from swarmchat.api.client import Client
from swarmchat.errors import DeliveryTimeout, SwarmchatError

PATIENCE_S = 30.0  # only a broken program waits this long


@dataclass
class Outcome:
    """What a command of the CLI came to."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The error envelope of `--json`."""
        found: dict[str, Any] = json.loads(self.err.strip().splitlines()[-1])["error"]
        return found


@dataclass
class NodeProcess:
    """One home, and the daemon in it while it runs."""

    home: Path
    name: str
    prefix: tuple[str, ...] = ()  # e.g. ip netns exec NAME
    options: tuple[str, ...] = ("--listen", "127.0.0.1:0", "--no-lan")
    process: subprocess.Popen[bytes] | None = None
    _door: Client | None = None
    _log: Any = field(default=None, repr=False)

    # --- the command line

    def cli(self, *arguments: str, given: str | None = None, env: dict[str, str] | None = None) -> Outcome:
        """Run one command as a person would."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SWARMCHAT_")} | (
            env or {}
        )
        done = subprocess.run(
            [*self.prefix, sys.executable, "-m", "swarmchat", "--home", str(self.home), *arguments],
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S * 2,
            env=environment,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Outcome(done.returncode, done.stdout, done.stderr)

    def did(self, *arguments: str, **given: Any) -> Any:
        """Run a command with --json that must succeed."""
        outcome = self.cli("--json", *arguments, **given)
        assert outcome.status == 0, outcome.err
        return outcome.json if outcome.out.strip() else None

    # --- the daemon

    def spawn(self) -> None:
        """Start the daemon, and do not wait for anything."""
        self.home.mkdir(parents=True, exist_ok=True)
        self._log = (self.home / "daemon.out").open("ab")
        self.process = subprocess.Popen(
            [*self.prefix, sys.executable, "-m", "swarmchat", "--home", str(self.home), "daemon", "run", *self.options],
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def start(self) -> NodeProcess:
        """Start the daemon and wait until its door is open."""
        self.spawn()
        assert self.process is not None
        deadline = time.monotonic() + PATIENCE_S
        socket = Home.locate(self.home, {}).socket
        while True:
            assert self.process.poll() is None, self.output()
            try:
                self._door = Client.connect(socket)
            except SwarmchatError:
                assert time.monotonic() < deadline, self.output()
                self.process.poll()
                threading.Event().wait(0.02)
            else:
                return self

    def call(self, method: str, **params: Any) -> Any:
        """One method of the local API."""
        assert self._door is not None
        return self._door.call(method, timeout_s=PATIENCE_S, **params)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE_S)
        self._hang_up()
        return status

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self._hang_up()

    def output(self) -> str:
        """What the daemon said so far."""
        return (self.home / "daemon.out").read_text(errors="replace")

    def _hang_up(self) -> None:
        if self._door is not None:
            self._door.close()
            self._door = None
        self._log.close()
        self.process = None

    # --- waiting

    def until(self, holds: Callable[[], Any], within_s: float = PATIENCE_S) -> Any:
        """Wait until `holds()` is true, asked again after every event of this node; the value it gave."""
        deadline = time.monotonic() + within_s
        with Client.connect(Home.locate(self.home, {}).socket) as watcher:
            last = watcher.call("events.list", limit=1)["last"]
            while True:
                value = holds()
                if value:
                    return value
                left = deadline - time.monotonic()
                assert left > 0, f"{self.name} waited {within_s:g} s in vain; {self.output()[-2000:]}"
                last = _next_event(watcher, last, min(left, 0.25))

    # --- what it sees

    @property
    def account(self) -> str:
        return str(self.did("account", "show")["id"]) if self._door is None else str(self.call("account.show")["id"])

    @property
    def listen(self) -> Address:
        return Address.parse(self.call("daemon.status")["listen"][0])

    def log(self, conversation: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("message.list", conversation=conversation, limit=10_000)
        return found

    def texts(self, conversation: str) -> list[str]:
        return [line["body"] for line in self.log(conversation) if line["type"] == "text/plain"]

    def members(self, conversation: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("member.list", conversation=conversation)
        return found

    def roles(self, conversation: str) -> dict[str, str]:
        return {member["id"]: member["role"] for member in self.members(conversation)}

    def view(self, conversation: str) -> Any:
        """What must be equal on all nodes."""
        return self.log(conversation), self.members(conversation)

    def linked(self, other: NodeProcess) -> bool:
        wanted = other.account
        return any(peer["account"] == wanted and peer["state"] == "linked" for peer in self.call("peer.list"))


def _next_event(watcher: Client, since: int, patience_s: float) -> int:
    """The number of the newest event, a moment after there is a new one; as long as `patience_s` when there is none."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        try:
            last = int(watcher.call("events.list", since=since, limit=1, timeout_s=patience_s)["last"])
        except DeliveryTimeout:
            return since
        if last > since:
            return last
        threading.Event().wait(0.01)
    return since


@contextmanager
def nodes(folder: Path, *names: str, **options: Any) -> Iterator[tuple[NodeProcess, ...]]:
    """Running nodes with accounts of these names; ended, whatever happens."""
    made = tuple(NodeProcess(folder / name.lower(), name, **options) for name in names)
    try:
        for node in made:
            node.did("account", "create", "--name", node.name)
            node.start()
        yield made
    finally:
        for node in made:
            if node.process is not None:
                node.kill()
        shutil.rmtree(folder, ignore_errors=True)


def introduce(*made: NodeProcess) -> None:
    """Everybody knows where everybody listens."""
    for node in made:
        for other in made:
            if other is not node:
                node.call("peer.add", account=other.account, address=str(other.listen))


def found_room(founder: NodeProcess, *guests: NodeProcess, title: str = "Harbour", mode: str = "admin-invites") -> str:
    """A conversation in which all of them are joined and see each other."""
    room = str(founder.call("conversation.create", title=title, mode=mode)["id"])
    founder.call("member.invite", conversation=room, accounts=[guest.account for guest in guests])
    for guest in guests:
        guest.until(lambda guest=guest: guest.call("request.list"))
        guest.call("request.accept", request=room, timeout=PATIENCE_S)
    everybody = (founder, *guests)
    for node in everybody:
        node.until(lambda node=node: sum(r in ("admin", "member") for r in node.roles(room).values()) == len(everybody))
    same(room, *everybody)
    return room


def same(room: str, *made: NodeProcess, within_s: float = PATIENCE_S) -> float:
    """Wait until all show the same log and members; the seconds that took."""
    started = time.monotonic()
    made[0].until(lambda: all(node.view(room) == made[0].view(room) for node in made[1:]), within_s)
    return time.monotonic() - started
