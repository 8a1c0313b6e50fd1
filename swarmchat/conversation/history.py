"""Questions to the graph of accepted commits: ancestry, concurrency, heads, what a commit had seen. (SCP-02 §4, §6, §8)

Entries are numbered in the order of admission (`seq`), parents before children. The number is this node's own: it makes
the questions quick and must never decide an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, takewhile
from typing import Final, overload

from swarmchat.conversation import walks
from swarmchat.conversation.actions import Relation
from swarmchat.conversation.entries import Control, Entry, Fact
from swarmchat.conversation.rows import Rows
from swarmchat.ids import AccountId, CommitId, DeviceId

_NEWEST_MAX: Final = 32  # commits of one device, when it wrote on many forks at once
_MADE_MAX: Final = 256  # entries at hand: what is asked for twice is mostly asked for at once


class History:
    """The accepted commits of one conversation. Grows only.

    They are kept in columns; an `Entry` is made when it is asked for, those of control commits once and for all.
    """

    def __init__(self, facts: Iterable[Fact] = ()) -> None:
        self._rows = Rows()
        self._controls: list[Entry] = []
        self._control_places: dict[int, int] = {}  # number of the commit -> its place in `controls`
        self._revoking: dict[AccountId, list[Entry]] = {}
        self._heads: set[CommitId] = set()
        self._made: dict[int, Entry] = {}
        for fact in facts:
            self.add(fact)

    # --- growing

    def add(self, fact: Fact) -> None:
        """Take in an accepted commit whose parents are all here; one that is here already changes nothing."""
        if fact.id in self:
            return
        rows, seq = self._rows, len(self)
        parents = [self.number(parent) for parent in fact.parents]
        mask = self._mask(parents[0]) if parents else 0
        for parent in parents[1:]:
            mask |= self._mask(parent)
        floor = walks.floor_above(self, parents, seq)
        author, latest, chained = -1, 0, True
        if fact.account is not None and fact.device is not None:
            before, chained = self._latest(fact.device, parents)
            latest = fact.time if before is None else max(before, fact.time)
            author = rows.author_number(fact.account, fact.device)
            self._heads.difference_update(self._ordinary_parents(parents))
            self._heads.add(fact.id)
        rows.append(fact.id, seq, parents, author, fact.time, fact.type, fact.relation)
        rows.floors.append(floor)
        rows.latest.append(latest)
        rows.chained.append(chained)
        index = None
        if fact.control is not None:
            index = len(self.controls)
            mask |= 1 << index
            self._take_control(Entry(fact, seq, floor, mask, index, None if author < 0 else latest, chained))
        rows.masks.append(mask)

    @classmethod
    def of(cls, rows: Rows, controls: Mapping[int, Control]) -> History:
        """The history of rows that were taken from elsewhere; `controls` by number. What follows from ancestors is computed here."""
        self = cls()
        self._rows = rows
        parents, authors, times, written = rows.only_parents, rows.author_numbers, rows.times, rows.written
        masks, floors, latest, chained = rows.masks, rows.floors, rows.latest, rows.chained
        newest: dict[DeviceId, int] = {}
        devices = [device for _, device in rows.authors]
        inner = bytearray(len(rows))  # ordinary commits with an ordinary one after them
        for seq, (parent, author) in enumerate(zip(parents, authors, strict=True)):
            device = devices[author] if author >= 0 else None
            last = -1 if device is None else newest.get(device, -1)
            if parent < 0 or device is None or authors[parent] < 0 or seq in controls:
                self._continue(seq, controls.get(seq), inner)
            else:
                floor = floors[parent]
                if last < 0:
                    latest.append(times[seq])
                    chained.append(1)
                elif (last == parent or last < floor) and chained[last]:
                    latest.append(max(times[seq], latest[last]))
                    chained.append(1)
                else:
                    before, whole = self._latest(device, (parent,))
                    latest.append(times[seq] if before is None else max(before, times[seq]))
                    chained.append(whole)
                floors.append(floor + 1 if floor == parent else floor)
                masks.append(masks[parent])
                inner[parent] = 1
            if device is not None:
                newest[device] = seq
                written[author].append(seq)
        self._heads = {
            commit for commit, author, older in zip(rows.ids, authors, inner, strict=True) if author >= 0 and not older
        }
        return self

    def _continue(self, seq: int, control: Control | None, inner: bytearray) -> None:
        """What follows from the ancestors of a row that is not simply one more text."""
        rows = self._rows
        parents = rows.parents(seq)
        author = rows.author(seq)
        mask = 0
        for parent in parents:
            mask |= rows.masks[parent]
        before, whole = (None, True) if author is None else self._latest(author[1], parents)
        time = rows.times[seq]
        rows.latest.append(0 if author is None else time if before is None else max(before, time))
        rows.chained.append(whole)
        rows.floors.append(walks.floor_above(self, parents, seq))
        if author is not None:
            for parent in self._ordinary(parents):
                inner[parent] = 1
        index = len(self._controls)
        rows.masks.append(mask if control is None else mask | 1 << index)
        if control is not None:
            made = self._make(seq)
            entry = replace(made, fact=replace(made.fact, control=control), control_index=index)
            self._take_control(entry)

    def take_over(self, other: History) -> None:
        """Become what `other` is, which is not to grow any more; this one is empty."""
        assert not len(self), "only an empty history becomes another"
        self._rows = other._rows
        self._controls = other._controls
        self._control_places = other._control_places
        self._revoking = other._revoking
        self._heads = other._heads
        self._made = other._made

    # --- looking up

    def __len__(self) -> int:
        return len(self._rows.ids)

    def __contains__(self, commit: CommitId) -> bool:
        return commit in self._rows.numbers

    def __getitem__(self, commit: CommitId) -> Entry:
        return self.entry(self.number(commit))

    def get(self, commit: CommitId) -> Entry | None:
        """The entry of an accepted commit."""
        number = self.find(commit)
        return None if number is None else self.entry(number)

    def find(self, commit: CommitId) -> int | None:
        """The number of an accepted commit."""
        return self._rows.numbers.get(commit)

    def number(self, commit: CommitId) -> int:
        """The number of an accepted commit; KeyError."""
        return self._rows.numbers[commit]

    def id(self, number: int) -> CommitId:
        """The commit of that number; IndexError."""
        return self._rows.ids[number]

    def time(self, number: int) -> int:
        """The time that the commit of that number claims."""
        return self._rows.times[number]

    def relation(self, number: int) -> tuple[Relation, CommitId] | None:
        """What the commit of that number speaks about, and how."""
        return self._rows.relations.get(number)

    def relations(self) -> Iterator[int]:
        """The numbers of the commits that speak about another, rising."""
        return iter(self._rows.relations)

    def latest_relations(self, after: int) -> Iterator[int]:
        """Those greater than `after`, falling."""
        return takewhile(lambda number: number > after, reversed(self._rows.relations))

    def is_merge(self, number: int) -> bool:
        """Whether the commit of that number is a canonical merge."""
        return self._rows.is_merge(number)

    def parents(self, number: int) -> tuple[int, ...]:
        """The numbers of the parents of the commit of that number."""
        return self._rows.parents(number)

    def floor(self, number: int) -> int:
        """Below it every number is that of an ancestor (or of this commit itself)."""
        return self._floor(number)

    def entry(self, number: int) -> Entry:
        """The entry of that number; IndexError."""
        control = self._control_place(number)
        if control is not None:
            return self.controls[control]
        made = self._made.get(number)
        if made is None:
            if len(self._made) >= _MADE_MAX:
                self._made.clear()
            made = self._made[number] = self._make(number)
        return made

    @property
    def ids(self) -> Iterator[CommitId]:
        """All commits, parents before children."""
        return (self.id(number) for number in range(len(self)))

    @property
    def entries(self) -> Sequence[Entry]:
        """All entries, parents before children, each made when it is asked for."""
        return Entries(self)

    @property
    def controls(self) -> Sequence[Entry]:
        """The control commits; bit i of a `control_mask` is the i-th of them. Not to be changed."""
        return self._controls

    @property
    def root(self) -> Entry:
        """The first commit."""
        return self.entry(0)

    @property
    def heads(self) -> tuple[CommitId, ...]:
        """The ordinary heads: accepted non-merge commits with no accepted ordinary descendant, sorted. (SCP-02 §6.1)"""
        return tuple(sorted(self._heads))

    @property
    def accounts(self) -> frozenset[AccountId]:
        """Everybody who ever wrote here."""
        return self._rows.accounts

    @property
    def devices(self) -> frozenset[DeviceId]:
        """Every device that ever wrote here."""
        return self._rows.devices

    @property
    def revocations(self) -> tuple[Entry, ...]:
        """The commits that brought a revocation list, by account."""
        return tuple(entry for account in sorted(self.accounts) for entry in self._revoking_of(account))

    def by_account(self, account: AccountId) -> Sequence[Entry]:
        """All commits of one account."""
        return Entries(self, self.numbers_of_account(account))

    def by_device(self, device: DeviceId) -> Sequence[Entry]:
        """All commits of one device."""
        return Entries(self, self.numbers_of_device(device))

    def numbers_of_account(self, account: AccountId) -> Sequence[int]:
        """The numbers of all commits of one account, rising; not to be changed."""
        return self._rows.by_account(account)

    def numbers_of_device(self, device: DeviceId) -> Sequence[int]:
        """The numbers of all commits of one device, rising; not to be changed."""
        return self._rows.by_device(device)

    def newest_of(self, device: DeviceId) -> tuple[CommitId, ...]:
        """Commits of a device, newest here first, at most 32: with all its others behind them, if it did not fork wildly."""
        found: list[CommitId] = []
        for number in islice(reversed(self.numbers_of_device(device)), _NEWEST_MAX):
            found.append(self.id(number))
            if self._clock(number)[1]:
                break
        return tuple(found)

    def controls_of(self, mask: int) -> Iterator[Entry]:
        """The control commits of a mask, by number."""
        controls = self.controls
        while mask:
            lowest = mask & -mask
            yield controls[lowest.bit_length() - 1]
            mask ^= lowest

    def has_type(self, kind: str) -> bool:
        """Whether a commit of that type is here; looks at none of them."""
        return self._rows.has_type(kind)

    def numbers_of_type(self, kind: str, after: int = -1) -> Iterator[int]:
        """The numbers of the commits of a type that come after `after`, rising."""
        return self._rows.of_type(kind, after)

    # --- ancestry

    def is_ancestor(self, older: CommitId, newer: CommitId) -> bool:
        """Whether `older` is a true ancestor of `newer`; both are accepted commits."""
        return older != newer and self._reaches(self.number(newer), self.number(older))

    def concurrent(self, one: CommitId, other: CommitId) -> bool:
        """Whether neither is an ancestor of the other and they differ."""
        a, b = self.number(one), self.number(other)
        return a != b and not self._reaches(max(a, b), min(a, b))

    def reaches(self, start: Entry, wanted: Entry) -> bool:
        """Whether `wanted` is `start` or one of its ancestors."""
        return self._reaches(start.seq, wanted.seq)

    def _reaches(self, start: int, target: int) -> bool:
        if target >= start:
            return target == start
        if target < self._floor(start):
            return True
        index = self._control_place(target)
        if index is not None:
            return bool(self._mask(start) >> index & 1)
        return walks.leads_to(self, start, target)

    def missing(self, wants: Iterable[CommitId], haves: Iterable[CommitId]) -> list[Entry]:
        """What is reachable from `wants` and not from `haves`, parents first; unknown haves are skipped, wants are all known."""
        return [self.entry(number) for number in self.numbers_missing(wants, haves)]

    def numbers_missing(self, wants: Iterable[CommitId], haves: Iterable[CommitId]) -> list[int]:
        """The same as numbers."""
        wanted = {self.number(commit) for commit in wants}
        return walks.missing(self, wanted, {number for commit in haves if (number := self.find(commit)) is not None})

    def ordinary_heads(self, commits: Iterable[CommitId]) -> tuple[CommitId, ...]:
        """The ordinary commits among or behind `commits` that no other of them has as ancestor, sorted."""
        numbers = [
            self.number(head) for head in {head for c in commits for head in self._ordinary_parents((self.number(c),))}
        ]
        return tuple(sorted(self.id(n) for n in numbers if not any(o != n and self._reaches(o, n) for o in numbers)))

    def ordinary_parents(self, entry: Entry) -> Iterator[CommitId]:
        """The ordinary commits that an entry comes directly after: merges are looked through."""
        return self._ordinary_parents(self.parents(entry.seq))

    def ordinary_parents_of(self, number: int) -> Iterator[int]:
        """The same by number."""
        return self._ordinary(self.parents(number))

    def is_antichain(self, commits: Iterable[CommitId]) -> bool:
        """Whether none of these commits is an ancestor of another. Costs one walk back to the oldest of them."""
        return walks.is_antichain(self, {self.number(commit) for commit in commits})

    def latest_time(self, device: DeviceId, parent: CommitId) -> int | None:
        """The greatest time that a device claimed in `parent` or its ancestors."""
        return self._latest(device, (self.number(parent),))[0]

    def revoked(self, account: AccountId, parent: CommitId) -> frozenset[bytes]:
        """The union of an account's revocation lists in `parent` and its ancestors, as device id prefixes. (SCP-02 §4.6)"""
        revoking = self._revoking_of(account)
        if not revoking:
            return frozenset()
        mask = self._mask(self.number(parent))
        lists = [
            entry.fact.control.revoked
            for entry in revoking
            if entry.fact.control is not None and entry.control_index is not None and mask >> entry.control_index & 1
        ]
        return frozenset().union(*lists)

    # --- inside: what a branch answers from two places

    def _control_place(self, number: int) -> int | None:
        return self._control_places.get(number)

    def _mask(self, number: int) -> int:
        return self._rows.masks[number]

    def _floor(self, number: int) -> int:
        return self._rows.floors[number]

    def _clock(self, number: int) -> tuple[int, bool]:
        return self._rows.latest[number], bool(self._rows.chained[number])

    def _revoking_of(self, account: AccountId) -> Sequence[Entry]:
        return self._revoking.get(account, ())

    def _make(self, number: int) -> Entry:
        return self._made_from(self._rows, number, number)

    # --- inside

    def _made_from(self, rows: Rows, row: int, number: int) -> Entry:
        author = rows.author(row)
        account, device = author or (None, None)
        fact = Fact(
            rows.ids[row],
            tuple([self.id(parent) for parent in rows.parents(row)]),
            account,
            device,
            rows.times[row],
            rows.type_of(row),
            rows.relations.get(row),
        )
        latest = None if author is None else rows.latest[row]
        return Entry(fact, number, rows.floors[row], rows.masks[row], None, latest, bool(rows.chained[row]))

    def _take_control(self, entry: Entry) -> None:
        assert entry.control_index is not None
        self._control_places[entry.seq] = entry.control_index
        self._controls.append(entry)
        control, account = entry.fact.control, entry.fact.account
        if control is not None and control.revoked and account is not None:
            self._revoking.setdefault(account, []).append(entry)

    def _ordinary_parents(self, numbers: Sequence[int]) -> Iterator[CommitId]:
        return (self.id(number) for number in self._ordinary(numbers))

    def _ordinary(self, numbers: Sequence[int]) -> Iterator[int]:
        for number in numbers:
            if self.is_merge(number):
                yield from self._ordinary(self.parents(number))
            else:
                yield number

    def _is_behind(self, number: int, starts: Sequence[int]) -> bool:
        if len(starts) == 1:  # asked with each commit: a generator would take as long as the answer
            return self._reaches(starts[0], number)
        return any(self._reaches(start, number) for start in starts)

    def _latest(self, device: DeviceId, starts: Sequence[int]) -> tuple[int | None, bool]:
        greatest, chained = None, True
        for number in reversed(self.numbers_of_device(device)):
            if self._is_behind(number, starts):
                latest, whole = self._clock(number)
                greatest = latest if greatest is None else max(greatest, latest)
                if whole:
                    return greatest, chained
            else:
                chained = False
        return greatest, chained


class Entries(Sequence[Entry]):
    """Entries of a history by number, made one by one; those that stand in it when it is asked."""

    __slots__ = ("_history", "_numbers")

    def __init__(self, history: History, numbers: Sequence[int] | None = None) -> None:
        self._history = history
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._history if self._numbers is None else self._numbers)

    @overload
    def __getitem__(self, place: int) -> Entry: ...
    @overload
    def __getitem__(self, place: slice) -> list[Entry]: ...
    def __getitem__(self, place: int | slice) -> Entry | list[Entry]:
        numbers = range(len(self._history)) if self._numbers is None else self._numbers
        chosen = numbers[place]
        if isinstance(chosen, int):
            return self._history.entry(chosen)
        return [self._history.entry(number) for number in chosen]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # grows with its history
