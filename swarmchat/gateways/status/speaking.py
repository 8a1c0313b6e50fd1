"""What a commit about to be written says for Status, signed by its author. Pure. (SCP-09 §3.8)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from swarmchat import limits
from swarmchat.conversation.actions import Action
from swarmchat.crypto.keccak import keccak256
from swarmchat.crypto.secp256k1 import Key, Secret
from swarmchat.gateways.status import clock, envelopes, events, mapping, notes, reading
from swarmchat.gateways.status.chats import Chat
from swarmchat.gateways.status.fold import Fold
from swarmchat.gateways.status.ledger import Ledger, Source
from swarmchat.gateways.status.mapping import Entity, Speaker, Unmappable, Why
from swarmchat.gateways.status.notes import Spoken
from swarmchat.gateways.status.wire import ChatMessage, MembershipUpdateEvent
from swarmchat.ids import AccountId, CommitId

Note = dict[str, object]


@dataclass(frozen=True, slots=True)
class Wish:
    """A commit about to be written: what it does, by whom, after which commit, with which profile.

    `askers`: the keys of those who asked to be let in, by their foreign uris; no event has named them yet.
    """

    action: Action
    account: AccountId
    name: str
    parent: CommitId
    profile: bytes | None
    now_ms: int
    askers: Mapping[AccountId, Key] = field(default_factory=dict)


def spoken(ledger: Ledger, here: Source, wish: Wish, secret: Secret) -> Note | Unmappable | None:
    """What the commit notes for Status; None where there is nothing to say. The ledger has followed `here`.

    Nothing is signed that clients would refuse, nor with a key that is not bound at the parent.
    """
    if mapping.is_of_gateways(wish.action):
        return None
    number = here.history.number(wish.parent)
    chat, fold = ledger.chat_at(number), ledger.fold_at(number, wish.now_ms)
    if chat is None or fold is None:
        return Unmappable(Why.BEFORE)
    if not ledger.bindings.is_bound(wish.account, secret.public, wish.parent):
        return Unmappable(Why.NOT_BOUND)
    if chat.pair is not None and secret.public not in chat.pair.keys:
        return Unmappable(Why.NOT_BOUND)
    pen = _Pen(ledger, number, chat, fold, wish.now_ms, secret)
    speaker = Speaker(ledger, here, number, chat, wish.account, secret.public, wish.name, wish.now_ms)
    entities = speaker.says(wish.action)
    if isinstance(entities, Unmappable):
        return entities
    if entities is not None:
        return pen.entities(speaker, entities)
    found = mapping.events_of(
        wish.action,
        wish.account,
        lambda account: ledger.key_at(number, account) or wish.askers.get(account),
        here.roster_at(wish.parent).profile,
        wish.profile,
    )
    if isinstance(found, Unmappable):
        return found
    if found is not None and chat.pair is not None:
        return Unmappable(Why.ONE_TO_ONE)
    return Unmappable(Why.OTHER_TYPE) if found is None else pen.events(found)


def events_note(
    ledger: Ledger, number: int, found: Sequence[MembershipUpdateEvent], secret: Secret, now_ms: int
) -> Note | Unmappable:
    """What a commit after that one notes of these events, signed in this order."""
    chat, fold = ledger.chat_at(number), ledger.fold_at(number, now_ms)
    if chat is None or fold is None:
        return Unmappable(Why.BEFORE)
    return _Pen(ledger, number, chat, fold, now_ms, secret).events(found)


@dataclass(frozen=True, slots=True)
class _Pen:
    """Signs for one chat after one commit."""

    ledger: Ledger
    number: int
    chat: Chat
    fold: Fold
    now_ms: int
    secret: Secret

    def events(self, found: Sequence[MembershipUpdateEvent]) -> Note | Unmappable:
        fault = mapping.group_fault(mapping.copied(self.fold.group), self.secret.public, found)
        clocks = self._clocks(len(found))
        if fault is not None:
            return fault
        if isinstance(clocks, Unmappable):
            return clocks
        signed = [
            events.sign(replace(event, clock=at), self.chat.id, self.secret)
            for event, at in zip(found, clocks, strict=True)
        ]
        raws = [one.raw for one in signed]
        if max(map(len, raws)) > limits.STATUS_EVENT_BYTES_MAX or not self.ledger.has_room(self.number, raws):
            return Unmappable(Why.TOO_BIG)
        return notes.of_events(signed, self._stated(clocks))

    def entities(self, speaker: Speaker, found: Sequence[Entity]) -> Note | Unmappable:
        if not reading.may_speak(self.chat, self.fold, self.secret.public):
            return Unmappable(Why.RULES, reading.Fault.NOT_A_MEMBER)
        for entity in found:
            if (fault := speaker.fault(entity)) is not None:
                return fault
        clocks = self._clocks(len(found))
        if isinstance(clocks, Unmappable):
            return clocks
        if len(found) > limits.STATUS_COMMIT_PARTS_MAX:
            return Unmappable(Why.TOO_BIG)
        said = [replace(entity, clock=at) for entity, at in zip(found, clocks, strict=True)]
        messages = [entity for entity in said if isinstance(entity, ChatMessage)]
        if messages and self.chat.pair is None:
            return self._messages(messages, self._stated(clocks))
        return notes.of_envelopes([envelopes.sign(entity, self.secret) for entity in said], self._stated(clocks))

    def _messages(self, messages: Sequence[ChatMessage], stated: int | None) -> Note | Unmappable:
        found: list[Spoken] = []
        first = ""
        for message in messages:
            fold = self.ledger.fold_at(self.number, message.clock)
            assert fold is not None, "there is a chat"
            raw = reading.payload(fold, message)
            signature = self.secret.sign(keccak256(raw))
            if not first:
                first = envelopes.message_id(self.secret.public, reading.wrapped(raw, signature))
            found.append(Spoken(message.encode(), signature))
        return notes.of_spoken(found, first, stated)

    def _clocks(self, count: int) -> range | Unmappable:
        """After all commits before; where those are so far ahead that clients would take nothing, after the events alone."""
        for last in (self.ledger.clock(self.number), self.fold.group.last_clock):
            found = clock.bids((last,), self.now_ms, count)
            if clock.is_acceptable(found[-1], self.now_ms):
                return found
        return Unmappable(Why.CLOCK_AHEAD)

    def _stated(self, clocks: range) -> int | None:
        """What the commit states as its clock: nothing where that would not be after its parents'."""
        return clocks[-1] if clocks[0] > self.ledger.clock(self.number) else None
