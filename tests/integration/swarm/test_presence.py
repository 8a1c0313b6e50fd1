"""Who is there, in whole swarms: links, byes, broken wires, cards and restarts. (SCP-04 §6.4)"""

from __future__ import annotations

import asyncio
from pathlib import Path

from swarmchat.discovery import cards
from swarmchat.discovery.addressbook import Source
from swarmchat.discovery.cards import Card
from swarmchat.limits import CARD_ONLINE_S
from swarmchat.node.offline import open_commands
from swarmchat.swarm.attendance import Presence, There, best
from tests.support import accounts
from tests.support.swarms import House, World, play


def presence(house: House, of: House) -> Presence:
    """What one house knows of the other."""
    return best(house.swarm.attendance.devices_of(of.account.id).values())


def now(house: House) -> float:
    return house.swarm._parts.runtime.now()


def card_of(house: House, now_s: float) -> Card:
    mine = house.account
    return cards.build(
        account=mine.certificate,
        device=mine.device_certificate,
        key=mine.device_key,
        seal=bytes(32),
        seal_previous=None,
        now=int(now_s),
        addresses=None,
    )


def test_a_contact_is_unknown_then_there_then_linked_then_away(tmp_path: Path) -> None:
    """P-02: unknown, there by its card, linked, away with its goodbye; there again by a newer card until that is over."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        await alice.swarm.people.add_contact(bob.account.id)
        assert presence(alice, bob) == Presence()
        made = int(now(alice))
        alice.finder.saw_card(card_of(bob, made), source=Source.DHT)
        assert presence(alice, bob) == Presence(There.THERE, made, Source.DHT)
        await alice.knows(bob)
        await world.until(lambda: presence(alice, bob).state is There.LINKED)
        await world.until(lambda: bool(bob.keeper.state.pending()))
        await bob.accept_all()
        await asyncio.sleep(100)
        left = now(alice)
        await bob.down()
        await world.until(lambda: presence(alice, bob).state is There.AWAY, 5.0)
        told = presence(alice, bob)
        assert told.source is Source.LINK
        assert told.as_of is not None
        assert left <= told.as_of <= now(alice)
        await asyncio.sleep(100)
        assert presence(alice, bob) == told
        again = int(now(alice))
        alice.finder.saw_card(card_of(bob, again), source=Source.DHT)
        assert presence(alice, bob) == Presence(There.THERE, again, Source.DHT)
        await asyncio.sleep(CARD_ONLINE_S)
        assert presence(alice, bob) == Presence(There.AWAY, again, Source.DHT)

    play(tmp_path, story)


def test_contacts_are_those_whose_presence_is_shown(tmp_path: Path) -> None:
    """P-01: none at first; two that are added are both listed, with whatever is known of them."""
    with open_commands(accounts.home(tmp_path / "home")) as node:
        assert node.call("presence", {}) == []
        for number in (2, 1):
            node.call("contact.add", {"account": accounts.account(number), "name": f"Friend {number}"})
        unknown = {"state": "unknown", "as_of": None, "source": None}
        assert node.call("presence", {}) == [
            {"id": accounts.account(number), "name": f"Friend {number}", **unknown, "devices": []} for number in (1, 2)
        ]
        assert [row["presence"] for row in node.call("contact.list", {})] == [unknown, unknown]
        node.call("contact.block", {"contact": "Friend 1"})
        assert [row["name"] for row in node.call("presence", {})] == ["Friend 2"]
        assert node.call("presence", {"contact": "Friend 1"})[0]["state"] == "unknown"


def test_who_vanishes_without_a_word_is_there_until_his_card_is_over(tmp_path: Path) -> None:
    """P-02: a link that breaks is no goodbye."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        await world.room(alice, bob)
        await asyncio.sleep(30)
        world.network.partition([[alice.host], [bob.host]])
        await world.until(lambda: presence(alice, bob).state is There.THERE, 120.0)
        assert presence(alice, bob).source is Source.CARD
        await world.until(lambda: presence(alice, bob).state is There.AWAY, CARD_ONLINE_S + 1)

    play(tmp_path, story)


def test_presence_survives_a_restart(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        await world.room(alice, bob)
        await bob.down()
        await world.until(lambda: presence(alice, bob).state is There.AWAY)
        told = presence(alice, bob)
        await alice.down()
        await asyncio.sleep(1_000)
        await alice.up()
        assert presence(alice, bob) == told

    play(tmp_path, story)


def test_each_device_is_told_apart(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, phone = await world.house("alice"), await world.house("bob"), await world.house("bob", 2)
        await alice.swarm.people.add_contact(bob.account.id)
        await alice.knows(bob)
        await world.until(lambda: alice.linked(bob))
        await phone.knows(alice)
        await world.until(lambda: alice.linked(phone), 90.0)
        await bob.down()
        await world.until(lambda: not alice.linked(bob))
        devices = alice.swarm.attendance.devices_of(bob.account.id)
        assert {device: one.state for device, one in devices.items()} == {
            bob.account.device: There.AWAY,
            phone.account.device: There.LINKED,
        }
        assert presence(alice, bob).state is There.LINKED
        assert alice.swarm.attendance.devices_of(alice.account.id) == {}, "this one is here"

    play(tmp_path, story)


def test_of_who_is_blocked_nothing_is_shown_and_he_learns_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        await alice.swarm.people.add_contact(bob.account.id)
        await alice.knows(bob)
        await world.until(lambda: bool(bob.keeper.state.pending()))
        await bob.accept_all()
        await world.until(lambda: presence(bob, alice).state is There.LINKED)
        await alice.swarm.people.block(bob.account.id)
        await world.until(lambda: not bob.linked(alice))
        assert alice.swarm.attendance.devices_of(bob.account.id) == {}
        assert alice.swarm.attendance.device(bob.account.id, bob.account.device) == Presence()
        before = presence(bob, alice)
        assert before.state is not There.LINKED
        await asyncio.sleep(CARD_ONLINE_S + 1)
        after = presence(bob, alice)
        assert (after.state, after.as_of) == (There.AWAY, max(before.as_of or 0.0, after.as_of or 0.0))
        assert (after.as_of or 0.0) < now(bob) - CARD_ONLINE_S, "nothing newer than the block"

    play(tmp_path, story)
