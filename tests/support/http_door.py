"""The HTTP door on a pretended node, and requests to it byte by byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmchat.account.home import Home
from swarmchat.addresses import Address
from swarmchat.api.http.house import House
from swarmchat.api.http.server import serve
from swarmchat.node.tokens import Tokens
from swarmchat.runtime import SystemRuntime
from tests.support.fake_commands import FakeCommands

LOOPBACK = Address("127.0.0.1", 0)


@dataclass
class Answered:
    """One answer over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Measured:
    """Figures of a pretended node."""

    def __init__(self) -> None:
        self.ready = True

    def is_ready(self) -> bool:
        return self.ready

    async def metrics(self) -> Mapping[str, float]:
        return {"swarmchat_links": 3, "process_start_time_seconds": 1795297400.25}


@dataclass
class Door:
    """A listener, and what may be changed behind it."""

    house: House
    node: FakeCommands
    measured: Measured
    address: Address
    owner: str

    @property
    def host(self) -> str:
        return str(self.address)

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.address.host, self.address.port, limit=2**27)

    async def raw(self, data: bytes) -> Answered:
        """What is answered to these bytes; the connection is closed afterwards."""
        reader, writer = await self.open()
        try:
            writer.write(data)
            return await read_answer(reader, has_body=not data.startswith(b"HEAD "))
        finally:
            writer.close()

    async def ask(
        self, target: str, *, method: str = "GET", token: str | None = None, body: bytes | None = None, **headers: str
    ) -> Answered:
        return await self.raw(self.request(target, method=method, token=token, body=body, **headers))

    def request(
        self, target: str, *, method: str = "GET", token: str | None = None, body: bytes | None = None, **headers: str
    ) -> bytes:
        given = {"host": self.host} | {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            given.setdefault("authorization", f"Bearer {token}")
        if body is not None:
            given.setdefault("content-type", "application/json")
            given.setdefault("content-length", str(len(body)))
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items()), "", ""]
        return "\r\n".join(lines).encode() + (body or b"")

    async def call(self, method: str, *, token: str | None = None, **params: Any) -> Answered:
        body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).encode()
        return await self.ask("/api/v1/rpc", method="POST", token=token or self.owner, body=body)


async def read_answer(reader: asyncio.StreamReader, *, has_body: bool = True) -> Answered:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {}
    for line in head[1:]:
        if line:
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
    body = await reader.readexactly(int(headers["content-length"])) if has_body and "content-length" in headers else b""
    return Answered(int(head[0].split(" ")[1]), headers, body)


async def read_frame(reader: asyncio.StreamReader) -> str:
    """The next piece of a stream that is no comment, out of its chunks."""
    while True:
        size = int((await reader.readline()).strip() or b"0", 16)
        if not size:
            return ""
        piece = (await reader.readexactly(size)).decode()
        await reader.readline()
        if not piece.startswith(":"):
            return piece


@asynccontextmanager
async def http_door(
    folder: Path, *, names: frozenset[str] = frozenset(), tls: tuple[Path, Path] | None = None
) -> AsyncIterator[Door]:
    """A door on a free port of the loopback address."""
    home = Home.locate(folder / "home", {})
    home.prepare()
    runtime = SystemRuntime()
    tokens = Tokens(home, runtime.now, runtime.entropy)
    tokens.open()
    node, measured = FakeCommands(), Measured()
    house = House(node, tokens, runtime, measured, names)
    async with serve(house, LOOPBACK, tls) as address:
        yield Door(house, node, measured, address, tokens.owner())
