"""Which bans count: when one is authorised, and the rounds in which concurrent ones are decided. (SCP-02 §6.4 b–d)"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from swarmchat.conversation.actions import Ban, Demote, Leave, Promote
from swarmchat.conversation.history import Control, Entry, History
from swarmchat.conversation.rules.settled import BANNED_BESIDE, NOT_AUTHORISED, Fate, Steps, Tally
from swarmchat.ids import AccountId, CommitId, DeviceId


class Answers(Protocol):
    """What a dispute must be told about other sets of commits; a question may need another set to be settled first."""

    def admins_before(self, ban: Entry, void: int, window: int) -> Steps[frozenset[AccountId]]:
        """The admins after a replay of the past of `ban` without the control commits of the mask `void`."""
        ...

    def precedes(self, one: Entry, other: Entry) -> Steps[bool]:
        """Whether the first of two concurrent bans goes before the other. (SCP-02 §6.4 c)"""
        ...


@dataclass(frozen=True, slots=True)
class Ruling:
    """The bans that count, the control commits that are void (as a mask), and why."""

    accepted: frozenset[CommitId]
    void: int
    fates: dict[CommitId, Fate]


@dataclass(slots=True, eq=False)
class _Case:
    """A ban, and what does not change while the rounds go on."""

    ban: Entry
    control: Control
    target: AccountId | DeviceId
    bit: int
    past: int
    voids: int  # what it makes void if it counts (d)
    promotions: list[Entry]  # concurrent ones of its target, where that is no admin at the parent (b)
    rank: tuple[int, CommitId]  # the bans among its ancestors, then the id
    rivals: dict[_Case, None] = field(default_factory=dict)  # the concurrent bans


class Dispute:
    """The bans among the control commits of the mask `window`. Nothing outside is concurrent with any of them."""

    def __init__(self, history: History, window: int, answers: Answers) -> None:
        self._history = history
        self._window = window
        self._answers = answers
        entries = list(history.controls_of(window))
        self._authored: dict[str, list[Entry]] = {}  # what a ban of the account or the device could make void
        self._promotions: dict[str, list[Entry]] = {}
        bans: list[Entry] = []
        for entry in entries:
            match _control(entry).action:
                case Ban():
                    bans.append(entry)
                    continue
                case Leave() | Demote():
                    continue
                case Promote(uri):
                    self._promotions.setdefault(uri, []).append(entry)
                case _:
                    pass
            assert entry.fact.device is not None
            for author in (_author(entry), entry.fact.device):
                self._authored.setdefault(author, []).append(entry)
        ban_bits = sum(_bit(ban) for ban in bans)
        self._cases = [self._case(ban, ban_bits) for ban in bans]
        for case in self._cases:
            case.rivals = {
                other: None for other in self._cases if other is not case and _concurrent(other.ban, case.ban)
            }
        self._accepted: list[_Case] = []
        self._forced: set[CommitId] = set()
        self._unauthorised: dict[_Case, Tally] = {}
        self._refused = 0  # these, as a mask
        self._voided = 0

    def decide(self) -> Steps[Ruling]:
        """Go through the rounds, one group of bans after the other."""
        for group in self._groups():
            undecided = dict.fromkeys(sorted(group, key=lambda case: case.rank))
            while undecided:
                chosen, is_free = yield from self._choose(undecided)
                del undecided[chosen]
                tally = yield from self._tally(chosen)
                if tally.suffices:
                    self._accepted.append(chosen)
                    self._voided |= chosen.voids
                    if not is_free:
                        self._forced.add(chosen.ban.id)
                else:
                    self._unauthorised[chosen] = tally
                    self._refused |= chosen.bit
        return self._ruling()

    # --- rounds

    def _groups(self) -> list[list[_Case]]:
        """Bans are in one group when a chain of concurrent ones leads from one to the other.

        All of a later group have all of an earlier one as ancestors: the earlier was settled before the later was written,
        and what it came to there must be what it comes to here.
        """
        groups: list[list[_Case]] = []
        all_bits = sum(case.bit for case in self._cases)
        in_all_later = -1
        for case in reversed(self._cases):  # the last admitted first: nothing descends from it
            not_later = all_bits & (2 * case.bit - 1)
            if not groups or not not_later & ~in_all_later:
                groups.append([])
            groups[-1].append(case)
            in_all_later &= case.ban.control_mask
        return groups[::-1]

    def _choose(self, undecided: dict[_Case, None]) -> Steps[tuple[_Case, bool]]:
        for case in undecided:
            if (yield from self._is_free(case, undecided)):
                return case, True
        return next(iter(undecided)), False

    def _is_free(self, case: _Case, undecided: dict[_Case, None]) -> Steps[bool]:
        """No undecided concurrent ban both precedes it and would leave it unauthorised."""
        rivals = [rival for rival in case.rivals if rival in undecided]
        if not rivals:
            return True
        alone = (yield from self._tally(case)).suffices
        for rival in rivals:
            if alone and not self._touches(rival, case):
                continue
            if (yield from self._answers.precedes(rival.ban, case.ban)) and not (
                yield from self._tally(case, rival)
            ).suffices:
                return False
        return True

    # --- one ban

    def _tally(self, case: _Case, beside: _Case | None = None) -> Steps[Tally]:
        """Which voters are left of which admins, beside the accepted bans and `beside`. (b)"""
        standing = self._accepted if beside is None else [*self._accepted, beside]
        voided = self._voided if beside is None else self._voided | beside.voids
        void = (voided | self._refused) & case.past
        admins = yield from self._answers.admins_before(case.ban, void, self._window)
        electorate, voters = set(admins), set(case.control.voters & admins)
        lost: dict[AccountId, CommitId | None] = dict.fromkeys(case.control.voters - admins)
        for other in standing:
            if other.target in voters and other in case.rivals:
                is_first = other.ban.id in self._forced or (yield from self._answers.precedes(other.ban, case.ban))
                if is_first:
                    voters.discard(AccountId(other.target))
                    lost[AccountId(other.target)] = other.ban.id
        for promotion in case.promotions:
            if not voided & _bit(promotion):
                control = _control(promotion)
                electorate |= control.admins
                backers = voters & (control.voters | {_author(promotion)})
                voters -= backers
                lost.update(dict.fromkeys(backers, promotion.id))
        return Tally(frozenset(voters), frozenset(electorate), tuple(sorted(lost.items())))

    def _touches(self, one: _Case, other: _Case) -> bool:
        """Whether the acceptance of one can matter to whether the other is authorised."""
        return (
            one.target in other.control.voters
            or bool(one.voids & other.past)
            or any(one.voids & _bit(promotion) for promotion in other.promotions)
        )

    def _case(self, ban: Entry, ban_bits: int) -> _Case:
        control, bit = _control(ban), _bit(ban)
        assert isinstance(control.action, Ban)
        target, past = control.action.uri, ban.control_mask & ~bit
        beside = [entry for entry in self._authored.get(target, ()) if _concurrent(entry, ban)]
        promotions = [
            entry
            for entry in sorted(self._promotions.get(target, ()), key=lambda entry: entry.id)
            if target not in control.admins and _concurrent(entry, ban)
        ]
        rank = (past & ban_bits).bit_count(), ban.id
        return _Case(ban, control, target, bit, past, _mask(beside), promotions, rank)

    # --- the outcome

    def _ruling(self) -> Ruling:
        fates = {}
        for case, tally in self._unauthorised.items():
            takers = [by for _, by in tally.lost if by is not None]
            fates[case.ban.id] = Fate(NOT_AUTHORISED, min(takers, default=None), tally=tally)
        for case in sorted(self._accepted, key=lambda case: case.ban.id, reverse=True):
            for entry in self._history.controls_of(case.voids):
                fates[entry.id] = Fate(BANNED_BESIDE, case.ban.id)
        accepted = frozenset(case.ban.id for case in self._accepted)
        return Ruling(accepted, self._refused | self._voided, fates)


def _control(entry: Entry) -> Control:
    assert entry.fact.control is not None
    return entry.fact.control


def _author(entry: Entry) -> AccountId:
    assert entry.fact.account is not None
    return entry.fact.account


def _bit(entry: Entry) -> int:
    assert entry.control_index is not None
    return 1 << entry.control_index


def _mask(entries: Iterable[Entry]) -> int:
    mask = 0
    for entry in entries:
        mask |= _bit(entry)
    return mask


def _concurrent(one: Entry, other: Entry) -> bool:
    """Of two different control commits."""
    assert one.control_index is not None
    assert other.control_index is not None
    return not one.control_mask >> other.control_index & 1 and not other.control_mask >> one.control_index & 1
