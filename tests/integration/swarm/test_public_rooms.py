"""Rooms that anybody may join, by a link. (SCP-02 §1.4, SCP-04 §3.3, SCP-06 §3)"""

from __future__ import annotations

from pathlib import Path

from tests.support.swarms import World, play


def test_a_stranger_joins_over_a_link_that_the_other_dialled(tmp_path: Path) -> None:
    """To her he is nobody: she opens no `sync`, and so cannot refuse it to him either."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await alice.swarm.create(3)
        await alice.knows(bob)
        await world.until(lambda: bob.linked(alice))
        await bob.swarm.people.join(where, inviter=alice.account.id, addresses=[alice.address])
        assert await bob.swarm.settled(where, 20.0) == "ready"
        await world.until(lambda: world.level(where, alice, bob))

    play(tmp_path, story)


def test_a_link_that_comes_after_the_bare_id_says_where_to_find_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await alice.swarm.create(3)
        await bob.swarm.people.join(where)
        assert await bob.swarm.settled(where, 60.0) == "syncing", "nobody is known to have it"
        await bob.swarm.people.join(where, inviter=alice.account.id, addresses=[alice.address])
        assert await bob.swarm.settled(where, 20.0) == "ready"
        assert len(bob.seen("conversation.added")) == 1

    play(tmp_path, story)


def test_who_is_linked_for_another_reason_joins_by_the_link_as_a_stranger_does(tmp_path: Path) -> None:
    """She speaks with him of what they share, and names no room to him that he is not of."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        await world.room(alice, bob)
        where = await alice.swarm.create(3)
        await bob.swarm.people.join(where, inviter=alice.account.id, addresses=[alice.address])
        assert await bob.swarm.settled(where, 20.0) == "ready"
        await world.until(lambda: world.level(where, alice, bob))

    play(tmp_path, story)
