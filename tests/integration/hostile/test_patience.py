"""What takes minutes and days, in virtual time: who never answers, who drips, who is barred. (SCP-03 §4a, SCP-04 §3.2, §4.3)"""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from swarmchat.conversation.actions import Kick, Post
from swarmchat.errors import LinkError
from swarmchat.ids import CommitId, ConversationId, raw
from swarmchat.limits import (
    ANSWER_TIMEOUT_S,
    INVALID_COMMITS_PER_HOUR_MAX,
    PEER_BARRED_S,
    PULL_SLOW_S,
    PULL_STALL_S,
    PULL_TURN_S,
    PULLS_PER_CONVERSATION_MAX,
)
from swarmchat.links.channel import Channel
from swarmchat.swarm import rooms
from swarmchat.swarm.messages import Hello, News, PackRequest, Shared, encode
from tests.support.builders import DAVE
from tests.support.commitlogs import BLOB, objects_of, packed, post
from tests.support.rogue import PackServer, Rogue, refusing, simulated
from tests.support.sim.runtime import EPOCH
from tests.support.swarms import House, World, play


async def room(world: World, founder: House, bob: Rogue, *guests: House) -> ConversationId:
    where = await world.room(founder, *guests)
    await join(world, founder, bob, where)
    await world.until(lambda: world.level(where, founder, *guests))
    return where


async def join(world: World, founder: House, bob: Rogue, where: ConversationId) -> None:
    await founder.swarm.invite(where, [bob.account.id])
    async with bob.linked(founder.address) as link:
        await bob.join(link, where)
        await world.until(lambda: founder.catalog.open(where).roster.is_joined(bob.account.id))


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


async def trickling(channel: Channel, _request: PackRequest) -> None:
    """Two thousand bytes a second, for ever: not so slow that it is a stall."""
    await channel.accept(heads=[bytes(20)], objects=1, enc="none")
    data = packed(objects_of((BLOB, random.Random(1).randbytes(200_000))))
    await channel.send_bytes(len(data).to_bytes(4, "big"))
    for start in range(0, len(data), 2_000):
        await channel.send_bytes(data[start : start + 2_000])
        await asyncio.sleep(1.0)


@pytest.mark.timeout(180)  # a second of work; a machine that is short of everything once took 54
@pytest.mark.parametrize("number", [PULLS_PER_CONVERSATION_MAX, 2 * PULLS_PER_CONVERSATION_MAX])
def test_devices_that_drip_hold_up_the_pulls_of_a_conversation_for_a_minute_a_round(
    tmp_path: Path, number: int
) -> None:
    async def story(world: World) -> None:
        alice, carol = await world.house("alice"), await world.house("carol")
        where = await world.room(alice, carol)
        async with AsyncExitStack() as stack:
            bobs = [await stack.enter_async_context(simulated(world, f"bob{n}", f"10.9.9.{n}")) for n in range(number)]
            for bob in bobs:
                await join(world, alice, bob, where)
                bob.serve_pack = trickling
            for n, bob in enumerate(bobs):
                link = await stack.enter_async_context(bob.linked(alice.address))
                channel = await bob.sync(link, Shared(where, ()))
                await channel.send(encode(News(where, (CommitId(f"{n:040x}"),))))
            await world.until(lambda: sum(bool(bob.asked) for bob in bobs) == PULLS_PER_CONVERSATION_MAX)
            dice = random.Random(3)
            texts = [dice.randbytes(30_000).hex() for _ in range(5)]
            await asyncio.gather(*(carol.post(where, text) for text in texts))  # too long to be pushed together
            rounds = number / PULLS_PER_CONVERSATION_MAX
            took = await world.until(lambda: world.level(where, alice, carol), 400.0)
            assert took <= rounds * (PULL_TURN_S + 2.0) + 2.0
            for _ in range(3):  # and who brought nothing is behind who did
                said = [dice.randbytes(30_000).hex() for _ in range(5)]
                await asyncio.gather(*(carol.post(where, text) for text in said))
                await world.until(lambda: world.level(where, alice, carol), rounds * (PULL_TURN_S + 2.0) + 2.0)

    play(tmp_path, story)


def test_devices_that_drip_in_one_conversation_hold_up_another_for_a_minute_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "PULLS_MAX", 2)  # in all, on one node; 16 would only take longer

    async def story(world: World) -> None:
        alice, carol = await world.house("alice"), await world.house("carol")
        where = await world.room(alice, carol)
        async with AsyncExitStack() as stack:
            for n in range(2):
                bob = await stack.enter_async_context(simulated(world, f"bob{n}", f"10.9.9.{n}"))
                theirs = await room(world, alice, bob)
                bob.serve_pack = trickling
                link = await stack.enter_async_context(bob.linked(alice.address))
                channel = await bob.sync(link, Shared(theirs, ()))
                await channel.send(encode(News(theirs, (CommitId(f"{n:040x}"),))))
                await world.until(lambda: bool(bob.asked))  # noqa: B023
            said = random.Random(4).randbytes(30_000).hex()
            await asyncio.gather(*(carol.post(where, f"{n} {said}") for n in range(5)))
            took = await world.until(lambda: world.level(where, alice, carol), 100.0)
            assert PULL_TURN_S - 5.0 < took < PULL_TURN_S + 2.0

    play(tmp_path, story)


