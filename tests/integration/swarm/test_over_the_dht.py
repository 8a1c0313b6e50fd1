"""People whom nothing but a DHT connects: no LAN, no address given by hand, never online at the same time as needed. (SCP-05 §1, SCP-06 §2–§6)"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from swarmchat.account.state import State
from swarmchat.conversation.actions import Add, Kick
from swarmchat.errors import StorageError
from swarmchat.ids import AccountId, CommitId, ConversationId
from swarmchat.swarm.events import RequestRemoved
from swarmchat.swarm.invitations import Sender
from swarmchat.swarm.mail import Letter, Notice, SwarmInvite
from tests.support.sim.dht import SimDht, right_time
from tests.support.swarms import House, World, play

T = TypeVar("T")


def over_the_dht(world: World) -> SimDht:
    world.dht = SimDht(world.network)
    return world.dht


async def there(world: World, *names: str) -> list[House]:
    return [await world.house(name, net=f"10.{number}", tells=True) for number, name in enumerate(names)]


def test_who_is_invited_by_his_id_while_he_is_off_finds_the_invitation_and_the_inviter(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        over_the_dht(world)
        alice, bob, carol = await there(world, "alice", "bob", "carol")
        await bob.down()
        where = await alice.swarm.create(1, title="garden")
        await alice.swarm.invite(where, [bob.account.id])
        await asyncio.sleep(1_000.0)
        await bob.up()
        took = await world.until(lambda: bool(bob.keeper.state.pending()))
        assert took < 5.0
        (request,) = bob.keeper.state.pending()
        assert (request.offer.sender, request.offer.title) == (alice.account.id, "garden")
        await bob.accept_all()
        assert await bob.swarm.settled(where, 30.0) == "ready"
        await bob.post(where, "hello")
        await world.until(lambda: world.level(where, alice, bob))
        assert not alice.linked(carol)

    play(tmp_path, story)


@pytest.mark.parametrize("kind", ["group", "contact"])
def test_who_accepts_what_was_taken_back_is_told_so_though_no_link_comes(tmp_path: Path, kind: str) -> None:
    async def story(world: World) -> None:
        over_the_dht(world)
        alice, bob = await there(world, "alice", "bob")
        if kind == "group":
            where = await alice.swarm.create(1)
            await alice.swarm.invite(where, [bob.account.id])
        else:
            pair = (await alice.swarm.people.add_contact(bob.account.id)).conversation
            assert pair is not None
            where = pair
        await world.until(lambda: bool(bob.keeper.state.pending()))
        await bob.down()
        if kind == "group":
            await alice.swarm.append(where, Kick(bob.account.id))
        else:
            await alice.swarm.people.remove_contact(bob.account.id)
        await asyncio.sleep(1_000.0)
        await bob.up()
        await bob.accept_all()
        await world.until(lambda: bob.swarm.state_of(where) == "closed" and bob.catalog.list() == (), 1_200.0)
        assert bob.keeper.state.pending() == ()
        assert bob.seen("request.removed")

    play(tmp_path, story)


def test_a_contact_is_made_by_id_alone(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        over_the_dht(world)
        alice, bob = await there(world, "alice", "bob")
        contact = await alice.swarm.people.add_contact(bob.account.id)
        await world.until(lambda: bool(bob.keeper.state.pending()))
        await bob.accept_all()
        await world.until(lambda: alice.keeper.state.contact(bob.account.id).confirmed_ms > 0)
        where = contact.conversation
        assert where is not None
        await world.until(lambda: world.level(where, alice, bob))
        await asyncio.sleep(5.0)

    play(tmp_path, story)


def test_the_inviter_stops_and_the_clone_comes_from_a_third_member(tmp_path: Path) -> None:
    """C-35"""

    async def story(world: World) -> None:
        over_the_dht(world)
        alice, bob, dave = await there(world, "alice", "bob", "dave")
        where = await world.room(alice, bob)
        await alice.swarm.invite(where, [dave.account.id])
        await world.until(lambda: bool(dave.keeper.state.pending()))
        await world.until(lambda: world.level(where, alice, bob))
        await alice.down()
        await dave.accept_all()
        assert await dave.swarm.settled(where, 120.0) == "ready"
        await world.until(lambda: world.level(where, bob, dave))
        assert dave.linked(bob)

    play(tmp_path, story)


def test_an_invitation_is_kept_by_a_member_while_the_inviter_is_away(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        over_the_dht(world)
        alice, bob, dave = await there(world, "alice", "bob", "dave")
        await dave.down()
        where = await world.room(alice, bob)
        await alice.swarm.append(where, Add(dave.account.id))
        await world.until(lambda: world.level(where, alice, bob))
        await alice.down()
        await dave.up()
        await world.until(lambda: bool(dave.keeper.state.pending()))
        (request,) = dave.keeper.state.pending()
        assert request.offer.sender == bob.account.id
        await asyncio.sleep(1_300.0)
        assert len(dave.seen("request.added")) == 1, "sent again, it is the same request"
        await dave.accept_all()
        assert await dave.swarm.settled(where, 60.0) == "ready"

    play(tmp_path, story)


@pytest.mark.parametrize("answer", ["accept", "decline"])
def test_one_answer_to_an_invitation_that_two_have_brought_settles_both(tmp_path: Path, answer: str) -> None:
    """The inviter brings it, and who holds it for him. (SCP-05 §1.11)"""

    async def story(world: World) -> None:
        alice, bob, carol = await there(world, "alice", "bob", "carol")
        where = ConversationId("c" * 40)
        for by in (alice, bob):
            invite = SwarmInvite(where, CommitId("a" * 40), 1, "Garden", "", 2, 1_790_000_000_000)
            sender = Sender(by.account.id, by.account.device)
            await carol.swarm._postman.receive_sealed(sender, Letter(invite, 1_790_000_000))
        first, second = carol.keeper.state.pending()
        await getattr(carol.swarm.people, answer)(second.id)
        assert carol.keeper.state.pending() == ()
        removed = [event.id for event in carol.seen("request.removed") if isinstance(event, RequestRemoved)]
        assert sorted(removed) == sorted([first.id, second.id])
        assert carol.swarm.state_of(where) == ("syncing" if answer == "accept" else "closed")

    play(tmp_path, story)


def test_members_who_start_anew_and_know_no_address_find_each_other(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        over_the_dht(world)
        alice, bob = await there(world, "alice", "bob")
        where = await world.room(alice, bob)
        for house in (alice, bob):
            await house.move()
        await alice.up()
        await asyncio.sleep(400.0)
        await bob.up()
        await world.until(lambda: alice.linked(bob))
        await bob.post(where, "again")
        await world.until(lambda: world.level(where, alice, bob))
        await asyncio.sleep(5.0)

    play(tmp_path, story)


def test_a_notice_that_comes_after_the_link_takes_nothing_back(tmp_path: Path) -> None:
    """Found by a simulated swarm: what it named was taken for all that its writer had."""

    async def story(world: World) -> None:
        over_the_dht(world)
        alice, bob = await there(world, "alice", "bob")
        where = await world.room(alice, bob)
        old = (await bob.heads(where))[0]
        await alice.post(where, "newer")
        await world.until(lambda: world.level(where, alice, bob))
        await asyncio.sleep(5.0)
        notice = Notice(where, old, (old,), bob.account.device)
        sender = Sender(bob.account.id, bob.account.device)
        await alice.swarm._postman.receive_sealed(sender, Letter(notice, int(right_time())))
        await asyncio.sleep(5.0)  # so that it is another letter
        link = bob.swarm.links.link(alice.account.device)
        assert link is not None
        assert await bob.swarm._postman.send(link, notice)
        await asyncio.sleep(5.0)
        for house, other in ((alice, bob), (bob, alice)):  # the answer would be as old
            (row,) = house.swarm.status.sync(where)
            assert (row.device, row.behind, row.linked) == (other.account.device, 0, True)

    play(tmp_path, story)


def test_who_is_not_linked_hears_of_news_and_finds_its_writer(tmp_path: Path) -> None:
    """Alice looks for nobody, so that only Bob's notice can make her."""

    async def story(world: World) -> None:
        over_the_dht(world)
        alice, bob = await there(world, "alice", "bob")
        where = await world.room(alice, bob)
        for house in (alice, bob):
            await house.move()
        await alice.up()
        outreach = alice.swarm._outreach
        assert outreach is not None
        heed, heeded = outreach.heed, list[Sender]()

        def heeding(sender: Sender) -> None:
            heeded.append(sender)
            heed(sender)

        outreach.heed = heeding  # type: ignore[method-assign]
        outreach._watched = lambda linked, invited: frozenset(outreach._heeded)  # type: ignore[method-assign]
        outreach.stir()
        await bob.up()
        bob_reach = bob.swarm._outreach
        assert bob_reach is not None
        bob_reach.whereabouts_for = lambda asker: None  # type: ignore[method-assign]
        bob_reach._ties = replace(bob_reach._ties, hinted=lambda device: None)
        bob_reach.located = lambda sender, addresses: None  # type: ignore[method-assign]
        await bob.post(where, "news")
        await world.until(lambda: bool(heeded))
        assert heeded[0] == Sender(bob.account.id, bob.account.device)
        await world.until(
            lambda: any(each.device_id == bob.account.device for each in alice.finder.devices(bob.account.id))
        )

    play(tmp_path, story)


