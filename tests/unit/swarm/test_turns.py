"""Turns: so many at once in all, so many of one device."""

from __future__ import annotations

import asyncio

from swarmchat.ids import DeviceId
from swarmchat.swarm.turns import Turns


def test_one_device_never_holds_every_turn_and_gives_back_what_it_had() -> None:
    async def main() -> None:
        turns, running, most = Turns(3, 2), list[str](), 0
        go = asyncio.Event()

        async def pull(name: str) -> None:
            nonlocal most
            async with turns.of(DeviceId(name[0] * 64)):
                running.append(name)
                most = max(most, len(running))
                await go.wait()
                running.remove(name)

        tasks = [asyncio.create_task(pull(name)) for name in ("a1", "a2", "a3", "b1", "b2", "c1")]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert running == ["a1", "a2", "b1"]
        tasks[0].cancel()
        go.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (running, most) == (["a1"], 3)  # who was cancelled has not taken itself off the list
        assert not turns._queues
        async with turns.of(DeviceId("a" * 64)), turns.of(DeviceId("a" * 64)), turns.of(DeviceId("b" * 64)):
            pass

    asyncio.run(main())
