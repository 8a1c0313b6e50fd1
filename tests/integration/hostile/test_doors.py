"""What users can do about hostile devices, and that it reaches whom they mean. (SCP-02 §5.5, §8.2)"""

from __future__ import annotations

from pathlib import Path

import pytest

from swarmchat.conversation.actions import Post, UpdateDevice
from swarmchat.conversation.rejection import Reason
from swarmchat.errors import SwarmchatError
from swarmchat.limits import PUSH_PACK_BYTES_MAX
from swarmchat.swarm.messages import Shared
from tests.support.builders import ALICE, CAROL, DAVE, NOW
from tests.support.commitlogs import must, writer
from tests.support.loopback import Loopback, play
from tests.support.partitions import everywhere, found, says
from tests.support.rogue import other_device


def test_w27_a_device_is_banned_by_its_whole_id_and_its_owner_goes_on(tmp_path: Path) -> None:
    async def story(world: Loopback) -> None:
        alice = await world.node("alice")
        bob = await world.rogue("bob")
        where = await world.room(alice, rogues=[bob])
        now = int(alice.node.runtime.now())
        stolen = other_device(bob.person, now=now)
        async with bob.linked(alice.address) as link:
            await bob.fetch(link, where)
            base = bob.log(where).heads
            must(bob.log(where).append(Post("from another device"), writer(stolen), now=now))
            pack = bob.log(where).small_pack(base, PUSH_PACK_BYTES_MAX)
            assert pack is not None
            channel = await bob.sync(link, Shared(where, base))
            await bob.push(channel, where, pack, bob.log(where).heads, since=base)
            await world.until(lambda: len(alice.log(where).roster.devices_of(bob.account.id)) == 2)
            for short in (stolen.device[:40], bob.account.id):
                with pytest.raises(SwarmchatError):
                    await alice.door.member_ban(conversation=where, target=short + "0", device=True)
            assert not alice.log(where).roster.banned
            await alice.door.member_ban(conversation=where, target=stolen.device, device=True)
            assert alice.log(where).roster.banned == {stolen.device: "devices"}
            assert alice.log(where).roster.devices_of(bob.account.id) == (bob.account.device,)
            await bob.fetch(link, where)
            commit, objects = bob.forge(where, Post("it still works"), who=stolen, time=now)
            await bob.push(channel, where, objects, [commit])
            await world.until(lambda: alice.log(where).refusal(commit))
            said, objects = bob.forge(where, Post("I go on"))
            await bob.push(channel, where, objects, [said])
            await world.until(lambda: alice.log(where).knows(said))

    play(tmp_path, story)


def test_what_a_revoked_device_dates_back_is_hidden_like_the_messages_of_the_banned(tmp_path: Path) -> None:
    phone = DAVE.on(2)
    founded = found(tmp_path, ALICE, members=[CAROL, DAVE])
    founded.say(phone, "from my phone")
    north, thief, seen = founded.forks("north", "thief", "seen")
    listed = north.write(DAVE, UpdateDevice(), revocations=DAVE.revoking(phone))
    dated_back = thief.say(phone, "send me money", now=NOW + 1)
    known = seen.say(phone, "I am late", now=NOW + 1)
    seen.say(CAROL, "we wait")
    after = everywhere(north, thief, seen)
    after.refuses(Reason.BAD_CHAIN, phone, Post("and more"))
    assert after.hidden == {dated_back}
    says(after.told(dated_back), "hidden", "SCP-02 §8.2", f"at the same time {listed[:12]}", "before that revocation")
    says(after.told(known), "none", "SCP-02 §8.2", "had seen it and not that revocation")
    after.say(DAVE, "that was not me")
    assert after.hidden == {dated_back}  # what comes on top of both says nothing of what was known before
