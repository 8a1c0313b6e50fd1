"""settle on random histories: as the model says, in any order of arrival, and nothing decided is ever lost. (SCP-02 §6.4)"""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest

from swarmchat.conversation.rules.settled import BANNED_BESIDE, NOT_AUTHORISED
from swarmchat.conversation.rules.settling import Settler
from swarmchat.ids import CommitId
from tests.support.settle_adversary import run
from tests.support.settle_group import Group
from tests.support.settle_model import Model, Node, RefusedError, Standing
from tests.support.settle_oracles import FromTheRoot, another_order
from tests.support.settle_search import attempt
from tests.support.settle_stories import Story, tell

BATCHES = 8  # so that a failure names a short range of seeds


def agree(story: Story, heads: list[Node]) -> None:
    """Roster, and which commits are void, for these heads."""
    ids = [CommitId(head.id) for head in heads]
    wanted = story.model.outcome(story.model.mask(heads))
    where = f"seed {story.seed}, heads {heads}"
    assert story.group.settle(*ids) == wanted.room.standing(), where
    fates = {
        node.id: story.group.settler.fate(CommitId(node.id), ids)
        for node in story.model.controls(story.model.mask(heads))
    }
    void = {commit for commit, fate in fates.items() if fate and fate.code in (NOT_AUTHORISED, BANNED_BESIDE)}
    assert void == wanted.void, where


def told(group: Group, heads: list[CommitId]) -> dict[CommitId, Any]:
    """Why each commit counts or not: the code, who is to blame, and the words."""
    behind = [entry.id for entry in group.history.missing(heads, ())]
    fates = {commit: group.settler.fate(commit, heads) for commit in behind}
    return {commit: fate and (fate, fate.detail, fate.tally) for commit, fate in fates.items()}


@pytest.mark.parametrize("batch", range(BATCHES))
def test_settle_agrees_with_the_model(batch: int) -> None:
    for seed in range(batch * 25, batch * 25 + 25):
        story = tell(seed, steps=36)
        agree(story, story.heads)
        dice = random.Random(seed)
        ordinary = [node for node in story.model.nodes if not node.merge]
        agree(story, story.model.heads(dice.sample(ordinary, min(4, len(ordinary)))))


@pytest.mark.parametrize("seed", [18, 202, 233, 295])
def test_concurrent_bans_are_decided_oldest_first(seed: int) -> None:
    """Histories whose outcome depends on it: of two bans that are free the one with fewer bans behind it goes first."""
    story = tell(seed, steps=60)
    agree(story, story.heads)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_the_order_of_arrival_and_the_shortcut_change_nothing(batch: int) -> None:
    for seed in range(1_000 + batch * 7, 1_000 + batch * 7 + 7):
        story = tell(seed, steps=30, adversary=seed % 3 > 0)
        order = another_order(story.group, random.Random(seed))
        heads = [CommitId(head.id) for head in story.heads]
        for settler in (Settler, FromTheRoot):
            twin = story.group.replayed(order, settler=settler)
            assert twin.rosters == story.group.rosters, f"seed {seed}"
            assert twin.settle(*heads) == story.group.settle(*heads), f"seed {seed}"
            if settler is Settler:
                assert told(twin, heads) == told(story.group, heads), f"seed {seed}"


@pytest.mark.parametrize("batch", range(BATCHES))
def test_texts_and_merges_change_nothing(batch: int) -> None:
    for seed in range(2_000 + batch * 7, 2_000 + batch * 7 + 7):
        story, dice = tell(seed, steps=30), random.Random(seed)
        heads = story.heads
        before = story.model.settle(*heads)
        group, ids = story.group, [CommitId(head.id) for head in heads]
        for parent in dice.sample(story.model.nodes, min(6, len(story.model.nodes))):
            speakers = [device for device in sorted(parent.room.devices) if device not in parent.room.banned]
            if not speakers:
                continue
            who, _, device = dice.choice(speakers).partition(".")
            with contextlib.suppress(RefusedError):  # a device revoked in its past
                ids.append(group.write(CommitId(parent.id), who, ("text", "late"), int(device), "late"))
        assert group.settle(*ids) == before, f"seed {seed}"
        dice.shuffle(ids)
        merged = ids[0]
        for other in ids[1:]:
            merged = group.merge(merged, other)  # pair by pair: no shape that the law accepts, and the same roster
        assert group.settle(merged) == before, f"seed {seed}"


def law(mode: int) -> Group:
    return Group(mode)


def standing(group: Group, commit: CommitId) -> Standing:
    return group.standing(group.rosters[commit])


@pytest.mark.parametrize("batch", range(BATCHES))
def test_what_an_honest_group_decided_holds_against_forks(batch: int) -> None:
    for seed in range(batch * 40, batch * 40 + 40):
        trial = attempt(seed, law, standing)
        assert trial is None or not trial.losses(), f"seed {seed}: {trial}"


def test_the_model_and_the_law_see_the_same_attacks() -> None:
    for seed in range(5_000, 5_040):
        by_law = attempt(seed, law, standing)
        by_model = attempt(seed, Model, lambda _, node: node.room.standing())
        assert by_law == by_model, f"seed {seed}"


@pytest.mark.parametrize("batch", range(BATCHES))
def test_an_adversary_who_searches_finds_nothing(batch: int) -> None:
    """The oracles of `settle_oracles`; `scripts/law` searches longer."""
    outcomes = list(run(range(batch * 6, batch * 6 + 6), thorough=3))
    histories, found = sum(tried for _, tried, _ in outcomes), [find for _, _, finds in outcomes for find in finds]
    print(f"{len(outcomes)} seeds, {histories} histories")
    assert histories > 6 * 30
    assert not found, "\n".join(map(str, found))
