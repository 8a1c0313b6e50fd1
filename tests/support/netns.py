"""Hosts as network namespaces, with real interfaces and no way out. Needs root and `ip`; everything is named after our pid."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def missing() -> str | None:
    """Why there can be no namespaces here, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "there is no `ip` (iproute2) here"
    probe = f"swt-{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", probe], check=False, capture_output=True, text=True)
    if made.returncode:
        return f"no namespace can be made: {made.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", probe], check=True)
    return None


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Host:
    """One machine."""

    def __init__(self, letter: str) -> None:
        self.name = f"swt-{os.getpid()}-{letter}"
        self.wire = "eth0"

    def ip(self, *words: str) -> None:
        """Run `ip` on it."""
        ip("-n", self.name, *words)


@contextlib.contextmanager
def cable() -> Iterator[tuple[Host, Host]]:
    """Two machines with one cable between them, which is down, without addresses; no router, no default route."""
    one, two = Host("a"), Host("b")
    made = []
    try:
        for host in (one, two):
            ip("netns", "add", host.name)
            made.append(host)
            host.ip("link", "set", "lo", "up")
        one.ip("link", "add", one.wire, "type", "veth", "peer", "name", two.wire, "netns", two.name)
        yield one, two
    finally:
        for host in made:
            ip("netns", "del", host.name)


class Process:
    """A Python script on a host that prints JSON lines."""

    def __init__(self, host: Host, script: str, *arguments: str) -> None:
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        command = ["ip", "netns", "exec", host.name, sys.executable, "-W", "error", "-c", script, *arguments]
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environ, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def expect(self, timeout_s: float, **wanted: object) -> dict[str, Any]:
        """The next line with these fields; TimeoutError after `timeout_s` seconds, with what came instead."""
        end, seen = time.monotonic() + timeout_s, []
        while True:
            try:
                line = self._lines.get(timeout=max(end - time.monotonic(), 0.0))
            except queue.Empty:
                raise TimeoutError(f"no {wanted} within {timeout_s} s; came: {seen}") from None
            if line is None:
                raise TimeoutError(f"it ended without {wanted}; came: {seen}")
            if all(line.get(key) == value for key, value in wanted.items()):
                return line
            seen.append(line)

    def drain(self) -> None:
        """Forget the lines that have come."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._lines.get_nowait()

    def stop(self) -> int:
        """End it as a service manager would, and return its exit status."""
        self._process.terminate()
        try:
            return self._process.wait(timeout=10)
        finally:
            self._process.kill()
            self._reader.join(timeout=10)
            if self._process.stdout is not None:
                self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(json.loads(line))
        self._lines.put(None)


@contextlib.contextmanager
def running(*processes: Process) -> Iterator[Sequence[Process]]:
    """Ends them all, whatever happens."""
    try:
        yield processes
    finally:
        for process in processes:
            process.stop()
