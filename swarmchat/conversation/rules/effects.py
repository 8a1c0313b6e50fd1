"""What an action does to the roster: one function for the writer, the judge and the replay. (SCP-02 §5)"""

from __future__ import annotations

from dataclasses import dataclass

from swarmchat.conversation import roster as rosters
from swarmchat.conversation.actions import (
    Action,
    Add,
    Ban,
    CastVote,
    Demote,
    Edit,
    FileOffer,
    FileWithdrawal,
    Initial,
    Join,
    Kick,
    Leave,
    Other,
    Post,
    Promote,
    React,
    Unban,
    UpdateDevice,
    UpdateProfile,
)
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Changes, Roster
from swarmchat.conversation.rules import ballots, contents, membership
from swarmchat.conversation.rules.authorship import Author


@dataclass(frozen=True, slots=True)
class Effects:
    """The changes that an action causes, housekeeping aside, and the roster after them."""

    changes: Changes
    after: Roster


def effects(
    action: Action, author: Author, before: Roster, *, profile: bytes | None = None, replayed: bool = False
) -> Effects | Rejection:
    """What the action does, or why it may not be done; `profile` is the new `profile.vcf` of an update-profile.

    Says nothing of authorship (SCP-02 §4), references (§3), sizes (§10) or which accounts a one-to-one holds: those are the
    judge's. `replayed` (§6.4 e) leaves out what was judged at the commit's own parent and is the replay's to ask, or nobody's:
    the quorum of a ballot, whether an admin could kick alone, whether the author still holds the place by which he acted.
    """
    outcome = _changes(action, author, before, profile, replayed)
    if isinstance(outcome, Rejection):
        return outcome
    if isinstance(action, Initial):
        before = rosters.empty(action.mode)
    changes = {path: outcome[path] for path in sorted(outcome) if before.files.get(path) != outcome[path]}
    return Effects(changes, before.with_changes(changes))


def _changes(
    action: Action, author: Author, before: Roster, profile: bytes | None, replayed: bool
) -> Changes | Rejection:
    match action:
        case Initial():
            return membership.initial(action, author, before)
        case Add(uri):
            return membership.add(uri, author, before, replayed=replayed)
        case Join(uri):
            return membership.join(uri, author, before)
        case Leave(uri):
            return membership.leave(uri, author, before)
        case Kick(uri):
            return membership.kick(uri, author, before, replayed=replayed)
        case Promote(uri):
            return membership.promote(uri, author, before, replayed=replayed)
        case Demote(uri):
            return membership.demote(uri, author, before)
        case CastVote(kind, uri):
            return ballots.vote(kind, uri, author.account, before)
        case Ban() | Unban() if before.mode == 0:
            return Rejection(Reason.NOT_IN_THIS_MODE, "a one-to-one conversation knows no bans")
        case Ban(target):
            return ballots.ban(target, author.account, before, replayed=replayed)
        case Unban(target):
            return ballots.unban(target, author.account, before, replayed=replayed)
        case UpdateProfile():
            return contents.update_profile(profile, author, before)
        case UpdateDevice() | Post() | React() | Edit() | FileOffer() | FileWithdrawal() | Other():
            return {}
