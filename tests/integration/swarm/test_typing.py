"""Who types, told over links to members and never to others. (SCP-04 §6.2)"""

from __future__ import annotations

from pathlib import Path

from swarmchat.conversation.actions import Ban, CastVote
from swarmchat.ids import AccountId, ConversationId
from swarmchat.limits import TYPING_INTERVAL_S, TYPING_TIMEOUT_S
from swarmchat.swarm.events import TypingChanged
from swarmchat.swarm.swarm import Settings
from tests.support.swarms import House, World, play


def typed(house: House) -> list[tuple[AccountId, bool]]:
    """Who was seen to type or to stop, by account."""
    seen = [event for event in house.events if isinstance(event, TypingChanged)]
    return [(event.account, event.on) for event in seen]


def test_typing_is_seen_and_its_end_too(tmp_path: Path) -> None:
    """TY-01: on is seen at once, off as soon as it is said."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        await alice.swarm.typing(where, on=True)
        await world.until(lambda: typed(bob) == [(alice.account.id, True)], 5.0)
        await alice.swarm.typing(where, on=False)
        await world.until(lambda: typed(bob)[1:] == [(alice.account.id, False)], 5.0)
        assert typed(alice) == []

    play(tmp_path, story)


def test_who_says_nothing_more_has_stopped_after_twelve_seconds(tmp_path: Path) -> None:
    """TY-02: nobody said that it ended."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        await alice.swarm.typing(where, on=True)
        await world.until(lambda: len(typed(bob)) == 1, 5.0)
        passed = await world.until(lambda: len(typed(bob)) == 2, TYPING_TIMEOUT_S + 1)
        assert passed >= TYPING_TIMEOUT_S - 1
        assert typed(bob)[1] == (alice.account.id, False)

    play(tmp_path, story)


def test_who_is_removed_has_stopped_typing(tmp_path: Path) -> None:
    """TY-03: a ban ends the typing of who is banned, at once."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        await bob.swarm.typing(where, on=True)
        await world.until(lambda: len(typed(alice)) == 1, 5.0)
        await alice.swarm.append_all(where, [CastVote("ban", bob.account.id), Ban(bob.account.id)])
        await world.until(lambda: typed(alice)[1:] == [(bob.account.id, False)], 5.0)

    play(tmp_path, story)


def test_with_the_switch_off_nobody_sees_it(tmp_path: Path) -> None:
    """TY-04: `send_typing` off tells nobody."""

    async def story(world: World) -> None:
        alice, bob = await world.house("alice"), await world.house("bob")
        where = await world.room(alice, bob)
        await alice.down()
        alice.settings = Settings(send_typing=False)
        await alice.up()
        await world.until(lambda: bool(_listeners(alice, where)) and bool(_listeners(bob, where)))
        await alice.swarm.typing(where, on=True)
        await bob.swarm.typing(where, on=True)
        await world.until(lambda: len(typed(alice)) == 1, 5.0)  # the other way it goes
        assert typed(bob) == []

    play(tmp_path, story)


def test_who_is_only_invited_sees_nobody_type(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, carol = [await world.house(name) for name in ("alice", "bob", "carol")]
        where = await world.room(alice, bob)
        other = await world.room(alice, carol)

        async def never(_conversation: ConversationId) -> None:
            pass

        carol.swarm._rooms.clones._join = never  # type: ignore[method-assign]
        await alice.swarm.invite(where, [carol.account.id])
        await world.until(lambda: bool(carol.keeper.state.pending()))
        await carol.accept_all()
        await world.until(lambda: carol.account.device in _listeners(alice, where))
        await alice.swarm.typing(where, on=True)
        await alice.swarm.typing(other, on=True)
        await world.until(lambda: len(typed(bob)) == 1, TYPING_INTERVAL_S)
        await world.until(lambda: len(typed(carol)) == 1, TYPING_INTERVAL_S)
        (seen,) = carol.seen("typing")
        assert seen.conversation == other  # type: ignore[union-attr]

    play(tmp_path, story)


def _listeners(house: House, where: ConversationId) -> list[str]:
    return [device for _, device in house.swarm._board.listeners(where)]
