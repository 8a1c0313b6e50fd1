"""How a device stands with one conversation: what it named, what it was told, what is asked of it. (SCP-04 §2, §3.2)"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from swarmchat.ids import CommitId, DeviceId
from swarmchat.limits import BACKOFF_MAX_S, BACKOFF_MIN_S, HEAD_MISSING_AFTER_S
from swarmchat.swarm.wishes import Heads


@dataclass(slots=True)
class Standing:
    """What is known of one device."""

    linked: bool = True
    heads: Heads = ()  # as it named them last
    lacking: frozenset[CommitId] = frozenset()  # of these, what we have not
    told: Heads | None = None  # our heads as it was told last on this link
    since: Heads = ()  # what it has once it has read what we sent
    announce_at: float | None = None
    push: bool = False  # the commits go inside the announcement
    announcing: bool = False  # the shell has the wish
    awaited: Heads | None = None  # announced, no covering `got` yet
    awaited_until: float = 0.0
    repeated: bool = False
    owed: bool = False  # it waits for our `got`
    asked: frozenset[CommitId] | None = None  # a pull from it runs, for these
    asked_at: float = -math.inf  # the last time, or when it came; the longest ago is asked first
    stays_until: float = math.inf  # before that its pull gives way to nobody
    failures: int = 0
    pull_at: float = 0.0
    relayed: bool = False  # what is awaited was passed on, without its commits
    patient: bool = False  # it had the last one already that was passed on: another reaches it too
    probed: bool = False  # to be asked for all, whatever it named
    behind_since: float | None = None  # it named something that we have not, ever since
    spoilt: int = 0  # packs in a row, inside its announcements, that were none
    push_at: float = 0.0  # before that what it pushes is pulled instead


@dataclass(slots=True)
class Push:
    """A pack that came inside an announcement."""

    device: DeviceId
    heads: Heads
    pack: bytes = field(repr=False)


def ceiling_s(failures: int) -> float:
    """The longest wait after so many failures in a row."""
    return min(BACKOFF_MIN_S * 2.0 ** min(failures - 1, 16), BACKOFF_MAX_S)


def given_up_at(peer: Standing) -> float:
    """When that which it named and we have not has been missing for a minute."""
    since = 0.0 if peer.behind_since is None else peer.behind_since
    return since + HEAD_MISSING_AFTER_S
