"""What a set of commits comes to, as values. (SCP-02 §6.4)"""

from __future__ import annotations

import enum
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from swarmchat.conversation.roster import Roster
from swarmchat.ids import AccountId, CommitId

# Why a commit does not count. Beside these a `Fate` may carry the code of a `Reason`: the action was possible at the parent
# and no longer was in the replay.
NOT_AUTHORISED: Final = "ban-not-authorised"  # a ban: too few of its voters are left beside the bans that count (b)
BANNED_BESIDE: Final = "author-banned-beside"  # the author is the target of a concurrent ban that counts (d)
AUTHOR_BANNED: Final = "author-banned"  # in the replayed roster (e)
AUTHOR_NOT_JOINED: Final = "author-not-joined"
AUTHOR_NO_ADMIN: Final = "author-no-admin"
ALREADY_BANNED: Final = "already-banned"
TARGET_PROMOTED: Final = "target-promoted-beside"  # a kick: a ballot made the target an admin on another line
VOTES_FELL: Final = "votes-fell"  # of a promotion or unban: none of its votes stood when its turn had come
VOTES_SPENT: Final = "votes-spent"  # by a concurrent resolution of the same ballot
DEVICE_REVOKED: Final = (
    "device-revoked-beside"  # the device that a commit brought, and nothing else, was revoked beside it
)
PROFILE_OUTBID: Final = "profile-outbid"  # by a concurrent update of the profile with a higher id


@dataclass(frozen=True, slots=True)
class Tally:
    """What is left of the votes for a ban beside the other bans, and what took the others. (SCP-02 §6.4 b)"""

    left: frozenset[AccountId]
    electorate: frozenset[AccountId]
    lost: tuple[
        tuple[AccountId, CommitId | None], ...
    ]  # by account; None: no admin when the past of the ban is replayed

    @property
    def suffices(self) -> bool:
        """Whether more than half of the electorate is left."""
        return 2 * len(self.left) > len(self.electorate)


@dataclass(frozen=True, slots=True)
class Fate:
    """Why a commit, valid for ever, does not count: a stable code, and the commit that is to blame, where one is.

    The rest is for people: the sentence of a `Reason`, the votes of a ban that is not authorised.
    """

    code: str
    by: CommitId | None = None
    detail: str = field(default="", compare=False)
    tally: Tally | None = field(default=None, compare=False)


class Edge(enum.Enum):
    """What puts one of two concurrent bans before the other, asked in this order. (SCP-02 §6.4 c)"""

    VOTERS = "voters"  # more voters who were admins where the lines parted and wrote nothing on the other line
    UNDIVIDED = "undivided"  # no voter wrote on the other line
    SENIORITY = "seniority"  # the most senior voter
    ID = "id"  # the lower id


@dataclass(frozen=True, slots=True)
class Precedence:
    """Which of two concurrent bans goes first, and by what."""

    first: CommitId
    edge: Edge
    ours: frozenset[AccountId]  # the voters of the first that count for this edge
    theirs: frozenset[AccountId]  # those of the other; UNDIVIDED: those who wrote on both lines


@dataclass(frozen=True, slots=True)
class Settled:
    """The roster of a set of commits, and which of its control commits do not count.

    `void` and `ineffective` speak of the commits after `start` alone, the newest control commit that all others of the set
    are ancestors or descendants of: what is older was settled there. `Settler.fate` answers for all.
    """

    roster: Roster
    start: CommitId
    accepted: frozenset[CommitId]  # bans that count
    void: Mapping[CommitId, Fate]  # what is void does nothing and voids nothing
    ineffective: Mapping[CommitId, Fate]  # not void, but no longer applied when its turn came
    promoted: tuple[AccountId, ...]  # who became admin after `start`, in that order, perhaps not for the first time


_T = TypeVar("_T")
Steps = Generator[int, Settled, _T]  # yields masks of control commits that must be settled first, is sent their outcome
