"""One-to-one, private and public conversations through their life, and the profile. (SCP-02 §1.4, §5)"""

from __future__ import annotations

from pathlib import Path

from swarmchat.commitlog.log import CommitLog
from swarmchat.conversation.actions import Add, CastVote, Initial, Join, Kick, Leave, Post, Promote, UpdateProfile
from swarmchat.conversation.profile import Profile, parse, write
from swarmchat.conversation.rejection import Reason
from tests.support.builders import ALICE, BOB, CAROL, DAVE, EVE, NONCE, NOW
from tests.support.commitlogs import writer
from tests.support.partitions import Side, everywhere, found, says


def one_to_one(folder: Path) -> Side:
    root = Initial(0, NONCE, BOB.id)
    return Side(CommitLog.create(folder / "founded.git", writer(ALICE), root, now=NOW))


def test_a_one_to_one_is_begun_left_taken_up_again_and_closed(tmp_path: Path) -> None:
    """ME-25, ME-26"""
    side = one_to_one(tmp_path)
    assert side.log.roster.is_invited(BOB.id)
    side.write(BOB, Join(BOB.id))
    side.say(BOB, "hello")
    refusal = side.refuses(Reason.BAD_ADD, ALICE, Add(CAROL.id))
    assert refusal.detail == "a one-to-one conversation holds the two it began with (§5.2)"
    for action in (CastVote("ban", BOB.id), Kick(BOB.id), Promote(BOB.id)):
        assert "a one-to-one conversation knows no" in side.refuses(Reason.NOT_IN_THIS_MODE, ALICE, action).detail
    stranger = side.receives(CAROL, Join(CAROL.id))
    assert side.told(stranger).effect == "refused"
    left = side.write(ALICE, Leave(ALICE.id))  # who began it may go as well: nobody is left behind here
    side.refuses(Reason.NOT_A_MEMBER, ALICE, Post("one more thing"))
    again = side.write(BOB, Add(ALICE.id))
    side.write(ALICE, Join(ALICE.id))
    assert side.log.roster.joined == {ALICE.id, BOB.id}
    north, south = side.forks("north", "south")
    leaves = north.write(ALICE, Leave(ALICE.id)), south.write(BOB, Leave(BOB.id))
    after = everywhere(north, south)
    assert not after.log.roster.joined
    says(after.told(left), "in force", None, "alice left")
    says(after.told(again), "in force", None, "bob invited alice")
    for leave in leaves:
        says(after.told(leave), "in force", None, "left", "1 change to the roster happened at the same time")
    for who, other in ((ALICE, BOB), (BOB, ALICE)):
        after.refuses(Reason.NOT_A_MEMBER, who, Add(other.id))
        after.refuses(Reason.BAD_JOIN, who, Join(who.id))


def test_in_a_one_to_one_a_leave_beside_the_others_messages_and_profile(tmp_path: Path) -> None:
    founded = one_to_one(tmp_path)
    founded.write(BOB, Join(BOB.id))
    north, south = founded.forks("north", "south")
    north.write(ALICE, Leave(ALICE.id))
    profile = south.write(BOB, UpdateProfile(), profile=title("We two"))
    text = south.say(BOB, "do you like it?")
    after = everywhere(north, south)
    assert after.log.roster.joined == {BOB.id}
    assert after.hidden == frozenset()
    says(after.told(profile), "in force", None, "bob changed the profile")
    says(after.told(text), "none", None, "bob wrote a message")


