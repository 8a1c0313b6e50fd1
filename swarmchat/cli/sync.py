"""`swarmchat sync status`, `peers`, `peer …`: who has what, and where they are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from swarmchat.cli.presence import attendance
from swarmchat.cli.session import CONV, Noun, Session, Verb, pass_session
from swarmchat.cli.terminal import age, clock, plain, short, table

_STATE_STYLES = {"linked": ("green",), "unreachable": ("red",), "waiting": ("yellow",), "dialing": ("yellow",)}


@click.group(cls=Noun)
def sync() -> None:
    """Who has what."""


@sync.command()
@click.argument("conv", type=CONV, required=False)
@pass_session
def status(session: Session, conv: str | None) -> None:
    """Say for each device how many commits it lacks (behind) and has more than we (ahead)."""
    rows = session.door.call("sync.status", conversation=conv)

    def text() -> list[str]:
        return table(
            [
                (
                    short(row["conversation"]),
                    short(row["device"]),
                    f"{row['behind']}",
                    f"{row['ahead']}",
                    clock(row["as_of"]),
                    " ".join(f"{short(one['head'])} for {one['for_s']} s" for one in row["missing"]),
                )
                for row in rows
            ],
            header=("CONVERSATION", "DEVICE", "BEHIND", "AHEAD", "AS OF", "ANNOUNCED AND MISSING"),
        )

    session.output.emit(rows, text)
    if not rows:
        session.output.note("no other device is known yet")


@click.command(cls=Verb)
@pass_session
def peers(session: Session) -> None:
    """List the devices this node links with, and how that goes."""
    rows = session.door.call("peer.list")

    def text() -> list[str]:
        paint, now = session.output.paint, datetime.now(UTC)

        def barred(row: dict[str, Any]) -> str:
            return paint(", barred", "red") if row["barred"] else ""

        return table(
            [
                (
                    short(row["account"]),
                    short(row["device"]),
                    paint(plain(row["state"]), *_STATE_STYLES.get(row["state"], ())) + barred(row),
                    plain(row["address"] or "–"),
                    plain(row["path"] or "–"),
                    clock(row["since"]),
                    attendance(row["presence"], now, paint),
                    _known(row, now),
                    plain(row["last_error"] or ""),
                )
                for row in rows
            ],
            header=("ACCOUNT", "DEVICE", "STATE", "ADDRESS", "PATH", "SINCE", "PRESENCE", "KNOWN BY", "LAST ERROR"),
        )

    session.output.emit(rows, text)
    if not rows:
        session.output.note("nobody to link with yet")


def _known(row: dict[str, Any], now: datetime) -> str:
    """By what it was heard where the device is, each source with the age of its newest word; what the user gave has none."""
    newest: dict[str, str] = {}
    for one in row["known"]:
        newest[one["source"]] = max(one["heard"] or "", newest.get(one["source"], ""))
    return ", ".join(plain(f"{source} {age(heard, now)}".rstrip()) for source, heard in newest.items()) or "–"


@click.group(cls=Noun)
def peer() -> None:
    """Where others listen, given by hand."""


peer.add_command(peers, "list")


@peer.command()
@click.argument("account")
@click.argument("address", metavar="HOST:PORT")
@pass_session
def add(session: Session, account: str, address: str) -> None:
    """Remember where an account listens."""
    done = session.door.call("peer.add", account=account, address=address)
    session.output.emit(done, lambda: f"{plain(done['account'])}  {plain(' '.join(done['addresses']))}")


@peer.command()
@click.argument("account")
@click.argument("address", metavar="HOST:PORT", required=False)
@pass_session
def remove(session: Session, account: str, address: str | None) -> None:
    """Forget an address of an account, or all that were given by hand."""
    done = session.door.call("peer.remove", account=account, address=address)
    session.output.emit(done, lambda: f"{plain(done['account'])}  {plain(' '.join(done['addresses'])) or '–'}")
