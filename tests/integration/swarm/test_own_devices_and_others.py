"""Somebody with two devices, and a friend with one: contacts, requests, groups and blocks are the same on both. (SCP-04 §7, SCP-06)"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from swarmchat.account import preferences
from swarmchat.commitlog.writing import Admission
from swarmchat.conversation import profile
from swarmchat.conversation.actions import Add, Ban, CastVote, Unban, UpdateProfile
from swarmchat.ids import CommitId, ConversationId
from swarmchat.limits import INVITATION_RESEND_S
from tests.support.sim.dht import SimDht
from tests.support.swarms import House, World, play


def used(house: House, other: House) -> ConversationId | None:
    return house.keeper.state.contact(other.account.id).conversation


def shown(house: House) -> set[ConversationId]:
    known = house.keeper.state.conversations.values()
    return {one.id for one in known if not one.is_gone}


def are_here(house: House, *conversations: ConversationId) -> bool:
    return all(house.swarm.state_of(where) == "ready" for where in conversations)


def knows(house: House, where: ConversationId, *commits: CommitId) -> bool:
    return are_here(house, where) and all(house.catalog.open(where).knows(commit) for commit in commits)


def waiting(house: House) -> list[ConversationId]:
    return [request.offer.conversation for request in house.keeper.state.pending()]


async def meet(world: World, *houses: House) -> None:
    """Everybody knows everybody's address."""
    for one in houses:
        for other in houses:
            if one is not other:
                await one.knows(other)
    own = [
        (one, other) for one in houses for other in houses if one is not other and one.account.id == other.account.id
    ]
    await world.until(lambda: all(one.linked(other) for one, other in own))


async def three(world: World) -> tuple[House, House, House]:
    """Alice, and Bob with a laptop and a phone."""
    alice, laptop, phone = await world.house("alice"), await world.house("bob"), await world.house("bob", 2)
    await meet(world, alice, laptop, phone)
    return alice, laptop, phone


async def friends(world: World) -> tuple[House, House, House, ConversationId]:
    """The same, contacts of each other."""
    alice, laptop, phone = await three(world)
    where = (await alice.swarm.people.add_contact(laptop.account.id)).conversation
    assert where is not None
    await world.until(lambda: waiting(laptop) == waiting(phone) == [where])
    await laptop.accept_all()
    await common(world, alice, laptop, phone)
    return alice, laptop, phone, where


def is_common(world: World, alice: House, *bobs: House) -> bool:
    """Whether all use one 1:1, are in it, and nobody has anything to answer."""
    where = used(alice, bobs[0])
    if where is None or any(used(bob, alice) != where for bob in bobs):
        return False
    if any(waiting(house) or not are_here(house, where) for house in (alice, *bobs)):
        return False
    joined = alice.catalog.open(where).roster.joined
    return joined == {alice.account.id, bobs[0].account.id} and world.level(where, alice, *bobs)


async def common(world: World, alice: House, *bobs: House, limit_s: float = 60.0) -> ConversationId:
    """Wait for that; what each says reaches all."""
    await world.until(lambda: is_common(world, alice, *bobs), limit_s)
    where = used(alice, bobs[0])
    assert where is not None
    for one in (alice, *bobs):
        said = await one.post(where, "hello")
        await world.until(lambda said=said: all(knows(house, where, said) for house in (alice, *bobs)))  # type: ignore[misc]
    return where


# --- a second device


