"""Thin data-sync peers in this process, connected over loopback; what they told, and what they are to say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from swarmchat.addresses import Address
from swarmchat.crypto.secp256k1 import Secret
from swarmchat.gateways.datasync.thin import ThinPeer, Wishes
from swarmchat.gateways.datasync.thinstore import ThinStore
from swarmchat.runtime import SystemRuntime

TICK_S = 0.01
PATIENCE_S = 20.0


class Thin:
    """One of them. `number` makes its key."""

    def __init__(self, folder: Path, number: int, **wishes: Any) -> None:
        self.secret = Secret(number.to_bytes(32))
        self.key = self.secret.public
        self.told: list[dict[str, Any]] = []
        self._folder = folder
        self._wishes = wishes
        self._lines: asyncio.Queue[str] = asyncio.Queue()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._store: ThinStore | None = None

    def up(self, node: Address) -> Thin:
        self._store = ThinStore(self._folder / f"thin-{self.key.uri}.sqlite")
        wishes = Wishes(**{"node": node, "tick_s": TICK_S, **self._wishes})
        self.peer = ThinPeer(self.secret, self._store, SystemRuntime(), wishes, self._tell)
        self._task = asyncio.create_task(self.peer.run(self._read()))
        return self

    async def down(self) -> None:
        assert self._task is not None
        assert self._store is not None
        self._task.cancel()
        await asyncio.wait([self._task])
        self._store.close()
        if not self._task.cancelled() and (fault := self._task.exception()) is not None:
            raise fault

    def say(self, text: str) -> None:
        self._lines.put_nowait(text)

    async def until(self, holds: Callable[[], Any]) -> Any:
        async with asyncio.timeout(PATIENCE_S):
            while not (found := holds()):
                self._news.clear()
                await self._news.wait()
        return found

    def of(self, event: str) -> list[dict[str, Any]]:
        return [one for one in self.told if one["event"] == event]

    @property
    def texts(self) -> list[str]:
        return [one["text"] for one in self.of("message")]

    def _tell(self, event: dict[str, Any]) -> None:
        self.told.append(event)
        self._news.set()

    async def _read(self) -> AsyncIterator[str]:
        while True:
            yield await self._lines.get()
