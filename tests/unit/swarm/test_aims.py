"""Whom a node wants to be linked with. (SCP-04 §1, SCP-05 §2)"""

from __future__ import annotations

from swarmchat.account.records import ConversationState, Host, OwnDevice
from swarmchat.account.state import State
from swarmchat.addresses import Address
from swarmchat.conversation.actions import Ban, CastVote, UpdateDevice
from swarmchat.crypto.revocation import device_prefix
from swarmchat.ids import ConversationId
from swarmchat.swarm.access import Access
from swarmchat.swarm.aims import aims
from tests.support.builders import ALICE, BOB, NOW, Room


def test_a_revoked_device_is_wanted_no_more() -> None:
    second = BOB.on(2)
    room = Room()
    room.bring(BOB)
    room.must(second, UpdateDevice())
    state, _ = State().add_conversation(ConversationId(room.root), title="", mode=1, now_ms=NOW * 1000)
    access = Access(ALICE.id, ALICE.device, state)

    def targets() -> frozenset[object]:
        access.set_roster(ConversationId(room.root), room.roster)
        me = ALICE.id, ALICE.device
        cards = {BOB.id: [second.device]}
        return aims(me, access, state, carded=lambda who: cards.get(who, []), linked={}, listed=()).targets

    assert {BOB.device, second.device} <= targets()
    room.must(BOB, UpdateDevice(), revocations=BOB.revoking(second))
    assert BOB.device in targets()
    assert second.device not in targets()


def test_the_devices_that_an_archive_names_are_dialled_until_the_conversation_is_back() -> None:
    room, there, old = ConversationId("c" * 40), BOB.device, ALICE.on(2)
    hosts = [Host(device, Address("192.0.2.1", 4000)) for device in (there, old.device, ALICE.device)]
    state, _ = State().add_conversation(
        room, title="", mode=1, now_ms=NOW * 1000, state=ConversationState.SYNCING, members=[ALICE.id], hosts=hosts
    )
    access = Access(ALICE.id, ALICE.device, state)

    def targets(state: State) -> frozenset[object]:
        me = ALICE.id, ALICE.device
        return aims(me, access, state, carded=lambda _: (), linked={}, listed=()).targets

    assert targets(state) == {there, old.device}, "not this very device"
    access.own_list(frozenset({device_prefix(old.device)}), is_revoked=False)
    assert targets(state) == {there}
    state, _ = state.change_conversation(room, state=ConversationState.ACTIVE)
    assert targets(state) == frozenset()


def test_an_address_given_by_hand_is_dialled_unless_its_account_is_banned_and_nothing_else() -> None:
    banning, other = Room(), Room()
    banning.bring(BOB)
    banning.must(ALICE, CastVote("ban", BOB.id))
    banning.must(ALICE, Ban(BOB.id))
    other.bring(BOB)
    state, _ = State().add_conversation(ConversationId(banning.root), title="", mode=1, now_ms=NOW * 1000)
    access = Access(ALICE.id, ALICE.device, state)
    access.set_roster(ConversationId(banning.root), banning.roster)

    def is_wanted() -> bool:
        me = ALICE.id, ALICE.device
        return BOB.id in aims(me, access, state, carded=lambda _: (), linked={}, listed=[BOB.id]).targets

    assert not is_wanted()
    access.set_roster(ConversationId("e" * 40), other.roster)
    assert is_wanted()


def test_whom_we_dissolved_a_group_for_is_dialled_until_it_has_come_for_it() -> None:
    access = Access(ALICE.id, ALICE.device, State())
    me = ALICE.id, ALICE.device

    def targets() -> frozenset[object]:
        return aims(me, access, State(), carded=lambda _: (), linked={}, listed=()).targets

    where = ConversationId("e" * 40)
    access.set_heirs(where, {BOB.device: BOB.id})
    assert targets() == {BOB.device}
    access.set_heirs(where, {})
    assert targets() == frozenset()


def test_a_link_with_who_is_told_why_it_goes_is_not_hung_up_on() -> None:
    access = Access(ALICE.id, ALICE.device, State())
    me, linked = (ALICE.id, ALICE.device), {BOB.device: BOB.id}

    def targets() -> frozenset[object]:
        return aims(me, access, State(), carded=lambda _: (), linked=linked, listed=()).targets

    assert targets() == frozenset()
    access.part(BOB.id, over=False)
    assert targets() == {BOB.device}
    access.part(BOB.id, over=True)
    assert targets() == frozenset()


def test_who_has_what_is_to_be_cloned_may_have_it_on_a_device_that_nobody_knows() -> None:
    access = Access(ALICE.id, ALICE.device, State())
    me, where = (ALICE.id, ALICE.device), ConversationId("e" * 40)

    def sought() -> frozenset[object]:
        return aims(me, access, State(), carded=lambda _: (), linked={BOB.device: BOB.id}, listed=()).sought

    assert sought() == frozenset()
    access.set_sources(where, [BOB.id])
    assert sought() == {BOB.id}
    access.clear_sources(where)
    assert sought() == frozenset()


def test_own_devices_are_wanted_though_no_conversation_names_them() -> None:
    second, third = ALICE.on(2), ALICE.on(3)
    state, _ = State().add_device(OwnDevice(ALICE.device, "desk", 1))
    state, _ = state.add_device(OwnDevice(second.device, "laptop", 1))
    state, _ = state.add_device(OwnDevice(third.device, "lost", 1))
    state, _ = state.revoke_device(third.device, now_ms=2)
    access = Access(ALICE.id, ALICE.device, state)

    def targets() -> frozenset[object]:
        me = ALICE.id, ALICE.device
        return aims(me, access, state, carded=lambda _: (), linked={}, listed=()).targets

    assert targets() == {second.device}
    access.own_list(frozenset({device_prefix(second.device)}), is_revoked=False)
    assert targets() == frozenset()
