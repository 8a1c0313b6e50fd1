"""`swarmchat contact …`: the people I talk to. (SCP-06 §1, §2, §8)"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from swarmchat.cli.presence import attendance
from swarmchat.cli.session import Noun, Session, pass_session
from swarmchat.cli.terminal import Palette, clock, plain, short, table


@click.group(cls=Noun)
def contact() -> None:
    """Contacts."""


@contact.command()
@click.argument("id_", metavar="ID")
@click.option("--name", help="my name for them")
@click.option("--address", "addresses", multiple=True, metavar="HOST:PORT", help="where they listen; may be repeated")
@pass_session
def add(session: Session, id_: str, name: str | None, addresses: tuple[str, ...]) -> None:
    """Make the one-to-one conversation and ask the other for trust."""
    done = session.door.call("contact.add", account=id_, name=name, addresses=list(addresses) or None)
    session.output.emit(done, lambda: _line(done))


@contact.command("list")
@pass_session
def list_(session: Session) -> None:
    """List them."""
    rows = session.door.call("contact.list")

    def text() -> list[str]:
        now, paint = datetime.now(UTC), session.output.paint
        return table(
            [
                (
                    plain(row["id"]),
                    plain(row["name"]) or "–",
                    plain(row["state"]),
                    short(row["conversation"]),
                    attendance(row["presence"], now, paint),
                )
                for row in rows
            ],
            header=("ACCOUNT", "NAME", "STATE", "CONVERSATION", "PRESENCE"),
        )

    session.output.emit(rows, text)
    if not rows:
        session.output.note("no contacts yet: swarmchat contact add ID")


@contact.command()
@click.argument("who")
@pass_session
def show(session: Session, who: str) -> None:
    """Show one contact."""
    page = session.door.call("contact.show", contact=who)
    session.output.emit(page, lambda: _page(page))


@contact.command()
@click.argument("who")
@click.option("--yes", "-y", is_flag=True, help="do not ask")
@pass_session
def remove(session: Session, who: str, yes: bool) -> None:
    """Remove a contact and leave the conversation with it."""
    if session.may_ask:
        session.confirm(f"Remove {who} and the conversation with them?", yes=yes)
    done = session.door.call("contact.remove", contact=who)
    session.output.emit(done, lambda: _line(done))


@contact.command()
@click.argument("who")
@pass_session
def block(session: Session, who: str) -> None:
    """Hear nothing more from an account; it cannot tell."""
    done = session.door.call("contact.block", contact=who)
    session.output.emit(done, lambda: _line(done))


@contact.command()
@click.argument("who")
@pass_session
def unblock(session: Session, who: str) -> None:
    """Undo a block; the same conversation goes on."""
    done = session.door.call("contact.unblock", contact=who)
    session.output.emit(done, lambda: _line(done))


def _line(row: dict[str, Any]) -> str:
    return f"{plain(row['id'])}  {plain(row['name']) or '–'}  {plain(row['state'])}"


def _page(page: dict[str, Any]) -> list[str]:
    rows = [
        ("account", page["id"]),
        ("name", page["name"] or "–"),
        ("state", page["state"]),
        ("presence", attendance(page["presence"], datetime.now(UTC), Palette(on=False))),
        ("conversation", page["conversation"] or "–"),
        ("added", clock(page["added"])),
        ("note", page["note"] or "–"),
        ("addresses", " ".join(page["addresses"]) or "–"),
        ("devices", " ".join(map(short, page["devices"])) or "–"),
    ]
    return table([(name, plain(value)) for name, value in rows])
