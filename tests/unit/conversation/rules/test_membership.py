"""SCP-02 §5.1–§5.4: who joins, leaves, is kicked, promoted, demoted, in each mode."""

from __future__ import annotations

import pytest

from swarmchat.conversation import tree
from swarmchat.conversation.actions import Add, Ban, CastVote, Demote, Initial, Join, Kick, Leave, Post, Promote, Unban
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import empty
from swarmchat.conversation.rules.effects import effects
from swarmchat.conversation.tree import Mode, Vote
from tests.support.builders import ALICE, BOB, CAROL, DAVE, EVE, FRANK, NONCE, Room

GROUPS: list[Mode] = [1, 2, 3]


# --- initial


@pytest.mark.parametrize("mode", [0, 1, 2, 3])
def test_the_root_holds_its_creator_as_admin_and_nothing_else(mode: Mode) -> None:
    """C-01, R-06"""
    roster = Room(mode).roster
    assert roster.mode == mode
    assert dict(roster.files) == {
        tree.admin(ALICE.id): ALICE.certificate.pem,
        tree.device(ALICE.device): ALICE.device_certificate.pem,
    }


def test_a_one_to_one_invites_the_other_and_never_oneself() -> None:
    assert Room(0, ALICE, invited=BOB).roster.invited == {BOB.id}
    assert Room(0, ALICE, invited=ALICE).roster.invited == frozenset()


def test_a_root_on_top_of_something_has_no_effect() -> None:
    outcome = effects(Initial(1, NONCE), ALICE.author, Room().roster)
    assert isinstance(outcome, Rejection)
    assert outcome.reason is Reason.BAD_INITIAL
    assert not isinstance(effects(Initial(1, NONCE), ALICE.author, empty(1)), Rejection)


# --- add


@pytest.mark.parametrize("mode", GROUPS)
def test_an_admin_invites_in_every_group(mode: Mode) -> None:
    room = Room(mode)
    room.must(ALICE, Add(BOB.id))
    assert room.changes[room.tip] == {tree.invited(BOB.id): b""}  # type: ignore[index]


@pytest.mark.parametrize(("mode", "allowed"), [(1, False), (2, True), (3, True)])
def test_a_member_invites_where_the_mode_lets_him(mode: Mode, allowed: bool) -> None:
    room = Room(mode)
    room.bring(BOB)
    if allowed:
        room.must(BOB, Add(CAROL.id))
    else:
        room.refuses(Reason.BAD_ADD, BOB, Add(CAROL.id))


def test_only_who_stands_nowhere_is_invited() -> None:
    """ME-18"""
    room = Room(2)
    room.bring_admins(BOB, CAROL)
    room.bring(DAVE)
    room.must(ALICE, Add(EVE.id))
    for one in (ALICE, BOB, DAVE, EVE):
        room.refuses(Reason.BAD_ADD, ALICE, Add(one.id))
    room.bring(FRANK)
    for one in (DAVE, EVE):
        room.ban(one.id, ALICE, BOB)
        for who in (ALICE, FRANK):
            room.refuses(Reason.BAD_ADD, who, Add(one.id))


# --- join


@pytest.mark.parametrize("mode", GROUPS)
def test_who_is_invited_joins_as_member_with_his_device(mode: Mode) -> None:
    """ME-04, ME-27"""
    room = Room(mode)
    room.must(ALICE, Add(BOB.id))
    joined = room.must(BOB, Join(BOB.id))
    assert room.changes[joined] == {
        tree.invited(BOB.id): None,
        tree.member(BOB.id): BOB.certificate.pem,
        tree.device(BOB.device): BOB.device_certificate.pem,
    }
    room.refuses(Reason.BAD_JOIN, BOB, Join(BOB.id))
    room.refuses(Reason.BAD_JOIN, ALICE, Join(ALICE.id))


def test_a_join_changes_exactly_what_a_join_does() -> None:
    """ME-22, ME-23, ME-24: nothing beside, not without the certificate, not without taking the invitation away."""
    room = Room(2)
    room.must(ALICE, Add(BOB.id))
    room.must(ALICE, Add(CAROL.id))
    right: dict[str, bytes | None] = {
        tree.invited(BOB.id): None,
        tree.member(BOB.id): BOB.certificate.pem,
        tree.device(BOB.device): BOB.device_certificate.pem,
    }
    for wrong, reason in (
        (right | {tree.invited(CAROL.id): None}, Reason.UNEXPECTED_CHANGE),
        (right | {tree.admin(BOB.id): BOB.certificate.pem}, Reason.UNEXPECTED_CHANGE),
        (right | {"notes.txt": b""}, Reason.MALFORMED_TREE),
        ({path: each for path, each in right.items() if path != tree.member(BOB.id)}, Reason.NOT_A_MEMBER),
        ({path: each for path, each in right.items() if path != tree.invited(BOB.id)}, Reason.UNEXPECTED_CHANGE),
    ):
        room.refuses_changes(reason, BOB, Join(BOB.id), wrong)
    room.must(BOB, Join(BOB.id))


