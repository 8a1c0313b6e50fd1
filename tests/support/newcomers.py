"""A machine without an account on which `swarmchat link` runs, for end-to-end tests."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

from tests.support.process import PATIENCE_S, NodeProcess


class LinkingProcess:
    """`swarmchat --json link` in its home; what it says comes as events."""

    def __init__(
        self,
        home: Path,
        *options: str,
        prefix: tuple[str, ...] = (),  # e.g. ip netns exec NAME: there it is found by the LAN
        env: dict[str, str] | None = None,
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SWARMCHAT_")} | (env or {})
        listen = () if "--listen" in options or prefix else ("--listen", "127.0.0.1:0", "--no-lan")
        words = ["--json", "--home", str(home), "link", "--no-qr", "--yes", *listen, *options]
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "swarmchat", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=kept,
            start_new_session=True,
        )
        self._said: Queue[dict[str, Any] | None] = Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.err = ""

    def event(self, kind: str) -> dict[str, Any]:
        """The next event of this kind; those before it are passed over."""
        while True:
            event = self._said.get(timeout=PATIENCE_S)
            assert event is not None, f"it ended before {kind!r}: {self.end()} {self.err}"
            if event["event"] == kind:
                return event

    @property
    def code(self) -> str:
        """What it shows."""
        return str(self.event("waiting")["code"])

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """Wait until it has ended; the exit status."""
        status = self._process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        assert self._process.stderr is not None
        self.err += self._process.stderr.read()
        assert "Traceback" not in self.err, self.err
        return status

    @property
    def error(self) -> dict[str, Any]:
        """The error that it ended with."""
        found: dict[str, Any] = json.loads(self.err.strip().splitlines()[-1])["error"]
        return found

    def close(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(json.loads(line))
        self._said.put(None)


class AtTerminal:
    """A command at a real terminal, where it may ask."""

    def __init__(self, *words: str) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SWARMCHAT_")}
        self._end, inner = os.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "swarmchat", *words],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env=kept | {"TERM": "dumb", "COLUMNS": "200"},
            start_new_session=True,
        )
        os.close(inner)
        self.screen = ""

    def until(self, pattern: str) -> str:
        """Wait until the screen shows it; what its first group is."""
        deadline = time.monotonic() + PATIENCE_S
        while (found := re.search(pattern, self.screen)) is None:
            ready, _, _ = select.select([self._end], [], [], max(deadline - time.monotonic(), 0))
            assert ready, self.screen
            try:
                self.screen += os.read(self._end, 65_536).decode(errors="replace").replace("\r", "")
            except OSError:  # it has ended
                raise AssertionError(self.screen) from None
        return found[1] if found.groups() else found[0]

    def type(self, line: str) -> None:
        """Type a line and Return."""
        os.write(self._end, line.encode() + b"\n")

    def end(self) -> int:
        """Wait until it has ended; the exit status."""
        return self._process.wait(PATIENCE_S)

    def close(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        os.close(self._end)


@contextmanager
def at_terminal(*words: str) -> Iterator[AtTerminal]:
    """A command at a terminal, ended in the end."""
    process = AtTerminal(*words)
    try:
        yield process
    finally:
        process.close()


@contextmanager
def newcomer(home: Path, *options: str, **given: Any) -> Iterator[LinkingProcess]:
    """It runs, and is ended in the end."""
    process = LinkingProcess(home, *options, **given)
    try:
        yield process
    finally:
        process.close()


def linked(existing: NodeProcess, home: Path, *options: str, name: str = "laptop") -> NodeProcess:
    """A new home that was made a device of the account, its daemon not running yet."""
    with newcomer(home, "--name", name) as process:
        existing.did("device", "add", process.code, "--yes", *options)
        process.event("linked")
        assert process.end() == 0
    return NodeProcess(home, name)
