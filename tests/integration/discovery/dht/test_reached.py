"""A node is a client until a stranger has reached it. (SCP-05 §1.6, §1.18)"""

from __future__ import annotations

import asyncio

from swarmchat.discovery.dht.joining import Entrance
from tests.support.dht_air import play
from tests.support.dht_nodes import Nodes, network, protocols, total, until


class Router:
    """Lets in only what answers: datagrams from where this node has sent to."""

    def __init__(self, nodes: Nodes, index: int) -> None:
        (protocol,) = protocols(nodes.nodes[index])
        self._sent: set[tuple[str, int]] = set()
        self._receive = protocol.datagram_received
        protocol.transport.heard = lambda data, address: self._sent.add(address)
        transport = protocol.transport._transport
        transport._protocol = self
        self._protocol = protocol

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        if address in self._sent:
            self._receive(data, address)

    def error_received(self, error: Exception) -> None:
        self._protocol.error_received(error)

    def connection_lost(self, error: Exception | None) -> None:
        self._protocol.connection_lost(error)


def test_a_third_node_proves_that_strangers_reach_us() -> None:
    async def run() -> None:
        async with network(1) as nodes:
            servers = await nodes.grow(12)
            fresh = await nodes.start(via=servers[:1], client=None, home=False)
            await until(lambda: fresh.serves)
            await until(lambda: any(fresh.id in {name for name, _ in one.contacts()} for one in servers))

    play(run)


def test_behind_a_router_a_node_stays_a_client_and_still_puts_reads_and_is_told() -> None:
    async def run() -> None:
        async with network(2) as nodes:
            servers = await nodes.grow(12)
            hidden = await nodes.start(client=None, home=False)
            Router(nodes, -1)
            assert await hidden.bootstrap([Entrance(servers[0].listens[0])])
            entry, mine = nodes.entry(), nodes.entry()
            told = []
            hidden.watch(entry.key, told.append)
            assert await hidden.put(mine) == 8
            assert [one.data for one in await servers[3].get(mine.key)] == [mine.data]
            await servers[5].put(entry)
            await until(lambda: bool(told))
            await asyncio.sleep(1.0)  # some looks after itself
            assert total(hidden, 'rpc_sent_total{method="probe"') > 0
            assert not hidden.serves
            assert not any(hidden.id in {name for name, _ in one.contacts()} for one in servers)
            assert total(hidden, "records") == total(hidden, "records_")

    play(run)


def test_at_home_two_nodes_alone_are_nodes_to_each_other() -> None:
    async def run() -> None:
        async with network(3) as nodes:
            one = await nodes.start(client=None)
            two = await nodes.start(client=None, via=[one])
            await until(lambda: one.serves and two.serves and one.connected)
            entry = nodes.entry()
            assert await one.put(entry) == 2
            assert [found.data for found in await two.get(entry.key)] == [entry.data]

    play(run)


def test_who_is_a_client_for_good_keeps_nothing_for_anybody() -> None:
    async def run() -> None:
        async with network(4) as nodes:
            server = await nodes.start()
            clients = [await nodes.start(client=True, via=[server]) for _ in range(3)]
            entry = nodes.entry()
            assert await clients[0].put(entry) == 1
            assert [len(one.contacts()) for one in (server, *clients)] == [0, 1, 1, 1]
            assert [one.data for one in await clients[1].get(entry.key)] == [entry.data]

    play(run)
