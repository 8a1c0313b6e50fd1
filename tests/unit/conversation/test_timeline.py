"""What people see (SCP-02 §8), on graphs drawn by hand: commits are named by a letter, parents first."""

from __future__ import annotations

import random
from collections.abc import Iterable

from swarmchat.conversation.entries import Fact
from swarmchat.conversation.history import History
from swarmchat.conversation.timeline import Item, Reaction, Timeline, sorted_by_kahn
from swarmchat.ids import CommitId, DeviceId
from tests.support.graphs import ANN, BEN, fact, letter, named


def shown(timeline: Timeline) -> str:
    return "".join(letter(commit) for commit in timeline.order())


def lines(items: Iterable[Item]) -> str:
    return "".join(letter(item.commit) for item in items)


def test_parents_come_first_whatever_time_they_claim() -> None:
    history = History([fact("r", time=100), fact("s", "r", time=50), fact("t", "s", time=10)])
    assert shown(Timeline(history)) == "rst"


def test_concurrent_commits_are_ordered_by_time_then_id() -> None:
    history = History([fact("r"), fact("b", "r", time=5), fact("a", "r", time=5), fact("z", "r", time=4)])
    assert shown(Timeline(history)) == "rzab"


def test_merges_are_not_shown_and_do_not_order() -> None:
    history = History(
        [
            fact("r"),
            fact("a", "r", time=9),
            fact("b", "r", time=2),
            fact("m", "ab", time=9, by=None),
            fact("c", "m", time=1),
        ]
    )
    assert shown(Timeline(history)) == "rbac"


def test_a_late_branch_finds_its_place_and_swaps_nobody() -> None:
    history = History([fact("r"), fact("a", "r", time=10), fact("b", "a", time=3)])
    timeline = Timeline(history)
    assert shown(timeline) == "rab"
    history.add(fact("x", "r", time=7))
    history.add(fact("y", "x", time=20))
    assert shown(timeline) == "rxaby"
    assert [letter(history.id(number)) for number in sorted_by_kahn(history)] == list("rxaby")


def test_many_at_once_are_sorted_as_one_by_one() -> None:
    facts = [fact("r")] + [
        Fact(CommitId(f"{i:040x}"), (named("r"),), ANN, DeviceId("a" * 64), (i * 7919) % 101, "text/plain")
        for i in range(1, 200)
    ]
    history = History()
    single = Timeline(history)
    for one in facts:
        history.add(one)
        assert len(single) == len(history)
    assert (
        list(single.order())
        == list(Timeline(history).order())
        == [history.id(number) for number in sorted_by_kahn(history)]
    )


def test_edits_and_reactions_fold_onto_their_target() -> None:
    """C-46, C-49"""
    history = History(
        [
            fact("r"),
            fact("m", "r", time=1),
            fact("+", "m", time=2, by=BEN, about=("reaction", "m")),
            fact("e", "+", time=3, about=("edit", "m")),
            fact("f", "e", time=4, about=("edit", "m")),
            fact("-", "f", time=5, by=BEN, about=("edit", "+")),
            fact("q", "-", time=6, about=("reply", "m")),
        ]
    )
    page = Timeline(history).page(10)
    assert lines(page) == "rmq"
    assert page[1] == Item(named("m"), (named("e"), named("f")), (Reaction(named("+"), (named("-"),)),), False)


def test_concurrent_edits_end_in_the_one_that_stands_later() -> None:
    history = History(
        [fact("m"), fact("x", "m", time=9, about=("edit", "m")), fact("y", "m", time=8, about=("edit", "m"))]
    )
    assert Timeline(history).item(named("m")).edits == (named("y"), named("x"))


def test_a_page_ends_before_a_commit_and_counts_lines_only() -> None:
    """R-03"""
    history = History([fact("a"), *(fact(chr(ord("a") + i), chr(ord("a") + i - 1)) for i in range(1, 6))])
    timeline = Timeline(history)
    assert lines(timeline.page(2)) == "ef"
    assert lines(timeline.page(2, before=named("e"))) == "cd"
    assert lines(timeline.page(9, wanted=lambda entry: entry.id != named("c"))) == "abdef"


def test_a_page_of_a_long_history_is_the_end_of_its_whole_order() -> None:
    for seed in range(25):
        dice = random.Random(seed)
        facts = [fact("r")]
        for number in range(1, dice.choice([5, 40, 150])):
            back = 1 if dice.random() < 0.8 else dice.randint(1, 8 if dice.random() < 0.9 else 140)
            older = facts[-min(back, len(facts))]
            joined = [] if dice.random() < 0.9 else [facts[-1].id]
            parents = tuple(sorted({older.id, *joined}))
            by = None if len(parents) > 1 else dice.choice([ANN, BEN])
            about = (dice.choice(["edit", "reaction"]), older.id) if by and dice.random() < 0.1 else None
            facts.append(
                Fact(
                    CommitId(f"{dice.getrandbits(128):040x}"),
                    parents,
                    by,
                    None if by is None else DeviceId(by[0] * 64),
                    number + dice.randint(-9, 9),
                    "text/plain",
                    about,  # type: ignore[arg-type]
                )
            )
        cut = dice.randint(1, len(facts))
        history = History(facts[:cut])
        timeline = Timeline(history)
        for new in (*facts[cut:][:70], None):
            whole = Timeline(history)
            order = [history.id(number) for number in sorted_by_kahn(history)]
            assert timeline.page(7) == [whole.item(one) for one in order if not spoken(history, one)][-7:]
            if dice.random() < 0.2:
                some = dice.choice(order)
                before = [one for one in order[: order.index(some)] if not spoken(history, one)]
                assert [item.commit for item in timeline.page(3, before=some)] == before[-3:]
                mine = [one for one in order if history[one].fact.account == BEN]
                assert timeline.newest_by(BEN) == (mine[-1] if mine else None)
                assert timeline.rank(some) == order.index(some) - len(order)
            if dice.random() < 0.1:
                timeline = Timeline(history)
            if new is not None:
                history.add(new)
        assert list(timeline.order()) == order


def spoken(history: History, commit: CommitId) -> bool:
    relation = history[commit].fact.relation
    return relation is not None and relation[0] != "reply"


def test_the_last_page_of_a_long_history_looks_at_no_more_than_a_page() -> None:
    history = History([fact("r")])
    for number in range(1, 5_000):
        history.add(
            Fact(CommitId(f"{number:040x}"), (history.id(number - 1),), ANN, DeviceId("a" * 64), number, "text/plain")
        )
    asked: list[int] = []

    class Counting(History):
        def floor(self, number: int) -> int:
            asked.append(number)
            return super().floor(number)

    counting = Counting()
    counting.take_over(history)
    assert len(Timeline(counting).page(50)) == 50
    assert len(asked) < 300


def test_what_follows_a_line_is_lines_again_and_nothing_hidden() -> None:
    history = History(
        [fact("r"), fact("a", "r"), fact("e", "a", about=("edit", "a")), fact("b", "e"), fact("c", "b"), fact("d", "c")]
    )
    timeline = Timeline(history)
    assert lines(timeline.following(named("r"), 2)) == "ab"
    assert lines(timeline.following(named("a"), 9, {named("c")})) == "bd"
    assert lines(timeline.following(named("d"), 9)) == ""
    assert lines(timeline.following(named("b"), 0)) == ""
    assert timeline.following(named("r"), 1)[0].edits == (named("e"),)
