"""What people see: the order of a conversation, edits and reactions folded, messages of the removed hidden. (SCP-02 §8)"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import takewhile

from swarmchat.conversation.entries import Entry
from swarmchat.conversation.hiding import hidden, removals
from swarmchat.conversation.history import History
from swarmchat.conversation.roster import Roster
from swarmchat.ids import AccountId, CommitId

_INSERTED_SINGLY_MAX = 64  # more at once: sorting anew costs less than finding each its place
_AT_ONCE = 128  # commits whose order is found at once, at least


@dataclass(frozen=True, slots=True)
class Reaction:
    """A reaction and what its author made of it later; an empty last edit takes it back."""

    commit: CommitId
    edits: tuple[CommitId, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One line: a commit that is neither an edit nor a reaction, with those that speak about it, oldest first.

    The last of `edits` is what people read (SCP-02 §8.3); all versions stay readable.
    """

    commit: CommitId
    edits: tuple[CommitId, ...]
    reactions: tuple[Reaction, ...]
    hidden: bool


class Timeline:
    """The display order of all ordinary commits of a history; grows with it.

    The order is Kahn's algorithm with the key (time, id): parents first, of the ready ones the least key. An entry that
    comes later has no descendant among those already here, so it never swaps two of them: it only finds its place.

    A commit with all older ones before it and all newer ones after it (a cut) parts the order in two that know nothing of
    each other. So it is known from some cut on, and found further back when somebody asks: the last page of a long
    history costs a page.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._order = array("I")  # numbers in display order, of all from `_start` on
        self._start = 0  # a cut; 0 or the end of the history are cuts too
        self._taken = 0
        self._places: dict[int, int] | None = None  # in `_order`
        self._about: dict[CommitId, list[int]] = {}  # target -> its edits and reactions
        self._hidden_for: tuple[CommitId, ...] | None = None
        self._hidden: frozenset[CommitId] = frozenset()

    @property
    def history(self) -> History:
        """What it is the order of."""
        return self._history

    def __len__(self) -> int:
        self._reach(0)
        return len(self._order)

    def order(self) -> Iterator[CommitId]:
        """All ordinary commits, oldest first."""
        self._reach(0)
        return (self._history.id(number) for number in self._order)

    def shown(self, hidden: Collection[CommitId] = frozenset()) -> Iterator[CommitId]:
        """All lines that are not hidden, oldest first."""
        self._reach(0)
        numbers = (number for number in self._order if not self._speaks_about_another(number))
        return (commit for number in numbers if (commit := self._history.id(number)) not in hidden)

    def rank(self, commit: CommitId) -> int:
        """The place of a commit in the order, from the end (-1) down; only comparable until the history grows. KeyError for merges."""
        return self._place(self._history.number(commit)) - len(self._order)

    def newest_by(self, account: AccountId) -> CommitId | None:
        """What an account wrote last in display order; None if nothing."""
        self._catch_up()
        written = self._history.numbers_of_account(account)
        if not written:
            return None
        self._reach(written[-1])
        recent = takewhile(lambda number: number >= self._start, reversed(written))
        return self._history.id(max(recent, key=self._place))

    def item(self, commit: CommitId, hidden: Collection[CommitId] = frozenset()) -> Item:
        """One commit with its edits and reactions; those in `hidden` do not speak."""
        edits, reactions = self._spoken(commit, hidden)
        return Item(
            commit,
            tuple(edits),
            tuple(Reaction(reaction, tuple(self._spoken(reaction, hidden)[0])) for reaction in reactions),
            commit in hidden,
        )

    def page(
        self,
        limit: int,
        *,
        before: CommitId | None = None,
        hidden: Collection[CommitId] = frozenset(),
        with_hidden: bool = False,
        wanted: Callable[[Entry], bool] = lambda entry: True,
    ) -> list[Item]:
        """The newest `limit` lines before a commit (or of all), oldest first; hidden ones only when asked for."""
        history = self._history
        found: list[Item] = []
        for number in self._backwards(before):
            if len(found) >= limit:
                break
            commit = history.id(number)
            if self._speaks_about_another(number) or (commit in hidden and not with_hidden):
                continue
            if wanted(history.entry(number)):
                found.append(self.item(commit, hidden))
        found.reverse()
        return found

    def following(self, commit: CommitId, limit: int, hidden: Collection[CommitId] = frozenset()) -> list[Item]:
        """The `limit` lines after a commit that are not hidden, oldest first."""
        history = self._history
        found: list[Item] = []
        place = self._place(history.number(commit)) + 1
        while place < len(self._order) and len(found) < limit:
            number = self._order[place]
            if not self._speaks_about_another(number) and history.id(number) not in hidden:
                found.append(self.item(history.id(number), hidden))
            place += 1
        return found

    def hidden(
        self, roster: Roster, counts: Callable[[CommitId], bool], roster_at: Callable[[CommitId], Roster]
    ) -> frozenset[CommitId]:
        """The commits of the removed that nobody had seen before their removal. (SCP-02 §8.2)

        `roster` is settle(heads); `counts` says whether a ban counts there. Both are asked only when the heads have moved.
        """
        heads = self._history.heads
        if self._hidden_for != heads:
            taken = removals(self._history, roster, counts)
            self._hidden = hidden(self._history, roster, taken, roster_at)
            self._hidden_for = heads
        return self._hidden

    # --- inside

    def _catch_up(self) -> None:
        history, size = self._history, len(self._history)
        if self._taken == size:
            return
        fresh = range(self._taken, size)
        for number in fresh if self._taken else history.relations():
            relation = history.relation(number)
            if relation is not None and relation[0] != "reply":
                self._about.setdefault(relation[1], []).append(number)
        if len(fresh) > _INSERTED_SINGLY_MAX or not self._order:
            self._order, self._start, self._places = array("I"), size, None
        else:
            for number in fresh:
                if not history.is_merge(number):
                    self._insert(number)
        self._taken = size

    def _insert(self, number: int) -> None:
        history = self._history
        if history.floor(number) <= self._start:
            self._extend(history.floor(number) - 1)
        order = self._order
        waits_for = set(history.ordinary_parents_of(number))
        place = len(order)
        while place and order[place - 1] not in waits_for:
            place -= 1  # back to the latest parent: from there on it is ready
        key = _key(history, number)
        while place < len(order) and _key(history, order[place]) < key:
            place += 1  # each of these was the least of the ready ones, so the new one goes before the first greater
        if place == len(order):
            if self._places is not None:
                self._places[number] = place
            order.append(number)
        else:
            self._places = None
            order.insert(place, number)

    def _reach(self, number: int) -> None:
        """Know the order from this commit on."""
        self._catch_up()
        if number < self._start:
            self._extend(number)

    def _extend(self, number: int) -> None:
        """Find the order further back, from the last cut that is not after `number`."""
        older = ordered_back(self._history, self._start, max(number, 0))
        self._start = older[0] if number > 0 else 0
        self._order = older + self._order
        self._places = None

    def _place(self, number: int) -> int:
        self._reach(number)
        if self._places is None:
            self._places = {each: place for place, each in enumerate(self._order)}
        return self._places[number]

    def _backwards(self, before: CommitId | None) -> Iterator[int]:
        """The numbers of all before a commit (or of all), newest first."""
        self._catch_up()
        back = 0 if before is None else self._place(self._history.number(before)) - len(self._order)
        while True:
            back -= 1
            if -back > len(self._order):
                if not self._start:
                    return
                self._extend(self._start - max(len(self._order), _AT_ONCE))
            yield self._order[back]

    def _speaks_about_another(self, number: int) -> bool:
        relation = self._history.relation(number)
        return relation is not None and relation[0] != "reply"

    def _spoken(self, target: CommitId, hidden: Collection[CommitId]) -> tuple[list[CommitId], list[CommitId]]:
        edits: list[CommitId] = []
        reactions: list[CommitId] = []
        self._catch_up()
        history = self._history
        about = self._about.get(target, ())
        for number in about if len(about) < 2 else sorted(about, key=self._place):
            commit = history.id(number)
            if commit in hidden:
                continue
            relation = history.relation(number)
            (edits if relation is not None and relation[0] == "edit" else reactions).append(commit)
        return edits, reactions


def ordered_back(history: History, end: int, wanted: int = 0) -> array[int]:
    """The numbers of the ordinary commits before the cut `end` in display order, from the last cut that is not after `wanted`."""
    cuts = [end]
    lowest = end
    for number in range(end - 1, -1, -1):
        floor = history.floor(number)
        if floor == number < lowest and not history.is_merge(number):
            cuts.append(number)
            if number <= wanted:
                break
        lowest = min(lowest, floor)
    order = array("I")
    for start, stop in zip(reversed(cuts), [*cuts[-2::-1], end], strict=True):
        if stop - start == 1:
            order.append(start)
        elif start < stop:
            order.extend(sorted_by_kahn(history, start, stop))
    return order


def sorted_by_kahn(history: History, start: int = 0, stop: int | None = None) -> list[int]:
    """The numbers of the ordinary commits in display order: parents first, of the ready ones the least (time, id). (SCP-02 §8.1)

    Of those from `start` to before `stop`; what stands before `start` is before all of them.
    """
    waiting: dict[int, int] = {}
    children: dict[int, list[int]] = {}
    ready: list[tuple[int, CommitId, int]] = []
    for number in range(start, len(history) if stop is None else stop):
        if history.is_merge(number):
            continue
        parents = {parent for parent in history.ordinary_parents_of(number) if parent >= start}
        waiting[number] = len(parents)
        for parent in parents:
            children.setdefault(parent, []).append(number)
        if not parents:
            ready.append((*_key(history, number), number))
    order: list[int] = []
    heapq.heapify(ready)
    while ready:
        number = heapq.heappop(ready)[2]
        order.append(number)
        for child in children.get(number, ()):
            waiting[child] -= 1
            if not waiting[child]:
                heapq.heappush(ready, (*_key(history, child), child))
    return order


def _key(history: History, number: int) -> tuple[int, CommitId]:
    return history.time(number), history.id(number)
