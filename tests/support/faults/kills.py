"""kill -9 of real daemons at random moments, under load: what was acknowledged is written down here and must be there ever after."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from swarmchat.errors import SwarmchatError
from swarmchat.limits import API_LIST_MAX
from tests.support.process import NodeProcess, found_room, introduce, nodes, same

_LOAD_S = 0.6  # a victim dies at a random moment of so much load
_START_S = 0.9  # or while it starts
_STARTING_SHARE = 0.25
_STEPS_MAX = 30  # so that all of it can be asked for in one answer in the end


@dataclass
class Tally:
    """What came of it."""

    under_load: int = 0
    starting: int = 0
    acknowledged: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # by node: ids of commits


class _Load:
    """Somebody who works with a node until it dies."""

    def __init__(self, node: NodeProcess, room: str, dice: random.Random) -> None:
        self._node, self._room, self._dice = node, room, dice
        self._over = threading.Event()
        self.acknowledged: list[str] = []
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def end(self) -> list[str]:
        """Stop it; the ids of the commits that were acknowledged."""
        self._over.set()
        self._thread.join()
        return self.acknowledged

    def _work(self) -> None:
        steps: list[Callable[[], list[str]]] = [
            self._send,
            self._send,
            self._send,
            self._send,
            self._react,
            self._invite,
        ]
        try:
            for _ in range(_STEPS_MAX):
                if self._over.is_set():
                    return
                self.acknowledged += self._dice.choice(steps)()
        except SwarmchatError:
            return  # it died in the middle of this

    def _send(self) -> list[str]:
        text = f"{self._node.name} {self._dice.randrange(10**9)}"
        return [self._node.call("message.send", conversation=self._room, text=text)["id"]]

    def _react(self) -> list[str]:
        line = self._node.log(self._room)[-1]
        if line["type"] != "text/plain":
            return []
        return [self._node.call("message.react", conversation=self._room, message=line["id"], reaction="+")["id"]]

    def _invite(self) -> list[str]:
        """Somebody is invited, and a ballot is begun to ban them: half of the admins' votes."""
        guest = f"{self._dice.randrange(2**160):040x}"
        invited = self._node.call("member.invite", conversation=self._room, accounts=[guest])
        voted = self._node.call("member.ban", conversation=self._room, target=guest)
        return [*(row["commit"] for row in invited), *voted["commits"]]


def play(folder: Path, moments: int, seed: int, told: Callable[[str], None] = lambda line: None) -> Tally:
    """Kill one of two daemons, or both, `moments` times; AssertionError says what was lost, or did not start or converge."""
    dice = random.Random(seed)
    tally = Tally()
    with nodes(folder, "Ann", "Ben") as (ann, ben):
        for node in (ann, ben):
            fixed = (*node.options[:1], str(node.listen), *node.options[2:])
            node.stop()
            node.options = fixed  # the same port at every start, so that the other finds it again
            node.start()
        introduce(ann, ben)
        room = found_room(ann, ben)
        ann.call("member.promote", conversation=room, target=ben.account)
        for moment in range(moments):
            victims = dice.choice([[ann], [ben], [ann, ben]])
            if dice.random() < _STARTING_SHARE:
                _kill_while_starting(victims, dice)
                tally.starting += 1
            else:
                _kill_under_load([ann, ben], victims, room, dice, tally)
                tally.under_load += 1
            for victim in victims:
                victim.start()
                _require(tally.acknowledged[victim.name], victim, room, f"after moment {moment} of seed {seed}")
            if moment % 10 == 9:
                count = sum(map(len, tally.acknowledged.values()))
                told(f"{moment + 1} kills, {count} acknowledged, in step after {same(room, ann, ben):.1f} s")
        same(room, ann, ben)
        for node in (ann, ben):
            everything = [commit for commits in tally.acknowledged.values() for commit in commits]
            _require(everything, node, room, f"in the end, seed {seed}")
            assert node.did("verify", room)["valid"]
    return tally


def _kill_under_load(
    everybody: Sequence[NodeProcess], victims: Sequence[NodeProcess], room: str, dice: random.Random, tally: Tally
) -> None:
    loads = [_Load(node, room, random.Random(dice.random())) for node in everybody]
    threading.Event().wait(dice.uniform(0.0, _LOAD_S))
    for victim in victims:
        assert victim.process is not None
        victim.process.kill()
    for node, load in zip(everybody, loads, strict=True):
        tally.acknowledged[node.name] += load.end()
    for victim in victims:
        victim.kill()


def _kill_while_starting(victims: Sequence[NodeProcess], dice: random.Random) -> None:
    for victim in victims:
        victim.kill()
        victim.spawn()
    threading.Event().wait(dice.uniform(0.0, _START_S))
    for victim in victims:
        victim.kill()


def _require(commits: Sequence[str], node: NodeProcess, room: str, when: str) -> None:
    kept = {commit["id"] for commit in node.call("graph", conversation=room, limit=API_LIST_MAX)["commits"]}
    lost = sorted(set(commits) - kept)
    assert not lost, f"{node.name} lost {lost} {when}"
