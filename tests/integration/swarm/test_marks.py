"""What one own device was told of receipts, all know. (SCP-04 §7.7)"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from swarmchat.errors import StorageError
from swarmchat.ids import ConversationId, DeviceId
from swarmchat.index.receipt_rows import HeldRow, Page
from swarmchat.limits import MARKS_SHARED_AFTER_S
from swarmchat.swarm import own_marks
from tests.support.reading import last_read, reached, second_device, state
from tests.support.swarms import House, World, play


async def friends(world: World) -> tuple[House, House, House, ConversationId]:
    """Alice, Bob, Bob's phone, and a conversation that all three have; the phone and Bob are linked, as are both with Alice."""
    alice, bob = await world.house("alice"), await world.house("bob")
    where = await world.room(alice, bob)
    phone = await second_device(world, "bob", where, alice, bob)
    assert await phone.swarm.settled(where, 60.0) == "ready"
    await world.until(lambda: world.level(where, alice, bob, phone))
    await world.until(lambda: phone.account.device in bob.swarm._own_devices.linked)
    return alice, bob, phone, where


def test_both_devices_of_the_author_know_who_has_it_and_who_has_read_it(tmp_path: Path) -> None:
    """FS-01: sent and read stand on both; what was written while the friend was off is just written."""

    async def story(world: World) -> None:
        alice, bob, phone, where = await friends(world)
        texts = [await bob.post(where, f"text {number}") for number in range(4)]
        for house in (bob, phone):
            await world.until(lambda house=house: all(state(house, where, one, alice) == "sent" for one in texts))  # type: ignore[misc]
        await alice.swarm.read(where, texts[1])
        for house in (bob, phone):
            await world.until(lambda house=house: last_read(house, where, alice) == texts[1])  # type: ignore[misc]
            assert [state(house, where, one, alice) for one in texts] == ["read", "read", "sent", "sent"]
        await alice.down()
        late = await bob.post(where, "nobody there")
        await world.until(lambda: world.level(where, bob, phone))
        await asyncio.sleep(30)
        assert [state(house, where, late, alice) for house in (bob, phone)] == ["written", "written"]

    play(tmp_path, story)


def test_a_device_that_was_off_learns_from_its_sibling_alone_what_was_read(tmp_path: Path) -> None:
    """FS-02: the friend is gone when it returns, and the sibling tells, with the times."""

    async def story(world: World) -> None:
        alice, bob, phone, where = await friends(world)
        texts = [await bob.post(where, f"text {number}") for number in range(4)]
        await world.until(lambda: all(state(bob, where, one, alice) == "sent" for one in texts))
        await world.until(lambda: world.level(where, alice, bob, phone))
        await bob.down()
        meanwhile = await phone.post(where, "from the phone")
        await alice.swarm.read(where, texts[1])
        await world.until(lambda: state(phone, where, meanwhile, alice) == "sent")
        await world.until(lambda: last_read(phone, where, alice) == texts[1])
        await asyncio.sleep(5)
        await alice.down()
        await asyncio.sleep(1_000)
        await bob.up()
        await bob.knows(phone)
        assert last_read(bob, where, alice) is None
        await world.until(lambda: last_read(bob, where, alice) == texts[1])
        assert [state(bob, where, one, alice) for one in texts] == ["read", "read", "sent", "sent"]
        await world.until(lambda: state(bob, where, meanwhile, alice) == "sent")
        (one,), (other,) = (reached(house, where, texts[1])[alice.account.id].arrivals for house in (bob, phone))
        assert one.read_ms == other.read_ms, "when it was read, not when he heard of it"
        assert {event.commit for event in bob.seen("read")} == {texts[1]}  # type: ignore[union-attr]

    play(tmp_path, story)


