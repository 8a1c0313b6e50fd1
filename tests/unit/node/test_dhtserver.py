from __future__ import annotations

import pytest

from swarmchat.addresses import Address
from swarmchat.discovery.dht.identity import NodeKey
from swarmchat.node.dhtserver import names, response
from tests.support.dht_seeds import SEEDS

METRICS = {"swarmchat_dht_records": 12.0, 'swarmchat_dht_contacts{family="ipv4"}': 1234567}


def test_metrics_are_lines_of_name_and_number() -> None:
    head, _, body = response(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", lambda: METRICS).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert body == b'swarmchat_dht_records 12.0\nswarmchat_dht_contacts{family="ipv4"} 1234567\n'


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", b"200"),
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /metricsx HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"\r\n\r\n", b"405"),
        (b"\xff\x00 \xff \xff\r\n\r\n", b"405"),
    ],
)
def test_nothing_else_is_answered(head: bytes, status: bytes) -> None:
    assert response(head, lambda: METRICS).startswith(b"HTTP/1.1 " + status + b" ")


def test_a_node_is_named_by_every_address_that_leads_to_it() -> None:
    key = NodeKey.from_seed(SEEDS[0])
    everywhere = [Address("0.0.0.0", 4222), Address("::", 4222)]
    found = names(everywhere, ["127.0.0.1", "192.0.2.7", "fe80::1%eth0"], key)
    assert found == [f"192.0.2.7:4222#{key.id.hex()}"]
    assert names([Address("127.0.0.1", 1)], [], key) == [f"127.0.0.1:1#{key.id.hex()}"]
    assert names(everywhere[:1], [], key) == [f"0.0.0.0:4222#{key.id.hex()}"]
