"""The door itself: a UNIX socket that only its owner may enter, one JSON object a line. (SCP-08 §3.1, §3.3)

Calls of one client run side by side (their answers may overtake each other; who needs an order waits for the answer).
A subscription keeps no queue of its own: it is a place in the durable event log, and one among the few events that are
never stored, so a slow reader costs nothing but the batch being written. Who reads nothing for `API_WRITE_TIMEOUT_S` is hung up on and resumes later with `since`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import socket
import stat
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from swarmchat import disk, limits
from swarmchat.api import jsonrpc
from swarmchat.api.methods import Commands, UnknownMethodError, find, invoke
from swarmchat.api.shapes import JsonObject
from swarmchat.errors import SwarmchatError, UsageError, UserError

log = logging.getLogger(__name__)


@asynccontextmanager
async def serve(commands: Commands, path: Path, *, owner: int | None = None) -> AsyncIterator[None]:
    """Answer on the socket `path` (mode 0600) while the context lasts; then let calls in flight end and remove it.

    Only processes of user `owner` (default: this process's) are let in. A stale socket is replaced: the caller holds the
    home's lock. Raises UserError or StorageError when the socket cannot be made.
    """
    listener, inode = _bind(path)
    door = _Door(commands, os.getuid() if owner is None else owner)
    trouble: BaseException | None = None
    async with asyncio.TaskGroup() as clients:

        def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            clients.create_task(door.attend(reader, writer))

        server = await asyncio.start_unix_server(enter, sock=listener, limit=limits.API_LINE_BYTES_MAX)
        try:
            yield
        except BaseException as error:  # noqa: BLE001 - raised again below, as itself and not in a group
            trouble = error
        server.close()
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
        self._clients: dict[_Client, asyncio.Task[Any]] = {}

    async def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its first byte to its last. Raises nothing but cancellation."""
        task = asyncio.current_task()
        assert task is not None
        client = _Client(self._commands, reader, writer)
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


class _HungUpError(Exception):
    """The client does not read."""


class _Client:
    """One connection: reads lines, runs calls side by side, feeds at most one subscription."""

    def __init__(self, commands: Commands, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._commands = commands
        self._reader = reader
        self._writer = writer
        self._room = asyncio.Semaphore(limits.API_CALLS_PER_CLIENT_MAX)
        self._patience: asyncio.Timeout | None = None
        self._reading: asyncio.Task[None] | None = None
        self._feeding: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until the client is done and answered, does not read, or `finish` is called."""
        try:
            await self._run()
        except* _HungUpError:
            log.warning("hung up on a client that read nothing for %g s", limits.API_WRITE_TIMEOUT_S)
            self._writer.transport.abort()
        except* ConnectionError:
            log.debug("a client went away")

    async def _run(self) -> None:
        try:
            async with asyncio.timeout(None) as self._patience, asyncio.TaskGroup() as tasks:
                self._reading = tasks.create_task(self._read(tasks))
        except TimeoutError:
            log.debug("a client went away before its answer")

    def finish(self, reason: str) -> None:
        """Read no more; tell a subscriber why."""
        if self._feeding is not None:
            self._writer.write(jsonrpc.encode(jsonrpc.notification("events.closed", {"reason": reason})))
        if self._reading is not None:
            self._reading.cancel()

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        try:
            while True:
                await self._room.acquire()
                line = await self._line()
                if line is None:
                    self._leave_calls()
                    return
                tasks.create_task(self._answer(jsonrpc.parse(line), tasks))
        finally:
            if self._feeding is not None:
                self._feeding.cancel()

    def _leave_calls(self) -> None:
        """Nobody may be left to read the answers: then what waits for others must not keep the place for a day."""
        if self._patience is not None and _is_gone(self._writer.get_extra_info("socket")):
            self._patience.reschedule(asyncio.get_running_loop().time() + limits.API_CLOSE_S)

    async def _line(self) -> bytes | None:
        """The next line that is not blank; None at the end, or after one that is too long."""
        while True:
            try:
                line = await self._reader.readuntil(b"\n")
            except asyncio.IncompleteReadError as end:
                return end.partial if end.partial.strip() else None
            except asyncio.LimitOverrunError:
                sentence = f"a line has at most {limits.API_LINE_BYTES_MAX} bytes"
                await self._send(jsonrpc.encode(jsonrpc.failure(None, jsonrpc.INVALID_REQUEST, sentence)))
                return None
            if line.strip():
                return line

    async def _answer(self, incoming: jsonrpc.Incoming, tasks: asyncio.TaskGroup) -> None:
        try:
            answers: list[JsonObject] = []
            after: list[Callable[[], None]] = []
            for item in incoming.items:
                answer = item.reply if isinstance(item, jsonrpc.Fault) else await self._carry_out(item, tasks, after)
                if isinstance(item, jsonrpc.Fault) or item.id is not None:
                    answers.append(answer)
            line = jsonrpc.reply(incoming, answers)
            if line is not None and len(line) > limits.API_REPLY_BYTES_MAX:
                too_much = UserError("the answer would be too large", hint="ask for less at once: limit, before")
                line = jsonrpc.reply(incoming, [jsonrpc.failure_of(answer["id"], too_much) for answer in answers])
            if line is not None:
                await self._send(line)
            for begin in after:  # events follow the answer to their subscription
                begin()
        finally:
            self._room.release()

    async def _carry_out(
        self, call: jsonrpc.Call, tasks: asyncio.TaskGroup, after: list[Callable[[], None]]
    ) -> JsonObject:
        call_id = 0 if call.id is None else call.id
        try:
            if call.method == "events.subscribe":
                value: Any = await self._subscribe(find(call.method).checked(call.params), tasks, after)
            else:
                value = await invoke(self._commands, call.method, call.params)
        except UnknownMethodError:
            return jsonrpc.failure(call.id, jsonrpc.METHOD_NOT_FOUND, f"there is no method {call.method[:60]!r}")
        except SwarmchatError as error:
            return jsonrpc.failure_of(call.id, error)
        except Exception:
            log.exception("a bug in %s", call.method)
            return jsonrpc.failure(call.id, jsonrpc.INTERNAL_ERROR, "a bug in the daemon; its log has the details")
        return jsonrpc.result(call_id, value)

    async def _subscribe(
        self, params: JsonObject, tasks: asyncio.TaskGroup, after: list[Callable[[], None]]
    ) -> JsonObject:
        if self._feeding is not None:
            raise UserError("this connection is subscribed already")
        newest = int((await self._commands.events_list(limit=1))["last"])
        since = int(params.get("since", newest))
        if since > newest:
            raise UsageError(f"the newest event is {newest}, {since} has not happened", data={"last": newest})
        passed, _ = await self._commands.events_wait(after=-1)  # at once: where we are among those never stored

        def begin() -> None:
            self._feeding = tasks.create_task(self._feed(since, passed))

        after.append(begin)
        return {"since": since}

    async def _feed(self, since: int, passed: int) -> None:
        try:
            while True:
                page = await self._commands.events_list(since=since, limit=limits.API_EVENTS_PER_PUSH)
                lines = [jsonrpc.notification("event", event) for event in page["events"]]
                if page["gap"]:
                    lines.insert(0, jsonrpc.notification("event.gap", page["gap"]))
                    since = int(page["gap"]["to"])
                if page["events"]:
                    since = int(page["events"][-1]["id"])
                if not lines:
                    passed, passing = await self._commands.events_wait(after=since, passed=passed)
                    lines = [jsonrpc.notification("event", event) for event in passing]
                await self._send(b"".join(map(jsonrpc.encode, lines)))
        except SwarmchatError as error:
            await self._send(jsonrpc.encode(jsonrpc.notification("events.closed", {"reason": error.message})))

    async def _send(self, data: bytes) -> None:
        self._writer.write(data)
        try:
            async with asyncio.timeout(limits.API_WRITE_TIMEOUT_S):
                await self._writer.drain()
        except TimeoutError:
            raise _HungUpError from None
