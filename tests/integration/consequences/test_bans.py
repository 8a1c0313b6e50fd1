"""What a ban does to what happened beside it: one result on all nodes, and the reason in words. (SCP-02 §6.4)"""

from __future__ import annotations

from pathlib import Path

from swarmchat.conversation.actions import Add, Ban, Join, Leave, Post, Unban, UpdateDevice
from swarmchat.conversation.rejection import Reason
from tests.support.builders import ALICE, BOB, CAROL, DAVE, EVE, FRANK, NOW
from tests.support.partitions import everywhere, found, says


def test_ban_beside_leave(tmp_path: Path) -> None:
    north, south = found(tmp_path, ALICE, BOB, CAROL, members=[DAVE]).forks("north", "south")
    ban = north.ban(DAVE.id, ALICE, BOB)
    leave = south.write(DAVE, Leave(DAVE.id))
    after = everywhere(north, south)
    assert after.log.roster.banned == {DAVE.id: "members"}
    says(after.told(ban), "in force", None, "bob banned dave, with the votes of alice, bob (2 of 3 admins)")
    says(
        after.told(leave),
        "without effect",
        "SCP-02 §6.4 (e)",
        "dave left",
        "3 changes to the roster happened at the same time",
        "dave is banned by the time its turn comes",
        f"because of {ban[:12]}: bob banned dave, with the votes of alice, bob (2 of 3 admins)",
    )


def test_ban_beside_the_join_of_the_invited(tmp_path: Path) -> None:
    founded = found(tmp_path, ALICE, BOB, CAROL)
    founded.write(ALICE, Add(DAVE.id))
    north, south = founded.forks("north", "south")
    ban = north.ban(DAVE.id, ALICE, BOB)
    join = south.write(DAVE, Join(DAVE.id))
    text = south.say(DAVE, "thank you for having me")
    after = everywhere(north, south)
    assert after.log.roster.banned == {DAVE.id: "invited"}
    assert not after.log.roster.devices_of(DAVE.id)
    assert after.hidden == {join, text}
    says(
        after.told(join),
        "void",
        "SCP-02 §6.4 (d)",
        "dave joined",
        "dave was banned at the same time, and that ban counts",
        f"because of {ban[:12]}: bob banned dave",
    )
    says(after.told(text), "hidden", "SCP-02 §8.2", f"at the same time {ban[:12]}: bob banned dave", "it is not shown")
    again = after.unban(DAVE.id, ALICE, CAROL)
    assert after.log.roster.is_invited(DAVE.id)
    says(after.told(again), "in force", None, "carol unbanned dave, with the votes of alice, carol (2 of 3 admins)")
    after.write(DAVE, Join(DAVE.id))
    assert after.log.roster.is_joined(DAVE.id)
    assert after.hidden == frozenset()


def test_ban_beside_the_renewal_of_a_certificate(tmp_path: Path) -> None:
    north, south = found(tmp_path, ALICE, BOB, CAROL, members=[DAVE]).forks("north", "south")
    ban = north.ban(DAVE.id, ALICE, BOB)
    renewed = DAVE.renewed(account=True)
    renewal = south.write(renewed, UpdateDevice())
    after = everywhere(north, south)
    assert after.log.roster.files[f"banned/members/{DAVE.id}.crt"] == DAVE.certificate.pem
    assert not after.log.roster.devices_of(DAVE.id)
    says(
        after.told(renewal),
        "void",
        "SCP-02 §6.4 (d)",
        "dave renewed certificates or revocations",
        "dave was banned at the same time, and that ban counts",
        f"because of {ban[:12]}: bob banned dave",
    )
    after.unban(DAVE.id, BOB, CAROL)
    assert after.log.roster.certificate(DAVE.id) == DAVE.certificate.pem
    after.say(renewed, "back, with what is new")
    assert after.log.roster.certificate(DAVE.id) == renewed.certificate.pem
    assert after.log.roster.devices_of(DAVE.id) == (DAVE.device,)


