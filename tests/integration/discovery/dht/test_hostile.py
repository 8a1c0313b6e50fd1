"""Whatever strangers send: nothing raises, the socket stays open, bounds hold, no answer is over three times its request.
(SCP-05 §1.9, §1.14–§1.17)"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgpack
import pytest

from swarmchat import limits
from swarmchat.crypto.keys import PrivateKey
from swarmchat.discovery.dht.dht import Dht
from swarmchat.discovery.dht.hosts import Endpoint
from swarmchat.discovery.dht.identity import node_id
from swarmchat.discovery.dht.joining import Entrance
from swarmchat.discovery.dht.protocol import Protocol
from swarmchat.discovery.dht.records import Kind, write
from swarmchat.discovery.dht.wire import Answer, Frame, Method, Request, frame, parse_answer, request_datagram
from tests.support import dht_wire
from tests.support.dht_nodes import Nodes, Runtime, network, protocols, total, until

NET = dht_wire.NETWORK


class Stranger(asyncio.DatagramProtocol):
    """A socket of somebody who keeps to no rule. `answer` says what he answers to whatever he is asked."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.only: Endpoint | None = None  # whom alone it hears
        self.answer: Callable[[Frame], bytes | None] = lambda asked: None
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Endpoint) -> None:
        if self.only not in {None, address}:
            return
        self.heard.append(data)
        asked = frame(data, NET)
        if isinstance(asked, Frame) and not asked.is_answer:
            reply = self.answer(asked)
            if reply is not None:
                self.transport.sendto(reply, address)

    @property
    def endpoint(self) -> Endpoint:
        host, port = self.transport.get_extra_info("sockname")
        return host, port

    def answers(self) -> list[Answer | None]:
        read = [frame(data, NET) for data in self.heard]
        return [parse_answer(one.body) for one in read if isinstance(one, Frame) and one.is_answer]


@asynccontextmanager
async def stranger() -> AsyncIterator[Stranger]:
    transport, one = await asyncio.get_running_loop().create_datagram_endpoint(Stranger, local_addr=("127.0.0.1", 0))
    try:
        yield one
    finally:
        transport.close()
        await asyncio.sleep(0)


def where(node: Dht) -> Endpoint:
    return node.listens[0].host, node.listens[0].port


async def still_works(node: Dht, nodes: Nodes) -> None:
    """It answers, and asks, as if nothing had been."""
    (protocol,) = protocols(node)
    assert not protocol.transport.is_closing()
    fresh = await nodes.start()
    assert await fresh.bootstrap([Entrance(node.listens[0], node.id)]) == 1
    entry = nodes.entry()
    assert await fresh.put(entry) >= 1
    assert entry.data in {one.data for one in await node.get(entry.key)}


def junk(dice: random.Random, depth: int = 0) -> Any:
    kind = dice.randrange(9)
    if kind < 6 or depth > 2:
        return [None, True, -1, 2**63, dice.randbytes(dice.randrange(60)), "x" * 5, [], {}, 1.5][kind]
    if kind < 8:
        return [junk(dice, depth + 1) for _ in range(dice.randrange(6))]
    return {"a": junk(dice, depth + 1)}


def corpus(dice: random.Random) -> list[bytes]:
    """Datagrams that are none, and bodies that no method has, in frames that hold."""

    def framed(body: bytes) -> bytes:
        head = b"sc1" + NET + b"\0" + dice.randbytes(8) + len(body).to_bytes(2, "big")
        return (head + body).ljust(100, b"\0")

    key = bytes(20)
    bodies = [
        b"",
        b"\xc1",
        b"\x91" * 1_150,
        b"\x81\xa1n" * 380,
        b"\xdd\xff\xff\xff\xff",
        *(
            msgpack.packb(body)
            for body in (
                None,
                [],
                [0],
                [99, key],
                [1, key],
                [1, key, bytes(21)],
                [1, key, "x" * 20],
                [1, bytes(21), key],
                [2, key, key, [b"x"]],
                [3, key, key, bytes(8), 2**63],
                [4, key, key, bytes(8), bytes(8), 0, 2**40, b"x"],
                [4, key, key, bytes(8), bytes(8), 0, 1, b"x" * 1_000],
                [5, key, key, bytes(8), {}],
                [7, key, key, bytes(8), 5, 5],
                [9, key, b"\x7f\0\0\1\0\0"],
                [9, key, b"\xff" * 6],
            )
        ),
        *(msgpack.packb(junk(dice)) for _ in range(200)),
        *(
            msgpack.packb([dice.randrange(10), key, *(junk(dice) for _ in range(dice.randrange(7)))])
            for _ in range(400)
        ),
    ]
    return [
        b"",
        b"x",
        bytes(1_200),
        bytes(60_000),
        b"\x00" + dice.randbytes(20) + b"\x92\xa4ping\x91\xc4\x14" + bytes(20),  # what the package takes for a ping
        *(framed(body) for body in bodies if len(body) < 1_180),
        *(dice.randbytes(dice.randrange(1_300)) for _ in range(200)),
        *(dht_wire.request(one)[: dice.randrange(200)] for one in dht_wire.REQUESTS),
        *(dht_wire.answer(one) for one in dht_wire.ANSWERS),
    ]


