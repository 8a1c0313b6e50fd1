"""Whole nodes that go, are sent away, or end a group: everybody concerned learns it, and nobody learns more. (SCP-06 §7)"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from swarmchat.account.records import ConversationState
from swarmchat.conversation.actions import Ban, CastVote, Kick, Leave, Post, Promote
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Roster
from swarmchat.ids import ConversationId
from swarmchat.limits import HANDED_OVER_AFTER_S, INVITATIONS_CHECKED_S
from swarmchat.swarm import replicator
from swarmchat.swarm.farewells import Farewells
from swarmchat.swarm.mail import Notice
from tests.support.rogue import simulated
from tests.support.swarms import House, World, play


def roster(house: House, where: ConversationId) -> Roster:
    return house.catalog.open(where).roster


def is_out(house: House, where: ConversationId) -> bool:
    return not roster(house, where).is_joined(house.account.id)


async def three(world: World) -> tuple[House, House, House, ConversationId]:
    """Alice's group with Bob and Carol, who are all linked with each other."""
    alice, bob, carol = [await world.house(name) for name in ("alice", "bob", "carol")]
    where = await world.room(alice, bob, carol)
    await bob.knows(carol)
    await world.until(lambda: bob.linked(carol))
    await asyncio.sleep(5)
    return alice, bob, carol, where


def keep_apart(world: World, one: House, other: House) -> None:
    """These two reach each other no more; everybody else does as before."""
    reachable, apart = world.network.reachable, {one.host, other.host}
    world.network.reachable = lambda a, b: {a, b} != apart and reachable(a, b)  # type: ignore[method-assign]


# --- removed by others


