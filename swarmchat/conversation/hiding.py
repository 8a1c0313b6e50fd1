"""Which messages of the removed stay out of sight: those that nobody had seen before the removal. (SCP-02 §8.2)"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from swarmchat.conversation.actions import Ban
from swarmchat.conversation.entries import Entry
from swarmchat.conversation.history import History
from swarmchat.conversation.roster import Roster
from swarmchat.crypto.revocation import device_prefix
from swarmchat.ids import AccountId, CommitId, DeviceId, is_device


@dataclass(frozen=True, slots=True)
class Removal:
    """A commit after which some account or devices write no more: a ban in force, or a revocation list."""

    entry: Entry
    targets: frozenset[AccountId | DeviceId]

    def takes(self, account: AccountId | None, device: DeviceId | None) -> bool:
        """Whether it removes that author."""
        return account in self.targets or device in self.targets


def removals(history: History, roster: Roster, counts: Callable[[CommitId], bool]) -> tuple[Removal, ...]:
    """The removals that hide what was written beside them, by number.

    `roster` is settle(heads). A ban is one of them while its target stands banned there and `counts` says that settle lets
    it count; a revocation list always: no merge takes it back.
    """
    found: dict[int, Removal] = {}
    for entry in history.controls if roster.banned else ():
        control = entry.fact.control
        if control is None or not isinstance(control.action, Ban):
            continue
        if roster.is_banned(control.action.uri) and counts(entry.id):
            found[entry.seq] = Removal(entry, frozenset({control.action.uri}))
    for entry in history.revocations:
        if devices := frozenset(_revoked_by(history, entry)):
            before = found.get(entry.seq)
            found[entry.seq] = Removal(entry, devices if before is None else devices | before.targets)
    return tuple(found[seq] for seq in sorted(found))


def hidden(
    history: History, roster: Roster, taken: Sequence[Removal], roster_at: Callable[[CommitId], Roster]
) -> frozenset[CommitId]:
    """What stays hidden of the removed: concurrent with the removal, and vouched for by nobody. (SCP-02 §8.2)"""
    unseen: set[CommitId] = set()
    for removal in taken:
        for target in sorted(removal.targets):
            unseen |= _unvouched(history, removal, target, roster, taken, roster_at)
    return frozenset(unseen)


def witnesses(
    history: History,
    commit: CommitId,
    roster: Roster,
    taken: Sequence[Removal],
    roster_at: Callable[[CommitId], Roster],
) -> dict[CommitId, CommitId | None]:
    """The removals of its author that are concurrent with a commit, each with the oldest commit that vouches for it, if any.

    It is hidden as soon as nothing vouches for it beside one of them. (SCP-02 §8.2)
    """
    own = history[commit]
    found: dict[CommitId, CommitId | None] = {}
    for removal in taken:
        if not removal.takes(own.fact.account, own.fact.device) or not history.concurrent(removal.entry.id, commit):
            continue
        trusted = _Trusted(history, removal, {own.fact.account}, roster, taken, roster_at)
        seen = [
            entry
            for entry in trusted.beside
            if entry.seq != own.seq and history.reaches(entry, own) and entry in trusted
        ]
        found[removal.entry.id] = min(seen, key=lambda entry: (entry.fact.time, entry.id)).id if seen else None
    return found


def _unvouched(
    history: History,
    removal: Removal,
    target: AccountId | DeviceId,
    roster: Roster,
    taken: Sequence[Removal],
    roster_at: Callable[[CommitId], Roster],
) -> set[CommitId]:
    made = removal.entry
    own = history.by_device(DeviceId(target)) if is_device(target) else history.by_account(AccountId(target))
    by_target = {
        entry.id for entry in own if not history.reaches(made, entry) and not history.reaches(entry, made)
    }  # asked first: most removals have nothing beside them, and what came since may be long
    if not by_target:
        return set()
    removed = {history[commit].fact.account for commit in by_target}
    trusted = _Trusted(history, removal, removed, roster, taken, roster_at)
    vouched: set[CommitId] = set()
    for entry in reversed(trusted.beside):  # children first: what one of them vouches for, all its ancestors share
        if entry.id in vouched or entry in trusted:
            vouched.update(entry.fact.parents)
    return by_target - vouched


class _Trusted:
    """The commits that vouch for what the removed wrote beside a removal: by others, joined then and now. (SCP-02 §8.2)"""

    def __init__(
        self,
        history: History,
        removal: Removal,
        removed: Collection[AccountId | None],
        roster: Roster,
        taken: Sequence[Removal],
        roster_at: Callable[[CommitId], Roster],
    ) -> None:
        made = removal.entry
        self._history = history
        self._removed = removed
        self._roster = roster
        self._taken = taken
        self._before = roster_at(made.fact.parents[0])
        self.beside = [  # all that does not know of the removal, parents first
            entry for entry in history.missing(history.heads, (made.id,)) if not history.reaches(entry, made)
        ]

    def __contains__(self, entry: Entry) -> bool:
        account = entry.fact.account
        return (
            account is not None
            and account not in self._removed
            and self._before.is_joined(account)
            and self._roster.is_joined(account)
            and not any(
                each.takes(account, entry.fact.device) and self._history.concurrent(each.entry.id, entry.id)
                for each in self._taken
            )
        )


def _revoked_by(history: History, entry: Entry) -> Iterator[DeviceId]:
    """The devices that wrote here and stand on the list that a commit brought."""
    control, account = entry.fact.control, entry.fact.account
    if control is None or account is None:
        return
    for device in history.devices:
        if device_prefix(device) in control.revoked and history.by_device(device)[0].fact.account == account:
            yield device
