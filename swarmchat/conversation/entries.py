"""What the history holds of a commit: what it says of itself, and its place in the graph. (SCP-02 §4, §6)"""

from __future__ import annotations

from dataclasses import dataclass

from swarmchat.conversation.actions import Action, Relation
from swarmchat.conversation.roster import Changes
from swarmchat.ids import AccountId, CommitId, DeviceId


@dataclass(frozen=True, slots=True)
class Control:
    """What settle must know of a commit that changed the tree, beside its place in the graph. (SCP-02 §6.4 f)"""

    action: Action
    changes: Changes  # all of them, housekeeping included
    admins: frozenset[AccountId]  # at the parent
    votes: frozenset[CommitId]  # of a resolution: the vote commits that count in tree(parent)
    voters: frozenset[AccountId]  # their authors, those of the electorate
    revoked: frozenset[bytes]  # device id prefixes on the revocation list that this commit brought


@dataclass(frozen=True, slots=True)
class Fact:
    """One accepted commit, before it has a number."""

    id: CommitId
    parents: tuple[CommitId, ...]
    account: AccountId | None  # None: a merge, nobody's
    device: DeviceId | None
    time: int
    type: str
    relation: tuple[Relation, CommitId] | None = None
    control: Control | None = None  # None: the tree is the parent's


@dataclass(frozen=True, slots=True)
class Entry:
    """One accepted commit and its place in the graph."""

    fact: Fact
    seq: int
    floor: int  # every entry with a lower number is an ancestor (or this entry's number is the floor)
    control_mask: int  # bit i: the i-th control commit is an ancestor or this commit
    control_index: int | None
    latest: int | None  # the greatest time of this device among its ancestors and itself
    chained: bool  # every earlier entry of this device is an ancestor

    @property
    def id(self) -> CommitId:
        """The commit."""
        return self.fact.id

    @property
    def is_merge(self) -> bool:
        """Whether it is a canonical merge: nobody's."""
        return self.fact.account is None
