"""Scenes for tests of settle: a founded group and whole ballots, for the model and for the law alike."""

from __future__ import annotations

from typing import Any

from tests.support.settle_model import Act, RefusedError

World = Any  # settle_model.Model or settle_group.Group: the same methods, each with its own handles for commits
Handle = Any


class Scene:
    """A group of admins A0 (the creator), A1, … and members M0, …; `tip` is where the founding ended, `at` its stations.

    `join A1` is the commit by which A1 joined, `promote A1` the one that made it an admin.
    """

    def __init__(self, world: World, admins: int, members: int = 0) -> None:
        self.world = world
        self.at: dict[str, Handle] = {"root": world.root}
        self.tip: Handle = world.root
        names = [f"A{number}" for number in range(1, admins)] + [f"M{number}" for number in range(members)]
        for who in names:
            self.tip = self.at[f"join {who}"] = self.enter(self.tip, who)
        for number in range(1, admins):
            who = f"A{number}"
            self.tip = self.at[f"promote {who}"] = self.promote(self.tip, who, [f"A{n}" for n in range(number)])

    def write(self, parent: Handle, who: str, *act: Any, device: int = 1, salt: object = 0) -> Handle:
        return self.world.write(parent, who, act, device, salt)

    def refuses(self, parent: Handle, who: str, *act: Any, device: int = 1) -> bool:
        """Whether the law keeps the commit out."""
        try:
            self.world.write(parent, who, tuple(act), device, "refused")
        except RefusedError:
            return True
        return False

    def enter(self, tip: Handle, who: str, by: str = "A0", salt: object = 0) -> Handle:
        tip = self.write(tip, by, "add", who, salt=salt)
        return self.write(tip, who, "join", salt=salt)

    def promote(self, tip: Handle, who: str, admins: list[str], salt: object = 0) -> Handle:
        """By just as many of `admins` as it takes when these are all."""
        if len(admins) == 1:
            return self.write(tip, admins[0], "promote", who, salt=salt)
        return self.ballot(tip, "promote", who, admins[: len(admins) // 2 + 1], resolver=admins[0], salt=salt)

    def votes(self, tip: Handle, kind: str, target: str, voters: list[str], *, salt: object = 0) -> Handle:
        for voter in voters:
            tip = self.write(tip, voter, "vote", kind, target, salt=salt)
        return tip

    def ballot(
        self, tip: Handle, kind: str, target: str, voters: list[str], *, resolver: str | None = None, salt: object = 0
    ) -> Handle:
        """All votes, then the resolution by the last voter or by `resolver`."""
        tip = self.votes(tip, kind, target, voters, salt=salt)
        return self.write(tip, resolver or voters[-1], kind, target, salt=salt)

    def chain(self, tip: Handle, *steps: tuple[str, Act], salt: object = 0) -> Handle:
        for who, act in steps:
            tip = self.write(tip, who, *act, salt=salt)
        return tip

    def settle(self, *heads: Handle) -> Any:
        return self.world.settle(*heads)
