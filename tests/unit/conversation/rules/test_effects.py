"""The one function that says what an action does; the parts that only a replay uses."""

from __future__ import annotations

import pytest

from swarmchat.conversation import tree
from swarmchat.conversation.actions import (
    Action,
    Ban,
    CastVote,
    Join,
    Kick,
    Post,
    Promote,
    Unban,
    UpdateDevice,
)
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.rules.effects import Effects, effects
from tests.support.builders import ALICE, BOB, CAROL, DAVE, EVE, Room


def three_admins() -> Room:
    room = Room(2)
    room.bring_admins(BOB, CAROL)
    room.bring(DAVE)
    return room


@pytest.mark.parametrize("action", [Post("x"), UpdateDevice()])
def test_what_changes_nothing_keeps_the_very_roster(action: Action) -> None:
    roster = Room().roster
    outcome = effects(action, ALICE.author, roster)
    assert not isinstance(outcome, Rejection)
    assert outcome.after is roster
    assert outcome.changes == {}


def test_the_roster_after_is_that_of_the_changes() -> None:
    room = three_admins()
    outcome = effects(CastVote("ban", DAVE.id), ALICE.author, room.roster)
    assert not isinstance(outcome, Rejection)
    assert outcome.after == room.roster.with_changes(outcome.changes)


def test_changes_are_real_and_sorted() -> None:
    """A file that would be written with what it holds, or removed where none is, is no change."""
    room = Room(3)
    roster = room.roster.with_changes({tree.device(BOB.device): BOB.device_certificate.pem})
    outcome = effects(Join(BOB.id), BOB.author, roster)
    assert not isinstance(outcome, Rejection)
    assert list(outcome.changes) == [tree.member(BOB.id)]
    entered = effects(Join(CAROL.id), CAROL.author, roster.with_changes({tree.invited(CAROL.id): b""}))
    assert not isinstance(entered, Rejection)
    assert list(entered.changes) == [tree.device(CAROL.device), tree.invited(CAROL.id), tree.member(CAROL.id)]


@pytest.mark.parametrize(
    "action", [Kick(DAVE.id), Promote(DAVE.id), Ban(DAVE.id), Ban(DAVE.device)]
)  # fmt: skip
def test_a_replay_does_not_ask_again_how_many_agreed(action: Action) -> None:
    room = three_admins()
    assert isinstance(effects(action, ALICE.author, room.roster), Rejection)
    assert not isinstance(effects(action, ALICE.author, room.roster, replayed=True), Rejection)


def test_a_replayed_unban_does_not_ask_again_how_many_agreed() -> None:
    room = three_admins()
    room.ban(DAVE.id, ALICE, BOB)
    assert isinstance(effects(Unban(DAVE.id), ALICE.author, room.roster), Rejection)
    assert not isinstance(effects(Unban(DAVE.id), ALICE.author, room.roster, replayed=True), Rejection)


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (Kick(ALICE.id), Reason.BAD_REMOVAL),
        (Promote(ALICE.id), Reason.BAD_PROMOTION),
        (Unban(ALICE.id), Reason.BAD_BALLOT),
    ],
)
def test_a_replay_still_asks_whether_it_applies(action: Action, reason: Reason) -> None:
    outcome = effects(action, ALICE.author, three_admins().roster, replayed=True)
    assert isinstance(outcome, Rejection)
    assert outcome.reason is reason


@pytest.mark.parametrize("action", [Kick(EVE.id), Promote(EVE.id)])
def test_a_replay_asks_itself_whether_the_author_is_still_admin(action: Action) -> None:
    """Who gave up on another line keeps what was done without knowing of it: the roster alone cannot tell."""
    room = three_admins()
    room.bring(EVE)
    assert isinstance(effects(action, DAVE.author, room.roster), Rejection)
    assert isinstance(effects(action, DAVE.author, room.roster, replayed=True), Effects)
