"""A member who sends commits and packs that nobody may write, inside announcements: refused, told, remembered. (SCP-02 §7, SCP-04 §4)"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from swarmchat.conversation import tree as layout
from swarmchat.conversation.actions import Add, Edit, Kick, Leave, Post, Promote
from swarmchat.conversation.commit import merge_bytes
from swarmchat.ids import AccountId, CommitId, ConversationId, TreeId
from swarmchat.limits import (
    DEVICE_VALIDITY_S,
    INVALID_COMMITS_PER_HOUR_MAX,
    MIB,
    PUSH_PACK_BYTES_MAX,
    TREE_BYTES_MAX,
)
from swarmchat.swarm import reputation
from swarmchat.swarm.messages import Bad, News, Shared, encode
from tests.support.builders import DAVE, EVE, Person
from tests.support.commitlogs import BLOB, COMMIT, TREE, Object, entry, must, objects_of, packed, raw_pack, writer
from tests.support.loopback import Living, Loopback, play
from tests.support.rogue import Rogue, other_device, refusing

Forged = tuple[CommitId, list[Object]]


def alice_of(rogue: Rogue, where: ConversationId) -> AccountId:
    (alice,) = rogue.log(where).roster.admins
    return alice


def from_device(rogue: Rogue, where: ConversationId, one: Person, time: int) -> Forged:
    changes = {layout.device(one.device): one.device_certificate.pem}
    return rogue.forge(where, Post("from my new device"), who=one, changes=changes, time=time)


def second_root(rogue: Rogue, where: ConversationId) -> Forged:
    _, ((_, _, raw),) = rogue.forge(where, Post("the real beginning"))
    head = rogue.log(where).heads[0]
    found = objects_of((COMMIT, raw.replace(b"parent %s\n" % head.encode(), b"")))
    return CommitId(found[0][1].hex()), found


def forged_merge(rogue: Rogue, where: ConversationId, time: int) -> Forged:
    """Two true branches, merged into a tree in which somebody else is admin."""
    log = rogue.log(where)
    base = log.heads[0]
    left, left_objects = rogue.forge(where, Post("left"), parent=base, time=time)
    right, right_objects = rogue.forge(where, Post("right"), parent=base, time=time)
    _, coup = rogue.forge(where, Post("x"), changes={layout.admin(rogue.account.id): rogue.account.certificate.pem})
    tree = next(raw[5:45].decode() for kind, _, raw in coup if kind == COMMIT)
    merge = objects_of((COMMIT, merge_bytes(TreeId(tree), tuple(sorted((left, right))), time)))
    _, top_objects = rogue.forge(where, Post("on top"), parent=left)
    text = top_objects[0][2].replace(b"parent " + left.encode(), b"parent " + merge[0][1].hex().encode())
    crown = objects_of((COMMIT, text))
    return CommitId(crown[0][1].hex()), [*left_objects, *right_objects, *coup[:-1], *merge, *crown]


FORGERIES: dict[str, Callable[[Rogue, ConversationId, int], Forged]] = {
    "bad-signature": lambda bob, where, now: bob.forge(where, Post("not said"), damaged=True),
    "another's key": lambda bob, where, now: bob.forge(where, Post("says eve"), signer=EVE),
    "a stranger": lambda bob, where, now: bob.forge(where, Post("let me in"), who=EVE),
    "a stranger with papers": lambda bob, where, now: bob.forge(
        where, Post("let me in"), who=EVE, changes={layout.device(EVE.device): EVE.device_certificate.pem}
    ),
    "adds as no admin": lambda bob, where, now: bob.forge(where, Add(DAVE.id), changes={layout.invited(DAVE.id): b""}),
    "another's place": lambda bob, where, now: bob.forge(where, Post("hi"), changes={layout.invited(DAVE.id): b""}),
    "makes itself admin": lambda bob, where, now: bob.forge(
        where,
        Promote(bob.account.id),
        changes={
            layout.member(bob.account.id): None,
            layout.admin(bob.account.id): bob.account.certificate.pem,
        },
    ),
    "kicks": lambda bob, where, now: bob.forge(where, Kick(DAVE.id)),
    "a certificate of tomorrow": lambda bob, where, now: from_device(
        bob, where, other_device(bob.person, now=now + 30 * 86_400), now
    ),
    "a certificate of the past": lambda bob, where, now: from_device(
        bob, where, other_device(bob.person, now=now - DEVICE_VALIDITY_S - 30 * 86_400), now
    ),
    "a key twice": lambda bob, where, now: bob.forge(where, b'{"body":"a","body":"b","type":"text/plain"}'),
    "no words": lambda bob, where, now: bob.forge(where, b"hello"),
    "deep words": lambda bob, where, now: bob.forge(
        where, b'{"body":"a","type":"text/plain","x":' + b"[" * 500 + b"]" * 500 + b"}"
    ),
    "a clock run back": lambda bob, where, now: bob.forge(where, Post("long ago"), time=now - 86_400),
    "removes another": lambda bob, where, now: bob.forge(
        where, Leave(alice_of(bob, where)), changes={layout.admin(alice_of(bob, where)): None}
    ),
    "deletes what it writes with": lambda bob, where, now: bob.forge(
        where, Post("where am I"), changes={layout.device(bob.account.device): None}
    ),
    "edits itself admin": lambda bob, where, now: bob.forge(
        where,
        Edit("better", bob.log(where).heads[0]),
        changes={layout.admin(bob.account.id): bob.account.certificate.pem},
    ),
    "binary": lambda bob, where, now: bob.forge(where, Post("x"), changes={layout.PROFILE: bytes(range(256))}),
    "a name like a diffstat": lambda bob, where, now: bob.forge(where, Post("x"), changes={"members/ | 1": b""}),
    "from the year 33658": lambda bob, where, now: bob.forge(where, Post("x"), time=999_999_999_999),
    "from 1970": lambda bob, where, now: bob.forge(where, Post("x"), time=0),
    "an edit of what nobody wrote": lambda bob, where, now: bob.forge(where, Edit("x", CommitId("e" * 40))),
    "a second root": lambda bob, where, now: second_root(bob, where),
    "a forged merge": forged_merge,
}


def test_commits_that_nobody_may_write_are_refused_told_and_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ME-17, ME-21"""
    monkeypatch.setattr(reputation, "INVALID_COMMITS_PER_HOUR_MAX", 1_000)

    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob = await world.rogue("bob")
        where = await world.room(alice, carol, rogues=[bob])
        bob.serve_pack = refusing
        base, members = alice.log(where).heads, await alice.door.member_list(conversation=where)
        now = int(alice.node.runtime.now())
        async with bob.linked(alice.address) as link:
            await bob.fetch(link, where)
            channel = await bob.sync(link, Shared(where, base))
            for name, forge in FORGERIES.items():
                bob.heard.clear()
                commit, objects = forge(bob, where, now)
                await bob.push(channel, where, objects, [commit])
                await world.until(lambda: bob.heard_of(Bad))
                told = [bad.commit for bad in bob.heard_of(Bad)]
                assert commit in told or name == "a forged merge", name
                assert not alice.log(where).knows(commit), name
                bob.asked.clear()
                await channel.send(encode(News(where, (commit,))))  # and once more, by name only
                await link.ping()
                if name != "a forged merge":
                    assert alice.log(where).refusal(commit) is not None, name
                    assert bob.asked == [], name
        refused = await alice.events("commit.refused")
        assert len(refused) >= len(FORGERIES)
        assert all(event["device"] == bob.account.device for event in refused)
        assert await alice.door.member_list(conversation=where) == members
        await world.unharmed(where, alice, carol)

    play(tmp_path, story)


