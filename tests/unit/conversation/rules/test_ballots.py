"""SCP-02 §5.5, §5.6: votes, quorums, bans and what they take away."""

from __future__ import annotations

import pytest

from swarmchat.conversation import tree
from swarmchat.conversation.actions import Add, Ban, CastVote, Demote, Join, Leave, Post, Promote, Unban, UpdateDevice
from swarmchat.conversation.entries import Control, Fact
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.rules import ballots
from swarmchat.conversation.rules.planning import changes_for
from swarmchat.conversation.tree import Mode, Vote
from swarmchat.ids import CommitId
from tests.support.builders import ALICE, BOB, CAROL, DAVE, EVE, FRANK, Person, Room, person


def three_admins(mode: Mode = 2) -> Room:
    room = Room(mode)
    room.bring_admins(BOB, CAROL)
    room.bring(DAVE)
    return room


def control(room: Room, commit: CommitId) -> Control:
    found = room.history[commit].fact.control
    assert found is not None
    return found


# --- votes


@pytest.mark.parametrize("mode", [1, 2, 3])
def test_admins_vote_on_bans_and_members_do_not(mode: Mode) -> None:
    room = three_admins(mode)
    voted = room.must(ALICE, CastVote("ban", DAVE.id))
    assert room.changes[voted] == {tree.vote(Vote("ban", "members", DAVE.id, ALICE.id)): b""}
    room.refuses(Reason.BAD_VOTE, DAVE, CastVote("ban", ALICE.id))
    room.refuses(Reason.BAD_VOTE, ALICE, CastVote("ban", DAVE.id))  # not twice
    room.must(BOB, CastVote("ban", DAVE.id))


def test_the_type_of_a_vote_is_where_its_target_stands() -> None:
    room = three_admins()
    room.must(ALICE, Add(EVE.id))
    for target in (BOB.id, DAVE.id, EVE.id, DAVE.device):
        room.must(ALICE, CastVote("ban", target))
    assert {(vote.place, vote.target) for vote in room.roster.votes} == {
        ("admins", BOB.id),
        ("members", DAVE.id),
        ("invited", EVE.id),
        ("devices", DAVE.device),
    }


def test_a_vote_stands_for_one_voter_in_one_ballot() -> None:
    room = three_admins()
    room.must(ALICE, CastVote("ban", DAVE.id))
    assert ballots.has_voted("ban", DAVE.id, ALICE.id, room.roster)
    assert not ballots.has_voted("ban", DAVE.id, BOB.id, room.roster)
    assert not ballots.has_voted("promote", DAVE.id, ALICE.id, room.roster)
    assert not ballots.has_voted("ban", FRANK.id, ALICE.id, room.roster)
    room.must(DAVE, Leave(DAVE.id))
    assert not ballots.has_voted("ban", DAVE.id, ALICE.id, room.roster)


def test_who_stands_nowhere_is_not_voted_on() -> None:
    room = three_admins()
    for kind, target in (
        ("ban", FRANK.id),
        ("ban", FRANK.device),
        ("unban", DAVE.id),
        ("unban", DAVE.device),
        ("promote", FRANK.id),
        ("promote", BOB.id),
        ("promote", DAVE.device),
    ):
        room.refuses(Reason.BAD_VOTE, ALICE, CastVote(kind, target))  # type: ignore[arg-type]
    room.ban(DAVE.id, ALICE, BOB)
    room.refuses(Reason.BAD_VOTE, ALICE, CastVote("ban", DAVE.id))
    room.must(ALICE, Add(EVE.id))
    room.refuses(Reason.BAD_VOTE, ALICE, CastVote("promote", EVE.id))


def test_nobody_votes_on_himself_or_his_device() -> None:
    room = three_admins()
    room.must(ALICE.on(2), Post("second device"))
    room.refuses(Reason.BAD_VOTE, ALICE, CastVote("ban", ALICE.id))
    room.refuses(Reason.BAD_VOTE, ALICE, CastVote("ban", ALICE.device))
    room.refuses(Reason.BAD_VOTE, ALICE, CastVote("ban", ALICE.on(2).device))
    room.ban(ALICE.on(2).device, BOB, CAROL)
    room.refuses(Reason.BAD_VOTE, ALICE, CastVote("unban", ALICE.on(2).device))


