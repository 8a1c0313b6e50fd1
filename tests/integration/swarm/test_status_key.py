"""Whole nodes of one account: they agree on its key with Status, whoever made it and whenever. (SCP-04 §7.8)"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from swarmchat.account.statuskey import StatusKey
from swarmchat.errors import RefusedError, StorageError
from swarmchat.swarm.parts import InMemory
from tests.support.swarms import House, World, account_of, play

WANTED = b"\7" * 32


async def met(world: World, *numbers: int) -> list[House]:
    """Devices of one account, each linked with the first."""
    houses = [await world.house("bob", number) for number in numbers]
    for other in houses[1:]:
        await other.knows(houses[0])
        await world.until(lambda other=other: other.account.device in houses[0].swarm._own_devices.linked)  # type: ignore[misc]
    return houses


def key(house: House) -> StatusKey | None:
    return house.swarm.account.status_key


def agree(*houses: House) -> bool:
    return key(houses[0]) is not None and len({key(house) for house in houses}) == 1


def test_nobody_has_a_key_before_somebody_asks_and_then_all_have_the_same(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        one, other, third = await met(world, 1, 2, 3)
        assert [house.swarm.own.status_key() for house in (one, other, third)] == [None] * 3
        made = await other.swarm.own.ensure_status_key()
        await world.until(lambda: agree(one, other, third), 5.0)
        for house in (one, other, third):
            assert house.swarm.own.status_key().public == made.public  # type: ignore[union-attr]
            assert (await house.swarm.own.ensure_status_key()).raw == made.raw, "made once"
        assert key(one) == StatusKey(1, made.raw)

    play(tmp_path, story)


def test_one_object_stands_for_the_key_until_it_is_another(tmp_path: Path) -> None:
    """The public half is not computed for each commit that is written."""

    async def story(world: World) -> None:
        house = await world.house("bob")
        made = await house.swarm.own.ensure_status_key()
        assert house.swarm.own.status_key() is house.swarm.own.status_key() is made
        wanted = await house.swarm.own.set_status_key(WANTED)
        assert house.swarm.own.status_key() is wanted
        assert (wanted.raw, key(house)) == (WANTED, StatusKey(2, WANTED))
        await house.swarm.own.set_status_key(WANTED)
        assert key(house) == StatusKey(2, WANTED)

    play(tmp_path, story)


def test_who_asks_twice_at_once_is_told_of_one_key(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        house = await world.house("bob")
        keys = await asyncio.gather(*(house.swarm.own.ensure_status_key() for _ in range(8)))
        assert len({each.raw for each in keys}) == 1

    play(tmp_path, story)


def test_two_devices_that_each_made_one_agree_when_they_meet(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        one, other = await world.house("bob"), await world.house("bob", 2)
        made = [await house.swarm.own.ensure_status_key() for house in (one, other)]
        assert made[0].raw != made[1].raw
        await one.knows(other)
        await world.until(lambda: agree(one, other), 10.0)
        assert key(one) == StatusKey(1, max(each.raw for each in made))

    play(tmp_path, story)


def test_a_key_that_was_set_while_apart_beats_what_the_other_drew(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        one, other = await world.house("bob"), await world.house("bob", 2)
        await one.swarm.own.set_status_key((1).to_bytes(32))
        await other.swarm.own.ensure_status_key()
        await one.knows(other)
        await world.until(lambda: agree(one, other), 10.0)
        assert key(other) == StatusKey(2, (1).to_bytes(32))

    play(tmp_path, story)


def test_another_key_reaches_a_device_that_is_linked_with_a_third_alone(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        middle, left, right = await met(world, 1, 2, 3)
        await left.swarm.own.ensure_status_key()
        await world.until(lambda: agree(middle, left, right), 5.0)
        assert not left.linked(right)
        await right.swarm.own.set_status_key(WANTED)
        await world.until(lambda: key(left) == StatusKey(2, WANTED), 5.0)
        assert agree(middle, left, right)

    play(tmp_path, story)


def test_a_revoked_device_is_told_no_key_and_makes_none(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        one, lost = await met(world, 1, 2)
        mine = one.swarm.account
        one.swarm.own.renewed(mine.with_revocations(mine.revoke(lost.account.device, now=int(one.runtime.now()))))
        await one.swarm.own.ensure_status_key()
        await asyncio.sleep(0.05)
        assert (one.linked(lost), key(lost)) == (True, None), "not even while its link stands yet"
        await one.swarm.own.relisted()
        await world.until(lambda: lost.swarm.account.is_revoked, 5.0)
        await asyncio.sleep(120)
        assert (key(lost), key(one) is None) == (None, False)
        for refused in (lost.swarm.own.ensure_status_key(), lost.swarm.own.set_status_key(WANTED)):
            with pytest.raises(RefusedError, match="revoked"):
                await refused
        assert lost.swarm.own.status_key() is None

    play(tmp_path, story)


def test_a_stranger_device_that_was_revoked_before_it_calls_is_told_no_key(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        one = await world.house("bob")
        lost = account_of("bob", 2)
        mine = one.swarm.account
        one.swarm.own.renewed(mine.with_revocations(mine.revoke(lost.device, now=int(one.runtime.now()))))
        await one.swarm.own.relisted()
        await one.swarm.own.ensure_status_key()
        other = await world.house("bob", 2)
        await other.knows(one)
        await asyncio.sleep(30)
        assert key(other) is None

    play(tmp_path, story)


def test_a_disk_that_refuses_leaves_the_key_as_it_was_and_the_channel_brings_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        one, other = await met(world, 1, 2)
        kept, left = InMemory.rekey_status, [2]

        async def refused(self: InMemory, step: object) -> StatusKey:
            if self._parts.account.device == other.account.device and left[0]:
                left[0] -= 1
                raise StorageError("no space left")
            return await kept(self, step)  # type: ignore[arg-type]

        monkeypatch.setattr(InMemory, "rekey_status", refused)
        await one.swarm.own.ensure_status_key()
        await asyncio.sleep(1)
        assert key(other) is None
        await world.until(lambda: agree(one, other), 120.0)
        assert left == [0]

    play(tmp_path, story)
