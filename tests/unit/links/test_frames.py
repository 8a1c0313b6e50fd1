from __future__ import annotations

from contextlib import suppress

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmchat.limits import (
    FRAME_CONTAINERS_MAX,
    FRAME_DEPTH_MAX,
    MESSAGE_FRAME_BYTES_MAX,
    PREFACE_BYTES_MAX,
    SYNC_FRAME_BYTES_MAX,
)
from swarmchat.links.frames import (
    FrameDecoder,
    FrameError,
    Preface,
    PrefaceDecoder,
    decode_map,
    encode,
    encode_preface,
)

LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=40) | st.text(max_size=20)
MESSAGES = st.dictionaries(
    st.text(max_size=8), st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3), max_leaves=8), max_size=5
)


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


def nested(depth: int) -> dict[str, object]:
    value: object = 1
    for _ in range(depth - 1):
        value = [value]
    return {"x": value}


@settings(max_examples=40)
@given(st.lists(MESSAGES, max_size=4), st.data())
def test_messages_come_out_whole_under_any_chunking(messages: list[dict[str, object]], data: st.DataObject) -> None:
    wire = b"".join(map(encode, messages))
    decoder, got = FrameDecoder(), []
    while wire:
        cut = data.draw(st.integers(1, len(wire)))
        got += decoder.receive(wire[:cut])
        wire = wire[cut:]
    assert got == messages
    assert decoder.buffered == 0


@given(st.lists(st.integers(1, 7), max_size=30))
def test_raw_bytes_stand_between_messages_where_announced(cuts: list[int]) -> None:
    wire = encode({"raw": 5}) + b"12345" + encode({"raw": 0}) + encode({"end": True})
    decoder = FrameDecoder()
    got: list[object] = []
    missing = 0
    for cut in [*cuts, len(wire)]:
        decoder.feed(wire[:cut])
        wire = wire[cut:]
        while True:
            if missing:
                piece = decoder.raw(missing)
                if not piece:
                    break
                missing -= len(piece)
                got.append(piece)
            else:
                message = decoder.message()
                if message is None:
                    break
                missing = message.get("raw", 0)
                got.append(message)
    messages = [item for item in got if isinstance(item, dict)]
    assert messages == [{"raw": 5}, {"raw": 0}, {"end": True}]
    assert b"".join(item for item in got if isinstance(item, bytes)) == b"12345"


def test_a_message_may_be_as_long_as_the_limit_and_no_longer() -> None:
    overhead = len(encode({"x": b"1" * 1000})) - 4 - 1000
    fits = {"x": b"1" * (1000 - overhead)}
    assert FrameDecoder(1000).receive(encode(fits, 1000)) == [fits]
    with pytest.raises(ValueError, match="1001 bytes"):
        encode({"x": b"1" * (1001 - overhead)}, 1000)
    with pytest.raises(FrameError) as caught:
        FrameDecoder(1000).receive((1001).to_bytes(4, "big"))  # refused before a byte of it came
    assert caught.value.code == "too-big"


def test_limits_are_those_of_the_spec() -> None:
    assert (MESSAGE_FRAME_BYTES_MAX, SYNC_FRAME_BYTES_MAX, FRAME_DEPTH_MAX) == (65_536, 1_048_576, 8)


def test_eight_levels_are_read_and_nine_are_not() -> None:
    assert decode_map(msgpack.packb(nested(8))) == nested(8)
    for depth in (9, 200, 5000):
        body = b"\x81\xa1x" + b"\x91" * (depth - 1) + b"\x01"
        with pytest.raises(FrameError):
            decode_map(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        msgpack.packb([1]),
        msgpack.packb(7),
        msgpack.packb({1: 2}),
        msgpack.packb({b"a": 2}),
        msgpack.packb({"a": {None: 2}}),
        msgpack.packb({"a": 1}) + b"\x00",
        msgpack.packb({"a": 1})[:-1],
        b"\x82\xa1a\x01\xa1a\x02",  # "a" twice
        b"\x81\xa1a\x82\xa1b\x01\xa1b\x02",
        msgpack.packb({"a": msgpack.ExtType(5, b"x")}),
        msgpack.packb({"a": msgpack.Timestamp(1)}),
        msgpack.packb({"a": [msgpack.Timestamp(1)]}),
        b"\x81\xa1a\xa1\xff",  # no UTF-8
        b"\x81\xa1a\xdd\xff\xff\xff\xff",  # a list of four thousand million
        b"\xdf\xff\xff\xff\xff",
    ],
)
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(FrameError) as caught:
        FrameDecoder().receive(framed(body))
    assert caught.value.code == "bad-message"


