"""Who was removed by the others and is invited again comes back. (SCP-02 §5.4, SCP-06 §4)"""

from __future__ import annotations

import asyncio
from pathlib import Path

from swarmchat.conversation.actions import Kick
from swarmchat.ids import ConversationId
from tests.support.swarms import House, World, play


async def kicked_and_invited_again(world: World, where: ConversationId, alice: House, bob: House) -> None:
    await asyncio.sleep(2)  # mail repeats itself within a second
    await alice.swarm.append(where, Kick(bob.account.id))
    await alice.swarm.invite(where, [bob.account.id])
    await world.until(lambda: bool(bob.keeper.state.pending()))
    await bob.accept_all()
    assert await bob.swarm.settled(where, 30.0) == "ready"


def test_who_was_kicked_and_is_invited_again_can_accept_and_joins(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        await world.room(alice, bob)  # another, so that they stay linked
        await kicked_and_invited_again(world, where, alice, bob)
        await world.until(lambda: alice.catalog.open(where).roster.is_joined(bob.account.id))
        assert alice.keeper.state.invitations == {}

    play(tmp_path, story)


def test_who_was_kicked_joins_again_by_the_id_alone_once_he_is_invited(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        await world.room(alice, bob)
        await asyncio.sleep(2)
        await alice.swarm.append(where, Kick(bob.account.id))
        await alice.swarm.invite(where, [bob.account.id])
        await world.until(lambda: bool(bob.keeper.state.pending()))
        await bob.swarm.people.join(where)
        assert await bob.swarm.settled(where, 30.0) == "ready"
        assert bob.catalog.open(where).roster.is_joined(bob.account.id)

    play(tmp_path, story)
