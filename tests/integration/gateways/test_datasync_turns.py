"""Who is to be let in is let in by one admin after the other, each a while after the one before, by a clock that the test holds. (SCP-09 §4.5)"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from swarmchat.gateways.datasync import gateway
from swarmchat.gateways.datasync.payload import PeerId
from swarmchat.ids import ConversationId
from swarmchat.runtime import SystemRuntime
from tests.integration.gateways.test_datasync_log import is_in, opened
from tests.support.loopback import Living, Loopback, play


class Held(SystemRuntime):
    """Its clock goes when it is told to; who sleeps wakes up when the time has come."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 1_000.0
        self.sleepers: list[tuple[float, asyncio.Event]] = []

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        self.sleepers.append((self.at + seconds, woken))
        await woken.wait()

    def go(self, seconds: float) -> None:
        self.at += seconds
        due = [one for one in self.sleepers if one[0] <= self.at]
        self.sleepers = [one for one in self.sleepers if one[0] > self.at]
        for _, woken in due:
            woken.set()


class Late:
    """A node as the gateway sees it, with that clock."""

    def __init__(self, node: Any, runtime: Held) -> None:
        self._node = node
        self.runtime = runtime

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)


def hold(node: Living) -> Held:
    clock = Held()
    node.door._datasync._node = Late(node.node, clock)  # type: ignore[assignment]
    return clock


def asked(node: Living, guest: Living, room: ConversationId) -> bool:
    """Whether this node knows that the guest was asked in."""
    secret = guest.swarm.own.status_key()
    with node.door._datasync.logs.held(room) as book:
        assert book is not None
        standing = book[1].fold.standing
        return secret is not None and PeerId(secret.public.raw) in standing.members | standing.invited


async def settled(node: Living, room: ConversationId) -> None:
    """What is due there now is done."""
    await node.door._datasync.tend(room)


def test_the_second_admin_lets_in_who_waits_when_the_first_has_not_for_so_long(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, ben, cat = [await world.node(name) for name in ("ann", "ben", "cat")]
        room = await opened(world, ann, ben)
        await ann.door.member_promote(conversation=room, target=ben.account.id)
        await world.until(lambda: ben.account.id in ben.log(room).roster.admins)
        clock = hold(ben)
        await ann.down()  # she opened it: it were for her to do
        await world.bring(ben, cat, room)
        waiting = ben.door._datasync._noticed
        await world.until(lambda: room in waiting and clock.sleepers)
        assert waiting[room] == clock.at
        clock.go(gateway._PATIENCE_S - 0.001)
        await settled(ben, room)
        assert not asked(ben, cat, room), "it is not his turn"
        clock.go(0.001)  # nothing but the reminder looks now
        await world.until(lambda: is_in(cat, ben, room))
        await settled(ben, room)
        await world.until(lambda: clock.sleepers or not ben.door._datasync._waited_for.is_set())
        assert room not in waiting
        clock.go(gateway._PATIENCE_S)
        await world.until(lambda: not ben.door._datasync._waited_for.is_set())
        assert not clock.sleepers, "nobody waits: nothing wakes up any more"
        world.nodes.remove(ann)

    play(tmp_path, story)


def test_who_opened_it_lets_in_at_once(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, ben = await world.node("ann"), await world.node("ben")
        room = await opened(world, ann)
        clock = hold(ann)
        await world.bring(ann, ben, room)
        await world.until(lambda: is_in(ben, ann, room))
        assert clock.at == 1_000.0

    play(tmp_path, story)
