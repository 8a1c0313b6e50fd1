"""How far a message came: written, sent, read, for each device, and since when. (SCP-04 §6.1)"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from swarmchat.conversation.actions import Kick
from swarmchat.ids import CommitId
from swarmchat.index.receipt_rows import WaitingMark
from swarmchat.swarm import readmarks
from swarmchat.swarm.messages import Read
from swarmchat.swarm.swarm import Settings
from tests.support.reading import last_read, now_ms, reached, second_device, state
from tests.support.swarms import House, World, play


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
        await bob.knows(alice)
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


def test_who_was_off_learns_what_was_read_meanwhile(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        said = await alice.post(where, "read this when you can")
        await world.until(lambda: bob.catalog.open(where).knows(said))
        await alice.down()
        await bob.swarm.read(where, said)
        await asyncio.sleep(100)
        before = now_ms(bob)
        await alice.up()
        await world.until(lambda: last_read(alice, where, bob) == said)
        (arrival,) = reached(alice, where, said)[bob.account.id].arrivals
        assert arrival.read_ms is not None
        assert arrival.read_ms <= before - 100_000, "when he read it, not when it was told"

    play(tmp_path, story)


def test_a_mark_is_told_once_on_a_channel(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        said = await alice.post(where, "one")
        await world.until(lambda: bob.catalog.open(where).knows(said))
        heard: list[Read] = []
        hear = alice.swarm._marks.heard

        def spy(account: object, device: object, read: Read, replicator: object) -> None:
            heard.append(read)
            hear(account, device, read, replicator)  # type: ignore[arg-type]

        alice.swarm._marks.heard = spy  # type: ignore[method-assign,assignment]
        await bob.swarm.read(where, said)
        await world.until(lambda: len(heard) == 1)
        await asyncio.sleep(1_000)  # hellos are said again and again
        assert len(heard) == 1
        await bob.down()
        await bob.up()
        await world.until(lambda: len(heard) == 2)
        assert heard[0] == heard[1]
        assert len(alice.seen("read")) == 1

    play(tmp_path, story)


def test_marks_of_many_conversations_are_told_at_a_pace(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        rooms = [await world.room(alice, bob) for _ in range(3)]
        await alice.down()
        for where in rooms:
            await bob.swarm.read(where, bob.catalog.open(where).history.root.id)
        limits_of(bob, at_once=1)
        await alice.up()
        times = [
            await world.until(lambda count=count: len(alice.seen("read")) == count)  # type: ignore[misc]
            for count in (1, 2, 3)
        ]
        assert all(0.9 < apart < 1.2 for apart in times[1:])

    def limits_of(house: House, *, at_once: int) -> None:
        monkeypatch.setattr(readmarks, "MARKS_AT_ONCE", at_once)

    with pytest.MonkeyPatch.context() as monkeypatch:
        play(tmp_path, story)


def test_a_new_device_learns_how_far_its_user_has_read_before_it_has_the_history(tmp_path: Path) -> None:
    """C-16, SY-13: a mark for a commit that is not here yet waits for the clone; also with receipts switched off."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        texts = [await bob.post(where, text) for text in ("one", "two", "three")]
        await world.until(lambda: alice.catalog.open(where).knows(texts[-1]))
        await alice.swarm.read(where, texts[1])
        await alice.down()
        alice.settings = Settings(send_read_receipts=False)
        await alice.up()
        phone = await second_device(world, "alice", where, alice, bob)
        assert await phone.swarm.settled(where, 60.0) == "ready"
        await world.until(lambda: last_read(phone, where, alice) == texts[1])
        await alice.swarm.read(where, texts[2])
        await world.until(lambda: last_read(phone, where, alice) == texts[2])

    play(tmp_path, story)


def test_what_is_read_on_one_device_is_read_on_the_other_and_counts_once(tmp_path: Path) -> None:
    """SY-14: both devices of the user are on; the mark of one reaches the other, and the friend."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        phone = await second_device(world, "alice", where, alice, bob)
        assert await phone.swarm.settled(where, 60.0) == "ready"
        first, second = [await bob.post(where, text) for text in ("one", "two")]
        await world.until(lambda: world.level(where, alice, bob, phone))
        await phone.swarm.read(where, second)
        for house in (alice, bob):
            await world.until(lambda house=house: len(house.seen("read")) == 1)  # type: ignore[misc]
            assert last_read(house, where, alice) == second
        assert state(bob, where, second, alice) == "read", "the roster knows nothing of a device that never wrote"
        await alice.swarm.read(where, first)
        await asyncio.sleep(10)
        assert last_read(alice, where, alice) == second, "the user was further, on the other device"
        assert len(bob.seen("read")) == len(phone.seen("read")) == 1

    play(tmp_path, story)


def test_the_mark_of_somebody_who_is_no_member_any_more_does_not_count(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, carol = [await world.house(name) for name in ("alice", "bob", "carol")]
        where = await world.room(alice, bob, carol)
        said = await alice.post(where, "one")
        await world.until(lambda: world.level(where, alice, bob, carol))
        marks = alice.swarm._marks
        marks._await(WaitingMark(where, carol.account.device, CommitId("f" * 40), 1))
        await alice.swarm.append(where, Kick(carol.account.id))
        carol_read = Read(where, said, 1)
        carol.swarm._board.post(alice.account.device, carol_read)
        bob.swarm._board.post(alice.account.device, Read(where, said, 10**15))
        await world.until(lambda: len(alice.seen("read")) == 1)
        (event,) = alice.seen("read")
        assert event.account == bob.account.id  # type: ignore[union-attr]
        assert event.at_ms <= now_ms(alice), "nobody reads in the future"  # type: ignore[union-attr]

    play(tmp_path, story)


def test_a_mark_ahead_of_its_commit_counts_when_the_commit_is_admitted(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        await alice.down()
        ahead = await bob.post(where, "you do not have this")
        await alice.up()
        alice.swarm._marks.heard(
            bob.account.id, bob.account.device, Read(where, ahead, 5), alice.swarm._rooms.room(where)
        )
        assert alice.seen("read") == []
        await world.until(lambda: alice.catalog.open(where).knows(ahead))
        await world.until(lambda: len(alice.seen("read")) == 1)
        assert alice.receipts.waiting() == []
        assert last_read(alice, where, bob) == ahead

    play(tmp_path, story)


def test_both_devices_of_an_author_know_how_far_each_message_came(tmp_path: Path) -> None:
    """FS-01: sent to her, read by her up to the second; what is said while she is off is only written."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        phone = await second_device(world, "bob", where, alice, bob)
        assert await phone.swarm.settled(where, 60.0) == "ready"
        words = [await bob.post(where, f"number {number}") for number in range(4)]

        def states(house: House) -> list[str]:
            return [state(house, where, word, alice) for word in words]

        await world.until(lambda: world.level(where, alice, bob, phone))
        for house in (bob, phone):
            await world.until(lambda house=house: states(house) == ["sent"] * 4)  # type: ignore[misc]
        await alice.swarm.read(where, words[1])
        for house in (bob, phone):
            await world.until(lambda house=house: states(house) == ["read", "read", "sent", "sent"])  # type: ignore[misc]
            assert last_read(house, where, alice) == words[1]
        await alice.down()
        late = await bob.post(where, "are you there?")
        await world.until(lambda: phone.catalog.open(where).knows(late))
        await asyncio.sleep(100)
        assert [state(house, where, late, alice) for house in (bob, phone)] == ["written", "written"]

    play(tmp_path, story)
