"""A revocation list reaches every conversation. (SCP-01 §3.3)"""

from __future__ import annotations

from pathlib import Path

from swarmchat.conversation import tree
from tests.support.sim.runtime import EPOCH
from tests.support.swarms import World, account_of, play


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