def test_a_vote_changes_one_file_and_no_other() -> None:
    """C-18, C-22"""
    room = three_admins()
    mine, others = Vote("ban", "members", DAVE.id, ALICE.id), Vote("ban", "members", DAVE.id, BOB.id)
    room.refuses_changes(Reason.UNEXPECTED_CHANGE, ALICE, CastVote("ban", DAVE.id), {tree.vote(others): b""})
    room.refuses_changes(Reason.UNEXPECTED_CHANGE, ALICE, CastVote("ban", DAVE.id), {tree.vote(mine): b"x"})
    room.refuses_changes(
        Reason.UNEXPECTED_CHANGE, ALICE, CastVote("ban", DAVE.id), {tree.vote(mine): b"", tree.vote(others): b""}
    )
    room.refuses_changes(Reason.UNEXPECTED_CHANGE, ALICE, CastVote("ban", DAVE.id), {})


# --- quorum


@pytest.mark.parametrize(("admins", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4)])
def test_more_than_half_of_the_admins_ban(admins: int, needed: int) -> None:
    everybody = [ALICE, *(person(f"admin {number}") for number in range(admins - 1))]
    room = Room(2)
    room.bring_admins(*everybody[1:])
    room.bring(DAVE)
    for admin in everybody[: needed - 1]:
        room.must(admin, CastVote("ban", DAVE.id))
    refusal = room.refuses(Reason.NO_QUORUM, ALICE, Ban(DAVE.id))
    assert refusal.detail == f"{needed - 1} of {needed} votes"
    assert refusal.path == f"votes/ban/members/{DAVE.id}"
    room.must(everybody[needed - 1], CastVote("ban", DAVE.id))
    room.must(ALICE, Ban(DAVE.id))


def test_a_sole_admin_votes_and_resolves_in_two_commits() -> None:
    """ME-09, ME-19"""
    room = Room(1)
    room.bring(BOB)
    room.refuses(Reason.NO_QUORUM, ALICE, Ban(BOB.id))
    room.must(ALICE, CastVote("ban", BOB.id))
    room.must(ALICE, Ban(BOB.id))
    assert room.roster.is_banned(BOB.id)


def test_of_two_admins_neither_bans_the_other() -> None:
    room = Room(1)
    room.bring_admins(BOB)
    room.must(ALICE, CastVote("ban", BOB.id))
    room.refuses(Reason.NO_QUORUM, ALICE, Ban(BOB.id))


def test_the_vote_of_who_is_no_admin_any_more_does_not_count() -> None:
    room = three_admins()
    room.bring(EVE)
    room.must(CAROL, CastVote("ban", DAVE.id))
    room.must(CAROL, Demote(CAROL.id))
    room.must(ALICE, CastVote("ban", DAVE.id))
    assert len(room.roster.votes) == 2
    room.refuses(Reason.NO_QUORUM, ALICE, Ban(DAVE.id))
    room.must(BOB, CastVote("ban", DAVE.id))
    room.must(BOB, Ban(DAVE.id))
    assert room.roster.votes == frozenset()  # that of Carol too


def test_only_the_electorate_resolves() -> None:
    """ME-17"""
    room = three_admins()
    room.bring(EVE)
    room.must(ALICE, CastVote("ban", DAVE.id))
    room.must(BOB, CastVote("ban", DAVE.id))
    room.refuses(Reason.BAD_BALLOT, EVE, Ban(DAVE.id))
    room.refuses(Reason.BAD_BALLOT, DAVE, Ban(DAVE.id))
    room.must(CAROL, Ban(DAVE.id))  # who has not voted may


def test_nobody_resolves_his_own_ban() -> None:
    room = three_admins()
    room.must(ALICE, CastVote("ban", CAROL.id))
    room.must(BOB, CastVote("ban", CAROL.id))
    room.refuses(Reason.BAD_BALLOT, CAROL, Ban(CAROL.id))
    wanted = {tree.device(CAROL.device): None, tree.admin(CAROL.id): None}
    room.refuses_changes(Reason.NO_DEVICE, CAROL, Ban(CAROL.id), wanted)
    room.must(BOB, Ban(CAROL.id))


def test_who_stands_nowhere_is_not_banned_and_who_is_not_banned_not_unbanned() -> None:
    room = three_admins()
    for action in (Ban(FRANK.id), Ban(FRANK.device), Unban(DAVE.id), Unban(DAVE.device)):
        room.refuses(Reason.BAD_BALLOT, ALICE, action)


# --- effects


