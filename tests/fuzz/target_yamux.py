"""The mux: any bytes in any chunking, any frames, and two honest ends under any script of their owners. (SCP-03 §3)"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from swarmchat.limits import (
    YAMUX_BACKLOG_MAX,
    YAMUX_CONTROL_FRAMES_MAX,
    YAMUX_FRAME_BYTES_MAX,
    YAMUX_LINK_WINDOW_MAX,
    YAMUX_STREAMS_MAX,
    YAMUX_WINDOW,
)
from swarmchat.links.mux import DataReceived, Event, Mux, MuxError, StreamEnded, StreamOpened, StreamReset
from tests.fuzz.recipe import Recipe, chunks

TOKENS = (b"\0\0\0\1", b"\0\1\0\1", b"\0\1\0\4", b"\0\1\0\x08", b"\0\2\0\1\0\0\0\0", b"\0\3\0\0\0\0\0\0")
_HEADER = struct.Struct(">BBHII")
_RAW, _FRAMES, _HONEST = range(3)
_LENGTHS = (0, 1, 2, 12, 13, 255, 1_000, 65_536, YAMUX_WINDOW - 1, YAMUX_WINDOW, YAMUX_WINDOW + 1, 2**24, 2**32 - 1)


def seeds() -> Iterator[bytes]:
    """A stream's life as bytes, as frames, and as a script of two ends."""
    life = b"".join(
        (
            _HEADER.pack(0, 1, 1, 2, 0),
            _HEADER.pack(0, 0, 0, 2, 5) + b"hello",
            _HEADER.pack(0, 2, 1, 0, 77),
            _HEADER.pack(0, 1, 0, 2, 300),
            _HEADER.pack(0, 0, 4, 2, 3) + b"end",
            _HEADER.pack(0, 3, 0, 0, 0),
        )
    )
    yield bytes((_RAW, 1, 9)) + life
    yield bytes((_RAW, 0, 9)) + life.replace(b"\0\0\0\2", b"\0\0\0\1")
    yield bytes((_FRAMES, 1)) + bytes((1, 1, 2, 0, 0, 0, 2, 5, 0, 4, 2, 3, 2, 1, 0, 4, 16, 2, 0, 0, 3, 0, 0, 0))
    yield bytes((_FRAMES, 0)) + bytes((1, 1, 1, 0, 17, 1, 0, 0, 0, 0, 1, 8, 18, 1, 0, 0, 1, 8, 1, 0))
    yield bytes((_HONEST, 0)) + bytes(range(64)) + bytes(range(0, 250, 3))
    yield bytes((_HONEST, 1)) + bytes((0, 1, 2, 9, 6, 7, 8, 9, 3, 40, 4, 0, 5, 0) * 8)


def run(data: bytes) -> None:
    """Only MuxError comes out; books balance after every step; honest ends deliver each byte once and in order."""
    recipe = Recipe(data)
    match recipe.u8() % 3:
        case 0:
            _raw(recipe)
        case 1:
            _frames(recipe)
        case _:
            _honest(recipe)


def _balanced(mux: Mux) -> None:
    streams = mux._streams.values()
    assert mux._held == sum(stream.held for stream in streams) <= YAMUX_LINK_WINDOW_MAX
    assert mux._windows == sum(stream.window - YAMUX_WINDOW for stream in streams) >= 0
    assert mux._unaccepted == sum(not stream.accepted for stream in streams) <= YAMUX_BACKLOG_MAX
    assert len(mux._control) <= YAMUX_CONTROL_FRAMES_MAX
    assert mux.streams <= YAMUX_STREAMS_MAX
    for stream in streams:
        assert stream.credit >= 0
        assert stream.receivable >= 0
        assert 0 <= stream.held <= stream.window
        assert stream.unsent == sum(map(len, stream.out or ()))


def _legible(wire: bytes) -> None:
    """What we send is yamux, read by another hand."""
    at = 0
    while at < len(wire):
        version, kind, flags, number, length = _HEADER.unpack_from(wire, at)
        assert version == 0
        assert kind <= 3
        assert flags <= 15
        assert (number == 0) == (kind >= 2)
        at += 12 + (length if kind == 0 else 0)
    assert at == len(wire)


def _merged(events: list[Event]) -> list[Event]:
    """Events with the data of one stream in one piece: cuts between pieces mean nothing."""
    out: list[Event] = []
    for event in events:
        last = out[-1] if out else None
        if isinstance(event, DataReceived) and isinstance(last, DataReceived) and last.stream == event.stream:
            out[-1] = DataReceived(event.stream, last.data + event.data)
        else:
            out.append(event)
    return out


