"""Groups of a few whole nodes in virtual time: who hears what, who waits for whom, what a restart leaves. (SCP-04, SCP-06)"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from swarmchat.account.records import ConversationState
from swarmchat.commitlog.writing import Admission
from swarmchat.conversation import profile
from swarmchat.conversation.actions import Add, Ban, CastVote, Kick, Promote, UpdateProfile
from swarmchat.conversation.rejection import Rejection
from swarmchat.limits import INVITATION_RESEND_S
from swarmchat.swarm import rooms
from tests.support.swarms import House, World, play


def told(house: House, *commits: str) -> list[str]:
    """The messages among these that the house was told of, in order, each as often as it was told."""
    return [event.id for event in house.seen("message.added") if event.id in commits]  # type: ignore[union-attr]


async def friends(world: World, alice: House, bob: House) -> None:
    where = (await alice.swarm.people.add_contact(bob.account.id, addresses=[bob.address])).conversation
    assert where is not None
    await world.until(lambda: bool(bob.keeper.state.pending()))
    await bob.accept_all()
    assert await bob.swarm.settled(where, 60.0) == "ready"
    await world.until(lambda: world.level(where, alice, bob))


# --- inviting


def test_who_is_invited_shows_as_such_until_he_joins(tmp_path: Path) -> None:
    """C-07, RQ-03, ME-04: one request, named by its conversation; then his certificate instead of the invitation, and messages."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await alice.swarm.create(2)
        await alice.knows(bob)
        await alice.swarm.invite(where, [bob.account.id])
        assert f"invited/{bob.account.id}" in alice.catalog.open(where).roster.files
        await world.until(lambda: bool(bob.keeper.state.pending()))
        (request,) = bob.keeper.state.pending()
        assert request.offer.conversation == where
        await bob.swarm.people.accept(request.id)
        assert await bob.swarm.settled(where, 30.0) == "ready"
        files = bob.catalog.open(where).roster.files
        assert f"invited/{bob.account.id}" not in files
        assert f"members/{bob.account.id}.crt" in files
        said = await alice.post(where, "welcome")
        await world.until(lambda: told(bob, said) == [said])

    play(tmp_path, story)


def test_two_who_accept_at_the_same_moment_are_both_in_it(tmp_path: Path) -> None:
    """C-12"""

    async def story(world: World) -> None:
        alice, bob, carol = [await world.house(name) for name in ("alice", "bob", "carol")]
        where = await alice.swarm.create(2)
        await alice.knows(bob)
        await alice.knows(carol)
        await alice.swarm.invite(where, [bob.account.id, carol.account.id])
        await world.until(lambda: all(house.keeper.state.pending() for house in (bob, carol)))
        await asyncio.gather(bob.accept_all(), carol.accept_all())
        await world.until(lambda: len(alice.catalog.open(where).roster.joined) == 3)
        said = await alice.post(where, "both here?")
        await world.until(lambda: told(bob, said) == told(carol, said) == [said])
        await world.until(lambda: world.level(where, alice, bob, carol))

    play(tmp_path, story)


def test_messages_to_and_fro_come_once_each(tmp_path: Path) -> None:
    """C-13"""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        words: list[str] = []
        for number in range(4):
            one = (alice, bob)[number % 2]
            words.append(await one.post(where, f"number {number}"))
            await world.until(lambda: told(alice, *words) == told(bob, *words) == words)
        await asyncio.sleep(60)
        assert told(alice, *words) == told(bob, *words) == words

    play(tmp_path, story)


def test_who_is_offline_is_asked_when_he_comes_and_seen_to_join(tmp_path: Path) -> None:
    """ME-06, RQ-18: to a group and to be a contact; nothing is asked of him twice."""

    async def story(world: World) -> None:
        alice, carol = await world.house("alice"), await world.house("carol")
        await carol.down()
        where = await alice.swarm.create(1)
        await alice.knows(carol)
        await alice.swarm.invite(where, [carol.account.id])
        await alice.swarm.people.add_contact(carol.account.id)
        await asyncio.sleep(2 * INVITATION_RESEND_S)
        await carol.up()
        await world.until(lambda: len(carol.keeper.state.pending()) == 2, 400.0)
        await carol.accept_all()
        assert await carol.swarm.settled(where, 60.0) == "ready"
        await world.until(lambda: alice.catalog.open(where).roster.is_joined(carol.account.id))
        await world.until(lambda: alice.keeper.state.contact(carol.account.id).confirmed_ms > 0)
        await asyncio.sleep(3 * INVITATION_RESEND_S)
        assert len(carol.seen("request.added")) == 2
        assert alice.keeper.state.invitations == {}

    play(tmp_path, story)


