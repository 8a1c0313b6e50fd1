"""What a file of Status messages holds: the events of one chat and what was said in it, verified; strangers write such files. Pure. (SCP-09 §3.9)

A file is a stream of signed wrappers, each after its length, or one bare wrapper. A wrapper that is bad costs itself alone.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from swarmchat import limits
from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways.protobuf import undelimited
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import clock, entities, envelopes, events, pairs, words
from swarmchat.gateways.status.envelopes import Envelope
from swarmchat.gateways.status.events import SignedEvent
from swarmchat.gateways.status.fold import fold, fold_strictly
from swarmchat.gateways.status.pairs import Pair
from swarmchat.gateways.status.reading import Said
from swarmchat.gateways.status.wire import (
    ApplicationMetadataMessage,
    Entity,
    MembershipUpdateMessage,
    PayloadType,
)

_ABOUT_CHARS: Final = 200  # of what a stranger wrote, in a report


class Fault(enum.StrEnum):
    """Why a file or a message of it is not taken."""

    EMPTY = "empty"
    NO_CHAT = "no-chat"  # nothing in it says readably which chat it is about
    OTHER_CHAT = "other-chat"
    WITHOUT_EVENTS = "without-events"  # a message that has to carry all events of its group carries none


@dataclass(frozen=True, slots=True)
class Bad:
    """A message that was not taken: its place in the file, from 1, and why."""

    place: int
    reason: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Stream:
    """What a file holds of one chat: events and sayings in the order of the file, each once, and what was not taken.

    Of a one-to-one `pair` says whose it is; it has no events.
    """

    chat_id: str
    events: tuple[SignedEvent, ...]
    said: tuple[Said, ...]
    bad: tuple[Bad, ...]
    pair: Pair | None = None


def split(data: bytes) -> tuple[bytes, ...] | Refused:
    """The wrappers of a file, at most STATUS_STREAM_MESSAGES_MAX; the whole file where it is one wrapper."""
    if not data:
        return Refused(Fault.EMPTY)
    if len(data) <= limits.PROTOBUF_BYTES_MAX and not isinstance(_opened(data), Refused):
        return (data,)
    return undelimited(data, limits.STATUS_STREAM_MESSAGES_MAX)


def read(wrappers: Iterable[bytes], now_ms: int, own: Key | None = None) -> Stream | Refused:
    """What these wrappers hold of one chat: that which most of them name and a list of events makes; else that which most name.

    Of one-to-ones those come first that `own` is in, a key. Every signature is checked, every clock, every chat id. Refused where nothing names a chat.
    """
    bad: list[Bad] = []
    opened: list[tuple[int, Opened]] = []
    for place, raw in enumerate(wrappers, 1):
        found = _opened(raw)
        if isinstance(found, Refused):
            bad.append(Bad(place, found.reason, found.about[:_ABOUT_CHARS]))
        else:
            opened.append((place, found))
    chat = _chat([found for _, found in opened], own)
    if not chat:
        return Refused(Fault.NO_CHAT, bad[0].reason if bad else "")
    reader = _Between(chat, now_ms) if isinstance(chat, Pair) else _Reader(chat, now_ms)
    for place, found in opened:
        if (fault := reader.take(found)) is not None:
            bad.append(Bad(place, fault.reason, fault.about[:_ABOUT_CHARS]))
    bad.sort(key=lambda one: one.place)
    if isinstance(reader, _Between):
        return Stream(reader.pair.id, (), tuple(reader.said.values()), tuple(bad), reader.pair)
    return Stream(reader.chat_id, tuple(reader.events.values()), tuple(reader.said.values()), tuple(bad))


Opened = Envelope | MembershipUpdateMessage


def _opened(raw: bytes) -> Opened | Refused:
    """A wrapper with its author; or, unsigned, a list of group events and nothing else: they have signatures of their own."""
    envelope = envelopes.read(raw)
    if isinstance(envelope, Envelope) or envelope.reason != envelopes.Fault.NOT_SIGNED:
        return envelope
    wrapper = ApplicationMetadataMessage.decode(raw)
    if isinstance(wrapper, Refused) or wrapper.type != PayloadType.MEMBERSHIP_UPDATE_MESSAGE:
        return envelope
    update = MembershipUpdateMessage.decode(wrapper.payload)
    if isinstance(update, Refused):
        return update
    return envelope if words.entity_of(update) is not None or not update.events else update


class _Reader:
    """The messages of one chat. Every event travels with every message, so each is looked at once."""

    def __init__(self, chat_id: str, now_ms: int) -> None:
        self.chat_id = chat_id
        self._now_ms = now_ms
        self._seen: dict[bytes, SignedEvent | Refused] = {}
        self._judged: tuple[tuple[bytes, ...], Refused | None] = ((), None)  # the last list, and what is wrong with it
        self.events: dict[bytes, SignedEvent] = {}
        self.said: dict[str, Said] = {}

    def take(self, opened: Opened) -> Refused | None:
        """Take one message in, or say why not: then nothing of it was."""
        message = opened.message if isinstance(opened, Envelope) else opened
        if message.chat_id != self.chat_id:
            return Refused(Fault.OTHER_CHAT, message.chat_id)
        entity = words.entity_of(message)
        if entity is not None and (fault := self._entity_fault(entity)) is not None:
            return fault
        if isinstance(message, MembershipUpdateMessage):
            listed = self._listed(message)
            if isinstance(listed, Refused):
                return listed
            if entity is not None and (fault := self._list_fault(message.events, listed)) is not None:
                return fault
            self.events |= {event.raw: event for event in listed}
        if entity is not None and isinstance(opened, Envelope):
            self.said.setdefault(opened.id, Said(opened, entity))
        return None

    def _entity_fault(self, entity: Entity) -> Refused | None:
        if entity.chat_id != self.chat_id:
            return Refused(Fault.OTHER_CHAT, entity.chat_id)
        if pairs.is_one_to_one(entity):
            return Refused(entities.Fault.BAD_MESSAGE_TYPE)
        return entities.fault(entity, self._now_ms)

    def _listed(self, message: MembershipUpdateMessage) -> list[SignedEvent] | Refused:
        """The events of a message; one that is none, or has a bad clock, refuses them all."""
        if not message.events:
            return Refused(Fault.WITHOUT_EVENTS)
        if len(message.events) > limits.STATUS_EVENTS_MAX:
            return Refused(events.Fault.TOO_MANY_EVENTS)
        listed: list[SignedEvent] = []
        for raw in message.events:
            event = self._event(raw)
            if isinstance(event, Refused):
                return event
            listed.append(event)
        return listed

    def _event(self, raw: bytes) -> SignedEvent | Refused:
        known = self._seen.get(raw)
        if known is None:
            if len(self._seen) == limits.STATUS_EVENTS_MAX:
                return Refused(events.Fault.TOO_MANY_EVENTS)
            known = events.read(raw, self.chat_id)
            if isinstance(known, SignedEvent) and not clock.is_acceptable(known.event.clock, self._now_ms):
                known = Refused(events.Fault.BAD_CLOCK, str(known.event.clock))
            self._seen[raw] = known
        return known

    def _list_fault(self, raws: tuple[bytes, ...], listed: list[SignedEvent]) -> Refused | None:
        """What is said in a group comes with all of its events, and clients take none of it if one of them may not be."""
        if self._judged[0] != raws:
            folded = fold_strictly(self.chat_id, listed)
            self._judged = raws, folded if isinstance(folded, Refused) else None
        return self._judged[1]


class _Between:
    """The messages of one one-to-one."""

    def __init__(self, pair: Pair, now_ms: int) -> None:
        self.pair = pair
        self._now_ms = now_ms
        self.said: dict[str, Said] = {}

    def take(self, opened: Opened) -> Refused | None:
        """Take one message in, or say why not."""
        if not isinstance(opened, Envelope):
            return Refused(Fault.OTHER_CHAT, opened.chat_id)
        entity = words.entity_of(opened.message)
        if entity is None or pairs.spoken_in(opened.author, opened.message) != self.pair:
            return Refused(Fault.OTHER_CHAT, opened.message.chat_id)
        if (fault := entities.fault(entity, self._now_ms)) is None:
            self.said.setdefault(opened.id, Said(opened, entity))
        return fault


def _chat(opened: Sequence[Opened], own: Key | None) -> str | Pair:
    """The chat that most messages name among those that a list of events makes; else a one-to-one of ours; else, that most of them name."""
    named = Counter[str | Pair]()
    lists: dict[str | Pair, list[tuple[bytes, ...]]] = {}
    for one in opened:
        message = one.message if isinstance(one, Envelope) else one
        if isinstance(message, MembershipUpdateMessage):
            lists.setdefault(message.chat_id, []).append(message.events)
        pair = pairs.spoken_in(one.author, one.message) if isinstance(one, Envelope) else None
        if pair is not None or 0 < len(message.chat_id) <= limits.STATUS_CHAT_ID_CHARS_MAX:
            named[pair or message.chat_id] += 1
    ranked = [chat for chat, _ in named.most_common()]  # of equals the first
    room = limits.STATUS_EVENTS_MAX  # so many events are looked at, in all
    for chat in ranked:
        for raws in lists.get(chat, ()):
            if not isinstance(chat, str) or len(raws) > room:
                continue
            room -= len(raws)
            listed = [events.read(raw, chat) for raw in raws]
            if fold(chat, [each for each in listed if isinstance(each, SignedEvent)]).events:
                return chat
    ours = [chat for chat in ranked if isinstance(chat, Pair) and own in chat.keys]
    return (ours or ranked or [""])[0]
