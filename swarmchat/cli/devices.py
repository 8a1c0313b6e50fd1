"""`swarmchat device …`: my devices. (SCP-01 §3)"""

from __future__ import annotations

from typing import Any

import click

from swarmchat.cli.link import link
from swarmchat.cli.session import Noun, Session, pass_session
from swarmchat.cli.terminal import clock, counted, plain, short, table
from swarmchat.errors import UserError

_KEY = {True: "holds it", False: "–", None: "not known"}


@click.group(cls=Noun)
def device() -> None:
    """Devices of this account."""


device.add_command(link)


@device.command("list")
@pass_session
def list_(session: Session) -> None:
    """List them, and which hold the account key: those can link others and revoke them."""
    rows = session.door.call("device.list")

    def text() -> list[str]:
        return table(
            [
                (plain(row["id"]), plain(row["name"]) or "–", _state(row), _KEY[row["may_link"]], clock(row["since"]))
                for row in rows
            ],
            header=("DEVICE", "NAME", "STATE", "ACCOUNT KEY", "SINCE"),
        )

    session.output.emit(rows, text)


@device.command()
@click.argument("code")
@click.option("--may-link", is_flag=True, help="give it the account key: it can link and revoke devices too")
@click.option("--at", "addresses", multiple=True, metavar="HOST:PORT", help="where it listens; may be repeated")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="S", help="look for it so long; default 60")
@click.option("--yes", "-y", is_flag=True, help="do not ask")
@pass_session
def add(
    session: Session, code: str, may_link: bool, addresses: tuple[str, ...], timeout: float | None, yes: bool
) -> None:
    """Link the new device that shows CODE (`swarmchat link` there): it gets my conversations and contacts."""
    if not yes and not session.may_ask:
        raise UserError("this asks for confirmation and there is nobody to ask", hint="add --yes")
    with session.output.busy("looking for the new device; its user is asked"):
        asked = session.door.call(
            "device.add", code=code, may_link=may_link or None, addresses=list(addresses) or None, timeout=timeout
        )
    name = plain(asked["name"]) or "a device without a name"
    session.output.note(f"{name} at {plain(asked['address'])} knows the words, and its user agrees")
    try:
        key = " and hand it the account key" if may_link else ""
        session.confirm(f"Make {name} ({short(asked['device'])}) a device of this account{key}?", yes=yes)
    except (click.Abort, KeyboardInterrupt):
        session.door.call("device.confirm", pairing=asked["pairing"], accept=False)
        raise
    with session.output.busy("handing over"):
        done = session.door.call("device.confirm", pairing=asked["pairing"], accept=True)
    session.output.emit(done, lambda: f"{plain(done['id'])}  {plain(done['name']) or '–'}  {plain(done['state'])}")


@device.command()
@click.argument("name")
@click.argument("id_", metavar="[ID]", required=False)
@pass_session
def rename(session: Session, name: str, id_: str | None) -> None:
    """Call this device, or the one with ID, by NAME; my other devices hear of it."""
    done = session.door.call("device.rename", name=name, device=id_)
    session.output.emit(done, lambda: f"{plain(done['id'])}  {plain(done['name'])}")


@device.command()
@click.argument("id_", metavar="ID")
@click.option("--yes", "-y", is_flag=True, help="do not ask")
@pass_session
def revoke(session: Session, id_: str, yes: bool) -> None:
    """Declare a device no longer mine, in every conversation. This cannot be taken back."""
    session.confirm(f"Revoke the device {id_} for ever?", yes=yes)
    done = session.door.call("device.revoke", device=id_)
    session.output.emit(
        done, lambda: f"{plain(done['id'])}  {plain(done['state'])} in {counted(done['conversations'], 'conversation')}"
    )
    session.output.note(_what_it_means(done["may_link"]))


def _state(row: dict[str, Any]) -> str:
    return "revoked" if row["revoked"] else "this one" if row["this"] else "linked"


def _what_it_means(may_link: bool | None) -> str:
    """What its finder can do. (SCP-01 §3.3)"""
    if may_link is False:
        return (
            "It never had the account key: whoever has it now can do nothing more in your name. What it knew, it may still show: "
            "conversations, contacts, messages."
        )
    had = (
        "That device had the account key."
        if may_link
        else "It is not known here whether that device had the account key."
    )
    return (
        f"{had} If somebody else has it now, the account is compromised: he can certify new devices. Then make a new account, "
        "and have this one banned by vote in each group."
    )
