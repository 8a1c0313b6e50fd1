"""What data-sync peers send each other: acknowledgements, offers, requests and messages in one payload. (SCP-09 §4.1)

Two sets of field numbers are about. Ours are those of the specification; the other one is read by whoever is told so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from functools import cached_property
from typing import Final, NewType, TypeVar

from swarmchat.crypto.keccak import keccak256
from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways.datasync import wire
from swarmchat.gateways.refusal import Refused
from swarmchat.ids import ConversationId
from swarmchat.limits import (
    DATASYNC_FRAME_BYTES_MAX,
    DATASYNC_IDS_PER_PAYLOAD_MAX,
    DATASYNC_IDS_READ_MAX,
    DATASYNC_MESSAGE_BYTES_MAX,
    DATASYNC_PARENTS_MAX,
)

PeerId = NewType("PeerId", bytes)  # 65 bytes: a key of secp256k1
GroupId = NewType("GroupId", bytes)  # 32 bytes
MessageId = NewType("MessageId", bytes)  # 32 bytes

ID_BYTES: Final = 32


class Fault(StrEnum):
    """Why bytes are no payload."""

    TOO_BIG = "payload-too-big"
    EMPTY = "payload-empty"  # it says nothing
    WRONG_FIELD_NUMBERS = "wrong-field-numbers"  # it is written in the other profile
    BAD_MESSAGE = "bad-message"  # group, time or size is none that a message can have


class Profile(Enum):
    """Which field numbers a peer writes."""

    SPEC = "spec"
    VACP2P = "vacp2p"  # the reference of 2019 and 2020


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a message says about itself and its id does not cover: whoever passes it on can change it."""

    parents: tuple[MessageId, ...] = ()
    ephemeral: bool = False


@dataclass(frozen=True)
class Message:
    """A message of a group; `timestamp` is in seconds, and 64 bits with a sign. ValueError for what cannot be written."""

    group: GroupId
    timestamp: int
    body: bytes
    metadata: Metadata | None = None

    def __post_init__(self) -> None:
        if len(self.group) != ID_BYTES or not -(2**63) <= self.timestamp < 2**63:
            raise ValueError("a message has a group of 32 bytes and a time of 64 bits")

    @cached_property
    def id(self) -> MessageId:
        """Covers group, time and body."""
        time = self.timestamp.to_bytes(8, "little", signed=True)
        return MessageId(hashlib.sha256(b"MESSAGE_ID" + self.group + time + self.body).digest())

    @cached_property
    def size(self) -> int:
        """Bytes that it takes on the wire."""
        return len(write_message(self))

    @property
    def parents(self) -> tuple[MessageId, ...]:
        """What its author had seen last; nothing where it does not say."""
        return self.metadata.parents if self.metadata else ()

    @property
    def ephemeral(self) -> bool:
        """Whether it is meant for this moment only: neither kept nor acknowledged."""
        return self.metadata is not None and self.metadata.ephemeral


@dataclass(frozen=True, slots=True)
class Offer:
    """Messages of one group that the sender has."""

    group: GroupId
    messages: tuple[MessageId, ...]


@dataclass(frozen=True, slots=True)
class Payload:
    """One sending; `passed_over` counts what was left out in reading, because of its length or of how many there were."""

    acks: tuple[MessageId, ...] = ()
    offers: tuple[MessageId, ...] = ()
    requests: tuple[MessageId, ...] = ()
    messages: tuple[Message, ...] = ()
    group_offers: tuple[Offer, ...] = ()
    passed_over: int = field(default=0, compare=False)


class Draft:
    """A payload being filled: DATASYNC_IDS_PER_PAYLOAD_MAX things in all, and DATASYNC_MESSAGE_BYTES_MAX of messages."""

    def __init__(self) -> None:
        self._acks: list[MessageId] = []
        self._offers: list[MessageId] = []
        self._requests: list[MessageId] = []
        self._messages: list[Message] = []
        self._things = 0
        self._bytes_left = DATASYNC_MESSAGE_BYTES_MAX

    @property
    def room(self) -> int:
        """How many more things go in."""
        return DATASYNC_IDS_PER_PAYLOAD_MAX - self._things

    def ack(self, message: MessageId) -> bool:
        """Whether it went in; so with the others."""
        return self._put(self._acks, message)

    def offer(self, message: MessageId) -> bool:
        return self._put(self._offers, message)

    def request(self, message: MessageId) -> bool:
        return self._put(self._requests, message)

    def message(self, message: Message) -> bool:
        if message.size > self._bytes_left or not self._put(self._messages, message):
            return False
        self._bytes_left -= message.size
        return True

    def payload(self) -> Payload | None:
        """What was put in; None if that is nothing."""
        if not self._things:
            return None
        return Payload(tuple(self._acks), tuple(self._offers), tuple(self._requests), tuple(self._messages))

    def _put(self, things: list[_T], thing: _T) -> bool:
        if not self.room:
            return False
        self._things += 1
        things.append(thing)
        return True


def group_of(conversation: ConversationId) -> GroupId:
    """The group that a conversation is."""
    return GroupId(hashlib.sha256(b"swarmchat-mvds-group\0" + conversation.encode()).digest())


def private_group(one: Key, other: Key) -> GroupId:
    """The group of two as Status makes it; who is named first does not matter."""
    first, second = sorted((one.raw, other.raw), key=_x)
    return GroupId(keccak256(_compressed(first) + _compressed(second)))


