"""`swarmchat tui`. (SCP-08 §2.8)"""

from __future__ import annotations

import click

from swarmchat.cli.session import Session, Verb, pass_session
from swarmchat.errors import UsageError


@click.command(cls=Verb)
@click.argument("conv", metavar="[CONV]", required=False)
@pass_session
def tui(session: Session, conv: str | None) -> None:
    """Chat on the whole screen, by keyboard; F1 there shows the keys. Needs a running daemon."""
    if session.json or not session.out.isatty():
        raise UsageError("this is for a terminal", hint="swarmchat tail follows without one")
    session.door.call("daemon.status")
    first = session.door.call("conversation.show", conversation=conv)["id"] if conv else None
    from swarmchat.cli.tui.app import Chat  # noqa: PLC0415 - textual, which nothing else needs
    from swarmchat.cli.tui.line import Line, SocketWay  # noqa: PLC0415

    Chat(Line(lambda: SocketWay(session.home.socket)), first=first).run()
