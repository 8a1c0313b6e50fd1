"""A swarm over 24 hours of virtual time, most of them idle: see `world`."""

from __future__ import annotations

from tests.support.sim import scripts
from tests.support.sim.world import play

__all__ = ["play", "script"]

script = scripts.day
