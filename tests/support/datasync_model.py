"""What SCP-09 §4.4 says of a group, word for word and slowly: no masks, no memory, every question asked from the beginning."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways.datasync.messages import (
    Ack,
    Body,
    ClientMessage,
    Join,
    Kick,
    Leave,
    Post,
    read_body,
    read_client,
)
from swarmchat.gateways.datasync.payload import Message, MessageId, PeerId
from swarmchat.gateways.datasync.standing import Law, Standing, step
from swarmchat.gateways.refusal import Refused


@dataclass(frozen=True)
class _Said:
    message: Message
    client: ClientMessage
    body: Body
    sender: PeerId


class Model:
    """A group of sound messages that name no circles; all that they follow is among them, or nowhere."""

    def __init__(self, law: Law, messages: Iterable[Message]) -> None:
        self.law = law
        self.said: dict[MessageId, _Said] = {}
        for message in messages:
            client = read_client(message.body)
            assert isinstance(client, ClientMessage)
            body = read_body(client)
            assert not isinstance(body, Refused)
            assert isinstance(client.sender, Key)
            self.said[message.id] = _Said(message, client, body, PeerId(client.sender.raw))

    @cached_property
    def past(self) -> dict[MessageId, frozenset[MessageId]]:
        """All that each follows, through others too."""
        past: dict[MessageId, frozenset[MessageId]] = {}
        while len(past) < len(self.said):
            for each in self.said.keys() - past.keys():
                follows = self.follows(each)
                if follows <= past.keys():
                    past[each] = follows.union(*(past[one] for one in follows))
        return past

    def follows(self, message: MessageId) -> frozenset[MessageId]:
        one = self.said[message]
        names = {*one.message.parents, one.client.previous}
        if isinstance(one.body, Ack):
            names.add(one.body.message)
        return frozenset(names & self.said.keys())

    @cached_property
    def order(self) -> list[MessageId]:
        """By the longest way back, then by id."""

        def depth(message: MessageId) -> int:
            return 1 + max(map(depth, self.follows(message)), default=-1)

        return sorted(self.said, key=lambda each: (depth(each), each))

    @cached_property
    def sound(self) -> set[MessageId]:
        """Those that count by what they follow."""
        sound: set[MessageId] = set()
        for each in self.order:
            before = self.past[each] & sound
            if self._is_sound(self.said[each], before):
                sound.add(each)
        return sound

    def _is_sound(self, one: _Said, before: set[MessageId] | frozenset[MessageId]) -> bool:
        previous = one.client.previous
        if previous is None:
            if any(self.said[each].sender == one.sender for each in before):
                return False
        elif previous not in self.said or self.said[previous].sender != one.sender:
            return False
        body = one.body
        if not isinstance(body, Ack | Post):
            if body.group not in {None, one.message.group}:
                return False
            if isinstance(body, Join) and body.group is None and previous is not None:
                return False
            if any(self.said[each].client.signature == one.client.signature for each in before):
                return False
        if isinstance(body, Ack):
            target = self.said.get(body.message)
            if target is None or body.message not in before or not isinstance(target.body, Join | Leave | Kick):
                return False
            if isinstance(target.body, Leave) and target.sender == one.sender:
                return True
            if isinstance(target.body, Kick) and target.body.target.raw == one.sender:
                return True
        return not isinstance(step(self.law, self.standing(before), one.sender, body), Refused)

    def standing(self, among: Iterable[MessageId]) -> Standing:
        """What those come to."""
        standing, signatures, among = Standing(), set[bytes](), set(among)
        for each in self.order:
            one = self.said[each]
            if each not in among or isinstance(one.body, Ack | Post) or one.client.signature in signatures:
                continue
            outcome = step(self.law, standing, one.sender, one.body)
            if isinstance(outcome, Standing):
                standing = outcome
                signatures.add(one.client.signature)
        return standing

    def is_hidden(self, message: MessageId) -> bool:
        """Whether there is a KICK beside it despite which nobody is a witness of it."""
        return any(not self._has_witness(message, kick) for kick in self._kicks_beside(message))

    def _kicks_beside(self, message: MessageId) -> list[MessageId]:
        sender = self.said[message].sender
        kicks = [
            each for each in self.sound if isinstance(body := self.said[each].body, Kick) and body.target.raw == sender
        ]
        return [kick for kick in kicks if kick not in self.past[message] and message not in self.past[kick]]

    def _has_witness(self, message: MessageId, kick: MessageId) -> bool:
        return any(
            message in self.past[each]
            and kick not in self.past[each]
            and each != kick
            and self.said[each].sender != self.said[message].sender
            and not self.is_hidden(each)
            for each in self.sound
        )

    def shown(self) -> list[MessageId]:
        return [
            each
            for each in self.order
            if each in self.sound and isinstance(self.said[each].body, Post) and not self.is_hidden(each)
        ]
