"""The law under chance: flipped bytes never pass, what is planned is accepted, rosters are their files."""

from __future__ import annotations

import random

import pytest

from swarmchat.conversation import commit as commits
from swarmchat.conversation import tree
from swarmchat.conversation.actions import (
    Action,
    Add,
    Ban,
    CastVote,
    Demote,
    Edit,
    FileWithdrawal,
    Join,
    Kick,
    Leave,
    Post,
    Promote,
    React,
    Unban,
    UpdateDevice,
    UpdateProfile,
)  # fmt: skip
from swarmchat.conversation.commit import Commit, Merge
from swarmchat.conversation.history import History
from swarmchat.conversation.past import Past
from swarmchat.conversation.profile import Profile, ProfileError, parse, write
from swarmchat.conversation.rejection import Rejection
from swarmchat.conversation.roster import Changes, Roster
from swarmchat.conversation.rules.judge import Verdict, judge, signature_item
from swarmchat.conversation.rules.planning import plan_ban, plan_promote, plan_unban
from swarmchat.conversation.tree import Mode
from swarmchat.crypto.keys import verify_batch
from swarmchat.ids import CommitId
from tests.support.builders import ALICE, BOB, CAROL, DAVE, EVE, NOW, Person, Room, object_id
from tests.support.stories import OFFER, STORIES

PEOPLE = [ALICE, BOB, CAROL, DAVE, EVE]


def offered(room: Room, raw: bytes, changes: Changes) -> Commit | Merge | Verdict | Rejection:
    """Parse and judge bytes that a stranger sends, without letting them in."""
    commit = commits.parse(CommitId(object_id("commit", raw)), raw)
    if not isinstance(commit, Commit):
        return commit
    if commit.parent is None:
        return judge(commit, changes, None, Past(History(), None), conversation=room.conversation)
    if commit.parent not in room.rosters:
        return commit  # an unknown parent: the log's to refuse
    return judge(commit, changes, room.rosters[commit.parent], Past(room.history, commit.parent))


def sample(which: str) -> tuple[Room, bytes, Changes]:
    room = Room(2)
    if which == "root":
        return room, room.raw[room.root], room.changes[room.root]
    room.bring(BOB)
    action: Action = {"text": Post("grüß dich"), "member": Add(CAROL.id), "vote": CastVote("ban", BOB.id)}[which]
    written = room.must(ALICE.on(2), action)
    return room, room.raw[written], room.changes[written]


@pytest.mark.parametrize("which", ["root", "text", "member", "vote"])
def test_no_changed_byte_of_a_commit_passes(which: str) -> None:
    room, raw, changes = sample(which)
    for at in range(len(raw)):
        for mask in (0x01, 0x20, 0x80):
            changed = raw[:at] + bytes((raw[at] ^ mask,)) + raw[at + 1 :]
            outcome = offered(room, changed, changes)
            if isinstance(outcome, Commit):
                assert outcome.parent not in room.rosters
            else:
                assert isinstance(outcome, Rejection), (at, mask)


@pytest.mark.parametrize("seed", range(10))
def test_no_cut_or_grown_commit_passes(seed: int) -> None:
    room, raw, changes = sample("text")
    dice = random.Random(seed)
    for _ in range(50):
        at, size = dice.randrange(len(raw)), dice.randrange(1, 40)
        for changed in (raw[:at] + raw[at + size :], raw[:at] + dice.randbytes(size) + raw[at:], raw[:at]):
            outcome = offered(room, changed, changes)
            if isinstance(outcome, Commit):
                assert outcome.parent not in room.rosters
            else:
                assert isinstance(outcome, Rejection)


@pytest.mark.parametrize("seed", range(15))
def test_no_changed_tree_passes(seed: int) -> None:
    """Whatever is added, dropped or altered beside a valid commit's changes, it is refused."""
    dice = random.Random(seed)
    room = random_room(seed, 25)
    for commit_id, changes in list(room.changes.items())[1:]:
        commit = room.commits[commit_id]
        assert commit.parent is not None
        before = room.rosters[commit.parent]
        paths = sorted(
            {*before.files, *room.roster.files, "nowhere", f"CRLs/{EVE.id}", f"invited/{EVE.id}"} - set(changes)
        )
        path = dice.choice(paths)
        wrong: list[Changes] = [{**changes, path: None if path in before.files else b"x"}]
        for known in changes:
            wrong.append({one: content for one, content in changes.items() if one != known})
            wrong.append({**changes, known: b"another"})
        for altered in wrong:
            outcome = judge(commit, altered, before, Past(room.history, commit.parent), check_signature=False)
            if isinstance(outcome, Verdict):  # housekeeping left out is no fault
                who = outcome.author
                own = {
                    tree.revocations(who.account),
                    tree.device(who.device),
                    tree.admin(who.account),
                    tree.member(who.account),
                }
                assert set(altered) < set(changes)
                assert set(changes) - set(altered) <= own