def test_two_admins_ban_each_other_and_more_voters_stand_behind_one(tmp_path: Path) -> None:
    """Carol and Dave vote on both sides and so tell nothing: that leaves Alice and Eve against Bob."""
    north, south = found(tmp_path, ALICE, BOB, CAROL, DAVE, EVE).forks("north", "south")
    north.vote("ban", BOB.id, ALICE, CAROL, DAVE, EVE)
    ban = north.write(EVE, Ban(BOB.id))
    void = south.ban(ALICE.id, CAROL, DAVE, BOB)
    text = south.say(BOB, "Alice is out")
    after = everywhere(north, south)
    assert after.log.roster.banned == {BOB.id: "admins"}
    says(
        after.told(void),
        "void",
        "SCP-02 §6.4 (b)",
        "bob banned alice, with the votes of bob, carol, dave (3 of 5 admins)",
        "of its votes 2 are left (carol, dave), and of 5 admins it takes 3",
        f"the vote of bob does not count: at the same time {ban[:12]}: eve banned bob,"
        " with the votes of alice, carol, dave, eve (4 of 5 admins)",
        "that ban goes first: more of its voters were admins where the two lines parted and wrote nothing on the other line:"
        " 2 (alice, eve) against 1 (bob)",
    )
    says(
        after.told(ban),
        "in force",
        "SCP-02 §6.4 (c)",
        f"at the same time {void[:12]}: bob banned alice, with the votes of bob, carol, dave (3 of 5 admins); that ban is void",
        "this ban goes first: more of its voters",
    )
    says(after.told(text), "hidden", "SCP-02 §8.2", f"at the same time {ban[:12]}: eve banned bob", "it is not shown")


def test_two_admins_ban_each_other_and_the_voters_of_both_weigh_the_same(tmp_path: Path) -> None:
    """Carol and Dave vote on both sides: Alice, who began the group, stands against Bob."""
    north, south = found(tmp_path, ALICE, BOB, CAROL, DAVE).forks("north", "south")
    ban, void = north.ban(BOB.id, CAROL, DAVE, ALICE), south.ban(ALICE.id, CAROL, DAVE, BOB)
    after = everywhere(north, south)
    assert after.log.roster.banned == {BOB.id: "admins"}
    reason = "the voters of both weigh the same, and of them all its voter alice has been an admin for longest, longer than bob"
    says(
        after.told(void),
        "void",
        "SCP-02 §6.4 (b)",
        "of its votes 2 are left (carol, dave)",
        f"that ban goes first: {reason}",
    )
    says(after.told(ban), "in force", "SCP-02 §6.4 (c)", "that ban is void", f"this ban goes first: {reason}")


def test_admins_who_ban_each_other_in_a_circle(tmp_path: Path) -> None:
    """Three lines, each banning the next: no ban is free of one before it, and an admin is left."""
    sides = found(tmp_path, ALICE, BOB, CAROL).forks("one", "two", "three")
    bans = [
        sides[0].ban(BOB.id, ALICE, CAROL),
        sides[1].ban(CAROL.id, BOB, ALICE),
        sides[2].ban(ALICE.id, CAROL, BOB),
    ]
    after = everywhere(*sides)
    (counted,) = [ban for ban in bans if after.told(ban).effect == "in force"]
    assert len(after.log.roster.banned) == 1
    assert len(after.log.roster.admins) == 2
    for ban in bans:
        if ban != counted:
            says(
                after.told(ban),
                "void",
                "SCP-02 §6.4 (b)",
                "of its votes 1 is left",
                "and of 3 admins it takes 2",
                f"does not count: at the same time {counted[:12]}: ",
                "that ban goes first: ",
            )


def test_friends_made_admins_in_a_partition_who_then_ban_the_others(tmp_path: Path) -> None:
    """Alice is voted out; in an old fork, from when she was the only admin, she makes friends admins and they ban the others."""
    founded = found(tmp_path, ALICE, members=[BOB, CAROL])
    north, south = founded.forks("north", "south")
    north.promote(BOB, ALICE)
    north.promote(CAROL, ALICE, BOB)
    ban = north.ban(ALICE.id, BOB, CAROL)
    friend = south.bring(EVE, by=ALICE)
    promotion = south.promote(EVE, ALICE)
    void = south.ban(BOB.id, ALICE, EVE)
    after = everywhere(north, south)
    assert after.log.roster.banned == {ALICE.id: "admins"}
    assert after.log.roster.admins == {BOB.id, CAROL.id}
    assert after.log.roster.joined == {BOB.id, CAROL.id}
    cited = f"because of {ban[:12]}: carol banned alice, with the votes of bob, carol (2 of 3 admins)"
    says(after.told(promotion), "void", "SCP-02 §6.4 (d)", "alice made eve an admin, as the only admin", cited)
    says(
        after.told(friend),
        "without effect",
        "SCP-02 §5.3",
        "no longer is when its turn comes: the account is not invited",
        "because this does not count: ",
        "alice invited eve",
    )
    says(after.told(void), "void", "SCP-02 §6.4 (b)", "eve banned bob, with the votes of alice, eve (2 of 2 admins)")


