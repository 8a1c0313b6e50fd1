"""Whom a node wants to be linked with. (SCP-04 §1, SCP-05 §2)"""

from __future__ import annotations

from swarmchat.account.state import State
from swarmchat.conversation.actions import Ban, CastVote, UpdateDevice
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
