"""Questions to the graph, each answered as a plain search over parents answers it."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from swarmchat.conversation.actions import UpdateDevice
from swarmchat.conversation.entries import Control, Fact
from swarmchat.conversation.history import History
from swarmchat.conversation.past import Past
from swarmchat.ids import AccountId, CommitId, DeviceId

ANN, BEN = AccountId("a" * 40), AccountId("b" * 40)


def named(number: int) -> CommitId:
    return CommitId(f"{number:040x}")


def control(revoked: Iterable[bytes] = ()) -> Control:
    return Control(UpdateDevice(), {"x": b""}, frozenset(), frozenset(), frozenset(), frozenset(revoked))


def fact(
    number: int,
    *parents: int,
    by: AccountId | None = ANN,
    device: int = 1,
    time: int = 0,
    controls: Control | None = None,
) -> Fact:
    return Fact(
        named(number),
        tuple(map(named, parents)),
        by,
        None if by is None else DeviceId(f"{device:064x}"),
        time,
        "text/plain",
        None,
        controls,
    )


class Slow:
    """The same questions, answered by walking all the way."""

    def __init__(self, facts: list[Fact]) -> None:
        self.facts = {one.id: one for one in facts}

    def closure(self, commit: CommitId) -> set[CommitId]:
        seen, stack = set(), [commit]
        while stack:
            one = stack.pop()
            if one not in seen:
                seen.add(one)
                stack.extend(self.facts[one].parents)
        return seen


def graph(seed: int, size: int = 60) -> list[Fact]:
    """A random history: a few lines that run apart and are merged now and then."""
    dice = random.Random(seed)
    facts = [fact(0, time=100, controls=control())]
    heads = [0]
    for number in range(1, size):
        if len(heads) > 1 and dice.random() < 0.25:
            chosen = sorted(dice.sample(heads, dice.randint(2, min(4, len(heads)))))
            facts.append(fact(number, *chosen, by=None))
            heads = [head for head in heads if head not in chosen]
        else:
            parent = dice.choice(heads) if dice.random() < 0.7 else dice.randrange(number)
            heads = [head for head in heads if head != parent]
            by, device = dice.choice([(ANN, 1), (ANN, 2), (BEN, 3)])
            brought = control([bytes([dice.randrange(4)]) * 16]) if dice.random() < 0.1 else control()
            facts.append(
                fact(
                    number,
                    parent,
                    by=by,
                    device=device,
                    time=dice.randrange(1000),
                    controls=brought if dice.random() < 0.3 else None,
                )
            )
        heads.append(number)
    return facts


@pytest.mark.parametrize("seed", range(12))
def test_every_answer_is_that_of_a_plain_search(seed: int) -> None:
    facts = graph(seed)
    history, slow = History(facts), Slow(facts)
    closures = {one.id: slow.closure(one.id) for one in facts}
    for a in facts:
        past = closures[a.id]
        for b in facts:
            assert history.reaches(history[a.id], history[b.id]) == (b.id in past)
            assert history.is_ancestor(b.id, a.id) == (b.id in past and a is not b)
            apart = b.id not in past and a.id not in closures[b.id]
            assert history.concurrent(a.id, b.id) == apart
            found = Past(history, a.id).find(b.id)
            assert found is (history[b.id].fact if b.id in past else None)
        ordinary = [one for one in facts if one.id in past and one.account is not None]
        for device in {one.device for one in facts if one.device}:
            times = [one.time for one in ordinary if one.device == device]
            assert Past(history, a.id).latest_time(device) == max(times, default=None)
        controls = {one.id for one in ordinary if one.control is not None}
        assert {e.id for e in history.controls_of(history[a.id].control_mask)} == controls
        for account in (ANN, BEN):
            lists = [one.control.revoked for one in ordinary if one.account == account and one.control]
            assert Past(history, a.id).revoked(account) == frozenset().union(*lists)


@pytest.mark.parametrize("seed", range(12))
def test_heads_and_what_is_missing_are_those_of_a_plain_search(seed: int) -> None:
    facts = graph(seed)
    history, slow, dice = History(facts), Slow(facts), random.Random(seed)
    ordinary = {one.id for one in facts if one.account is not None}
    behind = {commit for one in facts if one.id in ordinary for commit in slow.closure(one.id) - {one.id}}
    assert history.heads == tuple(sorted(ordinary - behind))
    for _ in range(20):
        wants = [one.id for one in dice.sample(facts, dice.randint(1, 4))]
        haves = [one.id for one in dice.sample(facts, dice.randint(0, 4))]
        wanted = set().union(*map(slow.closure, wants))
        held: set[CommitId] = set().union(*map(slow.closure, haves))
        missing = [entry.id for entry in history.missing(wants, [*haves, named(999)])]
        assert missing == [one.id for one in facts if one.id in wanted - held]
        heads = history.ordinary_heads(wants)
        apart = all(one == other or one not in slow.closure(other) for one in wants for other in wants)
        assert history.is_antichain(wants) == apart
        inner = {commit for one in wanted & ordinary for commit in slow.closure(one) - {one}}
        assert heads == tuple(sorted((wanted & ordinary) - inner))


@pytest.mark.parametrize("seed", range(12))
def test_behind_the_newest_of_a_device_is_all_that_it_wrote(seed: int) -> None:
    facts = graph(seed)
    history, slow = History(facts), Slow(facts)
    for device in {one.device for one in facts if one.device}:
        wrote = {one.id for one in facts if one.device == device}
        newest = history.newest_of(device)
        assert set(newest) <= wrote <= set().union(*map(slow.closure, newest))
    assert history.newest_of(DeviceId("f" * 64)) == ()


def test_the_newest_of_a_device_that_forks_wildly_are_few() -> None:
    history = History([fact(0), *(fact(number, 0) for number in range(1, 100))])
    assert history.newest_of(DeviceId(f"{1:064x}")) == tuple(named(number) for number in range(99, 67, -1))


def test_the_same_commit_twice_is_one_entry() -> None:
    history = History([fact(0), fact(1, 0)])
    history.add(fact(1, 0))
    assert len(history) == 2
    assert history.heads == (named(1),)


def test_entries_are_found_by_name_and_by_author() -> None:
    history = History([fact(0), fact(1, 0, by=BEN, device=2), fact(2, 0), fact(3, 1, 2, by=None)])
    assert history.root.id == named(0)
    assert named(1) in history
    assert named(9) not in history
    assert history.get(named(9)) is None
    assert [entry.id for entry in history.by_account(ANN)] == [named(0), named(2)]
    assert history.by_account(AccountId("c" * 40)) == []
    assert [entry.id for entry in history.entries] == [named(n) for n in range(4)]
    assert history.accounts == {ANN, BEN}
    assert list(history.ordinary_parents(history[named(3)])) == [named(1), named(2)]
    assert history[named(3)].is_merge
    assert not history[named(2)].is_merge
    assert history.heads == (named(1), named(2))  # a merge is nobody's head


def test_control_commits_are_numbered_in_their_order() -> None:
    history = History([fact(0, controls=control()), fact(1, 0), fact(2, 1, controls=control())])
    assert [entry.id for entry in history.controls] == [named(0), named(2)]
    assert [entry.control_index for entry in history.entries] == [0, None, 1]


def test_the_root_has_no_past() -> None:
    past = Past(History(), None)
    assert past.find(named(0)) is None
    assert past.latest_time(DeviceId("d" * 64)) is None
    assert past.revoked(ANN) == frozenset()


def test_a_commit_that_is_not_here_is_no_ancestor() -> None:
    assert Past(History([fact(0)]), named(0)).find(named(5)) is None


def test_a_parent_that_is_not_here_is_the_callers_fault() -> None:
    with pytest.raises(KeyError):
        History([fact(1, 0)])
