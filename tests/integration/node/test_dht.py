"""The DHT of a node, from nothing to a network, over loopback. (SCP-05 §1.7, §1.8)"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.discovery.addressbook import Source
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.dht import identity, state
from swarmchat.discovery.dht.dht import Dht
from swarmchat.discovery.dht.identity import NodeKey
from swarmchat.discovery.dht.joining import Entrance
from swarmchat.discovery.dht.settings import DhtSettings
from swarmchat.discovery.directory import Entry, Found
from swarmchat.node.config import Config
from swarmchat.node.dht import DhtPart
from swarmchat.node.dhtserver import serve_metrics
from swarmchat.runtime import SystemRuntime
from tests.support.dht_seeds import SEEDS, keep

KEY = DhtKey(b"k" * 20)
LOOPBACK = Address("127.0.0.1", 0)


class Quick(SystemRuntime):
    """Waits a hundredth for a port that is taken."""

    async def sleep(self, delay_s: float) -> None:
        await super().sleep(0.01 if delay_s == limits.DHT_PORT_RETRY_S else delay_s)


@contextlib.asynccontextmanager
async def public_node() -> AsyncIterator[Entrance]:
    """What `dht serve` runs."""
    key = NodeKey.from_seed(SEEDS[0])
    node = Dht(key, SystemRuntime(), DhtSettings(client=False))
    await node.start([LOOPBACK])
    try:
        yield Entrance(node.listens[0], key.id)
    finally:
        await node.stop()


@contextlib.asynccontextmanager
async def running(folder: Path, number: int | None, **settings: Any) -> AsyncIterator[DhtPart]:
    """The part of a node that was started before with key `number`."""
    if number is not None:
        keep(folder, number)
    told: list[int] = []
    config = Config(**{"listen": (LOOPBACK,), "lan_enabled": False} | settings)
    part = DhtPart(folder, config, Quick(), told.append)
    task = asyncio.get_running_loop().create_task(part.run())
    try:
        yield part
        assert told == ([] if part.port is None else [part.port])
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert part.dht is None


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a story; no task may be left."""

    async def whole() -> None:
        await story()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(whole())


async def until(holds: Callable[[], object], within_s: float = 20.0) -> None:
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


def test_what_was_asked_for_before_there_was_a_network_is_done_when_there_is(tmp_path: Path) -> None:
    async def story() -> None:
        heard: list[Found] = []
        async with public_node() as node, contextlib.AsyncExitStack() as stack:
            ann = await stack.enter_async_context(running(tmp_path / "ann", 1, dht_bootstrap=(node,)))
            ben = await stack.enter_async_context(running(tmp_path / "ben", 2, dht_bootstrap=(node,)))
            ann.publish("card", lambda now: Entry(KEY, b"", b"ann is here"))
            end = ben.watch(KEY, heard.append)
            await until(lambda: heard)
            assert [one.data for one in heard] == [b"ann is here"]
            assert [one.data for one in await ben.get(KEY)] == [b"ann is here"]
            assert ann.connected
            assert "bootstrap" in {one.source for one in ann.nodes()} <= {"bootstrap", "dht"}
            assert (ann.status.state, "known, on UDP port" in ann.status.found) == ("connected", True)
            end()
            assert await ben.put(Entry(KEY, b"", b"ben too")) >= 1
            ann.withdraw("card")
        assert state.load(tmp_path / "ann" / "dht.json") is not None

    play(story)


def test_a_node_that_a_peer_tells_of_is_a_way_in_and_known_after_a_restart(tmp_path: Path) -> None:
    async def story() -> None:
        async with public_node() as node:
            async with running(tmp_path / "ann", 1) as ann:
                assert ann.status.state == "waiting"
                ann.met(node.address, Source.LINK)
                await until(lambda: ann.connected)
                (known,) = ann.nodes()
                assert (known.id, known.address, known.source) == (
                    NodeKey.from_seed(SEEDS[0]).id.hex(),
                    node.address,
                    "link",
                )
                assert 0 <= known.age_s < 20
                port = ann.port
            async with running(tmp_path / "ann", None) as ann:
                await until(lambda: ann.connected)
                assert ann.port == port, "others find it where it was"
                assert [one.source for one in ann.nodes()] == ["kept"]

    play(story)


