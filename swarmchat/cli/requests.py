"""`swarmchat request …` and `accept`: what waits for my word. (SCP-06 §4)"""

from __future__ import annotations

import click

from swarmchat.cli.conversations import CLONE_PATIENCE_S, joined, state_line
from swarmchat.cli.session import Noun, Session, pass_session
from swarmchat.cli.terminal import clock, plain, short, table


@click.group(cls=Noun)
def request() -> None:
    """Invitations and contact requests that wait for me."""


@request.command("list")
@pass_session
def list_(session: Session) -> None:
    """List them."""
    rows = session.door.call("request.list")

    def text() -> list[str]:
        return table(
            [
                (
                    plain(row["id"])[:16],
                    plain(row["kind"]),
                    plain(row["title"]) or "–",
                    short(row["conversation"]),
                    plain(row["from"]),
                    clock(row["at"]),
                )
                for row in rows
            ],
            header=("ID", "KIND", "TITLE", "CONVERSATION", "FROM", "SINCE"),
        )

    session.output.emit(rows, text)
    if not rows:
        session.output.note("nothing waits for you")
    if not session.output.json and (asking := session.door.call("status.requests")):
        who = "somebody on Status asks" if len(asking) == 1 else f"{len(asking)} people on Status ask"
        session.output.note(f"{who} to be let in: swarmchat status requests")


@request.command()
@click.argument("id_", metavar="CONV|REQUEST")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="S",
    default=CLONE_PATIENCE_S,
    show_default=True,
    help="wait so many seconds until it is ready; 0 returns at once",
)
@click.option("--any-mode", is_flag=True, help="join even if its mode is not the one that the invitation named")
@pass_session
def accept(session: Session, id_: str, timeout: float, any_mode: bool) -> None:
    """Accept: clone the conversation, check it, join."""
    with session.output.busy("cloning"):
        done = session.door.call("request.accept", request=id_, timeout=timeout, any_mode=any_mode or None)
    joined(session, done)


@request.command()
@click.argument("id_", metavar="CONV|REQUEST")
@pass_session
def decline(session: Session, id_: str) -> None:
    """Decline this one; a later, new invitation may come."""
    done = session.door.call("request.decline", request=id_)
    session.output.emit(done, lambda: state_line(done))


@request.command()
@click.argument("id_", metavar="CONV|REQUEST")
@pass_session
def block(session: Session, id_: str) -> None:
    """Decline, and hear nothing more from the sender, who cannot tell."""
    done = session.door.call("request.block", request=id_)
    session.output.emit(done, lambda: state_line(done))
