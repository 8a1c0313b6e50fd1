"""Hostile histories that make settle work: many concurrent bans by admins who all vote on every side. (SCP-02 §6.4 f)"""

from __future__ import annotations

import random

from swarmchat.ids import CommitId
from tests.support.settle_group import Group
from tests.support.settle_scenes import Scene


def flood(bans: int, *, admins: int = 9, seed: int = 0, mode: int = 1) -> tuple[Group, list[CommitId]]:
    """A group of equivocators, and the heads: each a whole ballot of any majority against anybody, all beside each other."""
    scene, dice = Scene(Group(mode), admins), random.Random(seed)
    names = [f"A{number}" for number in range(admins)]
    heads = []
    for number in range(bans):
        target = dice.choice(names)
        voters = dice.sample([one for one in names if one != target], admins // 2 + 1)
        heads.append(scene.ballot(scene.tip, "ban", target, voters, salt=number))
    group: Group = scene.world
    return group, heads
