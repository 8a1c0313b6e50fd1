"""A failing script made small: fewer steps, devices, troubles and seconds, as long as it fails in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.support.sim.runs import Result, Script, run

Tell = Callable[[str], None]
QUIET: dict[str, Any] = {"late": 0, "stubborn": None, "loss": 0.0, "slow": [], "clocks": []}


def shrink(script: Script, *, play: Callable[[Script], Result] = run, tell: Tell = print) -> Result:
    """The same failure with as little as can be found by leaving things out; ValueError if the script does not fail."""
    best = play(script)
    if best.failure is None:
        raise ValueError("this script does not fail")
    sort = best.sort

    def fails(candidate: Script) -> bool:
        nonlocal best
        result = play(candidate)
        if result.failure is None or result.sort != sort:
            return False
        best = result
        tell(f"{len(candidate['steps'])} steps, {len(candidate.get('cast', ()))} devices: {sort}")
        return True

    size = -1
    while size != _size(best.script):  # each kind of less may make room for another
        size = _size(best.script)
        _fewer_steps(best.script, fails)
        for smaller in (_fewer_devices, _calmer, _quicker):
            while any(fails(candidate) for candidate in smaller(best.script)):
                pass
    return best


def _size(script: Script) -> int:
    waits = sum(step.get("wait", 0) > 0 for step in script["steps"])
    troubles = sum(bool(script.get(key)) for key in QUIET)
    return 1 + len(script["steps"]) * 2 + waits + len(script.get("cast", ())) + troubles


def _fewer_steps(script: Script, fails: Callable[[Script], bool]) -> None:
    """Delta debugging: halves first, single steps last."""
    steps = list(script["steps"])
    size = max((len(steps) + 1) // 2, 1)
    while steps:
        at, shorter = 0, False
        while at < len(steps):
            fewer = [*steps[:at], *steps[at + size :]]
            if fails({**script, "steps": fewer}):
                steps, shorter = fewer, True
            else:
                at += size
        if size == 1 and not shorter:
            return
        size = max(size // 2, 1)


def _fewer_devices(script: Script) -> Iterator[Script]:
    """One device less; the steps of the others stay theirs."""
    cast = script.get("cast", [])
    for gone in range(len(cast) - 1, 0, -1):
        if len(cast) <= 2 or any(name == cast[gone][0] and number > cast[gone][1] for name, number in cast):
            continue  # a second device without a first has nobody to come from
        less: dict[str, Any] = {**script, "cast": _without(cast, gone)}
        for key in ("hostile", "slow"):
            less[key] = [number - (number > gone) for number in script.get(key, ()) if number != gone]
        less["clocks"] = _without(script.get("clocks", []), gone)
        stubborn = script.get("stubborn")
        if stubborn is not None:
            less["stubborn"] = None if stubborn == gone else stubborn - (stubborn > gone)
        less["steps"] = [
            {**step, "by": by - (by > gone)} for step in script["steps"] if (by := step["by"] % len(cast)) != gone
        ]
        yield less


def _calmer(script: Script) -> Iterator[Script]:
    """One trouble less that lasts all the while."""
    for key, quiet in QUIET.items():
        if script.get(key, quiet) != quiet:
            yield {**script, key: quiet}


def _quicker(script: Script) -> Iterator[Script]:
    """One wait less."""
    steps = script["steps"]
    for number, step in enumerate(steps):
        if step.get("wait", 0):
            yield {**script, "steps": [*steps[:number], {**step, "wait": 0.0}, *steps[number + 1 :]]}


def _without(things: list[Any], number: int) -> list[Any]:
    return [*things[:number], *things[number + 1 :]]
