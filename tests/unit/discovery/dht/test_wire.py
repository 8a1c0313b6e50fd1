from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgpack
import pytest

from swarmchat import limits
from swarmchat.crypto.keys import PrivateKey
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.dht.identity import NodeId
from swarmchat.discovery.dht.wire import (
    OVERHEAD_BYTES,
    Answer,
    Frame,
    Method,
    Peer,
    Request,
    WireFault,
    answer_body,
    answer_datagram,
    frame,
    network_id,
    parse_answer,
    parse_request,
    request_datagram,
    signed_part,
)
from tests.support import dht_wire

NET = network_id("swarmchat")
TX = bytes(range(8))
KEY = DhtKey(bytes(range(20)))
ID = NodeId(bytes(range(100, 120)))
TOKEN, DIGEST = b"TOKEN..8", b"digest.8"
VECTORS = Path(__file__).parents[3] / "vectors" / "dht-wire.json"

REQUESTS = [
    Request(Method.PING, ID),
    Request(Method.PING),
    Request(Method.FIND, ID, KEY),
    Request(Method.GET, ID, KEY, have=(DIGEST, TOKEN)),
    Request(Method.PART, b"", KEY, digest=DIGEST, index=4),
    Request(Method.PUT, ID, KEY, TOKEN, (), DIGEST, 4, 5, b"x" * limits.DHT_PART_BYTES),
    Request(Method.SUBSCRIBE, ID, KEY, TOKEN, (DIGEST,) * limits.DHT_LIST_MAX),
    Request(Method.UNSUBSCRIBE, ID, KEY),
    Request(Method.NOTIFY, ID, KEY, digest=DIGEST, count=4096, data=b""),
    Request(Method.NOTIFY, ID, KEY, digest=DIGEST, count=3, data=b"abc"),
    Request(Method.PROBE, ID, token=TOKEN),
    Request(Method.KNOCK, ID, address=("8.8.8.8", 4222)),
    Request(Method.KNOCK, ID, address=("2001:db8::1", 4222)),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: one.method.name)
def test_a_request_is_read_as_it_was_written(request_: Request) -> None:
    data = request_datagram(NET, TX, request_)
    read = frame(data, NET)
    assert isinstance(read, Frame)
    assert (read.transaction, read.is_answer, read.size) == (TX, False, len(data))
    assert parse_request(read.body) == request_
    assert limits.DHT_REQUEST_BYTES_MIN <= len(data) <= limits.DHT_DATAGRAM_BYTES_MAX


def test_an_answer_is_read_as_it_was_written() -> None:
    answer = Answer(
        (Peer(ID, ("8.8.8.8", 1)), Peer(NodeId(bytes(20)), ("2001:db8::1", 65535))),
        TOKEN,
        (b"record", b"another"),
        ((DIGEST, 4096),),
        3,
        ("127.0.0.1", 9),
        1_780_000_000,
        120,
        1,
        b"part",
        "busy",
        True,
    )
    read = frame(answer_datagram(NET, TX, answer_body(answer), bytes(96)), NET)
    assert isinstance(read, Frame)
    assert read.is_answer
    assert parse_answer(read.body) == answer
    assert parse_answer(answer_body(Answer())) == Answer()


def test_what_a_later_version_says_besides_is_passed_over() -> None:
    assert parse_answer(msgpack.packb({"ok": 1, "later": [1, {"x": 2}]})) == Answer(stored=1)


def good() -> bytes:
    return request_datagram(NET, TX, Request(Method.PING, ID))


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", WireFault.LENGTH),
        (good()[:17], WireFault.LENGTH),
        (good().ljust(limits.DHT_DATAGRAM_BYTES_MAX + 1, b"\0"), WireFault.LENGTH),
        (b"sc2" + good()[3:], WireFault.NETWORK),
        (request_datagram(network_id("other"), TX, Request(Method.PING)), WireFault.NETWORK),
        (good()[:7] + b"\2" + good()[8:], WireFault.TYPE),
        (good()[:16] + b"\xff\xff" + good()[18:], WireFault.LENGTH),
        (good()[:-1] + b"x", WireFault.PADDING),
        (good()[: limits.DHT_REQUEST_BYTES_MIN - 1], WireFault.UNPADDED),
        (answer_datagram(NET, TX, b"\x80", bytes(95)), WireFault.LENGTH),
        (answer_datagram(NET, TX, b"\x80", bytes(96)) + b"\1", WireFault.PADDING),
    ],
)
def test_what_is_no_datagram_of_ours_is_dropped_for_a_reason(data: bytes, fault: WireFault) -> None:
    assert frame(data, NET) is fault


def test_a_datagram_may_have_its_greatest_length() -> None:
    assert isinstance(frame(good().ljust(limits.DHT_DATAGRAM_BYTES_MAX, b"\0"), NET), Frame)


