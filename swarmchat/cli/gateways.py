"""`swarmchat gateway …`: people who have no account, and the peers through which they speak. (SCP-09 §4)"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from swarmchat import limits
from swarmchat.cli.session import CONV, Noun, Session, pass_session
from swarmchat.cli.terminal import counted, plain, short, table
from swarmchat.errors import UsageError

_KEY_CHARS = 14  # of a key in a table
_TICK = click.option(
    "--tick-ms",
    type=click.IntRange(1, limits.DATASYNC_TICK_MS_MAX),
    metavar="MS",
    help="for trials: send what is due so often, else each 300 ms, and again what was lost sooner",
)


@click.group(cls=Noun)
def gateway() -> None:
    """Conversations with people who have no account here."""


@gateway.group(cls=Noun)
def mvds() -> None:
    """Data sync (MVDS): clients that need a key and a connection, and no git."""


@mvds.command("open")
@click.argument("conversation", metavar="CONV", type=CONV)
@click.option(
    "--attest", "attests", is_flag=True, help="and pass on what was said before, as `gateway mvds attest` does"
)
@pass_session
def open_(session: Session, conversation: str, *, attests: bool) -> None:
    """Open a conversation for data sync; for its admins.

    From then on what its members write carries what stands for it in data sync, and every node of a member can serve it.
    """
    done = session.door.call("mvds.open", conversation=conversation)
    session.output.emit(done, lambda: f"open for data sync as group {plain(done['group'])}")
    if attests:
        _note_attested(session, session.door.call("mvds.attest", conversation=conversation))
    session.output.note("invite somebody by his key: swarmchat gateway mvds invite CONV KEY")


@mvds.command()
@click.argument("conversation", metavar="CONV", type=CONV)
@click.option(
    "--limit",
    type=click.IntRange(1, limits.DATASYNC_ATTESTED_MAX),
    metavar="N",
    help=f"the newest N; {limits.DATASYNC_ATTESTED_MAX} unless told otherwise, and at most",
)
@pass_session
def attest(session: Session, conversation: str, limit: int | None) -> None:
    """Pass on in data sync what carries no signature for it: texts from before it was opened, and of members without a key.

    You vouch for it: clients show it as relayed by you. Each text is one commit; what was passed on already is not again.
    """
    done = session.door.call("mvds.attest", conversation=conversation, limit=limit)
    session.output.emit(done, lambda: f"passed on {counted(done['attested'], 'text')}")
    _note_left_out(session, done)


@mvds.command()
@click.argument("conversation", metavar="CONV", type=CONV)
@click.argument("key", metavar="KEY")
@pass_session
def invite(session: Session, conversation: str, key: str) -> None:
    """Invite somebody who has no account, by the key that `swarmchat gateway mvds peer` prints."""
    done = session.door.call("mvds.invite", conversation=conversation, key=key)
    session.output.emit(done, lambda: f"invited, here under the id {plain(done['account'])}")
    session.output.note("he comes in when his peer connects to a node that serves: swarmchat gateway mvds serve")


@mvds.command()
@click.option("--listen", metavar="HOST:PORT", help="accept peers here; port 0 is any that is free")
@click.option("--stop", is_flag=True, help="accept nobody any more")
@_TICK
@pass_session
def serve(session: Session, listen: str | None, stop: bool, tick_ms: int | None) -> None:
    """Have the running daemon accept data-sync peers over TCP, until it ends or with --stop.

    The setting gateways.mvds_listen does it for good. There is no TLS: whoever reaches an address that is not this machine's own can read along.
    """
    if stop == (listen is not None):
        raise UsageError(
            "either --listen HOST:PORT or --stop", hint="swarmchat gateway mvds serve --listen 127.0.0.1:0"
        )
    done = session.door.call("mvds.serve", listen=listen, stop=stop or None, tick_ms=tick_ms)

    def text() -> str:
        if done["listen"] is not None:
            return f"data sync is served on {plain(done['listen'])}"
        return "data sync is served no more" if done["stopped"] else "data sync was not served"

    session.output.emit(done, text)
    if done["warning"] is not None:
        session.output.note(f"warning: {plain(done['warning'])}")


@mvds.command()
@pass_session
def status(session: Session) -> None:
    """Say what is opened for data sync, who takes part, and who is connected."""
    found = session.door.call("mvds.status")

    def text() -> list[str]:
        rows = [
            ("key", plain(found["key"]) if found["key"] else "–"),
            ("listens", plain(found["listen"]) if found["listen"] else "on links alone"),
            ("connected", counted(len(found["peers"]), "peer")),
        ]
        said = table(rows)
        for one in found["conversations"]:
            over = "; over: who opened it has left" if one["over"] else ""
            said += ["", f"{short(one['conversation'])}  {counted(one['messages'], 'message')}{over}"]
            said += table([_member(member) for member in one["members"]])
            said += table([_receipt(receipt) for receipt in one["receipts"]])
        return said

    session.output.emit(found, text)


@mvds.command()
@click.option("--connect", required=True, metavar="HOST:PORT", help="the node to connect to")
@click.option(
    "--key-file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="where the key is kept, 64 hex digits; made on first use",
)
@click.option(
    "--state",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="where messages are kept; default: FILE.state",
)
@click.option(
    "--group", metavar="GROUP", help="64 hex digits, or the id of the conversation; else whoever invites first"
)
@click.option("--once", is_flag=True, help="end when standard input has ended and a node has all of it")
@_TICK
@click.option(
    "--loss",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    metavar="SHARE",
    help="for trials: lose so many of the payloads, both ways",
)
@click.option("--seed", type=int, default=0, metavar="N", help="for trials: which ones are lost")
@pass_session
def peer(session: Session, connect: str, key_file: Path, folder: Path | None, **options: Any) -> None:
    """Take part in a conversation without account, home or git: say each line of standard input, print what others say.

    /leave leaves the group; a text that begins with a slash is written with two. With --json one object for each thing that happens.
    """
    from swarmchat.addresses import Address  # noqa: PLC0415 - and with it all that data sync needs
    from swarmchat.cli import thinpeer  # noqa: PLC0415

    try:
        node = Address.parse(connect)
    except ValueError as fault:
        raise UsageError(str(fault), hint="for example 127.0.0.1:4100") from None
    thinpeer.run(session, node, key_file, folder, options)


def _note_attested(session: Session, done: dict[str, Any]) -> None:
    session.output.note(f"passed on {counted(done['attested'], 'text')}")
    _note_left_out(session, done)


def _note_left_out(session: Session, done: dict[str, Any]) -> None:
    if done["left_out"]:
        what = counted(done["left_out"], "text")
        session.output.note(f"left out {what}: changed since, said through a gateway, or very long")


def _receipt(receipt: dict[str, Any]) -> tuple[str, ...]:
    return f"  {plain(receipt['kind'])}", f"{plain(receipt['who'][:_KEY_CHARS])}…", f"confirmed by {len(receipt['by'])}"


def _member(member: dict[str, Any]) -> tuple[str, ...]:
    who = "without account" if member["foreign"] else short(member["account"])
    there = "connected" if member["connected"] else ""
    return f"  {plain(member['key'][:_KEY_CHARS])}…", plain(member["state"]), who, there
