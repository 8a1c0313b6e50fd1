"""A random adversary against an honest main line: does what the group decided hold, whatever he forks? (SCP-02 §6.4)"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.support.settle_model import Act, RefusedError, Standing
from tests.support.settle_scenes import Handle, Scene, World


@dataclass(frozen=True)
class Trial:
    """What the honest line came to, and what it is beside the adversary's commits."""

    seed: int
    line: str  # none, ban, ban-unban, ban-unban-ban
    honest: frozenset[str]
    villain: str
    before: Standing
    after: Standing
    written: tuple[tuple[str, Act], ...]

    def losses(self) -> set[str]:
        """What the adversary achieved of all that he must not."""
        lost = set()
        if self.villain in self.before.out - self.after.out:
            lost.add("a ban was lost")
        if self.villain in self.before.joined & self.after.out and self.line == "ban-unban":
            lost.add("an unban was undone")
        if (self.honest & self.before.admins) - self.after.admins:
            lost.add("an honest admin is none any more")
        if self.after.joined and not self.after.admins:
            lost.add("nobody is admin")
        return lost

    def gains(self) -> frozenset[str]:
        """Friends who became admins: the residue that the page admits (SCP-02 §6.4 g)."""
        return (self.after.admins - self.before.admins) - self.honest


def attempt(seed: int, world: Callable[[int], World], standing: Callable[[World, Handle], Standing]) -> Trial | None:
    """One trial; None when the adversary found nothing he may write. `standing` reads the roster at a commit."""
    dice = random.Random(seed)
    admins = dice.choice([3, 4, 5])
    scene = Scene(world(dice.choice([1, 3])), admins, 2)
    names = [f"A{number}" for number in range(admins)]
    villains = sorted(dice.sample(names, 1 if admins < 5 else dice.choice([1, 2])))
    villain = dice.choice(villains)
    honest = [one for one in names if one not in villains]
    points = [*scene.at.values()]
    tip, line = _main_line(scene, villain, villains, honest, admins, dice)
    points.append(tip)
    before = standing(scene.world, tip)
    puppets = [*villains, "S0", "M1"]
    own: list[Handle] = []
    written: list[tuple[str, Act]] = []
    parent = dice.choice(points)
    for step in range(dice.randrange(1, 9)):
        if dice.random() < 0.2:
            parent = dice.choice([*points, *own])
        who = dice.choice(puppets)
        act = _act(standing(scene.world, parent), who, [*names, "M0", "M1", "S0"], step, dice)
        try:
            parent = scene.write(parent, who, *act, device=dice.choice([1, 2]), salt=dice.randrange(4))
        except RefusedError:
            continue
        own.append(parent)
        written.append((who, act))
    if not own:
        return None
    after = scene.settle(tip, *own)
    return Trial(seed, line, frozenset(honest), villain, before, after, tuple(written))


def _main_line(
    scene: Scene, villain: str, villains: list[str], honest: list[str], admins: int, dice: random.Random
) -> tuple[Handle, str]:
    tip, needed = scene.tip, admins // 2 + 1
    if dice.random() < 0.5:
        tip = scene.write(tip, villain, "text", "I was here")
    line = dice.choice(["none", "ban", "ban-unban", "ban-unban-ban"])
    with_accomplice = dice.random() < 0.3 and len(villains) > 1
    voters = [one for one in [*villains * with_accomplice, *honest] if one != villain]
    if len(voters) < needed or line == "none":
        return tip, "none"
    tip = scene.ballot(tip, "ban", villain, voters[:needed])
    if line != "ban":
        tip = scene.ballot(tip, "unban", villain, honest[: max(1, (admins - 1) // 2 + 1)])
    if line == "ban-unban-ban":
        tip = scene.ballot(tip, "ban", villain, honest[:needed], salt="again")
    return tip, line


def _act(now: Standing, who: str, people: list[str], step: int, dice: random.Random) -> Act:
    other = dice.choice([one for one in people if one != who])
    if who not in now.joined:
        return ("join",)
    ripe = sorted({vote[:3:2] for vote in now.votes if dice.random() < 0.6})
    for kind, target in ripe:
        if 2 * sum(vote[:3:2] == (kind, target) for vote in now.votes) > len(now.admins):
            return (kind, target)
    weights: list[tuple[int, Act]] = [
        (35, ("vote", "ban", other)), (7, ("vote", "promote", other)), (8, ("vote", "unban", other)), (10, ("add", other)),
        (10, ("promote", other)), (10, ("kick", other)), (5, ("leave",)), (5, ("demote",)), (10, ("text", step)),
    ]  # fmt: skip
    return dice.choices([act for _, act in weights], [weight for weight, _ in weights])[0]
