"""Canonical merges: one shape, one spelling, whoever makes them. (SCP-02 §6.1–§6.3, §6.4 g)"""

from __future__ import annotations

from dataclasses import replace

import pytest

from swarmchat import limits
from swarmchat.conversation.actions import Add, Post
from swarmchat.conversation.commit import Merge, merge_bytes, parse
from swarmchat.conversation.entries import Fact
from swarmchat.conversation.history import History
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.rules.merging import Canonical, Merged, canonical, judge_merge, merge_plan, old_forks
from swarmchat.conversation.rules.settling import Settler
from swarmchat.ids import CommitId, TreeId
from tests.support.builders import ALICE, BOB, CAROL, NOW, Room, object_id, tree_id


def tree_of(roster: Roster) -> TreeId:
    return tree_id(roster.files)


def settler(room: Room) -> Settler:
    return Settler(room.history, room.rosters.__getitem__)


def read_merge(raw: bytes) -> Merge:
    merge = parse(CommitId(object_id("commit", raw)), raw)
    assert isinstance(merge, Merge), merge
    return merge


def branches(room: Room, count: int, *, beside: int = 0) -> list[CommitId]:
    """Concurrent texts, the first `beside` of them invitations; sorted by id."""
    base = room.tip
    heads = [
        room.must(ALICE, Add(BOB.id) if at < beside else Post(f"number {at}"), at=base, time=NOW + 1_000 + at)
        for at in range(count)
    ]
    return sorted(heads)


def take(room: Room, made: Canonical) -> None:
    """What a node does with merges that it made."""
    for merge in made.merges:
        room.history.add(merge.fact)
        room.rosters[merge.id] = merge.roster


def forged(made: Merged, parents: list[CommitId], *, time: int | None = None, tree: TreeId | None = None) -> Merge:
    chosen = tree_of(made.roster) if tree is None else tree
    return read_merge(merge_bytes(chosen, tuple(parents), made.fact.time if time is None else time))


def refusal(merge: Merge, judge: Settler) -> Reason:
    outcome = judge_merge(merge, judge, tree_of)
    assert isinstance(outcome, Rejection)
    assert outcome.commit == merge.id
    return outcome.reason


# --- making


def test_one_head_is_its_own_merge() -> None:
    """R-05"""
    room = Room()
    made = canonical(settler(room), [room.tip], tree_of)
    assert made == Canonical(room.tip, room.roster, (), ())


def test_two_heads_are_merged_into_bytes_that_follow_from_them() -> None:
    room = Room()
    base = room.tip
    text = room.must(ALICE, Post("hello"), at=base, time=NOW + 50)
    added = room.must(ALICE, Add(BOB.id), at=base, time=NOW + 40)
    made = canonical(settler(room), [text, added], tree_of)
    (merge,) = made.merges
    heads = sorted([text, added])
    assert (
        merge.raw
        == (
            f"tree {tree_of(room.rosters[added])}\nparent {heads[0]}\nparent {heads[1]}\n"
            f"author swarmchat <merge@swarmchat> {NOW + 50} +0000\ncommitter swarmchat <merge@swarmchat> {NOW + 50} +0000\n"
            f"\nMerge\n{heads[0]}\n{heads[1]}"
        ).encode()
    )
    assert made.main == merge.id == object_id("commit", merge.raw)
    assert merge.fact == Fact(merge.id, tuple(heads), None, None, NOW + 50, "merge")
    assert made.roster == merge.roster == room.rosters[added]
    assert canonical(settler(room), reversed(heads), tree_of) == made


def test_heads_are_planned_in_runs_by_id_and_no_more_than_a_thousand_and_twenty_four() -> None:
    heads = [CommitId(f"{at:040x}") for at in range(2_000)]
    assert merge_plan(reversed(heads[:32])) == (tuple(heads[:32]),)
    assert merge_plan(heads[:33]) == (tuple(heads[:32]), (heads[32],))
    assert [len(run) for run in merge_plan(heads[:70])] == [32, 32, 6]
    plan = merge_plan(heads)
    assert len(plan) == 32
    assert plan[-1][-1] == heads[limits.MERGED_HEADS_MAX - 1]