def test_a_ban_moves_the_member_and_takes_devices_and_votes_away() -> None:
    room = three_admins()
    room.bring(EVE)
    room.must(DAVE.on(2), Post("two devices"))
    room.must(CAROL, CastVote("ban", DAVE.on(2).device))
    room.must(CAROL, CastVote("promote", DAVE.id))
    room.must(CAROL, CastVote("ban", EVE.id))
    banned = room.ban(DAVE.id, ALICE, BOB)
    assert dict(room.roster.banned) == {DAVE.id: "members"}
    assert room.roster.files[tree.banned("members", DAVE.id)] == DAVE.certificate.pem
    assert DAVE.id not in room.roster.devices.values()
    assert room.roster.votes == {Vote("ban", "members", EVE.id, CAROL.id)}
    assert len(room.changes[banned]) == 2 + 2 + 2 + 2  # the move, two devices, two votes, two other votes about him
    room.refuses(Reason.BANNED, DAVE, Post("still here"))


def test_a_banned_admin_takes_the_own_votes_away() -> None:
    room = three_admins()
    room.must(CAROL, CastVote("ban", DAVE.id))
    room.ban(CAROL.id, ALICE, BOB)
    assert dict(room.roster.banned) == {CAROL.id: "admins"}
    assert room.roster.votes == frozenset()
    room.must(ALICE, CastVote("unban", CAROL.id))
    room.must(BOB, CastVote("unban", CAROL.id))
    room.must(BOB, Unban(CAROL.id))
    assert CAROL.id in room.roster.admins


def test_an_invitation_is_banned_and_comes_back_as_one() -> None:
    """ME-12"""
    room = three_admins()
    room.must(ALICE, Add(EVE.id))
    room.ban(EVE.id, ALICE, BOB)
    assert room.roster.files[tree.banned("invited", EVE.id)] == b""
    room.refuses(Reason.BANNED, EVE, Join(EVE.id))
    for admin in (ALICE, BOB):
        room.must(admin, CastVote("unban", EVE.id))
    assert room.roster.votes == {Vote("unban", "invited", EVE.id, admin.id) for admin in (ALICE, BOB)}
    room.must(BOB, Unban(EVE.id))
    room.must(EVE, Join(EVE.id))


def test_an_unbanned_member_brings_the_devices_back_himself() -> None:
    room = three_admins()
    room.ban(DAVE.id, ALICE, BOB)
    room.must(ALICE, CastVote("unban", DAVE.id))
    room.refuses(Reason.NO_QUORUM, ALICE, Unban(DAVE.id))
    room.must(CAROL, CastVote("unban", DAVE.id))
    room.must(ALICE, Unban(DAVE.id))
    assert DAVE.id in room.roster.members
    assert room.roster.devices_of(DAVE.id) == ()
    room.must(DAVE.on(3), Post("back"))
    assert room.roster.devices_of(DAVE.id) == (DAVE.on(3).device,)


def test_a_device_is_banned_alone_and_comes_back() -> None:
    room = three_admins()
    room.must(DAVE.on(2), Post("two devices"))
    room.must(CAROL, CastVote("ban", DAVE.id))
    banned = room.ban(DAVE.device, ALICE, BOB)
    assert room.changes[banned] == {
        tree.device(DAVE.device): None,
        tree.banned("devices", DAVE.device): DAVE.device_certificate.pem,
        tree.vote(Vote("ban", "devices", DAVE.device, ALICE.id)): None,
        tree.vote(Vote("ban", "devices", DAVE.device, BOB.id)): None,
    }
    room.refuses(Reason.BANNED, DAVE, Post("banned"))
    room.refuses(Reason.BANNED, DAVE.renewed(), UpdateDevice())
    room.must(DAVE.on(2), Post("not banned"))
    for admin in (ALICE, BOB):
        room.must(admin, CastVote("unban", DAVE.device))
    lifted = room.must(CAROL, Unban(DAVE.device))
    assert room.changes[lifted] == {
        tree.device(DAVE.device): DAVE.device_certificate.pem,
        tree.banned("devices", DAVE.device): None,
        tree.vote(Vote("unban", "devices", DAVE.device, ALICE.id)): None,
        tree.vote(Vote("unban", "devices", DAVE.device, BOB.id)): None,
    }
    room.must(DAVE, Post("back"))


def test_a_banned_device_stays_banned_when_its_owner_leaves_and_goes_nowhere_when_unbanned() -> None:
    room = three_admins()
    room.must(DAVE.on(2), Post("two devices"))
    room.ban(DAVE.device, ALICE, BOB)
    room.must(DAVE.on(2), Leave(DAVE.id))
    assert room.roster.is_banned(DAVE.device)
    room.must(ALICE, Add(DAVE.id))
    room.refuses(Reason.BANNED, DAVE, Join(DAVE.id))
    for admin in (ALICE, BOB):
        room.must(admin, CastVote("unban", DAVE.device))
    lifted = room.must(BOB, Unban(DAVE.device))
    assert tree.device(DAVE.device) not in room.changes[lifted]
    assert not room.roster.is_banned(DAVE.device)
    assert room.roster.owner(DAVE.device) is None
    room.must(DAVE, Join(DAVE.id))


