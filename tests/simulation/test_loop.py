"""The simulation's own ground: time that jumps, deadlocks that are told, wires that misbehave, and the real links above them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path

import pytest

from swarmchat.errors import LinkError
from swarmchat.links.connection_manager import ConnectionManager
from tests.support.linked import LinkedNode, identity
from tests.support.sim import loop as sim
from tests.support.sim.network import NamingSecurity, Network
from tests.support.sim.runtime import EPOCH, SimRuntime

ROOT = Path(__file__).parents[2]


# --- the loop


def test_an_hour_of_virtual_time_passes_at_once() -> None:
    async def main() -> float:
        runtime = SimRuntime(1)
        before = runtime.monotonic()
        await runtime.sleep(3600.0)
        return runtime.monotonic() - before

    assert sim.run(main) == pytest.approx(3600.0)


def test_timers_fire_in_the_order_of_their_times() -> None:
    fired: list[float] = []

    async def main() -> None:
        async def after(delay_s: float) -> None:
            await asyncio.sleep(delay_s)
            fired.append(delay_s)

        async with asyncio.TaskGroup() as tasks:
            for delay_s in (3.0, 1.0, 2.0):
                tasks.create_task(after(delay_s))

    sim.run(main)
    assert fired == [1.0, 2.0, 3.0]


def test_waiting_for_what_nobody_will_do_is_a_deadlock_that_names_the_place() -> None:
    async def wait_for_godot() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(sim.Deadlock, match="wait_for_godot"):
        sim.run(wait_for_godot)


def test_turning_without_end_is_a_livelock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sim, "TURNS_MAX", 100)

    async def spin() -> None:
        while True:  # noqa: ASYNC110
            await asyncio.sleep(0)

    with pytest.raises(sim.Livelock, match="spin"):
        sim.run(spin)


def test_a_run_that_takes_too_much_virtual_time_is_stopped() -> None:
    with pytest.raises(TimeoutError):
        sim.run(lambda: asyncio.sleep(100.0), limit_s=99.0)


@pytest.mark.parametrize(
    "work",
    [
        lambda: asyncio.to_thread(print),
        lambda: asyncio.open_connection("127.0.0.1", 1),
        lambda: asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0),
    ],
    ids=["threads", "sockets", "servers"],
)
def test_threads_and_sockets_are_refused(work: object) -> None:
    async def main() -> None:
        await work()  # type: ignore[operator]

    with pytest.raises(AssertionError, match="a simulation"):
        sim.run(main)


def test_a_task_that_is_left_is_told() -> None:
    async def main() -> None:
        main.left = asyncio.get_running_loop().create_task(asyncio.sleep(5.0), name="left behind")  # type: ignore[attr-defined]

    with pytest.raises(AssertionError, match="left behind"):
        sim.run(main)


def test_an_exception_that_nobody_saw_is_told() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    async def main() -> None:
        asyncio.get_running_loop().create_task(fail())
        await asyncio.sleep(1.0)

    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        sim.run(main)


# --- the runtime


def test_the_wall_clock_is_skewed_and_the_other_clock_is_not() -> None:
    async def main() -> None:
        right, wrong = SimRuntime(1), SimRuntime(1, skew_s=-90.0)
        assert right.now() == EPOCH
        assert wrong.now() == EPOCH - 90.0
        assert wrong.monotonic() == right.monotonic()

    sim.run(main)


def test_the_same_seed_throws_the_same_dice_and_another_does_not() -> None:
    one, same, other = SimRuntime("a"), SimRuntime("a"), SimRuntime("b")
    assert one.entropy(16) == same.entropy(16) != other.entropy(16)
    assert one.random() == same.random() != other.random()


def test_offloaded_work_lets_others_run_and_gives_its_result_or_its_fault() -> None:
    async def main() -> None:
        runtime = SimRuntime(1)
        order: list[str] = []

        async def work() -> None:
            assert await runtime.offload(lambda n: order.append("worked") or n + 1, 1) == 2
            with pytest.raises(KeyError):
                await runtime.offload({}.__getitem__, "x")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(work())
            await asyncio.sleep(0)
            order.append("others")
        assert order == ["others", "worked"]

    sim.run(main)


def test_offloaded_work_goes_on_when_its_waiter_is_cancelled_but_not_when_the_process_is_killed() -> None:
    async def main() -> list[str]:
        done: list[str] = []
        living, killed = SimRuntime(1), SimRuntime(2)
        async with asyncio.TaskGroup() as tasks:
            waiter = tasks.create_task(living.offload(done.append, "living"))
            tasks.create_task(killed.offload(done.append, "killed"))
            await asyncio.sleep(0)
            waiter.cancel()
            killed.kill()
        await asyncio.sleep(1.0)
        return done

    assert sim.run(main) == ["living"]


# --- the wires, under real links


class Pair:
    """Two linked nodes on a network: 1 dials 2."""

    def __init__(self, seed: int = 1, trace: sim.Trace | None = None) -> None:
        self.network = Network(seed, trace or sim.Trace(keep=True))
        self.one, self.two = self.node(1), self.node(2)

    def node(self, number: int) -> LinkedNode:
        who = identity(number, now=int(EPOCH) - 3600)
        runtime = SimRuntime(number)
        node = LinkedNode(who, runtime=runtime, carrier=self.network.carrier(f"10.0.0.{number}"))
        security = NamingSecurity(who, runtime.now, node.policy.revoked)
        manager = node.manager
        assert isinstance(manager, ConnectionManager)
        manager._security = security
        return node

    def play(self, scene: Coroutine[object, object, None] | object) -> None:
        async def main() -> None:
            async with self.one.running(), self.two.running() as address:
                self.link = await self.one.manager.dial(None, [address])
                await scene(self)  # type: ignore[operator]

        sim.run(main, trace=self.network.trace, limit_s=3600.0)


async def talk(pair: Pair, count: int = 3) -> None:
    channel, _ = await pair.link.open_channel("sync")
    for number in range(count):
        await channel.send({"n": number, "fill": b"x" * 40_000})
        assert (await channel.receive() or {})["n"] == number
    channel.close()


def test_real_links_talk_over_the_simulated_network() -> None:
    pair = Pair()
    pair.play(talk)
    assert [line[:4] for line in pair.two.diary] == ["up 1"[:3] + pair.one.identity.peer.account[0], "down"]
    assert pair.link.path == "sim 10.0.0.2:40001"


def test_a_link_survives_a_short_partition_and_what_was_said_arrives() -> None:
    async def scene(pair: Pair) -> None:
        channel, _ = await pair.link.open_channel("sync")
        pair.network.partition([["10.0.0.1"], ["10.0.0.2"]])
        await channel.send({"n": 1})
        await asyncio.sleep(12.0)
        pair.network.heal()
        assert await channel.receive() == {"n": 1}

    Pair().play(scene)


def test_a_link_over_a_long_partition_ends_and_dials_wait_until_it_is_healed() -> None:
    async def scene(pair: Pair) -> None:
        address = pair.link.address
        pair.network.partition([["10.0.0.1"], ["10.0.0.2"]])
        await pair.link.closed
        with pytest.raises(LinkError, match="no answer in 10 s"):
            await pair.one.manager.dial(None, [address])
        asyncio.get_running_loop().call_later(5.0, pair.network.heal)
        assert (await pair.one.manager.dial(None, [address])).is_up

    Pair().play(scene)


def test_a_cut_ends_both_sides_and_a_stall_delays_them() -> None:
    async def scene(pair: Pair) -> None:
        (streams,) = pair.network.standing()
        pair.network.stall(streams, 4.0)
        before = asyncio.get_running_loop().time()
        assert await pair.link.ping() == pytest.approx(asyncio.get_running_loop().time() - before)
        assert asyncio.get_running_loop().time() - before >= 4.0
        pair.network.cut(streams)
        assert await pair.link.closed == "connection reset"
        await pair.two.until("down")
        assert not pair.network.standing()

    Pair().play(scene)


@pytest.mark.parametrize("silently", [False, True])
def test_a_node_that_vanishes_is_noticed(silently: bool) -> None:
    async def scene(pair: Pair) -> None:
        address = pair.link.address
        pair.network.unplug("10.0.0.2", silently=silently)
        before = asyncio.get_running_loop().time()
        await pair.link.closed
        waited = asyncio.get_running_loop().time() - before
        assert waited > 15.0 if silently else waited < 1.0
        with pytest.raises(LinkError, match="refuses"):
            await pair.one.manager.dial(None, [address])

    Pair().play(scene)


def test_much_is_sent_through_a_congested_stream_whole_and_in_order() -> None:
    async def scene(pair: Pair) -> None:
        channel, _ = await pair.link.open_channel("sync")
        filler = b"x" * 60_000

        async def send() -> None:
            for number in range(30):
                await channel.send({"n": number, "fill": filler})

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(send())
            for number in range(30):
                assert await channel.receive() == {"n": number, "fill": filler}

    Pair().play(scene)


def test_a_revoked_device_gets_no_link() -> None:
    pair = Pair()
    own = pair.one.identity.peer
    pair.two.policy.revocations[own.account] = frozenset({bytes.fromhex(own.device)[:16]})

    async def scene(_: Pair) -> None:
        raise AssertionError("a link came up")

    with pytest.raises((LinkError, ExceptionGroup)):
        pair.play(scene)
    assert pair.two.diary == []


# --- the same seed, the same run


def digest(seed: int) -> str:
    """The trace of two nodes that talk while their wire misbehaves."""

    async def scene(pair: Pair) -> None:
        await talk(pair)
        (streams,) = pair.network.standing()
        pair.network.stall(streams, 2.0)
        await pair.link.ping()

    pair = Pair(seed)
    pair.play(scene)
    return pair.network.trace.digest


def test_the_same_seed_gives_the_same_trace_and_another_seed_another() -> None:
    assert digest(1) == digest(1) != digest(2)


def test_the_trace_does_not_depend_on_the_hash_seed_of_the_process() -> None:
    code = "from tests.simulation.test_loop import digest; print(digest(1))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for hash_seed in ("0", "1", "2")
    }
    assert found == {digest(1)}
