"""The messages of data sync as they travel, field by field. (SCP-09 §4.1, §4.3)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from swarmchat.gateways import protobuf
from swarmchat.gateways.protobuf import BOOL, BYTES, ENUM, INT64, Field


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata(protobuf.Message):
    """What is beside a message."""

    parents: Annotated[tuple[bytes, ...], Field(1, BYTES, repeated=True)] = ()
    ephemeral: Annotated[bool, Field(2, BOOL)] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(protobuf.Message):
    """A message, in the numbers of the specification."""

    group_id: Annotated[bytes, Field(6001, BYTES)] = b""
    timestamp: Annotated[int, Field(6002, INT64)] = 0
    body: Annotated[bytes, Field(6003, BYTES)] = b""
    metadata: Annotated[Metadata | None, Field(6004, Metadata)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer(protobuf.Message):
    """Ids of one group."""

    group_id: Annotated[bytes, Field(1, BYTES)] = b""
    message_ids: Annotated[tuple[bytes, ...], Field(2, BYTES, repeated=True)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload(protobuf.Message):
    """A payload, in the numbers of the specification; the last field is of 2024."""

    acks: Annotated[tuple[bytes, ...], Field(5001, BYTES, repeated=True)] = ()
    offers: Annotated[tuple[bytes, ...], Field(5002, BYTES, repeated=True)] = ()
    requests: Annotated[tuple[bytes, ...], Field(5003, BYTES, repeated=True)] = ()
    messages: Annotated[tuple[Message, ...], Field(5004, Message, repeated=True)] = ()
    group_offers: Annotated[tuple[Offer, ...], Field(5005, Offer, repeated=True)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OldMessage(protobuf.Message):
    """A message, in the numbers of 2019."""

    group_id: Annotated[bytes, Field(1, BYTES)] = b""
    timestamp: Annotated[int, Field(2, INT64)] = 0
    body: Annotated[bytes, Field(3, BYTES)] = b""
    metadata: Annotated[Metadata | None, Field(4, Metadata)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OldPayload(protobuf.Message):
    """A payload, in the numbers of 2019."""

    acks: Annotated[tuple[bytes, ...], Field(1, BYTES, repeated=True)] = ()
    offers: Annotated[tuple[bytes, ...], Field(2, BYTES, repeated=True)] = ()
    requests: Annotated[tuple[bytes, ...], Field(3, BYTES, repeated=True)] = ()
    messages: Annotated[tuple[OldMessage, ...], Field(4, OldMessage, repeated=True)] = ()
    group_offers: tuple[Offer, ...] = ()  # younger than these numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Client(protobuf.Message):
    """A client message: the body of a message."""

    message_type: Annotated[int, Field(1, ENUM)] = 0
    body: Annotated[bytes, Field(2, BYTES)] = b""
    previous_message: Annotated[bytes, Field(3, BYTES)] = b""
    signature: Annotated[bytes, Field(4, BYTES)] = b""