def test_a_public_conversation_is_entered_without_invitation() -> None:
    room = Room(3)
    room.must(BOB, Join(BOB.id))
    assert room.roster.members == {BOB.id}


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_others_are_not(mode: Mode) -> None:
    """R-12"""
    Room(mode).refuses(Reason.BAD_JOIN, BOB, Join(BOB.id))


def test_nobody_joins_for_another() -> None:
    room = Room(3)
    room.refuses(Reason.BAD_JOIN, BOB, Join(CAROL.id))


def test_who_is_banned_does_not_join_a_public_conversation_again() -> None:
    room = Room(3)
    room.bring_admins(BOB, CAROL)
    room.must(DAVE, Join(DAVE.id))
    room.ban(DAVE.id, ALICE, BOB)
    room.refuses(Reason.BANNED, DAVE, Join(DAVE.id))
    room.refuses(Reason.BANNED, DAVE.on(2), Join(DAVE.id))


def test_joining_takes_the_votes_about_the_invitation_away() -> None:
    room = Room(2)
    room.bring_admins(BOB, CAROL)
    room.must(ALICE, Add(DAVE.id))
    room.must(ALICE, CastVote("ban", DAVE.id))
    assert room.roster.votes == {Vote("ban", "invited", DAVE.id, ALICE.id)}
    room.must(DAVE, Join(DAVE.id))
    assert room.roster.votes == frozenset()


# --- leave


@pytest.mark.parametrize("mode", GROUPS)
def test_who_leaves_takes_all_that_is_his_away(mode: Mode) -> None:
    room = Room(mode)
    room.bring_admins(BOB, CAROL)
    room.bring(DAVE)
    room.must(BOB.on(2), Post("my second device"))
    room.must(BOB, CastVote("ban", DAVE.id))
    room.must(CAROL, CastVote("ban", BOB.id))
    room.must(ALICE, CastVote("ban", BOB.on(2).device))
    room.must(ALICE, CastVote("ban", CAROL.id))
    left = room.must(BOB, Leave(BOB.id))
    assert {path for path, content in room.changes[left].items() if content is None} == set(room.changes[left])
    assert room.roster.admins == {ALICE.id, CAROL.id}
    assert room.roster.votes == {Vote("ban", "admins", CAROL.id, ALICE.id)}
    assert set(room.roster.devices.values()) == {ALICE.id, CAROL.id, DAVE.id}
    room.refuses(Reason.NOT_A_MEMBER, BOB, Post("still here"))
    room.bring(BOB)
    assert BOB.id in room.roster.members


def test_one_leaves_for_oneself() -> None:
    room = Room(1)
    room.bring(BOB, CAROL)
    room.refuses(Reason.BAD_REMOVAL, BOB, Leave(CAROL.id))
    room.refuses(Reason.BAD_REMOVAL, ALICE, Leave(CAROL.id))
    room.must(BOB, Leave(BOB.id))


def test_the_last_admin_leaves_nobody_behind() -> None:
    room = Room(1)
    room.must(ALICE, Add(BOB.id))
    refusal = room.refuses(Reason.LAST_ADMIN, ALICE, Leave(ALICE.id))
    assert "promote somebody first" in refusal.detail
    room.must(BOB, Join(BOB.id))
    room.refuses(Reason.LAST_ADMIN, ALICE, Leave(ALICE.id))
    room.must(ALICE, Kick(BOB.id))
    room.must(ALICE, Leave(ALICE.id))
    assert room.roster.joined == frozenset()


def test_the_last_admin_leaves_once_there_is_another() -> None:
    room = Room(2)
    room.bring_admins(BOB)
    room.must(ALICE, Leave(ALICE.id))
    room.refuses(Reason.LAST_ADMIN, BOB, Demote(BOB.id))


