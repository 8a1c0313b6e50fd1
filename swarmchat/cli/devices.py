"""`swarmchat device …`: my devices. (SCP-01 §1.6)"""

from __future__ import annotations

import click

from swarmchat.cli.session import Noun, Session, pass_session
from swarmchat.cli.terminal import clock, plain, table


@click.group(cls=Noun)
def device() -> None:
    """Devices of this account."""


@device.command("list")
@pass_session
def list_(session: Session) -> None:
    """List them."""
    rows = session.door.call("device.list")

    def text() -> list[str]:
        return table(
            [
                (
                    plain(row["id"]),
                    plain(row["name"]) or "–",
                    "revoked" if row["revoked"] else "this one" if row["this"] else "–",
                    clock(row["since"]),
                )
                for row in rows
            ],
            header=("DEVICE", "NAME", "STATE", "SINCE"),
        )

    session.output.emit(rows, text)


@device.command()
@click.argument("id_", metavar="ID")
@click.option("--yes", "-y", is_flag=True, help="do not ask")
@pass_session
def revoke(session: Session, id_: str, yes: bool) -> None:
    """Declare a device no longer mine, in every conversation. This cannot be taken back."""
    session.confirm(f"Revoke the device {id_} for ever?", yes=yes)
    done = session.door.call("device.revoke", device=id_)
    session.output.emit(
        done, lambda: f"{plain(done['id'])}  {plain(done['state'])} in {done['conversations']} conversations"
    )
    # every device of today has the account key: it came by `account create` or `account import` (SCP-01 §3.3)
    session.output.note(
        "That device had the account key. If somebody else has it now, the account is compromised: he can certify new "
        "devices. Then make a new account, and have this one banned by vote in each group."
    )
