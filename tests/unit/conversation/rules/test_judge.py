"""The judge as a whole: roots, sizes, what it hands on, and that every reason can be met."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from swarmchat import limits
from swarmchat.conversation import tree
from swarmchat.conversation.actions import Add, CastVote, Initial, Join, Kick, Leave, Post, UpdateDevice
from swarmchat.conversation.history import History
from swarmchat.conversation.past import Past
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.conversation.roster import Roster
from swarmchat.conversation.rules.judge import Verdict, judge, signature_item
from swarmchat.conversation.rules.planning import changes_for
from swarmchat.crypto.keys import verify_batch
from swarmchat.ids import AccountId, ConversationId
from tests.support.builders import ALICE, BOB, CAROL, DAVE, NONCE, Room, read
from tests.support.stories import STORIES

MET_ELSEWHERE = {Reason.MISSING_OBJECT, Reason.UNKNOWN_PARENT, Reason.REFUSED_PARENT}  # the commit log's: no law
MET_ELSEWHERE |= {reason for reason in Reason if reason.code.startswith("jami-")}  # unit/commitlog/test_jami.py


# --- all reasons


def test_every_reason_of_the_law_is_met_in_a_story() -> None:
    met = {
        offer.outcome.reason for story in STORIES for offer in story().offered if isinstance(offer.outcome, Rejection)
    }
    assert met | MET_ELSEWHERE == set(Reason)
    assert not met & MET_ELSEWHERE


@pytest.mark.parametrize("story", STORIES)
def test_a_refusal_names_the_commit_and_leaves_no_trace(story: Callable[[], Room]) -> None:
    room = story()
    for raw, _, outcome in room.offered:
        if isinstance(outcome, Rejection):
            assert outcome.commit is not None
            assert outcome.commit not in room.history
            assert outcome.detail
        else:
            assert read(raw).id == outcome


@pytest.mark.parametrize("story", STORIES)
def test_the_roster_after_is_that_of_the_trees_files(story: Callable[[], Room]) -> None:
    room = story()
    for commit, roster in room.rosters.items():
        parent = room.commits[commit].parent
        before = dict(room.rosters[parent].files) if parent else {}
        files = {path: content for path, content in {**before, **room.changes[commit]}.items() if content is not None}
        fresh = Roster(roster.mode, files)
        assert fresh == roster
        assert repr(fresh) == repr(roster)
        assert fresh.votes == roster.votes
        assert dict(fresh.devices) == dict(roster.devices)
        assert all(tree.is_file(path) for path in files)


# --- roots


def test_there_is_one_root_and_it_names_the_conversation() -> None:
    room = Room(1)
    files = room.changes[room.root]
    raw = room.forge(ALICE, Initial(1, "f" * 32), files)
    other = read(raw)
    again = judge(other, files, None, Past(room.history, None))
    assert isinstance(again, Rejection)
    assert again.reason is Reason.WRONG_ROOT
    empty = History()
    assert isinstance(judge(other, files, None, Past(empty, None)), Verdict)
    wrong = judge(other, files, None, Past(empty, None), conversation=room.conversation)
    assert isinstance(wrong, Rejection)
    assert wrong.reason is Reason.WRONG_ROOT
    assert isinstance(judge(other, files, None, Past(empty, None), conversation=ConversationId(other.id)), Verdict)


def test_the_root_itself_may_be_judged_again() -> None:
    """R-08"""
    room = Room(1)
    verdict = judge(room.commits[room.root], room.changes[room.root], None, Past(room.history, None))
    assert isinstance(verdict, Verdict)


def test_the_first_commit_is_a_root_and_no_other_is() -> None:
    room = Room(1)
    room.refuses_changes(Reason.BAD_INITIAL, ALICE, Initial(1, NONCE), {})
    room.history, room.conversation = History(), None
    files = {tree.admin(ALICE.id): ALICE.certificate.pem, tree.device(ALICE.device): ALICE.device_certificate.pem}
    room.refuses_changes(Reason.BAD_INITIAL, ALICE, Post("x"), files, root=True)


@pytest.mark.parametrize("extra", [tree.invited(BOB.id), tree.member(BOB.id), tree.device(BOB.device)])
def test_a_root_holds_nothing_else(extra: str) -> None:
    """C-19"""
    room = Room(1)
    files = {**room.changes[room.root], extra: b""}
    room.history, room.conversation = History(), None
    refusal = room.refuses_changes(Reason.UNEXPECTED_CHANGE, ALICE, Initial(1, NONCE), files, root=True)
    assert refusal.path == extra


def test_a_one_to_one_root_holds_the_guest_it_names() -> None:
    room = Room(0, ALICE, invited=BOB)
    files = dict(room.changes[room.root])
    del files[tree.invited(BOB.id)]
    room.history, room.conversation = History(), None
    room.refuses_changes(Reason.UNEXPECTED_CHANGE, ALICE, Initial(0, NONCE, BOB.id), files, root=True)
    files[tree.invited(CAROL.id)] = b""
    room.refuses_changes(Reason.UNEXPECTED_CHANGE, ALICE, Initial(0, NONCE, BOB.id), files, root=True)


# --- the tree


@pytest.mark.parametrize(
    "path", ["notes.txt", ".gitmodules", f"admins/{BOB.id}", f"votes/ban/members/{BOB.id}", "members/x/../y"]
)
def test_a_path_that_a_conversation_has_not_is_refused(path: str) -> None:
    """C-19, C-21, R-13"""
    refusal = Room().refuses_changes(Reason.MALFORMED_TREE, ALICE, Post("x"), {path: b""})
    assert refusal.path == path


@pytest.mark.parametrize("content", [b"x", None])
def test_what_the_action_adds_must_be_what_it_adds(content: bytes | None) -> None:
    """ME-05"""
    room = Room()
    path = tree.invited(BOB.id)
    refusal = room.refuses_changes(Reason.UNEXPECTED_CHANGE, ALICE, Add(BOB.id), {path: content})
    assert refusal.path == path
    room.refuses_changes(Reason.UNEXPECTED_CHANGE, ALICE, Add(BOB.id), {})


# --- sizes (SCP-02 §10)


def crowd(count: int) -> list[AccountId]:
    return [AccountId(f"{number:040x}") for number in range(count)]


def crowded(room: Room, files: dict[str, bytes | None]) -> Room:
    assert room.tip is not None
    room.rosters[room.tip] = room.roster.with_changes(files)
    return room


def test_5000_invitations_are_open_at_most() -> None:
    room = crowded(Room(2), {tree.invited(one): b"" for one in crowd(limits.INVITED_MAX - 1)})
    room.must(ALICE, Add(BOB.id))
    room.refuses(Reason.GROUP_FULL, ALICE, Add(CAROL.id))
    room.must(ALICE, Post("talking is never refused"))
    room.must(BOB, Join(BOB.id))
    room.must(ALICE, Add(CAROL.id))


def test_5000_accounts_are_joined_at_most() -> None:
    full = {tree.member(one): b"x" for one in crowd(limits.JOINED_MAX - 2)}
    room = crowded(Room(3), full)  # type: ignore[arg-type]
    room.must(BOB, Join(BOB.id))
    assert len(room.roster.joined) == limits.JOINED_MAX
    room.refuses(Reason.GROUP_FULL, CAROL, Join(CAROL.id))
    room.must(ALICE, Add(CAROL.id))
    room.must(ALICE.on(2), CastVote("ban", BOB.id), revocations=ALICE.revoking(ALICE.on(3)))
    room.must(BOB, Leave(BOB.id))
    room.must(CAROL, Join(CAROL.id))


# --- what is handed on


def test_the_fact_is_all_that_the_history_needs() -> None:
    room = Room(1)
    room.bring(BOB)
    said = room.must(BOB, Post("x", room.root))
    fact = room.history[said].fact
    commit = room.commits[said]
    assert (fact.id, fact.parents, fact.time) == (said, (commit.parent,), commit.time)
    assert (fact.account, fact.device) == (BOB.id, BOB.device)
    assert (fact.type, fact.relation, fact.control) == ("text/plain", ("reply", room.root), None)


def test_a_control_fact_holds_changes_admins_and_what_is_revoked() -> None:
    room = Room(1)
    root = room.history[room.root].fact.control
    assert root is not None
    assert root.admins == frozenset()
    assert root.changes == room.changes[room.root]
    written = room.must(ALICE, UpdateDevice(), revocations=ALICE.revoking(ALICE.on(2)))
    control = room.history[written].fact.control
    assert control is not None
    assert control.admins == {ALICE.id}
    assert control.action == UpdateDevice()
    assert control.revoked == {bytes.fromhex(ALICE.on(2).device)[:16]}


def test_the_past_of_another_commit_is_the_callers_fault() -> None:
    room = Room(1)
    room.must(ALICE, Post("x"))
    assert room.tip is not None
    commit = room.commits[room.tip]
    with pytest.raises(AssertionError):
        judge(commit, {}, room.roster, Past(room.history, room.tip))
    with pytest.raises(AssertionError):
        judge(commit, {}, None, Past(room.history, commit.parent))


# --- signatures in batches


def unsigned_verdict(room: Room, raw: bytes) -> Verdict:
    commit = read(raw)
    assert commit.parent is not None
    past = Past(room.history, commit.parent)
    verdict = judge(commit, {}, room.rosters[commit.parent], past, check_signature=False)
    assert isinstance(verdict, Verdict)
    return verdict


def test_a_batch_checks_the_signatures_that_the_judge_left_out() -> None:
    room = Room(1)
    good = room.forge(ALICE, Post("yes"), {}, at=room.root)
    bad = good.replace(b"yes", b"not")
    items = [signature_item(read(raw), unsigned_verdict(room, raw)) for raw in (good, bad)]
    assert verify_batch(items) == [True, False]  # type: ignore[arg-type]


def test_an_armour_that_shows_its_fault_never_reaches_the_batch() -> None:
    room = Room(1)
    good = room.forge(ALICE, Post("yes"), {}, at=room.root)
    for raw in (
        room.forge(ALICE, Post("yes"), {}, at=room.root, signer=BOB),
        good.replace(b"BEGIN SSH SIGNATURE", b"BEGIN PGP SIGNATURE"),
        good.replace(b" -----END", b" =\n -----END"),
    ):
        commit = read(raw)
        refusal = signature_item(commit, unsigned_verdict(room, raw))
        assert isinstance(refusal, Rejection)
        assert (refusal.reason, refusal.commit) == (Reason.BAD_SIGNATURE, commit.id)
        outcome = room.offer(raw, {})
        assert isinstance(outcome, Rejection)
        assert outcome.reason is Reason.BAD_SIGNATURE


def test_a_member_who_begins_again_is_told_that_only_the_first_commit_does() -> None:
    room = Room()
    room.bring(BOB)
    room.refuses_changes(Reason.BAD_INITIAL, BOB, Initial(1, NONCE), {})


def test_of_several_faulty_paths_the_first_is_named() -> None:
    room = Room()
    for who in (BOB, CAROL, DAVE):
        room.bring(who)
        for number in range(2, 9):
            room.must(who.on(number), Post("x"))
        gone = changes_for(Kick(who.id), ALICE.author, room.roster, room.past)
        assert not isinstance(gone, Rejection)
        assert len(gone) == 9
        assert room.refuses_changes(Reason.UNEXPECTED_CHANGE, ALICE, Kick(who.id), {}).path == min(gone)
    nowhere = {f"{name}.txt": b"" for name in "zxcvbnma"}
    assert room.refuses_changes(Reason.MALFORMED_TREE, ALICE, Post("x"), nowhere).path == "a.txt"
