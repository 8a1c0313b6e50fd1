"""Logs that trade packs in any order come to the same conversation, whoever forks, bans, forges or forgets. (SCP-02 §6, §7)"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support.sim import runs
from tests.support.sim.logs import FORGERIES, WEIGHTS

SEEDS = 50
MUST_HAPPEN = {*WEIGHTS, *(f"forge: {kind}" for kind in FORGERIES), "merge", "effect changed"}


@pytest.mark.simulation
@pytest.mark.timeout(300)
def test_logs_converge_whatever_arrives_in_whatever_order() -> None:
    counts: Counter[str] = Counter()
    for result in runs.run_many("logs", range(SEEDS)):
        counts += result.counts
        assert result.failure is None, f"seed {result.script['seed']}: {runs.how(result)}\n{result.failure}"
    print(f"\n{SEEDS} seeds of logs: " + ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())))
    missing = MUST_HAPPEN - set(counts)
    assert not missing, f"the seeds did not try {sorted(missing)}"
