"""What anybody can send to a node of the DHT: datagrams, requests, signed answers, records. (SCP-05 §1.9, §1.14)"""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import msgpack

from swarmchat import limits
from swarmchat.crypto.keys import PrivateKey
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.dht.admission import Meter
from swarmchat.discovery.dht.calls import Heard
from swarmchat.discovery.dht.clocks import Clocks
from swarmchat.discovery.dht.counters import Counters
from swarmchat.discovery.dht.hosts import Endpoint
from swarmchat.discovery.dht.identity import NodeId, NodeKey, node_id
from swarmchat.discovery.dht.lookup import Harvest
from swarmchat.discovery.dht.net import Net
from swarmchat.discovery.dht.protocol import Protocol
from swarmchat.discovery.dht.reach import Reach
from swarmchat.discovery.dht.records import Kind, owned_key, write
from swarmchat.discovery.dht.serving import Served, Serving
from swarmchat.discovery.dht.settings import DhtSettings
from swarmchat.discovery.dht.storage import RecordStorage
from swarmchat.discovery.dht.wire import (
    Answer,
    Frame,
    Method,
    Request,
    answer_body,
    frame,
    parse_answer,
    parse_request,
    request_datagram,
)
from swarmchat.runtime import SystemRuntime
from tests.fuzz.recipe import Recipe, piece
from tests.support import dht_wire

TOKENS = (
    b"sc1" + dht_wire.NETWORK,
    dht_wire.KEY,
    *(b"\xa1" + name for name in (b"4", b"6", b"t", b"r", b"m", b"l", b"p", b"c")),
    *(b"\xa2ok", b"\xa2no", b"\xa3you", b"\xa3now", b"\xa3ttl"),
    *(b"\xc4\x14", b"\xc4\x08", b"\xc4\x1a", b"\xc4\x26", b"\xc5\x03\x84", b"\x9a\x01\xc4\x14", b"\xc4\x40", b"\xcf"),
    *(b"\x92\x08\xc4\x00", b"\x95\x05", b"\x98\x04", b"\x93\x01", b"\x7f\x00\x00\x01\x10\x7e"),
)
_NOW = 1_780_000_000
_SETTINGS = DhtSettings(client=False, puzzle_bits=0, work_bits=0)
_KEY = NodeKey.from_seed(bytes(range(1, 33)), 0)
_PEERS = [PrivateKey.from_seed(bytes([number]) * 32) for number in range(8)]
_ENDPOINTS: list[Endpoint] = [
    *(("127.0.0.1", 4_001 + number) for number in range(4)),
    ("8.8.8.8", 4_222),
    ("8.8.8.9", 4_222),
    ("192.168.1.7", 4_222),
    ("2001:4860::1", 4_222),
]
_RAW, _ASKED, _PUT, _ANSWERED, _SEARCHED, _PARSED = range(6)
_STEPS = 12


class _Runtime(SystemRuntime):
    """A clock that stands, dice that count."""

    def __init__(self) -> None:
        self._count = 0

    def now(self) -> float:
        return float(_NOW)

    def monotonic(self) -> float:
        return 1_000.0

    def entropy(self, count: int) -> bytes:
        self._count += 1
        return self._count.to_bytes(count, "big")


class _Wire:
    """A transport that keeps what is sent; `answer` may answer a request at once."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Endpoint]] = []
        self.answer: Callable[[bytes, Endpoint], None] | None = None

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing to close."""

    def sendto(self, data: bytes, address: Endpoint) -> None:
        assert len(data) <= limits.DHT_DATAGRAM_BYTES_MAX
        assert 0 <= address[1] <= 65_535
        self.sent.append((data, address))
        if self.answer is not None:
            self.answer(data, address)


