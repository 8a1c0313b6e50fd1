"""Payloads of data sync: what is read of whatever comes, and how much goes into one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swarmchat.crypto.keccak import keccak256
from swarmchat.crypto.secp256k1 import Key, Secret
from swarmchat.gateways import protobuf
from swarmchat.gateways.datasync.payload import (
    Draft,
    Fault,
    GroupId,
    Message,
    MessageId,
    Metadata,
    Offer,
    Payload,
    Profile,
    group_of,
    private_group,
    read_message,
    read_payload,
    write_message,
    write_payload,
)
from swarmchat.gateways.refusal import Refused
from swarmchat.ids import ConversationId
from swarmchat.limits import (
    DATASYNC_FRAME_BYTES_MAX,
    DATASYNC_IDS_PER_PAYLOAD_MAX,
    DATASYNC_IDS_READ_MAX,
    DATASYNC_MESSAGE_BYTES_MAX,
    DATASYNC_PARENTS_MAX,
)

GROUP = GroupId(bytes(range(32)))
ID = MessageId(b"i" * 32)


def read(payload: Payload) -> Payload:
    again = read_payload(write_payload(payload))
    assert isinstance(again, Payload), again
    return again


def sized(size: int) -> Message:
    """A message of exactly so many bytes on the wire."""
    message = Message(GROUP, 1, b"x" * (size - 50))
    return replace(message, body=message.body + b"x" * (size - message.size))


def ids(count: int) -> tuple[MessageId, ...]:
    return tuple(MessageId(index.to_bytes(32)) for index in range(count))


@pytest.mark.parametrize("timestamp", [-(2**63), -1, 0, 2**63 - 1])
@pytest.mark.parametrize("metadata", [None, Metadata(), Metadata((ID,)), Metadata((ID, ID), ephemeral=True)])
def test_a_message_is_read_as_it_was_written(timestamp: int, metadata: Metadata | None) -> None:
    message = Message(GROUP, timestamp, b"", metadata)
    assert read_message(write_message(message)) == message
    assert read(Payload(messages=(message,))).messages == (message,)


@pytest.mark.parametrize("timestamp", [-(2**63) - 1, 2**63])
def test_a_time_beyond_64_bits_is_no_messages(timestamp: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        Message(GROUP, timestamp, b"")


def test_a_message_without_a_group_is_passed_over_and_the_next_one_is_read() -> None:
    good = Message(GROUP, 1, b"good")
    nowhere = b"\xe2\xb8\x02\x04\x90\xf7\x02\x01"
    payload = read_payload(nowhere + write_payload(Payload(messages=(good,))))
    assert isinstance(payload, Payload)
    assert (payload.messages, payload.passed_over) == ((good,), 1)
    assert read_message(b"\x90\xf7\x02\x01") == Refused(Fault.BAD_MESSAGE)
    with pytest.raises(ValueError, match="32 bytes"):
        Message(GroupId(b"short"), 1, b"")


def test_parents_of_a_wrong_length_are_left_out_and_too_many_are_no_messages() -> None:
    odd = Message(GROUP, 1, b"", Metadata((ID, MessageId(b"short"))))
    assert read(Payload(messages=(odd,))).messages == (replace(odd, metadata=Metadata((ID,))),)
    most = Message(GROUP, 1, b"", Metadata(ids(DATASYNC_PARENTS_MAX)))
    more = Message(GROUP, 1, b"", Metadata(ids(DATASYNC_PARENTS_MAX + 1)))
    assert read(Payload(messages=(more, most))).messages == (most,)


def test_offers_of_a_group_are_read_with_their_group() -> None:
    offers = (Offer(GROUP, ids(2)), Offer(GroupId(b"short"), ids(3)), Offer(GROUP, (MessageId(b""), ID)))
    payload = read(Payload(group_offers=offers))
    assert payload.group_offers == (Offer(GROUP, ids(2)), Offer(GROUP, (ID,)))
    assert payload.passed_over == 4


def test_of_long_lists_the_beginning_is_read() -> None:
    count = DATASYNC_IDS_READ_MAX + 1
    payload = read(Payload(ids(count), ids(count), ids(count), (), (Offer(GROUP, ids(count)), Offer(GROUP, (ID,)))))
    first = ids(DATASYNC_IDS_READ_MAX)
    assert (payload.acks, payload.offers, payload.requests) == (first, first, first)
    assert payload.group_offers == (Offer(GROUP, first),)
    assert payload.passed_over == 5


def test_of_many_messages_the_first_are_read() -> None:
    messages = tuple(Message(GROUP, index, b"") for index in range(DATASYNC_IDS_PER_PAYLOAD_MAX + 1))
    payload = read(Payload(messages=messages))
    assert (payload.messages, payload.passed_over) == (messages[:-1], 1)


def test_a_message_has_so_many_bytes_and_no_more() -> None:
    most, more = sized(DATASYNC_MESSAGE_BYTES_MAX), sized(DATASYNC_MESSAGE_BYTES_MAX + 1)
    assert (most.size, more.size) == (DATASYNC_MESSAGE_BYTES_MAX, DATASYNC_MESSAGE_BYTES_MAX + 1)
    assert read(Payload(messages=(most,))).messages == (most,)
    assert read(Payload(messages=(more,))).passed_over == 1
    assert read_message(write_message(most)) == most
    assert read_message(write_message(more)) == Refused(Fault.TOO_BIG, f"{more.size} bytes")


def test_a_payload_has_so_many_bytes_and_no_more() -> None:
    filling = write_payload(Payload(acks=(ID,)))
    unknown = DATASYNC_FRAME_BYTES_MAX - len(filling) - 5  # field 15, its length in three bytes
    whole = filling + b"\x7a" + protobuf.delimited([bytes(unknown + 1)])
    assert len(whole) == DATASYNC_FRAME_BYTES_MAX
    assert read_payload(whole) == Payload(acks=(ID,))
    assert read_payload(whole + b"\0") == Refused(Fault.TOO_BIG, f"{len(whole) + 1} bytes")
    with pytest.raises(ValueError, match="at most"):
        write_payload(Payload(messages=(sized(DATASYNC_FRAME_BYTES_MAX),)))


def test_broken_bytes_are_refused_with_what_is_wrong() -> None:
    assert read_payload(b"\xca\xb8\x02\x20cut") == Refused(protobuf.Fault.CUT_SHORT, "Payload")
    assert read_message(b"\x8a") == Refused(protobuf.Fault.CUT_SHORT, "Message")


def test_a_field_that_is_newer_than_we_are_is_not_taken_for_the_old_numbers() -> None:
    assert read_payload(b"\xf2\xb8\x02\x00") == Refused(Fault.EMPTY)
    assert read_payload(b"\x0a\x00") == Refused(Fault.WRONG_FIELD_NUMBERS)
    assert read_payload(b"\xea\xb8\x02\x00", Profile.VACP2P) == Refused(Fault.WRONG_FIELD_NUMBERS)


def test_a_draft_takes_so_many_things_in_all() -> None:
    draft = Draft()
    assert draft.payload() is None
    assert all(draft.ack(each) for each in ids(100))
    assert all(draft.offer(each) for each in ids(100))
    assert all(draft.request(each) for each in ids(DATASYNC_IDS_PER_PAYLOAD_MAX - 201))
    assert draft.room == 1
    message = Message(GROUP, 1, b"the last")
    assert draft.message(message)
    assert draft.room == 0
    assert not any((draft.ack(ID), draft.offer(ID), draft.request(ID), draft.message(message)))
    assert draft.payload() == Payload(ids(100), ids(100), ids(55), (message,))


def test_a_draft_takes_so_many_bytes_of_messages() -> None:
    draft = Draft()
    half = sized(DATASYNC_MESSAGE_BYTES_MAX // 2)
    assert draft.message(half)
    assert not draft.message(sized(DATASYNC_MESSAGE_BYTES_MAX // 2 + 1))
    assert draft.message(half)
    assert not draft.message(sized(60))
    assert draft.offer(ID)
    payload = draft.payload()
    assert payload == Payload(offers=(ID,), messages=(half, half))
    assert len(write_payload(payload)) <= DATASYNC_FRAME_BYTES_MAX


def test_a_conversation_is_a_group() -> None:
    conversation = ConversationId("0123456789abcdef0123456789abcdef01234567")
    assert group_of(conversation).hex() == "7ff154c3fb63e79a8620e2e6af362e0bf21652822f871310cf4d9d3d71dd0ef3"


def test_the_group_of_two_does_not_depend_on_who_makes_it() -> None:
    one, other = Secret(b"\1" * 32).public, Secret(b"\2" * 32).public
    small, large = sorted((one, other), key=lambda key: key.raw[1:33])
    assert private_group(one, other) == private_group(other, one)
    assert private_group(one, other) == keccak256(_compressed(small) + _compressed(large))


def _compressed(key: Key) -> bytes:
    return (b"\3" if key.raw[-1] % 2 else b"\2") + key.raw[1:33]
