"""A public node of the DHT: no account, no conversations; it keeps records for others and shows new nodes the way in. (SCP-05 §1.8)"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from swarmchat import disk, limits
from swarmchat.account.home import Home
from swarmchat.addresses import Address
from swarmchat.discovery.dht import state
from swarmchat.discovery.dht.dht import Dht
from swarmchat.discovery.dht.identity import NodeKey, find_node_key
from swarmchat.discovery.dht.joining import Entrance
from swarmchat.discovery.dht.settings import DhtSettings
from swarmchat.discovery.interfaces import Watcher
from swarmchat.discovery.whereabouts import whereabouts
from swarmchat.errors import UserError
from swarmchat.node.dht import free_ports, keys_tried
from swarmchat.runtime import Runtime, SystemRuntime

_log = logging.getLogger(__name__)

_STATE_FILE: Final = "dht.json"
_TOLD_EVERY: Final = 32 * 1_024  # tries: about a second


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """What a public node may be told; `folder` keeps its key and the nodes it knows; `port` 0: any that is free."""

    folder: Path
    hosts: tuple[str, ...] = ("0.0.0.0", "::")  # noqa: S104 - it is there to be reached
    port: int = limits.DHT_PORT_PUBLIC
    metrics: Address | None = None
    entrances: tuple[Entrance, ...] = ()
    storage_bytes: int = limits.DHT_SERVED_BYTES_MAX


def serve(settings: ServeSettings, say: Callable[[list[str]], None]) -> None:
    """Run until SIGTERM or SIGINT; `say` gets the addresses by which others name this node, once it hears.

    Raises UserError (the folder is taken, an address is refused), StorageError (the disk refuses).
    """
    folder = settings.folder.absolute()
    home = Home(folder, folder / "config.toml", folder, folder / "socket")
    disk.make_directory(folder)
    with home.lock("dht serve"):
        asyncio.run(_serve(settings, SystemRuntime(), say))


async def _serve(settings: ServeSettings, runtime: Runtime, say: Callable[[list[str]], None]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        listens = free_ports(settings.hosts, settings.port)
    except OSError as fault:
        raise UserError(
            f"cannot listen on UDP port {settings.port} of {', '.join(settings.hosts)}: {fault.strerror or fault}",
            hint="choose another with --port or --host",
        ) from fault
    file = settings.folder.absolute() / _STATE_FILE
    kept = await runtime.offload(state.load, file)
    key = await _key(kept, file, runtime, stop)
    if key is None:
        return
    same = kept if kept is not None and kept.seed == key.private.seed else None
    dht = Dht(key, runtime, DhtSettings(client=False, storage_bytes=settings.storage_bytes), kept=same, file=file)
    dht.configure(settings.entrances)
    await dht.start(listens)
    try:
        async with contextlib.AsyncExitStack() as stack:
            if settings.metrics is not None:
                shown = await stack.enter_async_context(serve_metrics(settings.metrics, dht.metrics))
                _log.info("metrics on http://%s/metrics", shown)
            say(names(dht.listens, [one.host for one in Watcher(runtime).found], key))
            await stop.wait()
            _log.info("stopping")
    finally:
        await dht.stop()


async def _key(kept: state.State | None, file: Path, runtime: Runtime, stop: asyncio.Event) -> NodeKey | None:
    """The key of before, else a fresh one, on the disk; None if somebody said stop while it was looked for."""
    if kept is not None:
        with contextlib.suppress(ValueError):
            return NodeKey.from_seed(kept.seed)

    def progress(tries: int) -> None:
        if stop.is_set():
            raise InterruptedError
        if tries % _TOLD_EVERY == 0:
            _log.info("looking for a key: %s", keys_tried(tries))

    _log.info("looking for the key of this node, which takes some seconds once")
    try:
        key = await runtime.offload(find_node_key, runtime.entropy, progress)
    except InterruptedError:
        return None
    await runtime.offload(state.save, file, state.State(key.private.seed))
    return key


def names(listens: Sequence[Address], hosts: Iterable[str], key: NodeKey) -> list[str]:
    """`host:port#id` for each address by which others may name a node that listens there; `hosts`: this machine's own."""
    found = whereabouts(listens, hosts) or tuple(listens)
    return [str(Entrance(address, key.id)) for address in found]


# --- metrics


@contextlib.asynccontextmanager
async def serve_metrics(address: Address, metrics: Callable[[], Mapping[str, float]]) -> AsyncIterator[Address]:
    """Answer `GET /metrics` over HTTP with what `metrics` says then, in Prometheus' text; UserError if the address is refused."""
    readers = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal readers
        readers += 1
        try:
            if readers <= limits.DHT_METRICS_READERS_MAX:
                async with asyncio.timeout(limits.DHT_METRICS_TIMEOUT_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(response(head, metrics))
                    await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # it went away, or is no reader of metrics
        finally:
            readers -= 1
            writer.close()

    try:
        server = await asyncio.start_server(
            answer, address.host, address.port, limit=limits.DHT_METRICS_REQUEST_BYTES_MAX
        )
    except OSError as fault:
        raise UserError(
            f"cannot serve metrics on {address}: {fault.strerror or fault}",
            hint="choose another address with --metrics",
        ) from fault
    async with server:
        yield Address(*server.sockets[0].getsockname()[:2])


def response(head: bytes, metrics: Callable[[], Mapping[str, float]]) -> bytes:
    """The whole HTTP answer to the head of a request."""
    words = head.split(b"\r\n", 1)[0].split(b" ")
    if len(words) != 3 or words[0] != b"GET":
        return _http("405 Method Not Allowed", "only GET /metrics is answered here\n")
    if words[1].partition(b"?")[0] != b"/metrics":
        return _http("404 Not Found", "it stands under /metrics\n")
    return _http("200 OK", "".join(f"{name} {value}\n" for name, value in metrics().items()))


def _http(status: str, body: str) -> bytes:
    data = body.encode()
    head = (
        f"HTTP/1.1 {status}",
        "Content-Type: text/plain; version=0.0.4; charset=utf-8",
        f"Content-Length: {len(data)}",
        "Connection: close",
    )
    return "\r\n".join((*head, "", "")).encode() + data
