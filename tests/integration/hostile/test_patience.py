"""What takes minutes and days, in virtual time: who never answers, who drips, who is barred. (SCP-03 §4a, SCP-04 §3.2, §4.3)"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from swarmchat.conversation.actions import Kick, Post
from swarmchat.ids import CommitId, ConversationId, raw
from swarmchat.limits import ANSWER_TIMEOUT_S, INVALID_COMMITS_PER_HOUR_MAX, PEER_BARRED_S, PULL_SLOW_S, PULL_STALL_S
from swarmchat.links.channel import Channel
from swarmchat.swarm.messages import News, PackRequest, Shared, encode
from tests.support.builders import DAVE
from tests.support.commitlogs import BLOB, objects_of, packed
from tests.support.rogue import Anything, PackServer, Rogue, refusing
from tests.support.sim.network import NamingSecurity
from tests.support.sim.runtime import SimRuntime
from tests.support.swarms import House, World, account_of, play


@asynccontextmanager
async def rogue(world: World, name: str) -> AsyncIterator[Rogue]:
    """Somebody on a host of his own, with the account of that name."""
    runtime = SimRuntime(f"rogue {name}")
    one = Rogue(
        account_of(name),
        world.folder / f"rogue-{name}",
        runtime,
        carrier=world.network.carrier("10.9.9.9"),
        security=lambda identity: NamingSecurity(identity, runtime.now, Anything().revoked),
    )
    await one.up()
    try:
        yield one
    finally:
        await one.down()


async def room(world: World, founder: House, bob: Rogue, *guests: House) -> ConversationId:
    where = await world.room(founder, *guests)
    await founder.swarm.invite(where, [bob.account.id])
    async with bob.linked(founder.address) as link:
        await bob.join(link, where)
        await world.until(lambda: founder.catalog.open(where).roster.is_joined(bob.account.id))
    await world.until(lambda: world.level(where, founder, *guests))
    return where


async def silent(channel: Channel, _request: PackRequest) -> None:
    """Never answers."""
    while await channel.receive() is not None:
        pass


async def stuck(channel: Channel, request: PackRequest) -> None:
    """Answers, begins, and stops in the middle of a piece."""
    await channel.accept(heads=[bytes(20)], objects=1, enc="none")
    await channel.send_bytes((1_000).to_bytes(4, "big") + b"PACK")
    await silent(channel, request)


async def dripping(channel: Channel, _request: PackRequest) -> None:
    """A byte a second."""
    await channel.accept(heads=[bytes(20)], objects=1, enc="none")
    data = packed(objects_of((BLOB, random.Random(1).randbytes(100_000))))
    await channel.send_bytes(len(data).to_bytes(4, "big"))
    for byte in data:
        await channel.send_bytes(bytes([byte]))
        await asyncio.sleep(1.0)


@pytest.mark.parametrize(
    ("serve", "gives_up_s"),
    [(silent, ANSWER_TIMEOUT_S), (stuck, PULL_STALL_S), (dripping, PULL_SLOW_S), (refusing, 0.0)],
)
def test_who_does_not_give_what_it_announced_is_given_up_and_asked_ever_more_seldom(
    tmp_path: Path, serve: PackServer, gives_up_s: float
) -> None:
    async def story(world: World) -> None:
        alice, carol = await world.house("alice"), await world.house("carol")
        async with rogue(world, "bob") as bob:
            where = await room(world, alice, bob, carol)
            bob.serve_pack = serve
            async with bob.linked(alice.address) as link:
                channel = await bob.sync(link, Shared(where, ()))
                await channel.send(encode(News(where, (CommitId("f" * 40),))))
                await world.until(lambda: bool(bob.asked))
                peer = alice.swarm._rooms.room(where).session._peers[bob.account.device]
                took = await world.until(lambda: peer.asked is None, 100.0)
                assert gives_up_s - 0.5 <= took <= gives_up_s + 3.0
                await asyncio.sleep(3_600)
                assert 8 <= len(bob.asked) <= 60
                (row,) = [row for row in alice.swarm.sync_status(where) if row.device == bob.account.device]
                assert [missing.head for missing in row.missing] == ["f" * 40]
                said = await carol.post(where, "in the meantime")
                await world.until(lambda: alice.catalog.open(where).knows(said), 5.0)
                assert not link.is_over

    play(tmp_path, story)


def test_invalid_commits_bar_for_a_day_only_when_they_come_within_an_hour(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice = await world.house("alice")
        async with rogue(world, "bob") as bob:
            where = await room(world, alice, bob)
            async with bob.linked(alice.address) as link:
                await bob.fetch(link, where)
                base = bob.log(where).heads
                channel = await bob.sync(link, Shared(where, base))
                log, barred = alice.catalog.open(where), alice.swarm._rooms.reputation.barred

                async def offend(number: int) -> None:
                    commit, objects = bob.forge(where, Kick(DAVE.id), extra={"n": number})
                    await bob.push(channel, where, objects, [commit], since=base)
                    await world.until(lambda: log.refusal(commit) is not None)
                    await asyncio.sleep(0.1)

                def is_barred() -> bool:
                    return barred(bob.account.device, alice.swarm._parts.runtime.monotonic())

                for number in range(INVALID_COMMITS_PER_HOUR_MAX + 3):  # more than that, half an hour apart
                    await offend(number)
                    assert not is_barred()
                    await asyncio.sleep(1_801)
                for number in range(2):
                    await offend(100 + number)
                assert is_barred()
                fine, objects = bob.forge(where, Post("now I behave"))
                await channel.send(encode(News(where, (fine,))))
                bob.serve_pack = _giving(packed(objects), fine)
                await asyncio.sleep(PEER_BARRED_S - 60.0)
                assert (is_barred(), bob.asked, log.knows(fine)) == (True, [], False)
                assert any(row.barred for row in alice.swarm.sync_status(where))
                await asyncio.sleep(400.0)
                await channel.send(encode(News(where, (fine,))))
                await world.until(lambda: log.knows(fine))
                assert not is_barred()

    play(tmp_path, story)


def _giving(data: bytes, head: CommitId) -> PackServer:
    async def serve(channel: Channel, _request: PackRequest) -> None:
        await channel.accept(heads=[raw(head)], objects=1, enc="none")
        await channel.send_bytes(len(data).to_bytes(4, "big") + data + bytes(4))

    return serve
