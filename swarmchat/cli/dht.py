"""`swarmchat dht …`: the network in which nodes find each other, and a public node of it. (SCP-05 §1)"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from swarmchat import limits
from swarmchat.cli.session import Noun, Session, pass_session
from swarmchat.cli.terminal import SHORT_ID, age, plain, table
from swarmchat.errors import UsageError

_SHOWN: Final = 20


@click.group(cls=Noun)
def dht() -> None:
    """The network in which nodes find each other."""


@dht.command()
@pass_session
def status(session: Session) -> None:
    """Say how this node stands in it."""
    found = session.door.call("dht.status")

    def text() -> list[str]:
        rows = [("dht", f"{found['state']}: {found['found']}"), ("node", found["id"] or "–")]
        rows += [("listens", "  ".join(found["listen"]) or "–"), ("bootstrap", "  ".join(found["bootstrap"]) or "–")]
        if found["id"]:
            role = "keeps records for others" if found["serves"] else "client: nobody has reached it from outside yet"
            rows += [("role", role), ("contacts", f"{found['contacts']}"), ("records", f"{found['records']} of others")]
        now = datetime.now(UTC)
        nodes = [
            (plain(one["id"][:SHORT_ID]), plain(one["address"]), plain(one["source"]), age(one["heard"], now))
            for one in found["nodes"][:_SHOWN]
        ]
        shown = table(nodes, header=("NODE", "ADDRESS", "KNOWN BY", "HEARD")) if nodes else []
        more = len(found["nodes"]) - _SHOWN
        return [
            *table([(name, plain(value)) for name, value in rows]),
            *shown,
            *([f"and {more} more: --json"] if more > 0 else []),
        ]

    session.output.emit(found, text)
    if found["hint"]:
        session.output.note(f"hint: {plain(found['hint'])}")


@dht.command()
@click.option("--host", "hosts", multiple=True, metavar="ADDRESS", help="listen here only; may be repeated")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=limits.DHT_PORT_PUBLIC,
    show_default=True,
    help="UDP port; 0: any that is free",
)
@click.option("--metrics", metavar="HOST:PORT", help="show numbers for Prometheus here, under /metrics")
@click.option(
    "--state", "folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="where its key is kept"
)
@click.option("--bootstrap", multiple=True, metavar="HOST:PORT", help="another node of the network; may be repeated")
@click.option(
    "--storage",
    type=click.IntRange(1, 65536),
    default=limits.DHT_SERVED_BYTES_MAX // limits.MIB,
    show_default=True,
    metavar="MIB",
    help="memory for the records of others",
)
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text")
@pass_session
def serve(
    session: Session,
    hosts: tuple[str, ...],
    metrics: str | None,
    folder: Path | None,
    bootstrap: tuple[str, ...],
    log_level: str,
    log_format: str,
    **numbers: Any,
) -> None:
    """Run a public node, without account, until SIGTERM or SIGINT: others name it to find into the network."""
    from swarmchat.addresses import Address  # noqa: PLC0415 - the whole DHT; only this command needs it
    from swarmchat.discovery.dht.joining import Entrance  # noqa: PLC0415
    from swarmchat.node import dhtserver, logs  # noqa: PLC0415

    try:
        settings = dhtserver.ServeSettings(
            folder=folder or session.home.state / "dht",
            port=numbers["port"],
            metrics=None if metrics is None else Address.parse(metrics),
            entrances=tuple(Entrance.parse(text) for text in bootstrap),
            storage_bytes=numbers["storage"] * limits.MIB,
            **({"hosts": hosts} if hosts else {}),
        )
    except ValueError as fault:
        raise UsageError(str(fault), hint="for example 192.0.2.7:4222 or [2001:db8::7]:4222") from None
    logs.configure(log_level, log_format)

    def say(names: list[str]) -> None:
        if session.json:
            session.output.emit({"nodes": names}, list)
        else:
            for name in names:
                session.output.write(name)

    dhtserver.serve(settings, say)