def test_the_owner_resolves_the_ban_of_a_device_from_another_one() -> None:
    room = three_admins()
    room.must(CAROL.on(2), Post("two devices"))
    room.must(ALICE, CastVote("ban", CAROL.device))
    room.must(BOB, CastVote("ban", CAROL.device))
    landed = ballots.landing(room.roster, "devices", CAROL.device, CAROL.device_certificate.pem)
    room.refuses_changes(Reason.NO_DEVICE, CAROL, Ban(CAROL.device), landed)
    planned = changes_for(Ban(CAROL.device), CAROL.author, room.roster, room.past)
    assert isinstance(planned, Rejection)
    assert planned.reason is Reason.NO_DEVICE
    room.must(CAROL.on(2), Ban(CAROL.device))


def test_a_ban_must_take_exactly_what_the_law_says() -> None:
    """ME-13"""
    room = three_admins()
    for admin in (ALICE, BOB):
        room.must(admin, CastVote("ban", DAVE.id))
    full = dict(ballots.landing(room.roster, "members", DAVE.id, DAVE.certificate.pem))
    for path in full:
        partial = {key: content for key, content in full.items() if key != path}
        refusal = room.refuses_changes(Reason.UNEXPECTED_CHANGE, ALICE, Ban(DAVE.id), partial)
        assert refusal.path == path
    elsewhere = {**full, tree.banned("admins", DAVE.id): DAVE.certificate.pem}
    room.refuses_changes(Reason.UNEXPECTED_CHANGE, ALICE, Ban(DAVE.id), elsewhere)
    other = {**full, tree.banned("members", DAVE.id): EVE.certificate.pem}
    room.refuses_changes(Reason.UNEXPECTED_CHANGE, ALICE, Ban(DAVE.id), other)
    room.must(ALICE, Ban(DAVE.id))


# --- what a resolution rests on


def test_a_resolution_remembers_the_votes_and_voters_it_rests_on() -> None:
    room = three_admins()
    first = room.must(ALICE, CastVote("ban", DAVE.id))
    room.must(BOB, CastVote("promote", DAVE.id))
    second = room.must(BOB, CastVote("ban", DAVE.id))
    banned = room.must(CAROL, Ban(DAVE.id))
    rests = control(room, banned)
    assert rests.votes == {first, second}
    assert rests.voters == {ALICE.id, BOB.id}
    assert rests.admins == {ALICE.id, BOB.id, CAROL.id}
    assert control(room, first).votes == frozenset()


def test_only_the_newest_vote_of_a_voter_counts() -> None:
    room = three_admins()
    for admin in (ALICE, BOB):
        room.must(admin, CastVote("ban", DAVE.id))
    room.must(DAVE, Leave(DAVE.id))
    room.bring(DAVE)
    again = [room.must(admin, CastVote("ban", DAVE.id)) for admin in (ALICE, BOB)]
    assert control(room, room.must(ALICE, Ban(DAVE.id))).votes == set(again)


def test_of_votes_on_lines_that_did_not_know_of_each_other_all_count() -> None:
    room = three_admins()
    fork = room.tip
    older = room.must(ALICE, CastVote("ban", DAVE.id), at=fork)
    room.must(DAVE, Leave(DAVE.id))
    room.bring(DAVE)
    one = room.must(ALICE, CastVote("ban", DAVE.id))
    two = room.must(ALICE.on(2), CastVote("ban", DAVE.id), at=fork)
    merged = CommitId("e" * 40)
    room.history.add(Fact(merged, (one, two), None, None, 0, "merge"))
    room.rosters[merged] = room.rosters[one]
    other = room.must(BOB, CastVote("ban", DAVE.id), at=merged)
    rests = control(room, room.must(BOB, Ban(DAVE.id)))
    assert rests.votes == {one, two, other}
    assert older not in rests.votes
    assert rests.voters == {ALICE.id, BOB.id}


def test_unban_and_promote_remember_theirs() -> None:
    room = three_admins()
    promoted = [room.must(admin, CastVote("promote", DAVE.id)) for admin in (BOB, CAROL)]
    assert control(room, room.must(BOB, Promote(DAVE.id))).votes == set(promoted)
    room.ban(DAVE.id, ALICE, BOB, CAROL)
    votes = [room.must(admin, CastVote("unban", DAVE.id)) for admin in (ALICE, CAROL)]
    rests = control(room, room.must(CAROL, Unban(DAVE.id)))
    assert (rests.votes, rests.voters) == (set(votes), {ALICE.id, CAROL.id})
    assert DAVE.id in room.roster.admins


