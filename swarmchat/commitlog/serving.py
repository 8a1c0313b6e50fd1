"""What another node lacks, as a strict pack, told from the ledger without a walk. (SCP-04 §3)"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from swarmchat import limits
from swarmchat.commitlog.ledger import Ledger
from swarmchat.commitlog.packs import HEADER_BYTES, TRAILER_BYTES, Writer, encode, read_entry
from swarmchat.commitlog.repository import DamagedObjectError, Located
from swarmchat.commitlog.trees import COMMIT, Load, additions
from swarmchat.conversation.history import Entry, History
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


def plan(
    ledger: Ledger,
    missing: list[Entry],
    load: Load,
    locate: Callable[[int, bytes], Located],
    *,
    bytes_max: int = limits.BATCH_BYTES_MAX,
) -> tuple[list[Located], tuple[CommitId, ...]]:
    """The objects of these commits in strict order, as many as fit in one batch, and the heads they end in."""
    seen: set[bytes] = set()
    parts: list[tuple[Entry, list[Located]]] = []
    size, count = HEADER_BYTES + TRAILER_BYTES, 0
    for entry in missing:
        tree = ledger.trees[entry.seq]
        parents = entry.fact.parents
        base = ledger.tree_of(parents[0]) if parents else None
        part = []
        if tree != base:
            old = None if base is None else bytes.fromhex(base)
            part = [locate(kind, oid) for kind, oid in additions(old, bytes.fromhex(tree), load, seen)]
        part.append(locate(COMMIT, bytes.fromhex(entry.id)))
        size += sum(place.size for place in part)
        count += len(part)
        if size > bytes_max or count > limits.BATCH_OBJECTS_MAX or len(parts) >= limits.BATCH_COMMITS_MAX:
            break
        parts.append((entry, part))
    while (end := _first_dangling([entry for entry, _ in parts])) is not None:
        del parts[end:]
    return [place for _, part in parts for place in part], _ends(ledger.history, [entry for entry, _ in parts])


def stream(places: list[Located], fetch: Callable[[Located], bytes], *, stored: bool = False) -> Iterator[bytes]:
    """The bytes of the pack in pieces; `stored` leaves its entries uncompressed, for a stream that is compressed as a whole.

    StorageError at a damaged object.
    """
    writer = Writer(len(places))
    for place in places:
        entry = fetch(place)
        if stored:
            try:
                entry = encode(*read_entry(entry), level=0)
            except ValueError as error:
                raise DamagedObjectError(f"object {place.oid.hex()} is damaged in its pack") from error
        writer.add(place.kind, place.oid, entry)
        if writer.waiting >= _CHUNK_BYTES:
            yield writer.take()
    yield writer.end()


def locator(history: History) -> tuple[CommitId, ...]:
    """The heads, then ordinary commits ever further back, at most 64. (SCP-04 §3.1)"""
    found = dict.fromkeys(history.heads[: limits.HAVES_MAX // 2])
    entries = history.entries
    step, place = 1, len(entries) - 1
    while place > 0 and len(found) < limits.HAVES_MAX:
        place = max(place - step, 0)
        step *= 2
        while entries[place].is_merge:
            place -= 1  # the first commit of all is no merge
        found[entries[place].id] = None
    return tuple(found)


def _first_dangling(entries: list[Entry]) -> int | None:
    """The first merge on which nothing in this batch is built: it would be refused."""
    needed: set[CommitId] = set()
    dangling = None
    for place in range(len(entries) - 1, -1, -1):
        entry = entries[place]
        if entry.is_merge and entry.id not in needed:
            dangling = place
        needed.update(entry.fact.parents)
    return dangling


def _ends(history: History, entries: Iterable[Entry]) -> tuple[CommitId, ...]:
    ends: set[CommitId] = set()
    for entry in entries:
        if entry.is_merge:
            continue
        ends.difference_update(history.ordinary_parents(entry))
        ends.add(entry.id)
    return tuple(sorted(ends))
