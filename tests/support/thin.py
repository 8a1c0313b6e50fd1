"""Thin data-sync peers in this process, connected over loopback; what they told, and what they are to say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from swarmchat.addresses import Address
from swarmchat.crypto.secp256k1 import Secret
from swarmchat.gateways.datasync.frames import Frames, frame
from swarmchat.gateways.datasync.hello import UNBOUND, Handshake
from swarmchat.gateways.datasync.payload import MessageId, Payload, read_payload, write_payload
from swarmchat.gateways.datasync.schedule import trial
from swarmchat.gateways.datasync.session import StreamWire, Wire
from swarmchat.gateways.datasync.thin import ThinPeer
from swarmchat.gateways.datasync.thinstore import ThinStore
from swarmchat.gateways.datasync.wishes import Wishes
from swarmchat.gateways.refusal import Refused
from swarmchat.runtime import SystemRuntime

TICK_S = 0.01
PATIENCE_S = 20.0


class Ahead(SystemRuntime):
    """Its clock is: what would take a person some seconds takes a test none."""

    def __init__(self, by_s: float) -> None:
        super().__init__()
        self._by_s = by_s

    def now(self) -> float:
        return super().now() + self._by_s


class Thin:
    """One of them. `number` makes its key."""

    def __init__(self, folder: Path, number: int, ahead_s: float = 0.0, **wishes: Any) -> None:
        self.secret = Secret(number.to_bytes(32))
        self.key = self.secret.public
        self.told: list[dict[str, Any]] = []
        self._folder = folder
        self._wishes = wishes
        self._runtime = Ahead(ahead_s)
        self._lines: asyncio.Queue[str] = asyncio.Queue()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._store: ThinStore | None = None

    def up(self, node: Address) -> Thin:
        self._store = ThinStore(self._folder / f"thin-{self.key.uri}.sqlite")
        wishes = Wishes(**{"node": node, "schedule": trial(TICK_S), **self._wishes})
        self.peer = ThinPeer(self.secret, self._store, self._runtime, wishes, self._tell)
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


class Caller:
    """A data-sync peer in raw frames, who may send what no honest one would."""

    def __init__(self, wire: Wire, secret: Secret, binding: bytes = UNBOUND) -> None:
        self.wire = wire
        self.secret = secret
        self.frames = Frames()
        self.handshake = Handshake(secret, bytes(31) + b"\1", binding=binding, mode=2, tick_ms=10)

    @classmethod
    async def call(cls, address: Address, number: int) -> Caller:
        reader, writer = await asyncio.open_connection(address.host, address.port)
        return cls(StreamWire(reader, writer), Secret(number.to_bytes(32)))

    async def __aenter__(self) -> Caller:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.wire.close()

    async def shake(self) -> Caller:
        await self.wire.write(frame(self.handshake.first()))
        while self.handshake.peer is None:
            body = await self.body()
            assert body is not None, "it hung up"
            answer = self.handshake.receive(body)
            assert not isinstance(answer, Refused), answer
            if answer is not None:
                await self.wire.write(frame(answer))
        return self

    async def send(self, payload: Payload) -> None:
        await self.wire.write(frame(write_payload(payload)))

    async def body(self) -> bytes | None:
        """The next frame; None at the end."""
        async with asyncio.timeout(PATIENCE_S):
            while (found := self.frames.next()) is None:
                data = await self.wire.read()
                if not data:
                    return None
                self.frames.feed(data)
        assert isinstance(found, bytes)
        return found

    async def payload(self) -> Payload | None:
        body = await self.body()
        if body is None:
            return None
        found = read_payload(body)
        assert isinstance(found, Payload)
        return found

    async def acked(self, *wanted: MessageId) -> list[Payload]:
        """Read until all of these are acknowledged."""
        missing, heard = set(wanted), []
        while missing:
            payload = await self.payload()
            assert payload is not None
            missing -= set(payload.acks)
            heard.append(payload)
        return heard
