"""What data-sync peers send: payloads into a machine, their messages into a group. (SCP-09 §4)"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from enum import IntEnum

from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways.datasync.attesting import claim
from swarmchat.gateways.datasync.effects import Deliver, Effect, Send
from swarmchat.gateways.datasync.group import Group
from swarmchat.gateways.datasync.machine import Machine, Mode, Resolution
from swarmchat.gateways.datasync.messages import (
    Ack,
    Body,
    Invite,
    Join,
    Kick,
    Leave,
    Type,
    read_body,
    read_client,
    sign,
    text_post,
    write_client,
)
from swarmchat.gateways.datasync.payload import (
    GroupId,
    Message,
    MessageId,
    Metadata,
    Offer,
    Payload,
    PeerId,
    Profile,
    read_message,
    read_payload,
    write_message,
    write_payload,
)
from swarmchat.gateways.datasync.records import MemoryMessages, MemoryRecords
from swarmchat.gateways.datasync.schedule import STATUS
from swarmchat.gateways.datasync.standing import Kind, Law
from swarmchat.gateways.refusal import Refused
from swarmchat.ids import account_id, commit_id
from swarmchat.limits import DATASYNC_IDS_PER_PAYLOAD_MAX, DATASYNC_REQUESTS_PER_PEER_MAX
from tests.fuzz.recipe import Recipe, patched, piece
from tests.support.datasync import ANNA, BERT, CARL, DORA, GROUP, SECRET_OF, Chain, Circle
from tests.support.mvds_vectors import VECTORS

TOKENS = (
    b"\xca\xb8\x02",
    b"\xd2\xb8\x02",
    b"\xda\xb8\x02",
    b"\xe2\xb8\x02",
    b"\xea\xb8\x02",
    b"\x8a\xf7\x02",
    b"\x90\xf7\x02",
    b"\x9a\xf7\x02",
    b"\xa2\xf7\x02",
    b"\x22\x41",
    b"\x1a\x20",
    b"\x1a\x41",
    b"\x80{}",
    b'\x80{"type":"text/plain"}',
    b'\x80{"by":"' + b"ab" * 20 + b'","commit":"' + b"cd" * 20 + b'","type":"text/plain"}',
    bytes(GROUP),
)
_PEOPLE = (ANNA, BERT, CARL, DORA)  # all but the last are in it
_OPERATIONS_MAX = 32


class _Do(IntEnum):
    """What happens next."""

    PAYLOAD = 0  # raw bytes
    SAY = 1  # a signed message
    AGAIN = 2  # one that is known, changed on its way
    IDS = 3
    BROKEN = 4  # a signed message with a few bytes changed
    TICK = 5


class _Node:
    """A full node as far as data sync goes: takes what its group keeps, and refuses the rest."""

    def __init__(self, mode: Mode, resolution: Resolution, kind: Kind | None) -> None:
        self.records, self.messages, self.law = MemoryRecords(), MemoryMessages(), Law(kind)
        self.machine = Machine(
            records=self.records,
            messages=self.messages,
            groups=Circle(*_PEOPLE[:3]),
            dice=lambda values: values - 1,
            mode=mode,
            schedule=STATUS,
            resolution=resolution,
        )
        self.group = Group(GROUP, self.law)
        self.kept: list[Message] = []
        self.refused: set[tuple[MessageId, PeerId]] = set()
        for peer in _PEOPLE:
            self.machine.online(peer)

    def follow(self, effects: list[Effect]) -> None:
        """Carry out what the machine wants."""
        while effects:
            effect = effects.pop(0)
            match effect:
                case Send(_, payload):
                    assert read_payload(write_payload(payload)) == payload
                    things = (*payload.acks, *payload.offers, *payload.requests, *payload.messages)
                    assert 0 < len(things) <= DATASYNC_IDS_PER_PAYLOAD_MAX
                case Deliver(message, sender) if not message.ephemeral:
                    assert not self.messages.has(message.id), "delivered again"
                    assert (message.id, sender) not in self.refused, "delivered again by who brought it"
                    refused = self.group.add(message, sender)
                    if refused is None:
                        self.kept.append(message)
                        client = read_client(message.body)
                        receipt = not isinstance(client, Refused) and client.type is Type.ACK
                        effects[:0] = (self.machine.noted if receipt else self.machine.taken)(message.id)
                    else:
                        self.refused.add((message.id, sender))
                        effects[:0] = self.machine.refused(message.id)
                case _:
                    pass

    def check(self) -> None:
        """What holds whatever was sent."""
        for peer in _PEOPLE:
            assert self.records.count(peer) == len(self.records.of(peer))
            assert self.records.count(peer) <= DATASYNC_REQUESTS_PER_PEER_MAX
        assert all(self.messages.has(message.id) for message in self.kept)
        if any(message.metadata is None for message in self.kept):
            return  # where they stand depends on when they came
        other = Group(GROUP, self.law)
        for message in reversed(self.kept):
            assert other.add(message) is None
        assert other.standing == self.group.standing
        assert other.entries() == self.group.entries()
        assert other.heads() == self.group.heads()
        for message in self.kept:
            assert other.verdict(message.id) == self.group.verdict(message.id)


def _founded() -> tuple[Message, ...]:
    """A group that three are in."""
    chain = Chain()
    chain.write(ANNA, Invite(Key(ANNA), GROUP, "members"))
    for member in (BERT, CARL):
        chain.write(ANNA, Invite(Key(member), GROUP))
        chain.write(member, Join(Key(member), GROUP))
    return tuple(chain.messages.values())


_FOUNDED = _founded()


def seeds() -> Iterator[bytes]:
    """The payloads of the vectors, and a group with everything that happens in one."""
    for vector in VECTORS["payloads"]:
        yield bytes((0, _Do.PAYLOAD, 1, 0)) + piece(bytes.fromhex(vector["hex"]))
    story = [(0, 0, 0), (0, 0, 1), (1, 1, 1), (1, 5, 2), (0, 4, 2), (0, 3, 1), (1, 5, 0), (0, 2, 0)]
    for shape in (0, 1, 2, 3, 4, 16, 20, 21, 22, 24, 36):
        yield bytes((shape, *(byte for who, what, about in story for byte in (_Do.SAY, who, what, about, 255, 255, 0))))
    yield bytes(
        (
            0,
            _Do.SAY,
            0,
            0,
            1,
            255,
            255,
            0,
            _Do.AGAIN,
            1,
            0,
            0,
            0,
            _Do.IDS,
            1,
            0,
            0,
            0,
            _Do.TICK,
            3,
            _Do.TICK,
            3,
            _Do.BROKEN,
            0,
            1,
            0,
            3,
            1,
            7,
        )
    )


def run(data: bytes) -> None:
    """Nothing raises, nothing is delivered twice, and the group comes out the same in the other order."""
    recipe = Recipe(data)
    shape = recipe.u8()
    made = list(_FOUNDED) if shape // 20 % 2 else []
    node = _Node(Mode(1 + shape % 2), list(Resolution)[shape // 2 % 2], (*Kind, None)[shape // 4 % 5])
    node.follow(node.machine.receive(ANNA, Payload(messages=tuple(made)), 0.0))
    for now in range(_OPERATIONS_MAX):
        if not recipe.more:
            break
        operation = _Do(recipe.u8() % len(_Do))
        peer = _PEOPLE[recipe.u8() % len(_PEOPLE)]
        match operation:
            case _Do.PAYLOAD:
                payload = _read(recipe.piece() if recipe.u8() == 0 else recipe.rest(), Profile.SPEC)
            case _Do.SAY:
                made.append(_said(recipe, peer, made))
                payload = Payload(messages=(made[-1],))
            case _Do.AGAIN if made:
                payload = Payload(messages=(_changed(recipe, made),))
            case _Do.IDS:
                ids = tuple(MessageId(_one(recipe, made) or bytes(32)) for _ in range(3))
                payload = Payload(ids[:1], ids[1:2], ids[2:], (), (Offer(GROUP, ids),))
            case _Do.BROKEN if made:
                whole = write_message(made[recipe.u8() % len(made)])
                broken = read_message(patched(whole, recipe))
                payload = Payload() if isinstance(broken, Refused) else Payload(messages=(broken,))
            case _:
                node.follow([effect for _ in range(4) for effect in node.machine.tick(float(now))])
                continue
        node.follow(node.machine.receive(peer, payload, float(now)))
        node.follow(node.machine.tick(float(now)))
    node.check()


def _read(data: bytes, profile: Profile) -> Payload:
    """The payload of these bytes; nothing if there is none. What was read is written and read the same."""
    read = read_payload(data, profile)
    if isinstance(read, Refused):
        read_payload(data, Profile.VACP2P)
        return Payload()
    assert read_payload(write_payload(read)) == read or read == Payload()
    for message in read.messages:
        client = read_client(message.body)
        if not isinstance(client, Refused):
            assert client.sender is not None
            body = read_body(client)
            found = None if isinstance(body, Refused) else claim(body)
            assert found is None or (account_id(found.by), commit_id(found.commit)) == (found.by, found.commit)
            if not client.legacy:
                assert read_client(write_client(client)) == client
    return read


def _said(recipe: Recipe, sender: bytes, made: list[Message]) -> Message:
    """A signed message: what it does, to whom, after what, with or without metadata, and when."""
    kind, about = recipe.u8() % 6, _PEOPLE[recipe.u8() % len(_PEOPLE)]
    where = GROUP if about != DORA else None
    key = Key(about)
    previous, parent = _one(recipe, made), _one(recipe, made)
    if previous is None and made:
        previous = next((each.id for each in reversed(made) if _sender(each) == sender), None)
    body: Body = (
        Invite(key, where, "members"),
        Join(Key(sender), where),
        Leave(None, None),
        Kick(key, where),
        Ack(MessageId(parent or made[-1].id if made else bytes(32))),
        text_post("hello"),
    )[kind]
    client = sign(body, None if previous == bytes(32) else previous, SECRET_OF[sender])
    flags = recipe.u8()
    parents = (parent,) if parent else tuple(each.id for each in made[-2:])
    metadata = None if flags & 3 == 3 else Metadata(parents, ephemeral=flags & 15 == 4)
    return Message(GROUP if flags < 250 else GroupId(GROUP[::-1]), flags, write_client(client), metadata)


def _changed(recipe: Recipe, made: list[Message]) -> Message:
    """A message as somebody passes it on who changes what its id does not cover, or its time."""
    message = made[recipe.u8() % len(made)]
    parent = _one(recipe, made)
    if recipe.u8() % 2:
        return replace(message, metadata=Metadata((parent,) if parent else ()))
    copy = replace(message, timestamp=message.timestamp + 1)
    made.append(copy)
    return copy


def _one(recipe: Recipe, made: list[Message]) -> MessageId | None:
    """The id of something that was said, or of nothing; None for the rest."""
    index = recipe.u8()
    if index == 254:
        return MessageId(bytes(32))
    return made[index].id if index < len(made) else None


def _sender(message: Message) -> bytes | None:
    client = read_client(message.body)
    return None if isinstance(client, Refused) or client.sender is None else client.sender.raw
