"""What fails is made small by itself: proven with rules that are broken on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from swarmchat.conversation import timeline
from tests.support.sim import runs
from tests.support.sim.runs import Result
from tests.support.sim.shrinking import shrink


def quiet(_line: str) -> None:
    pass


def script(*kinds: str, **rest: Any) -> dict[str, Any]:
    steps = [{"do": kind, "by": number, "picks": [number, 0], "wait": 3.0} for number, kind in enumerate(kinds)]
    cast = [["alice", 1], ["bob", 1], ["carol", 1], ["carol", 2]]
    return {"world": "swarm", "seed": 0, "cast": cast, "late": 1, "loss": 0.5, **rest, "steps": steps}


def fails_if(holds: Any) -> Any:
    def play(candidate: Mapping[str, Any]) -> Result:
        return Result(candidate, failure="AssertionError: broken" if holds(candidate) else None)

    return play


def kinds(candidate: Mapping[str, Any]) -> list[str]:
    return [step["do"] for step in candidate["steps"]]


def test_only_the_steps_that_it_takes_are_left() -> None:
    play = fails_if(lambda candidate: {"ban", "crash"} <= set(kinds(candidate)))
    found = shrink(script("post", "ban", "post", "edit", "crash", "post", "leave"), play=play, tell=quiet)
    assert kinds(found.script) == ["ban", "crash"]


def test_devices_troubles_and_waits_that_it_does_not_take_are_left_out() -> None:
    play = fails_if(lambda candidate: "post" in kinds(candidate) and len(candidate["cast"]) >= 3)
    found = shrink(script("post", "ban", hostile=[], slow=[1], clocks=[0, 5, 0, 0]), play=play, tell=quiet).script
    assert found["cast"] == [["alice", 1], ["bob", 1], ["carol", 1]]
    assert (found["late"], found["loss"], found["slow"], found["clocks"]) == (0, 0.0, [], [])
    assert [step["wait"] for step in found["steps"]] == [0.0]


def test_who_goes_takes_his_steps_along_and_the_others_keep_theirs() -> None:
    play = fails_if(lambda candidate: [step["by"] for step in candidate["steps"]][-1:] == [len(candidate["cast"]) - 1])
    found = shrink(script("post", "ban", "edit", "react", hostile=[2], stubborn=3), play=play, tell=quiet).script
    assert found["cast"] == [["alice", 1], ["carol", 1], ["carol", 2]]
    assert (found["hostile"], [step["by"] for step in found["steps"]]) == ([1], [2])


def test_another_failure_is_not_taken_for_it() -> None:
    def play(candidate: Mapping[str, Any]) -> Result:
        kind = "AssertionError: one" if "ban" in kinds(candidate) else "AssertionError: another"
        return Result(candidate, failure=kind)

    assert kinds(shrink(script("post", "ban", "post"), play=play, tell=quiet).script) == ["ban"]


@pytest.mark.simulation
@pytest.mark.timeout(300)
def test_a_broken_rule_is_found_and_comes_down_to_a_replay_of_a_few_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of concurrent messages is made the order of arrival, where SCP-02 §8.1 wants time and id."""
    monkeypatch.setattr(timeline, "_key", lambda _history, number: (number, ""))
    small = (made for seed in range(200) if len((made := runs.script_of("swarm", seed))["cast"]) <= 4)
    failing = next(found for made in small if (found := runs.run(made)).failure)
    assert "another order" in failing.sort
    found = shrink(failing.script, tell=quiet)
    assert len(found.script["steps"]) <= 5 < len(failing.script["steps"])
    monkeypatch.setattr(runs, "REPLAYS", tmp_path)
    path = runs.keep(found.script, "order-of-arrival")
    assert "another order" in runs.run(runs.kept(path)).sort
    monkeypatch.undo()
    assert runs.run(runs.kept(path)).failure is None


def test_what_does_not_fail_is_not_shrunk() -> None:
    with pytest.raises(ValueError, match="does not fail"):
        shrink(script("post"), play=fails_if(lambda _: False), tell=quiet)
