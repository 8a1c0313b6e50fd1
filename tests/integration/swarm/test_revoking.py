"""A revocation list reaches every conversation. (SCP-01 §3.3)"""

from __future__ import annotations

import asyncio
from pathlib import Path

from swarmchat.conversation import tree
from swarmchat.conversation.actions import UpdateDevice
from swarmchat.ids import ConversationId
from swarmchat.limits import INVITATIONS_CHECKED_S
from tests.support.sim.runtime import EPOCH
from tests.support.swarms import House, World, account_of, play


def renewals(house: House, where: ConversationId) -> int:
    """How many commits say that an account's certificate or list is another."""
    entries = house.catalog.open(where).history.controls
    return sum(each.fact.control is not None and each.fact.control.action == UpdateDevice() for each in entries)


def test_a_list_that_a_crash_kept_out_of_a_conversation_is_committed_at_the_next_start(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        await alice.down()
        lost = account_of("alice", 2).device
        alice.account = alice.account.with_revocations(alice.account.revoke(lost, now=int(EPOCH) + 60))
        await alice.up()
        path = tree.revocations(alice.account.id)
        await world.until(lambda: path in bob.catalog.open(where).roster.files)
        heads = bob.catalog.open(where).heads
        await alice.down()
        await alice.up()  # it is there: nothing is committed again
        await world.until(lambda: bob.linked(alice))
        assert bob.catalog.open(where).heads == alice.catalog.open(where).heads == heads

    play(tmp_path, story)


def test_who_revokes_tells_a_conversation_and_its_other_devices_do_not_say_it_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        second, third = await world.house("alice", 2), await world.house("alice", 3)
        for one in (second, third):
            await one.knows(alice)
        await world.until(lambda: all(one.swarm.state_of(where) == "ready" for one in (second, third)))
        for one in (second, third):
            await one.post(where, "here too")
        await world.until(lambda: world.level(where, alice, bob, second, third))
        before = renewals(bob, where)
        mine = alice.swarm.account
        alice.swarm.own.renewed(mine.with_revocations(mine.revoke(account_of("alice", 4).device, now=int(EPOCH) + 60)))
        assert await alice.swarm.own.relisted() == 1
        await asyncio.sleep(3 * INVITATIONS_CHECKED_S)
        assert world.level(where, alice, bob, second, third)
        assert second.swarm.account.revoked == third.swarm.account.revoked == alice.swarm.account.revoked
        assert renewals(bob, where) - before == 1

    play(tmp_path, story)


def test_what_its_maker_cannot_tell_another_device_of_his_tells_in_a_minute(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        second = await world.house("alice", 2)
        await second.knows(alice)
        await second.knows(bob)
        await world.until(lambda: second.swarm.state_of(where) == "ready" and second.linked(bob))
        mine = alice.swarm.account
        second.swarm.own.renewed(mine)
        listed = mine.revoke(account_of("alice", 4).device, now=int(EPOCH) + 60)
        await alice.down()
        second.swarm._revocations.told_by_own(listed.der)
        path = tree.revocations(mine.id)
        await world.until(lambda: path in bob.catalog.open(where).roster.files, 2 * INVITATIONS_CHECKED_S)

    play(tmp_path, story)
