"""The verbs of the way in over HTTP: its tokens, and the link to the page. (SCP-08 §3.2)"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from swarmchat.errors import UnreachableError
from swarmchat.node.tokens import Scope, Tokens
from swarmchat.node.verbs import JsonObject, Verbs


@dataclass(frozen=True, slots=True)
class Web:
    """What a process that answers over HTTP has: its tokens, and where it listens (which it begins to, if it did not)."""

    tokens: Tokens
    base: Callable[[], Awaitable[str]]


class WebVerbs(Verbs):
    """Tokens are kept with and without a daemon; the page needs one."""

    _web: Web | None = None

    async def token_add(self, *, name: str, scope: str | None = None) -> JsonObject:
        """Make a token; its secret is in the answer and nowhere else."""
        return await self._node.runtime.offload(self._tokens().add, name, scope or Scope.READ)

    async def token_list(self) -> list[JsonObject]:
        """All tokens, without their secrets."""
        return await self._node.runtime.offload(self._tokens().listed)

    async def token_remove(self, *, name: str) -> JsonObject:
        """A token is good for nothing any more, nor what was let in with it."""
        return await self._node.runtime.offload(self._tokens().remove, name)

    async def web_link(self) -> JsonObject:
        """The address of the page, with the owner's token behind the #, which no browser sends anywhere."""
        if self._web is None:
            raise UnreachableError("no daemon is running", hint="swarmchat daemon start")
        base = await self._web.base()
        token = await self._node.runtime.offload(self._web.tokens.owner)
        return {"url": base, "link": f"{base}/#token={token}"}

    def _tokens(self) -> Tokens:
        if self._web is not None:
            return self._web.tokens
        return Tokens(self._node.home, self._node.runtime.now, self._node.runtime.entropy)
