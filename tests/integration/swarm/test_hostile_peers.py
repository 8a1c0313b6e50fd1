"""What a member, an invitee or a stranger who does not keep to the protocol can do: nothing that lasts. (SCP-04 §2.1, §3, SCP-03 §4a)"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Container
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from swarmchat.addresses import Address
from swarmchat.errors import LinkError, PeerError
from swarmchat.ids import AccountId, raw
from swarmchat.limits import FOREIGN_MESSAGES_PER_MINUTE, INVALID_COMMITS_PER_HOUR_MAX
from swarmchat.links.channel import Channel
from swarmchat.links.connection_manager import ConnectionManager
from swarmchat.links.frames import Message
from swarmchat.links.link import Link
from swarmchat.links.peers import Identity, LinkClass, Peer
from swarmchat.swarm.mail import Ask, Letter, letter_fields
from swarmchat.swarm.messages import Hello, News, PackRequest, Shared, encode, pack_request_fields
from tests.support.sim.network import NamingSecurity
from tests.support.sim.runtime import EPOCH, SimRuntime
from tests.support.swarms import World, account_of, play


class Anything:
    """A policy that forbids nothing."""

    def classify(self, _peer: Peer) -> LinkClass:
        return LinkClass.MEMBER

    def revoked(self, _account: AccountId) -> Container[bytes]:
        return frozenset()

    def may_open(self, _link: Link, _opening: Message) -> None:
        return None


@asynccontextmanager
async def rogue(world: World, name: str, address: Address, serve: Any = None) -> AsyncIterator[Link]:
    """A link of somebody who speaks as he likes, with the keys of `name`."""
    mine = account_of(name)
    runtime = SimRuntime(f"rogue {name}")
    identity = Identity(mine.device_key, mine.device_certificate, mine.certificate, b"rogue-01")
    manager = ConnectionManager(
        identity,
        runtime,
        carrier=world.network.carrier("10.9.9.9"),
        security=NamingSecurity(identity, runtime.now, Anything().revoked),
        policy=Anything(),
        on_channel=serve or _wait,
        on_link_up=lambda _link: None,
        on_link_down=lambda _link, _reason: None,
    )
    running = world.tasks.create_task(manager.run())
    await asyncio.sleep(0.01)
    try:
        yield await manager.dial(None, [address])
    finally:
        await manager.close()
        await running


async def _wait(channel: Channel) -> None:
    await channel.accept()
    while await channel.receive() is not None:
        pass


def test_a_stranger_may_neither_sync_nor_fetch_a_private_history(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice = await world.house("alice")
        where = await alice.swarm.create(1)
        async with rogue(world, "mallory", alice.address) as link:
            with pytest.raises(PeerError) as caught:
                await link.open_channel("sync")
            assert caught.value.peer_code == "forbidden"
            for unknown in (where, "0" * 40):
                with pytest.raises(PeerError) as caught:
                    await link.open_channel("pack", **pack_request_fields(PackRequest(unknown, (), None)))  # type: ignore[arg-type]
                assert caught.value.peer_code == "unknown-conversation"  # whether it exists is not told
            channel, _ = await link.open_channel("invite", **letter_fields(Letter(Ask(where), int(EPOCH))))
            channel.close()
            with pytest.raises(PeerError) as caught:
                await link.open_channel("invite", mimetype=7)
            assert caught.value.peer_code == "bad-message"
        await asyncio.sleep(1)
        assert alice.events[-1].type == "peer.offline"

    play(tmp_path, story)


def test_a_flood_of_messages_about_other_conversations_ends_the_link(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        await world.room(alice, bob)
        await bob.down()
        async with rogue(world, "bob", alice.address) as link:
            channel, _ = await link.open_channel("sync")
            await channel.send(encode(Hello(())))
            for _ in range(FOREIGN_MESSAGES_PER_MINUTE - 1):
                await channel.send(encode(News("0" * 40, ())))  # type: ignore[arg-type]
            await asyncio.sleep(1)
            assert not link.is_over
            await channel.send({"t": "wave"})
            await asyncio.sleep(1)
            assert link.is_over

    play(tmp_path, story)


def test_what_is_no_message_ends_the_link(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        await bob.down()
        async with rogue(world, "bob", alice.address) as link:
            channel, _ = await link.open_channel("sync")
            await channel.send({"t": "news", "id": raw(where), "heads": "all"})
            await asyncio.sleep(1)
            assert link.is_over

    play(tmp_path, story)


def test_a_second_sync_and_a_third_pack_are_too_much(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        noise = random.Random(1)
        await asyncio.gather(*(alice.post(where, noise.randbytes(30_000).hex()) for _ in range(40)))
        await bob.down()
        async with rogue(world, "bob", alice.address) as link:
            await link.open_channel("sync")
            with pytest.raises(PeerError) as caught:
                await link.open_channel("sync")
            assert caught.value.peer_code == "busy"
            fields = pack_request_fields(PackRequest(where, (), None))
            open_ones = [(await link.open_channel("pack", **fields))[0] for _ in range(2)]  # and reads nothing of them
            with pytest.raises(PeerError) as caught:
                await link.open_channel("pack", **fields)
            assert caught.value.peer_code == "busy"
            await asyncio.sleep(70)  # nothing was taken for a minute: they are given up
            assert all(channel.ended for channel in open_ones)
            channel, _ = await link.open_channel("pack", **fields)
            channel.close()

    play(tmp_path, story)


def test_heads_that_do_not_exist_are_asked_for_with_patience_and_shown(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        await bob.down()
        asked = 0

        async def nothing(channel: Channel) -> None:
            nonlocal asked
            asked += channel.name == "pack"
            await channel.refuse("gone")

        async with rogue(world, "bob", alice.address, nothing) as link:
            channel, _ = await link.open_channel("sync")
            await channel.send(encode(Hello((Shared(where, ("f" * 40,)),))))  # type: ignore[arg-type]
            await asyncio.sleep(600)
            assert 3 <= asked <= 30
            (row,) = alice.swarm.sync_status(where)
            assert [missing.head for missing in row.missing] == ["f" * 40]
            assert (row.ahead, row.linked) == (1, True)

    play(tmp_path, story)


def test_garbage_in_the_place_of_packs_costs_nothing_but_time(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        await bob.down()
        heads = (await alice.heads(where))[0]

        async def garbage(channel: Channel) -> None:
            if channel.name != "pack":
                await _wait(channel)
                return
            await channel.accept(heads=[bytes(20)], objects=3, enc="none")
            await channel.send_bytes((9).to_bytes(4, "big") + b"no pack!!" + bytes(4))

        async with rogue(world, "bob", alice.address, garbage) as link:
            channel, _ = await link.open_channel("sync")
            await channel.send(encode(Hello((Shared(where, (heads,)),))))
            for number in range(50):
                head = f"{number:040x}"
                await channel.send(encode(News(where, (head,), (heads,), b"rubbish")))  # type: ignore[arg-type]
            await asyncio.sleep(60)
            assert await alice.heads(where) == (heads,)
            said = await alice.post(where, "still here")
            assert alice.catalog.open(where).knows(said)
            assert not list((tmp_path / "alice1" / "conversations" / f"{where}.git" / "incoming").glob("*"))

    play(tmp_path, story)


def test_who_sends_invalid_commits_three_times_is_not_asked_for_a_day(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        for number in range(INVALID_COMMITS_PER_HOUR_MAX):
            alice.swarm._rooms.reputation.invalid(bob.account.device, 1_000.0 + number)
        assert alice.swarm.sync_status(where)[0].barred
        said = await bob.post(where, "from the barred")
        await asyncio.sleep(300)
        assert not alice.catalog.open(where).knows(said)
        assert [row.barred for row in alice.swarm.peers() if row.device == bob.account.device] == [True]

    play(tmp_path, story)


def test_a_peer_that_reads_nothing_loses_its_link_and_not_our_memory(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        await bob.down()
        async with rogue(world, "bob", alice.address) as link:
            channel, _ = await link.open_channel("sync")
            await channel.send(encode(Hello((Shared(where, await alice.heads(where)),))))
            await asyncio.sleep(1)
            dialogue = alice.swarm._board._by_device[bob.account.device]
            for _ in range(2_000):
                dialogue.post(News(where, (), (), bytes(60_000)))
                if link.is_over:
                    break
            await asyncio.sleep(1)
            assert link.is_over
            with pytest.raises(LinkError):
                await channel.send({})

    play(tmp_path, story)
