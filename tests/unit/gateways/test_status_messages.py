"""What is said in a chat, its wrapper, its clock: taken or refused at each edge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from swarmchat.crypto.keccak import keccak256
from swarmchat.gateways.protobuf import Fault as BytesFault
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import chat_ids, clock, entities, envelopes, events, words
from swarmchat.gateways.status.entities import Fault
from swarmchat.gateways.status.wire import (
    PAYLOADS,
    ApplicationMetadataMessage,
    AudioMessage,
    ChatMessage,
    ContentType,
    DeleteMessage,
    EditMessage,
    EmojiReaction,
    Entity,
    EventType,
    GroupChatInvitation,
    ImageFormat,
    ImageMessage,
    InvitationState,
    MembershipUpdateEvent,
    MembershipUpdateMessage,
    MessageType,
    ReactionType,
    StickerMessage,
)
from swarmchat.limits import (
    STATUS_BIG_EVENT_BYTES,
    STATUS_BIG_EVENTS_BYTES_MAX,
    STATUS_CHAT_ID_CHARS_MAX,
    STATUS_CLOCK_AHEAD_MS_MAX,
    STATUS_EVENT_BYTES_MAX,
    STATUS_EVENTS_BYTES_MAX,
    STATUS_EVENTS_MAX,
    STATUS_TEXT_CHARS_MAX,
)
from tests.support.status_groups import ANN, BOB, CHAT, EVE, NOW_MS, event, founded

GROUP = MessageType.PRIVATE_GROUP
TEXT = ChatMessage(
    clock=1, timestamp=1, text="hi", chat_id=CHAT, message_type=GROUP, content_type=ContentType.TEXT_PLAIN
)
HEART = EmojiReaction(clock=1, chat_id=CHAT, message_id="0x01", message_type=GROUP, type=ReactionType.LOVE)
EDIT = EditMessage(clock=1, text="ho", chat_id=CHAT, message_id="0x01", message_type=GROUP, content_type=1)
GONE = DeleteMessage(clock=1, chat_id=CHAT, message_id="0x01", message_type=GROUP)
KNOCK = GroupChatInvitation(clock=1, chat_id=CHAT, introduction_message="me", state=InvitationState.REQUEST)
EACH: list[Entity] = [TEXT, HEART, EDIT, GONE, KNOCK]


def reason(entity: Entity) -> str | None:
    refused = entities.fault(entity, NOW_MS)
    return None if refused is None else refused.reason


# --- entities


@pytest.mark.parametrize("entity", EACH, ids=lambda entity: type(entity).__name__)
def test_each_kind_is_taken_and_without_clock_or_chat_refused(entity: Entity) -> None:
    late = NOW_MS + STATUS_CLOCK_AHEAD_MS_MAX
    assert reason(entity) is None
    assert reason(replace(entity, clock=late)) is None
    assert reason(replace(entity, clock=late + 1)) == Fault.BAD_CLOCK
    assert reason(replace(entity, clock=0)) == Fault.BAD_CLOCK
    assert reason(replace(entity, chat_id="")) == Fault.NO_CHAT_ID


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"timestamp": 0}, Fault.NO_TIMESTAMP),
        ({"message_type": 0}, Fault.BAD_MESSAGE_TYPE),
        ({"message_type": MessageType.SYSTEM_MESSAGE_PRIVATE_GROUP}, Fault.BAD_MESSAGE_TYPE),
        ({"message_type": MessageType.ONE_TO_ONE}, None),
        *(({"content_type": number}, Fault.BAD_CONTENT_TYPE) for number in (0, 5, 6, 10, 14, 15, 16, 17)),
        *(({"content_type": number}, None) for number in (1, 3, 4, 9, 11, 12, 13, 18, 99)),
        ({"text": ""}, Fault.BLANK_TEXT),
        ({"text": " \n\u00a0"}, Fault.BLANK_TEXT),
        ({"text": "", "content_type": ContentType.DISCORD_MESSAGE}, None),
        ({"text": "", "content_type": ContentType.BRIDGE_MESSAGE}, None),
        ({"text": "", "content_type": ContentType.EMOJI}, Fault.BLANK_TEXT),
        ({"text": "🦊" * STATUS_TEXT_CHARS_MAX}, None),
        ({"text": "🦊" * (STATUS_TEXT_CHARS_MAX + 1)}, Fault.TEXT_TOO_LONG),
        ({"display_name": "Anna1"}, None),
        ({"display_name": "Anna"}, Fault.BAD_DISPLAY_NAME),
        ({"display_name": "A-b_c 0" + "x" * 17}, None),
        ({"display_name": "x" * 25}, Fault.BAD_DISPLAY_NAME),
        ({"display_name": "Ännchen"}, Fault.BAD_DISPLAY_NAME),
        ({"display_name": "Annika\n"}, Fault.BAD_DISPLAY_NAME),
    ],
    ids=str,
)
def test_what_a_message_must_have(changed: dict[str, Any], expected: Fault | None) -> None:
    assert reason(replace(TEXT, **changed)) == expected


PICTURE = ImageMessage(payload=b"x", format=ImageFormat.PNG)
SOUND = AudioMessage(payload=b"x", type=1)


@pytest.mark.parametrize(
    ("content_type", "said", "taken"),
    [
        (ContentType.STICKER, {"sticker": StickerMessage(hash="0x")}, True),
        (ContentType.STICKER, {"sticker": StickerMessage()}, False),
        (ContentType.STICKER, {}, False),
        (ContentType.IMAGE, {"image": PICTURE}, True),
        (ContentType.IMAGE, {"image": PICTURE, "text": ""}, True),
        (ContentType.IMAGE, {"image": replace(PICTURE, payload=b"")}, False),
        (ContentType.IMAGE, {"image": replace(PICTURE, format=0)}, False),
        (ContentType.IMAGE, {"audio": SOUND}, False),
        (ContentType.AUDIO, {"audio": SOUND}, True),
        (ContentType.AUDIO, {"audio": replace(SOUND, payload=b"")}, False),
        (ContentType.AUDIO, {"audio": replace(SOUND, type=0)}, False),
        (ContentType.AUDIO, {}, False),
    ],
    ids=str,
)
def test_what_a_message_says_it_is_must_stand_in_it(content_type: int, said: dict[str, Any], taken: bool) -> None:
    assert reason(replace(TEXT, content_type=content_type, **said)) == (None if taken else Fault.NO_CONTENT)


@pytest.mark.parametrize(
    ("entity", "expected"),
    [
        (replace(HEART, message_id=""), Fault.NO_MESSAGE_ID),
        (replace(HEART, type=0), Fault.BAD_REACTION),
        (replace(HEART, type=7), None),
        (replace(HEART, message_type=0), Fault.BAD_MESSAGE_TYPE),
        (replace(EDIT, message_id=""), Fault.NO_MESSAGE_ID),
        (replace(EDIT, message_type=0), Fault.BAD_MESSAGE_TYPE),
        (replace(EDIT, text=" "), Fault.BLANK_TEXT),
        (replace(EDIT, text="", content_type=ContentType.IMAGE), None),
        (replace(EDIT, text="x" * (STATUS_TEXT_CHARS_MAX + 1)), Fault.TEXT_TOO_LONG),
        (replace(GONE, message_id=""), Fault.NO_MESSAGE_ID),
        (replace(GONE, message_type=0), Fault.BAD_MESSAGE_TYPE),
        (replace(KNOCK, state=0), Fault.BAD_STATE),
        (replace(KNOCK, state=InvitationState.APPROVED), None),
        (replace(KNOCK, state=4), Fault.BAD_STATE),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_others_must_have(entity: Entity, expected: Fault | None) -> None:
    assert reason(entity) == expected


def test_a_message_is_changed_by_its_author_and_deleted_by_an_admin_too() -> None:
    ann, bob, eve = ANN.public, BOB.public, EVE.public
    admins = {ann.legacy}
    refused = Refused(Fault.NOT_THE_AUTHOR, ann.compressed)
    assert entities.change_fault(EDIT, bob, bob, admins) is None
    assert entities.change_fault(EDIT, ann, bob, admins) == refused
    assert entities.change_fault(GONE, bob, bob, admins) is None
    assert entities.change_fault(GONE, ann, bob, admins) is None
    assert entities.change_fault(GONE, eve, bob, admins) == Refused(Fault.NOT_THE_AUTHOR, eve.compressed)


def test_who_deletes_a_message_names_nobody_else() -> None:
    admins = {ANN.public.legacy}
    own, other = replace(GONE, deleted_by=ANN.public.legacy), replace(GONE, deleted_by=EVE.public.legacy)
    assert entities.change_fault(own, ANN.public, BOB.public, admins) is None
    assert entities.change_fault(other, ANN.public, BOB.public, admins) is not None
    assert entities.change_fault(other, BOB.public, BOB.public, admins) is not None


# --- wrappers

WHOLE = MembershipUpdateMessage(chat_id=CHAT, events=tuple(each.raw for each in founded()), message=TEXT)


@pytest.mark.parametrize("message", [*EACH, WHOLE], ids=lambda message: type(message).__name__)
def test_a_wrapper_is_read_back_with_its_author_and_id(message: Any) -> None:
    sealed = envelopes.sign(message, BOB)
    assert envelopes.read(sealed.raw) == sealed
    assert sealed.author == BOB.public
    assert sealed.id == "0x" + keccak256(BOB.public.raw, sealed.raw).hex()


@pytest.mark.parametrize(
    ("wrapper", "expected"),
    [
        (ApplicationMetadataMessage(payload=TEXT.encode(), type=1), envelopes.Fault.NOT_SIGNED),
        (ApplicationMetadataMessage(signature=bytes(65), payload=TEXT.encode(), type=1), envelopes.Fault.BAD_SIGNATURE),
        (ApplicationMetadataMessage(signature=b"x", payload=TEXT.encode(), type=1), envelopes.Fault.BAD_SIGNATURE),
        (ApplicationMetadataMessage(signature=bytes(65), payload=TEXT.encode(), type=28), envelopes.Fault.UNKNOWN_TYPE),
        (ApplicationMetadataMessage(signature=bytes(65), payload=TEXT.encode()), envelopes.Fault.UNKNOWN_TYPE),
        (ApplicationMetadataMessage(signature=bytes(65), payload=b"\x08", type=1), BytesFault.CUT_SHORT),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrapper_without_author_or_meaning_is_refused(wrapper: ApplicationMetadataMessage, expected: str) -> None:
    refused = envelopes.read(wrapper.encode())
    assert isinstance(refused, Refused)
    assert refused.reason == expected


def test_what_is_no_wrapper_is_refused() -> None:
    assert envelopes.read(b"\x0a") == Refused(BytesFault.CUT_SHORT, "ApplicationMetadataMessage")


def test_a_wrapper_of_other_bytes_names_another_message() -> None:
    sealed = envelopes.sign(TEXT, BOB)
    longer = envelopes.read(sealed.raw + b"\x20\x01")
    assert isinstance(longer, envelopes.Envelope)
    assert longer.author == BOB.public
    assert longer.id != sealed.id


def test_each_payload_type_has_its_number_and_message() -> None:
    assert {int(number): kind.__name__ for number, kind in PAYLOADS.items()} == {
        1: "ChatMessage",
        3: "MembershipUpdateMessage",
        22: "EmojiReaction",
        23: "GroupChatInvitation",
        29: "EditMessage",
        31: "DeleteMessage",
    }


# --- events at their limits


def test_an_event_has_so_many_bytes_and_no_more() -> None:
    image = b"x" * (STATUS_EVENT_BYTES_MAX - 65 - 8)
    longest = event(EventType.IMAGE_CHANGED, ANN, 1, image=image)
    assert len(longest.raw) == STATUS_EVENT_BYTES_MAX
    assert events.read(longest.raw, CHAT) == longest
    longer = event(EventType.IMAGE_CHANGED, ANN, 1, image=image + b"x")
    assert events.read(longer.raw, CHAT) == Refused(events.Fault.EVENT_TOO_BIG)


@pytest.mark.parametrize(
    ("count", "size", "added", "fits"),
    [
        (STATUS_EVENTS_MAX - 2, 0, [66, 66], True),
        (STATUS_EVENTS_MAX - 1, 0, [66, 66], False),
        (1, STATUS_EVENTS_BYTES_MAX - 2 * STATUS_BIG_EVENT_BYTES, [STATUS_BIG_EVENT_BYTES] * 2, True),
        (1, STATUS_EVENTS_BYTES_MAX - 2 * STATUS_BIG_EVENT_BYTES + 1, [STATUS_BIG_EVENT_BYTES] * 2, False),
        (1, STATUS_BIG_EVENTS_BYTES_MAX - STATUS_BIG_EVENT_BYTES - 67, [66, STATUS_BIG_EVENT_BYTES + 1], True),
        (1, STATUS_BIG_EVENTS_BYTES_MAX - STATUS_BIG_EVENT_BYTES - 66, [66, STATUS_BIG_EVENT_BYTES + 1], False),
    ],
)
def test_a_chat_has_room_for_so_many_events_and_bytes_and_for_less_of_big_ones(
    count: int, size: int, added: list[int], fits: bool
) -> None:
    assert events.have_room(count, size, [bytes(each) for each in added]) == fits


@pytest.mark.parametrize("chat_id", ["", "x" * (STATUS_CHAT_ID_CHARS_MAX + 1), "\ud800"])
def test_an_event_of_no_chat_is_neither_signed_nor_read(chat_id: str) -> None:
    with pytest.raises(ValueError):
        events.sign(MembershipUpdateEvent(clock=1), chat_id, ANN)
    refused = events.read(founded()[0].raw, chat_id)
    assert isinstance(refused, Refused)
    assert refused.reason == events.Fault.BAD_CHAT_ID


@pytest.mark.parametrize("chat_id", ["x", "x" * STATUS_CHAT_ID_CHARS_MAX], ids=len)
def test_the_shortest_and_the_longest_chat_id_are_signed_for(chat_id: str) -> None:
    signed = event(EventType.MEMBER_JOINED, ANN, 1, chat=chat_id)
    assert events.read(signed.raw, chat_id) == signed


def test_a_signature_that_nobody_can_have_made_is_refused() -> None:
    assert events.read(bytes(65) + b"\x08\x01", CHAT) == Refused(events.Fault.BAD_SIGNATURE)


def test_an_event_that_is_no_message_is_refused() -> None:
    assert events.read(founded()[0].raw[:65] + b"\x08", CHAT) == Refused(BytesFault.CUT_SHORT, "MembershipUpdateEvent")


# --- clocks and ids


def test_a_clock_bids_the_time_and_never_falls_behind() -> None:
    assert clock.following(5, 100) == 100
    assert clock.following(99, 100) == 100
    assert clock.following(100, 100) == 101
    assert clock.following(500, 100) == 501


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("1700000000001", 1_700_000_000_001),
        (str(2**64 - 1), 2**64 - 1),
        (str(2**64), None),
        ("01", None),
        ("-1", None),
        ("+1", None),
        (" 1", None),
        ("1\n", None),
        ("١", None),
        ("", None),
        (1, None),
        (None, None),
        (["1"], None),
    ],
)
def test_the_clock_that_a_commit_states_is_a_plain_decimal(text: object, expected: int | None) -> None:
    assert clock.parsed(text) == expected


def test_the_last_event_of_a_commit_has_its_clock() -> None:
    assert list(clock.shares(10, 1)) == [10]
    assert list(clock.shares(10, 3)) == [8, 9, 10]


def test_events_about_to_be_signed_bid_after_the_parents_and_the_commit_states_the_last() -> None:
    assert list(clock.bids([5, 7], 100, 3)) == [100, 101, 102]
    assert list(clock.bids([5, 100], 100, 2)) == [101, 102]
    bid = clock.bids([5, 100], 100, 2)
    assert clock.of_commit(0, bid[-1], [5, 100]) == bid[-1]


def test_a_new_chat_id_is_a_uuid_of_version_4_and_the_key() -> None:
    assert chat_ids.made(b"\xff" * 16, ANN.public) == "ffffffff-ffff-4fff-bfff-ffffffffffff-" + ANN.public.legacy
    assert chat_ids.made(bytes(16), ANN.public) == "00000000-0000-4000-8000-000000000000-" + ANN.public.legacy


@pytest.mark.parametrize(("name", "shown"), [("Annika", "Annika"), ("     ", ""), ("Anna", ""), ("Ann\x1b[2J", "")])
def test_nobody_goes_by_a_name_that_is_blank_or_that_clients_would_not_take(name: str, shown: str) -> None:
    assert words.display_name(name) == shown
