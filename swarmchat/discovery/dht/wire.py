"""The DHT's datagrams, byte for byte: read to values, nothing believed. Pure. (SCP-05 §1.14)

"sc1" ‖ network (4) ‖ type (1) ‖ transaction (8) ‖ length (2) ‖ msgpack body ‖ in answers: node key (32) ‖ signature (64) ‖ zeros.
"""

from __future__ import annotations

import enum
import hashlib
import struct
from dataclasses import dataclass
from typing import Any, Final

import msgpack

from swarmchat import limits
from swarmchat.crypto.keys import KEY_BYTES, SIGNATURE_BYTES
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.dht.hosts import V4_BYTES, V6_BYTES, Endpoint, pack, unpack
from swarmchat.discovery.dht.identity import NodeId
from swarmchat.discovery.dht.records import DIGEST_BYTES

_MAGIC: Final = b"sc1"
_HEADER: Final = struct.Struct(">3s4sB8sH")
_REQUEST, _ANSWER = 0, 1
_SIGNED: Final = b"swarmchat/dht-answer/1"
_NETWORK: Final = b"swarmchat/dht-network/1/"
_NO_KEY: Final = DhtKey(b"")
_ID: Final = limits.DHT_KEY_BYTES

NETWORK_BYTES: Final = 4
TRANSACTION_BYTES: Final = 8
TOKEN_BYTES: Final = 8
SEAL_BYTES: Final = KEY_BYTES + SIGNATURE_BYTES
OVERHEAD_BYTES: Final = _HEADER.size + SEAL_BYTES  # of an answer, beside its body


class Method(enum.IntEnum):
    """What can be asked of a node."""

    PING = 0
    FIND = 1
    GET = 2
    PART = 3
    PUT = 4
    SUBSCRIBE = 5
    UNSUBSCRIBE = 6
    NOTIFY = 7
    PROBE = 8
    KNOCK = 9


class WireFault(enum.StrEnum):
    """Why a datagram is dropped."""

    LENGTH = "length"
    NETWORK = "network"  # not ours, or another network of ours
    TYPE = "type"
    PADDING = "padding"
    UNPADDED = "unpadded"  # a request too short for its answer
    BODY = "body"
    SCOPE = "scope"  # from an address that means something on one cable only


class Said(enum.StrEnum):
    """Why a request was refused, as the answer says it; a store's reasons stand beside these."""

    TOKEN = "token"  # noqa: S105 - a word, no secret
    FORM = "form"
    BUSY = "busy"
    UNKNOWN = "unknown"
    CLIENT = "client"  # who is asked keeps nothing for others


@dataclass(frozen=True, slots=True)
class Peer:
    """A node and where it says, or somebody says, that it is."""

    id: NodeId
    address: Endpoint


@dataclass(frozen=True, slots=True)
class Frame:
    """A datagram taken apart. `seal` is the key and signature of an answer, empty in a request."""

    transaction: bytes
    body: bytes
    seal: bytes
    size: int

    @property
    def is_answer(self) -> bool:
        return bool(self.seal)


