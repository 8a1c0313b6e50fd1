"""A node that stops says goodbye, and does not wait for that for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from swarmchat import limits
from tests.integration.node.test_sealing_keys import Clock, House


@pytest.mark.parametrize("farewell_s", [0.2, 60.0])
def test_goodbyes_have_their_time_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, farewell_s: float
) -> None:
    monkeypatch.setattr(limits, "FAREWELLS_S", 1.0)
    said: list[str] = []

    async def farewell(code: str) -> None:
        await asyncio.sleep(farewell_s)
        said.append(code)

    async def story() -> None:
        house = House(tmp_path / "ann", Clock())
        monkeypatch.setattr(house.node.swarm._board, "farewell", farewell)
        async with house:
            began = asyncio.get_running_loop().time()
        passed = asyncio.get_running_loop().time() - began
        in_time = farewell_s < limits.FAREWELLS_S
        assert said == (["closing"] if in_time else [])
        assert min(farewell_s, limits.FAREWELLS_S) - 0.05 < passed < 20
        assert house.task.cancelled()

    asyncio.run(story())
