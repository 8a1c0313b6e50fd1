"""`swarmchat account …`: who I am, and the sealed file that brings me back. (SCP-01 §4)"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from swarmchat import limits
from swarmchat.api.schema import ON_OFF
from swarmchat.cli.passwords import from_file
from swarmchat.cli.session import Noun, Session, pass_session
from swarmchat.cli.terminal import counted, plain
from swarmchat.errors import PasswordNeededError, UsageError


@click.group(cls=Noun)
def account() -> None:
    """This account and its first device."""


@account.command()
@click.option("--name", help="display name; others see it")
@click.option("--seal", is_flag=True, help="ask for a password and seal the keys with it")
@pass_session
def create(session: Session, name: str | None, seal: bool) -> None:
    """Make an account. A password from a file, descriptor or SWARMCHAT_PASSPHRASE seals its keys."""
    password = (
        session.passwords.need("Password for the new account", confirm=True) if seal else session.passwords.given()
    )
    made = session.door.call("account.create", name=name, password=password)
    session.output.emit(made, lambda: _card(made))
    session.output.note("keep a copy in a safe place: swarmchat account export FILE")


@account.command()
@pass_session
def show(session: Session) -> None:
    """Show who this node is."""
    mine = session.door.call("account.show")
    session.output.emit(mine, lambda: _card(mine))


@account.command("set")
@click.option("--name", help="display name; others see it")
@click.option("--read-receipts", type=click.Choice(ON_OFF), help="tell members how far I have read")
@click.option("--typing", type=click.Choice(ON_OFF), help="tell members that I type")
@pass_session
def set_(session: Session, name: str | None, read_receipts: str | None, typing: str | None) -> None:
    """Change the name and the settings of the account, on all its devices.

    What config.toml of a device says of them stays in force on that device.
    """
    done = session.door.call("account.set", name=name, read_receipts=read_receipts, typing=typing)
    session.output.emit(done, lambda: _card(done))


@account.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@pass_session
def export(session: Session, file: Path) -> None:
    """Write the account, sealed, to FILE.

    FILE must not exist; - is standard output. It has the account key, contacts and the list of conversations; no device key and no history.
    """
    password = session.passwords.need("Password of the archive", confirm=True)
    if str(file) != "-":
        done = session.door.call("account.export", path=str(file.absolute()), password=password)
        session.output.emit(
            done,
            lambda: f"{plain(done['path'])}: {done['bytes']} bytes, {counted(done['conversations'], 'conversation')}",
        )
        return
    with _private_folder() as folder:
        sealed = Path(folder) / "account"
        session.door.call("account.export", path=str(sealed), password=password)
        sys.stdout.buffer.write(sealed.read_bytes())
        sys.stdout.buffer.flush()


@account.command("import")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--check", is_flag=True, help="read it and say what is in it; install nothing")
@pass_session
def import_(session: Session, file: Path, check: bool) -> None:
    """Take over an exported account with a new device; its conversations come back from their members."""
    password = session.passwords.need("Password of the archive")
    with contextlib.ExitStack() as stack:
        path = file.absolute()
        if str(file) == "-":
            path = Path(stack.enter_context(_private_folder())) / "account"
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copy:
                copy.write(sys.stdin.buffer.read(limits.ARCHIVE_BYTES_MAX + 1))
        done = session.door.call("account.import", path=str(path), password=password, check=check or None)
    inside = f"{counted(done['conversations'], 'conversation')}, {counted(done['contacts'], 'contact')}"
    session.output.emit(done, lambda: [*_card(done), inside])


@account.command("set-password")
@click.option(
    "--new-password-file", type=click.Path(path_type=Path), metavar="FILE", help="read the new password from FILE"
)
@click.option("--remove", is_flag=True, help="leave the keys unsealed")
@pass_session
def set_password(session: Session, new_password_file: Path | None, remove: bool) -> None:
    """Seal the keys of this home with a new password, or unseal them.

    --password-file, --password-fd and SWARMCHAT_PASSPHRASE name the old one.
    """
    if remove and new_password_file:
        raise UsageError("--remove and --new-password-file exclude each other")
    password = None
    if not remove:
        password = (
            from_file(new_password_file)
            if new_password_file
            else session.passwords.ask("New password", confirm=True, instead="--new-password-file")
        )
        if not password:
            raise UsageError("the new password is empty", hint="use --remove to leave the keys unsealed")
    old = session.passwords.given()
    try:
        done = session.door.call("account.set_password", password=password, old=old)
    except PasswordNeededError:
        if old is not None or not session.may_ask:
            raise
        old = session.passwords.ask("Present password")
        done = session.door.call("account.set_password", password=password, old=old)
    session.output.emit(done, lambda: "the keys are sealed" if done["sealed"] else "the keys are not sealed")


def _card(made: dict[str, Any]) -> list[str]:
    rows = [f"account  {plain(made['id'])}", f"name     {plain(made['name']) or '–'}"]
    if made.get("device"):
        rows.append(f"device   {plain(made['device'])}")
    if made.get("revoked"):
        rows.append("revoked  by its account: what is here can be read, and nothing written")
    if "read_receipts" in made:
        rows.append(f"tells    {_told(made)}")
    return rows


def _told(made: dict[str, Any]) -> str:
    words = [word for key, word in (("read_receipts", "how far I have read"), ("typing", "that I type")) if made[key]]
    return ", ".join(words) or "neither how far I have read nor that I type"


def _private_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="swarmchat-", ignore_cleanup_errors=True)
