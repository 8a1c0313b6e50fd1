"""A damaged disk under a running node, and at its start: what others have comes again by itself. (SCP-04 §4.5a)"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from swarmchat.commitlog.files import DamageError
from swarmchat.ids import CommitId, ConversationId
from tests.support.commitlogs import posts
from tests.support.swarms import House, World, play


def place_of(house: House, where: ConversationId, commit: CommitId) -> Path:
    return house.catalog.path(where) / "objects" / commit[:2] / commit[2:]


async def shared(world: World) -> tuple[House, House, ConversationId, CommitId]:
    """Two texts of Alice's that Bob has, each in a file of its own here."""
    alice, bob = await world.house("alice"), await world.house("bob")
    where = await world.room(alice, bob)
    damaged = await alice.post(where, "soon damaged")
    await alice.post(where, "and on")
    await world.until(lambda: world.level(where, alice, bob))
    alice.catalog.open(where).close()  # what was only in the steps is in git now
    return alice, bob, where, damaged


def test_damage_met_while_running_is_repaired_and_what_is_lost_fetched_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, where, damaged = await shared(world)
        place = place_of(alice, where, damaged)
        place.chmod(0o600)
        place.write_bytes(place.read_bytes()[:-5])
        log = alice.catalog.open(where)
        log._commits._kept.clear()
        with pytest.raises(DamageError) as error:
            log.commit(damaged)
        alice.swarm.met(where, error.value)
        await world.until(lambda: damaged in log.lost)
        await world.until(lambda: not log.lost)
        assert posts(log) == ["soon damaged", "and on"]
        assert log.verify().valid
        await bob.post(where, "afterwards")
        await world.until(lambda: world.level(where, alice, bob))

    play(tmp_path, story)


def test_damage_that_is_found_at_a_start_is_repaired_and_own_messages_that_nobody_has_stand_again(
    tmp_path: Path,
) -> None:
    async def story(world: World) -> None:
        alice, bob, where, damaged = await shared(world)
        await bob.down()
        await alice.post(where, "own")
        await alice.down()
        place_of(alice, where, damaged).unlink()
        for rows in alice.catalog.path(where).glob("verdicts*"):
            rows.unlink()
        await alice.up()
        assert posts(alice.catalog.open(where)) == []
        assert alice.swarm.state_of(where) == "ready"
        await bob.up()
        await world.until(lambda: world.level(where, alice, bob))
        assert posts(bob.catalog.open(where))[-1] == "own"
        assert set(posts(alice.catalog.open(where))) == {"soon damaged", "and on", "own"}

    play(tmp_path, story)


def test_who_lost_even_his_own_joining_is_not_taken_for_somebody_who_left(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, where, _ = await shared(world)
        await bob.down()
        before = alice.catalog.open(where).heads
        path = bob.catalog.path(where)
        root = path / "objects" / where[:2] / where[2:]
        packs = [place for place in (path / "objects" / "pack").glob("*") if not root.exists()]
        for place in packs or [root]:
            place.unlink()
        for rows in path.glob("verdicts*"):
            rows.unlink()
        await bob.up()
        assert bob.swarm.state_of(where) == "syncing"
        await asyncio.sleep(0)
        await world.until(lambda: bob.swarm.state_of(where) == "ready")
        assert bob.catalog.open(where).heads == before

    play(tmp_path, story)
