"""Which bans count: when one is authorised, and the rounds in which concurrent ones are decided. (SCP-02 §6.4 b–d)"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

from swarmchat.conversation.actions import Ban, CastVote, Demote, Leave, Promote
from swarmchat.conversation.entries import Control, Entry
from swarmchat.conversation.history import History
from swarmchat.conversation.rules.settled import BANNED_BESIDE, NOT_AUTHORISED, Fate, Steps, Tally
from swarmchat.ids import AccountId, CommitId, DeviceId


class Answers(Protocol):
    """What a dispute must be told about other sets of commits; a question may need another set to be settled first."""

    def admins_before(self, ban: Entry, void: int, window: int) -> frozenset[AccountId]:
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
    """A ban, what does not change while the rounds go on, and what they have found out about it."""

    ban: Entry
    control: Control
    target: AccountId | DeviceId
    bit: int
    past: int
    voids: int  # what it makes void if it counts (d)
    unseats: int  # of this, what can matter to who is admin
    promotions: list[Entry]  # concurrent ones of its target that are news to it; none where that is admin (b)
    scope: int  # what others make void of this can matter to whether it is authorised
    rank: tuple[int, CommitId]  # the bans among its ancestors, then the id
    lost: dict[AccountId, CommitId] = field(default_factory=dict)  # voters, and the accepted ban that took each
    risks: Counter[AccountId] = field(default_factory=Counter)  # by voter: the first ban of him that may still take him
    voiders: list[tuple[_Case, bool]] | None = (
        None  # concurrent bans that void something of its scope; which precede it
    )


@dataclass(frozen=True, slots=True)
class _Standing:
    """How a ban stands while others are undecided: beside the accepted ones alone, and what it waits for."""

    tally: Tally
    waits_for: tuple[_Case, ...]  # empty: whether it counts no longer hangs on what is undecided


class Dispute:
    """The bans among the control commits of the mask `window`. Nothing outside is concurrent with any of them."""

    def __init__(self, history: History, window: int, answers: Answers, elders: Sequence[AccountId] = ()) -> None:
        self._history = history
        self._window = window
        self._answers = answers
        self._authored: dict[str, list[Entry]] = {}  # what a ban of the account or the device could make void
        self._promotions: dict[str, list[Entry]] = {}
        self._adminships: dict[AccountId, int] = {}
        self._light = 0  # the votes to ban: who is admin does not follow from them, for an accepted ban always lands
        bans: list[Entry] = []
        for entry in history.controls_of(window):
            control = _control(entry)
            match control.action:
                case Ban():
                    bans.append(entry)
                case Leave() | Demote():
                    continue
                case Promote(uri):
                    self._promotions.setdefault(uri, []).append(entry)
                case CastVote("ban"):
                    self._light |= _bit(entry)
                case _:
                    pass
            if control.votes:
                continue  # rests on its votes, whoever wrote it
            assert entry.fact.device is not None
            for author in (_author(entry), entry.fact.device):
                self._authored.setdefault(author, []).append(entry)
        self._ban_bits = _mask(bans)
        self._of: defaultdict[str, int] = defaultdict(int)  # the bans of each target, as masks
        for ban in bans:
            self._of[_banned(ban)] |= _bit(ban)
        self._work = {target: _mask(self._authored.get(target, ())) for target in self._of}
        self._informed = {  # of that, what knew of a ban of its author
            target: [entry for entry in self._authored.get(target, ()) if entry.control_mask & of]
            for target, of in self._of.items()
        }
        self._cases = [self._case(ban) for ban in bans]
        # Who is likely to go before others is asked first: that spares comparisons, and decides nothing.
        self._against: dict[str, list[_Case]] = {}
        place = {account: at for at, account in enumerate(elders)}
        for case in sorted(
            self._cases,
            key=lambda case: (
                -len(case.control.voters),
                min((place.get(voter, len(place)) for voter in case.control.voters), default=len(place)),
                case.ban.id,
            ),
        ):
            self._against.setdefault(case.target, []).append(case)
        self._unseating = [case for case in self._cases if case.unseats]
        self._accepted: list[_Case] = []
        self._undecided: set[_Case] = set()
        self._forced: set[_Case] = set()
        self._unauthorised: dict[_Case, Tally] = {}
        self._refused = 0  # these, as a mask

    def decide(self) -> Steps[Ruling]:
        """Go through the rounds, one group of bans after the other."""
        for group in self._groups():
            yield from self._decide(group)
        return self._ruling()

    # --- rounds

    def _groups(self) -> list[list[_Case]]:
        """Bans are in one group when a chain of concurrent ones leads from one to the other.

        All of a later group have all of an earlier one as ancestors: the earlier was settled before the later was written,
        and what it came to there must be what it comes to here.
        """
        groups: list[list[_Case]] = []
        in_all_later = -1
        for case in reversed(self._cases):  # the last admitted first: nothing descends from it
            not_later = self._ban_bits & (2 * case.bit - 1)
            if not not_later & ~in_all_later:
                groups.append([])
            groups[-1].append(case)
            in_all_later &= case.ban.control_mask
        return groups[::-1]

    def _decide(self, group: list[_Case]) -> Steps[None]:
        """Take the bans of a group that hang on no undecided one, lowest rank first; where there is none, all.

        A ban that hangs on others is looked at again when one of these was decided, and not before.
        """
        self._undecided = set(group)
        waiting: dict[_Case, set[_Case]] = {}  # by the ban that they wait for
        free: set[_Case] = set()
        look_at = group
        while self._undecided:
            for case in look_at:
                standing = yield from self._standing(case)
                for other in standing.waits_for:
                    waiting.setdefault(other, set()).add(case)
                if not standing.waits_for:
                    free.add(case)
            chosen = min(free or self._undecided, key=lambda case: case.rank)
            standing = yield from self._standing(chosen)
            if free and standing.waits_for:  # what was decided since counts against it as nothing undecided had
                free.remove(chosen)
                look_at = [chosen]
                continue
            if not free:
                self._forced.add(chosen)
            self._undecided.remove(chosen)
            free.discard(chosen)
            if standing.tally.suffices:
                self._accepted.append(chosen)
            else:
                self._unauthorised[chosen] = standing.tally
                self._refused |= chosen.bit
            hung, look_at = waiting.pop(chosen, set()), []
            for case in group:
                if case in self._undecided:
                    has_lost = standing.tally.suffices and (yield from self._takes(chosen, case))
                    if has_lost or case in hung or chosen in self._forced:
                        look_at.append(case)

    def _takes(self, accepted: _Case, case: _Case) -> Steps[bool]:
        """Whether an accepted ban takes a voter from the case, which is noted. (b)"""
        voter = cast(AccountId, accepted.target)
        if voter not in case.control.voters or voter in case.lost or not self._bears_on(accepted, case):
            return False
        if accepted in self._forced or (yield from self._answers.precedes(accepted.ban, case.ban)):
            case.lost[voter] = accepted.ban.id
        return voter in case.lost

    def _standing(self, case: _Case) -> Steps[_Standing]:
        """Whether it is authorised beside the accepted bans, and which undecided ones could change that."""
        voiders = yield from self._voiders(case)
        known, perhaps = self._void_behind(case)
        certain = self._tally(case, (), [other for other in voiders if other not in self._undecided], known)
        open_voiders = [other for other in voiders if other in self._undecided]
        risks: dict[AccountId, _Case] = {}
        if certain.suffices or open_voiders or perhaps != known:
            for voter in sorted(case.control.voters - case.lost.keys()):
                taker = yield from self._find_risk(case, voter)
                if taker is not None:
                    risks[voter] = taker
                    if not self._tally(case, risks, voiders, perhaps).suffices:
                        break  # one more could change nothing: it hangs on these
        if certain.suffices == self._tally(case, risks, voiders, perhaps).suffices:
            return _Standing(certain, ())
        ancestors = [other for other in self._undecided if case.past & other.bit] if case.rank[0] else []
        return _Standing(certain, tuple(dict.fromkeys([*risks.values(), *open_voiders, *ancestors])))

    def _find_risk(self, case: _Case, voter: AccountId) -> Steps[_Case | None]:
        """An undecided ban that would take a voter from the case."""
        against = self._against.get(voter, [])
        at = case.risks[voter]
        while at < len(against):
            other = against[at]
            if (
                other in self._undecided
                and self._bears_on(other, case)
                and (yield from self._answers.precedes(other.ban, case.ban))
            ):
                break
            at += 1  # decided bans do not open again: what was passed over stays so
        case.risks[voter] = at
        return against[at] if at < len(against) else None

    def _voiders(self, case: _Case) -> Steps[list[_Case]]:
        """The concurrent bans that go before it, are not refused, and would make void what can matter to it."""
        if case.voiders is None:
            case.voiders = []
            for other in self._unseating:
                if other.unseats & case.scope and _concurrent(other.ban, case.ban):
                    case.voiders.append((other, (yield from self._answers.precedes(other.ban, case.ban))))
        return [
            other
            for other, is_first in case.voiders
            if (is_first or other in self._forced) and not self._refused & other.bit
        ]

    def _bears_on(self, other: _Case, case: _Case) -> bool:
        """Whether they are concurrent, and the votes of the other are not spent for what the case descends from."""
        return _concurrent(other.ban, case.ban) and not self._is_spent(other.ban, case.ban)

    # --- one ban

    def _tally(self, case: _Case, risks: Collection[AccountId], voiders: Collection[_Case], void_behind: int) -> Tally:
        """Which voters are left of which admins, beside the bans that took or may take some. (b)"""
        voided = 0
        for other in voiders:
            voided |= other.unseats
        void = (voided | self._refused) & case.past
        admins = self._answers.admins_before(case.ban, void, self._window)
        electorate, voters = set(admins), set(case.control.voters & admins)
        lost: dict[AccountId, CommitId | None] = dict.fromkeys(case.control.voters - admins)
        for voter, taker in case.lost.items():
            voters.discard(voter)
            lost[voter] = taker
        voters.difference_update(risks)
        gone = voided | void_behind
        for promotion in case.promotions:
            control = _control(promotion)
            votes = self._votes(control)
            if gone & _bit(promotion) or (votes and not votes & ~gone):
                continue
            electorate |= control.admins
            backers = voters & self._backers(promotion, case.ban)
            voters -= backers
            lost.update(dict.fromkeys(backers, promotion.id))
        return Tally(frozenset(voters), frozenset(electorate), tuple(sorted(lost.items())))

    def _void_behind(self, case: _Case) -> tuple[int, int]:
        """What bans among its ancestors make void of promotions beside it: the accepted ones, and with those that are undecided. (b)"""
        if not case.promotions:
            return 0, 0
        known = 0
        for other in self._accepted:
            if case.past & other.bit:
                known |= other.voids
        perhaps = known
        for other in self._undecided:
            if case.past & other.bit:
                perhaps |= other.voids
        return known, perhaps

    def _backers(self, promotion: Entry, ban: Entry) -> frozenset[AccountId]:
        """Who is for the promotion and did not vote for the ban later: with that vote behind it. (b)"""
        control = _control(promotion)
        if not control.votes:
            return frozenset({_author(promotion)})
        cast = (self._history[vote] for vote in control.votes)
        return frozenset(_author(vote) for vote in cast if not ban.control_mask & _bit(vote))

    def _weighs(self, promotion: Entry, ban: Entry) -> bool:
        """Whether the promotion is news to the ban: a majority for it that the ban did not know, or a sole admin it never knew. (b)"""
        control = _control(promotion)
        if control.votes:
            return 2 * len(self._backers(promotion, ban)) > len(control.admins)
        author = _author(promotion)
        return author in _control(ban).admins or not self._adminship(author) & ban.control_mask

    def _adminship(self, account: AccountId) -> int:
        """The control commits at whose parents the account was admin."""
        if account not in self._adminships:
            held = (entry for entry in self._history.controls if account in _control(entry).admins)
            self._adminships[account] = _mask(held)
        return self._adminships[account]

    def _case(self, ban: Entry) -> _Case:
        control, bit, target = _control(ban), _bit(ban), _banned(ban)
        past = ban.control_mask & ~bit
        promotions = [
            entry
            for entry in sorted(self._promotions.get(target, ()), key=lambda entry: entry.id)
            if target not in control.admins and _concurrent(entry, ban) and self._weighs(entry, ban)
        ]
        scope = past
        for entry in promotions:
            scope |= _bit(entry) | self._votes(_control(entry))
        voids = self._voids(ban, target)
        rank = (past & self._ban_bits).bit_count(), ban.id
        return _Case(ban, control, target, bit, past, voids, voids & ~self._light, promotions, scope, rank)

    def _voids(self, ban: Entry, target: AccountId | DeviceId) -> int:
        voids, bit = self._work[target] & ~ban.control_mask, _bit(ban)
        for entry in self._informed[target]:
            if entry.control_mask & bit or self._is_spent(ban, entry):
                voids &= ~_bit(entry)
        return voids

    def _is_spent(self, ban: Entry, behind: Entry) -> bool:
        """Whether other resolutions of the ballot are behind a commit that is concurrent with the ban: it knew of them. (d)"""
        known = behind.control_mask & ~ban.control_mask & self._of[_banned(ban)]
        if not known:
            return False
        control = _control(ban)
        unspent = control.votes.difference(*(_control(other).votes for other in self._history.controls_of(known)))
        left = {self._history[vote].fact.account for vote in unspent}
        return 2 * len(left) <= len(control.admins)

    def _votes(self, control: Control) -> int:
        return _mask(self._history[vote] for vote in control.votes)

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
        voided = 0
        for case in self._accepted:
            voided |= case.voids
        return Ruling(accepted, self._refused | voided, fates)


def _control(entry: Entry) -> Control:
    assert entry.fact.control is not None
    return entry.fact.control


def _banned(ban: Entry) -> AccountId | DeviceId:
    action = _control(ban).action
    assert isinstance(action, Ban)
    return action.uri


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
    return not one.control_mask & _bit(other) and not other.control_mask & _bit(one)
