"""Two nodes on the loopback interface of this machine, with real multicast. (SCP-05 §2)"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.discovery import lan as lan_module
from swarmchat.discovery.interfaces import Interface, Watcher
from swarmchat.discovery.lan import Lan, Sighting
from swarmchat.discovery.lantags import DAY_S, tag
from swarmchat.ids import DeviceId
from swarmchat.runtime import SystemRuntime
from tests.support.accounts import device

ANN, BOB = device(2 * os.getpid()), device(2 * os.getpid() + 1)  # the loopback interface is shared with other test runs
PORT = 4000
DAY = 20_000
LOOPBACK = [Interface("lo", "127.0.0.1")]


class Clock(SystemRuntime):
    """Real time for waiting, a day of our choice for the tags."""

    def __init__(self) -> None:
        self.today = float(DAY * DAY_S + 7200)

    def now(self) -> float:
        return self.today

    def random(self) -> float:
        return 0.25


class Node:
    def __init__(
        self,
        clock: Clock,
        own: DeviceId,
        other: DeviceId | None,
        *,
        interfaces: Callable[[], list[Interface]] = lambda: LOOPBACK,
        host: str = "0.0.0.0",
    ) -> None:
        self.known = [] if other is None else [other]
        self.seen: asyncio.Queue[Sighting] = asyncio.Queue()
        self.watcher = Watcher(clock, interfaces)
        self.lan = Lan(
            clock, device=own, listens=[Address(host, PORT)], known=lambda: self.known,
            on_sighting=self.seen.put_nowait, watcher=self.watcher,
        )  # fmt: skip

    async def expect(self, *, of: str, gone: bool = False) -> Sighting:
        """The next sighting with this tag; other nodes may be on this machine as well."""
        async with asyncio.timeout(10):
            while True:
                sighting = await self.seen.get()
                if (sighting.tag, sighting.gone) == (of, gone):
                    return sighting


@contextlib.asynccontextmanager
async def running(*nodes: Node) -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    async with asyncio.TaskGroup() as tasks:
        runs = [tasks.create_task(run()) for node in nodes for run in (node.watcher.run, node.lan.run)]
        yield
        for run in runs:
            run.cancel()
    assert asyncio.all_tasks() == before, "a task was left"


def test_two_nodes_on_a_machine_without_a_network_see_each_other() -> None:
    async def run() -> None:
        clock = Clock()
        ann, bob = Node(clock, ANN, BOB), Node(clock, BOB, None)
        async with running(ann, bob):
            found = await ann.expect(of=tag(BOB, DAY))
            assert (found.device, found.addresses) == (BOB, (Address("127.0.0.1", PORT),))
            found = await bob.expect(of=tag(ANN, DAY))
            assert found.device is None, "Bob does not know Ann"
            bob.known.append(ANN)
            assert [one.device for one in bob.lan.sightings() if one.tag == tag(ANN, DAY)] == [ANN]
            assert ann.lan.problem is None
        assert ann.lan.sightings() == []

    asyncio.run(run())


def test_the_port_of_the_dht_is_told_when_it_is_known_under_the_same_name() -> None:
    async def run() -> None:
        clock = Clock()
        ann, bob = Node(clock, ANN, BOB), Node(clock, BOB, None)
        async with running(ann, bob):
            first = await ann.expect(of=tag(BOB, DAY))
            assert first.dht_port is None
            bob.lan.put_out_dht(4222)
            told = await ann.expect(of=tag(BOB, DAY))
            assert told == replace(first, dht_port=4222)
        cat = Node(clock, ANN, BOB)
        async with running(cat, bob):
            assert (await cat.expect(of=tag(BOB, DAY))).dht_port == 4222, "what begins later says it at once"

    asyncio.run(run())


def test_who_listens_on_loopback_only_speaks_nowhere_else_and_is_seen_there() -> None:
    """192.0.2.99 is nobody's: an engine that is told to speak there does not start."""
    found = [Interface("eth9", "192.0.2.99"), Interface("lo", "127.0.0.1"), Interface("lo", "::1")]

    async def run() -> None:
        clock = Clock()
        ann = Node(clock, ANN, BOB, interfaces=lambda: found, host="127.0.0.1")
        bob = Node(clock, BOB, None, interfaces=lambda: found, host="127.0.0.1")
        async with running(ann, bob):
            sighting = await ann.expect(of=tag(BOB, DAY))
            assert (sighting.device, sighting.addresses) == (BOB, (Address("127.0.0.1", PORT),))
            assert ann.lan.problem is None

    asyncio.run(run())


def test_in_the_first_hour_of_the_day_name_and_tag_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LAN_DAY_CHECKED_S", 0.2)

    async def run() -> None:
        clock = Clock()
        ann, bob = Node(clock, ANN, BOB), Node(clock, BOB, ANN)
        async with running(ann, bob):
            old = await ann.expect(of=tag(BOB, DAY))
            clock.today = (DAY + 1) * DAY_S + 899.0
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.0):
                    await ann.expect(of=tag(BOB, DAY + 1))
            clock.today = (DAY + 1) * DAY_S + 900.0
            new = await ann.expect(of=tag(BOB, DAY + 1))
            assert new.device == BOB
            assert new.instance != old.instance

    asyncio.run(run())


def test_without_an_interface_it_waits_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        clock, interfaces = Clock(), list[Interface]()
        ann, bob = Node(clock, ANN, BOB, interfaces=lambda: interfaces), Node(clock, BOB, ANN)
        async with running(ann, bob):
            await asyncio.sleep(0)
            assert ann.lan.problem == "no network interface is up"
            interfaces.extend(LOOPBACK)
            await ann.expect(of=tag(BOB, DAY))
            assert ann.lan.problem is None
            interfaces.clear()
            await ann.expect(of=tag(BOB, DAY), gone=True)
            await bob.expect(of=tag(ANN, DAY), gone=True)

    monkeypatch.setattr(limits, "INTERFACES_CHECKED_S", 0.1)  # ours are only pretended: no word of the system comes
    monkeypatch.setattr(limits, "INTERFACES_POLL_S", 0.1)
    asyncio.run(run())


@pytest.mark.parametrize(
    "refusal", [OSError(98, "Address already in use"), RuntimeError("No adapter found for IP address ::2")]
)
def test_an_engine_that_does_not_start_is_a_problem_told_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, refusal: Exception
) -> None:
    real, refusals = lan_module.AsyncZeroconf, [refusal]

    def engine(**arguments: Any) -> object:
        if refusals:
            raise refusals.pop()
        return real(**arguments)

    async def run() -> None:
        clock = Clock()
        ann, bob = Node(clock, ANN, BOB), Node(clock, BOB, ANN)
        async with running(ann, bob):
            await ann.expect(of=tag(BOB, DAY))
            await bob.expect(of=tag(ANN, DAY))
            assert (ann.lan.problem, bob.lan.problem) == (None, None)

    monkeypatch.setattr(limits, "LAN_RETRY_S", 0.05)
    monkeypatch.setattr(lan_module, "AsyncZeroconf", engine)
    asyncio.run(run())
    assert str(refusal) in caplog.text