def test_who_names_what_another_has_and_drips_it_is_passed_over(tmp_path: Path) -> None:
    served: list[Channel] = []

    async def noted(channel: Channel, request: PackRequest) -> None:
        served.append(channel)
        await trickling(channel, request)

    async def story(world: World) -> None:
        alice = await world.house("alice")
        async with simulated(world, "bob") as bob, simulated(world, "frank", "10.9.9.8") as frank:
            where = await room(world, alice, bob)
            await join(world, alice, frank, where)
            bob.serve_pack = noted
            async with bob.linked(alice.address) as link, frank.linked(alice.address) as honest:
                await frank.fetch(honest, where)
                base = frank.log(where).heads
                said = post(frank.log(where), frank.person, "what bob had heard of too", now=int(frank._runtime.now()))
                first = await bob.sync(link, Shared(where, base))
                await first.send(encode(News(where, (said,))))
                await world.until(lambda: bool(bob.asked))
                second = await frank.sync(honest, Shared(where, base))
                await second.send(encode(News(where, (said,))))
                took = await world.until(lambda: alice.catalog.open(where).knows(said), 100.0)
                assert PULL_TURN_S - 2.0 < took < PULL_TURN_S + 2.0
                await world.until(lambda: served[0].is_broken, 5.0)  # it is not left to send the rest for nothing

    play(tmp_path, story)


def test_a_long_history_over_a_slow_line_comes_in_turns_and_nothing_twice(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice = await world.house("alice")
        async with simulated(world, "bob") as bob, simulated(world, "frank", "10.9.9.8") as frank:
            where = await room(world, alice, bob)
            await join(world, alice, frank, where)
            async with bob.linked(alice.address) as link, frank.linked(alice.address) as other:
                await bob.fetch(link, where)
                base = bob.log(where).heads
                lines = [
                    post(bob.log(where), bob.person, random.Random(n).randbytes(500).hex(), now=int(EPOCH) + n)
                    for n in range(300)
                ]
                sent: list[int] = []

                async def slow(channel: Channel, request: PackRequest) -> None:
                    pack = bob.log(where).pack(request.want, request.have)
                    assert pack is not None
                    sent.append(pack.objects)
                    await channel.accept(heads=[raw(each) for each in pack.heads], objects=pack.objects, enc="none")
                    data = b"".join(pack.chunks)
                    for start in range(0, len(data), 500):
                        piece = data[start : start + 500]
                        await channel.send_bytes(len(piece).to_bytes(4, "big") + piece)
                        await asyncio.sleep(0.25)
                    await channel.send_bytes(bytes(4))

                for one, line in ((bob, link), (frank, other)):
                    one.serve_pack = slow
                    channel = await one.sync(line, Shared(where, base))
                    await channel.send(encode(News(where, (lines[-1],))))
                log = alice.catalog.open(where)
                await world.until(lambda: log.knows(lines[-1]), 600.0)
                assert len(bob.asked) >= 2
                assert len(frank.asked) >= 1
                assert sent == sorted(sent, reverse=True)
                assert len(set(sent)) == len(sent)  # each was asked for less than the one before
                assert log.verify().valid

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("serve", "gives_up_s"),
    [(silent, ANSWER_TIMEOUT_S), (stuck, PULL_STALL_S), (dripping, PULL_SLOW_S), (refusing, 0.0)],
)
def test_who_does_not_give_what_it_announced_is_given_up_and_asked_ever_more_seldom(
    tmp_path: Path, serve: PackServer, gives_up_s: float
) -> None:
    async def story(world: World) -> None:
        alice, carol = await world.house("alice"), await world.house("carol")
        async with simulated(world, "bob") as bob:
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
                (row,) = [row for row in alice.swarm.status.sync(where) if row.device == bob.account.device]
                assert [missing.head for missing in row.missing] == ["f" * 40]
                assert (row.ahead, row.linked) == (1, True)
                said = await carol.post(where, "in the meantime")
                await world.until(lambda: alice.catalog.open(where).knows(said), 5.0)
                assert not link.is_over

    play(tmp_path, story)


def test_a_peer_that_reads_nothing_loses_its_link_and_not_our_memory(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice = await world.house("alice")
        async with simulated(world, "bob") as bob:
            where = await room(world, alice, bob)
            async with bob.linked(alice.address) as link:
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


def test_invalid_commits_bar_for_a_day_only_when_they_come_within_an_hour(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice = await world.house("alice")
        async with simulated(world, "bob") as bob:
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
                assert any(row.barred for row in alice.swarm.status.sync(where))
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
