"""`swarmchat message …`, `send`, `edit`, `delete`, `react`. (SCP-08 §2.1, §2.2)"""

from __future__ import annotations

import re
from contextlib import nullcontext
from typing import Any

import click

from swarmchat.cli.entries import EntryView
from swarmchat.cli.session import CONV, Noun, Session, pass_session, text_from
from swarmchat.cli.terminal import clock, lines, short
from swarmchat.errors import DeliveryTimeout, UsageError


@click.group(cls=Noun)
def message() -> None:
    """Messages of a conversation."""


@message.command()
@click.argument("conv", type=CONV)
@click.argument("text", required=False)
@click.option("--reply-to", metavar="ID", help="the message answered")
@click.option("--wait", metavar="any|all|N", help="return when others have it")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="S", help="wait so many seconds at most")
@pass_session
def send(
    session: Session, conv: str, text: str | None, reply_to: str | None, wait: str | None, timeout: float | None
) -> None:
    """Write a message. - or no TEXT reads standard input. Returns when it is durable here."""
    if wait is not None and not re.fullmatch(r"any|all|[1-9][0-9]{0,5}", wait):
        raise UsageError("--wait is any, all or a number of accounts")
    if timeout is not None and wait is None:
        raise UsageError("--timeout means nothing without --wait")
    body = text_from(text)
    try:
        with session.output.busy("waiting for the others") if wait else nullcontext():
            sent = session.door.call(
                "message.send", conversation=conv, text=body, reply_to=reply_to, wait=wait, timeout=timeout
            )
    except DeliveryTimeout as late:
        if "id" in late.data:  # it is written all the same, and under this id
            written = late.data
            session.output.emit(written, lambda: str(written["id"]))
        raise

    def told() -> list[str]:
        had = sent.get("received") or []
        names = session.names(conv) if had else None
        return [sent["id"], *(f"received by {names(one['account'])} ({short(one['device'])})" for one in had if names)]

    session.output.emit(sent, told)


@message.command()
@click.argument("conv", type=CONV)
@click.argument("id_", metavar="ID")
@click.argument("text", required=False)
@pass_session
def edit(session: Session, conv: str, id_: str, text: str | None) -> None:
    """Replace the text of an own message. All versions stay readable."""
    _written(session, session.door.call("message.edit", conversation=conv, message=id_, text=text_from(text)))


@message.command()
@click.argument("conv", type=CONV)
@click.argument("id_", metavar="ID")
@pass_session
def delete(session: Session, conv: str, id_: str) -> None:
    """Empty an own message. What others have read stays in the history."""
    _written(session, session.door.call("message.delete", conversation=conv, message=id_))


@message.command()
@click.argument("conv", type=CONV)
@click.argument("id_", metavar="ID")
@click.argument("reaction")
@click.option("--remove", is_flag=True, help="take it back")
@pass_session
def react(session: Session, conv: str, id_: str, reaction: str, remove: bool) -> None:
    """React to a message with an emoji or a short word."""
    _written(
        session,
        session.door.call("message.react", conversation=conv, message=id_, reaction=reaction, remove=remove or None),
    )


@message.command()
@click.argument("conv", type=CONV)
@click.argument("id_", metavar="ID")
@click.option("--local", is_flag=True, help="with what only this node knows")
@click.option("--delivery", is_flag=True, help="with how far it came: for each member and device, and when")
@pass_session
def show(session: Session, conv: str, id_: str, local: bool, delivery: bool) -> None:
    """Show one message with its edits and reactions."""
    entry = session.door.call(
        "message.show", conversation=conv, message=id_, local=local or None, delivery=delivery or None
    )
    session.output.emit(entry, lambda: EntryView(session.names(conv), session.output.paint).page(entry))


@message.command()
@click.argument("conv", type=CONV)
@click.argument("id_", metavar="[ID]", required=False)
@pass_session
def read(session: Session, conv: str, id_: str | None) -> None:
    """Say that you have read up to a message, or up to the newest."""
    done = session.door.call("message.read", conversation=conv, message=id_)
    session.output.emit(done, lambda: f"read up to {short(done['id'])}")


@message.command()
@click.argument("conv", type=CONV)
@click.option("--off", is_flag=True, help="you stopped")
@pass_session
def typing(session: Session, conv: str, off: bool) -> None:
    """Say that you type; for clients and scripts. Off by itself after 12 seconds."""
    done = session.door.call("message.typing", conversation=conv, on=not off)
    session.output.emit(done, lambda: "typing" if done["on"] else "not typing")


@message.command()
@click.argument("conv", type=CONV)
@click.argument("id_", metavar="ID")
@pass_session
def history(session: Session, conv: str, id_: str) -> None:
    """Show all versions of a message, oldest first."""
    versions = session.door.call("message.history", conversation=conv, message=id_)

    def text() -> list[str]:
        told: list[str] = []
        for version in versions:
            told.append(f"{clock(version['time'])}  {short(version['id'])}")
            told += [f"    {line}" for line in lines(version["body"])] if version["body"] else ["    (deleted)"]
        return told

    session.output.emit(versions, text)


def _written(session: Session, sent: dict[str, Any]) -> None:
    session.output.emit(sent, lambda: str(sent["id"]))
