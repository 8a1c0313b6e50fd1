"""Group events with their signatures: 65 bytes of signature, then the event as it was written. (SCP-09 §3.3)"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from swarmchat import limits
from swarmchat.crypto.keccak import keccak256
from swarmchat.crypto.secp256k1 import SIGNATURE_BYTES, Key, Secret, recover
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status.wire import MembershipUpdateEvent


class Fault(enum.StrEnum):
    """Why bytes are no event, or a list of them is not taken."""

    BAD_CHAT_ID = "bad-chat-id"  # empty, too long, or no text
    EVENT_TOO_SHORT = "event-too-short"  # there is nothing behind the signature
    EVENT_TOO_BIG = "event-too-big"
    BAD_SIGNATURE = "bad-signature"  # nobody can have made it
    TOO_MANY_EVENTS = "too-many-events"
    BAD_CLOCK = "bad-clock"  # 0, or too far ahead


@dataclass(frozen=True)
class SignedEvent:
    """An event and who signed it for its chat; `raw` is what travels, byte for byte as it came."""

    raw: bytes
    event: MembershipUpdateEvent
    author: Key

    @property
    def signature(self) -> bytes:
        """65 bytes: what tells events apart."""
        return self.raw[:SIGNATURE_BYTES]

    @cached_property
    def id(self) -> str:
        """`0x` and 64 digits: what clients call the line that tells people of this event."""
        return "0x" + keccak256(self.signature).hex()

    @property
    def order(self) -> tuple[int, bytes]:
        """By what events are sorted: equal clocks occur, and chance must not decide."""
        return self.event.clock, self.raw


def sign(event: MembershipUpdateEvent, chat_id: str, secret: Secret) -> SignedEvent:
    """The event, signed for this chat; ValueError for a chat id that no event can have."""
    payload = event.encode()
    return SignedEvent(secret.sign(_digest(chat_id, payload)) + payload, event, secret.public)


def read(raw: bytes, chat_id: str) -> SignedEvent | Refused:
    """The event of these bytes, at most STATUS_EVENT_BYTES_MAX of them. Never raises.

    With another chat id the author is somebody that nobody knows: only the fold can tell.
    """
    if len(raw) <= SIGNATURE_BYTES:
        return Refused(Fault.EVENT_TOO_SHORT)
    if len(raw) > limits.STATUS_EVENT_BYTES_MAX:
        return Refused(Fault.EVENT_TOO_BIG)
    signature, payload = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
    try:
        digest = _digest(chat_id, payload)
    except ValueError as error:
        return Refused(Fault.BAD_CHAT_ID, str(error))
    event = MembershipUpdateEvent.decode(payload)
    if isinstance(event, Refused):
        return event
    author = recover(digest, signature)
    if author is None:
        return Refused(Fault.BAD_SIGNATURE)
    return SignedEvent(raw, event, author)


def have_room(count: int, size: int, raws: Sequence[bytes]) -> bool:
    """Whether these events fit into a chat that has `count` of them, `size` bytes in all; the last MiB is not for big ones."""
    is_big = any(len(raw) > limits.STATUS_BIG_EVENT_BYTES for raw in raws)
    most = limits.STATUS_BIG_EVENTS_BYTES_MAX if is_big else limits.STATUS_EVENTS_BYTES_MAX
    return size + sum(map(len, raws)) <= most and count + len(raws) <= limits.STATUS_EVENTS_MAX


def _digest(chat_id: str, payload: bytes) -> bytes:
    """What is signed: the chat id and the bytes as they are, not what they mean."""
    if not 0 < len(chat_id) <= limits.STATUS_CHAT_ID_CHARS_MAX:
        raise ValueError(f"a chat id has 1 … {limits.STATUS_CHAT_ID_CHARS_MAX} characters")
    return keccak256(chat_id.encode(), payload)
