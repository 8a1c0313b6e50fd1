"""Events without end: a daemon that goes away is waited for, and asked for what happened meanwhile. (SCP-08 §3.3)"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from swarmchat.api.shapes import JsonObject
from swarmchat.cli.door import Door
from swarmchat.errors import UnreachableError, UsageError

PAUSE_S: Final = 0.5  # between two looks for a daemon that went away


def followed(
    door: Door, since: int | None, *, pause: Callable[[float], None], told: Callable[[str], None]
) -> Iterator[JsonObject]:
    """Subscribe now: every event after `since` (default: from now on), over restarts of the daemon, none twice and none left out.

    `told` hears when it goes and comes. UnreachableError when none runs at the beginning; UsageError for a `since` to come.
    """
    door.call("daemon.status")  # there must be one: the newest event could be asked for without
    last = int(door.call("events.list", limit=1)["last"]) if since is None else since
    return _stream(door, door.events(last), last, pause, told)


def _stream(
    door: Door, stream: Iterator[JsonObject], last: int, pause: Callable[[float], None], told: Callable[[str], None]
) -> Iterator[JsonObject]:
    while True:
        try:
            for event in stream:
                yield event
                match event:
                    case {"id": int(number)}:
                        last = number
                    case {"type": "gap", "data": {"to": int(number)}}:
                        last = number
                    case _:
                        pass  # it passes by and has no number
        except UnreachableError as gone:
            told(f"{gone.message}; waiting for it")
        while True:
            pause(PAUSE_S)
            try:
                stream = door.events(last)
            except UnreachableError:
                continue
            except UsageError:  # its events were lost and are numbered anew
                try:
                    newest = int(door.call("events.list", limit=1)["last"])
                except UnreachableError:
                    continue  # away again
                yield {"type": "gap", "data": {"from": newest + 1, "to": last}}
                last = newest
                continue
            told("the daemon is back")
            break
