"""A few whole nodes in virtual time: invitations, messages, bans, leaving. (SCP-04, SCP-06)"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from swarmchat.account.records import ConversationState
from swarmchat.commitlog.catalog import Catalog
from swarmchat.commitlog.log import CommitLog
from swarmchat.conversation.actions import Ban, CastVote, Unban
from swarmchat.errors import StorageError
from swarmchat.ids import ConversationId
from swarmchat.limits import INVITATIONS_CHECKED_S
from tests.support.swarms import World, play


def test_an_invited_account_clones_joins_and_talks(tmp_path: Path) -> None:
    """C-27, C-28"""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await alice.swarm.create(1, title="Garden")
        first = await alice.post(where, "before bob")
        await alice.knows(bob)
        await alice.swarm.invite(where, [bob.account.id])
        await world.until(lambda: bool(bob.keeper.state.pending()))
        (request,) = bob.keeper.state.pending()
        assert (request.offer.title, request.offer.mode, request.offer.sender) == ("Garden", 1, alice.account.id)
        await bob.swarm.people.accept(request.id)
        assert await bob.swarm.settled(where, 30.0) == "ready"
        assert bob.catalog.open(where).knows(first)
        await world.until(lambda: world.level(where, alice, bob))
        assert alice.keeper.state.invitations == {}
        said = await bob.post(where, "hello")
        took = await world.until(lambda: alice.catalog.open(where).knows(said))
        assert took < 0.5
        await world.until(lambda: alice.seen("message.added")[-1].id == said, 0.5)  # type: ignore[union-attr]

    play(tmp_path, story)


def test_a_message_changes_no_account_asks_no_own_devices_and_spells_no_certificate_anew(tmp_path: Path) -> None:
    """What each message costs besides itself: of all that a node keeps in step, nothing."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        await alice.swarm.delivered(where, await alice.post(where, "first"), lambda who: bob.account.id in who, 5.0)
        states = [house.keeper.state for house in (alice, bob)]
        writer = alice.swarm._parts.writer()
        said = await alice.post(where, "second")
        got = await alice.swarm.delivered(where, said, lambda who: bob.account.id in who, 5.0)
        assert set(got.values()) == {bob.account.id}
        assert [house.keeper.state for house in (alice, bob)] == states
        assert all(house.keeper.state is state for house, state in zip((alice, bob), states, strict=True))
        assert not any(house.swarm._own_marks._news.is_set() for house in (alice, bob))
        assert alice.swarm._parts.writer() is writer

    play(tmp_path, story)