@pytest.mark.parametrize(("count", "shape"), [(32, [32]), (33, [32, 2]), (34, [32, 2, 2]), (65, [32, 32, 3])])
def test_more_than_32_heads_are_merged_in_runs_and_a_top(count: int, shape: list[int]) -> None:
    room = Room()
    heads = branches(room, count, beside=1)
    made = canonical(settler(room), heads, tree_of)
    assert [len(merge.fact.parents) for merge in made.merges] == shape
    top = made.merges[-1]
    assert made.main == top.id
    assert top.roster.invited == {BOB.id}
    if count > 32:
        expected = [merge.id for merge in made.merges[:-1]] + (heads[-1:] if count % 32 == 1 else [])
        assert list(top.fact.parents) == expected  # in the order of the runs, not sorted again
        assert top.fact.time == NOW + 1_000 + count - 1


def test_heads_beyond_the_first_1024_wait_for_the_next_ordinary_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MERGED_HEADS_MAX", 64)
    room = Room()
    heads = branches(room, 66)
    made = canonical(settler(room), heads, tree_of)
    assert made.left_out == tuple(heads[64:])
    take(room, made)
    assert room.history.ordinary_heads([made.main]) == tuple(heads[:64])


# --- judging


def test_what_one_node_makes_every_node_accepts() -> None:
    for count in (2, 32, 33, 65):
        room = Room()
        made = canonical(settler(room), branches(room, count, beside=1), tree_of)
        judge = settler(room)
        for merge in made.merges:
            assert judge_merge(read_merge(merge.raw), judge, tree_of) == merge
            room.history.add(merge.fact)


def test_a_merge_of_what_is_not_accepted_is_refused() -> None:
    room = Room()
    heads = branches(room, 2)
    (merge,) = canonical(settler(room), heads, tree_of).merges
    stranger = forged(merge, sorted([heads[0], CommitId("f" * 40)]))
    assert refusal(stranger, settler(room)) is Reason.UNKNOWN_PARENT


def test_parents_in_another_order_or_twice_are_refused() -> None:
    room = Room()
    heads = branches(room, 3)
    (merge,) = canonical(settler(room), heads, tree_of).merges
    for parents in ([heads[0], heads[2], heads[1]], [heads[0], heads[0]], heads[::-1]):
        assert refusal(forged(merge, parents), settler(room)) is Reason.BAD_MERGE


def test_a_parent_that_is_an_ancestor_of_another_is_refused() -> None:
    room = Room()
    base = room.tip
    assert base is not None
    one, two = branches(room, 2)
    above = room.must(ALICE, Post("above"), at=one, time=NOW + 2_000)
    (merge,) = canonical(settler(room), [one, two], tree_of).merges
    for parents in ([base, two], sorted([one, above]), sorted([base, above, two])):
        assert refusal(forged(merge, sorted(parents)), settler(room)) is Reason.BAD_MERGE


def test_another_tree_or_time_or_message_is_refused() -> None:
    """R-14"""
    room = Room()
    heads = branches(room, 2, beside=1)
    (merge,) = canonical(settler(room), heads, tree_of).merges
    judge = settler(room)
    honest = read_merge(merge.raw)
    assert refusal(forged(merge, heads, tree=TreeId("1" * 40)), judge) is Reason.BAD_MERGE
    assert refusal(forged(merge, heads, time=NOW), judge) is Reason.BAD_MERGE
    assert refusal(replace(honest, raw=honest.raw + b"\n"), judge) is Reason.BAD_MERGE
    for change, word in (({"time": NOW}, "another time"), ({"tree": TreeId("1" * 40)}, "another tree")):
        outcome = judge_merge(forged(merge, heads, **change), judge, tree_of)  # type: ignore[arg-type]
        assert isinstance(outcome, Rejection)
        assert word in outcome.detail