def test_who_is_kicked_learns_it_before_its_links_go_and_its_own_node_refuses_to_write(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, carol, where = await three(world)
        await alice.swarm.append(where, Kick(carol.account.id))
        said = await alice.post(where, "without carol")
        assert await world.until(lambda: is_out(carol, where), 2.0) < 1.0
        assert carol.swarm.state_of(where) == "closed"
        refused = await carol.swarm.append(where, Post("let me in"))
        assert isinstance(refused, Rejection)
        assert refused.reason is Reason.NOT_A_MEMBER
        await world.until(lambda: world.level(where, alice, bob))
        await asyncio.sleep(600)
        assert not carol.catalog.open(where).knows(said)
        assert [(each.account, each.role) for each in carol.seen("member.changed")][-1] == (carol.account.id, "left")  # type: ignore[union-attr]

    play(tmp_path, story)


def test_who_is_banned_learns_it_and_its_links_go_at_once(tmp_path: Path) -> None:
    """ME-15, BS-01"""

    async def story(world: World) -> None:
        alice, bob, carol, where = await three(world)
        await alice.swarm.append_all(where, [CastVote("ban", carol.account.id), Ban(carol.account.id)])
        took = await world.until(lambda: not alice.linked(carol) and not bob.linked(carol), 5.0)
        assert took < 1.5
        assert roster(carol, where).is_banned(carol.account.id)
        refused = await carol.swarm.append(where, Post("let me in"))
        assert isinstance(refused, Rejection)
        assert refused.reason is Reason.BANNED

    play(tmp_path, story)


def test_who_has_no_link_with_who_removes_him_learns_it_from_others(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, carol, where = await three(world)
        keep_apart(world, alice, carol)
        await world.until(lambda: not alice.linked(carol) and bob.linked(carol), 60.0)
        await alice.swarm.append(where, Kick(carol.account.id))
        await world.until(lambda: is_out(carol, where), 2.0)

    play(tmp_path, story)


def test_who_is_removed_hears_nothing_that_was_written_after_it(tmp_path: Path) -> None:
    """Whoever brings the removal late has what was said since as well."""

    async def story(world: World) -> None:
        alice, bob, carol, where = await three(world)
        world.network.partition([[alice.host], [bob.host, carol.host]])
        await world.until(lambda: not alice.linked(bob) and not alice.linked(carol), 60.0)
        await alice.swarm.append_all(where, [CastVote("ban", carol.account.id), Ban(carol.account.id)])
        secret = await alice.post(where, "about carol")
        world.network.heal()
        keep_apart(world, alice, carol)
        await world.until(lambda: bob.catalog.open(where).knows(secret), 400.0)
        await world.until(lambda: roster(carol, where).is_banned(carol.account.id), 2.0)
        await world.until(lambda: not bob.linked(carol), 2.0)
        assert not carol.catalog.open(where).knows(secret)

    play(tmp_path, story)


def test_a_banned_device_learns_it_and_the_other_devices_of_the_account_stay(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        tablet = await world.house("bob", 2)
        await tablet.down()
        tablet.keeper.state, _ = tablet.keeper.state.add_conversation(
            where, title="", mode=1, state=ConversationState.SYNCING, members=[alice.account.id], now_ms=1
        )
        await tablet.up()
        await tablet.knows(alice)
        assert await tablet.swarm.settled(where, 60.0) == "ready"
        await tablet.post(where, "from the tablet")
        await world.until(lambda: world.level(where, alice, bob, tablet))
        await alice.swarm.append_all(where, [CastVote("ban", tablet.account.device), Ban(tablet.account.device)])
        await world.until(lambda: roster(tablet, where).is_banned(tablet.account.device), 2.0)
        await world.until(lambda: not alice.linked(tablet), 2.0)
        said = await alice.post(where, "to the others")
        await world.until(lambda: bob.catalog.open(where).knows(said), 2.0)
        assert alice.linked(bob)

    play(tmp_path, story)


def test_who_is_removed_and_does_not_answer_keeps_its_link_for_a_second_at_most(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        heads = await alice.heads(where)
        await bob.down()
        async with simulated(world, "bob") as bob_himself, bob_himself.linked(alice.address) as link:
            channel, _ = await link.open_channel("sync")
            await channel.send(
                {
                    "t": "hello",
                    "convs": [{"id": bytes.fromhex(where), "heads": [bytes.fromhex(h) for h in heads]}],
                    "more": False,
                }
            )
            await asyncio.sleep(1)
            await alice.swarm.append_all(where, [CastVote("ban", bob.account.id), Ban(bob.account.id)])
            told = [message for _ in range(20) if (message := await _next(channel)) is not None]
            assert [message["heads"] for message in told if message["t"] == "news" and message.get("pack")]
            await asyncio.sleep(1.5)
            assert link.is_over

    play(tmp_path, story)


async def _next(channel: object) -> dict[str, object] | None:
    try:
        async with asyncio.timeout(0.05):
            return await channel.receive()  # type: ignore[attr-defined,no-any-return]
    except TimeoutError:
        return None


# --- the group is dissolved


def test_who_dissolves_a_group_tells_everybody_and_forgets_only_then(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, carol, where = await three(world)
        await alice.swarm.leave(where, dissolve=True)
        assert alice.swarm.state_of(where) == "closed"
        await world.until(lambda: is_out(bob, where) and is_out(carol, where), 5.0)
        for house in (bob, carol):
            assert roster(house, where).joined == frozenset()
            assert house.swarm.state_of(where) == "closed"
        await world.until(lambda: where not in alice.catalog.list(), 5.0)

    play(tmp_path, story)


def test_what_is_too_long_to_be_pushed_is_fetched_from_who_dissolved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicator, "PUSH_PACK_BYTES_MAX", 100)

    async def story(world: World) -> None:
        alice, bob, carol, where = await three(world)
        await alice.swarm.leave(where, dissolve=True)
        await world.until(lambda: is_out(bob, where) and is_out(carol, where), 5.0)
        await world.until(lambda: where not in alice.catalog.list(), 5.0)

    play(tmp_path, story)


def test_who_was_away_when_the_group_was_dissolved_learns_it_days_later_also_after_restarts(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, carol, where = await three(world)
        await carol.down()
        await alice.swarm.leave(where, dissolve=True)
        await world.until(lambda: is_out(bob, where), 5.0)
        await asyncio.sleep(3_600)
        assert where in alice.catalog.list()  # carol has nothing of it yet
        assert set(alice.swarm._parts.access.heirs.values()) == {carol.account.id}
        await alice.down()
        await alice.up()
        assert set(alice.swarm._parts.access.heirs.values()) == {carol.account.id}  # bob has: it is remembered
        assert alice.swarm.state_of(where) == "closed"
        await bob.down()
        await carol.up()  # and it is not she who dials
        await world.until(lambda: is_out(carol, where), 600.0)
        assert roster(carol, where).joined == frozenset()
        await world.until(lambda: where not in alice.catalog.list(), 5.0)

    play(tmp_path, story)


def test_who_has_not_come_for_it_in_thirty_days_is_not_waited_for(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        await bob.down()
        await alice.swarm.leave(where, dissolve=True)
        await asyncio.sleep(INVITATIONS_CHECKED_S * 2)
        assert where in alice.catalog.list()
        state = alice.keeper.state
        known = state.conversations[where]
        long_ago = replace(known, removed_ms=known.removed_ms - int(HANDED_OVER_AFTER_S * 1000))
        alice.keeper.state = replace(state, conversations={**state.conversations, where: long_ago})
        await asyncio.sleep(INVITATIONS_CHECKED_S * 2)
        assert where not in alice.catalog.list()

    play(tmp_path, story)


def test_nobody_is_removed_when_the_law_does_not_let_the_group_be_dissolved(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, carol, where = await three(world)
        await alice.swarm.append(where, Promote(bob.account.id))
        heads = await alice.heads(where)
        refused = await alice.swarm.leave(where, dissolve=True)
        assert isinstance(refused, Rejection)
        assert await alice.heads(where) == heads
        assert alice.swarm.state_of(where) == "ready"
        assert roster(alice, where).is_joined(carol.account.id)

    play(tmp_path, story)


def test_what_was_dissolved_without_anybody_linked_is_erased_only_when_it_was_fetched(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        world.network.partition([[alice.host], [bob.host]])
        await world.until(lambda: not alice.linked(bob), 60.0)
        await alice.swarm.leave(where, dissolve=True)
        said = await bob.post(where, "is anybody there?")
        assert where in alice.catalog.list()
        world.network.heal()
        await world.until(lambda: is_out(bob, where), 400.0)
        await world.until(lambda: where not in alice.catalog.list(), 5.0)
        assert bob.catalog.open(where).knows(said)

    play(tmp_path, story)


# --- half done


@pytest.mark.parametrize("dissolve", [False, True])
def test_an_answer_that_comes_before_the_leaving_is_noted_counts(tmp_path: Path, *, dissolve: bool) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        goes, stays = (alice, bob) if dissolve else (bob, alice)
        await asyncio.sleep(5)
        change = goes.keeper.change

        async def slow(step: object) -> object:
            await asyncio.sleep(2)  # a disk with much to do
            return await change(step)  # type: ignore[arg-type]

        goes.keeper.change = slow  # type: ignore[method-assign,assignment]
        await goes.swarm.leave(where, dissolve=dissolve)
        assert not roster(stays, where).is_joined(goes.account.id)
        assert where not in goes.catalog.list()

    play(tmp_path, story)


@pytest.mark.parametrize("dissolve", [False, True])
def test_an_answer_that_comes_while_it_is_looked_who_has_answered_counts(tmp_path: Path, *, dissolve: bool) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        goes = alice if dissolve else bob
        await asyncio.sleep(5)
        runtime = goes.swarm._parts.runtime
        offload = runtime.offload

        async def slow(work: object, *rest: object) -> object:
            if work == goes.receipts.all_heads:
                await asyncio.sleep(2)
            return await offload(work, *rest)  # type: ignore[arg-type]

        runtime.offload = slow  # type: ignore[method-assign,assignment]
        await goes.swarm.leave(where, dissolve=dissolve)
        assert where not in goes.catalog.list()

    play(tmp_path, story)


@pytest.mark.parametrize("dissolve", [False, True])
def test_an_answer_that_was_lost_is_asked_for_and_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, dissolve: bool
) -> None:
    """To the other we are nobody by now: only mail passes. (SCP-06 §7)"""

    async def lost(*_anything: object) -> None:
        pass

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        goes, stays = (alice, bob) if dissolve else (bob, alice)
        await asyncio.sleep(5)
        monkeypatch.setattr(goes.swarm._rooms._departures, "taken", lost)
        await goes.swarm.leave(where, dissolve=dissolve)
        await world.until(lambda: not roster(stays, where).is_joined(goes.account.id))
        await asyncio.sleep(5)
        await goes.down()
        for path in goes._folder.glob("receipts.sqlite*"):
            path.unlink()  # as if it had never heard the answer
        await goes.up()
        assert where in goes.catalog.list()
        await goes.knows(stays)
        await world.until(lambda: where not in goes.catalog.list(), 120.0)

    play(tmp_path, story)


def test_an_outsider_is_not_told_whether_a_commit_is_here(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        (head,) = await alice.heads(where)
        async with simulated(world, "mallory") as mallory, mallory.linked(alice.address) as link:
            await mallory.write(link, Notice(where, head, (head,), mallory.account.device))
            await asyncio.sleep(10)
            assert not [mail for mail in mallory.mail if isinstance(mail, Notice)]

    play(tmp_path, story)


def test_who_crashed_between_the_leave_and_noting_it_has_left(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        world.network.partition([[alice.host], [bob.host]])
        await world.until(lambda: not alice.linked(bob), 60.0)
        await bob.swarm.append(where, Leave(bob.account.id))  # and nothing else of what leaving does
        await bob.down()
        await bob.up()
        assert bob.keeper.state.conversations[where].state is ConversationState.REMOVED
        world.network.heal()
        await bob.knows(alice)
        await world.until(lambda: not roster(alice, where).is_joined(bob.account.id), 400.0)
        await world.until(lambda: where not in bob.catalog.list(), 10.0)

    play(tmp_path, story)


def test_who_was_kicked_and_leaves_erases_at_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        await alice.swarm.append(where, Kick(bob.account.id))
        await world.until(lambda: is_out(bob, where), 2.0)
        await bob.swarm.leave(where)
        assert bob.catalog.list() == ()

    play(tmp_path, story)


def test_a_farewell_that_is_not_taken_in_ends_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Farewells, "answered", lambda *_: False)

    async def story(world: World) -> None:
        alice, _bob, carol, where = await three(world)
        await alice.swarm.append_all(where, [CastVote("ban", carol.account.id), Ban(carol.account.id)])
        assert await world.until(lambda: not alice.linked(carol), 5.0) < 1.5
        assert not alice.swarm._parts.access._parting

    play(tmp_path, story)