def test_a_message_reaches_a_linked_device_with_its_announcement_and_is_acknowledged(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        served = 0
        serve = alice.swarm._board._serving.serve

        async def counted(channel: object) -> bool:
            nonlocal served
            served += 1
            return await serve(channel)  # type: ignore[arg-type]

        alice.swarm._board._serving.serve = counted  # type: ignore[method-assign]
        said = await alice.post(where, "one way")
        got = await alice.swarm.delivered(where, said, lambda who: bob.account.id in who, 5.0)
        assert set(got.values()) == {bob.account.id}
        assert served == 0  # it came inside the announcement
        (row,) = alice.swarm.status.sync(where)
        assert (row.account, row.behind, row.ahead, row.linked) == (bob.account.id, 0, 0, True)

    play(tmp_path, story)


def test_who_has_no_link_with_the_author_gets_it_through_others(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, carol = [await world.house(name) for name in ("alice", "bob", "carol")]
        where = await world.room(alice, bob, carol)
        assert not bob.linked(carol)  # neither knows an address of the other
        said = await bob.post(where, "to all")
        await world.until(lambda: carol.catalog.open(where).knows(said), 2.0)
        await world.until(lambda: world.level(where, alice, bob, carol))

    play(tmp_path, story)


def test_who_wrote_on_top_of_a_message_has_it_though_no_link_with_it_stands(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, carol = [await world.house(name) for name in ("alice", "bob", "carol")]
        where = await world.room(alice, bob, carol)
        said = await bob.post(where, "to all")
        await world.until(lambda: carol.catalog.open(where).knows(said), 2.0)
        heard = await bob.swarm.delivered(where, said, lambda _who: False, 30.0)
        assert carol.account.id not in heard.values()  # no link: nothing heard
        waiting = world.tasks.create_task(bob.swarm.delivered(where, said, lambda who: carol.account.id in who, 30.0))
        await carol.post(where, "heard")
        assert carol.account.id in (await waiting).values()
        assert not bob.linked(carol)
        (row,) = [row for row in bob.swarm.status.sync(where) if row.account == carol.account.id]
        assert (row.behind, row.ahead, row.as_of, row.linked) == (0, 0, None, False)

    play(tmp_path, story)


def test_what_was_written_apart_comes_together_after_a_partition(tmp_path: Path) -> None:
    """C-11, R-04"""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        world.network.partition([[alice.host], [bob.host]])
        await asyncio.sleep(120)
        mine = [await alice.post(where, f"alice {number}") for number in range(30)]
        yours = [await bob.post(where, f"bob {number}") for number in range(30)]
        assert not world.level(where, alice, bob)
        world.network.heal()
        await world.until(lambda: world.level(where, alice, bob), 400.0)
        for house in (alice, bob):
            assert all(house.catalog.open(where).knows(commit) for commit in mine + yours)

    play(tmp_path, story)


def test_what_was_written_while_the_node_was_down_is_announced_when_it_runs_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        await bob.down()
        said = await alice.post(where, "are you there")
        await bob.up()
        await bob.knows(alice)
        await world.until(lambda: bob.catalog.open(where).knows(said), 30.0)

    play(tmp_path, story)


def test_a_banned_account_loses_its_link_and_hears_no_more(tmp_path: Path) -> None:
    """ME-10"""

    async def story(world: World) -> None:
        alice, bob, carol = [await world.house(name) for name in ("alice", "bob", "carol")]
        where = await world.room(alice, bob, carol)
        await alice.swarm.append_all(where, [CastVote("ban", carol.account.id), Ban(carol.account.id)])
        await world.until(lambda: not alice.linked(carol), 5.0)
        said = await alice.post(where, "without carol")
        await world.until(lambda: bob.catalog.open(where).knows(said))
        await asyncio.sleep(600)
        assert not carol.catalog.open(where).knows(said)
        assert carol.account.device not in {link.peer.device for link in alice.swarm.links.links}

    play(tmp_path, story)


def test_who_is_banned_hears_of_the_unban(tmp_path: Path) -> None:
    """ME-16"""

    async def story(world: World) -> None:
        alice, bob, carol = [await world.house(name) for name in ("alice", "bob", "carol")]
        where = await world.room(alice, bob, carol)
        target = carol.account.id
        await alice.swarm.append_all(where, [CastVote("ban", target), Ban(target)])
        await world.until(lambda: carol.catalog.open(where).roster.is_banned(target), 5.0)
        await asyncio.sleep(600)
        await alice.swarm.append_all(where, [CastVote("unban", target), Unban(target)])
        await world.until(lambda: carol.catalog.open(where).roster.is_joined(target), 400.0)

    play(tmp_path, story)


def test_what_was_written_beside_a_ban_is_told_as_hidden_to_all(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, carol = [await world.house(name) for name in ("alice", "bob", "carol")]
        where = await world.room(alice, bob, carol)
        await bob.knows(carol)
        await world.until(lambda: bob.linked(carol))
        world.network.partition([[alice.host], [bob.host, carol.host]])
        await alice.swarm.append_all(where, [CastVote("ban", carol.account.id), Ban(carol.account.id)])
        said = await carol.post(where, "before anybody told me")
        await world.until(lambda: bob.catalog.open(where).knows(said))
        world.network.heal()
        await world.until(lambda: world.level(where, alice, bob), 400.0)
        for house in (alice, bob):
            await world.until(lambda house=house: bool(house.seen("message.hidden")))  # type: ignore[misc]
            assert [event.id for event in house.seen("message.hidden")] == [said]  # type: ignore[union-attr]

    play(tmp_path, story)


def test_a_contact_is_asked_accepts_and_is_confirmed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        contact = await alice.swarm.people.add_contact(bob.account.id, name="Bob", addresses=[bob.address])
        assert contact.conversation is not None
        await world.until(lambda: bool(bob.keeper.state.pending()))
        await bob.accept_all()
        assert await bob.swarm.settled(contact.conversation, 30.0) == "ready"
        await world.until(lambda: alice.keeper.state.contact(bob.account.id).confirmed_ms > 0)
        assert bob.keeper.state.is_contact(alice.account.id)
        said = await bob.post(contact.conversation, "hi")
        await world.until(lambda: alice.catalog.open(contact.conversation).knows(said))  # type: ignore[arg-type]

    play(tmp_path, story)


def test_a_blocked_account_sees_what_a_stranger_sees(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        await bob.swarm.people.block(alice.account.id)
        await alice.swarm.people.add_contact(bob.account.id, addresses=[bob.address])
        await world.until(lambda: any(i.delivered_ms for i in alice.keeper.state.invitations.values()))
        await asyncio.sleep(5)
        assert bob.keeper.state.pending() == ()
        assert bob.seen("request.added") == []

    play(tmp_path, story)


def test_who_left_hands_over_its_last_commit_and_forgets(tmp_path: Path) -> None:
    """ME-03"""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        await world.until(lambda: alice.linked(bob))
        world.network.partition([[alice.host], [bob.host]])
        await asyncio.sleep(60)
        await bob.swarm.leave(where)
        assert bob.swarm.state_of(where) == "closed"
        assert where in bob.catalog.list()  # nobody else has the leave yet
        world.network.heal()
        await world.until(lambda: not alice.catalog.open(where).roster.is_joined(bob.account.id), 400.0)
        await world.until(lambda: where not in bob.catalog.list(), 10.0)
        await bob.down()
        await bob.up()
        assert bob.swarm.state_of(where) == "closed"

    play(tmp_path, story)


def test_the_last_one_who_leaves_erases_at_once(tmp_path: Path) -> None:
    """ME-02"""

    async def story(world: World) -> None:
        alice = await world.house("alice")
        where = await alice.swarm.create(2)
        await alice.swarm.leave(where)
        assert alice.catalog.list() == ()

    play(tmp_path, story)


def test_a_restored_account_gets_its_conversations_from_their_members(tmp_path: Path) -> None:
    """SY-08: with no action of the user."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        again = await world.house("bob", 2)
        await again.down()
        again.keeper.state, _ = again.keeper.state.add_conversation(  # as an archive has it
            where, title="", mode=1, state=ConversationState.SYNCING, members=[alice.account.id], now_ms=1
        )
        await again.up()
        await again.knows(alice)
        assert await again.swarm.settled(where, 60.0) == "ready"
        said = await again.post(where, "from my new machine")
        await world.until(lambda: bob.catalog.open(where).knows(said))
        assert again.account.device in bob.catalog.open(where).roster.devices

    play(tmp_path, story)


def test_who_hears_of_a_conversation_it_does_not_know_asks_and_is_invited(tmp_path: Path) -> None:
    """SY-07: restored from a backup older than the conversation, with the first device gone; it accepts, and writes."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        await bob.down()
        again = await world.house("bob", 2)
        await again.knows(alice)
        again.keeper.state, _ = again.keeper.state.add_contact(alice.account.id, conversation=None, now_ms=1)
        again.swarm._parts.access.state = again.keeper.state
        again.swarm._board.reevaluate()
        await world.until(lambda: bool(again.keeper.state.pending()), 90.0)
        (request,) = again.keeper.state.pending()
        assert request.offer.conversation == where
        await again.accept_all()
        assert await again.swarm.settled(where, 60.0) == "ready"
        said = await again.post(where, "here again")
        await world.until(lambda: alice.catalog.open(where).knows(said))

    play(tmp_path, story)


def test_read_marks_and_typing_travel_over_links_only(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        said = await alice.post(where, "read this")
        await world.until(lambda: world.level(where, alice, bob))
        await bob.swarm.read(where, said)
        await bob.swarm.typing(where, on=True)
        await world.until(lambda: bool(alice.seen("read")) and bool(alice.seen("typing")))
        (mark,) = alice.seen("read")
        assert (mark.account, mark.commit) == (bob.account.id, said)  # type: ignore[union-attr]
        await world.until(lambda: len(alice.seen("typing")) == 2, 13.0)  # nobody said that it ended
        assert [event.on for event in alice.seen("typing")] == [True, False]  # type: ignore[union-attr]
        assert alice.receipts.read_marks(where)[bob.account.device].commit == said

    play(tmp_path, story)


def test_a_public_conversation_is_joined_by_its_link_without_invitation(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await alice.swarm.create(3)
        await bob.swarm.people.join(where, inviter=alice.account.id, addresses=[alice.address])
        assert await bob.swarm.settled(where, 60.0) == "ready"
        await world.until(lambda: world.level(where, alice, bob))

    play(tmp_path, story)


def test_a_long_history_is_cloned_and_its_progress_told(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await alice.swarm.create(1)
        said = await asyncio.gather(*(alice.post(where, f"message {number}") for number in range(300)))
        await alice.knows(bob)
        await alice.swarm.invite(where, [bob.account.id])
        await world.until(lambda: bool(bob.keeper.state.pending()))
        await bob.accept_all()
        assert await bob.swarm.settled(where, 60.0) == "ready"
        log = bob.catalog.open(where)
        assert all(log.knows(commit) for commit in said)
        assert [event.author for event in bob.seen("message.added")] == [bob.account.id]  # type: ignore[union-attr]  # its join: a clone is told as one thing
        assert [event.type for event in bob.events if event.type.startswith("conversation")][-1] == "conversation.ready"

    play(tmp_path, story)


def test_a_damaged_conversation_does_not_keep_the_others_from_opening(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice = await world.house("alice")
        good, bad = await alice.swarm.create(1), await alice.swarm.create(1)
        await alice.down()
        shutil.rmtree(tmp_path / "alice1" / "conversations" / f"{bad}.git" / "objects")
        await alice.up()
        assert (alice.swarm.state_of(good), alice.swarm.state_of(bad)) == ("ready", "closed")
        await alice.post(good, "still here")
        with pytest.raises(StorageError):
            await alice.swarm.log(bad)
        await alice.swarm.purge(bad)
        assert alice.catalog.list() == (good,)

    play(tmp_path, story)


def test_a_conversation_whose_folder_is_gone_is_cloned_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        said = await alice.post(where, "keep this")
        await world.until(lambda: world.level(where, alice, bob))
        await bob.down()
        shutil.rmtree(tmp_path / "bob1" / "conversations" / f"{where}.git")
        await bob.up()
        assert bob.swarm.state_of(where) == "syncing"
        await bob.knows(alice)
        assert await bob.swarm.settled(where, 60.0) == "ready"
        assert bob.catalog.open(where).knows(said)

    play(tmp_path, story)


def test_a_disk_that_refuses_costs_the_work_and_not_the_node(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        change = alice.keeper.change

        async def full(_step: object) -> None:
            raise StorageError("no space left")

        alice.keeper.change = full  # type: ignore[method-assign,assignment]
        with pytest.raises(StorageError):
            await alice.swarm.people.add_contact(bob.account.id)
        await bob.down()  # whose link brings mail to be noted down when it is back
        await bob.up()
        await world.until(lambda: alice.linked(bob))
        await asyncio.sleep(120)
        alice.keeper.change = change  # type: ignore[method-assign]
        said = await alice.post(where, "there is room again")
        await world.until(lambda: bob.catalog.open(where).knows(said))

    play(tmp_path, story)


def test_a_node_starts_on_a_full_disk_and_takes_up_what_waits_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, full = Catalog.prepare, [False]

    def checked(catalog: Catalog, conversation: ConversationId) -> CommitLog:
        if full[0]:
            raise StorageError("no space left")
        return prepare(catalog, conversation)

    monkeypatch.setattr(Catalog, "prepare", checked)

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where, whole = await world.room(alice, bob), await world.room(alice, bob)
        await bob.down()
        shutil.rmtree(tmp_path / "bob1" / "conversations" / f"{where}.git")
        full[0] = True
        await bob.up()
        assert (bob.swarm.state_of(where), bob.swarm.state_of(whole)) == ("closed", "ready")
        await bob.knows(alice)
        await asyncio.sleep(120)
        full[0] = False
        assert await world.until(lambda: bob.swarm.state_of(where) == "ready", 120.0) <= INVITATIONS_CHECKED_S + 5
        await world.until(lambda: world.level(where, alice, bob))

    play(tmp_path, story)


def test_a_clone_from_far_away_is_deflated_as_a_whole(tmp_path: Path) -> None:
    took: dict[str, int] = {}

    async def story(world: World) -> None:
        for net in ("10.0", "1.2"):
            alice, bob = await world.house("alice" + net, net=net), await world.house("bob" + net, net=net)
            where = await alice.swarm.create(1)
            await asyncio.gather(*(alice.post(where, f"message {number}") for number in range(200)))
            await alice.knows(bob)
            await alice.swarm.invite(where, [bob.account.id])
            await world.until(lambda: bool(bob.keeper.state.pending()))  # noqa: B023
            await bob.accept_all()
            assert await bob.swarm.settled(where, 60.0) == "ready"
            (link,) = bob.swarm.links.links
            took[net] = link.bytes_in
        assert took["1.2"] < 0.7 * took["10.0"]

    play(tmp_path, story)


def test_messages_sent_at_once_share_one_write(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice = await world.house("alice")
        where = await alice.swarm.create(1)
        writes = 0
        log = alice.catalog.open(where)
        append_all = log.append_all

        def counted(items: object) -> object:
            nonlocal writes
            writes += 1
            return append_all(items)  # type: ignore[arg-type]

        log.append_all = counted  # type: ignore[method-assign,assignment]
        await asyncio.gather(*(alice.post(where, f"{number}") for number in range(50)))
        assert writes == 1
        assert len(log.history) == 51

    play(tmp_path, story)