@dataclass(frozen=True, slots=True)
class Request:
    """One question. `asker` is empty where a client asks, which nobody shall remember as a node.

    Which fields count depends on the method; `key` is the target of a search as well.
    """

    method: Method
    asker: bytes = b""
    key: DhtKey = _NO_KEY
    token: bytes = b""
    have: tuple[bytes, ...] = ()  # digests of records that need not be sent
    digest: bytes = b""
    index: int = 0
    count: int = 0  # parts of a put; bytes of a record told by its digest
    data: bytes = b""
    address: Endpoint | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; a field that a method does not have stays empty."""

    peers: tuple[Peer, ...] = ()
    token: bytes = b""
    records: tuple[bytes, ...] = ()
    more: tuple[tuple[bytes, int], ...] = ()  # digest and size of records to be fetched in parts
    left: int = 0  # records that had no room even by digest
    you: Endpoint | None = None  # where the request came from
    now: int = 0  # the wall clock, seconds since 1970
    ttl: int = 0  # of a subscription, seconds
    stored: int = 0  # 1: the record is held; 2: so far this part of it
    part: bytes = b""
    refused: str = ""
    client: bool = False  # who answers is no node to the asker


def network_id(name: str) -> bytes:
    """The 4 bytes that keep networks apart: the head of SHA-256("swarmchat/dht-network/1/" ‖ name)."""
    return hashlib.sha256(_NETWORK + name.encode()).digest()[:NETWORK_BYTES]


def frame(data: bytes, network: bytes) -> Frame | WireFault:
    """Take a datagram apart; what it says is looked at later, when its sender may still speak."""
    if not _HEADER.size <= len(data) <= limits.DHT_DATAGRAM_BYTES_MAX:
        return WireFault.LENGTH
    magic, theirs, kind, transaction, length = _HEADER.unpack_from(data)
    if magic != _MAGIC or theirs != network:
        return WireFault.NETWORK
    if kind not in (_REQUEST, _ANSWER):
        return WireFault.TYPE
    end = _HEADER.size + length
    sealed = end + (SEAL_BYTES if kind == _ANSWER else 0)
    if sealed > len(data):
        return WireFault.LENGTH
    if data[sealed:].strip(b"\0"):
        return WireFault.PADDING
    if kind == _REQUEST and len(data) < limits.DHT_REQUEST_BYTES_MIN:
        return WireFault.UNPADDED
    return Frame(transaction, data[_HEADER.size : end], data[end:sealed], len(data))


def signed_part(network: bytes, transaction: bytes, body: bytes) -> bytes:
    """What the signature of an answer covers: this answer to this question."""
    return _SIGNED + network + transaction + body


def request_datagram(network: bytes, transaction: bytes, request: Request) -> bytes:
    """The datagram of a request, padded so that three times its size is room for the answer."""
    body = _pack([int(request.method), request.asker, *_arguments(request)])
    data = _HEADER.pack(_MAGIC, network, _REQUEST, transaction, len(body)) + body
    return data.ljust(_PADDED.get(request.method, limits.DHT_REQUEST_BYTES_MIN), b"\0")


def answer_datagram(network: bytes, transaction: bytes, body: bytes, seal: bytes) -> bytes:
    """The datagram of an answer; `seal` is the node's key and its signature of `signed_part`."""
    return _HEADER.pack(_MAGIC, network, _ANSWER, transaction, len(body)) + body + seal


def parse_request(body: bytes) -> Request | None:
    """Read the body of a request; None for anything that is not one, in every bound."""
    found = _unpack(body)
    if not isinstance(found, list) or len(found) < 2 or type(found[0]) is not int or found[0] not in _METHODS:
        return None
    if type(found[1]) is not bytes or len(found[1]) not in (0, _ID):
        return None
    return _read(Method(found[0]), found[1], found[2:])


def answer_body(answer: Answer) -> bytes:
    """The body of an answer: a map of what it has."""
    packed = [peer.id + pack(peer.address) for peer in answer.peers]
    fields = (
        ("4", b"".join(peer for peer in packed if len(peer) == _ID + V4_BYTES)),
        ("6", b"".join(peer for peer in packed if len(peer) == _ID + V6_BYTES)),
        ("t", answer.token),
        ("r", answer.records),
        ("m", answer.more),
        ("l", answer.left),
        ("now", answer.now),
        ("ttl", answer.ttl),
        ("ok", answer.stored),
        ("p", answer.part),
        ("no", answer.refused),
        ("c", int(answer.client)),
        ("you", pack(answer.you) if answer.you else b""),
    )
    return _pack({name: value for name, value in fields if value})


def parse_answer(body: bytes) -> Answer | None:
    """Read the body of an answer; None for anything that is not one. Names that we do not know are for later versions."""
    found = _unpack(body)
    if not isinstance(found, dict):
        return None
    four, six = found.get("4", b""), found.get("6", b"")
    token, records, more = found.get("t", b""), found.get("r", []), found.get("m", [])
    you, part, refused = found.get("you"), found.get("p", b""), found.get("no", "")
    numbers = [found.get(name, 0) for name in ("l", "now", "ttl", "ok", "c")]
    if not (
        type(four) is bytes
        and type(six) is bytes
        and len(four) % (_ID + V4_BYTES) == 0
        and len(six) % (_ID + V6_BYTES) == 0
        and type(token) is bytes
        and len(token) in (0, TOKEN_BYTES)
        and type(part) is bytes
        and type(refused) is str
        and all(type(number) is int and 0 <= number < 2**40 for number in numbers)
        and isinstance(records, list)
        and all(type(raw) is bytes for raw in records)
        and isinstance(more, list)
        and all(_is_more(one) for one in more)
        and (you is None or (type(you) is bytes and len(you) in (V4_BYTES, V6_BYTES)))
    ):
        return None
    left, now, ttl, stored, client = numbers
    return Answer(
        (*_peers(four, V4_BYTES), *_peers(six, V6_BYTES)),
        token,
        tuple(records),
        tuple((digest, size) for digest, size in more),
        left,
        unpack(you) if you is not None else None,
        now,
        ttl,
        stored,
        part,
        refused,
        bool(client),
    )


