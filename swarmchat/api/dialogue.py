"""What is said on one connection that stays: calls side by side, answers, at most one subscription. (SCP-08 §3.1, §3.1a)

The connection itself is a `Wire`: a UNIX socket or a WebSocket. Calls may overtake each other; who needs an order waits
for the answer. Who reads nothing for `API_WRITE_TIMEOUT_S` is hung up on and resumes later with `since`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from swarmchat import limits
from swarmchat.api import jsonrpc
from swarmchat.api.following import Follower
from swarmchat.api.methods import Commands, UnknownMethodError, find, invoke
from swarmchat.api.shapes import JsonObject, Method
from swarmchat.errors import SwarmchatError, UserError

log = logging.getLogger(__name__)

Permit = Callable[[Method, Mapping[str, object]], SwarmchatError | None]
Subscribe = Callable[[JsonObject], Awaitable[JsonObject]]


class Wire(Protocol):
    """One connection, in whole lines."""

    async def line(self) -> bytes | None:
        """The next line that is not blank; None at the end. ConnectionError when it broke."""
        ...

    async def send(self, lines: Sequence[bytes]) -> None:
        """Return when they are on their way; each ends with LF. ConnectionError when it broke."""
        ...

    def is_gone(self) -> bool:
        """Whether nobody is left to read, now that `line` gave None."""
        ...

    def abort(self) -> None:
        """Hang up at once, whatever waits."""
        ...


def everything(_method: Method, _params: Mapping[str, object]) -> SwarmchatError | None:
    """A Permit for who may do all: the owner of the home."""
    return None


async def answer(
    commands: Commands, incoming: jsonrpc.Incoming, *, permit: Permit, subscribe: Subscribe
) -> bytes | None:
    """Carry out what stood on one line, in its order; the line that answers it, or None. Raises nothing but cancellation."""
    answers: list[JsonObject] = []
    for item in incoming.items:
        if isinstance(item, jsonrpc.Fault):
            answers.append(item.reply)
            continue
        told = await _carry_out(commands, item, permit, subscribe)
        if item.id is not None:
            answers.append(told)
    line = jsonrpc.reply(incoming, answers)
    if line is not None and len(line) > limits.API_REPLY_BYTES_MAX:
        too_much = UserError("the answer would be too large", hint="ask for less at once: limit, before")
        line = jsonrpc.reply(incoming, [jsonrpc.failure_of(one["id"], too_much) for one in answers])
    return line


async def _carry_out(commands: Commands, call: jsonrpc.Call, permit: Permit, subscribe: Subscribe) -> JsonObject:
    try:
        method = find(call.method)
        if fault := permit(method, call.params):
            return jsonrpc.failure_of(call.id, fault)
        if call.method == "events.subscribe":
            value: Any = await subscribe(method.checked(call.params))
        else:
            value = await invoke(commands, call.method, call.params)
    except UnknownMethodError:
        return jsonrpc.failure(call.id, jsonrpc.METHOD_NOT_FOUND, f"there is no method {call.method[:60]!r}")
    except SwarmchatError as error:
        return jsonrpc.failure_of(call.id, error)
    except Exception:
        log.exception("a bug in %s", call.method)
        return jsonrpc.failure(call.id, jsonrpc.INTERNAL_ERROR, "a bug in the daemon; its log has the details")
    return jsonrpc.result(0 if call.id is None else call.id, value)


class _HungUpError(Exception):
    """The client does not read."""


class Dialogue:
    """Reads lines, runs calls side by side, feeds at most one subscription."""

    def __init__(self, commands: Commands, wire: Wire, permit: Permit = everything) -> None:
        self._commands = commands
        self._wire = wire
        self._permit = permit
        self._room = asyncio.Semaphore(limits.API_CALLS_PER_CLIENT_MAX)
        self._patience: asyncio.Timeout | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._reading: asyncio.Task[None] | None = None
        self._feeding: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until the client is done and answered, does not read, or `finish` is called."""
        try:
            await self._run()
        except* _HungUpError:
            log.warning("hung up on a client that read nothing for %g s", limits.API_WRITE_TIMEOUT_S)
            self._wire.abort()
        except* ConnectionError:
            log.debug("a client went away")

    async def _run(self) -> None:
        try:
            async with asyncio.timeout(None) as self._patience, asyncio.TaskGroup() as self._tasks:
                self._reading = self._tasks.create_task(self._read(self._tasks))
        except TimeoutError:
            log.debug("a client went away before its answer")

    def finish(self, reason: str) -> None:
        """Read no more; tell a subscriber why."""
        if self._reading is None or self._tasks is None or self._reading.done():
            return
        if self._feeding is not None and not self._feeding.done():
            self._tasks.create_task(self._close(reason))
        self._reading.cancel()

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        try:
            while True:
                await self._room.acquire()
                line = await self._wire.line()
                if line is None:
                    self._leave_calls()
                    return
                tasks.create_task(self._answer(jsonrpc.parse(line), tasks))
        finally:
            if self._feeding is not None:
                self._feeding.cancel()

    def _leave_calls(self) -> None:
        """Nobody may be left to read the answers: then what waits for others must not keep the place for a day."""
        if self._patience is not None and self._wire.is_gone():
            self._patience.reschedule(asyncio.get_running_loop().time() + limits.API_CLOSE_S)

    async def _answer(self, incoming: jsonrpc.Incoming, tasks: asyncio.TaskGroup) -> None:
        after: list[Follower] = []

        async def subscribe(params: JsonObject) -> JsonObject:
            if self._feeding is not None or after:
                raise UserError("this connection is subscribed already")
            after.append(await Follower.begin(self._commands, params.get("since")))
            return {"since": after[0].since}

        try:
            line = await answer(self._commands, incoming, permit=self._permit, subscribe=subscribe)
            if line is not None:
                await self._send([line])
            for follower in after:  # events follow the answer to their subscription
                if self._feeding is None:
                    self._feeding = tasks.create_task(self._feed(follower))
        finally:
            self._room.release()

    async def _feed(self, follower: Follower) -> None:
        try:
            while True:
                said = await follower.next()
                if fault := self._permit(find("events.subscribe"), {}):
                    raise fault
                await self._send([jsonrpc.encode(jsonrpc.notification(*one)) for one in said])
        except SwarmchatError as error:
            await self._close(error.message)

    async def _close(self, reason: str) -> None:
        await self._send([jsonrpc.encode(jsonrpc.notification("events.closed", {"reason": reason}))])

    async def _send(self, lines: Sequence[bytes]) -> None:
        try:
            async with asyncio.timeout(limits.API_WRITE_TIMEOUT_S):
                await self._wire.send(lines)
        except TimeoutError:
            raise _HungUpError from None
