"""A swarm without a LAN, led together by a DHT alone: see `world`."""

from __future__ import annotations

from tests.support.sim import scripts
from tests.support.sim.world import play

__all__ = ["play", "script"]

script = scripts.abroad
