"""What a commit says besides for Status: the key `status` of its JSON, strictly read. Pure. (SCP-09 §3.7)"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from swarmchat import limits
from swarmchat.crypto.secp256k1 import SIGNATURE_BYTES
from swarmchat.gateways.status import clock
from swarmchat.gateways.status.envelopes import Wrapper
from swarmchat.gateways.status.events import SignedEvent

KEY: Final = "status"
BRIDGE: Final = "application/status-bridge"
EVENT: Final = "application/status-event"

_ID: Final = re.compile(r"0x[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Spoken:
    """A message in a group as it is kept: without the events that travel with it, which stand in the log."""

    message: bytes  # the ChatMessage
    signature: bytes  # of the wrapper


@dataclass(frozen=True, slots=True)
class Note:
    """The key of one commit. `is_whole` is False where a part of it could not be read; that part is left out."""

    events: tuple[bytes, ...] = ()
    envelopes: tuple[bytes, ...] = ()
    spoken: tuple[Spoken, ...] = ()
    id: str | None = None  # of the first that is said
    clock: int | None = None
    chat: str | None = None  # only in the first commit
    of: str | None = None  # the id of the event that this commit is a further part of
    is_whole: bool = True


def read(said: Mapping[str, Any]) -> Note | None:
    """The note in the JSON of a commit; None where there is none. Never raises."""
    found = said.get(KEY)
    if not isinstance(found, dict):
        return None
    reader = _Reader(found)
    events = reader.raws("events", limits.STATUS_COMMIT_EVENTS_MAX)
    first = reader.raws_of([found["envelope"]]) if "envelope" in found else ()
    envelopes = first + reader.raws("more", limits.STATUS_COMMIT_PARTS_MAX - 1)
    spoken = reader.spoken([found]) if "message" in found else ()
    if "parts" in found:
        spoken += reader.spoken(reader.many("parts", limits.STATUS_COMMIT_PARTS_MAX - 1))
    return Note(
        events,
        envelopes,
        spoken,
        reader.id("id"),
        clock.parsed(found.get("clock")),
        reader.text("chat", limits.STATUS_CHAT_ID_CHARS_MAX),
        reader.id("of"),
        reader.is_whole,
    )


def of_events(events: Iterable[SignedEvent], clock_ms: int | None = None) -> dict[str, object]:
    """What a commit notes of group events; `clock_ms` is what it states as its clock."""
    return _stated({"events": [encoded(event.raw) for event in events]}, clock_ms)


def of_envelopes(envelopes: Iterable[Wrapper], clock_ms: int | None = None) -> dict[str, object]:
    """What a commit notes of things said that travel as they are; one at least."""
    first, *more = envelopes
    found: dict[str, object] = {"envelope": encoded(first.raw), "id": first.id}
    if more:
        found["more"] = [encoded(one.raw) for one in more]
    return _stated(found, clock_ms)


def of_spoken(spoken: Iterable[Spoken], first_id: str, clock_ms: int | None = None) -> dict[str, object]:
    """What a commit notes of messages in a group, one at least, whose events stand in the log."""
    first, *more = [{"message": encoded(one.message), "signature": encoded(one.signature)} for one in spoken]
    found: dict[str, object] = {**first, "id": first_id}
    if more:
        found["parts"] = more
    return _stated(found, clock_ms)


def encoded(raw: bytes) -> str:
    """Bytes as they stand in JSON."""
    return base64.b64encode(raw).decode()


def _stated(found: dict[str, object], clock_ms: int | None) -> dict[str, object]:
    return found if clock_ms is None else found | {"clock": str(clock_ms)}


class _Reader:
    def __init__(self, found: Mapping[str, Any]) -> None:
        self._found = found
        self.is_whole = True

    def many(self, name: str, most: int) -> list[Any]:
        value = self._found.get(name, [])
        if isinstance(value, list) and len(value) <= most:
            return value
        self.is_whole = False
        return []

    def raws(self, name: str, most: int) -> tuple[bytes, ...]:
        return self.raws_of(self.many(name, most))

    def raws_of(self, values: Iterable[Any]) -> tuple[bytes, ...]:
        found = [self._decoded(value) for value in values]
        return tuple(raw for raw in found if raw is not None)

    def spoken(self, values: Iterable[Any]) -> tuple[Spoken, ...]:
        found = []
        for value in values:
            pair = value if isinstance(value, dict) else {}
            message, signature = self._decoded(pair.get("message")), self._decoded(pair.get("signature"))
            if message is None or signature is None or len(signature) != SIGNATURE_BYTES:
                self.is_whole = False
                return ()  # of a text in pieces all count, or none
            found.append(Spoken(message, signature))
        return tuple(found)

    def id(self, name: str) -> str | None:
        return self._checked(name, lambda value: _ID.fullmatch(value) is not None)

    def text(self, name: str, most: int) -> str | None:
        return self._checked(name, lambda value: 0 < len(value) <= most)

    def _checked(self, name: str, holds: Any) -> str | None:
        value = self._found.get(name)
        if isinstance(value, str) and holds(value):
            return value
        self.is_whole = self.is_whole and value is None
        return None

    def _decoded(self, value: Any) -> bytes | None:
        if isinstance(value, str):
            try:
                return base64.b64decode(value, validate=True)
            except (binascii.Error, ValueError):
                pass
        self.is_whole = False
        return None
