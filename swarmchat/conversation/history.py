"""Questions to the graph of accepted commits: ancestry, concurrency, heads, what a commit had seen. (SCP-02 §4, §6, §8)

Entries are numbered in the order of admission (`seq`), parents before children. The number is this node's own: it makes
the questions quick and must never decide an answer.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from swarmchat.conversation.actions import Action, Relation
from swarmchat.conversation.roster import Changes
from swarmchat.ids import AccountId, CommitId, DeviceId

_NEWEST_MAX: Final = 32  # commits of one device, when it wrote on many forks at once


@dataclass(frozen=True, slots=True)
class Control:
    """What settle must know of a commit that changed the tree, beside its place in the graph. (SCP-02 §6.4 f)"""

    action: Action
    changes: Changes  # all of them, housekeeping included
    admins: frozenset[AccountId]  # at the parent
    votes: frozenset[CommitId]  # of a resolution: the vote commits that count in tree(parent)
    voters: frozenset[AccountId]  # their authors, those of the electorate
    revoked: frozenset[bytes]  # device id prefixes on the revocation list that this commit brought


@dataclass(frozen=True, slots=True)
class Fact:
    """One accepted commit, before it has a number."""

    id: CommitId
    parents: tuple[CommitId, ...]
    account: AccountId | None  # None: a merge, nobody's
    device: DeviceId | None
    time: int
    type: str
    relation: tuple[Relation, CommitId] | None = None
    control: Control | None = None  # None: the tree is the parent's


@dataclass(frozen=True, slots=True)
class Entry:
    """One accepted commit and its place in the graph."""

    fact: Fact
    seq: int
    floor: int  # every entry with a lower number is an ancestor (or this entry's number is the floor)
    control_mask: int  # bit i: the i-th control commit is an ancestor or this commit
    control_index: int | None
    latest: int | None  # the greatest time of this device among its ancestors and itself
    chained: bool  # every earlier entry of this device is an ancestor

    @property
    def id(self) -> CommitId:
        """The commit."""
        return self.fact.id

    @property
    def is_merge(self) -> bool:
        """Whether it is a canonical merge: nobody's."""
        return self.fact.account is None


