"""The commits of a history in columns: forty bytes and an id for each, where objects would take seven hundred. (SCP-04 §8)"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence

from swarmchat.conversation.actions import Relation
from swarmchat.ids import AccountId, CommitId, DeviceId

Author = tuple[AccountId, DeviceId]


class Rows:
    """Commits by number, counted from 0; a parent is the number of an earlier commit of the history, not of these rows alone."""

    def __init__(self) -> None:
        self.ids: list[CommitId] = []
        self.numbers: dict[CommitId, int] = {}
        self.times = array("q")
        self.masks: list[int] = []  # a text shares its parent's: no new number for each message
        self.floors = array("I")
        self.latest = array("q")
        self.chained = bytearray()
        self.relations: dict[int, tuple[Relation, CommitId]] = {}
        self.written: list[array[int]] = []  # by number of the author
        self.authors: list[Author] = []
        self.types: list[str] = []
        self.only_parents = array("i")  # -1 for none or several
        self.author_numbers = array("i")  # -1: nobody
        self._parents: dict[int, tuple[int, ...]] = {}  # of who has several
        self._type = array("I")
        self._author_numbers: dict[Author, int] = {}
        self._type_numbers: dict[str, int] = {}
        self._devices: dict[DeviceId, list[int]] = {}
        self._accounts: dict[AccountId, list[int]] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def append(
        self,
        commit: CommitId,
        number: int,
        parents: Sequence[int],
        author: int,
        time: int,
        kind: str,
        relation: tuple[Relation, CommitId] | None,
    ) -> None:
        """What a commit says of itself; what follows from its ancestors is appended to the other columns by who knows them."""
        if relation is not None:
            self.relations[len(self.ids)] = relation
        if len(parents) > 1:
            self._parents[len(self.ids)] = tuple(parents)
        self.ids.append(commit)
        self.numbers[commit] = number
        self.times.append(time)
        self.only_parents.append(parents[0] if len(parents) == 1 else -1)
        self.author_numbers.append(author)
        self._type.append(self.type_number(kind))
        if author >= 0:
            self.written[author].append(number)

    def extend(
        self,
        ids: list[CommitId],
        parents: array[int],
        several: Mapping[int, tuple[int, ...]],
        authors: array[int],
        times: array[int],
        types: array[int],
        relations: Mapping[int, tuple[Relation, CommitId]],
    ) -> None:
        """Many at once into empty rows, numbered from 0, those of `several` with none or many parents; authors and types by the numbers that `author_number` and `type_number` gave."""
        self.ids = ids
        self.numbers = dict(zip(ids, range(len(ids)), strict=True))
        self.only_parents, self._parents = parents, dict(several)
        for row in several:
            parents[row] = -1
        self.author_numbers, self.times, self._type = authors, times, types
        self.relations = dict(relations)

    def author_number(self, account: AccountId, device: DeviceId) -> int:
        """The number of an author, who is told apart by account and device."""
        number = self._author_numbers.get((account, device))
        if number is None:
            number = self._author_numbers[account, device] = len(self.authors)
            self.authors.append((account, device))
            self.written.append(array("I"))
            self._devices.setdefault(device, []).append(number)
            self._accounts.setdefault(account, []).append(number)
        return number

    def type_number(self, kind: str) -> int:
        """The number of a type."""
        number = self._type_numbers.get(kind)
        if number is None:
            number = self._type_numbers[kind] = len(self.types)
            self.types.append(kind)
        return number

    def has_type(self, kind: str) -> bool:
        """Whether one of them names that type."""
        return kind in self._type_numbers

    def of_type(self, kind: str, after: int) -> Iterator[int]:
        """Those that name a type, of higher number than `after`, rising."""
        number = self._type_numbers.get(kind)
        while number is not None:
            try:
                after = self._type.index(number, after + 1)
            except ValueError:
                return
            yield after

    def parents(self, row: int) -> tuple[int, ...]:
        """The numbers of the parents."""
        parent = self.only_parents[row]
        return (parent,) if parent >= 0 else self._parents.get(row, ())

    def author(self, row: int) -> Author | None:
        """Who wrote it; None for a merge."""
        number = self.author_numbers[row]
        return None if number < 0 else self.authors[number]

    def is_merge(self, row: int) -> bool:
        """Whether nobody wrote it."""
        return self.author_numbers[row] < 0

    def type_of(self, row: int) -> str:
        """The type that it names."""
        return self.types[self._type[row]]

    @property
    def accounts(self) -> frozenset[AccountId]:
        """Everybody who wrote."""
        return frozenset(self._accounts)

    @property
    def devices(self) -> frozenset[DeviceId]:
        """Every device that wrote."""
        return frozenset(self._devices)

    def by_device(self, device: DeviceId) -> Sequence[int]:
        """The numbers of what a device wrote, rising."""
        return self._of(self._devices.get(device))

    def by_account(self, account: AccountId) -> Sequence[int]:
        """The numbers of what an account wrote, rising."""
        return self._of(self._accounts.get(account))

    def _of(self, authors: list[int] | None) -> Sequence[int]:
        if authors is None:
            return ()
        if len(authors) == 1:
            return self.written[authors[0]]
        return sorted(_all(self.written[author] for author in authors))


def _all(columns: Iterator[array[int]]) -> Iterator[int]:
    for column in columns:
        yield from column
