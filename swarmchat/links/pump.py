"""Carries bytes between a stream and the stack of protocols above it, as fast as the stream takes them. (SCP-03 §1)"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from swarmchat.limits import CHANNEL_UNSENT_HIGH
from swarmchat.links.mux import GO_AWAY_NORMAL, GO_AWAY_PROTOCOL, Event, MuxError
from swarmchat.links.stack import Stack
from swarmchat.links.streams import ByteStream

_UNSENT_LOW = CHANNEL_UNSENT_HIGH // 2


@dataclass(frozen=True, slots=True)
class PumpHooks:
    """Whom a pump tells."""

    up: Callable[[], None]  # both prefaces are read
    event: Callable[[Event], None]
    room: Callable[[int], None]  # little is unsent on this stream again
    over: Callable[[str, bool], None]  # why, and whether the peer is to blame; called once


class Pump:
    """One stream and one stack, until either ends. Decides nothing."""

    def __init__(self, stream: ByteStream, stack: Stack, *, monotonic: Callable[[], float], hooks: PumpHooks) -> None:
        self.bytes_in = 0
        self.bytes_out = 0
        self.heard_at = monotonic()  # when something came last
        self.over = False
        self._stream = stream
        self._stack = stack
        self._monotonic = monotonic
        self._hooks = hooks
        self._busy = False  # inside `received`: flushed once, at its end
        self._waiting: set[int] = set()  # streams whose senders wait for room

    def start(self) -> None:
        """Begin the handshake."""
        self._stream.start(self)
        self._stack.start()
        self.flush()

    def flush(self) -> None:
        """Hand over what there is, as long as the stream is not congested."""
        if self._busy or self.over:
            return
        while not self._stream.congested:
            data = self._stack.pull()
            if data:
                self.bytes_out += len(data)
                self._stream.write(data)
            if not (self._stack.up and self._stack.mux.wants_write):
                break
        if self._stack.fault is not None:
            self.close(self._stack.fault, blame=True)
        elif self._waiting:
            self._tell_room()

    def close(self, reason: str, *, code: int = GO_AWAY_NORMAL, blame: bool = False) -> None:
        """Say GOAWAY and close_notify, drop what the channels still had, end the stream."""
        if self.over:
            return
        self.over = True
        self._stream.write(self._stack.end(code))
        self._stream.close()
        self._hooks.over(reason, blame)

    # --- what channels ask for

    def open(self, *, bulk: bool) -> int:
        """A new stream. Raises MuxError."""
        return self._stack.mux.open(bulk=bulk)

    def accept(self, stream: int, *, bulk: bool) -> None:
        """Take a stream that the peer opened."""
        self._guarded(lambda: self._stack.mux.accept(stream, bulk=bulk))

    def send(self, stream: int, data: bytes | memoryview) -> None:
        """Queue bytes on a stream."""
        self._stack.mux.send(stream, data)
        self.flush()

    def unsent(self, stream: int) -> int:
        """Bytes that wait on a stream."""
        return self._stack.mux.unsent(stream)

    def await_room(self, stream: int) -> None:
        """Call `room` for this stream when little waits on it."""
        self._waiting.add(stream)

    def consumed(self, stream: int, count: int) -> None:
        """Received bytes are used up."""
        self._guarded(lambda: self._stack.mux.consumed(stream, count))

    def end(self, stream: int) -> None:
        """Say FIN after what is queued."""
        self._stack.mux.end(stream)
        self.flush()

    def reset(self, stream: int) -> None:
        """Say RST."""
        self._guarded(lambda: self._stack.mux.reset(stream))

    def ping(self) -> int:
        """Send a ping; its value."""
        value = self._stack.mux.ping()
        self.flush()
        return value

    def go_away(self) -> None:
        """Take no new streams."""
        self._stack.mux.go_away()
        self.flush()

    # --- what the stream tells

    def received(self, data: bytes | memoryview) -> None:
        """See `streams.Receiver`."""
        if self.over:
            return
        self.bytes_in += len(data)
        self.heard_at = self._monotonic()
        self._busy = True
        try:
            self._take(data)
        finally:
            self._busy = False
        if self._stack.fault is not None:
            self.close(self._stack.fault, code=GO_AWAY_PROTOCOL, blame=True)
        elif self._stack.finished:
            self.close("the peer closed the link")
        else:
            self.flush()

    def writable(self) -> None:
        """See `streams.Receiver`."""
        self.flush()

    def ended(self, reason: str) -> None:
        """See `streams.Receiver`."""
        if not self.over:
            self.over = True
            self._hooks.over(reason, self.bytes_in > 0)

    # ---

    def _take(self, data: bytes | memoryview) -> None:
        was_up = self._stack.up
        events = self._stack.receive(data)
        if self._stack.up and not was_up:
            self._hooks.up()
        for event in events:
            if self.over:
                return
            self._hooks.event(event)

    def _guarded(self, say: Callable[[], None]) -> None:
        try:
            say()
        except MuxError as error:  # the peer makes us say more than it reads
            self.close(f"mux: {error}", code=GO_AWAY_PROTOCOL, blame=True)
        self.flush()

    def _tell_room(self) -> None:
        for stream in sorted(self._waiting):
            if self._stack.mux.unsent(stream) <= _UNSENT_LOW:
                self._waiting.discard(stream)
                self._hooks.room(stream)
