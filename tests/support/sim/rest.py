"""What must hold when nobody does anything any more: nothing waits, nothing piles up, and no receipt says more than is true."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING

from tests.support.sim.oracles import log_of

if TYPE_CHECKING:
    from tests.support.sim.world import Life, World

LOOKS = 40  # a ping may be on its way at any moment
LOOK_EVERY_S = 0.37


async def at_rest(world: World) -> None:
    """Every queue is empty, at some moment within a few seconds."""
    for life in world.lives:
        for look in range(LOOKS):
            found = list(_waiting(life))
            if not found:
                break
            assert look < LOOKS - 1, f"{life.machine} does not come to rest: {found}"
            await asyncio.sleep(LOOK_EVERY_S)


def _waiting(life: Life) -> Iterator[str]:
    swarm = life.swarm
    parts, board, rooms = swarm._parts, swarm._board, swarm._rooms
    if not life.runtime.is_idle:
        yield "a thread works"
    if parts.chores._waiting:
        yield f"chores wait: {list(parts.chores._waiting)}"
    if parts.access._parting:
        yield f"links live only for a farewell: {dict(parts.access._parting)}"
    if rooms._farewells._awaited:
        yield f"answers to farewells are awaited: {list(rooms._farewells._awaited)}"
    if rooms._pulls.waiting or rooms._pulls._queues:
        yield "pulls wait or run"
    links = set(swarm.links.links)
    if board._dialogues.keys() - links:
        yield "dialogues are kept of links that are gone"
    for dialogue in board._dialogues.values():
        if dialogue._outbox or dialogue._weight:
            yield f"{len(dialogue._outbox)} messages wait for {dialogue.device[:6]}"
    for link in links:
        for channel in link.channels:
            if channel.unsent:
                yield f"{channel.unsent} bytes wait on {channel.name}"
    for replicator in rooms.all():
        if replicator._writes._waiting or replicator._told_heads.is_busy:
            yield f"{replicator.conversation[:6]} has to write"
        if replicator.session._pushes or replicator.session._taking:
            yield f"{replicator.conversation[:6]} has pushes to take"


async def receipts(world: World) -> None:
    """What a node believes that another's device has is on that device's disk. (SCP-04 §6.1)"""
    owners = {machine.account.device: machine for machine in world.honest}
    for life, conversation in product(world.lives, world.conversations):
        for device, held in sorted(life.receipts.all_heads(conversation).items()):
            other = owners[device].life if device in owners else None
            log = await log_of(other, conversation) if other is not None else None
            if other is None or log is None or other.swarm.state_of(conversation) == "closed":
                continue  # a villain may say what it likes of itself; who has left forgets
            world.counts["receipt"] += 1
            ahead = [head for head in held.heads if not log.knows(head)]
            assert not ahead, f"{life.machine} has it from {other.machine} that it has {ahead}, and it has not"
