"""A set of control commits carried out again, in one order for everybody. (SCP-02 §6.4 e)

What the set says is decided before (`settling`): which of its commits are void. Here the others are replayed on a roster;
what no longer applies has no effect. The order comes from the graph and the ids alone.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from swarmchat.conversation import tree
from swarmchat.conversation.actions import (
    Action,
    Add,
    Ban,
    CastVote,
    Demote,
    Join,
    Kick,
    Leave,
    Promote,
    Unban,
    UpdateProfile,
)
from swarmchat.conversation.entries import Control, Entry
from swarmchat.conversation.history import History
from swarmchat.conversation.rejection import Rejection
from swarmchat.conversation.roster import Changes, Roster, Sketch
from swarmchat.conversation.rules import ballots
from swarmchat.conversation.rules.authorship import Author
from swarmchat.conversation.rules.effects import effects
from swarmchat.conversation.rules.settled import (
    ALREADY_BANNED,
    AUTHOR_BANNED,
    AUTHOR_NO_ADMIN,
    AUTHOR_NOT_JOINED,
    DEVICE_REVOKED,
    PROFILE_OUTBID,
    TARGET_PROMOTED,
    VOTES_FELL,
    VOTES_SPENT,
    Fate,
)
from swarmchat.conversation.tree import Place
from swarmchat.crypto.certificates import Certificate
from swarmchat.crypto.revocation import RevocationList, device_prefix
from swarmchat.ids import AccountId, CommitId, DeviceId


@dataclass(frozen=True, slots=True)
class Replayed:
    """The roster after a replay and what happened on the way."""

    roster: Roster
    ineffective: dict[CommitId, Fate]
    promoted: tuple[AccountId, ...]  # who became admin, in that order, perhaps not for the first time


def replay(history: History, start: Roster, window: int, void: int) -> Replayed:
    """Carry out the control commits of the mask `window` but those of `void`, on `start`.

    All of `window` descend from the commit that `start` is the roster of; it is the root or comes after it.
    """
    return _Replay(history, start, window).run(in_order(history, window & ~void))


def in_order(history: History, mask: int) -> list[Entry]:
    """Kahn's algorithm; of those ready first all others, then bans and kicks, then leaves and demotes; lowest id first."""
    waiting: dict[int, int] = {}
    children: dict[int, list[Entry]] = {}
    ready: list[tuple[int, CommitId, Entry]] = []
    for entry in history.controls_of(mask):
        assert entry.control_index is not None
        above = _nearest(history, entry.control_mask & mask & ~(1 << entry.control_index))
        for parent in above:
            children.setdefault(parent, []).append(entry)
        if above:
            waiting[entry.control_index] = len(above)
        else:
            ready.append(_turn(entry))
    heapq.heapify(ready)
    order = []
    while ready:
        entry = heapq.heappop(ready)[2]
        order.append(entry)
        for child in children.get(cast(int, entry.control_index), ()):
            index = cast(int, child.control_index)
            waiting[index] -= 1
            if not waiting[index]:
                heapq.heappush(ready, _turn(child))
    return order


def _nearest(history: History, ancestors: int) -> list[int]:
    found = []
    while ancestors:
        newest = ancestors.bit_length() - 1  # nothing descends from the last that was admitted
        found.append(newest)
        ancestors &= ~history.controls[newest].control_mask
    return found


def _turn(entry: Entry) -> tuple[int, CommitId, Entry]:
    match _control(entry).action:
        case Ban() | Kick():
            return 1, entry.id, entry
        case Leave() | Demote():
            return 2, entry.id, entry
        case _:
            return 0, entry.id, entry


