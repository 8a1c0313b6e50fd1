"""A one-to-one of Status in which no node takes part: what the two say, signed, as a file holds it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from swarmchat.crypto.secp256k1 import Secret
from swarmchat.gateways.protobuf import delimited
from swarmchat.gateways.status import envelopes
from swarmchat.gateways.status.envelopes import Envelope
from swarmchat.gateways.status.wire import (
    ChatMessage,
    ContentType,
    DeleteMessage,
    EditMessage,
    EmojiReaction,
    Entity,
    MessageType,
)
from tests.support.status_streams import BEGAN_MS


@dataclass
class Between:
    """Two people; each deed takes the next clock unless it is told another, and is signed by whom it names first."""

    one: Secret
    other: Secret
    clock: int = BEGAN_MS
    said: list[Envelope] = field(default_factory=list)

    def between(self, one: Secret, other: Secret) -> Between:
        """What two others say, in the same file."""
        return Between(one, other, self.clock, self.said)

    def says(
        self, who: Secret, text: str = "", *, answers: Envelope | None = None, clock: int | None = None, **more: Any
    ) -> Envelope:
        """A message."""
        at = self._tick(clock)
        fields = {"content_type": ContentType.TEXT_PLAIN, **self._place(who), **more}
        answered = "" if answers is None else answers.id
        return self.sent(who, ChatMessage(clock=at, timestamp=at, text=text, response_to=answered, **fields))

    def feels(self, who: Secret, about: Envelope, what: int, *, retracted: bool = False) -> Envelope:
        """A reaction, or its end."""
        place = self._place(who)
        return self.sent(
            who, EmojiReaction(clock=self._tick(None), message_id=about.id, type=what, retracted=retracted, **place)
        )

    def edits(self, who: Secret, about: Envelope, text: str) -> Envelope:
        """Another text for a message."""
        kind = ContentType.TEXT_PLAIN
        place = self._place(who)
        return self.sent(
            who, EditMessage(clock=self._tick(None), text=text, message_id=about.id, content_type=kind, **place)
        )

    def deletes(self, who: Secret, about: Envelope) -> Envelope:
        """The end of a message."""
        return self.sent(who, DeleteMessage(clock=self._tick(None), message_id=about.id, **self._place(who)))

    def sent(self, who: Secret, message: Entity) -> Envelope:
        """Anything else, signed by somebody."""
        self.said.append(envelopes.sign(message, who))
        return self.said[-1]

    def file(self) -> bytes:
        """All of it as one file."""
        return delimited([one.raw for one in self.said])

    def _place(self, who: Secret) -> dict[str, Any]:
        other = self.other if who is self.one else self.one
        return {"chat_id": other.public.legacy, "message_type": MessageType.ONE_TO_ONE}

    def _tick(self, clock: int | None) -> int:
        self.clock = self.clock + 1_000 if clock is None else clock
        return self.clock
