"""Is a commit that Jami made valid, and what stands after it. (SCP-02 §9.4–§9.8, §9.16)"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from swarmchat.conversation import roster as rosters
from swarmchat.conversation import tree
from swarmchat.conversation.actions import Action, Initial, Join, Leave
from swarmchat.conversation.entries import Control, Fact
from swarmchat.conversation.jami.commit import JamiCommit
from swarmchat.conversation.jami.effects import Told, effects
from swarmchat.conversation.past import Past
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Changes, Roster
from swarmchat.crypto import jami
from swarmchat.crypto.certificates import CertificateError
from swarmchat.crypto.jami import JamiCertificate, JamiKey
from swarmchat.ids import AccountId, CommitId, ConversationId


@dataclass(frozen=True, slots=True)
class Verdict:
    """A valid commit: the roster after it, and the fact that `History.add` takes."""

    after: Roster
    fact: Fact


def judge(
    commit: JamiCommit,
    changes: Changes,
    before: Roster | None,
    past: Past,
    *,
    conversation: ConversationId,
    check_signature: bool = True,
) -> Verdict | Rejection:
    """Judge a commit with one parent or none; `changes` is the whole difference of its tree to its parent's (to nothing, for the root).

    `before` is the roster of its parent, None for the root; `past` ends in that parent. Without `check_signature` it is one
    whose signature was checked before.
    """
    outcome = _judge(commit, changes, before, past, conversation, check_signature)
    return outcome.of(commit.id) if isinstance(outcome, Rejection) else outcome


def judge_merge(
    commit: JamiCommit,
    first: Roster,
    changes: Changes,
    second: Roster,
    bases: Iterable[Roster],
    past: Past,
    *,
    check_signature: bool = True,
) -> Verdict | Rejection:
    """Judge a merge of two commits: `changes` is what its tree differs in from that of its first parent.

    Every file is as one of the parents has it; and where only one of them changed it since all that they have in common
    (`bases`: the rosters at their newest common ancestors), that change stands.
    """
    after = first.with_changes(changes)
    author = _author(commit, first, after, past)
    if isinstance(author, Rejection):
        return author.of(commit.id)
    if check_signature and (fault := _signature_fault(commit, author[1])):
        return fault.of(commit.id)
    if fault := _merge_fault(first, second, after, tuple(bases)):
        return fault.of(commit.id)
    return Verdict(after, Fact(commit.id, commit.parents, None, None, commit.time, "merge"))


def _judge(
    commit: JamiCommit,
    changes: Changes,
    before: Roster | None,
    past: Past,
    conversation: ConversationId,
    check_signature: bool,
) -> Verdict | Rejection:
    action = commit.action
    if fault := _root_fault(commit, past, conversation):
        return fault
    if before is None:
        assert isinstance(action, Initial)
        before = rosters.empty(action.mode)
    after = before.with_changes(changes)
    author = _author(commit, before, after, past)
    if isinstance(author, Rejection):
        return author
    account, key = author
    if check_signature and (fault := _signature_fault(commit, key)):
        return fault
    told = effects(commit, account, before, changes, past)
    if isinstance(told, Rejection):
        return told
    if fault := _unexplained(commit, account, before, changes, told):
        return fault
    control = None
    if changes:
        # Without the contents: nothing is settled here, and a thousand pictures would fill the memory of whoever reads it.
        paths = {path: None if content is None else b"" for path, content in changes.items()}
        control = Control(told.action, paths, before.admins, told.votes, told.voters, frozenset())
    return Verdict(
        after,
        Fact(commit.id, commit.parents, account, commit.device, commit.time, commit.type, commit.relation, control),
    )


def _root_fault(commit: JamiCommit, past: Past, conversation: ConversationId) -> Rejection | None:
    if commit.parents:
        if isinstance(commit.action, Initial):
            return Rejection(Reason.JAMI_ROOT, "only the first commit is `initial`")
        return None
    if commit.id != CommitId(conversation):
        return Rejection(Reason.JAMI_ROOT, "a first commit that is not the one that names the conversation")
    if not isinstance(commit.action, Initial):
        return Rejection(Reason.JAMI_ROOT, "the first commit is `initial`")
    return None


# --- who (SCP-02 §9.4–§9.6)


def _author(commit: JamiCommit, before: Roster, after: Roster, past: Past) -> tuple[AccountId, JamiKey] | Rejection:
    """The account that a commit is by, and the key of its device; certificates may be renewed in the commit itself."""
    leaves = isinstance(commit.action, Leave)
    files: Mapping[str, bytes] = (before if leaves else after).files
    place = tree.device(commit.device)
    if place not in files:
        return Rejection(Reason.JAMI_AUTHOR, "the device has no certificate in the tree", place)
    found = _certificates(files[place], place)
    if isinstance(found, Rejection):
        return found
    device = found[0]
    if len(found) != 1 or device.key.device_id != commit.device:
        return Rejection(
            Reason.JAMI_CHAIN, "the file of a device holds its one certificate and is named by its key", place
        )
    account = AccountId(device.issuer_id)
    enters = not commit.parents or isinstance(commit.action, Join) or commit.is_merge
    if not (after if enters else before).is_joined(account):
        return Rejection(Reason.JAMI_AUTHOR, f"{account[:12]}, whose device it is, is no member")
    if not commit.is_merge and (before.is_banned(account) or before.is_banned(commit.device)):
        return Rejection(Reason.JAMI_AUTHOR, "the author is banned")
    if commit.is_merge and (after.is_banned(account) or after.is_banned(commit.device)):
        return Rejection(Reason.JAMI_AUTHOR, "who merges is banned in what comes of it")
    file = (before if leaves else after).certificate(account)
    place = tree.admin(account) if before.is_admin(account) else tree.member(account)
    if file is None:
        return Rejection(Reason.JAMI_AUTHOR, "the account has no certificate in the tree", place)
    above = _certificates(file, place)
    if isinstance(above, Rejection):
        return above
    latest = max(commit.time, past.latest_time(commit.device) or 0)
    if fault := jami.chain_fault(device, above, at=commit.time, latest=latest):
        return Rejection(Reason.JAMI_CHAIN, f"the chain of certificates does not hold: {fault.value}", place)
    return account, device.key


def _certificates(file: bytes, place: str) -> tuple[JamiCertificate, ...] | Rejection:
    try:
        return jami.read_file(file)
    except CertificateError as fault:
        return Rejection(Reason.JAMI_CHAIN, str(fault), place)


def _signature_fault(commit: JamiCommit, key: JamiKey) -> Rejection | None:
    if key.verify(commit.signature, commit.payload):
        return None
    return Rejection(Reason.JAMI_SIGNATURE, "the signature does not hold")


# --- what (SCP-02 §9.7)


def _unexplained(
    commit: JamiCommit, account: AccountId, before: Roster, changes: Changes, told: Told
) -> Rejection | None:
    """The first change that neither the action nor the author's own certificates explain."""
    own: set[str] = set()
    if commit.parents and not _leaves(commit.action):
        files = before.files
        own = {tree.device(commit.device)} | {
            path for path in (tree.admin(account), tree.member(account)) if path in files
        }
    for path in sorted(changes.keys() - told.explained):
        if path not in own:
            return Rejection(Reason.JAMI_CHANGE, "a change that this commit may not make", path)
        if changes[path] is None:
            return Rejection(Reason.JAMI_CHANGE, "a certificate of one's own is replaced, not removed", path)
    return None


def _leaves(action: Action) -> bool:
    return isinstance(action, Leave)


# --- merges (SCP-02 §9.16)


def _merge_fault(first: Roster, second: Roster, after: Roster, bases: tuple[Roster, ...]) -> Rejection | None:
    for path in sorted(second.difference(after)):
        if first.files.get(path) != after.files.get(path):
            return Rejection(Reason.JAMI_MERGE, "a file that neither parent has so", path)
    for path in sorted(first.difference(second)):
        one, other, merged = first.files.get(path), second.files.get(path), after.files.get(path)
        if bases and all(base.files.get(path) == one for base in bases) and merged != other:
            return Rejection(Reason.JAMI_MERGE, "it takes back what the second parent changed", path)
        if bases and all(base.files.get(path) == other for base in bases) and merged != one:
            return Rejection(Reason.JAMI_MERGE, "it takes back what the first parent changed", path)
    return None
