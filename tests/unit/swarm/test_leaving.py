"""What those who go are told last, and what the law has against leaving. (SCP-02 §5.4, SCP-06 §7)"""

from __future__ import annotations

from swarmchat.conversation.actions import Add, Ban, CastVote, Join, Kick, Leave, Post, Promote
from swarmchat.conversation.rejection import Reason
from swarmchat.swarm.leaving import last_word, objection, removed_by, steps
from tests.support.builders import ALICE, BOB, CAROL, Room


def three() -> Room:
    room = Room()
    room.bring(BOB)
    room.bring(CAROL)
    return room


def test_the_last_word_is_the_commit_by_which_one_went() -> None:
    room = three()
    assert last_word(room.history, BOB.id, BOB.device) is None
    kick = room.must(ALICE, Kick(BOB.id))
    room.must(ALICE, CastVote("ban", CAROL.id))
    ban = room.must(ALICE, Ban(CAROL.id))
    room.must(ALICE, Post("without them"))
    assert last_word(room.history, BOB.id, BOB.device) == kick
    assert last_word(room.history, CAROL.id, CAROL.device) == ban


def test_of_who_came_back_and_left_it_is_the_leaving() -> None:
    room = three()
    room.must(ALICE, Kick(BOB.id))
    room.must(ALICE, Add(BOB.id))
    room.must(BOB, Join(BOB.id))
    left = room.must(BOB, Leave(BOB.id))
    assert last_word(room.history, BOB.id, BOB.device) == left


def test_of_a_banned_device_it_is_the_ban_of_that_device() -> None:
    room = three()
    tablet = BOB.on(2)
    room.must(tablet, Post("from my tablet"))
    room.must(ALICE, CastVote("ban", tablet.device))
    ban = room.must(ALICE, Ban(tablet.device))
    assert last_word(room.history, BOB.id, tablet.device) == ban
    assert last_word(room.history, BOB.id, BOB.device) is None


def test_of_a_dissolved_group_it_is_the_leaving_of_its_last_admin() -> None:
    room = three()
    room.must(ALICE, Kick(BOB.id))
    room.must(ALICE, Kick(CAROL.id))
    left = room.must(ALICE, Leave(ALICE.id))
    assert last_word(room.history, BOB.id, BOB.device) == left
    assert last_word(room.history, CAROL.id, CAROL.device) == left


def test_who_was_kicked_before_others_said_something_hears_no_more_though_the_admin_left_later() -> None:
    room = three()
    kick = room.must(ALICE, Kick(BOB.id))
    room.must(CAROL, Post("he is gone"))
    room.must(ALICE, Kick(CAROL.id))
    room.must(ALICE, Leave(ALICE.id))
    assert last_word(room.history, BOB.id, BOB.device) == kick


def test_the_law_is_asked_about_all_steps_before_the_first_is_written() -> None:
    room = three()
    actions = steps(room.roster, ALICE.id, ALICE.device, None, dissolve=True)
    assert actions == [*map(Kick, sorted([BOB.id, CAROL.id])), Leave(ALICE.id)]
    assert objection(actions, ALICE.author, room.roster) is None
    assert removed_by(actions, room.roster) == {BOB.device: BOB.id, CAROL.device: CAROL.id}
    refused = objection(steps(room.roster, BOB.id, BOB.device, None, dissolve=True), BOB.author, room.roster)
    assert refused is not None
    assert refused.reason is Reason.BAD_REMOVAL
    alone = objection(steps(room.roster, ALICE.id, ALICE.device, None, dissolve=False), ALICE.author, room.roster)
    assert alone is not None
    assert alone.reason is Reason.LAST_ADMIN
    assert (
        objection(steps(room.roster, ALICE.id, ALICE.device, BOB.id, dissolve=False), ALICE.author, room.roster) is None
    )
    room.must(ALICE, Promote(BOB.id))
    refused = objection(steps(room.roster, ALICE.id, ALICE.device, None, dissolve=True), ALICE.author, room.roster)
    assert refused is not None
    assert refused.reason is Reason.BAD_REMOVAL


def test_the_invited_are_removed_and_not_waited_for() -> None:
    room = Room()
    room.bring(BOB)
    room.must(ALICE, Add(CAROL.id))
    actions = steps(room.roster, ALICE.id, ALICE.device, None, dissolve=True)
    assert Kick(CAROL.id) in actions
    assert removed_by(actions, room.roster) == {BOB.device: BOB.id}
