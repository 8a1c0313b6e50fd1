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


def test_as_many_turns_are_given_up_as_others_wait_for() -> None:
    async def main() -> None:
        turns, asked = Turns(2, 2), list[list[bool]]()
        looked, go = asyncio.Event(), asyncio.Event()

        async def pull(name: str) -> None:
            async with turns.of(DeviceId(name * 64)) as turn:
                await looked.wait()
                asked.append([turn.gives_way(), turn.gives_way()])
                await go.wait()

        tasks = [asyncio.create_task(pull(name)) for name in "aab"]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (turns.waiting, turns.given_up) == (1, 0)
        looked.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert asked == [[True, True], [False, False]]
        go.set()
        await asyncio.gather(*tasks)
        assert asked[2] == [False, False]
        assert (turns.waiting, turns.given_up) == (0, 0)

    asyncio.run(main())


def test_who_waits_for_another_turn_of_its_own_makes_nobody_give_way() -> None:
    async def main() -> None:
        turns = Turns(2, 1)
        async with turns.of(DeviceId("a" * 64)) as turn:
            task = asyncio.create_task(_take(turns, "a"))
            await asyncio.sleep(0)
            assert turns.waiting == 0
            assert not turn.gives_way()
            task.cancel()
            await asyncio.wait([task])
        task = asyncio.create_task(_take(turns, "a"))
        async with turns.of(DeviceId("b" * 64)), turns.of(DeviceId("c" * 64)):
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert turns.waiting == 0  # who was cancelled waits no more

    asyncio.run(main())


async def _take(turns: Turns, name: str) -> None:
    async with turns.of(DeviceId(name * 64)):
        await asyncio.get_running_loop().create_future()