def test_nothing_that_arrives_raises_or_closes_the_socket(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with network(1) as nodes, stranger() as villain:
            node = await nodes.start()
            node.watch(nodes.entry().key, lambda found: None)
            for data in corpus(random.Random(1)):
                villain.transport.sendto(data, where(node))
                if nodes.dice.random() < 0.1:
                    await asyncio.sleep(0)
            await asyncio.sleep(0.2)
            assert total(node, 'datagrams_dropped_total{reason="mistake"') == 0
            assert not node.contacts()
            await still_works(node, nodes)

    asyncio.run(run())
    assert not caplog.records


def test_no_answer_with_its_ping_back_is_over_three_times_the_request() -> None:
    async def run() -> None:
        async with network(2) as nodes, stranger() as villain:
            await nodes.grow(25)
            node, key = nodes.nodes[0], nodes.entry().key
            for writer in nodes.nodes[:20]:
                await writer.put(nodes.entry(nodes.dice.randbytes(3_000), key=key))
            villain.only = where(node)
            villain.transport.sendto(request_datagram(NET, bytes(8), Request(Method.FIND, b"", key)), where(node))
            await until(lambda: bool(villain.answers()))
            token = villain.answers()[0].token  # type: ignore[union-attr]
            heard, sent = 0, 0  # in all: a ping back may come after the answer to the next request
            for method in Method:
                for given in (token, bytes(8)):
                    for asker in (b"", nodes.dice.randbytes(20)):
                        fields = {"token": given, "digest": bytes(8), "count": 1, "data": b"x"}
                        ask = Request(method, asker, key, address=("127.0.0.1", 9), **fields)  # type: ignore[arg-type]
                        data = request_datagram(NET, nodes.dice.randbytes(8), ask)
                        villain.heard.clear()
                        villain.transport.sendto(data, where(node))
                        await until(lambda: bool(villain.heard))
                        await asyncio.sleep(0.01)
                        heard, sent = heard + sum(map(len, villain.heard)), sent + len(data)
                        assert heard <= 3 * sent, method
            assert total(node, "rpc_served_total") > 10

    asyncio.run(run())


def test_short_requests_get_no_answer_at_all() -> None:
    async def run() -> None:
        async with network(3) as nodes, stranger() as villain:
            node = await nodes.start()
            find = dht_wire.request(Request(Method.FIND, b"", nodes.entry().key))
            villain.transport.sendto(find[: limits.DHT_REQUEST_BYTES_MIN - 1], where(node))
            villain.transport.sendto(find[:60], where(node))
            await until(lambda: total(node, 'datagrams_dropped_total{reason="unpadded"') == 2)
            assert villain.heard == []

    asyncio.run(run())


def test_a_flood_from_one_network_is_dropped_before_anything_is_read_or_signed() -> None:
    async def run() -> None:
        async with network(4) as nodes, stranger() as villain:
            node = await nodes.start(requests_per_s=10.0, requests_burst=20.0)
            (protocol,) = protocols(node)
            data = dht_wire.request(Request(Method.PING))
            for _ in range(300):
                protocol.datagram_received(data, villain.endpoint)
            served = total(node, "rpc_served_total")
            assert 20 <= served <= 60
            assert total(node, 'datagrams_dropped_total{reason="rate"') == 300 - served
            await asyncio.sleep(0.2)
            assert len(villain.heard) == served

    asyncio.run(run())


def test_invented_ids_from_one_address_enter_no_table() -> None:
    async def run() -> None:
        async with network(5) as nodes, stranger() as villain:
            node = await nodes.start()
            for _ in range(500):
                ask = Request(Method.PING, nodes.dice.randbytes(20))
                villain.transport.sendto(request_datagram(NET, nodes.dice.randbytes(8), ask), where(node))
                if nodes.dice.random() < 0.2:
                    await asyncio.sleep(0.001)
            await asyncio.sleep(1.0)
            assert node.contacts() == []
            assert len(protocols(node)[0]._pinging) == 0

    asyncio.run(run())


def test_one_socket_with_many_proven_ids_is_one_contact() -> None:
    async def run() -> None:
        async with network(6) as nodes, stranger() as villain:
            node = await nodes.start()
            keys = [PrivateKey.from_seed(number.to_bytes(32, "big")) for number in range(1, 60)]
            for key in keys:
                villain.answer = lambda asked, key=key: dht_wire.answer(  # type: ignore[misc]
                    Answer(stored=1), key=key, transaction=asked.transaction
                )
                ask = Request(Method.PING, node_id(key.public.raw))
                villain.transport.sendto(request_datagram(NET, nodes.dice.randbytes(8), ask), where(node))
                await asyncio.sleep(0.01)
            assert len(node.contacts()) == 1

    asyncio.run(run())


def test_an_id_that_does_not_solve_the_puzzle_is_nobody() -> None:
    async def run() -> None:
        async with network(7) as nodes:
            weak = await nodes.start()
            strict = await nodes.start(puzzle_bits=20)
            assert await strict.bootstrap([Entrance(weak.listens[0])]) == 0
            assert strict.contacts() == []
            assert total(strict, 'datagrams_dropped_total{reason="id"') > 0

    asyncio.run(run())


def bad_answers(dice: random.Random) -> list[bytes]:
    nowhere = [
        bytes(20) + b"\x7f\0\0\1\0\0",
        bytes(20) + b"\xff" * 6,
        bytes(20) + bytes(6),
        bytes(20) + b"\xe0\0\0\1\x10\x10",
    ]
    given: list[Any] = [
        {"4": b"".join(nowhere) * 10},
        {"4": b"".join(dice.randbytes(20) + b"\x7f\0\0\1\x5d\xc0" for _ in range(20)), "t": bytes(8)},
        {"4": bytes(25)},
        {"4": 7},
        {"6": bytes(38)},
        {"r": [b"", 5]},
        {"r": [b"", b"x", b"\x9a" + bytes(50)], "t": bytes(8)},
        {"r": [b"junk"] * 64, "m": [[dice.randbytes(8), 4_000] for _ in range(64)], "l": 5},
        {"m": [[bytes(8), 10**9]]},
        {"m": [[1, 2, 3], 5]},
        {"tok": 5},
        {"t": 5},
        {"t": b"x"},
        {"you": b"x"},
        {"you": bytes(6)},
        {"no": {}},
        {"no": "token"},
        {"no": "x" * 40},
        {"ok": 1},
        {"ok": 2},
        {"p": b"x" * 900},
        {"now": -1},
        {"now": 2**39, "you": b"\x7f\0\0\1\0\1"},
        [1, 2],
        7,
        None,
        *(junk(dice) for _ in range(80)),
        *(
            {key: junk(dice) for key in dice.sample(["4", "r", "m", "t", "you", "no", "p", "ok"], 3)}
            for _ in range(150)
        ),
    ]
    return [b"", b"\xc1", b"\x91" * 900, b"\x81\xa1n" * 300, *map(msgpack.packb, given)]


def test_signed_answers_that_lie_raise_nothing_and_end(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with network(8) as nodes, stranger() as villain:
            node = await nodes.start()
            (protocol,) = protocols(node)
            key = PrivateKey.from_seed(bytes(range(32)))
            protocol.calls.rto_s = 0.02
            for body in bad_answers(random.Random(8)):
                if len(body) > 1_000:
                    continue
                villain.answer = lambda asked, body=body: dht_wire.sealed(  # type: ignore[misc]
                    body, key=key, transaction=asked.transaction
                )
                protocol.router.answered(node_id(key.public.raw), villain.endpoint, 0.0)
                protocol.calls._srtt = None
                protocol.calls.rto_s = 0.02
                async with asyncio.timeout(10):
                    entry = nodes.entry()
                    await asyncio.gather(node.get(entry.key), node.put(entry))
                    stop = node.watch(entry.key, lambda found: None)
                    await asyncio.sleep(0)
                    stop()
            assert total(node, 'datagrams_dropped_total{reason="nonsense"') > 100
            assert total(node, 'datagrams_dropped_total{reason="mistake"') == 0
            await until(lambda: len(protocol.calls) == 0)
            assert not protocol.transport.is_closing()

    asyncio.run(run())
    assert not caplog.records


def test_who_answers_for_another_or_from_elsewhere_is_not_heard() -> None:
    async def run() -> None:
        async with network(9) as nodes, stranger() as villain, stranger() as accomplice:
            node = await nodes.start()
            (protocol,) = protocols(node)
            key = PrivateKey.from_seed(bytes(range(32)))
            villain.answer = lambda asked: dht_wire.answer(Answer(), key=key, transaction=asked.transaction)
            ping = Request(Method.PING)
            assert await protocol.asked(villain.endpoint, ping, expect=bytes(20), tries=1) is None
            villain.answer = lambda asked: dht_wire.answer(Answer(), key=key, transaction=bytes(8))
            assert await protocol.asked(villain.endpoint, ping, tries=1) is None

            def elsewhere(asked: Frame) -> None:
                accomplice.transport.sendto(
                    dht_wire.answer(Answer(), key=key, transaction=asked.transaction), where(node)
                )

            villain.answer = elsewhere
            assert await protocol.asked(villain.endpoint, ping, tries=1) is None

            def forged(asked: Frame) -> bytes:
                whole = bytearray(dht_wire.answer(Answer(stored=1), key=key, transaction=asked.transaction))
                whole[20] ^= 1
                return bytes(whole)

            villain.answer = forged
            assert await protocol.asked(villain.endpoint, ping, tries=1) is None
            reasons = {"id": 1, "unexpected": 2, "signature": 1}
            for reason, count in reasons.items():
                assert total(node, f'datagrams_dropped_total{{reason="{reason}"') == count
            assert node.contacts() == []

    asyncio.run(run())


def test_where_a_reply_leads_nowhere_the_socket_stays_open() -> None:
    """The stock package is gone for good after one such contact."""

    async def run() -> None:
        async with network(10) as nodes:
            node = await nodes.start()
            (protocol,) = protocols(node)
            for address in (("127.0.0.1", 70_000), ("0.0.0.0", 0), (None, 5), ("nobody", 1), ("::1", 9)):
                Protocol._send(protocol, b"x" * 200, address)  # type: ignore[arg-type]
            assert not protocol.transport.is_closing()
            await still_works(node, nodes)

    asyncio.run(run())


def test_junk_of_one_source_fills_no_store() -> None:
    async def run() -> None:
        async with network(11) as nodes:
            node = await nodes.start()
            other = await nodes.start(via=[node])
            (protocol,) = protocols(other)
            await protocol.asked(where(node), Request(Method.FIND, other.id, nodes.entry().key))
            token, now = protocol.token(where(node)), int(Runtime().now())
            key = nodes.entry().key
            asked = []
            for number in range(1, 300):
                writer = PrivateKey.from_seed(number.to_bytes(32, "big"))
                one = write(Kind.MAILBOX, key, writer, bytes(600), seq=1, created=now, ttl=600)
                put = Request(Method.PUT, other.id, key, token, (), one.digest, 0, 1, one.encoded)
                asked.append(protocol.asked(where(node), put))
            heard = await asyncio.gather(*asked)
            assert all(one is not None for one in heard)
            assert node.storage.count <= limits.DHT_RECORDS_PER_KEY_MAX
            assert total(node, 'records_rejected_total{reason="key-full"') > 100

    asyncio.run(run())


def test_errors_of_the_network_are_counted_and_nothing_more() -> None:
    async def run() -> None:
        async with network(12) as nodes:
            node = await nodes.start()
            (protocol,) = protocols(node)
            for address in (("127.0.0.1", 0), ("::1", 9)):
                assert await protocol.asked(address, Request(Method.PING), tries=1) is None
            assert total(node, 'datagrams_dropped_total{reason="refused"') == 2
            await still_works(node, nodes)

    asyncio.run(run())
