"""The signed wrapper in which every message travels, and the name that a message has by it. (SCP-09 §3.3)"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

from swarmchat.crypto.keccak import keccak256
from swarmchat.crypto.secp256k1 import Key, Secret, recover
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status.wire import PAYLOADS, ApplicationMetadataMessage, Payload, PayloadType

HEAD_BYTES: Final = 67  # of a wrapper as clients write it: its signature


class Fault(enum.StrEnum):
    """Why a wrapper is not opened."""

    NOT_SIGNED = "not-signed"  # its author would be known to an encryption layer that there is not
    BAD_SIGNATURE = "bad-signature"
    UNKNOWN_TYPE = "unknown-type"


class Wrapper(Protocol):
    """A signed message, wherever its bytes are."""

    @property
    def raw(self) -> bytes:
        """The wrapper, byte for byte."""
        ...

    @property
    def head(self) -> bytes:
        """Its first HEAD_BYTES."""
        ...

    @property
    def author(self) -> Key:
        """Who signed it."""
        ...

    @property
    def id(self) -> str:
        """How others name the message."""
        ...


@dataclass(frozen=True)
class Envelope:
    """A message and who signed it; `raw` is the wrapper, byte for byte as it came."""

    raw: bytes
    message: Payload
    author: Key

    @property
    def head(self) -> bytes:
        """See Wrapper."""
        return self.raw[:HEAD_BYTES]

    @cached_property
    def id(self) -> str:
        """`0x` and 64 digits: how replies, edits and reactions name this message; other bytes around it give another id."""
        return message_id(self.author, self.raw)


def sign(message: Payload, secret: Secret) -> Envelope:
    """The message in its wrapper; ValueError for a message that the wire cannot say."""
    payload = message.encode()
    number = next(number for number, kind in PAYLOADS.items() if isinstance(message, kind))
    wrapper = ApplicationMetadataMessage(signature=secret.sign(keccak256(payload)), payload=payload, type=number)
    return Envelope(wrapper.encode(), message, secret.public)


def read(raw: bytes) -> Envelope | Refused:
    """The message in this wrapper and its author. Never raises."""
    wrapper = ApplicationMetadataMessage.decode(raw)
    if isinstance(wrapper, Refused):
        return wrapper
    if not wrapper.signature:
        return Refused(Fault.NOT_SIGNED)
    if wrapper.type not in PAYLOADS:
        return Refused(Fault.UNKNOWN_TYPE, str(wrapper.type))
    message = PAYLOADS[PayloadType(wrapper.type)].decode(wrapper.payload)
    if isinstance(message, Refused):
        return message
    author = recover(keccak256(wrapper.payload), wrapper.signature)
    if author is None:
        return Refused(Fault.BAD_SIGNATURE)
    return Envelope(raw, message, author)


def message_id(author: Key, raw: bytes) -> str:
    """The id of the message in a wrapper of these bytes by this author."""
    return "0x" + keccak256(author.raw, raw).hex()
