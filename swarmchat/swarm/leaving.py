"""Going for good: what is written for it, who must still get it, what the removed are told last. Pure. (SCP-02 §5.4, SCP-06 §7)"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from swarmchat.commitlog.log import CommitLog
from swarmchat.conversation.actions import Action, Ban, Join, Kick, Leave, Promote
from swarmchat.conversation.entries import Entry
from swarmchat.conversation.history import History
from swarmchat.conversation.rejection import Rejection
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.rules.authorship import Author
from swarmchat.conversation.rules.effects import effects
from swarmchat.conversation.rules.planning import plan_leave
from swarmchat.ids import AccountId, CommitId, DeviceId


def steps(
    roster: Roster, me: AccountId, device: DeviceId, promote: AccountId | None, *, dissolve: bool
) -> list[Action]:
    """The commits of leaving from `device`: an heir or the removal of everybody else first, if asked for."""
    actions: list[Action] = []
    if promote is not None:
        actions.append(Promote(promote))
    if dissolve:
        actions.extend(Kick(other) for other in sorted((roster.joined | roster.invited) - {me}))
    return [*actions, Leave(me)] if actions else list(plan_leave(roster, me, device))


def objection(actions: Iterable[Action], author: Author, roster: Roster) -> Rejection | None:
    """What the law has against these steps, one after the other: a group must not be half dissolved."""
    for action in actions:
        outcome = effects(action, author, roster)
        if isinstance(outcome, Rejection):
            return outcome
        roster = outcome.after
    return None


def removed_by(actions: Sequence[Action], roster: Roster) -> dict[DeviceId, AccountId]:
    """The devices of those who are joined and whom these steps remove."""
    kicked = {action.uri for action in actions if isinstance(action, Kick)}
    return {device: owner for device, owner in sorted(roster.devices.items()) if owner in kicked}


def leave_of(log: CommitLog, me: AccountId) -> CommitId | None:
    """The commit by which we went by our own hand, if we have."""
    found = None if log.is_empty else _leave_of(log.history, me)
    return found.id if found is not None else None


def has_left(log: CommitLog, me: AccountId) -> bool:
    """Whether we went by our own hand, so that our last commits are to be handed over."""
    if log.is_empty or log.roster.is_joined(me) or log.roster.is_invited(me):
        return False
    return _leave_of(log.history, me) is not None


def heirs(log: CommitLog, me: AccountId, held: Mapping[DeviceId, Iterable[CommitId]]) -> dict[DeviceId, AccountId]:
    """When nobody else is joined: the devices of those whom we removed right before we left and who lack our last commits.

    `held`: the heads that devices told. One device of an account is enough: it tells the others of its own.
    """
    history, leave = log.history, _leave_of(log.history, me)
    if leave is None or log.roster.joined - {me} or not (kicks := _kicks_before(history, leave)):
        return {}
    roster = log.roster_at(kicks[0].fact.parents[0])
    found = removed_by([kick.fact.control.action for kick in kicks if kick.fact.control], roster)
    served = {
        owner
        for device, owner in found.items()
        if any(
            (entry := history.get(head)) is not None and history.reaches(entry, leave) for head in held.get(device, ())
        )
    }
    banned = log.roster.is_banned  # beside the kick: nobody gives it a link, so nobody can hand it anything
    return {
        device: owner
        for device, owner in found.items()
        if owner not in served and not banned(owner) and not banned(device)
    }


def last_word(history: History, account: AccountId, device: DeviceId) -> CommitId | None:
    """The commit by which an account or its device went: nothing written after it is its business.

    Of a group that its last admin dissolved it is his leaving, so that nobody takes him for still there.
    """
    for entry in reversed(history.controls):
        match entry.fact.control.action if entry.fact.control else None:
            case Kick(uri) if uri == account:
                leave = _leave_of(history, entry.fact.account) if entry.fact.account else None
                dissolved = leave is not None and entry in _kicks_before(history, leave)
                return leave.id if leave is not None and dissolved else entry.id
            case Ban(uri) | Leave(uri) if uri in {account, device}:
                return entry.id
            case _:
                pass
    return None


def _leave_of(history: History, account: AccountId) -> Entry | None:
    """The account's newest leaving, if it has not joined again."""
    for entry in reversed(history.by_account(account)):
        match entry.fact.control.action if entry.fact.control else None:
            case Leave():
                return entry
            case Join():
                return None
            case _:
                pass
    return None


def _kicks_before(history: History, leave: Entry) -> list[Entry]:
    """The unbroken run of kicks by the same hand on which a leaving stands, oldest first."""
    kicks: list[Entry] = []
    entry = leave
    while len(entry.fact.parents) == 1:
        entry = history[entry.fact.parents[0]]
        action = entry.fact.control.action if entry.fact.control else None
        if entry.fact.account != leave.fact.account or not isinstance(action, Kick):
            break
        kicks.append(entry)
    return kicks[::-1]