class _Node:
    """A node without a socket."""

    def __init__(self) -> None:
        runtime = _Runtime()
        self.counters = Counters()
        self.told: list[Request] = []
        self.storage = RecordStorage()
        self.serving = Serving(self.storage, bytes(32), bits=0, told=lambda source, ask: self.told.append(ask))
        self.wire = _Wire()
        self.protocol = Protocol(
            _KEY,
            _SETTINGS,
            self.serving,
            runtime,
            meter=Meter(limits.DHT_REQUESTS_PER_S, limits.DHT_REQUESTS_BURST),
            reach=Reach(),
            clocks=Clocks(),
            counters=self.counters,
            tell=self._tell,
        )
        self.protocol.transport = self.wire
        self.net = Net(runtime, _SETTINGS, self.counters)
        self.net.protocols["4"] = self.protocol
        for number, key in enumerate(_PEERS):
            self.protocol.router.answered(node_id(key.public.raw), ("127.0.0.1", 5_000 + number), 0.0)

    def _tell(self, served: Served) -> None:
        assert served.news is None or served.news in self.storage.records(served.news.key, _NOW)

    def receive(self, data: bytes, source: Endpoint) -> None:
        """A datagram from somebody; what goes back to him is no more than three times its bytes."""
        self.wire.sent.clear()
        self.protocol.datagram_received(data, source)
        back = sum(len(sent) for sent, address in self.wire.sent if address == source)
        assert back <= 3 * len(data), f"{back} bytes for {len(data)}"
        assert all(address == source for _, address in self.wire.sent)

    def check(self) -> None:
        assert not self.counters.total("datagrams_dropped_total", "mistake")
        assert len(self.protocol.router) <= 8 + _STEPS
        assert len(self.serving.subscribers) <= _STEPS
        assert len(self.serving.partials) <= _STEPS
        assert self.storage.count <= _STEPS


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    atexit.register(loop.close)
    return loop


def _framed(body: bytes) -> bytes:
    head = b"sc1" + dht_wire.NETWORK + b"\0" + bytes(8) + len(body).to_bytes(2, "big")
    return (head + body).ljust(limits.DHT_QUERY_BYTES, b"\0")


def seeds() -> Iterator[bytes]:
    """Each method, each kind of answer, records of both kinds, whole and in parts."""
    writer = PrivateKey.from_seed(bytes([9]) * 32)
    own = owned_key(writer.public.raw, b"s")
    fields: dict[str, Any] = {"seq": 7, "created": _NOW, "ttl": 60}
    mailbox = write(Kind.MAILBOX, dht_wire.KEY, writer, b"sealed", **fields)
    owned = write(Kind.OWNED, own, writer, b"mine", salt=b"s", **fields)
    for one in dht_wire.REQUESTS:
        data = dht_wire.request(one)
        yield bytes((_RAW, 1)) + piece(data)
        read = frame(data, dht_wire.NETWORK)
        assert isinstance(read, Frame)
        yield bytes((_ASKED, 2)) + piece(read.body) + bytes((_ASKED, 2)) + piece(read.body)
        yield bytes((_PARSED,)) + piece(read.body)
    for answer in dht_wire.ANSWERS:
        yield bytes((_RAW, 1)) + piece(dht_wire.answer(answer))
        yield bytes((_ANSWERED, 1, int(Method.GET))) + piece(answer_body(answer))
    for record in (mailbox, owned):
        put = bytes((_PUT, 0, 0, 1)) + piece(record.key) + piece(record.encoded)
        yield put + put + bytes((_ASKED, 1)) + piece(msgpack.packb([2, b"", record.key, []]))
        found = answer_body(Answer(token=bytes(8), records=(record.encoded,), more=((record.digest, 900),), left=1))
        yield bytes((_SEARCHED,)) + piece(record.key) + piece(found) + piece(answer_body(Answer(part=record.encoded)))
    long = write(Kind.MAILBOX, dht_wire.KEY, writer, bytes(1_000), **fields).encoded
    parts = [bytes((_PUT, 0, index, 2)) + piece(dht_wire.KEY) + piece(long[index * 900 :][:900]) for index in range(2)]
    yield b"".join(parts)


def run(data: bytes) -> None:
    """Nothing raises, nothing closes, bounds hold, and no answer is over three times its request."""
    _loop().run_until_complete(_run(Recipe(data)))


