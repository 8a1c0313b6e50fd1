"""`swarmchat bundle`: conversations that travel in a pocket. (SCP-04 §9)"""

from __future__ import annotations

from pathlib import Path

import click

from swarmchat.cli.session import CONV, Noun, Session, pass_session
from swarmchat.cli.terminal import counted, plain, short


@click.group(cls=Noun)
def bundle() -> None:
    """What somebody lacks of a conversation, as one file: for who is never linked with you."""


@bundle.command("export")
@click.argument("conv", type=CONV)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--since", multiple=True, metavar="DEVICE|COMMIT", help="what is there already; may be given several times"
)
@click.option("--force", is_flag=True, help="replace FILE if it is there")
@pass_session
def export_(session: Session, conv: str, file: Path, since: tuple[str, ...], force: bool) -> None:
    """Write a file with all of a conversation, or with what is not there yet.

    With the id of a device: what that device is not known to have. Whoever has the file can read what is in it.
    """
    with session.output.busy("exporting"):
        done = session.door.call(
            "bundle.export",
            conversation=conv,
            path=str(file.absolute()),
            since=list(since) or None,
            force=force or None,
        )
    session.output.emit(
        done, lambda: f"{plain(done['path'])}: {counted(done['commits'], 'commit')}, {done['bytes']} bytes"
    )
    if done["since"]:
        session.output.note(f"for who has {' '.join(map(short, done['since'][:4]))}")


@bundle.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@pass_session
def import_(session: Session, file: Path) -> None:
    """Take in such a file. A conversation that is not here yet is joined, if you are invited in it.

    It is judged like what comes over a link: what is not valid stays out.
    """
    with session.output.busy("judging"):
        done = session.door.call("bundle.import", path=str(file.absolute()))
    session.output.emit(
        done, lambda: f"{done['conversation']}  {plain(done['state'])}: {counted(done['new'], 'new commit')}"
    )
    for one in done["refused"]:
        blamed = f"commit {short(one['commit'])}" if one["commit"] else "a commit"
        session.output.note(f"refused: {blamed}: {plain(one['reason'])} ({plain(one['rule'])})")