def _peers(packed: bytes, size: int) -> list[Peer]:
    step = _ID + size
    return [
        Peer(NodeId(packed[at : at + _ID]), unpack(packed[at + _ID : at + step])) for at in range(0, len(packed), step)
    ]


def _is_more(one: object) -> bool:
    return (
        isinstance(one, list)
        and len(one) == 2
        and _is_digest(one[0])
        and type(one[1]) is int
        and 0 < one[1] <= limits.DHT_RECORD_BYTES_MAX
    )


# --- the arguments of each method, out and in


def _arguments(ask: Request) -> list[object]:
    match ask.method:
        case Method.PING:
            return []
        case Method.FIND | Method.UNSUBSCRIBE:
            return [ask.key]
        case Method.GET:
            return [ask.key, list(ask.have)]
        case Method.PART:
            return [ask.key, ask.digest, ask.index]
        case Method.PUT:
            return [ask.key, ask.token, ask.digest, ask.index, ask.count, ask.data]
        case Method.SUBSCRIBE:
            return [ask.key, ask.token, list(ask.have)]
        case Method.NOTIFY:
            return [ask.key, ask.digest, ask.count, ask.data]
        case Method.PROBE:
            return [ask.token]
        case Method.KNOCK:
            return [pack(ask.address)] if ask.address else []


def _read(method: Method, asker: bytes, arguments: list[Any]) -> Request | None:
    match method, arguments:
        case Method.PING, []:
            return Request(method, asker)
        case ((Method.FIND | Method.UNSUBSCRIBE), [key]) if _is_key(key):
            return Request(method, asker, key)
        case Method.GET, [key, have] if _is_key(key) and _are_digests(have):
            return Request(method, asker, key, have=tuple(have))
        case Method.PART, [key, digest, index] if _is_key(key) and _is_digest(digest):
            return Request(method, asker, key, digest=digest, index=index) if _is_below(index, _PARTS) else None
        case Method.PUT, [key, token, digest, index, count, data] if _is_key(key) and _is_token(token):
            whole = _is_digest(digest) and _is_below(count, _PARTS + 1) and _is_below(index, count)
            fits = type(data) is bytes and 0 < len(data) <= limits.DHT_PART_BYTES
            return Request(method, asker, key, token, (), digest, index, count, data) if whole and fits else None
        case Method.SUBSCRIBE, [key, token, have] if _is_key(key) and _is_token(token) and _are_digests(have):
            return Request(method, asker, key, token, tuple(have))
        case Method.NOTIFY, [key, digest, size, data] if _is_key(key) and _is_digest(digest):
            whole = _is_below(size, limits.DHT_RECORD_BYTES_MAX + 1) and size > 0 and type(data) is bytes
            return Request(method, asker, key, digest=digest, count=size, data=data) if whole else None
        case Method.PROBE, [token] if _is_token(token):
            return Request(method, asker, token=token)
        case Method.KNOCK, [address] if type(address) is bytes and len(address) in (V4_BYTES, V6_BYTES):
            return Request(method, asker, address=unpack(address))
        case _:
            return None


_PARTS: Final = limits.DHT_PARTS_MAX
_METHODS: Final = frozenset(map(int, Method))
_PADDED: Final = {
    Method.FIND: limits.DHT_FIND_BYTES,
    Method.GET: limits.DHT_QUERY_BYTES,
    Method.PART: limits.DHT_QUERY_BYTES,
    Method.SUBSCRIBE: limits.DHT_QUERY_BYTES,
    Method.PROBE: limits.DHT_PROBE_BYTES,
}


def _is_key(value: object) -> bool:
    return type(value) is bytes and len(value) == _ID


def _is_digest(value: object) -> bool:
    return type(value) is bytes and len(value) == DIGEST_BYTES


def _is_token(value: object) -> bool:
    return type(value) is bytes and len(value) == TOKEN_BYTES


def _is_below(value: object, bound: int) -> bool:
    return type(value) is int and 0 <= value < bound


def _are_digests(value: object) -> bool:
    return isinstance(value, list) and all(_is_digest(one) for one in value)


def _pack(value: object) -> bytes:
    packed: bytes = msgpack.packb(value)
    return packed


def _unpack(body: bytes) -> object:
    """The one value of a body, in no more than two levels of nesting that matter; None for what is none."""
    try:
        return msgpack.unpackb(
            body,
            max_array_len=limits.DHT_LIST_MAX,
            max_map_len=16,
            max_str_len=32,
            max_bin_len=limits.DHT_DATAGRAM_BYTES_MAX,
            max_ext_len=0,
        )
    except (ValueError, RecursionError):
        return None