def test_a_message_of_empty_lists_does_not_fill_the_memory() -> None:
    def of(count: int) -> bytes:
        return b"\x81\xa1x\xdd" + (count - 1).to_bytes(4, "big") + b"\x90" * (count - 1)

    assert len(decode_map(of(FRAME_CONTAINERS_MAX - 1))["x"]) == FRAME_CONTAINERS_MAX - 2
    with pytest.raises(FrameError, match="maps and lists"):
        decode_map(of(FRAME_CONTAINERS_MAX + 1))


@given(st.binary(max_size=200))
def test_garbage_is_a_frame_error_or_a_message(body: bytes) -> None:
    with suppress(FrameError):
        assert isinstance(decode_map(body), dict)


@pytest.mark.parametrize("client", [False, True])
def test_a_preface_is_read_and_the_rest_is_kept(client: bool) -> None:
    said = Preface("swarmchat/0.1", b"bootboot", 1_790_000_000, 7 if client else None)
    decoder = PrefaceDecoder(client=client)
    wire = encode_preface(said) + b"yamux"
    heard = [decoder.receive(wire[at : at + 1]) for at in range(len(wire) - 5)]
    assert heard[:-1] == [None] * (len(heard) - 1)
    assert heard[-1] == said
    decoder = PrefaceDecoder(client=client)
    assert decoder.receive(wire) == said
    assert decoder.rest == b"yamux"


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2},
        {"v": "1"},
        {"boot": b"short"},
        {"boot": "textboot"},
        {"agent": 5},
        {"now": "noon"},
        {"dial": None},
        {"dial": -1},
        {"dial": 2**63},
        {"dial": True},
    ],
)
def test_a_preface_with_a_wrong_field_is_refused(changes: dict[str, object]) -> None:
    fields = {"v": 1, "agent": "a", "boot": b"bootboot", "now": 1, "dial": 1} | changes
    body = msgpack.packb(fields)
    with pytest.raises(FrameError):
        PrefaceDecoder(client=True).receive(len(body).to_bytes(2, "big") + body)


def test_a_preface_without_a_dial_number_is_a_servers_only() -> None:
    wire = encode_preface(Preface("a", b"bootboot", 1))
    assert PrefaceDecoder(client=False).receive(wire) == Preface("a", b"bootboot", 1)
    with pytest.raises(FrameError):
        PrefaceDecoder(client=True).receive(wire)


def test_a_preface_may_have_4096_bytes_and_no_more() -> None:
    overhead = len(encode_preface(Preface("a" * 1000, b"bootboot", 1))) - 1000 - 2
    fits = Preface("a" * (PREFACE_BYTES_MAX - overhead), b"bootboot", 1)
    assert PrefaceDecoder(client=False).receive(encode_preface(fits)) == fits
    with pytest.raises(ValueError):
        encode_preface(Preface(fits.agent + "a", b"bootboot", 1))
    with pytest.raises(FrameError) as caught:
        PrefaceDecoder(client=False).receive((PREFACE_BYTES_MAX + 1).to_bytes(2, "big"))
    assert caught.value.code == "too-big"


def test_unknown_preface_fields_are_ignored() -> None:
    body = msgpack.packb({"v": 1, "agent": "a", "boot": b"bootboot", "now": 1, "new": [1]})
    assert PrefaceDecoder(client=False).receive(len(body).to_bytes(2, "big") + body) is not None
