"""The command line as a process of its own, talking to a door over its socket."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from swarmchat.api.server import serve
from swarmchat.errors import RefusedError
from tests.support.fake_commands import ANSWERS, FakeCommands

Said = tuple[int, str, str]


class World:
    """A pretended node behind a real socket, and processes that talk to it."""

    def __init__(self, home: Path, node: FakeCommands) -> None:
        self._home = home
        self.node = node

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        command = [sys.executable, "-m", "swarmchat", "--home", str(self._home), *words]
        return await asyncio.create_subprocess_exec(
            *command, stdin=-1, stdout=-1, stderr=-1, env={**os.environ, "TZ": "UTC"}
        )

    async def run(self, *words: str, said: bytes = b"") -> Said:
        process = await self.start(*words)
        out, err = await process.communicate(said)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


def play(home: Path, scene: Callable[[World], Awaitable[None]]) -> None:
    """Run a scene while the door is open."""

    async def run() -> None:
        node = FakeCommands()
        async with serve(node, home / "control.sock"):
            await scene(World(home, node))

    asyncio.run(asyncio.wait_for(run(), 30))


def test_commands_go_to_the_daemon_and_errors_come_back_as_they_were(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        assert await world.run("send", "boats", "-", said="né\n".encode()) == (0, "f1" * 20 + "\n", "")
        assert world.node.calls == [("message.send", {"conversation": "boats", "text": "né"})]
        world.node.answers["member.kick"] = RefusedError("only an admin", data={"rule": "SCP-02 §5.4"})
        status, out, err = await world.run("kick", "boats", "bob", "--json")
        assert (status, out, json.loads(err)["error"]["data"]) == (4, "", {"rule": "SCP-02 §5.4"})
        status, out, _ = await world.run("daemon", "status")
        assert (status, out.split()[:3]) == (0, ["running", "process", "4711,"])
        status, out, err = await world.run("daemon", "start", "--json")
        assert (status, json.loads(out), err) == (0, ANSWERS["daemon.status"], "")
        assert (await world.run("daemon", "stop"))[:2] == (0, "stopped process 4711\n")

    play(tmp_path, scene)


def test_events_are_followed_until_ctrl_c(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        await world.node.happen("message.added", conversation="c" * 40)
        process = await world.start("events", "--follow", "--since", "0", "--json")
        assert process.stdout is not None
        assert json.loads(await process.stdout.readline())["id"] == 1
        await world.node.happen("typing")
        assert json.loads(await process.stdout.readline())["id"] == 2
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
        assert (process.returncode, out, err.strip()) == (130, b"", b"")

    play(tmp_path, scene)


def test_a_follower_is_told_when_the_daemon_stops_and_goes_on_when_it_is_back(tmp_path: Path) -> None:
    async def run() -> None:
        node = FakeCommands()
        await node.happen("typing")
        async with serve(node, tmp_path / "control.sock"):
            process = await World(tmp_path, node).start("events", "--follow", "--since", "0")
            assert process.stdout is not None
            assert process.stderr is not None
            assert (await process.stdout.readline()).startswith(b"1 ")
        assert b"the daemon stops; waiting for it" in await process.stderr.readline()
        await node.happen("read")
        async with serve(node, tmp_path / "control.sock"):
            assert (await process.stdout.readline()).startswith(b"2 ")
            assert b"the daemon is back" in await process.stderr.readline()
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 130

    asyncio.run(asyncio.wait_for(run(), 30))


def test_rpc_carries_calls_and_subscriptions_both_ways(tmp_path: Path) -> None:
    def line(call_id: int, method: str, **params: Any) -> bytes:
        return json.dumps({"jsonrpc": "2.0", "id": call_id, "method": method, "params": params}).encode() + b"\n"

    async def scene(world: World) -> None:
        await world.node.happen("typing")
        process = await world.start("rpc")
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line(1, "events.subscribe", since=0))
        assert json.loads(await process.stdout.readline())["result"] == {"since": 0}
        assert json.loads(await process.stdout.readline())["params"]["id"] == 1
        process.stdin.write(line(2, "account.show") + b"rubbish\n")
        replies = [json.loads(await process.stdout.readline()) for _ in range(2)]
        assert {reply["id"] for reply in replies} == {2, None}
        process.stdin.write_eof()
        assert await process.wait() == 0

    play(tmp_path, scene)


def test_without_a_daemon_network_commands_end_with_status_5(tmp_path: Path) -> None:
    async def run() -> list[Said]:
        world = World(tmp_path, FakeCommands())
        return [await world.run(*words) for words in (["peers"], ["tail"], ["send", "boats", "hi", "--wait", "any"])]

    for status, out, err in asyncio.run(run()):
        assert (status, out) == (5, "")
        assert err == "error: no daemon is running\nhint: swarmchat daemon start\n"
