"""Data sync between whole nodes and thin peers over loopback. (SCP-09 §4.5–§4.7)"""

from __future__ import annotations

from pathlib import Path

from swarmchat.addresses import Address
from swarmchat.ids import ConversationId
from tests.support.loopback import LOOPBACK, Living, Loopback, play
from tests.support.thin import TICK_S, Thin


async def opened(world: Loopback, founder: Living, *guests: Living) -> ConversationId:
    room = await world.room(founder, *guests)
    await founder.door.mvds_open(conversation=room)
    for guest in guests:
        await world.until(lambda guest=guest: is_in(guest, founder, room))
    return room


def is_in(guest: Living, founder: Living, room: ConversationId) -> bool:
    log = founder.log(room)
    key = guest.swarm.own.status_key()
    with log.still():
        return key is not None and key.public.raw in founder.door._datasync.logs.ledger(log).fold.standing.members


async def served(node: Living) -> Address:
    service = await node.door._datasync.service()
    return await service.listen(LOOPBACK, TICK_S)


def test_a_text_of_a_thin_peer_is_a_commit_and_reaches_the_others_under_its_id(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, ben = await world.node("ann"), await world.node("ben")
        room = await opened(world, ann, ben)
        thins = [Thin(tmp_path, number).up(await served(node)) for number, node in ((7, ann), (8, ben))]
        try:
            for thin in thins:
                await ann.door.mvds_invite(conversation=room, key=thin.key.compressed)
            for thin in thins:
                await thin.until(lambda thin=thin: thin.of("joined"))
            one, two = thins
            one.say("hello from afar")
            (got,) = await two.until(lambda: two.of("message"))
            assert got["text"] == "hello from afar"
            assert got["from"] == one.key.legacy
            assert got["id"] == one.of("posted")[0]["id"]
            await ben.say(room, "hello from a node")
            await one.until(lambda: "hello from a node" in one.texts)
            await two.until(lambda: "hello from a node" in two.texts)
            for node in (ann, ben):
                assert (await node.texts(room)) == ["hello from afar", "hello from a node"]
                lines = await node.door.message_list(conversation=room)
                (relayed,) = [line for line in lines if line["body"] == "hello from afar"]
                assert relayed["via"]["key"] == one.key.legacy
                assert relayed["via"]["account"] == one.key.uri
        finally:
            for thin in thins:
                await thin.down()

    play(tmp_path, story)
