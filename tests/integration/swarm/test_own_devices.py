"""Whole nodes of one account: what its user does on one device is done on all of them. (SCP-04 §7)"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from swarmchat.account.records import ConversationState
from swarmchat.conversation.actions import Join
from swarmchat.crypto.revocation import device_prefix
from swarmchat.errors import LinkError, PeerError, RefusedError
from swarmchat.ids import ConversationId, DeviceId
from swarmchat.limits import INVITATIONS_CHECKED_S
from swarmchat.swarm.mail import Revoked
from tests.support.own_devices import shared
from tests.support.rogue import simulated
from tests.support.sim.runtime import EPOCH
from tests.support.swarms import House, World, account_of, play


async def two(world: World, name: str = "bob") -> tuple[House, House]:
    """Two devices of one account that have met."""
    one, two = await world.house(name), await world.house(name, 2)
    await one.knows(two)
    await world.until(lambda: in_step(one, two))
    return one, two


def in_step(*houses: House) -> bool:
    states = [shared(house.keeper.state) for house in houses]
    return all(state == states[0] for state in states) and len(states[0].devices) >= len(houses)


def is_here(house: House, where: ConversationId) -> bool:
    return house.swarm.state_of(where) == "ready"


# --- one acts, the other has it


def test_a_group_made_on_one_device_is_cloned_by_the_other(tmp_path: Path) -> None:
    """SY-02"""

    async def story(world: World) -> None:
        one, other = await two(world)
        where = await one.swarm.create(2, title="Garden")
        await world.until(lambda: is_here(other, where), 5.0)
        assert other.seen("conversation.added")
        assert other.seen("conversation.ready")
        await other.post(where, "from the other")
        await world.until(lambda: world.level(where, one, other))
        joins = [
            entry
            for entry in one.catalog.open(where).history.controls
            if entry.fact.control and isinstance(entry.fact.control.action, Join)
        ]
        assert not joins, "who is in it by its other device joins no second time"

    play(tmp_path, story)


def test_left_on_one_device_is_gone_on_the_other_and_the_group_hears_it_from_either(tmp_path: Path) -> None:
    """SY-06"""

    async def story(world: World) -> None:
        one, other = await two(world)
        alice = await world.house("alice")
        where = await world.room(alice, one)
        await world.until(lambda: is_here(other, where), 10.0)
        await other.knows(alice)
        await world.until(lambda: other.linked(alice))
        await other.swarm.leave(where)
        await world.until(lambda: one.keeper.state.conversations[where].state is ConversationState.REMOVED, 5.0)
        assert len(one.seen("conversation.removed")) == len(other.seen("conversation.removed")) == 1
        await world.until(lambda: not alice.catalog.open(where).roster.is_joined(one.account.id), 10.0)
        await world.until(
            lambda: where not in one.catalog.list() and where not in other.catalog.list(), 3 * INVITATIONS_CHECKED_S
        )
        assert in_step(one, other)

    play(tmp_path, story)


def test_dissolved_on_one_device_is_gone_on_the_other(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice = await world.house("alice")
        one, other = await two(world)
        where = await world.room(one, alice)
        await world.until(lambda: is_here(other, where), 10.0)
        await other.knows(alice)
        await world.until(lambda: other.linked(alice))
        await one.swarm.leave(where, dissolve=True)
        await world.until(lambda: other.keeper.state.conversations[where].state is ConversationState.REMOVED, 5.0)
        await world.until(lambda: not alice.catalog.open(where).roster.joined, 10.0)
        await world.until(
            lambda: where not in one.catalog.list() and where not in other.catalog.list(), 3 * INVITATIONS_CHECKED_S
        )

    play(tmp_path, story)


# --- revoking


async def revoke(house: House, *devices: DeviceId) -> None:
    """`device revoke`."""
    for device in devices:
        account = house.swarm.account
        house.swarm.renewed(account.with_revocations(account.revoke(device, now=int(house.runtime.now()))))
        await house.swarm.relisted()


def test_a_device_revoked_by_one_is_refused_by_the_other_at_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        one, other = await two(world)
        lost = account_of("bob", 3).device
        await revoke(one, lost)
        await world.until(lambda: device_prefix(lost) in other.swarm.account.revoked, 5.0)
        assert one.swarm.account.revocations == other.swarm.account.revocations

    play(tmp_path, story)


def test_two_that_revoke_different_devices_at_once_end_on_one_list_of_both(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        one, other = await two(world)
        world.network.partition([[one.host], [other.host]])
        await world.until(lambda: not one.linked(other), 60.0)
        third, fourth, fifth = (account_of("bob", number).device for number in (3, 4, 5))
        await revoke(one, third)
        await revoke(other, fourth, fifth)
        world.network.heal()
        await world.until(lambda: len(one.swarm.account.revoked) == len(other.swarm.account.revoked) == 3, 400.0)
        numbers = {house.swarm.account.revocations.number for house in (one, other)}  # type: ignore[union-attr]
        assert numbers == {3}
        writes = one.keeper.writes + other.keeper.writes
        await asyncio.sleep(60)
        assert one.keeper.writes + other.keeper.writes == writes, "and then there is peace"

    play(tmp_path, story)


def test_a_device_that_was_off_when_it_was_revoked_is_told_by_the_first_that_refuses_its_link(tmp_path: Path) -> None:
    """Its own account's other device is off for good; a member of a common group knows the list from there."""

    async def story(world: World) -> None:
        alice = await world.house("alice")
        one, other = await two(world)
        where = await world.room(alice, one)
        await world.until(lambda: is_here(other, where), 10.0)
        await other.post(where, "from the other")
        await world.until(lambda: world.level(where, alice, one, other))
        await other.knows(alice)
        await other.down()
        await revoke(one, other.account.device)
        await world.until(lambda: world.level(where, alice, one))
        await one.down()
        alice.events.clear()
        await other.up()
        await world.until(lambda: other.swarm.account.is_revoked, 30.0)
        assert other.seen("account.revoked")
        await asyncio.sleep(30)
        assert not alice.linked(other)
        assert not other.swarm.links.links
        assert not alice.seen("link.up"), "to whoever refuses it, it never had a link"

    play(tmp_path, story)


