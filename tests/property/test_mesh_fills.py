"""Random ticks, rosters and failures at the mesh: nobody is dialled twice at once, and when the trouble ends it is full."""

from __future__ import annotations

import random

import pytest

from swarmchat.ids import AccountId, DeviceId
from swarmchat.limits import BACKOFF_MAX_S
from swarmchat.swarm.mesh import Dial, HangUp, Mesh, Target, WakeAt, Wish, stray

DEVICES = [DeviceId(f"{number:064x}") for number in range(1, 9)]
ACCOUNTS = [AccountId(f"{number:040x}") for number in range(1, 4)]
OWNER = {device: ACCOUNTS[number % len(ACCOUNTS)] for number, device in enumerate(DEVICES)}
STRAYS = [stray("a"), stray("b")]
TARGETS: list[Target] = [*DEVICES, *ACCOUNTS, *STRAYS]


class Shell:
    """Keeps the books that a connector would."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.mesh = Mesh(DeviceId("f" * 64), dice.random)
        self.now = 0.0
        self.dialing: set[Target] = set()
        self.linked: set[DeviceId] = set()
        self.wake_at: float | None = None

    def carry_out(self, wishes: list[Wish]) -> None:
        for wish in wishes:
            match wish:
                case Dial(target):
                    assert target not in self.dialing, "dialled twice at once"
                    assert target not in self.linked, "dialled though linked"
                    self.dialing.add(target)
                case HangUp(target):
                    self.dialing.discard(target)
                    if target in self.linked:
                        self.down(DeviceId(target))
                case WakeAt(time_s):
                    self.wake_at = time_s

    def up(self, device: DeviceId, dialled: Target | None = None) -> None:
        self.linked.add(device)
        self.mesh.link_up(device, OWNER[device], self.now)
        if dialled is not None:
            self.mesh.link_up(device, OWNER[device], self.now, dialled=dialled)
        self.dialing -= {device, OWNER[device], dialled}

    def down(self, device: DeviceId) -> None:
        self.linked.discard(device)
        self.carry_out(self.mesh.link_down(device, self.now, useful=self.dice.random() < 0.5))

    def finish(self, target: Target, *, works: bool) -> None:
        if not works:
            self.dialing.discard(target)
            self.carry_out(self.mesh.failed(target, self.now))
            return
        device = next(
            (each for each in DEVICES if target in {each, OWNER[each]}),
            DEVICES[STRAYS.index(target) if target in STRAYS else 0],  # type: ignore[arg-type]
        )
        self.up(device, target)


@pytest.mark.parametrize("seed", range(100))
def test_never_dialled_twice_and_full_when_the_trouble_ends(seed: int) -> None:
    dice = random.Random(seed)
    shell = Shell(dice)
    wanted: list[Target] = []
    for _ in range(300):
        shell.now += dice.random() * dice.choice((0.1, 1.0, 30.0))
        match dice.randrange(7):
            case 0:
                wanted = dice.sample(TARGETS, dice.randrange(len(TARGETS)))
                shell.carry_out(shell.mesh.wants(wanted, shell.now))
            case 1 if shell.dialing:
                shell.finish(dice.choice(sorted(shell.dialing)), works=dice.random() < 0.4)
            case 2:
                shell.up(dice.choice(DEVICES))
            case 3 if shell.linked:
                shell.down(dice.choice(sorted(shell.linked)))
            case 4:
                shell.carry_out(shell.mesh.sighted(dice.choice(TARGETS), shell.now))
            case 5 if dice.random() < 0.1:
                shell.carry_out(shell.mesh.network_changed(shell.now))
            case _:
                shell.carry_out(shell.mesh.tick(shell.now))
        assert shell.dialing == {target for target in TARGETS if shell.mesh.is_dialing(target)}
    for _ in range(40):
        for target in sorted(shell.dialing):
            if target in shell.dialing:
                shell.finish(target, works=True)
        shell.now += BACKOFF_MAX_S
        shell.carry_out(shell.mesh.tick(shell.now))
    assert not shell.dialing
    met = shell.linked | {OWNER[device] for device in shell.linked} | set(shell.mesh._met)
    assert set(wanted) <= met
