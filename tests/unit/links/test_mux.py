from __future__ import annotations

import struct

import pytest

from swarmchat.limits import (
    MIB,
    YAMUX_BACKLOG_MAX,
    YAMUX_BULK_WINDOW,
    YAMUX_CONTROL_FRAMES_MAX,
    YAMUX_FRAME_BYTES_MAX,
    YAMUX_LINK_WINDOW_MAX,
    YAMUX_PING_REPLIES_MAX,
    YAMUX_RECEIVED_FRAME_BYTES_MAX,
    YAMUX_STREAMS_MAX,
    YAMUX_WINDOW,
)
from swarmchat.links.mux import (
    DataReceived,
    Event,
    GoneAway,
    Mux,
    MuxError,
    PongReceived,
    StreamEnded,
    StreamOpened,
    StreamReset,
)

DATA, WINDOW, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8


def frame(kind: int, flags: int, stream: int, length: int, payload: bytes = b"") -> bytes:
    return struct.pack(">BBHII", 0, kind, flags, stream, length) + payload


def frames(wire: bytes) -> list[tuple[int, int, int, int]]:
    found = []
    while wire:
        _, kind, flags, stream, length = struct.unpack(">BBHII", wire[:12])
        found.append((kind, flags, stream, length))
        wire = wire[12 + (length if kind == DATA else 0) :]
    return found


def pair() -> tuple[Mux, Mux]:
    return Mux(client=True), Mux(client=False)


def carry(source: Mux, target: Mux) -> list[Event]:
    events = []
    while source.wants_write:
        data = source.pull()
        if not data:
            break
        events += target.receive(data)
    return events


def payload(events: list[Event], stream: int) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, DataReceived) and event.stream == stream)


def linked_stream(*, bulk: bool = False) -> tuple[Mux, Mux, int]:
    client, server = pair()
    stream = client.open(bulk=bulk)
    carry(client, server)
    server.accept(stream, bulk=bulk)
    carry(server, client)
    return client, server, stream


def test_a_stream_is_opened_answered_and_ended_by_both() -> None:
    client, server = pair()
    stream = client.open()
    client.send(stream, b"hello")
    assert carry(client, server) == [StreamOpened(1), DataReceived(1, b"hello")]
    server.accept(1)
    server.send(1, b"hi")
    server.end(1)
    assert carry(server, client) == [DataReceived(1, b"hi"), StreamEnded(1)]
    client.consumed(1, 2)
    client.end(1)
    assert carry(client, server) == [StreamEnded(1)]
    server.consumed(1, 5)
    assert (client.streams, server.streams) == (0, 0)


def test_the_client_opens_odd_streams_and_the_server_even_ones() -> None:
    client, server = pair()
    assert [client.open(), client.open()] == [1, 3]
    assert [server.open(), server.open()] == [2, 4]


@pytest.mark.parametrize("stream", [0, 2, 5])
def test_a_peer_cannot_open_zero_or_our_numbers_or_what_is_open(stream: int) -> None:
    _, server = pair()
    server.receive(frame(WINDOW, SYN, 5, 0))
    with pytest.raises(MuxError):
        server.receive(frame(WINDOW, SYN, stream, 0))


def test_the_end_stands_on_a_frame_of_its_own() -> None:
    client, _, stream = linked_stream()
    client.send(stream, b"last")
    client.end(stream)
    assert frames(client.pull()) == [(DATA, 0, 1, 4), (WINDOW, FIN, 1, 0)]


def test_an_end_beside_data_is_understood() -> None:
    _, server, stream = linked_stream()
    assert server.receive(frame(DATA, FIN, stream, 2, b"ab")) == [DataReceived(1, b"ab"), StreamEnded(1)]


def test_nothing_is_sent_after_the_end() -> None:
    client, _, stream = linked_stream()
    client.end(stream)
    with pytest.raises(MuxError):
        client.send(stream, b"more")


def test_nothing_may_come_after_the_end() -> None:
    _, server, stream = linked_stream()
    server.receive(frame(WINDOW, FIN, stream, 0))
    with pytest.raises(MuxError):
        server.receive(frame(DATA, 0, stream, 1, b"x"))


def test_a_window_is_filled_exactly_and_one_byte_more_breaks_the_link() -> None:
    _, server, stream = linked_stream()
    server.receive(frame(DATA, 0, stream, YAMUX_WINDOW, b"x" * YAMUX_WINDOW))
    with pytest.raises(MuxError, match="window"):
        server.receive(frame(DATA, 0, stream, 1, b"x"))


def test_a_sender_stops_at_the_window_and_goes_on_when_it_is_read() -> None:
    client, server, stream = linked_stream()
    client.send(stream, b"x" * (YAMUX_WINDOW + 100))
    assert len(payload(carry(client, server), stream)) == YAMUX_WINDOW
    assert client.unsent(stream) == 100
    assert not client.wants_write
    server.consumed(stream, YAMUX_WINDOW)
    carry(server, client)
    assert len(payload(carry(client, server), stream)) == 100