def test_what_was_accepted_while_the_inviter_is_away_waits_with_its_title_and_comes_later(tmp_path: Path) -> None:
    """ME-07, C-27, C-28, C-33, RQ-28: also over a restart of who accepted."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await alice.swarm.create(1, title="Garden")
        await alice.knows(bob)
        await alice.swarm.invite(where, [bob.account.id])
        await world.until(lambda: bool(bob.keeper.state.pending()))
        (request,) = bob.keeper.state.pending()
        assert (request.offer.title, request.offer.description) == ("Garden", "")
        await alice.down()
        await bob.accept_all()
        await asyncio.sleep(600)
        await bob.down()
        await bob.up()
        known = bob.keeper.state.conversations[where]
        assert (known.title, known.state, known.added_ms > 0) == ("Garden", ConversationState.SYNCING, True)
        assert bob.swarm.state_of(where) == "syncing"
        await alice.up()
        await bob.knows(alice)
        assert await bob.swarm.settled(where, 60.0) == "ready"
        assert bob.keeper.state.conversations[where].state is ConversationState.ACTIVE

    play(tmp_path, story)


def test_what_was_declined_is_not_asked_again_after_a_restart_however_often_it_is_sent(tmp_path: Path) -> None:
    """RQ-04, RQ-08, RQ-19: of a group and of a contact alike."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await alice.swarm.create(1)
        await alice.knows(bob)
        await alice.swarm.invite(where, [bob.account.id])
        await alice.swarm.people.add_contact(bob.account.id)
        await world.until(lambda: len(bob.keeper.state.pending()) == 2)
        for request in bob.keeper.state.pending():
            await bob.swarm.people.decline(request.id)
        assert bob.keeper.state.pending() == ()
        assert len(bob.seen("request.removed")) == 2
        await bob.down()
        await bob.up()
        await asyncio.sleep(2 * 86_400)
        assert bob.keeper.state.pending() == ()
        assert len(bob.seen("request.added")) == 2

    play(tmp_path, story)


