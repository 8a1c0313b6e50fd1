"""Swarms of whole nodes in virtual time: whatever they do and whatever goes wrong, all are in step when it is over. (SCP-04, SCP-06)"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.support.sim import runs

SEEDS = 40
MUST_HAPPEN = {
    "merge",
    "second device",
    "pair in step",
    "receipt",
    "own devices in step",
    "setting",
    "block",
    "forgery refused",
    "post",
    "ban",
    "crash",
    "clock",
}
DAYS = 1
ABROAD = 20
ROOT = Path(__file__).parents[2]


def told(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))


def played(world: str, seeds: int) -> Counter[str]:
    """Play so many worlds of a kind, each of which has to hold; what happened in all of them."""
    counts: Counter[str] = Counter()
    for result in runs.run_many(world, range(seeds)):
        counts += result.counts
        assert result.failure is None, f"seed {result.script['seed']}: {runs.how(result)}\n{result.failure}"
    return counts


@pytest.mark.simulation
@pytest.mark.timeout(600)
def test_swarms_are_in_step_when_all_is_over() -> None:
    """SC-01"""
    counts = played("swarm", SEEDS)
    print(f"\n{SEEDS} seeds of swarms: {told(counts)}")
    missing = MUST_HAPPEN - set(counts)
    assert not missing, f"the seeds did not try {sorted(missing)}"


@pytest.mark.simulation
@pytest.mark.timeout(600)
def test_people_whom_only_a_dht_leads_together_are_in_step_when_all_is_over() -> None:
    counts = played("abroad", ABROAD)
    print(f"\n{ABROAD} seeds without a LAN: {told(counts)}")
    missing = {"pair in step", "put in the DHT", "accept", "partition", "crash", "second device"} - set(counts)
    assert not missing, f"the seeds did not try {sorted(missing)}"


@pytest.mark.simulation
@pytest.mark.timeout(600)
def test_a_day_mostly_idle_ends_in_step() -> None:
    counts = played("day", DAYS)
    assert counts["virtual seconds"] >= DAYS * 86_400
    print(f"\n{DAYS} days: {told(counts)}")


@pytest.mark.simulation
@pytest.mark.parametrize("path", sorted(runs.REPLAYS.glob("*.json")), ids=lambda path: path.stem)
def test_what_failed_once_does_not_fail_again(path: Path) -> None:
    result = runs.run(runs.kept(path))
    assert result.failure is None, f"scripts/sim --replay {path.relative_to(ROOT)} --trace\n{result.failure}"


@pytest.mark.simulation
@pytest.mark.parametrize(("world", "seed"), [("swarm", 14), ("abroad", 14)])
def test_the_same_seed_is_the_same_run_in_every_process(world: str, seed: int) -> None:
    code = f"from tests.support.sim import runs; print(runs.run_seed('{world}', {seed}).digest)"
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "1")
    }
    assert len(digests) == 1
