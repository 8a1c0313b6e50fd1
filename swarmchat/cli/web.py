"""`swarmchat web`, `swarmchat token …`: the way in over HTTP. (SCP-08 §3.2)"""

from __future__ import annotations

from pathlib import Path

import click

from swarmchat.api.schema import SCOPES
from swarmchat.cli.session import Noun, Session, Verb, pass_session
from swarmchat.cli.terminal import clock, plain, table


@click.command(cls=Verb)
@click.option("--open", "in_browser", is_flag=True, help="open it in the browser of this desktop")
@pass_session
def web(session: Session, in_browser: bool) -> None:
    """Print the link to the web page of the running daemon; who has it can do everything.

    The token stands behind the #, which no browser sends anywhere.
    """
    found = session.door.call("web.link")
    session.output.emit(found, lambda: found["link"])
    if in_browser:
        click.launch(_door_file(session, found["link"]).as_uri())


def _door_file(session: Session, link: str) -> Path:
    """A page that leads to the link: what a browser is started with can be seen by everybody on this machine, a file cannot."""
    from swarmchat import disk  # noqa: PLC0415 - for who opens it

    path = session.home.data / "web.html"
    page = f'<!doctype html><meta http-equiv="refresh" content="0; url={link}"><a href="{link}">swarmchat</a>\n'
    disk.write_whole(path, page.encode())
    return path


@click.group(cls=Noun)
def token() -> None:
    """Tokens for programs that use the API over HTTP."""


@token.command()
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(SCOPES),
    default=SCOPES[0],
    show_default=True,
    help="read changes nothing, send writes messages too, admin may do everything",
)
@pass_session
def add(session: Session, name: str, scope: str) -> None:
    """Make one and print it, this once."""
    made = session.door.call("token.add", name=name, scope=scope)
    session.output.emit(made, lambda: made["token"])
    session.output.note("it is shown this once; only a hash of it is kept")


@token.command("list")
@pass_session
def show(session: Session) -> None:
    """Show which there are, not what they are."""
    rows = session.door.call("token.list")
    session.output.emit(
        rows,
        lambda: table(
            [
                (plain(row["name"]), row["scope"], clock(row["created"]) if row["created"] else "the owner's")
                for row in rows
            ]
        ),
    )


@token.command()
@click.argument("name")
@pass_session
def remove(session: Session, name: str) -> None:
    """Make one good for nothing, at once."""
    done = session.door.call("token.remove", name=name)
    session.output.emit(done, lambda: f"removed {plain(done['name'])}")
