"""What `refs/heads/main` is for the heads that stand, and which heads it leaves out. (SCP-02 §6.3, §6.4 g)"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from swarmchat.commitlog.ledger import Provisional
from swarmchat.commitlog.staging import Staging
from swarmchat.commitlog.trees import COMMIT
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.rules.merging import Merged, canonical, old_forks
from swarmchat.ids import CommitId


@dataclass(frozen=True, slots=True)
class Tip:
    """Where a conversation stands."""

    main: CommitId
    roster: Roster  # settled, of main
    heads: tuple[CommitId, ...]  # all ordinary heads
    merged: tuple[
        CommitId, ...
    ]  # those behind main; a held fork may be built on one of them, so it need not be among `heads`
    merges: tuple[Merged, ...]  # that lead from `merged` to `main`, in the order in which they are to be stored

    @property
    def held(self) -> tuple[CommitId, ...]:
        """The heads that main leaves out, sorted."""
        return tuple(sorted(set(self.heads) - set(self.merged)))


def tip_of(here: Provisional, staging: Staging, merged_before: Iterable[CommitId], *, accept_old_forks: bool) -> Tip:
    """The tip for the heads that stand in `here`; merges and their trees that main needs are put into `staging`."""
    heads = here.history.heads
    merged = heads if accept_old_forks else _without_old_forks(here, heads, tuple(merged_before))
    if len(merged) == 1:
        return Tip(merged[0], here.roster_at(merged[0]), heads, merged, ())
    near = here.tree_of(max(merged, key=lambda head: here.history[head].seq))
    result = canonical(here.settler, merged, lambda roster: here.tree_id(roster, near, staging.put))
    for merge in result.merges:
        staging.put(COMMIT, merge.raw)
    left_out = set(result.left_out)
    return Tip(result.main, result.roster, heads, tuple(head for head in merged if head not in left_out), result.merges)


def _without_old_forks(
    here: Provisional, heads: tuple[CommitId, ...], before: tuple[CommitId, ...]
) -> tuple[CommitId, ...]:
    old = set(old_forks(here.history, before, heads)) if before else set()
    if not old:
        return heads
    return here.history.ordinary_heads({*before, *heads} - old)
