"""Random histories of a group that is often out of touch, with somebody who forks the past; the same for the model and the law."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from swarmchat.ids import CommitId
from tests.support.settle_group import Group, list_digest
from tests.support.settle_model import Act, Model, Node, RefusedError, Room


@dataclass
class Story:
    """One history, held by the model and by the law, with every step compared on the way."""

    seed: int
    model: Model
    group: Group
    refused: int = 0
    texts: list[Node] = field(default_factory=list)

    def write(self, parent: Node, who: str, act: Act, device: int, salt: object) -> Node | None:
        """Both take the commit and see the same after it, or both refuse it."""
        try:
            node = self.model.write(parent, who, act, device, salt)
        except RefusedError as fault:
            why = str(fault)
        else:
            commit = self.group.write(CommitId(parent.id), who, act, device, salt)
            assert commit == node.id
            self.compare(node)
            return node
        self.refused += 1
        try:
            self.group.write(CommitId(parent.id), who, act, device, salt)
        except RefusedError:
            return None
        raise AssertionError(f"seed {self.seed}: the model refuses ({why}) what the law accepts: {who}.{device} {act}")

    def merge(self, heads: list[Node]) -> Node:
        node = self.model.merge(*heads)
        assert self.group.merge(*(CommitId(head.id) for head in heads)) == node.id
        self.compare(node)
        return node

    def compare(self, node: Node) -> None:
        ours = self.group.standing(self.group.rosters[CommitId(node.id)])
        assert ours == node.room.standing(), f"seed {self.seed}, {node}:\nlaw   {ours}\nmodel {node.room.standing()}"

    @property
    def heads(self) -> list[Node]:
        return self.model.heads(self.model.nodes)


def tell(seed: int, *, steps: int = 45, adversary: bool = True) -> Story:
    """Everything in the story follows from the seed."""
    dice = random.Random(seed)
    mode = dice.choice([1, 1, 2, 3, 3, 0]) if seed % 7 == 0 else dice.choice([1, 2, 3])
    guest = "A1" if mode == 0 else None
    story = Story(seed, Model(mode, guest=guest, digest=list_digest), Group(mode, guest=guest))
    people = [f"A{number}" for number in range(6)]
    tip = _founded(story, people, dice) if mode else story.model.root
    nodes = dice.randrange(2, 6)
    owners = [people[at % 5] for at in range(nodes)]
    known = [{node.index for node in _behind(story.model, tip)} for _ in range(nodes)]
    villains, fork = dice.sample(people, 2), tip
    for step in range(steps):
        here = dice.randrange(nodes)
        if dice.random() < 0.35:
            _listen(story, known, here, dice.randrange(nodes), dice)
        if is_fork := adversary and dice.random() < 0.3:
            who, device = dice.choice(villains), dice.choice([1, 1, 2])
            parent = fork if dice.random() < 0.6 else dice.choice(story.model.nodes)
        else:
            who, device = owners[here], 1
            parent = story.merge(story.model.heads(story.model.nodes[index] for index in sorted(known[here])))
        salt = dice.randrange(6)
        if dice.random() < 0.15:
            node = _ballot(story, parent, people, salt, dice)
        else:
            node = story.write(parent, who, _act(parent.room, who, people, step, dice), device, salt)
        if node is None:
            continue
        if node.act[0] == "text":
            story.texts.append(node)
        if is_fork:
            fork = node
        known[here] |= {other.index for other in _behind(story.model, node)}
    return story


def _founded(story: Story, people: list[str], dice: random.Random) -> Node:
    tip = story.model.root
    for who in people[1 : dice.choice([4, 5])]:
        tip = _must(story, tip, "A0", ("add", who))
        tip = _must(story, tip, who, ("join",))
    for who in people[1 : dice.choice([2, 3, 4])]:
        for voter in sorted(tip.room.admins)[: len(tip.room.admins) // 2 + 1]:
            tip = _must(story, tip, voter, ("vote", "promote", who))
        tip = _must(story, tip, "A0", ("promote", who))
    return tip


def _must(story: Story, parent: Node, who: str, act: Act) -> Node:
    node = story.write(parent, who, act, 1, 0)
    assert node is not None, act
    return node


def _ballot(story: Story, parent: Node, people: list[str], salt: int, dice: random.Random) -> Node | None:
    """A whole ballot: as many votes as it takes, and the resolution."""
    kind = dice.choice(["ban", "ban", "ban", "unban", "promote"])
    wanted = sorted(parent.room.banned) if kind == "unban" else [*people, *sorted(parent.room.devices)]
    if not wanted or not parent.room.admins:
        return None
    target = dice.choice(wanted)
    tip: Node | None = parent
    voters = sorted(parent.room.admins - {target, target.partition(".")[0]})
    dice.shuffle(voters)
    for voter in voters:
        assert tip is not None
        cast = story.write(tip, voter, ("vote", kind, target), 1, salt)
        tip = cast or tip
        if tip.room.has_quorum(kind, target):
            return story.write(tip, voter, (kind, target), 1, salt)
    return tip


def _listen(story: Story, known: list[set[int]], here: int, there: int, dice: random.Random) -> None:
    heads = story.model.heads(story.model.nodes[index] for index in sorted(known[there]))
    known[here] |= {node.index for node in _behind(story.model, dice.choice(heads))}


def _behind(model: Model, node: Node) -> list[Node]:
    return [*model.of(node.past), node]


def _act(room: Room, who: str, people: list[str], step: int, dice: random.Random) -> Act:
    other = dice.choice([one for one in people if one != who])
    if who not in room.joined:
        return ("join",)
    ripe = sorted({vote[:3:2] for vote in room.votes if room.has_quorum(vote[0], vote[2])})
    if ripe and dice.random() < 0.7:
        return dice.choice(ripe)
    open_ballots = sorted({vote[:3:2] for vote in room.votes})
    if open_ballots and dice.random() < 0.45:
        return ("vote", *dice.choice(open_ballots))
    devices = sorted(room.devices)
    choices: list[tuple[float, Act]] = [
        (0.16, ("text", step)),
        (0.20, ("vote", "ban", other)),
        (0.08, ("vote", "promote", other)),
        (0.10, ("vote", "unban", dice.choice([*sorted(room.banned), other]))),
        (0.06, ("vote", "ban", dice.choice(devices) if devices else other)),
        (0.10, ("add", other)),
        (0.08, ("promote", other)),
        (0.05, ("kick", other)),
        (0.03, ("leave",)),
        (0.03, ("demote",)),
        (0.05, ("profile", str(dice.randrange(9)))),
        (0.02, ("renew", dice.randrange(1, 4))),
        (0.02, ("renew-account", dice.randrange(1, 4))),
        (0.02, ("revoke", dice.randrange(1, 4), frozenset({f"{who}.{dice.choice([1, 2, 3])}"}))),
    ]
    weights, acts = zip(*choices, strict=True)
    return dice.choices(acts, weights)[0]
