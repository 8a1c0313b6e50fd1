"""Who watches a key is told of what comes, and of what came while nobody could tell him. (SCP-05 §1.6, §1.17, §1.20)"""

from __future__ import annotations

import asyncio

import pytest

from swarmchat.discovery.dht.dht import Dht
from swarmchat.discovery.dht.wire import Method, Request
from swarmchat.discovery.directory import Found
from tests.support.dht_air import play
from tests.support.dht_nodes import Nodes, network, protocols, total, until


def standing_on(node: Dht, nodes: Nodes) -> list[Dht]:
    """The nodes that the one watch of this node stands on."""
    (watch,) = node._watches._watches.values()
    ids = {peer.id for _, peer in watch.places}
    return [one for one in nodes.nodes if one.id in ids]


async def subscribed(node: Dht, nodes: Nodes, count: int = 4) -> None:
    await until(lambda: len(standing_on(node, nodes)) >= count)


@pytest.mark.parametrize("size", [300, 3_840])
def test_what_is_put_is_told_before_the_next_renewal(size: int) -> None:
    async def run() -> None:
        async with network(1) as nodes:
            await nodes.grow(20)
            node = await nodes.start(via=nodes.nodes[:1], renew_s=1_000.0)
            entry = nodes.entry(nodes.dice.randbytes(size))
            told: list[Found] = []
            node.watch(entry.key, told.append)
            await subscribed(node, nodes)
            await nodes.nodes[0].put(entry)
            await until(lambda: bool(told))
            await nodes.nodes[0].put(entry)  # the same again
            await nodes.nodes[0].put(nodes.entry(b"another", key=entry.key))
            await until(lambda: len(told) > 1)
            await asyncio.sleep(0.1)
            assert [one.data for one in told] == [entry.data, b"another"]
            assert total(node, 'notifications_total{direction="in"') >= 4

    play(run)


def test_what_stands_already_is_told_at_once_and_to_each_who_asks() -> None:
    async def run() -> None:
        async with network(2) as nodes:
            await nodes.grow(10)
            entry = nodes.entry()
            await nodes.nodes[0].put(entry)
            told: list[Found] = []
            later: list[Found] = []
            stop = nodes.nodes[5].watch(entry.key, told.append)
            await until(lambda: bool(told))
            end = nodes.nodes[5].watch(entry.key, later.append)
            assert later == told
            stop()
            stop()
            await nodes.nodes[0].put(nodes.entry(b"x", key=entry.key))
            await until(lambda: len(later) == 2)
            assert len(told) == 1
            end()
            await until(lambda: all(not total(one, 'subscriptions{role="served"') for one in nodes.nodes))

    play(run)


def test_what_was_put_while_its_nodes_were_dead_is_told_within_one_renewal() -> None:
    async def run() -> None:
        async with network(3) as nodes:
            await nodes.grow(30)
            node = await nodes.start(via=nodes.nodes[:1], renew_s=1.0)
            entry = nodes.entry()
            told: list[Found] = []
            node.watch(entry.key, told.append)
            await subscribed(node, nodes)
            await nodes.kill([one for one in standing_on(node, nodes) if one is not node])
            writer = nodes.dice.choice([one for one in nodes.nodes if one is not node])
            assert await writer.put(entry) >= 4
            await until(lambda: bool(told), 6.0)  # a renewal, and what the dead cost it on a busy machine

    play(run)


def test_a_lost_notice_is_made_up_for_by_the_others_or_the_renewal() -> None:
    async def run() -> None:
        async with network(4) as nodes:
            await nodes.grow(20)
            told: list[Found] = []
            keys = [nodes.entry().key for _ in range(5)]
            for key in keys:
                nodes.nodes[3].watch(key, told.append)
            nodes.lose(0.2)
            for key in keys:
                await nodes.nodes[7].put(nodes.entry(key=key))
            await until(lambda: {one.key for one in told} == set(keys))

    play(run)


def test_a_listener_that_fails_keeps_nobody_from_hearing(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with network(5) as nodes:
            await nodes.grow(9)
            entry, told = nodes.entry(), []

            def mistaken(found: Found) -> None:
                raise ZeroDivisionError

            nodes.nodes[0].watch(entry.key, mistaken)
            nodes.nodes[1].watch(entry.key, told.append)
            await nodes.nodes[2].put(entry)
            await until(lambda: bool(told) and "could not be told" in caplog.text)

    play(run)


def test_notices_of_anybody_are_judged_like_all_records_and_of_unwatched_keys_not_at_all() -> None:
    async def run() -> None:
        async with network(6) as nodes:
            await nodes.grow(5)
            node, other, key = nodes.nodes[0], nodes.nodes[1], nodes.entry().key
            told: list[Found] = []
            node.watch(key, told.append)
            (protocol,) = protocols(other)
            where = (node.listens[0].host, node.listens[0].port)
            for data, digest, size in (
                (b"junk", bytes(8), 4),
                (b"", b"nothing.", 4_096),
                (b"\x9a" + bytes(100), b"anything", 100),
            ):
                for about in (key, nodes.entry().key):
                    notice = Request(Method.NOTIFY, other.id, about, digest=digest, count=size, data=data)
                    heard = await protocol.asked(where, notice, expect=node.id)
                    assert heard is not None
                    assert heard.answer.stored == 1
            await asyncio.sleep(0.2)
            assert told == []
            assert not node._watches._fetching

    play(run)