def test_an_invitation_that_is_taken_back_waits_no_more(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await alice.swarm.create(1)
        await alice.knows(bob)
        await alice.swarm.invite(where, [bob.account.id])
        await world.until(lambda: bool(bob.keeper.state.pending()))
        await asyncio.sleep(2)
        await alice.swarm.append(where, Kick(bob.account.id))
        await world.until(lambda: bob.keeper.state.pending() == (), 5.0)
        await asyncio.sleep(2)
        await alice.swarm.invite(where, [bob.account.id])
        await world.until(lambda: bool(bob.keeper.state.pending()), 30.0)
        await bob.accept_all()
        assert await bob.swarm.settled(where, 30.0) == "ready"

    play(tmp_path, story)


def test_who_accepts_what_was_taken_back_while_he_was_away_is_told_so(tmp_path: Path) -> None:
    """And whoever asks without having been invited once hears nothing, not even whether there is such a group."""

    async def story(world: World) -> None:
        alice, bob, eve = [await world.house(name) for name in ("alice", "bob", "eve")]
        where = await alice.swarm.create(1)
        await alice.knows(bob)
        await bob.knows(alice)
        await alice.swarm.invite(where, [bob.account.id])
        await world.until(lambda: bool(bob.keeper.state.pending()))
        await bob.down()
        await alice.swarm.append(where, Kick(bob.account.id))
        await bob.up()
        await bob.accept_all()
        await world.until(lambda: bool(bob.seen("conversation.removed")), 400.0)
        assert bob.swarm.state_of(where) == "closed"
        assert bob.catalog.list() == ()
        await eve.swarm.people.join(where, inviter=alice.account.id, addresses=[alice.address])
        await asyncio.sleep(600)
        assert eve.swarm.state_of(where) == "syncing"

    play(tmp_path, story)


def test_whether_somebody_was_invited_once_is_looked_for_among_the_newest_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any stranger who knows the id may ask: the answer must not cost a long history."""

    async def story(world: World) -> None:
        alice, bob, eve = [await world.house(name) for name in ("alice", "bob", "eve")]
        where = await alice.swarm.create(1)
        await alice.swarm.invite(where, [bob.account.id])
        await alice.swarm.append(where, Kick(bob.account.id))
        for most, found in ((1, False), (2, True)):
            monkeypatch.setattr(rooms, "INVITATIONS_LOOKED_BACK_MAX", most)
            assert alice.swarm._rooms.has_invited(bob.account.id, where) is found
        assert not alice.swarm._rooms.has_invited(eve.account.id, where)

    play(tmp_path, story)


def test_one_clone_after_the_other_is_told_of(tmp_path: Path) -> None:
    """CC-01: also when much was fetched in between."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        first = await world.room(alice, bob)
        for number in range(5):
            said = await alice.post(first, f"number {number}")
            await world.until(lambda said=said: bob.catalog.open(first).knows(said))  # type: ignore[misc]
        second = await world.room(alice, bob)
        ready = [event.conversation for event in bob.seen("conversation.ready")]  # type: ignore[union-attr]
        assert ready == [first, second]

    play(tmp_path, story)


# --- what a group shows


def test_the_title_that_an_admin_gives_comes_to_all(tmp_path: Path) -> None:
    """C-26"""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        await alice.swarm.append(where, UpdateProfile(), profile=profile.write(profile.Profile(title="Garden")))
        for house in (alice, bob):
            await world.until(lambda house=house: bool(house.seen("conversation.updated")))  # type: ignore[misc]
            found = house.catalog.open(where).roster.profile
            assert found is not None
            shown = profile.parse(found)
            assert (shown.title, shown.description) == ("Garden", "")
            assert house.keeper.state.conversations[where].title == "Garden"

    play(tmp_path, story)


def test_a_title_by_a_member_is_refused_on_his_own_device(tmp_path: Path) -> None:
    """C-30"""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        refused = await bob.swarm.append(
            where, UpdateProfile(), profile=profile.write(profile.Profile(title="Bob's garden"))
        )
        assert isinstance(refused, Rejection)
        assert world.level(where, alice, bob)

    play(tmp_path, story)


# --- removing people


def test_who_is_banned_in_a_group_hears_nothing_of_it_on_a_link_that_stands_for_something_else(tmp_path: Path) -> None:
    """ME-10, ME-11: Bob and Carol are contacts; what she says in the group reaches Alice and not him."""

    async def story(world: World) -> None:
        alice, bob, carol = [await world.house(name) for name in ("alice", "bob", "carol")]
        where = await world.room(alice, bob, carol)
        await friends(world, bob, carol)
        await alice.swarm.append_all(where, [CastVote("ban", bob.account.id), Ban(bob.account.id)])
        await world.until(lambda: carol.catalog.open(where).roster.is_banned(bob.account.id))
        words = [await alice.post(where, "from the admin"), await carol.post(where, "from a member")]
        await world.until(lambda: sorted(told(alice, *words)) == sorted(words))
        await asyncio.sleep(600)
        assert bob.linked(carol)
        assert not any(bob.catalog.open(where).knows(word) for word in words)

    play(tmp_path, story)


def test_an_invitation_that_is_banned_is_banned_for_all_and_they_go_on(tmp_path: Path) -> None:
    """ME-09, ME-12: two commits by the sole admin."""

    async def story(world: World) -> None:
        alice, bob, carol = [await world.house(name) for name in ("alice", "bob", "carol")]
        where = await world.room(alice, carol)
        await alice.swarm.invite(where, [bob.account.id])
        before = len(alice.catalog.open(where).history)
        outcomes = await alice.swarm.append_all(where, [CastVote("ban", bob.account.id), Ban(bob.account.id)])
        assert all(isinstance(outcome, Admission) for outcome in outcomes)
        assert len(alice.catalog.open(where).history) == before + 2
        await world.until(lambda: world.level(where, alice, carol))
        for house in (alice, carol):
            assert dict(house.catalog.open(where).roster.banned) == {bob.account.id: "invited"}
        said = await alice.post(where, "still here?")
        await world.until(lambda: told(carol, said) == [said])

    play(tmp_path, story)


def test_a_member_removes_nobody(tmp_path: Path) -> None:
    """ME-14, ME-18, ME-20: not an admin; he brings no banned one back; and no admin kicks himself."""

    async def story(world: World) -> None:
        alice, bob, carol = [await world.house(name) for name in ("alice", "bob", "carol")]
        where = await world.room(alice, bob, carol, mode=2)
        await alice.swarm.append_all(where, [CastVote("ban", carol.account.id), Ban(carol.account.id)])
        await world.until(lambda: bob.catalog.open(where).roster.is_banned(carol.account.id))
        for house, action in (
            (bob, Kick(alice.account.id)),
            (bob, Add(carol.account.id)),
            (bob, CastVote("unban", carol.account.id)),
            (bob, Promote(bob.account.id)),
            (alice, Kick(alice.account.id)),
        ):
            assert isinstance(await house.swarm.append(where, action), Rejection)
        roster = alice.catalog.open(where).roster
        assert (set(roster.joined), roster.is_banned(carol.account.id)) == ({alice.account.id, bob.account.id}, True)

    play(tmp_path, story)


# --- who is there


def test_who_goes_is_seen_to_go_and_found_again_when_he_is_back(tmp_path: Path) -> None:
    """B-01, B-02, B-05: linked after joining, not linked when the only other one is off, linked again though nobody is new."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)

        def linked(house: House) -> list[bool]:
            return [row.linked for row in house.swarm.status.sync(where)]

        assert linked(alice) == linked(bob) == [True]
        await bob.down()
        assert await world.until(lambda: linked(alice) == [False], 60.0) <= 60.0
        await asyncio.sleep(600)
        await bob.up()
        await world.until(lambda: linked(alice) == linked(bob) == [True], 400.0)
        await alice.down()
        await alice.up()
        await world.until(lambda: linked(alice) == linked(bob) == [True], 400.0)

    play(tmp_path, story)


def test_when_most_go_at_once_the_others_talk_on_and_hold_none_of_the_gone_for_linked(tmp_path: Path) -> None:
    """RT-10, RT-12, RT-19, RT-20: all are linked with all though each was told of one, also who comes late; then half of them vanish."""

    async def story(world: World) -> None:
        names = ("alice", "bob", "carol", "dave", "eve", "frank")
        houses = [await world.house(name, tells=True) for name in names]
        where = await world.room(*houses[:4])
        late = houses[4:]
        for house in late:
            await houses[0].knows(house)
        await houses[0].swarm.invite(where, [house.account.id for house in late])
        for house in late:
            await world.until(lambda house=house: bool(house.keeper.state.pending()))  # type: ignore[misc]
            await house.accept_all()
        await world.until(
            lambda: all(one.linked(other) for one in houses for other in houses if one is not other), 400.0
        )
        stay, go = houses[:3], houses[3:]
        await asyncio.gather(*(house.down() for house in go))
        await world.until(lambda: not any(one.linked(other) for one in stay for other in go), 60.0)
        said = await stay[2].post(where, "who is left?")
        await world.until(lambda: all(house.catalog.open(where).knows(said) for house in stay))

    play(tmp_path, story)


# --- what a start finds


def test_a_contact_that_forgot_its_conversation_finds_it_again_at_the_next_start(tmp_path: Path) -> None:
    """C-43"""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        await friends(world, alice, bob)
        who = bob.account.id
        where = alice.keeper.state.contact(who).conversation
        await alice.down()
        alice.keeper.state, _ = alice.keeper.state.use_pair(who, None)
        await alice.up()
        await world.until(lambda: alice.keeper.state.contact(who).conversation == where, 5.0)

    play(tmp_path, story)


def test_a_conversation_that_was_left_and_lies_on_the_disk_again_is_erased_at_the_next_start(tmp_path: Path) -> None:
    """C-48: a copy from before the leave, put back by hand or by a backup."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        await friends(world, alice, bob)
        where = alice.keeper.state.contact(bob.account.id).conversation
        assert where is not None
        await alice.down()
        folder, copy = tmp_path / "alice1" / "conversations", tmp_path / "copy"
        shutil.copytree(folder, copy)
        await alice.up()
        await alice.swarm.people.remove_contact(bob.account.id)
        await world.until(lambda: where not in alice.catalog.list(), 400.0)
        await alice.down()
        shutil.copytree(copy, folder, dirs_exist_ok=True)
        await alice.up()
        assert where not in alice.catalog.list()
        assert alice.swarm.state_of(where) == "closed"

    play(tmp_path, story)
