"""`swarmchat config …`: the settings of this home, looked at and changed. (SCP-08 §1.4)"""

from __future__ import annotations

import json
from typing import Any

import click
from click.shell_completion import CompletionItem

from swarmchat.cli.session import Noun, Session, pass_session
from swarmchat.cli.terminal import plain, table


class Key(click.ParamType[str, str]):
    """A dotted key; completes to those that there are."""

    name = "key"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Known keys with what they mean."""
        from swarmchat.node.config import SETTINGS  # noqa: PLC0415 - only a completion needs it

        return [
            CompletionItem(one.key, help=one.summary) for one in SETTINGS.values() if one.key.startswith(incomplete)
        ]


@click.group(cls=Noun)
def config() -> None:
    """The settings of this home: config.toml. A running daemon has what stood there when it was started."""


@config.command()
@pass_session
def show(session: Session) -> None:
    """Show all settings; what stands in the file is marked with *."""
    found = session.door.call("config.show")

    def text() -> list[str]:
        rows = [
            ("*" if one["set"] else " ", one["key"], _words(one), plain(one["summary"])) for one in found["settings"]
        ]
        return table(rows, header=(" ", "KEY", "VALUE", "MEANING"))

    session.output.emit(found, text)
    changed = [one["key"] for one in found["settings"] if one["restart"]]
    if changed:
        session.output.note(f"the running daemon was started with another value of {', '.join(changed)}")


@config.command()
@click.argument("key", type=Key())
@pass_session
def get(session: Session, key: str) -> None:
    """Print the value of a setting: what stands in the file, else the default; a list one item a line."""
    found = session.door.call("config.get", key=key)
    session.output.emit(found, lambda: _lines(found["value"]))


@config.command("set")
@click.argument("key", type=Key())
@click.argument("value", nargs=-1, required=True)
@pass_session
def set_(session: Session, key: str, value: tuple[str, ...]) -> None:
    """Write a setting into the file; comments and all else there stay. A list takes several values."""
    _told(session, session.door.call("config.set", key=key, values=list(value)))


@config.command()
@click.argument("key", type=Key())
@pass_session
def unset(session: Session, key: str) -> None:
    """Take a setting out of the file, so that the default holds; also a key that there is not."""
    _told(session, session.door.call("config.unset", key=key))


@config.command()
@pass_session
def path(session: Session) -> None:
    """Print where the file lies."""
    found = session.door.call("config.path")
    session.output.emit(found, lambda: plain(found["path"]))


@config.command()
@pass_session
def schema(session: Session) -> None:
    """Print the JSON Schema of the file, for editors."""
    found = session.door.call("config.schema")
    session.output.emit(found, lambda: json.dumps(found, indent=2, ensure_ascii=False).splitlines())


def _told(session: Session, row: dict[str, Any]) -> None:
    session.output.emit(row, lambda: f"{plain(row['key'])} = {_words(row)}")
    if row["restart"]:
        session.output.note("the running daemon keeps what it was started with: swarmchat daemon stop, daemon start")


def _words(row: dict[str, Any]) -> str:
    value = row["value"]
    return "–" if value is None else plain(json.dumps(value, ensure_ascii=False))


def _lines(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [] if value is None else [value]
    return [plain(json.dumps(one) if isinstance(one, bool) else one) for one in values]
