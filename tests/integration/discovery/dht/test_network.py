"""Many nodes: what is put is found, whoever dies or loses datagrams. (SCP-05 §1.15–§1.21)"""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.discovery.dht import state
from swarmchat.discovery.dht.dht import Dht
from swarmchat.discovery.dht.identity import NodeId
from swarmchat.discovery.dht.joining import Entrance
from swarmchat.discovery.dht.wire import Answer
from swarmchat.discovery.directory import Entry, Found
from swarmchat.errors import UserError
from tests.support.dht_air import play
from tests.support.dht_nodes import QUICK, V4, V6, Nodes, Runtime, network, protocols, total, until


async def put_some(nodes: Nodes, count: int = 10) -> list[Entry]:
    entries = [nodes.entry() for _ in range(count)]
    assert min(await asyncio.gather(*(nodes.pick().put(entry) for entry in entries))) >= 3
    return entries


async def all_found(nodes: Nodes, entries: list[Entry], reader: Dht | None = None) -> bool:
    found = await asyncio.gather(*((reader or nodes.pick()).get(entry.key) for entry in entries))
    return all({one.data for one in held} == {entry.data} for held, entry in zip(found, entries, strict=True))


def knows_its_neighbours(node: Dht, nodes: Nodes) -> bool:
    own = int.from_bytes(node.id, "big")
    others = sorted(
        (one.id for one in nodes.nodes if one is not node), key=lambda one: int.from_bytes(one, "big") ^ own
    )
    known = {name for name, _ in node.contacts()}
    return sum(one in known for one in others[:8]) >= 6  # of a full bucket beside ours it may know others


def test_all_is_found_after_half_of_the_nodes_died_at_once() -> None:
    async def run() -> None:
        async with network() as nodes:
            await nodes.grow(50)
            entries = await put_some(nodes)
            assert await all_found(nodes, entries)
            await nodes.kill(nodes.dice.sample(nodes.nodes, 25))
            async with asyncio.timeout(60):  # how long it takes is the benchmark's to say
                assert await all_found(nodes, entries)
                for entry in entries[:5]:
                    assert await nodes.pick().put(entry) >= 3
                assert await all_found(nodes, entries)

    play(run)


def test_all_is_put_and_found_where_a_fifth_of_the_datagrams_is_lost() -> None:
    async def run() -> None:
        async with network(2) as nodes:
            await nodes.grow(50)
            nodes.lose(0.2)
            entries = await put_some(nodes)
            assert await all_found(nodes, entries)
            assert sum(total(one, "rpc_retransmits_total") for one in nodes.nodes) > 20

    play(run)


def test_replicas_are_the_nearest_nodes_there_are() -> None:
    async def run() -> None:
        async with network(3) as nodes:
            await nodes.grow(40)
            entry = nodes.entry()
            await nodes.pick().put(entry)
            wanted = int.from_bytes(entry.key, "big")
            nearest = sorted(nodes.nodes, key=lambda one: int.from_bytes(one.id, "big") ^ wanted)[:8]
            holding = [one for one in nodes.nodes if one.storage.records(entry.key, Runtime().now())]
            assert set(nearest) <= set(holding)
            assert len(holding) <= 9  # and, perhaps, who put it

    play(run)


def test_two_networks_that_meet_are_one_after_a_reput() -> None:
    async def run() -> None:
        async with network(4) as nodes:
            one, other = await nodes.grow(25), await nodes.grow(25)
            assert not {node for node, _ in one[0].contacts()} & {node.id for node in other}
            one[3].meet(Entrance(other[7].listens[0]))
            await until(lambda: all(knows_its_neighbours(node, nodes) for node in nodes.nodes))
            entries = [nodes.entry() for _ in range(20)]
            readers = [*one[:5], *other[:5]]
            for _ in range(3):  # the first does it, but where this machine is so busy that answers come too late
                for index, entry in enumerate(entries):
                    assert await (one if index % 2 else other)[index].put(entry) >= 8
                if all([await all_found(nodes, entries, reader) for reader in readers]):
                    return
            pytest.fail("something put on one side is not found on the other")

    play(run)


def test_nodes_of_other_networks_do_not_hear_each_other() -> None:
    async def run() -> None:
        async with network(5) as nodes:
            one = await nodes.start()
            other = await nodes.start(network="test")
            assert await other.bootstrap([Entrance(one.listens[0])]) == 0
            assert not one.connected
            assert total(one, 'datagrams_dropped_total{reason="network"') >= 3

    play(run)


def ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not ipv6(), reason="this machine has no IPv6")
def test_ipv6_and_ipv4_are_asked_both_and_who_has_both_joins_them() -> None:
    async def run() -> None:
        async with network(6) as nodes:
            both = await nodes.start(listens=(V4, V6))
            four = [await nodes.start(via=[both]) for _ in range(3)]
            six = [await nodes.start(listens=(V6,), via=[both]) for _ in range(3)]
            second = await nodes.start(listens=(V4, V6), via=[both])
            assert {":" in host for _, (host, _) in second.contacts()} == {True, False}
            assert all(":" in host for _, (host, _) in six[0].contacts())
            entry = nodes.entry()
            assert await second.put(entry) == 8  # each node once, however many ways lead there
            for reader in (*four, *six, both):
                assert [one.data for one in await reader.get(entry.key)] == [entry.data]
            kept = nodes.entry()
            assert await four[0].put(kept) == 5
            assert await six[0].get(kept.key) != []  # from those with both

    play(run)


def test_a_long_record_and_many_of_them_are_read_back_whole() -> None:
    async def run() -> None:
        async with network(7) as nodes:
            await nodes.grow(12)
            key = nodes.entry().key
            sent = set()
            for size in (0, 700, 900, 3_840, 3_840, 3_840, 2_000, 1_000):
                entry = nodes.entry(nodes.dice.randbytes(size) or b"-", key=key)
                assert await nodes.nodes[len(sent)].put(entry) >= 8
                sent.add(entry.data)
            assert {one.data for one in await nodes.nodes[-1].get(key)} == sent

    play(run)


@pytest.mark.parametrize("says", [Answer(refused="unknown"), Answer(part=b"junk")], ids=["nothing", "junk"])
def test_a_long_record_is_fetched_from_another_where_one_holder_does_not_give_it(
    monkeypatch: pytest.MonkeyPatch, says: Answer
) -> None:
    async def run() -> None:
        async with network(23) as nodes:
            await nodes.grow(10)
            entry = nodes.entry(bytes(3_000))
            assert await nodes.nodes[0].put(entry) >= 8
            for liar in nodes.nodes[:7]:
                monkeypatch.setattr(liar._serving, "_part", lambda ask, room, now: says)
            reader = await nodes.start(client=True, via=nodes.nodes[:1])
            assert [one.data for one in await reader.get(entry.key)] == [entry.data]

    play(run)


def test_replicas_are_looked_for_anew_every_third_time_and_where_a_nearer_node_is_known() -> None:
    async def run() -> None:
        async with network(24) as nodes:
            await nodes.grow(20)
            node, entry = nodes.nodes[0], nodes.entry()
            searched = []
            for _ in range(6):
                before = total(node, "lookup_queries")
                assert await node.put(entry) >= 8
                searched.append(total(node, "lookup_queries") > before)
            assert searched == [True, False, False] * 2
            await node.put(entry)
            (protocol,) = protocols(node)
            nearer = NodeId(entry.key[:-1] + bytes([entry.key[-1] ^ 1]))
            protocol.router.answered(nearer, ("127.0.0.1", 9), 0.0)
            before = total(node, "lookup_queries")
            assert await node.put(entry) >= 8
            assert total(node, "lookup_queries") > before

    play(run)


def test_sixty_small_records_of_one_key_are_all_read() -> None:
    async def run() -> None:
        async with network(8) as nodes:
            await nodes.grow(10)
            key = nodes.entry().key
            writers = [await nodes.start(via=nodes.nodes[:1]) for _ in range(15)]
            for writer in writers:
                for salt in range(4):
                    assert await writer.put(nodes.entry(nodes.dice.randbytes(30), key=key, salt=bytes([salt]))) >= 8
            assert len(await nodes.nodes[0].get(key)) == 60

    play(run)


def test_a_newer_value_of_ours_replaces_the_older_and_a_fifth_salt_has_no_room() -> None:
    async def run() -> None:
        async with network(9) as nodes:
            await nodes.grow(9)
            node, key = nodes.nodes[0], nodes.entry().key
            for data in (b"first", b"second"):
                assert await node.put(nodes.entry(data, key=key)) >= 8
            assert [one.data for one in await nodes.nodes[5].get(key)] == [b"second"]
            for salt in range(1, 4):
                assert await node.put(nodes.entry(key=key, salt=bytes([salt]))) >= 8
            assert await node.put(nodes.entry(key=key, salt=b"fifth")) == 0
            assert total(node, 'puts_refused_total{reason="writer"') >= 8

    play(run)


def test_what_was_put_is_over_when_its_time_is() -> None:
    async def run() -> None:
        async with network(10) as nodes:
            clock = Runtime()
            for _ in range(9):
                await nodes.start(via=nodes.nodes[:1], runtime=clock)
            entry = nodes.entry(ttl_s=60)
            assert await nodes.pick().put(entry) >= 8
            clock.ahead_s = 59
            assert await nodes.pick().get(entry.key) != []
            clock.ahead_s = 61
            assert await nodes.pick().get(entry.key) == []
            clock.ahead_s = 1_000  # the machine slept: what was over is swept
            await until(
                lambda: (
                    sum(total(one, "records") for one in nodes.nodes)
                    == sum(total(one, "records_") for one in nodes.nodes)
                )
            )

    play(run)


