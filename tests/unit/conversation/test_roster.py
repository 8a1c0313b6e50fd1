"""The tree of a commit, asked who is who."""

from __future__ import annotations

import pytest

from swarmchat.conversation import tree
from swarmchat.conversation.roster import Roster, Sketch, empty
from swarmchat.conversation.tree import Vote
from tests.support.builders import ALICE, BOB, CAROL, DAVE, EVE, FRANK

FILES = {
    tree.admin(ALICE.id): ALICE.certificate.pem,
    tree.member(BOB.id): BOB.certificate.pem,
    tree.invited(CAROL.id): b"",
    tree.device(ALICE.device): ALICE.device_certificate.pem,
    tree.device(BOB.device): BOB.device_certificate.pem,
    tree.device(BOB.on(2).device): BOB.on(2).device_certificate.pem,
    tree.banned("members", DAVE.id): DAVE.certificate.pem,
    tree.banned("invited", EVE.id): b"",
    tree.banned("devices", BOB.on(3).device): BOB.on(3).device_certificate.pem,
    tree.vote(Vote("ban", "members", BOB.id, ALICE.id)): b"",
    tree.vote(Vote("unban", "members", DAVE.id, ALICE.id)): b"",
    tree.revocations(BOB.id): BOB.revoking(),
    tree.PROFILE: b"a card",
}
ROSTER = Roster(2, FILES)


def test_it_says_who_is_who() -> None:
    assert ROSTER.admins == {ALICE.id}
    assert ROSTER.members == {BOB.id}
    assert ROSTER.joined == {ALICE.id, BOB.id}
    assert ROSTER.invited == {CAROL.id}
    assert dict(ROSTER.banned) == {DAVE.id: "members", EVE.id: "invited", BOB.on(3).device: "devices"}
    assert dict(ROSTER.devices) == {ALICE.device: ALICE.id, BOB.device: BOB.id, BOB.on(2).device: BOB.id}
    assert {(vote.kind, vote.target) for vote in ROSTER.votes} == {("ban", BOB.id), ("unban", DAVE.id)}
    assert ROSTER.revocations == {BOB.id}
    assert ROSTER.profile == b"a card"


def test_it_answers_about_one() -> None:
    assert ROSTER.is_admin(ALICE.id)
    assert not ROSTER.is_admin(BOB.id)
    assert [ROSTER.is_joined(one.id) for one in (ALICE, BOB, CAROL, DAVE)] == [True, True, False, False]
    assert ROSTER.is_invited(CAROL.id)
    assert ROSTER.is_banned(BOB.on(3).device)
    assert not ROSTER.is_banned(BOB.device)
    assert ROSTER.certificate(ALICE.id) == ALICE.certificate.pem
    assert ROSTER.certificate(BOB.id) == BOB.certificate.pem
    assert ROSTER.certificate(DAVE.id) is None
    assert ROSTER.owner(BOB.device) == BOB.id
    assert ROSTER.owner(EVE.device) is None
    assert ROSTER.devices_of(BOB.id) == tuple(sorted((BOB.device, BOB.on(2).device)))
    assert [ROSTER.place_of(one) for one in (ALICE.id, BOB.id, CAROL.id, DAVE.id, BOB.device, BOB.on(3).device)] == [
        "admins", "members", "invited", None, "devices", None,
    ]  # fmt: skip
    assert {vote.voter for vote in ROSTER.votes_for("ban", BOB.id)} == {ALICE.id}
    assert ROSTER.votes_for("ban", DAVE.id) == frozenset()


CHANGES = [
    {},
    {tree.invited(FRANK.id): b""},
    {tree.invited(CAROL.id): None, tree.member(CAROL.id): CAROL.certificate.pem},
    {tree.admin(ALICE.id): None, tree.member(ALICE.id): ALICE.certificate.pem},
    {tree.banned("members", DAVE.id): None, tree.banned("admins", DAVE.id): DAVE.certificate.pem},
    {tree.banned("members", DAVE.id): None, tree.member(DAVE.id): DAVE.certificate.pem},
    {tree.device(BOB.device): None, tree.banned("devices", BOB.device): BOB.device_certificate.pem},
    {tree.device(BOB.device): BOB.renewed().device_certificate.pem},
    {tree.device(BOB.device): ALICE.device_certificate.pem},
    dict.fromkeys(FILES),
    {tree.PROFILE: b"another", tree.revocations(BOB.id): None},
    {tree.invited(FRANK.id): None},
]


@pytest.mark.parametrize("changes", CHANGES)
def test_a_changed_roster_is_the_roster_of_the_changed_files(changes: dict[str, bytes | None]) -> None:
    files = {path: content for path, content in {**FILES, **changes}.items() if content is not None}
    fresh, after, sketch = Roster(2, files), ROSTER.with_changes(changes), Sketch(ROSTER).with_changes(changes).fixed()
    for one in (after, sketch):
        assert one == fresh
        assert repr(one) == repr(fresh)
        assert one.votes == fresh.votes
        assert dict(one.devices) == dict(fresh.devices)
        assert one.revocations == fresh.revocations
        assert set(one) == set(files)
    assert ROSTER.with_changes(ROSTER.difference(fresh)) == fresh
    assert Roster(2, FILES) == ROSTER


def test_without_changes_it_is_the_very_same_object() -> None:
    assert ROSTER.with_changes({}) is ROSTER


def test_the_files_cannot_be_changed_from_outside() -> None:
    files = dict(FILES)
    roster = Roster(2, files)
    files.clear()
    assert roster == ROSTER
    with pytest.raises(TypeError):
        roster.files["x"] = b""  # type: ignore[index]


def test_rosters_of_two_modes_differ() -> None:
    assert empty(1) != empty(2)
    assert empty(1) == Roster(1, {})
    assert empty(1) != object()
    assert empty(2) != ROSTER


def test_a_foreign_tree_may_hold_a_device_that_belongs_to_nobody() -> None:
    roster = Roster(2, {tree.device(BOB.device): b"no certificate"})
    assert roster.owner(BOB.device) == ""
    assert roster.devices_of(BOB.id) == ()
