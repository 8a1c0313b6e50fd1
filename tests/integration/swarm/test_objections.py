"""A clone that is not what it should be: why is told, and the user can agree to another mode. (SCP-06 §5, §9)"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from swarmchat.commitlog import judging
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.ids import ConversationId
from swarmchat.swarm.objections import Cause
from tests.support.swarms import House, World, play


async def invited(world: World, mode: Any) -> tuple[House, House, ConversationId]:
    """Alice has a conversation, and an invitation waits at Bob's."""
    alice, bob = await world.house("alice"), await world.house("bob")
    where = await alice.swarm.create(mode, title="Garden")
    await alice.knows(bob)
    await alice.swarm.invite(where, [bob.account.id])
    await world.until(lambda: bool(bob.keeper.state.pending()))
    return alice, bob, where


def promise(bob: House, mode: int) -> None:
    """The inviter said another mode than is true."""
    state = bob.keeper.state
    lies = {name: replace(one, offer=replace(one.offer, mode=mode)) for name, one in state.requests.items()}
    bob.keeper.state = replace(state, requests=MappingProxyType(lies))


def test_another_mode_than_was_offered_waits_until_the_user_agrees(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        alice, bob, where = await invited(world, 2)
        promise(bob, 1)
        await bob.accept_all()
        assert await bob.swarm.settled(where, 30.0) == "refused"
        objection = bob.swarm.objection(where)
        assert objection is not None
        assert objection.cause is Cause.OTHER_MODE
        (told,) = bob.seen("conversation.refused")
        assert told.detail == objection.text  # type: ignore[union-attr]
        await bob.down()
        await bob.up()
        assert await bob.swarm.settled(where, 30.0) == "refused"
        assert bob.swarm.objection(where) == objection
        await bob.swarm.confirm_mode(where)
        assert await bob.swarm.settled(where, 30.0) == "ready"
        assert bob.swarm.objection(where) is None
        await world.until(lambda: world.level(where, alice, bob))

    play(tmp_path, story)


def test_who_agrees_to_any_mode_beforehand_is_not_asked(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        _, bob, where = await invited(world, 2)
        promise(bob, 1)
        await bob.accept_all()
        await bob.swarm.confirm_mode(where)
        assert await bob.swarm.settled(where, 30.0) == "ready"
        assert bob.seen("conversation.refused") == []

    play(tmp_path, story)


def test_agreeing_to_a_mode_brings_nobody_where_he_is_not_invited(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        _, bob, where = await invited(world, 2)
        await bob.accept_all()
        assert await bob.swarm.settled(where, 30.0) == "ready"
        await bob.swarm.confirm_mode(where)
        assert bob.swarm._rooms.clones._agreed == set(), "there is nothing to agree to"

    play(tmp_path, story)


def test_an_invalid_history_is_blamed_on_its_first_bad_commit_also_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        alice, bob, where = await invited(world, 2)
        await alice.post(where, "on top")

        def harsh(commit: Any, *_facts: Any, **_more: Any) -> Rejection:
            return Rejection(Reason.MALFORMED_MESSAGE, "nothing pleases this judge", commit=commit.id)

        with monkeypatch.context() as bobs_law:
            bobs_law.setattr(judging, "judge", harsh)
            await bob.accept_all()
            assert await bob.swarm.settled(where, 30.0) == "refused"
        objection = bob.swarm.objection(where)
        assert objection is not None
        assert (objection.cause, objection.commit) == (Cause.INVALID, where)
        assert objection.rule == Reason.MALFORMED_MESSAGE.rule
        assert "nothing pleases this judge" in objection.text
        (told,) = bob.seen("conversation.refused")
        assert (told.commit, told.rule) == (where, objection.rule)  # type: ignore[union-attr]
        assert (await bob.swarm.log(where)).is_empty
        await world.until(lambda: bool(bob.keeper.state.conversations[where].refused))  # not to be tried again
        await bob.down()
        await bob.up()
        assert bob.swarm.state_of(where) == "refused"
        assert bob.swarm.objection(where) == objection

    play(tmp_path, story)