def test_who_sends_invalid_commits_three_times_is_barred_and_peers_says_so(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob = await world.rogue("bob")
        where = await world.room(alice, carol, rogues=[bob])
        async with bob.linked(alice.address) as link, bob.linked(carol.address) as other:
            await bob.fetch(link, where)
            base = alice.log(where).heads
            channel = await bob.sync(link, Shared(where, base))
            for number in range(INVALID_COMMITS_PER_HOUR_MAX):
                assert await _state(alice, bob) == "linked"
                commit, objects = bob.forge(where, Kick(DAVE.id), extra={"n": number})
                await bob.push(channel, where, objects, [commit])
                await world.until(lambda: alice.log(where).refusal(commit))  # noqa: B023
            await world.until(lambda: any(row.barred for row in alice.swarm.status.peers()))
            assert await _state(alice, bob) == "barred"
            # What it writes under the law reaches alice through who has nothing against it, and not from itself.
            fine = must(bob.log(where).append(Post("I am sorry"), writer(bob.person), now=_now(alice))).new[0]
            pack = bob.log(where).small_pack(base, PUSH_PACK_BYTES_MAX)
            assert pack is not None
            await bob.push(channel, where, pack, [fine], since=base)
            bob.asked.clear()
            await link.ping()
            assert not alice.log(where).knows(fine)
            assert bob.asked == []
            honest = await bob.sync(other, Shared(where, base))
            await bob.push(honest, where, pack, [fine], since=base)
            await world.until(lambda: alice.log(where).knows(fine))
        await world.unharmed(where, alice, carol)

    play(tmp_path, story)


def test_packs_that_are_none_leave_nothing_and_are_pulled_instead(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob = await world.rogue("bob")
        where = await world.room(alice, carol, rogues=[bob])
        bob.serve_pack = refusing
        async with bob.linked(alice.address) as link:
            await bob.fetch(link, where)
            base = alice.log(where).heads
            channel = await bob.sync(link, Shared(where, base))
            commit, objects = bob.forge(where, Post("true words"))
            good = packed(objects)
            packs = [
                b"",
                b"PACK",
                b"rubbish" * 100,
                good[:-1],
                good[:20],
                good + b"x",
                good[:30] + bytes([good[30] ^ 1]) + good[31:],
                raw_pack(count=0),
                raw_pack(entry(COMMIT, objects[0][2]), count=2**32 - 1),
                raw_pack(entry(COMMIT, objects[0][2], size=5)),
                raw_pack(entry(BLOB, b"x", size=2**40)),
                raw_pack(entry(7, bytes(20))),
                raw_pack(entry(6, bytes(20))),
                raw_pack(entry(0, b"")),
                packed([*objects_of((BLOB, b"warez")), *objects]),
                packed(objects_of((COMMIT, objects[0][2].replace(base[0].encode(), b"1" * 40)))),
                raw_pack(entry(BLOB, bytes(32 * MIB))),
                raw_pack(entry(TREE, bytes(TREE_BYTES_MAX))),
                raw_pack(entry(COMMIT, bytes(32 * MIB), size=600)),
            ]
            alice.log(where).put_away()
            files = sorted(str(path) for path in alice.log(where).path.rglob("*"))
            await link.ping()
            peer = alice.swarm._rooms.room(where).session._peers[bob.account.device]
            for number, pack in enumerate([*packs, good]):  # the last one ends in another head than it says
                assert len(pack) <= PUSH_PACK_BYTES_MAX
                peer.push_at, peer.spoilt = 0.0, 0  # what its patience is: see below
                await bob.push(channel, where, pack, [CommitId(f"{number:040x}")])
                await world.until(lambda: peer.spoilt)
            assert alice.log(where).heads == base
            assert alice.log(where).refusals() == ()
            assert sorted(str(path) for path in alice.log(where).path.rglob("*")) == files
            assert not any(row.barred for row in alice.swarm.status.peers())  # a line that breaks is no crime
            assert not link.is_over
            peer.push_at = 0.0
            await bob.push(channel, where, good, [commit])  # and the honest head is blacked out for nobody
            await world.until(lambda: alice.log(where).knows(commit))
        await world.unharmed(where, alice, carol)

    play(tmp_path, story)


def test_pushed_bombs_do_not_hold_up_who_speaks_honestly(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob = await world.rogue("bob")
        where = await world.room(alice, carol, rogues=[bob])
        bob.serve_pack = refusing
        async with bob.linked(alice.address) as link:
            channel = await bob.sync(link, Shared(where, alice.log(where).heads))
            bomb = raw_pack(*(entry(TREE, bytes([number]) * (TREE_BYTES_MAX - 1)) for number in range(3)))
            assert len(bomb) <= PUSH_PACK_BYTES_MAX
            base = alice.log(where).heads
            flood = asyncio.create_task(_flood(bob, channel, where, bomb, base))
            took = []
            for number in range(5):
                said = await carol.say(where, f"through the smoke {number}")
                took.append(await world.until(lambda: alice.log(where).knows(said)))  # type: ignore[arg-type]  # noqa: B023
            flood.cancel()
            await asyncio.wait([flood])
            assert sorted(took)[2] < 1.0, took
            assert not link.is_over
        await world.unharmed(where, alice, carol)

    play(tmp_path, story)


async def _flood(bob: Rogue, channel: object, where: ConversationId, bomb: bytes, base: tuple[CommitId, ...]) -> None:
    for number in range(100_000):
        await bob.push(channel, where, bomb, [CommitId(f"{number:040x}")], since=base)  # type: ignore[arg-type]
        await asyncio.sleep(0.0005)


async def _state(node: Living, rogue: Rogue) -> str:
    (row,) = [row for row in await node.door.peer_list() if row["device"] == rogue.account.device]
    return str(row["state"])


def _now(node: Living) -> int:
    return int(node.node.runtime.now())
