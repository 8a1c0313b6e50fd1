"""Contacts that are added, removed and added again: both use one conversation, and nobody is asked twice. (SCP-06 §2, §7)"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from swarmchat.account.records import RequestKind
from swarmchat.account.state import State
from swarmchat.conversation.actions import Add
from swarmchat.errors import NotFoundError, RefusedError, UserError
from swarmchat.ids import ConversationId
from swarmchat.limits import INVITATION_RESEND_S, PAIRS_TAKEN_UP_MAX, WRITE_PATIENCE_S
from tests.support.swarms import House, World, play

T = TypeVar("T")


def used(house: House, other: House) -> ConversationId | None:
    """The one-to-one with the other that is in use."""
    return house.keeper.state.contact(other.account.id).conversation


def shown(house: House) -> set[ConversationId]:
    """The conversations that a list shows."""
    known = house.keeper.state.conversations.values()
    return {one.id for one in known if not one.is_gone}


def is_common(world: World, alice: House, bob: House) -> bool:
    """Whether both use the same one-to-one, are in it, hold the same of it, and neither has to answer anything."""
    where = used(alice, bob)
    if where is None or used(bob, alice) != where or alice.keeper.state.pending() or bob.keeper.state.pending():
        return False
    if not all(house.swarm.state_of(where) == "ready" for house in (alice, bob)):
        return False
    joined = alice.catalog.open(where).roster.joined
    return joined == {alice.account.id, bob.account.id} and world.level(where, alice, bob)


async def common(world: World, alice: House, bob: House, limit_s: float = 60.0) -> ConversationId:
    """Wait until both use the same one-to-one; a message gets through it each way."""
    await world.until(lambda: is_common(world, alice, bob), limit_s)
    where = used(alice, bob)
    assert where is not None
    for one, other in ((alice, bob), (bob, alice)):
        said = await one.post(where, "hello")
        await world.until(lambda said=said, other=other: other.catalog.open(where).knows(said))  # type: ignore[misc]
    return where


async def friends(world: World) -> tuple[House, House, ConversationId]:
    """Alice and Bob, who are contacts."""
    alice, bob = await world.house("alice"), await world.house("bob")
    await alice.swarm.people.add_contact(bob.account.id, addresses=[bob.address])
    await bob.knows(alice)
    await world.until(lambda: bool(bob.keeper.state.pending()))
    await bob.accept_all()
    return alice, bob, await common(world, alice, bob)


def asked(house: House) -> int:
    """How often the user was asked anything."""
    return len(house.seen("request.added"))


# --- adding


def test_who_writes_while_the_clone_is_under_way_waits_for_it(tmp_path: Path) -> None:
    """A contact is confirmed before its conversation is here: what is said then is not refused. (SCP-06 §5)"""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        await alice.swarm.people.add_contact(bob.account.id, addresses=[bob.address])
        await bob.knows(alice)
        await world.until(lambda: bool(bob.keeper.state.pending()))
        await bob.accept_all()
        where = used(bob, alice)
        assert where is not None
        assert bob.swarm.state_of(where) == "syncing"
        said = await bob.post(where, "hello")
        await world.until(lambda: alice.catalog.open(where).knows(said))

    play(tmp_path, story)


def test_who_writes_where_nobody_is_linked_who_has_it_is_refused_at_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        await alice.swarm.people.add_contact(bob.account.id, addresses=[bob.address])
        await world.until(lambda: bool(bob.keeper.state.pending()))
        await alice.down()
        await bob.accept_all()
        where = used(bob, alice)
        assert where is not None
        await asyncio.sleep(WRITE_PATIENCE_S)
        since = asyncio.get_running_loop().time()
        with pytest.raises(RefusedError, match="not here yet"):
            await bob.post(where, "hello")
        assert asyncio.get_running_loop().time() - since < 1.0

    play(tmp_path, story)


def test_a_contact_has_a_conversation_at_once_and_is_asked_once(tmp_path: Path) -> None:
    """RQ-06, RQ-01, RQ-07: the 1:1 is here before the other answers; the request names it and its sender; accepting leaves nothing that waits."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        contact = await alice.swarm.people.add_contact(bob.account.id, addresses=[bob.address])
        where = contact.conversation
        assert where is not None
        roster = alice.catalog.open(where).roster
        assert roster.mode == 0
        assert (set(roster.joined), set(roster.invited)) == ({alice.account.id}, {bob.account.id})
        await world.until(lambda: bool(bob.keeper.state.pending()))
        (request,) = bob.keeper.state.pending()
        assert (request.offer.sender, request.offer.conversation) == (alice.account.id, where)
        await bob.swarm.people.accept(request.id)
        assert await common(world, alice, bob) == where
        assert f"members/{bob.account.id}.crt" in bob.catalog.open(where).roster.files
        assert asked(bob) == 1

    play(tmp_path, story)


