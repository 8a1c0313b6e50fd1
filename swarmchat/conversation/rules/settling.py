"""The roster as a function of the set of commits behind some heads, and of nothing else. (SCP-02 §6.4)

A set is named by the mask of its control commits (`Entry.control_mask`): texts and merges have no part in it. Masks are
numbered as this node happened to admit, so no answer may follow from a number: only from the graph, the ids and the content.

What one set comes to can depend on what smaller sets come to: the past that two bans have in common. These questions are
generators that yield the mask they need; `Settler` keeps them on its own stack, so that a history made to nest them deep costs
memory, never the recursion limit. Each nested set lacks at least two bans of the outer one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from swarmchat.conversation.actions import Ban
from swarmchat.conversation.entries import Control, Entry
from swarmchat.conversation.history import History
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.rules.disputes import Dispute
from swarmchat.conversation.rules.replay import Replayed, promoted_by, replay
from swarmchat.conversation.rules.settled import Edge, Fate, Precedence, Settled, Steps
from swarmchat.ids import AccountId, CommitId

_SETTLED_KEPT: Final = 256  # sets; each may hold a roster of its own
_PRECEDENCES_KEPT: Final = 131_072  # pairs of concurrent bans: those of 500 at once
_REPLAYS_KEPT: Final = 4_096  # keys with masks of all control commits
_STRETCH_MAX: Final = 64  # commits: a longer line is walked again for each comparison, which costs time, not memory


@dataclass(frozen=True, slots=True)
class _Chronicle:
    """What a roster no longer tells of the commits behind it."""

    seniority: tuple[AccountId, ...]  # who was ever admin, by first adminship in the replay
    bans: frozenset[CommitId]  # that were ever accepted


@dataclass(frozen=True, slots=True)
class _Side:
    """One of two concurrent bans."""

    ban: CommitId
    voters: frozenset[AccountId]  # who were admins where the lines parted
    backdated: frozenset[AccountId]  # of these, who wrote on the other line

    @property
    def silent(self) -> frozenset[AccountId]:
        return self.voters - self.backdated


class Settler:
    """Settles sets of commits of one history; remembers what it found.

    `roster_at` gives the judged roster of an accepted ordinary commit; it is asked for control commits only.
    """

    def __init__(self, history: History, roster_at: Callable[[CommitId], Roster]) -> None:
        self.history = history
        self._roster_at = roster_at
        self._settled: OrderedDict[int, Settled] = OrderedDict()
        self._chronicles: OrderedDict[int, _Chronicle] = OrderedDict()
        self._precedences: dict[tuple[CommitId, CommitId], bool] = {}
        self._admins: dict[tuple[CommitId, int, int], frozenset[AccountId]] = {}
        self._stretches: dict[tuple[CommitId, CommitId], dict[int, AccountId] | None] = {}

    def settle(self, heads: Iterable[CommitId]) -> Settled:
        """What the commits behind `heads` come to, these included; all are accepted, at least one is given."""
        return self._run(self._mask(heads))

    def bans(self, heads: Iterable[CommitId]) -> frozenset[CommitId]:
        """All bans behind `heads` that count, however old and whether undone by an unban since or not."""
        return self._answer(self._chronicle(self._mask(heads))).bans

    def fate(self, commit: CommitId, heads: Iterable[CommitId]) -> Fate | None:
        """Why a commit behind `heads` does not count there; None when it does, or when it changes no file."""
        entry, mask = self.history[commit], self._mask(heads)
        if entry.control_index is None:
            return None
        assert mask >> entry.control_index & 1, "a question about a commit that is not behind these heads"
        start = self._start(mask)
        while _bit(entry) < _bit(start):  # comparable: so it is behind the start, and was settled before
            mask = start.control_mask ^ _bit(start)
            start = self._start(mask)
        if start is entry:
            return None
        settled = self._run(mask)
        return settled.void.get(commit) or settled.ineffective.get(commit)

    def changed_fates(self, before: Iterable[CommitId], after: Iterable[CommitId]) -> dict[CommitId, Fate | None]:
        """The commits behind `before` that count otherwise behind `after`, which reaches them all: why not now, or None."""
        before, after = tuple(before), tuple(after)
        old, new = self._mask(before), self._mask(after)
        settled = next(entry.control_mask for entry in self._spine(new) if old & _bit(entry))  # if none newer, the root
        found: dict[CommitId, Fate | None] = {}
        for entry in self.history.controls_of(old & ~settled):
            first, then = self.fate(entry.id, before), self.fate(entry.id, after)
            if first != then:
                found[entry.id] = then
        return {commit: found[commit] for commit in sorted(found)}

    def precedence(self, one: CommitId, other: CommitId) -> Precedence:
        """Which of two concurrent bans goes before the other, and by what: for people. (SCP-02 §6.4 c)"""
        return self._answer(self._compared(self.history[one], self.history[other]))

    # --- the questions on a stack of our own

    def _answer(self, question: Steps[_Value]) -> _Value:
        try:
            wanted = next(question)
            while True:
                wanted = question.send(self._run(wanted))
        except StopIteration as done:
            answer: _Value = done.value
            return answer

    def _run(self, mask: int) -> Settled:
        known = self._settled.get(mask)
        if known is not None:
            self._settled.move_to_end(mask)
            return known
        stack = [(mask, self._steps(mask))]
        answer: Settled | None = None
        while True:
            mask, steps = stack[-1]
            try:
                wanted = steps.send(answer) if answer is not None else next(steps)
            except StopIteration as done:
                answer = done.value
                assert answer is not None
                self._settled[mask] = answer
                if len(self._settled) > _SETTLED_KEPT:
                    self._settled.popitem(last=False)
                stack.pop()
                if not stack:
                    return answer
            else:
                answer = self._settled.get(wanted)
                if answer is None:
                    stack.append((wanted, self._steps(wanted)))

    def _steps(self, mask: int) -> Steps[Settled]:
        start = self._start(mask)
        window = mask & ~start.control_mask
        if not window:
            return Settled(self._roster_at(start.id), start.id, frozenset(), {}, {}, ())
        elders = (yield from self._chronicle(start.control_mask)).seniority
        ruling = yield from Dispute(self.history, window, self, elders).decide()
        replayed = self._replay(start, window, ruling.void)
        return Settled(
            replayed.roster, start.id, ruling.accepted, ruling.fates, replayed.ineffective, replayed.promoted
        )

    # --- what disputes ask

    def admins_before(self, ban: Entry, void: int, window: int) -> frozenset[AccountId]:
        """The admins after a replay of the past of `ban` without the control commits of the mask `void`."""
        key = ban.id, void, window
        known = self._admins.get(key)
        if known is not None:
            return known
        past = ban.control_mask & ~_bit(ban)
        start = self._untroubled(past, void, window)
        if start.control_mask == past:
            admins = _control(ban).admins
        else:
            admins = self._replay(start, past & ~start.control_mask, void).roster.admins
        _keep(self._admins, key, admins, _REPLAYS_KEPT)
        return admins

    def precedes(self, one: Entry, other: Entry) -> Steps[bool]:
        """Whether the first of two concurrent bans goes before the other: fixed by their pasts. (SCP-02 §6.4 c)"""
        if other.id < one.id:
            return not (yield from self.precedes(other, one))
        key = one.id, other.id
        known = self._precedences.get(key)
        if known is not None:
            return known
        answer = (yield from self._compared(one, other)).first == one.id
        _keep(self._precedences, key, answer, _PRECEDENCES_KEPT)
        return answer

    def _compared(self, one: Entry, other: Entry) -> Steps[Precedence]:
        common = one.control_mask & other.control_mask
        admins = (yield common).roster.admins
        sides = []
        for ban, rival in ((one, other), (other, one)):
            voters = _control(ban).voters & admins
            sides.append(_Side(ban.id, voters, voters & self._writers(rival, ban)))
        first, last = sorted(sides, key=lambda side: (-len(side.silent), bool(side.backdated), side.ban))
        if len(first.silent) > len(last.silent):
            return Precedence(first.ban, Edge.VOTERS, first.silent, last.silent)
        if bool(first.backdated) != bool(last.backdated):
            return Precedence(first.ban, Edge.UNDIVIDED, frozenset(), last.backdated)
        order = (yield from self._chronicle(common)).seniority
        first, last = sorted(sides, key=lambda side: (_most_senior(side.voters, order), side.ban))
        ours, theirs = (_most_senior(side.voters, order) for side in (first, last))
        if ours < theirs:
            return Precedence(
                first.ban, Edge.SENIORITY, frozenset({order[ours]}), frozenset(order[theirs : theirs + 1])
            )
        return Precedence(first.ban, Edge.ID, frozenset(), frozenset())

    def _writers(self, ban: Entry, other: Entry) -> frozenset[AccountId]:
        """Who wrote something, a text even, that is behind `ban` and not behind `other`."""
        ours, theirs = self._since(ban, other), self._since(other, ban)
        if ours is not None and theirs is not None:
            return frozenset(account for seq, account in ours.items() if seq not in theirs)
        seen = self.history.missing(ban.fact.parents, (other.id,))
        return frozenset(entry.fact.account for entry in seen if entry.fact.account is not None)

    def _since(self, ban: Entry, other: Entry) -> dict[int, AccountId] | None:
        """What is behind a ban and not behind the newest control commit that it shares with the other; None when that is much.

        Many bans beside each other share one such commit: each is walked once, not once with every other.
        """
        shared = self._newest(ban.control_mask & other.control_mask)
        key = ban.id, shared.id
        if key not in self._stretches:
            seen = self.history.missing(ban.fact.parents, (shared.id,))
            fresh = {entry.seq: entry.fact.account for entry in seen if entry.fact.account is not None}
            _keep(self._stretches, key, fresh if len(fresh) <= _STRETCH_MAX else None, _REPLAYS_KEPT)
        return self._stretches[key]

    # --- replays

    def _replay(self, start: Entry, window: int, void: int) -> Replayed:
        return replay(self.history, self._roster_at(start.id), window, void)

    def _chronicle(self, mask: int) -> Steps[_Chronicle]:
        """What happened behind a set: from the sets that it was settled by, back to the root."""
        parts: list[_Chronicle] = []
        rest = mask
        while rest and rest not in self._chronicles:
            newest = self._newest(rest)
            if newest.control_mask == rest:
                parts.append(_told_by(newest))
                rest ^= _bit(newest)
            else:
                settled = yield rest
                parts.append(_Chronicle(settled.promoted, settled.accepted))
                rest = self.history[settled.start].control_mask
        base = self._chronicles.get(rest, _Chronicle((), frozenset()))
        seniority = dict.fromkeys(base.seniority)
        for part in reversed(parts):
            seniority.update(dict.fromkeys(part.seniority))
        chronicle = _Chronicle(tuple(seniority), base.bans.union(*(part.bans for part in parts)))
        self._chronicles[mask] = chronicle
        if len(self._chronicles) > _SETTLED_KEPT:
            self._chronicles.popitem(last=False)
        return chronicle

    # --- where a replay may start

    def _start(self, mask: int) -> Entry:
        """The newest control commit that is comparable with every other of the set: if no other, the root. (SCP-02 §6.4 f)"""
        return next(self._spine(mask))

    def _untroubled(self, past: int, void: int, window: int) -> Entry:
        """The newest place to start a replay of `past` without `void` and give what a replay from the window's start gives.

        Its judged roster must be one that no ban of the window made otherwise: neither by `void`, nor by what bans before
        it made void when it was judged, which may be decided otherwise now. A ban that nothing is concurrent with makes
        nothing void.
        """
        inner = past & window
        spine = list(self._spine(inner))
        alone = sum(_bit(entry) for entry in spine)
        beside = (
            entry for entry in self.history.controls_of(inner & ~alone) if isinstance(_control(entry).action, Ban)
        )
        trouble = void | sum(_bit(ban) for ban in beside)
        untroubled = (entry for entry in spine if not entry.control_mask & trouble)
        return next(untroubled, self._newest(past & ~window))

    def _spine(self, mask: int) -> Iterator[Entry]:
        """The control commits of the set that are comparable with every other of it, newest first."""
        in_all_newer = -1
        while mask:
            entry = self._newest(mask)
            mask ^= _bit(entry)
            if in_all_newer & _bit(entry) and not mask & ~entry.control_mask:
                yield entry
            in_all_newer &= entry.control_mask

    def _newest(self, mask: int) -> Entry:
        return self.history.controls[mask.bit_length() - 1]  # of those, nothing descends from the last admitted

    def _mask(self, heads: Iterable[CommitId]) -> int:
        mask = 0
        for head in heads:
            mask |= self.history[head].control_mask
        return mask


def _most_senior(voters: frozenset[AccountId], order: tuple[AccountId, ...]) -> int:
    return next((place for place, account in enumerate(order) if account in voters), len(order))


def _told_by(entry: Entry) -> _Chronicle:
    """What the greatest commit of a set adds: it counts, as it was judged."""
    control = _control(entry)
    bans = frozenset({entry.id}) if isinstance(control.action, Ban) else frozenset()
    return _Chronicle(tuple(promoted_by(control.changes)), bans)


_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def _keep(memo: dict[_Key, _Value], key: _Key, value: _Value, kept: int) -> None:
    if len(memo) >= kept:
        memo.clear()
    memo[key] = value


def _control(entry: Entry) -> Control:
    assert entry.fact.control is not None
    return entry.fact.control


def _bit(entry: Entry) -> int:
    assert entry.control_index is not None
    return 1 << entry.control_index
