"""The door over HTTP, opened where the settings name an address, else when somebody asks for the web page. (SCP-08 §3.2)

What it needs to listen is imported only then: who uses no HTTP pays nothing for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

from swarmchat.addresses import Address
from swarmchat.api.methods import Commands
from swarmchat.errors import UnreachableError
from swarmchat.node import figures
from swarmchat.node.node import Node
from swarmchat.node.tokens import Tokens

if TYPE_CHECKING:
    from swarmchat.api.http.house import House

_log = logging.getLogger("swarmchat")

_ANYWHERE_HERE: Final = Address("127.0.0.1", 0)


class HttpDoor:
    """At most one listener for one node."""

    def __init__(self, node: Node, tokens: Tokens) -> None:
        self._node = node
        self._tokens = tokens
        self._commands: Commands | None = None
        self._is_ready: Callable[[], bool] = bool
        self._stack: AsyncExitStack | None = None
        self._house: House | None = None
        self._base: str | None = None
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def standing(self, commands: Commands, is_ready: Callable[[], bool]) -> AsyncIterator[None]:
        """Listen where the settings say, if they do, while the context lasts. UserError, SettingsError when that cannot be."""
        self._commands, self._is_ready = commands, is_ready
        async with AsyncExitStack() as stack:
            self._stack = stack
            if self._node.config.api_http is not None:
                await self._open(self._node.config.api_http)
            try:
                yield
            finally:
                self._stack = None
                self.finish()

    def finish(self) -> None:
        """Take no more requests, and tell who waits for events; the context is left when they are gone."""
        if self._house is not None:
            self._house.close()

    async def base(self) -> str:
        """`http://127.0.0.1:PORT` of the page; where nothing listens yet, a free port of the loopback address does now."""
        async with self._turn:
            if self._base is None:
                await self._open(_ANYWHERE_HERE)
            assert self._base is not None
            return self._base

    def is_ready(self) -> bool:
        """See `house.Measured`."""
        return self._is_ready()

    async def metrics(self) -> Mapping[str, float]:
        """See `house.Measured`."""
        return await figures.of(self._node, is_ready=self._is_ready())

    async def _open(self, address: Address) -> None:
        from swarmchat.api.http.house import House  # noqa: PLC0415 - 9 MB for who wants HTTP
        from swarmchat.api.http.server import serve  # noqa: PLC0415

        config, runtime = self._node.config, self._node.runtime
        await runtime.offload(self._tokens.open)
        if self._stack is None or self._commands is None:
            raise UnreachableError("the daemon is stopping", hint="swarmchat daemon start")
        house = House(self._commands, self._tokens, runtime, self, frozenset(config.api_hosts))
        tls = config.api_tls
        bound = await self._stack.enter_async_context(serve(house, address, tls))
        self._house = house
        self._base = f"{'https' if tls else 'http'}://{called(bound, config.api_hosts)}"
        _log.info("HTTP on %s", self._base)


def called(bound: Address, names: Sequence[str]) -> Address:
    """What a browser calls a listener that is bound there: 0.0.0.0 is no name that anybody goes by."""
    if bound.is_loopback:
        return bound
    if names:
        return Address(names[0], bound.port)
    return Address({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bound.host, bound.host), bound.port)  # noqa: S104 - a bound one
