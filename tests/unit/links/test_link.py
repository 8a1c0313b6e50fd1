"""Links in memory, by a clock turned by hand: nothing here waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from swarmchat.addresses import Address
from swarmchat.errors import LinkError, PeerError
from swarmchat.ids import DeviceId
from swarmchat.limits import (
    HANDSHAKE_FAILURES_PER_MINUTE,
    HANDSHAKE_SILENCE_S,
    HANDSHAKE_TIMEOUT_S,
    HANDSHAKES_PER_SOURCE_MAX,
    MIB,
    PAIRING_LINK_S,
    PING_AFTER_S,
    PING_TIMEOUT_S,
    STRANGER_BYTES_MAX,
    STRANGER_IDLE_S,
    STRANGER_LINKS_PER_SOURCE_MAX,
    YAMUX_WINDOW,
)
from swarmchat.links import connection_manager
from swarmchat.links.channel import NAMES, Channel
from swarmchat.links.frames import encode
from swarmchat.links.link import Link, LinkTimes
from swarmchat.links.peers import Identity, LinkClass, Peer
from tests.support.linked import NOW, LinkedNode, echo, identity
from tests.support.memory_links import HandClock, MemoryNetwork, MemoryStream, NamedSecurity, settle

QUICK = LinkTimes(answer_s=0.05)
ALICE, BOB, CAROL = identity(1), identity(2), identity(3)
GREATER, LESS = sorted((ALICE, BOB), key=lambda who: who.device.device_id, reverse=True)


class World:
    """Nodes in memory that share a clock."""

    def __init__(self) -> None:
        self.clock = HandClock(NOW)
        self.network = MemoryNetwork()
        self.everybody: dict[DeviceId, Peer] = {}
        self.addresses: dict[str, Address] = {}

    async def join(
        self,
        tasks: asyncio.TaskGroup,
        who: Identity,
        *,
        host: str = "",
        on_channel: Callable[[Channel], Awaitable[None]] = echo,
        times: LinkTimes | None = None,
    ) -> LinkedNode:
        host = host or f"10.0.0.{len(self.addresses) + 1}"
        node = LinkedNode(
            who,
            on_channel=on_channel,
            times=times,
            runtime=self.clock,
            carrier=self.network.carrier(host),
            security=NamedSecurity(who, self.everybody),
        )
        tasks.create_task(node.manager.run())
        await settle()
        (self.addresses[node.device],) = await node.manager.listen([Address(host, 0)])
        return node

    async def dial(self, source: LinkedNode, target: LinkedNode) -> Link:
        return await source.manager.dial(DeviceId(target.device), [self.addresses[target.device]])


def play(scenario: Callable[[World, asyncio.TaskGroup], Coroutine[Any, Any, None]]) -> None:
    """Run a scenario, then stop every node."""

    async def run() -> None:
        world = World()
        async with asyncio.TaskGroup() as tasks:
            await scenario(world, tasks)
            for task in list(tasks._tasks):  # the nodes
                task.cancel()

    asyncio.run(run())


def test_a_link_knows_its_peer_and_tells_both_nodes() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        link = await world.dial(alice, bob)
        await settle()
        (other,) = bob.manager.links
        assert (link.peer, other.peer) == (BOB.peer, ALICE.peer)
        assert (link.dialled, other.dialled) == (True, False)
        assert link.agent.startswith("swarmchat/")
        assert link.since == NOW
        assert alice.manager.link(BOB.device.device_id) is link
        assert alice.manager.links_of(BOB.account.account_id) == (link,)
        assert alice.manager.links_of(ALICE.account.account_id) == ()
        assert await world.dial(alice, bob) is link
        assert (alice.diary, bob.diary) == ([f"up {BOB.peer.account[:4]}"], [f"up {ALICE.peer.account[:4]}"])
        link.close("enough")
        await settle()
        assert await link.closed == "enough"
        assert (alice.manager.links, bob.manager.links) == ((), ())
        assert alice.diary[1:] == [f"down {BOB.peer.account[:4]}: enough"]
        assert len(bob.diary) == 2

    play(scenario)


def test_one_channel_for_each_name() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        link = await world.dial(alice, bob)
        for name in sorted(NAMES):
            channel, answer = await link.open_channel(name, x=1)
            assert answer == {"ok": True, "v": 1}
            await channel.send({"name": name})
            assert await channel.receive() == {"name": name}
            assert channel.opening == {"c": name, "v": 1, "x": 1}

    play(scenario)


@pytest.mark.parametrize(
    ("opening", "code"),
    [
        ({"c": "nonsense", "v": 1}, "unknown-channel"),
        ({"c": "pack", "v": 2}, "version"),
        ({"c": "pack"}, "bad-message"),
        ({"c": "pack", "v": True}, "bad-message"),
        ({"c": ["pack"], "v": 1}, "bad-message"),
        ({"v": 1}, "bad-message"),
        ({"c": "file", "v": 1}, "forbidden"),
    ],
)
def test_an_opening_that_is_not_taken_is_answered_with_its_code(opening: dict[str, object], code: str) -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        bob.policy.refused["file"] = "forbidden"
        link = await world.dial(alice, bob)
        stream = link._pump.open(bulk=False)
        channel = Channel(link, link._pump, stream, incoming=False, opened_at=0.0)
        link._channels[stream] = channel
        await channel.send(opening)
        answer = await channel.receive()
        assert answer is not None
        assert answer["error"] == code
        assert await channel.receive() is None
        assert link.is_open

    play(scenario)


def test_a_refusal_by_the_handler_reaches_the_opener() -> None:
    async def refuse(channel: Channel) -> None:
        await channel.refuse("not-here", "no such file")

    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB, on_channel=refuse)
        link = await world.dial(alice, bob)
        with pytest.raises(PeerError, match="no such file") as caught:
            await link.open_channel("file")
        assert caught.value.peer_code == "not-here"
        assert link.channels == ()

    play(scenario)


def test_sync_is_opened_once_and_by_the_side_that_dialled() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        link = await world.dial(alice, bob)
        first, _ = await link.open_channel("sync")
        with pytest.raises(PeerError) as caught:
            await link.open_channel("sync")
        assert caught.value.peer_code == "busy"
        (other,) = bob.manager.links
        with pytest.raises(PeerError) as caught:
            await other.open_channel("sync")
        assert caught.value.peer_code == "forbidden"
        first.close()
        await settle()
        await link.open_channel("sync")

    play(scenario)


def test_a_message_of_a_mebibyte_passes_on_sync_although_the_window_is_a_quarter_of_it() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        link = await world.dial(alice, bob)
        sync, _ = await link.open_channel("sync")
        await sync.send({"x": bytes(MIB - 100)})
        answer = await sync.receive()
        assert answer is not None
        assert len(answer["x"]) == MIB - 100
        pack, _ = await link.open_channel("pack")
        with pytest.raises(ValueError, match="limit"):
            await pack.send({"x": bytes(MIB - 100)})

    play(scenario)


def test_raw_bytes_pass_between_messages_and_an_early_end_is_told() -> None:
    async def serve(channel: Channel) -> None:
        await channel.accept(size=300_000)
        await channel.send_bytes(b"r" * 300_000)
        await channel.send({"done": True})
        await channel.send_bytes(b"tail")

    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB, on_channel=serve)
        link = await world.dial(alice, bob)
        channel, answer = await link.open_channel("pack")
        assert await channel.receive_exactly(answer["size"]) == b"r" * 300_000
        assert await channel.receive() == {"done": True}
        with pytest.raises(PeerError) as caught:
            await channel.receive_exactly(5)
        assert caught.value.peer_code == "stalled"
        assert await channel.receive_bytes(5) == b""

    play(scenario)


def test_a_sender_waits_for_a_slow_reader() -> None:
    pace = asyncio.Event()

    async def slow(channel: Channel) -> None:
        await channel.accept()
        await pace.wait()
        while await channel.receive_bytes(MIB):
            pass

    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB, on_channel=slow)
        link = await world.dial(alice, bob)
        channel, _ = await link.open_channel("file")
        sent = 0

        async def send_all() -> None:
            nonlocal sent
            for _ in range(100):
                await channel.send_bytes(bytes(65_536))
                sent += 65_536

        sending = asyncio.get_running_loop().create_task(send_all())
        await settle()
        stopped_at = sent
        assert MIB <= stopped_at <= MIB + 2 * YAMUX_WINDOW  # a bulk window, and what may wait here
        pace.set()
        await sending
        assert sent == 100 * 65_536

    play(scenario)


def test_malformed_framing_closes_the_link() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        link = await world.dial(alice, bob)
        channel, _ = await link.open_channel("pack")
        await channel.send_bytes(b"\x00\x00\x00\x01\xc1")
        with pytest.raises(LinkError):
            await channel.receive()
        assert "code 1" in await link.closed
        await bob.until("down")
        assert "no msgpack" in bob.diary[-1]

    play(scenario)


@pytest.mark.parametrize("wire", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\xc1", encode({"a": 1})[:-1] + b"\xc1"])
def test_malformed_openings_close_the_link(wire: bytes) -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        link = await world.dial(alice, bob)
        link._pump.send(link._pump.open(bulk=False), wire)
        await link.closed
        await bob.until("down")

    play(scenario)


def test_a_channel_that_ends_inside_a_message_closes_the_link() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        link = await world.dial(alice, bob)
        channel, _ = await link.open_channel("pack")
        await channel.send_bytes(b"\x00\x00\x00\x09half")
        channel.close()
        await bob.until("down")
        assert "ended inside a message" in bob.diary[-1]

    play(scenario)


def test_a_handler_that_fails_costs_its_channel_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(channel: Channel) -> None:
        await channel.accept()
        await channel.receive()
        if channel.name == "file":
            raise RuntimeError("a bug")

    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB, on_channel=fails)
        link = await world.dial(alice, bob)
        good, _ = await link.open_channel("pack")
        bad, _ = await link.open_channel("file")
        await bad.send({"fail": 1})
        with pytest.raises(LinkError, match="reset"):
            await bad.receive()
        await good.send({"fine": 1})
        assert await good.receive() is None
        assert link.is_open

    play(scenario)
    assert "a bug" in caplog.text


def test_no_answer_is_a_link_error_and_the_channel_is_reset() -> None:
    async def silent(channel: Channel) -> None:
        await channel.receive()

    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice = await world.join(tasks, ALICE, times=QUICK)
        bob = await world.join(tasks, BOB, on_channel=silent)
        link = await world.dial(alice, bob)
        with pytest.raises(LinkError, match="no answer"):
            await link.open_channel("pack")
        await settle()
        assert (link.channels, bob.manager.links[0].channels) == ((), ())

    play(scenario)


def test_channels_break_with_their_link() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        link = await world.dial(alice, bob)
        channel, _ = await link.open_channel("pack")
        waiting = asyncio.get_running_loop().create_task(channel.receive())
        await settle()
        bob.manager.links[0].close("the lid was shut")
        with pytest.raises(LinkError):
            await waiting
        with pytest.raises(LinkError):
            await channel.send({})
        with pytest.raises(LinkError):
            await link.open_channel("pack")
        with pytest.raises(LinkError):
            await link.ping()
        assert channel.closed

    play(scenario)


def test_a_closed_channel_is_left_by_both_ends() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        link = await world.dial(alice, bob)
        channel, _ = await link.open_channel("pack")
        channel.close()
        with pytest.raises(LinkError):
            await channel.send({})
        assert await channel.receive() is None
        await settle()
        (other,) = bob.manager.links
        assert (link.channels, other.channels) == ((), ())
        assert (link._stack.mux.streams, other._stack.mux.streams) == (0, 0)

    play(scenario)


def test_a_channel_that_the_peer_never_ends_is_reset_in_the_end() -> None:
    stuck = asyncio.Event()

    async def stay(channel: Channel) -> None:
        await channel.accept()
        await stuck.wait()

    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB, on_channel=stay)
        link = await world.dial(alice, bob)
        channel, _ = await link.open_channel("pack")
        channel.close()
        await world.clock.advance(59)
        assert link._stack.mux.streams == 1
        await world.clock.advance(6)
        assert link._stack.mux.streams == 0

    play(scenario)


# --- time


def test_a_peer_that_is_silent_is_pinged_and_answers() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        link = await world.dial(alice, bob)
        await world.clock.advance(3600)
        assert link.is_open
        assert link.bytes_in < 24 * 3600 / PING_AFTER_S * 2 + 1000  # a ping and a pong each 15 s, either way

    play(scenario)


def test_a_peer_that_does_not_answer_two_pings_is_dead() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        link = await world.dial(alice, bob)
        await settle()
        ours, theirs = world.network.streams[0]
        ours.dead = theirs.dead = True
        await world.clock.advance(PING_AFTER_S + 2 * PING_TIMEOUT_S - 0.1)
        assert link.is_open
        await world.clock.advance(0.2)
        assert await link.closed == "the peer is silent"
        assert bob.manager.links == ()  # it found out alone

    play(scenario)


@pytest.mark.parametrize("said", [b"", b"0" * 64, b"0" * 30])
def test_a_caller_who_does_not_finish_the_handshake_is_cut_off(said: bytes) -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        bob = await world.join(tasks, BOB)
        world.everybody[DeviceId("0" * 64)] = ALICE.peer
        stream = await world.network.carrier().dial(world.addresses[bob.device])
        stream.write(said)
        await settle()
        assert len(bob.manager._all) == 1
        await world.clock.advance(HANDSHAKE_TIMEOUT_S - 0.1)
        assert len(bob.manager._all) == 1
        await world.clock.advance(0.2)
        assert len(bob.manager._all) == 0
        assert bob.diary == []

    play(scenario)


def test_a_stream_that_never_says_what_it_is_is_reset_after_10_s() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        link = await world.dial(alice, bob)
        link._pump.send(link._pump.open(bulk=False), b"\x00\x00")
        await settle()
        (other,) = bob.manager.links
        await world.clock.advance(9)
        assert len(other.channels) == 1
        await world.clock.advance(6)
        assert other.channels == ()
        assert (link._stack.mux.streams, other._stack.mux.streams) == (0, 0)
        assert link.is_open

    play(scenario)


def test_a_stream_that_ends_before_it_says_what_it_is_is_reset() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        link = await world.dial(alice, bob)
        stream = link._pump.open(bulk=False)
        link._pump.send(stream, b"\x00\x00")
        link._pump.end(stream)
        await settle()
        (other,) = bob.manager.links
        assert (other.channels, other._stack.mux.streams) == ((), 0)
        assert link.is_open

    play(scenario)


# --- who may stay


def test_a_ban_closes_the_link_at_once() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        link = await world.dial(alice, bob)
        channel, _ = await link.open_channel("sync")
        bob.policy.classes[ALICE.account.account_id] = None
        bob.manager.reclassify()
        assert bob.manager.links == ()
        assert await channel.receive() is None
        with pytest.raises(LinkError):
            await channel.send({})
        assert bob.diary[-1].endswith("no link is wanted with it")

    play(scenario)


def test_who_shares_nothing_any_more_is_hung_up_on_not_kept_as_a_stranger() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        await world.dial(alice, bob)
        bob.policy.classes[ALICE.account.account_id] = LinkClass.STRANGER
        bob.manager.reclassify()
        assert bob.manager.links == ()
        assert bob.diary[-1].endswith("nothing is shared with it any more")

    play(scenario)


def test_a_revocation_closes_the_link_at_once() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        await world.dial(alice, bob)
        prefix = bytes.fromhex(ALICE.device.device_id)[:16]
        bob.policy.revocations[ALICE.account.account_id] = frozenset({prefix})
        bob.manager.reclassify()
        assert bob.manager.links == ()
        assert "revoked" in bob.diary[-1]

    play(scenario)


def test_a_channel_that_is_not_allowed_any_more_is_reset_and_the_others_stay() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        link = await world.dial(alice, bob)
        sync, _ = await link.open_channel("sync")
        file, _ = await link.open_channel("file")
        bob.policy.refused["file"] = "forbidden"
        bob.manager.reclassify()
        with pytest.raises(LinkError):
            await file.receive()
        await sync.send({"still": 1})
        assert await sync.receive() == {"still": 1}

    play(scenario)


def test_nobody_we_do_not_want_comes_up() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        alice.policy.classes[BOB.account.account_id] = None
        with pytest.raises(LinkError, match="no link is wanted"):
            await world.dial(alice, bob)
        assert alice.diary == []

    play(scenario)


def test_a_stranger_without_a_channel_goes_after_30_s() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        bob.policy.classes[ALICE.account.account_id] = LinkClass.STRANGER
        link = await world.dial(alice, bob)
        channel, _ = await link.open_channel("invite")
        await world.clock.advance(2 * STRANGER_IDLE_S)
        channel.close()
        await settle()
        await world.clock.advance(STRANGER_IDLE_S - 1)
        assert link.is_open
        await world.clock.advance(PING_TIMEOUT_S)
        assert link.is_over
        assert bob.diary[-1].endswith("an idle stranger")

    play(scenario)


def test_a_stranger_sends_64_kib_and_no_more() -> None:
    async def eat(channel: Channel) -> None:
        await channel.accept()
        while await channel.receive_bytes(MIB):
            pass

    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB, on_channel=eat)
        bob.policy.classes[ALICE.account.account_id] = LinkClass.STRANGER
        link = await world.dial(alice, bob)
        channel, _ = await link.open_channel("invite")
        (other,) = bob.manager.links
        await channel.send_bytes(bytes(STRANGER_BYTES_MAX - other.bytes_in - 12))
        await settle()
        assert other.bytes_in == STRANGER_BYTES_MAX
        assert link.is_open
        await channel.send_bytes(b"x")
        await link.closed
        await settle()
        assert bob.diary[-1].endswith("a stranger sent too much")

    play(scenario)


def test_four_strangers_of_one_address_are_taken_and_a_fifth_when_one_becomes_a_member() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        bob = await world.join(tasks, BOB)
        callers = [await world.join(tasks, identity(seed), host="10.9.9.9") for seed in range(10, 17)]
        for caller in callers:
            bob.policy.classes[caller.identity.account.account_id] = LinkClass.STRANGER
        links = [await world.dial(caller, bob) for caller in callers[:STRANGER_LINKS_PER_SOURCE_MAX]]
        await settle()
        fifth = await world.dial(callers[4], bob)
        assert await fifth.closed
        bob.policy.classes[callers[0].identity.account.account_id] = LinkClass.MEMBER
        bob.manager.reclassify()
        sixth = await world.dial(callers[5], bob)
        await settle()
        assert sixth.is_open
        assert all(link.is_open for link in links)

    play(scenario)


def test_a_pairing_link_lasts_five_minutes() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        bob.policy.classes[ALICE.account.account_id] = LinkClass.PAIRING
        link = await world.dial(alice, bob)
        await world.clock.advance(PAIRING_LINK_S - 1)
        assert link.is_open
        await world.clock.advance(2)
        assert link.is_over

    play(scenario)


def test_sixteen_handshakes_of_one_address_run_at_once_and_the_next_is_turned_away() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE, host="10.7.7.7"), await world.join(tasks, BOB)
        silent = world.network.carrier("10.7.7.7")
        for _ in range(HANDSHAKES_PER_SOURCE_MAX):
            await silent.dial(world.addresses[bob.device])
        await settle()
        with pytest.raises(LinkError):
            await world.dial(alice, bob)
        await world.clock.advance(HANDSHAKE_TIMEOUT_S)  # sixteen failures: a minute of silence
        assert len(bob.manager._all) == 0
        with pytest.raises(LinkError):
            await world.dial(alice, bob)
        await world.clock.advance(HANDSHAKE_SILENCE_S)
        assert (await world.dial(alice, bob)).is_open
        assert HANDSHAKE_FAILURES_PER_MINUTE < HANDSHAKES_PER_SOURCE_MAX

    play(scenario)


# --- one link for each device


async def cross(world: World, first: LinkedNode, second: LinkedNode) -> None:
    """Both dial at the same moment."""
    async with asyncio.TaskGroup() as both:
        both.create_task(world.dial(first, second))
        both.create_task(world.dial(second, first))
    await settle()


def test_when_both_dial_at_once_the_dial_of_the_greater_device_stays() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        greater, less = await world.join(tasks, GREATER), await world.join(tasks, LESS)
        await cross(world, greater, less)
        (mine,), (theirs,) = greater.manager.links, less.manager.links
        assert (mine.dialled, theirs.dialled) == (True, False)
        channel, _ = await mine.open_channel("sync")
        await channel.send({"x": 1})
        assert await channel.receive() == {"x": 1}
        assert (len(greater.manager._all), len(less.manager._all)) == (1, 1)
        for node in (greater, less):  # up, perhaps down and up again: in turns, ending up
            kinds = [line.split()[0] for line in node.diary]
            assert kinds == ["up", "down"] * (len(kinds) // 2) + ["up"]

    play(scenario)


def test_a_link_that_its_peer_has_lost_does_not_keep_the_peer_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pulled cable: one end has noticed and dials anew, to the other the old link looks alive and ranks higher."""
    monkeypatch.setattr(connection_manager, "PROBE_TIMEOUT_S", 0.01)

    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        greater, less = await world.join(tasks, GREATER), await world.join(tasks, LESS)
        old = await world.dial(greater, less)
        await settle()
        for end in world.network.streams[-1]:
            end.dead = True
        less.manager.links[0].close("the cable was pulled")
        await settle()
        await world.dial(less, greater)
        assert greater.manager.links == (old,), "by rank the old one stays"
        async with asyncio.timeout(5):
            await old.closed
        await settle()
        assert greater.manager.links == ()
        assert (await world.dial(less, greater)).is_open

    play(scenario)


