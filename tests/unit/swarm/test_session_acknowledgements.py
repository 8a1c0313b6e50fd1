"""Who hears that we have something: not only who gave it. Found by a simulated swarm. (SCP-04 §2.1, §6.1)"""

from __future__ import annotations

from swarmchat.swarm.session import Acknowledge, Announce, Pull
from tests.unit.swarm.test_session import ALICE, BOB, CAROL, LATER, A, B, session


def test_who_named_heads_that_another_gave_us_hears_that_we_have_them() -> None:
    chain, machine = session(A)
    machine.hello(BOB, (B,), 0.0, told=(A,))
    machine.hello(CAROL, (B,), 0.0, told=(A,))
    assert machine.poll(0.0) == [Pull(BOB, (B,))]
    chain.known.append(B)
    machine.pulled(BOB, 1.0, grew=True)
    assert machine.poll(1.0) == [Acknowledge((BOB, CAROL))]


def test_who_named_nothing_new_is_owed_nothing() -> None:
    chain, machine = session(A)
    machine.hello(ALICE, (A,), 0.0, told=(A,))
    machine.hello(BOB, (B,), 0.0, told=(A,))
    machine.poll(0.0)
    chain.known.append(B)
    machine.pulled(BOB, 1.0, grew=True)
    assert machine.poll(1.0) == [Acknowledge((BOB,))]
    assert machine.poll(1.0 + LATER) == [Announce((ALICE,), since=None)]


def test_who_has_all_and_holds_us_for_behind_hears_that_we_have_it_too() -> None:
    _, machine = session(A, B)
    machine.hello(BOB, (A,), 0.0, told=(A,))  # our hello was under way when B came from another
    machine.got(BOB, (B,), 0.01)  # and so it was with theirs
    assert machine.poll(0.01) == [Acknowledge((BOB,))]
    assert machine.poll(LATER) == []


def test_who_has_all_and_was_told_the_same_hears_nothing() -> None:
    _, machine = session(A, B)
    machine.hello(BOB, (B,), 0.0, told=(B,))
    assert machine.poll(LATER) == []
