"""SCP-02 §4.4, §4.6: own device, own certificates, own revocation list; nothing else, and never for another."""

from __future__ import annotations

import pytest

from swarmchat import limits
from swarmchat.conversation import tree
from swarmchat.conversation.actions import Action, Add, CastVote, Demote, Initial, Join, Leave, Post, UpdateDevice
from swarmchat.conversation.history import History
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.rules.housekeeping import housekeeping
from tests.support.builders import ALICE, BOB, CAROL, DAY, EVE, NONCE, NOW, Person, Room


def devices(*people: Person) -> dict[str, bytes | None]:
    return {tree.device(one.device): one.device_certificate.pem for one in people}


def lists(who: Person, content: bytes | None) -> dict[str, bytes | None]:
    return {tree.revocations(who.id): content}


@pytest.mark.parametrize("action", [Post("x"), Add(BOB.id), UpdateDevice(), Leave(ALICE.id)])
def test_housekeeping_goes_along_with_any_action(action: Action) -> None:
    room = Room()
    written = room.must(ALICE.renewed(account=True), action, revocations=ALICE.revoking(ALICE.on(2)))
    kept = {tree.revocations(ALICE.id)} if isinstance(action, Leave) else {
        tree.revocations(ALICE.id), tree.device(ALICE.device), tree.admin(ALICE.id)
    }  # fmt: skip
    assert kept <= set(room.changes[written])
    fact = room.history[written].fact
    assert fact.control is not None
    assert len(fact.control.revoked) == 1


def test_a_message_with_housekeeping_is_a_control_commit_and_without_is_none() -> None:
    room = Room()
    assert room.history[room.must(ALICE, Post("x"))].fact.control is None
    assert room.history[room.must(ALICE.on(2), Post("x"))].fact.control is not None


def test_the_root_has_none() -> None:
    room = Room()
    files = {**room.changes[room.root], **lists(ALICE, ALICE.revoking())}
    room.history, room.conversation = History(), None
    refusal = room.refuses_changes(Reason.UNEXPECTED_CHANGE, ALICE, Initial(1, NONCE), files, root=True)
    assert refusal.path == tree.revocations(ALICE.id)


def test_an_update_device_updates_something() -> None:
    room = Room()
    room.refuses(Reason.BAD_HOUSEKEEPING, ALICE, UpdateDevice())
    room.must(ALICE.on(2), UpdateDevice())


@pytest.mark.parametrize("action", [Post("x"), UpdateDevice(), Add(CAROL.id)])
def test_nothing_else_is_changed_along(action: Action) -> None:
    room = Room()
    room.bring(BOB)
    expected = {tree.invited(CAROL.id): b""} if isinstance(action, Add) else {}
    for path, content in (
        (tree.device(ALICE.on(2).device), ALICE.on(2).device_certificate.pem),  # own, but not the writing one
        (tree.device(BOB.device), None),
        (tree.device(BOB.device), BOB.renewed().device_certificate.pem),
        (tree.member(BOB.id), None),
        (tree.member(BOB.id), BOB.renewed(account=True).certificate.pem),
        (tree.member(ALICE.id), ALICE.certificate.pem),
        (tree.admin(BOB.id), BOB.certificate.pem),
        (tree.invited(EVE.id), b""),
        (tree.banned("members", BOB.id), BOB.certificate.pem),
        (tree.revocations(BOB.id), BOB.revoking(BOB.on(2))),
        (tree.PROFILE, b"BEGIN:VCARD\nVERSION:4.0\nFN:x\nEND:VCARD\n"),
        (f"votes/ban/members/{BOB.id}/{ALICE.id}", b""),
    ):
        refusal = room.refuses_changes(Reason.UNEXPECTED_CHANGE, ALICE, action, {**expected, path: content})
        assert refusal.path == path


def test_the_first_path_that_differs_is_named() -> None:
    room = Room()
    room.bring(BOB)
    wrong: dict[str, bytes | None] = {
        tree.member(BOB.id): None,
        tree.device(BOB.device): None,
        tree.invited(EVE.id): b"",
    }
    refusal = room.refuses_changes(Reason.UNEXPECTED_CHANGE, ALICE, Post("x"), wrong)
    assert refusal.path == min(wrong)


def test_a_device_certificate_is_renewed_for_a_later_expiry_only() -> None:
    room = Room()
    renewed = ALICE.renewed(now=NOW + DAY)
    room.must(renewed, UpdateDevice())
    for again in (ALICE, ALICE.renewed(now=NOW + DAY - 1)):
        room.refuses_changes(Reason.BAD_HOUSEKEEPING, ALICE, Post("x"), devices(again))
    room.must(ALICE.renewed(now=NOW + DAY + 1), UpdateDevice())


def test_an_account_certificate_is_renewed_for_a_later_expiry_and_the_same_key() -> None:
    room = Room()
    path = tree.admin(ALICE.id)
    for content in (
        b"no certificate",
        ALICE.renewed(account=True, now=NOW).certificate.pem,  # expires at the same time
        BOB.renewed(account=True).certificate.pem,
        ALICE.renewed().device_certificate.pem,
        ALICE.renewed(account=True, now=NOW + 5 * DAY).certificate.pem,  # not yet valid when the commit is made
        None,
    ):
        refusal = room.refuses_changes(Reason.BAD_HOUSEKEEPING, ALICE, Post("x"), {path: content})
        assert refusal.path == path
    room.must(ALICE.renewed(account=True, now=NOW + 1), Post("x"))


