"""A member who keeps to the grammar and not to the spirit: forks, floods of heads, words from before a ban. (SCP-02 §6, §8.2)"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from swarmchat import limits
from swarmchat.conversation.actions import Ban, CastVote, Post
from swarmchat.ids import CommitId, ConversationId
from swarmchat.limits import PUSH_PACK_BYTES_MAX
from swarmchat.links.channel import Channel
from swarmchat.swarm import messages, session
from swarmchat.swarm.messages import Shared
from tests.support.commitlogs import Object, packed
from tests.support.loopback import Loopback, level, play
from tests.support.rogue import Rogue

Fork = tuple[CommitId, list[Object]]


async def pushed(bob: Rogue, channel: Channel, where: ConversationId, forks: Sequence[Fork], size: int = 100) -> None:
    """Inside announcements, as many as these hold."""
    for batch in (forks[start : start + size] for start in range(0, len(forks), size)):
        data = packed([each for _, objects in batch for each in objects])
        assert len(data) <= PUSH_PACK_BYTES_MAX
        await bob.push(channel, where, data, [commit for commit, _ in batch])
        await asyncio.sleep(0.01)


def test_branches_from_everywhere_in_the_past_change_nothing_that_others_see(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob = await world.rogue("bob")
        where = await world.room(alice, carol, rogues=[bob])
        for number in range(30):
            await (alice, carol)[number % 2].say(where, f"line {number}")
        await world.until(lambda: level(where, alice, carol))
        before = [text for text in await alice.texts(where) if text.startswith("line")]
        members = await alice.door.member_list(conversation=where)
        dice = random.Random(7)
        async with bob.linked(alice.address) as link:
            await bob.fetch(link, where)
            log = bob.log(where)
            past = [e.id for e in log.history.entries if not e.is_merge and bob.person.id in log.roster_at(e.id).joined]
            forks = [bob.forge(where, Post(f"other past {n}"), parent=dice.choice(past)) for n in range(150)]
            channel = await bob.sync(link, Shared(where, log.heads))
            await pushed(bob, channel, where, forks)
            await world.until(lambda: all(alice.log(where).knows(commit) for commit, _ in forks))
        await world.until(lambda: level(where, alice, carol))
        assert alice.log(where).main == carol.log(where).main
        for node in (alice, carol):
            texts = await node.texts(where)
            assert [text for text in texts if text.startswith("line")] == before
        assert await alice.texts(where) == await carol.texts(where)
        assert await alice.door.member_list(conversation=where) == members
        await world.unharmed(where, alice, carol)

    play(tmp_path, story)


def test_a_flood_of_heads_is_taken_and_the_others_still_talk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bound = 256  # of heads that one merge of all takes, and one message names; 1,024 would only take longer
    monkeypatch.setattr(limits, "MERGED_HEADS_MAX", bound)
    for module in (messages, session):
        monkeypatch.setattr(module, "WANTED_HEADS_MAX", bound)

    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob = await world.rogue("bob")
        where = await world.room(alice, carol, rogues=[bob])
        async with bob.linked(alice.address) as link:
            await bob.fetch(link, where)
            base = bob.log(where).heads
            forks = [bob.forge(where, Post(f"head {n}"), parent=base[0]) for n in range(2 * bound + 40)]
            channel = await bob.sync(link, Shared(where, base))
            await pushed(bob, channel, where, forks)
            await world.until(lambda: all(alice.log(where).knows(commit) for commit, _ in forks), 30.0)
            assert len(alice.log(where).held) == bound + 40
            for number in range(3):
                said = await carol.say(where, f"above the flood {number}")
                await world.until(lambda: alice.log(where).knows(said), 20.0)  # type: ignore[arg-type]  # noqa: B023
        assert alice.log(where).held == ()  # what was written since has joined them all, a part at a time
        await world.unharmed(where, alice, carol, within_s=20.0)

    play(tmp_path, story)


def test_words_that_a_banned_device_dates_back_are_hidden_whoever_brings_them(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice, carol = await world.node("alice"), await world.node("carol")
        bob, eve = await world.rogue("bob"), await world.rogue("eve")
        where = await world.room(alice, carol, rogues=[bob, eve])
        async with bob.linked(alice.address) as link:
            await bob.fetch(link, where)
        old = bob.log(where).heads
        entry = bob.log(where).history[old[0]]
        await alice.swarm.append_all(where, [CastVote("ban", bob.account.id), Ban(bob.account.id)])
        await world.until(lambda: carol.log(where).roster.is_banned(bob.account.id))
        late, objects = bob.forge(where, Post("I said this long before"), parent=old[0], time=entry.fact.time + 1)
        async with eve.linked(alice.address) as link:  # a friend who is still a member hands it in
            await eve.fetch(link, where)
            channel = await eve.sync(link, Shared(where, alice.log(where).heads))
            await eve.push(channel, where, objects, [late], since=old)
            await world.until(lambda: alice.log(where).knows(late))
        await world.until(lambda: level(where, alice, carol))
        for node in (alice, carol):
            assert "I said this long before" not in await node.texts(where)
            hidden = await node.door.message_list(conversation=where, hidden=True)
            assert [line["id"] for line in hidden] == [late]
            assert node.log(where).roster.is_banned(bob.account.id)
        await world.unharmed(where, alice, carol)

    play(tmp_path, story)
