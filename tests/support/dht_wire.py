"""Datagrams of the DHT, one of each method, from fixed values; and the same as test vectors. (SCP-05 §1.14)"""

from __future__ import annotations

from typing import Final

from swarmchat.crypto.keys import PrivateKey
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.dht.identity import NodeId, node_id
from swarmchat.discovery.dht.wire import (
    Answer,
    Method,
    Peer,
    Request,
    answer_body,
    answer_datagram,
    network_id,
    request_datagram,
    signed_part,
)

NAME: Final = "swarmchat"
NETWORK: Final = network_id(NAME)
TRANSACTION: Final = bytes(range(8))
KEY: Final = DhtKey(bytes(range(20)))
NODE: Final = PrivateKey.from_seed(bytes(range(32)))
ID: Final = node_id(NODE.public.raw)
OTHER: Final = NodeId(bytes(range(100, 120)))
TOKEN: Final = bytes.fromhex("7461726765743038")
DIGEST: Final = bytes.fromhex("0123456789abcdef")

REQUESTS: Final = (
    Request(Method.PING, ID),
    Request(Method.FIND, ID, KEY),
    Request(Method.GET, ID, KEY, have=(DIGEST,)),
    Request(Method.PART, ID, KEY, digest=DIGEST, index=4),
    Request(Method.PUT, ID, KEY, TOKEN, (), DIGEST, 0, 1, b"a record"),
    Request(Method.SUBSCRIBE, ID, KEY, TOKEN, (DIGEST,)),
    Request(Method.UNSUBSCRIBE, ID, KEY),
    Request(Method.NOTIFY, ID, KEY, digest=DIGEST, count=8, data=b"a record"),
    Request(Method.PROBE, ID, token=TOKEN),
    Request(Method.KNOCK, ID, address=("192.0.2.9", 4222)),
)
ANSWERS: Final = (
    Answer(you=("192.0.2.9", 4223), now=1_780_000_000),
    Answer((Peer(OTHER, ("192.0.2.7", 4222)), Peer(ID, ("2001:db8::7", 4222))), TOKEN),
    Answer((Peer(OTHER, ("192.0.2.7", 4222)),), TOKEN, (b"a record",), ((DIGEST, 4096),), 2, ttl=120),
    Answer(part=b"a part"),
    Answer(stored=1),
    Answer(refused="client", client=True),
)


def request(asked: Request) -> bytes:
    """The datagram of a request."""
    return request_datagram(NETWORK, TRANSACTION, asked)


def answer(given: Answer, *, key: PrivateKey = NODE, transaction: bytes = TRANSACTION) -> bytes:
    """The datagram of an answer, signed by the node."""
    return sealed(answer_body(given), key=key, transaction=transaction)


def sealed(body: bytes, *, key: PrivateKey = NODE, transaction: bytes = TRANSACTION) -> bytes:
    """The datagram of an answer with any body, signed by the node."""
    signature = key.sign(signed_part(NETWORK, transaction, body))
    return answer_datagram(NETWORK, transaction, body, key.public.raw + signature)


def vectors() -> object:
    """Plain JSON; requests without the zeros at their end."""
    return {
        "network": NAME,
        "network_id": NETWORK.hex(),
        "transaction": TRANSACTION.hex(),
        "node_seed": NODE.seed.hex(),
        "requests": [
            {"method": one.method.name, "bytes": len(request(one)), "datagram": request(one).rstrip(b"\0").hex()}
            for one in REQUESTS
        ],
        "answers": [answer(one).hex() for one in ANSWERS],
    }
