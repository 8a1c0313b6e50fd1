"""The `pack` channel in bad hands, on either side: what is served to whom, and what comes back instead of a pack. (SCP-03 §4a, SCP-04 §3)"""

from __future__ import annotations

import asyncio
import zlib
from pathlib import Path
from typing import Any

import msgpack
import pytest

from swarmchat.conversation.actions import Ban, CastVote, Post
from swarmchat.conversation.commit import Merge
from swarmchat.errors import LinkError, PeerError
from swarmchat.ids import CommitId, ConversationId, raw
from swarmchat.limits import (
    CHANNEL_UNSENT_HIGH,
    HAVES_MAX,
    MIB,
    PACK_PIECE_BYTES_MAX,
    SERVED_PACKS_PER_PEER_MAX,
    WANTED_HEADS_MAX,
    YAMUX_BULK_WINDOW,
)
from swarmchat.links.channel import Channel
from swarmchat.links.link import Link
from swarmchat.swarm import pace, transfer
from swarmchat.swarm.mail import Ask
from swarmchat.swarm.messages import News, PackRequest, Shared, encode, pack_request_fields
from tests.support.commitlogs import must, packed, writer
from tests.support.loopback import Living, Loopback, level, play
from tests.support.rogue import PackServer, giving, other_device

NOWHERE = ConversationId("0" * 40)


async def answer(link: Link, where: ConversationId, **fields: Any) -> str:
    """The error code that a request is answered with, or `ok`."""
    request = pack_request_fields(PackRequest(where, (), None)) | fields
    try:
        channel, _ = await link.open_channel("pack", **request)
    except PeerError as error:
        return error.peer_code
    channel.close()
    return "ok"


# --- asking


