"""Contacts between whole nodes in virtual time. (SCP-06 §2)"""

from __future__ import annotations

import asyncio
from pathlib import Path

from swarmchat.account.records import ConversationState, RequestKind
from swarmchat.discovery.addressbook import AddressBook, Source
from tests.support.swarms import House, World, play


def confirmed(house: House, other: House) -> bool:
    return house.keeper.state.contact(other.account.id).confirmed_ms > 0


def test_a_contact_request_over_a_link_that_stands_stays_one_with_its_name(tmp_path: Path) -> None:
    """The hello that speaks of the new 1:1 makes the other ask for it, beside the request itself."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        await world.room(alice, bob)
        contact = await alice.swarm.people.add_contact(bob.account.id, name="Bob")
        await world.until(lambda: bool(bob.keeper.state.pending()))
        await asyncio.sleep(30)
        (request,) = bob.keeper.state.pending()
        assert (request.offer.kind, request.offer.name) == (RequestKind.CONTACT, "alice")
        assert len(bob.seen("request.added")) == 2  # that of the room, and this one
        await bob.swarm.people.accept(request.id)
        await world.until(lambda: confirmed(alice, bob) and confirmed(bob, alice))
        assert bob.keeper.state.contact(alice.account.id).conversation == contact.conversation

    play(tmp_path, story)


def test_an_address_given_for_an_account_is_tried_at_once_for_its_other_device_too(tmp_path: Path) -> None:
    """One device is linked, so the account itself is met; the other waits out its back-off of minutes."""

    async def story(world: World) -> None:
        alice, bob, laptop = await world.house("alice"), await world.house("bob"), await world.house("bob", 2)
        where = await world.room(alice, bob)
        laptop.keeper.state, _ = laptop.keeper.state.add_conversation(
            where, title="", mode=1, state=ConversationState.SYNCING, members=[alice.account.id], now_ms=1
        )
        await laptop.down()
        await laptop.up()
        await laptop.knows(alice)
        await world.until(lambda: laptop.swarm.state_of(where) == "ready")
        await laptop.post(where, "here I am")
        await world.until(lambda: world.level(where, alice, laptop))
        await laptop.down()
        laptop.book = AddressBook()
        await laptop.up()
        await asyncio.sleep(1_000)
        assert alice.linked(bob)
        assert not alice.linked(laptop)
        alice.finder.learnt(bob.account.id, [laptop.address], Source.STATIC)
        await alice.swarm.surroundings.peer_added(bob.account.id)
        await world.until(lambda: alice.linked(laptop), 5.0)

    play(tmp_path, story)


def test_a_stranger_that_comes_and_goes_makes_no_events_until_it_is_known(tmp_path: Path) -> None:
    """Found: 240 such links a second pushed a million real events out of the log within 20 minutes."""

    async def story(world: World) -> None:
        alice, eve = await world.house("alice"), await world.house("eve")
        for _ in range(3):
            link = await eve.swarm.links.dial(alice.account.device, [alice.address])
            await world.until(lambda: alice.linked(eve))
            link.close("bored")
            await world.until(lambda: not alice.linked(eve))
        assert not alice.seen("link.up") + alice.seen("link.down")
        assert not alice.seen("peer.online") + alice.seen("peer.offline")
        await eve.swarm.links.dial(alice.account.device, [alice.address])
        await world.until(lambda: alice.linked(eve))
        await alice.swarm.people.add_contact(
            eve.account.id, name="Eve"
        )  # the link that stands is one with somebody known now
        await world.until(lambda: len(alice.seen("link.up")) == len(alice.seen("peer.online")) == 1)

    play(tmp_path, story)
