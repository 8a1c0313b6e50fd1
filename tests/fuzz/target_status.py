"""What comes from clients of Status: wrappers, messages, lists of signed events, and what a group is after them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any, TypeVar

from google.protobuf.message import DecodeError

from swarmchat.gateways.protobuf import Message, delimited
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import entities, envelopes, events, pairs, streams
from swarmchat.gateways.status.envelopes import Envelope
from swarmchat.gateways.status.events import SignedEvent
from swarmchat.gateways.status.fold import Fold, Rules, fold, fold_strictly
from swarmchat.gateways.status.wire import (
    PAYLOADS,
    ApplicationMetadataMessage,
    ChatMessage,
    DeleteMessage,
    EditMessage,
    EmojiReaction,
    EventType,
    GroupChatInvitation,
    ImageMessage,
    MembershipUpdateEvent,
    MembershipUpdateMessage,
    Payload,
    StickerMessage,
)
from tests.fuzz.recipe import Recipe, piece
from tests.support.protobuf_oracle import runtime_class, same
from tests.support.status_groups import ANN, BOB, CHAT, DAN, EVE, NOW_MS, event, founded

TOKENS = (
    CHAT.encode(),
    *(each.public.legacy.encode() for each in (ANN, BOB, DAN, EVE)),
    *(bytes((number << 3 | wire,)) for number in range(1, 15) for wire in (0, 2)),
    b"\x98\x01",
    b"\x9a\x06",
    b"\xa2\x06",
    b"\x80\xd0\x95\xff\xbc\x31",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"0x",
    b"#7cda00",
    b"\x89PNG",
)
M = TypeVar("M", bound=Message)
_RAW, _SIGNED, _STEPS, _STREAM = range(4)
_PEOPLE = (ANN, BOB, DAN, EVE)
_KINDS = tuple(PAYLOADS.values())
_EVENTS_MAX = 32  # each costs a signature
_WRAPPERS_MAX = 16
_SAID: tuple[Payload, ...] = (
    ChatMessage(
        clock=NOW_MS, timestamp=1, text="hi", chat_id=CHAT, message_type=3, content_type=1, display_name="Anna 1"
    ),
    ChatMessage(
        clock=1, timestamp=1, chat_id=CHAT, message_type=3, content_type=7, image=ImageMessage(payload=b"x", format=1)
    ),
    ChatMessage(
        clock=1, timestamp=1, chat_id=CHAT, message_type=3, content_type=2, sticker=StickerMessage(hash="x", pack=-1)
    ),
    EmojiReaction(clock=1, chat_id=CHAT, message_id="0x01", message_type=3, type=1, retracted=True),
    EditMessage(clock=1, text="ho", chat_id=CHAT, message_id="0x01", message_type=3, content_type=1),
    DeleteMessage(clock=1, chat_id=CHAT, message_id="0x01", message_type=3, deleted_by=ANN.public.legacy),
    GroupChatInvitation(clock=1, chat_id=CHAT, introduction_message="me", state=1),
)


def seeds() -> Iterator[bytes]:
    """A wrapper and a bare message of each kind, every kind of event, and a file of wrappers."""
    base = founded()
    update = MembershipUpdateMessage(chat_id=CHAT, events=tuple(each.raw for each in base), message=_SAID[0])  # type: ignore[arg-type]
    for message in (*_SAID, update):
        yield bytes((_RAW,)) + envelopes.sign(message, BOB).raw
        kind = next(at for at, each in enumerate(_KINDS) if isinstance(message, each))
        yield bytes((_SIGNED, kind)) + message.encode()
    steps = [
        event(EventType.NAME_CHANGED, BOB, 4, name="Shed"),
        event(EventType.COLOR_CHANGED, ANN, 4, color="#7cda00"),
        event(EventType.IMAGE_CHANGED, DAN, 5, image=b"\x89PNG"),
        event(EventType.MEMBER_JOINED, BOB, 5),
        event(EventType.ADMINS_ADDED, ANN, 6, BOB, EVE),
        event(EventType.ADMIN_REMOVED, DAN, 7, DAN),
        event(EventType.MEMBER_REMOVED, ANN, 8, DAN),
        event(EventType.MEMBER_REMOVED, BOB, 9, BOB),
    ]
    for some in (base, steps, [*base, *steps], *([each] for each in steps)):
        yield bytes((_STEPS,)) + b"".join(_step(each) for each in some)
    between = [replace(message, chat_id=ANN.public.legacy, message_type=1) for message in (*_SAID[:2], *_SAID[3:6])]  # type: ignore[call-arg]
    for message in between:
        yield bytes((_RAW,)) + envelopes.sign(message, BOB).raw
    yield bytes((_STREAM,)) + delimited([envelopes.sign(message, by).raw for message in between for by in (BOB, ANN)])
    yield bytes((_STREAM,)) + delimited([envelopes.sign(message, BOB).raw for message in (update, *_SAID[:2])])


def run(data: bytes) -> None:
    """Read or refused, as the format's own runtime reads it; any list of events comes to one group, in whatever order it came."""
    recipe = Recipe(data)
    match recipe.u8() % 4:
        case 0:
            raw = recipe.rest()
            _agree(ApplicationMetadataMessage, raw)
            _open(raw)
        case 1:
            message = _agree(_KINDS[recipe.u8() % len(_KINDS)], recipe.rest())
            if message is not None:
                sealed = envelopes.sign(message, BOB)
                assert _open(sealed.raw) == sealed, "what we sign is read as something else"
        case 2:
            _fold(list(_steps(recipe)))
        case _:
            wrappers = streams.split(recipe.rest())
            if not isinstance(wrappers, Refused):
                _take(wrappers[:_WRAPPERS_MAX])