def test_channels_of_the_losing_link_finish_but_sync_moves() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        greater, less = await world.join(tasks, GREATER), await world.join(tasks, LESS)
        losing = await world.dial(less, greater)
        sync, _ = await losing.open_channel("sync")
        pack, _ = await losing.open_channel("pack")
        greater.manager._by_device.clear()  # it does not know of it yet, and dials
        winning = await world.dial(greater, less)
        await settle()
        assert less.manager.links[0] is not losing
        assert await sync.receive() is None
        assert not losing.is_open
        await pack.send({"still": 1})
        assert await pack.receive() == {"still": 1}
        pack.close()
        await settle()
        assert losing.is_over
        assert winning.is_open

    play(scenario)


def test_a_draining_link_ends_after_a_minute_whatever_is_open() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        link = await world.dial(alice, bob)
        await link.open_channel("pack")
        link.drain()
        await settle()
        assert not link.is_open
        with pytest.raises(LinkError):
            await link.open_channel("file")
        await world.clock.advance(59)
        assert not link.is_over
        await world.clock.advance(6)
        assert link.is_over

    play(scenario)


def test_a_restarted_peer_replaces_its_dead_link_whatever_the_ranks() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        greater, less = await world.join(tasks, GREATER), await world.join(tasks, LESS)
        dead = await world.dial(greater, less)  # the highest rank
        await settle()
        ours, theirs = world.network.streams[0]
        ours.dead = theirs.dead = True
        again = await world.join(tasks, identity(LESS.device_key.seed[0], boot=b"boot-two"))
        link = await world.dial(again, greater)
        await settle()
        assert dead.is_over
        assert await dead.closed == "the peer was restarted"
        (standing,) = greater.manager.links
        assert not standing.dialled
        assert link.is_open
        assert [line.split()[0] for line in greater.diary] == ["up", "down", "up"]

    play(scenario)