def random_action(dice: random.Random, room: Room, who: Person) -> Action:
    other = dice.choice(PEOPLE)
    target = dice.choice([other.id, other.id, other.device, other.on(2).device])
    known = dice.choice(list(room.commits))
    return dice.choice(
        [
            Add(other.id), Add(other.id), Join(who.id), Join(who.id), Join(other.id), Leave(who.id), Kick(other.id),
            Promote(other.id), Demote(who.id), Ban(target), Unban(target),
            CastVote(dice.choice(["ban", "unban", "promote"]), target),
            Post("x"), Post("x", known), React("y", known), Edit("z", known), OFFER, FileWithdrawal(known),
            UpdateProfile(), UpdateDevice(),
        ]
    )  # fmt: skip


def random_room(seed: int, steps: int) -> Room:
    """A room in which people try what they like, also on old commits; every refusal of the plan is one of the judge."""
    dice = random.Random(seed)
    mode: Mode = dice.choice([0, 1, 1, 2, 2, 3])
    room = Room(mode, ALICE, invited=BOB if mode == 0 else None)
    for step in range(steps):
        who = dice.choice(PEOPLE)
        who = who.on(2) if dice.random() < 0.2 else who
        who = who.renewed(now=NOW + step, account=dice.random() < 0.5) if dice.random() < 0.1 else who
        at = dice.choice(list(room.commits)) if dice.random() < 0.15 else room.tip
        room.write(
            who,
            random_action(dice, room, who),
            at=at,
            time=NOW + 10 * step,
            profile=write(Profile(f"step {step}")),
            revocations=who.revoking(who.on(9), number=step + 1) if dice.random() < 0.1 else None,
        )
    return room


@pytest.mark.parametrize("seed", range(60))
def test_what_is_planned_is_accepted_and_every_roster_keeps_its_invariants(seed: int) -> None:
    """The first half stands in `Room.write`: what planning proposes the judge accepts, what it refuses the judge refuses."""
    room = random_room(seed, 60)
    for roster in room.rosters.values():
        fresh = Roster(roster.mode, dict(roster.files))
        assert fresh == roster
        assert repr(fresh) == repr(roster)
        assert (fresh.votes, fresh.revocations) == (roster.votes, roster.revocations)
        assert all(tree.is_file(path) for path in roster.files)
        assert not roster.admins & roster.members
        assert not roster.joined & roster.invited
        assert not (roster.joined | roster.invited) & set(roster.banned)
        assert not set(roster.devices) & set(roster.banned)
        assert set(roster.devices.values()) <= roster.joined
        assert {vote.voter for vote in roster.votes} <= roster.joined
        for vote in roster.votes:
            here = roster.banned.get(vote.target) if vote.kind == "unban" else roster.place_of(vote.target)
            assert vote.place == here, vote


@pytest.mark.parametrize("seed", range(30))
def test_planned_ballots_are_accepted_step_by_step(seed: int) -> None:
    dice = random.Random(seed)
    room = Room(dice.choice([1, 2, 3]))
    room.bring_admins(*dice.sample([BOB, CAROL, DAVE], dice.randint(0, 3)))
    room.bring(EVE)
    for _ in range(20):
        who, target = dice.choice(PEOPLE), dice.choice(PEOPLE)
        if not room.roster.is_joined(who.id):
            continue
        plan = dice.choice(
            [
                plan_ban(room.roster, who.id, target.id, device=who.device),
                plan_ban(room.roster, who.id, target.device, device=who.device),
                plan_unban(room.roster, who.id, dice.choice([target.id, target.device])),
                plan_promote(room.roster, who.id, target.id),
            ]
        )
        if not isinstance(plan, Rejection) and not room.roster.is_banned(who.device):
            for action in plan:
                room.must(who, action)


@pytest.mark.parametrize("seed", range(10))
def test_a_batch_of_signatures_says_what_the_judge_says(seed: int) -> None:
    room = random_room(seed, 40)
    items = []
    for commit in room.commits.values():
        before = None if commit.parent is None else room.rosters[commit.parent]
        verdict = judge(
            commit, room.changes[commit.id], before, Past(room.history, commit.parent), check_signature=False
        )
        assert isinstance(verdict, Verdict)
        item = signature_item(commit, verdict)
        assert not isinstance(item, Rejection)
        items.append(item)
    assert all(verify_batch(items))


def test_judging_again_from_the_root_gives_the_same() -> None:
    for story in STORIES:
        room = story()
        history, rosters = History(), {}
        for commit in room.commits.values():
            before = None if commit.parent is None else rosters[commit.parent]
            verdict = judge(commit, room.changes[commit.id], before, Past(history, commit.parent))
            assert isinstance(verdict, Verdict)
            assert verdict.fact == room.history[commit.id].fact
            history.add(verdict.fact)
            rosters[commit.id] = verdict.after
        assert rosters == room.rosters


@pytest.mark.parametrize("seed", range(100))
def test_a_damaged_vcard_is_read_or_refused(seed: int) -> None:
    dice = random.Random(seed)
    card = bytearray(write(Profile("Größe; x", "a\nb" * 40, "data:image/png;base64,AAAA", "#aabbcc")))
    for _ in range(dice.randint(1, 6)):
        card[dice.randrange(len(card))] = dice.choice(b'\n\r\\:;,= \xff\x00a"')
    try:
        read = parse(bytes(card))
    except ProfileError:
        return
    assert parse(write(read)) == read