def _raw(recipe: Recipe) -> None:
    client, dice, data = bool(recipe.u8() & 1), recipe.u8(), recipe.rest()
    outcomes: list[tuple[list[Event], str, bytes]] = []
    for pieces in (iter((data,)), chunks(data, dice)):
        mux, events, fault = Mux(client=client), [], ""
        mux.open()
        mux.open(bulk=True)
        try:
            for one in pieces:
                events += mux.receive(one)
                _balanced(mux)
        except MuxError as error:
            fault, events = str(error), []
        outcomes.append((_merged(events), fault, mux.pull(2**20)))
    assert outcomes[0] == outcomes[1]
    _legible(outcomes[0][2])


def _frames(recipe: Recipe) -> None:
    mux = Mux(client=bool(recipe.u8() & 1))
    opened: list[int] = []
    try:
        while recipe.more:
            kind, flags = recipe.u8(), recipe.u8()
            number, length = recipe.u8(), _LENGTHS[recipe.u8() % len(_LENGTHS)]
            if kind >= 16:
                _owner(mux, kind, number, opened)
            else:
                payload = min(length, 70_000) if kind & 3 == 0 else 0
                frame = _HEADER.pack(0, kind & 3, flags & 15, number, payload if kind & 3 == 0 else length)
                opened += [e.stream for e in mux.receive(frame + bytes(payload)) if isinstance(e, StreamOpened)]
            _balanced(mux)
    except MuxError:
        pass
    _legible(mux.pull(2**24))


def _owner(mux: Mux, kind: int, number: int, opened: list[int]) -> None:
    stream = opened[number % len(opened)] if opened else number
    match kind % 8:
        case 0:
            mux.accept(stream, bulk=bool(number & 1))
        case 1:
            mux.consumed(stream, 1 << number % 20)
        case 2:
            _legible(mux.pull(13 + number * 99))
        case 3:
            mux.reset(stream)
        case 4:
            mux.end(stream)
        case 5:
            opened.append(mux.open(bulk=bool(number & 1)))
        case 6:
            mux.ping()
        case _:
            mux.go_away(number)


def _honest(recipe: Recipe) -> None:
    """Whatever two honest owners do, neither mux finds fault with the other, and streams carry what was sent."""
    ends = (Mux(client=True), Mux(client=False))
    wire = (bytearray(), bytearray())
    sent: dict[tuple[int, int], bytearray] = {}
    got: dict[tuple[int, int], bytearray] = {}
    known: tuple[list[int], list[int]] = ([], [])
    over: set[tuple[int, int]] = set()  # ended by that side
    cut: set[int] = set()  # reset by either
    seen_end: set[tuple[int, int]] = set()
    recipe.u8()

    def deliver(side: int, count: int) -> None:
        data = bytes(wire[side][:count])
        del wire[side][:count]
        other = 1 - side
        for event in ends[other].receive(data):
            match event:
                case StreamOpened(stream):
                    known[other].append(stream)
                case DataReceived(stream, data):
                    assert (other, stream) not in seen_end
                    got.setdefault((other, stream), bytearray()).extend(data)
                    ends[other].consumed(stream, len(data))
                case StreamEnded(stream):
                    seen_end.add((other, stream))
                case StreamReset(stream):
                    cut.add(stream)
        _balanced(ends[other])

    steps = 0
    while recipe.more and steps < 400:
        steps += 1
        word = recipe.u8()
        side, what, number = word & 1, word >> 1 & 7, recipe.u8()
        end, mine = ends[side], known[side]
        stream = mine[number % len(mine)] if mine else 0
        match what:
            case 0 if not (end.going_away or end.peer_going_away):
                known[side].append(end.open(bulk=bool(number & 1)))
            case 1:
                end.accept(stream, bulk=bool(number & 1))
            case 2 if (side, stream) not in over and stream and stream not in cut:
                data = bytes((number,)) * (number * number + 1)
                end.send(stream, data)
                sent.setdefault((1 - side, stream), bytearray()).extend(data)
            case 3:
                end.end(stream)
                over.add((side, stream))
            case 4 if number > 200:
                end.reset(stream)
                cut.add(stream)
            case 5 if number > 240:
                end.go_away()
            case 6:
                wire[side].extend(end.pull(13 + number * 300))
            case _:
                deliver(side, 1 + number * 40)
        _balanced(end)
    for _ in range(2_000):
        if not any(wire) and not any(end.wants_write for end in ends):
            break
        for side in (0, 1):
            wire[side].extend(ends[side].pull(YAMUX_FRAME_BYTES_MAX))
            deliver(side, len(wire[side]))
    else:
        raise AssertionError("two honest ends never come to rest")
    for key, data in got.items():
        assert sent.get(key, bytearray()).startswith(data)
    for (side, stream), data in sent.items():
        assert stream in cut or got.get((side, stream)) == data, "bytes were lost on an honest stream"
