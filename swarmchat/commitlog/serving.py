"""What another node lacks, as a strict pack, told from the ledger without a walk. (SCP-04 §3)"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from swarmchat import limits
from swarmchat.commitlog.ledger import Ledger
from swarmchat.commitlog.packfiles import PackFile
from swarmchat.commitlog.packs import HEADER_BYTES, TRAILER_BYTES, Writer
from swarmchat.commitlog.repository import Located
from swarmchat.commitlog.trees import COMMIT, Load, additions
from swarmchat.conversation.history import History
from swarmchat.ids import CommitId

_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack to be sent: how many objects, its bytes in pieces of about 64 KiB, and the heads that it ends in.

    `size` is about what it will come to. The heads are those of the part that fits in one batch (SCP-02 §10); who wants more
    asks again.
    """

    objects: int
    size: int
    heads: tuple[CommitId, ...]
    chunks: Iterator[bytes]


class Places:
    """Where the objects of a pack lie, in columns: some 45 bytes for each."""

    def __init__(self) -> None:
        self.size = HEADER_BYTES + TRAILER_BYTES  # of a pack of them
        self._kinds = bytearray()
        self._oids = bytearray()
        self._starts = array("Q")
        self._ends = array("Q")
        self._sizes = array("I")
        self._which = array("i")  # of the packs
        self._packs: list[PackFile | None] = []

    def __len__(self) -> int:
        return len(self._kinds)

    def __iter__(self) -> Iterator[Located]:
        for row, kind in enumerate(self._kinds):
            oid = bytes(self._oids[20 * row : 20 * row + 20])
            pack = self._packs[self._which[row]]
            yield Located(kind, oid, pack, self._starts[row], self._ends[row], self._sizes[row])

    def add(self, place: Located) -> None:
        """One more."""
        if not self._packs or self._packs[-1] is not place.pack:
            self._packs.append(place.pack)
        self.size += place.size
        self._kinds.append(place.kind)
        self._oids += place.oid
        self._starts.append(place.start)
        self._ends.append(place.end)
        self._sizes.append(place.size)
        self._which.append(len(self._packs) - 1)

    def cut(self, count: int) -> None:
        """Only the first `count` stay."""
        self.size -= sum(self._sizes[count:])
        for column in (self._kinds, self._starts, self._ends, self._sizes, self._which):
            del column[count:]
        del self._oids[20 * count :]

    @property
    def stored(self) -> int:
        """Bytes, when sent, of those that lie in our packs."""
        return sum(place.size for place in self if place.pack is not None)


def plan(
    ledger: Ledger,
    missing: Sequence[int],
    load: Load,
    locate: Callable[[int, bytes], Located],
    *,
    bytes_max: int = limits.BATCH_BYTES_MAX,
) -> tuple[Places, tuple[CommitId, ...]]:
    """The objects of these commits in strict order, as many as fit in one batch, and the heads they end in."""
    seen: set[bytes] = set()
    history = ledger.history
    places = Places()
    ends = array("I", [0])  # how many objects there are with each commit
    for number in missing:
        tree = ledger.trees[number]
        parents = history.parents(number)
        base = ledger.trees[parents[0]] if parents else None
        if tree != base:
            old = None if base is None else bytes.fromhex(base)
            for kind, oid in additions(old, bytes.fromhex(tree), load, seen):
                places.add(locate(kind, oid))
        places.add(locate(COMMIT, bytes.fromhex(history.id(number))))
        if places.size > bytes_max or len(places) > limits.BATCH_OBJECTS_MAX or len(ends) > limits.BATCH_COMMITS_MAX:
            break
        ends.append(len(places))
    served = missing[: len(ends) - 1]
    while (end := _first_dangling(history, served)) is not None:
        served = served[:end]
    places.cut(ends[len(served)])
    return places, _ends(history, served)


def stream(places: Places, fetch: Callable[[Located], bytes]) -> Iterator[bytes]:
    """The bytes of the pack in pieces. StorageError at a damaged object."""
    writer = Writer(len(places), keeps_rows=False)
    for place in places:
        writer.add(place.oid, fetch(place))
        if writer.waiting >= _CHUNK_BYTES:
            yield writer.take()
    yield writer.end()


def locator(history: History) -> tuple[CommitId, ...]:
    """The heads, then ordinary commits ever further back, at most 64. (SCP-04 §3.1)"""
    found = dict.fromkeys(history.heads[: limits.HAVES_MAX // 2])
    step, place = 1, len(history) - 1
    while place > 0 and len(found) < limits.HAVES_MAX:
        place = max(place - step, 0)
        step *= 2
        while history.is_merge(place):
            place -= 1  # the first commit of all is no merge
        found[history.id(place)] = None
    return tuple(found)


def _first_dangling(history: History, numbers: Sequence[int]) -> int | None:
    """The first merge on which nothing in this batch is built: it would be refused."""
    needed: set[int] = set()
    dangling = None
    for place in range(len(numbers) - 1, -1, -1):
        number = numbers[place]
        if number in needed:
            needed.discard(number)
        elif history.is_merge(number):
            dangling = place
        needed.update(history.parents(number))
    return dangling


def _ends(history: History, numbers: Iterable[int]) -> tuple[CommitId, ...]:
    ends: set[int] = set()
    for number in numbers:
        if history.is_merge(number):
            continue
        ends.difference_update(history.ordinary_parents_of(number))
        ends.add(number)
    return tuple(sorted(history.id(number) for number in ends))
