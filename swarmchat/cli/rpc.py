"""`swarmchat rpc`: JSON-RPC 2.0 on standard input and output, one object a line. (SCP-08 §3.1)"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterable
from typing import Any, BinaryIO, Final

import click

from swarmchat import limits
from swarmchat.api import jsonrpc
from swarmchat.api.methods import UnknownMethodError, find
from swarmchat.api.schema import openrpc
from swarmchat.api.shapes import JsonObject
from swarmchat.cli.door import Door
from swarmchat.cli.session import Session, Verb, pass_session
from swarmchat.errors import SwarmchatError

_CHUNK_BYTES: Final = 64 * 1024


@click.command(cls=Verb)
@pass_session
def rpc(session: Session) -> None:
    """Speak JSON-RPC on standard input and output until the input ends.

    With a daemon every line goes to it, subscriptions too; without one, calls that need no network are done here.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with connection:
        try:
            connection.connect(str(session.home.socket))
        except OSError:
            pass
        else:
            pump(connection, sys.stdin.buffer, sys.stdout.buffer)
            return
    for line in answers(session.door, sys.stdin.buffer):
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()


def pump(connection: socket.socket, source: BinaryIO, sink: BinaryIO) -> None:
    """Carry bytes both ways until the daemon has answered all that `source` had to say."""

    def carry() -> None:
        try:
            while chunk := source.read1(_CHUNK_BYTES):  # type: ignore[attr-defined]
                connection.sendall(chunk)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            return  # the daemon has gone; the other direction ends too

    threading.Thread(target=carry, name="stdin", daemon=True).start()
    while chunk := connection.recv(_CHUNK_BYTES):
        sink.write(chunk)
        sink.flush()


def answers(door: Door, source: BinaryIO) -> Iterable[bytes]:
    """The line that answers each line of `source`, done in this process."""
    while line := source.readline(limits.API_LINE_BYTES_MAX + 2):
        if not line.strip():
            continue
        incoming = jsonrpc.parse(line)
        told = [one for one in (_answer(door, item) for item in incoming.items) if one is not None]
        reply = jsonrpc.reply(incoming, told)
        if reply is not None:
            yield reply
        if len(line) > limits.API_LINE_BYTES_MAX:
            return  # what follows is the rest of that line


def _answer(door: Door, item: jsonrpc.Call | jsonrpc.Fault) -> JsonObject | None:
    if isinstance(item, jsonrpc.Fault):
        return item.reply
    try:
        find(item.method)
        value: Any = openrpc() if item.method == "rpc.discover" else door.call(item.method, **item.params)
    except UnknownMethodError:
        answer = jsonrpc.failure(item.id, jsonrpc.METHOD_NOT_FOUND, f"there is no method {item.method[:60]!r}")
    except SwarmchatError as error:
        answer = jsonrpc.failure_of(item.id, error)
    else:
        answer = jsonrpc.result(item.id or 0, value)
    return answer if item.id is not None else None
