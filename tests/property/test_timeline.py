"""The timeline under chance: whatever comes in whatever order, what was shown in an order stays in it. (SCP-02 §8.1)"""

from __future__ import annotations

import random

import pytest

from swarmchat.conversation.entries import Fact
from swarmchat.conversation.history import History
from swarmchat.conversation.timeline import Timeline
from swarmchat.ids import AccountId, CommitId, DeviceId

AUTHORS = [AccountId(letter * 40) for letter in "abcd"]
CLOCKS = (0, 0, 0, -400, 400, -(10**8), 10**8)  # of the authors: also years apart


def random_facts(dice: random.Random, count: int) -> list[Fact]:
    """A history with forks of any age, merges, and times that run backwards; parents first."""
    facts: list[Fact] = []
    while len(facts) < count:
        merges = len(facts) > 2 and dice.random() < 0.2
        author = None if merges else dice.choice(AUTHORS)
        recent = facts[-6:] if dice.random() < 0.8 else facts
        parents = dice.sample(recent, min(len(recent), dice.randint(2, 4) if merges else 1))
        ids = tuple(sorted(parent.id for parent in parents))
        time = 1_000 * len(facts) + dice.choice(CLOCKS) if dice.random() < 0.8 else 7
        device = None if author is None else DeviceId(author[0] * 64)
        facts.append(Fact(CommitId(dice.randbytes(20).hex()), ids, author, device, time, "text/plain", None, None))
    return facts


def arrival(dice: random.Random, facts: list[Fact]) -> list[Fact]:
    """Any order in which parents come first."""
    left, here, order = list(facts), set(), []
    while left:
        ready = [fact for fact in left if here.issuperset(fact.parents)]
        fact = dice.choice(ready[:1] if dice.random() < 0.3 else ready)
        left.remove(fact)
        here.add(fact.id)
        order.append(fact)
    return order


@pytest.mark.parametrize("seed", range(60))
def test_what_was_shown_in_an_order_stays_in_it_as_the_history_grows(seed: int) -> None:
    dice = random.Random(seed)
    history = History()
    timeline = Timeline(history)
    shown: list[CommitId] = []
    batch = dice.choice((1, 1, 3, 40))
    for number, fact in enumerate(arrival(dice, random_facts(dice, 90))):
        history.add(fact)
        if number % batch:
            continue
        order = list(timeline.order())
        kept = set(shown)
        assert [commit for commit in order if commit in kept] == shown
        assert len(order) == len(set(order))
        shown = order


@pytest.mark.parametrize("seed", range(30))
def test_the_order_is_a_function_of_the_set_of_commits(seed: int) -> None:
    dice = random.Random(seed)
    facts = random_facts(dice, 90)
    orders = []
    for _ in range(4):
        history = History()
        timeline = Timeline(history)
        for number, fact in enumerate(arrival(dice, facts)):
            history.add(fact)
            if number % dice.randint(1, 50) == 0:
                list(timeline.order())  # looked at in between, or not
        orders.append(list(timeline.order()))
        assert orders[-1] == list(Timeline(history).order())
    assert all(order == orders[0] for order in orders)
    place = {commit: number for number, commit in enumerate(orders[0])}
    ordinary = [entry for entry in history.entries if not entry.is_merge]
    assert place.keys() == {entry.id for entry in ordinary}
    for entry in ordinary:
        assert all(place[parent] < place[entry.id] for parent in history.ordinary_parents(entry))


@pytest.mark.parametrize("seed", range(15))
def test_hiding_takes_lines_out_and_moves_none(seed: int) -> None:
    """A ban hides and an unban shows again: the others keep their order all the while. (SCP-02 §8.2)"""
    dice = random.Random(seed)
    history = History(random_facts(dice, 60))
    timeline = Timeline(history)
    whole = list(timeline.order())
    hidden = frozenset(dice.sample(whole, 20))
    seen = [item.commit for item in timeline.page(limit=1_000, hidden=hidden)]
    assert seen == [commit for commit in whole if commit not in hidden]
    assert [item.commit for item in timeline.page(limit=1_000)] == whole
