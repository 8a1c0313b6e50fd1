"""A thin peer that lost all but its key finds what it said, goes on from there, and says nothing twice. (SCP-09 §4.6, §4.7)"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from swarmchat.errors import UserError
from swarmchat.gateways.datasync import messages, thin
from swarmchat.gateways.datasync.effects import Deliver
from swarmchat.gateways.datasync.exchange import Outcome
from swarmchat.gateways.datasync.payload import Message, MessageId, Metadata, Payload, PeerId, group_of
from swarmchat.gateways.datasync.records import Kind
from swarmchat.ids import ConversationId
from tests.integration.gateways.test_datasync_log import begun, counted, entry, said, served
from tests.support.loopback import Living, Loopback, play
from tests.support.thin import Caller, Thin


async def come_in(world: Loopback, node: Living, room: ConversationId, **wishes: object) -> Thin:
    peer = Thin(world.folder, 7, **wishes).up(await served(node))
    await node.door.mvds_invite(conversation=room, key=peer.key.compressed)
    await peer.until(lambda: peer.of("joined"))
    return peer


async def spoken(peer: Thin, *texts: str) -> None:
    """They are said, and a node has them."""
    for text in texts:
        peer.say(text)
    await peer.until(lambda: set(texts) <= {one["text"] for one in peer.of("posted")})
    ids = {one["id"] for one in peer.of("posted") if one["text"] in texts}
    await peer.until(lambda: ids <= {one["id"] for one in peer.of("delivered")})


async def gone_after(world: Loopback, text: str) -> tuple[Living, ConversationId, Thin]:
    """A node, a conversation of its own, and a peer that came in, said this and went."""
    ann, room = await begun(world)
    peer = await come_in(world, ann, room)
    await spoken(peer, text)
    await peer.down()
    return ann, room, peer


def forget(world: Loopback, peer: Thin) -> None:
    for file in world.folder.glob(f"thin-{peer.key.uri}.sqlite*"):
        file.unlink()


def whole(node: Living, room: ConversationId) -> bool:
    """Whether each message of the group counts: no chain of previous messages is broken."""
    with node.door._datasync.logs.held(room) as book:
        assert book is not None
        fold = book[1].fold
        return all(fold.verdict(one.id) is None for one in fold.entries())


@pytest.mark.parametrize("loss", [0.0, 0.2])
def test_who_lost_all_but_the_key_goes_on_where_he_was(tmp_path: Path, loss: float) -> None:
    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        one = await come_in(world, ann, room, loss=loss, seed=20261122)
        await spoken(one, "first", "second")
        await ann.say(room, "from ann")
        await one.until(lambda: "from ann" in one.texts)
        await one.down()
        forget(world, one)
        again = Thin(world.folder, 7, ahead_s=9, loss=loss, seed=77).up(await served(ann))
        await spoken(again, "third")
        await again.until(lambda: {"first", "second", "from ann"} <= set(again.texts))
        assert len(again.of("found")) == 1
        assert not again.of("invited")
        assert not again.of("shared")
        await again.down()
        assert await ann.texts(room) == ["first", "second", "from ann", "third"]
        assert whole(ann, room)
        assert counted(ann, "forgetful") >= 1
        once_more = Thin(world.folder, 7).up(await served(ann))
        await spoken(once_more, "fourth")
        assert not once_more.of("found"), "he knows it now"
        await once_more.down()
        assert whole(ann, room)

    play(tmp_path, story)


def test_who_was_out_comes_in_again_though_he_knows_no_more_that_he_ever_spoke(tmp_path: Path) -> None:
    """His JOIN is not taken as his first word; he takes it back, and says it after what he said last."""

    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        one = await come_in(world, ann, room)
        await spoken(one, "before")
        await ann.door.member_kick(conversation=room, target=one.key.uri)
        await one.until(lambda: one.of("kicked"))
        await one.down()
        forget(world, one)
        again = Thin(world.folder, 7, ahead_s=9).up(await served(ann))
        again.say("after")
        await again.until(lambda: again.of("connected"))
        await ann.door.mvds_invite(conversation=room, key=one.key.compressed)
        await again.until(lambda: again.of("posted") and len(again.of("delivered")) == 2)
        await again.down()
        assert await ann.texts(room) == ["before", "after"]
        assert whole(ann, room)
        forget(world, one)  # and now he was put out once, which is over
        for number, text in enumerate(("much later", "later still")):
            last = Thin(world.folder, 7, ahead_s=20 + number).up(await served(ann))
            await spoken(last, text)
            assert not last.of("kicked")
            await last.down()
        assert (await ann.texts(room))[2:] == ["much later", "later still"]
        assert whole(ann, room)

    play(tmp_path, story)


def test_a_restored_backup_goes_on_too(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        one = await come_in(world, ann, room)
        await one.down()
        file = world.folder / f"thin-{one.key.uri}.sqlite"
        shutil.copy(file, tmp_path / "backup")
        later = Thin(world.folder, 7).up(await served(ann))
        await spoken(later, "forgotten")
        await later.down()
        forget(world, one)
        shutil.copy(tmp_path / "backup", file)
        again = Thin(world.folder, 7, ahead_s=9).up(await served(ann))
        await again.until(lambda: again.texts == ["forgotten"])
        await spoken(again, "after the backup")
        await again.down()
        assert await ann.texts(room) == ["forgotten", "after the backup"]
        assert whole(ann, room)

    play(tmp_path, story)


def test_a_client_that_does_not_care_is_told_nothing_false(tmp_path: Path) -> None:
    """What begins anew a chain that is here gets no ACK, nor does what follows it; the last of the chain is offered."""

    async def story(world: Loopback) -> None:
        ann, room, one = await gone_after(world, "said")
        tail = said(ann, room)[-1].message

        def made(text: str, previous: Message | None) -> Message:
            client = messages.sign(messages.text_post(text), None if previous is None else previous.id, one.secret)
            return Message(group_of(room), 1_750_000_000, messages.write_client(client), Metadata())

        first = made("as if for the first time", None)
        second = made("and on", first)
        sound = made("sound", tail)
        async with await Caller.call(await served(ann), 7) as caller:
            await caller.shake()
            for _ in range(3):
                await caller.send(Payload(messages=(second, first)))
            await caller.send(Payload(messages=(sound,)))
            heard = await caller.acked(sound.id)
            while not any(tail.id in payload.offers for payload in heard):
                payload = await caller.payload()
                assert payload is not None
                heard.append(payload)
            assert {first.id, second.id}.isdisjoint(each for payload in heard for each in payload.acks)
        assert counted(ann, "refused_no_previous") >= 1
        assert await ann.texts(room) == ["said", "sound"]

    play(tmp_path, story)


def test_what_somebody_else_brings_of_a_forgetful_one_is_refused_for_good(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        one = await come_in(world, ann, room)
        await one.down()
        other = Thin(world.folder, 8).up(await served(ann))
        await ann.door.mvds_invite(conversation=room, key=other.key.compressed)
        await other.until(lambda: other.of("joined"))
        await other.down()
        client = messages.write_client(messages.sign(messages.text_post("x"), None, one.secret))
        async with await Caller.call(await served(ann), 8) as caller:
            await caller.shake()
            stranger = entry(ann, room, client, one.secret)
            await caller.send(Payload(messages=(stranger,)))
            await caller.acked(stranger.id)
        assert await ann.texts(room) == []

    play(tmp_path, story)


def test_who_came_in_again_is_not_sent_what_put_him_out_before(tmp_path: Path) -> None:
    """He asked for it and never said that he got it; a client that forgot all took it for news."""

    async def story(world: Loopback) -> None:
        ann, room, one = await gone_after(world, "said")
        peer, store = PeerId(one.key.raw), (await ann.door._datasync.service())._store
        async with await Caller.call(await served(ann), 7) as caller:
            await caller.shake()
            await ann.door.member_kick(conversation=room, target=one.key.uri)
            kick = said(ann, room)[-1].message.id
            payload = await caller.payload()
            while payload is not None and kick not in payload.offers:
                payload = await caller.payload()
            await caller.send(Payload(requests=(kick,)))
            while payload is not None and kick not in [each.id for each in payload.messages]:
                payload = await caller.payload()
            assert store.get(peer, kick, Kind.MESSAGE) is not None
            await ann.door.mvds_invite(conversation=room, key=one.key.compressed)
            invite = said(ann, room)[-1].message.id
            join = entry(ann, room, messages.Join(one.key, group_of(room)), one.secret)
            await caller.send(Payload(messages=(join,)))
            await caller.acked(join.id)
            for each in (kick, invite):
                assert not [kind for kind in Kind if store.get(peer, each, kind) is not None]

    play(tmp_path, story)


def test_what_is_refused_of_a_client_is_not_confirmed_to_it_and_its_chain_is_offered(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, room, one = await gone_after(world, "said")
        tail = said(ann, room)[-1].message
        leave = messages.sign(messages.Leave(one.key, group_of(room)), MessageId(b"?" * 32), one.secret)
        lost = Message(group_of(room), 1_750_000_000, messages.write_client(leave), Metadata())
        service = await ann.door._datasync.service()
        async with await Caller.call(await served(ann), 7) as caller:
            await caller.shake()
            outcome = await service.delivered(Deliver(lost, PeerId(one.key.raw)))
            assert outcome is Outcome.DROPPED
            payload = await caller.payload()
            while payload is not None and tail.id not in payload.offers:
                payload = await caller.payload()
            again = entry(ann, room, messages.Join(one.key, group_of(room)), one.secret)
            await caller.send(Payload(messages=(again,)))
            await caller.acked(again.id)
            text = entry(ann, room, messages.text_post("and on"), one.secret)
            await caller.send(Payload(messages=(text,)))
            await caller.acked(text.id)
        assert counted(ann, "refused_lost_previous") == 1
        assert await ann.texts(room) == ["said", "and on"]

    play(tmp_path, story)


def test_two_clients_with_one_key_do_not_fight_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each new connection of a key ends the one before; one of them gives up, and says why."""
    monkeypatch.setattr(thin, "_RETRY_S", 0.01)
    monkeypatch.setattr(thin, "_RETRY_MAX_S", 0.05)

    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        one = await come_in(world, ann, room)
        (tmp_path / "copy").mkdir()
        two = Thin(tmp_path / "copy", 7).up(await served(ann))
        both = (one, two)
        for number in range(3):
            for peer in both:
                peer.say(f"{id(peer)} {number}")
        ended, _ = await asyncio.wait([peer._task for peer in both if peer._task], return_when="FIRST_COMPLETED")
        assert isinstance(next(iter(ended)).exception(), UserError)
        (last,) = [peer for peer in both if peer._task not in ended]
        await spoken(last, "alone")
        await last.until(lambda: len(last.of("delivered")) >= 4)
        (first,) = [peer for peer in both if peer is not last]
        with pytest.raises(UserError, match="another client uses this key"):
            await first.down()
        shorts = len(first.of("connected"))
        assert shorts <= thin._SHORTS_MAX + 1
        assert len(two.of("found")) + len(two.of("shared")) <= 2
        first.up(await served(ann))
        await last.down()
        await first.until(lambda: len({one["id"] for one in first.of("delivered")}) >= 3)
        await first.down()
        texts = await ann.texts(room)
        wanted = {f"{id(peer)} {number}" for peer in both for number in range(3)} | {"alone"}
        assert sorted(texts) == sorted(wanted)
        assert whole(ann, room)

    play(tmp_path, story)


def test_who_holds_the_key_of_the_node_itself_ends_and_says_why(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann = await world.node("ann")
        address = await served(ann)
        secret = ann.swarm.own.status_key()
        assert secret is not None
        peer = Thin(world.folder, int.from_bytes(secret.raw)).up(address)
        assert peer._task is not None
        await asyncio.wait([peer._task])
        with pytest.raises(UserError, match="the node's own"):
            await peer.down()

    play(tmp_path, story)


def test_a_port_that_speaks_something_else_is_named_as_such(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann = await world.node("ann")
        peer = Thin(world.folder, 7).up(ann.address)  # the port of links: TLS
        (said_so, *_) = await peer.until(lambda: peer.of("disconnected"))
        assert said_so["code"] in {"no-hello", "bad-hello", "bad-frame"}
        await peer.down()

    play(tmp_path, story)
