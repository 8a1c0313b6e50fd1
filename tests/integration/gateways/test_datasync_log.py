"""Data sync between whole nodes, thin peers and callers over loopback: what reaches whom, and what nobody gets. (SCP-09 §4.5–§4.7)"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from swarmchat.addresses import Address
from swarmchat.conversation.actions import Other, Post
from swarmchat.crypto.secp256k1 import Secret
from swarmchat.errors import RefusedError, StorageError, UsageError
from swarmchat.gateways.datasync import messages, service, speaking
from swarmchat.gateways.datasync.frames import frame
from swarmchat.gateways.datasync.gateway import BRIDGE, DatasyncGateway
from swarmchat.gateways.datasync.hello import Handshake
from swarmchat.gateways.datasync.ledger import Said
from swarmchat.gateways.datasync.payload import Message, MessageId, Metadata, Payload, PeerId, group_of
from swarmchat.gateways.datasync.records import Kind
from swarmchat.gateways.datasync.session import EXPORTER_LABEL, ChannelWire, StreamWire
from swarmchat.ids import CommitId, ConversationId
from swarmchat.limits import DATASYNC_FRAME_BYTES_MAX, DATASYNC_SESSIONS_MAX, DATASYNC_UNPROVED_MAX, MIB
from swarmchat.node import views
from swarmchat.swarm.write_queue import Intent
from tests.support.loopback import LOOPBACK, Living, Loopback, level, play
from tests.support.thin import TICK_S, Caller, Thin


async def opened(world: Loopback, founder: Living, *guests: Living) -> ConversationId:
    """A conversation whose members are all in its group."""
    room = await world.room(founder, *guests)
    await founder.door.mvds_open(conversation=room)
    await world.until(lambda: all(is_in(guest, founder, room) for guest in guests))
    return room


async def begun(world: Loopback) -> tuple[Living, ConversationId]:
    """A node, and a conversation of its own that is open."""
    ann = await world.node("ann")
    return ann, await opened(world, ann)


def is_in(guest: Living, founder: Living, room: ConversationId) -> bool:
    secret = guest.swarm.own.status_key()
    with founder.door._datasync.logs.held(room) as book:
        assert book is not None
        return secret is not None and secret.public.raw in book[1].fold.standing.members


def said(node: Living, room: ConversationId) -> list[Said]:
    """All that counts of a group, as this node exports it."""
    with node.door._datasync.logs.held(room) as book:
        assert book is not None
        return book[1].newest(10_000)


def entry(node: Living, room: ConversationId, body: messages.Body | bytes, secret: Secret) -> Message:
    """What the sender says next, after all that this node has."""
    with node.door._datasync.logs.held(room) as book:
        assert book is not None
        log, ledger = book
        main = log.main
        assert main is not None
        previous = ledger.previous(PeerId(secret.public.raw), main if log.knows(main) else log.heads[0])
        parents = ledger.parents_of_heads(log.heads)
    client = body if isinstance(body, bytes) else messages.write_client(messages.sign(body, previous, secret))
    return Message(group_of(room), 1_750_000_000, client, Metadata(parents))


async def served(node: Living) -> Address:
    service = await node.door._datasync.service()
    return service.address or await service.listen(LOOPBACK, TICK_S)


@contextlib.asynccontextmanager
async def thin(world: Loopback, node: Living, room: ConversationId, number: int) -> AsyncIterator[Thin]:
    """A thin peer that is in."""
    peer = Thin(world.folder, number).up(await served(node))
    try:
        await node.door.mvds_invite(conversation=room, key=peer.key.compressed)
        await peer.until(lambda: peer.of("joined"))
        yield peer
    finally:
        await peer.down()


def counted(node: Living, name: str) -> int:
    serving = node.door._datasync.serving
    return 0 if serving is None else serving.counters[name]


# --- the acceptance list


def test_14_a_text_of_a_thin_peer_reaches_a_node_that_only_has_git_and_another_thin_peer_under_one_id(
    tmp_path: Path,
) -> None:
    async def story(world: Loopback) -> None:
        ann, ben, cat = [await world.node(name) for name in ("ann", "ben", "cat")]
        room = await opened(world, ann, ben, cat)
        async with thin(world, ann, room, 7) as one, thin(world, ann, room, 8) as two:
            one.say("hello from afar")
            (got,) = await two.until(lambda: two.of("message"))
            assert (got["text"], got["from"]) == ("hello from afar", one.key.legacy)
            assert got["id"] == one.of("posted")[0]["id"]
            await ben.say(room, "hello from a node")
            await one.until(lambda: "hello from a node" in one.texts)
            await two.until(lambda: "hello from a node" in two.texts)
            await world.until(lambda: level(room, ann, ben, cat))
            for node in (ann, ben, cat):
                assert await node.texts(room) == ["hello from afar", "hello from a node"]
                lines = await node.door.message_list(conversation=room)
                (relayed,) = [line for line in lines if line["body"] == "hello from afar"]
                assert relayed["via"] == {
                    "gateway": "mvds",
                    "account": one.key.uri,
                    "key": one.key.legacy,
                    "name": "",
                    "time": views.time(got["time"]),
                }
                assert next(line for line in lines if line["body"] == "hello from a node").get("via") is None
            assert cat.door._datasync.serving is None
            commit = next(each for each in said(cat, room) if each.message.id.hex() == got["id"])
            assert commit.commit == relayed["id"]

    play(tmp_path, story)


def test_15_two_nodes_export_a_conversation_under_the_same_ids(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, ben = await world.node("ann"), await world.node("ben")
        room = await opened(world, ann, ben)
        async with thin(world, ann, room, 7) as one:
            first = await ann.say(room, "first")
            one.say("from afar")
            await one.until(lambda: len(one.of("delivered")) == 2)
            await ben.door.message_react(conversation=room, message=first, reaction="👍")
            await ann.door.message_edit(conversation=room, message=first, text="the first")
        await world.until(lambda: level(room, ann, ben))
        of_ann, of_ben = said(ann, room), said(ben, room)
        assert len(of_ann) == 9  # opened, ben and the thin peer let in and come in, four messages
        assert {each.message.id: each.message for each in of_ann} == {each.message.id: each.message for each in of_ben}

    play(tmp_path, story)


def test_16_taking_everything_in_again_makes_no_commit(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, ben = await world.node("ann"), await world.node("ben")
        room = await opened(world, ann, ben)
        async with thin(world, ann, room, 7) as one:
            one.say("once")
            await one.until(lambda: len(one.of("delivered")) == 2)
        await world.until(lambda: level(room, ann, ben))
        heads = ann.log(room).heads
        every = [each.message for each in said(ann, room)]
        for node in (ann, ben):
            async with await Caller.call(await served(node), 7) as caller:
                await caller.shake()
                await caller.send(Payload(messages=tuple(every)))
                await caller.acked(*(message.id for message in every))
        assert (ann.log(room).heads, ben.log(room).heads) == (heads, heads)

    play(tmp_path, story)


def test_17_who_proves_nothing_is_hung_up_on_and_who_is_in_no_group_is_offered_nothing(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann = await world.node("ann")
        room, other = await opened(world, ann), await opened(world, ann)
        address = await served(ann)
        await ann.say(other, "a secret")
        async with await Caller.call(address, 9) as liar:
            other_key = Secret((10).to_bytes(32)).public
            handshake = liar.handshake
            handshake._mine = type(handshake._mine)(peer_id=other_key.raw, nonce=bytes(32), mode=2, tick_ms=10)
            await liar.wire.write(frame(handshake.first()))
            first = await liar.body()
            assert first is not None
            answer = handshake.receive(first)
            assert isinstance(answer, bytes)
            await liar.wire.write(frame(answer))
            assert await liar.body() is not None  # its own proof, which it owes anybody
            assert await liar.body() is None
        assert counted(ann, "refused_bad_proof") == 1
        async with thin(world, ann, room, 7) as member, await Caller.call(address, 11) as stranger:
            await stranger.shake()
            secrets = tuple(each.message.id for each in said(ann, other))
            async with await Caller.call(address, 12) as invited:
                await ann.door.mvds_invite(conversation=room, key=invited.secret.public.legacy)
                await invited.shake()
                await ann.say(room, "for members")
                await member.until(lambda: "for members" in member.texts)
                offered = set((await invited.payload() or Payload()).offers)
                (invitation,) = [each.message.id for each in said(ann, room)[-2:-1]]
                assert offered == {invitation}, "nothing but what names him"
                await invited.send(Payload(requests=(said(ann, room)[-1].message.id, *secrets, invitation)))
                answer_to = await invited.payload()
                assert answer_to is not None
                assert [message.id for message in answer_to.messages] == [invitation]
            await stranger.send(Payload(requests=secrets))
            await world.until(lambda: counted(ann, "refused_unknown_message") >= len(secrets) + 1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(30 * TICK_S):
                    await stranger.body()
        assert member.texts == ["for members"]

    play(tmp_path, story)


def test_a_fault_of_ours_while_a_peer_is_served_costs_that_peer_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(service.__name__), "disabled", True)  # a fault in the log fails a test

    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        address = await served(ann)
        async with thin(world, ann, room, 7) as member:
            with monkeypatch.context() as broken:
                broken.setattr(service.session, "shake", lambda wire, handshake: 1 // 0)
                async with await Caller.call(address, 9) as unlucky:
                    assert await unlucky.body() is None
            member.say("still here")
            await member.until(lambda: len(member.of("delivered")) == 1)
            async with await Caller.call(address, 9) as again:
                await again.shake()

    play(tmp_path, story)


def test_18_a_frame_of_no_bytes_or_of_more_than_a_mebibyte_ends_that_peer_and_nobody_else(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        address = await served(ann)
        async with thin(world, ann, room, 7) as member:
            for count, length in enumerate((0, DATASYNC_FRAME_BYTES_MAX + 1, 2**32 - 1), 1):
                async with await Caller.call(address, 9) as before:
                    await before.wire.write(length.to_bytes(4))
                    assert await before.body() is not None  # the hello that everybody is sent
                    assert await before.body() is None
                async with await Caller.call(address, 9) as after:
                    await after.shake()
                    await after.wire.write(length.to_bytes(4) + b"x")
                    assert await after.body() is None
                assert counted(ann, "refused_bad_frame") == 2 * count
            async with await Caller.call(address, 9) as talker:
                await talker.shake()
                await talker.wire.write(frame(b"\xff" * 40))
                await world.until(
                    lambda: counted(ann, "refused_bad_number") + counted(ann, "refused_message_cut_short")
                )
            member.say("still here")
            await member.until(lambda: len(member.of("delivered")) == 2)
        assert await ann.texts(room) == ["still here"]

    play(tmp_path, story)


def test_a_thin_peer_is_told_what_an_edit_or_a_reaction_is_about(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, ben = await world.node("ann"), await world.node("ben")
        room = await opened(world, ann, ben)
        async with thin(world, ann, room, 7) as one:
            one.say("hello")
            await world.until(lambda: len(said(ben, room)) == 6)
            hello = said(ben, room)[-1].commit
            first = await ben.say(room, "first")
            await ben.door.message_react(conversation=room, message=hello, reaction="👍")
            await ben.door.message_edit(conversation=room, message=first, text="the first")
            await ben.door.message_delete(conversation=room, message=first)
            await one.until(lambda: len(one.of("commit")) == 3)
            told = {each["does"]: each for each in one.of("commit")}
            assert told["react"]["text"] == "👍"
            assert (told["react"]["about"]["mine"], told["react"]["about"]["text"]) == (True, "hello")
            for does, text in (("edit", "the first"), ("delete", "")):
                assert told[does]["text"] == text
                assert told[does]["about"]["id"] == one.of("message")[0]["id"]

    play(tmp_path, story)


# --- membership


def test_all_who_were_invited_before_anybody_came_in_hear_each_other(tmp_path: Path) -> None:
    """Their JOINs follow each other in the log, and for themselves nothing but their invitations."""

    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        address = await served(ann)
        peers = [Thin(world.folder, number) for number in (7, 8, 9)]
        for peer in peers:
            await ann.door.mvds_invite(conversation=room, key=peer.key.compressed)
        for peer in peers:
            peer.up(address)
        for peer in peers:
            await peer.until(lambda peer=peer: peer.of("joined"))
            peer.say(f"here is {peer.secret.raw[-1]}")
        said_so = {"here is 7", "here is 8", "here is 9"}
        for peer in peers:
            others = said_so - {f"here is {peer.secret.raw[-1]}"}
            await peer.until(lambda peer=peer, others=others: set(peer.texts) == others)
        for peer in peers:
            await peer.down()

    play(tmp_path, story)


def test_who_is_kicked_hears_it_and_says_nothing_more(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        async with thin(world, ann, room, 7) as one:
            one.say("before")
            await one.until(lambda: len(one.of("delivered")) == 2)
            await ann.door.member_kick(conversation=room, target=one.key.uri)
            await one.until(lambda: one.of("kicked"))
            one.say("after")
            await one.until(lambda: one.of("refused"))
            async with await Caller.call(await served(ann), 7) as caller:  # as a peer that pretends not to have heard
                await caller.shake()
                late = entry(ann, room, messages.text_post("all the same"), one.secret)
                await caller.send(Payload(messages=(late,)))
                await world.until(lambda: counted(ann, "refused_not_a_member"))
            assert await ann.texts(room) == ["before"]
            await ann.door.mvds_invite(conversation=room, key=one.key.legacy)
            await one.until(lambda: len(one.of("joined")) + len(one.of("invited")) >= 3)
            await one.until(lambda: len(one.of("delivered")) == 3)
            one.say("again")
            await one.until(lambda: len(one.of("delivered")) == 4)
            assert await ann.texts(room) == ["before", "again"]

    play(tmp_path, story)


def test_who_came_in_and_who_was_put_out_is_confirmed_by_nodes_and_peers_and_by_no_commit(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        mine = ann.swarm.own.status_key()
        assert mine is not None

        def of(target: MessageId) -> set[bytes]:
            serving = ann.door._datasync.serving
            assert serving is not None
            return {sender for message, sender in serving._store.receipts_of(group_of(room)) if message == target}

        async def by(kind: str, who: str) -> set[str]:
            (row,) = (await ann.door.mvds_status())["conversations"]
            return {by for one in row["receipts"] if (one["kind"], one["who"]) == (kind, who) for by in one["by"]}

        async with thin(world, ann, room, 7) as one, thin(world, ann, room, 8) as two:
            joined = next(
                each.message.id for each in said(ann, room) if each.body == messages.Join(two.key, group_of(room))
            )
            await world.until(lambda: of(joined) == {mine.public.raw, one.key.raw})
            assert await by("join", two.key.legacy) == {mine.public.legacy, one.key.legacy}
            heard = await one.until(lambda: [each for each in one.of("ack") if each["from"] == mine.public.legacy])
            joins = [each.message.id.hex() for each in said(ann, room) if isinstance(each.body, messages.Join)]
            assert {each["of"] for each in heard} <= set(joins)
            await ann.door.member_kick(conversation=room, target=two.key.uri)
            out = said(ann, room)[-1].message.id
            await world.until(lambda: of(out) == {one.key.raw, two.key.raw})
            assert await by("kick", two.key.legacy) == {one.key.legacy, two.key.legacy}
            one.say("and on it goes")
            await one.until(lambda: len(one.of("delivered")) == 2)
            await ann.say(room, "here too")
            await one.until(lambda: "here too" in one.texts)
        assert await ann.texts(room) == ["and on it goes", "here too"]
        assert not [each for each in said(ann, room) if isinstance(each.body, messages.Ack)]
        assert counted(ann, "receipts") >= 3  # of two's JOIN by one, and of the KICK by both
        assert counted(ann, "refused_ack_of_nothing") == 0

    play(tmp_path, story)


def test_what_was_said_before_it_was_opened_is_passed_on_when_that_is_asked_for(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, ben = await world.node("ann"), await world.node("ben")
        room = await world.room(ann, ben)
        early = await ben.say(room, "long ago")
        changed = await ann.say(room, "changd")
        await ann.door.message_edit(conversation=room, message=changed, text="changed")
        gone = await ann.say(room, "gone")
        await ann.door.message_delete(conversation=room, message=gone)
        await ben.say(room, "not so long ago")
        await world.until(lambda: level(room, ann, ben))
        with pytest.raises(RefusedError, match="not opened"):
            await ann.door.mvds_attest(conversation=room)
        await ann.door.mvds_open(conversation=room)
        await world.until(lambda: is_in(ben, ann, room))
        await ben.say(room, "with a message of its own")
        await world.until(lambda: level(room, ann, ben))
        newest = await ann.door.mvds_attest(conversation=room, limit=1)
        assert newest == {"conversation": room, "attested": 1, "left_out": 0}
        async with thin(world, ann, room, 7) as one:
            done = await ann.door.mvds_attest(conversation=room)
            assert done == {"conversation": room, "attested": 1, "left_out": 2}
            told = await one.until(lambda: len(one.of("commit")) == 2 and one.of("commit"))
            assert {(each["by"], each["text"]) for each in told} == {
                (ben.account.id, "long ago"),
                (ben.account.id, "not so long ago"),
            }
            mine = ann.swarm.own.status_key()
            assert mine is not None
            assert {each["from"] for each in told} == {mine.public.legacy}
            assert next(each["of"] for each in told if each["text"] == "long ago") == early
            assert (await ann.door.mvds_attest(conversation=room))["attested"] == 0
            lie = json.dumps({"type": "text/plain", "body": "never", "by": ben.account.id, "commit": early})
            async with await Caller.call(await served(ann), 7) as caller:
                await caller.shake()
                false = entry(ann, room, messages.commit_post(lie), one.secret)
                await caller.send(Payload(messages=(false,)))
                await caller.acked(false.id)
            assert counted(ann, "refused_not_allowed") == 1
        await world.until(lambda: level(room, ann, ben))
        assert (await ben.door.mvds_attest(conversation=room))["attested"] == 0, "Ann did it"
        assert {each.message.id for each in said(ann, room)} == {each.message.id for each in said(ben, room)}

    play(tmp_path, story)


def test_what_is_written_along_with_the_opening_carries_its_message(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann = await world.node("ann")
        room = await world.room(ann)
        secret, gateway = await ann.swarm.own.ensure_status_key(), ann.door._datasync
        log = await ann.swarm.log(room)
        await gateway.bind(log)
        opening = await gateway.look(log, lambda ledger: speaking.founding(ledger, secret, 1_750_000_000))
        wanted = [Post("before"), Other(BRIDGE), Post("right after"), Post("and on")]
        await ann.swarm.append_at_once(
            room, [Intent(each, extra=opening if each == Other(BRIDGE) else None) for each in wanted]
        )
        posts = [each.body.text for each in said(ann, room) if isinstance(each.body, messages.Post)]
        assert posts == ["right after", "and on"]
        await ann.say(room, "later")
        found = said(ann, room)
        assert [each.client.previous for each in found[1:]] == [each.message.id for each in found[:-1]]
        assert (await ann.door.mvds_attest(conversation=room))["attested"] == 1

    play(tmp_path, story)


def test_who_comes_in_again_is_offered_what_was_said_meanwhile(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        async with thin(world, ann, room, 7) as one:
            await ann.door.member_kick(conversation=room, target=one.key.uri)
            await one.until(lambda: one.of("kicked"))
            await ann.say(room, "while he was out")
            await ann.door.mvds_invite(conversation=room, key=one.key.legacy)
            await one.until(lambda: one.texts == ["while he was out"])

    play(tmp_path, story)


def test_who_comes_in_is_offered_no_more_than_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "DATASYNC_FIRST_MESSAGES", 3)

    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        for number in range(6):
            await ann.say(room, f"before {number}")
        offered: list[int] = []
        machine = (await ann.door._datasync.service())._exchange.machine
        offer = machine.offer
        monkeypatch.setattr(machine, "offer", lambda peer, found: (offered.append(len(found)), offer(peer, found))[1])
        async with thin(world, ann, room, 7) as one:
            await one.until(lambda: one.texts)
        assert max(offered) == 2, "what asked him in is not offered to who is in"

    play(tmp_path, story)


def test_who_leaves_is_gone_and_may_be_invited_again(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        async with thin(world, ann, room, 7) as one:
            one.say("/leave")
            await one.until(lambda: one.of("left"))
        status = await ann.door.mvds_status()
        (row,) = status["conversations"]
        assert [(member["foreign"], member["state"]) for member in row["members"]] == [(False, "member")]
        invited = await ann.door.mvds_invite(conversation=room, key=one.key.legacy)
        assert invited["account"] == one.key.uri

    play(tmp_path, story)


def test_who_left_and_did_not_hear_that_it_was_taken_is_told_again(tmp_path: Path) -> None:
    """His client sent the LEAVE for ever: a lost ACK was never repeated to who was no member any more."""

    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        async with thin(world, ann, room, 7) as one:
            one.say("/leave")
            await one.until(lambda: one.of("left"))
        left = said(ann, room)[-1].message
        await ann.say(room, "not his")
        async with await Caller.call(await served(ann), 7) as caller:
            await caller.shake()
            await caller.send(Payload(messages=(said(ann, room)[-1].message, left)))
            payload = await caller.payload()
            assert payload is not None
            assert payload.acks == (left.id,)
        assert counted(ann, "refused_not_a_member") == 1

    play(tmp_path, story)


@pytest.mark.parametrize("how", ["leaves", "is kicked"])
def test_who_is_out_comes_in_again_with_the_same_key_and_says_what_waited_for_that(tmp_path: Path, how: str) -> None:
    """Whoever had left ended at each start, before his new invitation could reach him."""

    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        async with thin(world, ann, room, 7) as one:
            if how == "leaves":
                one.say("/leave")
                await one.until(lambda: one.of("left"))
            else:
                await ann.door.member_kick(conversation=room, target=one.key.uri)
                await one.until(lambda: one.of("kicked"))
        again = Thin(world.folder, 7).up(await served(ann))
        again.say("back")
        await again.until(lambda: again.of("connected"))
        assert not again.of("joined")
        await ann.door.mvds_invite(conversation=room, key=again.key.legacy)
        await again.until(lambda: len(again.of("delivered")) == 2)
        assert [row["event"] for row in again.told if row["event"] in {"joined", "left", "kicked", "refused"}] == [
            "joined"
        ]
        await again.down()
        assert await ann.texts(room) == ["back"]

    play(tmp_path, story)


def test_what_was_said_before_a_kick_was_heard_keeps_nobody_out(tmp_path: Path) -> None:
    """His JOIN followed words that only members may say, so it waited for them for ever; now they come after it."""

    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        async with thin(world, ann, room, 7) as one:
            assert one.of("joined")
        await ann.door.member_kick(conversation=room, target=one.key.uri)
        again = Thin(world.folder, 7)
        again.say("late")
        again.say("later")
        again.up(await served(ann))
        await again.until(lambda: len(again.of("posted")) == 2 and again.of("kicked"))
        assert await ann.texts(room) == []
        await ann.door.mvds_invite(conversation=room, key=again.key.legacy)
        await again.until(lambda: len(again.of("delivered")) == 3)
        assert await ann.texts(room) == ["late", "later"]
        await again.down()

    play(tmp_path, story)


def test_who_said_that_he_leaves_says_nothing_more_though_nobody_heard_it_yet(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        async with thin(world, ann, room, 7) as one:
            (await ann.door._datasync.service()).stop_listening()
            await one.until(lambda: one.of("disconnected"))
            one.say("/leave")
            one.say("one more word")
            await one.until(lambda: one.of("refused"))
        again = Thin(world.folder, 7).up(await served(ann))
        await again.until(lambda: again.of("left"))
        assert not again.of("joined")
        await again.down()
        assert await ann.texts(room) == []

    play(tmp_path, story)


def test_one_call_passes_on_so_many_the_newest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarmchat.limits.DATASYNC_ATTESTED_MAX", 2)

    async def story(world: Loopback) -> None:
        ann = await world.node("ann")
        room = await world.room(ann)
        for text in ("one", "two", "three"):
            await ann.say(room, text)
        await ann.door.mvds_open(conversation=room)
        for wanted in (2, 1, 0):
            assert (await ann.door.mvds_attest(conversation=room))["attested"] == wanted

    play(tmp_path, story)


def test_only_an_admin_opens_and_only_what_is_open_can_be_invited_to(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, ben = await world.node("ann"), await world.node("ben")
        room = await world.room(ann, ben)
        key = Secret((7).to_bytes(32)).public.legacy
        with pytest.raises(RefusedError, match="only an admin") as refused:
            await ben.door.mvds_open(conversation=room)
        assert "member list CONV" in str(refused.value.hint)
        with pytest.raises(RefusedError, match="not opened") as refused:
            await ann.door.mvds_invite(conversation=room, key=key)
        assert "mvds open" in str(refused.value.hint)
        first = await ann.door.mvds_open(conversation=room)
        assert await ann.door.mvds_open(conversation=room) == first
        with pytest.raises(UsageError):
            await ann.door.mvds_invite(conversation=room, key="0x04")
        await ann.door.mvds_invite(conversation=room, key=key)
        await world.until(lambda: ben.log(room).roster.is_invited(Secret((7).to_bytes(32)).public.uri))
        await world.until(lambda: is_in(ben, ann, room))
        for other in (key, Secret((8).to_bytes(32)).public.legacy):  # the one as an event, the other as a commit
            with pytest.raises(RefusedError, match="only an admin invites") as refused:
                await ben.door.mvds_invite(conversation=room, key=other)
            assert "member list CONV" in str(refused.value.hint)
        for node, words, hint in ((ann, "own key", "mvds peer"), (ben, "takes part already", "mvds status")):
            secret = node.swarm.own.status_key()
            assert secret is not None
            with pytest.raises(RefusedError, match=words) as refused:
                await ann.door.mvds_invite(conversation=room, key=secret.public.legacy)
            assert hint in str(refused.value.hint)
        await world.until(lambda: ben.door._datasync.is_foreign(room, Secret((7).to_bytes(32)).public.uri))
        assert not ben.door._datasync.is_foreign(room, ann.account.id)

    play(tmp_path, story)


# --- what a hostile peer brings


def test_no_peer_changes_what_the_node_itself_wrote(tmp_path: Path) -> None:
    """An edit of a text by the relaying account, a binding for it, a profile: all in JSON of a thin peer."""

    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        mine = CommitId(await ann.say(room, "what I said"))
        async with thin(world, ann, room, 7) as one:
            evil = [
                f'{{"type":"text/plain","body":"what I never said","edit":"{mine}"}}',
                f'{{"type":"application/status-identity","uri":"{ann.account.id}","body":"0x04"}}',
                '{"type":"application/update-profile","vcf":"QQ=="}',
                f'{{"type":"member","action":"kick","uri":"{ann.account.id}"}}',
                '{"type":"text/plain","body":"kept","status":{"events":["QQ=="]},"mvds":{}}',
            ]
            async with await Caller.call(await served(ann), 7) as caller:
                await caller.shake()
                for said_so in evil:
                    message = entry(ann, room, messages.commit_post(said_so), one.secret)
                    await caller.send(Payload(messages=(message,)))
                    await caller.acked(message.id)
        assert await ann.texts(room) == ["what I said", "kept"]
        kept = [line for line in await ann.door.message_list(conversation=room) if line["body"] == "kept"]
        log = ann.log(room)
        body = log.commit(CommitId(kept[0]["id"])).body  # type: ignore[union-attr]
        assert set(body) == {"type", "body", "mvds"}
        bodies = [log.commit(each.commit).body for each in said(ann, room)]  # type: ignore[union-attr]
        reasons = [body["reason"] for body in bodies if body["type"] == "application/mvds-event" and "reason" in body]
        assert reasons == ["not-theirs", "no-counterpart", "no-counterpart", "no-counterpart"]

    play(tmp_path, story)


def test_9_what_is_for_the_moment_becomes_no_commit(tmp_path: Path) -> None:
    """It is heard and over: what comes after it in the same payload is a commit, and it is the only one."""

    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        async with thin(world, ann, room, 7) as one, await Caller.call(await served(ann), 7) as caller:
            await caller.shake()
            lasting = entry(ann, room, messages.text_post("said"), one.secret)
            passing = entry(ann, room, messages.text_post("typing"), one.secret)
            assert passing.metadata is not None
            passing = replace(passing, metadata=replace(passing.metadata, ephemeral=True))
            await caller.send(Payload(messages=(passing, lasting)))
            await caller.acked(lasting.id)
        assert await ann.texts(room) == ["said"]
        assert passing.id not in {each.message.id for each in said(ann, room)}

    play(tmp_path, story)


def test_messages_that_do_not_hold_are_acknowledged_counted_and_not_kept(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        async with thin(world, ann, room, 7) as one:
            heads = ann.log(room).heads
            owner = said(ann, room)[0].message.id
            sound = messages.sign(messages.text_post("x"), None, one.secret)
            forged = messages.write_client(sound)[:-65] + bytes(65)
            stolen = messages.write_client(messages.sign(messages.text_post("x"), owner, one.secret))
            first = messages.write_client(sound)
            invite = messages.write_client(
                messages.sign(messages.Kick(one.key, group_of(room)), said(ann, room)[-1].message.id, one.secret)
            )
            async with await Caller.call(await served(ann), 7) as caller:
                await caller.shake()
                await caller.send(Payload(messages=(entry(ann, room, first, one.secret),)))  # and there comes no ACK
                for bad in (b"", b"\xff", forged, stolen, invite):
                    message = entry(ann, room, bad, one.secret)
                    await caller.send(Payload(messages=(message,)))
                    await caller.acked(message.id)
            for reason in ("bad_signature", "foreign_previous", "no_previous", "not_allowed"):
                assert counted(ann, f"refused_{reason}") >= 1, reason
            assert ann.log(room).heads == heads

    play(tmp_path, story)


# --- over a link


def test_the_channel_of_a_link_binds_the_proof_to_its_tls(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, ben = await world.node("ann"), await world.node("ben")
        room = await opened(world, ann, ben)
        secret = ben.swarm.own.status_key()
        assert secret is not None
        link = ben.swarm.links.link(ann.account.device)
        assert link is not None
        for binding, accepted in ((bytes(32), False), (link.exporter(EXPORTER_LABEL), True)):
            channel, answer = await link.open_channel("mvds")
            assert answer.get("ok")
            caller = Caller(ChannelWire(channel), secret, binding)
            caller.handshake = Handshake(secret, b"n" * 32, binding=binding, mode=1, tick_ms=10)
            if not accepted:
                with pytest.raises(AssertionError):
                    await caller.shake()
                await world.until(lambda: counted(ann, "refused_bad_proof") == 1)
                continue
            await caller.shake()
            await ann.say(room, "over the link")
            wanted = said(ann, room)[-1].message
            offered: set[MessageId] = set()
            while wanted.id not in offered:
                payload = await caller.payload()
                assert payload is not None
                offered |= set(payload.offers)
            await caller.send(Payload(requests=(wanted.id,)))
            while not (payload := await caller.payload()) or wanted not in payload.messages:
                assert payload is not None
            channel.close()

    play(tmp_path, story)


def test_a_restarted_thin_peer_goes_on_where_it_was(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        async with thin(world, ann, room, 7) as one:
            one.say("first")
            await one.until(lambda: len(one.of("delivered")) == 2)
            await ann.say(room, "seen")
            await one.until(lambda: one.texts == ["seen"])
        await ann.say(room, "while away")
        again = Thin(world.folder, 7).up(await served(ann))
        try:
            again.say("second")
            await again.until(
                lambda: {each["id"] for each in again.of("posted")} & {each["id"] for each in again.of("delivered")}
            )
            await again.until(lambda: again.texts)
            assert again.texts == ["while away"]
        finally:
            await again.down()
        assert await ann.texts(room) == ["first", "seen", "while away", "second"]

    play(tmp_path, story)


def test_a_setting_serves_from_the_start_and_what_was_written_before_goes_out(tmp_path: Path) -> None:
    """The node was killed between commit and sending: its log tells what is due."""

    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        async with thin(world, ann, room, 7) as one:
            service = ann.door._datasync.serving
            assert service is not None
            assert service.stop_listening()
            assert not service.stop_listening()
            await one.until(lambda: one.of("disconnected"))
            await ann.say(room, "while nobody was connected")
            mine = said(ann, room)[-1].message.id
            await world.until(lambda: service._store.get(PeerId(one.key.raw), mine, Kind.OFFER))
        config = replace(ann.node.config, mvds_listen=LOOPBACK)
        ann.node.config = config
        async with asyncio.TaskGroup() as tasks:
            fresh = DatasyncGateway(ann.node)
            running = tasks.create_task(fresh.run())
            await world.until(lambda: fresh.serving is not None and fresh.serving.address is not None)
            assert fresh.serving is not None
            assert PeerId(one.key.raw) in fresh.serving.clients
            assert fresh.serving.address is not None
            again = Thin(world.folder, 7).up(fresh.serving.address)
            await again.until(lambda: again.texts == ["while nobody was connected"])
            await again.down()
            running.cancel()
        fresh.close()

    play(tmp_path, story)


def test_there_is_room_for_so_many_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarmchat.gateways.datasync.room.DATASYNC_SESSIONS_MAX", 2)

    async def story(world: Loopback) -> None:
        ann = await world.node("ann")
        await opened(world, ann)
        address = await served(ann)
        async with await Caller.call(address, 9) as one, await Caller.call(address, 10) as two:
            await one.shake()
            await two.shake()
            async with await Caller.call(address, 11) as three:
                await three.shake()
                assert await three.body() is None
            assert counted(ann, "refused_busy") == 1

    play(tmp_path, story)


@pytest.mark.parametrize("proves", [True, False])
def test_who_is_of_a_group_gets_in_at_once_and_stays_whatever_strangers_do(tmp_path: Path, proves: bool) -> None:
    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        async with thin(world, ann, room, 7):
            pass
        address = await served(ann)
        async with contextlib.AsyncExitStack() as open_:

            async def come(numbers: range) -> None:
                for number in numbers:
                    stranger = await open_.enter_async_context(await Caller.call(address, number))
                    if proves:
                        await stranger.shake()
                    else:
                        assert await stranger.body() is not None

            await come(range(100, 300))
            member = Thin(world.folder, 7).up(address)
            asked = time.monotonic()
            await member.until(lambda: member.of("connected"))
            assert time.monotonic() - asked < 2
            invited = await open_.enter_async_context(await Caller.call(address, 8))
            await ann.door.mvds_invite(conversation=room, key=invited.secret.public.legacy)
            await invited.shake()
            await come(range(300, 400))
            member.say("still here")
            await member.until(lambda: len(member.of("delivered")) == 1)
            assert len(member.of("connected")) == 1
            assert await invited.payload() is not None
            service = ann.door._datasync.serving
            assert service is not None
            assert {PeerId(member.key.raw), PeerId(invited.secret.public.raw)} <= set(service.peers)
            assert len(service.peers) <= DATASYNC_SESSIONS_MAX
            await world.until(lambda: len(service._wires) <= DATASYNC_SESSIONS_MAX + DATASYNC_UNPROVED_MAX)
            assert counted(ann, "gave_way_member") == counted(ann, "gave_way_invited") == 0
            await member.down()

    play(tmp_path, story)


def test_who_is_in_no_group_is_let_go_after_a_while_if_it_is_crowded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarmchat.gateways.datasync.room.DATASYNC_AT_REST_MAX", 2)
    for module in ("room", "service"):
        monkeypatch.setattr(f"swarmchat.gateways.datasync.{module}.DATASYNC_STRANGER_S", 0.1)

    async def story(world: Loopback) -> None:
        ann = await world.node("ann")
        await opened(world, ann)
        address = await served(ann)
        async with contextlib.AsyncExitStack() as open_:
            callers = [await open_.enter_async_context(await Caller.call(address, number)) for number in (20, 21, 22)]
            for caller in callers:
                await caller.shake()
            assert await callers[0].body() is None
            service = ann.door._datasync.serving
            assert service is not None
            await world.until(lambda: len(service.peers) == 2)
            assert counted(ann, "gave_way_stranger") == 1
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.4):
                    await callers[1].body()

    play(tmp_path, story)


def test_of_two_connections_of_one_peer_the_newer_counts(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann = await world.node("ann")
        await opened(world, ann)
        address = await served(ann)
        async with await Caller.call(address, 9) as old, await Caller.call(address, 9) as new:
            await old.shake()
            await new.shake()
            assert await old.body() is None
            service = ann.door._datasync.serving
            assert service is not None
            assert service.peers == (PeerId(new.secret.public.raw),)

    play(tmp_path, story)


def test_who_says_no_hello_is_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarmchat.gateways.datasync.session.DATASYNC_HELLO_S", 0.05)

    async def story(world: Loopback) -> None:
        ann = await world.node("ann")
        async with await Caller.call(await served(ann), 9) as silent:
            assert await silent.body() is not None
            assert await silent.body() is None
        assert counted(ann, "refused_no_hello") == 1

    play(tmp_path, story)


def test_a_disk_that_refuses_costs_no_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be written is not acknowledged, and comes again."""

    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        async with thin(world, ann, room, 7) as one:
            sound, refused = ann.swarm.append, []

            async def append(*args: object, **more: object) -> object:
                if len(refused) < 2:
                    refused.append(args)
                    raise StorageError("no space left on device")
                return await sound(*args, **more)  # type: ignore[arg-type]

            monkeypatch.setattr(ann.swarm, "append", append)
            one.say("though the disk is full")
            await one.until(lambda: len(one.of("delivered")) == 2)
            assert len(refused) == 2
        assert await ann.texts(room) == ["though the disk is full"]

    play(tmp_path, story)


