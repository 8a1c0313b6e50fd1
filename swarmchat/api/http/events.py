"""Events over HTTP: a stream (SSE), a long poll, a WebSocket; all continue where `since` says. (SCP-08 §3.2)"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from swarmchat import limits
from swarmchat.api.dialogue import Dialogue
from swarmchat.api.following import Follower
from swarmchat.api.http.gate import Refusal
from swarmchat.api.http.house import NO_READER, House, credential_of, first_of, gone, refuse, told
from swarmchat.api.methods import find
from swarmchat.api.shapes import JsonObject
from swarmchat.errors import SwarmchatError, UsageError
from swarmchat.node.tokens import Credential

log = logging.getLogger(__name__)

STOPS: Final = "the daemon stops"
_KIND: Final = "text/event-stream"
_METHOD: Final = "events.subscribe"
_NO_ROOM: Final = Refusal(503, "failure", f"{limits.HTTP_STREAMS_MAX} clients wait for events already")


async def answer(house: House, request: Request) -> Response:
    """`GET /api/v1/events`: a stream for who accepts one, else the next page, for which it waits `timeout` seconds."""
    if request.method != "GET":
        return refuse(Refusal(405, "usage", "events are asked for with GET"))
    credential = credential_of(request)
    try:
        asked = _asked(request)
        if fault := house.permit(credential)(find(_METHOD), {}):
            raise fault
        follower = await Follower.begin(house.commands, asked.get("since"))
    except SwarmchatError as error:
        return told(error)
    if _KIND in request.headers.get("accept", ""):
        return _Stream(house, credential, follower)
    async with house.stream() as has_room:
        if not has_room:
            return refuse(_NO_ROOM, {"retry-after": "1"})
        return await _page(house, request, follower, asked)


def frame(method: str, params: JsonObject) -> bytes:
    """One server-sent event. Stored events have an `id`, by which a browser's EventSource resumes; JSON has no line ends."""
    data = json.dumps(params, separators=(",", ":"), allow_nan=False)
    match method:
        case "event" if params["id"] is not None:
            return f"id: {params['id']}\ndata: {data}\n\n".encode("ascii")
        case "event":
            return f"data: {data}\n\n".encode("ascii")
        case "event.gap":
            return f"id: {params['to']}\nevent: gap\ndata: {data}\n\n".encode("ascii")
        case _:
            return f"event: {method}\ndata: {data}\n\n".encode("ascii")


class _Stream(Response):
    """Server-sent events until the client hangs up, does not read, or the daemon stops."""

    def __init__(self, house: House, credential: Credential, follower: Follower) -> None:
        super().__init__()
        self._house = house
        self._credential = credential
        self._follower = follower

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._house.stream() as has_room:
            if not has_room:
                await refuse(_NO_ROOM, {"retry-after": "1"})(scope, receive, send)
                return
            kind = [(b"content-type", f"{_KIND}; charset=utf-8".encode()), (b"x-accel-buffering", b"no")]
            await send({"type": "http.response.start", "status": 200, "headers": kind})
            await first_of(self._feed(send), gone(receive), self._house.closing.wait())
            if self._house.closing.is_set():
                await _say(send, frame("closed", {"reason": STOPS}))
            await send({"type": "http.response.body", "body": b""})

    async def _feed(self, send: Send) -> None:
        since = self._follower.since
        await _say(send, f"retry: 1000\nid: {since}\n".encode() + frame("open", {"since": since}))
        permit = self._house.permit(self._credential)
        while True:
            try:
                async with asyncio.timeout(limits.HTTP_PULSE_S):
                    said = await self._follower.next()
            except TimeoutError:
                said = []
            except SwarmchatError as error:
                await _say(send, frame("closed", {"reason": error.message}))
                return
            if fault := permit(find(_METHOD), {}):
                await _say(send, frame("closed", {"reason": fault.message}))
                return
            await _say(send, b"".join(frame(*one) for one in said) or b": still here\n\n")


async def _say(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})