def test_anybody_joins_a_public_conversation_except_the_banned(tmp_path: Path) -> None:
    north, south = found(tmp_path, ALICE, BOB, mode=3).forks("north", "south")
    joins = north.write(CAROL, Join(CAROL.id)), south.write(DAVE, Join(DAVE.id))
    both = everywhere(north, south)
    assert both.log.roster.members == {CAROL.id, DAVE.id}
    for join, name in zip(joins, ("carol", "dave"), strict=True):
        says(both.told(join), "in force", None, f"{name} joined", "1 change to the roster")
    ban = both.ban(DAVE.id, ALICE, BOB)
    both.refuses(Reason.BANNED, DAVE, Join(DAVE.id))
    devices = {f"devices/{DAVE.device}.crt": DAVE.device_certificate.pem}
    sent = both.receives(DAVE, Join(DAVE.id), changes=devices)
    says(
        both.told(sent),
        "refused",
        "SCP-02 §4.3",
        f"refused (banned at banned/members/{DAVE.id}.crt): the writing account",
    )
    fork = north.fork("fork")
    elsewhere = fork.write(EVE, Join(EVE.id))
    left = south.write(DAVE, Leave(DAVE.id), at=joins[1])
    again = south.write(DAVE, Join(DAVE.id), at=left)
    after = everywhere(both, fork, south)
    assert after.log.roster.banned == {DAVE.id: "members"}
    assert after.log.roster.members == {CAROL.id, EVE.id}
    says(after.told(elsewhere), "in force", None, "eve joined")
    says(
        after.told(again),
        "void",
        "SCP-02 §6.4 (d)",
        "dave joined",
        "dave was banned at the same time, and that ban counts",
        f"because of {ban[:12]}: bob banned dave, with the votes of alice, bob (2 of 2 admins)",
    )


def test_a_public_conversation_whose_founder_left_goes_on_without_admins(tmp_path: Path) -> None:
    side = found(tmp_path, ALICE, mode=3)
    side.write(ALICE, Leave(ALICE.id))
    for who in (BOB, CAROL, DAVE):
        side.write(who, Join(who.id))
    assert not side.log.roster.admins
    refusal = side.refuses(Reason.BAD_VOTE, BOB, CastVote("promote", CAROL.id))
    assert refusal.rule == "SCP-02 §5.5"
    side.refuses(Reason.BAD_PROMOTION, BOB, Promote(BOB.id))
    side.write(BOB, Add(EVE.id))
    assert everywhere(side, side.fork("copy")).log.roster.members == {BOB.id, CAROL.id, DAVE.id}


# --- the profile


def title(text: str) -> bytes:
    return write(Profile(text))


def test_a_first_profile_on_both_sides(tmp_path: Path) -> None:
    """R-07"""
    north, south = found(tmp_path, ALICE, BOB, members=[DAVE]).forks("north", "south")
    titles = {
        north.write(ALICE, UpdateProfile(), profile=title("North")): "North",
        south.write(BOB, UpdateProfile(), profile=title("South")): "South",
    }
    after = everywhere(north, south)
    beaten, stands = sorted(titles)
    assert parse(after.log.roster.profile or b"").title == titles[stands]
    says(
        after.told(stands), "in force", None, "changed the profile", "1 change to the roster happened at the same time"
    )
    says(
        after.told(beaten),
        "without effect",
        "SCP-02 §6.4 (e)",
        "changed the profile",
        "the profile was changed at the same time elsewhere: of such changes the one with the highest id stands",
        f"because of {stands[:12]}: ",
    )
    after.write(ALICE, UpdateProfile(), profile=title("Both"))
    after = everywhere(after, north)
    assert parse(after.log.roster.profile or b"").title == "Both"
    assert after.told(beaten).effect == "without effect"


def test_a_profile_by_an_admin_who_is_banned_beside_it(tmp_path: Path) -> None:
    north, south = found(tmp_path, ALICE, BOB, CAROL).forks("north", "south")
    ban = north.ban(CAROL.id, ALICE, BOB)
    void = south.write(CAROL, UpdateProfile(), profile=title("Carol's"))
    after = everywhere(north, south)
    assert after.log.roster.profile is None
    says(
        after.told(void),
        "void",
        "SCP-02 §6.4 (d)",
        "carol changed the profile",
        f"because of {ban[:12]}: bob banned carol",
    )