def test_a_certificate_that_expires_at_the_same_time_replaces_none() -> None:
    room = Room()
    again = ALICE.renewed(now=NOW)
    assert again.device_certificate != ALICE.device_certificate
    room.refuses_changes(Reason.BAD_HOUSEKEEPING, ALICE, Post("x"), devices(again))


def test_a_renewal_under_another_key_is_said_to_be_one() -> None:
    room = Room()
    other = {tree.admin(ALICE.id): BOB.renewed(account=True).certificate.pem}
    assert "key" in room.refuses_changes(Reason.BAD_HOUSEKEEPING, ALICE, Post("x"), other).detail


def test_every_file_is_judged_and_the_first_fault_by_path_is_named() -> None:
    room = Room()
    renewed = ALICE.renewed(now=NOW + DAY)
    room.must(renewed, UpdateDevice())
    older, good, bad = devices(ALICE), lists(ALICE, ALICE.revoking(ALICE.on(2))), lists(ALICE, b"no list")
    room.refuses_changes(Reason.BAD_HOUSEKEEPING, ALICE, UpdateDevice(), good | older)
    for faults in (bad | older, older | bad):
        refusal = housekeeping(faults, ALICE.author, room.roster, at=NOW, revoked=frozenset())
        assert isinstance(refusal, Rejection)
        assert (refusal.reason, refusal.path) == (Reason.BAD_REVOCATIONS, tree.revocations(ALICE.id))


def test_a_device_is_not_taken_away_by_housekeeping() -> None:
    room = Room()
    room.must(ALICE.on(2), Post("x"))
    room.refuses_changes(Reason.UNEXPECTED_CHANGE, ALICE.on(2), Post("x"), {tree.device(ALICE.device): None})


def test_a_file_that_the_action_moves_is_not_renewed_along() -> None:
    room = Room()
    room.bring_admins(BOB)
    moved = {tree.admin(BOB.id): None, tree.member(BOB.id): BOB.renewed(account=True).certificate.pem}
    room.refuses_changes(Reason.UNEXPECTED_CHANGE, BOB, Demote(BOB.id), moved)
    room.must(BOB.renewed(account=True), Demote(BOB.id))
    assert room.roster.certificate(BOB.id) == BOB.certificate.pem


def test_a_list_grows_in_number_and_forgets_nobody() -> None:
    room = Room()
    room.must(ALICE, UpdateDevice(), revocations=ALICE.revoking(ALICE.on(2), number=7))
    for content in (
        ALICE.revoking(ALICE.on(2), ALICE.on(3), number=7),
        ALICE.revoking(ALICE.on(2), ALICE.on(3), number=6),
        ALICE.revoking(ALICE.on(3), number=8),
        ALICE.revoking(number=8),
        BOB.revoking(BOB.on(2), number=9),
        b"",
        b"no list",
        b"x" * (limits.REVOCATION_LIST_BYTES_MAX + 1),
        None,
    ):
        refusal = room.refuses_changes(Reason.BAD_REVOCATIONS, ALICE, UpdateDevice(), lists(ALICE, content))
        assert refusal.path == tree.revocations(ALICE.id)
    room.must(ALICE, Post("x"), revocations=ALICE.revoking(ALICE.on(2), ALICE.on(3), number=8))
    assert len(room.past.revoked(ALICE.id)) == 2
    again = ALICE.revoking(ALICE.on(2), ALICE.on(3), number=9)
    room.must(ALICE, Post("x"), revocations=again)
    assert room.roster.files[tree.revocations(ALICE.id)] == again


def test_a_renewed_account_still_signs_lists() -> None:
    room = Room()
    room.must(ALICE.renewed(account=True), Post("x"), revocations=ALICE.revoking(ALICE.on(2), number=2))
    room.must(ALICE.renewed(account=True), Post("x"), revocations=ALICE.revoking(ALICE.on(2), number=3))


def test_an_account_has_16_devices_at_most() -> None:
    """C-17"""
    room = Room()
    room.bring(BOB)
    for number in range(2, limits.DEVICES_PER_ACCOUNT_MAX + 1):
        room.must(BOB.on(number), Post("x"))
    assert len(room.roster.devices_of(BOB.id)) == limits.DEVICES_PER_ACCOUNT_MAX
    refusal = room.refuses(Reason.GROUP_FULL, BOB.on(17), Post("one too many"))
    assert refusal.path == tree.device(BOB.on(17).device)
    room.must(BOB.on(16).renewed(), Post("renewals are never refused"))
    room.must(ALICE.on(2), Post("others have their own"))


def test_joining_brings_a_list_along() -> None:
    room = Room(3)
    room.must(BOB, Join(BOB.id), revocations=BOB.revoking(BOB.on(2)))
    room.refuses(Reason.BAD_CHAIN, BOB.on(2), Post("x"))


def test_votes_and_renewals_go_together() -> None:
    room = Room(1)
    room.bring(BOB)
    room.must(ALICE.renewed(), CastVote("ban", BOB.id))