def test_a_promotion_beside_a_ban_of_the_same_member(tmp_path: Path) -> None:
    """Two of three admins promote Dave, two ban him; who backed the promotion does not weigh in the ban."""
    north, south = found(tmp_path, ALICE, BOB, CAROL, members=[DAVE]).forks("north", "south")
    promotion, ban = north.promote(DAVE, ALICE, BOB), south.ban(DAVE.id, BOB, CAROL)
    after = everywhere(north, south)
    assert after.log.roster.admins == {ALICE.id, BOB.id, CAROL.id, DAVE.id}
    says(
        after.told(promotion), "in force", None, "bob made dave an admin, with the votes of alice, bob (2 of 3 admins)"
    )
    says(
        after.told(ban),
        "void",
        "SCP-02 §6.4 (b)",
        "carol banned dave, with the votes of bob, carol (2 of 3 admins)",
        "of its votes 1 is left (carol), and of 3 admins it takes 2",
        f"the vote of bob does not count: with it {promotion[:12]}: bob made dave an admin",
    )


def test_two_resolutions_of_one_ballot_spend_its_votes_once(tmp_path: Path) -> None:
    founded = found(tmp_path, ALICE, BOB, CAROL, members=[DAVE])
    founded.ban(DAVE.id, ALICE, BOB)
    founded.vote("unban", DAVE.id, BOB, CAROL)
    north, south = founded.forks("north", "south")
    first = north.write(BOB, Unban(DAVE.id))
    north.ban(DAVE.id, ALICE, BOB)  # changed their minds
    late = south.write(CAROL, Unban(DAVE.id))
    after = everywhere(north, south)
    assert after.log.roster.banned == {DAVE.id: "members"}
    counted, spent = (first, late) if after.log.fate(late) else (late, first)
    says(
        after.told(spent),
        "without effect",
        "SCP-02 §6.4 (e)",
        "unbanned dave, with the votes of bob, carol (2 of 3 admins)",
        "its votes were spent by another resolution at the same time: a vote counts once",
        f"because of {counted[:12]}: ",
    )
    assert spent == late


def test_two_ballots_that_ban_the_same_member_land_once(tmp_path: Path) -> None:
    north, south = found(tmp_path, ALICE, BOB, CAROL, members=[DAVE]).forks("north", "south")
    bans = north.ban(DAVE.id, ALICE, BOB), south.ban(DAVE.id, BOB, CAROL)
    after = everywhere(north, south)
    assert after.log.roster.banned == {DAVE.id: "members"}
    landed, other = sorted(bans, key=lambda ban: after.told(ban).effect != "in force")
    says(after.told(landed), "in force", None, "banned dave")
    says(
        after.told(other),
        "without effect",
        "SCP-02 §6.4 (e)",
        "dave is banned already when its turn comes: one ban is enough",
        f"because of {landed[:12]}: ",
    )


def test_a_ban_of_whom_only_a_void_invitation_had_brought_in_lands(tmp_path: Path) -> None:
    north, south = found(tmp_path, ALICE, BOB, CAROL, DAVE, mode=2).forks("north", "south")
    ban = north.ban(DAVE.id, ALICE, BOB, CAROL)
    invitation = south.write(DAVE, Add(EVE.id))
    nobody = south.ban(EVE.id, ALICE, BOB, CAROL)
    after = everywhere(north, south)
    assert after.log.roster.banned == {DAVE.id: "admins", EVE.id: "invited"}
    says(
        after.told(invitation),
        "void",
        "SCP-02 §6.4 (d)",
        f"dave invited {EVE.id[:12]}",
        f"because of {ban[:12]}: carol",
    )
    says(after.told(nobody), "in force", None, f"banned {EVE.id[:12]}")


def test_an_unban_brings_back_to_where_it_was(tmp_path: Path) -> None:
    """ME-16"""
    side = found(tmp_path, ALICE, BOB, CAROL, members=[DAVE])
    side.write(ALICE, Add(EVE.id))
    for target, place in ((CAROL, "admins"), (DAVE, "members"), (EVE, "invited")):
        side.ban(target.id, ALICE, BOB)
        assert side.log.roster.banned == {target.id: place}
        assert not side.log.roster.devices_of(target.id)
        side.unban(target.id, ALICE, BOB)
        assert side.log.roster.place_of(target.id) == place
        assert not side.log.roster.banned
    device = side.say(DAVE, "with my device")
    assert side.log.roster.devices_of(DAVE.id) == (DAVE.device,)
    after = everywhere(side, side.fork("copy"))
    says(after.told(device), "in force", None, "dave wrote a message and brought a device or a certificate with it")