def test_a_vote_that_does_not_count_is_not_among_them() -> None:
    room = three_admins()
    room.must(CAROL, CastVote("ban", DAVE.id))
    room.must(CAROL, Demote(CAROL.id))
    votes = [room.must(admin, CastVote("ban", DAVE.id)) for admin in (ALICE, BOB)]
    rests = control(room, room.must(ALICE, Ban(DAVE.id)))
    assert (rests.votes, rests.voters) == (set(votes), {ALICE.id, BOB.id})


# --- on rosters alone


def test_a_vote_under_another_type_than_the_targets_place_does_not_count() -> None:
    room = Room(2)
    room.bring(BOB)
    roster = room.roster.with_changes({tree.vote(Vote("ban", "invited", BOB.id, ALICE.id)): b""})
    assert ballots.voters("ban", BOB.id, roster) == frozenset()


@pytest.mark.parametrize(
    ("where", "expected"),
    [(tree.device(BOB.device), BOB.id), (tree.banned("devices", BOB.device), BOB.id), ("profile.vcf", None)],
)
def test_a_device_has_an_owner_banned_or_not(where: str, expected: str | None) -> None:
    roster = Roster(2, {where: BOB.device_certificate.pem})
    assert ballots.owner(BOB.device, roster) == expected
    assert ballots.owner(BOB.id, roster) is None


def test_a_foreign_device_file_has_no_owner() -> None:
    assert ballots.owner(BOB.device, Roster(2, {tree.banned("devices", BOB.device): b"?"})) is None


def test_a_ban_lands_wherever_its_target_went() -> None:
    room = Room(2)
    room.bring(BOB)
    gone = room.roster.with_changes(ballots.departure(room.roster, BOB.id))
    landed = gone.with_changes(ballots.landing(gone, "members", BOB.id, BOB.certificate.pem))
    assert dict(landed.banned) == {BOB.id: "members"}
    assert landed.joined == {ALICE.id}


def quorum_of(*voters: Person) -> int:
    room = three_admins()
    for voter in voters:
        room.must(voter, CastVote("ban", DAVE.id))
    return len(ballots.voters("ban", DAVE.id, room.roster))


def test_votes_are_counted_by_voter() -> None:
    assert [quorum_of(), quorum_of(ALICE), quorum_of(ALICE, CAROL)] == [0, 1, 2]


def test_who_is_joined_alone_promotes_himself_and_nobody_else() -> None:
    alone = Roster(1, {tree.member(ALICE.id): ALICE.certificate.pem})
    assert ballots.promotes_alone(ALICE.id, ALICE.id, alone)
    assert not ballots.promotes_alone(BOB.id, ALICE.id, alone)


def test_who_may_not_vote_is_told_whether_anybody_may() -> None:
    room = three_admins()
    assert "only admins" in room.refuses(Reason.BAD_VOTE, DAVE, CastVote("ban", BOB.id)).detail
    nobody = Roster(2, {tree.member(who.id): who.certificate.pem for who in (ALICE, BOB)})
    refused = ballots.vote("ban", BOB.id, ALICE.id, nobody)
    assert isinstance(refused, Rejection)
    assert "no admin" in refused.detail


def test_who_stands_nowhere_takes_nothing_away_but_the_votes_about_him() -> None:
    room = three_admins()
    room.must(ALICE, CastVote("ban", DAVE.id))
    assert ballots.departure(room.roster, FRANK.id) == {}
    about = tree.vote(Vote("ban", "members", DAVE.id, ALICE.id))
    gone = Roster(2, {about: b""})
    assert ballots.departure(gone, DAVE.id) == {about: None}


def test_what_a_voter_did_after_the_vote_is_no_vote() -> None:
    room = three_admins()
    votes = frozenset(room.must(who, CastVote("ban", DAVE.id)) for who in (ALICE, BOB))
    room.must(BOB, Add(EVE.id))
    room.must(ALICE, CastVote("ban", EVE.id))
    room.must(BOB, CastVote("promote", DAVE.id))
    resolved = control(room, room.must(CAROL, Ban(DAVE.id)))
    assert (resolved.votes, resolved.voters) == (votes, {ALICE.id, BOB.id})


def test_who_promotes_alone_spends_no_vote() -> None:
    room = Room(2)
    room.bring(BOB)
    room.must(ALICE, CastVote("promote", BOB.id))
    promoted = control(room, room.must(ALICE, Promote(BOB.id)))
    assert (promoted.votes, promoted.voters) == (frozenset(), frozenset())
