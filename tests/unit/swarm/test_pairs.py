"""Which one-to-one is in use. (SCP-06 §2)"""

from __future__ import annotations

import pytest

from swarmchat.conversation.actions import Add, Join, Leave
from swarmchat.conversation.tree import Mode
from swarmchat.ids import ConversationId
from swarmchat.swarm.pairs import Standing, in_use, other_of, standing
from tests.support.builders import ALICE, BOB, CAROL, Room

ONE, TWO, THREE = (ConversationId(f"{number:040x}") for number in (1, 2, 3))


def test_it_stands_as_its_roster_says() -> None:
    room = Room(0, ALICE, invited=BOB)

    def stands() -> tuple[Standing, Standing]:
        roster = room.roster
        return standing(roster, ALICE.id, BOB.id), standing(roster, BOB.id, ALICE.id)

    assert stands() == (Standing.BEGUN, Standing.BEGUN)
    room.must(BOB, Join(BOB.id))
    assert stands() == (Standing.COMMON, Standing.COMMON)
    room.must(ALICE, Leave(ALICE.id))
    assert standing(room.roster, BOB.id, ALICE.id) is Standing.OVER
    room.must(BOB, Add(ALICE.id))
    assert stands() == (Standing.BEGUN, Standing.BEGUN)


def test_the_other_is_who_was_there_at_the_beginning() -> None:
    room = Room(0, ALICE, invited=BOB)
    room.must(BOB, Join(BOB.id))
    room.must(BOB, Leave(BOB.id))
    assert other_of(room.history, ALICE.id) == BOB.id
    assert other_of(room.history, BOB.id) == ALICE.id


@pytest.mark.parametrize("mode", [1, 2, 3])
def test_a_group_of_two_is_no_one_to_one(mode: Mode) -> None:
    room = Room(mode)
    room.bring(CAROL)
    assert other_of(room.history, ALICE.id) is None


def test_nor_is_one_with_oneself() -> None:
    assert other_of(Room(0, ALICE).history, ALICE.id) is None


@pytest.mark.parametrize(
    ("pairs", "used"),
    [
        ({}, None),
        ({TWO: Standing.OVER}, TWO),
        ({ONE: Standing.OVER, TWO: Standing.BEGUN}, TWO),
        ({ONE: Standing.BEGUN, TWO: Standing.COMMON, THREE: Standing.COMMON}, TWO),
        ({TWO: Standing.COMMON, ONE: Standing.COMMON}, ONE),
    ],
)
def test_of_several_the_lowest_that_both_are_in_is_used(
    pairs: dict[ConversationId, Standing], used: ConversationId | None
) -> None:
    assert in_use(pairs) == used
