from __future__ import annotations

from typing import Any

import pytest
from kademlia.node import Node

from swarmchat import limits
from swarmchat.crypto.keys import PrivateKey
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.dht.hosts import Endpoint
from swarmchat.discovery.dht.identity import NodeId
from swarmchat.discovery.dht.records import Kind, Record, RecordFault, owned_key, work, write
from swarmchat.discovery.dht.routing import Table
from swarmchat.discovery.dht.serving import Now, Served, Serving, room_for
from swarmchat.discovery.dht.storage import RecordStorage, StoreFault
from swarmchat.discovery.dht.wire import (
    OVERHEAD_BYTES,
    Answer,
    Method,
    Request,
    Said,
    answer_body,
    request_datagram,
)

NOW = Now(1_780_000_000.5, 5_000.0)
KEY = DhtKey(bytes(range(20)))
HERE: Endpoint = ("8.8.8.8", 4222)
WRITER = PrivateKey.from_seed(bytes([9]) * 32)
DIGEST = b"digest.8"


class Node1:
    """One serving node, and what it is asked."""

    def __init__(self, *, bits: int = 0, serves: bool = True, contacts: int = 60) -> None:
        self.told: list[Request] = []
        self.serving = Serving(RecordStorage(), b"s" * 32, bits=bits, told=lambda source, ask: self.told.append(ask))
        self.table = Table(None, 20, Node(b"\xff" * 20))
        self.serves = serves
        for number in range(contacts):
            name = NodeId(bytes([number * 4]) * 20)
            self.table.answered(name, (f"9.{number}.9.9", 4222), 0.0)

    def ask(self, request: Request, source: Endpoint = HERE, now: Now = NOW, size: int = 0) -> Served:
        size = size or len(request_datagram(b"netw", bytes(8), request))
        served = self.serving.serve(request, source, size, self.table, now, serves=self.serves)
        ping_back = limits.DHT_REQUEST_BYTES_MIN
        assert len(answer_body(served.answer)) + OVERHEAD_BYTES + ping_back <= 3 * size, request.method
        return served

    def answer(self, request: Request, source: Endpoint = HERE, now: Now = NOW) -> Answer:
        return self.ask(request, source, now).answer

    def token(self, source: Endpoint = HERE) -> bytes:
        return self.answer(Request(Method.FIND, b"", KEY), source).token

    def put(self, record: Record, source: Endpoint = HERE, key: DhtKey | None = None) -> Answer:
        token, size = self.token(source), limits.DHT_PART_BYTES
        parts = [record.encoded[at : at + size] for at in range(0, len(record.encoded), size)]
        answer = Answer()
        for index, part in enumerate(parts):
            put = Request(Method.PUT, b"", key or record.key, token, (), record.digest, index, len(parts), part)
            answer = self.answer(put, source)
        return answer


def record(data: bytes = b"sealed", salt: bytes = b"", bits: int = 0, **fields: Any) -> Record:
    given = {"seq": 5, "created": int(NOW.wall), "ttl": 600, "salt": salt} | fields
    return work(write(Kind.MAILBOX, KEY, WRITER, data, **given), bits)


def writers(count: int, data: bytes = b"sealed") -> list[Record]:
    keys = [PrivateKey.from_seed(number.to_bytes(32, "big")) for number in range(1, count + 1)]
    return [write(Kind.MAILBOX, KEY, one, data, seq=1, created=int(NOW.wall), ttl=600) for one in keys]


def test_a_ping_says_where_we_are_seen_and_what_time_it_is() -> None:
    assert Node1().answer(Request(Method.PING)) == Answer(you=HERE, now=int(NOW.wall))


def test_a_search_gets_the_nearest_nodes_and_a_token() -> None:
    node = Node1()
    answer = node.answer(Request(Method.FIND, b"", KEY))
    assert len(answer.peers) == limits.DHT_BUCKET_CONTACTS
    assert [one.id for one in answer.peers] == [one.id for one in node.table.nearest(KEY, 20)]
    assert len(answer.token) == 8


def test_who_asks_is_not_named_to_himself_and_nobody_at_home_to_strangers() -> None:
    node = Node1(contacts=0)
    node.table.answered(NodeId(bytes(20)), HERE, 0.0)
    node.table.answered(NodeId(b"h" * 20), ("192.168.1.1", 1), 0.0)
    assert node.answer(Request(Method.FIND, b"", KEY)).peers == ()
    assert len(node.answer(Request(Method.FIND, b"", KEY), ("192.168.1.9", 1)).peers) == 2