def test_interfaces_that_come_and_go_have_all_put_anew_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        over = asyncio.Event()

        async def sleep(runtime: Quick, delay_s: float) -> None:
            await (over.wait() if delay_s == limits.DHT_CHANGES_S else asyncio.sleep(delay_s))

        monkeypatch.setattr(limits, "DHT_CHANGES_S", 7.25)  # as nothing else that it waits for
        monkeypatch.setattr(Quick, "sleep", sleep)
        async with public_node() as node, running(tmp_path, 1, dht_bootstrap=(node,)) as ann:
            await until(lambda: ann.connected)
            assert ann.dht is not None
            changes: list[None] = []
            monkeypatch.setattr(ann.dht, "network_changed", lambda: changes.append(None))
            for _ in range(20):
                ann.network_changed()
                await asyncio.sleep(0.005)
            await until(lambda: changes)
            assert len(changes) == 1, "the first is taken at once, and the others together when the time is over"
            over.set()
            await until(lambda: len(changes) == 2)
            await asyncio.sleep(0.05)
            assert len(changes) == 2

    play(story)


def test_a_port_that_is_taken_is_said_and_tried_again(tmp_path: Path) -> None:
    async def story() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            async with public_node() as node, running(tmp_path, 1, dht_bootstrap=(node,), dht_port=port) as ann:
                await until(lambda: ann.status.state == "waiting" and "cannot listen" in ann.status.found)
                assert ann.status.hint is not None
                taken.close()
                await until(lambda: ann.connected)
                assert ann.port == port

    play(story)


def test_the_first_start_looks_for_a_key_and_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def find(entropy: object, progress: Callable[[int], None]) -> NodeKey:
        progress(1_024)
        looked.append(ann_parts[0].status.found)
        return NodeKey.from_seed(SEEDS[3])

    ann_parts: list[DhtPart] = []
    monkeypatch.setattr(identity, "find_node_key", find)

    async def story() -> None:
        async with public_node() as node, running(tmp_path, None, dht_bootstrap=(node,)) as ann:
            ann_parts.append(ann)
            await until(lambda: ann.connected)
            kept = state.load(tmp_path / "dht.json")
            assert kept is not None
            assert kept.seed == SEEDS[3]
        assert (tmp_path / "dht.json").stat().st_mode & 0o777 == 0o600

    play(story)
    assert looked == [
        "looking for the key of this node, once: 1,024 keys tried; it takes 65,536 on average, often more"
    ]


def test_who_stops_while_a_key_is_looked_for_waits_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = list[None](), list[int]()

    def find(entropy: object, progress: Callable[[int], None]) -> NodeKey:
        tries = 0
        begun.append(None)
        try:
            while True:
                progress(tries := tries + 1_024)
        finally:
            ended.append(tries)

    monkeypatch.setattr(identity, "find_node_key", find)

    async def story() -> None:
        async with running(tmp_path, None, dht_bootstrap=(Entrance(Address("127.0.0.1", 9)),)) as ann:
            await until(lambda: begun and ann.status.state == "making-key")

    play(story)  # which waits for its threads
    assert len(ended) == 1
    assert not (tmp_path / "dht.json").exists()


def test_a_damaged_state_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "find_node_key", lambda entropy, progress: NodeKey.from_seed(SEEDS[4]))
    (tmp_path / "dht.json").write_bytes(b"{")
    (tmp_path / "dht-ports.json").write_bytes(b"[]")

    async def story() -> None:
        async with public_node() as node, running(tmp_path, None, dht_bootstrap=(node,)) as ann:
            await until(lambda: ann.connected)

    play(story)


def test_metrics_are_read_over_http_and_who_says_nothing_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DHT_METRICS_TIMEOUT_S", 0.05)

    async def ask(address: Address, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(request)
        try:
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()

    async def story() -> None:
        async with serve_metrics(LOOPBACK, lambda: {"swarmchat_dht_records": 3.0}) as where:
            answer = await ask(where, b"GET /metrics HTTP/1.1\r\n\r\n")
            assert answer.endswith(b"\r\n\r\nswarmchat_dht_records 3.0\n")
            assert await ask(where, b"GET /metr") == b""
            assert await ask(where, b"x" * (limits.DHT_METRICS_REQUEST_BYTES_MAX + 10)) == b""

    play(story)