def _step(signed: SignedEvent) -> bytes:
    """What `_steps` reads back."""
    by = next(at for at, who in enumerate(_PEOPLE) if who.public == signed.author)
    return bytes((by,)) + piece(signed.raw[65:])


def _steps(recipe: Recipe) -> Iterator[bytes]:
    """Elements signed by who is named, or put behind the signature of the one before."""
    signature = bytes(65)
    for _ in range(_EVENTS_MAX):
        if not recipe.more:
            return
        by, payload = recipe.u8(), recipe.piece()
        said = _agree(MembershipUpdateEvent, payload)
        if said is not None and by < 128:
            signature = events.sign(said, CHAT, _PEOPLE[by % 4]).signature
            payload = said.encode()
        yield signature + payload


def _open(raw: bytes) -> Envelope | None:
    envelope = envelopes.read(raw)
    if isinstance(envelope, Refused):
        return None
    assert envelope.raw == raw
    _take((raw,))
    match envelope.message:
        case EditMessage() | DeleteMessage() as change:
            assert entities.change_fault(change, envelope.author, BOB.public, ()) or envelope.author == BOB.public
        case EmojiReaction() as reaction:
            assert entities.reaction_id(envelope.author, reaction) != entities.reaction_id(DAN.public, reaction)
        case _:
            pass
    return envelope


def _take(wrappers: tuple[bytes, ...]) -> None:
    stream = streams.read(wrappers, NOW_MS, ANN.public)
    if isinstance(stream, Refused):
        return
    _fold_all(stream.chat_id, list(stream.events))
    for said in stream.said:
        assert pairs.spoken_in(said.author, said.entity) == stream.pair
        assert stream.pair is not None or said.entity.chat_id == stream.chat_id
        assert entities.fault(said.entity, NOW_MS) is None
    assert len({bad.place for bad in stream.bad}) == len(stream.bad) <= len(wrappers)


def _fold(elements: list[bytes]) -> None:
    read = [events.read(each, CHAT) for each in elements]
    _fold_all(CHAT, [each for each in read if isinstance(each, SignedEvent)])
    _open(envelopes.sign(MembershipUpdateMessage(chat_id=CHAT, events=tuple(elements)), BOB).raw)


def _fold_all(chat_id: str, signed: list[SignedEvent]) -> None:
    for rules in Rules:
        folded = fold(chat_id, signed, rules)
        assert fold(chat_id, reversed(signed), rules) == folded, "the order of arrival counts"
        assert folded.group.joined <= set(folded.group.members)
        assert len({each.signature for each in folded.events}) == len(folded.events)
        if folded.events:
            strict = fold_strictly(chat_id, folded.events, rules)
            assert isinstance(strict, Fold), "what was kept is not valid alone"
            assert strict.group == folded.group


def _agree(kind: type[M], data: bytes) -> M | None:
    """What we read, if the runtime reads the same, and what we write of it is read as the same."""
    message = kind.decode(data)
    if isinstance(message, Refused):
        return None
    theirs = _runtime(kind)()
    try:
        theirs.ParseFromString(data)
    except DecodeError:
        raise AssertionError("the runtime refuses it") from None
    assert same(message, theirs), "the runtime reads something else"
    assert kind.decode(message.encode()) == message
    return message


_runtime: Any = cache(runtime_class)