BAD_BODIES: list[Any] = [
    None,
    {},
    [],
    [0],
    [0, b"short"],
    [0, ID, 1],
    [True, ID],
    [99, ID],
    [-1, ID],
    ["ping", ID],
    [0.0, ID],
    [1, ID],
    [1, ID, KEY[:19]],
    [1, ID, KEY + b"x"],
    [1, ID, "k" * 20],
    [2, ID, KEY, [b"short"]],
    [2, ID, KEY, {}],
    [2, ID, KEY, [DIGEST] * 65],
    [3, ID, KEY, DIGEST, 5],
    [3, ID, KEY, DIGEST, -1],
    [3, ID, KEY, DIGEST, True],
    [3, ID, KEY, DIGEST, 2**63],
    [4, ID, KEY, TOKEN, DIGEST, 0, 0, b"x"],
    [4, ID, KEY, TOKEN, DIGEST, 1, 1, b"x"],
    [4, ID, KEY, TOKEN, DIGEST, 0, 6, b"x"],
    [4, ID, KEY, TOKEN, DIGEST, 0, 1, b""],
    [4, ID, KEY, TOKEN, DIGEST, 0, 1, b"x" * 901],
    [4, ID, KEY, b"", DIGEST, 0, 1, b"x"],
    [4, ID, KEY, None, DIGEST, 0, 1, b"x"],
    [4, ID, KEY, TOKEN, DIGEST, None, 1, b"x"],
    [5, ID, KEY, b"", []],
    [7, ID, KEY, DIGEST, 0, b""],
    [7, ID, KEY, DIGEST, 4097, b""],
    [7, ID, KEY, DIGEST, 1, "x"],
    [8, ID, b"x"],
    [9, ID, b"\x7f\0\0\1"],
    [9, ID, None],
    [9, ID, bytes(19)],
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=repr)
def test_a_request_of_the_wrong_shape_is_none(body: Any) -> None:
    assert parse_request(msgpack.packb(body)) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"\x91" * 1_150,
        b"\x81\xa1n" * 400,
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xd6\xff\0\0\0\0",
        b"\xa1\xff",
        b"\x92\0\xc4\0\0",
        msgpack.packb({b"k": 1, 5: 2}, use_bin_type=True),
    ],
)
def test_broken_and_nested_msgpack_is_none(body: bytes) -> None:
    assert parse_request(body) is None
    assert parse_answer(body) is None


@pytest.mark.parametrize(
    "body",
    [
        {"4": bytes(25)},
        {"4": [bytes(26)]},
        {"6": bytes(26)},
        {"t": 5},
        {"t": b"7 bytes"},
        {"r": b"record"},
        {"r": [5]},
        {"r": {}},
        {"m": 5},
        {"m": [[DIGEST]]},
        {"m": [[DIGEST, 0]]},
        {"m": [[DIGEST, 4097]]},
        {"m": [[DIGEST, 10**9]]},
        {"m": [[b"short", 5]]},
        {"m": [[1, 2, 3], 5]},
        {"you": b"x"},
        {"you": 5},
        {"l": -1},
        {"l": True},
        {"now": 2**40},
        {"ttl": "x"},
        {"ok": None},
        {"p": "x"},
        {"c": None},
        {"no": {}},
        {"no": 5},
        {"no": b"x"},
        [1, 2],
        7,
        None,
        "x",
    ],
    ids=repr,
)
def test_a_signed_answer_that_makes_no_sense_is_none(body: Any) -> None:
    assert parse_answer(msgpack.packb(body)) is None


def test_bodies_hold_no_more_than_a_datagram() -> None:
    assert OVERHEAD_BYTES == 18 + 96


def test_the_vectors_are_read_back() -> None:
    """tests/vectors/dht-wire.json, which SCP-05 §1.14 names; that the code writes it is tested with the other sets."""
    vectors = json.loads(VECTORS.read_text())
    for one, asked in zip(vectors["requests"], dht_wire.REQUESTS, strict=True):
        read = frame(bytes.fromhex(one["datagram"]).ljust(one["bytes"], b"\0"), network_id(vectors["network"]))
        assert isinstance(read, Frame)
        assert read.transaction.hex() == vectors["transaction"]
        assert parse_request(read.body) == asked
    public = PrivateKey.from_seed(bytes.fromhex(vectors["node_seed"])).public
    for datagram, given in zip(vectors["answers"], dht_wire.ANSWERS, strict=True):
        read = frame(bytes.fromhex(datagram), NET)
        assert isinstance(read, Frame)
        assert read.seal[:32] == public.raw
        assert public.verify(read.seal[32:], signed_part(NET, read.transaction, read.body))
        assert parse_answer(read.body) == given


def test_every_method_stands_in_the_vectors() -> None:
    assert [one.method for one in dht_wire.REQUESTS] == list(Method)
