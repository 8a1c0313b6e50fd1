"""Votes of three admins, and an election where no admin is left. (SCP-02 §5.5, §5.6)"""

from __future__ import annotations

from pathlib import Path

from swarmchat.conversation.actions import Add, Ban, CastVote, Demote, Join, Kick, Leave, Post, Promote
from swarmchat.conversation.rejection import Reason
from tests.support.builders import ALICE, BOB, CAROL, DAVE, EVE, FRANK
from tests.support.partitions import GRACE, everywhere, found, says, without_admins


def test_a_ban_among_three_admins_needs_two(tmp_path: Path) -> None:
    north = found(tmp_path, ALICE, BOB, CAROL, members=[DAVE])
    vote = north.vote("ban", DAVE.id, ALICE)
    refusal = north.refuses(Reason.NO_QUORUM, ALICE, Ban(DAVE.id))
    assert (refusal.rule, refusal.detail) == ("SCP-02 §5.6", "1 of 2 votes")
    refusal = north.refuses(Reason.BAD_VOTE, ALICE, CastVote("ban", DAVE.id))
    assert (refusal.rule, refusal.detail) == ("SCP-02 §5.5", "the account has voted already")
    early = north.receives(ALICE, Ban(DAVE.id))
    says(north.told(early), "refused", "SCP-02 §5.6", "refused (no-quorum at votes/ban/members/", "1 of 2 votes")
    second = north.vote("ban", DAVE.id, BOB)
    south = north.fork("south")
    ban = north.write(CAROL, Ban(DAVE.id))  # who resolves need not have voted
    south.say(DAVE, "do I still count?")
    after = everywhere(north, south)
    assert after.log.roster.banned == {DAVE.id: "members"}
    says(after.told(vote), "in force", None, "alice voted to ban dave: 1 of 2 votes then")
    says(after.told(second), "in force", None, "bob voted to ban dave: 2 of 2 votes then")
    says(after.told(ban), "in force", None, "carol banned dave, with the votes of alice, bob (2 of 3 admins)")


def test_votes_of_two_admins_who_did_not_know_of_each_other_are_a_majority_together(tmp_path: Path) -> None:
    north, south = found(tmp_path, ALICE, BOB, CAROL, members=[DAVE]).forks("north", "south")
    north.vote("ban", DAVE.id, ALICE)
    south.vote("ban", DAVE.id, CAROL)
    after = everywhere(north, south)
    assert not after.log.roster.banned
    ban = after.ban(DAVE.id, BOB)
    says(after.told(ban), "in force", None, "bob banned dave, with the votes of alice, carol (2 of 3 admins)")


def test_nobody_votes_on_himself_and_members_vote_on_no_ban(tmp_path: Path) -> None:
    side = found(tmp_path, ALICE, BOB, CAROL, members=[DAVE])
    assert (
        side.refuses(Reason.BAD_VOTE, BOB, CastVote("ban", BOB.id)).detail
        == "nobody votes on himself or his own device"
    )
    assert side.refuses(Reason.BAD_VOTE, DAVE, CastVote("ban", BOB.id)).detail == "only admins vote here"
    assert side.refuses(Reason.NO_QUORUM, ALICE, Promote(DAVE.id)).detail == "0 of 2 votes"


# --- a group whose admins are gone


def test_members_elect_an_admin_when_there_is_none_left(tmp_path: Path) -> None:
    after, gone = without_admins(tmp_path, DAVE, EVE, FRANK)
    assert after.log.roster.admins == frozenset()
    assert after.log.roster.members == {DAVE.id, EVE.id, FRANK.id}
    for who in ("alice", "bob", "carol"):
        says(after.told(gone[who]), "in force", None, who)
    assert after.refuses(Reason.BAD_ADD, DAVE, Add(GRACE.id)).detail == "only admins invite here"
    assert after.refuses(Reason.BAD_VOTE, DAVE, CastVote("promote", DAVE.id)).reason is Reason.BAD_VOTE
    north, south = after.forks("north again", "south again")
    votes = north.vote("promote", DAVE.id, EVE), south.vote("promote", DAVE.id, FRANK)
    north.refuses(Reason.NO_QUORUM, EVE, Promote(DAVE.id))
    elected = everywhere(north, south)
    promotion = elected.write(EVE, Promote(DAVE.id))
    assert elected.log.roster.admins == {DAVE.id}
    for vote, who in zip(votes, ("eve", "frank"), strict=True):
        says(elected.told(vote), "in force", None, f"{who} voted to promote dave: 1 of 2 votes then")
    says(
        elected.told(promotion),
        "in force",
        None,
        "eve made dave an admin, with the votes of eve, frank (2 of 2 other members)",
    )
    elected.write(DAVE, Add(GRACE.id))
    everywhere(elected, north)


