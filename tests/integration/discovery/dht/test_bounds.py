"""A node at its bounds: pings back, tokens, looks after itself, what it keeps and when. (SCP-05 §1.15–§1.20)"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from swarmchat import limits
from swarmchat.discovery.dht.calls import ignore
from swarmchat.discovery.dht.dht import Dht
from swarmchat.discovery.dht.hosts import Endpoint
from swarmchat.discovery.dht.identity import NodeId
from swarmchat.discovery.dht.wire import Answer, Frame, Method, Request, frame, parse_request
from swarmchat.discovery.directory import Entry
from tests.support import dht_wire
from tests.support.dht_air import play
from tests.support.dht_nodes import Runtime, network, protocols


def pinged(node: Dht) -> list[Endpoint]:
    """Whom the node sends a ping from now on, once for each sending."""
    found: list[Endpoint] = []

    def heard(data: bytes, address: Endpoint) -> None:
        read = frame(data, dht_wire.NETWORK)
        if isinstance(read, Frame) and not read.is_answer:
            request = parse_request(read.body)
            if request is not None and request.method is Method.PING:
                found.append(address)

    (protocol,) = protocols(node)
    line: Any = protocol.transport
    line.heard = heard
    return found


def knock(node: Dht, asker: bytes, number: int) -> None:
    """Somebody at an address of his own asks, and says who he is."""
    (protocol,) = protocols(node)
    source = (f"10.0.{number // 250}.{number % 250}", 4222)
    protocol.datagram_received(dht_wire.request(Request(Method.PING, asker)), source)


def other(node: Dht, difference: int) -> NodeId:
    return NodeId((int.from_bytes(node.id, "big") ^ difference).to_bytes(20, "big"))


def test_so_many_are_asked_to_prove_themselves_at_once() -> None:
    async def run() -> None:
        async with network(1) as nodes:
            node = await nodes.start()
            pings = pinged(node)
            for number in range(limits.DHT_PINGS_BACK_MAX + 5):
                knock(node, nodes.dice.randbytes(20), number)
            assert len(pings) == limits.DHT_PINGS_BACK_MAX
            await asyncio.sleep(5)  # nobody answered: there is room again
            knock(node, nodes.dice.randbytes(20), 999)
            assert len(pings) == limits.DHT_PINGS_BACK_MAX + 1

    play(run)


def test_of_those_far_from_us_one_a_second_is_asked_to_prove_himself() -> None:
    async def run() -> None:
        async with network(2) as nodes:
            node = await nodes.start(tick_s=1_000.0)
            (protocol,) = protocols(node)
            now = asyncio.get_running_loop().time()
            for number in range(1, limits.DHT_BUCKET_CONTACTS + 1):
                protocol.router.answered(other(node, number), ("10.9.9.9", number), now)
            protocol.router.answered(other(node, 1 << 159), ("10.9.9.9", 99), now)
            pings = pinged(node)

            def far(count: int, begin: int) -> int:
                before = len(pings)
                for number in range(begin, begin + count):
                    knock(node, other(node, (1 << 159) + number), number)
                return len(pings) - before

            assert far(30, 1) == limits.DHT_PINGS_BACK_BURST
            await asyncio.sleep(0.9 / limits.DHT_PINGS_BACK_PER_S)
            assert far(5, 100) == 0
            await asyncio.sleep(0.2 / limits.DHT_PINGS_BACK_PER_S)
            assert far(5, 200) == 1
            before = len(pings)
            knock(node, other(node, 77), 300)  # a neighbour is asked at any time
            assert len(pings) == before + 1

    play(run)


def test_so_many_tokens_are_kept_and_the_oldest_goes() -> None:
    async def run() -> None:
        async with network(3) as nodes:
            node = await nodes.start()
            (protocol,) = protocols(node)
            givers = [(f"10.1.{number // 250}.{number % 250}", 4222) for number in range(limits.DHT_TOKENS_KEPT_MAX)]

            def given(address: Endpoint) -> None:
                call = protocol.ask(address, Request(Method.FIND, b"", nodes.entry().key), ignore)
                answer = dht_wire.answer(Answer(token=dht_wire.TOKEN), transaction=call.transaction)
                protocol.datagram_received(answer, address)

            for address in givers:
                given(address)
            given(givers[0])  # again: now the second is the oldest
            assert all(protocol.token(address) == dht_wire.TOKEN for address in givers)
            given(("10.2.0.1", 4222))
            assert protocol.token(givers[1]) == b""
            assert protocol.token(givers[0]) == protocol.token(("10.2.0.1", 4222)) == dht_wire.TOKEN

    play(run)


@pytest.mark.parametrize(("old", "asked"), [(2, 2), (limits.DHT_STALE_PINGS + 2, limits.DHT_STALE_PINGS)])
def test_who_was_not_heard_of_for_ten_minutes_is_pinged_a_few_at_each_look(old: int, asked: int) -> None:
    async def run() -> None:
        async with network(4) as nodes:
            node = await nodes.start(tick_s=1_000.0)
            pings = pinged(node)
            (protocol,) = protocols(node)
            now = asyncio.get_running_loop().time()
            for number in range(1, 10):
                age = limits.DHT_STALE_S + 10 - number if number <= old else limits.DHT_STALE_S - 5
                protocol.router.answered(other(node, number), ("10.9.9.9", number), now - age)
            node._joining._newcomers = node._joining._neighbours()  # so that it does not look around as well
            await node._joining._look_after()
            assert sorted(pings) == [("10.9.9.9", number) for number in range(1, asked + 1)]

    play(run)


@pytest.mark.parametrize(("known", "enough"), [(0, 1), (1, 1), (2, 2), (limits.DHT_PUT_ENOUGH, 3), (20, 3)])
def test_three_replicas_are_enough_and_in_a_small_network_all_there_are(known: int, enough: int) -> None:
    async def run() -> None:
        async with network(5) as nodes:
            node = await nodes.start(tick_s=1_000.0)
            (protocol,) = protocols(node)
            for number in range(1, known + 1):
                protocol.router.answered(other(node, number), ("10.9.9.9", number), 0.0)
            assert node._enough() == enough

    play(run)


def test_a_clock_that_jumps_by_a_minute_was_asleep_and_by_less_was_set() -> None:
    async def run() -> None:
        async with network(6) as nodes:
            clock = Runtime()
            node = await nodes.start(runtime=clock, put_every_s=10_000.0)
            made: list[float] = []

            def make(now: float) -> Entry | None:
                made.append(now)
                return None

            node.publish("card", make)
            await asyncio.sleep(5)
            assert len(made) == 1
            for _ in range(3):
                clock.ahead_s += limits.DHT_CLOCK_JUMP_S - 1
                await asyncio.sleep(5)
            clock.ahead_s -= 1_000
            await asyncio.sleep(5)
            assert len(made) == 1
            clock.ahead_s += limits.DHT_CLOCK_JUMP_S + 1
            await asyncio.sleep(5)
            assert len(made) == 2

    play(run)


def test_what_a_node_knows_is_saved_every_ten_minutes(tmp_path: Path) -> None:
    async def run() -> None:
        async with network(7) as nodes:
            file = tmp_path / "dht.json"
            other = await nodes.start(tick_s=1_000.0)
            await nodes.start(file=file, tick_s=10.0, via=[other])
            await asyncio.sleep(11)  # once when it has found in, and at its first look
            for _ in range(2):
                file.unlink()
                await asyncio.sleep(limits.DHT_SAVE_S - 2)
                assert not file.exists()
                await asyncio.sleep(2)
                assert file.exists()

    play(run)
