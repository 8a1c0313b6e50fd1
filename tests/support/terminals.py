"""People at their terminals: a bash for each, in a home of its own, driven through pipes."""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import secrets
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from swarmchat.account.home import Home
from tests.support.dht_seeds import keep

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 15.0  # only a broken program waits this long
ON_LOOPBACK = 'listen = ["127.0.0.1:0"]\n\n[lan]\nenabled = false\n'

READS = re.compile(
    r"git (log|show|ls-tree|for-each-ref) |"
    r"swarmchat (--json )?(log|votes|peers|events|verify|graph|explain|(sync|dht) status|"
    r"(account|conversation|message|contact) show|message history|(conversation|member|request|contact|device|peer) list)\b"
)


class Person:
    """A home directory as on a machine of one's own, and the terminals open in it."""

    def __init__(
        self, folder: Path, name: str, *, prefix: tuple[str, ...] = (), config: str | None = ON_LOOPBACK
    ) -> None:
        self.name = name
        self.folder = folder / name
        self.folder.mkdir(parents=True)
        self._prefix = prefix
        self._terminals: dict[str, Terminal] = {}
        runtime = folder / f"{name}.run"  # a login session has one
        runtime.mkdir(mode=0o700)
        tools = folder / f"{name}.bin"
        tools.mkdir()
        _tool(tools / "swarmchat", "-m swarmchat")
        _tool(tools / "python", "")
        self.environment = {
            "HOME": str(self.folder),
            "XDG_RUNTIME_DIR": str(runtime),
            "PATH": f"{tools}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
        }
        if config is not None:
            place = self.folder / ".config" / "swarmchat"
            place.mkdir(parents=True)
            (place / "config.toml").write_text(config)

    def has_dht_key(self, number: int) -> None:
        """Spare the nodes of this person the look for a key."""
        for place in (".local/share/swarmchat", ".local/state/swarmchat/dht"):
            keep(self.folder / place, number)

    def terminal(self, name: str) -> Terminal:
        """The terminal of that name, opened when it is first used."""
        if name not in self._terminals:
            self._terminals[name] = Terminal(
                [*self._prefix, "bash", "--noprofile", "--norc"], self.folder, self.environment
            )
        return self._terminals[name]

    def leave(self) -> None:
        """Close the terminals and end what runs here still."""
        for terminal in self._terminals.values():
            terminal.close()
        own = Home.locate(None, self.environment)
        others = [Home.locate(path, self.environment) for path in self.folder.iterdir() if path.is_dir()]
        for pid in {home.holder() for home in (own, *others)} - {None}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class Terminal:
    """One shell. Output and errors come on the same screen."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        os.set_blocking(self._output.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""  # shown and not yet compared
        self._end: re.Pattern[str] | None = None  # of the command that runs

    @property
    def busy(self) -> bool:
        """Whether a command is still running here."""
        return self._end is not None

    def type(self, command: str) -> None:
        """Type a command and Return."""
        assert not self.busy, "another command is running at this terminal"
        token = secrets.token_hex(8)
        self._end = re.compile(rf"\n?{token} ([0-9]+)\n")
        script = f"{{ {command}\n}} </dev/null\n__s=$?; printf '\\n{token} %s\\n' $__s; (exit $__s)\n"
        self._input.write(script.encode())
        self._input.flush()

    def finish(self) -> tuple[str, int]:
        """Wait for the end of the command: what it showed, and its exit status."""
        assert self._end is not None
        found = self._until(self._end.search)
        text = self._text
        assert found is not None, f"still running after {PATIENCE_S:g} s; it showed:\n{text}"
        self._text = text[found.end() :]
        self._end = None
        return text[: found.start()], int(found[1])

    def watch(self, matches: Callable[[str], int | None]) -> str | None:
        """Wait until what is shown satisfies `matches` (the number of characters it took); None, or what is there instead."""
        taken = self._until(matches)
        if taken is None:
            return self._text
        self._text = self._text[taken:]
        return None

    def interrupt(self) -> None:
        """Ctrl-C: to what runs at this terminal."""
        for child in _children(self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGINT)

    def close(self) -> None:
        """End the shell and what runs in it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._selector.close()
        with contextlib.suppress(OSError):
            self._input.close()
        self._output.close()

    def _until(self, holds: Callable[[str], T | None]) -> T | None:
        deadline = time.monotonic() + PATIENCE_S
        while (value := holds(self._text)) is None:
            left = deadline - time.monotonic()
            if left <= 0 or not self._selector.select(left):
                return None
            chunk = self._output.read()
            if chunk == b"":
                return None
            self._text += self._decoder.decode(chunk or b"")
        return value


def pause() -> None:
    """As long as a person needs to type a command again."""
    threading.Event().wait(0.1)


def _tool(path: Path, arguments: str) -> None:
    path.write_text(f'#!/bin/sh\nexec {sys.executable} {arguments} "$@"\n')
    path.chmod(0o755)


def _children(pid: int) -> list[int]:
    """The processes below `pid`, the nearest first."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *_children(child)]
    return found
