"""Many streams in one: yamux as HashiCorp specifies it, bytes in and bytes out. (SCP-03 §3)

Pull model: the owner asks for bytes when its transport has room, so that control frames and small streams never queue
behind megabytes of bulk already handed over.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass
from typing import Final

from swarmchat.limits import (
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

_HEADER: Final = struct.Struct(">BBHII")  # version, type, flags, stream, length
HEADER_BYTES: Final = _HEADER.size
_DATA, _WINDOW, _PING, _GO_AWAY = range(4)
_SYN, _ACK, _FIN, _RST = 1, 2, 4, 8
_FLAGS_MAX: Final = _SYN | _ACK | _FIN | _RST
_U32_MAX: Final = 0xFFFFFFFF

GO_AWAY_NORMAL, GO_AWAY_PROTOCOL, GO_AWAY_INTERNAL = range(3)


class MuxError(ValueError):
    """The peer broke the protocol, or floods: the link is closed."""


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """The peer opened `stream`: `accept` or `reset` it."""

    stream: int


@dataclass(frozen=True, slots=True)
class DataReceived:
    """Bytes of `stream`; say `consumed` when they are used up."""

    stream: int
    data: bytes


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The peer will send no more on `stream`."""

    stream: int


@dataclass(frozen=True, slots=True)
class StreamReset:
    """`stream` is gone; what was queued is dropped. `why` is empty if the peer reset it."""

    stream: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class PongReceived:
    """The answer to `ping() -> value`."""

    value: int


@dataclass(frozen=True, slots=True)
class GoneAway:
    """The peer accepts no new streams; `code` 0 normal, 1 protocol error, 2 internal error."""

    code: int


Event = StreamOpened | DataReceived | StreamEnded | StreamReset | PongReceived | GoneAway


@dataclass(slots=True, eq=False)
class _Stream:
    number: int
    bulk: bool
    window: int = YAMUX_WINDOW  # how much the peer may hold in flight to us, as announced
    receivable: int = YAMUX_WINDOW  # what it may still send
    credit: int = YAMUX_WINDOW  # what we may still send
    used: int = 0  # consumed here, not announced yet
    held: int = 0  # received here, not consumed yet
    unsent: int = 0
    accepted: bool = True
    ready: bool = False  # stands in a queue of `_ready`
    ending: bool = False
    end_sent: bool = False
    end_received: bool = False
    out: deque[memoryview] | None = None  # made when first needed: most streams of a mesh are silent

    @property
    def sendable(self) -> bool:
        if self.out:
            return self.credit > 0
        return self.ending and not self.end_sent


