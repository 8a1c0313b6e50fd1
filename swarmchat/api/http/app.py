"""What is answered over HTTP: calls, events, health, figures, documents, the page. (SCP-08 §3.2)

Every request passes the gate first: the names and origins it comes under, then its token. There are no cookies, and no
token is ever read from an address line.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from swarmchat import limits
from swarmchat.api import jsonrpc
from swarmchat.api.dialogue import answer
from swarmchat.api.http import events, gate, openapi
from swarmchat.api.http.gate import Refusal
from swarmchat.api.http.house import NO_READER, House, credential_of, first_of, gone, later, refuse
from swarmchat.api.http.pages import Pages
from swarmchat.api.shapes import JsonObject
from swarmchat.errors import UserError
from swarmchat.node import figures

log = logging.getLogger(__name__)

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "x-frame-options": "DENY",
    }
)
GUARDED: Final = frozenset({"/api/v1/rpc", "/api/v1/events", "/api/v1/ws", "/metrics"})  # these want a token
_CLOSE: Final = MappingProxyType({"connection": "close"})


def make(house: House) -> ASGIApp:
    """The application of one door."""
    pages = Pages()

    async def rpc(request: Request) -> Response:
        return await _rpc(house, request)

    async def stream(request: Request) -> Response:
        return await events.answer(house, request)

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_request: Request) -> Response:
        up = house.node.is_ready() and not house.closing.is_set()
        return JSONResponse({"status": "ready" if up else "not ready"}, status_code=200 if up else 503)

    async def metrics(_request: Request) -> Response:
        page = figures.page({**await house.node.metrics(), **_own_figures(house)})
        return PlainTextResponse(page, media_type="text/plain; version=0.0.4")

    async def document(_request: Request) -> Response:
        return JSONResponse(openapi.document())

    async def page(request: Request) -> Response:
        if request.scope["path"] == "/api/v1/ws":
            return refuse(Refusal(426, "usage", "this is a WebSocket"), {"upgrade": "websocket"})
        if request.scope["path"] in GUARDED:
            return refuse(Refusal(405, "usage", "this is asked with POST"), {"allow": "POST"})
        return pages.answer(request) or refuse(Refusal(404, "not_found", "there is nothing here"))

    app = Starlette(
        routes=[
            Route("/api/v1/rpc", rpc, methods=["POST"]),
            Route("/api/v1/events", stream, methods=["GET"]),
            Route("/api/v1/openapi.json", document, methods=["GET"]),
            Route("/healthz", health, methods=["GET"]),
            Route("/readyz", ready, methods=["GET"]),
            Route("/metrics", metrics, methods=["GET"]),
            WebSocketRoute("/api/v1/ws", events.socket(house)),
            Route("/{path:path}", page, methods=["GET"]),
        ],
        exception_handlers={HTTPException: _http_fault},
    )
    return _Gate(app, house)


async def _http_fault(_request: Request, fault: Exception) -> Response:
    assert isinstance(fault, HTTPException)
    words = {404: ("not_found", "there is nothing here"), 405: ("usage", "this is asked with another method")}
    code, message = words.get(fault.status_code, ("failure", fault.detail))
    return refuse(Refusal(fault.status_code, code, message), fault.headers)


class _Gate:
    """Lets in or refuses, and puts the headers of safety on every answer."""

    def __init__(self, app: ASGIApp, house: House) -> None:
        self._app = app
        self._house = house

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
                count = self._house.answered
                count[message["status"]] = count.get(message["status"], 0) + 1
            await self._send(send, message, scope)

        refusal = self._judge(scope)
        if refusal is None:
            try:
                await self._app(scope, receive, guarded)
            except ConnectionAbortedError:
                log.debug("hung up in the middle of an answer")
            return
        headers = dict(_CLOSE)  # what follows of the request is not read
        if refusal.status == 401:
            headers["www-authenticate"] = 'Bearer realm="swarmchat"'
        if refusal.status in {429, 503}:
            headers["retry-after"] = "1"
        response = refuse(refusal, headers)
        await response(scope, receive, guarded)

    async def _send(self, send: Send, message: Message, scope: Scope) -> None:
        """Send, but not for ever: who reads nothing for so long is hung up on."""
        try:
            async with asyncio.timeout(limits.API_WRITE_TIMEOUT_S):
                await send(message)
                if message.get("more_body") or message["type"] == "websocket.send":
                    await scope["swarmchat.drained"]()  # uvicorn waits before it sends, not after
        except TimeoutError:
            self._house.cut += 1
            scope["swarmchat.abort"](NO_READER)
            raise ConnectionAbortedError from None

    def _judge(self, scope: Scope) -> Refusal | None:
        headers = scope["headers"]
        length = (
            len(scope["raw_path"])
            + len(scope["query_string"])
            + sum(len(name) + len(value) + 4 for name, value in headers)
        )
        if length > limits.HTTP_HEAD_BYTES_MAX:  # h11 bounds heads that come in pieces only
            return Refusal(431, "usage", f"a head has at most {limits.HTTP_HEAD_BYTES_MAX} bytes")
        if refusal := gate.foreign(headers, self._house.names):
            return refusal
        if scope["path"] not in GUARDED:
            return None
        house = self._house
        token = gate.bearer(headers)
        credential = None if token is None else house.tokens.credential(token)
        if credential is None:
            if not house.wrong.take(house.runtime.monotonic()):
                return Refusal(429, "refused", "too many wrong tokens")
            message = "a token is wanted" if token is None else "this token is not known here"
            return Refusal(401, "refused", message, "Authorization: Bearer TOKEN; swarmchat token add makes one")
        if not house.may_ask(credential):
            return Refusal(429, "refused", f"more than {limits.HTTP_CALLS_PER_S:g} requests a second with this token")
        if scope["path"] != "/metrics" and (house.closing.is_set() or not house.node.is_ready()):
            return Refusal(503, "failure", "the node is starting or stopping", "/readyz says when it is ready")
        scope.setdefault("state", {})["credential"] = credential
        return None


async def _rpc(house: House, request: Request) -> Response:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        return refuse(Refusal(415, "usage", "the body must be application/json"), _CLOSE)
    body = await _body(request)
    if isinstance(body, Response):
        return body

    work = answer(
        house.commands, jsonrpc.parse(body), permit=house.permit(credential_of(request)), subscribe=_no_subscription
    )
    done = await first_of(
        work,  # nobody may be left to hear of it: then what waits for others must not keep the place for a day
        later(limits.API_CLOSE_S, gone(request.receive), house.runtime),
        later(limits.API_CLOSE_S, house.closing.wait(), house.runtime),
    )
    if not done:
        return refuse(Refusal(503, "failure", "the daemon stops"), _CLOSE)
    line = done[0]
    return Response(status_code=204) if line is None else Response(line, media_type="application/json")


async def _no_subscription(_params: JsonObject) -> JsonObject:
    raise UserError("a request has no events after its answer", hint="GET /api/v1/events, or the WebSocket /api/v1/ws")


async def _body(request: Request) -> bytes | Response:
    """The whole body, or the answer to one that is too long, too slow or never ends; bounded before it is kept."""
    largest = limits.API_LINE_BYTES_MAX
    too_large = refuse(Refusal(413, "usage", f"a request has at most {largest} bytes"), _CLOSE)
    told = request.headers.get("content-length", "0")
    if not told.isascii() or not told.isdigit() or len(told) > 12 or int(told) > largest:
        return too_large
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.HTTP_BODY_S):
            async for part in request.stream():
                size += len(part)
                if size > largest:
                    return too_large
                parts.append(part)
    except TimeoutError:
        return refuse(Refusal(408, "timeout", f"the body took longer than {limits.HTTP_BODY_S:g} s"), _CLOSE)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody reads it
    return b"".join(parts)


def _own_figures(house: House) -> dict[str, float]:
    counted = {f'swarmchat_http_requests_total{{status="{status}"}}': n for status, n in sorted(house.answered.items())}
    return {"swarmchat_http_streams": house.streams, "swarmchat_http_cut_total": house.cut, **counted}