def test_nobody_is_given_what_is_not_theirs_and_hears_whether_it_exists(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob, eve, guest = [await world.rogue(name) for name in ("bob", "eve", "guest")]
        where = await world.room(alice, carol, rogues=[bob])
        secret, public = await alice.swarm.create(1), await alice.swarm.create(3)
        await alice.swarm.invite(where, [guest.account.id])
        async with (
            bob.linked(alice.address) as member,
            guest.linked(alice.address) as invited,
            eve.linked(alice.address) as stranger,
        ):
            for link, allowed in ((member, {where, public}), (invited, {where, public}), (stranger, {public})):
                for asked in (where, secret, public, NOWHERE):
                    assert await answer(link, asked) == ("ok" if asked in allowed else "unknown-conversation")
            with pytest.raises(PeerError) as caught:
                await stranger.open_channel("sync")
            assert caught.value.peer_code == "forbidden"
            for spoken in (where, secret):  # a letter is read, and answered to nobody it does not concern
                assert (await eve.write(stranger, Ask(spoken)))["ok"] is True
            with pytest.raises(PeerError) as caught:
                await stranger.open_channel("invite", mimetype=7)
            assert caught.value.peer_code == "bad-message"
            await stranger.ping()
            assert eve.mail == []
        await world.unharmed(where, alice, carol)

    play(tmp_path, story)


def test_requests_that_are_none_are_refused_or_end_the_link(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob = await world.rogue("bob")
        where = await world.room(alice, carol, rogues=[bob])
        main = await _forked(alice, where)
        head = raw(alice.log(where).heads[0])
        async with bob.linked(alice.address) as link:
            for wrong in (
                {"id": None},
                {"id": where},
                {"id": head[:19]},
                {"have": None},
                {"have": [7]},
                {"have": [head, head]},
                {"have": [n.to_bytes(20, "big") for n in range(HAVES_MAX + 1)]},
                {"want": head},
                {"want": [n.to_bytes(20, "big") for n in range(WANTED_HEADS_MAX + 1)]},
                {"enc": "deflate"},
                {"enc": [7]},
                {"enc": ["x"] * 9},
            ):
                assert await answer(link, where, **wrong) == "bad-message", wrong
            assert await answer(link, where, want=[bytes(20)]) == "gone"
            assert await answer(link, where, want=[raw(main)]) == "gone"
            assert await answer(link, where, want=[], have=[bytes(20)], enc=["brotli"]) == "ok"
            assert await answer(link, where, have=[n.to_bytes(20, "big") for n in range(HAVES_MAX)]) == "ok"
            assert not link.is_over
            body = msgpack.packb({"c": "pack", "v": 1, "have": [n.to_bytes(20, "big") for n in range(10_000)]})
            bob.open_raw(link, len(body).to_bytes(4, "big") + body)
            async with asyncio.timeout(5):
                await link.closed
        await world.unharmed(where, alice, carol)

    play(tmp_path, story)


async def _forked(alice: Living, where: ConversationId) -> CommitId:
    """A merge that is nobody's."""
    base = alice.log(where).heads[0]
    for text in ("left", "right"):
        await alice.swarm.append(where, Post(text), at=base)
    main = alice.log(where).main
    assert main is not None
    assert isinstance(alice.log(where).commit(main), Merge)
    return main


def test_who_asks_for_many_packs_and_reads_none_holds_two_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "SERVE_WRITE_TIMEOUT_S", 0.4)

    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob = await world.rogue("bob")
        where = await world.room(alice, carol, rogues=[bob])
        for number in range(60):
            await alice.say(where, alice.node.runtime.entropy(30_000).hex() + f"{number}")
        async with bob.linked(alice.address) as link:
            fields = pack_request_fields(PackRequest(where, (), None))
            asked = [link.open_channel("pack", **fields) for _ in range(20)]
            outcomes = await asyncio.gather(*asked, return_exceptions=True)
            open_ones = [outcome[0] for outcome in outcomes if isinstance(outcome, tuple)]
            refused = [each.peer_code for each in outcomes if isinstance(each, PeerError)]
            assert (len(open_ones), set(refused)) == (SERVED_PACKS_PER_PEER_MAX, {"busy"})
            await world.unharmed(where, alice, carol)
            await world.until(lambda: all(channel.ended for channel in open_ones))
            assert alice.swarm._board._serving.is_idle
            assert await answer(link, where) == "ok"

    play(tmp_path, story)


def test_who_is_banned_gets_no_link_and_what_it_was_served_breaks_off(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob = await world.rogue("bob")
        where = await world.room(alice, carol, rogues=[bob])
        for number in range(40):
            await alice.say(where, alice.node.runtime.entropy(30_000).hex() + f"{number}")
        async with bob.linked(alice.address) as link:
            channel, _ = await link.open_channel("pack", **pack_request_fields(PackRequest(where, (), None)))
            await bob.sync(link, Shared(where, ()))
            await alice.swarm.append_all(where, [CastVote("ban", bob.account.id), Ban(bob.account.id)])
            async with asyncio.timeout(5):
                await link.closed
            assert channel.is_broken
        for node in (alice, carol):
            await world.until(lambda: node.log(where).roster.is_banned(bob.account.id))  # noqa: B023
            link = await bob.manager.dial(None, [node.address])
            async with asyncio.timeout(5):
                await link.closed
        ban = alice.log(where).history.entries[-1].id  # told to who stays
        assert ban not in {head for news in bob.heard_of(News) for head in news.heads}
        await world.unharmed(where, alice, carol)

    play(tmp_path, story)


def test_a_revoked_device_gets_no_link(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob = await world.rogue("bob")
        where = await world.room(alice, carol, rogues=[bob])
        now = int(alice.node.runtime.now())
        lost = bob.person
        other = other_device(lost, now=now)
        async with bob.linked(alice.address) as link, bob.linked(carol.address) as second:
            await bob.fetch(link, where)
            before = bob.log(where).heads
            at_home = writer(other, revocations=lost.revoking(lost))
            must(bob.log(where).append(Post("it was stolen"), at_home, now=now))
            pack = bob.log(where).small_pack(before, 65_536)
            assert pack is not None
            channel = await bob.sync(link, Shared(where, before))
            await bob.push(channel, where, pack, bob.log(where).heads, since=before)
            async with asyncio.timeout(5):
                await link.closed
                await second.closed
        with pytest.raises(LinkError):
            async with bob.linked(alice.address) as link:
                await answer(link, where)
        await world.unharmed(where, alice, carol)

    play(tmp_path, story)


# --- answering


async def silence(channel: Channel, _request: PackRequest) -> None:
    """Until the other gives up."""
    while await channel.receive() is not None:
        pass


def stalling(data: bytes, head: CommitId) -> PackServer:
    async def serve(channel: Channel, request: PackRequest) -> None:
        await channel.accept(heads=[raw(head)], objects=1, enc="none")
        await channel.send_bytes(len(data).to_bytes(4, "big") + data[: len(data) // 2])
        await silence(channel, request)

    return serve


def dripping(data: bytes, head: CommitId) -> PackServer:
    async def serve(channel: Channel, _request: PackRequest) -> None:
        await channel.accept(heads=[raw(head)], objects=1, enc="none")
        await channel.send_bytes(len(data).to_bytes(4, "big"))
        for byte in data:
            await channel.send_bytes(bytes([byte]))
            await asyncio.sleep(0.02)

    return serve


def breaking_off(data: bytes, head: CommitId) -> PackServer:
    async def serve(channel: Channel, _request: PackRequest) -> None:
        await channel.accept(heads=[raw(head)], objects=1, enc="none")
        await channel.send_bytes(len(data).to_bytes(4, "big") + data[: len(data) // 2])
        channel.reset()

    return serve


def aborting(data: bytes, head: CommitId) -> PackServer:
    async def serve(channel: Channel, _request: PackRequest) -> None:
        await channel.accept(heads=[raw(head)], objects=1, enc="none")
        await channel.send_bytes(len(data).to_bytes(4, "big") + data + b"\xff" * 4)

    return serve


def too_long_a_piece(data: bytes, head: CommitId) -> PackServer:
    async def serve(channel: Channel, _request: PackRequest) -> None:
        await channel.accept(heads=[raw(head)], objects=1, enc="none")
        await channel.send_bytes((PACK_PIECE_BYTES_MAX + 1).to_bytes(4, "big") + data)

    return serve


def no_answer(fields: dict[str, Any]) -> PackServer:
    async def serve(channel: Channel, _request: PackRequest) -> None:
        await channel.send(fields)

    return serve


def test_whatever_comes_instead_of_a_pack_costs_one_pull_and_the_head_comes_from_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "PULL_STALL_S", 0.15)
    monkeypatch.setattr(pace, "PULL_SLOW_S", 0.3)

    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob, frank = await world.rogue("bob"), await world.rogue("frank")
        where = await world.room(alice, carol, rogues=[bob, frank])
        async with bob.linked(alice.address) as link, frank.linked(alice.address) as honest:
            await frank.fetch(honest, where)
            log = frank.log(where)
            bad = await bob.sync(link, Shared(where, alice.log(where).heads))
            good = await frank.sync(honest, Shared(where, log.heads))
            attacks = ["stalling", "dripping", "breaking", "aborting", "long", "ok", "heads", "enc", "objects", "wrong"]
            for attack in [*attacks, "garbage"]:
                base, now = log.heads, int(alice.node.runtime.now())
                (head,) = must(log.append(Post(f"through {attack}"), writer(frank.person), now=now)).new
                pack = log.small_pack(base, MIB)
                assert pack is not None
                bob.serve_pack = {
                    "stalling": stalling(pack, head),
                    "dripping": dripping(pack, head),
                    "breaking": breaking_off(pack, head),
                    "aborting": aborting(pack, head),
                    "long": too_long_a_piece(pack, head),
                    "ok": no_answer({"ok": True, "v": 1}),
                    "heads": no_answer({"ok": True, "v": 1, "heads": "all", "objects": 1}),
                    "enc": no_answer({"ok": True, "v": 1, "heads": [raw(head)], "objects": 1, "enc": "brotli"}),
                    "objects": no_answer({"ok": True, "v": 1, "heads": [raw(head)], "objects": -1}),
                    "wrong": giving(pack, [CommitId("e" * 40)]),
                    "garbage": giving(b"no pack!!", [head], objects=3),
                }[attack]
                bob.asked.clear()
                session = alice.swarm._rooms.room(where).session
                session._peers[bob.account.device].pull_at = 0.0  # its patience is not what is looked at here
                session._peers[bob.account.device].failures = 0
                await bad.send(encode(News(where, (head,))))
                await world.until(lambda: bob.asked)
                await good.send(encode(News(where, (head,))))
                await world.until(lambda: alice.log(where).knows(head), 3.0)  # noqa: B023
            assert not link.is_over
        await world.until(lambda: level(where, alice, carol))
        await world.unharmed(where, alice, carol)

    play(tmp_path, story)


def deflated(data: bytes, head: CommitId, after: bytes, sent: list[int]) -> PackServer:
    """A whole pack as one deflate stream, and then ever more; a last 0 in `sent` when it can send no more."""

    async def serve(channel: Channel, _request: PackRequest) -> None:
        await channel.accept(heads=[raw(head)], objects=1, enc="deflate")
        await channel.send_bytes(len(data).to_bytes(4, "big") + data)
        try:
            for _ in range(100):
                await channel.send_bytes(len(after).to_bytes(4, "big") + after)
                sent.append(len(after))
        finally:
            sent.append(0)

    return serve


@pytest.mark.parametrize("kind", ["after the end", "blocks of nothing"])
def test_a_deflate_stream_that_never_ends_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(transfer, "_WIRE_BYTES_MAX", 4 * MIB)

    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob = await world.rogue("bob")
        where = await world.room(alice, carol, rogues=[bob])
        async with bob.linked(alice.address) as link:
            await bob.fetch(link, where)
            channel = await bob.sync(link, Shared(where, alice.log(where).heads))
            head, objects = bob.forge(where, Post("so far, so good"))
            sent: list[int] = []
            if kind == "after the end":
                start, after = zlib.compress(packed(objects)), bytes(PACK_PIECE_BYTES_MAX)
            else:
                start, after = b"\x78\x9c", b"\0\0\0\xff\xff" * (PACK_PIECE_BYTES_MAX // 5)
            bob.serve_pack = deflated(start, head, after, sent)
            await channel.send(encode(News(where, (head,))))
            await world.until(lambda: bob.asked)
            session = alice.swarm._rooms.room(where).session
            await world.until(lambda: session._peers[bob.account.device].asked is None and sent and not sent[-1])
            on_the_way = YAMUX_BULK_WINDOW + CHANNEL_UNSENT_HIGH + PACK_PIECE_BYTES_MAX
            taken = transfer._WIRE_BYTES_MAX if kind == "blocks of nothing" else 0
            assert sum(sent) <= taken + on_the_way
            assert session._peers[bob.account.device].failures == 1
        await world.unharmed(where, alice, carol)

    play(tmp_path, story)


def test_a_member_who_stalls_in_many_conversations_leaves_pulls_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob = await world.rogue("bob")
        where = await world.room(alice, carol)
        rooms = [await world.room(alice, rogues=[bob]) for _ in range(17)]
        bob.serve_pack = silence
        async with bob.linked(alice.address) as link:
            channel = await bob.sync(link)
            for number, room in enumerate(rooms):
                await channel.send(encode(News(room, (CommitId(f"{number:040x}"),))))
            await world.until(lambda: bob.asked)
            served = 0
            serve = carol.swarm._board._serving.serve

            async def counted(channel: Channel) -> bool:
                nonlocal served
                served += 1
                return await serve(channel)

            monkeypatch.setattr(carol.swarm._board._serving, "serve", counted)
            texts = [alice.node.runtime.entropy(30_000).hex() for _ in range(5)]
            await asyncio.gather(*(carol.say(where, text) for text in texts))  # too long to be pushed together
            await world.until(lambda: level(where, alice, carol), 5.0)
            assert served

    play(tmp_path, story)
