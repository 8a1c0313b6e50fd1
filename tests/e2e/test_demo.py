"""The tour of the README."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def test_the_tour_holds_all_it_claims_within_a_minute() -> None:
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "swarmchat", "demo"], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "claims held" in done.stdout
    assert "✗" not in done.stdout
    assert time.monotonic() - started < 60