def test_a_second_device_gets_everything_that_was_before_it(tmp_path: Path) -> None:
    """SY-01, SY-03, SY-04, SY-05, SY-10: groups with all their messages, the 1:1, and the request that waits."""

    async def story(world: World) -> None:
        alice, laptop = await world.house("alice"), await world.house("bob")
        await meet(world, alice, laptop)
        rooms = [await laptop.swarm.create(2) for _ in range(4)]
        words = [await laptop.post(rooms[0], f"number {number}") for number in range(3)]
        pair = (await laptop.swarm.people.add_contact(alice.account.id)).conversation
        assert pair is not None
        await world.until(lambda: bool(alice.keeper.state.pending()))
        await alice.accept_all()
        await common(world, laptop, alice)
        group = await alice.swarm.create(1, title="Garden")
        await alice.swarm.invite(group, [laptop.account.id])
        await world.until(lambda: waiting(laptop) == [group])
        phone = await world.house("bob", 2)
        await meet(world, alice, laptop, phone)
        await world.until(lambda: are_here(phone, *rooms, pair), 60.0)
        assert {event.conversation for event in phone.seen("conversation.ready")} == {*rooms, pair}  # type: ignore[union-attr]
        assert knows(phone, rooms[0], *words)
        newest = [entry.id for entry in reversed(phone.catalog.open(rooms[0]).history.entries)]
        assert newest == [*reversed(words), CommitId(rooms[0])]
        assert waiting(phone) == [group]
        assert phone.keeper.state.pending()[0].offer.title == "Garden"
        assert used(phone, alice) == pair

    play(tmp_path, story)


def test_what_is_made_after_the_second_device_came_is_on_both(tmp_path: Path) -> None:
    """SY-02"""

    async def story(world: World) -> None:
        _alice, laptop, phone = await three(world)
        where = await laptop.swarm.create(2)
        other = await phone.swarm.create(2)
        await world.until(lambda: are_here(laptop, where, other) and are_here(phone, where, other))

    play(tmp_path, story)


def test_a_second_device_of_an_admin_is_one(tmp_path: Path) -> None:
    """C-50: it gives the title, and the first device hears of it like everybody."""

    async def story(world: World) -> None:
        alice, laptop, phone = await three(world)
        where = await world.room(laptop, alice)
        await world.until(lambda: are_here(phone, where))
        outcome = await phone.swarm.append(
            where, UpdateProfile(), profile=profile.write(profile.Profile(title="from the phone"))
        )
        assert isinstance(outcome, Admission)
        for house in (alice, laptop):
            await world.until(lambda house=house: house.keeper.state.conversations[where].title == "from the phone")  # type: ignore[misc]
            assert [event.id for event in house.seen("message.added")].count(outcome.new[-1]) <= 1  # type: ignore[union-attr]
            assert len(house.seen("conversation.updated")) == 1

    play(tmp_path, story)


def test_a_second_device_judges_a_history_that_it_has_from_the_first_alone(tmp_path: Path) -> None:
    """C-35: the one who made the conversation was never there."""

    async def story(world: World) -> None:
        alice, laptop, phone = await three(world)
        await phone.down()
        where = (await alice.swarm.people.add_contact(laptop.account.id)).conversation
        assert where is not None
        await world.until(lambda: bool(laptop.keeper.state.pending()))
        await laptop.accept_all()
        said = await alice.post(where, "before I go")
        await world.until(lambda: knows(laptop, where, said))
        await alice.down()
        await phone.up()
        await world.until(lambda: knows(phone, where, said), 400.0)

    play(tmp_path, story)


def test_a_device_that_never_wrote_is_found_when_it_is_the_only_one_there(tmp_path: Path) -> None:
    """B-03: nobody has its certificate, and no address of it."""

    async def story(world: World) -> None:
        world.dht = SimDht(world.network)
        names = (("alice", 1), ("bob", 1), ("bob", 2))
        alice, laptop, phone = [
            await world.house(name, number, net=f"10.{place}", tells=True) for place, (name, number) in enumerate(names)
        ]
        await alice.down()
        await laptop.knows(phone)
        where = await laptop.swarm.create(1)
        await alice.up()
        await laptop.swarm.invite(where, [alice.account.id])
        await world.until(lambda: bool(alice.keeper.state.pending()), 400.0)
        await alice.accept_all()
        assert await alice.swarm.settled(where, 120.0) == "ready"
        await world.until(lambda: are_here(phone, where), 400.0)
        await alice.move()
        await laptop.down()
        assert phone.account.device not in phone.catalog.open(where).roster.devices
        await alice.up()
        said = await alice.post(where, "who is there?")
        await world.until(lambda: knows(phone, where, said), 1_200.0)

    play(tmp_path, story)


