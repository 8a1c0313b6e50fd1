"""What a node answers to whom: no more than three times what was asked, nothing stored for who has no token. Times are given.
(SCP-05 §1.14, §1.17)"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from swarmchat import limits
from swarmchat.discovery.dht.admission import Meter, Partials, Tokens
from swarmchat.discovery.dht.hosts import V4_BYTES, V6_BYTES, Endpoint, prefix, usable
from swarmchat.discovery.dht.identity import NodeId
from swarmchat.discovery.dht.records import Record, RecordFault, check, read
from swarmchat.discovery.dht.routing import Table
from swarmchat.discovery.dht.storage import RecordStorage, Stored, StoreFault
from swarmchat.discovery.dht.subscribers import Subscribers
from swarmchat.discovery.dht.wire import OVERHEAD_BYTES, Answer, Method, Peer, Request, Said

_ENOUGH_PEERS: Final = 8  # beside records there are no more than these
_HEADS_BYTES: Final = 40  # the map, the token, the lengths of its fields


@dataclass(frozen=True, slots=True)
class Now:
    """The two clocks at the moment of a datagram: since 1970, and one that never runs backwards."""

    wall: float
    steady: float


@dataclass(frozen=True, slots=True)
class Served:
    """The answer, and what else is to be done: tell subscribers of `news`, have a third node `knock`, `ping` somebody."""

    answer: Answer
    news: Record | None = None
    knock: Endpoint | None = None
    ping: Endpoint | None = None

    @classmethod
    def of(cls, news: Record | None) -> Self:
        """What is to be done about a record that was taken in here."""
        return cls(Answer(), news=news)


def room_for(size: int) -> int:
    """Bytes that the body of an answer to a request of `size` may have: three times the request, less a ping back."""
    return min(limits.DHT_DATAGRAM_BYTES_MAX, 3 * size - limits.DHT_REQUEST_BYTES_MIN) - OVERHEAD_BYTES


class Serving:
    """Answers for all sockets of a node. `bits` of work are asked of a mailbox record; `told` hears what others notify."""

    def __init__(
        self, storage: RecordStorage, secret: bytes, *, bits: int, told: Callable[[Endpoint, Request], None]
    ) -> None:
        self.storage = storage
        self.subscribers = Subscribers()
        self.partials = Partials()
        self.bits = bits
        self.refused: Counter[RecordFault] = Counter()
        self._tokens = Tokens(secret)
        self._told = told
        self._probes = Meter(limits.DHT_PROBES_PER_S, limits.DHT_PROBES_BURST)

    def serve(self, ask: Request, source: Endpoint, size: int, table: Table, now: Now, *, serves: bool) -> Served:
        """Carry out one request that came from `source` in a datagram of `size` bytes.

        `serves`: whether this node keeps records for others at all.
        """
        room = room_for(size)
        match ask.method:
            case Method.PING:
                return Served(Answer(you=source, now=int(now.wall)))
            case Method.FIND:
                token = self._tokens.mint(source, now.steady)
                peers = self._peers(ask.key, source, table, room - _HEADS_BYTES)
                return Served(Answer(peers, token))
            case Method.GET:
                return Served(self._found(ask, source, room, table, now))
            case Method.PART:
                return Served(self._part(ask, room, now))
            case Method.NOTIFY:
                self._told(source, ask)
                return Served(Answer(stored=1))
            case Method.UNSUBSCRIBE:
                self.subscribers.drop(ask.key, source)
                return Served(Answer(stored=1))
            case Method.KNOCK:
                return self._knocked(ask, source, table, now)
            case _:
                return self._proven(ask, source, room, table, now, serves=serves)

    def _proven(self, ask: Request, source: Endpoint, room: int, table: Table, now: Now, *, serves: bool) -> Served:
        """What only he gets who has shown by a token that he is where he says."""
        if not self._tokens.holds(source, ask.token, now.steady):
            return Served(Answer(refused=Said.TOKEN))
        if ask.method is Method.PROBE:
            return self._probed(source, now)
        if not serves:
            return Served(Answer(refused=Said.CLIENT))
        if ask.method is Method.PUT:
            return self._put(ask, source, now)
        if not self.subscribers.add(ask.key, source, now.steady):
            return Served(Answer(refused=Said.BUSY))
        return Served(self._found(ask, source, room, table, now, ttl=int(limits.DHT_SUBSCRIPTION_S)))

    def accept(
        self, raw: bytes, key: bytes, source: bytes | None, now: Now
    ) -> Record | RecordFault | StoreFault | None:
        """Take a record in that belongs under `key`; the record where it is news, None where it was here, younger perhaps."""
        record = read(raw)
        if isinstance(record, RecordFault) or record.key != key:
            return self._refuse(record if isinstance(record, RecordFault) else RecordFault.KEY)
        if any(held.encoded == raw for held in self.storage.records(record.key, now.wall)):
            return None  # put again by who does not know: nothing to verify
        fault = check(record, record.key, now.wall, self.bits)
        if fault is not None:
            return self._refuse(fault)
        stored = self.storage.put(record, source=source, now=now.wall)
        if isinstance(stored, StoreFault):
            return stored
        return record if stored in {Stored.NEW, Stored.NEWER} else None

    def _refuse(self, fault: RecordFault) -> RecordFault:
        self.refused[fault] += 1
        return fault

    def sweep(self, now: Now) -> None:
        """Forget what is over."""
        self.storage.sweep(now.wall)
        self.subscribers.sweep(now.steady)

    def _put(self, ask: Request, source: Endpoint, now: Now) -> Served:
        whole: bytes | bool = ask.data
        if ask.count > 1:
            whole = self.partials.add(source, ask.digest, ask.index, ask.count, ask.data, now.steady)
        if isinstance(whole, bool):
            return Served(Answer(stored=2) if whole else Answer(refused=Said.BUSY))
        outcome = self.accept(whole, ask.key, prefix(source[0]), now)
        if isinstance(outcome, (RecordFault, StoreFault)):
            return Served(Answer(refused=str(outcome)))
        return Served(Answer(token=self._tokens.mint(source, now.steady), stored=1), news=outcome)

    def _peers(self, target: bytes, source: Endpoint, table: Table, room: int) -> tuple[Peer, ...]:
        count = min(limits.DHT_BUCKET_CONTACTS, max(0, room) // _peer_bytes(source))
        near = table.nearest(target, count + 1)
        peers = (Peer(NodeId(one.id), one.address) for one in near if one.address != source)
        return tuple(peer for peer in peers if usable(peer.address, source[0]))[:count]

    def _found(self, ask: Request, source: Endpoint, room: int, table: Table, now: Now, *, ttl: int = 0) -> Answer:
        """The nearest nodes, and the records that the asker has not got: whole where they fit, else by digest."""
        room -= _HEADS_BYTES
        have = frozenset(ask.have)
        records = [one for one in self.storage.records(ask.key, now.wall) if one.digest not in have]
        peer_bytes = _peer_bytes(source)
        peers = self._peers(ask.key, source, table, min(room, _ENOUGH_PEERS * peer_bytes) if records else room)
        room -= len(peers) * peer_bytes
        whole, more = _packed(records, room)
        left = len(records) - len(whole) - len(more)
        token = self._tokens.mint(source, now.steady)
        return Answer(peers, token, tuple(whole), tuple(more), left, ttl=ttl)

    def _part(self, ask: Request, room: int, now: Now) -> Answer:
        if room < limits.DHT_PART_BYTES + 8:
            return Answer(refused=Said.FORM)
        for one in self.storage.records(ask.key, now.wall):
            if one.digest == ask.digest:
                begin = ask.index * limits.DHT_PART_BYTES
                return Answer(part=one.encoded[begin : begin + limits.DHT_PART_BYTES])
        return Answer(refused=Said.UNKNOWN)

    def _probed(self, source: Endpoint, now: Now) -> Served:
        """Somebody at `source`, as his token proves, wants to know whether strangers reach him."""
        if not self._probes.take(prefix(source[0]), now.steady):
            return Served(Answer(refused=Said.BUSY))
        return Served(Answer(stored=1), knock=source)

    def _knocked(self, ask: Request, source: Endpoint, table: Table, now: Now) -> Served:
        """A node that we know asks us to ping somebody who has not heard of us: one short datagram for one."""
        known = table.at(source) is not None and ask.address is not None and usable(ask.address, source[0])
        if not known or not self._probes.take(prefix(source[0]), now.steady):
            return Served(Answer(refused=Said.BUSY))
        return Served(Answer(stored=1), ping=ask.address)


def _peer_bytes(source: Endpoint) -> int:
    """Bytes of a packed node of the asker's family."""
    return limits.DHT_KEY_BYTES + (V6_BYTES if ":" in source[0] else V4_BYTES)


def _packed(records: Sequence[Record], room: int) -> tuple[list[bytes], list[tuple[bytes, int]]]:
    """Which of these go whole, and which by digest, into so many bytes."""
    whole: list[bytes] = []
    more: list[tuple[bytes, int]] = []
    for one in records:
        if len(one.encoded) + 3 <= room:
            whole.append(one.encoded)
            room -= len(one.encoded) + 3
        elif room >= 14 and len(more) < limits.DHT_LIST_MAX:
            more.append((one.digest, len(one.encoded)))
            room -= 14
    return whole, more
