"""`swarmchat presence`: who is there, as of when, and by what that is known. (SCP-04 §6.4)"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from swarmchat.cli.session import Session, Verb, pass_session
from swarmchat.cli.terminal import Palette, age, plain, short, table

_STYLES = {"linked": ("green",), "there": ("yellow",)}


@click.command(cls=Verb)
@click.argument("who", required=False, metavar="[CONTACT]")
@pass_session
def presence(session: Session, who: str | None) -> None:
    """Say who is there: linked now, there by its own word or on the LAN, away since when, or unknown.

    Without CONTACT all contacts; with it also each of its devices.
    """
    rows = session.door.call("presence", contact=who)

    def text() -> list[str]:
        now, paint = datetime.now(UTC), session.output.paint
        lines = []
        for row in rows:
            lines.append((plain(row["name"]) or short(row["id"]), attendance(row, now, paint)))
            if who is not None:
                lines += [(f"  {short(device['id'])}", attendance(device, now, paint)) for device in row["devices"]]
        return table(lines)

    session.output.emit(rows, text)
    if not rows:
        session.output.note("no contacts yet: swarmchat contact add ID")


def attendance(presence: dict[str, Any], now: datetime, paint: Palette) -> str:
    """A presence in a few words: the state, and for what is not of this moment how long ago and by what it was known."""
    state = plain(presence["state"])
    told = paint(state, *_STYLES.get(state, ()))
    if presence["as_of"] is None or state == "linked":
        return told
    return f"{told} {age(presence['as_of'], now)} ago ({plain(presence['source'])})"
