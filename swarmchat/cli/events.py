"""`swarmchat events`: the numbered log of what happened. (SCP-08 §3.3)"""

from __future__ import annotations

import time
from typing import Any

import click

from swarmchat import limits
from swarmchat.cli.following import followed
from swarmchat.cli.session import Session, Verb, pass_session
from swarmchat.cli.terminal import clock, plain, to_json


@click.command(cls=Verb)
@click.option("--since", type=click.IntRange(min=0), metavar="N", help="only events with a greater number")
@click.option("--follow", "-f", is_flag=True, help="go on with what happens, until interrupted")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1, limits.API_LIST_MAX),
    metavar="N",
    help="the newest N; with --since or --follow the first N",
)
@pass_session
def events(session: Session, since: int | None, follow: bool, limit: int | None) -> None:
    """List events, one a line; with --follow and no --since only new ones, over restarts of the daemon too."""
    left = limit
    if follow:
        for event in followed(session.door, since, pause=time.sleep, told=session.output.note):
            _print(session, event)
            left = None if left is None else left - 1
            if left == 0:
                return
    after = _before_newest(session, limit) if since is None and limit is not None else since or 0
    while left is None or left > 0:
        page = session.door.call("events.list", since=after, limit=min(left or 1_000, 1_000))
        if page["gap"]:
            _print(session, {"type": "gap", "data": page["gap"]})
        for event in page["events"]:
            _print(session, event)
        if not page["events"]:
            return
        after = page["events"][-1]["id"]
        left = None if left is None else left - len(page["events"])


def _before_newest(session: Session, count: int) -> int:
    """The number that so many events come after."""
    last: int = session.door.call("events.list", limit=1)["last"]
    return max(0, last - count)


def _print(session: Session, event: dict[str, Any]) -> None:
    def text() -> str:
        if event["type"] == "gap":
            return f"–  events {event['data'].get('from')} to {event['data'].get('to')} are no longer kept"
        said = " ".join(f"{plain(key)}={_value(value)}" for key, value in event["data"].items())
        kind = session.output.paint(plain(event["type"]), "bold")
        number = "–" if event["id"] is None else event["id"]
        return f"{number}  {clock(event['time'])}  {kind}  {said}".rstrip()

    session.output.emit(event, text)


def _value(value: Any) -> str:
    return plain(value) if isinstance(value, str) and value and " " not in value else to_json(value)