@pytest.mark.parametrize("host", ["8.8.8.8", "2001:4860::1"])
@pytest.mark.parametrize("count", [0, 1, 20, 64])
@pytest.mark.parametrize("data", [b"", b"x" * 300, b"x" * limits.DHT_DATA_BYTES_MAX])
def test_an_answer_is_never_more_than_three_times_its_request(count: int, data: bytes, host: str) -> None:
    node = Node1()  # `ask` compares
    for one in writers(count, data):
        node.serving.accept(one.encoded, KEY, None, NOW)
    source = (host, 4222)
    token = node.token(source)
    for request in (
        Request(Method.PING),
        Request(Method.FIND, b"", KEY),
        Request(Method.GET, b"", KEY),
        Request(Method.GET, b"", KEY, have=(DIGEST,) * 64),
        Request(Method.PART, b"", KEY, digest=DIGEST, index=0),
        *(Request(Method.PART, b"", KEY, digest=one.digest, index=0) for one in writers(count, data)[:1]),
        Request(Method.PUT, b"", KEY, token, (), DIGEST, 0, 1, b"x"),
        Request(Method.PUT, b"", KEY, bytes(8), (), DIGEST, 0, 1, b"x"),
        Request(Method.SUBSCRIBE, b"", KEY, token),
        Request(Method.SUBSCRIBE, b"", KEY, bytes(8)),
        Request(Method.UNSUBSCRIBE, b"", KEY),
        Request(Method.NOTIFY, b"", KEY, digest=DIGEST, count=1, data=b"x"),
        Request(Method.PROBE, b"", token=token),
        Request(Method.KNOCK, b"", address=("9.9.9.9", 1)),
    ):
        node.ask(request, source)


@pytest.mark.parametrize("method", [Method.FIND, Method.GET, Method.PART])
def test_a_short_question_gets_a_short_answer(method: Method) -> None:
    node = Node1()
    node.serving.accept(record(b"x" * 2_000).encoded, KEY, None, NOW)
    node.ask(Request(method, b"", KEY, digest=record(b"x" * 2_000).digest), size=limits.DHT_REQUEST_BYTES_MIN)


def test_a_record_that_is_put_is_read_back_and_told() -> None:
    node = Node1()
    token, one = node.token(), record()
    served = node.ask(Request(Method.PUT, b"", KEY, token, (), one.digest, 0, 1, one.encoded))
    assert served.answer.stored == 1
    assert served.news == one
    assert node.answer(Request(Method.GET, b"", KEY)).records == (one.encoded,)
    assert node.answer(Request(Method.GET, b"", KEY, have=(one.digest,))).records == ()


def test_a_record_that_is_here_already_is_no_news() -> None:
    node = Node1()
    one = record()
    node.put(one)
    put = Request(Method.PUT, b"", KEY, node.token(), (), one.digest, 0, 1, one.encoded)
    assert node.ask(put).news is None
    assert node.answer(put).stored == 1


def test_a_long_record_comes_and_goes_in_parts() -> None:
    node = Node1()
    long = record(b"x" * limits.DHT_DATA_BYTES_MAX)
    assert node.put(long).stored == 1
    answer = node.answer(Request(Method.GET, b"", KEY))
    assert answer.records == ()
    assert answer.more == ((long.digest, len(long.encoded)),)
    parts = [
        node.answer(Request(Method.PART, b"", KEY, digest=long.digest, index=index)).part
        for index in range(limits.DHT_PARTS_MAX)
    ]
    assert b"".join(parts) == long.encoded
    assert node.answer(Request(Method.PART, b"", KEY, digest=DIGEST)).refused == Said.UNKNOWN


def test_what_has_no_room_even_by_digest_is_counted() -> None:
    node = Node1()
    for one in writers(60):
        assert node.serving.accept(one.encoded, KEY, None, NOW) == one
    answer = node.answer(Request(Method.GET, b"", KEY))
    assert answer.left == 60 - len(answer.records) - len(answer.more) > 0


def test_what_is_put_without_its_token_is_not_kept() -> None:
    node = Node1()
    for token in (bytes(8), node.token(("8.8.8.8", 1)), node.token(("8.8.8.9", 4222))):
        put = Request(Method.PUT, b"", KEY, token, (), record().digest, 0, 1, record().encoded)
        assert node.answer(put).refused == Said.TOKEN
    assert node.answer(Request(Method.SUBSCRIBE, b"", KEY, bytes(8))).refused == Said.TOKEN
    assert node.answer(Request(Method.PROBE, token=bytes(8))).refused == Said.TOKEN
    assert node.serving.storage.count == 0
    assert len(node.serving.subscribers) == 0


def forged() -> Record:
    good = record(bits=8)
    return Record(
        good.kind, good.key, good.writer, good.salt, good.seq, good.created, good.ttl, b"other", good.signature
    )


