"""kill -9 at seeded moments, under load and while starting: nothing acknowledged is lost, the next start works. (SCP-08 §1.1)"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.faults import kills

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

SEED = 20261121
MOMENTS = 20  # `scripts/crash --kills 200` plays more


def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    tally = kills.play(tmp_path, MOMENTS, SEED, print)
    assert tally.under_load + tally.starting == MOMENTS
    assert tally.starting
    assert sum(map(len, tally.acknowledged.values())) > MOMENTS