class _Replay:
    def __init__(self, history: History, start: Roster, window: int) -> None:
        self._history = history
        self._roster = Sketch(start)
        self._window = window
        self._stood = 0  # what took effect, and the votes that another commit of the voter had cast
        self._spent: dict[CommitId, int] = {}  # the resolutions that each vote was spent by
        self._moved: dict[AccountId | DeviceId, Entry] = {}  # what last gave somebody another place
        self._given_up: dict[AccountId, list[tuple[Entry, bool]]] = {}  # by leave, demote or kick; as an admin or not
        self._promoted: list[AccountId] = []
        self._profiles: list[tuple[Entry, bytes]] = []
        self._revoking: dict[AccountId, list[Entry]] = {}
        self._promotions: dict[AccountId, list[Entry]] = {}
        for entry in history.controls_of(window):
            if _control(entry).revoked:
                assert entry.fact.account is not None
                self._revoking.setdefault(entry.fact.account, []).append(entry)

    def run(self, order: list[Entry]) -> Replayed:
        for entry in order:
            action = _control(entry).action
            if isinstance(action, Promote):
                self._promotions.setdefault(action.uri, []).append(entry)
        ineffective: dict[CommitId, Fate] = {}
        for entry in order:
            fate = self._carry_out(entry)
            if fate is not None:
                ineffective[entry.id] = fate
        if last := sorted(self._last_profiles()):
            winner, profile = last.pop()
            ineffective |= {update: Fate(PROFILE_OUTBID, winner) for update, _ in last}
            self._roster.with_changes({tree.PROFILE: profile})
        return Replayed(self._roster.fixed(), ineffective, tuple(self._promoted))

    # --- one commit

    def _carry_out(self, entry: Entry) -> Fate | None:
        control, account, device = _control(entry), entry.fact.account, entry.fact.device
        assert account is not None
        assert device is not None
        roster = self._roster
        if isinstance(control.action, Ban):
            fate = self._land(entry, control.action.uri, roster)
        elif control.votes:
            fate = self._resolve(entry, control, account, device, roster)
        else:
            fate = self._author_fault(entry, control, account, device, roster)
            fate = fate or self._act(entry, account, device, roster)
        if roster.is_joined(account) and not roster.is_banned(device):
            fate = self._keep_house(entry, account, device, roster) or fate
        return fate

    def _author_fault(
        self, entry: Entry, control: Control, account: AccountId, device: DeviceId, roster: Sketch
    ) -> Fate | None:
        """Why the author may no longer: banned, or without the place by which he acted."""
        if roster.is_banned(account) or roster.is_banned(device):
            return Fate(AUTHOR_BANNED, self._mover(account if roster.is_banned(account) else device, entry))
        if isinstance(control.action, Join):
            return None
        as_admin = account in control.admins and _is_for_admins(control.action, roster.mode)
        if roster.is_admin(account) or (roster.is_joined(account) and not as_admin):
            return None
        # What he gave up on another line, or was kicked from, takes nothing from what he did without knowing of it. A vote
        # is a file that stands for somebody who is there, and so is not cast; but what it decided stays decided.
        if any(
            held_admin >= as_admin and not self._history.reaches(entry, taker)
            for taker, held_admin in self._given_up.get(account, ())
        ):
            if not isinstance(control.action, CastVote):
                return None
            self._stood |= _bit(entry)
        return Fate(AUTHOR_NO_ADMIN if roster.is_joined(account) else AUTHOR_NOT_JOINED, self._mover(account, entry))

    def _resolve(
        self, entry: Entry, control: Control, account: AccountId, device: DeviceId, roster: Sketch
    ) -> Fate | None:
        """A promotion or unban by ballot rests on its votes, whoever wrote it."""
        if spender := self._spender(control.votes, entry):
            return Fate(VOTES_SPENT, spender)
        votes = [self._history[vote] for vote in control.votes]
        if not any(_bit(vote) & (self._stood | ~self._window) for vote in votes):
            takers = (self._mover(cast(AccountId, vote.fact.account), entry) for vote in votes)
            return Fate(VOTES_FELL, min(filter(None, takers), default=None))
        return self._act(entry, account, device, roster)

    def _act(self, entry: Entry, account: AccountId, device: DeviceId, roster: Sketch) -> Fate | None:
        control = _control(entry)
        action = control.action
        if isinstance(action, Kick) and (rescuer := self._promoted_beside(action.uri, entry)):
            return Fate(TARGET_PROMOTED, rescuer)
        if isinstance(action, UpdateProfile):
            self._profiles.append((entry, cast(bytes, control.changes[tree.PROFILE])))
            return None
        given_up = _given_up(action, roster)
        outcome = effects(action, _author(entry, account, device), roster, replayed=True)
        if isinstance(outcome, Rejection):
            if isinstance(action, CastVote) and ballots.has_voted(action.kind, action.uri, account, roster):
                self._stood |= _bit(entry)
            return Fate(outcome.reason.code, self._in_the_way(entry, control, account, roster), outcome.detail)
        self._stood |= _bit(entry)
        if given_up is not None:
            self._given_up.setdefault(given_up[0], []).append((entry, given_up[1]))
        self._spend(entry)
        self._note(entry, action, outcome.changes)
        return None

    def _promoted_beside(self, target: AccountId, kick: Entry) -> CommitId | None:
        """A promotion of the kicked that the kicker did not know of: one admin does not outweigh those who made another."""
        beside = (
            other.id
            for other in self._promotions.get(target, ())
            if not self._history.reaches(other, kick) and not self._history.reaches(kick, other)
        )
        return min(beside, default=None)

    def _note(self, entry: Entry, action: Action, changes: Changes) -> None:
        if isinstance(action, Add | Join | Leave | Kick | Promote | Demote | Unban):
            self._moved[action.uri] = entry
        self._promoted += promoted_by(changes)

    # --- bans and the votes of ballots

    def _land(self, entry: Entry, target: AccountId | DeviceId, roster: Sketch) -> Fate | None:
        control = _control(entry)
        unspent = {self._history[vote].fact.account for vote in control.votes if not self._spenders(vote, entry)}
        if 2 * len(unspent) <= len(control.admins):
            return Fate(VOTES_SPENT, self._spender(control.votes, entry))
        self._spend(entry)  # even when another ban came first: else these votes could be used again beside an unban
        if roster.is_banned(target):
            return Fate(ALREADY_BANNED, self._mover(target, entry))
        self._moved[target] = entry
        place, content = _landed(control)
        roster.with_changes(ballots.landing(roster, place, target, content))
        return None

    def _spenders(self, vote: CommitId, resolution: Entry) -> int:
        # Concurrent ones: where an ancestor took effect, its votes are gone from the tree of the parent.
        return self._spent.get(vote, 0) & ~resolution.control_mask

    def _spender(self, votes: Iterable[CommitId], resolution: Entry) -> CommitId | None:
        masks = (self._spenders(vote, resolution) for vote in votes)
        return min((entry.id for mask in masks for entry in self._history.controls_of(mask)), default=None)

    def _in_the_way(self, entry: Entry, control: Control, account: AccountId, roster: Sketch) -> CommitId | None:
        """What made an action impossible: where nobody was admin, others are; or the target stands elsewhere."""
        elected = () if control.admins else (self._mover(admin, entry) for admin in roster.admins)
        return min(filter(None, elected), default=self._mover(_target(control.action) or account, entry))

    def _mover(self, who: AccountId | DeviceId, entry: Entry) -> CommitId | None:
        """What gave somebody the place that is in the way, if the author of `entry` did not know of it."""
        mover = self._moved.get(who)
        return None if mover is None or self._history.reaches(entry, mover) else mover.id

    def _spend(self, entry: Entry) -> None:
        for vote in _control(entry).votes:
            self._spent[vote] = self._spent.get(vote, 0) | _bit(entry)

    # --- the profile and the housekeeping

    def _last_profiles(self) -> list[tuple[CommitId, bytes]]:
        """The updates that none that counts descends from; the highest id wins."""
        last: list[tuple[CommitId, bytes]] = []
        behind = 0
        for entry, content in sorted(self._profiles, key=lambda update: update[0].seq, reverse=True):
            if not behind & _bit(entry):
                last.append((entry.id, content))
            behind |= entry.control_mask
        return last

    def _keep_house(self, entry: Entry, account: AccountId, device: DeviceId, roster: Sketch) -> Fate | None:
        changes = _control(entry).changes
        fate = None
        place = roster.place_of(account)
        assert place is not None
        renewed = changes.get(tree.admin(account)) or changes.get(tree.member(account))
        path = tree.standing(place, account)
        own = roster.files[path]
        if renewed is not None and _is_later(renewed, own):
            roster.with_changes({path: renewed})
        path = tree.device(device)
        content, standing = changes.get(path), roster.files.get(path)
        if content is not None:
            if revoker := self._revoker(entry, account, device):
                fate = Fate(DEVICE_REVOKED, revoker) if len(changes) == 1 else None
                if standing == content:
                    roster.with_changes({path: None})
            elif standing is None or _is_later(content, standing):
                roster.with_changes({path: content})
        path = tree.revocations(account)
        content, standing = changes.get(path), roster.files.get(path)
        if content is not None and (standing is None or _outranks(content, standing, own)):
            roster.with_changes({path: content})
        return fate

    def _revoker(self, entry: Entry, account: AccountId, device: DeviceId) -> CommitId | None:
        """A list that is concurrent and revokes the device: of those before, the judge of the commit took care."""
        revoking = (
            other.id
            for other in self._revoking.get(account, ())
            if not self._history.reaches(other, entry) and device_prefix(device) in _control(other).revoked
        )
        return min(revoking, default=None)