@pytest.mark.parametrize(
    ("one", "key", "fault"),
    [
        (record(bits=8), DhtKey(b"k" * 20), RecordFault.KEY),
        (record(bits=8, created=int(NOW.wall) + 122), KEY, RecordFault.AHEAD),
        (record(bits=8, created=int(NOW.wall) - 600), KEY, RecordFault.EXPIRED),
        (record(), KEY, RecordFault.WORK),
    ],
)
def test_a_record_that_does_not_hold_is_refused_with_its_reason(one: Record, key: DhtKey, fault: RecordFault) -> None:
    node = Node1(bits=8)
    assert node.put(one, key=key).refused == fault
    assert node.serving.storage.count == 0
    assert node.serving.refused[fault] == 1


def test_a_forged_record_is_refused() -> None:
    node = Node1()
    raw = bytearray(record().encoded)
    raw[raw.index(b"sealed")] ^= 1
    put = Request(Method.PUT, b"", KEY, node.token(), (), DIGEST, 0, 1, bytes(raw))
    assert node.answer(put).refused == RecordFault.SIGNATURE
    put = Request(Method.PUT, b"", KEY, node.token(), (), DIGEST, 0, 1, b"junk")
    assert node.answer(put).refused == RecordFault.FORM


def test_what_is_owned_is_put_by_its_owner_only() -> None:
    node = Node1()
    own = owned_key(WRITER.public.raw, b"")
    mine = write(Kind.OWNED, own, WRITER, b"mine", seq=1, created=int(NOW.wall), ttl=60)
    assert node.put(mine).stored == 1
    other = PrivateKey.from_seed(b"o" * 32)
    foreign = write(Kind.OWNED, owned_key(other.public.raw, b""), other, b"x", seq=2, created=int(NOW.wall), ttl=60)
    assert node.put(foreign, key=own).refused == RecordFault.KEY


def test_an_older_record_does_not_replace_a_newer() -> None:
    node = Node1()
    assert node.put(record(seq=6)).stored == 1
    assert node.put(record(seq=5)).refused == StoreFault.OLD
    assert node.put(record(b"other", seq=6)).refused == StoreFault.CONFLICT


def test_a_client_keeps_nothing_for_others_and_still_answers() -> None:
    node = Node1(serves=False)
    assert node.put(record()).refused == Said.CLIENT
    assert node.answer(Request(Method.SUBSCRIBE, b"", KEY, node.token())).refused == Said.CLIENT
    assert node.answer(Request(Method.PING)).you == HERE


def test_a_subscription_answers_what_is_there_and_is_told_what_comes() -> None:
    node = Node1()
    node.put(record())
    answer = node.answer(Request(Method.SUBSCRIBE, b"", KEY, node.token()))
    assert answer.records == (record().encoded,)
    assert answer.ttl == limits.DHT_SUBSCRIPTION_S
    assert node.serving.subscribers.told(KEY, NOW.steady) == [HERE]
    node.answer(Request(Method.UNSUBSCRIBE, b"", KEY))
    assert node.serving.subscribers.told(KEY, NOW.steady) == []


def test_a_notice_is_handed_on_unread() -> None:
    node = Node1()
    notice = Request(Method.NOTIFY, b"", KEY, digest=DIGEST, count=1, data=b"x")
    assert node.answer(notice).stored == 1
    assert node.told == [notice]


def test_a_probe_has_somebody_knock_now_and_then() -> None:
    node = Node1()
    probe = Request(Method.PROBE, token=node.token())
    served = [node.ask(probe) for _ in range(6)]
    assert [one.knock for one in served] == [HERE] * 4 + [None] * 2
    assert served[-1].answer.refused == Said.BUSY


def test_only_who_is_known_has_us_knock_and_only_where_he_may_send_us() -> None:
    node = Node1()
    knock = Request(Method.KNOCK, address=("7.7.7.7", 1))
    assert node.ask(knock).ping is None
    known = ("9.3.9.9", 4222)
    assert node.ask(knock, known).ping == ("7.7.7.7", 1)
    assert node.ask(Request(Method.KNOCK, address=("127.0.0.1", 1)), known).ping is None
    assert node.ask(Request(Method.KNOCK, address=("192.168.1.1", 1)), known).ping is None
    pinged = [node.ask(knock, known).ping for _ in range(6)]
    assert pinged[-1] is None


def test_what_is_over_is_swept() -> None:
    node = Node1()
    node.put(record())
    node.answer(Request(Method.SUBSCRIBE, b"", KEY, node.token()))
    node.serving.sweep(Now(NOW.wall + 601, NOW.steady + 601))
    assert node.serving.storage.count == 0
    assert len(node.serving.subscribers) == 0


def test_room_is_a_datagram_at_most() -> None:
    assert room_for(100) == 200 - OVERHEAD_BYTES
    assert room_for(1_200) == limits.DHT_DATAGRAM_BYTES_MAX - OVERHEAD_BYTES
