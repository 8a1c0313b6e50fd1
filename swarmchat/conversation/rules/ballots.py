"""Votes, who may cast them, when they suffice, and the effects of ban and unban. (SCP-02 §5.5, §5.6)"""

from __future__ import annotations

from swarmchat.conversation import tree
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Changes, Roster
from swarmchat.conversation.tree import BallotKind, Place, Vote
from swarmchat.crypto.certificates import Certificate, CertificateError
from swarmchat.ids import AccountId, DeviceId, is_device

Target = AccountId | DeviceId


_NOWHERE = {
    "ban": "the target is neither joined nor invited here, nor a device of somebody who is",
    "unban": "the target is not banned here",
    "promote": "the target is no member here who could become an admin",
}


def electorate(kind: BallotKind, target: Target, before: Roster) -> frozenset[AccountId]:
    """Who decides: the admins; on a promotion where there are none, in mode 1 the members, else nobody. (SCP-02 §5.5)

    The target of a promotion is not among them; the target of a ban, or the owner of a device, is, but may not vote.
    """
    if kind != "promote":
        return before.admins
    if before.admins:
        return before.admins - {target}
    return before.members - {target} if before.mode == 1 else frozenset()


def place(kind: BallotKind, target: Target, before: Roster) -> Place | None:
    """The type of the ballot: where the target stands (for unban: was banned from); None when there is nothing to decide."""
    if kind == "ban":
        return before.place_of(target)
    if kind == "unban":
        return before.banned.get(target)
    return "members" if before.place_of(target) == "members" else None


def voters(kind: BallotKind, target: Target, before: Roster) -> frozenset[AccountId]:
    """Whose vote counts now: it stands in the tree and its voter is of the electorate. (SCP-02 §5.6)"""
    where = place(kind, target, before)
    cast = {vote.voter for vote in before.votes_for(kind, target) if vote.place == where}
    return electorate(kind, target, before) & cast


def promotes_alone(target: Target, account: AccountId, before: Roster) -> bool:
    """Whether `account` needs no ballot to promote: the sole admin; in mode 1 without admins who is joined alone. (§5.4, §5.5)"""
    if before.admins:
        return before.admins == {account}
    return before.mode == 1 and account == target and before.members == {account}


def vote(kind: BallotKind, target: Target, account: AccountId, before: Roster) -> Changes | Rejection:
    """One vote: a file. (SCP-02 §5.5)"""
    if before.mode == 0:
        return Rejection(Reason.NOT_IN_THIS_MODE, "a one-to-one conversation knows no votes")
    where = place(kind, target, before)
    if where is None:
        return Rejection(Reason.BAD_VOTE, _NOWHERE[kind])
    if account not in electorate(kind, target, before):
        return Rejection(
            Reason.BAD_VOTE, "only admins vote here" if before.admins else "nobody votes here: the group has no admin"
        )
    if account in (target, owner(target, before)):
        return Rejection(Reason.BAD_VOTE, "nobody votes on himself or his own device")
    path = tree.vote(Vote(kind, where, target, account))
    if path in before.files:
        return Rejection(Reason.BAD_VOTE, "the account has voted already", path)
    return {path: b""}


def has_voted(kind: BallotKind, target: Target, account: AccountId, before: Roster) -> bool:
    """Whether the account's vote stands in the ballot, as it is now."""
    where = place(kind, target, before)
    return where is not None and tree.vote(Vote(kind, where, target, account)) in before.files


def ban(target: Target, account: AccountId, before: Roster, *, replayed: bool = False) -> Changes | Rejection:
    """Resolve a ballot: the target's file moves under `banned/`, and all that is the target's goes. (SCP-02 §5.6)"""
    where = place("ban", target, before)
    if where is None:
        return Rejection(Reason.BAD_BALLOT, "the target stands nowhere")
    if fault := _resolution_fault("ban", where, target, account, before, replayed=replayed):
        return fault
    if target == account:
        return Rejection(Reason.BAD_BALLOT, "nobody resolves the ban of himself: his device would be gone (§4.1)")
    return landing(before, where, target, before.files[tree.standing(where, target)])


def unban(target: Target, account: AccountId, before: Roster, *, replayed: bool = False) -> Changes | Rejection:
    """Resolve a ballot: the file moves back to where it was; a device of who is not joined is only no longer banned. (SCP-02 §5.6)"""
    where = place("unban", target, before)
    if where is None:
        return Rejection(Reason.BAD_BALLOT, "the target is not banned")
    if fault := _resolution_fault("unban", where, target, account, before, replayed=replayed):
        return fault
    held = tree.banned(where, target)
    changes = votes_about(before, target)
    changes[held] = None
    if where != "devices" or before.is_joined(owner(target, before) or AccountId("")):
        changes[tree.standing(where, target)] = before.files[held]
    return changes


def landing(before: Roster, where: Place, target: Target, content: bytes) -> dict[str, bytes | None]:
    """What a ban that counts does: `content` lands in `banned/<where>/`, wherever the target stands now, if anywhere.

    In a commit that is judged, `where` and `content` are those of its parent, which is `before`; replay (SCP-02 §6.4 e)
    passes the parent's with the replayed roster. Does not ask whether the target is banned already.
    """
    landed: dict[str, bytes | None] = {tree.banned(where, target): content}
    if is_device(target):
        return {tree.device(DeviceId(target)): None} | votes_about(before, target) | landed
    return departure(before, AccountId(target)) | landed


def departure(before: Roster, account: AccountId) -> dict[str, bytes | None]:
    """What goes with an account, wherever it stands: its file, its devices, every vote for or by it or about its devices."""
    devices = before.devices_of(account)
    where = before.place_of(account)
    gone: dict[str, bytes | None] = {} if where is None else {tree.standing(where, account): None}
    gone |= {tree.device(device): None for device in devices}
    targets: set[Target] = {account, *devices}
    return gone | {
        tree.vote(cast): None for cast in sorted(before.votes) if cast.voter == account or cast.target in targets
    }


def votes_about(before: Roster, target: Target) -> dict[str, bytes | None]:
    """Every vote for a target goes when it changes place. (SCP-02 §5.6)"""
    return {tree.vote(cast): None for cast in sorted(before.votes) if cast.target == target}


def owner(target: Target, before: Roster) -> AccountId | None:
    """The account of a device, banned or not; None for an account or a device that is not here."""
    if not is_device(target):
        return None
    standing = before.owner(DeviceId(target))
    held = before.files.get(tree.banned("devices", target))
    if standing is not None or held is None:
        return standing
    try:
        return AccountId(Certificate.from_pem(held).issuer_id)
    except CertificateError:
        return None  # the law lets no such file in


def quorum_fault(kind: BallotKind, where: Place, target: Target, before: Roster) -> Rejection | None:
    """Why the votes do not suffice: not more than half of the electorate, both at the parent. (SCP-02 §5.6)"""
    have, needed = len(voters(kind, target, before)), len(electorate(kind, target, before)) // 2 + 1
    if have >= needed:
        return None
    path = tree.vote(Vote(kind, where, target, AccountId(""))).rstrip("/")
    return Rejection(Reason.NO_QUORUM, f"{have} of {needed} votes", path)


def _resolution_fault(
    kind: BallotKind, where: Place, target: Target, account: AccountId, before: Roster, *, replayed: bool
) -> Rejection | None:
    if replayed:
        return None  # whether its votes count, the replay has asked (§6.4 e)
    if account not in electorate(kind, target, before):
        return Rejection(Reason.BAD_BALLOT, "only who may decide resolves a ballot")
    return quorum_fault(kind, where, target, before)
