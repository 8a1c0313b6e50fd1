"""The effects of add, join, remove, kick, promote and demote. (SCP-02 §5.1–§5.4)

Every function takes who acts and the roster before and gives the changes, or the reason why not. Whether the author may
write at all is settled before (`authorship`); sizes of the group bind single-parent commits only and are the judge's.
"""

from __future__ import annotations

from swarmchat.conversation import tree
from swarmchat.conversation.actions import Initial
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Changes, Roster
from swarmchat.conversation.rules import ballots
from swarmchat.conversation.rules.authorship import Author
from swarmchat.ids import AccountId


def initial(action: Initial, author: Author, before: Roster) -> Changes | Rejection:
    """The root: its creator is admin; in mode 0 the other person is invited. (SCP-02 §5.1)"""
    if before.files:
        return Rejection(Reason.BAD_INITIAL, "only the first commit is `initial`")
    changes: dict[str, bytes | None] = {
        tree.admin(author.account): author.certificate,
        tree.device(author.device): author.device_certificate,
    }
    if action.invited is not None and action.invited != author.account:
        changes[tree.invited(action.invited)] = b""
    return changes


def add(uri: AccountId, author: Author, before: Roster, *, replayed: bool = False) -> Changes | Rejection:
    """Invite. Which two accounts a one-to-one may hold stands in its root, so the judge asks that. (SCP-02 §5.2)"""
    if not replayed and before.mode == 1 and not before.is_admin(author.account):
        return Rejection(Reason.BAD_ADD, "only admins invite here")
    if uri == author.account:
        return Rejection(Reason.BAD_ADD, "nobody invites himself")
    if before.is_banned(uri):
        return Rejection(Reason.BAD_ADD, "the account is banned", tree.banned(before.banned[uri], uri))
    place = before.place_of(uri)
    if place is not None:
        return Rejection(Reason.BAD_ADD, "the account is joined or invited already", tree.standing(place, uri))
    return {tree.invited(uri): b""}


def join(uri: AccountId, author: Author, before: Roster) -> Changes | Rejection:
    """Enter: by an invitation, or freely in a public conversation. (SCP-02 §5.3)"""
    if uri != author.account:
        return Rejection(Reason.BAD_JOIN, "one joins for oneself only")
    if before.is_joined(uri):
        return Rejection(Reason.BAD_JOIN, "the account is joined already", tree.member(uri))
    if not before.is_invited(uri) and before.mode != 3:
        return Rejection(Reason.BAD_JOIN, "the account is not invited", tree.invited(uri))
    changes: dict[str, bytes | None] = {
        tree.invited(uri): None,
        tree.member(uri): author.certificate,
        tree.device(author.device): author.device_certificate,
    }
    return changes | ballots.votes_about(before, uri)


def leave(uri: AccountId, author: Author, before: Roster) -> Changes | Rejection:
    """Leave; the last admin only when nobody else is there. (SCP-02 §5.4)"""
    if uri != author.account:
        return Rejection(Reason.BAD_REMOVAL, "`remove` is leaving: for oneself only")
    if not before.is_joined(uri):
        return Rejection(Reason.BAD_REMOVAL, "who is not joined cannot leave", tree.member(uri))
    alone = before.joined | before.invited <= {uri}
    if before.mode != 0 and before.admins == {uri} and not alone:
        return Rejection(Reason.LAST_ADMIN, "promote somebody first: the last admin cannot leave the others behind")
    return ballots.departure(before, uri)


def kick(uri: AccountId, author: Author, before: Roster, *, replayed: bool) -> Changes | Rejection:
    """An admin takes away a member or an invitation, where one admin may decide alone. (SCP-02 §5.4)"""
    if before.mode == 0:
        return _not_one_to_one("kick")
    if not replayed and not before.is_admin(author.account):
        return Rejection(Reason.BAD_REMOVAL, "only admins kick")
    if not replayed and before.mode != 1 and len(before.admins) != 1:
        return Rejection(Reason.NOT_IN_THIS_MODE, "where several admins share a group a removal needs a ballot: ban")
    if before.place_of(uri) not in ("members", "invited"):
        return Rejection(Reason.BAD_REMOVAL, "only members who are no admins, and invitations, are kicked")
    return ballots.departure(before, uri)


def promote(uri: AccountId, author: Author, before: Roster, *, replayed: bool) -> Changes | Rejection:
    """A member becomes an admin: by the sole admin, by a ballot, or, alone in a mode 1 group, by himself. (SCP-02 §5.4–§5.6)"""
    if before.mode == 0:
        return _not_one_to_one("promote")
    content = before.files.get(tree.member(uri))
    if content is None:
        return Rejection(Reason.BAD_PROMOTION, "only a member who is no admin is promoted", tree.member(uri))
    if not replayed and not ballots.promotes_alone(uri, author.account, before):
        if author.account not in ballots.electorate("promote", uri, before):
            return Rejection(Reason.BAD_PROMOTION, "only those who may vote on it promote")
        if fault := ballots.quorum_fault("promote", "members", uri, before):
            return fault
    moved: dict[str, bytes | None] = {tree.member(uri): None, tree.admin(uri): content}
    return moved | ballots.votes_about(before, uri)


def demote(uri: AccountId, author: Author, before: Roster) -> Changes | Rejection:
    """An admin becomes a member again, unless nobody else would be admin. (SCP-02 §5.4)"""
    if before.mode == 0:
        return _not_one_to_one("demote")
    content = before.files.get(tree.admin(uri))
    if uri != author.account or content is None:
        return Rejection(Reason.BAD_PROMOTION, "`demote` is for admins, each for himself", tree.admin(uri))
    if before.admins == {uri}:
        return Rejection(Reason.LAST_ADMIN, "promote somebody first: the last admin stays admin")
    moved: dict[str, bytes | None] = {tree.admin(uri): None, tree.member(uri): content}
    return moved | ballots.votes_about(before, uri)


def _not_one_to_one(what: str) -> Rejection:
    return Rejection(Reason.NOT_IN_THIS_MODE, f"a one-to-one conversation knows no `{what}`")