def test_the_device_of_who_leaves_must_stand_in_the_tree() -> None:
    room = Room(1)
    room.bring(BOB)
    room.refuses_changes(
        Reason.NO_DEVICE,
        BOB.on(2),
        Leave(BOB.id),
        {tree.member(BOB.id): None, tree.device(BOB.device): None},
    )


def test_an_invitation_cannot_leave() -> None:
    outcome = effects(Leave(BOB.id), BOB.author, Room(0, ALICE, invited=BOB).roster)
    assert isinstance(outcome, Rejection)
    assert outcome.reason is Reason.BAD_REMOVAL


# --- kick


def test_an_admin_kicks_members_and_invitations_in_mode_1() -> None:
    room = Room(1)
    room.bring_admins(BOB)
    room.bring(CAROL)
    room.must(CAROL.on(2), Post("two devices"))
    room.must(ALICE, CastVote("promote", CAROL.id))
    room.must(BOB, Kick(CAROL.id))
    assert CAROL.id not in room.roster.devices.values()
    assert room.roster.votes == frozenset()
    room.must(ALICE, Add(CAROL.id))
    room.must(ALICE, Kick(CAROL.id))
    assert room.roster.invited == frozenset()
    room.must(ALICE, Add(CAROL.id))


@pytest.mark.parametrize("mode", [2, 3])
def test_elsewhere_only_a_sole_admin_kicks(mode: Mode) -> None:
    room = Room(mode)
    room.bring(BOB, CAROL)
    room.must(ALICE, Kick(BOB.id))
    room.must(ALICE, Promote(CAROL.id))
    room.bring(BOB)
    room.refuses(Reason.NOT_IN_THIS_MODE, ALICE, Kick(BOB.id))


def test_nobody_else_kicks_and_admins_are_not_kicked() -> None:
    """ME-14, ME-20"""
    room = Room(1)
    room.bring_admins(BOB)
    room.bring(CAROL, DAVE)
    room.refuses(Reason.BAD_REMOVAL, CAROL, Kick(DAVE.id))
    room.refuses(Reason.BAD_REMOVAL, ALICE, Kick(BOB.id))
    room.refuses(Reason.BAD_REMOVAL, ALICE, Kick(ALICE.id))
    room.refuses(Reason.BAD_REMOVAL, ALICE, Kick(EVE.id))


# --- promote, demote


@pytest.mark.parametrize("mode", GROUPS)
def test_a_sole_admin_promotes_alone(mode: Mode) -> None:
    room = Room(mode)
    room.bring(BOB)
    promoted = room.must(ALICE, Promote(BOB.id))
    assert room.changes[promoted] == {tree.member(BOB.id): None, tree.admin(BOB.id): BOB.certificate.pem}
    control = room.history[promoted].fact.control
    assert control is not None
    assert (control.votes, control.voters) == (frozenset(), frozenset())


def test_with_more_admins_it_takes_a_ballot() -> None:
    room = Room(2)
    room.bring_admins(BOB)
    room.bring(CAROL)
    room.refuses(Reason.NO_QUORUM, ALICE, Promote(CAROL.id))
    room.must(ALICE, CastVote("promote", CAROL.id))
    refusal = room.refuses(Reason.NO_QUORUM, ALICE, Promote(CAROL.id))
    assert refusal.detail == "1 of 2 votes"
    room.must(BOB, CastVote("promote", CAROL.id))
    room.must(BOB, Promote(CAROL.id))
    assert room.roster.admins == {ALICE.id, BOB.id, CAROL.id}
    assert room.roster.votes == frozenset()


def test_only_members_are_promoted_and_only_by_admins() -> None:
    room = Room(2)
    room.bring(BOB, CAROL)
    room.must(ALICE, Add(DAVE.id))
    for target in (ALICE, DAVE, EVE):
        room.refuses(Reason.BAD_PROMOTION, ALICE, Promote(target.id))
    room.refuses(Reason.BAD_PROMOTION, BOB, Promote(CAROL.id))
    room.refuses(Reason.BAD_PROMOTION, BOB, Promote(BOB.id))


def test_promoting_takes_the_ban_votes_about_the_member_away() -> None:
    room = Room(2)
    room.bring(BOB)
    room.must(ALICE, CastVote("ban", BOB.id))
    room.must(ALICE, Promote(BOB.id))
    assert room.roster.votes == frozenset()


