"""Client messages of data sync: what is signed, and what each body says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways import protobuf
from swarmchat.gateways.datasync.messages import (
    Ack,
    Body,
    ClientMessage,
    Content,
    Fault,
    Invite,
    Join,
    Kick,
    Leave,
    Post,
    Type,
    causes,
    commit_post,
    read_body,
    read_client,
    sign,
    text_post,
    write_body,
    write_client,
)
from swarmchat.gateways.datasync.payload import GroupId, Message, MessageId, Metadata
from swarmchat.gateways.refusal import Refused
from tests.support.datasync import ANNA, BERT, GROUP, SECRET_OF
from tests.support.mvds_vectors import VECTORS

ID = MessageId(b"i" * 32)
ANNAS, BERTS = Key(ANNA), Key(BERT)
BODIES = [
    Invite(BERTS, None),
    Invite(BERTS, GROUP),
    Invite(BERTS, GROUP, "come in, Привет"),
    Join(ANNAS, None),
    Join(ANNAS, GROUP),
    Leave(ANNAS, None),
    Leave(ANNAS, GROUP),
    Leave(None, None),
    Kick(BERTS, None),
    Kick(BERTS, GROUP),
    Ack(ID),
    text_post("Привет"),
    text_post(""),
    commit_post('{"type":"text/plain","body":"hi"}'),
    Post(Content.STICKER, b"\xff"),
    Post(Content.STATUS, b"away", "away"),
    Post(Content.COMMAND, b"", ""),
    Post(Content.EMOJI, "🦊".encode(), "🦊"),
]


def said(kind: Type, body: bytes) -> Body | Refused:
    client = ClientMessage(kind, body, None, b"")
    return read_body(replace(client, signature=SECRET_OF[ANNA].sign(client.digest)))


@pytest.mark.parametrize("body", BODIES, ids=repr)
@pytest.mark.parametrize("previous", [None, ID])
def test_every_body_is_read_as_it_was_written(body: Body, previous: MessageId | None) -> None:
    client = read_client(write_client(sign(body, previous, SECRET_OF[ANNA])))
    assert isinstance(client, ClientMessage)
    assert client.sender == ANNAS
    assert client.previous == previous
    assert read_body(client) == body


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (Type.INVITE, b""),
        (Type.INVITE, BERT[:-1]),
        (Type.INVITE, BERT + GROUP[:-1]),
        (Type.INVITE, BERT + GROUP + b"\xff"),
        (Type.INVITE, b"\4" + bytes(64)),
        (Type.JOIN, b""),
        (Type.JOIN, BERT),
        (Type.JOIN, BERT + GROUP),
        (Type.JOIN, ANNA + GROUP + b"!"),
        (Type.JOIN, ANNA + GROUP + b"\xff"),
        (Type.LEAVE, BERT),
        (Type.LEAVE, ANNA + b"!"),
        (Type.KICK, b""),
        (Type.KICK, BERT + GROUP + b"!"),
        (Type.ACK, b""),
        (Type.ACK, bytes(31)),
        (Type.ACK, bytes(33)),
    ],
)
def test_a_body_that_says_nothing_is_refused(kind: Type, body: bytes) -> None:
    refused = said(kind, body)
    assert isinstance(refused, Refused)
    assert refused.reason == Fault.BAD_BODY


@pytest.mark.parametrize(
    ("body", "post"),
    [
        (b"hi", Post(Content.TEXT, b"hi", "hi")),
        (b"", Post(Content.TEXT, b"", "")),
        (b"\0", Post(Content.TEXT, b"\0", "\0")),
        (b"\x06x", Post(Content.TEXT, b"\x06x", "\x06x")),
        (b"\1hi", Post(Content.TEXT, b"hi", "hi")),
        (b"\1\xff", Post(Content.OPAQUE, b"\1\xff")),
        (b"\2\xff", Post(Content.STICKER, b"\xff")),
        (b"\xff", Post(Content.OPAQUE, b"\xff")),
        (b"\x80", Post(Content.OPAQUE, b"\x80")),
        (b"\x80[]", Post(Content.OPAQUE, b"\x80[]")),
        (b'\x80{"a":1,"a":2}', Post(Content.OPAQUE, b'\x80{"a":1,"a":2}')),
        (b"\x80{}", Post(Content.COMMIT, b"{}", "{}")),
    ],
)
def test_a_post_is_typed_or_text_or_opaque(body: bytes, post: Post) -> None:
    assert said(Type.POST, body) == post


def test_what_has_no_number_is_not_written() -> None:
    with pytest.raises(ValueError, match="bytes must be in range"):
        write_body(Post(Content.OPAQUE, b"?"))


def test_a_type_that_nobody_has_named_is_refused() -> None:
    whole = write_client(sign(text_post("x"), None, SECRET_OF[ANNA]))
    assert read_client(b"\x08\x06" + whole[2:]) == Refused(Fault.UNKNOWN_TYPE, "6")
    assert read_client(b"\x08" + b"\xff" * 9 + b"\x01" + whole[2:]) == Refused(Fault.UNKNOWN_TYPE, "-1")


@pytest.mark.parametrize("signature", [b"", bytes(65), b"\1" * 64, b"\1" * 66, b"\xff" * 65])
def test_what_nobody_can_have_signed_is_refused(signature: bytes) -> None:
    client = ClientMessage(Type.POST, b"x", ID, signature)
    assert read_client(write_client(client)) == Refused(Fault.BAD_SIGNATURE)


def test_every_bit_is_under_the_signature_but_those_that_wander() -> None:
    client = sign(Kick(BERTS, GROUP), ID, SECRET_OF[ANNA])
    for other in (
        replace(client, type=Type.INVITE),
        replace(client, body=BERT + GROUP[::-1]),
        replace(client, previous=MessageId(ID[:-1] + b"j")),
        replace(client, previous=None),
    ):
        assert other.sender != ANNAS
    assert replace(client, body=client.body + ID, previous=None).sender == ANNAS


def test_the_form_of_2019_is_told_by_a_signature_where_the_previous_message_stands_now() -> None:
    wire = bytes.fromhex(VECTORS["dasy_legacy"]["wire_hex"])
    assert read_client(wire[:-1]) == Refused(protobuf.Fault.CUT_SHORT, "Client")
    both = read_client(wire + b"\x22\x41" + bytes(65))
    assert both == Refused(Fault.BAD_PREVIOUS, "65 bytes")


def test_a_message_follows_what_its_metadata_says_and_what_it_names_itself() -> None:
    parent, previous, target = (MessageId(bytes((each,)) * 32) for each in (1, 2, 3))
    post = write_client(sign(text_post("x"), previous, SECRET_OF[ANNA]))
    ack = write_client(sign(Ack(target), previous, SECRET_OF[ANNA]))
    assert causes(Message(GROUP, 1, post)) == (previous,)
    assert causes(Message(GROUP, 1, post, Metadata((parent, previous)))) == (parent, previous)
    assert causes(Message(GROUP, 1, ack, Metadata((parent,)))) == (parent, previous, target)
    assert causes(Message(GroupId(bytes(32)), 1, b"nothing that anybody signed", Metadata((parent,)))) == (parent,)
