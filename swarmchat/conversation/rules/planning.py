"""What a writer does, said by the same functions that judge it: the changes of an action, and the steps of a ballot. (SCP-02 §5)"""

from __future__ import annotations

from swarmchat.conversation import tree
from swarmchat.conversation.actions import Action, Ban, CastVote, Initial, Join, Leave, Promote, Unban, UpdateDevice
from swarmchat.conversation.past import Past
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Changes, Roster
from swarmchat.conversation.rules import ballots
from swarmchat.conversation.rules.authorship import Author
from swarmchat.conversation.rules.effects import effects
from swarmchat.conversation.rules.housekeeping import housekeeping
from swarmchat.conversation.rules.judge import circumstances
from swarmchat.conversation.tree import BallotKind
from swarmchat.crypto.certificates import Certificate
from swarmchat.ids import AccountId, DeviceId


def changes_for(
    action: Action,
    author: Author,
    before: Roster,
    past: Past,
    *,
    profile: bytes | None = None,
    revocations: bytes | None = None,
) -> Changes | Rejection:
    """What the author's commit changes: the effects, and the own housekeeping that is due.

    `author` holds the certificates the writer has now, perhaps newer than those in the tree; `revocations` its newest list
    (DER). `before` is the parent's roster, the empty one of the mode for the root. Not asked here is what needs the time of
    the commit: whether the chain holds (§4.2); `judge` asks it.
    """
    if fault := _absence(action, author, before) or circumstances(action, author, before, past):
        return fault
    outcome = effects(action, author, before, profile=profile)
    if isinstance(outcome, Rejection):
        return outcome
    if isinstance(action, Initial):
        return outcome.changes
    own = tree.device(author.device)
    if isinstance(action, Leave) and own not in before.files:
        return Rejection(
            Reason.NO_DEVICE, "this device is not in the tree yet: an update-device comes first (§4.1)", own
        )
    if not isinstance(action, Leave) and outcome.changes.get(own, b"") is None:
        return Rejection(Reason.NO_DEVICE, "the action takes away the device that would write it (§4.1)", own)
    due = _due(outcome.changes, author, before, past, revocations)
    if isinstance(due, Rejection):
        return due
    if isinstance(action, UpdateDevice) and not due:
        return Rejection(Reason.BAD_HOUSEKEEPING, "nothing of this device is new here")
    return {**outcome.changes, **due}


def plan_leave(roster: Roster, me: AccountId, device: DeviceId) -> tuple[Action, ...]:
    """The commits by which `me` leaves from `device`: one that never wrote here has to enter first."""
    return (Leave(me),) if device in roster.devices else (UpdateDevice(), Leave(me))


def plan_ban(
    roster: Roster, me: AccountId, target: AccountId | DeviceId, *, device: DeviceId | None = None
) -> tuple[Action, ...] | Rejection:
    """The commits by which `me` (on `device`) brings a ban about, or nearer: a vote, a vote and the resolution, or it alone."""
    if target == device:
        return Rejection(Reason.BAD_BALLOT, "a device cannot resolve its own ban: its certificate would be gone (§4.1)")
    return _plan("ban", Ban(target), roster, me, target)


def plan_unban(roster: Roster, me: AccountId, target: AccountId | DeviceId) -> tuple[Action, ...] | Rejection:
    """The commits by which `me` brings the end of a ban about, or nearer."""
    return _plan("unban", Unban(target), roster, me, target)


def plan_promote(roster: Roster, me: AccountId, target: AccountId) -> tuple[Action, ...] | Rejection:
    """The commits by which `me` makes a member an admin, or brings it nearer."""
    return _plan("promote", Promote(target), roster, me, target)


def _plan(
    kind: BallotKind, resolution: Action, roster: Roster, me: AccountId, target: AccountId | DeviceId
) -> tuple[Action, ...] | Rejection:
    who = Author(me, DeviceId(""), b"", b"")  # no ballot asks more than the account
    refusal = effects(resolution, who, roster)
    if not isinstance(refusal, Rejection):
        return (resolution,)
    vote = CastVote(kind, target)
    cast = effects(vote, who, roster)
    if isinstance(cast, Rejection):
        return refusal if me in ballots.voters(kind, target, roster) else cast
    return (vote,) if isinstance(effects(resolution, who, cast.after), Rejection) else (vote, resolution)


def _absence(action: Action, author: Author, before: Roster) -> Rejection | None:
    """Why the author may write nothing here: the part of §4 that the roster tells."""
    for who in (author.device, author.account):
        if before.is_banned(who):
            return Rejection(Reason.BANNED, "banned", tree.banned(before.banned[who], who))
    if isinstance(action, Initial | Join) or before.is_joined(author.account):
        return None
    return Rejection(Reason.NOT_A_MEMBER, "not joined", tree.member(author.account))


def _due(
    explained: Changes, author: Author, before: Roster, past: Past, revocations: bytes | None
) -> Changes | Rejection:
    """The writer's own files that are missing or older in the tree, as far as the law lets them in."""
    device_path, list_path = tree.device(author.device), tree.revocations(author.account)
    wanted: dict[str, bytes | None] = {device_path: author.device_certificate}
    if before.is_joined(author.account):
        standing = tree.admin if before.is_admin(author.account) else tree.member
        wanted[standing(author.account)] = author.certificate
    if revocations is not None:
        wanted[list_path] = revocations
    due: dict[str, bytes | None] = {}
    moment = max(Certificate.from_pem(pem).not_before for pem in (author.certificate, author.device_certificate))
    for path, content in wanted.items():
        if path in explained or before.files.get(path) == content:
            continue
        fault = housekeeping({path: content}, author, before, at=moment, revoked=past.revoked(author.account))
        if not isinstance(fault, Rejection):
            due[path] = content
        elif path not in before.files:
            return fault
    return due
