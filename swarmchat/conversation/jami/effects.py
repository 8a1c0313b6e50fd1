"""Which changes of files an action of Jami may make, and by whom. (SCP-02 §9.8–§9.15)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

from swarmchat.conversation import tree
from swarmchat.conversation.actions import (
    Action,
    Add,
    Ban,
    CastVote,
    Initial,
    Join,
    Leave,
    Other,
    Unban,
    UpdateProfile,
)
from swarmchat.conversation.entries import Entry
from swarmchat.conversation.jami.commit import EDITABLE, VOTE, JamiCommit
from swarmchat.conversation.past import Past
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Changes, Roster
from swarmchat.conversation.tree import Place, Vote
from swarmchat.ids import AccountId, CommitId, DeviceId, is_device

_PLACES: tuple[Place, ...] = ("admins", "members", "invited", "devices")


@dataclass(frozen=True, slots=True)
class Told:
    """What an action did: which of the changes it explains, how it reads as an action of ours, and on whose votes it rests."""

    explained: frozenset[str]
    action: Action
    votes: frozenset[CommitId] = frozenset()
    voters: frozenset[AccountId] = frozenset()


def effects(commit: JamiCommit, account: AccountId, before: Roster, changes: Changes, past: Past) -> Told | Rejection:
    """What the action of a commit explains of its changes, or why the author may not do it, or not so."""
    match commit.action:
        case Initial() as action:
            return _initial(action, commit.device, account, changes)
        case Add() as action:
            return _add(action, account, before, changes, past)
        case Join() as action:
            return _join(action, account, before, changes)
        case Leave() as action:
            return _leave(action, account, before, changes)
        case Ban() | Unban() as action:
            return _resolve(action, account, before, changes, past)
        case UpdateProfile() as action:
            return _profile(action, account, before, changes)
        case Other(kind) if kind == VOTE:
            return _vote(commit, account, before, changes)
        case _:
            fault = _reference_fault(commit, account, past)
            return fault or Told(frozenset(), Other(commit.type))


def _initial(action: Initial, device: DeviceId, account: AccountId, changes: Changes) -> Told | Rejection:
    wanted = {tree.admin(account), tree.device(device)}
    if action.mode == 0:
        assert action.invited is not None
        wanted.add(tree.invited(action.invited))
        if changes.get(tree.invited(action.invited)) != b"":
            return Rejection(Reason.JAMI_ROOT, "the guest is not invited", tree.invited(action.invited))
    for path in sorted(changes.keys() ^ wanted):
        return Rejection(Reason.JAMI_ROOT, "the root holds its creator, the device and in a one-to-one the guest", path)
    return Told(frozenset(wanted), action)


def _add(action: Add, account: AccountId, before: Roster, changes: Changes, past: Past) -> Told | Rejection:
    uri, path = action.uri, tree.invited(action.uri)
    if before.mode == 0 and uri not in _one_to_one(past):
        return Rejection(Reason.JAMI_ADD, "a one-to-one conversation holds the two it began with", path)
    if before.mode == 1 and not before.is_admin(account):
        return Rejection(Reason.JAMI_ADD, "only admins invite here", path)
    if before.is_joined(uri) or before.is_banned(uri):
        return Rejection(Reason.JAMI_ADD, "who is in it, or banned, is not invited", path)
    if changes.get(path) != b"":
        return Rejection(Reason.JAMI_ADD, "an invitation is one new empty file", path)
    return Told(frozenset({path}), action)


def _join(action: Join, account: AccountId, before: Roster, changes: Changes) -> Told | Rejection:
    uri = action.uri
    invitation, place = tree.invited(uri), tree.member(uri)
    if uri != account:
        return Rejection(Reason.JAMI_JOIN, "everybody joins for himself", place)
    if changes.get(invitation, b"") is not None:
        return Rejection(Reason.JAMI_JOIN, "who joins was invited, and the invitation goes", invitation)
    if before.is_joined(uri) or changes.get(place) is None:
        return Rejection(Reason.JAMI_JOIN, "who joins adds the certificate of the account", place)
    return Told(frozenset({invitation, place}), action)


def _leave(action: Leave, account: AccountId, before: Roster, changes: Changes) -> Told | Rejection:
    uri = action.uri
    place = tree.admin(account) if before.is_admin(account) else tree.member(account)
    if uri != account:
        return Rejection(Reason.JAMI_REMOVAL, "everybody leaves for himself", place)
    if changes.get(place, b"") is not None:
        return Rejection(Reason.JAMI_REMOVAL, "who leaves removes the certificate of the account", place)
    devices = {tree.device(device) for device in before.devices_of(account)}
    return Told(frozenset({place} | {path for path in devices if changes.get(path, b"") is None}), action)


def _vote(commit: JamiCommit, account: AccountId, before: Roster, changes: Changes) -> Told | Rejection:
    if before.mode == 0 or not before.is_admin(account):
        return Rejection(Reason.JAMI_VOTE, "only the admins of a group vote")
    paths = [path for path in sorted(changes) if path.startswith("votes/")]
    if not paths:
        return Told(frozenset(), Other(VOTE))  # cast again: Jami writes it, and it changes nothing
    path, vote = paths[0], tree.read_vote(paths[0])
    if changes[path] != b"" or vote.kind == "promote":
        return Rejection(Reason.JAMI_VOTE, "a vote is one new empty file", path)
    if vote.voter != account or vote.target != commit.body["uri"]:
        return Rejection(Reason.JAMI_VOTE, "everybody votes for himself, on whom the message names", path)
    if vote.target in (account, commit.device):
        return Rejection(Reason.JAMI_VOTE, "nobody votes on himself", path)
    stands = tree.standing(vote.place, vote.target) if vote.kind == "ban" else tree.banned(vote.place, vote.target)
    if stands not in before.files:
        return Rejection(Reason.JAMI_VOTE, "whom the vote is about does not stand there", path)
    return Told(frozenset({path}), CastVote(vote.kind, vote.target))


def _resolve(action: Ban | Unban, account: AccountId, before: Roster, changes: Changes, past: Past) -> Told | Rejection:
    kind: Literal["ban", "unban"] = "ban" if isinstance(action, Ban) else "unban"
    uri = action.uri
    if not before.is_admin(account):
        return Rejection(Reason.JAMI_BALLOT, "only the admins of a group ban and unban")
    places = [
        place for place in _PLACES if (place == "devices") == is_device(uri) and tree.banned(place, uri) in changes
    ]
    if len(places) != 1:
        return Rejection(Reason.JAMI_BALLOT, "a ban moves one file to `banned/`, an unban moves it back")
    place = places[0]
    old, new = tree.standing(place, uri), tree.banned(place, uri)
    if kind == "unban":
        old, new = new, old
    if changes.get(old, b"") is not None:
        return Rejection(Reason.JAMI_BALLOT, "what the ballot moves does not stand there", old)
    if changes.get(new) != before.files[old]:
        return Rejection(Reason.JAMI_BALLOT, "a ballot moves a file as it is", new)
    votes = {vote for vote in before.votes_for(kind, uri) if vote.place == place}
    voters = {vote.voter for vote in votes} & before.admins
    if 2 * len(voters) <= len(before.admins):
        return Rejection(
            Reason.JAMI_BALLOT, f"{len(voters)} of {len(before.admins)} admins voted, which is not more than half"
        )
    spent = {tree.vote(vote) for vote in votes}
    for path in sorted(spent):
        if changes.get(path, b"") is not None:
            return Rejection(Reason.JAMI_BALLOT, "the votes of the ballot go with it", path)
    gone: set[str] = set()
    if kind == "ban":
        owned = {tree.device(device) for device in before.devices_of(AccountId(uri))}
        gone = {path for path in owned if changes.get(path, b"") is None}
    return Told(frozenset({old, new} | spent | gone), action, _cast(votes, past), frozenset(voters))


def _profile(action: UpdateProfile, account: AccountId, before: Roster, changes: Changes) -> Told | Rejection:
    if not before.is_admin(account):
        return Rejection(Reason.JAMI_PROFILE, "only admins change the profile", tree.PROFILE)
    if changes.get(tree.PROFILE, b"") is None:
        return Rejection(Reason.JAMI_PROFILE, "the profile is replaced, not removed", tree.PROFILE)
    return Told(frozenset({tree.PROFILE}), action)


def _reference_fault(commit: JamiCommit, account: AccountId, past: Past) -> Rejection | None:
    if commit.relation is None or commit.relation[0] == "reply":
        return None
    kind, target = commit.relation
    fact = past.find(target)
    if fact is None:
        return Rejection(Reason.JAMI_REFERENCE, f"what it speaks about is no ancestor: {target}")
    if kind == "reaction":
        return None
    if fact.account != account:
        return Rejection(Reason.JAMI_REFERENCE, f"an edit of another's message: {target}")
    if fact.type not in EDITABLE or (fact.relation is not None and fact.relation[0] == "edit"):
        return Rejection(Reason.JAMI_REFERENCE, f"an edit of what cannot be edited: {target}")
    return None


def _one_to_one(past: Past) -> frozenset[AccountId | None]:
    root = past.history.root.fact
    assert root.control is not None
    return frozenset({root.account, cast(Initial, root.control.action).invited})


def _cast(votes: set[Vote], past: Past) -> frozenset[CommitId]:
    """The newest commit that brought each of these votes."""
    assert past.parent is not None
    newest: dict[str, Entry] = {}
    wanted = {tree.vote(vote) for vote in votes}
    for entry in past.history.controls_of(past.history[past.parent].control_mask):
        control = entry.fact.control
        for path in wanted & (control.changes.keys() if control else set()):
            newest[path] = entry
    return frozenset(entry.id for entry in newest.values())
