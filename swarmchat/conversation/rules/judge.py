"""Is a commit valid, and what stands after it: the same answer for what we write and for what a stranger sends. (SCP-02 §4–§5, §7)"""

from __future__ import annotations

from dataclasses import dataclass

from swarmchat import limits
from swarmchat.conversation import actions, tree
from swarmchat.conversation import roster as rosters
from swarmchat.conversation.actions import Action, Add, Ban, CastVote, Initial, Join, Promote, Unban, UpdateDevice
from swarmchat.conversation.commit import Commit
from swarmchat.conversation.entries import Control, Entry, Fact
from swarmchat.conversation.past import Past
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Changes, Roster
from swarmchat.conversation.rules import ballots, contents
from swarmchat.conversation.rules.authorship import Author, acting_time, authorship, signature_fault
from swarmchat.conversation.rules.effects import effects
from swarmchat.conversation.rules.housekeeping import housekeeping
from swarmchat.conversation.tree import BallotKind
from swarmchat.crypto import sshsig
from swarmchat.crypto.certificates import Certificate
from swarmchat.ids import AccountId, CommitId, ConversationId


@dataclass(frozen=True, slots=True)
class Verdict:
    """A valid commit: the roster after it, who wrote it, and the fact that `History.add` takes."""

    after: Roster
    author: Author
    fact: Fact


def judge(
    commit: Commit,
    changes: Changes,
    before: Roster | None,
    past: Past,
    *,
    conversation: ConversationId | None = None,
    check_signature: bool = True,
) -> Verdict | Rejection:
    """Judge an ordinary commit; `changes` is the whole difference of its tree to its parent's (to nothing, for the root).

    `before` is the roster of its parent, None for the root; `past` ends in that parent. With `check_signature` False the
    caller owes the check of `signature_item` before the commit counts.
    """
    assert past.parent == commit.parent, "the past of another commit"
    assert (before is None) == (commit.parent is None), "a roster goes with a parent"
    outcome = _judge(commit, changes, before, past, conversation, check_signature)
    return outcome.of(commit.id) if isinstance(outcome, Rejection) else outcome


def signature_item(commit: Commit, verdict: Verdict) -> tuple[bytes, bytes, bytes] | Rejection:
    """What `crypto.keys.verify_batch` takes: raw key, signature, signed bytes; a Rejection when the armour shows the fault."""
    key = Certificate.from_pem(verdict.author.device_certificate).key
    try:
        signer, signature = sshsig.parse(commit.armour)
    except ValueError as fault:
        return Rejection(Reason.BAD_SIGNATURE, str(fault), commit=commit.id)
    if signer != key:
        return Rejection(Reason.BAD_SIGNATURE, "signed with the key of another device", commit=commit.id)
    return key.raw, signature, sshsig.signed_bytes(commit.payload)


def circumstances(action: Action, author: Author, before: Roster, past: Past) -> Rejection | None:
    """What the effects do not ask, because a replay (§6.4 e) must not: references, sizes, and the two of a one-to-one."""
    match action:
        case Add(uri):
            if before.mode == 0 and uri not in _one_to_one(past):
                return Rejection(Reason.BAD_ADD, "a one-to-one conversation holds the two it began with (§5.2)")
            if len(before.invited) >= limits.INVITED_MAX:
                return Rejection(Reason.GROUP_FULL, f"{limits.INVITED_MAX} invitations are open")
        case Join():
            if len(before.joined) >= limits.JOINED_MAX:
                return Rejection(Reason.GROUP_FULL, f"{limits.JOINED_MAX} accounts are joined")
        case _:
            return contents.reference_fault(action, author, past)
    return None