def test_two_elections_beside_each_other_both_count(tmp_path: Path) -> None:
    after, _ = without_admins(tmp_path, DAVE, EVE, FRANK)
    north, south = after.forks("north again", "south again")
    one, other = north.promote(DAVE, EVE, FRANK), south.promote(EVE, DAVE, FRANK)
    both = everywhere(north, south)
    assert both.log.roster.admins == {DAVE.id, EVE.id}
    for promotion in (one, other):
        says(both.told(promotion), "in force", None, "(2 of 2 other members)")


def test_who_is_left_alone_promotes_himself(tmp_path: Path) -> None:
    after, _ = without_admins(tmp_path, DAVE)
    promotion = after.write(DAVE, Promote(DAVE.id))
    says(
        everywhere(after, after.fork("copy")).told(promotion),
        "in force",
        None,
        "dave made dave an admin, as the only one left",
    )


# --- admins who go


def test_the_last_admin_cannot_leave_the_others_behind(tmp_path: Path) -> None:
    side = found(tmp_path, ALICE, members=[BOB])
    refusal = side.refuses(Reason.LAST_ADMIN, ALICE, Leave(ALICE.id))
    assert refusal.rule == "SCP-02 §5.4"
    assert refusal.detail == "promote somebody first: the last admin cannot leave the others behind"
    assert side.refuses(Reason.LAST_ADMIN, ALICE, Demote(ALICE.id)).rule == "SCP-02 §5.4"
    promotion = side.promote(BOB, ALICE)
    says(side.told(promotion), "in force", None, "alice made bob an admin, as the only admin")
    side.write(ALICE, Leave(ALICE.id))
    assert everywhere(side, side.fork("copy")).log.roster.admins == {BOB.id}


def test_two_admins_who_leave_beside_each_other_leave_one(tmp_path: Path) -> None:
    north, south = found(tmp_path, ALICE, BOB, members=[DAVE]).forks("north", "south")
    leaves = {"alice": north.write(ALICE, Leave(ALICE.id)), "bob": south.write(BOB, Leave(BOB.id))}
    after = everywhere(north, south)
    (stays,) = after.log.roster.admins
    name, gone = ("alice", "bob") if stays == ALICE.id else ("bob", "alice")
    says(after.told(leaves[gone]), "in force", None, f"{gone} left")
    says(
        after.told(leaves[name]),
        "without effect",
        "SCP-02 §5.4",
        f"{name} left",
        "no longer is when its turn comes: promote somebody first: the last admin cannot leave the others behind",
    )


def test_a_kick_beside_a_promotion_has_no_effect(tmp_path: Path) -> None:
    north, south = found(tmp_path, ALICE, BOB, members=[DAVE]).forks("north", "south")
    promotion, kick = north.promote(DAVE, ALICE, BOB), south.write(BOB, Kick(DAVE.id))
    after = everywhere(north, south)
    assert after.log.roster.admins == {ALICE.id, BOB.id, DAVE.id}
    says(
        after.told(kick),
        "without effect",
        "SCP-02 §6.4 (e)",
        "bob removed dave",
        "dave was made an admin at the same time: that outweighs a kick",
        f"because of {promotion[:12]}: bob made dave an admin, with the votes of alice, bob (2 of 2 admins)",
    )


def test_a_leave_beside_a_kick_has_no_effect_and_who_was_kicked_may_come_back(tmp_path: Path) -> None:
    north, south = found(tmp_path, ALICE, BOB, members=[DAVE]).forks("north", "south")
    kick = north.write(ALICE, Kick(DAVE.id))
    leave = south.write(DAVE, Leave(DAVE.id))
    after = everywhere(north, south)
    assert not after.log.roster.is_joined(DAVE.id)
    says(
        after.told(leave),
        "without effect",
        "SCP-02 §5.4",
        "dave left",
        "no longer is when its turn comes: who is not joined cannot leave",
        f"because of {kick[:12]}: alice removed dave",
    )
    after.bring(DAVE, by=BOB)
    assert after.log.roster.is_joined(DAVE.id)


def test_dissolving_a_group_ends_it_for_everybody(tmp_path: Path) -> None:
    founded = found(tmp_path, ALICE, members=[BOB, CAROL])
    founded.write(ALICE, Add(DAVE.id))
    north, south = founded.forks("north", "south")
    for one in (BOB, CAROL, DAVE):
        north.write(ALICE, Kick(one.id))
    last = north.write(ALICE, Leave(ALICE.id))
    join = south.write(DAVE, Join(DAVE.id))
    text = south.say(BOB, "what happened?")
    after = everywhere(north, south)
    assert not after.log.roster.joined
    assert not after.log.roster.invited
    says(after.told(join), "in force", None, "dave joined")
    says(after.told(last), "in force", None, "alice left")
    says(after.told(text), "none", None, "bob wrote a message")
    for who in (ALICE, BOB, DAVE):
        after.refuses(Reason.NOT_A_MEMBER, who, Post("hello?"))
