"""Frames of a channel, the preface of a link, and what peers say in them: sync, pack and mail. (SCP-03 §2a, §4a; SCP-04; SCP-06)"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgpack

from swarmchat.addresses import Address
from swarmchat.ids import CommitId, ConversationId, DeviceId
from swarmchat.limits import SYNC_FRAME_BYTES_MAX
from swarmchat.links.frames import (
    FrameDecoder,
    FrameError,
    Message,
    Preface,
    PrefaceDecoder,
    decode_map,
    encode,
    encode_preface,
)
from swarmchat.swarm import mail, messages
from swarmchat.swarm.messages import MessageError
from tests.fuzz.recipe import chunks

TOKENS = (
    *(b"\x81\xa1t", b"hello", b"convs", b"heads", b"card", b"cards", b"addr", b"more", b"news", b"since", b"pack"),
    *(b"got", b"bad", b"commit", b"code", b"rule", b"read", b"at", b"typing", b"on", b"bye", b"have", b"want", b"enc"),
    *(b"objects", b"deflate", b"mimetype", b"body", b"ts", b"application/trust-request", b"application/swarm-invite"),
    *(b"application/invite", b"application/im-gitmessage-id", b"deviceId", b"boot", b"agent", b"dial", b"now"),
    *(b"\xc4\x14", b"\xd9\x28", b"\xd6\xff", b"\xc0", b"\xdf\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff"),
)
_STREAM, _BODY, _CLIENT, _SERVER = range(4)
_ID = ConversationId("ab" * 20)
_COMMITS = (CommitId("01" * 20), CommitId("02" * 20))


def seeds() -> Iterator[bytes]:
    """One of every message there is."""
    said: list[messages.SyncMessage] = [
        messages.Hello(
            (messages.Shared(_ID, _COMMITS),),
            b"card",
            more=True,
            addresses=(Address("192.0.2.1", 4000), Address("2001:db8::1", 9)),
            cards=(b"one", b"two"),
        ),
        messages.News(_ID, _COMMITS, _COMMITS[:1], b"PACK"),
        messages.Got(_ID, _COMMITS),
        messages.Bad(_ID, _COMMITS[0], "bad-vote", "SCP-02 §5.6"),
        messages.Read(_ID, _COMMITS[0], 1_750_000_000_000),
        messages.Typing(_ID, on=True),
        messages.Bye("busy"),
    ]
    mails: list[mail.Mail] = [
        mail.TrustRequest(_ID, _COMMITS[0], "Ann", 1),
        mail.TrustAnswer(_ID),
        mail.SwarmInvite(_ID, _COMMITS[0], 2, "Garden", "about it", 7, 1),
        mail.Ask(_ID),
        mail.Notice(_ID, _COMMITS[0], _COMMITS, DeviceId("cd" * 32)),
    ]
    maps = [messages.encode(one) for one in said]
    maps += [messages.pack_request_fields(messages.PackRequest(_ID, _COMMITS, want)) for want in (None, _COMMITS)]
    maps += [messages.pack_answer_fields(messages.PackAnswer(_COMMITS, 9, "deflate"))]
    maps += [mail.letter_fields(mail.Letter(one, 1_750_000_000)) for one in mails]
    for one in maps:
        yield bytes((_BODY,)) + msgpack.packb(one)
    yield bytes((_STREAM, 7)) + b"".join(encode(one) for one in maps[2:6])
    for place, dial in ((_CLIENT, 5), (_SERVER, None)):
        yield bytes((place,)) + encode_preface(Preface("swarmchat/0.1", b"12345678", 1_750_000_000, dial)) + b"rest"


def run(data: bytes) -> None:
    """Any chunking gives the same; what is read is written back to the same; only FrameError and MessageError come out."""
    place, rest = data[:1] or b"\0", data[1:]
    match place[0] % 4:
        case 0:
            _stream(rest[1:], rest[0] if rest else 0)
        case 1:
            _body(rest)
        case 2:
            _preface(rest, client=True)
        case _:
            _preface(rest, client=False)


def _stream(data: bytes, dice: int) -> None:
    whole, cut = _read(iter((data,))), _read(chunks(data, dice))
    assert whole[1] == cut[1]
    assert msgpack.packb(whole[0]) == msgpack.packb(cut[0])


def _read(pieces: Iterator[bytes]) -> tuple[list[Message], str]:
    decoder, found, fed, taken = FrameDecoder(SYNC_FRAME_BYTES_MAX), [], 0, 0
    try:
        for one in pieces:
            decoder.feed(one)
            fed += len(one)
            while (message := decoder.message()) is not None:
                found.append(message)
                taken = fed - decoder.buffered
            assert decoder.buffered == fed - taken
    except FrameError as error:
        return found, error.code
    return found, ""


def _body(body: bytes) -> None:
    try:
        message = decode_map(body)
    except FrameError:
        return
    packed = encode(message, limit=max(len(body) * 9, 64))  # a float of 4 bytes is written in 8
    assert msgpack.packb(decode_map(packed[4:])) == packed[4:]
    _meant(message, messages.decode, messages.encode)
    _meant(message, messages.read_pack_request, messages.pack_request_fields)
    _meant(message, messages.read_pack_answer, messages.pack_answer_fields)
    _meant(message, mail.read_letter, mail.letter_fields)
    try:
        messages.conversation_of(message)
    except MessageError:
        return


def _meant(message: Message, read: Callable[[Any], Any], write: Callable[[Any], Any]) -> None:
    try:
        value = read(message)
    except MessageError:
        return
    if value is not None:
        again = decode_map(encode(write(value), limit=2 * SYNC_FRAME_BYTES_MAX)[4:])
        assert read(again) == value, "said again it is another message"
        hash(value)


def _preface(data: bytes, *, client: bool) -> None:
    outcomes: list[tuple[Preface | None, bytes, str]] = []
    for pieces in (iter((data,)), chunks(data, 5)):
        decoder, found, code = PrefaceDecoder(client=client), None, ""
        try:
            for one in pieces:
                if found is None:
                    found = decoder.receive(one)
                else:
                    decoder.rest += one
        except FrameError as error:
            code = error.code
        outcomes.append((found, b"" if code else decoder.rest, code))
    assert outcomes[0] == outcomes[1]
    found = outcomes[0][0]
    if found is not None and len(found.agent) < 1_000:
        assert PrefaceDecoder(client=client).receive(encode_preface(found)) == found
