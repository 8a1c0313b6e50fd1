"""What a writer does: the effects, the own housekeeping that is due, and the steps of a ballot."""

from __future__ import annotations

from swarmchat.conversation import tree
from swarmchat.conversation.actions import (
    Add,
    Ban,
    CastVote,
    Initial,
    Join,
    Leave,
    Post,
    Promote,
    Unban,
    UpdateDevice,
)  # fmt: skip
from swarmchat.conversation.history import History
from swarmchat.conversation.past import Past
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Changes, empty
from swarmchat.conversation.rules.planning import changes_for, plan_ban, plan_leave, plan_promote, plan_unban
from tests.support.builders import ALICE, BOB, CAROL, DAVE, DAY, EVE, NONCE, NOW, Person, Room


def planned(room: Room, who: Person, action: object, **options: bytes) -> Changes:
    outcome = changes_for(action, who.author, room.roster, room.past, **options)  # type: ignore[arg-type]
    assert not isinstance(outcome, Rejection), str(outcome)
    return outcome


def refused(room: Room, who: Person, action: object, **options: bytes) -> Reason:
    outcome = changes_for(action, who.author, room.roster, room.past, **options)  # type: ignore[arg-type]
    assert isinstance(outcome, Rejection)
    return outcome.reason


def test_a_root_is_its_effects() -> None:
    changes = changes_for(Initial(2, NONCE), ALICE.author, empty(2), Past(History(), None))
    assert not isinstance(changes, Rejection)
    assert set(changes) == {tree.admin(ALICE.id), tree.device(ALICE.device)}


def test_a_root_takes_no_housekeeping_along() -> None:
    outcome = changes_for(
        Initial(2, NONCE), ALICE.author, empty(2), Past(History(), None), revocations=ALICE.revoking(ALICE.on(2))
    )
    assert outcome == {
        tree.admin(ALICE.id): ALICE.certificate.pem,
        tree.device(ALICE.device): ALICE.device_certificate.pem,
    }


def test_nothing_is_due_when_all_is_as_it_should_be() -> None:
    room = Room()
    assert planned(room, ALICE, Post("x")) == {}
    assert refused(room, ALICE, UpdateDevice()) is Reason.BAD_HOUSEKEEPING


def test_a_new_device_is_due() -> None:
    room = Room()
    expected = {tree.device(ALICE.on(2).device): ALICE.on(2).device_certificate.pem}
    assert planned(room, ALICE.on(2), Post("x")) == expected
    assert planned(room, ALICE.on(2), UpdateDevice()) == expected


def test_renewed_certificates_are_due_and_older_ones_are_not() -> None:
    room = Room()
    renewed = ALICE.renewed(account=True, now=NOW + DAY)
    assert planned(room, renewed, Post("x")) == {
        tree.device(ALICE.device): renewed.device_certificate.pem,
        tree.admin(ALICE.id): renewed.certificate.pem,
    }
    room.must(renewed, Post("x"), time=NOW + DAY)
    assert planned(room, ALICE, Post("x")) == {}


def test_a_list_is_due_when_it_may_replace_the_one_that_stands() -> None:
    room = Room()
    one, two = ALICE.revoking(ALICE.on(2), number=1), ALICE.revoking(ALICE.on(2), ALICE.on(3), number=2)
    room.must(ALICE, Post("x"), revocations=one)
    assert planned(room, ALICE, Post("x"), revocations=one) == {}
    assert planned(room, ALICE, Post("x"), revocations=two) == {tree.revocations(ALICE.id): two}
    assert planned(room, ALICE, Post("x"), revocations=ALICE.revoking(ALICE.on(3), number=3)) == {}


def test_a_first_list_that_is_none_is_said() -> None:
    assert refused(Room(), ALICE, Post("x"), revocations=b"no list") is Reason.BAD_REVOCATIONS


def test_who_leaves_renews_nothing() -> None:
    room = Room()
    changes = planned(room, ALICE.renewed(account=True), Leave(ALICE.id))
    assert changes == {tree.admin(ALICE.id): None, tree.device(ALICE.device): None}


