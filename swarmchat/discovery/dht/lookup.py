"""The search for the nodes nearest to a key: three questions under way, nobody waited for who is slow. (SCP-05 §1.19)

No rounds: an answer brings the next question out at once, and so does one that is late. Who has let a time-out pass no
longer stands in the way of the end, but may still answer. Who answered has signed with the key that his id comes from: what is found is proven.
"""

from __future__ import annotations

import bisect
import enum
from collections import Counter
from collections.abc import Iterable

from swarmchat import limits
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.dht.hosts import is_private, prefix, usable
from swarmchat.discovery.dht.records import Record, RecordFault, check, read
from swarmchat.discovery.dht.wire import Peer


class _State(enum.Enum):
    NEW = enum.auto()
    ASKED = enum.auto()
    LATE = enum.auto()
    SLOW = enum.auto()
    ANSWERED = enum.auto()
    OUT = enum.auto()


_WAITING = frozenset({_State.ASKED, _State.LATE, _State.SLOW})
_ENDING = frozenset({_State.ASKED, _State.LATE, _State.ANSWERED})
_ASKING = _ENDING | {_State.NEW}
_ASKABLE = _ASKING - {_State.LATE}


class Lookup:
    """One search in one family. The owner asks whom `wanted` names and says what came of it; `finished` is the end."""

    def __init__(
        self, target: bytes, own: bytes, seeds: Iterable[Peer], *, width: int, alpha: int = limits.DHT_ALPHA
    ) -> None:
        self.queries = 0
        self._target = int.from_bytes(target, "big")
        self._own = own
        self._width = width
        self._alpha = alpha
        self._peers: dict[bytes, Peer] = {}
        self._states: dict[bytes, _State] = {}
        self._order: list[tuple[int, bytes]] = []
        self._prefixes: Counter[bytes] = Counter()
        self._asked = 0
        self._late = 0
        self._nearest: list[bytes] | None = None  # what `_top` found, as long as it holds
        for peer in seeds:
            self._add(peer)

    @property
    def finished(self) -> bool:
        """Whether the nearest that answer have all answered, or nobody is left."""
        top = self._top()
        if any(self._states[one] is not _State.ANSWERED for one in top):
            return False
        return len(top) == self._width or _State.SLOW not in self._states.values()

    @property
    def found(self) -> list[Peer]:
        """The nearest that answered so far, nearest first."""
        return [self._peers[one] for one in self._top() if self._states[one] is _State.ANSWERED]

    def wanted(self) -> list[Peer]:
        """Whom to ask now: of the nearest, those who are late left out. With every late one there is room for one question more, up to `DHT_ALPHA_MAX`."""
        room = min(self._alpha + self._late, limits.DHT_ALPHA_MAX) - self._asked
        room = min(room, limits.DHT_LOOKUP_QUERIES_MAX - self.queries)
        if room <= 0:
            return []
        top = self._top() if self._late == 0 else self._first(_ASKABLE)
        chosen = [one for one in top if self._states[one] is _State.NEW][:room]
        for one in chosen:
            self._states[one] = _State.ASKED
        self._asked += len(chosen)
        self.queries += len(chosen)
        if self.queries >= limits.DHT_LOOKUP_QUERIES_MAX:
            self._nearest = None
        return [self._peers[one] for one in chosen]

    def answered(self, node_id: bytes, peers: Iterable[Peer]) -> None:
        """A node answered, and named these."""
        teller = self._leave(node_id, _State.ANSWERED)
        if teller is not None:
            for peer in peers:
                if usable(peer.address, teller.address[0]):
                    self._add(peer)

    def late(self, node_id: bytes) -> None:
        """A node takes longer than most: somebody else is asked as well, but its answer is waited for."""
        if self._states.get(node_id) is _State.ASKED:
            self._states[node_id] = _State.LATE
            self._asked -= 1
            self._late += 1

    def slow(self, node_id: bytes) -> None:
        """A node let the first time-out pass: nothing waits for it any more."""
        self.late(node_id)
        if self._states.get(node_id) is _State.LATE:
            self._states[node_id] = _State.SLOW
            self._nearest = None

    def failed(self, node_id: bytes) -> None:
        """A node did not answer at all, or nonsense."""
        self._leave(node_id, _State.OUT)

    def _leave(self, node_id: bytes, state: _State) -> Peer | None:
        was = self._states.get(node_id)
        if was not in _WAITING:
            return None
        self._asked -= was is _State.ASKED
        self._states[node_id] = state
        self._nearest = None
        return self._peers[node_id]

    def _top(self) -> list[bytes]:
        """The nearest of whom something can be expected soon, or was got."""
        if self._nearest is None:
            self._nearest = self._first(_ASKING if self.queries < limits.DHT_LOOKUP_QUERIES_MAX else _ENDING)
        return self._nearest

    def _first(self, states: frozenset[_State]) -> list[bytes]:
        """The nearest in one of these states."""
        top: list[bytes] = []
        for _, one in self._order:
            if self._states[one] in states:
                top.append(one)
                if len(top) == self._width:
                    break
        return top

    def _add(self, peer: Peer) -> None:
        if peer.id in self._states or peer.id == self._own:
            return
        host = peer.address[0]
        if not is_private(host):
            mine = prefix(host)
            if self._prefixes[mine] >= limits.DHT_PER_PREFIX_IN_LOOKUP_MAX:
                return
            self._prefixes[mine] += 1
        self._nearest = None
        self._states[peer.id] = _State.NEW
        self._peers[peer.id] = peer
        bisect.insort(self._order, (int.from_bytes(peer.id, "big") ^ self._target, peer.id))
        if len(self._order) > limits.DHT_LOOKUP_PEERS_MAX:
            self._forget_farthest()

    def _forget_farthest(self) -> None:
        for index in range(len(self._order) - 1, -1, -1):
            one = self._order[index][1]
            if self._states[one] in (_State.NEW, _State.OUT):
                del self._order[index]
                self._states[one] = _State.OUT  # remembered, so that it is not let in again
                return


