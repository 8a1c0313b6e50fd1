"""Who may do what in a group of data sync, row by row of the table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways.datasync.messages import Ack, Body, Invite, Join, Kick, Leave, text_post
from swarmchat.gateways.datasync.payload import MessageId, PeerId
from swarmchat.gateways.datasync.standing import Fault, Kind, Law, Standing, step
from swarmchat.gateways.refusal import Refused
from tests.support.datasync import ANNA, BERT, CARL, DORA, EMIL, GROUP

POST, ACK, LEAVE = text_post("hello"), Ack(MessageId(bytes(32))), Leave(None, None)
LAW = Law(admins=frozenset({BERT, EMIL}))  # of whom Emil is no member
HERE = Standing(owner=ANNA, members=frozenset({ANNA, BERT, CARL}), invited=frozenset({DORA}))


def invite(who: PeerId, text: str = "") -> Invite:
    return Invite(Key(who), GROUP, text)


def join(who: PeerId) -> Join:
    return Join(Key(who), GROUP)


def kick(who: PeerId) -> Kick:
    return Kick(Key(who), GROUP)


@pytest.mark.parametrize(
    ("sender", "body", "after"),
    [
        (ANNA, invite(EMIL), replace(HERE, invited=frozenset({DORA, EMIL}))),
        (BERT, invite(EMIL), replace(HERE, invited=frozenset({DORA, EMIL}))),
        (ANNA, invite(DORA), HERE),
        (DORA, join(DORA), replace(HERE, members=HERE.members | {DORA}, invited=frozenset())),
        (CARL, LEAVE, replace(HERE, members=frozenset({ANNA, BERT}))),
        (ANNA, LEAVE, replace(HERE, members=frozenset({BERT, CARL}), dissolved=True)),
        (ANNA, kick(CARL), replace(HERE, members=frozenset({ANNA, BERT}), kicked=frozenset({CARL}))),
        (BERT, kick(CARL), replace(HERE, members=frozenset({ANNA, BERT}), kicked=frozenset({CARL}))),
        (ANNA, kick(DORA), replace(HERE, invited=frozenset(), kicked=frozenset({DORA}))),
        (ANNA, kick(EMIL), replace(HERE, kicked=frozenset({EMIL}))),
        (CARL, POST, HERE),
        (CARL, ACK, HERE),
    ],
)
def test_what_is_allowed_and_what_comes_of_it(sender: PeerId, body: Body, after: Standing) -> None:
    assert step(LAW, HERE, sender, body) == after


@pytest.mark.parametrize(
    ("sender", "body", "fault"),
    [
        (CARL, invite(EMIL), Fault.NOT_ALLOWED),
        (EMIL, invite(EMIL), Fault.NOT_A_MEMBER),
        (ANNA, invite(CARL), Fault.ALREADY_A_MEMBER),
        (CARL, join(CARL), Fault.ALREADY_A_MEMBER),
        (EMIL, join(EMIL), Fault.NOT_INVITED),
        (DORA, LEAVE, Fault.NOT_A_MEMBER),
        (CARL, kick(BERT), Fault.NOT_ALLOWED),
        (BERT, kick(ANNA), Fault.NOT_ALLOWED),
        (BERT, kick(BERT), Fault.NOT_ALLOWED),
        (EMIL, kick(CARL), Fault.NOT_A_MEMBER),
        (DORA, POST, Fault.NOT_A_MEMBER),
        (DORA, ACK, Fault.NOT_A_MEMBER),
    ],
)
def test_what_is_not_allowed(sender: PeerId, body: Body, fault: Fault) -> None:
    assert step(LAW, HERE, sender, body) == Refused(fault)


@pytest.mark.parametrize("body", [invite(EMIL), join(DORA), LEAVE, kick(CARL), POST])
def test_a_dissolved_group_is_read_only(body: Body) -> None:
    over = replace(HERE, dissolved=True)
    assert step(LAW, over, BERT, body) == Refused(Fault.DISSOLVED)
    assert step(LAW, over, BERT, ACK) == over


@pytest.mark.parametrize("body", [join(ANNA), LEAVE, kick(BERT), POST, ACK])
def test_nothing_comes_before_the_first_invite(body: Body) -> None:
    assert step(LAW, Standing(), ANNA, body) == Refused(Fault.NOT_FOUNDED)


def test_the_first_invite_founds_the_group() -> None:
    alone = Standing(owner=ANNA, members=frozenset({ANNA}))
    assert step(Law(), Standing(), ANNA, invite(ANNA)) == alone
    assert step(Law(), Standing(), ANNA, invite(BERT)) == replace(alone, invited=frozenset({BERT}))
    assert step(Law(founder=ANNA), Standing(), ANNA, invite(ANNA)) == alone
    assert step(Law(founder=ANNA), Standing(), BERT, invite(BERT)) == Refused(Fault.NOT_THE_FOUNDER)


def test_the_first_invite_says_of_what_kind_the_group_is() -> None:
    for kind in Kind:
        founded = step(Law(), Standing(), ANNA, invite(ANNA, kind.value))
        assert founded == Standing(kind, ANNA, frozenset({ANNA}))
        assert step(Law(Kind.PUBLIC), Standing(), ANNA, invite(ANNA, kind.value)) == replace(founded, kind=Kind.PUBLIC)
    assert step(Law(), Standing(), ANNA, invite(ANNA, "welcome")) == Standing(Kind.GROUP, ANNA, frozenset({ANNA}))


def test_where_members_invite_each_of_them_may() -> None:
    open_to_all = replace(HERE, kind=Kind.MEMBERS)
    assert step(LAW, open_to_all, CARL, invite(EMIL)) == replace(open_to_all, invited=frozenset({DORA, EMIL}))
    assert step(LAW, open_to_all, DORA, invite(EMIL)) == Refused(Fault.NOT_A_MEMBER)
    assert step(LAW, open_to_all, CARL, kick(BERT)) == Refused(Fault.NOT_ALLOWED)


def test_a_public_group_takes_in_whoever_was_not_put_out() -> None:
    public = replace(HERE, kind=Kind.PUBLIC)
    assert step(LAW, public, EMIL, join(EMIL)) == replace(public, members=public.members | {EMIL})
    without = step(LAW, public, ANNA, kick(EMIL))
    assert isinstance(without, Standing)
    assert step(LAW, without, EMIL, join(EMIL)) == Refused(Fault.NOT_INVITED)
    again = step(LAW, without, ANNA, invite(EMIL))
    assert again == replace(public, invited=frozenset({DORA, EMIL}))


def test_a_private_group_is_of_two() -> None:
    private = Standing(Kind.PRIVATE, ANNA, frozenset({ANNA}))
    asked = step(LAW, private, ANNA, invite(BERT))
    assert asked == replace(private, invited=frozenset({BERT}))
    assert isinstance(asked, Standing)
    assert step(LAW, asked, ANNA, invite(CARL)) == Refused(Fault.OF_TWO)
    assert step(LAW, asked, ANNA, invite(BERT)) == asked
    both = step(LAW, asked, BERT, join(BERT))
    assert isinstance(both, Standing)
    assert step(LAW, both, ANNA, invite(CARL)) == Refused(Fault.OF_TWO)
