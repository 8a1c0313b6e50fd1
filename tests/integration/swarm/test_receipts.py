"""How far a message came: written, sent, read, for each device, and since when. (SCP-04 §6.1)"""

from __future__ import annotations

import asyncio
from pathlib import Path

from swarmchat.ids import CommitId, ConversationId
from swarmchat.node.delivery import Delivery, Moments, Reached
from swarmchat.swarm.swarm import Settings
from tests.support.swarms import House, World, play


def reached(house: House, where: ConversationId, commit: CommitId) -> dict[str, Reached]:
    """What `message show --delivery` says at a house, by account."""
    log, receipts = house.catalog.open(where), house.receipts
    told = Delivery(log.history, log.roster, house.account.id, receipts.all_heads(where), receipts.read_marks(where))
    moments = Moments(receipts.held_moments(where), receipts.read_moments(where))
    return {row.account: row for row in told.reached(commit, house.account.device, moments)}


def state(house: House, where: ConversationId, commit: CommitId, of: House) -> str:
    return reached(house, where, commit)[of.account.id].state


def now_ms(house: House) -> int:
    return house.swarm._parts.now_ms


def test_a_message_is_written_then_sent_then_read_each_at_its_time_also_after_a_restart(tmp_path: Path) -> None:
    """FS-03: what is known of delivery is there again when the conversations are loaded from disk."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        await bob.down()
        first = await alice.post(where, "one")
        assert state(alice, where, first, bob) == "written"
        assert reached(alice, where, first)[alice.account.id].state == "–"
        await asyncio.sleep(100)
        came_up = now_ms(alice)
        await bob.up()
        await world.until(lambda: state(alice, where, first, bob) == "sent")
        await asyncio.sleep(100)
        second = await alice.post(where, "two")
        await world.until(lambda: state(alice, where, second, bob) == "sent")
        await asyncio.sleep(100)
        read_at = now_ms(alice)
        await bob.swarm.read(where, first)
        await world.until(lambda: state(alice, where, first, bob) == "read")
        for _ in range(2):
            (one,), (two,) = (reached(alice, where, each)[bob.account.id].arrivals for each in (first, second))
            assert one.sent_ms is not None
            assert two.sent_ms is not None
            assert one.read_ms is not None
            assert came_up <= one.sent_ms < came_up + 60_000 < two.sent_ms < read_at <= one.read_ms < read_at + 1_000
            assert two.read_ms is None
            assert [state(alice, where, each, bob) for each in (first, second)] == ["read", "sent"]
            await alice.down()
            await alice.up()

    play(tmp_path, story)


def test_marking_the_same_twice_tells_nothing_more(tmp_path: Path) -> None:
    """C-14: the first commit may be marked too; the same again is told to nobody."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        root = alice.catalog.open(where).history.root.id
        await alice.swarm.read(where, root)
        await world.until(lambda: len(bob.seen("read")) == 1)
        await alice.swarm.read(where, root)
        await asyncio.sleep(10)
        assert len(bob.seen("read")) == 1
        assert len(alice.seen("read")) == 1
        assert bob.receipts.read_marks(where)[alice.account.device].commit == root

    play(tmp_path, story)


def test_a_mark_never_goes_back(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        first, second = [await alice.post(where, text) for text in ("one", "two")]
        await world.until(lambda: bob.catalog.open(where).knows(second))
        await bob.swarm.read(where, second)
        await world.until(lambda: len(alice.seen("read")) == 1)
        await bob.swarm.read(where, first)
        await asyncio.sleep(10)
        assert len(alice.seen("read")) == 1
        assert alice.receipts.read_marks(where)[bob.account.device].commit == second

    play(tmp_path, story)


def test_with_the_switch_off_nobody_learns_what_was_read(tmp_path: Path) -> None:
    """C-15: `send_read_receipts` off tells no member; it is noted here all the same."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        await alice.down()
        alice.settings = Settings(send_read_receipts=False)
        await alice.up()
        said = await bob.post(where, "read this")
        await world.until(lambda: state(bob, where, said, alice) == "sent")
        await alice.swarm.read(where, said)
        await asyncio.sleep(10)
        assert bob.seen("read") == []
        assert state(bob, where, said, alice) == "sent"
        assert state(alice, where, said, alice) == "read"

    play(tmp_path, story)