def test_what_follows_a_receipt_that_nobody_keeps_is_shown_all_the_same(tmp_path: Path) -> None:
    """Some clients acknowledge in the group; an ACK stands in no log, and the next message of its sender names it."""

    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        async with thin(world, ann, room, 7) as one, thin(world, ann, room, 8) as two:
            async with await Caller.call(await served(ann), 7) as caller:
                await caller.shake()
                receipt = entry(ann, room, messages.Ack(said(ann, room)[-1].message.id), one.secret)
                text = messages.write_client(messages.sign(messages.text_post("seen"), receipt.id, one.secret))
                following = entry(ann, room, text, one.secret)
                await caller.send(Payload(messages=(receipt, following)))
                await caller.acked(receipt.id, following.id)
            await two.until(lambda: two.texts == ["seen"])
        assert await ann.texts(room) == ["seen"]

    play(tmp_path, story)


def test_a_conversation_may_be_open_for_status_and_for_data_sync(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        ann, ben = await world.node("ann"), await world.node("ben")
        room = await opened(world, ann, ben)
        await ann.door.status_bridge(conversation=room)
        await world.until(lambda: level(room, ann, ben))
        first = CommitId(await ann.say(room, "in both words"))
        await ann.door.message_react(conversation=room, message=first, reaction="👍")
        body = ann.log(room).commit(first).body  # type: ignore[union-attr]
        assert {"status", "mvds"} <= set(body)
        assert first in [each.commit for each in said(ann, room)]
        await world.until(lambda: level(room, ann, ben))
        assert {each.message.id for each in said(ann, room)} == {each.message.id for each in said(ben, room)}
        bindings = [
            entry for entry in ann.log(room).history.entries if entry.fact.type == "application/status-identity"
        ]
        assert len(bindings) == 2, "one key, bound once by each"

    play(tmp_path, story)


def test_what_was_about_to_be_taken_in_when_the_disk_refused_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log has the first message, the records have no room: the others are as if they never came."""

    async def story(world: Loopback) -> None:
        ann, room = await begun(world)
        async with thin(world, ann, room, 7) as one:
            pass
        posts = []
        for number in range(3):
            message = entry(ann, room, messages.text_post(f"text {number}"), one.secret)
            posts.append(replace(message, timestamp=message.timestamp + number))
        machine = ann.door._datasync.serving._exchange.machine  # type: ignore[union-attr]
        sound, refused = machine._records.answered, []

        def answered(message: MessageId) -> None:
            if not refused:
                refused.append(message)
                raise StorageError("no space left on device")
            sound(message)

        monkeypatch.setattr(machine._records, "answered", answered)
        async with await Caller.call(await served(ann), 7) as caller:
            await caller.shake()
            await caller.send(Payload(messages=tuple(posts)))
            while await caller.body() is not None:
                pass
        assert refused == [posts[0].id]
        async with await Caller.call(await served(ann), 7) as caller:
            await caller.shake()
            await caller.send(Payload(messages=tuple(posts)))
            await caller.acked(*(post.id for post in posts))
        assert await ann.texts(room) == ["text 0", "text 1", "text 2"]

    play(tmp_path, story)


def test_who_never_reads_holds_no_connection_open() -> None:
    """Else each new connection of such a peer would leave the one before it behind, and its place taken."""

    async def story() -> None:
        ended: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            wire = StreamWire(reader, writer)
            writing = asyncio.create_task(wire.write(bytes(32 * MIB)))
            await asyncio.sleep(0)
            wire.close()
            with contextlib.suppress(ConnectionError):
                await writing
            ended.set_result(await wire.read())

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            async with asyncio.timeout(5):
                assert await ended == b""
            writer.close()

    asyncio.run(story())
