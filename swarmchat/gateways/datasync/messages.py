"""Client messages: what somebody says in a group of data sync, signed. (SCP-09 §4.3)

    digest    = SHA-256( uint32 little endian type ‖ body ‖ previous message )
    signature = recoverable, over the digest; its key is the sender

The digest covers neither group nor time, and bytes can wander between body and previous message. What stands against that
is in `gateways.datasync.group`, and in the group that the bodies written here name.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import cached_property
from typing import Final

from swarmchat.conversation.actions import read_object
from swarmchat.conversation.rejection import Rejection
from swarmchat.crypto.secp256k1 import KEY_BYTES, SIGNATURE_BYTES, Key, Secret, recover
from swarmchat.gateways.datasync import wire
from swarmchat.gateways.datasync.payload import ID_BYTES, GroupId, Message, MessageId
from swarmchat.gateways.refusal import Refused


class Type(IntEnum):
    """What a client message does."""

    INVITE = 0
    JOIN = 1
    LEAVE = 2
    KICK = 3
    ACK = 4
    POST = 5


class Content(IntEnum):
    """What a POST carries; the number is its first byte."""

    OPAQUE = -1  # nothing that anybody here can read; has no number
    TEXT = 1
    STICKER = 2
    STATUS = 3
    COMMAND = 4
    EMOJI = 5
    COMMIT = 0x80  # the message of a commit, as it stands there


class Fault(StrEnum):
    """Why bytes are no client message, or what a message says is nothing."""

    UNKNOWN_TYPE = "unknown-type"
    BAD_PREVIOUS = "bad-previous"  # neither empty nor 32 bytes
    BAD_SIGNATURE = "bad-signature"  # nobody can have signed this
    BAD_BODY = "bad-body"  # not what its type asks for


@dataclass(frozen=True)
class ClientMessage:
    """A signed message; `legacy` is the form of 2019, which is read and never written."""

    type: Type
    body: bytes
    previous: MessageId | None  # of the same sender in the same group
    signature: bytes
    legacy: bool = False

    @cached_property
    def digest(self) -> bytes:
        """What is signed."""
        return _digest(self.type, self.body, self.previous)

    @cached_property
    def sender(self) -> Key | None:
        """Whose signature it is; None if nobody can have made it."""
        return recover(self.digest, self.signature)


@dataclass(frozen=True, slots=True)
class Invite:
    """The sender asks somebody in. The first of a group founds it."""

    invitee: Key
    group: GroupId | None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Join:
    """The sender comes in."""

    who: Key
    group: GroupId | None


@dataclass(frozen=True, slots=True)
class Leave:
    """The sender goes; an empty body says no more than that."""

    who: Key | None
    group: GroupId | None


@dataclass(frozen=True, slots=True)
class Kick:
    """The sender puts somebody out."""

    target: Key
    group: GroupId | None


@dataclass(frozen=True, slots=True)
class Ack:
    """The sender saw a JOIN, LEAVE or KICK."""

    message: MessageId


@dataclass(frozen=True, slots=True)
class Post:
    """The sender says something; `text` where it is one."""

    content: Content
    data: bytes
    text: str | None = None


Body = Invite | Join | Leave | Kick | Ack | Post


def sign(body: Body, previous: MessageId | None, secret: Secret) -> ClientMessage:
    """A message of this body, after the sender's last one in the group."""
    kind, data = _TYPES[type(body)], write_body(body)
    return ClientMessage(kind, data, previous, secret.sign(_digest(kind, data, previous)))


def write_client(message: ClientMessage) -> bytes:
    """Its bytes; ValueError for a legacy one."""
    if message.legacy:
        raise ValueError("the form of 2019 is not written")
    return wire.Client(
        message_type=message.type,
        body=message.body,
        previous_message=message.previous or b"",
        signature=message.signature,
    ).encode()


def read_client(data: bytes) -> ClientMessage | Refused:
    """The message of these bytes, its sender known; or why there is none."""
    message = _parsed(data)
    if isinstance(message, ClientMessage) and message.sender is None:
        return Refused(Fault.BAD_SIGNATURE)
    return message


def write_body(body: Body) -> bytes:
    """The bytes of a body; ValueError for content without a number."""
    match body:
        case Invite():
            return body.invitee.raw + (body.group or b"") + body.text.encode()
        case Join() | Leave():
            return (body.who.raw if body.who else b"") + (body.group or b"")
        case Kick():
            return body.target.raw + (body.group or b"")
        case Ack():
            return body.message
        case Post():
            return bytes((body.content,)) + body.data