def test_merges_with_merge_parents_come_in_the_one_shape_only() -> None:
    room = Room()
    heads = branches(room, 66)
    made = canonical(settler(room), heads, tree_of)
    take(room, made)
    judge = settler(room)
    first, second, third, top = made.merges
    assert judge_merge(read_merge(top.raw), judge, tree_of) == top
    small = canonical(judge, heads[:2], tree_of)
    other = canonical(judge, heads[1:33], tree_of)
    for extra in (small, other):
        take(room, extra)
    whole = forged(top, [first.id, second.id], time=max(first.fact.time, second.fact.time))
    assert isinstance(judge_merge(whole, judge, tree_of), Merged)  # the top merge of other heads
    for parents in (
        [second.id, first.id],
        [first.id, third.id, second.id],
        [first.id, *heads[32:40]],
        [small.main, heads[2]],
        [other.main, heads[0]],
        [first.id, heads[31]],
        [first.id, third.id, heads[0]],
        [top.id, heads[0]],
        [small.main, small.main],
    ):
        assert refusal(forged(top, parents), judge) is Reason.BAD_MERGE


def test_a_plain_merge_of_more_than_32_is_refused() -> None:
    room = Room()
    heads = branches(room, 33)
    made = canonical(settler(room), heads, tree_of)
    raw = merge_bytes(tree_of(made.roster), tuple(heads), NOW + 1_032)
    wide = Merge(CommitId(object_id("commit", raw)), tree_of(made.roster), tuple(heads), NOW + 1_032, raw)
    assert refusal(wide, settler(room)) is Reason.BAD_MERGE


def test_an_ordinary_commit_on_a_merge_is_judged_by_its_settled_roster() -> None:
    room = Room()
    room.bring_admins(BOB, CAROL)
    base = room.tip
    ban = room.ban(CAROL.id, ALICE, BOB, at=base)
    void = room.must(CAROL, Post("hello"), at=base)
    made = canonical(settler(room), [ban, void], tree_of)
    take(room, made)
    assert isinstance(room.write(CAROL, Post("still here"), at=made.main), Rejection)
    above = room.must(BOB, Post("gone"), at=made.main)
    assert settler(room).settle([above]).roster is room.rosters[ban]
    assert room.history.heads == (above,)


# --- old forks


def line(history: History, parent: CommitId, count: int, prefix: str) -> CommitId:
    """A line of control commits; only their place in the graph matters."""
    template = history.root.fact
    for at in range(count):
        commit = CommitId(object_id("commit", f"{prefix} {at}".encode()))
        history.add(replace(template, id=commit, parents=(parent,)))
        parent = commit
    return parent


def test_a_fork_is_old_when_more_than_100_control_commits_have_passed_it_by() -> None:
    room = Room()
    history = room.history
    base = line(history, room.root, 3, "base")
    main = line(history, base, limits.OLD_FORK_CONTROL_COMMITS, "main")
    fork = line(history, base, 1, "fork")
    assert old_forks(history, [main], [main, fork]) == ()
    later = line(history, main, 1, "one more")
    assert old_forks(history, [later], [later, fork]) == (fork,)


def test_an_old_fork_is_found_under_commits_that_know_main_and_texts_are_none() -> None:
    room = Room()
    history = room.history
    main = line(history, room.root, limits.OLD_FORK_CONTROL_COMMITS + 1, "main")
    fork = line(history, room.root, 1, "fork")
    hidden = CommitId("a" * 40)
    history.add(replace(history.root.fact, id=hidden, parents=tuple(sorted([main, fork]))))
    text = CommitId("b" * 40)
    history.add(replace(history.root.fact, id=text, parents=(room.root,), control=None))
    assert old_forks(history, [main], [hidden, text, main]) == (hidden,)
    assert old_forks(history, [main], [hidden, fork]) == tuple(sorted([hidden, fork]))
    assert old_forks(history, [main, fork], [hidden]) == ()


def test_an_old_fork_of_several_commits_is_named_once() -> None:
    room = Room()
    main = line(room.history, room.root, limits.OLD_FORK_CONTROL_COMMITS + 1, "main")
    fork = line(room.history, room.root, 3, "fork")
    assert old_forks(room.history, [main], [fork]) == (fork,)


def test_old_forks_are_named_in_the_order_of_their_ids() -> None:
    room = Room()
    main = line(room.history, room.root, limits.OLD_FORK_CONTROL_COMMITS + 1, "main")
    forks = [line(room.history, room.root, 1, f"fork {number}") for number in range(8)]
    assert old_forks(room.history, [main], forks) == tuple(sorted(forks))