class History:
    """The accepted commits of one conversation. Grows only."""

    def __init__(self, facts: Iterable[Fact] = ()) -> None:
        self._by_id: dict[CommitId, Entry] = {}
        self._entries: list[Entry] = []
        self._controls: list[Entry] = []
        self._by_device: dict[DeviceId, list[Entry]] = {}
        self._by_account: dict[AccountId, list[Entry]] = {}
        self._revoking: dict[AccountId, list[Entry]] = {}
        self._heads: set[CommitId] = set()
        for fact in facts:
            self.add(fact)

    # --- growing

    def add(self, fact: Fact) -> Entry:
        """Take in an accepted commit whose parents are all here; the same commit twice is the same entry."""
        known = self._by_id.get(fact.id)
        if known is not None:
            return known
        parents = [self._by_id[parent] for parent in fact.parents]
        seq = len(self._entries)
        mask = parents[0].control_mask if parents else 0  # a text shares its parent's: no new number for each message
        for parent in parents[1:]:
            mask |= parent.control_mask
        index = None
        if fact.control is not None:
            index = len(self._controls)
            mask |= 1 << index
        latest, chained = self._clock(fact, parents)
        entry = Entry(fact, seq, self._floor(parents, seq), mask, index, latest, chained)
        self._by_id[fact.id] = entry
        self._entries.append(entry)
        if index is not None:
            self._controls.append(entry)
            if fact.control is not None and fact.control.revoked and fact.account is not None:
                self._revoking.setdefault(fact.account, []).append(entry)
        if fact.account is not None and fact.device is not None:
            self._by_device.setdefault(fact.device, []).append(entry)
            self._by_account.setdefault(fact.account, []).append(entry)
            self._heads.difference_update(self._ordinary_parents(fact.parents))
            self._heads.add(fact.id)
        return entry

    # --- looking up

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, commit: CommitId) -> bool:
        return commit in self._by_id

    def __getitem__(self, commit: CommitId) -> Entry:
        return self._by_id[commit]

    def get(self, commit: CommitId) -> Entry | None:
        """The entry of an accepted commit."""
        return self._by_id.get(commit)

    @property
    def entries(self) -> list[Entry]:
        """All entries, parents before children; not to be changed."""
        return self._entries

    @property
    def controls(self) -> list[Entry]:
        """The control commits; bit i of a `control_mask` is the i-th of them. Not to be changed."""
        return self._controls

    @property
    def root(self) -> Entry:
        """The first commit."""
        return self._entries[0]

    @property
    def heads(self) -> tuple[CommitId, ...]:
        """The ordinary heads: accepted non-merge commits with no accepted ordinary descendant, sorted. (SCP-02 §6.1)"""
        return tuple(sorted(self._heads))

    @property
    def accounts(self) -> frozenset[AccountId]:
        """Everybody who ever wrote here."""
        return frozenset(self._by_account)

    def by_account(self, account: AccountId) -> list[Entry]:
        """All commits of one account; not to be changed."""
        return self._by_account.get(account, [])

    def by_device(self, device: DeviceId) -> list[Entry]:
        """All commits of one device; not to be changed."""
        return self._by_device.get(device, [])

    def newest_of(self, device: DeviceId) -> tuple[CommitId, ...]:
        """Commits of a device, newest here first, at most 32: with all its others behind them, if it did not fork wildly."""
        found: list[CommitId] = []
        for entry in islice(reversed(self._by_device.get(device, [])), _NEWEST_MAX):
            found.append(entry.id)
            if entry.chained:
                break
        return tuple(found)

    def controls_of(self, mask: int) -> Iterator[Entry]:
        """The control commits of a mask, by number."""
        while mask:
            lowest = mask & -mask
            yield self._controls[lowest.bit_length() - 1]
            mask ^= lowest

    # --- ancestry

    def is_ancestor(self, older: CommitId, newer: CommitId) -> bool:
        """Whether `older` is a true ancestor of `newer`; both are accepted commits."""
        return older != newer and self.reaches(self._by_id[newer], self._by_id[older])

    def concurrent(self, one: CommitId, other: CommitId) -> bool:
        """Whether neither is an ancestor of the other and they differ."""
        a, b = self._by_id[one], self._by_id[other]
        return a is not b and not self.reaches(a, b) and not self.reaches(b, a)

    def reaches(self, start: Entry, wanted: Entry) -> bool:
        """Whether `wanted` is `start` or one of its ancestors."""
        if wanted.control_index is not None:
            return bool(start.control_mask >> wanted.control_index & 1)
        target = wanted.seq
        if target >= start.seq:
            return target == start.seq
        stack, seen = [start], {start.seq}
        while stack:
            entry = stack.pop()
            if target < entry.floor:
                return True
            for parent_id in entry.fact.parents:
                parent = self._by_id[parent_id]
                if parent.seq == target:
                    return True
                if parent.seq > target and parent.seq not in seen:
                    seen.add(parent.seq)
                    stack.append(parent)
        return False

    def missing(self, wants: Iterable[CommitId], haves: Iterable[CommitId]) -> list[Entry]:
        """What is reachable from `wants` and not from `haves`, parents first; unknown haves are skipped, wants are all known."""
        wanted = {self._by_id[commit].seq for commit in wants}
        hidden = {self._by_id[commit].seq for commit in haves if commit in self._by_id}
        wanted -= hidden
        pending = [-seq for seq in wanted | hidden]
        heapq.heapify(pending)
        queued, open_wants, found = wanted | hidden, len(wanted), []
        while pending and open_wants:
            seq = -heapq.heappop(pending)
            entry = self._entries[seq]
            if seq in hidden:
                for parent_id in entry.fact.parents:
                    parent = self._by_id[parent_id].seq
                    if parent in wanted:
                        wanted.discard(parent)
                        open_wants -= 1
                    hidden.add(parent)
                    if parent not in queued:
                        queued.add(parent)
                        heapq.heappush(pending, -parent)
                continue
            open_wants -= 1
            found.append(entry)
            for parent_id in entry.fact.parents:
                parent = self._by_id[parent_id].seq
                if parent not in queued:
                    queued.add(parent)
                    wanted.add(parent)
                    open_wants += 1
                    heapq.heappush(pending, -parent)
        found.reverse()
        return found

    def ordinary_heads(self, commits: Iterable[CommitId]) -> tuple[CommitId, ...]:
        """The ordinary commits among or behind `commits` that no other of them has as ancestor, sorted."""
        ordinary = {head for commit in commits for head in self._ordinary_parents((commit,))}
        entries = [self._by_id[commit] for commit in ordinary]
        return tuple(sorted(e.id for e in entries if not any(o is not e and self.reaches(o, e) for o in entries)))

    def ordinary_parents(self, entry: Entry) -> Iterator[CommitId]:
        """The ordinary commits that an entry comes directly after: merges are looked through."""
        return self._ordinary_parents(entry.fact.parents)

    def is_antichain(self, commits: Iterable[CommitId]) -> bool:
        """Whether none of these commits is an ancestor of another. Costs one walk back to the oldest of them."""
        targets = {self._by_id[commit].seq for commit in commits}
        oldest = min(targets, default=0)
        seen: set[int] = set()
        stack = [parent for seq in targets for parent in self._entries[seq].fact.parents]
        while stack:
            entry = self._by_id[stack.pop()]
            if entry.seq < oldest or entry.seq in seen:
                continue
            if entry.floor > oldest or entry.seq in targets:
                return False
            seen.add(entry.seq)
            stack.extend(entry.fact.parents)
        return True

    # --- inside

    def _ordinary_parents(self, parents: tuple[CommitId, ...]) -> Iterator[CommitId]:
        for parent in parents:
            entry = self._by_id[parent]
            if entry.is_merge:
                yield from self._ordinary_parents(entry.fact.parents)
            else:
                yield parent

    def _floor(self, parents: list[Entry], seq: int) -> int:
        if not parents:
            return 0
        best = max(parents, key=lambda entry: (entry.floor, entry.seq))
        floor = best.seq + 1 if best.floor == best.seq else best.floor
        if len(parents) == 1 or floor >= seq:
            return floor
        # A merge closes the gap between its parents: with all between the best floor and here among its ancestors,
        # whoever comes later need not search behind it. The search costs the concurrent stretch, once a merge.
        seen: set[int] = set()
        stack = [entry for entry in parents if entry.seq >= floor]
        while stack:
            entry = stack.pop()
            if entry.seq in seen:
                continue
            seen.add(entry.seq)
            stack.extend(
                up
                for up in (self._by_id[parent] for parent in entry.fact.parents)
                if up.seq >= floor and up.seq not in seen
            )
        while floor in seen:
            floor += 1
        return floor

    def _clock(self, fact: Fact, parents: list[Entry]) -> tuple[int | None, bool]:
        if fact.device is None:
            return None, True
        before, chained = self._latest(fact.device, parents)
        return (fact.time if before is None else max(before, fact.time)), chained

    def _latest(self, device: DeviceId, parents: Iterable[Entry]) -> tuple[int | None, bool]:
        greatest, chained = None, True
        starts = list(parents)
        for entry in reversed(self._by_device.get(device, [])):
            if any(self.reaches(start, entry) for start in starts):
                assert entry.latest is not None
                greatest = entry.latest if greatest is None else max(greatest, entry.latest)
                if entry.chained:
                    return greatest, chained
            else:
                chained = False
        return greatest, chained

    def latest_time(self, device: DeviceId, parent: CommitId) -> int | None:
        """The greatest time that a device claimed in `parent` or its ancestors."""
        return self._latest(device, (self._by_id[parent],))[0]

    def revoked(self, account: AccountId, parent: CommitId) -> frozenset[bytes]:
        """The union of an account's revocation lists in `parent` and its ancestors, as device id prefixes. (SCP-02 §4.6)"""
        mask = self._by_id[parent].control_mask
        lists = [
            entry.fact.control.revoked
            for entry in self._revoking.get(account, [])
            if entry.fact.control is not None and entry.control_index is not None and mask >> entry.control_index & 1
        ]
        return frozenset().union(*lists)


@dataclass(frozen=True, slots=True)
class Past:
    """What the law may ask about the ancestors of a commit: those of `parent`, itself included; nothing for the root."""

    history: History
    parent: CommitId | None

    def find(self, commit: CommitId) -> Fact | None:
        """The commit, if it is the parent or one of its ancestors."""
        if self.parent is None:
            return None
        entry = self.history.get(commit)
        if entry is None or not self.history.reaches(self.history[self.parent], entry):
            return None
        return entry.fact

    def latest_time(self, device: DeviceId) -> int | None:
        """The greatest time that the device claimed before. (SCP-02 §4.2)"""
        return None if self.parent is None else self.history.latest_time(device, self.parent)

    def revoked(self, account: AccountId) -> frozenset[bytes]:
        """The account's devices that are revoked here, as id prefixes. (SCP-02 §4.6)"""
        return frozenset() if self.parent is None else self.history.revoked(account, self.parent)