def test_a_letter_that_a_full_disk_refused_is_tried_again(tmp_path: Path) -> None:
    """Found by a simulated swarm: the request was gone for ten minutes."""

    async def story(world: World) -> None:
        over_the_dht(world)
        alice, bob = await there(world, "alice", "bob")
        change, left = bob.keeper.change, 3

        async def full(step: Callable[[State], tuple[State, T]]) -> T:
            nonlocal left
            if left:
                left -= 1
                raise StorageError("the disk is full")
            return await change(step)

        bob.keeper.change = full  # type: ignore[method-assign]
        where = await alice.swarm.create(1)
        await alice.swarm.invite(where, [bob.account.id])
        await world.until(lambda: bool(bob.keeper.state.pending()), 30.0)
        assert left == 0

    play(tmp_path, story)


def test_who_left_and_whose_answer_was_lost_asks_again_where_no_link_comes(tmp_path: Path) -> None:
    """Found by a simulated swarm: to who left nobody says where he is, so no link came, and he kept it for 30 days."""

    async def story(world: World) -> None:
        dht = over_the_dht(world)
        alice, bob = await there(world, "alice", "bob")
        where = await world.room(alice, bob)
        departures = bob.swarm._rooms._departures
        taken = departures.taken

        async def lost(conversation: ConversationId, account: AccountId) -> None:
            """As if Alice's answer had never come."""

        departures.taken = lost  # type: ignore[method-assign]
        await bob.swarm.leave(where)
        await world.until(lambda: not alice.catalog.open(where).roster.is_joined(bob.account.id))
        dht.network = copy(world.network)  # the wires are cut, and the DHT is not
        world.network.partition([[alice.host], [bob.host]])
        await world.until(lambda: not bob.linked(alice), 120.0)
        departures.taken = taken  # type: ignore[method-assign]
        assert bob.swarm._rooms.get(where) is not None
        await world.until(lambda: bob.swarm._rooms.get(where) is None, 700.0)

    play(tmp_path, story)


def test_the_device_that_has_a_conversation_is_found_though_another_of_its_account_is_linked(tmp_path: Path) -> None:
    """Found by a simulated swarm: with the inviter's phone linked nobody looked for the laptop that had it."""

    async def story(world: World) -> None:
        dht = over_the_dht(world)
        (bob,) = await there(world, "bob")
        phone = await world.house("alice", 2, net="10.7", tells=True)
        await world.room(phone, bob)
        dht.network = copy(world.network)
        laptop = await world.house("alice", net="10.8", tells=True)
        reachable, apart = world.network.reachable, {phone.host, laptop.host}
        world.network.reachable = lambda a, b: {a, b} != apart and reachable(a, b)  # type: ignore[method-assign]
        where = await laptop.swarm.create(1)
        await laptop.swarm.invite(where, [bob.account.id])
        await world.until(lambda: where in [each.offer.conversation for each in bob.keeper.state.pending()])
        assert bob.linked(phone)
        await bob.accept_all()
        assert await bob.swarm.settled(where, 60.0) == "ready"

    play(tmp_path, story)