def test_a_dial_that_reaches_another_device_fails_and_says_so() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        with pytest.raises(LinkError, match="another device answers"):
            await alice.manager.dial(CAROL.device.device_id, [world.addresses[bob.device]])
        await settle()
        assert (alice.manager.links, bob.diary) == ((), [])

    play(scenario)


def test_the_right_device_is_found_among_wrong_addresses() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob, carol = [await world.join(tasks, who) for who in (ALICE, BOB, CAROL)]
        nobody = Address("10.0.0.99", 1)
        link = await alice.manager.dial(
            DeviceId(bob.device), [nobody, world.addresses[carol.device], world.addresses[bob.device]]
        )
        assert link.peer == BOB.peer

    play(scenario)


def test_an_address_where_somebody_is_silent_does_not_hold_up_the_others() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        silent = await world.network.carrier().listen(Address("10.0.0.98", 0), lambda _stream: None)
        link = await alice.manager.dial(DeviceId(bob.device), [silent.address, world.addresses[bob.device]])
        await settle()
        assert link.peer == BOB.peer
        assert list(alice.manager._all) == [link]

    play(scenario)


def test_an_address_that_never_answers_is_given_up() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice = await world.join(tasks, ALICE, times=LinkTimes(handshake_s=0.02))

        async def never(_address: Address) -> MemoryStream:
            await asyncio.Event().wait()
            raise AssertionError

        alice.manager._carrier.dial = never  # type: ignore[method-assign]
        with pytest.raises(LinkError, match=r"no answer in 0.02 s"):
            await alice.manager.dial(None, [Address("10.0.0.97", 1)])

    play(scenario)


