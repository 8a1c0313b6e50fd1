"""Our reading and writing of protocol buffers beside that of the format's own runtime."""

from __future__ import annotations

import random
from typing import Any

import pytest
from google.protobuf.message import DecodeError

from swarmchat.gateways.datasync import wire as datasync
from swarmchat.gateways.protobuf import Message, Unknown
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status.wire import (
    ApplicationMetadataMessage,
    ChatMessage,
    DeleteMessage,
    EditMessage,
    EmojiReaction,
    GroupChatInvitation,
    MembershipUpdateEvent,
    MembershipUpdateMessage,
)
from tests.support.protobuf_oracle import anything, runtime_class, same, told

KINDS: list[type[Message]] = [
    ApplicationMetadataMessage,
    ChatMessage,
    DeleteMessage,
    EditMessage,
    EmojiReaction,
    GroupChatInvitation,
    MembershipUpdateEvent,
    MembershipUpdateMessage,
    datasync.Payload,
    datasync.OldPayload,
    datasync.Client,
]
EACH = 40  # messages of each kind: 440 in all


def parsed(kind: Any, data: bytes) -> Any:
    """What the runtime reads, None when it refuses."""
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError:
        return None
    return message


@pytest.mark.parametrize("kind", KINDS)
def test_19_random_messages_are_written_as_the_runtime_writes_them(kind: type[Message]) -> None:
    runtime, dice = runtime_class(kind), random.Random(kind.__name__)
    for _ in range(EACH):
        message = anything(kind, dice)
        written = message.encode()
        assert written == told(message, runtime).SerializeToString(deterministic=True)
        assert same(message, parsed(runtime, written))
        assert kind.decode(written) == message


@pytest.mark.parametrize("kind", KINDS)
def test_19_what_the_runtime_wrote_in_pieces_and_out_of_order_reads_the_same(kind: type[Message]) -> None:
    runtime, dice = runtime_class(kind), random.Random(kind.__name__)
    for _ in range(EACH):
        joined = b"".join(anything(kind, dice).encode() for _ in range(dice.randint(2, 4)))
        message = kind.decode(joined)
        assert not isinstance(message, Refused)
        assert same(message, parsed(runtime, joined))


@pytest.mark.parametrize("kind", KINDS)
def test_19_what_we_take_of_broken_bytes_the_runtime_takes_and_reads_the_same(kind: type[Message]) -> None:
    runtime, dice = runtime_class(kind), random.Random(kind.__name__)
    taken = 0
    for _ in range(EACH * 5):
        data = bytearray(anything(kind, dice).encode()[:600])
        for _ in range(dice.randint(0, 3)):
            if data:
                data[dice.randrange(len(data))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
        message = kind.decode(bytes(data))
        if isinstance(message, Refused):
            continue
        taken += 1
        theirs = parsed(runtime, bytes(data))
        assert theirs is not None
        assert same(message, theirs)
    assert taken > EACH // 4  # else this would say nothing


def test_19_fields_nobody_knows_mean_the_same_to_the_runtime_when_we_have_written_them_again() -> None:
    runtime = runtime_class(EmojiReaction)
    data = EmojiReaction(clock=7, unknown=(Unknown(3, b"\x18\x05"), Unknown(99, b"\x9a\x06\x01x"))).encode()
    assert data.hex() == "080718059a060178"
    theirs = parsed(runtime, data)
    assert sorted(theirs.SerializeToString()) == sorted(data)
    assert EmojiReaction.decode(theirs.SerializeToString()) == EmojiReaction.decode(data)
