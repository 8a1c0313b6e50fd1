"""From what a commit log admitted to what observers are told. Pure. (SCP-08 §3.3)"""

from __future__ import annotations

from collections.abc import Callable

from swarmchat.commitlog.writing import Admission
from swarmchat.conversation.actions import Ban, CastVote, Edit, Promote, React, Unban
from swarmchat.conversation.commit import Commit, Merge
from swarmchat.conversation.entries import Fact
from swarmchat.conversation.history import History
from swarmchat.conversation.rejection import Rejection
from swarmchat.conversation.roster import Roster
from swarmchat.ids import AccountId, CommitId, ConversationId, DeviceId
from swarmchat.swarm.events import (
    CommitRefused,
    ConversationUpdated,
    EffectChanged,
    Event,
    MemberChanged,
    MessageAdded,
    MessageUpdated,
    ReactionAdded,
    ReactionRemoved,
    VoteCast,
    VoteResolved,
)

_WORDS = {Ban: "ban", Unban: "unban", Promote: "promote"}


def of_admission(
    conversation: ConversationId,
    admission: Admission,
    history: History,
    read: Callable[[CommitId], Commit | Merge],
    *,
    source: DeviceId | None,
) -> list[Event]:
    """Everything that is new, parents first; `source`: the device it came from, None for our own hand."""
    told: list[Event] = []
    for commit in admission.new:
        told.extend(_of_commit(conversation, history[commit].fact, history, read))
    told.extend(of_rosters(conversation, admission.before, admission.after))
    if admission.before.profile != admission.after.profile:
        told.append(ConversationUpdated(conversation))
    told.extend(refusals(conversation, admission.rejected, source))
    told.extend(
        EffectChanged(conversation, commit, reason) for commit, reason in sorted(admission.effect_changed.items())
    )
    return told


def of_rosters(conversation: ConversationId, before: Roster, after: Roster) -> list[Event]:
    """Who stands elsewhere than before, accounts first, sorted."""
    if before is after:
        return []
    told: list[Event] = []
    accounts = before.joined | after.joined | before.invited | after.invited
    banned = {*before.banned, *after.banned}
    for account in sorted(accounts | {AccountId(target) for target in banned if len(target) == 40}):
        role = role_of(after, account)
        if role != role_of(before, account):
            told.append(MemberChanged(conversation, account, role or "left"))
    for device in sorted(DeviceId(target) for target in banned if len(target) == 64):
        if before.is_banned(device) != after.is_banned(device):
            role = "banned" if after.is_banned(device) else "member"
            told.append(MemberChanged(conversation, after.owner(device) or before.owner(device), role, device))
    return told


def refusals(
    conversation: ConversationId, rejected: tuple[Rejection, ...], source: DeviceId | None
) -> list[CommitRefused]:
    """The refused commits that have a name."""
    return [
        CommitRefused(conversation, each.commit, each.reason.code, each.rule, each.detail, each.path, source)
        for each in rejected
        if each.commit is not None
    ]


def role_of(roster: Roster, account: AccountId) -> str | None:
    """Where an account stands, in the word of SCP-08; None for nowhere."""
    if roster.is_banned(account):
        return "banned"
    if roster.is_admin(account):
        return "admin"
    if roster.is_joined(account):
        return "member"
    return "invited" if roster.is_invited(account) else None


def _of_commit(
    conversation: ConversationId, fact: Fact, history: History, read: Callable[[CommitId], Commit | Merge]
) -> list[Event]:
    assert fact.account is not None, "merges are nobody's news"
    assert fact.device is not None, "an ordinary commit has a device"
    kind, target = fact.relation or (None, None)
    if target is not None and kind == "reaction":
        return [ReactionAdded(conversation, target, fact.id, fact.account, _text(read(fact.id)))]
    if target is not None and kind == "edit":
        return [_of_edit(conversation, fact, history[target].fact, read)]
    told: list[Event] = [MessageAdded(conversation, fact.id, fact.type, fact.account, fact.device, fact.time)]
    action = fact.control.action if fact.control is not None else None
    match action:
        case CastVote(ballot, uri):
            told.append(VoteCast(conversation, fact.id, ballot, uri, fact.account))
        case Ban(uri) | Unban(uri) | Promote(uri):
            told.append(VoteResolved(conversation, fact.id, _WORDS[type(action)], uri, fact.account))
        case _:
            pass
    return told


def _of_edit(
    conversation: ConversationId, edit: Fact, target: Fact, read: Callable[[CommitId], Commit | Merge]
) -> Event:
    assert edit.account is not None, "merges edit nothing"
    if target.relation is None or target.relation[0] != "reaction":
        return MessageUpdated(conversation, target.id, edit.id)
    message, text = target.relation[1], _text(read(edit.id))
    if text:
        return ReactionAdded(conversation, message, target.id, edit.account, text)
    return ReactionRemoved(conversation, message, target.id, edit.account, _text(read(target.id)))


def _text(commit: Commit | Merge) -> str:
    match commit:
        case Commit(action=React(body=body) | Edit(body=body)):
            return body
        case _:
            return ""
