"""Machines of one conversation over a bad network: after the trouble all hold the same heads. (SCP-04 §2)"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from swarmchat.ids import CommitId, DeviceId
from swarmchat.limits import PULLS_PER_CONVERSATION_MAX
from swarmchat.swarm.session import Acknowledge, Announce, Pull, Reputation, Session, TakePush

Parents = dict[CommitId, tuple[CommitId, ...]]


@dataclass
class Log:
    """The commits one machine holds; ancestors always included."""

    parents: Parents
    held: set[CommitId] = field(default_factory=set)

    def behind(self, commits: Iterable[CommitId]) -> set[CommitId]:
        found: set[CommitId] = set()
        stack = [commit for commit in commits if commit in self.held]
        while stack:
            commit = stack.pop()
            if commit not in found:
                found.add(commit)
                stack.extend(self.parents[commit])
        return found

    @property
    def heads(self) -> tuple[CommitId, ...]:
        covered = {parent for commit in self.held for parent in self.parents[commit]}
        return tuple(sorted(self.held - covered))

    def knows(self, commit: CommitId) -> bool:
        return commit in self.held

    def refuses(self, commit: CommitId) -> bool:
        return False

    def covers(self, have: Iterable[CommitId], heads: Iterable[CommitId]) -> bool:
        behind = self.behind(have)
        return all(head in behind for head in heads)


class World:
    """Some machines, a clock, and messages on their way."""

    def __init__(self, seed: int, size: int) -> None:
        self.dice = random.Random(seed)
        self.now = 0.0
        self.loss = 0.0
        self.commits = 1
        root = CommitId(f"{0:040x}")
        self.parents: Parents = {root: ()}
        self.names = [DeviceId(f"{number:064x}") for number in range(size)]
        self.logs = {name: Log(self.parents, {root}) for name in self.names}
        self.machines = {name: Session(self.logs[name], Reputation(), self.dice.random) for name in self.names}
        self.up: set[frozenset[DeviceId]] = set()
        self.mail: list[tuple[float, DeviceId, DeviceId, tuple[object, ...]]] = []
        self.pulls: dict[DeviceId, int] = dict.fromkeys(self.names, 0)
        self.asked: dict[DeviceId, set[tuple[DeviceId, CommitId]]] = {name: set() for name in self.names}
        self.messages = 0

    def link(self, one: DeviceId, other: DeviceId) -> None:
        self.up.add(frozenset({one, other}))
        for me, peer in ((one, other), (other, one)):
            self.machines[me].hello(peer, self.logs[peer].heads, self.now, told=self.logs[me].heads)

    def cut(self, one: DeviceId, other: DeviceId) -> None:
        self.up.discard(frozenset({one, other}))
        for me, peer in ((one, other), (other, one)):
            self.machines[me].unlinked(peer)

    def write(self, name: DeviceId) -> None:
        log = self.logs[name]
        commit = CommitId(f"{self.commits:040x}")
        self.commits += 1
        heads = log.heads
        self.parents[commit] = tuple(self.dice.sample(heads, self.dice.randint(1, len(heads))))
        log.held.add(commit)
        self.machines[name].wrote(self.now)

    def post(self, sender: DeviceId, to: DeviceId, *message: object) -> None:
        self.messages += 1
        self.mail.append((self.now + self.dice.random() * 0.2, sender, to, message))

    def act(self, name: DeviceId) -> None:
        machine, log = self.machines[name], self.logs[name]
        for wish in machine.poll(self.now):
            match wish:
                case Announce(devices, since):
                    pack = log.behind(log.heads) - log.behind(since) if since is not None else None
                    carried = pack is not None and len(pack) <= 3
                    for peer in devices:
                        self.post(name, peer, "news", log.heads, since if carried else None, pack if carried else None)
                    machine.announced(devices, log.heads, carried=carried, now=self.now)
                case Acknowledge(devices):
                    for peer in devices:
                        self.post(name, peer, "got", log.heads)
                case Pull(peer, want):
                    assert want is not None
                    assert not any((peer, head) in self.asked[name] for head in want)
                    self.pulls[name] += 1
                    assert self.pulls[name] <= PULLS_PER_CONVERSATION_MAX
                    self.post(name, peer, "pull", want)
                case TakePush(peer, heads, pack):
                    self.post(peer, name, "take", heads, pack)  # the offloaded work takes its time

    def deliver(self, sender: DeviceId, to: DeviceId, message: tuple[object, ...]) -> None:
        machine, log = self.machines[to], self.logs[to]
        lost = self.dice.random() < self.loss or frozenset({sender, to}) not in self.up
        match message:
            case ("news", heads, since, pack) if not lost:
                machine.news(sender, heads, self.now, since=since, pack=pack)  # type: ignore[arg-type]
            case ("got", heads) if not lost:
                machine.got(sender, heads, self.now)  # type: ignore[arg-type]
            case ("take", heads, pack):
                whole = all(parent in log.held | pack for commit in pack for parent in self.parents[commit])  # type: ignore[attr-defined,operator]
                if whole:
                    log.held |= pack  # type: ignore[operator]
                machine.took(self.now, refused=False, failed=not whole)
            case ("pull", want):
                server = self.logs[to]
                found = None if lost or not all(server.knows(head) for head in want) else server.behind(want)  # type: ignore[attr-defined]
                self.post(to, sender, "pulled", found)
            case ("pulled", found):
                self.pulls[to] -= 1
                failed = found is None or lost
                if not failed:
                    log.held |= found  # type: ignore[operator]
                machine.pulled(sender, self.now, failed=failed)

    def run(self, until: float) -> None:
        while self.now < until:
            for name in self.names:
                self.act(name)
            times = [at for at, *_ in self.mail]
            times += [at for name in self.names if (at := self.machines[name].deadline(self.now)) is not None]
            self.now = max(self.now + 1e-6, min([*times, until]))
            due = [letter for letter in self.mail if letter[0] <= self.now]
            self.mail = [letter for letter in self.mail if letter[0] > self.now]
            self.dice.shuffle(due)
            for _, sender, to, message in due:
                self.deliver(sender, to, message)


@pytest.mark.parametrize("seed", range(60))
def test_all_hold_the_same_heads_when_the_trouble_is_over(seed: int) -> None:
    world = World(seed, size=2 + seed % 5)
    pairs = [(one, other) for one in world.names for other in world.names if one < other]
    world.loss = 0.3
    for _ in range(40):
        one, other = world.dice.choice(pairs)
        match world.dice.randrange(4):
            case 0:
                world.link(one, other)
            case 1:
                world.cut(one, other)
            case _:
                world.write(one)
        world.run(world.now + world.dice.random())
    world.loss = 0.0
    world.run(world.now + 1.0)
    for one, other in pairs:  # every link anew: both say hello
        world.cut(one, other)
        world.link(one, other)
    world.run(world.now + 700.0)
    assert len({log.heads for log in world.logs.values()}) == 1
    assert all(log.held == set(world.parents) for log in world.logs.values())
    assert all(machine.missing(world.now) == () for machine in world.machines.values())
    before = world.messages
    world.run(world.now + 3_600.0)
    assert world.messages == before  # nothing circles


def test_a_message_goes_from_hand_to_hand_along_a_line() -> None:
    """SP-01"""
    world = World(11, size=7)
    for one, other in zip(world.names, world.names[1:], strict=False):
        world.link(one, other)
    world.run(1.0)
    world.write(world.names[0])
    world.write(world.names[-1])
    world.run(20.0)
    assert len({log.heads for log in world.logs.values()}) == 1
    assert len(world.logs[world.names[3]].held) == 3


def test_one_message_in_a_full_mesh_costs_each_pair_at_most_one_exchange_in_each_direction() -> None:
    world = World(7, size=8)
    pairs = [(one, other) for one in world.names for other in world.names if one < other]
    for one, other in pairs:
        world.link(one, other)
    world.run(1.0)
    assert world.messages == 0
    world.write(world.names[0])
    world.run(60.0)
    assert len({log.heads for log in world.logs.values()}) == 1
    assert world.messages <= 4 * len(pairs) + len(world.names)