def promoted_by(changes: Changes) -> list[AccountId]:
    """The accounts that these changes put into `admins/`."""
    return [
        AccountId(path[7:47])
        for path, content in sorted(changes.items())
        if content is not None and path.startswith("admins/")
    ]


def _control(entry: Entry) -> Control:
    assert entry.fact.control is not None
    return entry.fact.control


def _author(entry: Entry, account: AccountId, device: DeviceId) -> Author:
    changes = _control(entry).changes  # those of a join have both files; nobody else's are asked for
    return Author(account, device, changes.get(tree.member(account)) or b"", changes.get(tree.device(device)) or b"")


def _is_for_admins(action: Action, mode: int) -> bool:
    """Whether it takes an admin, where the author was one."""
    match action:
        case Add():
            return mode == 1
        case Kick() | Promote() | CastVote() | Demote() | UpdateProfile():
            return True
        case _:
            return False


def _given_up(action: Action, roster: Roster) -> tuple[AccountId, bool] | None:
    """Who loses a place among the joined by the action, other than by a ban; whether as an admin."""
    if isinstance(action, Leave | Demote | Kick) and roster.is_joined(action.uri):
        return action.uri, roster.is_admin(action.uri)
    return None


def _bit(entry: Entry) -> int:
    return 1 << cast(int, entry.control_index)


