"""Who has a seat, and who gives way: each bound at its edge."""

from __future__ import annotations

import pytest

from swarmchat.gateways.datasync.payload import PeerId
from swarmchat.gateways.datasync.room import Rank, Room, Seat, source_of
from swarmchat.limits import (
    DATASYNC_AT_REST_MAX,
    DATASYNC_PER_SOURCE_MAX,
    DATASYNC_SESSIONS_MAX,
    DATASYNC_SILENT_S,
    DATASYNC_STRANGER_S,
    DATASYNC_UNPROVED_MAX,
)


def peer(number: int, rank: Rank = Rank.STRANGER) -> PeerId:
    """Its rank is in its name."""
    return PeerId(bytes([rank]) + number.to_bytes(64))


def ranks(who: PeerId) -> Rank:
    return Rank(who[0])


def seated(room: Room, who: PeerId, now: float = 0.0, source: str | None = None) -> Seat:
    seat, gone = room.enter(source, now)
    assert not gone
    assert room.prove(seat, who, ranks, now) == []
    return seat


def full(room: Room, rank: Rank, count: int = DATASYNC_SESSIONS_MAX) -> list[Seat]:
    """Each heard a second after the one before."""
    return [seated(room, peer(number, rank), number) for number in range(count)]


def test_so_many_may_be_about_to_say_who_they_are_and_then_the_oldest_goes() -> None:
    room = Room()
    seats = []
    for number in range(DATASYNC_UNPROVED_MAX):
        seat, gone = room.enter(None, number)
        seats.append(seat)
        assert not gone
    assert room.enter(None, 99)[1] == [seats[0]]
    assert room.prove(seats[0], peer(1), ranks, 99) is None, "it was told to go"
    assert room.prove(seats[1], peer(1), ranks, 99) == []
    assert room.enter(None, 100)[1] == [], "who has proved it counts there no more"


def test_of_those_who_prove_nothing_one_goes_of_the_address_that_has_most() -> None:
    room = Room()
    lone, _ = room.enter("192.0.2.1", 0)
    many = [room.enter(f"192.0.2.{2 + number // 7}", 1 + number)[0] for number in range(DATASYNC_UNPROVED_MAX - 1)]
    assert room.enter("192.0.2.99", 99)[1] == [many[0]]
    assert room.enter("192.0.2.98", 99)[1] == [many[7]]
    assert lone in room._seats


def test_one_address_has_its_share_of_what_is_nobodys() -> None:
    room = Room()
    seats = [seated(room, peer(number), number, "192.0.2.1") for number in range(DATASYNC_PER_SOURCE_MAX)]
    assert room.enter("192.0.2.2", 50)[1] == []
    unproved, gone = room.enter("192.0.2.1", 51)
    assert gone == [seats[0]], "the oldest"
    assert room.enter("192.0.2.1", 52)[1] == [unproved], "who proves nothing before who does"
    others = Room()
    for number in range(3 * DATASYNC_PER_SOURCE_MAX):
        seated(others, peer(number, Rank.MEMBER), number, "192.0.2.1")
    assert others.enter("192.0.2.1", 99)[1] == [], "of members any number comes from behind one address"


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("127.0.0.1", None),
        ("127.9.9.9", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("what", "what"),
    ],
)
def test_an_address_stands_for_who_may_have_many_of_it(host: str, source: str | None) -> None:
    assert source_of(host) == source


@pytest.mark.parametrize("lower", [Rank.STRANGER, Rank.INVITED])
def test_who_is_more_gets_the_seat_of_who_is_less_and_was_silent_longest(lower: Rank) -> None:
    room = Room()
    seats = full(room, lower, DATASYNC_SESSIONS_MAX - 1)
    seat, _ = room.enter(None, 70)
    assert room.prove(seat, peer(1_000, lower), ranks, 70) == [], "the last seat that was free"
    room.heard(peer(0, lower), 71)
    seat, _ = room.enter(None, 72)
    expected = seats[1] if lower is Rank.INVITED else seats[0]  # what a stranger says does not count
    assert room.prove(seat, peer(1, Rank.MEMBER), ranks, 72) == [expected]


def test_a_stranger_goes_before_who_is_invited() -> None:
    room = Room()
    full(room, Rank.INVITED, DATASYNC_SESSIONS_MAX - 1)
    stranger = seated(room, peer(1_000), 1_000)
    seat, _ = room.enter(None, 1_001)
    assert room.prove(seat, peer(1, Rank.MEMBER), ranks, 1_001) == [stranger]


@pytest.mark.parametrize("rank", [Rank.STRANGER, Rank.INVITED, Rank.MEMBER])
def test_nobody_gives_way_to_his_like_before_he_was_silent_so_long(rank: Rank) -> None:
    room = Room()
    seats = [seated(room, peer(number, rank), 0) for number in range(DATASYNC_SESSIONS_MAX)]
    early, _ = room.enter(None, 1)
    assert room.prove(early, peer(1_000, rank), ranks, DATASYNC_SILENT_S - 0.001) is None
    assert early not in room._seats
    late, _ = room.enter(None, 1)
    assert room.prove(late, peer(1_000, rank), ranks, DATASYNC_SILENT_S) == [seats[0]]


def test_a_stranger_never_takes_the_seat_of_who_is_of_a_group() -> None:
    room = Room()
    full(room, Rank.INVITED)
    seat, _ = room.enter(None, 0)
    assert room.prove(seat, peer(1), ranks, 1e9) is None


def test_the_newer_connection_of_a_key_takes_the_seat_of_the_older_even_where_all_are_taken() -> None:
    room = Room()
    seats = full(room, Rank.MEMBER)
    seat, _ = room.enter(None, 10)
    assert room.prove(seat, peer(5, Rank.MEMBER), ranks, 10) == [seats[5]]


def test_who_was_invited_meanwhile_is_no_stranger_any_more() -> None:
    room = Room()
    seats = full(room, Rank.STRANGER)
    seat, _ = room.enter(None, 70)
    invited = {peer(0)}
    now_ranks = lambda who: Rank.INVITED if who in invited else ranks(who)  # noqa: E731
    assert room.prove(seat, peer(1, Rank.MEMBER), now_ranks, 70) == [seats[1]]


def test_strangers_wait_for_ever_at_rest_and_a_while_in_a_crowd() -> None:
    room = Room()
    seats = full(room, Rank.STRANGER, DATASYNC_AT_REST_MAX)
    assert not room.is_crowded
    assert room.overdue(ranks, 1e9) == []
    member = seated(room, peer(1, Rank.MEMBER), 0)
    assert room.is_crowded
    assert room.overdue(ranks, DATASYNC_STRANGER_S - 0.001) == []
    assert room.overdue(ranks, DATASYNC_STRANGER_S) == [seats[0]]
    assert not room.is_crowded, "and the others wait on"
    assert room.overdue(ranks, 1e9) == []
    room.leave(member)
    room.leave(member)


def test_who_is_of_a_group_is_never_overdue() -> None:
    room = Room()
    full(room, Rank.INVITED)
    assert room.overdue(ranks, 1e9) == []
