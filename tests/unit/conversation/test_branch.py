"""A branch answers as a history of its own would, whatever its base does meanwhile."""

from __future__ import annotations

import random

from swarmchat.conversation.actions import UpdateDevice
from swarmchat.conversation.branch import Branch
from swarmchat.conversation.entries import Control, Fact
from swarmchat.conversation.history import History
from swarmchat.ids import AccountId, CommitId, DeviceId


def name(number: int) -> CommitId:
    return CommitId("%040x" % (number * 7919 % 1_000_003))


def graph(dice: random.Random, size: int) -> list[Fact]:
    """A random history: merges, controls, revocations, several devices whose clocks jump."""
    facts = [Fact(name(0), (), AccountId("a0"), DeviceId("d0"), 100, "initial", None, control(dice))]
    for number in range(1, size):
        width = 1 if dice.random() < 0.8 or number < 4 else 2
        recent = [fact.id for fact in facts[-6:]]
        parents = tuple(sorted(dice.sample(recent, width)))
        if width == 2:
            facts.append(Fact(name(number), parents, None, None, 100, "merge"))
            continue
        who = dice.randrange(3)
        facts.append(
            Fact(
                name(number),
                parents,
                AccountId(f"a{who}"),
                DeviceId(f"d{who}{dice.randrange(2)}"),
                dice.randrange(100, 200),
                "text/plain",
                None,
                control(dice) if dice.random() < 0.3 else None,
            )
        )
    return facts


def control(dice: random.Random) -> Control:
    revoked = frozenset({bytes([dice.randrange(4)]) * 16} if dice.random() < 0.5 else ())
    return Control(UpdateDevice(), {"CRLs/x": b"x"}, frozenset(), frozenset(), frozenset(), revoked)


def same(branch: History, plain: History) -> None:
    assert len(branch) == len(plain)
    assert list(branch.entries) == list(plain.entries)
    assert list(branch.controls) == list(plain.controls)
    assert branch.heads == plain.heads
    assert branch.root == plain.root
    for kind in ("initial", "merge", "text/plain", "no/such"):
        numbers = [number for number in range(len(plain)) if plain.entry(number).fact.type == kind]
        for after in (-1, len(plain) // 2):
            wanted = [number for number in numbers if number > after]
            assert list(branch.numbers_of_type(kind, after)) == list(plain.numbers_of_type(kind, after)) == wanted
        assert branch.has_type(kind) == plain.has_type(kind) == bool(numbers)
    commits = [entry.id for entry in plain.entries]
    for commit in commits:
        assert branch[commit] == plain[commit]
        assert commit in branch
        for account in ("a0", "a1", "a2"):
            assert branch.revoked(AccountId(account), commit) == plain.revoked(AccountId(account), commit)
            assert list(branch.by_account(AccountId(account))) == list(plain.by_account(AccountId(account)))
        for device in ("d00", "d01", "d10", "d11", "d2"):
            assert branch.latest_time(DeviceId(device), commit) == plain.latest_time(DeviceId(device), commit)
        for other in commits[::5]:
            assert branch.is_ancestor(commit, other) == plain.is_ancestor(commit, other)
    assert [entry.id for entry in branch.missing(plain.heads, commits[:3])] == [
        entry.id for entry in plain.missing(plain.heads, commits[:3])
    ]


def test_a_branch_is_the_history_of_its_base_and_its_own() -> None:
    for seed in range(40):
        dice = random.Random(seed)
        facts = graph(dice, dice.randint(1, 60))
        cut = dice.randint(1, len(facts))
        branch = Branch(History(facts[:cut]))
        for fact in facts[cut:]:
            branch.add(fact)
        same(branch, History(facts))


def test_a_base_that_grows_is_not_seen_and_a_branch_is_not_seen_by_its_base() -> None:
    for seed in range(40):
        dice = random.Random(1000 + seed)
        facts = graph(dice, 50)
        cut = dice.randint(1, 40)
        base = History(facts[:cut])
        branch = Branch(base)
        ours = [fact for fact in facts[cut:] if dice.random() < 0.5]
        kept: set[CommitId] = {fact.id for fact in facts[:cut]}
        mine = [fact for fact in ours if all(p in kept for p in fact.parents) and not kept.add(fact.id)]  # type: ignore[func-returns-value]
        for turn, fact in enumerate(facts[cut:]):
            base.add(fact)
            if turn < len(mine):
                branch.add(mine[turn])
        same(branch, History([*facts[:cut], *mine]))
        same(base, History(facts))
        later = [fact.id for fact in facts[cut:] if fact.id not in {own.id for own in mine}]
        assert all(commit not in branch and branch.get(commit) is None for commit in later)


def test_a_branch_of_a_branch() -> None:
    facts = graph(random.Random(5), 40)
    first = Branch(History(facts[:10]))
    for fact in facts[10:25]:
        first.add(fact)
    second = Branch(first)
    for fact in facts[25:]:
        second.add(fact)
    same(second, History(facts))
    assert len(first) == 25