# --- preferences


def test_what_the_user_wants_of_a_conversation_is_on_both_devices_and_goes_with_it(tmp_path: Path) -> None:
    """C-40, C-41, C-42: set, changed and read; also by a device that comes later."""

    async def story(world: World) -> None:
        laptop = await world.house("bob")
        where = await laptop.swarm.create(2)

        async def prefer(house: House, name: str, value: str) -> None:
            await house.swarm._parts.change(lambda state: preferences.prefer(state, where, name, value))

        def preferred(house: House) -> dict[str, str]:
            return dict(preferences.of(house.keeper.state, where))

        assert preferred(laptop) == {}
        await prefer(laptop, "color", "red")
        await prefer(laptop, "muted", "yes")
        phone = await world.house("bob", 2)
        await meet(world, laptop, phone)
        await world.until(lambda: preferred(phone) == {"color": "red", "muted": "yes"})
        await prefer(phone, "color", "green")
        await world.until(lambda: preferred(laptop) == {"color": "green", "muted": "yes"})
        await world.until(lambda: are_here(phone, where))
        await laptop.swarm.leave(where)
        await world.until(lambda: preferred(laptop) == preferred(phone) == {})

    play(tmp_path, story)


# --- requests


def test_what_is_declined_on_one_device_is_declined_on_both_and_told_once(tmp_path: Path) -> None:
    """SY-11, RQ-05: however often they meet again, and whoever sends it again."""

    async def story(world: World) -> None:
        alice, laptop, phone = await three(world)
        where = await alice.swarm.create(1)
        await alice.swarm.invite(where, [laptop.account.id])
        await world.until(lambda: waiting(laptop) == waiting(phone) == [where])
        await laptop.swarm.people.decline(laptop.keeper.state.pending()[0].id)
        await world.until(lambda: waiting(phone) == [])
        for _ in range(3):
            await phone.down()
            await asyncio.sleep(INVITATION_RESEND_S)
            await phone.up()
            await asyncio.sleep(2 * INVITATION_RESEND_S)
        for house in (laptop, phone):
            assert waiting(house) == []
            assert len(house.seen("request.removed")) == 1
            assert len(house.seen("request.added")) == 1

    play(tmp_path, story)


def test_blocking_on_one_device_takes_the_request_from_both(tmp_path: Path) -> None:
    """ME-32"""

    async def story(world: World) -> None:
        alice, laptop, phone = await three(world)
        await alice.swarm.people.add_contact(laptop.account.id)
        await world.until(lambda: len(waiting(laptop)) == len(waiting(phone)) == 1)
        await laptop.swarm.people.block(alice.account.id)
        await world.until(lambda: waiting(phone) == [] and phone.keeper.state.is_blocked(alice.account.id))
        assert len(phone.seen("request.removed")) == 1
        await world.until(lambda: not alice.linked(phone) or not phone.seen("link.up"), 60.0)
        await asyncio.sleep(3 * INVITATION_RESEND_S)
        assert waiting(laptop) == waiting(phone) == []

    play(tmp_path, story)


def test_declining_a_contact_on_one_device_drops_the_request_on_both(tmp_path: Path) -> None:
    """RQ-12: what Jami does by removing who has only asked."""

    async def story(world: World) -> None:
        alice, laptop, phone = await three(world)
        await alice.swarm.people.add_contact(laptop.account.id)
        await world.until(lambda: len(waiting(laptop)) == len(waiting(phone)) == 1)
        await phone.swarm.people.decline(phone.keeper.state.pending()[0].id)
        await world.until(lambda: waiting(laptop) == [])
        await asyncio.sleep(3 * INVITATION_RESEND_S)
        assert waiting(laptop) == waiting(phone) == []

    play(tmp_path, story)


