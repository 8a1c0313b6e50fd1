"""`swarmchat export`: a conversation as a document. (SCP-08 §2.9)"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import click

from swarmchat.api.schema import EXPORT_FORMATS
from swarmchat.cli.session import CONV, Session, Verb, pass_session
from swarmchat.cli.terminal import counted, plain

_PIECE_CHARS: Final = 1 << 16


@click.command(cls=Verb)
@click.argument("conv", type=CONV)
@click.option(
    "--format",
    "form",
    type=click.Choice(EXPORT_FORMATS),
    default="text",
    show_default=True,
    help="for people to read, for programs, for a browser, for a mail program",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="write this file; without it: standard output",
)
@click.option("--force", is_flag=True, help="replace FILE if it is there")
@pass_session
def export(session: Session, conv: str, form: str, output: Path | None, force: bool) -> None:
    """Write all that is shown of a conversation: texts as they are now, replies, reactions, who did what, who is in it.

    The same on every node that has the same messages. FILE is written whole or not at all, and for you alone.
    """
    if output is None:
        _print(session, conv, form)
        return
    with session.output.busy("exporting"):
        done = session.door.call(
            "export", conversation=conv, path=str(output.absolute()), format=form, force=force or None
        )
    session.output.emit(
        done, lambda: f"{plain(done['path'])}: {counted(done['messages'], 'line')}, {done['bytes']} bytes"
    )


def _print(session: Session, conv: str, form: str) -> None:
    """By way of a file of our own that nobody else sees: the node writes files, and a pipe is ours."""
    with tempfile.TemporaryDirectory(prefix="swarmchat-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "export"
        with session.output.busy("exporting"):
            session.door.call("export", conversation=conv, path=str(path), format=form)
        with path.open(encoding="utf-8", newline="") as file:
            while piece := file.read(_PIECE_CHARS):
                session.output.pass_on(piece)