# --- messages beside a ban (SCP-02 §8.2)


def test_a_message_beside_the_ban_of_its_author_is_hidden_unless_somebody_had_seen_it(tmp_path: Path) -> None:
    north, south, alone = found(tmp_path, ALICE, BOB, CAROL, members=[DAVE]).forks("north", "south", "alone")
    ban = north.ban(DAVE.id, ALICE, BOB)
    seen = south.say(DAVE, "was I too loud?")
    answer = south.say(CAROL, "yes")
    after_answer = south.say(DAVE, "oh")
    unseen = alone.say(DAVE, "I never left", now=NOW - 200)
    after = everywhere(north, south, alone)
    assert after.hidden == {after_answer, unseen}
    says(
        after.told(seen),
        "none",
        "SCP-02 §8.2",
        "dave wrote a message",
        f"at the same time {ban[:12]}: bob banned dave, with the votes of alice, bob (2 of 3 admins)",
        f"it is shown: carol had seen it and not that ban when writing {answer[:12]}",
    )
    for commit in (after_answer, unseen):
        says(
            after.told(commit),
            "hidden",
            "SCP-02 §8.2",
            "dave wrote a message",
            f"at the same time {ban[:12]}: bob banned dave",
            "it is not shown: nobody else had seen it before that ban, so it may be new and dated back",
        )
    says(after.told(answer), "none", None, "carol wrote a message", "it changes no file")
    after.unban(DAVE.id, ALICE, CAROL)
    assert after.hidden == frozenset()
    says(after.told(unseen), "none", None, "it changes no file")


def test_who_wrote_beside_the_ban_vouches_for_nobody_when_banned_beside_it_too(tmp_path: Path) -> None:
    north, south = found(tmp_path, ALICE, BOB, CAROL, members=[DAVE, EVE]).forks("north", "south")
    north.ban(DAVE.id, ALICE, BOB)
    north.ban(EVE.id, ALICE, BOB)
    one = south.say(DAVE, "we were here first")
    other = south.say(EVE, "I saw it")
    after = everywhere(north, south)
    assert after.hidden == {one, other}
    says(after.told(one), "hidden", "SCP-02 §8.2", "it is not shown")


# --- merges on both sides


def test_criss_cross_merges(tmp_path: Path) -> None:
    """Both sides hear the same two lines, go on, hear of each other, and go on again."""
    north, south = found(tmp_path, ALICE, BOB, CAROL, members=[DAVE]).forks("north", "south")
    ban = north.ban(DAVE.id, ALICE, BOB)
    void = south.write(DAVE, Leave(DAVE.id))
    north.hears(south)
    south.hears(north)
    assert north.log.main == south.log.main
    north.write(ALICE, Add(EVE.id))
    south.write(CAROL, Add(FRANK.id))
    north.hears(south)
    south.hears(north)
    north.say(BOB, "done in the north")
    south.say(CAROL, "done in the south")
    after = everywhere(north, south)
    assert after.log.roster.banned == {DAVE.id: "members"}
    assert after.log.roster.invited == {EVE.id, FRANK.id}
    assert sum(entry.is_merge for entry in after.log.history.entries) == 2
    says(after.told(void), "without effect", "SCP-02 §6.4 (e)", f"because of {ban[:12]}: bob banned dave")
    merge = next(entry.id for entry in after.log.history.entries if entry.is_merge)
    says(after.told(merge), "none", "SCP-02 §6.2", "a canonical merge")


# --- what the banned send later


def test_what_the_banned_write_on_top_of_their_ban_is_refused_and_says_the_rule(tmp_path: Path) -> None:
    """ME-15"""
    side = found(tmp_path, ALICE, BOB, CAROL, members=[DAVE])
    ban = side.ban(DAVE.id, ALICE, BOB)
    assert side.refuses(Reason.BANNED, DAVE, Post("still here")).rule == "SCP-02 §4.3"
    sent = side.receives(DAVE, Post("still here"), changes={f"devices/{DAVE.device}.crt": DAVE.device_certificate.pem})
    says(
        side.told(sent),
        "refused",
        "SCP-02 §4.3",
        f"refused (banned at banned/members/{DAVE.id}.crt): the writing account is banned",
        "nothing of it was kept",
    )
    again = side.receives(DAVE, Join(DAVE.id), parent=ban)
    assert not side.told(again).valid
