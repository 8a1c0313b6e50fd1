"""The client for programs that live in an event loop, at a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from swarmchat.api.asyncclient import AsyncClient
from swarmchat.api.server import serve
from swarmchat.errors import DeliveryTimeout, UnreachableError, UserError
from tests.support.fake_commands import ANSWERS, REFUSAL, ROOM, FakeCommands

Scene = Callable[[FakeCommands, AsyncClient], Awaitable[None]]


def at_node(folder: Path, scene: Scene) -> None:
    async def run() -> None:
        node = FakeCommands()
        async with serve(node, folder / "s"), await AsyncClient.connect(folder / "s") as client:
            await scene(node, client)

    asyncio.run(asyncio.wait_for(run(), 20))


def test_calls_are_answered_each_to_who_asked(tmp_path: Path) -> None:
    async def scene(node: FakeCommands, client: AsyncClient) -> None:
        node.answers["message.read"] = REFUSAL
        account, rooms = await asyncio.gather(client.call("account.show"), client.call("conversation.list"))
        assert (account, rooms) == (ANSWERS["account.show"], ANSWERS["conversation.list"])
        with pytest.raises(UserError) as caught:
            await client.call("message.read", conversation=ROOM, message=None)
        assert caught.value.data == REFUSAL.data
        assert node.calls[-1] == ("message.read", {"conversation": ROOM})

    at_node(tmp_path, scene)


def test_an_answer_that_came_too_late_is_nobody_elses(tmp_path: Path) -> None:
    async def scene(node: FakeCommands, client: AsyncClient) -> None:
        late = asyncio.Event()

        async def slow(**_params: Any) -> Any:
            await late.wait()
            return "late"

        node.answers["message.list"] = slow
        with pytest.raises(DeliveryTimeout, match=r"within 0\.05 s"):
            await client.call("message.list", conversation=ROOM, timeout_s=0.05)
        late.set()
        assert await client.call("account.show") == ANSWERS["account.show"]

    at_node(tmp_path, scene)


def test_events_come_beside_calls_and_a_gap_is_told(tmp_path: Path) -> None:
    async def scene(node: FakeCommands, client: AsyncClient) -> None:
        node.dropped = 2
        await node.happen("c")
        heard = []
        async with aclosing(client.events(since=0)) as events:
            async for event in events:
                heard.append(event["type"])
                if event["type"] == "c":
                    assert await client.call("account.show") == ANSWERS["account.show"]
                    await node.pass_by("typing")
                if event["type"] == "typing":
                    break
        assert heard == ["gap", "c", "typing"]

    at_node(tmp_path, scene)


def test_a_daemon_that_ends_says_so_and_one_that_is_not_there_too(tmp_path: Path) -> None:
    async def run() -> None:
        node = FakeCommands()
        async with serve(node, tmp_path / "s"):
            client = await AsyncClient.connect(tmp_path / "s")
            await node.happen("a")
            events = client.events(since=0)
            assert (await anext(events))["type"] == "a"
        with pytest.raises(UnreachableError, match="the daemon stops"):
            await anext(events)
        with pytest.raises(UnreachableError, match="went away"):
            await client.call("account.show")
        await client.close()
        with pytest.raises(UnreachableError, match="no daemon is running"):
            await AsyncClient.connect(tmp_path / "s")

    asyncio.run(asyncio.wait_for(run(), 20))