def test_a_publication_is_put_again_and_again_until_it_is_withdrawn() -> None:
    async def run() -> None:
        async with network(11) as nodes:
            await nodes.grow(9)
            entry = nodes.entry()
            made: list[float] = []

            def make(now: float) -> Entry | None:
                made.append(now)
                return None if len(made) == 2 else entry

            nodes.nodes[0].publish("card", make)
            await until(lambda: len(made) > 4)
            assert await nodes.pick().get(entry.key) != []
            nodes.nodes[0].withdraw("card")
            nodes.nodes[0].withdraw("card")
            await asyncio.sleep(0.01)
            count = len(made)
            await asyncio.sleep(0.7)
            assert len(made) == count

    play(run)


def test_what_nobody_took_is_tried_again_soon_and_a_mistake_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with network(12) as nodes:
            alone = await nodes.start(put_every_s=1_000.0)
            entry = nodes.entry()

            def mistaken(now: float) -> Entry | None:
                raise ZeroDivisionError

            alone.publish("mistaken", mistaken)
            alone.publish("card", lambda now: entry)
            assert await alone.put(entry) == 0
            assert await alone.get(entry.key) == []
            await asyncio.sleep(0.3)
            await nodes.start(via=[alone])
            await until(lambda: total(nodes.nodes[1], "records") > 0)

    play(run)
    assert "could not be made" in caplog.text


def test_a_node_that_knows_nobody_asks_until_somebody_answers() -> None:
    async def run() -> None:
        async with network(13) as nodes:
            late = nodes.key()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as spare:
                spare.bind(("127.0.0.1", 0))
                where = Address(*spare.getsockname())
            waiting = await nodes.start()
            waiting.configure([Entrance(where), Entrance(Address("nobody.invalid", 1))])
            assert not waiting.connected
            await nodes.start(listens=(where,), key=late)
            await until(lambda: waiting.connected)

    play(run)


def test_what_waits_to_be_put_and_watched_is_as_soon_as_somebody_answers() -> None:
    async def run() -> None:
        async with network(21) as nodes:
            await nodes.grow(5)
            entry, mine = nodes.entry(), nodes.entry()
            await nodes.pick().put(entry)
            late = await nodes.start(put_again_s=1_000.0, renew_s=1_000.0)
            told: list[Found] = []
            late.publish("card", lambda now: mine)
            late.watch(entry.key, told.append)
            await asyncio.sleep(0.1)
            assert told == []
            late.configure([Entrance(nodes.nodes[0].listens[0])])
            await until(lambda: bool(told))
            await until(lambda: sum(total(one, "records") - total(one, "records_") for one in nodes.nodes) >= 10)
            assert await nodes.nodes[1].get(mine.key) != []

    play(run)


def test_an_entrance_with_an_id_is_that_node_or_nobody() -> None:
    async def run() -> None:
        async with network(14) as nodes:
            one = await nodes.start()
            two = await nodes.start()
            assert await two.bootstrap([Entrance(one.listens[0], two.id)]) == 0
            assert await two.bootstrap([Entrance(one.listens[0], one.id)]) == 1

    play(run)


def test_a_restarted_node_is_the_same_and_knows_whom_it_knew(tmp_path: Path) -> None:
    async def run() -> None:
        file = tmp_path / "dht.json"
        async with network(15) as nodes:
            await nodes.grow(5)
            first = await nodes.start(via=nodes.nodes[:1], file=file)
            await first.put(nodes.entry(b"before", key=nodes.entry().key))
            nodes.nodes.remove(first)
            await first.stop()
            kept = state.load(file)
            assert kept is not None
            assert len(kept.addresses) == 5
            assert kept.seq > 0
            again = Dht(first._key, Runtime(), QUICK, kept=kept, file=file)
            await again.start([V4])
            nodes.nodes.append(again)
            await until(lambda: again.connected)
            assert again.id == first.id
            assert json.loads(file.read_text())["v"] == 1

    play(run)


def test_who_is_killed_soon_after_it_found_in_begins_where_it_was(tmp_path: Path) -> None:
    async def run() -> None:
        file = tmp_path / "dht.json"
        async with network(25) as nodes:
            await nodes.grow(5)
            node = await nodes.start(file=file)
            await asyncio.sleep(1.0)
            assert state.load(file) is None, "nobody answered yet, and what an earlier run knew is not overwritten"
            await node.bootstrap([Entrance(nodes.nodes[0].listens[0])])
            await until(file.exists)
            kept = state.load(file)
            assert kept is not None
            assert kept.addresses
            await asyncio.sleep(node._settings.tick_s)
            kept = state.load(file)
            assert kept is not None
            assert len(kept.addresses) == 5

    play(run)


