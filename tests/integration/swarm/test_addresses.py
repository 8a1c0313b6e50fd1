"""Who learns where whom is, over the links that stand: whole nodes in virtual time. (SCP-05 §1.10, §1.12)"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from swarmchat.addresses import Address
from swarmchat.discovery import cards
from swarmchat.discovery.cards import Card
from swarmchat.ids import ConversationId, DeviceId
from swarmchat.limits import CARDS_PER_HELLO_MAX, CARDS_TAKEN_AT_ONCE
from swarmchat.links.channel import Channel
from swarmchat.swarm.introductions import Introductions
from swarmchat.swarm.messages import Hello, decode, encode
from swarmchat.swarm.parts import Audience, DhtWay, Settings
from tests.support.rogue import simulated
from tests.support.sim.runtime import SimRuntime
from tests.support.swarms import House, World, account_of, play


def now() -> int:
    return int(SimRuntime("a right clock").now())


def card(name: str, *addresses: Address, number: int = 1, made: int = 0) -> bytes:
    """What that device would say of itself, `made` seconds from now."""
    mine = account_of(name, number)
    return cards.build(
        account=mine.certificate,
        device=mine.device_certificate,
        key=mine.device_key,
        seal=mine.sealing.public,
        seal_previous=None,
        now=now() + made,
        addresses=addresses,
    ).data


def known(house: House, device: DeviceId) -> set[Address]:
    """Where a house believes a device to be."""
    return {candidate.address for candidate in house.finder.addresses(device)}


def heard(world: World, house: House, name: str, number: int = 1) -> set[Address]:
    """The same without what a link has proved."""
    return known(house, account_of(name, number).device) - {each.address for each in world.houses}


async def houses(world: World, *names: str, audience: Audience = Audience.MEMBERS) -> list[House]:
    made = [await world.house(name, tells=True) for name in names]
    for house in made:
        house.swarm._parts.settings = house.settings = Settings(addresses=audience)
    return made


@asynccontextmanager
async def peer(world: World, name: str, where: Sequence[Address]) -> AsyncIterator[Channel]:
    """A device that says what it likes on `sync`."""
    async with simulated(world, name) as one, one.linked(where[0]) as link:
        channel, _ = await link.open_channel("sync")
        yield channel
        channel.close()


async def next_hello(channel: Channel) -> Hello:
    while True:
        fields = await channel.receive()
        assert fields is not None
        message = decode(fields)
        if isinstance(message, Hello):
            return message


def test_two_who_know_only_the_third_link_and_stay_in_touch_without_him(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, carol = await houses(world, "alice", "bob", "carol")
        where = await world.room(alice, bob, carol)
        assert await world.until(lambda: bob.linked(carol)) < 10
        await alice.down()
        said = await bob.post(where, "she has gone")
        await world.until(lambda: carol.catalog.open(where).knows(said), 5)
        await bob.down()
        await bob.up()
        assert await world.until(lambda: bob.linked(carol)) < 15
        said = await carol.post(where, "and you are back")
        await world.until(lambda: bob.catalog.open(where).knows(said), 5)

    play(tmp_path, story)


def test_each_of_two_can_find_the_other_again_days_later_whoever_dialled_first(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, carol = await houses(world, "alice", "bob", "carol")
        await world.room(alice, bob, carol)
        await world.until(lambda: bob.linked(carol))
        await asyncio.sleep(1)
        for house in (alice, bob, carol):
            await house.down()
        await asyncio.sleep(3 * 86_400)
        for one, other in ((bob, carol), (carol, bob)):
            await one.up()
            assert known(one, other.account.device) == {other.address}
            await one.down()

    play(tmp_path, story)


def test_a_new_address_goes_round_at_once_through_whoever_is_linked(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await houses(world, "alice", "bob")
        carol = await world.house("carol")  # says nothing, so that only she can dial
        await world.room(alice, bob, carol)
        await world.until(lambda: bob.linked(carol), 10)
        await bob.down()
        await asyncio.sleep(3_600)
        bob.address = replace(bob.address, port=5000)
        await bob.up()
        await world.until(lambda: bob.linked(alice), 300)
        assert bob.address not in known(carol, bob.account.device)
        await world.until(lambda: bob.linked(carol), 5)
        assert bob.address in known(carol, bob.account.device)

    play(tmp_path, story)


def test_a_node_whose_network_changed_says_so_on_the_links_that_stand(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await houses(world, "alice", "bob")
        await world.room(alice, bob)
        await world.until(lambda: known(alice, bob.account.device) == {bob.address}, 5)
        bob.address = replace(bob.address, port=5000)
        bob.swarm.surroundings.network_changed()
        await world.until(lambda: bob.address in known(alice, bob.account.device), 5)

    play(tmp_path, story)


def test_an_invited_account_is_told_when_it_has_joined(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, carol = await houses(world, "alice", "bob", "carol")
        where = await world.room(alice, bob)
        await alice.knows(carol)
        await alice.swarm.invite(where, [carol.account.id])
        await world.until(lambda: bool(carol.keeper.state.pending()))
        await asyncio.sleep(20)  # less than an idle stranger's link
        assert alice.linked(carol)
        assert not known(carol, alice.account.device) | known(carol, bob.account.device)
        await carol.accept_all()
        await world.until(lambda: bob.linked(carol), 10)

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("audience", "friend", "member", "third"),
    [
        (Audience.NONE, False, False, False),
        (Audience.CONTACTS, True, False, False),
        (Audience.MEMBERS, True, True, True),
        (Audience.ALL, True, True, True),
    ],
)
def test_the_setting_says_who_is_told(
    tmp_path: Path, audience: Audience, friend: bool, member: bool, third: bool
) -> None:
    async def story(world: World) -> None:
        (alice,) = await houses(world, "alice", audience=audience)
        bob, carol, dave = [await world.house(name) for name in ("bob", "carol", "dave")]
        await world.room(alice, bob, carol)
        await alice.swarm.people.add_contact(bob.account.id)
        await world.until(lambda: bool(bob.keeper.state.pending()))
        await bob.accept_all()
        await world.room(carol, dave)
        where = await world.room(bob, dave)
        await asyncio.sleep(700)
        # alice's friend, a member of her group, and somebody in groups with both of them
        assert [bool(known(each, alice.account.device)) for each in (bob, carol, dave)] == [friend, member, False]
        # nobody hands on what was for him alone
        invited = await bob.swarm.invite(where, [alice.account.id])
        assert invited
        await world.until(lambda: bool(alice.keeper.state.pending()))
        await alice.accept_all()
        await asyncio.sleep(30)
        assert bool(known(dave, alice.account.device)) is third

    play(tmp_path, story)


def test_only_members_of_one_conversation_with_both_are_handed_on(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, carol = await houses(world, "alice", "bob", "carol")
        await world.room(alice, bob)
        await world.room(alice, carol)
        await asyncio.sleep(700)
        assert alice.linked(bob)
        assert alice.linked(carol)
        assert not known(bob, carol.account.device)
        assert not known(carol, bob.account.device)

    play(tmp_path, story)


def test_loopback_is_told_to_this_machine_alone(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await houses(world, "alice", "bob")
        await world.room(alice, bob)
        alice.address = Address("127.0.0.1", 4000)
        alice.swarm.surroundings.network_changed()
        await asyncio.sleep(700)
        assert alice.address not in known(bob, alice.account.device)
        dialogue = next(iter(alice.swarm._board._dialogues.values()))
        said = alice.swarm._board._introductions.greeting(dialogue)
        own = cards.parse(said.card or b"")
        assert isinstance(own, Card)
        assert own.addresses is None

    play(tmp_path, story)


# --- lies


async def besieged(world: World) -> tuple[House, ConversationId]:
    """Alice in a room with bob, who will be played by somebody else, and carol, who is away."""
    alice, bob, carol = await world.house("alice"), await world.house("bob"), await world.house("carol")
    where = await world.room(alice, bob, carol)
    await bob.down()
    await carol.down()
    return alice, where


def test_cards_of_foreigners_and_those_that_do_not_hold_are_ignored(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, _ = await besieged(world)
        there, elsewhere = Address("192.0.2.7", 4000), Address("192.0.2.8", 4000)
        good = card("carol", there)
        bad = (
            card("mallory", elsewhere),
            card("alice", elsewhere, number=2, made=-900),  # no longer online
            card("carol", Address("127.0.0.1", 22), made=5),
            card("carol", elsewhere, made=900),
            good[:-1] + bytes([good[-1] ^ 1]),
            card("carol", elsewhere)[:-1],
            b"",
        )
        async with peer(world, "bob", [alice.address]) as channel:
            await channel.send(encode(Hello((), card("carol", elsewhere, made=10), cards=bad)))
            await asyncio.sleep(1)
            assert not heard(world, alice, "mallory")
            assert not heard(world, alice, "alice", 2)
            assert not heard(world, alice, "carol")
            await channel.send(encode(Hello((), cards=(good,))))
            await asyncio.sleep(1)
            assert heard(world, alice, "carol") == {there}
            await channel.send(encode(Hello((), cards=(card("carol", elsewhere, made=-10),))))
            await asyncio.sleep(1)
            assert heard(world, alice, "carol") == {there}, "an older card is never newer"

    play(tmp_path, story)


def test_what_a_peer_says_of_its_own_addresses_leads_to_no_name_and_not_to_ourselves(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, _ = await besieged(world)
        there = Address("192.0.2.7", 4000)
        lies = (
            Address("127.0.0.1", 22),
            Address("localhost", 22),
            Address("::ffff:127.0.0.1", 22),
            Address("fe80::1", 9),
        )
        async with peer(world, "bob", [alice.address]) as channel:
            await channel.send(encode(Hello((), addresses=(*lies, there))))
            await asyncio.sleep(1)
            assert heard(world, alice, "bob") == {there}
            await channel.send(encode(Hello((), card("bob", Address("127.0.0.1", 22), made=5))))
            await asyncio.sleep(1)
            assert heard(world, alice, "bob") == {there}

    play(tmp_path, story)


def test_a_stream_of_lies_about_another_device_costs_few_dials(tmp_path: Path) -> None:
    """C-17"""

    async def story(world: World) -> None:
        alice, _ = await besieged(world)
        tried: list[Address] = []
        carrier = alice.swarm.links._carrier
        dial = carrier.dial

        class Counting:
            listen = carrier.listen

            async def dial(self, address: Address) -> object:
                tried.append(address)
                return await dial(address)

        alice.swarm.links._carrier = Counting()  # type: ignore[assignment]
        await asyncio.sleep(120)  # carol's back-off has grown
        tried.clear()
        async with peer(world, "bob", [alice.address]) as channel:
            for second in range(120):
                lies = [Address("192.0.2.7", 1_000 + 8 * second + each) for each in range(8)]
                await channel.send(encode(Hello((), cards=(card("carol", *lies),))))
                await asyncio.sleep(1)
        assert len(heard(world, alice, "carol")) <= 8
        assert any(address.host == "192.0.2.7" for address in tried)
        assert len(tried) <= 64  # 960 were named

    play(tmp_path, story)


def test_a_flood_of_cards_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged = 0
    judge = Introductions._judged

    def counted(self: Introductions, each: Card) -> object:
        nonlocal judged
        judged += 1
        return judge(self, each)

    async def story(world: World) -> None:
        nonlocal judged
        alice, _ = await besieged(world)
        async with peer(world, "bob", [alice.address]) as channel:
            judged = 0
            flood = tuple(card("carol", made=100)[:-1] + bytes([number]) for number in range(CARDS_PER_HELLO_MAX))
            for _ in range(20):
                await channel.send(encode(Hello((), cards=flood)))
            await asyncio.sleep(1)
            assert 0 < judged <= CARDS_TAKEN_AT_ONCE + 10
            await asyncio.sleep(60)
            fair = card("carol", Address("192.0.2.7", 4000), made=200)
            await channel.send(encode(Hello((), cards=(fair,))))
            await asyncio.sleep(1)
            assert heard(world, alice, "carol")

    monkeypatch.setattr(Introductions, "_judged", counted)
    play(tmp_path, story)


def test_a_banned_or_blocked_owner_is_not_believed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, _ = await besieged(world)
        await alice.swarm.people.block(account_of("carol").id)
        async with peer(world, "bob", [alice.address]) as channel:
            await channel.send(encode(Hello((), cards=(card("carol", Address("192.0.2.7", 4000)),))))
            await asyncio.sleep(1)
            assert not heard(world, alice, "carol")

    play(tmp_path, story)


def test_members_hear_of_each_other_s_nodes_of_the_dht_as_soon_as_they_are_open(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await houses(world, "alice", "bob")
        met: list[Address] = []
        bob.swarm._parts.way = DhtWay(met=met.append)
        await world.room(alice, bob)
        await asyncio.sleep(5)
        assert met == []
        alice.swarm._parts.way = DhtWay(port=lambda: 4222)
        alice.swarm.surroundings.dht_opened()
        await world.until(lambda: met, 5)
        assert {address.port for address in met} == {4222}
        (link,) = bob.swarm.links.links
        assert {address.host for address in met} == {link.address.host}
        await asyncio.sleep(250)
        assert len(met) == 1, "it is said again with the hello of every 5 min, not before"

    play(tmp_path, story)


def test_who_tells_nobody_where_he_is_tells_nobody_of_his_node_of_the_dht(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await houses(world, "alice", "bob", audience=Audience.NONE)
        met: list[Address] = []
        alice.swarm._parts.way, bob.swarm._parts.way = DhtWay(port=lambda: 4222), DhtWay(met=met.append)
        await world.room(alice, bob)
        alice.swarm.surroundings.dht_opened()
        await asyncio.sleep(400)
        assert met == []

    play(tmp_path, story)
