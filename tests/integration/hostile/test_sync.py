"""A member who says on `sync` what nobody should: only that link pays. (SCP-03 §4a, SCP-04 §2)"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest

from swarmchat.errors import LinkError, PeerError
from swarmchat.ids import CommitId, ConversationId, raw
from swarmchat.limits import (
    ASKS_PER_PEER_MAX,
    CARD_BYTES_MAX,
    CONVERSATIONS_KNOWN_MAX,
    FOREIGN_MESSAGES_PER_MINUTE,
    HELLO_HEADS_MAX,
    WANTED_HEADS_MAX,
)
from swarmchat.links.link import Link
from swarmchat.swarm.mail import Ask
from swarmchat.swarm.messages import Got, Hello, News, Read, Shared, Typing, encode
from tests.support.loopback import Loopback, play
from tests.support.rogue import refusing

ID, OTHER = b"\x11" * 20, b"\x22" * 20
NO_IDS: tuple[Any, ...] = (None, 7, "11" * 20, b"", ID[:19], ID + b"\0", [ID], {})
NO_HEADS: tuple[Any, ...] = (None, 7, ID, {}, [7], [ID.hex()], [b""], [[ID]], [ID, ID], [ID] * (WANTED_HEADS_MAX + 1))


def fake(number: int) -> CommitId:
    """A head that nobody ever wrote."""
    return CommitId(f"f{number:039x}")


async def over(link: Link) -> None:
    async with asyncio.timeout(5):
        await link.closed


def spoiled(where: ConversationId) -> Iterator[dict[str, Any]]:
    """Each message with each of its keys in turn of a wrong type, too long, or missing."""
    here = raw(where)
    good: dict[str, dict[str, Any]] = {
        "news": {"id": here, "heads": [ID], "since": [OTHER], "pack": b"x"},
        "got": {"id": here, "heads": [ID]},
        "bad": {"id": here, "commit": ID, "code": "x", "rule": "y"},
        "read": {"id": here, "commit": ID, "at": 1},
        "typing": {"id": here, "on": True},
        "bye": {"code": "closing"},
    }
    wrong: dict[str, tuple[Any, ...]] = {
        "id": NO_IDS,
        "heads": NO_HEADS,
        "since": (*NO_HEADS[1:], None),  # a pack that is complete for nobody
        "pack": (7, "text", [], bytes(65_537)),
        "commit": NO_IDS,
        "code": (None, 7, b"x", "x" * 65),
        "rule": (None, 7, b"x", "x" * 65),
        "at": (None, "1", -1, 1.5, True, 2**53),
        "on": (None, 0, 1, "yes"),
    }
    for kind, fields in good.items():
        for key in fields:
            for value in wrong[key]:
                yield {"t": kind, **fields, key: value}
    shared = {"id": here, "heads": []}
    for convs in (None, 7, {}, [7], [[]], [{}], [{"id": here}], [{"heads": []}], [shared, shared]):
        yield {"t": "hello", "convs": convs}
    for heads in NO_HEADS:
        yield {"t": "hello", "convs": [{"id": here, "heads": heads}]}
    for no_id in NO_IDS:
        yield {"t": "hello", "convs": [{"id": no_id, "heads": []}]}
    for key, values in {"card": (7, "x", [], bytes(CARD_BYTES_MAX + 1)), "more": (None, 1, "yes")}.items():
        for value in values:
            yield {"t": "hello", "convs": [], key: value}
    for kind in (None, 7, b"news", ["news"], "x" * 33):  # type: ignore[assignment]
        yield {"t": kind}
    yield {}


def garbage() -> Iterator[bytes]:
    """What is no message at all."""

    def framed(body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + body

    deep: Any = 1
    for _ in range(9):
        deep = {"x": deep}
    yield b"\xff" * 4
    yield (1024 * 1024 + 1).to_bytes(4, "big")
    yield framed(b"")
    yield framed(b"\xc1")
    yield framed(b"GET / HTTP/1.1\r\n\r\n")
    yield framed(msgpack.packb([1, 2]))
    yield framed(msgpack.packb({"t": "got"})[:-1])
    yield framed(msgpack.packb({"t": "wave"}) + b"\0")
    yield framed(msgpack.packb({7: "seven"}))
    yield framed(msgpack.packb({"t": msgpack.ExtType(5, b"x")}))
    yield framed(b"\x82\xa1t\xa4wave\xa1t\xa4wave")
    yield framed(msgpack.packb(deep))
    yield framed(msgpack.packb({"t": "wave", "x": [[]] * 65_536}))
    yield framed(b"\x81\xa1t\xdb\xff\xff\xff\xff")  # a text of 4 GiB that is not there
    yield framed(b"\xdf\xff\xff\xff\xff")


def test_each_key_of_each_message_of_a_wrong_type_ends_the_link_and_nothing_else(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob = await world.rogue("bob")
        where = await world.room(alice, carol, rogues=[bob])
        before = alice.log(where).heads
        for message in spoiled(where):
            async with bob.linked(alice.address) as link:
                channel = await bob.sync(link, Shared(where, before))
                await channel.send(message)
                await over(link)
        assert alice.log(where).heads == before
        await world.unharmed(where, alice, carol)

    play(tmp_path, story)


def test_what_is_no_message_ends_the_link_and_nothing_else(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob = await world.rogue("bob")
        where = await world.room(alice, carol, rogues=[bob])
        for data in garbage():
            async with bob.linked(alice.address) as link:
                channel = await bob.sync(link, Shared(where, ()))
                await channel.send_bytes(data)
                await over(link)
        async with bob.linked(alice.address) as link:
            channel = await bob.sync(link)
            await channel.send_bytes(b"\0\0\0\x09half")
            channel.close()  # an end inside a message
            await over(link)
        await world.unharmed(where, alice, carol)

    play(tmp_path, story)


def test_a_hello_without_end_ends_the_link(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob = await world.rogue("bob")
        where = await world.room(alice, carol, rogues=[bob])
        heads = tuple(fake(number) for number in range(WANTED_HEADS_MAX))

        async def endless(link: Link, each: int, heads: tuple[CommitId, ...]) -> int:
            channel = await bob.mute(link)
            for page in range(1_000):
                shared = tuple(Shared(ConversationId(f"{page:08x}{n:032x}"), heads) for n in range(each))
                try:
                    await channel.send(encode(Hello(shared, more=True)))
                except LinkError:
                    return page * each * max(1, len(heads))
            raise AssertionError("nobody minds")

        async with bob.linked(alice.address) as link:
            channel = await bob.sync(link)
            body = msgpack.packb({"t": "hello", "convs": [{"id": raw(where), "heads": [ID] * 100_000}]})
            with contextlib.suppress(LinkError):
                await channel.send_bytes(len(body).to_bytes(4, "big") + body)
            await over(link)
        async with bob.linked(alice.address) as link:
            assert await endless(link, 40, heads) < 4 * HELLO_HEADS_MAX
            await over(link)
        async with bob.linked(alice.address) as link:
            assert await endless(link, 1_000, ()) < 4 * CONVERSATIONS_KNOWN_MAX
            await over(link)
        await world.unharmed(where, alice, carol)

    play(tmp_path, story)


def test_hellos_about_thousands_of_unknown_conversations_cost_little_however_often_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob = await world.rogue("bob")
        where = await world.room(alice, carol, rogues=[bob])
        shared = tuple(Shared(ConversationId(f"{n:040x}"), ()) for n in range(CONVERSATIONS_KNOWN_MAX))
        spawned, spawn = 0, alice.swarm._board._spawn

        def counted(work: Any) -> None:
            nonlocal spawned
            spawned += 1
            spawn(work)

        monkeypatch.setattr(alice.swarm._board, "_spawn", counted)
        async with bob.linked(alice.address) as link:
            channel = await bob.mute(link)
            for _ in range(10):
                await channel.send(encode(Hello(shared)))
            await world.unharmed(where, alice, carol)
            await world.until(lambda: sum(isinstance(mail, Ask) for mail in bob.mail) == ASKS_PER_PEER_MAX)
            assert spawned < 20
            assert not link.is_over

    play(tmp_path, story)


def test_a_second_hello_and_one_that_repeats_the_first_change_nothing(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob = await world.rogue("bob")
        where = await world.room(alice, carol, rogues=[bob])
        heads = alice.log(where).heads
        async with bob.linked(alice.address) as link:
            channel = await bob.sync(link, Shared(where, heads))
            for _ in range(500):
                await channel.send(encode(Hello((Shared(where, heads),))))
            await channel.send(encode(Hello(())))
            await world.unharmed(where, alice, carol)
            assert len(bob.heard_of(News)) <= 2  # nothing was announced to who knew it
            assert not link.is_over

    play(tmp_path, story)


def test_a_hundred_messages_about_what_is_not_common_end_the_link(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob = await world.rogue("bob")
        where = await world.room(alice, carol, rogues=[bob])
        secret = await alice.swarm.create(1)  # exists there, and bob is not in it
        nowhere = ConversationId("0" * 40)
        kinds = [
            encode(News(secret, (fake(1),))),
            encode(Got(secret, (fake(1),))),
            encode(Read(nowhere, fake(1), 1)),
            encode(Typing(nowhere, on=True)),
            {"t": "wave", "id": 7},
        ]
        async with bob.linked(alice.address) as link:
            channel = await bob.sync(link, Shared(where, ()))
            for number in range(FOREIGN_MESSAGES_PER_MINUTE - 1):
                await channel.send(kinds[number % len(kinds)])
            await link.ping()
            await world.unharmed(where, alice, carol)
            assert not link.is_over
            await channel.send(kinds[0])
            await over(link)
        assert alice.log(secret).heads == (secret,)

    play(tmp_path, story)


def test_a_second_sync_is_one_too_many(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice = await world.node("alice")
        bob = await world.rogue("bob")
        where = await world.room(alice, rogues=[bob])
        async with bob.linked(alice.address) as link:
            await bob.sync(link, Shared(where, ()))
            with pytest.raises(PeerError) as caught:
                await link.open_channel("sync")
            assert caught.value.peer_code == "busy"
            assert not link.is_over

    play(tmp_path, story)


def test_messages_before_the_first_hello_are_not_heard(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice = await world.node("alice")
        bob = await world.rogue("bob")
        where = await world.room(alice, rogues=[bob])
        async with bob.linked(alice.address) as link:
            channel = await bob.mute(link)
            for _ in range(FOREIGN_MESSAGES_PER_MINUTE):
                with contextlib.suppress(LinkError):
                    await channel.send(encode(News(where, (fake(1),))))
            await over(link)
        assert bob.asked == []

    play(tmp_path, story)


def test_endless_different_heads_that_do_not_exist_are_asked_for_with_patience(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob = await world.rogue("bob")
        where = await world.room(alice, carol, rogues=[bob])
        bob.serve_pack = refusing
        async with bob.linked(alice.address) as link:
            channel = await bob.sync(link, Shared(where, ()))
            for flood in range(60):
                heads = tuple(fake(1_000 * flood + number) for number in range(500))
                await channel.send(encode(News(where, heads) if flood % 2 else Got(where, heads)))
                await asyncio.sleep(0.005)
            assert len(bob.asked) < 10
            session = alice.swarm._rooms.room(where).session
            assert len(session._first_seen) <= WANTED_HEADS_MAX
            (row,) = [row for row in alice.swarm.status.sync(where) if row.device == bob.account.device]
            assert row.ahead == 500
            await world.unharmed(where, alice, carol)

    play(tmp_path, story)


def test_heads_that_do_not_exist_keep_nobody_from_joining(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob = await world.rogue("bob")
        where = await world.room(alice, rogues=[bob])
        bob.serve_pack = refusing
        await carol.swarm.people.join(where, mode=1, inviter=bob.account.id)
        async with bob.linked(carol.address) as link:
            channel = await bob.sync(link, Shared(where, (fake(1),)))
            await world.until(lambda: len(bob.asked) >= 1)
            await alice.node.add_address(carol.account.id, carol.address)
            await alice.swarm.invite(where, [carol.account.id])
            await channel.send(encode(News(where, (fake(2), fake(3)))))
            assert await carol.swarm.settled(where, 5.0) == "ready"
            assert not link.is_over
        await world.unharmed(where, alice, carol)

    play(tmp_path, story)


def test_floods_of_receipts_and_typing_pile_up_nowhere(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob = await world.rogue("bob")
        where = await world.room(alice, carol, rogues=[bob])
        for number in range(200):
            await alice.say(where, f"line {number}")
        known = [entry.id for entry in alice.log(where).history.entries]
        async with bob.linked(alice.address) as link:
            channel = await bob.sync(link, Shared(where, alice.log(where).heads))
            most = 0
            for number in range(6_000):
                commit = known[number % len(known)]
                await channel.send(encode(Read(where, commit if number % 2 else fake(number), number)))
                await channel.send(encode(Typing(where, on=number % 3 == 0)))
                await channel.send(encode(Got(where, tuple({commit, known[number * 7 % 199]}))))
                if number % 100 == 0:
                    most = max(most, len(alice.swarm._parts.chores._waiting), len(asyncio.all_tasks()))
            assert most < 150
            await world.unharmed(where, alice, carol)
            assert not link.is_over

    play(tmp_path, story)
