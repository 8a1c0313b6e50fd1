"""The door itself: a UNIX socket that only its owner may enter, one JSON object a line. (SCP-08 §3.1, §3.3)

What is said there is `dialogue`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import socket
import stat
import struct
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from swarmchat import disk, limits
from swarmchat.api import jsonrpc
from swarmchat.api.dialogue import Dialogue
from swarmchat.api.methods import Commands
from swarmchat.errors import UserError

log = logging.getLogger(__name__)


@asynccontextmanager
async def serve(
    commands: Commands, path: Path, *, owner: int | None = None, held: socket.socket | None = None
) -> AsyncIterator[None]:
    """Answer on the socket `path` (mode 0600) while the context lasts; then let calls in flight end and remove it.

    `held`: that socket, bound and listened on by who started us; it is not removed. Only processes of user `owner` (default:
    this process's) are let in. A stale socket is replaced: the caller holds the
    home's lock. Raises UserError or StorageError when the socket cannot be made.
    """
    listener, inode = _bind(path) if held is None else (held, None)
    door = _Door(commands, os.getuid() if owner is None else owner)
    trouble: BaseException | None = None
    async with asyncio.TaskGroup() as clients:

        def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            clients.create_task(door.attend(reader, writer))

        left: dict[str, Any] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}  # removed below, or not
        server = await asyncio.start_unix_server(enter, sock=listener, limit=limits.API_LINE_BYTES_MAX, **left)
        try:
            yield
        except BaseException as error:  # noqa: BLE001 - raised again below, as itself and not in a group
            trouble = error
        server.close()
        if inode is not None:
            _unbind(path, inode)
        await door.close()
    if trouble is not None:
        raise trouble


def peer_uid(connection: socket.socket) -> int:
    """The user whose process is at the other end of a UNIX socket, as the kernel says."""
    size = struct.calcsize("3i")
    _pid, uid, _gid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(uid)


def entry_fault(uid: int, owner: int, clients: int) -> str | None:
    """Why a process of user `uid` may not enter beside `clients` others, or None."""
    if uid != owner:
        return f"this socket belongs to user {owner}, you are user {uid}"
    if clients >= limits.API_CLIENTS_MAX:
        return f"{limits.API_CLIENTS_MAX} clients are connected already"
    return None


def _bind(path: Path) -> tuple[socket.socket, int]:
    """A listening socket and its inode, by which we know it again."""
    try:
        in_the_way = not stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        in_the_way = False
    if in_the_way:
        raise UserError(f"{path} is in the way of the control socket", hint="move it elsewhere")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)  # the socket is 0600 from its first moment
    try:
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        listener.listen(limits.API_CLIENTS_MAX)
    except OSError as error:
        listener.close()
        raise disk.refusal(error, path, "make the control socket") from None
    finally:
        os.umask(mask)
    return listener, path.stat().st_ino


def _unbind(path: Path, inode: int) -> None:
    """Remove our socket, but not one that another daemon has put there since."""
    with suppress(FileNotFoundError):
        if path.stat().st_ino == inode:
            path.unlink()


def _is_gone(connection: socket.socket) -> bool:
    """Whether the other end is closed altogether, not only done with writing."""
    poll = select.poll()
    poll.register(connection.fileno(), 0)
    return any(what & select.POLLHUP for _, what in poll.poll(0))


class _Door:
    """All who are in."""

    def __init__(self, commands: Commands, owner: int) -> None:
        self._commands = commands
        self._owner = owner
        self._clients: dict[Dialogue, asyncio.Task[Any]] = {}

    async def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its first byte to its last. Raises nothing but cancellation."""
        task = asyncio.current_task()
        assert task is not None
        client = Dialogue(self._commands, _Lines(reader, writer))
        fault = entry_fault(peer_uid(writer.get_extra_info("socket")), self._owner, len(self._clients))
        try:
            if fault:
                log.warning("turned a client away: %s", fault)
                writer.write(jsonrpc.encode(jsonrpc.failure(None, jsonrpc.RPC_CODES["refused"], fault)))
            else:
                self._clients[client] = task
                await client.run()
            writer.close()
            async with asyncio.timeout(limits.API_CLOSE_S):
                await writer.wait_closed()
        except (OSError, TimeoutError):
            log.debug("a client went away in the middle of something")
        finally:
            self._clients.pop(client, None)
            writer.transport.abort()

    async def close(self) -> None:
        """Read no more; what is being done may end within API_CLOSE_S."""
        waiting = dict(self._clients)
        for client in waiting:
            client.finish("the daemon stops")
        if waiting:
            _done, late = await asyncio.wait(waiting.values(), timeout=limits.API_CLOSE_S)
            for task in late:
                task.cancel()


class _Lines:
    """A `Wire` on a UNIX socket: one line a message."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def line(self) -> bytes | None:
        """None at the end, and after one that is too long, which is answered."""
        while True:
            try:
                line = await self._reader.readuntil(b"\n")
            except asyncio.IncompleteReadError as end:
                return end.partial if end.partial.strip() else None
            except asyncio.LimitOverrunError:
                sentence = f"a line has at most {limits.API_LINE_BYTES_MAX} bytes"
                try:
                    async with asyncio.timeout(limits.API_WRITE_TIMEOUT_S):
                        await self.send([jsonrpc.encode(jsonrpc.failure(None, jsonrpc.INVALID_REQUEST, sentence))])
                except TimeoutError:
                    raise ConnectionAbortedError("it does not read") from None
                return None
            if line.strip():
                return line

    async def send(self, lines: Sequence[bytes]) -> None:
        """Return when the socket has taken them, or nearly all."""
        self._writer.write(b"".join(lines))
        await self._writer.drain()

    def is_gone(self) -> bool:
        """Closed altogether, not only done with writing."""
        return _is_gone(self._writer.get_extra_info("socket"))

    def abort(self) -> None:
        """Drop the connection and what waits in it."""
        self._writer.transport.abort()
