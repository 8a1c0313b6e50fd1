"""Attacks on the merging rule that broke earlier rules, and what an honest group keeps. (SCP-02 §6.4)

Each runs on the model and on the law. What an attacker may choose freely, the ids of his commits, is varied by `SALTS`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.settle_group import Group
from tests.support.settle_model import Model
from tests.support.settle_scenes import Scene

SALTS = range(4)
Found = Callable[..., Scene]


@pytest.fixture(params=[Model, Group], ids=["model", "law"])
def found(request: pytest.FixtureRequest) -> Found:
    def make(admins: int, members: int = 0, *, mode: int = 1) -> Scene:
        return Scene(request.param(mode), admins, members)

    return make


# --- forks from the time when the attacker had power


def test_a_banned_creator_kicks_his_voters_in_an_old_fork(found: Found) -> None:
    for salt in SALTS:
        scene = found(4)
        ban = scene.ballot(scene.tip, "ban", "A0", ["A1", "A2", "A3"])
        kicks = scene.chain(scene.at["join A3"], *(("A0", ("kick", one)) for one in ("A1", "A2", "A3")), salt=salt)
        after = scene.settle(ban, kicks)
        assert after.admins == {"A1", "A2", "A3"}
        assert after.out == {"A0"}


def test_and_it_makes_no_difference_that_he_had_been_active_since(found: Found) -> None:
    scene = found(4)
    spoken = scene.write(scene.tip, "A0", "text", "hello")
    ban = scene.ballot(spoken, "ban", "A0", ["A1", "A2", "A3"])
    tip = scene.at["join A3"]
    for one in ("A1", "A2", "A3"):
        tip = scene.write(tip, "A0", "kick", one, device=2)
    after = scene.settle(ban, tip)
    assert after.admins == {"A1", "A2", "A3"}
    assert after.out == {"A0"}


def test_a_banned_creator_bans_his_voters_as_the_only_elector_of_an_old_fork(found: Found) -> None:
    for salt in SALTS:
        scene = found(4)
        ban = scene.ballot(scene.tip, "ban", "A0", ["A1", "A2", "A3"])
        tip = scene.at["join A3"]
        for one in ("A1", "A2", "A3"):
            tip = scene.ballot(tip, "ban", one, ["A0"], salt=salt)
        after = scene.settle(ban, tip)
        assert after.admins == {"A1", "A2", "A3"}
        assert after.out == {"A0"}


def test_a_banned_creator_makes_six_friends_admins_in_an_old_fork_and_they_ban_his_voters(found: Found) -> None:
    friends = [f"S{number}" for number in range(6)]
    for point in ("root", "join A3"):
        scene = found(4)
        ban = scene.ballot(scene.tip, "ban", "A0", ["A1", "A2", "A3"])
        tip = scene.at[point]
        for count, friend in enumerate(friends):
            tip = scene.enter(tip, friend)
            tip = scene.promote(tip, friend, ["A0", *friends[:count]])
        if point != "root":
            for one in ("A1", "A2", "A3"):
                tip = scene.ballot(tip, "ban", one, ["A0", *friends])
        after = scene.settle(ban, tip)
        assert after.admins == {"A1", "A2", "A3"}
        assert after.out == {"A0"}


def test_one_of_several_admins_cannot_promote_friends_alone(found: Found) -> None:
    scene = found(3)
    tip = scene.enter(scene.tip, "S0", by="A2")
    assert scene.refuses(tip, "A2", "promote", "S0")
    tip = scene.write(tip, "A2", "vote", "promote", "S0")
    assert scene.refuses(tip, "A2", "promote", "S0")


def test_a_friend_promoted_in_the_fork_of_a_banned_admin_kicks_nobody(found: Found) -> None:
    for salt in SALTS:
        scene = found(1, 3)
        tip = scene.tip
        for count, one in enumerate(("M0", "M1", "M2")):
            tip = scene.promote(tip, one, ["A0", "M0", "M1"][: count + 1])
        ban = scene.ballot(tip, "ban", "A0", ["M0", "M1", "M2"])
        sybil = scene.enter(scene.tip, "S", salt=salt)
        sybil = scene.write(sybil, "A0", "promote", "S", salt=salt)
        for one in ("M0", "M1", "M2"):
            sybil = scene.write(sybil, "S", "kick", one, salt=salt)
        after = scene.settle(ban, sybil)
        assert after.admins == {"M0", "M1", "M2"}
        assert after.out == {"A0"}


def test_an_active_creator_bans_everybody_from_when_he_was_sole_admin(found: Found) -> None:
    for salt in SALTS:
        scene = found(4)
        main = scene.write(scene.tip, "A0", "text", "hi")
        tip = scene.at["join A3"]
        for one in ("A1", "A2", "A3"):
            tip = scene.ballot(tip, "ban", one, ["A0"], salt=salt)
        after = scene.settle(main, tip)
        assert after.admins == {"A0", "A1", "A2", "A3"}
        assert not after.out


def test_two_active_early_admins_ban_the_three_later_ones_whose_promotions_they_backed(found: Found) -> None:
    scene = found(5)
    main = scene.chain(scene.tip, ("A0", ("text", "hi")), ("A1", ("text", "hi")))
    tip = scene.at["promote A1"]
    for one in ("A2", "A3", "A4"):
        tip = scene.ballot(tip, "ban", one, ["A0", "A1"])
    after = scene.settle(main, tip)
    assert len(after.admins) == 5
    assert not after.out


@pytest.mark.parametrize("point", ["root", "join A3"])
def test_residue_who_was_sole_admin_can_show_an_old_fork_of_friends_and_a_ban_at_the_old_head_is_the_way_out(
    found: Found, point: str
) -> None:
    scene = found(4)
    friends = [f"S{number}" for number in range(5)]
    main = scene.write(scene.tip, "A0", "text", "hi")
    tip = scene.at[point]
    for friend in friends:
        tip = scene.enter(tip, friend)
    for count, friend in enumerate(friends):
        tip = scene.promote(tip, friend, ["A0", *friends[:count]])
    merged = scene.world.merge(main, tip)
    taken = scene.settle(main, tip)
    assert taken.admins == {"A0", "A1", "A2", "A3", *friends}  # SCP-02 §6.4 g: no rule on the graph alone can tell
    for one in ("A1", "A2", "A3"):
        merged = scene.ballot(merged, "ban", one, ["A0", *friends])
    assert scene.settle(merged).out == {"A1", "A2", "A3"}
    answer = scene.ballot(main, "ban", "A0", ["A1", "A2", "A3"])  # `ban --at` the own old head
    after = scene.settle(merged, answer)
    assert after.admins == {"A1", "A2", "A3"}
    assert after.out == {"A0"}


def test_an_old_majority_that_a_promotion_needed_cannot_ban_who_was_promoted(found: Found) -> None:
    scene = found(3)
    fork = scene.enter(scene.enter(scene.tip, "A3"), "A4")
    tip = scene.ballot(fork, "promote", "A3", ["A1", "A2"])
    tip = scene.ballot(tip, "promote", "A4", ["A1", "A2", "A3"])
    for salt in SALTS:
        stale = scene.ballot(fork, "ban", "A4", ["A0", "A1"], salt=salt)  # A1 backed A4 elsewhere
        assert scene.settle(tip, stale).admins == {"A0", "A1", "A2", "A3", "A4"}


def test_two_early_admins_who_backed_no_later_one_cannot_ban_a_member_whom_the_later_ones_promote(found: Found) -> None:
    for salt in SALTS:
        scene = found(5, 1)
        promoted = scene.ballot(scene.tip, "promote", "M0", ["A2", "A3", "A4"])
        stale = scene.ballot(scene.at["promote A1"], "ban", "M0", ["A0", "A1"], salt=salt)  # two of two, back then
        after = scene.settle(promoted, stale)  # two of five
        assert "M0" in after.admins
        assert not after.out


def test_residue_an_old_majority_bans_another_early_admin_and_if_it_was_active_since_the_answer_undoes_it(
    found: Found,
) -> None:
    scene = found(3)
    fork = scene.enter(scene.enter(scene.tip, "A3"), "A4")
    tip = scene.ballot(fork, "promote", "A3", ["A0", "A2"])
    tip = scene.ballot(tip, "promote", "A4", ["A1", "A2", "A3"])
    stale = scene.ballot(fork, "ban", "A2", ["A0", "A1"], salt="stale")
    assert scene.settle(tip, stale).out == {"A2"}  # two of three, back then
    answer = scene.ballot(tip, "ban", "A0", ["A2", "A3", "A4"])
    after = scene.settle(answer, stale)
    assert after.out == {"A0"}
    assert after.admins == {"A1", "A2", "A3", "A4"}


def test_residue_an_old_majority_that_was_silent_since_looks_like_late_honest_work(found: Found) -> None:
    scene = found(4)  # A0 and A1 with A2: three of four, who say nothing any more
    fork = scene.enter(scene.tip, "A4")
    tip = scene.write(fork, "A3", "vote", "promote", "A4")
    stale = scene.ballot(fork, "ban", "A3", ["A0", "A1", "A2"], salt="stale")
    assert scene.settle(tip, stale).out == {"A3"}


def test_a_backdated_kick_by_an_early_admin_does_not_undo_a_later_admin(found: Found) -> None:
    for salt in SALTS:
        scene = found(2)  # A0, and Y = A1
        fork = tip = scene.enter(scene.tip, "V", salt=salt)
        tip = scene.ballot(tip, "promote", "V", ["A0", "A1"])
        for new in ("N1", "N2", "N3"):
            tip = scene.enter(tip, new, by="V")
        tip = scene.write(tip, "A1", "text", "hi all")
        kick = scene.write(fork, "A1", "kick", "V", device=2, salt=salt)
        after = scene.settle(tip, kick)
        assert "V" in after.admins
        assert {"N1", "N2", "N3"} <= after.members


def test_a_banned_device_of_the_creator_leaves_at_the_root_and_the_group_stays(found: Found) -> None:
    for salt in SALTS:
        scene = found(4, 2)
        ban = scene.ballot(scene.tip, "ban", "A0.1", ["A1", "A2", "A3"])
        leave = scene.write(scene.at["root"], "A0", "leave", salt=salt)
        after = scene.settle(ban, leave)
        assert {"A1", "A2", "A3"} <= after.admins
        assert after.members == {"M0", "M1"}
        assert after.out == {"A0.1"}


# --- accomplices among the voters


def test_the_accomplice_who_resolved_a_ban_leaves_beside_it(found: Found) -> None:
    for salt in SALTS:
        scene = found(5)
        ban = scene.ballot(scene.tip, "ban", "A4", ["A0", "A1", "A2"], resolver="A3")
        later = scene.write(ban, "A0", "text", "ok")
        leave = scene.write(scene.tip, "A3", "leave", salt=salt)
        after = scene.settle(later, leave)
        assert after.admins == {"A0", "A1", "A2"}
        assert after.out == {"A4"}


@pytest.mark.parametrize("point", ["promote A3", "join A4"])
def test_a_voter_leaves_in_an_old_fork(found: Found, point: str) -> None:
    for salt in SALTS:
        scene = found(5)
        ban = scene.ballot(scene.tip, "ban", "A4", ["A1", "A2", "A3"], resolver="A1")
        leave = scene.write(scene.at[point], "A3", "leave", salt=salt)
        assert "A4" in scene.settle(ban, leave).out


def test_a_voter_writes_a_text_beside_the_ban(found: Found) -> None:
    scene = found(5)
    ban = scene.ballot(scene.tip, "ban", "A4", ["A1", "A2", "A3"], resolver="A1")
    fork = scene.write(scene.tip, "A4", "add", "Z")
    fork = scene.write(fork, "A3", "text", "oops", device=2)
    after = scene.settle(ban, fork)
    assert after.out == {"A4"}
    assert after.invited == set()


def test_a_silent_early_admin_kicks_a_voter_from_before_his_promotion(found: Found) -> None:
    for salt in SALTS:
        scene = found(5)
        ban = scene.ballot(scene.tip, "ban", "A4", ["A0", "A2", "A3"])
        kick = scene.write(scene.at["promote A1"], "A1", "kick", "A3", salt=salt)
        after = scene.settle(ban, kick)
        assert "A4" in after.out
        assert "A3" in after.admins


def test_the_creator_bans_one_voter_in_an_old_fork_to_save_a_friend(found: Found) -> None:
    for salt in SALTS:
        scene = found(5)
        ban = scene.ballot(scene.tip, "ban", "A4", ["A1", "A2", "A3"])
        fork = scene.ballot(scene.at["join A4"], "ban", "A3", ["A0"], salt=salt)
        after = scene.settle(ban, fork)
        assert after.out == {"A4"}
        assert "A3" in after.admins


# --- votes used twice


def test_a_stale_unban_does_not_undo_a_second_ban(found: Found) -> None:
    for salt in SALTS:
        scene = found(4, 1)
        ban = scene.ballot(scene.tip, "ban", "A3", ["A0", "A1", "A2"])
        voted = scene.votes(ban, "unban", "A3", ["A0", "A1"])
        unban = scene.write(voted, "A0", "unban", "A3")
        again = scene.ballot(unban, "ban", "A3", ["A0", "A1", "A2"])
        delay = scene.write(voted, "M0", "leave", salt=salt)
        stale = scene.write(delay, "A2", "unban", "A3", salt=salt)
        assert scene.settle(again, stale).out == {"A3"}


def test_nor_does_one_that_an_accomplice_delays_by_a_kick_of_his_own(found: Found) -> None:
    for salt in SALTS:
        scene = found(4, 1)
        ban = scene.ballot(scene.tip, "ban", "A3", ["A0", "A1", "A2"])
        voted = scene.votes(ban, "unban", "A3", ["A0", "A1"])
        unban = scene.write(voted, "A0", "unban", "A3")
        again = scene.ballot(unban, "ban", "A3", ["A0", "A1", "A2"])
        stale = scene.chain(
            voted, ("A2", ("add", "Z")), ("A2", ("kick", "Z")), ("A2", ("unban", "A3")), salt=salt
        )  # fmt: skip
        assert scene.settle(again, stale).out == {"A3"}


def test_a_stale_ban_does_not_undo_an_unban(found: Found) -> None:
    for salt in SALTS:
        scene = found(4)
        voted = scene.votes(scene.tip, "ban", "A3", ["A0", "A1", "A2"])
        ban = scene.write(voted, "A0", "ban", "A3")
        unban = scene.ballot(ban, "unban", "A3", ["A0", "A1"])
        late = scene.write(voted, "A2", "ban", "A3", salt=salt)
        after = scene.settle(unban, late)
        assert not after.out
        assert "A3" in after.admins


def test_one_fresh_vote_does_not_make_a_spent_ballot_a_majority_again(found: Found) -> None:
    for salt in SALTS:
        scene = found(5)
        two = scene.votes(scene.tip, "ban", "A4", ["A0", "A1"])
        ban = scene.ballot(two, "ban", "A4", ["A2"])
        unban = scene.ballot(ban, "unban", "A4", ["A0", "A1", "A2"])
        late = scene.ballot(two, "ban", "A4", ["A3"], salt=salt)
        after = scene.settle(unban, late)
        assert not after.out
        assert "A4" in after.admins


def test_a_stale_promotion_does_not_undo_a_demotion(found: Found) -> None:
    for salt in SALTS:
        scene = found(3, 1)
        voted = scene.votes(scene.tip, "promote", "M0", ["A0", "A1"])
        demoted = scene.chain(voted, ("A0", ("promote", "M0")), ("M0", ("demote",)), ("A0", ("text", "k")))
        stale = scene.chain(voted, ("A2", ("add", "Z")), ("A2", ("promote", "M0")), salt=salt)
        after = scene.settle(demoted, stale)
        assert "M0" in after.members
        assert after.invited == {"Z"}


def test_a_second_unban_ballot_counts_although_an_earlier_one_was_spent(found: Found) -> None:
    scene = found(4)
    tip = scene.tip
    for round_ in range(2):
        tip = scene.ballot(tip, "ban", "A3", ["A0", "A1", "A2"], salt=round_)
        tip = scene.ballot(tip, "unban", "A3", ["A0", "A1"], salt=round_)
    aside = scene.write(scene.tip, "A0", "add", "Z")
    after = scene.settle(tip, aside)
    assert not after.out
    assert after.admins == {"A0", "A1", "A2", "A3"}


def test_a_ban_beside_a_ban_and_its_unban_gives_one_of_two_results_never_a_mixture(found: Found) -> None:
    for salt in SALTS:
        scene = found(4)
        unban = scene.ballot(scene.ballot(scene.tip, "ban", "A3", ["A0", "A1", "A2"]), "unban", "A3", ["A0", "A1"])
        other = scene.ballot(scene.tip, "ban", "A3", ["A2", "A1", "A0"], salt=salt)
        after = scene.settle(unban, other)
        assert ("A3" in after.out) != ("A3" in after.admins)
        assert {"A0", "A1", "A2"} <= after.admins


# --- the target moves beside the ban


def test_leaving_beside_ones_ban_is_no_way_back_in(found: Found) -> None:
    for salt in SALTS:
        scene = found(3, 1, mode=3)
        ban = scene.ballot(scene.tip, "ban", "M0", ["A0", "A1"])
        leave = scene.write(scene.tip, "M0", "leave", salt=salt)
        merged = scene.world.merge(ban, leave)
        assert scene.settle(merged).banned == {("M0", "members")}
        assert scene.refuses(merged, "M0", "join")


def test_leaving_in_an_old_fork_is_no_way_back_in_either(found: Found) -> None:
    for salt in SALTS:
        scene = found(4, mode=3)
        ban = scene.ballot(scene.tip, "ban", "A0", ["A1", "A2", "A3"])
        leave = scene.chain(scene.at["promote A1"], ("A0", ("text", "q")), ("A0", ("leave",)), salt=salt)
        merged = scene.world.merge(ban, leave)
        assert scene.settle(merged).banned == {("A0", "admins")}
        assert scene.refuses(merged, "A0", "join", device=9)


def test_a_friendly_kick_beside_a_ban_does_not_save_from_it(found: Found) -> None:
    for salt in SALTS:
        scene = found(3, 1)
        ban = scene.ballot(scene.tip, "ban", "M0", ["A0", "A1"])
        kick = scene.write(scene.tip, "A2", "kick", "M0", salt=salt)
        assert scene.settle(ban, kick).banned == {("M0", "members")}


def test_who_joins_beside_the_ban_of_the_invitation_is_out(found: Found) -> None:
    for salt in SALTS:
        scene = found(3)
        added = scene.write(scene.tip, "A0", "add", "X")
        ban = scene.ballot(added, "ban", "X", ["A0", "A1"])
        join = scene.write(added, "X", "join", salt=salt)
        after = scene.settle(ban, join)
        assert after.banned == {("X", "invited")}
        assert "X" not in after.joined


def test_a_ban_lands_where_its_ballot_found_the_target(found: Found) -> None:
    for salt in SALTS:
        scene = found(3)
        ban = scene.ballot(scene.tip, "ban", "A2", ["A0", "A1"])
        demote = scene.write(scene.tip, "A2", "demote", salt=salt)
        assert scene.settle(ban, demote).banned == {("A2", "admins")}


def test_a_promotion_by_a_majority_voids_a_concurrent_ban_of_the_member(found: Found) -> None:
    for salt in SALTS:
        scene = found(3, 1)
        ban = scene.ballot(scene.tip, "ban", "M0", ["A0", "A1"])
        promoted = scene.ballot(scene.tip, "promote", "M0", ["A1", "A2"], salt=salt)
        after = scene.settle(ban, promoted)  # two majorities share a voter, who cannot be had twice
        assert not after.out
        assert "M0" in after.admins


def test_kicked_invited_again_and_joined_beside_a_ban(found: Found) -> None:
    for salt in SALTS:
        scene = found(3, 1)
        ban = scene.ballot(scene.tip, "ban", "M0", ["A0", "A1"])
        again = scene.chain(
            scene.tip, ("A2", ("kick", "M0")), ("A2", ("add", "M0")), ("M0", ("join",)), salt=salt
        )  # fmt: skip
        after = scene.settle(ban, again)
        assert after.banned == {("M0", "members")}
        assert "M0" not in after.joined | after.invited
        unban = scene.ballot(ban, "unban", "M0", ["A0", "A1"])
        back = scene.settle(unban, again)
        assert not back.out
        assert ("M0" in back.members) != (
            "M0" in back.invited
        )  # the kick may come after the unban; its own join is void


def test_a_public_join_from_the_root_does_not_get_round_a_ban(found: Found) -> None:
    for salt in SALTS:
        scene = found(4, 1, mode=3)
        ban = scene.ballot(scene.tip, "ban", "M0", ["A0", "A1", "A2"])
        join = scene.write(scene.at["root"], "M0", "join", device=7, salt=salt)
        after = scene.settle(ban, join)
        assert after.out == {"M0"}
        assert "M0.7" not in after.devices


def test_a_public_join_from_the_root_beside_a_kick_ends_kicked(found: Found) -> None:
    for salt in SALTS:
        scene = found(1, 2, mode=3)
        kick = scene.write(scene.tip, "A0", "kick", "M0")
        join = scene.write(scene.at["root"], "M0", "join", device=7, salt=salt)
        after = scene.settle(kick, join)
        assert "M0" not in after.joined
        assert "M0.7" not in after.devices


def test_the_ban_of_a_device_voids_what_it_wrote_beside_and_nothing_of_the_other_devices(found: Found) -> None:
    scene = found(3)
    tip = scene.write(scene.tip, "A2", "text", "x", device=2)
    ban = scene.ballot(tip, "ban", "A2.2", ["A0", "A1"])
    other = scene.write(scene.tip, "A2", "add", "S", device=3)
    same = scene.write(scene.tip, "A2", "add", "S2", device=2)
    after = scene.settle(ban, other, same)
    assert after.banned == {("A2.2", "devices")}
    assert after.invited == {"S"}
    assert {"A2.1", "A2.3"} <= after.devices
    assert "A2.2" not in after.devices


def test_a_text_does_not_bring_a_banned_device_back(found: Found) -> None:
    for salt in SALTS:
        scene = found(3, 1)
        ban = scene.ballot(scene.tip, "ban", "M0.1", ["A0", "A1"])
        text = scene.write(scene.tip, "M0", "text", "x", salt=salt)
        assert "M0.1" not in scene.settle(ban, text).devices


# --- bans against bans


def test_an_old_text_does_not_turn_a_settled_mutual_ban(found: Found) -> None:
    for salt in SALTS:
        scene = found(5)
        one = scene.ballot(scene.tip, "ban", "A4", ["A0", "A1", "A2", "A3"])
        other = scene.ballot(scene.tip, "ban", "A2", ["A4", "A0", "A1"], resolver="A0", salt=salt)
        merged = scene.world.merge(one, other)
        first = scene.settle(merged)
        old = scene.write(scene.at["promote A1"], "A1", "text", "hi")
        tip = scene.write(merged, min(first.admins), "text", "x")
        assert scene.settle(tip, old) == first


def test_texts_of_slow_devices_do_not_turn_a_mutual_ban(found: Found) -> None:
    scene = found(5)
    one = scene.ballot(scene.tip, "ban", "A4", ["A0", "A1", "A2"])
    other = scene.ballot(scene.tip, "ban", "A0", ["A4", "A3", "A2"])
    first = scene.settle(one, other)
    for who in ("A0", "A1", "A2", "A3", "A4"):
        text = scene.write(scene.tip, who, "text", "slow", device=7)
        after = scene.settle(one, other, text)
        assert (after.admins, after.banned) == (first.admins, first.banned)


def test_what_is_decided_above_a_merge_does_not_turn_what_it_decided(found: Found) -> None:
    scene = found(6, 1)
    five = scene.ballot(scene.tip, "ban", "A5", ["A0", "A1", "A2", "A3", "A4"], resolver="A3")
    four = scene.ballot(scene.tip, "ban", "A3", ["A5", "A4", "A0", "A1"], resolver="A0")
    merged = scene.world.merge(five, four)
    first = scene.settle(merged)
    assert first.out == {"A5"}
    later = scene.ballot(merged, "ban", "M0", sorted(first.admins), resolver="A0")
    slow = scene.write(scene.tip, "A2", "text", "slow")
    assert scene.settle(later, slow).out == {"A5", "M0"}


def test_a_tie_is_decided_by_seniority_never_by_a_chosen_id(found: Found) -> None:
    for salt in SALTS:
        scene = found(4)
        one = scene.ballot(scene.tip, "ban", "A0", ["A1", "A2", "A3"], resolver="A1")
        other = scene.ballot(scene.tip, "ban", "A1", ["A0", "A2", "A3"], resolver="A0", salt=salt)
        assert scene.settle(one, other).out == {"A1"}


def test_nor_among_admins_who_were_promoted_after_an_old_text_forked_off(found: Found) -> None:
    for salt in SALTS:
        scene = found(6)
        one = scene.ballot(scene.tip, "ban", "A1", ["A2", "A3", "A4", "A5"], resolver="A4")
        other = scene.ballot(scene.tip, "ban", "A4", ["A1", "A2", "A3", "A5"], resolver="A5", salt=salt)
        text = scene.write(scene.at["join A1"], "A1", "text", "z", device=2)
        assert scene.settle(one, other, text).out == {"A4"}


def test_three_admins_who_ban_each_other_in_a_circle_leave_an_admin(found: Found) -> None:
    for salt in SALTS:
        scene = found(3, 1, mode=3)
        one = scene.ballot(scene.tip, "ban", "A2", ["A0", "A1"])
        one = scene.ballot(one, "ban", "M0", ["A0", "A1"])
        two = scene.ballot(scene.tip, "ban", "A1", ["A0", "A2"], salt=salt)
        three = scene.ballot(scene.tip, "ban", "A0", ["A1", "A2"], salt=salt)
        assert scene.settle(one, two, three).admins


# --- nobody left in charge


def test_two_admins_who_leave_beside_each_other_leave_one(found: Found) -> None:
    for salt in SALTS:
        scene = found(2, 2)
        ways = [scene.write(scene.tip, who, "leave", salt=salt) for who in ("A0", "A1")]
        after = scene.settle(*ways)
        assert len(after.admins) == 1
        assert after.members == {"M0", "M1"}


def test_a_leave_beside_a_demotion_leaves_one_admin(found: Found) -> None:
    for salt in SALTS:
        scene = found(2, 2)
        leave = scene.write(scene.tip, "A0", "leave", salt=salt)
        demote = scene.write(scene.tip, "A1", "demote", salt=salt)
        assert len(scene.settle(leave, demote).admins) == 1


@pytest.mark.parametrize("way", ["leave", "demote"])
def test_the_voters_of_a_ban_who_step_back_beside_it_leave_one_admin(found: Found, way: str) -> None:
    for salt in SALTS:
        scene = found(3, 2)
        ban = scene.ballot(scene.tip, "ban", "A2", ["A0", "A1"], resolver="A0")
        fork = scene.write(scene.tip, "A0", way, device=1, salt=salt)
        fork = scene.write(fork, "A1", way, salt=salt)
        after = scene.settle(ban, fork)
        assert after.admins
        assert after.out == {"A2"}


def test_a_sole_admin_cannot_leave_the_invited_behind(found: Found) -> None:
    scene = found(1)
    tip = scene.chain(scene.tip, ("A0", ("add", "X")), ("A0", ("add", "Y")))
    assert scene.refuses(tip, "A0", "leave")
    tip = scene.chain(tip, ("A0", ("kick", "X")), ("A0", ("kick", "Y")))
    assert not scene.refuses(tip, "A0", "leave")


def test_a_text_of_the_kicker_does_not_revive_the_kicked(found: Found) -> None:
    scene = found(3, 1)
    text = scene.write(scene.tip, "M0", "text", "new device", device=2)
    kick = scene.write(scene.tip, "A2", "kick", "M0")
    first = scene.settle(text, kick)
    for device in (1, 2):
        after = scene.settle(kick, scene.write(text, "A2", "text", "hi", device=device))
        assert (after.joined, after.banned) == (first.joined, first.banned)


# --- what the adversary who searches found (tests/support/settle_adversary.py), each as small as it goes


def test_a_ban_of_an_invitation_holds_although_another_admin_invites_beside_it(found: Found) -> None:
    for salt in SALTS:
        scene = found(3)
        ban = scene.ballot(scene.write(scene.tip, "A0", "add", "X"), "ban", "X", ["A0", "A1"])
        twin = scene.write(scene.tip, "A2", "add", "X", salt=salt)
        assert scene.settle(ban, twin).banned == {("X", "invited")}


def test_a_ban_of_who_joined_holds_although_its_inviter_gives_up_in_an_old_fork(found: Found) -> None:
    for salt in SALTS:
        scene = found(3)
        tip = scene.write(scene.tip, "A0", "demote")
        tip = scene.enter(tip, "X", by="A1")
        ban = scene.ballot(tip, "ban", "X", ["A1", "A2"])
        back = scene.write(scene.at["promote A2"], "A1", "demote", device=2, salt=salt)
        after = scene.settle(ban, back)
        assert after.banned == {("X", "members")}
        assert "X.1" not in after.devices


def test_a_stale_resolution_does_not_void_what_its_target_did_since_the_unban(found: Found) -> None:
    for salt in SALTS:
        scene = found(4)
        voted = scene.votes(scene.tip, "ban", "A3", ["A0", "A1", "A2"])
        unban = scene.ballot(scene.write(voted, "A0", "ban", "A3"), "unban", "A3", ["A0", "A1"])
        main = scene.enter(unban, "N", by="A3")
        stale = scene.write(voted, "A2", "ban", "A3", salt=salt)
        after = scene.settle(main, stale)
        assert "N" in after.members
        assert not after.out


def test_nor_take_the_votes_that_its_target_cast_since(found: Found) -> None:
    for salt in SALTS:
        scene = found(4, 1)
        voted = scene.votes(scene.tip, "ban", "A3", ["A0", "A1", "A2"])
        unban = scene.ballot(scene.write(voted, "A0", "ban", "A3"), "unban", "A3", ["A0", "A1"])
        main = scene.ballot(unban, "ban", "M0", ["A3", "A0", "A1"])
        stale = scene.write(voted, "A2", "ban", "A3", salt=salt)
        assert scene.settle(main, stale).out == {"M0"}


def test_but_a_ban_with_votes_of_its_own_does(found: Found) -> None:
    for salt in SALTS:
        scene = found(4)
        unban = scene.ballot(
            scene.ballot(scene.tip, "ban", "A3", ["A0", "A1", "A2"]), "unban", "A3", ["A0", "A1"]
        )  # fmt: skip
        again = scene.ballot(unban, "ban", "A3", ["A0", "A1", "A2"], salt="again")
        beside = scene.enter(unban, "N", by="A3", salt=salt)
        after = scene.settle(again, beside)
        assert after.out == {"A3"}
        assert "N" not in after.joined


def test_a_ban_that_another_precedes_counts_not_against_it_although_it_is_decided_first(found: Found) -> None:
    """A0 and A1 ban A2 in an old fork: that would take away the promotions that A2 wrote down, and so the ban of M4."""
    for salt in range(8):
        scene = found(3, 5)
        tip, admins = scene.tip, ["A0", "A1", "A2"]
        for one in ("M0", "M1", "M2", "M3"):
            tip = scene.ballot(tip, "promote", one, admins[: len(admins) // 2 + 1], resolver="A2")
            admins.append(one)
        ban = scene.ballot(tip, "ban", "M4", ["M0", "M1", "M2", "M3"])
        fork = scene.ballot(scene.tip, "ban", "A2", ["A0", "A1"], salt=salt)
        after = scene.settle(ban, fork)
        assert "M4" in after.out
        assert {"M0", "M1", "M2", "M3"} <= after.admins


def test_a_promotion_by_ballot_stands_whoever_wrote_it_down(found: Found) -> None:
    for salt in SALTS:
        scene = found(4, 1)
        promoted = scene.ballot(scene.tip, "promote", "M0", ["A0", "A1", "A2"], resolver="A3")
        ban = scene.ballot(scene.tip, "ban", "A3", ["A0", "A1", "A2"], salt=salt)
        after = scene.settle(promoted, ban)
        assert "M0" in after.admins
        assert after.out == {"A3"}


def test_but_not_when_it_rests_on_votes_of_who_is_banned_beside_it_and_of_friends(found: Found) -> None:
    for salt in SALTS:
        scene = found(1, 3)
        tip = scene.tip
        for count, one in enumerate(("M0", "M1")):
            tip = scene.promote(tip, one, ["A0", "M0"][: count + 1])
        ban = scene.ballot(tip, "ban", "A0", ["M0", "M1"])
        fork = scene.write(scene.enter(scene.tip, "S", salt=salt), "A0", "promote", "S", salt=salt)
        fork = scene.ballot(fork, "promote", "M2", ["A0", "S"], salt=salt)
        after = scene.settle(ban, fork)
        assert after.admins == {"M0", "M1"}
        assert after.out == {"A0"}


def test_an_unban_stands_although_its_resolver_gives_up_in_an_old_fork(found: Found) -> None:
    for salt in SALTS:
        scene = found(5)
        tip = scene.write(scene.tip, "A3", "demote")  # lets what is written beside it come first
        tip = scene.ballot(tip, "ban", "A4", ["A0", "A1", "A2"])
        unban = scene.ballot(tip, "unban", "A4", ["A0", "A2"], resolver="A1")
        fork = scene.write(scene.at["promote A4"], "A1", "demote", device=2, salt=salt)
        after = scene.settle(unban, fork)
        assert not after.out
        assert {"A0", "A2", "A4"} <= after.admins


@pytest.mark.parametrize("way", ["leave", "demote"])
def test_giving_up_in_an_old_fork_takes_nothing_from_what_was_done_since(found: Found, way: str) -> None:
    for salt in SALTS:
        scene = found(3)
        tip = scene.write(scene.tip, "A0", "demote")
        tip = scene.enter(tip, "N", by="A1")
        tip = scene.ballot(tip, "promote", "N", ["A1", "A2"])
        fork = scene.write(scene.at["promote A2"], "A1", way, salt=salt)
        after = scene.settle(tip, fork)
        assert {"A2", "N"} <= after.admins
        assert "A1" not in after.admins


def test_who_leaves_on_one_device_and_votes_on_another_leaves_no_vote_behind(found: Found) -> None:
    for salt in SALTS:
        scene = found(3, 1)
        tip = scene.write(scene.tip, "A0", "demote")
        tip = scene.write(tip, "A1", "vote", "ban", "M0")
        fork = scene.write(scene.at["promote A2"], "A1", "leave", salt=salt)
        assert not scene.settle(tip, fork).votes


def test_one_admin_does_not_kick_in_an_old_fork_whom_a_majority_made_admin(found: Found) -> None:
    for salt in SALTS:
        scene = found(3, 2)
        tip = scene.write(scene.tip, "A0", "leave")  # lets the kick come before the promotions
        for one, voters in (("M0", ["A1", "A2"]), ("M1", ["A1", "A2"])):
            tip = scene.ballot(tip, "promote", one, voters)
        fork = scene.chain(scene.tip, ("A2", ("kick", "M0")), ("A2", ("kick", "M1")), salt=salt)
        assert {"A1", "M0", "M1"} <= scene.settle(tip, fork).admins


def test_but_he_may_kick_again_who_is_none_any_more(found: Found) -> None:
    scene = found(3, 1)
    tip = scene.ballot(scene.tip, "promote", "M0", ["A0", "A1"])
    tip = scene.write(tip, "M0", "demote")
    stale = scene.write(scene.tip, "A2", "add", "Z")
    kick = scene.write(tip, "A2", "kick", "M0")
    after = scene.settle(kick, stale)
    assert "M0" not in after.joined


def test_an_old_ballot_to_promote_does_not_save_from_a_ban_by_who_voted_in_it_before(found: Found) -> None:
    for salt in SALTS:
        scene = found(4, 1)
        voted = scene.votes(scene.tip, "promote", "M0", ["A0", "A1", "A2"])
        ban = scene.ballot(voted, "ban", "M0", ["A0", "A1", "A2"])
        stale = scene.write(voted, "A3", "promote", "M0", salt=salt)
        after = scene.settle(ban, stale)
        assert after.banned == {("M0", "members")}
        assert "M0" not in after.admins


def test_a_vote_cast_twice_counts_again_for_who_descends_from_its_first_resolution(found: Found) -> None:
    """Votes are spent for concurrent resolutions only: else the judge lets in what a replay from the root takes back."""
    stood = 0
    for salt in range(8):
        scene = found(3, 2)
        voted = scene.votes(scene.tip, "promote", "M0", ["A0", "A1"])
        main = scene.chain(voted, ("A0", ("promote", "M0")), ("M0", ("demote",)))
        twice = scene.write(
            scene.tip, "M1", "leave", salt=salt
        )  # which may let the second vote come after the demotion
        twice = scene.write(twice, "A0", "vote", "promote", "M0", device=2)
        merged = scene.world.merge(main, twice)
        if not scene.settle(merged).votes:
            continue
        stood += 1
        again = scene.ballot(merged, "promote", "M0", ["A1"], resolver="A2")
        beside = scene.write(scene.tip, "A2", "add", "Z", device=3)
        assert "M0" in scene.settle(again, beside).admins
    assert stood


def test_an_old_ballot_to_promote_brings_nobody_into_the_electorate_of_a_ban_that_knew_its_votes(found: Found) -> None:
    """A3, who has left since, resolves it from when he was admin: with him the ban had two voters of four."""
    for salt in SALTS:
        scene = found(4, 1)
        voted = scene.votes(scene.tip, "promote", "M0", ["A0", "A1", "A2"])
        left = scene.write(voted, "A3", "leave")
        ban = scene.ballot(left, "ban", "M0", ["A0", "A1"])  # two of three
        stale = scene.write(voted, "A3", "promote", "M0", device=2, salt=salt)
        after = scene.settle(ban, stale)
        assert after.banned == {("M0", "members")}
        assert after.admins == {"A0", "A1", "A2"}


def test_nor_does_it_with_one_vote_more(found: Found) -> None:
    for salt in SALTS:
        scene = found(4, 1)
        voted = scene.votes(scene.tip, "promote", "M0", ["A0", "A1", "A2"])
        left = scene.write(voted, "A3", "leave")
        ban = scene.ballot(left, "ban", "M0", ["A0", "A1"])
        stale = scene.ballot(voted, "promote", "M0", ["A3"], salt=salt)
        assert scene.settle(ban, stale).banned == {("M0", "members")}


def test_but_a_majority_of_votes_that_the_ban_did_not_know_speaks_for_its_target(found: Found) -> None:
    for salt in SALTS:
        scene = found(4, 1)
        voted = scene.votes(scene.tip, "promote", "M0", ["A2"])
        ban = scene.ballot(voted, "ban", "M0", ["A0", "A1", "A3"])
        two = scene.ballot(voted, "promote", "M0", ["A1", "A3"], salt=salt)  # two of four are new to the ban
        assert scene.settle(ban, two).banned == {("M0", "members")}
        three = scene.votes(voted, "promote", "M0", ["A0", "A1", "A3"], salt=salt)
        promoted = scene.write(three, "A2", "promote", "M0", salt=salt)
        assert "M0" in scene.settle(ban, promoted).admins


def test_who_was_sole_admin_and_has_left_saves_nobody_from_a_ban_by_promoting_him_back_then(found: Found) -> None:
    for salt in SALTS:
        scene = found(1, 1)
        alone = tip = scene.tip
        for number in (1, 2, 3):
            tip = scene.enter(tip, f"A{number}")
            tip = scene.promote(tip, f"A{number}", [f"A{n}" for n in range(number)])
        left = scene.write(tip, "A0", "leave")
        ban = scene.ballot(left, "ban", "M0", ["A1", "A2"])  # two of three, of four with A0
        stale = scene.write(alone, "A0", "promote", "M0", device=2, salt=salt)
        after = scene.settle(ban, stale)
        assert after.banned == {("M0", "members")}
        assert after.admins == {"A1", "A2", "A3"}


def test_but_a_sole_admin_whom_the_ban_never_knew_counts(found: Found) -> None:
    """A0 gave up his place to M0, who promoted M1 alone; in a fork from before A0 alone bans M1."""
    for salt in SALTS:
        scene = found(1, 2)
        tip = scene.chain(
            scene.tip, ("A0", ("promote", "M0")), ("A0", ("demote",)), ("M0", ("promote", "M1"))
        )  # fmt: skip
        fork = scene.ballot(scene.tip, "ban", "M1", ["A0"], salt=salt)
        after = scene.settle(tip, fork)
        assert after.admins == {"M0", "M1"}
        assert not after.out


def test_whom_the_banned_promote_in_an_old_fork_is_not_saved_from_a_ban_that_came_after_theirs(found: Found) -> None:
    """A2 and A3 were two of three while A1 was banned; both are banned when A0 and A1 ban their friend."""
    for salt in SALTS:
        scene = found(4, 1)
        fork = scene.ballot(scene.tip, "ban", "A1", ["A0", "A2", "A3"])
        main = scene.ballot(fork, "unban", "A1", ["A0", "A2"])
        main = scene.ballot(main, "ban", "A2", ["A0", "A1", "A3"])
        main = scene.ballot(main, "ban", "A3", ["A0", "A1"])
        friend = scene.ballot(fork, "promote", "M0", ["A2", "A3"], salt=salt)
        assert scene.settle(main, friend).admins == {"A0", "A1"}
        answer = scene.ballot(main, "ban", "M0", ["A0", "A1"])
        after = scene.settle(answer, friend)
        assert after.out == {"A2", "A3", "M0"}
        assert after.admins == {"A0", "A1"}


@pytest.mark.parametrize("mode", [1, 2, 3])
def test_who_decided_alone_does_not_take_his_decision_back_by_leaving_in_an_old_fork(found: Found, mode: int) -> None:
    """His ban asked for no author, and so would have outlived the unban that his vote alone had decided."""
    for salt in SALTS:
        scene = found(2, 2, mode=mode)
        main = scene.write(scene.tip, "A0", "leave")
        main = scene.ballot(main, "ban", "M0", ["A1"])
        main = scene.ballot(main, "unban", "M0", ["A1"])
        main = scene.write(main, "M0", "text", "back")
        fork = scene.write(scene.tip, "A1", "leave", salt=salt)
        after = scene.settle(main, fork)
        assert not after.out
        assert "M0" in after.joined