def test_whoever_answers_is_taken_if_nobody_was_named() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        link = await alice.manager.dial(None, [world.addresses[bob.device]])
        assert link.peer == BOB.peer
        assert await alice.manager.dial(None, [world.addresses[bob.device]]) is alice.manager.links[0]
        await settle()
        assert (len(alice.manager.links), len(bob.manager.links)) == (1, 1)

    play(scenario)


def test_run_ends_when_the_manager_is_closed_and_all_links_with_it() -> None:
    async def run() -> None:
        world = World()
        async with asyncio.TaskGroup() as tasks:
            alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
            link = await world.dial(alice, bob)
            await link.open_channel("sync")
            await alice.manager.close()
            await bob.manager.close()
        assert link.is_over
        with pytest.raises(LinkError):
            await world.dial(alice, bob)

    asyncio.run(run())


def test_a_cancelled_node_ends_its_links_and_handlers() -> None:
    ended = []

    async def wait(channel: Channel) -> None:
        await channel.accept()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(channel.name)

    async def run() -> None:
        world = World()
        async with asyncio.TaskGroup() as tasks:
            alice = await world.join(tasks, ALICE)
            bob = LinkedNode(
                BOB,
                on_channel=wait,
                runtime=world.clock,
                carrier=world.network.carrier("10.0.0.2"),
                security=NamedSecurity(BOB, world.everybody),
            )
            running = tasks.create_task(bob.manager.run())
            await settle()
            (address,) = await bob.manager.listen([Address("10.0.0.2", 0)])
            link = await alice.manager.dial(None, [address])
            await link.open_channel("pack")
            running.cancel()
            await settle()
            assert running.cancelled()
            assert link.is_over
            assert bob.manager.links == ()
            await alice.manager.close()

    asyncio.run(run())
    assert ended == ["pack"]


