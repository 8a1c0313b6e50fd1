"""Dialogues with the sync machine of one conversation. (SCP-04 §2, §3.2, §4.3)"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from swarmchat.ids import CommitId, DeviceId
from swarmchat.limits import (
    HEAD_MISSING_AFTER_S,
    INVALID_COMMITS_PER_HOUR_MAX,
    INVITATIONS_CHECKED_S,
    NEWS_RETRY_S,
    PEER_BARRED_S,
    PEERS_PER_SESSION_MAX,
    PULL_TURN_S,
    PULLS_PER_CONVERSATION_MAX,
    PUSHES_QUEUED_MAX,
    RELAY_JITTER_S,
    RELAY_PATIENCE_S,
    REPUTATIONS_MAX,
    WANTED_HEADS_MAX,
)
from swarmchat.swarm.session import (
    Acknowledge,
    Announce,
    Missing,
    Pull,
    Reputation,
    Session,
    TakePush,
)


def commit(number: int) -> CommitId:
    return CommitId(f"{number:040x}")


def device(number: int) -> DeviceId:
    return DeviceId(f"{number:064x}")


ALICE, BOB, CAROL = device(1), device(2), device(3)
A, B, C, D = commit(0xA), commit(0xB), commit(0xC), commit(0xD)
JITTER = 0.5
LATER = JITTER * RELAY_JITTER_S


class Chain:
    """A history in which every commit known is an ancestor of those known later."""

    def __init__(self, *known: CommitId) -> None:
        self.known = list(known)
        self.bad: set[CommitId] = set()

    @property
    def heads(self) -> tuple[CommitId, ...]:
        return tuple(self.known[-1:])

    def knows(self, commit: CommitId) -> bool:
        return commit in self.known

    def refuses(self, commit: CommitId) -> bool:
        return commit in self.bad

    def covers(self, have: Iterable[CommitId], heads: Iterable[CommitId]) -> bool:
        newest = max((self.known.index(each) for each in have if each in self.known), default=-1)
        return all(each in self.known and self.known.index(each) <= newest for each in heads)


def session(*known: CommitId, reputation: Reputation | None = None) -> tuple[Chain, Session]:
    chain = Chain(*known)
    return chain, Session(chain, reputation or Reputation(), lambda: JITTER)


def in_step(*devices: DeviceId) -> tuple[Chain, Session]:
    chain, machine = session(A)
    for each in devices:
        machine.hello(each, (A,), 0.0, told=(A,))
    assert machine.poll(0.0) == []
    return chain, machine


def test_an_own_commit_is_announced_at_once_with_the_commits() -> None:
    chain, machine = in_step(BOB, CAROL)
    chain.known.append(B)
    machine.wrote(1.0)
    assert machine.poll(1.0) == [Announce((BOB, CAROL), since=(A,))]
    assert machine.poll(1.0) == []  # each wish is given once


def test_a_second_commit_while_the_first_travels_carries_only_itself() -> None:
    chain, machine = in_step(BOB)
    chain.known.append(B)
    machine.wrote(1.0)
    machine.poll(1.0)
    chain.known.append(C)
    machine.wrote(1.1)
    assert machine.poll(1.1) == []  # the shell still has the first wish
    machine.announced([BOB], (B,), carried=True, now=1.2)
    assert machine.poll(1.2) == [Announce((BOB,), since=(B,))]


def test_commits_are_not_pushed_to_who_named_heads_we_do_not_know() -> None:
    chain, machine = session(A)
    machine.hello(BOB, (D,), 0.0, told=(A,))
    assert machine.poll(0.0) == [Pull(BOB, (D,))]
    chain.known.append(B)
    machine.wrote(1.0)
    assert machine.poll(1.0) == [Announce((BOB,), since=None)]


def test_nobody_is_told_what_he_has() -> None:
    _, machine = session(A, B)
    machine.hello(BOB, (B,), 0.0, told=None)
    assert machine.poll(LATER) == []
    assert machine.deadline(0.0) is None


def test_who_is_behind_learns_it_from_our_hello_alone() -> None:
    _, machine = session(A, B)
    machine.hello(BOB, (A,), 0.0, told=(B,))
    assert machine.poll(LATER) == []


def test_who_said_hello_after_our_heads_moved_is_told() -> None:
    _, machine = session(A, B)
    machine.hello(BOB, (A,), 0.0, told=(A,))
    assert machine.poll(0.0) == []
    assert machine.deadline(0.0) == LATER
    assert machine.poll(LATER) == [Announce((BOB,), since=None)]


def test_news_is_pulled_from_who_announced_it_and_then_acknowledged() -> None:
    chain, machine = in_step(BOB)
    machine.news(BOB, (B,), 1.0)
    assert machine.poll(1.0) == [Pull(BOB, (B,))]
    chain.known.append(B)
    machine.pulled(BOB, 2.0)
    assert machine.poll(2.0) == [Acknowledge((BOB,))]
    assert machine.poll(2.0) == []


def test_news_that_is_none_is_acknowledged_at_once() -> None:
    _, machine = in_step(BOB)
    machine.news(BOB, (A,), 1.0)
    assert machine.poll(1.0) == [Acknowledge((BOB,))]


def test_a_pushed_pack_is_admitted_and_nothing_is_pulled_meanwhile() -> None:
    chain, machine = in_step(BOB)
    machine.news(BOB, (B,), 1.0, since=(A,), pack=b"pack")
    assert machine.poll(1.0) == [TakePush(BOB, (B,), b"pack")]
    chain.known.append(B)
    machine.took(1.1, refused=False)
    assert machine.poll(1.1) == [Acknowledge((BOB,))]


def test_a_pack_on_top_of_unknown_commits_is_ignored_and_the_news_pulled() -> None:
    _, machine = in_step(BOB)
    machine.news(BOB, (C,), 1.0, since=(B,), pack=b"pack")
    assert machine.poll(1.0) == [Pull(BOB, (C,))]


def test_a_pack_may_build_on_what_a_device_named_or_was_sent_as_far_as_it_is_known() -> None:
    chain, machine = in_step(BOB)
    assert machine.base_of(BOB) == (A,)
    machine.news(BOB, (D,), 1.0)
    assert machine.base_of(BOB) == ()
    machine.got(BOB, (A,), 1.1)
    chain.known.append(B)
    machine.wrote(1.2)
    machine.poll(1.2)
    machine.announced((BOB,), (B,), carried=True, now=1.2)
    assert machine.base_of(BOB) == (B,)
    assert machine.base_of(CAROL) == ()


def test_pushes_on_top_of_each_other_are_taken_one_after_the_other() -> None:
    chain, machine = in_step(BOB)
    machine.news(BOB, (B,), 1.0, since=(A,), pack=b"first")
    machine.news(BOB, (C,), 1.0, since=(B,), pack=b"second")
    assert machine.poll(1.0) == [TakePush(BOB, (B,), b"first")]
    chain.known.append(B)
    machine.took(1.1, refused=False)
    assert machine.poll(1.1) == [TakePush(BOB, (C,), b"second")]


def test_a_push_that_was_not_whole_is_pulled_instead() -> None:
    _, machine = in_step(BOB)
    machine.news(BOB, (B,), 1.0, since=(A,), pack=b"broken")
    machine.poll(1.0)
    machine.took(1.1, refused=False, failed=True)
    assert machine.poll(1.1) == [Pull(BOB, (B,))]


def test_a_push_that_others_brought_meanwhile_is_not_taken() -> None:
    chain, machine = in_step(BOB, CAROL)
    machine.news(BOB, (B,), 1.0, since=(A,), pack=b"from bob")
    machine.news(CAROL, (B,), 1.0, since=(A,), pack=b"from carol")
    assert machine.poll(1.0) == [TakePush(BOB, (B,), b"from bob")]
    chain.known.append(B)
    machine.took(1.1, refused=False)
    assert machine.poll(1.1) == [Acknowledge((BOB, CAROL))]


def test_pushes_beyond_the_queue_are_pulled_later() -> None:
    _, machine = in_step(BOB)
    heads = [commit(100 + number) for number in range(PUSHES_QUEUED_MAX + 2)]
    for head in heads:
        machine.news(BOB, (head,), 1.0, since=(A,), pack=b"x")
    taken = 0
    now = 1.0
    while wishes := [wish for wish in machine.poll(now) if isinstance(wish, TakePush)]:
        taken += len(wishes)
        machine.took(now, refused=False)
    assert taken == PUSHES_QUEUED_MAX


def test_who_pushes_what_is_no_pack_is_pulled_from_instead_ever_longer() -> None:
    _, machine = in_step(BOB, CAROL)

    def taken(device: DeviceId, now: float) -> bool:
        machine.news(device, (commit(int(now * 10)),), now, since=(A,), pack=b"x")
        return any(isinstance(wish, TakePush) for wish in machine.poll(now))

    for number in range(3):
        machine.news(BOB, (commit(900 + number),), 1.0, since=(A,), pack=b"x")
    assert next(type(wish) for wish in machine.poll(1.0)) is TakePush
    machine.took(1.0, refused=False, failed=True)
    assert not any(isinstance(wish, TakePush) for wish in machine.poll(1.0))  # those that waited are gone too
    assert not taken(BOB, 1.9)
    assert taken(CAROL, 1.9)
    machine.took(1.9, refused=False)
    assert taken(BOB, 2.0)
    machine.took(2.0, refused=False, failed=True)
    machine.unlinked(BOB)
    machine.hello(BOB, (A,), 2.1, told=(A,))  # a new link is no new beginning
    assert not taken(BOB, 3.9)
    assert taken(BOB, 4.0)
    machine.took(4.0, refused=False)
    assert taken(BOB, 4.1)


def test_heads_that_nobody_gives_hold_up_nobody_beside_one_who_gave_all() -> None:
    chain, machine = in_step(BOB)
    assert machine.is_level(1.0)
    machine.news(BOB, (B,), 1.0)
    assert not machine.is_level(1.0)  # nobody else is there to tell how far it goes
    machine.hello(CAROL, (A,), 2.0, told=(A,))
    assert not machine.is_level(60.9)
    assert machine.deadline(2.0) == 61.0
    assert machine.is_level(61.0)
    machine.news(BOB, (C,), 62.0)  # ever other ones
    assert machine.is_level(62.0)
    chain.known.append(C)
    machine.got(BOB, (C,), 63.0)
    machine.news(BOB, (B,), 64.0)
    assert not machine.is_level(64.0)
    machine.poll(64.0)
    machine.pulled(BOB, 65.0, failed=True)
    assert machine.is_level(65.0)


def test_what_was_received_is_relayed_after_a_moment_and_never_back() -> None:
    chain, machine = in_step(BOB, CAROL)
    machine.news(BOB, (B,), 1.0)
    machine.poll(1.0)
    chain.known.append(B)
    machine.pulled(BOB, 2.0)
    assert machine.poll(2.0) == [Acknowledge((BOB,))]
    assert machine.deadline(2.0) == 2.0 + LATER
    assert machine.poll(2.0 + LATER) == [Announce((CAROL,), since=None)]


def test_who_tells_it_first_is_not_told() -> None:
    chain, machine = in_step(BOB, CAROL)
    machine.news(BOB, (B,), 1.0)
    machine.poll(1.0)
    chain.known.append(B)
    machine.pulled(BOB, 2.0)
    machine.news(CAROL, (B,), 2.0)
    assert machine.poll(2.0 + LATER) == [Acknowledge((BOB, CAROL))]


def test_news_without_answer_is_repeated_once() -> None:
    chain, machine = in_step(BOB)
    chain.known.append(B)
    machine.wrote(1.0)
    machine.poll(1.0)
    machine.announced([BOB], (B,), carried=True, now=1.0)
    assert machine.deadline(1.0) == 1.0 + NEWS_RETRY_S
    assert machine.poll(1.0 + NEWS_RETRY_S) == [Announce((BOB,), since=(A,))]
    machine.announced([BOB], (B,), carried=True, now=11.0)
    assert machine.poll(11.0 + NEWS_RETRY_S) == []
    assert machine.deadline(21.0) is None  # now anti-entropy


def test_a_covering_answer_ends_the_waiting() -> None:
    chain, machine = in_step(BOB)
    chain.known.append(B)
    machine.wrote(1.0)
    machine.poll(1.0)
    machine.announced([BOB], (B,), carried=True, now=1.0)
    machine.got(BOB, (B,), 1.5)
    assert machine.deadline(1.5) is None
    assert machine.heads_of(BOB) == (B,)


def test_who_told_what_it_has_is_pushed_what_comes_on_top() -> None:
    """Found by whole nodes: who said hello while it cloned was never pushed anything afterwards."""
    chain, machine = session(A)
    machine.hello(BOB, (), 0.0, told=(A,))
    machine.got(BOB, (A,), 1.0)
    chain.known.append(B)
    machine.wrote(2.0)
    assert machine.poll(2.0) == [Announce((BOB,), since=(A,))]


def test_heads_in_an_answer_that_are_new_here_are_pulled() -> None:
    _, machine = in_step(BOB)
    machine.got(BOB, (B,), 1.0)
    assert machine.poll(1.0) == [Pull(BOB, (B,))]


def test_the_same_head_is_not_pulled_from_two() -> None:
    _, machine = in_step(BOB, CAROL)
    machine.news(BOB, (B,), 1.0)
    machine.news(CAROL, (B,), 1.0)
    assert machine.poll(1.0) == [Pull(BOB, (B,))]
    machine.pulled(BOB, 31.0, failed=True)
    assert machine.poll(31.0) == [Pull(CAROL, (B,))]


def test_one_pull_for_a_peer_at_a_time_and_the_newest_wish_waits() -> None:
    """FS-04"""
    chain, machine = in_step(BOB)
    machine.news(BOB, (B,), 1.0)
    assert machine.poll(1.0) == [Pull(BOB, (B,))]
    machine.news(BOB, (C,), 1.1)
    machine.news(BOB, (D,), 1.2)
    assert machine.poll(1.2) == []
    chain.known.append(B)
    machine.pulled(BOB, 2.0)
    assert machine.poll(2.0) == [Pull(BOB, (D,))]


def test_at_most_four_pulls_run() -> None:
    peers = [device(10 + number) for number in range(PULLS_PER_CONVERSATION_MAX + 1)]
    _, machine = in_step(*peers)
    for number, each in enumerate(peers):
        machine.news(each, (commit(100 + number),), 1.0)
    assert len(machine.poll(1.0)) == PULLS_PER_CONVERSATION_MAX
    machine.pulled(peers[0], 2.0, failed=True)
    assert machine.poll(2.0) == [Pull(peers[-1], (commit(100 + PULLS_PER_CONVERSATION_MAX),))]


def test_a_long_pull_gives_way_to_who_waits_for_its_place() -> None:
    peers = [device(10 + number) for number in range(PULLS_PER_CONVERSATION_MAX)]
    _, machine = in_step(*peers, BOB)
    for number, each in enumerate(peers):
        machine.news(each, (commit(100 + number),), 1.0)
    machine.poll(1.0)
    assert not machine.gives_way(peers[0], 1_000.0)  # it waits for its turn still
    machine.began(peers[0], 2.0)
    assert not machine.gives_way(peers[0], 2.0 + PULL_TURN_S)  # nobody waits
    machine.news(BOB, (B,), 3.0)
    machine.began(peers[0], 3.0)
    assert not machine.gives_way(peers[0], 3.0 + PULL_TURN_S - 0.1)
    assert machine.gives_way(peers[0], 3.0 + PULL_TURN_S)
    assert not machine.gives_way(BOB, 100.0)
    machine.pulled(peers[0], 64.0, grew=True)
    assert machine.poll(64.0) == [Pull(BOB, (B,))]


def test_a_long_pull_gives_way_to_who_has_the_same_though_places_are_free() -> None:
    _, machine = in_step(BOB, CAROL)
    machine.news(BOB, (B,), 1.0)
    assert machine.poll(1.0) == [Pull(BOB, (B,))]
    machine.began(BOB, 1.0)
    machine.news(CAROL, (B,), 2.0)
    assert machine.poll(2.0) == []
    assert machine.gives_way(BOB, 1.0 + PULL_TURN_S)
    machine.pulled(BOB, 61.0, grew=True)
    assert machine.poll(61.0) == [Pull(CAROL, (B,))]  # not bob again: he was asked later
    assert not machine.gives_way(CAROL, 500.0)
    machine.began(CAROL, 61.0)
    assert machine.gives_way(CAROL, 61.0 + PULL_TURN_S)


def test_a_long_pull_gives_way_to_nobody_who_could_not_be_asked() -> None:
    chain, machine = in_step(BOB, CAROL)
    machine.news(CAROL, (B,), 1.0)
    machine.poll(1.0)
    machine.pulled(CAROL, 1.0, failed=True)
    machine.news(BOB, (B,), 1.0)
    assert machine.poll(1.0) == [Pull(BOB, (B,))]
    machine.began(BOB, 1.0)
    machine.unlinked(CAROL)
    assert not machine.gives_way(BOB, 1.0 + PULL_TURN_S)
    chain.known.append(C)
    machine.hello(CAROL, (C,), 62.0, told=(C,))
    assert not machine.gives_way(BOB, 63.0)


def test_turns_go_round() -> None:
    _, machine = in_step(BOB, CAROL)
    seen = []
    for number in range(1, 7):
        for each in (BOB, CAROL):
            machine.news(each, (B,), float(number))
        (wish,) = machine.poll(float(number))
        assert isinstance(wish, Pull)
        seen.append(wish.device)
        machine.unlinked(CAROL)
        machine.hello(CAROL, (B,), float(number), told=(A,))  # another link changes nothing of it
        machine.pulled(wish.device, float(number), grew=True)
    assert seen == [BOB, CAROL] * 3


def test_newcomers_queue_behind_who_waits() -> None:
    peers = [device(10 + number) for number in range(PULLS_PER_CONVERSATION_MAX)]
    _, machine = in_step(*peers, CAROL)
    for number, each in enumerate((*peers, CAROL)):
        machine.news(each, (commit(100 + number),), 1.0)
    assert {wish.device for wish in machine.poll(1.0) if isinstance(wish, Pull)} == {CAROL, *peers[:-1]}
    machine.hello(device(0), (commit(200),), 2.0, told=(A,))  # of the lowest id
    machine.pulled(CAROL, 2.0, grew=True)
    assert machine.poll(2.0) == [Pull(peers[-1], (commit(100 + len(peers) - 1),))]
    machine.pulled(peers[-1], 3.0, grew=True)
    assert machine.poll(3.0) == [Pull(CAROL, (commit(100 + len(peers)),))]  # asked before the newcomer came
    machine.pulled(CAROL, 4.0, grew=True)
    assert machine.poll(4.0) == [Pull(device(0), (commit(200),))]


def test_failed_pulls_back_off() -> None:
    _, machine = in_step(BOB)
    machine.news(BOB, (B,), 1.0)
    machine.poll(1.0)
    machine.pulled(BOB, 1.0, failed=True)
    assert machine.poll(1.0) == []
    assert machine.deadline(1.0) == 1.5
    assert machine.poll(1.5) == [Pull(BOB, (B,))]
    machine.pulled(BOB, 2.0, failed=True)
    assert machine.deadline(2.0) == 3.0


def test_a_pull_that_our_own_disk_refused_is_tried_again_within_a_minute() -> None:
    """Found by a simulated swarm: a minute of a full disk cost five of waiting, once there was room."""
    _, machine = in_step(BOB)
    machine.news(BOB, (B,), 0.0)
    now = 0.0
    for _ in range(12):
        assert machine.poll(now) == [Pull(BOB, (B,))]
        machine.pulled(BOB, now, failed=True, stuck=True)
        due = machine.deadline(now)
        assert due is not None
        assert due - now <= INVITATIONS_CHECKED_S
        now = due
    machine.poll(now)
    machine.pulled(BOB, now, failed=True)
    due = machine.deadline(now)
    assert due is not None
    assert due - now > INVITATIONS_CHECKED_S, "a line that breaks backs off further"


def test_a_pull_that_did_not_bring_what_was_announced_counts_as_failed() -> None:
    _, machine = in_step(BOB)
    machine.news(BOB, (B,), 1.0)
    machine.poll(1.0)
    machine.pulled(BOB, 1.0)
    assert machine.poll(1.0) == []
    assert machine.deadline(1.0) == 1.5


def test_a_pull_that_brought_a_part_goes_on_at_once() -> None:
    chain, machine = in_step(BOB)
    machine.news(BOB, (C,), 1.0)
    machine.poll(1.0)
    chain.known.append(B)
    machine.pulled(BOB, 2.0, grew=True)
    assert machine.poll(2.0) == [Pull(BOB, (C,))]


def test_a_refused_head_is_never_asked_for_again() -> None:
    chain, machine = in_step(BOB)
    machine.news(BOB, (B,), 1.0)
    machine.poll(1.0)
    chain.bad.add(B)
    machine.pulled(BOB, 2.0, refused=True)
    machine.news(BOB, (B,), 3.0)
    assert machine.poll(3.0) == [Acknowledge((BOB,))]
    assert machine.missing(1_000.0) == ()


def test_three_invalid_batches_within_an_hour_bar_a_peer_for_a_day() -> None:
    reputation = Reputation()
    chain, machine = session(A, reputation=reputation)
    machine.hello(BOB, (A,), 0.0, told=(A,))
    for number in range(INVALID_COMMITS_PER_HOUR_MAX):
        head = commit(100 + number)
        machine.news(BOB, (head,), float(number))
        assert Pull(BOB, (head,)) in machine.poll(float(number))
        chain.bad.add(head)
        machine.pulled(BOB, float(number), refused=True)
    assert reputation.barred(BOB, 3.0)
    machine.news(BOB, (B,), 3.0, since=(A,), pack=b"pack")
    assert machine.poll(3.0) == []
    until = INVALID_COMMITS_PER_HOUR_MAX - 1 + PEER_BARRED_S
    assert machine.poll(until) == [Pull(BOB, (B,))]


def test_three_invalid_batches_in_more_than_an_hour_bar_nobody() -> None:
    reputation = Reputation()
    for time in (0.0, 1.0, 3_600.0):
        reputation.invalid(BOB, time)
    assert not reputation.barred(BOB, 3_600.0)
    reputation.invalid(BOB, 3_600.5)
    assert reputation.barred(BOB, 3_600.5)


def test_reputations_are_bounded() -> None:
    reputation = Reputation()
    for number in range(REPUTATIONS_MAX + 10):
        reputation.invalid(device(number), 0.0)
    assert len(reputation._times) == REPUTATIONS_MAX


def test_a_head_that_nobody_gives_is_shown_after_a_minute() -> None:
    _, machine = in_step(BOB, CAROL)
    machine.news(BOB, (B,), 1.0)
    machine.news(CAROL, (B,), 5.0)
    assert machine.missing(1.0 + HEAD_MISSING_AFTER_S - 0.1) == ()
    assert machine.missing(1.0 + HEAD_MISSING_AFTER_S) == (Missing(B, (BOB, CAROL), HEAD_MISSING_AFTER_S),)
    machine.unlinked(BOB)
    assert machine.missing(100.0) == (Missing(B, (BOB, CAROL), 99.0),)
    machine.forget(BOB)
    machine.forget(CAROL)
    assert machine.missing(100.0) == ()


def test_who_names_1024_heads_is_asked_for_all() -> None:
    _, machine = in_step(BOB)
    machine.news(BOB, tuple(commit(1_000 + number) for number in range(WANTED_HEADS_MAX)), 1.0)
    assert machine.poll(1.0) == [Pull(BOB, None)]


def test_a_closed_conversation_announces_and_takes_nothing_in() -> None:
    chain, machine = in_step(BOB)
    machine.closed = True
    chain.known.append(B)
    machine.wrote(1.0)
    assert machine.poll(1.0) == [Announce((BOB,), since=(A,))]
    machine.announced([BOB], (B,), carried=True, now=1.0)
    machine.news(BOB, (D,), 2.0, since=(B,), pack=b"pack")
    assert machine.poll(2.0) == [Acknowledge((BOB,))]


def test_who_is_not_linked_is_told_nothing_and_asked_for_nothing() -> None:
    chain, machine = in_step(BOB)
    machine.news(BOB, (D,), 1.0)
    machine.unlinked(BOB)
    chain.known.append(B)
    machine.wrote(2.0)
    assert machine.poll(2.0) == []
    machine.news(BOB, (D,), 3.0)  # it did not say hello on the new link
    assert machine.poll(3.0) == []
    assert machine.linked == ()


def test_an_announcement_that_went_out_on_a_dead_link_is_made_again_on_the_next() -> None:
    chain, machine = in_step(BOB)
    chain.known.append(B)
    machine.wrote(1.0)
    machine.poll(1.0)
    machine.unlinked(BOB)
    machine.announced([BOB], (B,), carried=True, now=1.1)
    machine.hello(BOB, (A,), 2.0, told=(A,))
    assert machine.poll(2.0 + LATER) == [Announce((BOB,), since=None)]


def test_a_late_end_of_a_pull_of_somebody_forgotten_does_no_harm() -> None:
    chain, machine = in_step(BOB)
    machine.news(BOB, (B,), 1.0)
    machine.poll(1.0)
    machine.forget(BOB)
    chain.known.append(B)
    machine.pulled(BOB, 2.0)
    assert machine.poll(2.0) == []


def test_devices_beyond_the_bound_are_left_out_until_one_goes() -> None:
    _, machine = session(A)
    for number in range(PEERS_PER_SESSION_MAX + 1):
        machine.hello(device(number), (A,), 0.0, told=(A,))
    assert len(machine.linked) == PEERS_PER_SESSION_MAX
    machine.unlinked(device(0))
    machine.hello(device(PEERS_PER_SESSION_MAX), (A,), 1.0, told=(A,))
    assert device(PEERS_PER_SESSION_MAX) in machine.linked


# --- who is told by others too (SCP-04 §2.3)


def passed_on(chain: Chain, machine: Session, new: CommitId, now: float) -> float:
    """Alice pushes a commit; when is Bob, who is beside her, told of it?"""
    machine.news(ALICE, (new,), now, since=chain.heads, pack=b"pack")
    machine.poll(now)
    chain.known.append(new)
    machine.took(now, refused=False)
    machine.poll(now)
    at = machine.deadline(now)
    assert at is not None
    assert Announce((BOB,), since=None) in machine.poll(at)
    machine.announced([BOB], (new,), carried=False, now=at)
    return at - now


def test_who_had_it_already_when_he_was_told_is_told_later_the_next_time() -> None:
    chain, machine = in_step(ALICE, BOB)
    assert passed_on(chain, machine, B, 1.0) == pytest.approx(LATER)
    machine.got(BOB, (B,), 1.1)  # and fetched nothing from us
    assert passed_on(chain, machine, C, 2.0) == pytest.approx(RELAY_PATIENCE_S * (1 + JITTER))


def test_who_fetches_from_us_is_told_at_once() -> None:
    chain, machine = in_step(ALICE, BOB)
    passed_on(chain, machine, B, 1.0)
    machine.got(BOB, (B,), 1.1)
    passed_on(chain, machine, C, 2.0)
    machine.fetched(BOB)  # whoever told him before is gone
    machine.got(BOB, (C,), 2.9)
    assert passed_on(chain, machine, D, 4.0) == pytest.approx(LATER)


def test_who_says_himself_that_he_has_it_is_not_told() -> None:
    chain, machine = in_step(ALICE, BOB)
    passed_on(chain, machine, B, 1.0)
    machine.got(BOB, (B,), 1.1)
    machine.news(ALICE, (C,), 2.0, since=(B,), pack=b"pack")
    machine.poll(2.0)
    chain.known.append(C)
    machine.took(2.0, refused=False)
    machine.news(BOB, (C,), 2.2)
    machine.poll(2.2)
    assert not [wish for wish in machine.poll(5.0) if isinstance(wish, Announce)]
