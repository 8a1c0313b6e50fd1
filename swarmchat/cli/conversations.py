"""`swarmchat conversation …`, `create`, `join`, `leave`. (SCP-08 §2.1, SCP-06 §5, §7)"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import click

from swarmchat import limits
from swarmchat.api.schema import MODES
from swarmchat.cli.session import CONV, Noun, Session, pass_session
from swarmchat.cli.terminal import clock, counted, lines, plain, short, table
from swarmchat.errors import UsageError

CLONE_PATIENCE_S = 30.0  # a small group is here in a second; a large one goes on by itself
_IMAGE_TYPES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}


@click.group(cls=Noun)
def conversation() -> None:
    """Conversations of this node."""


@conversation.command()
@click.argument("called", metavar="TITLE", required=False)
@click.option("--title", "-t", help="the same")
@click.option(
    "--mode", type=click.Choice(MODES), help="who may invite: members (private), admins, or anybody may join (public)"
)
@pass_session
def create(session: Session, called: str | None, title: str | None, mode: str | None) -> None:
    """Start a conversation with oneself as admin."""
    if called and title:
        raise UsageError("two titles are given", hint="a title of several words stands in quotes")
    made = session.door.call("conversation.create", title=called or title, mode=mode)
    session.output.emit(made, lambda: f"{made['id']}  {plain(made['title']) or '(no title)'}  ({plain(made['mode'])})")
    session.output.note(f"invite somebody: swarmchat invite {short(made['id'])} ACCOUNT")


@conversation.command("list")
@pass_session
def list_(session: Session) -> None:
    """List them, with who is in and the time of the last message."""
    rows = session.door.call("conversation.list")

    def text() -> list[str]:
        paint = session.output.paint
        return table(
            [
                (
                    short(row["id"]),
                    paint(plain(row["title"]) or "(no title)", "bold"),
                    plain(row["mode"]),
                    plain(row["state"]),
                    f"{row['members']}",
                    clock(row["last"]),
                    _count(row["unread"]),
                )
                for row in rows
            ],
            header=("ID", "TITLE", "MODE", "STATE", "MEMBERS", "LAST", "UNREAD"),
        )

    session.output.emit(rows, text)
    if not rows:
        session.output.note("no conversations yet: swarmchat create TITLE")


@conversation.command()
@click.argument("conv", type=CONV)
@pass_session
def show(session: Session, conv: str) -> None:
    """Show one conversation."""
    page = session.door.call("conversation.show", conversation=conv)
    session.output.emit(page, lambda: _page(page))
    if page["refused"]:
        session.output.note(page["refused"]["hint"])


@conversation.command("set")
@click.argument("conv", type=CONV)
@click.option("--title", help="title; empty removes it")
@click.option("--description", help="description; empty removes it")
@click.option("--image", type=click.Path(path_type=Path), help="PNG or JPEG file; empty removes it")
@click.option("--color", help="#rrggbb; empty removes it")
@pass_session
def set_(
    session: Session, conv: str, title: str | None, description: str | None, image: Path | None, color: str | None
) -> None:
    """Change title, description, picture or colour."""
    if title is None and description is None and image is None and color is None:
        raise UsageError("nothing to set", hint="give --title, --description, --image or --color")
    picture = None if image is None else "" if str(image) in {"", "."} else _data_uri(image)
    page = session.door.call(
        "conversation.set", conversation=conv, title=title, description=description, image=picture, color=color
    )
    session.output.emit(page, lambda: _page(page))


@conversation.command()
@click.argument("conv", type=CONV)
@click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--unset", multiple=True, metavar="KEY", help="forget it; may be given several times")
@pass_session
def prefs(session: Session, conv: str, pairs: tuple[str, ...], unset: tuple[str, ...]) -> None:
    """Show or change what I want of a conversation, on all my devices.

    Programs keep there what is theirs, a colour or a muted bell; nobody else is told.
    """
    done = session.door.call(
        "conversation.prefs", conversation=conv, values=list(pairs) or None, unset=list(unset) or None
    )
    session.output.emit(done, lambda: [f"{plain(key)}={plain(value)}" for key, value in sorted(done["prefs"].items())])


@conversation.command()
@click.argument("conv", metavar="LINK|CONV")
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
def join(session: Session, conv: str, timeout: float | None, any_mode: bool) -> None:
    """Clone and join a conversation by its link or id, or accept the invitation with that title."""
    with session.output.busy("cloning"):
        done = session.door.call("conversation.join", conversation=conv, timeout=timeout, any_mode=any_mode or None)
    joined(session, done)


@conversation.command()
@click.argument("conv", type=CONV)
@click.option("--qr", is_flag=True, help="draw it as a QR code as well")
@pass_session
def link(session: Session, conv: str, qr: bool) -> None:
    """Print the link by which others find and join a conversation.

    A public one may be joined by anybody who has the link, another one by who is invited. It names you and where this node listens now.
    """
    made = session.door.call("conversation.link", conversation=conv)

    def text() -> list[str]:
        if not qr:
            return [plain(made["link"])]
        from swarmchat.cli.qr import drawn  # noqa: PLC0415 - 10 ms for who looks at it

        return [plain(made["link"]), "", *drawn(made["link"], coloured=session.output.paint.on)]

    session.output.emit(made, text)
    if not made["public"]:
        session.output.note(f"only who is invited can join by it: swarmchat invite {short(made['id'])} ACCOUNT")
    if not made["addresses"]:
        session.output.note("this node has no address that others can be told, so it helps only on the same LAN")


@conversation.command()
@click.argument("conv", type=CONV)
@click.option("--promote", metavar="ACCOUNT", help="make this member an admin first")
@click.option("--dissolve", is_flag=True, help="remove everybody by the rules, then leave")
@click.option("--yes", "-y", is_flag=True, help="do not ask")
@pass_session
def leave(session: Session, conv: str, promote: str | None, dissolve: bool, yes: bool) -> None:
    """Leave a conversation. The last admin promotes somebody first, or dissolves it."""
    if promote and dissolve:
        raise UsageError("--promote and --dissolve exclude each other")
    if session.may_ask:
        session.confirm(f"{'Dissolve' if dissolve else 'Leave'} {conv}?", yes=yes)
    done = session.door.call("conversation.leave", conversation=conv, promote=promote, dissolve=dissolve or None)
    session.output.emit(done, lambda: state_line(done))


@conversation.command("merge-forks")
@click.argument("conv", type=CONV)
@click.option("--yes", "-y", is_flag=True, help="do not ask")
@pass_session
def merge_forks(session: Session, conv: str, yes: bool) -> None:
    """Let old forks into a conversation that this node has held back.

    Somebody who was once the only admin can write a past in which they promote friends or ban others. So a fork from before
    the last 100 changes of the roster waits until you agree; `swarmchat conversation show` lists it, `explain` tells what it says.
    """
    session.confirm(f"Merge the old forks of {conv}, whatever they change in its roster?", yes=yes)
    done = session.door.call("conversation.merge_forks", conversation=conv)
    session.output.emit(done, lambda: f"merged {counted(len(done['merged']), 'old fork')}")


@conversation.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@pass_session
def import_(session: Session, path: Path) -> None:
    """Bring a Jami conversation along: a repository or bundle, kept here to be read.

    It is judged whole first, and nothing of an invalid one is kept (exit status 7). What was imported is never synced and never
    written to; `log`, `member list`, `graph` and `verify` read it, `conversation purge` erases it.
    """
    with session.output.busy(f"judging {plain(str(path))}"):
        done = session.door.call("conversation.import", path=str(path.absolute()))

    def text() -> str:
        told = "archived" if done["new"] else "archived already"
        return (
            f"{done['id']}  {plain(done['title']) or '(no title)'}  {told}: "
            f"{counted(done['commits'], 'commit')}, {counted(done['merges'], 'merge')}, {counted(done['members'], 'member')}"
        )

    session.output.emit(done, text)
    session.output.note(f"read it: swarmchat log {short(done['id'])}")


@conversation.command()
@click.argument("conv", type=CONV)
@click.option("--yes", "-y", is_flag=True, help="do not ask")
@pass_session
def purge(session: Session, conv: str, yes: bool) -> None:
    """Erase the history and files of a conversation on this node."""
    session.confirm(f"Erase the history of {conv} on this node?", yes=yes)
    done = session.door.call("conversation.purge", conversation=conv)
    session.output.emit(done, lambda: state_line(done))


def joined(session: Session, done: dict[str, Any]) -> None:
    """What came of joining, and what to do while it is not done."""
    session.output.emit(done, lambda: state_line(done))
    if done["state"] == "syncing":
        session.output.note("not here yet; it goes on by itself as soon as somebody who has it is reached")


def state_line(done: dict[str, Any]) -> str:
    """`{"id","state"}` for people."""
    return f"{plain(done['id'])}  {plain(done['state'])}"


def _page(page: dict[str, Any]) -> list[str]:
    rows = [
        ("id", page["id"]),
        ("title", page["title"] or "–"),
        ("mode", page["mode"]),
        ("state", page["state"]),
        *([("because", page["refused"]["text"])] if page["refused"] else []),
        ("my role", page["role"] or "–"),
        ("members", str(page["members"])),
        ("created", clock(page["created"])),
        ("last", clock(page["last"])),
        ("unread", _count(page["unread"])),
        *(("read by", f"{short(mark['account'])} to {short(mark['commit'])}") for mark in page["read"]),
        ("colour", page["color"] or "–"),
        ("picture", "yes" if page["image"] else "no"),
        ("heads", " ".join(map(short, page["heads"]))),
        *([("held back", " ".join(map(short, page["held"])))] if page["held"] else []),
    ]
    description = [f"  {line}" for line in lines(page["description"])] if page["description"] else []
    return [
        *table([(name, plain(value)) for name, value in rows]),
        *(["description", *description] if description else []),
    ]


def _count(unread: int) -> str:
    return f"{unread}+" if unread >= limits.UNREAD_MAX else f"{unread}"


def _data_uri(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(limits.PROFILE_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    kind = next((kind for magic, kind in _IMAGE_TYPES.items() if data.startswith(magic)), None)
    if kind is None:
        raise UsageError(f"{path} is neither PNG nor JPEG")
    uri = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    if len(uri) > limits.PROFILE_BYTES_MAX:
        raise UsageError(
            f"{path} is too large: a profile has at most {limits.PROFILE_BYTES_MAX // 1024} KiB with its picture"
        )
    return uri
