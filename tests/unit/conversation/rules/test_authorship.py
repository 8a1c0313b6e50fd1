"""SCP-02 §4.1–§4.3, §4.5: may this device write here, at this time."""

from __future__ import annotations

import pytest

from swarmchat import limits
from swarmchat.conversation import tree
from swarmchat.conversation.actions import Add, Initial, Join, Leave, Post, UpdateDevice
from swarmchat.conversation.history import History
from swarmchat.conversation.rejection import Reason
from swarmchat.crypto.certificates import Certificate, issue_account, issue_device
from swarmchat.ids import CommitId
from tests.support.builders import ALICE, BOB, CAROL, DAY, EVE, NONCE, NOW, Person, Room


def device_file(who: Person, content: bytes | None = None) -> dict[str, bytes | None]:
    return {tree.device(who.device): who.device_certificate.pem if content is None else content}


def test_a_device_enters_with_its_first_commit_and_is_known_from_then_on() -> None:
    room = Room()
    first = room.must(ALICE.on(2), Post("first"))
    second = room.must(ALICE.on(2), Post("second"))
    assert room.changes[first] == device_file(ALICE.on(2))
    assert room.changes[second] == {}
    assert room.rosters[second] is room.rosters[first]


def test_a_device_without_certificate_writes_nothing() -> None:
    room = Room()
    room.refuses_changes(Reason.NO_DEVICE, ALICE.on(2), Post("x"), {})
    refusal = room.refuses_changes(Reason.NO_DEVICE, ALICE, Post("x"), {tree.device(ALICE.device): None})
    assert refusal.path == tree.device(ALICE.device)


def test_the_file_of_a_device_holds_that_devices_key() -> None:
    """C-09"""
    room = Room()
    content = {tree.device(ALICE.on(2).device): ALICE.device_certificate.pem}
    room.refuses_changes(Reason.NO_DEVICE, ALICE.on(2), Post("x"), content)


@pytest.mark.parametrize("content", [b"", b"no certificate", ALICE.device_certificate.pem + b"\n", b"x" * 20_000])
def test_the_file_of_a_device_is_one_certificate(content: bytes) -> None:
    Room().refuses_changes(Reason.BAD_CHAIN, ALICE.on(2), Post("x"), {tree.device(ALICE.on(2).device): content})


def test_a_stranger_is_no_member() -> None:
    """ME-21"""
    room = Room()
    refusal = room.refuses(Reason.NOT_A_MEMBER, EVE, Post("x"))
    assert refusal.path == tree.member(EVE.id)
    room.must(ALICE, Add(EVE.id))
    room.refuses(Reason.NOT_A_MEMBER, EVE, Post("invited, not joined"))


def test_a_stranger_does_not_become_member_by_the_same_commit() -> None:
    room = Room(3)
    files = device_file(EVE) | {tree.member(EVE.id): EVE.certificate.pem}
    room.refuses_changes(Reason.NOT_A_MEMBER, EVE, Post("x"), files)


def test_a_device_that_another_account_forged_for_me_does_not_write() -> None:
    """Who holds a member's certificate cannot certify devices of it."""
    room = Room()
    room.bring(BOB)
    key = EVE.device_key
    impostor = issue_account(EVE.account_key, now=NOW, entropy=bytes(16))
    own = issue_device(EVE.account_key, impostor, key.public, now=NOW)
    body = own.der.replace(EVE.id.encode(), ALICE.id.encode()).replace(bytes.fromhex(EVE.id), bytes.fromhex(ALICE.id))
    forged = {tree.device(EVE.device): Certificate.from_der(body).pem}
    refusal = room.refuses_changes(Reason.BAD_CHAIN, EVE, Post("as Alice"), forged)
    assert "signature" in refusal.detail


def test_an_account_certificate_that_is_none_does_not_join() -> None:
    room = Room(3)
    files = device_file(BOB) | {tree.member(BOB.id): b"no certificate"}
    refusal = room.refuses_changes(Reason.BAD_CHAIN, BOB, Join(BOB.id), files)
    assert refusal.path == tree.member(BOB.id)


def test_the_certificate_of_another_does_not_join() -> None:
    """ME-23"""
    room = Room(3)
    files = device_file(BOB) | {tree.member(BOB.id): CAROL.certificate.pem}
    room.refuses_changes(Reason.BAD_CHAIN, BOB, Join(BOB.id), files)
    room.refuses_changes(Reason.NOT_A_MEMBER, BOB, Join(BOB.id), device_file(BOB))


def test_the_root_needs_its_creators_certificate_and_device() -> None:
    for missing, reason in (
        (tree.admin(ALICE.id), Reason.NOT_A_MEMBER),
        (tree.device(ALICE.device), Reason.NO_DEVICE),
    ):
        room = Room()
        files = {**room.changes[room.root]}
        del files[missing]
        room.history, room.conversation = History(), None
        room.refuses_changes(reason, ALICE, Initial(1, NONCE), files, root=True)


def test_the_root_holds_the_device_certificate_of_its_creator_and_of_nobody_else() -> None:
    """C-20"""
    for content, reason in (
        (BOB.device_certificate.pem, Reason.NO_DEVICE),
        (ALICE.on(2).device_certificate.pem, Reason.NO_DEVICE),
        (b"no certificate", Reason.BAD_CHAIN),
    ):
        room = Room()
        files = {**room.changes[room.root], tree.device(ALICE.device): content}
        room.history, room.conversation = History(), None
        room.refuses_changes(reason, ALICE, Initial(1, NONCE), files, root=True)


# --- time


def expiring(who: Person) -> tuple[int, int]:
    certificate = who.device_certificate
    return certificate.not_before, certificate.not_after