def _target(action: Action) -> AccountId | DeviceId | None:
    """Whom it is about, where that is not the author."""
    match action:
        case Add(uri) | Kick(uri) | Promote(uri) | Unban(uri) | CastVote(uri=uri):
            return uri
        case _:
            return None


def _landed(control: Control) -> tuple[Place, bytes]:
    """Where the ban put its target and with what: as it stood at its parent."""
    for path, content in control.changes.items():
        if path.startswith("banned/"):
            assert content is not None
            return cast(Place, path.split("/")[1]), content
    raise AssertionError("a ban that bans nobody was accepted")


def _is_later(one: bytes, other: bytes) -> bool:
    """Of two certificates for one key the later notAfter stands, then the higher digest; the judge has read both."""
    return one != other and _rank(one) > _rank(other)


def _rank(certificate: bytes) -> tuple[int, bytes]:
    parsed = Certificate.from_pem(certificate)
    return parsed.not_after, hashlib.sha256(parsed.der).digest()


def _outranks(one: bytes, other: bytes, account: bytes) -> bool:
    """Of two revocation lists the higher number stands, then the higher digest; the judge has read both. (SCP-02 §4.6)"""
    certificate = Certificate.from_pem(account)
    a, b = RevocationList.from_der(one, certificate), RevocationList.from_der(other, certificate)
    return (a.number, hashlib.sha256(one).digest()) > (b.number, hashlib.sha256(other).digest())
