"""Data-sync peers in memory: machines that know each other, and a line between them that may lose what it carries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from random import Random
from typing import Literal

from swarmchat.crypto.secp256k1 import Secret
from swarmchat.gateways.datasync.effects import Deliver, Effect, Send
from swarmchat.gateways.datasync.machine import Machine, Mode, Resolution
from swarmchat.gateways.datasync.messages import Body, sign, write_client
from swarmchat.gateways.datasync.payload import (
    GroupId,
    Message,
    MessageId,
    Metadata,
    Payload,
    PeerId,
    read_payload,
    write_payload,
)
from swarmchat.gateways.datasync.records import MemoryMessages, MemoryRecords
from swarmchat.gateways.datasync.schedule import SIMULATION, Schedule

GROUP = GroupId(bytes(range(32)))
SECRETS = {name: Secret(name.encode().rjust(32, b"\1")) for name in ("anna", "bert", "carl", "dora", "emil")}
ANNA, BERT, CARL, DORA, EMIL = (PeerId(secret.public.raw) for secret in SECRETS.values())
SECRET_OF = {PeerId(secret.public.raw): secret for secret in SECRETS.values()}


class Circle:
    """Everybody named is in every group, and nobody else is."""

    def __init__(self, *members: PeerId) -> None:
        self.in_it = set(members)
        self.me: PeerId | None = None

    def members(self, group: GroupId) -> Collection[PeerId]:
        return self.in_it - {self.me} if self.me else self.in_it

    def reads(self, peer: PeerId, message: Message) -> bool:
        return peer in self.in_it

    def writes(self, peer: PeerId, message: Message) -> bool:
        return peer in self.in_it


class Peer:
    """A machine whose owner takes whatever is delivered."""

    def __init__(
        self,
        me: PeerId,
        circle: Iterable[PeerId],
        *,
        mode: Mode = Mode.INTERACTIVE,
        schedule: Schedule = SIMULATION,
        resolution: Resolution = Resolution.CONSISTENT,
        dice: Callable[[int], int] = lambda values: 0,
    ) -> None:
        self.me = me
        self.groups = Circle(*circle)
        self.groups.me = me
        self.records, self.messages = MemoryRecords(), MemoryMessages()
        self.machine = Machine(
            records=self.records,
            messages=self.messages,
            groups=self.groups,
            dice=dice,
            mode=mode,
            schedule=schedule,
            resolution=resolution,
        )
        self.delivered: list[Message] = []
        self.effects: list[Effect] = []  # all but payloads
        self.takes = True

    def receive(self, peer: PeerId, payload: Payload, now: float = 0.0) -> list[Effect]:
        """Everything that a payload leads to, taking what comes."""
        return self._settle(self.machine.receive(peer, payload, now))

    def tick(self, now: float = 0.0) -> dict[PeerId, Payload]:
        """What goes out."""
        effects = self._settle(self.machine.tick(now))
        return {effect.peer: effect.payload for effect in effects if isinstance(effect, Send)}

    def say(self, text: str, timestamp: int = 1, *, ephemeral: bool = False) -> Message:
        """Write to the group."""
        message = self.machine.compose(GROUP, timestamp, text.encode(), ephemeral=ephemeral)
        self._settle(self.machine.publish(message))
        return message

    def _settle(self, effects: list[Effect]) -> list[Effect]:
        seen: list[Effect] = []
        while effects:
            effect = effects.pop(0)
            seen.append(effect)
            if isinstance(effect, Deliver):
                self.delivered.append(effect.message)
                if self.takes and not effect.message.ephemeral:
                    effects[:0] = self.machine.taken(effect.message.id)
        self.effects += [effect for effect in seen if not isinstance(effect, Send)]
        return seen


class Air:
    """Carries payloads as bytes, one tick after another, and loses a share of them."""

    def __init__(self, *peers: Peer, loss: float = 0.0, seed: int = 0) -> None:
        self.peers = {peer.me: peer for peer in peers}
        self.dice = Random(seed)
        self.loss = loss
        self.carried: list[tuple[PeerId, PeerId, Payload]] = []
        self.now = 0.0
        for peer in peers:
            for other in peers:
                if other is not peer:
                    peer.machine.online(other.me)

    def round(self) -> None:
        """One tick of everybody, and what arrives of it."""
        self.now += 1.0
        going = [(me, to, payload) for me, peer in self.peers.items() for to, payload in peer.tick(self.now).items()]
        for sender, to, payload in going:
            self.carried.append((sender, to, payload))
            if self.dice.random() >= self.loss:
                read = read_payload(write_payload(payload))
                assert read == payload
                self.peers[to].receive(sender, payload, self.now)

    def until_quiet(self, rounds_max: int = 2_000) -> int:
        """Rounds that it took until nobody has anything left to send."""
        for count in range(rounds_max):
            if count and not any(peer.records.of(other) for peer in self.peers.values() for other in self.peers):
                return count
            self.round()
        raise AssertionError(f"not quiet after {rounds_max} rounds")


class Chain:
    """Writes the messages of a group for everybody, each after what its sender has seen."""

    def __init__(self, group: GroupId = GROUP) -> None:
        self.group = group
        self.messages: dict[MessageId, Message] = {}
        self.last: defaultdict[PeerId, MessageId | None] = defaultdict(lambda: None)
        self.time = 1_700_000_000

    def write(
        self,
        sender: PeerId,
        body: Body,
        *,
        parents: Iterable[Message] | None = None,
        previous: MessageId | Literal["own", "none"] = "own",
    ) -> Message:
        """A message of `sender`; by default after all that there is, and after his own last one."""
        self.time += 1
        own = self.last[sender] if previous == "own" else None if previous == "none" else MessageId(previous)
        seen = self.heads() if parents is None else tuple(sorted(each.id for each in parents))
        client = sign(body, own, SECRET_OF[sender])
        message = Message(self.group, self.time, write_client(client), Metadata(seen))
        self.messages[message.id] = message
        self.last[sender] = message.id
        return message

    def heads(self) -> tuple[MessageId, ...]:
        """Messages that nobody has seen yet."""
        named = {parent for message in self.messages.values() for parent in message.parents}
        return tuple(sorted(self.messages.keys() - named))
