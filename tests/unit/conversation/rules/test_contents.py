"""SCP-02 §3, §5.7: what messages speak about, and the profile."""

from __future__ import annotations

import pytest

from swarmchat.conversation import tree
from swarmchat.conversation.actions import (
    Action,
    Add,
    Edit,
    FileOffer,
    FileWithdrawal,
    Initial,
    Join,
    Other,
    Post,
    React,
    UpdateProfile,
)  # fmt: skip
from swarmchat.conversation.history import History
from swarmchat.conversation.profile import Profile, write
from swarmchat.conversation.rejection import Reason
from swarmchat.conversation.tree import Mode
from swarmchat.ids import CommitId
from tests.support.builders import ALICE, BOB, NONCE, Room
from tests.support.stories import OFFER, TITLE

NOWHERE = CommitId("0" * 40)


def group(mode: Mode = 1) -> Room:
    room = Room(mode)
    room.bring(BOB)
    return room


@pytest.mark.parametrize(
    "action", [Post(""), Post("x", NOWHERE), OFFER, FileOffer("x", 0, "0" * 128, "", NOWHERE), Other("application/status-x")]
)  # fmt: skip
def test_a_member_says_anything_and_changes_nothing(action: Action) -> None:
    """R-06"""
    room = group()
    before = room.roster
    said = room.must(BOB, action)
    assert room.changes[said] == {}
    assert room.roster is before
    assert room.history[said].fact.control is None


@pytest.mark.parametrize("action", [Post("x"), OFFER, Other("x/y")])
def test_what_is_said_changes_no_file(action: Action) -> None:
    """C-21, R-13"""
    room = group()
    room.refuses_changes(Reason.UNEXPECTED_CHANGE, BOB, action, {tree.PROFILE: TITLE})


def test_a_reaction_names_any_ancestor() -> None:
    room = group()
    post = room.must(ALICE, Post("x"))
    for target in (post, room.root, room.must(BOB, React("a", post))):
        said = room.must(BOB, React("👍", target))
        assert room.history[said].fact.relation == ("reaction", target)
    room.refuses(Reason.BAD_REFERENCE, BOB, React("👍", NOWHERE))


def test_a_commit_beside_is_no_ancestor() -> None:
    room = group()
    fork = room.tip
    beside = room.must(BOB, Post("x"), at=fork)
    room.must(BOB, Post("y"), at=fork)
    room.refuses(Reason.BAD_REFERENCE, ALICE, React("👍", beside))
    room.refuses(Reason.BAD_REFERENCE, BOB, Edit("z", beside))
    room.must(ALICE, Post("answer", beside))


def test_one_edits_the_own_messages_and_files() -> None:
    room = group()
    post, offer = room.must(BOB, Post("x")), room.must(BOB, OFFER)
    reaction = room.must(BOB, React("👍", room.root))
    for action in (Edit("y", post), Edit("", post), Edit("", reaction), FileWithdrawal(offer)):
        said = room.must(BOB.on(2), action)
        assert room.history[said].fact.relation == ("edit", action.target)
        room.refuses(Reason.BAD_REFERENCE, ALICE, action)


@pytest.mark.parametrize("build", [lambda target: Edit("x", target), FileWithdrawal])
def test_only_the_first_commit_of_a_message_is_edited(build: object) -> None:
    """C-45"""
    room = group()
    post = room.must(BOB, Post("x"))
    edit = room.must(BOB, Edit("y", post))
    withdrawal = room.must(BOB, FileWithdrawal(room.must(BOB, OFFER)))
    other = room.must(BOB, Other("x/y"))
    joined = next(entry.id for entry in room.history.by_account(BOB.id) if entry.fact.type == "member")
    for target in (edit, withdrawal, other, joined, NOWHERE):
        room.refuses(Reason.BAD_REFERENCE, BOB, build(target))  # type: ignore[operator]


# --- the profile


@pytest.mark.parametrize("mode", [1, 2, 3])
def test_admins_change_the_profile_and_members_do_not(mode: Mode) -> None:
    """C-30, C-32"""
    room = group(mode)
    room.refuses(Reason.BAD_PROFILE, BOB, UpdateProfile(), profile=TITLE)
    changed = room.must(ALICE, UpdateProfile(), profile=TITLE)
    assert room.changes[changed] == {tree.PROFILE: TITLE}
    room.must(ALICE, UpdateProfile(), profile=write(Profile("Another")))


def test_a_change_of_the_profile_changes_the_profile_alone() -> None:
    """C-31"""
    room = Room()
    for path, reason in ((tree.invited(BOB.id), Reason.UNEXPECTED_CHANGE), ("notes.txt", Reason.MALFORMED_TREE)):
        refusal = room.refuses_changes(reason, ALICE, UpdateProfile(), {tree.PROFILE: TITLE, path: b""})
        assert refusal.path == path


def test_in_a_one_to_one_either_does() -> None:
    room = Room(0, ALICE, invited=BOB)
    room.must(BOB, Join(BOB.id))
    room.must(BOB, UpdateProfile(), profile=TITLE)
    room.must(ALICE, UpdateProfile(), profile=write(Profile("Another")))


def test_a_profile_is_replaced_by_another_vcard_and_never_removed() -> None:
    room = Room()
    room.must(ALICE, UpdateProfile(), profile=TITLE)
    room.refuses_changes(Reason.BAD_PROFILE, ALICE, UpdateProfile(), {})
    room.refuses_changes(Reason.BAD_PROFILE, ALICE, UpdateProfile(), {tree.PROFILE: None})
    room.refuses_changes(Reason.BAD_PROFILE, ALICE, UpdateProfile(), {tree.PROFILE: TITLE})
    for content in (b"", b"x", TITLE[:-14], TITLE.replace(b"VERSION:4.0", b"VERSION:3.0"), b"x" * 300_000):
        refusal = room.refuses(Reason.BAD_PROFILE, ALICE, UpdateProfile(), profile=content)
        assert refusal.path == tree.PROFILE


def test_no_other_action_touches_the_profile() -> None:
    """ME-05, C-19"""
    room = Room()
    room.refuses_changes(Reason.UNEXPECTED_CHANGE, ALICE, Add(BOB.id), {tree.invited(BOB.id): b"", tree.PROFILE: TITLE})
    files = {**room.changes[room.root], tree.PROFILE: TITLE}
    room.history, room.conversation = History(), None
    room.refuses_changes(Reason.UNEXPECTED_CHANGE, ALICE, Initial(1, NONCE), files, root=True)