def test_certificates_hold_at_the_time_that_the_commit_claims() -> None:
    start, end = expiring(BOB)
    room = Room(3, ALICE)
    room.refuses(Reason.BAD_CHAIN, BOB, Join(BOB.id), time=start - 1)
    room.refuses(Reason.BAD_CHAIN, BOB, Join(BOB.id), time=end + 1)
    at = room.root
    room.must(BOB, Join(BOB.id), time=start, at=at)
    room.must(BOB, Join(BOB.id), time=end, at=at)


def test_times_of_others_do_not_matter() -> None:
    room = Room(3)
    room.must(BOB, Join(BOB.id), time=NOW + 1000 * DAY)
    room.must(ALICE, Post("today"), time=NOW)


def test_one_devices_clock_runs_back_300_seconds_at_most() -> None:
    room = Room()
    far = room.must(ALICE, Post("a"), time=NOW + 10_000)
    room.must(ALICE, Post("b"), time=NOW + 10_000 - limits.DEVICE_CLOCK_BACK_S, at=far)
    room.refuses(Reason.CLOCK_RAN_BACK, ALICE, Post("c"), time=NOW + 10_000 - limits.DEVICE_CLOCK_BACK_S - 1, at=far)
    room.must(ALICE.on(2), Post("another device"), time=NOW, at=far)


def test_the_clock_is_the_greatest_time_not_the_last() -> None:
    room = Room()
    room.must(ALICE, Post("a"), time=NOW + 10_000)
    room.must(ALICE, Post("b"), time=NOW + 9_700)
    room.refuses(Reason.CLOCK_RAN_BACK, ALICE, Post("c"), time=NOW + 9_699)


def test_expiry_is_not_escaped_by_backdating() -> None:
    """The chain is checked at the greatest time that the device ever claimed."""
    _, end = expiring(ALICE)
    room = Room()
    room.must(ALICE.renewed(now=NOW + DAY), Post("renewed"), time=end + 100)
    back = {tree.device(ALICE.device): ALICE.device_certificate.pem}
    refusal = room.refuses_changes(Reason.BAD_CHAIN, ALICE, Post("with the old one"), back, time=end)
    assert "expired" in refusal.detail


def test_a_renewal_in_the_same_commit_brings_an_expired_device_back() -> None:
    _, end = expiring(ALICE)
    room = Room()
    room.refuses(Reason.BAD_CHAIN, ALICE, Post("expired"), time=end + 1)
    room.must(ALICE.renewed(now=end), Post("renewed"), time=end + 1)


def test_an_expired_account_is_not_brought_back_by_its_own_renewal() -> None:
    end = ALICE.certificate.not_after
    room = Room()
    renewed = ALICE.renewed(now=end, account=True)
    room.refuses(Reason.BAD_CHAIN, renewed, UpdateDevice(), time=end + 1)


def test_who_leaves_is_judged_by_the_parents_tree() -> None:
    room = Room()
    room.bring(BOB)
    room.must(BOB, Leave(BOB.id))
    assert room.roster.joined == {ALICE.id}


# --- revocation


def test_a_revoked_device_writes_nothing_after_the_list() -> None:
    room = Room()
    old = room.must(ALICE.on(2), Post("before"))
    revoked = room.must(ALICE, UpdateDevice(), revocations=ALICE.revoking(ALICE.on(2)))
    refusal = room.refuses(Reason.BAD_CHAIN, ALICE.on(2), Post("after"))
    assert "revoked" in refusal.detail
    room.must(ALICE.on(2), Post("beside"), at=old)  # on a line that does not know of it
    room.refuses(Reason.BAD_CHAIN, ALICE.on(2).renewed(), UpdateDevice(), at=revoked)
    room.refuses(Reason.BAD_CHAIN, ALICE.on(2), Leave(ALICE.id), at=revoked)


def test_a_list_outlives_leaving() -> None:
    room = Room(3)
    room.bring(BOB)
    room.must(BOB, Leave(BOB.id), revocations=BOB.revoking(BOB.on(2)))
    assert tree.revocations(BOB.id) in room.roster.files
    room.refuses(Reason.BAD_CHAIN, BOB.on(2), Join(BOB.id))
    room.must(BOB, Join(BOB.id))


# --- signature


def test_the_signature_is_the_devices() -> None:
    """R-09"""
    room = Room()
    room.bring(BOB)
    room.refuses_changes(Reason.BAD_SIGNATURE, ALICE, Post("x"), {}, signer=BOB)
    room.refuses_changes(Reason.BAD_SIGNATURE, ALICE, Post("x"), {}, signer=ALICE.on(2))


def test_a_signature_is_not_carried_to_another_commit() -> None:
    room = Room()
    signed = room.forge(ALICE, Post("yes"), {}, at=room.root)
    outcome = room.offer(signed.replace(b"yes", b"not"), {})
    assert not isinstance(outcome, str)
    assert outcome.reason is Reason.BAD_SIGNATURE
    assert isinstance(room.offer(signed, {}), str)


def test_every_commit_is_accepted_once_and_is_the_same_when_signed_again() -> None:
    room = Room()
    signed = room.forge(ALICE, Post("x"), {}, at=room.root)
    assert signed == room.forge(ALICE, Post("x"), {}, at=room.root)
    assert room.offer(signed, {}) == room.offer(signed, {}) == CommitId(str(room.tip))


def test_who_is_banned_is_told_by_which_file() -> None:
    room = Room()
    room.bring(BOB)
    room.must(BOB.on(2), Post("another device"))
    room.ban(BOB.device, ALICE)
    assert room.refuses(Reason.BANNED, BOB, Post("x")).path == tree.banned("devices", BOB.device)
    room.ban(BOB.id, ALICE)
    assert room.refuses(Reason.BANNED, BOB.on(2), Post("x")).path == tree.banned("members", BOB.id)