def test_two_who_add_each_other_apart_need_not_accept_anything(tmp_path: Path) -> None:
    """RQ-25: both asked for it already. They go on with the lower of the two ids; the other stays readable with all that was said there."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        world.network.partition([[alice.host], [bob.host]])
        mine = (await alice.swarm.people.add_contact(bob.account.id, addresses=[bob.address])).conversation
        yours = (await bob.swarm.people.add_contact(alice.account.id, addresses=[alice.address])).conversation
        assert mine is not None
        assert yours is not None
        words = {mine: await alice.post(mine, "from alice"), yours: await bob.post(yours, "from bob")}
        await asyncio.sleep(30)
        world.network.heal()
        await world.until(lambda: used(alice, bob) == used(bob, alice) == min(mine, yours), 1_200.0)
        await common(world, alice, bob)
        await world.until(lambda: world.level(max(mine, yours), alice, bob), 60.0)
        for house in (alice, bob):
            assert all(house.catalog.open(where).knows(said) for where, said in words.items())
            assert asked(house) == 0
            assert shown(house) == {mine, yours}

    play(tmp_path, story)


def test_a_request_that_comes_while_its_sender_is_being_added_is_no_question(tmp_path: Path) -> None:
    """Two type `contact add` in the same moment, so each is asked while his own one-to-one is being written."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        await world.room(alice, bob)
        settle, crossing = alice.keeper.change, asyncio.Event()

        async def slowly(step: Callable[[State], tuple[State, T]]) -> T:
            outcome = await settle(step)
            if not crossing.is_set():  # her one-to-one is noted, and he is no contact yet
                crossing.set()
                await bob.swarm.people.add_contact(alice.account.id)
                await world.until(lambda: bool(alice.keeper.state.pending()))
            return outcome

        alice.keeper.change = slowly  # type: ignore[method-assign]
        await alice.swarm.people.add_contact(bob.account.id)
        assert (crossing.is_set(), alice.keeper.state.pending()) == (True, ())
        await common(world, alice, bob)
        assert len(shown(alice)) == len(shown(bob)) == 3, "the room and both one-to-ones"
        assert asked(bob) == 1, "about the room"

    play(tmp_path, story)


def test_both_one_to_ones_of_two_who_added_each_other_stay_over_a_restart(tmp_path: Path) -> None:
    """C-44: of two 1:1s with one contact none goes."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        world.network.partition([[alice.host], [bob.host]])
        await alice.swarm.people.add_contact(bob.account.id, addresses=[bob.address])
        await bob.swarm.people.add_contact(alice.account.id, addresses=[alice.address])
        world.network.heal()
        await world.until(lambda: len(shown(bob)) == len(shown(alice)) == 2, 1_200.0)
        before = shown(bob)
        await world.until(lambda: used(bob, alice) == min(before))
        await bob.down()
        await bob.up()
        await asyncio.sleep(5)
        assert (shown(bob), used(bob, alice)) == (before, min(before))
        assert set(bob.catalog.list()) == before

    play(tmp_path, story)


def test_adding_who_asked_already_is_to_accept(tmp_path: Path) -> None:
    """No second conversation is made, and nobody is asked the same again."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = (await alice.swarm.people.add_contact(bob.account.id, addresses=[bob.address])).conversation
        await world.until(lambda: bool(bob.keeper.state.pending()))
        contact = await bob.swarm.people.add_contact(alice.account.id, name="Alice of the garden")
        assert (contact.name, contact.conversation) == ("Alice of the garden", where)
        assert await common(world, alice, bob) == where
        assert len(shown(bob)) == 1
        assert asked(alice) == 0

    play(tmp_path, story)


