"""Which group events a commit may bring, and about whom."""

from __future__ import annotations

import pytest

from swarmchat.conversation.actions import (
    Action,
    Add,
    Ban,
    CastVote,
    Demote,
    Edit,
    Initial,
    Join,
    Kick,
    Leave,
    Other,
    Post,
    Promote,
    Unban,
    UpdateDevice,
    UpdateProfile,
)
from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways.status import notes
from swarmchat.gateways.status.agreement import agrees, members
from swarmchat.gateways.status.events import SignedEvent
from swarmchat.gateways.status.wire import EventType, MembershipUpdateEvent
from swarmchat.ids import AccountId
from tests.support.builders import ALICE, BOB, CAROL
from tests.support.status_rooms import secret

KEYS = {who.id: [secret(who).public] for who in (ALICE, BOB)}
FAR = secret(CAROL).public  # Carol has bound none: she is known by her foreign uri

PROFILE = {EventType.NAME_CHANGED, EventType.COLOR_CHANGED, EventType.IMAGE_CHANGED}
TABLE: list[tuple[Action, set[EventType]]] = [
    (Initial(2, "0" * 32), {EventType.CHAT_CREATED}),
    (Add(BOB.id), {EventType.MEMBERS_ADDED}),
    (Unban(BOB.id), {EventType.MEMBERS_ADDED}),
    (Join(ALICE.id), {EventType.MEMBER_JOINED}),
    (Leave(BOB.id), {EventType.MEMBER_REMOVED}),
    (Kick(BOB.id), {EventType.MEMBER_REMOVED}),
    (Ban(BOB.id), {EventType.MEMBER_REMOVED}),
    (Promote(BOB.id), {EventType.ADMINS_ADDED}),
    (Demote(BOB.id), {EventType.ADMIN_REMOVED}),
    (UpdateProfile(), PROFILE),
    (UpdateDevice(), set()),
    (CastVote("ban", BOB.id), set()),
    (Post("hi"), set()),
    (Edit("hi", "0" * 40), set()),  # type: ignore[arg-type]
    (Other("application/x-else"), set()),
    (
        Other(notes.BRIDGE),
        {EventType.CHAT_CREATED, EventType.MEMBERS_ADDED, EventType.ADMINS_ADDED, EventType.IMAGE_CHANGED},
    ),
    (Other(notes.EVENT), set(EventType)),
]


def event(kind: int, *named: str) -> SignedEvent:
    """One by Alice."""
    return SignedEvent(b"", MembershipUpdateEvent(type=kind, members=named), secret(ALICE).public)


def keys_of(account: AccountId) -> list[Key]:
    return KEYS.get(account, [])


@pytest.mark.parametrize(("action", "kinds"), TABLE, ids=lambda value: type(value).__name__)
def test_a_commit_brings_the_events_of_its_kind_and_no_others(action: Action, kinds: set[EventType]) -> None:
    named = secret(BOB).public.legacy
    assert {kind for kind in EventType if agrees(action, event(kind, named), keys_of)} == kinds


def test_the_person_must_be_the_same_by_a_proved_key_or_the_foreign_uri() -> None:
    assert agrees(Add(FAR.uri), event(EventType.MEMBERS_ADDED, secret(BOB).public.legacy, FAR.legacy), keys_of)
    assert not agrees(Add(CAROL.id), event(EventType.MEMBERS_ADDED, FAR.legacy), keys_of), (
        "nothing says that it is hers"
    )
    assert not agrees(Add(BOB.id), event(EventType.MEMBERS_ADDED), keys_of)
    assert not agrees(Kick(BOB.id), event(EventType.MEMBER_REMOVED, secret(ALICE).public.legacy), keys_of)
    assert not agrees(Join(BOB.id), event(EventType.MEMBER_JOINED, secret(BOB).public.legacy), keys_of), (
        "Alice signed it"
    )


def test_what_is_no_key_or_is_spelled_in_other_letters_names_nobody() -> None:
    named = event(0, "", "0x04", "0x" + FAR.raw.hex().upper(), FAR.compressed, "0x04" + "00" * 64, FAR.legacy)
    assert list(members(named)) == [FAR]