def read_body(message: ClientMessage) -> Body | Refused:
    """What a message says; whether it may is for its group to judge."""
    data = message.body
    match message.type:
        case Type.POST:
            return _post(data)
        case Type.ACK:
            return Ack(MessageId(data)) if len(data) == ID_BYTES else Refused(Fault.BAD_BODY, f"{len(data)} bytes")
        case Type.LEAVE if not data:
            return Leave(None, None)
    try:
        who, group, rest = _named(data)
        text = rest.decode()
    except ValueError as fault:
        return Refused(Fault.BAD_BODY, str(fault))
    if message.type is Type.INVITE:
        return Invite(who, group, text)
    if text:
        return Refused(Fault.BAD_BODY, f"{len(data)} bytes")
    if message.type is Type.KICK:
        return Kick(who, group)
    if who != message.sender:
        return Refused(Fault.BAD_BODY, "it names somebody else than its sender")
    return Join(who, group) if message.type is Type.JOIN else Leave(who, group)


def text_post(text: str) -> Post:
    """A text."""
    return Post(Content.TEXT, text.encode(), text)


def commit_post(message: str) -> Post:
    """The message of a commit, verbatim."""
    return Post(Content.COMMIT, message.encode(), message)


def named(client: ClientMessage) -> tuple[MessageId, ...]:
    """The messages that it names itself and that its signature covers: it cannot be older than they are."""
    target = read_body(client) if client.type is Type.ACK else None
    return (*([client.previous] if client.previous else ()), *([target.message] if isinstance(target, Ack) else ()))


def causes(message: Message) -> tuple[MessageId, ...]:
    """What a message follows: what its metadata says, and what its client message names; nobody's signature is looked at."""
    client = _parsed(message.body)
    more = () if isinstance(client, Refused) else named(client)
    return tuple(sorted({*message.parents, *more}))


def moves(message: Message, who: Key) -> bool:
    """Whether somebody is asked in by it, put out, or comes in."""
    client = read_client(message.body)
    body = client if isinstance(client, Refused) else read_body(client)
    match body:
        case Invite(invitee=moved) | Kick(target=moved) | Join(who=moved):
            return moved == who
        case _:
            return False


_TYPES: Final[dict[type[Body], Type]] = {
    Invite: Type.INVITE,
    Join: Type.JOIN,
    Leave: Type.LEAVE,
    Kick: Type.KICK,
    Ack: Type.ACK,
    Post: Type.POST,
}
_CONTENTS: Final = {bytes((each,)): each for each in Content if each is not Content.OPAQUE}


def _parsed(data: bytes) -> ClientMessage | Refused:
    """The message of these bytes, whoever signed it.

    Without a signature in field 4 and with one in field 3 it is of the form that knew no previous message.
    """
    raw = wire.Client.decode(data)
    if isinstance(raw, Refused):
        return raw
    try:
        kind = Type(raw.message_type)
    except ValueError:
        return Refused(Fault.UNKNOWN_TYPE, str(raw.message_type))
    previous, signature = raw.previous_message, raw.signature
    legacy = not signature and len(previous) == SIGNATURE_BYTES
    if legacy:
        previous, signature = b"", previous
    if len(previous) not in {0, ID_BYTES}:
        return Refused(Fault.BAD_PREVIOUS, f"{len(previous)} bytes")
    return ClientMessage(kind, raw.body, MessageId(previous) if previous else None, signature, legacy)


def _digest(kind: Type, body: bytes, previous: MessageId | None) -> bytes:
    return hashlib.sha256(kind.to_bytes(4, "little") + body + (previous or b"")).digest()


def _named(data: bytes) -> tuple[Key, GroupId | None, bytes]:
    """Key, group and what follows; ValueError if there is no key, or something after it that is no group."""
    who, group = Key.read(data[:KEY_BYTES]), data[KEY_BYTES : KEY_BYTES + ID_BYTES]
    if len(group) not in {0, ID_BYTES}:
        raise ValueError(f"{len(data)} bytes")
    return who, GroupId(group) if group else None, data[KEY_BYTES + ID_BYTES :]


def _post(data: bytes) -> Post:
    """What a POST carries: typed, else all of it a text, else opaque. Some clients write no type."""
    kind, content = _CONTENTS.get(data[:1], Content.OPAQUE), data[1:]
    text = _text(content)
    if kind is Content.COMMIT:
        sound = not isinstance(read_object(content), Rejection)
        return Post(kind, content, text) if sound else Post(Content.OPAQUE, data)
    if kind is not Content.OPAQUE and not (kind is Content.TEXT and text is None):
        return Post(kind, content, text)
    whole = _text(data)
    return Post(Content.OPAQUE, data) if whole is None else Post(Content.TEXT, data, whole)


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
