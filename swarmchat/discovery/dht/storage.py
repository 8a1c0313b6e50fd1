"""The records that a node keeps for strangers: bounded by key, writer, network and in all, and never longer than ten minutes.

Sans-IO: every time is given. (SCP-05 §1.12, §1.13)
"""

from __future__ import annotations

import enum
import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from swarmchat import limits
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.dht.records import Kind, Record

_Slot = tuple[bytes, bytes]
_Place = tuple[DhtKey, _Slot]

_FREED_OF: Final = (
    64  # where all is full a 64th is freed at once: the largest source is looked for once, not for each put
)


class Stored(enum.StrEnum):
    """What became of a record that is kept."""

    NEW = "new"  # nothing stood in its slot
    NEWER = "newer"  # it replaces an older one
    REFRESHED = "refreshed"  # the same, made later
    KNOWN = "known"  # it was here already


class StoreFault(enum.StrEnum):
    """Why a record is not kept, though it holds."""

    EXPIRED = "expired"
    OLD = "old"  # a newer one of this writer and salt is here
    CONFLICT = "conflict"  # of the same number with other content
    WRITER = "writer"  # this writer has its share of the key
    SOURCE = "source"  # this network has its share of the node
    KEY = "key-full"
    NODE = "node-full"


@dataclass(slots=True, eq=False)
class _Kept:
    record: Record
    bits: int
    since: float  # when its writer first stood here with this salt
    expires: float
    source: bytes | None


class RecordStorage:
    """Records by key; `bytes_max` bounds the memory they take, about 1 KiB and twice its length each.

    Where a key is full, these stay: at most 4 of a network before any more of one; then those of more work, then those
    whose writer was there first. Where all is full, the network that holds most gives way.
    """

    def __init__(self, *, bytes_max: int = limits.DHT_STORAGE_BYTES_MAX) -> None:
        self.expired = 0
        self.rejected: Counter[StoreFault] = Counter()
        self._bytes_max = bytes_max
        self._keys: dict[DhtKey, dict[_Slot, _Kept]] = {}
        self._sources: dict[bytes, dict[_Place, None]] = {}
        self._source_bytes: Counter[bytes] = Counter()
        self._ends: list[tuple[float, DhtKey, _Slot]] = []  # a heap; what was replaced is left in it for a while
        self._count = 0
        self._bytes = 0
        self._memory = 0
        self._seen = 0.0  # the latest time that was given

    @property
    def count(self) -> int:
        """How many records are kept; those that are over count until they are swept."""
        return self._count

    @property
    def size(self) -> int:
        """Their encoded bytes."""
        return self._bytes

    @property
    def memory(self) -> int:
        """The bytes of memory they are reckoned to take."""
        return self._memory

    def put(self, record: Record, *, source: bytes | None, now: float) -> Stored | StoreFault:
        """Keep a record that `check` found good, or say why not; then nothing has changed.

        `source` is the network it came from (/24 or /48), None for our own, which no share binds.
        """
        self._tick(now)
        outcome = self._put(record, source, now)
        if isinstance(outcome, StoreFault):
            self.rejected[outcome] += 1
        return outcome

    def records(self, key: DhtKey, now: float) -> list[Record]:
        """What stands under a key now, what would stay longest first."""
        self._tick(now)
        ranked = _ranked(self._keys.get(key, {}).values())
        return [kept.record for kept in ranked if kept.expires > now]

    def sweep(self, now: float) -> None:
        """Forget what is over."""
        self._tick(now)
        while self._ends and self._ends[0][0] <= now:
            ends, key, slot = heapq.heappop(self._ends)
            kept = self._keys.get(key, {}).get(slot)
            if kept is not None and kept.expires == ends:
                self._drop(key, slot)
                self.expired += 1

    def _put(self, record: Record, source: bytes | None, now: float) -> Stored | StoreFault:
        expires = min(float(record.expires), now + limits.DHT_TTL_MAX_S)
        if expires <= now:
            return StoreFault.EXPIRED
        self._sweep_key(record.key, now)
        slots = self._keys.get(record.key, {})
        old = slots.get(record.slot)
        outcome = Stored.NEW if old is None else _compared(record, old)
        if not isinstance(outcome, Stored) or outcome is Stored.KNOWN:
            return outcome
        writers = sum(1 for writer, _ in slots if writer == record.writer)
        if old is None and record.kind is Kind.MAILBOX and writers >= limits.DHT_RECORDS_PER_WRITER_MAX:
            return StoreFault.WRITER
        size = len(record.encoded)
        freed = len(old.record.encoded) if old is not None and old.source == source else 0
        if source is not None and self._source_bytes[source] - freed + size > limits.DHT_BYTES_PER_PREFIX_MAX:
            return StoreFault.SOURCE
        kept = _Kept(record, record.bits, now if old is None else old.since, expires, source)
        going = _making_way(kept, [one for one in slots.values() if one is not old])
        if going is None:
            return StoreFault.KEY
        if old is not None:
            going.append(old)
        if not self._make_room(kept, going, now):
            return StoreFault.NODE
        for one in going:
            self._drop(record.key, one.record.slot)
        self._keep(kept)
        return outcome

    def _make_room(self, coming: _Kept, going: list[_Kept], now: float) -> bool:
        """Have the memory for one that comes when these have gone: without what is over, then without the least of the largest.

        A network that comes under this loses half of what it has at most; the largest one itself makes nobody go.
        """
        memory = _memory(coming.record) - sum(_memory(one.record) for one in going)
        if self._memory + memory <= self._bytes_max:
            return True
        self.sweep(now)
        if self._memory + memory <= self._bytes_max:
            return True
        aim = self._bytes_max - self._bytes_max // _FREED_OF - memory
        spared = {(one.record.key, one.record.slot) for one in going}  # their memory is counted already
        for name, held in sorted(self._source_bytes.items(), key=lambda one: (-one[1], one[0])):
            if name == coming.source or self._memory <= aim:
                break
            places = sorted(self._sources[name].keys() - spared, key=lambda one: _worth(self._keys[one[0]][one[1]]))
            for place in places:
                if self._memory <= aim or 2 * self._source_bytes[name] <= held:
                    break
                self._drop(*place)
        return self._memory + memory <= self._bytes_max

    def _keep(self, kept: _Kept) -> None:
        record, size = kept.record, len(kept.record.encoded)
        self._keys.setdefault(record.key, {})[record.slot] = kept
        if kept.source is not None:
            self._sources.setdefault(kept.source, {})[record.key, record.slot] = None
            self._source_bytes[kept.source] += size
        self._count += 1
        self._bytes += size
        self._memory += _memory(record)
        heapq.heappush(self._ends, (kept.expires, record.key, record.slot))
        if len(self._ends) > 2 * self._count + 1_024:  # somebody replaces his own over and over
            self._ends = [(one.expires, key, slot) for key, of in self._keys.items() for slot, one in of.items()]
            heapq.heapify(self._ends)

    def _drop(self, key: DhtKey, slot: _Slot) -> None:
        slots = self._keys[key]
        kept = slots.pop(slot)
        if not slots:
            del self._keys[key]
        size = len(kept.record.encoded)
        if kept.source is not None:
            self._source_bytes[kept.source] -= size
            del self._sources[kept.source][key, slot]
            if not self._sources[kept.source]:
                del self._sources[kept.source], self._source_bytes[kept.source]
        self._count -= 1
        self._bytes -= size
        self._memory -= _memory(kept.record)

    def _sweep_key(self, key: DhtKey, now: float) -> None:
        for slot, kept in list(self._keys.get(key, {}).items()):
            if kept.expires <= now:
                self._drop(key, slot)
                self.expired += 1

    def _tick(self, now: float) -> None:
        """A clock that was set back would make everything last longer: then nothing is kept, and the owners put it anew."""
        if now < self._seen - limits.DHT_AHEAD_MAX_S:
            for key, slots in list(self._keys.items()):
                for slot in list(slots):
                    self._drop(key, slot)
            self._ends.clear()
            self._seen = now
        self._seen = max(self._seen, now)


