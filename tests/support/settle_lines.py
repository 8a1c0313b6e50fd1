"""The work of a group, and what a villain writes beside it: the two halves of an attack on settle. (SCP-02 §6.4)"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from swarmchat.ids import CommitId
from tests.support.settle_group import Group
from tests.support.settle_model import Act, RefusedError, Standing
from tests.support.settle_scenes import Scene


@dataclass(frozen=True)
class Step:
    """One hostile commit: after an entry of `Line.points` or (negative) after an earlier step of the attack."""

    parent: int
    who: str
    act: Act
    device: int = 1
    salt: int = 0
    beside: int | None = None  # written on the merge with that point


@dataclass
class Line:
    """What the group did, and who of it are villains."""

    scene: Scene
    dice: random.Random
    mode: int
    names: list[str]
    villains: list[str]
    old_power: bool
    tip: CommitId
    points: list[CommitId] = field(default_factory=list)
    unbanned: set[str] = field(default_factory=set)
    solid: set[tuple[str, str]] = field(default_factory=set)  # decided by votes of the honest alone: kind and target
    open_bans: set[str] = field(default_factory=set)  # enough votes, nobody resolved it: who does has a majority
    kicked: int = 0

    @property
    def group(self) -> Group:
        group: Group = self.scene.world
        return group

    def roster(self, commit: CommitId) -> Standing:
        return self.group.standing(self.group.rosters[commit])

    @property
    def honest(self) -> list[str]:
        return [one for one in self.names if one not in self.villains]

    def allowed(self, commit: CommitId) -> bool:
        """Whether the villains may fork there."""
        if self.old_power:
            return True
        admins = self.roster(commit).admins
        return 2 * len(admins & set(self.villains)) <= len(admins)


def line(seed: int) -> Line:
    """What a group did; everything follows from the seed."""
    dice = random.Random(seed)
    mode, admins = dice.choice([1, 1, 2, 3]), dice.choice([2, 3, 3, 4, 4, 5, 5, 6, 7])
    members = dice.randrange(1, 5)
    scene = Scene(Group(mode), admins, members)
    names = [f"A{number}" for number in range(admins)] + [f"M{number}" for number in range(members)]
    old_power = dice.random() < 0.4
    strongest = max(1, (admins - 1) // 2)
    villains = dice.sample(names[:admins], dice.randrange(1, strongest + 1))
    if dice.random() < 0.4:
        villains += dice.sample(names[admins:], 1)
    told = Line(scene, dice, mode, names, sorted(villains), old_power, scene.tip, [*scene.at.values(), scene.tip])
    for _ in range(dice.randrange(1, 7)):
        _event(told)
    if old_power:
        for villain in told.villains:
            _try(told, villain, "text", "I was here")
        for villain in told.villains:
            if dice.random() < 0.5:
                _ballot(told, "ban", villain, resolved=True)
    return told


def _try(told: Line, who: str, *act: object, device: int = 1, salt: object = 0) -> bool:
    try:
        told.tip = told.scene.write(told.tip, who, *act, device=device, salt=salt)
    except RefusedError:
        return False
    told.points.append(told.tip)
    return True


def _ballot(told: Line, kind: str, target: str, *, resolved: bool) -> bool:
    dice, admins = told.dice, sorted(told.roster(told.tip).admins)
    voters = [one for one in admins if one not in (target, target.partition(".")[0])]
    dice.shuffle(voters)
    voters.sort(key=lambda one: one in told.villains and dice.random() < 0.7)
    electorate = len(admins)
    for voter in voters[: electorate // 2 + 1]:
        if not _try(told, voter, "vote", kind, target, salt=dice.randrange(3)):
            return False
    if not resolved:
        return True
    if not set(voters[: electorate // 2 + 1]) & set(told.villains):
        told.solid.add((kind, target))
    return _try(told, dice.choice([one for one in admins if one != target] or admins), kind, target)


def _event(told: Line) -> None:
    dice, before = told.dice, told.tip
    now = told.roster(told.tip)
    if not now.joined:
        return  # all have left
    newcomers = [f"N{number}" for number in range(3)]
    what = dice.choice(["ban", "ban", "unban", "promote", "promote", "new", "new", "kick", "leave", "open", "text",
                        "banned invitation", "device", "ban and unban", "profile", "device ban"])  # fmt: skip
    admins = sorted(now.admins)
    match what:
        case "ban":
            _ballot(told, "ban", dice.choice([*told.villains, *sorted(now.members), *newcomers]), resolved=True)
        case "ban and unban":
            target = dice.choice(sorted(now.joined))
            if _ballot(told, "ban", target, resolved=True) and _ballot(told, "unban", target, resolved=True):
                told.unbanned.add(target)
                _try(told, target, "text", "back")
                _try(told, target, "add", "N2")
        case "unban":
            if now.out and _ballot(told, "unban", target := dice.choice(sorted(now.out)), resolved=True):
                told.unbanned.add(target)
        case "promote":
            if now.members:
                _ballot(told, "promote", dice.choice(sorted(now.members)), resolved=dice.random() < 0.85)
        case "new":
            who = dice.choice(newcomers)
            _try(told, dice.choice(admins), "add", who)
            if _try(told, who, "join"):
                told.names += [who] * (who not in told.names)
        case "kick":
            if now.members and _try(told, dice.choice(admins), "kick", dice.choice(sorted(now.members | now.invited))):
                told.kicked += 1
        case "leave":
            _try(told, dice.choice(admins), dice.choice(["leave", "demote"]))
        case "open":
            if _ballot(told, "ban", target := dice.choice(told.villains), resolved=False):
                told.open_bans.add(target)
        case "banned invitation":
            who = dice.choice(newcomers)
            if _try(told, dice.choice(admins), "add", who):
                _ballot(told, "ban", who, resolved=True)
        case "device":
            _try(told, dice.choice(sorted(now.joined)), "text", "from another device", device=2)
        case "device ban":
            devices = [one for one in now.devices if one.endswith(".2")]
            if devices:
                _ballot(told, "ban", min(devices), resolved=True)
        case "profile":
            _try(told, dice.choice(admins), "profile", str(dice.randrange(9)))
        case _:
            _try(told, dice.choice(sorted(now.joined)), "text", dice.randrange(9))
    if told.tip != before and dice.random() < 0.2 and len(told.points) > 3:
        # somebody of the group had not seen this yet, and writes beside it
        ours, told.tip = told.tip, before
        honest = [one for one in sorted(told.roster(before).admins) if one not in told.villains]
        if honest and _try(told, dice.choice(honest), "text", "beside", device=3):
            told.tip = told.group.merge(ours, told.tip)
            _try(told, dice.choice(honest), "text", "together", device=3)
        else:
            told.tip = ours


def play(told: Line, steps: list[Step]) -> list[CommitId]:
    """Write what the law lets in; a step after one that was refused comes after that one's parent."""
    fallback = next((point for point in reversed(told.points) if told.allowed(point)), None)
    if fallback is None:
        return []
    made: list[CommitId] = []
    written: list[CommitId] = []
    for step in steps:
        earlier = -1 - step.parent
        parent = told.points[step.parent % len(told.points)] if step.parent >= 0 else None
        if parent is not None and not told.allowed(parent):
            parent = fallback
        if parent is None:
            parent = made[earlier] if earlier < len(made) else made[-1] if made else fallback
        try:
            if step.beside is not None and told.allowed(point := told.points[step.beside % len(told.points)]):
                heads = told.group.history.ordinary_heads([parent, point])
                parent = told.group.merge(*heads)
                if not told.allowed(parent):
                    parent = heads[0]
            act = ("revoke", 1, frozenset({f"{step.who}.2"})) if step.act[0] == "revoke" else step.act  # own ones only
            commit = told.group.write(parent, step.who, act, step.device, step.salt)
            written.append(commit)
        except RefusedError:
            commit = parent
        made.append(commit)
    return written
