"""Identities, policies and nodes with links, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Container
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from swarmchat.addresses import Address
from swarmchat.crypto.certificates import Certificate, issue_account, issue_device
from swarmchat.crypto.keys import PrivateKey
from swarmchat.ids import AccountId
from swarmchat.links.channel import Channel
from swarmchat.links.connection_manager import ConnectionManager
from swarmchat.links.frames import Message
from swarmchat.links.link import Link, LinkTimes
from swarmchat.links.peers import Identity, LinkClass, Peer
from swarmchat.links.tcp import TcpCarrier
from swarmchat.runtime import Runtime, SystemRuntime

NOW = 1_790_000_000  # 2026-09-21
LOOPBACK = Address("127.0.0.1", 0)


def account(seed: int, *, now: int = NOW) -> tuple[PrivateKey, Certificate]:
    """An account key and its certificate, always the same for a seed (0 … 255)."""
    key = PrivateKey.from_seed(bytes([seed]) * 32)
    return key, issue_account(key, now=now, entropy=bytes(16))


def identity(seed: int, *, device: int = 0, now: int = NOW, boot: bytes = b"boot-one") -> Identity:
    """A device of account `seed`, always the same for the same numbers."""
    key, certificate = account(seed, now=now)
    device_key = PrivateKey.from_seed(bytes([seed, device]) * 16)
    return Identity(device_key, issue_device(key, certificate, device_key.public, now=now), certificate, boot)


@dataclass
class Policy:
    """Lets everybody do everything, until told otherwise."""

    classes: dict[AccountId, LinkClass | None] = field(default_factory=dict)
    revocations: dict[AccountId, frozenset[bytes]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)  # channel name -> error code

    def classify(self, peer: Peer) -> LinkClass | None:
        return self.classes.get(peer.account, LinkClass.MEMBER)

    def revoked(self, account: AccountId) -> Container[bytes]:
        return self.revocations.get(account, frozenset())

    def may_open(self, link: Link, opening: Message) -> str | None:
        return self.refused.get(opening["c"])


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds that nobody tells, ten seconds at most."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def echo(channel: Channel) -> None:
    """Answer, then send every message back."""
    await channel.accept()
    while (message := await channel.receive()) is not None:
        await channel.send(message)


class LinkedNode:
    """A ConnectionManager with a diary of what it told."""

    def __init__(
        self,
        who: Identity,
        *,
        on_channel: object = echo,
        times: LinkTimes | None = None,
        runtime: Runtime | None = None,
        **parts: object,
    ) -> None:
        self.identity = who
        self.policy = Policy()
        self.diary: list[str] = []
        self.news = asyncio.Event()
        self.manager = ConnectionManager(
            who,
            runtime or SystemRuntime(),
            carrier=parts.pop("carrier", None) or TcpCarrier(),  # type: ignore[arg-type]
            policy=self.policy,
            on_channel=on_channel,  # type: ignore[arg-type]
            on_link_up=lambda link: self._write(f"up {link.peer.account[:4]}"),
            on_link_down=lambda link, reason: self._write(f"down {link.peer.account[:4]}: {reason}"),
            times=times,
            **parts,  # type: ignore[arg-type]
        )

    @property
    def device(self) -> str:
        return self.identity.device.device_id

    def _write(self, line: str) -> None:
        self.diary.append(line)
        self.news.set()

    async def until(self, line: str) -> None:
        """Wait until the diary has a line that begins so."""
        async with asyncio.timeout(10):
            while not any(entry.startswith(line) for entry in self.diary):
                self.news.clear()
                await self.news.wait()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Address]:
        """Run and listen on loopback; the address."""
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.manager.run())
            await asyncio.sleep(0)
            (address,) = await self.manager.listen([LOOPBACK])
            try:
                yield address
            finally:
                await self.manager.close()
                await running
