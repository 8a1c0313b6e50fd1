"""Why a conversation that was accepted does not become ours. Pure. (SCP-06 §5, §9)"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from swarmchat.account.records import KnownConversation
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.tree import MODE_WORDS
from swarmchat.ids import AccountId, CommitId, DeviceId
from swarmchat.swarm.access import MODE_PUBLIC

_CLONING, _COMPARING = "SCP-06 §5", "SCP-06 §9"


class Cause(StrEnum):
    """What kind of objection it is, and so what the user can do."""

    INVALID = "invalid"  # its history, or the part of it in which we would be invited
    OTHER_MODE = "other-mode"  # the user may agree
    NOT_INVITED = "not-invited"
    BANNED = "banned"
    FORBIDDEN = "forbidden"  # the law does not let us join


@dataclass(frozen=True, slots=True)
class Objection:
    """One sentence for people, the rule behind it and, where a commit is to blame, which."""

    cause: Cause
    text: str
    rule: str
    commit: CommitId | None = None


def to_history(rejected: Iterable[Rejection]) -> Objection | None:
    """The clone held refused commits: the one that the others fell with is to blame. None without any."""
    refusals = list(rejected)
    own = [each for each in refusals if each.reason is not Reason.REFUSED_PARENT]
    first = next(iter(own or refusals), None)
    return None if first is None else Objection(Cause.INVALID, str(first), first.rule, first.commit)


def to_joining(rejection: Rejection) -> Objection:
    """The law refuses our `join`."""
    return Objection(Cause.FORBIDDEN, str(rejection), rejection.rule)


def to_roster(
    known: KnownConversation,
    roster: Roster,
    me: tuple[AccountId, DeviceId],
    *,
    any_mode: bool,
    refused: Iterable[Rejection] = (),
) -> Objection | None:
    """Whether what was accepted of the clone is what the invitation said. `any_mode`: the user agreed to another mode.

    `refused` is what was refused while the invitation has not come: that is to blame then.
    """
    account, device = me
    if roster.is_banned(account) or roster.is_banned(device):
        return Objection(Cause.BANNED, "you are banned there", _CLONING)
    if not roster.is_invited(account) and roster.mode != MODE_PUBLIC:
        return to_history(refused) or Objection(
            Cause.NOT_INVITED, "you are not invited there, as far as its members know", _CLONING
        )
    if known.invitation is not None and known.mode != roster.mode and not any_mode:
        text = f"it is {MODE_WORDS[roster.mode]}, and the invitation said {MODE_WORDS[known.mode]}"
        return Objection(Cause.OTHER_MODE, text, _COMPARING)
    return None
