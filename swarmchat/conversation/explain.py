"""Why a commit is valid or not, and whether it still counts, in words for people. (SCP-02 §6.5, §7.2)"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from swarmchat.conversation.actions import (
    Action,
    Add,
    Ban,
    CastVote,
    Demote,
    Initial,
    Join,
    Kick,
    Leave,
    Promote,
    Unban,
    UpdateDevice,
    UpdateProfile,
)
from swarmchat.conversation.history import Entry, History
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.rules import settled
from swarmchat.conversation.rules.settled import Fate
from swarmchat.ids import AccountId, CommitId, DeviceId

Called = Callable[[AccountId | DeviceId], str]  # what people call an account or device


@dataclass(frozen=True, slots=True)
class Explanation:
    """The two answers, and the reasons as sentences."""

    commit: CommitId
    valid: bool
    rule: str | None
    effect: str  # in force, void, without effect, hidden, none, refused
    because: tuple[str, ...]


_FATES: Mapping[str, tuple[str, str, str]] = {  # code -> effect, rule, sentence
    settled.NOT_AUTHORISED: (
        "void",
        "SCP-02 §6.4 (b)",
        "beside the other bans that count, too few of those who voted for this one are left",
    ),
    settled.BANNED_BESIDE: ("void", "SCP-02 §6.4 (d)", "its author was banned at the same time, and that ban counts"),
    settled.AUTHOR_BANNED: ("without effect", "SCP-02 §6.4 (e)", "its author is banned where its turn comes"),
    settled.AUTHOR_NOT_JOINED: ("without effect", "SCP-02 §6.4 (e)", "its author is not joined where its turn comes"),
    settled.ALREADY_BANNED: ("without effect", "SCP-02 §6.4 (e)", "its target is banned already"),
    settled.NEVER_ARRIVED: ("without effect", "SCP-02 §6.4 (e)", "what had brought its target in does not count"),
    settled.VOTES_SPENT: (
        "without effect",
        "SCP-02 §6.4 (e)",
        "its votes were spent by a concurrent resolution of the same ballot: votes count once",
    ),
}


def refused(commit: CommitId, rejection: Rejection) -> Explanation:
    """Why a commit was not let in."""
    place = f" at {rejection.path}" if rejection.path else ""
    sentence = (
        f"refused ({rejection.reason.code}{place}): {rejection.detail or rejection.reason.code.replace('-', ' ')}"
    )
    return Explanation(commit, False, rejection.rule, "refused", (sentence, "nothing of it was kept"))


def accepted(history: History, commit: CommitId, fate: Fate | None, *, hidden: bool, called: Called) -> Explanation:
    """What an accepted commit does, as the history stands now; `fate` is what settle says of it."""
    entry = history[commit]
    if entry.is_merge:
        return Explanation(
            commit,
            True,
            "SCP-02 §6.2",
            "none",
            ("a canonical merge: every node computes the same one, so it carries nobody's authority",),
        )
    said = [_said(entry, called)]
    if hidden:
        said.append("it is not shown: its author was banned beside it, and nobody had seen it before")
        return Explanation(commit, True, "SCP-02 §8.2", "hidden", tuple(said))
    if entry.fact.control is None:
        said.append("it changes no file, so nothing can take its effect away")
        return Explanation(commit, True, None, "none", tuple(said))
    beside = sum(1 for other in history.controls if other is not entry and history.concurrent(other.id, commit))
    said.append(
        f"{beside} {'change' if beside == 1 else 'changes'} to the roster happened at the same time"
        if beside
        else "nothing happened to the roster at the same time"
    )
    if fate is None:
        return Explanation(commit, True, None, "in force", tuple(said))
    effect, rule, sentence = _fate(fate)
    said.append(sentence)
    if fate.by is not None and fate.by in history:
        said.append(f"because of {fate.by[:12]}: {_said(history[fate.by], called)}")
    return Explanation(commit, True, rule, effect, tuple(said))


def _fate(fate: Fate) -> tuple[str, str, str]:
    if fate.code in _FATES:
        return _FATES[fate.code]
    reason = next((reason for reason in Reason if reason.code == fate.code), None)
    rule = "SCP-02 §6.4 (e)" if reason is None else reason.rule
    return (
        "without effect",
        rule,
        f"it was possible where it was written and no longer is where its turn comes ({fate.code})",
    )


def _said(entry: Entry, called: Called) -> str:
    who = called(entry.fact.account) if entry.fact.account is not None else "nobody"
    control = entry.fact.control
    if control is None:
        return f"{who} wrote a commit of type {entry.fact.type}"
    voters = ", ".join(sorted(called(voter) for voter in control.voters))
    return f"{who} {_deed(control.action, called, voters)}"


def _deed(action: Action, called: Called, voters: str) -> str:
    match action:
        case Initial():
            return "began the conversation"
        case Add(uri):
            return f"invited {called(uri)}"
        case Join():
            return "joined"
        case Leave():
            return "left"
        case Kick(uri):
            return f"removed {called(uri)}"
        case Promote(uri):
            return f"made {called(uri)} an admin" + (f", with the votes of {voters}" if voters else "")
        case Demote():
            return "stepped down from admin"
        case Ban(uri):
            return f"banned {called(uri)}, with the votes of {voters}"
        case Unban(uri):
            return f"unbanned {called(uri)}, with the votes of {voters}"
        case CastVote(kind, uri):
            return f"voted to {kind} {called(uri)}"
        case UpdateProfile():
            return "changed the profile"
        case UpdateDevice():
            return "renewed certificates or revocations"
        case _:
            return "wrote a message and brought a device or a certificate with it"
