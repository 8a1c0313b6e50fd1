from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.discovery.dht.calls import Heard
from swarmchat.discovery.dht.counters import Counters
from swarmchat.discovery.dht.hosts import Endpoint
from swarmchat.discovery.dht.identity import NodeId
from swarmchat.discovery.dht.joining import Entrance, Joining
from swarmchat.discovery.dht.net import Net
from swarmchat.discovery.dht.reach import Reach
from swarmchat.discovery.dht.settings import DhtSettings
from swarmchat.discovery.dht.wire import Answer, Method, Peer, Request
from tests.support.dht_air import Air
from tests.support.dht_nodes import Runtime
from tests.support.sim import loop as sim

ID = "0123456789" * 4
OWN = NodeId(bytes(20))


class Asked:
    """A socket that nobody is behind: it notes who is asked what, and when; `answers`: whether somebody answers after all."""

    def __init__(self, *, answers: bool = False) -> None:
        self.answers = answers
        self.asks: list[tuple[float, Method, Endpoint]] = []
        self.waiting = 0
        self.most = 0
        self.router = ()

    def asker(self, address: Endpoint) -> bytes:
        return b""

    def token(self, address: Endpoint) -> bytes:
        return bytes(8)

    async def asked(self, address: Endpoint, request: Request, **_: Any) -> Heard | None:
        self.asks.append((asyncio.get_running_loop().time(), request.method, address))
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        await asyncio.sleep(0.1)
        self.waiting -= 1
        return Heard(Peer(NodeId(bytes(range(20))), address), Answer()) if self.answers else None


def joining(asked: Asked) -> Joining:
    runtime, settings = Runtime(), DhtSettings()
    net = Net(runtime, settings, Counters())
    net.protocols["4"] = asked  # type: ignore[assignment]
    return Joining(net, Reach(), runtime, settings, OWN)


def entrances(count: int) -> list[Entrance]:
    return [Entrance(Address(f"8.8.{number // 250}.{number % 250}", 4222)) for number in range(count)]


@pytest.mark.parametrize("text", ["host.example:4222", f"192.0.2.7:4222#{ID}", f"[2001:db8::1]:1#{ID}"])
def test_an_entrance_is_written_as_it_is_read(text: str) -> None:
    assert str(Entrance.parse(text)) == text


def test_an_entrance_may_name_its_node() -> None:
    assert Entrance.parse(f"192.0.2.7:4222#{ID}") == Entrance(Address("192.0.2.7", 4222), bytes.fromhex(ID))  # type: ignore[arg-type]
    assert Entrance.parse("192.0.2.7:4222").id is None


@pytest.mark.parametrize(
    "text",
    ["", "host", "host:0", "host:4222#", "host:4222#12", f"host:4222#{ID}00", "host:4222#" + "zz" * 20, "#" + ID],
)
def test_what_is_no_entrance_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Entrance.parse(text)


def test_who_comes_first_in_every_table_does_not_keep_us_a_client_by_doing_nothing() -> None:
    """Two contacts are asked for a probe: any two, not always the same."""

    async def story() -> None:
        asked = Asked()
        one = joining(asked)
        known = [(asked, NodeId(bytes([number]) * 20), (f"8.8.{number}.8", 4222)) for number in range(20)]
        for round_ in range(60):
            await one._prove(known)  # type: ignore[arg-type]
            assert len(asked.asks) == 2 * (round_ + 1)
            await one._prove(known)  # type: ignore[arg-type]
            assert len(asked.asks) == 2 * (round_ + 1)  # not again before a minute is over
            await asyncio.sleep(limits.DHT_NEIGHBOURS_S)
        assert {where for _, _, where in asked.asks} == {where for _, _, where in known}
        assert {method for _, method, _ in asked.asks} == {Method.PROBE}

    sim.run(story, limit_s=10_000.0, loop=Air(1))


def test_so_many_entrances_are_asked_at_once_and_all_of_them() -> None:
    async def story() -> None:
        asked = Asked()
        one = joining(asked)
        one.configure(entrances(limits.DHT_JOINING_MAX * 2 + 1))
        assert await one.join() == 0
        assert asked.most == limits.DHT_JOINING_MAX
        assert len(asked.asks) == limits.DHT_JOINING_MAX * 2 + 1

    sim.run(story, limit_s=60.0, loop=Air(1))


def test_so_many_candidates_are_kept_and_the_longest_unheard_of_goes() -> None:
    async def story() -> None:
        asked = Asked()
        one = joining(asked)
        told = entrances(limits.DHT_CANDIDATES_MAX + 2)
        for entrance in (*told[:-1], told[1], told[-1]):  # the second is heard of again, so the third goes
            one.meet(entrance)
        assert await one.join() == 0
        gone = {str(entrance) for entrance in told} - {f"{host}:{port}" for _, _, (host, port) in asked.asks}
        assert gone == {str(told[0]), str(told[2])}

    sim.run(story, limit_s=60.0, loop=Air(1))


def test_who_answers_nobody_is_asked_ever_more_seldom_down_to_once_in_five_minutes() -> None:
    async def story() -> None:
        asked = Asked()
        one = joining(asked)
        one.configure(entrances(1))
        running = asyncio.ensure_future(one.run())
        await asyncio.sleep(6_000)
        running.cancel()
        times = [when for when, _, _ in asked.asks]
        waits = [later - earlier - 0.1 for earlier, later in itertools.pairwise(times)]
        for number, wait in enumerate(waits):
            whole = min(limits.DHT_BACKOFF_MIN_S * 2**number, limits.DHT_BACKOFF_MAX_S)
            assert whole / 2 - 0.01 <= wait <= whole + 0.01
        assert len(waits) > 20

    sim.run(story, limit_s=10_000.0, loop=Air(1))
