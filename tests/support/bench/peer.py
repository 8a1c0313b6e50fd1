"""The other process of the rows about links and packs.

It prints the port it listens on, then answers each line of its standard input with a line of JSON, and ends with it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from swarmchat.addresses import Address
from swarmchat.commitlog.writing import Admission
from swarmchat.ids import ConversationId
from swarmchat.limits import CHANNEL_UNSENT_HIGH, YAMUX_FRAME_BYTES_MAX
from swarmchat.links.channel import Channel
from swarmchat.links.mux import DataReceived, Mux, StreamOpened
from swarmchat.links.peers import Identity
from swarmchat.runtime import SystemRuntime
from swarmchat.swarm import transfer
from swarmchat.swarm.messages import read_pack_request
from tests.support.bench.lab import Filled
from tests.support.linked import LinkedNode, identity

ROOT = Path(__file__).resolve().parents[3]
SINK_SEED = 200
_TAKE_BYTES = 256 * 1024

Commands = dict[str, Callable[[], object]]


class Helper:
    """Such a process, from outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid
        self.address = Address("127.0.0.1", int(self._line()))

    def ask(self, command: str) -> Any:
        assert self._process.stdin is not None
        print(command, file=self._process.stdin, flush=True)
        return json.loads(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the helper ended; what it said stands above"
        return line


@contextmanager
def helper(*arguments: str) -> Iterator[Helper]:
    """Run this module with `arguments` while the context lasts."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.bench.peer", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        yield Helper(process)
    finally:
        process.kill()
        process.communicate()


# --- inside it


def tls_context(folder: Path, *, server: bool) -> ssl.SSLContext:
    """TLS of the standard library, for comparison; `folder` has key.pem and certificate.pem."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if server:
        context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class _Swallow(asyncio.BufferedProtocol):
    """Takes bytes without a link: 8 bytes say how many follow; one comes back when they have come."""

    def __init__(self) -> None:
        self._buffer = bytearray(_TAKE_BYTES)
        self._left = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if not self._left:
            self._left = 8 + int.from_bytes(self._buffer[:8], "big")
        self._left -= nbytes
        if not self._left and self._transport is not None:
            self._transport.write(b"!")


class MuxedEnd(asyncio.Protocol):
    """Our yamux on a transport of asyncio, for comparison: 8 bytes on a stream say how many follow; one comes back for them."""

    def __init__(self, *, client: bool) -> None:
        self.mux = Mux(client=client)
        self.answered = asyncio.Event()
        self._client = client
        self._left = 0
        self._transport: asyncio.Transport | None = None
        self._free = asyncio.Event()
        self._free.set()
        self._room = asyncio.Event()  # the peer or the transport has taken more

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def pause_writing(self) -> None:
        self._free.clear()

    def resume_writing(self) -> None:
        self._free.set()
        self.flush()
        self._room.set()

    def data_received(self, data: bytes) -> None:
        for event in self.mux.receive(data):
            if isinstance(event, StreamOpened):
                self.mux.accept(event.stream, bulk=True)
            elif isinstance(event, DataReceived):
                self.mux.consumed(event.stream, len(event.data))
                self._took(event)
        self.flush()
        self._room.set()

    def flush(self) -> None:
        """Hand over what there is, as long as the transport is not congested."""
        assert self._transport is not None
        while self.mux.wants_write and self._free.is_set():
            self._transport.write(self.mux.pull(YAMUX_FRAME_BYTES_MAX))

    async def give(self, size: int, piece: bytes) -> None:
        """Send `size` bytes as pieces on a new stream, and wait until the other end has them."""
        stream = self.mux.open(bulk=True)
        self.mux.send(stream, size.to_bytes(8, "big"))
        self.answered.clear()
        for _ in range(size // len(piece)):
            self.mux.send(stream, piece)
            self.flush()
            while self.mux.unsent(stream) > CHANNEL_UNSENT_HIGH:
                self._room.clear()
                await self._room.wait()
        await self.answered.wait()

    def _took(self, event: DataReceived) -> None:
        if self._client:
            self.answered.set()
            return
        taken = len(event.data)
        if not self._left:
            self._left, taken = int.from_bytes(event.data[:8], "big"), taken - 8
        self._left -= taken
        if not self._left:
            self.mux.send(event.stream, b"!")


async def _take(channel: Channel) -> None:
    await channel.accept()
    left = channel.opening["n"]
    while left:
        data = await channel.receive_bytes(_TAKE_BYTES)
        assert data, "ended early"
        left -= len(data)
    await channel.send({"took": channel.opening["n"]})


@asynccontextmanager
async def _links() -> AsyncIterator[tuple[int, Commands]]:
    node = LinkedNode(identity(SINK_SEED), on_channel=_take)
    async with node.running() as address:
        yield address.port, {"links": lambda: len(node.manager._all), "tidy": gc.collect}


@asynccontextmanager
async def _plain(folder: str = "") -> AsyncIterator[tuple[int, Commands]]:
    context = tls_context(Path(folder), server=True) if folder else None
    async with await asyncio.get_running_loop().create_server(_Swallow, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1], {}


@asynccontextmanager
async def _muxed(folder: str) -> AsyncIterator[tuple[int, Commands]]:
    context = tls_context(Path(folder), server=True)
    create = asyncio.get_running_loop().create_server
    async with await create(lambda: MuxedEnd(client=False), "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1], {}


@asynccontextmanager
async def _packs(path: str, conversation: str) -> AsyncIterator[tuple[int, Commands]]:
    runtime = SystemRuntime()
    made = Filled(Path(path), ConversationId(conversation))
    log = made.log()

    async def serve(channel: Channel) -> None:
        await transfer.serve(channel, log, read_pack_request(channel.opening), runtime)

    def post() -> list[str]:
        outcome = log.append_all([made.pending(len(log.history))])[0]
        assert isinstance(outcome, Admission), outcome
        return list(outcome.heads)

    mine = made.account
    who = Identity(mine.device_key, mine.device_certificate, mine.certificate, b"boot-one")
    try:
        async with LinkedNode(who, on_channel=serve).running() as address:
            yield address.port, {"post": post, "heads": lambda: list(log.heads)}
    finally:
        log.close()


async def _main(kind: str, *arguments: str) -> None:
    kinds: dict[str, Callable[..., AbstractAsyncContextManager[tuple[int, Commands]]]] = {
        "links": _links,
        "plain": _plain,
        "muxed": _muxed,
        "packs": _packs,
    }
    async with kinds[kind](*arguments) as (port, commands):
        print(port, flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(commands[line.strip()]()), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