def test_a_window_is_given_back_in_halves() -> None:
    client, server, stream = linked_stream()
    client.send(stream, b"x" * YAMUX_WINDOW)
    carry(client, server)
    server.consumed(stream, YAMUX_WINDOW // 2 - 1)
    assert not server.wants_write
    server.consumed(stream, 1)
    assert frames(server.pull()) == [(WINDOW, 0, stream, YAMUX_WINDOW // 2)]


def test_only_bulk_streams_have_wide_windows() -> None:
    client, server, narrow = linked_stream()
    wide = client.open(bulk=True)
    assert frames(client.pull()) == [(WINDOW, SYN, wide, YAMUX_BULK_WINDOW - YAMUX_WINDOW)]
    server.receive(frame(WINDOW, SYN, wide, YAMUX_BULK_WINDOW - YAMUX_WINDOW))
    server.accept(wide, bulk=True)
    carry(server, client)
    for stream, window in ((narrow, YAMUX_WINDOW), (wide, YAMUX_BULK_WINDOW)):
        client.send(stream, b"x" * 2 * MIB)
        assert len(payload(carry(client, server), stream)) == window


def test_windows_are_widened_until_the_link_has_16_mib_of_them() -> None:
    client, _ = pair()
    granted = []
    for _ in range(20):
        client.open(bulk=True)
        granted.append(YAMUX_WINDOW + frames(client.pull())[0][3])
    assert granted == [YAMUX_BULK_WINDOW] * (YAMUX_LINK_WINDOW_MAX // YAMUX_BULK_WINDOW) + [YAMUX_WINDOW] * 4


def test_a_reset_bulk_stream_gives_its_window_back_to_the_link() -> None:
    client, _ = pair()
    for _ in range(200):
        stream = client.open(bulk=True)
        assert frames(client.pull())[-1][3] == YAMUX_BULK_WINDOW - YAMUX_WINDOW
        client.reset(stream)


def test_what_a_link_holds_unread_is_bounded_and_costs_the_stream_that_is_too_much() -> None:
    _, server = pair()
    events = []
    for number in range(1, 2 * (YAMUX_LINK_WINDOW_MAX // YAMUX_WINDOW) + 1, 2):
        server.receive(frame(WINDOW, SYN, number, 0))
        server.accept(number)
        events += server.receive(frame(DATA, 0, number, YAMUX_WINDOW, bytes(YAMUX_WINDOW)))
    assert not [event for event in events if isinstance(event, StreamReset)]  # exactly 16 MiB
    server.receive(frame(WINDOW, SYN, 999, 0))
    assert server.receive(frame(DATA, 0, 999, 1, b"x")) == [StreamReset(999, "too much is held for this link")]
    server.consumed(1, YAMUX_WINDOW)
    server.receive(frame(WINDOW, SYN, 1001, 0))
    assert server.receive(frame(DATA, 0, 1001, 1, b"x")) == [DataReceived(1001, b"x")]


def test_frames_are_at_most_64_kib_and_a_pull_no_longer_than_asked() -> None:
    client, _, stream = linked_stream()
    client.send(stream, bytes(YAMUX_WINDOW))
    assert len(client.pull(13)) == 13
    assert len(client.pull(100)) == 100
    wire = client.pull(10 * MIB)
    assert max(length for _, _, _, length in frames(wire)) == YAMUX_FRAME_BYTES_MAX


def test_control_goes_first_then_small_streams_then_bulk_in_turns() -> None:
    client, server = pair()
    bulk, other_bulk, small = client.open(bulk=True), client.open(bulk=True), client.open()
    carry(client, server)
    for stream in (bulk, other_bulk):
        client.send(stream, bytes(2 * YAMUX_FRAME_BYTES_MAX))
    client.send(small, b"small")
    value = client.ping()
    order = frames(client.pull(1000) + client.pull(YAMUX_FRAME_BYTES_MAX) + client.pull(YAMUX_FRAME_BYTES_MAX))
    assert order[0] == (PING, SYN, 0, value)
    assert [stream for _, _, stream, _ in order[1:]] == [small, bulk, other_bulk, bulk]


def test_a_ping_is_answered() -> None:
    client, server = pair()
    value = client.ping()
    carry(client, server)
    assert carry(server, client) == [PongReceived(value)]


def test_ping_replies_that_wait_are_bounded() -> None:
    _, server = pair()
    server.receive(frame(PING, SYN, 0, 1) * 10_000)
    assert len(frames(server.pull(MIB))) == YAMUX_PING_REPLIES_MAX
    server.receive(frame(PING, SYN, 0, 9))
    assert frames(server.pull()) == [(PING, ACK, 0, 9)]


def test_a_peer_that_makes_us_queue_control_frames_without_end_breaks_the_link() -> None:
    _, server = pair()
    server.go_away()
    refused = b"".join(frame(WINDOW, SYN, number, 0) for number in range(1, 2 * YAMUX_CONTROL_FRAMES_MAX, 2))
    server.receive(refused[:-12])  # GOAWAY and one RST for each
    assert len(frames(server.pull(MIB))) == YAMUX_CONTROL_FRAMES_MAX
    server.receive(refused)
    with pytest.raises(MuxError, match="control"):
        server.receive(frame(WINDOW, SYN, 99_999, 0))


def test_the_257th_unaccepted_stream_is_reset() -> None:
    _, server = pair()
    events = server.receive(b"".join(frame(WINDOW, SYN, 2 * i + 1, 0) for i in range(YAMUX_BACKLOG_MAX + 1)))
    assert len(events) == YAMUX_BACKLOG_MAX
    assert frames(server.pull()) == [(WINDOW, RST, 2 * YAMUX_BACKLOG_MAX + 1, 0)]
    server.accept(1)
    server.pull()
    assert server.receive(frame(WINDOW, SYN, 9999, 0)) == [StreamOpened(9999)]


def test_1024_streams_may_be_open_from_either_side() -> None:
    client, server = pair()
    for _ in range(YAMUX_STREAMS_MAX):
        stream = client.open()
        assert carry(client, server) == [StreamOpened(stream)]
        server.accept(stream)
    with pytest.raises(MuxError):
        client.open()
    server.receive(frame(WINDOW, SYN, 99_999, 0))
    server.pull(12 * YAMUX_STREAMS_MAX)
    assert frames(server.pull()) == [(WINDOW, RST, 99_999, 0)]


def test_a_reset_drops_what_was_queued_at_both_ends() -> None:
    client, server, stream = linked_stream()
    client.send(stream, b"x" * 100)
    client.reset(stream)
    assert frames(client.pull()) == [(WINDOW, RST, stream, 0)]
    assert server.receive(frame(WINDOW, RST, stream, 0)) == [StreamReset(stream)]
    assert (client.streams, server.streams) == (0, 0)
    client.send(stream, b"late")  # its owner does not know yet
    assert not client.wants_write


def test_bytes_for_a_stream_that_we_forgot_are_skipped() -> None:
    _, server, stream = linked_stream()
    server.reset(stream)
    wire = frame(DATA, 0, stream, 5, b"12345") + frame(WINDOW, 0, stream, 7) + frame(WINDOW, FIN, stream, 0)
    assert server.receive(wire + frame(PING, ACK, 0, 3)) == [PongReceived(3)]


def test_a_stream_reset_between_two_halves_of_a_frame_swallows_the_second() -> None:
    _, server, stream = linked_stream()
    wire = frame(DATA, 0, stream, 10, b"0123456789")
    assert server.receive(wire[:17]) == [DataReceived(stream, b"01234")]
    server.reset(stream)
    assert server.receive(wire[17:] + frame(PING, ACK, 0, 3)) == [PongReceived(3)]


@pytest.mark.parametrize(
    "wire",
    [
        b"\x01" + bytes(11),
        frame(4, 0, 0, 0),
        frame(PING, 16, 0, 0),
        frame(PING, SYN, 3, 0),
        frame(GO_AWAY, 0, 3, 0),
        frame(DATA, 0, 77, 1, b"x"),  # never opened
        frame(DATA, 0, 0, 1, b"x"),
        frame(WINDOW, 0, 8, 1),  # ours, never opened
        frame(WINDOW, 0, 1, 0xFFFFFFFF),
        b"GET / HTTP/1.1\r\n",
    ],
)
def test_what_breaks_the_protocol_breaks_the_link(wire: bytes) -> None:
    _, server, _ = linked_stream()
    with pytest.raises(MuxError):
        server.receive(wire)


def test_a_frame_for_a_forgotten_stream_has_a_longest_length() -> None:
    _, server, stream = linked_stream()
    server.reset(stream)
    server.receive(frame(DATA, 0, stream, YAMUX_RECEIVED_FRAME_BYTES_MAX, bytes(YAMUX_RECEIVED_FRAME_BYTES_MAX)))
    with pytest.raises(MuxError, match="too long"):
        server.receive(frame(DATA, 0, stream, YAMUX_RECEIVED_FRAME_BYTES_MAX + 1))


def test_after_goaway_no_side_opens_and_open_streams_go_on() -> None:
    client, server, stream = linked_stream()
    server.go_away()
    assert carry(server, client) == [GoneAway(0)]
    for mux in (client, server):
        with pytest.raises(MuxError):
            mux.open()
    client.send(stream, b"still here")
    assert payload(carry(client, server), stream) == b"still here"
    server.receive(frame(WINDOW, SYN, 33, 0))
    assert frames(server.pull()) == [(WINDOW, RST, 33, 0)]


def test_a_farewell_overtakes_everything() -> None:
    client, server, stream = linked_stream()
    client.send(stream, bytes(1000))
    assert server.receive(client.farewell(1)) == [GoneAway(1)]


def test_a_stream_that_both_ended_is_kept_until_it_is_read() -> None:
    client, server, stream = linked_stream()
    client.send(stream, b"unread")
    client.end(stream)
    carry(client, server)
    server.end(stream)
    carry(server, client)
    assert (client.streams, server.streams) == (0, 1)
    server.consumed(stream, 6)
    assert server.streams == 0
