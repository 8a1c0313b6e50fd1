"""What people see (SCP-02 §8), on graphs drawn by hand: commits are named by a letter, parents first."""

from __future__ import annotations

import random
from collections.abc import Iterable

from swarmchat.conversation.actions import Ban, Relation
from swarmchat.conversation.history import Control, Fact, History
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.timeline import Item, Reaction, Timeline, bans_in_force, sorted_by_kahn
from swarmchat.ids import AccountId, CommitId, DeviceId

ANN, BEN, CEM = (AccountId(letter * 40) for letter in "abc")


def named(letter: str) -> CommitId:
    return CommitId(f"{ord(letter):02x}" * 20)


def letter(commit: CommitId) -> str:
    return chr(int(commit[:2], 16))


def fact(
    name: str,
    parents: str = "",
    *,
    time: int = 0,
    by: AccountId | None = ANN,
    about: tuple[Relation, str] | None = None,
    ban: AccountId | DeviceId | None = None,
) -> Fact:
    control = None if ban is None else Control(Ban(ban), {}, frozenset(), frozenset(), frozenset(), frozenset())
    return Fact(
        named(name),
        tuple(named(parent) for parent in parents),
        by,
        None if by is None else DeviceId(by[0] * 64),
        time,
        "text/plain",
        None if about is None else (about[0], named(about[1])),
        control,
    )


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
    history = History([fact("a"), *(fact(chr(ord("a") + i), chr(ord("a") + i - 1)) for i in range(1, 6))])
    timeline = Timeline(history)
    assert lines(timeline.page(2)) == "ef"
    assert lines(timeline.page(2, before=named("e"))) == "cd"
    assert lines(timeline.page(9, wanted=lambda entry: entry.id != named("c"))) == "abdef"


class _Banned(Roster):
    """A roster in which three accounts are joined and some banned; the rest of it does not matter here."""

    def __init__(self, *gone: str) -> None:
        super().__init__(1, {})
        self.gone = gone

    @property
    def banned(self) -> dict[str, str]:  # type: ignore[override]
        return dict.fromkeys(self.gone, "members")

    def is_banned(self, target: str) -> bool:
        return target in self.gone

    def is_joined(self, account: str) -> bool:
        return account in (ANN, BEN, CEM) and account not in self.gone


def hidden_of(history: History, *banned: str) -> str:
    found = Timeline(history).hidden(_Banned(*banned), lambda ban: True, lambda commit: _Banned())
    return "".join(sorted(letter(commit) for commit in found))


def test_what_the_banned_wrote_before_the_ban_is_shown() -> None:
    history = History([fact("r"), fact("x", "r", by=BEN), fact("!", "x", ban=BEN)])
    assert hidden_of(history, BEN) == ""


def test_what_the_banned_wrote_beside_the_ban_is_hidden() -> None:
    history = History([fact("r"), fact("x", "r", by=BEN), fact("y", "x", by=BEN), fact("!", "r", ban=BEN)])
    assert hidden_of(history, BEN) == "xy"
    gone = {named("x"), named("y")}
    assert lines(Timeline(history).page(9, hidden=gone)) == "r!"
    assert lines(Timeline(history).page(9, hidden=gone, with_hidden=True)) == "r!xy"


def test_a_member_who_had_seen_it_vouches_for_it_and_all_before() -> None:
    history = History(
        [
            fact("r"),
            fact("x", "r", by=BEN),
            fact("y", "x", by=BEN),
            fact("v", "y", by=CEM),
            fact("z", "v", by=BEN),
            fact("!", "r", ban=BEN),
        ]
    )
    assert hidden_of(history, BEN) == "z"


def test_who_writes_after_the_ban_vouches_for_nothing() -> None:
    history = History(
        [fact("r"), fact("x", "r", by=BEN), fact("!", "r", ban=BEN), fact("m", "x!", by=None), fact("v", "m", by=CEM)]
    )
    assert hidden_of(history, BEN) == "x"


def test_an_accomplice_who_is_banned_beside_it_vouches_for_nothing() -> None:
    history = History(
        [fact("r"), fact("x", "r", by=BEN), fact("v", "x", by=CEM), fact("!", "r", ban=BEN), fact("?", "r", ban=CEM)]
    )
    found = Timeline(history).hidden(_Banned(BEN, CEM), lambda ban: True, lambda commit: _Banned())
    assert {letter(commit) for commit in found} == {"x", "v"}


def test_a_banned_device_is_hidden_and_its_owner_does_not_vouch() -> None:
    phone = DeviceId("b" * 64)
    other = fact("o", "x", by=BEN)
    history = History(
        [
            fact("r"),
            fact("x", "r", by=BEN),
            Fact(other.id, other.parents, BEN, DeviceId("e" * 64), 0, "text/plain"),
            fact("!", "r", ban=phone),
        ]
    )
    assert hidden_of(history, phone) == "x"


def test_whoever_is_unbanned_is_shown_again() -> None:
    history = History([fact("r"), fact("x", "r", by=BEN), fact("!", "r", ban=BEN)])
    assert hidden_of(history) == ""


def test_a_ban_that_does_not_count_hides_nothing() -> None:
    history = History([fact("r"), fact("x", "r", by=BEN), fact("!", "r", ban=BEN)])
    assert list(bans_in_force(history, _Banned(BEN))) == [named("!")]
    assert Timeline(history).hidden(_Banned(BEN), lambda ban: False, lambda commit: _Banned()) == frozenset()


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