def test_a_device_that_never_wrote_here_enters_before_it_leaves() -> None:
    room = Room()
    room.bring(BOB)
    assert plan_leave(room.roster, BOB.id, BOB.device) == (Leave(BOB.id),)
    assert refused(room, BOB.on(2), Leave(BOB.id)) is Reason.NO_DEVICE
    for action in plan_leave(room.roster, BOB.id, BOB.on(2).device):
        room.must(BOB.on(2), action)
    assert not room.roster.is_joined(BOB.id)


def test_who_joins_enters_with_the_newest_certificates() -> None:
    room = Room(3)
    renewed = BOB.renewed(account=True)
    assert planned(room, renewed, Join(BOB.id)) == {
        tree.member(BOB.id): renewed.certificate.pem,
        tree.device(BOB.device): renewed.device_certificate.pem,
    }


def test_who_may_not_write_plans_nothing() -> None:
    room = Room(2)
    room.bring_admins(BOB, CAROL)
    room.bring(DAVE)
    room.must(DAVE.on(2), Post("two devices"))
    room.ban(DAVE.device, ALICE, BOB)
    assert refused(room, DAVE, Post("x")) is Reason.BANNED
    assert planned(room, DAVE.on(2), Post("x")) == {}
    room.ban(DAVE.id, ALICE, BOB)
    assert refused(room, DAVE.on(2), Post("x")) is Reason.BANNED
    assert refused(room, EVE, Post("x")) is Reason.NOT_A_MEMBER


# --- ballots


def test_a_ban_is_planned_step_by_step() -> None:
    room = Room(2)
    room.bring_admins(BOB, CAROL)
    room.bring(DAVE)
    assert plan_ban(room.roster, ALICE.id, DAVE.id) == (CastVote("ban", DAVE.id),)
    room.must(ALICE, CastVote("ban", DAVE.id))
    again = plan_ban(room.roster, ALICE.id, DAVE.id)
    assert isinstance(again, Rejection)
    assert (again.reason, again.detail) == (Reason.NO_QUORUM, "1 of 2 votes")
    assert plan_ban(room.roster, BOB.id, DAVE.id) == (CastVote("ban", DAVE.id), Ban(DAVE.id))
    room.must(BOB, CastVote("ban", DAVE.id))
    assert plan_ban(room.roster, CAROL.id, DAVE.id) == (Ban(DAVE.id),)
    room.must(CAROL, Ban(DAVE.id))
    assert plan_unban(room.roster, ALICE.id, DAVE.id) == (CastVote("unban", DAVE.id),)
    room.must(ALICE, CastVote("unban", DAVE.id))
    assert plan_unban(room.roster, BOB.id, DAVE.id) == (CastVote("unban", DAVE.id), Unban(DAVE.id))


def test_a_promotion_is_planned_for_one_admin_and_for_several() -> None:
    room = Room(2)
    room.bring(BOB, CAROL)
    assert plan_promote(room.roster, ALICE.id, BOB.id) == (Promote(BOB.id),)
    room.must(ALICE, Promote(BOB.id))
    assert plan_promote(room.roster, ALICE.id, CAROL.id) == (CastVote("promote", CAROL.id),)


def reason(plan: object) -> Reason:
    assert isinstance(plan, Rejection)
    return plan.reason


def test_what_cannot_be_is_not_planned() -> None:
    room = Room(2)
    room.bring(BOB, CAROL)
    assert reason(plan_ban(room.roster, BOB.id, CAROL.id)) is Reason.BAD_VOTE
    assert reason(plan_ban(room.roster, ALICE.id, ALICE.id)) is Reason.BAD_VOTE
    assert reason(plan_ban(room.roster, ALICE.id, EVE.id)) is Reason.BAD_VOTE
    assert reason(plan_unban(room.roster, ALICE.id, BOB.id)) is Reason.BAD_VOTE
    assert reason(plan_promote(room.roster, ALICE.id, EVE.id)) is Reason.BAD_VOTE
    assert reason(plan_ban(room.roster, ALICE.id, ALICE.device, device=ALICE.device)) is Reason.BAD_BALLOT
    alone = Room(0, ALICE, invited=BOB)
    assert reason(plan_ban(alone.roster, ALICE.id, BOB.id)) is Reason.NOT_IN_THIS_MODE


def test_a_one_to_one_plans_no_stranger() -> None:
    assert refused(Room(0, ALICE, invited=BOB), ALICE, Add(CAROL.id)) is Reason.BAD_ADD