class Mux:
    """One end of a yamux session. `client` opens odd streams, the server even ones (SCP-03 §2a)."""

    def __init__(self, *, client: bool) -> None:
        self.going_away = False  # we said so
        self.peer_going_away = False
        self._client = client
        self._next = 1 if client else 2
        self._highest_seen = 0
        self._streams: dict[int, _Stream] = {}
        self._unaccepted = 0
        self._windows = 0  # sum of announced windows above the initial ones
        self._held = 0
        self._control: deque[bytes] = deque()
        self._replies = 0  # ping answers among `_control`
        self._ready: tuple[deque[_Stream], deque[_Stream]] = (deque(), deque())  # control before bulk
        self._pings = 0
        self._partial = b""  # a header cut in two
        self._current: _Stream | None = None  # whose payload is coming in
        self._missing = 0  # payload bytes of the present frame still to come
        self._flags = 0

    # --- what we want to say

    @property
    def streams(self) -> int:
        """How many streams are open or half open."""
        return len(self._streams)

    @property
    def wants_write(self) -> bool:
        """Whether `pull` has something to give."""
        return bool(self._control or self._ready[0] or self._ready[1])

    def open(self, *, bulk: bool = False) -> int:
        """Open a stream. MuxError if the peer went away or there are 1,024."""
        if self.peer_going_away or self.going_away:
            raise MuxError("the link takes no new streams")
        if len(self._streams) >= YAMUX_STREAMS_MAX or self._next > _U32_MAX:
            raise MuxError("too many streams")
        stream = self._streams[self._next] = _Stream(self._next, bulk)
        self._next += 2
        self._say(_WINDOW, _SYN, stream.number, self._widen(stream))
        return stream.number

    def accept(self, number: int, *, bulk: bool = False) -> None:
        """Take a stream that the peer opened; `bulk`: its window grows to 1 MiB, and it yields to the others."""
        stream = self._streams.get(number)
        if stream is None or stream.accepted:
            return
        stream.accepted, stream.bulk = True, bulk
        self._unaccepted -= 1
        self._say(_WINDOW, _ACK, number, self._widen(stream))

    def send(self, number: int, data: bytes | memoryview) -> None:
        """Queue bytes; nothing happens if the stream is gone. MuxError after `end`."""
        stream = self._streams.get(number)
        if stream is None or not data:
            return
        if stream.ending:
            raise MuxError("sent after the end")
        if stream.out is None:
            stream.out = deque()
        stream.out.append(memoryview(data))
        stream.unsent += len(data)
        self._mark(stream)

    def unsent(self, number: int) -> int:
        """Bytes queued and not pulled yet."""
        stream = self._streams.get(number)
        return stream.unsent if stream else 0

    def end(self, number: int) -> None:
        """Say FIN after what is queued; on a frame of its own, since a peer exists that drops the payload beside it."""
        stream = self._streams.get(number)
        if stream and not stream.ending:
            stream.ending = True
            self._mark(stream)

    def reset(self, number: int) -> None:
        """Drop the stream, and what is queued on it, at both ends."""
        stream = self._streams.get(number)
        if stream:
            self._forget(stream)
            self._say(_WINDOW, _RST, number, 0)

    def consumed(self, number: int, count: int) -> None:
        """`count` received bytes are used up: the peer may send as many again."""
        stream = self._streams.get(number)
        if stream is None:
            return
        count = min(count, stream.held)
        stream.held -= count
        self._held -= count
        stream.used += count
        self._forget_if_over(stream)
        if stream.used * 2 >= stream.window and not stream.end_received:
            stream.receivable += stream.used
            self._say(_WINDOW, 0, number, stream.used)
            stream.used = 0

    def ping(self) -> int:
        """Ask for a sign of life; the PongReceived has the returned value."""
        self._pings = (self._pings + 1) & _U32_MAX
        self._say(_PING, _SYN, 0, self._pings)
        return self._pings

    def go_away(self, code: int = GO_AWAY_NORMAL) -> None:
        """Say that no new stream is taken; those that are open go on."""
        if not self.going_away:
            self.going_away = True
            self._say(_GO_AWAY, 0, 0, code)

    def farewell(self, code: int) -> bytes:
        """A GOAWAY that overtakes everything, for the end: between two pulls is always a frame's border."""
        return _HEADER.pack(0, _GO_AWAY, 0, 0, code)

    def pull(self, limit: int = YAMUX_FRAME_BYTES_MAX) -> bytes:
        """What is to be sent next, at most `limit` bytes (≥ 13): control, then small streams, then bulk, in turns."""
        parts: list[bytes | memoryview] = []
        left = limit
        while self._control and left >= HEADER_BYTES:
            parts.append(self._control.popleft())
            left -= HEADER_BYTES
        if not self._control:
            self._replies = 0
        for queue in self._ready:
            while queue and left > HEADER_BYTES:
                stream = queue.popleft()
                stream.ready = False
                if self._streams.get(stream.number) is not stream:
                    continue  # reset while it waited here
                left -= self._frame(stream, left, parts)
                self._mark(stream)
                self._forget_if_over(stream)
        return b"".join(parts)

    # --- what the peer says

    def receive(self, data: bytes) -> list[Event]:
        """Bytes arrived, in any chunking. Raises MuxError: close the link."""
        events: list[Event] = []
        position, end = 0, len(data)
        if self._partial:
            taken = HEADER_BYTES - len(self._partial)
            header = self._partial + data[:taken]
            if len(header) < HEADER_BYTES:
                self._partial = header
                return events
            self._partial, position = b"", taken
            self._begin(header, 0, events)
        while True:
            if self._missing:
                if position == end:
                    break
                stop = min(end, position + self._missing)
                self._payload(data if stop - position == end else data[position:stop], events)
                self._missing -= stop - position
                position = stop
                if self._missing:
                    break
                self._finish(events)
            if end - position < HEADER_BYTES:
                self._partial = data[position:]
                break
            self._begin(data, position, events)
            position += HEADER_BYTES
        return events

    def _begin(self, data: bytes, position: int, events: list[Event]) -> None:
        version, kind, flags, number, length = _HEADER.unpack_from(data, position)
        if version != 0 or flags > _FLAGS_MAX:
            raise MuxError("not a yamux header")
        if kind == _DATA:
            self._begin_data(flags, number, length, events)
        elif kind == _WINDOW:
            self._grant(flags, number, length, events)
        elif kind == _PING and number == 0:
            self._pinged(flags, length, events)
        elif kind == _GO_AWAY and number == 0:
            self.peer_going_away = True
            events.append(GoneAway(length))
        else:
            raise MuxError(f"frame of type {kind} on stream {number}")

    def _begin_data(self, flags: int, number: int, length: int, events: list[Event]) -> None:
        stream = self._lookup(flags, number, events)
        if stream is None:
            if length > YAMUX_RECEIVED_FRAME_BYTES_MAX:
                raise MuxError("frame too long")
        else:
            if length > stream.receivable:
                raise MuxError("window exceeded")
            if length and stream.end_received:
                raise MuxError("data after the end")
            stream.receivable -= length
        self._current, self._missing, self._flags = stream, length, flags
        if not length:
            self._finish(events)

    def _payload(self, data: bytes, events: list[Event]) -> None:
        stream = self._current
        if stream is None or stream.number not in self._streams:
            return
        if self._held + len(data) > YAMUX_LINK_WINDOW_MAX:
            # The initial windows of 1,024 streams are more than a link may hold: who fills them all loses streams.
            self.reset(stream.number)
            events.append(StreamReset(stream.number, "too much is held for this link"))
            return
        stream.held += len(data)
        self._held += len(data)
        events.append(DataReceived(stream.number, data))

    def _finish(self, events: list[Event]) -> None:
        stream, self._current = self._current, None
        if stream is not None and stream.number in self._streams:
            self._apply_flags(stream, self._flags, events)

    def _grant(self, flags: int, number: int, length: int, events: list[Event]) -> None:
        stream = self._lookup(flags, number, events)
        if stream is None:
            return
        if stream.credit + length > _U32_MAX:
            raise MuxError("more credit than a window can be")
        stream.credit += length
        self._mark(stream)
        self._apply_flags(stream, flags, events)

    def _pinged(self, flags: int, value: int, events: list[Event]) -> None:
        if flags & _ACK:
            events.append(PongReceived(value))
        elif flags & _SYN and self._replies < YAMUX_PING_REPLIES_MAX:
            self._replies += 1
            self._say(_PING, _ACK, 0, value)

    def _lookup(self, flags: int, number: int, events: list[Event]) -> _Stream | None:
        ours = bool(number & 1) == self._client
        if flags & _SYN:
            if number == 0 or ours or number in self._streams:
                raise MuxError(f"stream {number} cannot be opened by the peer")
            return self._opened(number, events)
        stream = self._streams.get(number)
        if stream is None and (number == 0 or number >= self._next if ours else number > self._highest_seen):
            raise MuxError(f"stream {number} was never opened")
        return stream  # None: forgotten here, the peer does not know yet

    def _opened(self, number: int, events: list[Event]) -> _Stream | None:
        self._highest_seen = max(self._highest_seen, number)
        if self.going_away or self._unaccepted >= YAMUX_BACKLOG_MAX or len(self._streams) >= YAMUX_STREAMS_MAX:
            self._say(_WINDOW, _RST, number, 0)
            return None
        stream = self._streams[number] = _Stream(number, bulk=False, accepted=False)
        self._unaccepted += 1
        events.append(StreamOpened(number))
        return stream

    def _apply_flags(self, stream: _Stream, flags: int, events: list[Event]) -> None:
        if flags & _RST:
            self._forget(stream)
            events.append(StreamReset(stream.number))
        elif flags & _FIN and not stream.end_received:
            stream.end_received = True
            events.append(StreamEnded(stream.number))
            self._forget_if_over(stream)

    # --- bookkeeping

    def _say(self, kind: int, flags: int, number: int, value: int) -> None:
        if len(self._control) >= YAMUX_CONTROL_FRAMES_MAX:
            raise MuxError("too many control frames wait to be sent")
        self._control.append(_HEADER.pack(0, kind, flags, number, value))

    def _widen(self, stream: _Stream) -> int:
        """Grow a bulk stream's window if the link's sum allows it; by how much."""
        growth = YAMUX_BULK_WINDOW - stream.window
        nominal = len(self._streams) * YAMUX_WINDOW + self._windows
        if not stream.bulk or growth <= 0 or nominal + growth > YAMUX_LINK_WINDOW_MAX:
            return 0
        stream.window += growth
        stream.receivable += growth
        self._windows += growth
        return growth

    def _frame(self, stream: _Stream, limit: int, parts: list[bytes | memoryview]) -> int:
        if not stream.out:
            stream.end_sent = True
            parts.append(_HEADER.pack(0, _WINDOW, _FIN, stream.number, 0))
            return HEADER_BYTES
        room = min(limit - HEADER_BYTES, stream.credit, YAMUX_FRAME_BYTES_MAX)
        at = len(parts)
        parts.append(b"")
        size = 0
        while stream.out and size < room:
            piece = stream.out[0]
            if len(piece) <= room - size:
                stream.out.popleft()
            else:
                stream.out[0] = piece[room - size :]
                piece = piece[: room - size]
            parts.append(piece)
            size += len(piece)
        parts[at] = _HEADER.pack(0, _DATA, 0, stream.number, size)
        stream.credit -= size
        stream.unsent -= size
        return HEADER_BYTES + size

    def _mark(self, stream: _Stream) -> None:
        if not stream.ready and stream.sendable and self._streams.get(stream.number) is stream:
            stream.ready = True
            self._ready[stream.bulk].append(stream)

    def _forget_if_over(self, stream: _Stream) -> None:
        if stream.end_sent and stream.end_received and not stream.held:
            self._forget(stream)

    def _forget(self, stream: _Stream) -> None:
        if self._streams.pop(stream.number, None) is None:
            return
        self._held -= stream.held
        self._windows -= stream.window - YAMUX_WINDOW
        if not stream.accepted:
            self._unaccepted -= 1
        stream.out, stream.unsent, stream.held = None, 0, 0
