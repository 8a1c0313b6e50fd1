"""Canonical merges: bytes that follow from their parents, nobody's authority. (SCP-02 §6.1–§6.3, §6.4 g)"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from swarmchat import limits
from swarmchat.conversation.commit import Merge, merge_bytes
from swarmchat.conversation.entries import Fact
from swarmchat.conversation.history import History
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.rules.settling import Settler
from swarmchat.ids import CommitId, TreeId

MERGE_TYPE = "merge"  # of the fact of a merge; no commit says it

TreeIdOf = Callable[[Roster], TreeId]


@dataclass(frozen=True, slots=True)
class Merged:
    """One canonical merge, made here or accepted: the fact for the history, the commit object and the settled roster."""

    id: CommitId
    raw: bytes
    fact: Fact
    roster: Roster


@dataclass(frozen=True, slots=True)
class Canonical:
    """What `refs/heads/main` is for some heads: a head itself, or the last of `merges`, to be stored in this order."""

    main: CommitId
    roster: Roster
    merges: tuple[Merged, ...]
    left_out: tuple[CommitId, ...]  # heads beyond `limits.MERGED_HEADS_MAX`: they join with the next ordinary commit


def merge_plan(heads: Iterable[CommitId]) -> tuple[tuple[CommitId, ...], ...]:
    """The runs in which ordinary heads are merged: sorted by id, of at most 32 each; a run of one is not merged. (SCP-02 §6.3)

    One run is one merge (or no merge, when it is one head); more runs are merged each and then by one top merge.
    Heads beyond `limits.MERGED_HEADS_MAX` are left out.
    """
    chosen = sorted(set(heads))[: limits.MERGED_HEADS_MAX]
    width = limits.MERGE_PARENTS_MAX
    return tuple(tuple(chosen[at : at + width]) for at in range(0, len(chosen), width))


def canonical(settler: Settler, heads: Iterable[CommitId], tree_id_of: TreeIdOf) -> Canonical:
    """The one way to merge accepted ordinary heads, none an ancestor of another; at least one is given. (SCP-02 §6.2, §6.3)

    `tree_id_of` names the tree that a roster renders to (and may write it). Merges that exist already are made again: they
    come out as the same bytes.
    """
    heads = sorted(set(heads))
    runs = merge_plan(heads)
    history = settler.history
    merges: list[Merged] = []
    tops: list[tuple[CommitId, int]] = []
    for run in runs:
        if len(run) == 1:
            tops.append((run[0], history[run[0]].fact.time))
            continue
        times = [history[head].fact.time for head in run]
        merges.append(_merged(run, max(times), settler.settle(run).roster, tree_id_of))
        tops.append((merges[-1].id, max(times)))
    merged = [head for run in runs for head in run]
    roster = settler.settle(merged).roster
    if len(tops) > 1:
        merges.append(_merged([top for top, _ in tops], max(time for _, time in tops), roster, tree_id_of))
    main = merges[-1].id if merges else tops[0][0]
    return Canonical(main, roster, tuple(merges), tuple(heads[len(merged) :]))


def judge_merge(merge: Merge, settler: Settler, tree_id_of: TreeIdOf) -> Merged | Rejection:
    """Recompute a merge that somebody sent and compare its bytes; parents that are not accepted refuse it. (SCP-02 §6.2, §6.3)"""
    history = settler.history
    if any(parent not in history for parent in merge.parents):
        return Rejection(Reason.UNKNOWN_PARENT, "a merge of what is not accepted", commit=merge.id)
    heads = _merged_heads(history, merge.parents)
    if isinstance(heads, Rejection):
        return heads.of(merge.id)
    if not history.is_antichain(heads):
        return Rejection(Reason.BAD_MERGE, "a parent is an ancestor of another", commit=merge.id)
    time = max(history[parent].fact.time for parent in merge.parents)
    made = _merged(merge.parents, time, settler.settle(heads).roster, tree_id_of)
    if made.raw != merge.raw:
        what = "time" if time != merge.time else "tree or message"
        return Rejection(Reason.BAD_MERGE, f"not the one merge of its parents: another {what}", commit=merge.id)
    return made


def old_forks(history: History, main_heads: Iterable[CommitId], new_heads: Iterable[CommitId]) -> tuple[CommitId, ...]:
    """The heads that bring a control commit from a fork older than `limits.OLD_FORK_CONTROL_COMMITS`. (SCP-02 §6.4 g)

    The age of such a commit is the number of control commits of `main_heads` that it does not descend from. What is held
    back is a matter of this node's user; nothing is refused.
    """
    main = 0
    for head in main_heads:
        main |= history[head].control_mask
    old: dict[int, bool] = {}
    found = []
    for head in sorted(set(new_heads)):
        for entry in history.controls_of(history[head].control_mask & ~main):
            if entry.seq not in old:
                old[entry.seq] = (main & ~entry.control_mask).bit_count() > limits.OLD_FORK_CONTROL_COMMITS
            if old[entry.seq]:
                found.append(head)
                break
    return tuple(found)


def _merged_heads(history: History, parents: Sequence[CommitId]) -> list[CommitId] | Rejection:
    """The ordinary heads under a merge of the one or the other shape, in the order of its parents."""
    runs = []
    for parent in parents:
        entry = history[parent]
        runs.append(list(entry.fact.parents) if entry.is_merge else [parent])
    heads = [head for run in runs for head in run]
    if any(history[head].is_merge for head in heads):
        return Rejection(Reason.BAD_MERGE, "a merge of merges of merges")
    if any(left >= right for left, right in itertools.pairwise(heads)):
        return Rejection(Reason.BAD_MERGE, "the heads are not in the order of their ids, or one stands twice")
    plan = merge_plan(heads)
    given = tuple(tuple(run) for run in runs)
    if given != (plan if len(plan) > 1 else tuple((head,) for head in heads)):
        return Rejection(Reason.BAD_MERGE, "neither a merge of at most 32 heads nor the top merge of runs of 32")
    return heads


def _merged(parents: Sequence[CommitId], time: int, roster: Roster, tree_id_of: TreeIdOf) -> Merged:
    raw = merge_bytes(tree_id_of(roster), tuple(parents), time)
    name = CommitId(hashlib.sha1(b"commit %d\x00" % len(raw) + raw, usedforsecurity=False).hexdigest())
    return Merged(name, raw, Fact(name, tuple(parents), None, None, time, MERGE_TYPE), roster)
