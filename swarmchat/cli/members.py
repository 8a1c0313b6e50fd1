"""`swarmchat member …` and its short forms: who is in, and what the group decides about them. (SCP-02 §5)"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from swarmchat.cli.session import CONV, Noun, Session, pass_session
from swarmchat.cli.terminal import clock, plain, short, table
from swarmchat.errors import RefusedError

_ROLE_STYLES = {"admin": ("bold", "green"), "member": (), "invited": ("yellow",), "banned": ("red",), "left": ("dim",)}
_KIND_WORDS = {"ban": "banned", "unban": "unbanned", "promote": "promoted"}


@click.group(cls=Noun)
def member() -> None:
    """Members of a conversation."""


@member.command("list")
@click.argument("conv", type=CONV)
@click.option("--local", is_flag=True, help="with what only this node knows: up to where each has read")
@pass_session
def list_(session: Session, conv: str, local: bool) -> None:
    """List members, the invited, the banned and who left."""
    rows = session.door.call("member.list", conversation=conv, local=local or None)

    def text() -> list[str]:
        paint = session.output.paint
        return table(
            [
                (
                    row["id"],
                    paint(plain(row["role"]), *_ROLE_STYLES.get(row["role"], ())),
                    _name(row),
                    " ".join(_device(device, row["revoked"]) for device in row["devices"]) or "–",
                    *([_read(row["read"])] if local else []),
                )
                for row in rows
            ],
            header=("ACCOUNT", "ROLE", "NAME", "DEVICES", *(["READ"] if local else [])),
        )

    session.output.emit(rows, text)


@member.command()
@click.argument("conv", type=CONV)
@click.argument("accounts", nargs=-1, required=True, metavar="ACCOUNT...")
@pass_session
def invite(session: Session, conv: str, accounts: tuple[str, ...]) -> None:
    """Add accounts and send them invitations."""
    rows = session.door.call("member.invite", conversation=conv, accounts=list(accounts))
    session.output.emit(rows, lambda: table([(plain(row["id"]), plain(row["state"])) for row in rows]))


@member.command()
@click.argument("conv", type=CONV)
@click.argument("who")
@click.option("--device", is_flag=True, help="WHO is one device, not an account")
@click.option("--dry-run", is_flag=True, help="say what would be written, write nothing")
@click.option("--at", metavar="COMMIT", help="vote on top of this commit (against a fork that was written later)")
@pass_session
def ban(session: Session, conv: str, who: str, device: bool, dry_run: bool, at: str | None) -> None:
    """Vote to ban. Banned as soon as more than half of the admins agree."""
    ballot = session.door.call(
        "member.ban", conversation=conv, target=who, device=device or None, dry_run=dry_run or None, at=at
    )
    _tell(session, conv, ballot)


@member.command()
@click.argument("conv", type=CONV)
@click.argument("who")
@click.option("--device", is_flag=True, help="WHO is one device, not an account")
@click.option("--dry-run", is_flag=True, help="say what would be written, write nothing")
@pass_session
def unban(session: Session, conv: str, who: str, device: bool, dry_run: bool) -> None:
    """Vote to unban. Unbanned as soon as more than half of the admins agree."""
    ballot = session.door.call(
        "member.unban", conversation=conv, target=who, device=device or None, dry_run=dry_run or None
    )
    _tell(session, conv, ballot)


@member.command()
@click.argument("conv", type=CONV)
@click.argument("who")
@click.option("--dry-run", is_flag=True, help="say what would be written, write nothing")
@pass_session
def promote(session: Session, conv: str, who: str, dry_run: bool) -> None:
    """Make a member an admin. At once as the only admin, else by ballot."""
    _tell(session, conv, session.door.call("member.promote", conversation=conv, target=who, dry_run=dry_run or None))


@member.command()
@click.argument("conv", type=CONV)
@click.argument("who")
@pass_session
def kick(session: Session, conv: str, who: str) -> None:
    """Remove somebody without a ballot.

    Where the mode allows it; they may be invited again."""
    done = session.door.call("member.kick", conversation=conv, target=who)
    session.output.emit(done, lambda: f"{session.names(conv)(done['target'])} is removed; may be invited again")


@member.command()
@click.argument("conv", type=CONV)
@click.argument("who", required=False)
@pass_session
def demote(session: Session, conv: str, who: str | None) -> None:
    """Step down as admin. Nobody can demote another: WHO may only be oneself."""
    if who is not None:
        mine = session.door.call("account.show")
        if not mine["id"].startswith(who) and who != mine["name"]:
            raise RefusedError(
                "one can demote only oneself",
                hint="an admin is removed by ballot: swarmchat ban",
                data={"rule": "SCP-02 §5.4"},
            )
    done = session.door.call("member.demote", conversation=conv)
    session.output.emit(done, lambda: "you are no longer an admin")


@member.command()
@click.argument("conv", type=CONV)
@pass_session
def votes(session: Session, conv: str) -> None:
    """List the open ballots."""
    rows = session.door.call("member.votes", conversation=conv)

    def text() -> list[str]:
        names = session.names(conv)
        return table(
            [
                (
                    plain(row["kind"]),
                    _target(row, names),
                    f"{len(row['voters'])} of {row['needed']}",
                    ", ".join(map(names, row["voters"])),
                )
                for row in rows
            ],
            header=("BALLOT", "ABOUT", "VOTES", "BY"),
        )

    session.output.emit(rows, text)
    if not rows:
        session.output.note("no open ballots")


def _read(mark: dict[str, Any] | None) -> str:
    return "–" if mark is None else f"{short(mark['commit'])} {clock(mark['time'])}"


def _tell(session: Session, conv: str, ballot: dict[str, Any]) -> None:
    session.output.emit(ballot, lambda: _outcome(ballot, session.names(conv)))


def _outcome(ballot: dict[str, Any], names: Callable[[str], str]) -> str:
    target, kind = _target(ballot, names), plain(ballot["kind"])
    count = f"{len(ballot['voters'])} of {ballot['needed']} votes"
    commits = " ".join(map(short, ballot["commits"]))
    match ballot["state"]:
        case "resolved":
            return f"{target} is {_KIND_WORDS.get(kind, kind)} ({commits})"
        case "planned":
            return f"would vote to {kind} {target}: {count}; nothing was written"
        case _:
            return f"voted to {kind} {target}: {count} ({commits})"


def _target(row: dict[str, Any], names: Callable[[str], str]) -> str:
    return f"device {short(row['target'])}" if row["type"] == "devices" else names(row["target"])


def _name(row: dict[str, Any]) -> str:
    """What somebody calls himself; of who has no account, through which gateway he takes part, too."""
    name = plain(row["name"]) or "–"
    return f"{name} ({plain(row['gateway'])})" if "gateway" in row else name


def _device(device: str, revoked: list[str]) -> str:
    return f"{short(device)} (revoked)" if device in revoked else short(device)