def write_payload(payload: Payload) -> bytes:
    """Its bytes, in the numbers of the specification; ValueError if there are more than DATASYNC_FRAME_BYTES_MAX."""
    data = wire.Payload(
        acks=payload.acks,
        offers=payload.offers,
        requests=payload.requests,
        messages=tuple(map(_written, payload.messages)),
        group_offers=tuple(wire.Offer(group_id=each.group, message_ids=each.messages) for each in payload.group_offers),
    ).encode()
    if len(data) > DATASYNC_FRAME_BYTES_MAX:
        raise ValueError(f"a payload has at most {DATASYNC_FRAME_BYTES_MAX} bytes, this one {len(data)}")
    return data


def read_payload(data: bytes, profile: Profile = Profile.SPEC) -> Payload | Refused:
    """The payload of these bytes, or why there is none.

    An id of a wrong length, a message that can be none, and what is beyond DATASYNC_IDS_READ_MAX of a list are passed over: to
    their sender they are as good as lost, and sent again.
    """
    if len(data) > DATASYNC_FRAME_BYTES_MAX:
        return Refused(Fault.TOO_BIG, f"{len(data)} bytes")
    kind, others = _PROFILES[profile]
    raw = kind.decode(data)
    if isinstance(raw, Refused):
        return raw
    if not (raw.acks or raw.offers or raw.requests or raw.messages or raw.group_offers):
        foreign = any(each.number in others for each in raw.unknown)
        return Refused(Fault.WRONG_FIELD_NUMBERS if foreign else Fault.EMPTY)
    sieve = _Sieve()
    return Payload(
        acks=sieve.ids(raw.acks),
        offers=sieve.ids(raw.offers),
        requests=sieve.ids(raw.requests),
        messages=sieve.messages(raw.messages),
        group_offers=sieve.offers(raw.group_offers),
        passed_over=sieve.passed_over,
    )


def write_message(message: Message) -> bytes:
    """One message by itself."""
    return _written(message).encode()


def read_message(data: bytes) -> Message | Refused:
    """One message by itself, of DATASYNC_MESSAGE_BYTES_MAX at most."""
    if len(data) > DATASYNC_MESSAGE_BYTES_MAX:
        return Refused(Fault.TOO_BIG, f"{len(data)} bytes")
    raw = wire.Message.decode(data)
    if isinstance(raw, Refused):
        return raw
    return _read(raw) or Refused(Fault.BAD_MESSAGE)


_PROFILES: Final[dict[Profile, tuple[type[wire.Payload | wire.OldPayload], range]]] = {
    Profile.SPEC: (wire.Payload, range(1, 5)),
    Profile.VACP2P: (wire.OldPayload, range(5001, 5006)),
}
_T = TypeVar("_T")


class _Sieve:
    """Lets through what can be meant, and counts the rest."""

    def __init__(self) -> None:
        self.passed_over = 0

    def ids(self, raw: tuple[bytes, ...]) -> tuple[MessageId, ...]:
        kept = _ids(raw[:DATASYNC_IDS_READ_MAX])
        self.passed_over += len(raw) - len(kept)
        return kept

    def messages(self, raw: Iterable[wire.Message | wire.OldMessage]) -> tuple[Message, ...]:
        kept: list[Message] = []
        for each in raw:
            message = _read(each) if len(kept) < DATASYNC_IDS_PER_PAYLOAD_MAX else None
            if message is None or message.size > DATASYNC_MESSAGE_BYTES_MAX:
                self.passed_over += 1
            else:
                kept.append(message)
        return tuple(kept)

    def offers(self, raw: tuple[wire.Offer, ...]) -> tuple[Offer, ...]:
        kept: list[Offer] = []
        room = DATASYNC_IDS_READ_MAX
        for each in raw:
            messages = _ids(each.message_ids[:room]) if len(each.group_id) == ID_BYTES else ()
            self.passed_over += len(each.message_ids) - len(messages)
            room -= len(messages)
            if messages:
                kept.append(Offer(GroupId(each.group_id), messages))
        return tuple(kept)


def _ids(raw: Iterable[bytes]) -> tuple[MessageId, ...]:
    return tuple(MessageId(each) for each in raw if len(each) == ID_BYTES)


def _written(message: Message) -> wire.Message:
    metadata = None
    if message.metadata is not None:
        metadata = wire.Metadata(parents=message.metadata.parents, ephemeral=message.metadata.ephemeral)
    return wire.Message(group_id=message.group, timestamp=message.timestamp, body=message.body, metadata=metadata)


def _read(raw: wire.Message | wire.OldMessage) -> Message | None:
    """The message; None without a group, and when it names more parents than any has."""
    if len(raw.group_id) != ID_BYTES:
        return None
    metadata = None
    if raw.metadata is not None:
        metadata = Metadata(_ids(raw.metadata.parents), raw.metadata.ephemeral)
        if len(metadata.parents) > DATASYNC_PARENTS_MAX:
            return None
    return Message(GroupId(raw.group_id), raw.timestamp, raw.body, metadata)


def _x(raw: bytes) -> bytes:
    return raw[1:33]


def _compressed(raw: bytes) -> bytes:
    return bytes((2 + (raw[64] & 1),)) + _x(raw)