def test_a_device_that_was_off_when_it_was_revoked_is_told_by_its_sibling(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        one, other = await two(world)
        await other.knows(one)
        await other.down()
        await revoke(one, other.account.device)
        await other.up()
        await world.until(lambda: other.swarm.account.is_revoked, 30.0)
        await asyncio.sleep(30)
        assert not one.linked(other)

    play(tmp_path, story)


def test_nobody_is_made_to_believe_that_he_was_revoked(tmp_path: Path) -> None:
    """A list that the account did not sign, and one that names others, change nothing."""

    async def story(world: World) -> None:
        alice = await world.house("alice")
        forged = account_of("mallory").revoke(alice.account.device, now=int(EPOCH))
        others = account_of("alice").revoke(account_of("alice", 2).device, now=int(EPOCH))
        async with simulated(world, "mallory") as mallory, mallory.linked(alice.address) as link:
            for listed in (forged.der, b"rubbish"):
                await mallory.write(link, Revoked(listed))
            await asyncio.sleep(5)
            assert alice.swarm.account.revocations is None
            await mallory.write(link, Revoked(others.der))
            await world.until(lambda: alice.swarm.account.revocations == others, 5.0)
        assert not alice.swarm.account.is_revoked

    play(tmp_path, story)


def test_a_revoked_device_that_calls_is_told_and_can_open_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        await bob.down()
        lost = account_of("bob").device
        key = account_of("bob", 2)
        listed = key.revoke(lost, now=int(EPOCH) + 60)
        alice.swarm._parts.access.note_revoked(listed)
        async with simulated(world, "bob") as stolen, stolen.linked(alice.address) as link:
            for channel in ("sync", "invite", "pack", "device", "signal"):
                with pytest.raises((PeerError, LinkError)):
                    await link.open_channel(channel, id=bytes.fromhex(where))
            await asyncio.sleep(1.5)
            assert link.is_over
            assert [mail.listed for mail in stolen.mail if isinstance(mail, Revoked)] == [listed.der]

    play(tmp_path, story)


def test_a_revoked_device_says_so_writes_nothing_dials_nobody_and_can_be_read(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        one, other = await two(world)
        where = await one.swarm.create(1)
        await world.until(lambda: is_here(other, where), 5.0)
        said = await one.post(where, "before")
        await world.until(lambda: world.level(where, one, other))
        await revoke(one, other.account.device)
        await world.until(lambda: other.swarm.account.is_revoked, 5.0)
        assert [event.device for event in other.seen("account.revoked")] == [other.account.device]  # type: ignore[union-attr]
        with pytest.raises(RefusedError, match="revoked"):
            await other.post(where, "after")
        with pytest.raises(RefusedError, match="revoked"):
            await other.swarm.add_contact(account_of("carol").id)
        assert (await other.swarm.log(where)).knows(said)
        assert other.swarm.state_of(where) == "ready"
        await world.until(lambda: not one.linked(other) and not other.swarm.links.links, 5.0)
        await asyncio.sleep(600)
        assert not other.swarm.links.links
        assert not other.swarm.peers()
        await other.down()
        other.account = other.swarm.account
        await other.up()
        await asyncio.sleep(60)
        assert not other.swarm.links.links
        assert not other.seen("account.revoked")[1:], "it is said once"

    play(tmp_path, story)