def _judge(
    commit: Commit,
    changes: Changes,
    parent_roster: Roster | None,
    past: Past,
    conversation: ConversationId | None,
    check_signature: bool,
) -> Verdict | Rejection:
    if fault := _root_fault(commit, past, conversation):
        return fault
    for path in sorted(changes):
        if not tree.is_file(path):
            return Rejection(Reason.MALFORMED_TREE, "no place in a conversation", path)
    action = commit.action
    before = parent_roster
    if before is None:
        assert isinstance(action, Initial)
        before = rosters.empty(action.mode)
    author = authorship(commit, changes, before, past)
    if isinstance(author, Rejection):
        return author
    if fault := circumstances(action, author, before, past):
        return fault
    outcome = effects(action, author, before, profile=changes.get(tree.PROFILE))
    if isinstance(outcome, Rejection):
        return outcome
    own = _unexplained(changes, outcome.changes, root=commit.parent is None)
    if isinstance(own, Rejection):
        return own
    revoked: frozenset[bytes] | Rejection = frozenset()
    if own:
        moment = acting_time(commit.time, commit.device, past)
        revoked = housekeeping(own, author, before, at=moment, revoked=past.revoked(author.account))
    if isinstance(revoked, Rejection):
        return revoked
    if isinstance(action, UpdateDevice) and not changes:
        return Rejection(Reason.BAD_HOUSEKEEPING, "an update-device that updates nothing")
    if check_signature and (fault := signature_fault(commit, author)):
        return fault
    return Verdict(outcome.after.with_changes(own), author, _fact(commit, changes, author, before, past, revoked))


def _root_fault(commit: Commit, past: Past, conversation: ConversationId | None) -> Rejection | None:
    if commit.parent is not None:
        if isinstance(commit.action, Initial):
            return Rejection(Reason.BAD_INITIAL, "only the first commit is `initial`")
        return None
    if conversation is not None and commit.id != CommitId(conversation):
        return Rejection(Reason.WRONG_ROOT, "the first commit is not the one that names the conversation")
    if len(past.history) and past.history.root.id != commit.id:
        return Rejection(Reason.WRONG_ROOT, "a conversation has one first commit")
    if not isinstance(commit.action, Initial):
        return Rejection(Reason.BAD_INITIAL, "the first commit is `initial`")
    return None


def _unexplained(changes: Changes, expected: Changes, *, root: bool) -> Changes | Rejection:
    """The changes beside those of the action; a Rejection at the first path that differs where the action said what stands."""
    own: dict[str, bytes | None] = {}
    for path in sorted(changes.keys() | expected.keys()):
        if path not in changes:
            return Rejection(Reason.UNEXPECTED_CHANGE, "a change that the action causes is missing", path)
        if path not in expected and not root:
            own[path] = changes[path]
        elif path not in expected or changes[path] != expected[path]:
            return Rejection(Reason.UNEXPECTED_CHANGE, "not what the action causes", path)
    return own


def _one_to_one(past: Past) -> frozenset[AccountId | None]:
    root = past.history.root.fact
    assert root.control is not None
    assert isinstance(root.control.action, Initial)
    return frozenset({root.account, root.control.action.invited})


def _fact(
    commit: Commit, changes: Changes, author: Author, before: Roster, past: Past, revoked: frozenset[bytes]
) -> Fact:
    control = None
    if changes:
        votes, voters = _counted(commit.action, author, before, past)
        control = Control(commit.action, dict(changes), before.admins, votes, voters, revoked)
    return Fact(
        commit.id,
        commit.parents,
        author.account,
        author.device,
        commit.time,
        commit.body["type"],
        actions.relation(commit.action),
        control,
    )


def _counted(
    action: Action, author: Author, before: Roster, past: Past
) -> tuple[frozenset[CommitId], frozenset[AccountId]]:
    """The vote commits that a resolution rests on, and their voters (SCP-02 §6.4 e): of each voter who counts at the parent
    the newest one; all of them where a voter cast several on lines that did not know of each other."""
    kind: BallotKind
    match action:
        case Ban(target):
            kind = "ban"
        case Unban(target):
            kind = "unban"
        case Promote(target) if not ballots.promotes_alone(target, author.account, before):
            kind = "promote"
        case _:
            return frozenset(), frozenset()
    counting = ballots.voters(kind, target, before)
    assert past.parent is not None
    newest: dict[AccountId, list[Entry]] = {}
    for entry in past.history.controls_of(past.history[past.parent].control_mask):
        fact = entry.fact
        if fact.account in counting and fact.control is not None and fact.control.action == CastVote(kind, target):
            unseen = [vote for vote in newest.get(fact.account, ()) if not past.history.reaches(entry, vote)]
            newest[fact.account] = [*unseen, entry]
    return frozenset(vote.id for votes in newest.values() for vote in votes), frozenset(newest)