def _compared(record: Record, old: _Kept) -> Stored | StoreFault:
    held = old.record
    if record.seq != held.seq:
        return Stored.NEWER if record.seq > held.seq else StoreFault.OLD
    if record.signature == held.signature:
        return Stored.REFRESHED if record.bits > old.bits else Stored.KNOWN  # more work for the same
    if record.data != held.data or record.created == held.created:
        return StoreFault.CONFLICT
    return Stored.REFRESHED if record.created > held.created else StoreFault.OLD


def _making_way(coming: _Kept, others: list[_Kept]) -> list[_Kept] | None:
    """Which of the others go so that it fits under their key; None if it is itself the least of them."""
    count, size = len(others) + 1, sum(len(one.record.encoded) for one in (coming, *others))
    if count <= limits.DHT_RECORDS_PER_KEY_MAX and size <= limits.DHT_BYTES_PER_KEY_MAX:
        return []
    going: list[_Kept] = []
    for least in reversed(_ranked([*others, coming])):
        if least is coming:
            return None
        going.append(least)
        count, size = count - 1, size - len(least.record.encoded)
        if count <= limits.DHT_RECORDS_PER_KEY_MAX and size <= limits.DHT_BYTES_PER_KEY_MAX:
            return going
    return None


def _ranked(under_key: Iterable[_Kept]) -> list[_Kept]:
    """Those that stay longest first: the best four of each network, then the rest, each by its worth."""
    best = sorted(under_key, key=_worth, reverse=True)
    seen: Counter[bytes | None] = Counter()
    within: list[_Kept] = []
    beyond: list[_Kept] = []
    for kept in best:
        seen[kept.source] += 1
        theirs = kept.source is None or seen[kept.source] <= limits.DHT_RECORDS_PER_PREFIX_MAX
        (within if theirs else beyond).append(kept)
    return within + beyond


def _worth(kept: _Kept) -> tuple[int, float, _Slot]:
    """More work is worth more, then who was there first; the slot decides where both came at once."""
    return kept.bits, -kept.since, kept.record.slot


def _memory(record: Record) -> int:
    return limits.DHT_RECORD_MEMORY_BYTES + 2 * len(record.encoded)
