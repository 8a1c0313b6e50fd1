"""A thin data-sync peer in its own process: lines go in, JSON comes out; tests wait for what it tells."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATIENCE_S = 60.0


class ThinProcess:
    """One of them; its key and state outlive its processes."""

    def __init__(self, folder: Path, name: str, *options: str) -> None:
        self.name = name
        self.told: list[dict[str, Any]] = []
        self._key_file = folder / f"{name}.key"
        self._options = options
        self._news = threading.Condition()
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._errors = folder / f"{name}.err"

    def start(self, address: str) -> ThinProcess:
        with self._errors.open("ab") as errors:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "swarmchat", "--json", "gateway", "mvds", "peer"),
                    *("--connect", address, "--key-file", str(self._key_file), *self._options),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                bufsize=1,
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._follow, args=(self._process,), daemon=True)
        self._reader.start()
        return self

    @property
    def key(self) -> str:
        return str(self.until(lambda: self.of("key"))[0]["key"])

    def say(self, *texts: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        for text in texts:
            self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()

    def of(self, event: str) -> list[dict[str, Any]]:
        return [one for one in self.told if one["event"] == event]

    @property
    def texts(self) -> list[str]:
        """What others said, each message once."""
        return [one["text"] for one in {one["id"]: one for one in self.of("message")}.values()]

    @property
    def posted(self) -> dict[str, str]:
        """The ids of what it has promised to send, by text."""
        return {one["text"]: one["id"] for one in self.of("posted")}

    def until(self, holds: Callable[[], Any], within_s: float = PATIENCE_S) -> Any:
        deadline = time.monotonic() + within_s
        with self._news:
            while not (found := holds()):
                left = deadline - time.monotonic()
                assert left > 0, f"{self.name} waited in vain; {self.told[-12:]} {self._errors.read_text()[-2000:]}"
                self._news.wait(left)
        return found

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def ended(self) -> int:
        """The exit status, once it ends by itself."""
        process, self._process = self._process, None
        assert process is not None
        status = process.wait(PATIENCE_S)
        assert self._reader is not None
        self._reader.join(PATIENCE_S)
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()
        return status

    @property
    def is_up(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _end(self, how: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(how)
        return self.ended()

    def _follow(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with self._news:
                self.told.append(json.loads(line))
                self._news.notify_all()