def test_a_device_reached_at_two_addresses_has_one_link() -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob = await world.join(tasks, ALICE), await world.join(tasks, BOB)
        (second,) = await bob.manager.listen([Address("10.0.1.2", 0)])
        async with asyncio.TaskGroup() as both:
            dials = [
                both.create_task(alice.manager.dial(DeviceId(bob.device), [address]))
                for address in (world.addresses[bob.device], second)
            ]
        await settle()
        (link,) = alice.manager.links
        assert len(bob.manager.links) == 1
        assert link.is_open
        assert link in [dial.result() for dial in dials]
        assert (len(alice.manager._all), len(bob.manager._all)) == (1, 1)

    play(scenario)


# --- floods


@pytest.mark.parametrize("flood", ["streams", "pings", "frame", "openings", "preface"])
def test_a_flood_costs_that_link_only(flood: str) -> None:
    async def scenario(world: World, tasks: asyncio.TaskGroup) -> None:
        alice, bob, carol = [await world.join(tasks, who) for who in (ALICE, BOB, CAROL)]
        good = await world.dial(carol, bob)
        link = await world.dial(alice, bob)
        await settle()
        _, theirs = world.network.streams[-1]
        theirs.congested = True  # and it does not read what it causes
        ours = world.network.streams[-1][0]
        match flood:
            case "streams":
                for number in range(3, 40_000, 2):
                    ours.write(b"\x00\x01\x00\x01" + number.to_bytes(4, "big") + bytes(4))
            case "pings":
                ours.write((b"\x00\x02\x00\x01" + bytes(8)) * 100_000)
                ours.write(b"\x09" * 12)
            case "frame":
                ours.write(b"\x00\x01\x00\x01" + (3).to_bytes(4, "big") + bytes(4))
                ours.write(b"\x00\x00\x00\x00" + (3).to_bytes(4, "big") + (YAMUX_WINDOW + 1).to_bytes(4, "big"))
            case "openings":
                for number in range(3, 5_000, 2):
                    ours.write(b"\x00\x00\x00\x01" + number.to_bytes(4, "big") + (4).to_bytes(4, "big") + b"\xff" * 4)
            case "preface":
                ours.write(b"\x00\x00\x00\x00" + bytes(8))
        await settle()
        assert [one.peer for one in bob.manager.links] == [CAROL.peer]
        assert theirs.written < 100_000
        assert link.is_over
        channel, _ = await good.open_channel("sync")
        await channel.send({"x": 1})
        assert await channel.receive() == {"x": 1}

    play(scenario)
