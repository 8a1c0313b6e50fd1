"""Scripts played: one, many on all cores, a kept one again, a failing one shrunk. What `scripts/sim` and the tests call."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import re
import shutil
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.sim.loop import Trace

Script = Mapping[str, Any]
WORLDS = {
    "swarm": "tests.support.sim.world",
    "day": "tests.support.sim.day",
    "abroad": "tests.support.sim.abroad",
    "logs": "tests.support.sim.logs",
}  # each has `script` and `play`
REPLAYS = Path(__file__).resolve().parents[2] / "simulation" / "replays"


@dataclass(frozen=True)
class Result:
    """What came of one script; `failure` is None or the traceback."""

    script: Script
    counts: Counter[str] = field(default_factory=Counter)
    digest: str = ""
    lines: tuple[str, ...] = ()
    failure: str | None = None

    @property
    def sort(self) -> str:
        """What kind of failure: the last line without what differs from run to run."""
        lines = [line for line in (self.failure or "").splitlines() if line and not line.startswith(" ")]
        heads = [line for line in lines if not line.startswith("Traceback")]
        return re.sub(r"[0-9a-f]{8,}|\d+", "N", heads[0])[:80] if heads else ""


@contextmanager
def disk() -> Iterator[Path]:
    """A folder in memory where there is such a thing, gone afterwards."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="swarmchat-sim-", dir=memory if os.access(memory, os.W_OK) else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(script: Script, *, keep: bool = False) -> Result:
    """Play one script; `keep` the lines of its trace."""
    trace = Trace(keep=keep)
    counts: Counter[str] = Counter()
    failure = None
    with disk() as folder:
        try:
            _world(script["world"]).play(script, folder, trace=trace, counts=counts)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what was looked for
            failure = "".join("".join(traceback.format_exception(leaf)) for leaf in _leaves(error))
    return Result(script, counts, trace.digest, tuple(trace.lines), failure)


def script_of(world: str, seed: int) -> Script:
    """The script of a seed."""
    found: Script = _world(world).script(seed)
    return found


def run_seed(world: str, seed: int) -> Result:
    """Play the script of a seed."""
    return run(script_of(world, seed))


def run_many(world: str, seeds: Iterable[int], *, workers: int | None = None) -> Iterator[Result]:
    """Play the scripts of many seeds on all cores, and give the results in order."""
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(workers or os.cpu_count(), mp_context=context) as pool:
        todo = list(seeds)
        yield from pool.map(run_seed, [world] * len(todo), todo, chunksize=4)


def how(result: Result) -> str:
    """How to see it again."""
    script = result.script
    world_flag = "" if script["world"] == "swarm" else f" --world {script['world']}"
    return f"scripts/sim{world_flag} --seed {script['seed']} --trace   (smaller: scripts/sim{world_flag} --seed {script['seed']} --shrink)"


def keep(script: Script, name: str) -> Path:
    """Write a script to where it is played by the tests for ever."""
    REPLAYS.mkdir(exist_ok=True)
    path = REPLAYS / f"{name}.json"
    steps = ",\n  ".join(json.dumps(step) for step in script["steps"])
    head = ",\n ".join(f"{json.dumps(key)}: {json.dumps(script[key])}" for key in script if key != "steps")
    path.write_text(f'{{{head},\n "steps": [\n  {steps}\n]}}\n', encoding="utf-8")
    return path


def _leaves(error: BaseException) -> list[BaseException]:
    """The errors in a group of groups; a fault of the code before what the oracles saw of it."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    leaves = [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return sorted(leaves, key=lambda leaf: isinstance(leaf, AssertionError))


def _world(name: str) -> Any:
    return importlib.import_module(WORLDS[name])


def kept(path: Path) -> Script:
    """A script that was kept."""
    found: Script = json.loads(path.read_text(encoding="utf-8"))
    return found
