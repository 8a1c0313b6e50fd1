"""The rows about links: how fast one is, what it costs to begin and to hold. (SCP-03 §11)"""

from __future__ import annotations

import asyncio
import base64
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

from swarmchat.links.link import Link
from swarmchat.links.tcp import TcpCarrier
from tests.support.bench.lab import Lab
from tests.support.bench.measure import MIB, Figure, at_least, at_most, cpu_s, rss_mib
from tests.support.bench.peer import SINK_SEED, Helper, MuxedEnd, helper, tls_context
from tests.support.linked import LinkedNode, eventually, identity

_SINK = identity(SINK_SEED).device.device_id
_PIECE = 64 * 1024
_SOURCE = "SCP-03 §11"


def links(lab: Lab) -> Iterator[Figure]:
    """TCP, TLS 1.3, yamux and channels, between two processes."""
    size = lab.sizes.link_mib * MIB
    ours, cpu = asyncio.run(_throughput(size))
    yield Figure("link: 1 stream", ours, "MB/s", at_least(400, _SOURCE), f"CPU of both ends {cpu:.3g} s/GB")
    for name, folder in (("raw asyncio TCP", None), ("asyncio TLS, without a mux", _certificate(lab.folder))):
        rate, cpu = asyncio.run(_plain_throughput(size, folder))
        yield Figure(f"for comparison: {name}", rate, "MB/s", note=f"CPU of both ends {cpu:.3g} s/GB")
    theirs, cpu = asyncio.run(_muxed_throughput(size, _certificate(lab.folder)))
    yield Figure("for comparison: asyncio TLS with our yamux", theirs, "MB/s", note=f"CPU of both ends {cpu:.3g} s/GB")
    yield Figure("link: share of asyncio TLS with our yamux", ours / theirs, "", at_least(0.6, _SOURCE))
    yield Figure(
        "handshake: CPU of both ends", asyncio.run(_handshakes(lab.sizes.handshakes)), "ms", at_most(3, _SOURCE)
    )
    memory, held = asyncio.run(_idle_links(lab.sizes.idle_links))
    yield Figure("memory of an idle link", memory, "kB", at_most(85, _SOURCE), f"{held:,} links held")


async def _throughput(size: int) -> tuple[float, float]:
    node = LinkedNode(identity(1))
    with helper("links") as server:
        async with node.running():
            link = await node.manager.dial(_SINK, [server.address])
            await _given(link, MIB)
            used, started = cpu_s(os.getpid()) + cpu_s(server.pid), time.perf_counter()
            await _given(link, size)
            took_s = time.perf_counter() - started
            used = cpu_s(os.getpid()) + cpu_s(server.pid) - used
    return size / took_s / 1e6, used / size * 1e9


async def _given(link: Link, size: int) -> None:
    channel, _ = await link.open_channel("file", n=size)
    piece = os.urandom(_PIECE)
    for _ in range(size // _PIECE):
        await channel.send_bytes(piece)
    assert await channel.receive() == {"took": size}
    channel.close()


async def _plain_throughput(size: int, folder: Path | None) -> tuple[float, float]:
    context = None if folder is None else tls_context(folder, server=False)
    with helper("plain", *([] if folder is None else [str(folder)])) as server:
        reader, writer = await asyncio.open_connection(server.address.host, server.address.port, ssl=context)
        piece = os.urandom(_PIECE)
        used, started = cpu_s(os.getpid()) + cpu_s(server.pid), time.perf_counter()
        writer.write(size.to_bytes(8, "big"))
        for _ in range(size // _PIECE):
            writer.write(piece)
            await writer.drain()
        await reader.readexactly(1)
        took_s = time.perf_counter() - started
        used = cpu_s(os.getpid()) + cpu_s(server.pid) - used
        writer.close()
        await writer.wait_closed()
    return size / took_s / 1e6, used / size * 1e9


async def _muxed_throughput(size: int, folder: Path) -> tuple[float, float]:
    with helper("muxed", str(folder)) as server:
        connect = asyncio.get_running_loop().create_connection
        transport, end = await connect(
            lambda: MuxedEnd(client=True),
            server.address.host,
            server.address.port,
            ssl=tls_context(folder, server=False),
        )
        piece = os.urandom(_PIECE)
        await end.give(MIB, piece)
        used, started = cpu_s(os.getpid()) + cpu_s(server.pid), time.perf_counter()
        await end.give(size, piece)
        took_s = time.perf_counter() - started
        used = cpu_s(os.getpid()) + cpu_s(server.pid) - used
        transport.close()
    return size / took_s / 1e6, used / size * 1e9


def _certificate(folder: Path) -> Path:
    """A key and a certificate as the standard library wants them: files."""
    who = identity(1)
    key = bytes.fromhex("302e020100300506032b657004220420") + who.device_key.seed  # PKCS #8 of an Ed25519 key
    lines = (b"-----BEGIN PRIVATE KEY-----", base64.b64encode(key), b"-----END PRIVATE KEY-----", b"")
    (folder / "key.pem").write_bytes(b"\n".join(lines))
    (folder / "certificate.pem").write_bytes(who.device.pem)
    return folder


async def _handshakes(count: int) -> float:
    """ms of CPU for one link from the dial to both ends' `up`, and its end."""
    node = LinkedNode(identity(1))
    with helper("links") as server:
        async with node.running():
            used = 0.0
            for index in range(count + 1):
                if index == 1:  # the first one warms up
                    used = cpu_s(os.getpid()) + cpu_s(server.pid)
                link = await node.manager.dial(_SINK, [server.address])
                link.close("enough")
                await eventually(lambda: not node.manager._all)
            return (cpu_s(os.getpid()) + cpu_s(server.pid) - used) / count * 1e3


async def _idle_links(count: int) -> tuple[float, int]:
    """kB that the listening process grew by for each link that it holds, and how many it holds."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 16_384)), hard))
    carrier = TcpCarrier()  # its buffer is not what is measured
    with helper("links") as server:
        async with asyncio.TaskGroup() as tasks:
            nodes = [
                LinkedNode(identity(1 + index // 250, device=index % 250), carrier=carrier)
                for index in range(count + 1)
            ]
            for node in nodes:
                tasks.create_task(node.manager.run())
            await asyncio.sleep(0)
            before = 0.0
            for index, node in enumerate(nodes):
                if index == 1:
                    before = await _settled_rss(server)
                await node.manager.dial(_SINK, [server.address])
            after = await _settled_rss(server)
            held = await asyncio.to_thread(server.ask, "links")
            for node in nodes:
                await node.manager.close()
    assert held == count + 1, f"only {held} of {count + 1} links are held"
    return (after - before) / count * MIB / 1e3, held


async def _settled_rss(server: Helper) -> float:
    await asyncio.to_thread(server.ask, "tidy")
    return rss_mib(server.pid)
