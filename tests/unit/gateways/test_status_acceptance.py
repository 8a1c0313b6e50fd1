"""The acceptance list of the Status gateway as far as it is about bytes and rules; the numbers are those of the list."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from swarmchat.crypto.keccak import keccak256
from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways.protobuf import Unknown
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import chat_ids, clock, entities, envelopes, events, streams
from swarmchat.gateways.status.events import SignedEvent
from swarmchat.gateways.status.fold import Fault, Fold, Rules, fold, fold_strictly
from swarmchat.gateways.status.wire import (
    ChatMessage,
    EmojiReaction,
    EventType,
    MembershipUpdateEvent,
    MembershipUpdateMessage,
    MessageType,
    ReactionType,
)
from swarmchat.ids import ConversationId
from swarmchat.limits import STATUS_CLOCK_AHEAD_MS_MAX
from tests.support.status_groups import ANN, BOB, CHAT, DAN, EVE, NOW_MS, event, founded
from tests.support.status_vectors import SECRETS, VECTORS

CASES: list[dict[str, Any]] = VECTORS["cases"]
NAMES = {secret.public.legacy: name for name, secret in SECRETS.items()}
GO, RFC = Rules.STATUS_GO, Rules.RFC55
BASE = founded()
A_CHAT_ID, ANOTHER_KEY = CASES[2]["chat_id"], EVE.public


def vector_event(case: dict[str, Any]) -> MembershipUpdateEvent:
    said = case["event"]
    return MembershipUpdateEvent(
        clock=int(said["clock"]),
        members=tuple(said["members"]),
        name=said["name"],
        type=EventType[said["type"]],
        color=said["color"],
        image=bytes.fromhex(said["image_hex"]),
    )


def vector_stream() -> tuple[str, list[SignedEvent]]:
    update = MembershipUpdateMessage.decode(bytes.fromhex(VECTORS["membership_update_message_hex"]))
    assert isinstance(update, MembershipUpdateMessage)
    return update.chat_id, [read(raw, update.chat_id) for raw in update.events]


def read(raw: bytes, chat_id: str = CHAT) -> SignedEvent:
    signed = events.read(raw, chat_id)
    assert isinstance(signed, SignedEvent), signed
    return signed


# --- 1


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_1_each_vector_is_reproduced_byte_for_byte_and_its_author_recovered(case: dict[str, Any]) -> None:
    said, secret = vector_event(case), SECRETS[case["signer"]]
    payload = said.encode()
    assert payload.hex() == case["payload_hex"]
    assert keccak256(case["chat_id"].encode(), payload).hex() == case["digest_hex"]
    signed = events.sign(said, case["chat_id"], secret)
    assert signed.raw.hex() == case["raw_event_hex"]
    assert signed.signature.hex() == case["signature_hex"]
    assert signed.id == case["system_message_id"]
    assert read(signed.raw, case["chat_id"]) == signed
    assert signed.author.legacy == VECTORS["keys"][case["signer"]]["pub"]


def test_1_the_message_of_all_events_is_written_as_in_the_vector() -> None:
    chat_id, signed = vector_stream()
    written = MembershipUpdateMessage(chat_id=chat_id, events=tuple(each.raw for each in signed)).encode()
    assert written.hex() == VECTORS["membership_update_message_hex"]


# --- 2


def test_2_one_bit_of_payload_or_signature_gives_another_author_or_none() -> None:
    whole = BASE[0].raw
    for at, bit in itertools.product(range(len(whole)), range(8)):
        changed = bytearray(whole)
        changed[at] ^= 1 << bit
        signed = events.read(bytes(changed), CHAT)
        if isinstance(signed, SignedEvent):
            assert signed.author != ANN.public
            folded = fold(CHAT, [signed, *BASE])
            assert signed not in folded.events
            assert list(folded.events) == BASE


def test_2_one_bit_of_the_chat_id_gives_another_author() -> None:
    for at, bit in itertools.product(range(len(CHAT)), range(7)):
        other = CHAT[:at] + chr(ord(CHAT[at]) ^ 1 << bit) + CHAT[at + 1 :]
        signed = read(BASE[0].raw, other)
        assert signed.author != ANN.public
        assert fold(other, [signed]).group.creator is None


# --- 3


@pytest.mark.parametrize("length", [0, 1, 64, 65])
def test_3_an_element_with_nothing_behind_its_signature_is_refused(length: int) -> None:
    assert events.read(bytes(length), CHAT) == Refused(events.Fault.EVENT_TOO_SHORT)


def test_3_event_bytes_with_unknown_fields_verify_and_travel_unchanged() -> None:
    newer = bytes.fromhex("1a03466f6f0801f801012001")  # its fields out of order, and one nobody knows
    raw = ANN.sign(keccak256(CHAT.encode(), newer)) + newer
    signed = read(raw)
    assert (signed.raw, signed.author) == (raw, ANN.public)
    assert signed.event.unknown == (Unknown(31, bytes.fromhex("f80101")),)
    assert fold(CHAT, [signed]).events[0].raw == raw
    assert signed.event.encode() != newer  # that is why what came is kept


# --- 4


def test_4_a_uuid_then_the_key_of_the_creator_is_a_chat_id() -> None:
    assert chat_ids.is_by(A_CHAT_ID, ANN.public)
    assert chat_ids.is_by("anything" + ANN.public.legacy, ANN.public)


@pytest.mark.parametrize("strict_55", [False, True])
def test_4_the_key_of_another_and_a_bare_key_are_none(strict_55: bool) -> None:
    assert not chat_ids.is_by(A_CHAT_ID, ANOTHER_KEY, strict_55=strict_55)
    assert not chat_ids.is_by(ANN.public.legacy, ANN.public, strict_55=strict_55)
    assert not chat_ids.is_by("", ANN.public, strict_55=strict_55)
    assert not chat_ids.is_by(A_CHAT_ID.upper(), ANN.public, strict_55=strict_55)


@pytest.mark.parametrize("key", [ANN.public.legacy, ANN.public.legacy[2:]])
def test_4_the_key_before_the_uuid_is_one_only_when_asked_for(key: str) -> None:
    reversed_id = f"{key}-1b4e28ba-2fa1-4d2e-883f-0016d3cca427"
    assert chat_ids.is_by(reversed_id, ANN.public, strict_55=True)
    assert not chat_ids.is_by(reversed_id, ANN.public)
    assert not chat_ids.is_by(reversed_id, ANOTHER_KEY, strict_55=True)
    assert not chat_ids.is_by(f"{key}-no uuid", ANN.public, strict_55=True)
    assert not chat_ids.is_by(f"{key}-", ANN.public, strict_55=True)
    first = event(EventType.CHAT_CREATED, ANN, 1, chat=reversed_id)
    assert fold(reversed_id, [first], strict_55=True).group.creator == ANN.public.legacy
    assert isinstance(fold_strictly(reversed_id, [first]), Refused)
    assert isinstance(fold_strictly(reversed_id, [first], strict_55=True), Fold)


@pytest.mark.parametrize("case", VECTORS["mapping"]["chat_id"], ids=lambda case: str(case["generation"]))
def test_4_a_conversation_has_the_chat_id_of_the_vector(case: dict[str, Any]) -> None:
    creator = Key.parse(VECTORS["keys"][case["creator"]]["pub"])
    made = chat_ids.of_conversation(ConversationId(case["conversation_id"]), case["generation"], creator)
    assert made == case["chat_id"]
    assert chat_ids.is_by(made, creator)


# --- 5


@pytest.mark.parametrize(
    ("at", "taken"),
    [
        (0, False),
        (1, True),
        (NOW_MS, True),
        (NOW_MS + STATUS_CLOCK_AHEAD_MS_MAX, True),
        (NOW_MS + STATUS_CLOCK_AHEAD_MS_MAX + 1, False),
        (2**64 - 1, False),
    ],
)
def test_5_a_clock_of_0_or_too_far_ahead_refuses_the_whole_message(at: int, taken: bool) -> None:
    sent = (*BASE, event(EventType.NAME_CHANGED, ANN, at, name="x"))
    update = MembershipUpdateMessage(chat_id=CHAT, events=tuple(each.raw for each in sent))
    stream = streams.read([envelopes.sign(update, ANN).raw], NOW_MS)
    assert isinstance(stream, streams.Stream)
    assert stream.events == (sent if taken else ())
    assert stream.bad == (() if taken else (streams.Bad(1, events.Fault.BAD_CLOCK, str(at)),))


# --- 6


@pytest.mark.parametrize("expected", VECTORS["fold"], ids=lambda expected: expected["rules"])
def test_6_the_stream_of_the_vectors_comes_to_what_they_say(expected: dict[str, Any]) -> None:
    chat_id, signed = vector_stream()
    folded = fold(chat_id, signed, Rules(expected["rules"]))
    group = folded.group
    assert group.name == expected["name"]
    assert group.color == expected["color"]
    assert group.image.hex() == expected["image_hex"]
    assert [NAMES[member] for member in group.members] == expected["members"]
    assert [NAMES[admin] for admin in group.admins] == expected["admins"]
    ignored = [[each.event.event.clock, EventType(each.event.event.type).name] for each in folded.ignored]
    assert ignored == expected["ignored"]
    assert group.last_clock == NOW_MS + 8


# --- 7

ROWS: list[tuple[str, SignedEvent, Fault | None, Fault | None]] = [  # event, fault by status-go, fault by 55
    ("created twice", event(EventType.CHAT_CREATED, ANN, 9, name="x"), *[Fault.ALREADY_CREATED] * 2),
    *(
        row
        for kind, said in (
            (EventType.NAME_CHANGED, {"name": "x"}),
            (EventType.COLOR_CHANGED, {"color": "x"}),
            (EventType.IMAGE_CHANGED, {"image": b"x"}),
        )
        for row in (
            (f"{kind.name} by an admin", event(kind, ANN, 9, **said), None, None),
            (f"{kind.name} by a member", event(kind, BOB, 9, **said), None, Fault.NOT_AN_ADMIN),
            (f"{kind.name} by a stranger", event(kind, EVE, 9, **said), Fault.NOT_A_MEMBER, Fault.NOT_AN_ADMIN),
            (f"{kind.name} to nothing", event(kind, ANN, 9), Fault.EMPTY, None),
        )
    ),
    ("add by an admin", event(EventType.MEMBERS_ADDED, DAN, 9, EVE), None, None),
    ("add by a member", event(EventType.MEMBERS_ADDED, BOB, 9, EVE), None, Fault.NOT_AN_ADMIN),
    ("add by a stranger", event(EventType.MEMBERS_ADDED, EVE, 9, EVE), Fault.NOT_A_MEMBER, Fault.NOT_AN_ADMIN),
    ("join of a member", event(EventType.MEMBER_JOINED, BOB, 9), None, None),
    ("join of a stranger", event(EventType.MEMBER_JOINED, EVE, 9), Fault.NOT_A_MEMBER, None),
    ("join before the chat", event(EventType.MEMBER_JOINED, BOB, 0), *[Fault.NOT_CREATED] * 2),
    ("removal by an admin", event(EventType.MEMBER_REMOVED, ANN, 9, BOB), None, None),
    ("removal of a stranger by an admin", event(EventType.MEMBER_REMOVED, ANN, 9, EVE), None, None),
    ("removal by a member", event(EventType.MEMBER_REMOVED, BOB, 9, DAN), *[Fault.NOT_AN_ADMIN] * 2),
    ("removal of an admin", event(EventType.MEMBER_REMOVED, ANN, 9, DAN), *[Fault.TARGET_IS_ADMIN] * 2),
    ("removal of nobody", event(EventType.MEMBER_REMOVED, ANN, 9), *[Fault.NOT_ONE_MEMBER] * 2),
    ("removal of two", event(EventType.MEMBER_REMOVED, ANN, 9, BOB, EVE), *[Fault.NOT_ONE_MEMBER] * 2),
    ("a member leaves", event(EventType.MEMBER_REMOVED, BOB, 9, BOB), None, None),
    ("an admin leaves", event(EventType.MEMBER_REMOVED, DAN, 9, DAN), None, None),
    ("4: a stranger leaves", event(EventType.MEMBER_REMOVED, EVE, 9, EVE), None, Fault.NOT_A_MEMBER),
    ("promotion of a member", event(EventType.ADMINS_ADDED, ANN, 9, BOB), None, None),
    ("promotion by a member", event(EventType.ADMINS_ADDED, BOB, 9, BOB), *[Fault.NOT_AN_ADMIN] * 2),
    ("promotion of a stranger", event(EventType.ADMINS_ADDED, ANN, 9, EVE), *[Fault.TARGET_NOT_A_MEMBER] * 2),
    ("3: and of one more", event(EventType.ADMINS_ADDED, ANN, 9, EVE, BOB), None, Fault.TARGET_NOT_A_MEMBER),
    ("promotion of nobody", event(EventType.ADMINS_ADDED, ANN, 9), Fault.TARGET_NOT_A_MEMBER, None),
    ("an admin steps down", event(EventType.ADMIN_REMOVED, DAN, 9, DAN), None, None),
    ("an admin downs another", event(EventType.ADMIN_REMOVED, ANN, 9, DAN), *[Fault.NOT_ONESELF] * 2),
    ("a member steps down", event(EventType.ADMIN_REMOVED, BOB, 9, BOB), *[Fault.NOT_AN_ADMIN] * 2),
    ("nobody steps down", event(EventType.ADMIN_REMOVED, ANN, 9), *[Fault.NOT_ONE_MEMBER] * 2),
    ("two step down", event(EventType.ADMIN_REMOVED, ANN, 9, ANN, DAN), *[Fault.NOT_ONE_MEMBER] * 2),
    ("no type", event(EventType.UNKNOWN, ANN, 9), *[Fault.UNKNOWN_TYPE] * 2),
    ("a type of the future", event(77, ANN, 9), *[Fault.UNKNOWN_TYPE] * 2),
]


@pytest.mark.parametrize("rules", Rules)
@pytest.mark.parametrize(("signed", "go", "rfc"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_7_who_may_do_what(signed: SignedEvent, go: Fault | None, rfc: Fault | None, rules: Rules) -> None:
    folded = fold(CHAT, [*BASE, signed], rules)
    expected = go if rules is GO else rfc
    assert [each.reason for each in folded.ignored] == ([expected] if expected else [])
    assert (signed in folded.events) == (expected is None)


@pytest.mark.parametrize("rules", Rules)
@pytest.mark.parametrize("name", ["Garden", ""])
def test_7_a_chat_is_created_even_without_a_name(rules: Rules, name: str) -> None:
    group = fold(CHAT, [event(EventType.CHAT_CREATED, ANN, 5, name=name, color="#7cda00")], rules).group
    assert (group.creator, group.name, group.color) == (ANN.public.legacy, name, "#7cda00")
    assert [*group.members] == [*group.admins] == [*group.joined] == [ANN.public.legacy]


@pytest.mark.parametrize("rules", Rules)
def test_7_who_is_not_named_in_the_chat_id_does_not_create_it(rules: Rules) -> None:
    stolen = event(EventType.CHAT_CREATED, EVE, 0)
    folded = fold(CHAT, [stolen, *BASE], rules)
    assert [(each.event, each.reason) for each in folded.ignored] == [(stolen, Fault.WRONG_CREATOR)]
    assert folded.group.creator == ANN.public.legacy


def test_7_a_group_that_all_left_is_created_anew_by_its_creator_alone_and_never_under_55() -> None:
    left = [event(EventType.CHAT_CREATED, ANN, 1, name="old"), event(EventType.MEMBER_REMOVED, ANN, 2, ANN)]
    again, stolen = event(EventType.CHAT_CREATED, ANN, 3, name="new"), event(EventType.CHAT_CREATED, EVE, 3)
    assert fold(CHAT, [*left, again], GO).group.name == "new"
    assert fold(CHAT, [*left, stolen], GO).ignored[0].reason == Fault.WRONG_CREATOR
    assert fold(CHAT, [*left, again], RFC).ignored[0].reason == Fault.ALREADY_CREATED


def test_7_a_group_is_not_created_anew_while_somebody_is_member_or_admin() -> None:
    again = event(EventType.CHAT_CREATED, ANN, 20, name="new")
    only_members = [event(EventType.ADMIN_REMOVED, DAN, 4, DAN), event(EventType.ADMIN_REMOVED, ANN, 5, ANN)]
    only_admins = [
        event(EventType.ADMINS_ADDED, ANN, 4, EVE, BOB),
        *(event(EventType.MEMBER_REMOVED, each, 5, each) for each in (ANN, BOB, DAN)),
    ]
    for before in (only_members, only_admins):
        folded = fold(CHAT, [*BASE, *before, again])
        assert [each.reason for each in folded.ignored] == [Fault.ALREADY_CREATED]


@pytest.mark.parametrize("rules", Rules)
def test_7_what_events_do(rules: Rules) -> None:
    group = fold(
        CHAT,
        [
            *BASE,
            event(EventType.NAME_CHANGED, ANN, 4, name="Shed"),
            event(EventType.COLOR_CHANGED, ANN, 5, color="#7cda00"),
            event(EventType.IMAGE_CHANGED, DAN, 6, image=b"\x89PNG"),
            event(EventType.ADMIN_REMOVED, ANN, 7, ANN),
        ],
        rules,
    ).group
    assert (group.name, group.color, group.image, group.last_clock) == ("Shed", "#7cda00", b"\x89PNG", 7)
    assert [*group.members] == [each.public.legacy for each in (ANN, BOB, DAN)]
    assert [*group.admins] == [DAN.public.legacy]


@pytest.mark.parametrize("rules", Rules)
def test_7_who_is_removed_is_neither_member_nor_admin_nor_there(rules: Rules) -> None:
    gone = fold(
        CHAT, [*BASE, event(EventType.MEMBER_JOINED, DAN, 4), event(EventType.MEMBER_REMOVED, DAN, 5, DAN)], rules
    ).group
    assert DAN.public.legacy not in gone.members
    assert DAN.public.legacy not in gone.admins
    assert DAN.public.legacy not in gone.joined


def test_7_joining_is_a_matter_of_course_for_clients_and_an_own_step_in_55() -> None:
    everybody, bob = {each.public.legacy for each in (ANN, BOB, DAN)}, event(EventType.MEMBER_JOINED, BOB, 4)
    assert fold(CHAT, BASE, GO).group.joined == everybody
    assert fold(CHAT, BASE, RFC).group.joined == {ANN.public.legacy}
    assert fold(CHAT, [*BASE, bob], RFC).group.joined == {ANN.public.legacy, BOB.public.legacy}


@pytest.mark.parametrize("rules", Rules)
def test_7_a_stranger_who_joins_is_still_a_stranger(rules: Rules) -> None:
    group = fold(CHAT, [*BASE, event(EventType.MEMBER_JOINED, EVE, 4)], rules).group
    assert EVE.public.legacy not in group.members
    assert EVE.public.legacy not in group.joined


def test_7_discrepancy_3_makes_a_stranger_an_admin_who_is_no_member_and_may_act() -> None:
    made = event(EventType.ADMINS_ADDED, ANN, 4, EVE, BOB)
    group = fold(CHAT, [*BASE, made], GO).group
    assert EVE.public.legacy in group.admins
    assert EVE.public.legacy not in group.members
    renamed = event(EventType.NAME_CHANGED, EVE, 5, name="hers")
    assert fold(CHAT, [*BASE, made, renamed], GO).group.name == "hers"
    assert fold(CHAT, [*BASE, made, renamed], RFC).group.name == "Garden"


def test_7_discrepancy_4_has_no_effect() -> None:
    without, with_it = fold(CHAT, BASE), fold(CHAT, [*BASE, event(EventType.MEMBER_REMOVED, EVE, 4, EVE)])
    assert with_it.group.members == without.group.members
    assert with_it.group.last_clock == 4


@pytest.mark.parametrize("rules", Rules)
def test_7_discrepancy_5_the_last_admin_may_step_down_and_nobody_follows(rules: Rules) -> None:
    down = [event(EventType.ADMIN_REMOVED, DAN, 4, DAN), event(EventType.ADMIN_REMOVED, ANN, 5, ANN)]
    folded = fold(CHAT, [*BASE, *down, event(EventType.ADMINS_ADDED, ANN, 6, ANN)], rules)
    assert not folded.group.admins
    assert [each.reason for each in folded.ignored] == [Fault.NOT_AN_ADMIN]


def test_7_a_key_in_other_letters_is_another_member() -> None:
    shouted = BOB.public.legacy.upper()
    folded = fold(CHAT, [*BASE, event(EventType.MEMBER_REMOVED, ANN, 4, shouted)])
    assert not folded.ignored
    assert BOB.public.legacy in folded.group.members


# --- 8


def test_8_equal_clocks_come_to_one_state_in_any_order_of_arrival() -> None:
    at_once = [
        event(EventType.MEMBER_REMOVED, ANN, 9, BOB),
        event(EventType.NAME_CHANGED, BOB, 9, name="Bob's"),
        event(EventType.NAME_CHANGED, DAN, 9, name="Dan's"),
        event(EventType.ADMINS_ADDED, DAN, 9, BOB),
    ]
    for rules in Rules:
        outcomes = [fold(CHAT, [*arrived, *BASE], rules) for arrived in itertools.permutations(at_once)]
        assert all(outcome == outcomes[0] for outcome in outcomes)
        assert len(outcomes[0].events) + len(outcomes[0].ignored) == 7


def test_8_copies_of_an_event_count_once() -> None:
    assert fold(CHAT, [*BASE, *BASE]) == fold(CHAT, BASE)


def test_8_a_signature_put_under_other_bytes_does_not_push_out_the_event_it_belongs_to() -> None:
    earlier = MembershipUpdateEvent(clock=1, type=EventType.NAME_CHANGED, name="x").encode()
    forged, true = read(BASE[1].signature + earlier), BASE[1]
    assert forged.signature == true.signature
    assert list(fold(CHAT, [*BASE, forged]).events) == BASE


def test_8_a_signature_that_counted_does_not_count_again_under_other_bytes() -> None:
    later = MembershipUpdateEvent(clock=99, type=EventType.NAME_CHANGED, name="x").encode()
    folded = fold(CHAT, [*BASE, read(BASE[1].signature + later)])
    assert [each.reason for each in folded.ignored] == [Fault.SIGNED_BEFORE]


# --- 9


def test_9_the_strict_fold_refuses_all_at_the_first_event_that_may_not_be() -> None:
    renamed, removed = event(EventType.NAME_CHANGED, EVE, 11, name="x"), event(EventType.MEMBER_REMOVED, BOB, 12, ANN)
    last = event(EventType.NAME_CHANGED, ANN, 13, name="last")
    sent = [last, removed, *BASE, renamed]
    assert fold_strictly(CHAT, sent) == Refused(Fault.NOT_A_MEMBER, f"11 by {EVE.public.compressed}")
    folded = fold(CHAT, sent)
    assert [(each.event, each.reason) for each in folded.ignored] == [
        (renamed, Fault.NOT_A_MEMBER),
        (removed, Fault.NOT_AN_ADMIN),
    ]
    assert folded.group.name == "last"


def test_9_what_passes_the_strict_fold_is_what_the_lenient_one_says() -> None:
    assert fold_strictly(CHAT, BASE) == fold(CHAT, BASE)
    assert isinstance(fold_strictly(CHAT, BASE), Fold)


def test_9_a_list_that_does_not_begin_with_the_creation_is_refused_and_so_is_an_empty_one() -> None:
    assert fold_strictly(CHAT, []) == Refused(Fault.NOT_CREATED)
    assert isinstance(fold_strictly(CHAT, BASE[1:]), Refused)
    assert isinstance(fold_strictly(CHAT, [*BASE, event(EventType.NAME_CHANGED, ANN, 0, name="x")]), Refused)


def test_9_two_valid_edits_at_once_stop_the_strict_fold_for_ever() -> None:
    apart = [event(EventType.MEMBER_REMOVED, ANN, 10, BOB), event(EventType.NAME_CHANGED, BOB, 11, name="x")]
    assert all(isinstance(fold_strictly(CHAT, [*BASE, each]), Fold) for each in apart)
    assert isinstance(fold_strictly(CHAT, [*BASE, *apart]), Refused)
    assert fold(CHAT, [*BASE, *apart]).group.name == "Garden"


# --- 10


def test_10_the_wrapped_message_has_the_id_of_the_vector() -> None:
    vector = VECTORS["wrapped_chat_message"]
    envelope = envelopes.read(bytes.fromhex(vector["application_metadata_hex"]))
    assert isinstance(envelope, envelopes.Envelope)
    assert envelope.id == vector["message_id"]
    assert envelope.author.legacy == VECTORS["keys"][vector["signer"]]["pub"]
    assert isinstance(envelope.message, MembershipUpdateMessage)
    assert envelope.message.encode().hex() == vector["payload_hex"]
    assert isinstance(envelope.message.message, ChatMessage)
    assert entities.fault(envelope.message.message, NOW_MS) is None
    assert envelopes.sign(envelope.message, SECRETS[vector["signer"]]) == envelope


# --- 11


def reaction(at: int, **said: Any) -> EmojiReaction:
    usual: dict[str, Any] = {
        "chat_id": CHAT,
        "message_id": "0x01",
        "message_type": MessageType.PRIVATE_GROUP,
        "type": ReactionType.LOVE,
    }
    return EmojiReaction(clock=at, **(usual | said))


def test_11_a_reaction_is_known_by_author_message_and_feeling() -> None:
    others = [
        (BOB.public, reaction(5)),
        (EVE.public, reaction(5)),
        (BOB.public, reaction(5, message_id="0x02")),
        (BOB.public, reaction(5, type=ReactionType.SAD)),
    ]
    assert len({entities.reaction_id(*each) for each in others}) == 4
    name = (BOB.public.legacy + "0x01" + "1").encode()
    assert entities.reaction_id(BOB.public, reaction(5)) == "0x" + keccak256(name).hex()
    assert entities.reaction_id(BOB.public, reaction(6, retracted=True)) == entities.reaction_id(*others[0])


# --- 14, the pure half


def test_14_a_commit_is_after_its_parents_and_as_late_as_its_time() -> None:
    assert clock.of_commit(1_700_000_000, None, []) == NOW_MS
    assert clock.of_commit(0, None, []) == 1
    assert clock.of_commit(1_700_000_000, None, [NOW_MS - 1]) == NOW_MS
    assert clock.of_commit(1_700_000_000, None, [7, NOW_MS]) == NOW_MS + 1


@pytest.mark.parametrize(
    ("explicit", "counts"),
    [
        (0, False),
        (99, False),
        (100, False),
        (101, True),
        (5_000 + STATUS_CLOCK_AHEAD_MS_MAX, True),
        (5_001 + STATUS_CLOCK_AHEAD_MS_MAX, False),
    ],
)
def test_14_what_a_commit_states_counts_only_after_its_parents_and_near_its_time(explicit: int, counts: bool) -> None:
    assert clock.of_commit(5, explicit, [100]) == (explicit if counts else 5_000)