async def _page(house: House, request: Request, follower: Follower, asked: JsonObject) -> Response:
    wait_s = float(asked.get("timeout", 0))
    try:
        said = await follower.now(asked.get("limit", limits.API_EVENTS_PER_PUSH))
        if not said and wait_s:
            found = await first_of(
                follower.next(asked.get("limit", limits.API_EVENTS_PER_PUSH)),
                gone(request.receive),
                house.closing.wait(),
                house.runtime.sleep(wait_s),
            )
            said = found[0] if found else []
        if fault := house.permit(credential_of(request))(find(_METHOD), {}):
            raise fault
    except SwarmchatError as error:
        return told(error)
    gap = next((params for method, params in said if method == "event.gap"), None)
    shown = [params for method, params in said if method == "event"]
    return JSONResponse({"events": shown, "gap": gap, "next": follower.since})


def _asked(request: Request) -> JsonObject:
    """The query, checked. UsageError names what is wrong."""
    bounds = {
        "since": (0, 2**53),
        "limit": (1, limits.API_LIST_MAX),
        "timeout": (0, limits.HTTP_POLL_S),
    }
    asked: JsonObject = {}
    for name, text in request.query_params.multi_items():
        if name not in bounds or name in asked:
            raise UsageError(
                f"there is no parameter {name[:40]!r}, or it stands twice", hint=f"known: {', '.join(bounds)}"
            )
        asked[name] = _number(name, text, *bounds[name])
    again = request.headers.get("last-event-id")  # what a browser's EventSource sends when it comes back
    if again is not None:
        asked["since"] = _number("Last-Event-ID", again, *bounds["since"])
    return asked


def _number(name: str, text: str, smallest: float, largest: float) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 16 or not smallest <= int(text) <= largest:
        raise UsageError(f"{name} must be a whole number from {smallest:g} to {largest:g}", data={"param": name})
    return int(text)


def socket(house: House) -> Callable[[WebSocket], Awaitable[None]]:
    """`/api/v1/ws`: the same as on the control socket, one JSON text in each message."""

    async def attend(websocket: WebSocket) -> None:
        async with house.stream() as has_room:
            if not has_room:
                await websocket.send_denial_response(refuse(_NO_ROOM, {"retry-after": "1"}))
                return
            credential = websocket.scope["state"]["credential"]
            await websocket.accept()
            wire = _Messages(websocket)
            dialogue = Dialogue(house.commands, wire, house.permit(credential))
            loop = asyncio.get_running_loop()
            running = loop.create_task(dialogue.run())
            closing = loop.create_task(house.closing.wait())
            try:
                await asyncio.wait({running, closing}, return_when=asyncio.FIRST_COMPLETED)
                dialogue.finish(STOPS)
                await asyncio.wait({running}, timeout=limits.API_CLOSE_S)
            finally:
                running.cancel()
                closing.cancel()
                await asyncio.gather(running, closing, return_exceptions=True)
            await wire.close(STOPS if house.closing.is_set() else "")

    return attend


class _Messages:
    """A `Wire` on a WebSocket: one line a message, without its LF."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._is_over = False

    async def line(self) -> bytes | None:
        """None at the end."""
        while True:
            message: Mapping[str, Any] = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                self._is_over = True
                return None
            text = message.get("text")
            data: bytes = message.get("bytes") or b"" if text is None else text.encode()
            if data.strip():
                return data

    async def send(self, lines: Sequence[bytes]) -> None:
        """ConnectionError when the client has gone."""
        for line in lines:
            await self._guarded(self._websocket.send_text(line.decode("ascii").removesuffix("\n")))

    def is_gone(self) -> bool:
        """A WebSocket closes both ways at once."""
        return True

    def abort(self) -> None:
        """Drop the connection and what waits in it."""
        self._is_over = True
        self._websocket.scope["swarmchat.abort"](NO_READER)

    async def close(self, reason: str) -> None:
        """Say goodbye, if somebody is there."""
        if not self._is_over:
            try:
                await self._guarded(self._websocket.close(1001 if reason else 1000, reason))
            except ConnectionError:
                log.debug("a client went away before it was closed")

    async def _guarded(self, sending: Awaitable[None]) -> None:
        try:
            await sending
        except (WebSocketDisconnect, RuntimeError):  # starlette's words for a client that has gone
            self._is_over = True
            raise ConnectionAbortedError from None