async def _run(recipe: Recipe) -> None:
    node = _Node()
    try:
        for _ in range(_STEPS):
            if not recipe.more:
                break
            match recipe.u8() % 6:
                case 0:
                    source = _ENDPOINTS[recipe.u8() % len(_ENDPOINTS)]
                    node.receive(recipe.piece(), source)
                case 1:
                    source = _ENDPOINTS[recipe.u8() % len(_ENDPOINTS)]
                    node.receive(_framed(recipe.piece()[:1_100]), source)
                case 2:
                    _put(node, recipe)
                case 3:
                    _answered(node, recipe)
                case 4:
                    await _searched(node, recipe)
                case _:
                    _parsed(recipe.piece())
            node.check()
    finally:
        node.protocol.close()


def _put(node: _Node, recipe: Recipe) -> None:
    """A record, or a part, from who has his token."""
    source = _ENDPOINTS[recipe.u8() % len(_ENDPOINTS)]
    index, count = recipe.u8() % 6, recipe.u8() % 7
    key, chunk = recipe.piece()[:20].ljust(20, b"\0"), recipe.piece()[: limits.DHT_PART_BYTES + 1]
    token = node.serving._tokens.mint(source, 1_000.0)
    put = Request(Method.PUT, b"", DhtKey(key), token, (), bytes(8), index, count, chunk)
    node.receive(request_datagram(dht_wire.NETWORK, bytes(8), put), source)


def _answered(node: _Node, recipe: Recipe) -> None:
    """A correctly signed answer to something that we asked, with any body."""
    source, method = _ENDPOINTS[recipe.u8() % len(_ENDPOINTS)], Method(recipe.u8() % len(Method))
    ask = Request(method, b"", dht_wire.KEY, bytes(8), (), bytes(8), 0, 1, b"x", ("127.0.0.1", 1))
    heard: list[Heard | None] = []
    before = len(node.protocol.calls)  # pings back of earlier steps
    call = node.protocol.ask(source, ask, heard.append)
    body = recipe.piece()[:1_000]
    answer = dht_wire.sealed(body, key=_PEERS[0], transaction=call.transaction)
    for _ in range(2):
        node.protocol.datagram_received(answer, source)
    assert len(heard) == 1
    assert (heard[0] is None) == (parse_answer(body) is None)
    assert len(node.protocol.calls) == before


async def _searched(node: _Node, recipe: Recipe) -> None:
    """A reading of a key, each node asked answering with the next bytes of the input, signed."""
    key = DhtKey(recipe.piece()[:20].ljust(20, b"\0"))
    keys = {node_id(one.public.raw): one for one in _PEERS}

    def answer(data: bytes, address: Endpoint) -> None:
        asked = frame(data, dht_wire.NETWORK)
        assert isinstance(asked, Frame)
        known = node.protocol.router.at(address)
        signer = keys.get(known.id, _PEERS[0]) if known is not None else _PEERS[0]
        body = recipe.piece()[:1_000] if recipe.more else b"\x80"
        sealed = dht_wire.sealed(body, key=signer, transaction=asked.transaction)
        call = node.protocol.calls.awaited(asked.transaction, address)
        if call is not None and call.expect is not None and call.expect != node_id(signer.public.raw):
            node.protocol.forget(call)  # nobody has this id; what a time-out would tell is told now
            asyncio.get_running_loop().call_soon(call.done, None)
            return
        asyncio.get_running_loop().call_soon(node.protocol.datagram_received, sealed, address)

    node.wire.answer = answer
    harvest, before = Harvest(key, 0), len(node.protocol.calls)
    found = await node.net.nearest(key, width=8, op="get", harvest=harvest)
    node.wire.answer = None
    assert len(found) <= 8
    assert all(record.key == key and record.expires > _NOW for record in harvest.records)
    assert len({record.slot for record in harvest.records}) == len(harvest.records)
    assert len(node.protocol.calls) == before


def _parsed(body: bytes) -> None:
    """What is read is written back to what reads the same."""
    request = parse_request(body)
    if request is not None:
        whole = frame(request_datagram(dht_wire.NETWORK, bytes(8), request), dht_wire.NETWORK)
        if isinstance(whole, Frame):  # 64 digests and a part fit, but nothing says that all that is read does
            assert parse_request(whole.body) == request
    answer = parse_answer(body)
    if answer is not None:
        assert parse_answer(answer_body(answer)) == answer
        assert all(isinstance(peer.id, bytes) and len(NodeId(peer.id)) == 20 for peer in answer.peers)
