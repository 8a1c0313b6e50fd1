"""A group of Status in which no node takes part: its events and what is said there, signed, as a file holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from swarmchat.crypto.secp256k1 import Key, Secret
from swarmchat.gateways.protobuf import delimited
from swarmchat.gateways.status import chat_ids, envelopes, events
from swarmchat.gateways.status.envelopes import Envelope
from swarmchat.gateways.status.events import SignedEvent
from swarmchat.gateways.status.wire import (
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
)
from tests.support.status_vectors import SECRETS

ANN, BEN, CAT = SECRETS["A"], SECRETS["B"], SECRETS["C"]
BEGAN_MS = 1_700_000_000_000
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


@dataclass
class Group:
    """One chat; each deed takes the next clock unless it is told another, and is signed by whom it names first."""

    creator: Secret = ANN
    clock: int = BEGAN_MS
    uuid: bytes = bytes(range(16))
    events: list[SignedEvent] = field(default_factory=list)
    said: list[Envelope] = field(default_factory=list)

    @property
    def id(self) -> str:
        return chat_ids.made(self.uuid, self.creator.public)

    def does(
        self, who: Secret, what: EventType, *members: Key | str, clock: int | None = None, **more: Any
    ) -> SignedEvent:
        """A group event."""
        named = tuple(each if isinstance(each, str) else each.legacy for each in members)
        event = MembershipUpdateEvent(clock=self._tick(clock), type=what, members=named, **more)
        self.events.append(events.sign(event, self.id, who))
        return self.events[-1]

    def says(
        self, who: Secret, text: str = "", *, answers: Envelope | None = None, clock: int | None = None, **more: Any
    ) -> Envelope:
        """A message, wrapped with all events so far."""
        at = self._tick(clock)
        fields = {"content_type": ContentType.TEXT_PLAIN, "message_type": MessageType.PRIVATE_GROUP, **more}
        message = ChatMessage(
            clock=at,
            timestamp=at,
            text=text,
            chat_id=self.id,
            response_to="" if answers is None else answers.id,
            **fields,
        )
        return self._sent(who, self._wrapped(message=message))

    def shows(self, who: Secret, picture: bytes = PNG) -> Envelope:
        """A picture."""
        image = ImageMessage(payload=picture, format=ImageFormat.PNG, width=10, height=10)
        return self.says(who, content_type=ContentType.IMAGE, image=image)

    def feels(
        self, who: Secret, about: Envelope | str, what: int, *, retracted: bool = False, clock: int | None = None
    ) -> Envelope:
        """A reaction, or its end."""
        reaction = EmojiReaction(
            clock=self._tick(clock),
            chat_id=self.id,
            message_id=_id(about),
            message_type=MessageType.PRIVATE_GROUP,
            type=what,
            retracted=retracted,
        )
        return self._sent(who, reaction)

    def edits(
        self,
        who: Secret,
        target: Envelope | str,
        text: str,
        *,
        clock: int | None = None,
        content_type: int = ContentType.TEXT_PLAIN,
    ) -> Envelope:
        """Another text for a message."""
        return self._sent(
            who,
            EditMessage(
                clock=self._tick(clock),
                text=text,
                chat_id=self.id,
                message_id=_id(target),
                message_type=MessageType.PRIVATE_GROUP,
                content_type=content_type,
            ),
        )

    def deletes(self, who: Secret, target: Envelope | str, *, clock: int | None = None) -> Envelope:
        """The end of a message."""
        return self._sent(
            who,
            DeleteMessage(
                clock=self._tick(clock), chat_id=self.id, message_id=_id(target), message_type=MessageType.PRIVATE_GROUP
            ),
        )

    def asks(
        self,
        who: Secret,
        text: str = "",
        *,
        state: int = InvitationState.REQUEST,
        clock: int | None = None,
        chat: str | None = None,
    ) -> Envelope:
        """A request to be let in; with another state the answer to one."""
        at = self._tick(clock)
        chat_id = self.id if chat is None else chat
        return self._sent(who, GroupChatInvitation(clock=at, chat_id=chat_id, introduction_message=text, state=state))

    def update(self) -> Envelope:
        """All events alone, by the creator."""
        return envelopes.sign(self._wrapped(), self.creator)

    def wrappers(self) -> list[bytes]:
        """The events, then all that was said."""
        return [self.update().raw, *(one.raw for one in self.said)]

    def file(self) -> bytes:
        """The same as one file."""
        return delimited(self.wrappers())

    def _wrapped(self, **entity: Any) -> MembershipUpdateMessage:
        listed = sorted(self.events, key=lambda one: one.order)
        return MembershipUpdateMessage(chat_id=self.id, events=tuple(one.raw for one in listed), **entity)

    def _sent(self, who: Secret, message: MembershipUpdateMessage | Entity) -> Envelope:
        self.said.append(envelopes.sign(message, who))
        return self.said[-1]

    def _tick(self, clock: int | None) -> int:
        if clock is not None:
            return clock
        self.clock += 1_000
        return self.clock


def _id(named: Envelope | str) -> str:
    return named if isinstance(named, str) else named.id


def lively() -> Group:
    """Three people, every kind of event and of saying, all of it as clients accept it."""
    group = Group()
    group.does(ANN, EventType.CHAT_CREATED, name="Boats", color="#FE8F59")
    group.does(ANN, EventType.MEMBERS_ADDED, BEN.public, CAT.public)
    group.does(BEN, EventType.MEMBER_JOINED)
    hello = group.says(ANN, "who sails?")
    answer = group.says(BEN, "I do ⛵", answers=hello)
    group.does(BEN, EventType.NAME_CHANGED, name="Ships")
    group.does(CAT, EventType.COLOR_CHANGED, color="#7cda00")
    group.does(ANN, EventType.IMAGE_CHANGED, image=PNG)
    group.does(ANN, EventType.ADMINS_ADDED, BEN.public)
    group.feels(CAT, answer, 1)
    group.feels(CAT, hello, 2)
    group.feels(CAT, hello, 2, retracted=True)
    group.edits(BEN, answer, "we do ⛵")
    gone = group.says(CAT, "never mind")
    group.deletes(CAT, gone)
    group.shows(BEN)
    group.says(ANN, "\U0001f389", content_type=ContentType.EMOJI)
    group.does(BEN, EventType.MEMBER_REMOVED, CAT.public)
    group.does(ANN, EventType.MEMBERS_ADDED, CAT.public)
    group.does(CAT, EventType.MEMBER_REMOVED, CAT.public)
    group.does(ANN, EventType.ADMIN_REMOVED, ANN.public)
    group.says(BEN, "last word")
    return group
