"""What people see: the order of a conversation, edits and reactions folded, messages of the removed hidden. (SCP-02 §8)"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from swarmchat.conversation.actions import Ban
from swarmchat.conversation.history import Entry, History
from swarmchat.conversation.roster import Roster
from swarmchat.ids import AccountId, CommitId, DeviceId, is_device

_INSERTED_SINGLY_MAX = 64  # more at once: sorting all anew costs less than finding each its place


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
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._order: list[Entry] = []
        self._taken = 0
        self._rank: dict[CommitId, int] | None = {}
        self._about: dict[CommitId, list[CommitId]] = {}  # target -> its edits and reactions
        self._hidden_for: tuple[CommitId, ...] | None = None
        self._hidden: frozenset[CommitId] = frozenset()

    def __len__(self) -> int:
        self._catch_up()
        return len(self._order)

    def order(self) -> Iterator[CommitId]:
        """All ordinary commits, oldest first."""
        self._catch_up()
        return (entry.id for entry in self._order)

    def rank(self, commit: CommitId) -> int:
        """The place of a commit in the order, from 0; only comparable until the history grows. KeyError for merges."""
        self._catch_up()
        if self._rank is None:
            self._rank = {entry.id: place for place, entry in enumerate(self._order)}
        return self._rank[commit]

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
        self._catch_up()
        end = len(self._order) if before is None else self.rank(before)
        found: list[Item] = []
        for place in range(end - 1, -1, -1):
            entry = self._order[place]
            if len(found) >= limit:
                break
            if _speaks_about_another(entry) or (entry.id in hidden and not with_hidden) or not wanted(entry):
                continue
            found.append(self.item(entry.id, hidden))
        found.reverse()
        return found

    def hidden(
        self, roster: Roster, counts: Callable[[CommitId], bool], roster_at: Callable[[CommitId], Roster]
    ) -> frozenset[CommitId]:
        """The commits of banned accounts and devices that nobody had seen before the ban. (SCP-02 §8.2)

        `roster` is settle(heads); `counts` says whether a ban counts there. Both are asked only when the heads have moved.
        """
        heads = self._history.heads
        if self._hidden_for != heads:
            bans = {ban for ban in bans_in_force(self._history, roster) if counts(ban)}
            self._hidden = hidden(self._history, roster, bans, roster_at)
            self._hidden_for = heads
        return self._hidden

    # --- inside

    def _catch_up(self) -> None:
        entries = self._history.entries
        if self._taken == len(entries):
            return
        new = [entry for entry in entries[self._taken :] if not entry.is_merge]
        self._taken = len(entries)
        for entry in new:
            relation = entry.fact.relation
            if relation is not None and relation[0] != "reply":
                self._about.setdefault(relation[1], []).append(entry.id)
        if len(new) > _INSERTED_SINGLY_MAX:
            self._order = sorted_by_kahn(self._history)
            self._rank = None
        else:
            for entry in new:
                self._insert(entry)

    def _insert(self, entry: Entry) -> None:
        order = self._order
        waits_for = set(self._history.ordinary_parents(entry))
        place = len(order)
        while place and order[place - 1].id not in waits_for:
            place -= 1  # back to the latest parent: from there on it is ready
        key = _key(entry)
        while place < len(order) and _key(order[place]) < key:
            place += 1  # each of these was the least of the ready ones, so the new one goes before the first greater
        if place == len(order):
            if self._rank is not None:
                self._rank[entry.id] = place
            order.append(entry)
        else:
            self._rank = None
            order.insert(place, entry)

    def _spoken(self, target: CommitId, hidden: Collection[CommitId]) -> tuple[list[CommitId], list[CommitId]]:
        edits: list[CommitId] = []
        reactions: list[CommitId] = []
        self._catch_up()
        for commit in sorted(self._about.get(target, ()), key=self.rank):
            if commit in hidden:
                continue
            relation = self._history[commit].fact.relation
            (edits if relation is not None and relation[0] == "edit" else reactions).append(commit)
        return edits, reactions


def sorted_by_kahn(history: History) -> list[Entry]:
    """All ordinary commits in display order, from nothing: parents first, of the ready ones the least (time, id). (SCP-02 §8.1)"""
    waiting: dict[CommitId, int] = {}
    children: dict[CommitId, list[Entry]] = {}
    ready: list[tuple[int, CommitId, Entry]] = []
    for entry in history.entries:
        if entry.is_merge:
            continue
        parents = set(history.ordinary_parents(entry))
        waiting[entry.id] = len(parents)
        for parent in parents:
            children.setdefault(parent, []).append(entry)
        if not parents:
            ready.append((*_key(entry), entry))
    order: list[Entry] = []
    while ready:
        entry = heapq.heappop(ready)[2]
        order.append(entry)
        for child in children.get(entry.id, ()):
            waiting[child.id] -= 1
            if not waiting[child.id]:
                heapq.heappush(ready, (*_key(child), child))
    return order


def bans_in_force(history: History, roster: Roster) -> Iterator[CommitId]:
    """The ban commits whose target stands banned in `roster`; whether each of them counts is settle's to say."""
    for entry in history.controls if roster.banned else ():
        control = entry.fact.control
        if control is not None and isinstance(control.action, Ban) and roster.is_banned(control.action.uri):
            yield entry.id


