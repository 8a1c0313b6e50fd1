"""`swarmchat debug bundle`: a report for others to look at. (SCP-08 §2.7)"""

from __future__ import annotations

from pathlib import Path

import click

from swarmchat.cli.session import Noun, Session, pass_session
from swarmchat.cli.terminal import plain, table


@click.group(cls=Noun)
def debug() -> None:
    """Reports for others to look at."""


@debug.command()
@click.argument("file", type=click.Path(path_type=Path))
@pass_session
def bundle(session: Session, file: Path) -> None:
    """Write how this node stands to FILE (.zip or .tar.gz), to be looked at and then shown to somebody.

    No key, message, title or name goes in; ids, addresses and paths become stand-ins. Nothing is sent.
    """
    with session.output.busy("looking"):
        made = session.door.call("debug.bundle", path=str(file.absolute()))

    def text() -> list[str]:
        rows = [(plain(one["name"]), f"{one['bytes']:,}", plain(one["about"])) for one in made["files"]]
        return [f"{plain(made['path'])}: {made['bytes']:,} bytes", *table(rows, header=("FILE", "BYTES", "WHAT IT IS"))]

    session.output.emit(made, text)
    session.output.note("nothing was sent to anybody; look into it before you do")
