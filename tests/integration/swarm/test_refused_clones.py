"""Clones that do not become ours before the user agrees. (SCP-06 §5, §9)"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from tests.support.swarms import World, play


def test_a_clone_in_another_mode_than_invited_waits_for_the_users_consent(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await alice.swarm.create(1)
        await alice.knows(bob)
        await alice.swarm.invite(where, [bob.account.id])
        await world.until(lambda: bool(bob.keeper.state.pending()))
        (request,) = bob.keeper.state.pending()
        lie = replace(request, offer=replace(request.offer, mode=2))
        bob.keeper.state = replace(bob.keeper.state, requests=MappingProxyType({request.id: lie}))
        await bob.swarm.accept(request.id)
        assert await bob.swarm.settled(where, 30.0) == "refused"
        assert bob.swarm.refusal(where) == "it is admin-invites, and the invitation said private"
        assert not bob.catalog.open(where).roster.is_joined(bob.account.id)
        await bob.swarm.confirm_mode(where)
        assert await bob.swarm.settled(where, 30.0) == "ready"
        assert bob.swarm.refusal(where) is None
        await world.until(lambda: alice.catalog.open(where).roster.is_joined(bob.account.id))

    play(tmp_path, story)