def test_what_is_in_step_is_told_no_more(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, phone, where = await friends(world)
        said_first = await alice.post(where, "one")
        await world.until(lambda: world.level(where, alice, bob, phone))
        await bob.swarm.read(where, said_first)
        await world.until(lambda: last_read(phone, where, bob) is not None)
        await asyncio.sleep(30)
        said: list[object] = []
        for house in (bob, phone):
            told = house.swarm._own_devices
            told.post = lambda device, message, post=told.post: (said.append(message), post(device, message))  # type: ignore[method-assign,misc,func-returns-value,assignment]
        await asyncio.sleep(1_000)
        assert said == []
        await alice.swarm.read(where, bob.catalog.open(where).history.root.id)
        await asyncio.sleep(30)
        assert 0 < len(said) <= 8, "a page and its answer each way, and what each learnt from the other"

    play(tmp_path, story)


def test_news_are_told_together_once_a_second(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        _, bob, phone, where = await friends(world)
        await asyncio.sleep(30)
        read: list[float] = []
        since, now = bob.receipts.since, asyncio.get_running_loop().time

        def noted(*asked: Any) -> Page:
            read.append(now())
            return since(*asked)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bob.receipts, "since", noted)
            heads, begin = bob.catalog.open(where).heads, now()
            for number in range(1, 6):
                known = DeviceId(f"{number:064x}")
                bob.swarm._seen.learnt(bob.account.id, known)
                bob.receipts.set_heads(where, {known: heads}, time_ms=5)
                bob.swarm._own_marks.stir()
                await asyncio.sleep(MARKS_SHARED_AFTER_S / 8)
            await asyncio.sleep(30)
        assert 0 <= read[0] - begin - MARKS_SHARED_AFTER_S < 0.1
        assert len([at for at in read if at < begin + 2 * MARKS_SHARED_AFTER_S]) == 2, (
            "a page, and that there is no more"
        )
        assert {f"{number:064x}" for number in range(1, 6)} <= phone.receipts.all_heads(where).keys()

    play(tmp_path, story)


def test_a_disk_that_refuses_to_give_receipts_ends_nothing_and_they_are_told_with_the_next_news(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, phone, where = await friends(world)
        await asyncio.sleep(30)
        refusals: list[object] = []

        def refuse(*asked: object) -> Page:
            refusals.append(asked)
            raise StorageError("the disk does not answer")

        other = DeviceId("1" * 64)
        bob.swarm._seen.learnt(alice.account.id, other)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bob.receipts, "since", refuse)
            bob.receipts.set_heads(where, {other: bob.catalog.open(where).heads}, time_ms=5)
            bob.swarm._own_marks.stir()
            await world.until(lambda: bool(refusals))
            await asyncio.sleep(30)
        assert other not in phone.receipts.all_heads(where)
        bob.swarm._own_marks.stir()
        await world.until(lambda: other in phone.receipts.all_heads(where))

    play(tmp_path, story)


def test_it_goes_on_where_it_was_page_by_page_and_over_restarts(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, phone, where = await friends(world)
        await phone.down()
        devices = [f"{number:064x}" for number in range(1, 8)]
        heads = bob.catalog.open(where).heads
        for device in devices:
            bob.swarm._seen.learnt(alice.account.id, device)  # type: ignore[arg-type]
            bob.receipts.set_heads(where, {device: heads}, time_ms=5)  # type: ignore[dict-item]
        await phone.up()
        await world.until(lambda: len(phone.receipts.all_heads(where)) >= len(devices))
        await asyncio.sleep(5)
        taken = phone.receipts.cursors()[bob.account.device]
        assert taken == bob.receipts.since(taken, 1).upto
        origins = {row.origin for row in phone.receipts.since(None, 1_000).rows if isinstance(row, HeldRow)}
        assert bob.account.device in origins
        await phone.down()
        await phone.up()
        assert phone.swarm._own_marks._taken[bob.account.device] == taken

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own_marks, "MARKS_PAGE_ROWS", 2)
        play(tmp_path, story)


def test_rows_of_what_is_not_here_and_of_who_is_no_member_are_not_taken(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, phone, where = await friends(world)
        stranger, nowhere = "5" * 64, ConversationId("6" * 40)
        heads = bob.catalog.open(where).heads
        bob.swarm._seen.learnt("7" * 40, stranger)  # type: ignore[arg-type]
        bob.receipts.set_heads(where, {stranger: heads}, time_ms=5)  # type: ignore[dict-item]
        bob.receipts.set_heads(nowhere, {alice.account.device: heads}, time_ms=5)
        made_up = HeldRow(where, alice.account.device, DeviceId("8" * 64), heads, 5)
        assert bob.receipts.take([made_up], this=bob.account.device)
        bob.swarm._own_marks.stir()
        await asyncio.sleep(30)
        taken = phone.receipts.cursors()[bob.account.device]
        assert taken == bob.receipts.since(taken, 1).upto
        assert stranger not in phone.receipts.all_heads(where)
        assert phone.swarm.status.owner(stranger) is None  # type: ignore[arg-type]
        assert phone.receipts.all_heads(nowhere) == {}
        told = [row.origin for row in phone.receipts.since(None, 1_000).rows if isinstance(row, HeldRow)]
        assert bob.account.device in told
        assert made_up.origin not in told, "no device of this account"

    play(tmp_path, story)


def test_a_conversation_that_comes_later_makes_it_ask_for_all_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, phone, _ = await friends(world)
        await phone.down()
        room = await bob.swarm.create(1)
        outcomes = await bob.swarm.invite(room, [alice.account.id])
        assert outcomes
        await world.until(lambda: bool(alice.keeper.state.pending()))
        await alice.accept_all()
        assert await alice.swarm.settled(room, 30.0) == "ready"
        said = await bob.post(room, "before the phone had it")
        await world.until(lambda: state(bob, room, said, alice) == "sent")
        await alice.swarm.read(room, said)
        await world.until(lambda: last_read(bob, room, alice) == said)
        await alice.down()
        await phone.up()
        await world.until(lambda: phone.swarm.state_of(room) == "ready", 120.0)
        await world.until(lambda: last_read(phone, room, alice) == said)
        assert state(phone, room, said, alice) == "read"

    play(tmp_path, story)