def test_a_contact_accepted_on_one_device_and_removed_on_the_other_leaves_no_request(tmp_path: Path) -> None:
    """RQ-24"""

    async def story(world: World) -> None:
        alice, laptop, phone, where = await friends(world)
        await phone.swarm.people.remove_contact(alice.account.id)
        await world.until(lambda: not laptop.keeper.state.is_contact(alice.account.id) and shown(laptop) == set())
        assert laptop.seen("contact.changed")
        assert waiting(laptop) == waiting(phone) == []
        await world.until(lambda: not alice.catalog.open(where).roster.is_joined(laptop.account.id))
        await asyncio.sleep(3 * INVITATION_RESEND_S)
        assert waiting(laptop) == waiting(phone) == []
        assert shown(laptop) == shown(phone) == set()

    play(tmp_path, story)


# --- removing and adding again


@pytest.mark.parametrize("again", ["laptop", "phone"])
def test_a_contact_removed_and_added_again_is_one_conversation_on_all_devices(tmp_path: Path, again: str) -> None:
    """ME-31: whichever of the two devices adds it."""

    async def story(world: World) -> None:
        alice, laptop, phone, old = await friends(world)
        await laptop.swarm.people.remove_contact(alice.account.id)
        await world.until(lambda: shown(laptop) == shown(phone) == set())
        await world.until(lambda: bool(phone.seen("conversation.removed")))
        await asyncio.sleep(30)
        adds = {"laptop": laptop, "phone": phone}[again]
        new = (await adds.swarm.people.add_contact(alice.account.id)).conversation
        assert await common(world, alice, laptop, phone) == new != old
        assert len(alice.seen("request.added")) == 0

    play(tmp_path, story)


def test_a_contact_that_removes_and_adds_somebody_with_two_devices_again(tmp_path: Path) -> None:
    """C-37: a new conversation that all three use; nobody is asked."""

    async def story(world: World) -> None:
        alice, laptop, phone, old = await friends(world)
        asked = len(laptop.seen("request.added")), len(phone.seen("request.added"))
        await alice.swarm.people.remove_contact(laptop.account.id)
        await asyncio.sleep(30)
        new = (await alice.swarm.people.add_contact(laptop.account.id)).conversation
        assert await common(world, alice, laptop, phone) == new != old
        assert (len(laptop.seen("request.added")), len(phone.seen("request.added"))) == asked

    play(tmp_path, story)


def test_two_devices_add_the_same_contact_apart(tmp_path: Path) -> None:
    """Each makes a one-to-one; both are there in the end, one is used, and the friend accepts once."""

    async def story(world: World) -> None:
        alice, laptop, phone = await three(world)
        world.network.partition([[alice.host], [laptop.host], [phone.host]])
        await asyncio.sleep(60)
        for house in (laptop, phone):
            await house.swarm.people.add_contact(alice.account.id)
            await asyncio.sleep(2)
        world.network.heal()
        await world.until(lambda: len(shown(laptop)) == 2 and shown(laptop) == shown(phone), 1_200.0)
        await world.until(lambda: bool(alice.keeper.state.pending()), 1_200.0)
        await alice.accept_all()
        await common(world, alice, laptop, phone, limit_s=2_400.0)
        await world.until(lambda: used(alice, laptop) == min(shown(laptop)), 2_400.0)
        await common(world, alice, laptop, phone)
        assert len(alice.seen("request.added")) <= 2

    play(tmp_path, story)


