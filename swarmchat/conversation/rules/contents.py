"""What commits carry: the profile, and what messages speak about. (SCP-02 §3, §5.7)"""

from __future__ import annotations

from swarmchat.conversation import profile as vcard
from swarmchat.conversation import tree
from swarmchat.conversation.actions import EDITABLE_TYPES, Action, Edit, FileWithdrawal, React
from swarmchat.conversation.past import Past
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Changes, Roster
from swarmchat.conversation.rules.authorship import Author


def update_profile(content: bytes | None, author: Author, before: Roster) -> Changes | Rejection:
    """A new profile, by an admin; in a one-to-one by either. It is never taken away. (SCP-02 §5.7)"""
    if before.mode != 0 and not before.is_admin(author.account):
        return Rejection(Reason.BAD_PROFILE, "only admins change the profile", tree.PROFILE)
    if content is None or content == before.profile:
        return Rejection(Reason.BAD_PROFILE, "the profile is not added or replaced by another", tree.PROFILE)
    try:
        vcard.parse(content)
    except ValueError as fault:
        return Rejection(Reason.BAD_PROFILE, str(fault), tree.PROFILE)
    return {tree.PROFILE: content}


def reference_fault(action: Action, author: Author, past: Past) -> Rejection | None:
    """Why what the action speaks about is not what it may: a reaction names an ancestor, an edit one's own first commit.

    A reply may name anything: who answers a message that is hidden, or that came on another branch, is not to blame.
    (SCP-02 §3)
    """
    match action:
        case React(target=target):
            if past.find(target) is None:
                return Rejection(Reason.BAD_REFERENCE, f"`react-to` names no ancestor: {target}")
        case Edit(target=target) | FileWithdrawal(target=target):
            fact = past.find(target)
            if fact is None:
                return Rejection(Reason.BAD_REFERENCE, f"`edit` names no ancestor: {target}")
            if fact.account != author.account:
                return Rejection(Reason.BAD_REFERENCE, f"`edit` names a commit of another account: {target}")
            if fact.type not in EDITABLE_TYPES:
                return Rejection(Reason.BAD_REFERENCE, f"`edit` names what cannot be edited: {fact.type}")
            if fact.relation is not None and fact.relation[0] == "edit":
                return Rejection(Reason.BAD_REFERENCE, f"`edit` names an edit, not the first commit: {target}")
        case _:
            pass
    return None
