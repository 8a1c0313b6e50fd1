"""Where words go: data to stdout, hints and errors to stderr, JSON when asked. (SCP-08 §2.1, §2.3)"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TextIO

from swarmchat.cli.terminal import Palette, lines, plain, to_json
from swarmchat.errors import SwarmchatError

Text = str | Iterable[str]


class Output:
    """One run's stdout and stderr. `text` of a value is only computed when people are to read it."""

    def __init__(self, *, json: bool, color: str, environ: Mapping[str, str], out: TextIO, err: TextIO) -> None:
        self.json = json
        self._out = out
        self._err = err
        self.paint = Palette(_coloured(color, environ, out))
        self._paint_err = Palette(_coloured(color, environ, err))

    def emit(self, value: Any, text: Callable[[], Text]) -> None:
        """The result of a command: one line of JSON, or its text."""
        if self.json:
            self._print(to_json(value))
            return
        written = text()
        for line in [written] if isinstance(written, str) else written:
            self._print(line)

    def write(self, text: str) -> None:
        """A document as it is: a drawing, a script."""
        self._print(text.removesuffix("\n"))

    def pass_on(self, piece: str) -> None:
        """A piece of a document as it is, without a line end of ours."""
        self._out.write(piece)
        self._out.flush()

    def note(self, sentence: str) -> None:
        """Something said beside the data; not in JSON."""
        if not self.json:
            self._say(plain(sentence))

    def error(self, error: SwarmchatError) -> None:
        """The error, its hint, and what it names."""
        if self.json:
            body = {"code": error.code, "message": error.message, "hint": error.hint, "data": error.data}
            self._say(to_json({"error": body}))
            return
        first, *rest = lines(error.message)
        self._say(f"{self._paint_err('error:', 'bold', 'red')} {first}")
        for line in rest:
            self._say(f"  {line}")
        rule = error.data.get("rule")
        if rule and str(rule) not in error.message:
            self._say(f"  rule: {plain(rule)}")
        candidates = error.data.get("candidates")
        if isinstance(candidates, list):
            for candidate in candidates[:20]:
                self._say(f"  {plain(candidate)}")
        if error.hint:
            self._say(f"{self._paint_err('hint:', 'bold', 'cyan')} {plain(error.hint)}")

    @contextlib.contextmanager
    def busy(self, sentence: str) -> Iterator[None]:
        """Something takes its time: a spinner on a terminal, nothing elsewhere."""
        if self.json or not self._err.isatty():
            yield
            return
        from rich.console import Console  # noqa: PLC0415 - 45 ms that only a waiting person pays

        with Console(file=self._err).status(sentence):
            yield

    def _print(self, line: str) -> None:
        self._out.write(line + "\n")
        self._out.flush()

    def _say(self, line: str) -> None:
        with contextlib.suppress(OSError):  # nobody listens: the exit status still tells
            self._err.write(line + "\n")
            self._err.flush()


def abandon(stream: TextIO) -> None:
    """The reader of a pipe has gone: nothing more is written there, not even when Python ends."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def standard_streams() -> tuple[TextIO, TextIO]:
    """stdout and stderr such that no character can fail to be written."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    return sys.stdout, sys.stderr


def _coloured(color: str, environ: Mapping[str, str], stream: TextIO) -> bool:
    if color != "auto":
        return color == "always"
    return not environ.get("NO_COLOR") and environ.get("TERM") != "dumb" and stream.isatty()
