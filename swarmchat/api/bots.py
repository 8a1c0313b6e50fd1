"""For who writes a bot or a bridge: connect to a node, call it, and follow what happens without missing anything.

    with connect() as node:                                # or connect("http://127.0.0.1:7777", token)
        me = node.call("account.show")["id"]
        for event in follow(Place(Path("my-bot.place"))):
            ...

The methods and what they give stand in docs/reference/api.md; an error of the node is raised as what it was there, with
`code`, `message`, `hint` and `data`. The guide is docs/guide/bots.md. (SCP-08 §3)
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, Protocol

from swarmchat import disk
from swarmchat.account.home import Home
from swarmchat.api.client import Client
from swarmchat.api.shapes import JsonObject
from swarmchat.errors import UnreachableError, UsageError, UserError

_AGAIN_S: Final = (
    0.2,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
)  # between tries to reach a node that is not there; then the last, for ever
_PLACE_BYTES_MAX: Final = 64


class Node(AbstractContextManager[Any], Protocol):
    """A node as a program sees it, over its socket or over HTTP."""

    def call(self, method: str, /, *, timeout_s: float | None = None, **params: Any) -> Any:
        """The result of one method; parameters that are None are not sent. Raises what the command raised there."""
        ...

    def events(self, since: int | None = None) -> Iterator[JsonObject]:
        """Every event after `since` (default: from now on), until the node goes away: UnreachableError.

        A socket gives its connection to this: make another one for calls.
        """
        ...

    def close(self) -> None:
        """Hang up."""
        ...


def connect(where: str | Path | None = None, token: str | None = None) -> Node:
    """A node: None is the one of this user (or of SWARMCHAT_HOME), a path its control socket, a URL its HTTP.

    Raises UnreachableError when none answers, UsageError for a URL without a token.
    """
    if isinstance(where, str) and where.startswith(("http://", "https://")):
        from swarmchat.api.httpclient import HttpClient  # noqa: PLC0415 - for who uses HTTP

        return HttpClient(where, token)
    if where is None:
        return Client.connect(Home.locate(None, os.environ).socket)  # noqa: TID251 - a bot is a program of its own
    return Client.connect(Path(where))


class Place:
    """The number of the last event that was dealt with, in a file; what was there before survives a power cut."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> int | None:
        """None when there is none yet. UserError when the file holds something else."""
        raw = disk.read_bounded(self._path, _PLACE_BYTES_MAX)
        if raw is None:
            return None
        text = raw.decode("ascii", "replace").strip()
        if not text.isdigit():
            raise UserError(
                f"{self._path} holds no number", hint="remove it, and the bot begins with what happens next"
            )
        return int(text)

    def write(self, number: int) -> None:
        """StorageError when the disk refuses; then the old number stands."""
        disk.write_whole(self._path, b"%d\n" % number)


def follow(
    place: Place, open_node: Callable[[], Node] = connect, *, patience_s: float | None = None
) -> Iterator[JsonObject]:
    """What happens, for ever: goes on where it was before a restart of this program or of the node.

    An event counts as dealt with when the next one is asked for; who is killed before gets it again, so nothing is lost and
    the last one may come twice. The first time it begins with what happens from then on. A gap (this program was away for
    longer than events are kept, or their log was begun anew) is an event of type `gap` without id: read the state again.
    A node that goes away is waited for; when it stays away for longer than `patience_s`, UnreachableError.
    """
    since = place.read()
    waited, tries = 0.0, 0
    while True:
        node: Node | None = None
        try:
            node = open_node()
            if since is None:
                since = int(node.call("events.list", limit=1)["last"])
                place.write(since)
            try:
                coming = node.events(since)
            except UsageError as error:  # the log was begun anew, and counts from elsewhere
                if "last" not in error.data:
                    raise
                since = int(str(error.data["last"]))
                yield {"type": "gap", "data": {"from": None, "to": since}}
                place.write(since)
                continue
            waited, tries = 0.0, 0
            for event in coming:
                yield event
                reached = event["data"]["to"] if event["type"] == "gap" else event["id"]
                if reached is not None:
                    since = int(reached)
                    place.write(since)
        except UnreachableError:
            if patience_s is not None and waited >= patience_s:
                raise
        finally:
            if node is not None:
                node.close()
        delay = _AGAIN_S[min(tries, len(_AGAIN_S) - 1)]
        threading.Event().wait(delay)
        waited, tries = waited + delay, tries + 1