class Harvest:
    """The records of one key as they come in from many: each judged once, the newest of each slot kept."""

    def __init__(self, key: DhtKey, bits: int) -> None:
        self.key = key
        self.refused: Counter[RecordFault] = Counter()
        self._bits = bits
        self._records: dict[tuple[bytes, bytes], Record] = {}
        self._seen: set[bytes] = set()  # encoded records that were judged
        self._digests: set[bytes] = set()  # of those that hold, and of those that are on their way
        self._held: set[bytes] = set()  # of those that hold, older ones of a slot included

    @property
    def records(self) -> list[Record]:
        """What was found, in the order of slots."""
        return [self._records[slot] for slot in sorted(self._records)]

    @property
    def digests(self) -> tuple[bytes, ...]:
        """What need not be sent again."""
        return tuple(sorted(one.digest for one in self._records.values()))

    def holds(self, digest: bytes) -> bool:
        """Whether the record of this digest has come and holds."""
        return digest in self._held

    def claim(self, digest: bytes) -> bool:
        """Whether a record of this digest is to be fetched, by whoever asks first; `release` if it does not come."""
        if digest in self._digests or len(self._digests) >= limits.DHT_HARVEST_MAX:
            return False
        self._digests.add(digest)
        return True

    def release(self, digest: bytes) -> None:
        """It did not come: another may claim it."""
        self._digests.discard(digest)

    def offer(self, raw: bytes, now: float) -> Record | None:
        """Judge what somebody says is a record of this key; the record if it is new and newer than what is here."""
        if raw in self._seen or len(self._seen) >= limits.DHT_HARVEST_MAX:
            return None
        record = read(raw)
        fault = record if isinstance(record, RecordFault) else check(record, self.key, now, self._bits)
        if fault in (None, RecordFault.SIGNATURE):
            self._seen.add(raw)  # what was dear to judge is judged once; rubbish shall not use up the number
        if fault is not None or isinstance(record, RecordFault):
            self.refused[fault or RecordFault.FORM] += 1
            return None
        self._digests.add(record.digest)
        self._held.add(record.digest)
        old = self._records.get(record.slot)
        if old is not None and (old.seq, old.created) >= (record.seq, record.created):
            return None
        self._records[record.slot] = record
        return record