def hidden(
    history: History, roster: Roster, bans: Collection[CommitId], roster_at: Callable[[CommitId], Roster]
) -> frozenset[CommitId]:
    """What stays hidden of the banned: concurrent with the ban, and vouched for by nobody. (SCP-02 §8.2)"""
    unseen: set[CommitId] = set()
    for commit in sorted(bans):
        unseen |= _unvouched(history, history[commit], roster, bans, roster_at)
    return frozenset(unseen)


def witnesses(
    history: History,
    commit: CommitId,
    roster: Roster,
    bans: Collection[CommitId],
    roster_at: Callable[[CommitId], Roster],
) -> dict[CommitId, CommitId | None]:
    """The bans of its author that are concurrent with a commit, each with the oldest commit that vouches for it, if any.

    It is hidden as soon as nothing vouches for it beside one of them. (SCP-02 §8.2)
    """
    own = history[commit]
    found: dict[CommitId, CommitId | None] = {}
    for name in sorted(bans):
        ban = history[name]
        if _target(ban) not in (own.fact.account, own.fact.device) or not history.concurrent(name, commit):
            continue
        trusted = _Trusted(history, ban, {own.fact.account, _target(ban)}, roster, bans, roster_at)
        seen = [
            entry for entry in trusted.beside if entry is not own and history.reaches(entry, own) and entry in trusted
        ]
        found[name] = min(seen, key=_key).id if seen else None
    return found


def _unvouched(
    history: History,
    ban: Entry,
    roster: Roster,
    bans: Collection[CommitId],
    roster_at: Callable[[CommitId], Roster],
) -> set[CommitId]:
    target = _target(ban)
    own = history.by_device(DeviceId(target)) if is_device(target) else history.by_account(AccountId(target))
    by_target = {
        entry.id for entry in own if not history.reaches(ban, entry) and not history.reaches(entry, ban)
    }  # asked first: most bans have nothing beside them, and what came since may be long
    if not by_target:
        return set()
    removed = _owners(history, by_target) if is_device(target) else {target}
    trusted = _Trusted(history, ban, removed, roster, bans, roster_at)
    vouched: set[CommitId] = set()
    for entry in reversed(trusted.beside):  # children first: what one of them vouches for, all its ancestors share
        if entry.id in vouched or entry in trusted:
            vouched.update(entry.fact.parents)
    return by_target - vouched


class _Trusted:
    """The commits that vouch for what the banned wrote beside a ban: by others, joined then and now. (SCP-02 §8.2)"""

    def __init__(
        self,
        history: History,
        ban: Entry,
        removed: Collection[AccountId | DeviceId | None],
        roster: Roster,
        bans: Collection[CommitId],
        roster_at: Callable[[CommitId], Roster],
    ) -> None:
        self._history = history
        self._removed = removed
        self._roster = roster
        self._bans = bans
        self._before = roster_at(ban.fact.parents[0])
        self.beside = [  # all that does not know of the ban, parents first
            entry for entry in history.missing(history.heads, (ban.id,)) if not history.reaches(entry, ban)
        ]

    def __contains__(self, entry: Entry) -> bool:
        account = entry.fact.account
        return (
            account is not None
            and account not in self._removed
            and self._before.is_joined(account)
            and self._roster.is_joined(account)
            and not _banned_beside(self._history, entry, account, self._bans)
        )


def _target(ban: Entry) -> AccountId | DeviceId:
    control = ban.fact.control
    assert control is not None
    assert isinstance(control.action, Ban)
    return control.action.uri


def _banned_beside(history: History, entry: Entry, account: AccountId, bans: Collection[CommitId]) -> bool:
    aimed = (account, entry.fact.device)
    return any(_target(history[ban]) in aimed and history.concurrent(ban, entry.id) for ban in bans)


def _owners(history: History, commits: Collection[CommitId]) -> set[AccountId | DeviceId]:
    owners = (history[commit].fact.account for commit in commits)
    return {owner for owner in owners if owner is not None}


def _speaks_about_another(entry: Entry) -> bool:
    relation = entry.fact.relation
    return relation is not None and relation[0] != "reply"


def _key(entry: Entry) -> tuple[int, CommitId]:
    return entry.fact.time, entry.id
