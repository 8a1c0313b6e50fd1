"""A history that grows on top of another without touching it: for commits that are judged and not accepted yet. (SCP-04 §4.2)"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, Protocol, SupportsIndex, TypeVar, cast, overload

from swarmchat.conversation.history import Entry, History
from swarmchat.ids import CommitId

K = TypeVar("K")
K_contra = TypeVar("K_contra", contravariant=True)


class Branch(History):
    """All of `base` as it stands now, and what is added here. Costs the same however long `base` is.

    `base` may grow meanwhile: its later entries are not seen here. What is added here is never seen there.
    """

    def __init__(self, base: History) -> None:
        size = len(base)
        self._by_id = cast("dict[CommitId, Entry]", _Names(base, size))
        self._entries = cast("list[Entry]", _Stack(base.entries, size))
        self._controls = cast("list[Entry]", _Stack(base.controls, _count(base.controls, size)))
        self._by_device = cast("dict[object, list[Entry]]", _Groups(base._by_device, size))  # type: ignore[assignment]  # noqa: SLF001
        self._by_account = cast("dict[object, list[Entry]]", _Groups(base._by_account, size))  # type: ignore[assignment]  # noqa: SLF001
        self._revoking = cast("dict[object, list[Entry]]", _Groups(base._revoking, size))  # type: ignore[assignment]  # noqa: SLF001
        self._heads = set(base.heads)


class _Rows(Protocol):
    """What is asked of a list of entries: by a list and by a `_Stack` alike."""

    def __len__(self) -> int: ...
    def __getitem__(self, place: SupportsIndex) -> Entry: ...


class _Lists(Protocol[K_contra]):
    def get(self, key: K_contra) -> list[Entry] | None: ...


def _count(rows: _Rows, size: int) -> int:
    """How many of these entries, numbered in rising order, have a number below `size`."""
    count = len(rows)
    while count and rows[count - 1].seq >= size:
        count -= 1
    return count


class _Stack:
    """A list whose first `limit` entries are another's."""

    __slots__ = ("_base", "_limit", "_own")

    def __init__(self, base: _Rows, limit: int) -> None:
        self._base = base
        self._limit = limit
        self._own: list[Entry] = []

    def __len__(self) -> int:
        return self._limit + len(self._own)

    @overload
    def __getitem__(self, place: SupportsIndex) -> Entry: ...
    @overload
    def __getitem__(self, place: slice) -> list[Entry]: ...
    def __getitem__(self, place: SupportsIndex | slice) -> Entry | list[Entry]:
        if isinstance(place, slice):
            return [self[index] for index in range(*place.indices(len(self)))]
        index = place.__index__()
        if index < 0:
            index += len(self)
        if index < 0:
            raise IndexError(place)
        return self._base[index] if index < self._limit else self._own[index - self._limit]

    def __iter__(self) -> Iterator[Entry]:
        return (self[index] for index in range(len(self)))

    def __reversed__(self) -> Iterator[Entry]:
        return (self[index] for index in range(len(self) - 1, -1, -1))

    def append(self, entry: Entry) -> None:
        self._own.append(entry)


class _Names:
    """Entries by id: one's own, then those of the base that were there at the start."""

    __slots__ = ("_base", "_own", "_size")

    def __init__(self, base: History, size: int) -> None:
        self._base = base
        self._size = size
        self._own: dict[CommitId, Entry] = {}

    def get(self, commit: CommitId) -> Entry | None:
        entry = self._own.get(commit)
        if entry is None:
            entry = self._base.get(commit)
            if entry is not None and entry.seq >= self._size:
                return None
        return entry

    def __getitem__(self, commit: CommitId) -> Entry:
        entry = self.get(commit)
        if entry is None:
            raise KeyError(commit)
        return entry

    def __contains__(self, commit: object) -> bool:
        return self.get(cast(CommitId, commit)) is not None

    def __setitem__(self, commit: CommitId, entry: Entry) -> None:
        self._own[commit] = entry


class _Groups(Generic[K]):
    """Lists of entries by device or account, each taken over from the base when it is first asked for."""

    __slots__ = ("_base", "_own", "_size")

    def __init__(self, base: _Lists[K], size: int) -> None:
        self._base = base
        self._size = size
        self._own: dict[K, _Stack] = {}

    def get(self, key: K, default: Iterable[Entry] = ()) -> _Stack | Iterable[Entry]:
        stack = self._own.get(key)
        if stack is not None:
            return stack
        rows = self._base.get(key)
        if not rows:
            return default
        return self._own.setdefault(key, _Stack(rows, _count(rows, self._size)))

    def setdefault(self, key: K, default: list[Entry]) -> _Stack:
        found = self.get(key)
        return found if isinstance(found, _Stack) else self._own.setdefault(key, _Stack(default, 0))