def test_who_declined_and_adds_the_other_later_has_changed_his_mind(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        first = (await alice.swarm.people.add_contact(bob.account.id, addresses=[bob.address])).conversation
        await world.until(lambda: bool(bob.keeper.state.pending()))
        await bob.swarm.people.decline(bob.keeper.state.pending()[0].id)
        await asyncio.sleep(60)
        await bob.swarm.people.add_contact(alice.account.id, addresses=[alice.address])
        await common(world, alice, bob)
        await world.until(lambda: first in shown(bob), INVITATION_RESEND_S * 2)
        await common(world, alice, bob)
        assert (asked(alice), asked(bob)) == (0, 1)

    play(tmp_path, story)


def test_nobody_is_his_own_contact(tmp_path: Path) -> None:
    """RQ-13: adding or removing oneself is refused, and touches no conversation; blocking too, or one's devices were strangers."""

    async def story(world: World) -> None:
        alice, _bob, where = await friends(world)
        with pytest.raises(UserError):
            await alice.swarm.people.add_contact(alice.account.id)
        with pytest.raises(NotFoundError):
            await alice.swarm.people.remove_contact(alice.account.id)
        with pytest.raises(UserError):
            await alice.swarm.people.block(alice.account.id)
        assert not alice.keeper.state.is_blocked(alice.account.id)
        assert shown(alice) == {where}

    play(tmp_path, story)


def test_a_contact_does_not_fill_the_list_with_one_to_ones_without_asking(tmp_path: Path) -> None:
    """What is taken up by itself is bounded by the day; the next one asks."""

    async def story(world: World) -> None:
        alice, bob, _where = await friends(world)
        for number in range(PAIRS_TAKEN_UP_MAX):
            await alice.swarm.people.remove_contact(bob.account.id)
            await asyncio.sleep(60)
            await alice.swarm.people.add_contact(bob.account.id)
            if number + 2 <= PAIRS_TAKEN_UP_MAX:  # the first was accepted by hand, and counts
                await common(world, alice, bob)
        await world.until(lambda: bool(bob.keeper.state.pending()))
        await bob.accept_all()
        await common(world, alice, bob)
        assert asked(bob) == 2

    play(tmp_path, story)


# --- removing and adding again


@pytest.mark.parametrize("apart", [False, True])
def test_who_removes_a_contact_and_adds_it_again_has_a_new_conversation_that_both_use(
    tmp_path: Path, apart: bool
) -> None:
    """RQ-10, C-37, ME-30: the other never removed him, so he is asked nothing; the old one stays readable there and is in use nowhere."""

    async def story(world: World) -> None:
        alice, bob, old = await friends(world)
        said = await alice.post(old, "an old story")
        await world.until(lambda: world.level(old, alice, bob))
        if apart:
            world.network.partition([[alice.host], [bob.host]])
        await alice.swarm.people.remove_contact(bob.account.id)
        assert shown(alice) == set()
        await asyncio.sleep(60)
        assert (used(bob, alice), is_common(world, alice, bob)) == (old, False)
        assert bob.swarm.people.gone() == (frozenset() if apart else {alice.account.id})
        new = (await alice.swarm.people.add_contact(bob.account.id)).conversation
        world.network.heal()
        assert new != old
        assert await common(world, alice, bob, 1_200.0) == new
        assert (shown(alice), shown(bob)) == ({new}, {old, new})
        assert alice.swarm.people.gone() == bob.swarm.people.gone() == frozenset()
        assert bob.catalog.open(old).knows(said)
        assert asked(bob) == 1
        assert asked(alice) == 0
        await bob.down()
        await bob.up()
        await bob.swarm._parts.chores.drain()
        assert used(bob, alice) == new

    play(tmp_path, story)


def test_whom_the_other_removed_adds_him_again_into_the_same_conversation(tmp_path: Path) -> None:
    """Nothing was removed on this side: it goes on, with all that was said, once the other accepts."""

    async def story(world: World) -> None:
        alice, bob, where = await friends(world)
        said = await bob.post(where, "an old story")
        await world.until(lambda: world.level(where, alice, bob))
        await alice.swarm.people.remove_contact(bob.account.id)
        await world.until(lambda: where not in alice.catalog.list())
        contact = await bob.swarm.people.add_contact(alice.account.id)
        assert contact.conversation == where
        await world.until(lambda: bool(alice.keeper.state.pending()))
        (request,) = alice.keeper.state.pending()
        assert (request.offer.kind, request.offer.name) == (RequestKind.CONTACT, "bob")
        await alice.accept_all()
        assert await common(world, alice, bob) == where
        assert alice.catalog.open(where).knows(said)
        assert (asked(alice), asked(bob)) == (1, 1)

    play(tmp_path, story)


def test_who_was_asked_again_and_does_not_answer_is_asked_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, where = await friends(world)
        await alice.swarm.people.remove_contact(bob.account.id)
        await world.until(lambda: where not in alice.catalog.list())
        for _ in range(3):
            await bob.swarm.people.add_contact(alice.account.id)
            await asyncio.sleep(900)
        assert len(alice.keeper.state.pending()) == 1
        assert asked(alice) == 1
        actions = [each.fact.control.action for each in bob.catalog.open(where).history.controls if each.fact.control]
        assert actions.count(Add(alice.account.id)) == 1

    play(tmp_path, story)


def test_both_remove_each_other_one_adds_again_and_the_other_accepts(tmp_path: Path) -> None:
    """RQ-27: a new conversation, the same for both."""

    async def story(world: World) -> None:
        alice, bob, old = await friends(world)
        await alice.swarm.people.remove_contact(bob.account.id)
        await asyncio.sleep(5)
        await bob.swarm.people.remove_contact(alice.account.id)
        await asyncio.sleep(5)
        new = (await alice.swarm.people.add_contact(bob.account.id, addresses=[bob.address])).conversation
        await world.until(lambda: bool(bob.keeper.state.pending()))
        assert bob.keeper.state.pending()[0].offer.conversation == new
        await bob.accept_all()
        assert await common(world, alice, bob) == new != old
        assert shown(alice) == shown(bob) == {new}

    play(tmp_path, story)


def test_both_add_each_other_again_at_the_same_time_each_in_his_own_way(tmp_path: Path) -> None:
    """Who removed makes a new one, who was left behind invites into the old one: both are taken up, one is used, nobody is asked."""

    async def story(world: World) -> None:
        alice, bob, old = await friends(world)
        await alice.swarm.people.remove_contact(bob.account.id)
        await world.until(lambda: old not in alice.catalog.list())
        world.network.partition([[alice.host], [bob.host]])
        await asyncio.sleep(30)
        new = (await alice.swarm.people.add_contact(bob.account.id, addresses=[bob.address])).conversation
        await bob.swarm.people.add_contact(alice.account.id, addresses=[alice.address])
        world.network.heal()
        await world.until(lambda: shown(alice) == shown(bob) == {old, new}, 1_500.0)
        await world.until(lambda: used(alice, bob) == used(bob, alice) == min(shown(bob)), 60.0)
        await common(world, alice, bob)
        assert asked(alice) == 0

    play(tmp_path, story)


def test_of_a_request_that_was_withdrawn_and_made_again_one_waits_and_it_is_the_newer(tmp_path: Path) -> None:
    """ME-36: the older names a conversation that is no more."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        old = (await alice.swarm.people.add_contact(bob.account.id, addresses=[bob.address])).conversation
        await world.until(lambda: bool(bob.keeper.state.pending()))
        (request,) = bob.keeper.state.pending()
        assert (request.offer.sender, request.offer.conversation) == (alice.account.id, old)
        await alice.swarm.people.remove_contact(bob.account.id)
        assert alice.catalog.list() == ()
        await asyncio.sleep(5)
        new = (await alice.swarm.people.add_contact(bob.account.id, addresses=[bob.address])).conversation
        await world.until(lambda: [each.offer.conversation for each in bob.keeper.state.pending()] == [new])
        (gone,) = bob.seen("request.removed")
        assert gone.conversation == old  # type: ignore[union-attr]
        await bob.accept_all()
        assert await common(world, alice, bob) == new

    play(tmp_path, story)


def test_a_request_that_is_taken_back_waits_no_more(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        await alice.swarm.people.add_contact(bob.account.id, addresses=[bob.address])
        await world.until(lambda: bool(bob.keeper.state.pending()))
        await asyncio.sleep(2)
        await alice.swarm.people.remove_contact(bob.account.id)
        await world.until(lambda: bob.keeper.state.pending() == (), 5.0)
        assert len(bob.seen("request.removed")) == 1
        again = (await alice.swarm.people.add_contact(bob.account.id, addresses=[bob.address])).conversation
        await world.until(lambda: bool(bob.keeper.state.pending()))
        await bob.accept_all()
        assert await common(world, alice, bob) == again

    play(tmp_path, story)


def test_who_accepts_what_was_withdrawn_while_he_was_away_is_told_so(tmp_path: Path) -> None:
    """Else he would wait for it for ever."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = (await alice.swarm.people.add_contact(bob.account.id, addresses=[bob.address])).conversation
        await bob.knows(alice)
        await world.until(lambda: bool(bob.keeper.state.pending()))
        await bob.down()
        await alice.swarm.people.remove_contact(bob.account.id)
        await bob.up()
        await world.until(lambda: bob.linked(alice), 400.0)
        await bob.accept_all()
        await world.until(lambda: shown(bob) == set(), 5.0)
        (gone,) = bob.seen("conversation.removed")
        assert gone.conversation == where  # type: ignore[union-attr]
        assert bob.catalog.list() == ()
        assert used(bob, alice) is None
        new = (await bob.swarm.people.add_contact(alice.account.id)).conversation
        await world.until(lambda: bool(alice.keeper.state.pending()))
        await alice.accept_all()
        assert await common(world, alice, bob) == new

    play(tmp_path, story)


def test_who_accepted_what_was_withdrawn_uses_what_is_offered_next(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        await alice.swarm.people.add_contact(bob.account.id, addresses=[bob.address])
        await world.until(lambda: bool(bob.keeper.state.pending()))
        world.network.partition([[alice.host], [bob.host]])
        await asyncio.sleep(60)
        await alice.swarm.people.remove_contact(bob.account.id)
        await bob.accept_all()
        new = (await alice.swarm.people.add_contact(bob.account.id, addresses=[bob.address])).conversation
        world.network.heal()
        assert await common(world, alice, bob, 1_200.0) == new
        assert asked(bob) == 1

    play(tmp_path, story)


def test_two_who_remove_each_other_keep_nothing_of_it(tmp_path: Path) -> None:
    """RQ-11: both have gone, the contacts say when, and nothing lies on either disk."""

    async def story(world: World) -> None:
        alice, bob, _where = await friends(world)
        await bob.swarm.people.remove_contact(alice.account.id)
        assert len(bob.seen("conversation.removed")) == 1
        await world.until(lambda: bob.catalog.list() == (), 10.0)
        await alice.swarm.people.remove_contact(bob.account.id)
        assert len(alice.seen("conversation.removed")) == 1
        assert alice.catalog.list() == ()
        for one, other in ((alice, bob), (bob, alice)):
            contact = one.keeper.state.contact(other.account.id)
            assert (contact.active, contact.removed_ms > 0) == (False, True)

    play(tmp_path, story)


def test_who_removes_a_contact_leaves_every_one_to_one_with_it_and_no_group(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        group = await world.room(alice, bob)
        world.network.partition([[alice.host], [bob.host]])
        await alice.swarm.people.add_contact(bob.account.id)
        await bob.swarm.people.add_contact(alice.account.id)
        world.network.heal()
        await common(world, alice, bob, 1_200.0)
        await world.until(lambda: len(shown(bob)) == len(shown(alice)) == 3)
        await alice.swarm.people.remove_contact(bob.account.id)
        assert shown(alice) == {group}
        await world.until(lambda: alice.catalog.list() == (group,), 30.0)

    play(tmp_path, story)


def test_a_crash_while_a_contact_is_removed_leaves_no_conversation_with_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, where = await friends(world)
        await alice.down()
        alice.keeper.state, _ = alice.keeper.state.remove_contact(bob.account.id, now_ms=2**45)
        await alice.up()
        await world.until(lambda: shown(alice) == set(), 5.0)
        await world.until(lambda: not bob.catalog.open(where).roster.is_joined(alice.account.id), 400.0)

    play(tmp_path, story)


def test_a_contact_removed_before_the_clone_has_come_leaves_nothing(tmp_path: Path) -> None:
    """RQ-20: accepted, listed, not here yet."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        await alice.swarm.people.add_contact(bob.account.id, addresses=[bob.address])
        await world.until(lambda: bool(bob.keeper.state.pending()))
        await alice.down()
        await bob.accept_all()
        assert len(shown(bob)) == 1
        await bob.swarm.people.remove_contact(alice.account.id)
        assert shown(bob) == set()
        assert bob.catalog.list() == ()

    play(tmp_path, story)


def test_a_contact_whose_conversation_was_left_gets_a_fresh_one_when_it_is_added(tmp_path: Path) -> None:
    """RQ-14: the conversation in use is never the one that was left."""

    async def story(world: World) -> None:
        alice, bob, old = await friends(world)
        await bob.swarm.leave(old)
        assert used(bob, alice) is None
        new = (await bob.swarm.people.add_contact(alice.account.id)).conversation
        assert new not in {None, old}
        assert await common(world, alice, bob) == new
        assert asked(alice) == 0

    play(tmp_path, story)


def test_a_conversation_that_was_left_before_its_clone_had_come_is_not_in_use(tmp_path: Path) -> None:
    """RQ-21: and adding the contact again makes another."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        old = (await alice.swarm.people.add_contact(bob.account.id, addresses=[bob.address])).conversation
        await world.until(lambda: bool(bob.keeper.state.pending()))
        await alice.down()
        await bob.accept_all()
        assert old is not None
        await bob.swarm.leave(old)
        assert (shown(bob), used(bob, alice)) == (set(), None)
        await alice.up()
        new = (await bob.swarm.people.add_contact(alice.account.id, addresses=[alice.address])).conversation
        assert await common(world, alice, bob) == new != old

    play(tmp_path, story)


def test_a_conversation_that_was_purged_here_comes_back_when_the_contact_is_added(tmp_path: Path) -> None:
    """The other never heard of it and goes on using it: a new one would leave him talking to nobody."""

    async def story(world: World) -> None:
        alice, bob, where = await friends(world)
        said = await alice.post(where, "remember")
        await world.until(lambda: world.level(where, alice, bob))
        await bob.swarm.purge(where)
        assert bob.catalog.list() == ()
        await alice.post(where, "are you there?")
        await asyncio.sleep(60)
        contact = await bob.swarm.people.add_contact(alice.account.id)
        assert contact.conversation == where
        assert await common(world, alice, bob) == where
        assert bob.catalog.open(where).knows(said)
        assert asked(alice) + asked(bob) == 1

    play(tmp_path, story)


def test_who_left_a_conversation_on_purpose_is_asked_before_he_is_in_it_again(tmp_path: Path) -> None:
    """He kept the contact and left the conversation: that it is offered again is a question."""

    async def story(world: World) -> None:
        alice, bob, where = await friends(world)
        await bob.swarm.leave(where)
        await world.until(lambda: not alice.catalog.open(where).roster.is_joined(bob.account.id))
        await alice.swarm.people.add_contact(bob.account.id)
        await world.until(lambda: bool(bob.keeper.state.pending()))
        assert where not in shown(bob)
        await bob.accept_all()
        assert await common(world, alice, bob) == where

    play(tmp_path, story)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_two_do_they_end_with_one_conversation_when_both_want_it(tmp_path: Path, seed: int) -> None:
    """Adding, removing, leaving, declining, in any order, apart and together; then both add each other."""

    async def story(world: World) -> None:
        dice = random.Random(f"two {seed}")
        alice, bob = await world.house("alice"), await world.house("bob")
        pair = ((alice, bob), (bob, alice))
        for _ in range(14):
            one, other = dice.choice(pair)
            match dice.choice(("add", "add", "remove", "accept", "decline", "leave", "purge", "part", "heal")):
                case "add":
                    await one.swarm.people.add_contact(other.account.id, addresses=[other.address])
                case "remove" if one.keeper.state.is_contact(other.account.id):
                    await one.swarm.people.remove_contact(other.account.id)
                case "accept":
                    await one.accept_all()
                case "decline":
                    for request in one.keeper.state.pending():
                        await one.swarm.people.decline(request.id)
                case "leave" if shown(one):
                    await one.swarm.leave(dice.choice(sorted(shown(one))))
                case "purge" if shown(one):
                    await one.swarm.purge(dice.choice(sorted(shown(one))))
                case "part":
                    world.network.partition([[alice.host], [bob.host]])
                case "heal":
                    world.network.heal()
                case _:
                    pass
            await asyncio.sleep(dice.choice((0.2, 5, 90)))
        world.network.heal()
        await asyncio.sleep(90_000)  # what was declined is asked for again after a day
        for one, other in pair:
            await one.swarm.people.add_contact(other.account.id, addresses=[other.address])
            await asyncio.sleep(1_300)
        for house in (alice, bob):
            await house.accept_all()
        await common(world, alice, bob, 3_000.0)

    play(tmp_path, story)


# --- blocking


def test_blocking_a_contact_leaves_nothing_and_unblocking_goes_on_in_the_same_conversation(tmp_path: Path) -> None:
    """RQ-15, ME-34: no leave is written, the history stays; nothing is heard meanwhile, and all of it comes when he is unblocked."""

    async def story(world: World) -> None:
        alice, bob, where = await friends(world)
        await bob.swarm.people.block(alice.account.id)
        await world.until(lambda: not bob.linked(alice), 10.0)
        said = await alice.post(where, "are you there?")
        await asyncio.sleep(600)
        assert alice.catalog.open(where).roster.is_joined(bob.account.id)
        assert where in bob.catalog.list()
        assert not bob.catalog.open(where).knows(said)
        await bob.swarm.people.unblock(alice.account.id)
        assert await common(world, alice, bob, 400.0) == where
        assert bob.catalog.open(where).knows(said)

    play(tmp_path, story)


def test_adding_whom_one_has_blocked_unblocks_him(tmp_path: Path) -> None:
    """ME-34: as Jami does; to ask for somebody and not hear the answer would be a trap."""

    async def story(world: World) -> None:
        alice, bob, where = await friends(world)
        await bob.swarm.people.block(alice.account.id)
        await asyncio.sleep(60)
        contact = await bob.swarm.people.add_contact(alice.account.id, addresses=[alice.address])
        assert (contact.blocked, contact.conversation) == (False, where)
        assert await common(world, alice, bob, 400.0) == where

    play(tmp_path, story)


def test_who_is_blocked_and_starts_anew_gets_no_further_than_a_stranger(tmp_path: Path) -> None:
    """RQ-16: no conversation is spoken of with him."""

    async def story(world: World) -> None:
        alice, bob, where = await friends(world)
        await bob.swarm.people.block(alice.account.id)
        await asyncio.sleep(30)
        await alice.down()
        await alice.up()
        await alice.knows(bob)
        said = await alice.post(where, "let me in")
        await asyncio.sleep(600)
        assert not bob.catalog.open(where).knows(said)
        assert await alice.swarm.delivered(where, said, lambda who: bob.account.id in who, 30.0) == {}

    play(tmp_path, story)


def test_blocking_who_asks_declines_what_he_asked(tmp_path: Path) -> None:
    """RQ-17: it waits no more, and that is told."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        await alice.swarm.people.add_contact(bob.account.id, addresses=[bob.address])
        await world.until(lambda: bool(bob.keeper.state.pending()))
        await bob.swarm.people.block(alice.account.id)
        assert bob.keeper.state.pending() == ()
        assert len(bob.seen("request.removed")) == 1
        await asyncio.sleep(3 * INVITATION_RESEND_S)
        assert asked(bob) == 1

    play(tmp_path, story)
