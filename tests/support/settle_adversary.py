"""An adversary who searches: a group that works honestly, and somebody who writes beside it whatever the law lets in. (SCP-02 §6.4)

The group's work (`Line`) is one history with bans, unbans, promotions, newcomers, ballots left open and branches that meet
again. An attack is a list of steps beside it, and it is changed step by step, what moved the group most is kept: random
histories rarely reach the corners. All is played on the law (the judge and the settle of the product); the model and a settle
without the shortcut are asked about the same commits.

Two kinds of villains. A *minority* forks only where it had no majority among the admins: nothing the group did may be lost.
*Old power* forks anywhere, also where a villain was sole admin, but has worked with the group since: what it wrote on the
group's line shows that its fork is backdated. What it may gain is the residue of §6.4 g; what a majority decided against it
stands, and the group's answer from its own old head undoes the rest.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from tests.support.settle_lines import Line, Step, line, play
from tests.support.settle_model import Act
from tests.support.settle_oracles import ORACLES, finds, nodes_differ

MUTATIONS = 40  # attacks tried on one line
STEPS_MAX = 14  # commits of one attack


# --- attacks


class Attacker:
    """Invents and changes attacks on one line."""

    def __init__(self, told: Line, dice: random.Random) -> None:
        self.line = told
        self.dice = dice
        self.places = [at for at, point in enumerate(told.points) if told.allowed(point)]
        self.puppets = [*told.villains, *told.villains, "S0"]
        self.people = sorted({*told.names, "S0", "N0", "N1", "N2"})

    def invent(self) -> list[Step]:
        steps: list[Step] = []
        for _ in range(self.dice.randrange(1, 4)):
            steps = self._grown(steps)
        return steps[:STEPS_MAX]

    def change(self, steps: list[Step]) -> list[Step]:
        dice, steps = self.dice, list(steps)
        for _ in range(dice.choice([1, 1, 2])):
            if not steps or dice.random() < 0.4:
                steps = self._grown(steps)
                continue
            at = dice.randrange(len(steps))
            match dice.randrange(6):
                case 0:
                    steps = [replace(step, parent=_moved(step.parent, at)) for n, step in enumerate(steps) if n != at]
                case 1:
                    steps[at] = replace(steps[at], salt=dice.randrange(40))  # ground to win a tie
                case 2:
                    steps[at] = replace(steps[at], parent=self._place(at, steps))
                case 3:
                    steps[at] = replace(steps[at], who=dice.choice(self.puppets), device=dice.choice([1, 1, 2]))
                case 4:
                    steps[at] = replace(steps[at], act=self._act(steps[at].who))
                case _:
                    steps[at] = replace(steps[at], beside=dice.choice([None, dice.choice(self.places or [0])]))
        return steps[:STEPS_MAX]

    def _place(self, before: int, steps: list[Step]) -> int:
        if steps and before and self.dice.random() < 0.5:
            return -1 - self.dice.randrange(min(before, len(steps)))
        return self.dice.choice(self.places) if self.places else 0

    def _grown(self, steps: list[Step]) -> list[Step]:
        """A few commits more: one act, a delay, a whole ballot, or the resolution of votes that others cast."""
        dice, salt = self.dice, self.dice.randrange(40)
        parent = self._place(len(steps), steps)
        if dice.random() < 0.4:
            parent = dice.choice([-len(steps), parent]) if steps else parent
        chain: list[tuple[str, Act]] = []
        who = dice.choice(self.puppets)
        if dice.random() < 0.35:
            chain += dice.choice([
                [(who, ("leave",))], [(who, ("demote",))], [(who, ("add", "S1")), (who, ("kick", "S1"))],
                [(who, ("kick", dice.choice(self.people)))], [(who, ("text", salt))],
            ])  # fmt: skip
        what, target = dice.random(), dice.choice(self.people)
        who = dice.choice(self.puppets)
        if what < 0.3 and (ripe := self._ripe(parent, steps)):
            chain.append((who, dice.choice(ripe)))
        elif what < 0.5:
            kind = dice.choice(["ban", "ban", "promote", "unban"])
            voters = self.line.villains
            chain += [(voter, ("vote", kind, target)) for voter in voters] + [(dice.choice(voters), (kind, target))]
        elif what < 0.6:
            chain += [(who, ("add", target)), (target, ("join",)) if target in self.puppets else (who, ("text", 1))]
        elif what < 0.7:
            chain += [(who, ("kick", one)) for one in dice.sample(self.people, min(3, len(self.people)))]
        else:
            chain += [(who, self._act(who)) for _ in range(dice.randrange(1, 3))]
        for n, (one, act) in enumerate(chain):
            steps = [*steps, Step(parent if not n else -len(steps), one, act, dice.choice([1, 1, 1, 2]), salt)]
        return steps

    def _ripe(self, parent: int, steps: list[Step]) -> list[Act]:
        """The ballots that stand open where it would be written, or anywhere on the line."""
        point = self.line.points[parent] if parent >= 0 else self.line.points[self.dice.choice(self.places or [0])]
        return sorted({(vote[0], vote[2]) for vote in self.line.roster(point).votes})

    def _act(self, who: str) -> Act:
        dice = self.dice
        other = dice.choice([one for one in self.people if one != who])
        return dice.choice([
            ("vote", "ban", other), ("vote", "unban", other), ("vote", "promote", other), ("ban", other),
            ("unban", other), ("promote", other), ("add", other), ("kick", other), ("kick", other), ("leave",),
            ("demote",), ("join",), ("text", dice.randrange(9)), ("profile", str(dice.randrange(9))),
            ("ban", f"{other}.1"), ("vote", "ban", f"{other}.1"), ("renew", 2), ("revoke", 1, frozenset({f"{who}.2"})),
        ])  # fmt: skip


def _moved(parent: int, gone: int) -> int:
    """The reference to an earlier step after the step `gone` was taken out."""
    if parent >= 0 or -1 - parent < gone:
        return parent
    return parent + 1 if -1 - parent > gone else min(-1, parent + 1) if gone else 0


# --- the search


@dataclass(frozen=True)
class Find:
    """An attack that broke an oracle, as small as taking steps away makes it."""

    seed: int
    oracle: str
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.oracle}\n" + "\n".join(f"    {step}" for step in self.steps)


def search(seed: int, *, mutations: int = MUTATIONS, thorough: bool = True) -> tuple[int, list[Find]]:
    """Attack one line: how many histories were tried, and the finds, one an oracle."""
    told = line(seed)
    dice = random.Random(f"attack {seed}")
    attacker = Attacker(told, dice)
    best, best_moved, tried = attacker.invent(), -2, 0
    found: dict[str, Find] = {}
    candidate = best
    for _ in range(mutations):
        broken, moved = finds(told, candidate)
        tried += 1
        for oracle in sorted(broken - found.keys()):
            found[oracle] = Find(seed, oracle, tuple(_smaller(told, candidate, oracle)))
        if moved >= best_moved:
            best, best_moved = candidate, moved
        candidate = attacker.invent() if best_moved < 0 else attacker.change(best)
    if thorough:
        written = play(told, best)
        heads = told.group.history.ordinary_heads([told.tip, *written])
        for oracle in sorted(nodes_differ(told, heads, dice)):
            found[oracle] = Find(seed, oracle, tuple(best))
    return tried, [found[oracle] for oracle in sorted(found)]


def _smaller(told: Line, steps: list[Step], oracle: str) -> list[Step]:
    at = 0
    while at < len(steps):
        fewer = [replace(step, parent=_moved(step.parent, at)) for n, step in enumerate(steps) if n != at]
        if oracle in finds(told, fewer)[0]:
            steps = fewer
        else:
            at += 1
    return steps


def run(
    seeds: Iterable[int], *, until: float | None = None, thorough: int = 1
) -> Iterator[tuple[int, int, list[Find]]]:
    """Search seed by seed, until the process has used `until` seconds of CPU; every `thorough`-th one is checked by the model."""
    for seed in seeds:
        if until is not None and time.process_time() > until:
            return
        tried, found = search(seed, thorough=seed % thorough == 0)
        yield seed, tried, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=1_000, metavar="N")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--cpu", type=float, default=None, metavar="SECONDS", help="stop after so much CPU time")
    parser.add_argument(
        "--thorough", type=int, default=4, metavar="K", help="every K-th seed in another order, and by the model"
    )
    wanted = parser.parse_args()
    seeds = tried = 0
    counts: Counter[str] = Counter()
    for _, histories, found in run(
        range(wanted.first, wanted.first + wanted.seeds), until=wanted.cpu, thorough=wanted.thorough
    ):
        seeds, tried = seeds + 1, tried + histories
        for find in found:
            counts[find.oracle] += 1
            if counts[find.oracle] <= 5:
                print(find, flush=True)
    print(f"{seeds} seeds from {wanted.first}, {tried} histories, {time.process_time():.0f} s of CPU")
    for oracle in ORACLES:
        print(f"{counts[oracle]:6} {oracle}")
    return 1 if counts else 0


if __name__ == "__main__":
    sys.exit(main())