def test_a_run_without_a_network_forgets_nobody(tmp_path: Path) -> None:
    async def run() -> None:
        file = tmp_path / "dht.json"
        async with network(26) as nodes:
            key = nodes.key()
            kept = state.State(key.private.seed, 7, (("127.0.0.1", 9), ("127.0.0.1", 10)))
            state.save(file, kept)
            alone = Dht(key, Runtime(), QUICK, kept=kept, file=file)
            await alone.start([V4])
            alone.network_changed()
            await asyncio.sleep(5.0)
            await alone.stop()
            found = state.load(file)
            assert found is not None
            assert found.addresses == kept.addresses

    play(run)


def test_stopping_leaves_no_task_in_the_middle_of_everything() -> None:
    async def run() -> None:
        before = asyncio.all_tasks()
        async with network(16) as nodes:
            await nodes.grow(8)
            node = nodes.nodes[0]
            nodes.lose(1.0)
            node.watch(nodes.entry().key, lambda found: None)
            node.publish("x", lambda now: nodes.entry())
            node.meet(Entrance(Address("127.0.0.1", 9)))
            async with asyncio.TaskGroup() as tasks:
                getting = tasks.create_task(node.get(nodes.entry().key))
                await asyncio.sleep(0.15)
                nodes.nodes.remove(node)
                await node.stop()
            assert getting.result() == []
            await node.stop()
            assert await node.get(nodes.entry().key) == []
        assert asyncio.all_tasks() == before

    play(run)


def test_who_gives_up_waiting_leaves_nothing_behind() -> None:
    async def run() -> None:
        async with network(17) as nodes:
            await nodes.grow(8)
            node = nodes.nodes[0]
            nodes.lose(1.0)
            for doing in (node.get(nodes.entry().key), node.put(nodes.entry())):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await doing
            pings = Entrance(Address("127.0.0.1", 9))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await node.bootstrap([pings])
            node._joining.configure([])
            nodes.lose(0.0)
            await asyncio.sleep(0.05)
            waiting = [call.address for call in protocols(node)[0].calls._waiting.values()]
            assert ("127.0.0.1", 9) not in waiting

    play(run)


def test_a_port_that_is_taken_is_said_in_a_sentence() -> None:
    async def run() -> None:
        async with network(18) as nodes:
            one = await nodes.start()
            with pytest.raises(UserError, match="cannot listen"):
                await nodes.start(listens=one.listens)
            with pytest.raises(UserError, match="not an IP address"):
                await nodes.start(listens=[Address("localhost", 0)])

    play(run)


def test_a_clock_that_is_wrong_shows_in_the_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with network(22) as nodes:
            monkeypatch.setattr(limits, "DHT_CLOCKS_MIN", 1)  # all are one network here
            await nodes.grow(3)
            late = Runtime()
            late.ahead_s = -500.0
            node = await nodes.start(via=nodes.nodes[:1], runtime=late)
            assert 498 < node.metrics()["swarmchat_dht_clock_offset_seconds"] < 502
            assert await node.put(nodes.entry(ttl_s=60)) == 1  # over before it came anywhere, but to ourselves

    play(run)


def test_after_sleep_or_another_network_all_is_put_and_subscribed_anew() -> None:
    async def run() -> None:
        async with network(19) as nodes:
            await nodes.grow(9)
            clock = Runtime()
            node = await nodes.start(via=nodes.nodes[:1], runtime=clock, put_every_s=1_000.0, renew_s=1_000.0)
            made: list[float] = []
            entry = nodes.entry()
            node.publish("card", lambda now: made.append(now) or entry)
            node.watch(nodes.entry().key, lambda found: None)
            subscribed = 'rpc_sent_total{method="subscribe"'
            await until(lambda: bool(made) and total(node, subscribed) >= 4)
            await asyncio.sleep(0.5)
            before = len(made), total(node, subscribed)
            clock.ahead_s = 90
            await until(lambda: len(made) > before[0] and total(node, subscribed) >= before[1] + 4)

    play(run)


@pytest.mark.parametrize("name", ["listen", "set", "set_digest", "save_state", "load_state", "refresh_table"])
def test_what_the_package_would_do_is_not_reached_by_accident(name: str) -> None:
    async def run() -> None:
        async with network(20) as nodes:
            with pytest.raises(TypeError, match=r"start\(\)|put\(\)"):
                getattr(await nodes.start(), name)("key", "value")

    play(run)
