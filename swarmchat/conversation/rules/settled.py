"""What a set of commits comes to, as values. (SCP-02 §6.4)"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from swarmchat.conversation.roster import Roster
from swarmchat.ids import AccountId, CommitId

# Why a commit does not count. Beside these a `Fate` may carry the code of a `Reason`: the action was possible at the parent
# and no longer was in the replay.
NOT_AUTHORISED: Final = "ban-not-authorised"  # a ban: too few of its voters are left beside the bans that count (b)
BANNED_BESIDE: Final = "author-banned-beside"  # the author is the target of a concurrent ban that counts (d)
AUTHOR_BANNED: Final = "author-banned"  # in the replayed roster (e)
AUTHOR_NOT_JOINED: Final = "author-not-joined"
ALREADY_BANNED: Final = "already-banned"
NEVER_ARRIVED: Final = "target-never-arrived"  # what had brought the target in does not count
VOTES_SPENT: Final = "votes-spent"  # by a concurrent resolution of the same ballot


@dataclass(frozen=True, slots=True)
class Fate:
    """Why a commit, valid for ever, does not count: a stable code, and the commit that is to blame, where one is."""

    code: str
    by: CommitId | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """The roster of a set of commits, and which of its control commits do not count.

    `void` and `ineffective` speak of the commits after `start` alone, the newest control commit that all others of the set
    are ancestors or descendants of: what is older was settled there. `Settler.fate` answers for all.
    """

    roster: Roster
    start: CommitId | None  # None: replayed from the root on
    accepted: frozenset[CommitId]  # bans that count
    void: Mapping[CommitId, Fate]  # what is void does nothing and voids nothing
    ineffective: Mapping[CommitId, Fate]  # not void, but no longer applied when its turn came
    promoted: tuple[AccountId, ...]  # who became admin after `start`, in that order, perhaps not for the first time
    arrived: frozenset[AccountId]  # whom an add, a join or the root brought in after `start`


_T = TypeVar("_T")
Steps = Generator[int, Settled, _T]  # yields masks of control commits that must be settled first, is sent their outcome
