from __future__ import annotations

import asyncio
import itertools

from swarmchat import limits
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.dht.publishing import Publications
from swarmchat.discovery.dht.settings import DhtSettings
from swarmchat.discovery.directory import Entry
from tests.support.dht_nodes import Runtime
from tests.support.sim import loop as sim

ENTRY = Entry(DhtKey(bytes(20)), b"", b"sealed")


class Puts:
    """Takes a second for each; on so many nodes it stands then."""

    def __init__(self, held: int = limits.DHT_PUT_ENOUGH) -> None:
        self.held = held
        self.times: list[float] = []
        self.most = 0
        self._now = 0

    async def put(self, entry: Entry) -> int:
        self.times.append(asyncio.get_running_loop().time())
        self._now += 1
        self.most = max(self.most, self._now)
        await asyncio.sleep(1)
        self._now -= 1
        return self.held


async def put_for(seconds: float, puts: Puts, names: int) -> None:
    publications = Publications(Runtime(), DhtSettings(), puts.put, lambda: limits.DHT_PUT_ENOUGH)
    for number in range(names):
        publications.publish(f"name {number}", lambda now: ENTRY)
    assert not puts.times
    running = asyncio.ensure_future(publications.run())
    await asyncio.sleep(seconds)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_so_many_are_put_at_once_and_the_others_wait_for_their_turn() -> None:
    async def story() -> None:
        puts = Puts()
        await put_for(3.5, puts, 3 * limits.DHT_PUTS_MAX)
        assert puts.most == limits.DHT_PUTS_MAX
        assert len(puts.times) == 3 * limits.DHT_PUTS_MAX

    sim.run(story, limit_s=60.0)


def waits(puts: Puts) -> list[float]:
    return [later - earlier - 1 for earlier, later in itertools.pairwise(puts.times)]


def test_it_is_put_again_after_five_minutes_ten_percent_more_or_less() -> None:
    async def story() -> None:
        puts = Puts()
        await put_for(10_000, puts, 1)
        every = limits.DHT_PUT_EVERY_S
        assert len(puts.times) > 25
        assert all(0.9 * every <= wait <= 1.1 * every for wait in waits(puts))
        assert max(waits(puts)) - min(waits(puts)) > 0.1 * every
        assert every * 1.1 + 1 < limits.DHT_TTL_MAX_S  # one that fails leaves no gap

    sim.run(story, limit_s=20_000.0)


def test_where_one_too_few_took_it_it_is_put_again_soon() -> None:
    async def story() -> None:
        puts = Puts(limits.DHT_PUT_ENOUGH - 1)
        await put_for(500, puts, 1)
        again = limits.DHT_PUT_AGAIN_S
        assert len(puts.times) > 25
        assert all(0.9 * again <= wait <= 1.1 * again for wait in waits(puts))

    sim.run(story, limit_s=1_000.0)
