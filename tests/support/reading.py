"""How far messages came, as a house of a simulated swarm knows it. (SCP-04 §6.1)"""

from __future__ import annotations

from swarmchat.account.records import ConversationState
from swarmchat.ids import CommitId, ConversationId
from swarmchat.node.delivery import Delivery, Moments, Reached
from tests.support.swarms import House, World


def reached(house: House, where: ConversationId, commit: CommitId) -> dict[str, Reached]:
    """What `message show --delivery` says at a house, by account."""
    log, receipts = house.catalog.open(where), house.receipts
    held, read = receipts.all_heads(where), receipts.read_marks(where)
    told = Delivery(log.history, log.roster, house.account.id, held, read, house.swarm.status.owner)
    moments = Moments(receipts.held_moments(where), receipts.read_moments(where))
    return {row.account: row for row in told.reached(commit, house.account.device, moments)}


def state(house: House, where: ConversationId, commit: CommitId, of: House) -> str:
    return reached(house, where, commit)[of.account.id].state


def now_ms(house: House) -> int:
    return house.swarm._parts.now_ms


async def second_device(world: World, name: str, where: ConversationId, *others: House) -> House:
    """Another device of an account, as it is when it was linked or restored: it knows of the conversation and clones it."""
    house = await world.house(name, 2)
    await house.down()
    members = [other.account.id for other in others]
    house.keeper.state, _ = house.keeper.state.add_conversation(
        where, title="", mode=1, state=ConversationState.SYNCING, members=members, now_ms=1
    )
    await house.up()
    for other in others:
        await house.knows(other)
    return house


def last_read(house: House, where: ConversationId, of: House) -> CommitId | None:
    """`lastDisplayed` of a member, as it is known at a house."""
    log, receipts = house.catalog.open(where), house.receipts
    read = receipts.read_marks(where)
    marks = Delivery(log.history, log.roster, house.account.id, {}, read, house.swarm.status.owner).furthest()
    mark = marks.get(of.account.id)
    return None if mark is None else mark.commit
