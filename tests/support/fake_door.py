"""The command line in one process, against a pretended node."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from swarmchat.account.home import Home
from swarmchat.api.methods import invoke
from swarmchat.cli.main import run
from swarmchat.cli.passwords import Passwords
from tests.support.fake_commands import FakeCommands


class FakeDoor:
    """What `cli.door.HomeDoor` is to a real node. Its events end like a person ends them: with Ctrl-C."""

    def __init__(self, node: FakeCommands) -> None:
        self._node = node

    def call(self, method: str, /, **params: Any) -> Any:
        given = {name: value for name, value in params.items() if value is not None}
        return asyncio.run(invoke(self._node, method, given))

    def events(self, since: int | None = None) -> Iterator[dict[str, Any]]:
        yield from self._node.live
        raise KeyboardInterrupt

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


@dataclass(frozen=True)
class Outcome:
    """How a run ended and what it said."""

    status: int
    out: str
    err: str


class Terminal(io.StringIO):
    """Text that believes to be shown to somebody."""

    def isatty(self) -> bool:
        return True


def swarmchat(
    *words: str, node: FakeCommands | None = None, environ: Mapping[str, str] | None = None, terminal: bool = False
) -> Outcome:
    """Run `swarmchat words…`."""
    made = node or FakeCommands()

    def make_door(_home: Home, _passwords: Passwords) -> FakeDoor:
        return FakeDoor(made)

    out, err = (Terminal(), Terminal()) if terminal else (io.StringIO(), io.StringIO())
    arguments: Sequence[str] = words
    status = run(arguments, environ={"HOME": "/nonexistent", **(environ or {})}, out=out, err=err, make_door=make_door)
    return Outcome(status, out.getvalue(), err.getvalue())
