"""What concurrent commits come to, in whatever order they arrived, and how the answer is found. (SCP-02 §6.4)"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from swarmchat.conversation.hiding import hidden, removals
from swarmchat.conversation.rules import settled as codes
from swarmchat.conversation.rules import settling
from swarmchat.conversation.rules.replay import replay
from swarmchat.conversation.rules.settled import Fate, Settled, Steps
from swarmchat.conversation.rules.settling import Settler
from tests.support.settle_floods import flood
from tests.support.settle_group import Group, list_digest
from tests.support.settle_model import Standing, name
from tests.support.settle_oracles import FromTheRoot, agrees
from tests.support.settle_scenes import Scene

SALTS = range(3)


class Nested(Settler):
    """Notes how many sets were being settled at once."""

    open = deepest = 0

    def _steps(self, mask: int) -> Steps[Settled]:
        self.open += 1
        self.deepest = max(self.deepest, self.open)
        settled = yield from super()._steps(mask)
        self.open -= 1
        return settled


def arrivals(group: Group, count: int) -> Iterable[list[tuple[Any, ...]]]:
    """Orders in which the commits could have come, parents first."""
    for seed in range(count):
        dice = random.Random(seed)
        left, here, order = list(group.asked), {group.root}, []
        while left:
            ready = [asked for asked in left if all(parent in here for parent in _parents(asked))]
            chosen = dice.choice(ready)
            left.remove(chosen)
            order.append(chosen)
            here.add(_id(chosen))
        yield order


def everywhere(scene: Scene, *heads: str) -> Standing:
    """The one result: by the shortcut and from the root, in the order written and in others."""
    found = scene.settle(*heads)
    for order in arrivals(scene.world, 3):
        for settler in (Settler, FromTheRoot):
            twin = scene.world.replayed(order, settler=settler)
            assert twin.settle(*heads) == found
            assert twin.rosters == scene.world.rosters
    return found


def fate(scene: Scene, commit: str, *heads: str) -> Fate | None:
    return scene.world.settler.fate(commit, heads)


@pytest.fixture
def group() -> Callable[..., Scene]:
    return lambda admins, members=0, mode=1: Scene(Group(mode), admins, members)


Found = Callable[..., Scene]

# --- the consequences that the page lists


def test_ban_beside_leave(group: Found) -> None:
    for salt in SALTS:
        scene = group(3, 1)
        ban = scene.ballot(scene.tip, "ban", "M0", ["A0", "A1"])
        leave = scene.write(scene.tip, "M0", "leave", salt=salt)
        assert everywhere(scene, ban, leave).banned == {("M0", "members")}


def test_ban_beside_the_join_of_the_invited(group: Found) -> None:
    for salt in SALTS:
        scene = group(3)
        added = scene.write(scene.tip, "A0", "add", "X")
        ban = scene.ballot(added, "ban", "X", ["A0", "A1"])
        join = scene.write(added, "X", "join", salt=salt)
        after = everywhere(scene, ban, join)
        assert after.banned == {("X", "invited")}
        assert "X.1" not in after.devices
        assert fate(scene, join, ban, join) == Fate(codes.BANNED_BESIDE, ban)


def test_ban_beside_the_renewal_of_the_certificate(group: Found) -> None:
    for salt in SALTS:
        scene = group(3, 1)
        ban = scene.ballot(scene.tip, "ban", "M0", ["A0", "A1"])
        renewal = scene.write(scene.tip, "M0", "renew-account", 2, salt=salt)
        after = everywhere(scene, ban, renewal)
        assert after.banned == {("M0", "members")}
        assert ("M0", 0) in after.renewals  # the certificate of tree(parent of the ban)


def test_a_first_profile_on_both_sides(group: Found) -> None:
    for salt in SALTS:
        scene = group(2)
        one = scene.write(scene.tip, "A0", "profile", "north", salt=salt)
        two = scene.write(scene.tip, "A1", "profile", "south", salt=salt)
        assert everywhere(scene, one, two).profile == ("north" if one > two else "south")
        assert fate(scene, min(one, two), one, two) == Fate(codes.PROFILE_OUTBID, max(one, two))
        assert fate(scene, max(one, two), one, two) is None


def test_of_profiles_the_last_ones_compete_not_those_they_replaced(group: Found) -> None:
    for salt in SALTS:
        scene = group(2)
        first = scene.write(scene.tip, "A0", "profile", "first", salt=salt)
        second = scene.write(first, "A0", "profile", "second", salt=salt)
        other = scene.write(scene.tip, "A1", "profile", "other", salt=salt)
        assert everywhere(scene, second, other).profile == ("second" if second > other else "other")


def test_criss_cross(group: Found) -> None:
    scene = group(3, 2)
    one = scene.ballot(scene.tip, "ban", "M0", ["A0", "A1"])
    two = scene.write(scene.tip, "M0", "text", "hi", device=2)
    cross = scene.world.merge(one, two)
    left = scene.write(cross, "A0", "add", "X")
    right = scene.write(cross, "A2", "add", "Y")
    across = scene.world.merge(left, right)
    after = everywhere(scene, scene.write(across, "A1", "text", "done"), left)
    assert after.invited == {"X", "Y"}
    assert after.banned == {("M0", "members")}


def test_two_admins_ban_each_other_with_different_quorums(group: Found) -> None:
    for salt in SALTS:
        scene = group(5)
        four = scene.ballot(scene.tip, "ban", "A1", ["A0", "A2", "A3", "A4"], salt=salt)
        three = scene.ballot(scene.tip, "ban", "A0", ["A1", "A2", "A3"], salt=salt)
        after = everywhere(scene, four, three)
        assert after.out == {"A1"}
        told = fate(scene, three, four, three)
        assert told == Fate(codes.NOT_AUTHORISED, four)
        assert told.tally is not None
        names = scene.world.name_of
        assert {names(voter) for voter in told.tally.left} == {"A2", "A3"}
        assert [(names(voter), by) for voter, by in told.tally.lost] == [("A1", four)]
        assert not told.tally.suffices
        first = scene.world.settler.precedence(three, four)
        assert (first.first, first.edge) == (four, codes.Edge.VOTERS)
        assert first == scene.world.settler.precedence(four, three)
        assert {names(voter) for voter in first.ours} == {"A0", "A4"}  # A2 and A3 wrote on both sides
        assert {names(voter) for voter in first.theirs} == {"A1"}


def test_friends_promoted_in_a_partition_who_then_ban_the_others(group: Found) -> None:
    for salt in SALTS:
        scene = group(4)
        ban = scene.ballot(scene.tip, "ban", "A0", ["A1", "A2", "A3"])
        tip = scene.at["join A3"]
        for count in range(4):
            tip = scene.enter(tip, f"S{count}", salt=salt)
            tip = scene.promote(tip, f"S{count}", ["A0", *(f"S{n}" for n in range(count))], salt=salt)
        for one in ("A1", "A2", "A3"):
            tip = scene.ballot(tip, "ban", one, ["A0", "S0", "S1", "S2", "S3"], salt=salt)
        after = everywhere(scene, ban, tip)
        assert after.admins == {"A1", "A2", "A3"}
        assert after.out == {"A0"}


def test_a_voter_on_both_sides(group: Found) -> None:
    for salt in SALTS:
        scene = group(4)
        one = scene.ballot(scene.tip, "ban", "A0", ["A1", "A2", "A3"], salt=salt)
        two = scene.ballot(scene.tip, "ban", "A1", ["A0", "A2", "A3"], salt=salt)
        after = everywhere(scene, one, two)
        assert after.out == {"A1"}  # a tie: the side of the most senior voter
        told = scene.world.settler.precedence(one, two)
        assert (told.first, told.edge) == (two, codes.Edge.SENIORITY)
        assert [{scene.world.name_of(voter) for voter in side} for side in (told.ours, told.theirs)] == [{"A0"}, {"A1"}]


# --- replay: what still applies, and where


def test_what_no_longer_applies_has_no_effect_and_says_why(group: Found) -> None:
    scene = group(2, 1)
    kick = scene.write(scene.tip, "A0", "kick", "M0")
    vote = scene.write(scene.tip, "M0", "text", "from a new device", device=2)
    vote = scene.write(vote, "A1", "vote", "promote", "M0")
    other = scene.write(scene.tip, "A1", "kick", "M0")
    scene.settle(kick, other, vote)
    lower, higher = sorted((kick, other))
    told = fate(scene, higher, kick, other, vote)
    assert fate(scene, lower, kick, other, vote) is None
    assert told == Fate("bad-removal", lower)
    assert told.detail


def test_two_resolutions_of_one_ballot_count_once(group: Found) -> None:
    scene = group(3, 1)
    voted = scene.votes(scene.tip, "ban", "M0", ["A0", "A1"])
    both = [scene.write(voted, who, "ban", "M0") for who in ("A0", "A1")]
    after = everywhere(scene, *both)
    assert after.banned == {("M0", "members")}
    assert {fate(scene, one, *both) for one in both} == {None, Fate(codes.VOTES_SPENT, min(both))}


def test_two_ballots_that_ban_the_same_member_land_once_and_both_are_spent(group: Found) -> None:
    for salt in SALTS:
        scene = group(3, 1)
        one = scene.ballot(scene.tip, "ban", "M0", ["A0", "A1"])
        votes = scene.votes(scene.tip, "ban", "M0", ["A1", "A2"], salt=salt)
        two = scene.write(votes, "A2", "ban", "M0", salt=salt)
        after = everywhere(scene, one, two)
        assert after.banned == {("M0", "members")}
        fates = {each: fate(scene, each, one, two) for each in (one, two)}
        landed = next(each for each, told in fates.items() if told is None)
        assert set(fates.values()) == {None, Fate(codes.ALREADY_BANNED, landed)}


def test_a_ban_lands_on_whom_only_a_void_invitation_had_brought_in(group: Found) -> None:
    for salt in SALTS:
        scene = group(4)
        fork = scene.write(scene.tip, "A3", "add", "V", salt=salt)
        fork = scene.ballot(fork, "ban", "V", ["A0", "A1", "A2"], salt=salt)
        ban = scene.ballot(scene.tip, "ban", "A3", ["A0", "A1", "A2"])
        main = scene.write(ban, "A1", "add", "V")
        after = everywhere(scene, main, fork)
        assert after.out == {"A3", "V"}
        assert not after.invited
        assert fate(scene, fork, main, fork) is None


def test_a_ban_whose_target_left_long_before_the_common_past_ended_still_lands(group: Found) -> None:
    for salt in SALTS:
        scene = group(3, 1)
        tip = scene.chain(scene.tip, ("M0", ("leave",)), ("A0", ("add", "M0")))
        ban = scene.ballot(tip, "ban", "M0", ["A0", "A1"], salt=salt)
        other = scene.write(tip, "A2", "kick", "M0", salt=salt)
        assert everywhere(scene, ban, other).banned == {("M0", "invited")}


def test_an_unban_puts_back_where_it_was_and_devices_come_with_their_next_commit(group: Found) -> None:
    scene = group(3)
    ban = scene.ballot(scene.tip, "ban", "A2", ["A0", "A1"])
    unban = scene.ballot(ban, "unban", "A2", ["A0", "A1"])
    aside = scene.write(scene.tip, "A1", "add", "Z")
    merged = scene.world.merge(unban, aside)
    assert "A2" in scene.settle(merged).admins
    assert "A2.1" not in scene.settle(merged).devices
    back = scene.write(merged, "A2", "text", "back")
    assert "A2.1" in scene.settle(back).devices


def test_a_leave_by_a_device_that_is_banned_beside_it_has_no_effect_when_the_ban_comes_first(group: Found) -> None:
    for salt in SALTS:
        scene = group(3)
        ban = scene.ballot(scene.tip, "ban", "A2.1", ["A0", "A1"])
        leave = scene.write(scene.tip, "A2", "leave", salt=salt)
        after = everywhere(scene, ban, leave)
        assert "A2" in after.admins
        assert fate(scene, leave, ban, leave) == Fate(codes.AUTHOR_BANNED, ban)


# --- replay: housekeeping


def test_two_devices_join_beside_each_other_and_both_stand(group: Found) -> None:
    for salt in SALTS:
        scene = group(1)
        added = scene.write(scene.tip, "A0", "add", "X")
        joins = [scene.write(added, "X", "join", device=number, salt=salt) for number in (1, 2)]
        after = everywhere(scene, *joins)
        assert after.members == {"X"}
        assert {"X.1", "X.2"} <= after.devices


def test_of_two_renewals_the_later_stands(group: Found) -> None:
    for salt in SALTS:
        scene = group(1, 1)
        one = scene.write(scene.tip, "M0", "renew", 1, salt=salt)
        two = scene.write(scene.tip, "M0", "renew", 2, salt=salt)
        after = everywhere(scene, one, two)
        assert ("M0.1", 2) in after.renewals


def test_a_renewal_follows_the_account_to_where_it_stands(group: Found) -> None:
    for salt in SALTS:
        scene = group(1, 1)
        renewal = scene.write(scene.tip, "M0", "renew-account", 3, salt=salt)
        promoted = scene.write(scene.tip, "A0", "promote", "M0", salt=salt)
        after = everywhere(scene, renewal, promoted)
        assert "M0" in after.admins
        assert ("M0", 3) in after.renewals


def test_housekeeping_counts_even_when_its_action_does_not(group: Found) -> None:
    for salt in SALTS:
        scene = group(2, 1)
        kick = scene.write(scene.tip, "A0", "kick", "M0", salt=salt)
        other = scene.write(scene.tip, "A1", "kick", "M0", device=2, salt=salt)
        assert "A1.2" in everywhere(scene, kick, other).devices


def test_a_device_that_is_revoked_beside_its_first_commit_is_not_added(group: Found) -> None:
    for salt in SALTS:
        scene = group(1, 1)
        text = scene.write(scene.tip, "M0", "text", "hi", device=2, salt=salt)
        revoked = scene.write(scene.tip, "M0", "revoke", 1, frozenset({"M0.2"}), salt=salt)
        after = everywhere(scene, text, revoked)
        assert "M0.2" not in after.devices
        assert after.lists == {("M0", 1)}
        merged = scene.world.merge(text, revoked)
        assert scene.refuses(merged, "M0", "text", "again", device=2)


def test_of_two_lists_the_higher_number_stands_and_the_revoked_of_both_are_revoked(group: Found) -> None:
    for salt in SALTS:
        scene = group(1, 1)
        tip = scene.write(scene.write(scene.tip, "M0", "text", "a", device=2), "M0", "text", "b", device=3)
        one = scene.write(tip, "M0", "revoke", 1, frozenset({"M0.2"}), salt=salt)
        two = scene.write(tip, "M0", "revoke", 2, frozenset({"M0.3"}), salt=salt)
        assert everywhere(scene, one, two).lists == {("M0", 2)}
        merged = scene.world.merge(one, two)
        for device in (2, 3):
            assert scene.refuses(merged, "M0", "text", "again", device=device)


def test_of_two_lists_of_one_number_the_higher_digest_stands(group: Found) -> None:
    devices = [frozenset({f"M0.{number}"}) for number in (2, 3)]
    scene = group(1, 1)
    lists = [scene.write(scene.tip, "M0", "revoke", 5, revoked) for revoked in devices]
    everywhere(scene, *lists)
    roster = scene.world.settler.settle(lists).roster
    (path,) = [path for path in roster.files if path.startswith("CRLs/")]
    rosters = [scene.world.rosters[commit] for commit in lists]
    best = max(range(2), key=lambda at: list_digest("M0", 5, devices[at]))
    assert roster.files[path] == rosters[best].files[path]


# --- one-to-one


def test_in_a_one_to_one_both_may_leave_beside_each_other() -> None:
    world = Group(0, "A0", "A1")
    scene = Scene(world, 1)
    tip = scene.write(scene.tip, "A1", "join")
    ways = [scene.write(tip, who, "leave") for who in ("A0", "A1")]
    assert everywhere(scene, *ways).joined == set()


def test_in_a_one_to_one_a_leave_beside_a_profile_of_the_other() -> None:
    world = Group(0, "A0", "A1")
    scene = Scene(world, 1)
    tip = scene.write(scene.tip, "A1", "join")
    leave = scene.write(tip, "A0", "leave")
    profile = scene.write(tip, "A1", "profile", "us")
    after = everywhere(scene, leave, profile)
    assert after.joined == {"A1"}
    assert after.profile == "us"


# --- how it is found


def test_a_greatest_commit_settles_to_its_judged_roster(group: Found) -> None:
    scene = group(3, 1)
    assert scene.world.settler.settle([scene.tip]).roster is scene.world.rosters[scene.tip]
    text = scene.write(scene.tip, "A0", "text", "hi")
    assert scene.world.settler.settle([text, scene.at["root"]]).roster is scene.world.rosters[scene.tip]


def test_the_same_control_commits_are_settled_once(group: Found) -> None:
    scene = group(3, 1)
    heads = [scene.write(scene.tip, who, "add", "X" + who) for who in ("A0", "A1")]
    first = scene.world.settler.settle(heads)
    text = scene.write(heads[0], "A0", "text", "hi")
    assert scene.world.settler.settle([text, heads[1]]) is first


def test_texts_and_the_shape_of_merges_have_no_part(group: Found) -> None:
    scene = group(4, 1)
    heads = [
        scene.ballot(scene.tip, "ban", "A3", ["A0", "A1", "A2"]),
        scene.write(scene.tip, "A3", "add", "X"),
        scene.write(scene.tip, "M0", "leave"),
    ]
    plain = scene.settle(*heads)
    first = scene.write(scene.world.merge(*heads[:2]), "A1", "text", "seen two")
    last = scene.write(scene.world.merge(*heads[1:]), "A2", "text", "seen the others")
    assert scene.settle(first, last) == plain


def test_why_a_commit_counts_or_not_is_told_of_all_that_is_behind(group: Found) -> None:
    scene = group(4, 1)
    ban = scene.ballot(scene.tip, "ban", "A3", ["A0", "A1", "A2"])
    void = scene.write(scene.tip, "A3", "add", "X")
    text = scene.write(scene.tip, "M0", "text", "hi")
    tip = scene.write(scene.world.merge(ban, void, text), "A0", "add", "Y")
    beside = scene.write(tip, "A1", "add", "Z")
    tip = scene.write(tip, "A2", "profile", "later")
    assert fate(scene, void, tip, beside) == Fate(codes.BANNED_BESIDE, ban)
    for commit in (ban, text, tip, beside, scene.at["root"], scene.at["join M0"]):
        assert fate(scene, commit, tip, beside) is None
    assert scene.world.settler.fate(void, [void]) is None


def test_all_bans_that_count_are_told_however_old(group: Found) -> None:
    scene = group(4, 1)
    settler = scene.world.settler
    assert settler.bans([scene.tip]) == frozenset()
    ban = scene.ballot(scene.tip, "ban", "A3", ["A0", "A1", "A2"])
    late = scene.write(scene.tip, "A3", "text", "before I knew")  # no control commit: the ban is the greatest of these
    assert settler.bans([ban, late]) == {ban}
    rival = scene.ballot(scene.tip, "ban", "A0", ["A3", "A1", "A2"], salt="rival")
    assert settler.bans([ban, rival]) == {ban}
    tip = scene.write(scene.world.merge(ban, rival), "A0", "add", "X")
    second = scene.ballot(tip, "ban", "M0", ["A0", "A1"])
    beside = scene.write(tip, "A2", "add", "Y")
    for heads in ([tip], [second, beside], [scene.write(second, "A0", "profile", "later"), beside]):
        expected = {ban} if heads == [tip] else {ban, second}
        assert settler.bans(heads) == expected
        assert FromTheRoot(scene.world.history, scene.world.rosters.__getitem__).bans(heads) == expected


def test_a_late_text_of_the_banned_is_hidden_however_long_ago_the_ban_was(group: Found) -> None:
    """No control commit is concurrent with the ban, so nothing of it is left to settle: still it is asked for."""
    scene = group(4)
    ban = scene.ballot(scene.tip, "ban", "A3", ["A0", "A1", "A2"])
    tip = scene.chain(ban, *(("A0", ("profile", str(count))) for count in range(5)))
    late = scene.write(scene.tip, "A3", "text", "I was always against it")
    history, rosters, settler = scene.world.history, scene.world.rosters, scene.world.settler
    heads = history.heads
    assert set(heads) == {tip, late}
    roster, bans = settler.settle(heads).roster, settler.bans(heads)
    taken = removals(history, roster, lambda commit: commit in bans)
    assert hidden(history, roster, taken, rosters.__getitem__) == {late}


def test_what_new_commits_change_is_told(group: Found) -> None:
    scene = group(4, 1)
    settler = scene.world.settler
    add = scene.write(scene.tip, "A3", "add", "X")
    text = scene.write(add, "A0", "text", "hi")
    assert settler.changed_fates([scene.tip], [text]) == {}
    ban = scene.ballot(scene.tip, "ban", "A3", ["A0", "A1", "A2"])
    assert settler.changed_fates([text], [text, ban]) == {add: Fate(codes.BANNED_BESIDE, ban)}
    merged = scene.write(scene.world.merge(text, ban), "A0", "add", "Y")
    assert settler.changed_fates([text], [merged]) == {add: Fate(codes.BANNED_BESIDE, ban)}
    assert settler.changed_fates([text, ban], [merged]) == {}


@pytest.mark.parametrize("settler", [Settler, FromTheRoot])
def test_little_memory_changes_no_answer(group: Found, monkeypatch: pytest.MonkeyPatch, settler: type[Settler]) -> None:
    for limit in ("_SETTLED_KEPT", "_PRECEDENCES_KEPT", "_REPLAYS_KEPT"):
        monkeypatch.setattr(settling, limit, 1)
    scene = group(5, 1)
    bans = [
        scene.ballot(scene.tip, "ban", "A4", ["A0", "A1", "A2"]),
        scene.ballot(scene.tip, "ban", "A0", ["A4", "A2", "A3"]),
        scene.ballot(scene.tip, "ban", "A1", ["A0", "A3", "A2"]),
    ]
    tip = scene.write(scene.world.merge(*bans), "A2", "add", "X")
    pair = scene.ballot(tip, "ban", "M0", ["A2", "A3", "A0"]), scene.write(tip, "M0", "renew", 1)
    tie = scene.ballot(tip, "ban", "A2", ["A0", "A3"]), scene.ballot(tip, "ban", "A3", ["A0", "A2"])
    after = everywhere(scene, *pair)
    small = settler(scene.world.history, scene.world.rosters.__getitem__)
    for heads in (bans, pair, tie, bans[:2], pair, tie):
        assert small.settle(heads).roster == scene.world.settler.settle(heads).roster
    assert [small.fate(commit, pair) for commit in bans] == [fate(scene, commit, *pair) for commit in bans]
    assert after.out == {"A1", "A4", "M0"}


def test_conflicts_nested_in_conflicts_cost_no_recursion(group: Found) -> None:
    """Each pair of bans has the pair before in its common past; a cold start must settle them all, one inside the other."""
    scene, levels = group(1), 60
    tip = scene.tip
    heads = (tip, tip)
    for level in range(levels):
        tip = scene.world.merge(*heads)
        one, two = f"X{level}", f"Y{level}"
        tip = scene.enter(scene.enter(tip, one), two)
        left = scene.ballot(scene.write(tip, one, "text", "on this side", device=2), "ban", two, ["A0"], salt="left")
        right = scene.ballot(scene.write(tip, two, "text", "on that side", device=2), "ban", one, ["A0"], salt="right")
        heads = (left, right)
    warm = scene.world.settler.settle(heads)
    cold = Nested(scene.world.history, scene.world.rosters.__getitem__)
    depth, frame = 0, sys._getframe()
    while frame:
        depth, frame = depth + 1, frame.f_back
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + 50)
    try:
        again = cold.settle(heads)
    finally:
        sys.setrecursionlimit(limit)
    assert cold.deepest > levels // 2
    assert again.roster == warm.roster
    assert len(again.roster.banned) == 2 * levels


def test_a_flood_of_hostile_bans_costs_few_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in steps: comparisons of two bans, walks through the history, replays. Of 150 bans there are 11,175 pairs."""
    world, heads = flood(150)
    replays = 0

    def counted(*asked: Any) -> Any:
        nonlocal replays
        replays += 1
        return replay(*asked)

    monkeypatch.setattr(settling, "replay", counted)
    settler = Settler(world.history, world.rosters.__getitem__)
    settler.settle(heads)
    assert len(settler._precedences) < 150 * 20
    assert len(settler._stretches) == 150
    assert replays == 1


def test_lines_too_long_to_be_remembered_are_compared_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    world, heads = flood(40, seed=1)
    short = Settler(world.history, world.rosters.__getitem__).settle(heads)
    monkeypatch.setattr(settling, "_STRETCH_MAX", 1)
    assert Settler(world.history, world.rosters.__getitem__).settle(heads) == short


def test_a_flood_is_decided_as_the_model_says() -> None:
    for seed in range(3):
        world, heads = flood(12, admins=5, seed=seed)
        assert agrees(world, heads)


def _parents(asked: tuple[Any, ...]) -> tuple[str, ...]:
    return asked[0] if len(asked) == 1 else (asked[0],)


def _id(asked: tuple[Any, ...]) -> str:
    if len(asked) == 1:
        return name(asked[0], "", 0, ("merge",), 0)
    parent, who, act, device, salt = asked
    return name((parent,), who, device, act, salt)
