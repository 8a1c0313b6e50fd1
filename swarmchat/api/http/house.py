"""What all requests share: the node's verbs, the tokens, the rules of the gate, and whether the door is closing. (SCP-08 §3.2)"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive

from swarmchat import limits
from swarmchat.api.dialogue import Permit
from swarmchat.api.http.gate import Refusal
from swarmchat.api.methods import Commands
from swarmchat.api.shapes import Method
from swarmchat.errors import RefusedError, SwarmchatError
from swarmchat.node.tokens import Credential, Scope, Tokens
from swarmchat.runtime import Runtime
from swarmchat.swarm.allowance import Allowance

T = TypeVar("T")

NO_READER: Final = "it reads nothing"


class Measured(Protocol):
    """What `/metrics` and `/readyz` read of a node."""

    def is_ready(self) -> bool:
        """Whether links are accepted and the state is loaded."""
        ...

    async def metrics(self) -> Mapping[str, float]:
        """Figures by their names (`swarmchat.node.figures`)."""
        ...


@dataclass
class House:
    """One for each door."""

    commands: Commands
    tokens: Tokens
    runtime: Runtime
    node: Measured
    names: frozenset[str]  # host names that are ours beside the loopback ones
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    closed_at: float = 0.0  # of the loop's clock
    streams: int = 0
    answered: dict[int, int] = field(default_factory=dict)  # status -> how many requests
    cut: int = 0  # clients that did not read
    wrong: Allowance = field(default_factory=lambda: Allowance(limits.HTTP_WRONG_AT_ONCE, limits.HTTP_WRONG_PER_S))
    allowances: dict[str, Allowance] = field(default_factory=dict)  # by the name of the token

    def close(self) -> None:
        """Take no more; who waits for events is told."""
        if not self.closing.is_set():
            self.closed_at = asyncio.get_running_loop().time()
            self.closing.set()

    def may_ask(self, credential: Credential) -> bool:
        """Whether this token has not asked too often."""
        if len(self.allowances) > limits.TOKENS_MAX + 1:
            self.allowances.clear()
        allowance = self.allowances.setdefault(
            credential.name, Allowance(limits.HTTP_CALLS_AT_ONCE, limits.HTTP_CALLS_PER_S)
        )
        return allowance.take(self.runtime.monotonic())

    def permit(self, credential: Credential) -> Permit:
        """What a credential may do, asked again at every call: a token that was removed may nothing."""

        def check(method: Method, params: Mapping[str, object]) -> SwarmchatError | None:
            if not self.tokens.holds(credential):
                return RefusedError("this token has been removed", hint="swarmchat token add NAME makes another")
            wanted = Scope(method.scope(params))
            if credential.scope.covers(wanted):
                return None
            return RefusedError(
                f"{method.name} wants a token with the scope {wanted}, this one has {credential.scope}",
                hint=f"swarmchat token add NAME --scope {wanted}",
                data={"scope": wanted.value, "has": credential.scope.value},
            )

        return check

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[bool]:
        """A place among those who wait for events; False where all are taken."""
        if self.streams >= limits.HTTP_STREAMS_MAX:
            yield False
            return
        self.streams += 1
        try:
            yield True
        finally:
            self.streams -= 1


def credential_of(request: Request) -> Credential:
    """Who asks; only where the gate let nobody in without."""
    credential = request.scope["state"]["credential"]
    assert isinstance(credential, Credential)
    return credential


def refuse(refusal: Refusal, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal as an answer: `{"error": {"code", "message", "hint"}}`."""
    error = {"code": refusal.code, "message": refusal.message, "hint": refusal.hint}
    return JSONResponse({"error": error}, status_code=refusal.status, headers=dict(headers or {}))


def told(error: SwarmchatError) -> Response:
    """An error of a command where the answer is no JSON-RPC."""
    status = {"usage": 400, "not_found": 404, "refused": 403}.get(error.code, 409)
    body = {"code": error.code, "message": error.message, "hint": error.hint, "data": error.data}
    return JSONResponse({"error": body}, status_code=status)


async def first_of(work: Coroutine[Any, Any, T], *ends: Awaitable[object]) -> list[T]:
    """The result of `work`, alone in a list; empty when one of `ends` came before it. None of them goes on after that."""
    loop = asyncio.get_running_loop()
    working = loop.create_task(work)
    others = [loop.create_task(_wait(end)) for end in ends]
    try:
        await asyncio.wait([working, *others], return_when=asyncio.FIRST_COMPLETED)
        return [working.result()] if working.done() else []
    finally:
        for task in (working, *others):
            task.cancel()
        await asyncio.gather(working, *others, return_exceptions=True)


async def gone(receive: Receive) -> None:
    """Return when the client has hung up."""
    while (await receive())["type"] not in {"http.disconnect", "websocket.disconnect"}:
        continue


async def later(delay_s: float, event: Awaitable[object], runtime: Runtime) -> None:
    """Return `delay_s` seconds after an event."""
    await event
    await runtime.sleep(delay_s)


async def _wait(end: Awaitable[object]) -> None:
    await end