@pytest.mark.parametrize("seed", range(2))
def test_whatever_is_done_on_two_devices_and_by_a_friend_ends_in_one_conversation_when_both_want_it(
    tmp_path: Path, seed: int
) -> None:
    async def story(world: World) -> None:
        dice = random.Random(f"three {seed}")
        alice, laptop, phone = await three(world)
        houses = [alice, laptop, phone]
        for _ in range(14):
            one = dice.choice(houses)
            other = alice if one is not alice else laptop
            match dice.choice(("add", "add", "remove", "accept", "decline", "part", "heal")):
                case "add":
                    await one.swarm.people.add_contact(other.account.id)
                case "remove" if one.keeper.state.is_contact(other.account.id):
                    await one.swarm.people.remove_contact(other.account.id)
                case "accept":
                    await one.accept_all()
                case "decline":
                    for request in one.keeper.state.pending():
                        await one.swarm.people.decline(request.id)
                case "part":
                    left = [house for house in houses if dice.random() < 0.5]
                    hosts = [house.host for house in houses if house not in left]
                    world.network.partition([[house.host for house in left], hosts])
                case "heal":
                    world.network.heal()
                case _:
                    pass
            await asyncio.sleep(dice.choice((0.2, 5, 90)))
        world.network.heal()
        await asyncio.sleep(90_000)
        for one, other in ((alice, laptop), (laptop, alice)):
            await one.swarm.people.add_contact(other.account.id)
            await asyncio.sleep(1_300)
        for house in houses:
            await house.accept_all()
        await common(world, alice, laptop, phone, limit_s=3_000.0)

    play(tmp_path, story)


# --- blocking, banning


def test_a_contact_blocked_on_one_device_is_blocked_on_both_and_goes_on_after(tmp_path: Path) -> None:
    """ME-34: nothing she says meanwhile reaches both; then the same conversation, with all of it."""

    async def story(world: World) -> None:
        alice, laptop, phone, where = await friends(world)
        await laptop.swarm.people.block(alice.account.id)
        await world.until(lambda: phone.keeper.state.is_blocked(alice.account.id))
        await world.until(lambda: not laptop.linked(alice) and not phone.linked(alice), 30.0)
        said = await alice.post(where, "are you there?")
        await asyncio.sleep(600)
        assert not knows(laptop, where, said)
        assert not knows(phone, where, said)
        await phone.swarm.people.add_contact(alice.account.id)
        await world.until(lambda: not laptop.keeper.state.is_blocked(alice.account.id))
        assert await common(world, alice, laptop, phone, limit_s=400.0) == where
        assert knows(laptop, where, said)

    play(tmp_path, story)


def test_who_was_banned_while_invited_and_is_let_in_again_has_the_group_on_both_devices(tmp_path: Path) -> None:
    """ME-33: two commits each time; one of the devices accepts."""

    async def story(world: World) -> None:
        alice, laptop, phone = await three(world)
        where = await alice.swarm.create(1)
        target = laptop.account.id
        await alice.swarm.invite(where, [target])
        await world.until(lambda: waiting(laptop) == waiting(phone) == [where])
        await asyncio.sleep(2)  # mail repeats itself within a second
        await alice.swarm.append_all(where, [CastVote("ban", target), Ban(target)])
        await world.until(lambda: waiting(laptop) == waiting(phone) == [], 30.0)
        await asyncio.sleep(2)
        await alice.swarm.append_all(where, [CastVote("unban", target), Unban(target)])
        await world.until(lambda: waiting(laptop) == waiting(phone) == [where], 30.0)
        assert alice.catalog.open(where).roster.is_invited(target)
        actions = [
            entry.fact.control.action for entry in alice.catalog.open(where).history.controls if entry.fact.control
        ]
        assert actions[-5:] == [
            Add(target), CastVote("ban", target), Ban(target), CastVote("unban", target), Unban(target)
        ]  # fmt: skip
        await phone.accept_all()
        await world.until(lambda: are_here(laptop, where) and are_here(phone, where), 1_200.0)
        await world.until(lambda: world.level(where, alice, laptop, phone))
        assert waiting(laptop) == []

    play(tmp_path, story)
