"""A history that grows on top of another without touching it: for commits that are judged and not accepted yet. (SCP-04 §4.2)"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Generic, TypeVar, overload

from swarmchat.conversation.actions import Relation
from swarmchat.conversation.entries import Entry
from swarmchat.conversation.history import History
from swarmchat.ids import AccountId, CommitId, DeviceId

T = TypeVar("T")


class Branch(History):
    """All of `base` as it stands now, and what is added here. Costs the same however long `base` is.

    `base` may grow meanwhile: its later entries are not seen here. What is added here is never seen there.
    """

    def __init__(self, base: History) -> None:
        super().__init__()
        self._base = base
        self._size = len(base)
        self._shared_controls = base.controls
        self._shared_count = len(base.controls)
        self._heads = set(base.heads)

    def __len__(self) -> int:
        return self._size + len(self._rows)

    def __contains__(self, commit: CommitId) -> bool:
        return self.find(commit) is not None

    def find(self, commit: CommitId) -> int | None:
        number = self._rows.numbers.get(commit)
        if number is None:
            number = self._base.find(commit)
            if number is not None and number >= self._size:
                return None
        return number

    def number(self, commit: CommitId) -> int:
        number = self.find(commit)
        if number is None:
            raise KeyError(commit)
        return number

    def id(self, number: int) -> CommitId:
        return self._base.id(number) if number < self._size else self._rows.ids[number - self._size]

    def time(self, number: int) -> int:
        return self._base.time(number) if number < self._size else self._rows.times[number - self._size]

    def relation(self, number: int) -> tuple[Relation, CommitId] | None:
        if number < self._size:
            return self._base.relation(number)
        return self._rows.relations.get(number - self._size)

    def is_merge(self, number: int) -> bool:
        return self._base.is_merge(number) if number < self._size else self._rows.is_merge(number - self._size)

    def parents(self, number: int) -> tuple[int, ...]:
        return self._base.parents(number) if number < self._size else self._rows.parents(number - self._size)

    def entry(self, number: int) -> Entry:
        return self._base.entry(number) if number < self._size else super().entry(number)

    @property
    def controls(self) -> Sequence[Entry]:
        return _Both(self._shared_controls, self._shared_count, self._controls)

    @property
    def accounts(self) -> frozenset[AccountId]:
        old = {account for account in self._base.accounts if self.numbers_of_account(account)}
        return self._rows.accounts | old

    @property
    def devices(self) -> frozenset[DeviceId]:
        old = {device for device in self._base.devices if self.numbers_of_device(device)}
        return self._rows.devices | old

    def numbers_of_account(self, account: AccountId) -> Sequence[int]:
        return self._both(self._base.numbers_of_account(account), self._rows.by_account(account))

    def numbers_of_device(self, device: DeviceId) -> Sequence[int]:
        return self._both(self._base.numbers_of_device(device), self._rows.by_device(device))

    def has_type(self, kind: str) -> bool:
        return next(self.numbers_of_type(kind), None) is not None

    def numbers_of_type(self, kind: str, after: int = -1) -> Iterator[int]:
        yield from takewhile(lambda number: number < self._size, self._base.numbers_of_type(kind, after))
        for row in self._rows.of_type(kind, max(after - self._size, -1)):
            yield row + self._size

    def _both(self, base: Sequence[int], own: Sequence[int]) -> Sequence[int]:
        count = len(base)
        while count and base[count - 1] >= self._size:
            count -= 1
        return _Both(base, count, own) if count else own

    def _control_place(self, number: int) -> int | None:
        if number < self._size:
            return self._base._control_place(number)  # noqa: SLF001 - one class in two places
        return self._control_places.get(number)

    def _mask(self, number: int) -> int:
        if number < self._size:
            return self._base._mask(number)  # noqa: SLF001
        return self._rows.masks[number - self._size]

    def _floor(self, number: int) -> int:
        if number < self._size:
            return self._base._floor(number)  # noqa: SLF001
        return self._rows.floors[number - self._size]

    def _clock(self, number: int) -> tuple[int, bool]:
        if number < self._size:
            return self._base._clock(number)  # noqa: SLF001
        row = number - self._size
        return self._rows.latest[row], bool(self._rows.chained[row])

    def _revoking_of(self, account: AccountId) -> Sequence[Entry]:
        old = [entry for entry in self._base._revoking_of(account) if entry.seq < self._size]  # noqa: SLF001
        return [*old, *self._revoking.get(account, ())]

    def _make(self, number: int) -> Entry:
        return self._made_from(self._rows, number - self._size, number)


class _Both(Sequence[T], Generic[T]):
    """The first `limit` of one sequence, then all of another."""

    __slots__ = ("_base", "_limit", "_own")

    def __init__(self, base: Sequence[T], limit: int, own: Sequence[T]) -> None:
        self._base = base
        self._limit = limit
        self._own = own

    def __len__(self) -> int:
        return self._limit + len(self._own)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> list[T]: ...
    def __getitem__(self, place: int | slice) -> T | list[T]:
        if isinstance(place, slice):
            return [self[index] for index in range(*place.indices(len(self)))]
        if place < 0:
            place += len(self)
        if place < 0:
            raise IndexError(place)
        return self._base[place] if place < self._limit else self._own[place - self._limit]

    def __iter__(self) -> Iterator[T]:
        return (self[index] for index in range(len(self)))
