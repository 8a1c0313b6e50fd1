"""The replay of a set of control commits: in which order, what still applies, and who is to blame for what does not. (SCP-02 §6.4 e)

The order is Kahn's, so ids are ground where a test needs one commit before another; what waits behind a leave (`wait`) comes after
all that is not a leave or a demote.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from swarmchat.conversation import tree
from swarmchat.conversation.actions import Ban, Demote, Kick, Leave
from swarmchat.conversation.entries import Entry
from swarmchat.conversation.rules import settled as codes
from swarmchat.conversation.rules.replay import Replayed, in_order, promoted_by, replay
from swarmchat.conversation.rules.settled import Fate
from swarmchat.ids import CommitId
from tests.support.settle_group import Group, one
from tests.support.settle_model import name
from tests.support.settle_scenes import Scene

SALTS = range(4)
Found = Callable[..., Scene]


@pytest.fixture
def group() -> Found:
    return lambda admins, members=0, mode=1: Scene(Group(mode), admins, members)


def fate(scene: Scene, commit: CommitId, *heads: CommitId) -> Fate | None:
    told: Fate | None = scene.world.settler.fate(commit, heads)
    return told


def ground(
    scene: Scene, parent: CommitId, who: str, *act: Any, device: int = 1, after: str = "", before: str = "g"
) -> CommitId:
    """Written with an id between two others: whoever writes may choose it."""
    salt = next(salt for salt in range(1_000) if after < name((parent,), who, device, act, salt) < before)
    commit: CommitId = scene.write(parent, who, *act, device=device, salt=salt)
    return commit


def carried_out(scene: Scene, *heads: CommitId, void: tuple[CommitId, ...] = ()) -> Replayed:
    """A replay from the root on."""
    history, mask = scene.world.history, 0
    for head in heads:
        mask |= history[head].control_mask
    return replay(history, scene.world.rosters[scene.world.root], mask & ~1, sum(bit(scene, commit) for commit in void))


def bit(scene: Scene, commit: CommitId) -> int:
    index: int = scene.world.history[commit].control_index
    return 1 << index


# --- the order


def turn(entry: Entry) -> tuple[int, str]:
    assert entry.fact.control is not None
    action = entry.fact.control.action
    return (1 if isinstance(action, Ban | Kick) else 2 if isinstance(action, Leave | Demote) else 0), entry.id


def test_of_those_ready_bans_and_kicks_come_last_but_for_leaves_and_demotes_and_the_lowest_id_first(
    group: Found,
) -> None:
    for salt in range(3):
        scene = group(4, 4)
        tip = scene.votes(scene.tip, "ban", "M0", ["A0", "A1", "A2"])
        written = [
            *(scene.write(tip, who, "add", "X", salt=salt) for who in ("A0", "A1", "A2")),
            *(scene.write(tip, who, "renew", 1, salt=salt) for who in ("M1", "M2", "A3")),
            *(scene.write(tip, who, "ban", "M0", salt=salt) for who in ("A0", "A1", "A2")),
            *(scene.write(tip, who, "kick", "M1", salt=salt) for who in ("A0", "A1", "A2")),
            *(scene.write(tip, who, "leave", salt=salt) for who in ("M1", "M2", "M3")),
            *(scene.write(tip, who, "demote", salt=salt) for who in ("A0", "A1", "A2")),
        ]
        mask = sum(bit(scene, commit) for commit in written)
        order = in_order(scene.world.history, mask)
        assert [entry.id for entry in order] == [entry.id for entry in sorted(order, key=turn)]
        assert {entry.id for entry in order} == set(written)


def test_nothing_comes_before_what_it_knew_of_and_everything_once(group: Found) -> None:
    for salt in range(3):
        scene = group(2)
        one_side = scene.chain(scene.tip, ("A0", ("add", "X")), ("A0", ("leave",)), salt=salt)
        other = scene.chain(scene.tip, ("A1", ("profile", "us")), ("A1", ("add", "Y")), salt=salt)
        tip = scene.write(scene.world.merge(one_side, other), "A1", "add", "Z", salt=salt)
        last = scene.write(tip, "A1", "kick", "Z", salt=salt)
        mask = scene.world.history[last].control_mask
        order = in_order(scene.world.history, mask)
        seen = 0
        for entry in order:
            assert entry.control_mask & mask & ~bit(scene, entry.id) & ~seen == 0
            seen |= bit(scene, entry.id)
        assert seen == mask
        assert len(order) == mask.bit_count()


# --- what a replay tells


def test_what_was_judged_in_a_line_is_carried_out_as_it_was_judged(group: Found) -> None:
    scene = group(3, 1)
    told = carried_out(scene, scene.tip)
    assert told.roster.files == scene.world.rosters[scene.tip].files
    assert told.ineffective == {}
    assert [scene.world.name_of(account) for account in told.promoted] == ["A1", "A2"]


def test_void_commits_are_left_out(group: Found) -> None:
    scene = group(2)
    add = scene.write(scene.tip, "A0", "add", "X")
    other = scene.write(scene.tip, "A1", "add", "Y")
    assert scene.world.standing(carried_out(scene, add, other, void=(add,)).roster).invited == {"Y"}


def test_who_became_admin_is_told_in_the_order_of_the_replay(group: Found) -> None:
    for first, second in (("M0", "M1"), ("M1", "M0")):
        scene = group(2, 3)
        votes = scene.votes(scene.votes(scene.tip, "promote", "M0", ["A0", "A1"]), "promote", "M1", ["A0", "A1"])
        early = scene.write(votes, "A0", "promote", first)
        late = ground(scene, votes, "A1", "promote", second, after=early)
        settled = scene.world.settler.settle([early, late])
        assert [scene.world.name_of(account) for account in settled.promoted] == [first, second]


def test_promoted_by_changes_is_whose_file_comes_under_admins() -> None:
    accounts = sorted(one(who).id for who in ("A0", "A1", "M0", "M1"))
    changes = {
        tree.admin(accounts[1]): b"new",
        tree.admin(accounts[0]): b"new",
        tree.admin(accounts[2]): None,
        tree.member(accounts[1]): None,
        tree.member(accounts[3]): b"new",
    }
    assert promoted_by(changes) == accounts[:2]


# --- whether the author still may


def void_promotion(scene: Scene) -> tuple[CommitId, CommitId]:
    """A sole admin is banned by those he promoted; before that, in a fork, he promotes M2, who acts on as an admin there."""
    tip = scene.promote(scene.tip, "M0", ["A0"])
    tip = scene.promote(tip, "M1", ["A0", "M0"])
    ban = scene.ballot(tip, "ban", "A0", ["M0", "M1"])
    return ban, scene.write(scene.tip, "A0", "promote", "M2", salt="fork")


@pytest.mark.parametrize("mode", [1, 2, 3])
@pytest.mark.parametrize(
    ("act", "counts_in"),
    [
        (("add", "X"), (2, 3)),
        (("kick", "M3"), ()),
        (("vote", "ban", "M3"), ()),
        (("profile", "mine"), ()),
        (("demote",), ()),
        (("renew", 1), (1, 2, 3)),
        (("leave",), (1, 2, 3)),
    ],
)
def test_who_was_admin_must_be_one_for_what_is_for_admins_and_joined_for_all_else(
    group: Found, mode: int, act: tuple[Any, ...], counts_in: tuple[int, ...]
) -> None:
    scene = group(1, 4, mode)
    ban, fork = void_promotion(scene)
    if act[0] == "kick" and mode != 1:
        return  # one of two admins cannot
    done = scene.write(fork, "M2", *act)
    wanted = None if mode in counts_in else Fate(codes.AUTHOR_NO_ADMIN)
    assert fate(scene, done, ban, done) == wanted


def test_who_became_sole_admin_by_a_void_promotion_promotes_nobody(group: Found) -> None:
    scene = group(1, 4)
    ban, fork = void_promotion(scene)
    fork = scene.write(fork, "A0", "leave")
    promoted = scene.write(fork, "M2", "promote", "M3")
    after = scene.settle(ban, promoted)
    assert after.admins == {"M0", "M1"}
    assert fate(scene, promoted, ban, promoted) == Fate(codes.AUTHOR_NO_ADMIN)


def test_who_never_came_in_does_nothing(group: Found) -> None:
    for mode in (1, 2):
        scene = group(4, 0, mode)
        ban = scene.ballot(scene.tip, "ban", "A3", ["A0", "A1", "A2"])
        fork = scene.enter(scene.tip, "V", by="A3")
        acts = [("renew", 1), ("leave",), *([("add", "W")] if mode == 2 else [])]
        for act in acts:
            done = scene.write(fork, "V", *act)
            assert fate(scene, done, ban, done) == Fate(codes.AUTHOR_NOT_JOINED)


def test_the_ban_of_the_author_or_of_the_device_is_to_blame(group: Found) -> None:
    scene = group(4)
    for target in ("A3", "A3.1"):
        ban = scene.ballot(scene.tip, "ban", target, ["A0", "A1", "A2"])
        demote = scene.write(scene.tip, "A3", "demote", salt=target)
        assert fate(scene, demote, ban, demote) == Fate(codes.AUTHOR_BANNED, ban)


def wait(scene: Scene, tip: CommitId, who: str, *, after: str = "", before: str = "g") -> CommitId:
    """What is written behind this leave waits for all that is no leave or demote, and for leaves with lower ids."""
    return ground(scene, tip, who, "leave", after=after, before=before)


@pytest.mark.parametrize(("way", "code"), [("leave", codes.AUTHOR_NOT_JOINED), ("demote", codes.AUTHOR_NO_ADMIN)])
def test_a_vote_alone_must_be_by_who_is_there(group: Found, way: str, code: str) -> None:
    scene = group(3, 2)
    gave_up = scene.write(scene.tip, "A1", way)
    vote = scene.write(wait(scene, scene.tip, "M1", after=gave_up), "A1", "vote", "ban", "M0")
    assert not scene.settle(gave_up, vote).votes
    assert fate(scene, vote, gave_up, vote) == Fate(code, gave_up)


def test_a_kick_takes_nothing_from_what_the_kicked_did_without_knowing_of_it(group: Found) -> None:
    scene = group(1, 2, 2)
    kick = scene.write(scene.tip, "A0", "kick", "M0")
    add = scene.write(wait(scene, scene.tip, "M1"), "M0", "add", "X")
    assert scene.settle(kick, add).invited == {"X"}
    assert fate(scene, add, kick, add) is None


def test_a_place_of_a_member_that_was_given_up_makes_nobody_act_as_an_admin(group: Found) -> None:
    scene = group(1, 5)
    ban, fork = void_promotion(scene)
    kick = scene.write(ban, "M0", "kick", "M2")
    beside = scene.write(wait(scene, fork, "M4"), "M2", "kick", "M3")
    after = scene.settle(kick, beside)
    assert "M2" not in after.joined
    assert "M3" in after.members
    assert fate(scene, beside, kick, beside) == Fate(codes.AUTHOR_NOT_JOINED, kick)


def test_a_place_that_was_given_up_before_is_not_held_any_more(group: Found) -> None:
    """Kicked, let in again by who is banned beside it: the way back is void, and the kick was known. So nothing is to blame."""
    scene = group(4, 1, 2)
    ban = scene.ballot(scene.tip, "ban", "A3", ["A0", "A1", "A2"])
    tip = scene.write(scene.tip, "M0", "leave")
    tip = scene.chain(tip, ("A3", ("add", "M0")), ("M0", ("join",)))
    add = scene.write(tip, "M0", "add", "X")
    assert scene.settle(ban, add).invited == set()
    assert fate(scene, add, ban, add) == Fate(codes.AUTHOR_NOT_JOINED)


def test_one_of_two_times_that_a_place_was_given_up_without_its_knowledge_is_enough(group: Found) -> None:
    scene = group(1, 2, 2)
    tip = scene.chain(scene.tip, ("M0", ("leave",)), ("A0", ("add", "M0")), ("M0", ("join",)))
    beside = scene.write(scene.tip, "A0", "profile", "so that the first leave is replayed, too")
    kick = scene.write(tip, "A0", "kick", "M0")
    add = scene.write(wait(scene, tip, "M1"), "M0", "add", "X")
    assert scene.settle(kick, add, beside).invited == {"X"}
    assert fate(scene, add, kick, add, beside) is None


def test_an_invitation_is_no_place_that_was_held(group: Found) -> None:
    scene = group(1, 1, 2)
    tip = scene.write(scene.tip, "A0", "add", "X")
    kick = scene.write(tip, "A0", "kick", "X")
    join = scene.write(wait(scene, tip, "M0"), "X", "join")
    add = scene.write(join, "X", "add", "Y")
    assert scene.settle(kick, add).invited == set()
    assert fate(scene, join, kick, add) == Fate("bad-join", kick)
    assert fate(scene, add, kick, add) == Fate(codes.AUTHOR_NOT_JOINED, kick)


def leaderless(scene: Scene) -> CommitId:
    """Of three admins two step back beside the ban of the third, behind a leave that lets them go first. A merge."""
    fork = ground(scene, scene.tip, "A0", "demote", before="8")
    fork = ground(scene, fork, "A1", "demote", before="8")
    slow = ground(scene, scene.tip, "M0", "leave", after="8")
    ban = scene.ballot(slow, "ban", "A2", ["A0", "A1"])
    merged: CommitId = scene.world.merge(fork, ban)
    assert scene.settle(merged).admins == set()
    return merged


def test_who_is_left_alone_without_admins_promotes_himself_and_that_counts_beside_other_work(group: Found) -> None:
    scene = group(3, 1)
    tip = scene.write(leaderless(scene), "A1", "leave")
    promoted = scene.write(tip, "A0", "promote", "A0")
    renewed = scene.write(tip, "A0", "renew", 1, device=1)
    assert scene.settle(promoted, renewed).admins == {"A0"}
    assert fate(scene, promoted, promoted, renewed) is None


# --- promotions and unbans by ballot


def test_of_three_resolutions_of_a_promotion_the_first_counts_and_is_to_blame_for_the_others(group: Found) -> None:
    scene = group(3, 1)
    voted = scene.votes(scene.tip, "promote", "M0", ["A0", "A1"])
    first, *others = sorted(scene.write(voted, who, "promote", "M0") for who in ("A0", "A1", "A2"))
    assert "M0" in scene.settle(first, *others).admins
    assert fate(scene, first, first, *others) is None
    for other in others:
        assert fate(scene, other, first, *others) == Fate(codes.VOTES_SPENT, first)


def test_of_three_resolutions_of_a_ban_the_first_is_to_blame_for_the_others(group: Found) -> None:
    scene = group(3, 1)
    one_ballot = scene.votes(scene.tip, "ban", "M0", ["A0", "A1"])
    first, second, third = sorted(scene.write(one_ballot, who, "ban", "M0") for who in ("A0", "A1", "A2"))
    for other in (second, third):
        assert fate(scene, other, first, second, third) == Fate(codes.VOTES_SPENT, first)


def test_a_second_ban_of_the_banned_spends_its_votes_all_the_same(group: Found) -> None:
    """One of its votes the first had spent: then both are to blame for a third resolution, and the least is named."""
    for salt in SALTS:
        scene = group(5, 1)
        shared = scene.votes(scene.tip, "ban", "M0", ["A0"], salt=salt)
        first = scene.ballot(shared, "ban", "M0", ["A1", "A2"], salt=salt)
        voted = scene.votes(shared, "ban", "M0", ["A2", "A3", "A4"], salt="again")
        second = ground(scene, voted, "A3", "ban", "M0", after=first)
        third = ground(scene, voted, "A4", "ban", "M0", after=second)
        assert fate(scene, second, first, second, third) == Fate(codes.ALREADY_BANNED, first)
        assert fate(scene, third, first, second, third) == Fate(codes.VOTES_SPENT, first)


def test_half_of_the_admins_with_a_vote_of_their_own_are_no_majority_for_a_spent_ballot(group: Found) -> None:
    scene = group(4)
    shared = scene.votes(scene.tip, "ban", "A3", ["A0"])
    first = scene.ballot(shared, "ban", "A3", ["A1", "A2"])
    late = scene.votes(shared, "ban", "A3", ["A1", "A2"], salt="late")
    second = ground(scene, late, "A2", "ban", "A3", after=first)
    assert fate(scene, second, first, second) == Fate(codes.VOTES_SPENT, first)


def test_votes_that_stood_before_the_replay_begins_are_good(group: Found) -> None:
    scene = group(3, 1)
    voted = scene.votes(scene.tip, "promote", "M0", ["A0", "A1"])
    promoted = scene.write(voted, "A0", "promote", "M0")
    beside = scene.write(voted, "A2", "add", "X")
    assert "M0" in scene.settle(promoted, beside).admins


def test_even_the_one_vote_with_which_the_replay_begins(group: Found) -> None:
    scene = group(1, 1)
    tip = scene.ballot(scene.tip, "ban", "M0", ["A0"])
    voted = scene.votes(tip, "unban", "M0", ["A0"])
    unban = scene.write(voted, "A0", "unban", "M0")
    beside = scene.write(voted, "A0", "add", "X", device=2)
    assert scene.settle(unban, beside).out == set()


def test_a_promotion_of_whose_votes_none_is_left_names_the_least_of_the_bans_that_took_them(group: Found) -> None:
    scene = group(5, 2)
    slow = wait(scene, scene.tip, "M1")
    promoted = scene.ballot(slow, "promote", "M0", ["A0", "A1", "A2"], resolver="A3")
    tip = scene.tip
    bans: list[CommitId] = []
    for target, voters in (("A0", ["A1", "A2", "A4"]), ("A1", ["A2", "A3", "A4"]), ("A2", ["A3", "A4"])):
        tip = scene.ballot(tip, "ban", target, voters, resolver="A4")
        bans.append(tip)
    after = scene.settle(promoted, tip)
    assert after.out == {"A0", "A1", "A2"}
    assert "M0" in after.members
    assert fate(scene, promoted, promoted, tip) == Fate(codes.VOTES_FELL, min(bans))


def test_a_vote_found_cast_by_another_commit_of_the_voter_stood(group: Found) -> None:
    scene = group(1, 1)
    banned = scene.ballot(scene.tip, "ban", "M0", ["A0"])
    first = scene.write(banned, "A0", "vote", "unban", "M0")
    second = ground(scene, banned, "A0", "vote", "unban", "M0", device=2, after=first)
    unban = scene.write(second, "A0", "unban", "M0", device=2)
    assert scene.settle(first, unban).out == set()
    assert fate(scene, unban, first, unban) is None


def test_a_vote_that_fell_carries_no_promotion_although_its_target_came_back(group: Found) -> None:
    """M0 is away when the votes are counted; when the promotion is, he is back."""
    scene = group(3, 6)
    away = ground(scene, scene.tip, "M0", "leave", before="4")
    slow = ground(scene, away, "M1", "leave", after="8", before="b")
    back = scene.chain(slow, ("A2", ("add", "M0")), ("M0", ("join",)))
    voted = ground(scene, scene.tip, "M2", "leave", after="4", before="8")
    voted = scene.votes(voted, "promote", "M0", ["A0", "A1"])
    promoted = scene.write(ground(scene, voted, "M3", "leave", after="b"), "A0", "promote", "M0")
    after = scene.settle(back, promoted)
    assert "M0" in after.members
    assert fate(scene, voted, back, promoted) == Fate("bad-vote", away)
    told = fate(scene, promoted, back, promoted)
    assert told is not None
    assert told.code == codes.VOTES_FELL


def test_a_promotion_by_ballot_asks_for_no_author(group: Found) -> None:
    scene = group(4, 2)
    voted = scene.votes(scene.tip, "promote", "M0", ["A0", "A1", "A2"])
    ban = scene.ballot(voted, "ban", "A3", ["A0", "A1", "A2"])
    promoted = scene.write(wait(scene, voted, "M1"), "A3", "promote", "M0")
    assert "M0" in scene.settle(promoted, ban).admins


def test_and_an_unban_asks_for_none(group: Found) -> None:
    scene = group(4, 2)
    tip = scene.ballot(scene.tip, "ban", "M0", ["A0", "A1", "A2"])
    voted = scene.votes(tip, "unban", "M0", ["A0", "A1", "A2"])
    ban = scene.ballot(voted, "ban", "A3", ["A0", "A1", "A2"])
    unban = scene.write(wait(scene, voted, "M1"), "A3", "unban", "M0")
    assert scene.settle(unban, ban).out == {"A3"}


# --- kicks beside promotions


def test_a_kick_beside_promotions_of_its_target_names_the_least_of_them(group: Found) -> None:
    for salt in SALTS:
        scene = group(3, 1)
        voted = scene.votes(scene.tip, "promote", "M0", ["A0", "A1"])
        promoted = [scene.write(voted, who, "promote", "M0", salt=salt) for who in ("A0", "A1")]
        kick = scene.write(scene.tip, "A2", "kick", "M0", salt=salt)
        assert "M0" in scene.settle(kick, *promoted).admins
        assert fate(scene, kick, kick, *promoted) == Fate(codes.TARGET_PROMOTED, min(promoted))


def test_a_void_promotion_saves_nobody_from_a_kick(group: Found) -> None:
    scene = group(1, 4)
    ban, fork = void_promotion(scene)
    kick = scene.write(ban, "M0", "kick", "M2")
    assert "M2" not in scene.settle(kick, fork).joined
    assert fate(scene, kick, kick, fork) is None


def test_a_promotion_after_the_kick_does_not_undo_it(group: Found) -> None:
    scene = group(1, 2)
    kick = scene.write(scene.tip, "A0", "kick", "M0")
    tip = scene.enter(kick, "M0")
    tip = scene.write(tip, "A0", "promote", "M0")
    beside = scene.write(scene.tip, "M1", "renew", 1)
    for commit in (kick, tip):
        assert fate(scene, commit, tip, beside) is None


# --- what made an action impossible


def test_a_second_invitation_names_the_first_and_not_who_became_admin_meanwhile(group: Found) -> None:
    for salt in SALTS:
        scene = group(2, 1)
        promoted = scene.ballot(scene.tip, "promote", "M0", ["A0", "A1"], salt=salt)
        first, second = sorted(scene.write(scene.tip, who, "add", "X", salt=salt) for who in ("A0", "A1"))
        assert fate(scene, second, first, second, promoted) == Fate("bad-add", first)


def test_a_second_join_names_the_first(group: Found) -> None:
    scene = group(1)
    tip = scene.write(scene.tip, "A0", "add", "X")
    first, second = sorted(scene.write(tip, "X", "join", device=device) for device in (1, 2))
    assert fate(scene, second, first, second) == Fate("bad-join", first)


@pytest.mark.parametrize(("way", "code"), [("leave", "bad-removal"), ("demote", "bad-promotion")])
def test_who_gives_up_twice_does_it_once(group: Found, way: str, code: str) -> None:
    scene = group(3)
    tip = scene.write(scene.tip, "A1", "text", "on the second device", device=2)
    first, second = sorted(scene.write(tip, "A1", way, device=device) for device in (1, 2))
    assert fate(scene, second, first, second) == Fate(code, first)


def test_a_second_promotion_by_the_sole_admin_names_the_first(group: Found) -> None:
    scene = group(1, 1)
    first, second = sorted(scene.write(scene.tip, "A0", "promote", "M0", device=device) for device in (1, 2))
    assert fate(scene, second, first, second) == Fate("bad-promotion", first)


def test_a_second_unban_with_votes_of_its_own_names_the_first(group: Found) -> None:
    scene = group(3, 1)
    tip = scene.ballot(scene.tip, "ban", "M0", ["A0", "A1"])
    first = scene.write(scene.votes(tip, "unban", "M0", ["A0", "A1"]), "A0", "unban", "M0")
    other = scene.votes(tip, "unban", "M0", ["A1", "A2"])
    second = ground(scene, other, "A2", "unban", "M0", after=first)
    assert fate(scene, second, first, second) == Fate("bad-ballot", first)


def test_a_kick_names_the_leave_that_was_before_it_and_not_one_that_its_author_knew_of(group: Found) -> None:
    scene = group(2, 3)
    leave = scene.write(scene.tip, "M0", "leave")
    kick = scene.write(wait(scene, scene.tip, "M1", after=leave), "A1", "kick", "M0")
    assert fate(scene, kick, leave, kick) == Fate("bad-removal", leave)


def test_a_vote_names_what_took_its_target_away(group: Found) -> None:
    scene = group(2, 3)
    kick = scene.write(scene.tip, "A0", "kick", "M0")
    vote = scene.write(wait(scene, scene.tip, "M1"), "A1", "vote", "promote", "M0")
    assert fate(scene, vote, kick, vote) == Fate("bad-vote", kick)


def test_where_nobody_was_admin_the_least_of_the_promotions_beside_it_ends_the_say_of_the_members(group: Found) -> None:
    for salt in SALTS:
        scene = group(3, 4)
        tip = scene.votes(leaderless(scene), "promote", "M1", ["M2", "M3", "A0"], salt=salt)
        first = scene.write(tip, "M2", "promote", "M1", salt=salt)
        second = scene.write(first, "M1", "promote", "M2", salt=salt)
        slow = wait(scene, tip, "A1")
        vote = scene.write(slow, "M3", "vote", "promote", "A0", salt=salt)
        add = scene.write(first, "M1", "add", "X", salt=salt)
        assert fate(scene, vote, second, vote) == Fate("bad-vote", min(first, second))
        assert fate(scene, add, second, vote, add) is None


# --- housekeeping


@pytest.mark.parametrize("who", ["A1", "M0"])
def test_of_two_renewals_of_an_account_the_later_stands_whichever_comes_first(group: Found, who: str) -> None:
    for first, second in ((2, 3), (3, 2)):
        scene = group(2, 1)
        early = scene.write(scene.tip, who, "renew-account", first)
        late = ground(scene, scene.tip, who, "renew-account", second, after=early)
        assert (who, 3) in scene.settle(early, late).renewals


def test_a_text_of_a_device_that_is_revoked_beside_it_brings_nothing_and_names_the_least_list(group: Found) -> None:
    for salt in SALTS:
        scene = group(1, 1)
        text = scene.write(scene.tip, "M0", "text", "hi", device=2, salt=salt)
        lists = [
            scene.write(scene.tip, "M0", "revoke", number, frozenset({"M0.2"}), salt=salt) for number in (1, 2)
        ]  # fmt: skip
        other = scene.write(scene.tip, "M0", "revoke", 3, frozenset({"M0.3"}), salt=salt)
        after = scene.settle(text, *lists, other)
        assert "M0.2" not in after.devices
        assert fate(scene, text, text, *lists, other) == Fate(codes.DEVICE_REVOKED, min(lists))


def test_what_it_did_beside_bringing_itself_counts(group: Found) -> None:
    scene = group(2)
    add = scene.write(scene.tip, "A1", "add", "X", device=2)
    revoked = scene.write(scene.tip, "A1", "revoke", 1, frozenset({"A1.2"}))
    after = scene.settle(add, revoked)
    assert after.invited == {"X"}
    assert "A1.2" not in after.devices
    assert fate(scene, add, add, revoked) is None


def test_a_list_of_other_devices_and_a_list_that_came_later_keep_no_device_out(group: Found) -> None:
    scene = group(1, 1)
    text = scene.write(scene.tip, "M0", "text", "hi", device=2)
    later = scene.write(text, "M0", "revoke", 1, frozenset({"M0.2"}))
    other = scene.write(scene.tip, "M0", "revoke", 1, frozenset({"M0.3"}))
    assert "M0.2" in scene.settle(later, other).devices  # its file: that it is revoked, the list says
    assert fate(scene, text, later, other) is None


def test_a_device_that_joins_and_is_revoked_beside_it_is_none_even_when_its_join_comes_first(group: Found) -> None:
    for salt in SALTS:
        scene = group(1)
        tip = scene.write(scene.tip, "A0", "add", "X")
        join = scene.write(tip, "X", "join", salt=salt)
        revoked = scene.write(join, "X", "revoke", 1, frozenset({"X.2"}))
        beside = ground(scene, tip, "X", "join", device=2, before=join)
        after = scene.settle(revoked, beside)
        assert after.members == {"X"}
        assert "X.2" not in after.devices


def test_what_a_list_beside_an_old_certificate_keeps_out_is_that_one_not_a_later(group: Found) -> None:
    scene = group(1, 1)
    known = scene.write(scene.tip, "M0", "text", "hi", device=2)
    renewed = scene.write(known, "M0", "renew", 2, device=2)
    revoked = scene.write(renewed, "M0", "revoke", 1, frozenset({"M0.2"}))
    old = ground(scene, scene.tip, "M0", "text", "old", device=2, after=renewed)
    assert ("M0.2", 2) in scene.settle(revoked, old).renewals


def test_who_resolves_a_ballot_from_a_banned_device_does_not_bring_it_back(group: Found) -> None:
    for salt in SALTS:
        scene = group(4, 2)
        voted = scene.votes(scene.tip, "ban", "M0", ["A0", "A1", "A2"])
        known = scene.write(voted, "A3", "text", "hi", device=2)
        ban = scene.ballot(known, "ban", "A3.2", ["A0", "A1", "A2"])
        other = scene.write(wait(scene, voted, "M1"), "A3", "ban", "M0", device=2, salt=salt)
        after = scene.settle(ban, other)
        assert after.out == {"M0", "A3.2"}
        assert "A3.2" not in after.devices


def test_a_ban_resolved_from_a_new_device_lands_the_file_of_its_target(group: Found) -> None:
    scene = group(3, 1)
    renewed = scene.write(scene.tip, "M0", "renew-account", 2)
    ban = scene.write(scene.votes(renewed, "ban", "M0", ["A0", "A1"]), "A1", "ban", "M0", device=2)
    beside = scene.write(scene.tip, "A2", "add", "X")
    after = scene.settle(ban, beside)
    assert ("M0", 2) in after.renewals
    assert "A1.2" in after.devices


# --- the profile


def test_a_profile_stands_beside_work_that_has_none_and_falls_with_its_author(group: Found) -> None:
    scene = group(4)
    tip = scene.write(scene.tip, "A0", "profile", "old")
    beside = [scene.write(tip, who, "add", f"X{who}") for who in ("A1", "A2")]
    assert scene.settle(*beside).profile == "old"
    new = scene.write(tip, "A3", "profile", "new")
    assert scene.settle(new, *beside).profile == "new"
    ban = scene.ballot(tip, "ban", "A3", ["A0", "A1", "A2"])
    assert scene.settle(new, ban).profile == "old"


def test_updates_to_one_and_the_same_profile_all_compete(group: Found) -> None:
    scene = group(3)
    first = scene.write(scene.tip, "A0", "profile", "north")
    other = ground(scene, scene.tip, "A1", "profile", "south", after=first)
    same = ground(scene, scene.tip, "A2", "profile", "north", after=other)
    assert scene.settle(first, other, same).profile == "north"
    assert fate(scene, first, first, other, same) == Fate(codes.PROFILE_OUTBID, same)
    assert fate(scene, other, first, other, same) == Fate(codes.PROFILE_OUTBID, same)
    assert fate(scene, same, first, other, same) is None


def test_and_so_does_one_that_brings_back_what_stood(group: Found) -> None:
    scene = group(3)
    tip = scene.write(scene.tip, "A0", "profile", "old")
    new = scene.write(tip, "A1", "profile", "new")
    back = ground(scene, new, "A1", "profile", "old", after=new)
    other = ground(scene, tip, "A2", "profile", "other", before=back)
    assert scene.settle(back, other).profile == "old"
    assert fate(scene, back, back, other) is None


def test_a_profile_of_who_gave_up_beside_it_counts(group: Found) -> None:
    scene = group(2, 1)
    demote = scene.write(scene.tip, "A1", "demote")
    update = scene.write(wait(scene, scene.tip, "M0", after=demote), "A1", "profile", "mine")
    assert scene.settle(demote, update).profile == "mine"