def test_an_admin_steps_down_for_himself_unless_he_is_the_last() -> None:
    room = Room(2)
    room.refuses(Reason.LAST_ADMIN, ALICE, Demote(ALICE.id))
    room.bring_admins(BOB)
    room.bring(CAROL)
    room.refuses(Reason.BAD_PROMOTION, ALICE, Demote(BOB.id))
    room.refuses(Reason.BAD_PROMOTION, CAROL, Demote(CAROL.id))
    room.must(ALICE, CastVote("ban", BOB.id))
    room.must(BOB, Demote(BOB.id))
    assert (room.roster.admins, room.roster.members) == ({ALICE.id}, {BOB.id, CAROL.id})
    assert room.roster.votes == frozenset()


def without_admins(mode: Mode) -> Room:
    """A group whose two admins banned each other away: made by hand, as only a settled fork comes to it."""
    room = Room(mode)
    room.bring(BOB, CAROL)
    assert room.tip is not None
    room.rosters[room.tip] = room.roster.with_changes(
        {tree.admin(ALICE.id): None, tree.banned("admins", ALICE.id): ALICE.certificate.pem}
    )
    return room


def test_in_mode_1_members_elect_an_admin_when_there_is_none() -> None:
    room = without_admins(1)
    room.refuses(Reason.BAD_PROMOTION, BOB, Promote(BOB.id))
    room.refuses(Reason.NO_QUORUM, CAROL, Promote(BOB.id))
    room.refuses(Reason.BAD_VOTE, BOB, CastVote("promote", BOB.id))
    room.must(CAROL, CastVote("promote", BOB.id))
    room.refuses(Reason.BAD_PROMOTION, BOB, Promote(BOB.id))
    room.must(CAROL, Promote(BOB.id))
    assert room.roster.admins == {BOB.id}


def test_in_mode_1_who_is_left_alone_promotes_himself() -> None:
    room = without_admins(1)
    room.must(CAROL, Leave(CAROL.id))
    room.must(BOB, Promote(BOB.id))
    assert room.roster.admins == {BOB.id}


@pytest.mark.parametrize("mode", [2, 3])
def test_elsewhere_a_group_without_admins_goes_on_without(mode: Mode) -> None:
    room = without_admins(mode)
    room.refuses(Reason.BAD_VOTE, CAROL, CastVote("promote", BOB.id))
    room.refuses(Reason.BAD_PROMOTION, CAROL, Promote(BOB.id))
    room.must(BOB, Add(DAVE.id))
    room.must(CAROL, Leave(CAROL.id))
    room.refuses(Reason.BAD_PROMOTION, BOB, Promote(BOB.id))
    room.must(BOB, Leave(BOB.id))


# --- mode 0


def test_a_one_to_one_knows_no_removals_and_no_ballots() -> None:
    room = Room(0, ALICE, invited=BOB)
    room.must(BOB, Join(BOB.id))
    for action in (
        Kick(BOB.id),
        Promote(BOB.id),
        Demote(ALICE.id),
        CastVote("ban", BOB.id),
        CastVote("unban", BOB.id),
        CastVote("promote", BOB.id),
        Ban(BOB.id),
        Ban(BOB.device),
        Unban(BOB.id),
    ):
        room.refuses(Reason.NOT_IN_THIS_MODE, ALICE, action)


def test_either_leaves_a_one_to_one_and_is_invited_back_by_the_other() -> None:
    room = Room(0, ALICE, invited=BOB)
    room.must(BOB, Join(BOB.id))
    room.must(ALICE, Leave(ALICE.id))
    room.refuses(Reason.BAD_ADD, BOB, Add(CAROL.id))
    room.must(BOB, Add(ALICE.id))
    room.must(ALICE, Join(ALICE.id))
    assert room.roster.members == {ALICE.id, BOB.id}
    room.must(BOB, Leave(BOB.id))
    room.refuses(Reason.BAD_ADD, ALICE, Add(CAROL.id))
    room.must(ALICE, Add(BOB.id))
    room.must(ALICE, Leave(ALICE.id))
    room.must(BOB, Join(BOB.id))
    room.must(BOB, Leave(BOB.id))
    assert room.roster.joined == frozenset()
    room.refuses(Reason.NOT_A_MEMBER, BOB, Add(ALICE.id))  # closed


def test_a_one_to_one_with_oneself_stays_so() -> None:
    """ME-29"""
    room = Room(0)
    room.refuses(Reason.BAD_ADD, ALICE, Add(BOB.id))
    room.must(ALICE, Post("note to self"))
    room.must(ALICE, Leave(ALICE.id))
