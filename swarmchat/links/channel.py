"""A named conversation of two devices inside a link. (SCP-03 §4)"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from swarmchat.errors import LinkError, PeerError
from swarmchat.limits import CHANNEL_UNSENT_HIGH, MESSAGE_FRAME_BYTES_MAX, SYNC_FRAME_BYTES_MAX
from swarmchat.links.frames import FrameDecoder, FrameError, Message, encode
from swarmchat.links.pump import Pump

if TYPE_CHECKING:
    from swarmchat.links.link import Link

SYNC: Final = "sync"
DEVICE: Final = "device"
LASTING: Final = frozenset({SYNC, DEVICE})  # as long as their link, which has each of them once; who dialled opens them
BULK: Final = frozenset({"pack", "file"})  # wide windows, and they yield to the others
NAMES: Final = frozenset({*LASTING, *BULK, "signal", "relay", "mvds", "invite", "pairing"})


class Channel:
    """One stream of messages, and of raw bytes where a message announced them, in both directions.

    `opening` is the whole first message. One task reads; several may send. Everything that waits raises LinkError when
    the link or the channel breaks, and PeerError when the peer sends what is no message (which closes the link).
    """

    __slots__ = (
        "_arrived",
        "_broken",
        "_closed",
        "_decoder",
        "_ended",
        "_pump",
        "_received",
        "_returned",
        "_room",
        "incoming",
        "link",
        "name",
        "opened_at",
        "opening",
        "stream",
    )

    def __init__(self, link: Link, pump: Pump, stream: int, *, incoming: bool, opened_at: float) -> None:
        self.link = link
        self.name = ""
        self.opening: Message = {}
        self.incoming = incoming  # the peer opened it
        self.opened_at = opened_at  # seconds, the runtime's monotonic clock
        self._pump = pump
        self.stream = stream  # its number in the mux
        self._decoder = FrameDecoder()
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._received = 0  # bytes that came
        self._returned = 0  # of these, given back to the window
        self._broken: str | None = None
        self._ended = False  # by the peer
        self._closed = False  # by us

    @property
    def closed(self) -> bool:
        """Whether we closed it, or it broke."""
        return self._closed or self._broken is not None

    @property
    def awaits_opening(self) -> bool:
        """Whether the peer opened it and has not said what it is."""
        return self.incoming and not self.name

    @property
    def is_broken(self) -> bool:
        """Whether it, or its link, broke: the mux knows it no more."""
        return self._broken is not None

    @property
    def ended(self) -> bool:
        """Whether nothing more comes from the peer."""
        return self._ended or self._broken is not None

    @property
    def unsent(self) -> int:
        """Bytes that wait here to be sent."""
        return self._pump.unsent(self.stream)

    async def send(self, message: Message) -> None:
        """Send one message; waits while more than 256 KiB are unsent. ValueError if it is too long (SCP-03 §4a)."""
        await self.send_bytes(encode(message, self._limit))

    async def send_bytes(self, data: bytes | memoryview) -> None:
        """Send raw bytes, which a message announced; waits while more than 256 KiB are unsent. `data` must not change after."""
        self._check()
        self._pump.send(self.stream, data)
        while not self.closed and self.unsent > CHANNEL_UNSENT_HIGH:
            self._room.clear()
            self._pump.await_room(self.stream)
            await self._room.wait()
        if self._broken is not None:
            raise LinkError(self._broken)

    async def receive(self) -> Message | None:
        """The next message, None at the peer's end."""
        while True:
            try:
                message = self._decoder.message()
            except FrameError as error:
                self.link.break_off(f"channel {self.name or 'without a name'}: {error}")
                raise PeerError(error.code, str(error)) from error
            if message is not None:
                self._give_back(self._received - self._decoder.buffered)
                return message
            if not await self._more():
                if self._decoder.buffered and not self._closed:
                    self.link.break_off(f"channel {self.name}: ended inside a message")
                    raise PeerError("bad-message", "ended inside a message")
                return None

    async def receive_bytes(self, limit: int) -> bytes:
        """1 … `limit` raw bytes as they come, empty at the peer's end."""
        while True:
            data = self._decoder.raw(limit)
            if data:
                self._give_back(self._received - self._decoder.buffered)
                return data
            if not await self._more():
                return b""

    async def receive_exactly(self, count: int) -> bytes:
        """`count` raw bytes; PeerError `stalled` if the peer ends before."""
        parts = []
        while count:
            data = await self.receive_bytes(count)
            if not data:
                raise PeerError("stalled", "the channel ended before all its bytes")
            parts.append(data)
            count -= len(data)
        return b"".join(parts)

    async def accept(self, **fields: Any) -> None:
        """Answer an opening: `{"ok":true,"v":1,…}`."""
        await self.send({"ok": True, "v": 1, **fields})

    async def refuse(self, code: str, text: str = "") -> None:
        """Answer an opening with an error, or end with one, and close. Codes: SCP-03 §4a."""
        await self.send({"error": code, "text": text})
        self.close()

    def refuse_now(self, code: str) -> None:
        """`refuse`, without waiting: an opening that is not taken."""
        self._pump.send(self.stream, encode({"error": code, "text": code}))
        self.close()

    def close(self) -> None:
        """Say the end after what is queued; what still comes is dropped. Nothing happens if it is over."""
        if not self.closed:
            self._closed = True
            self._wake()
            self._pump.end(self.stream)
            self._decoder.clear()
            self._give_back(self._received)
            self.link.closing(self)

    def reset(self) -> None:
        """Break it off, at both ends."""
        if self._broken is None:
            self.broke("we reset the channel")
            self._pump.reset(self.stream)
            self.link.closing(self)

    # --- what the link tells

    def arrived(self, data: bytes) -> None:
        """Bytes came."""
        if self.closed:
            self._pump.consumed(self.stream, len(data))
            return
        self._received += len(data)
        self._decoder.feed(data)
        self._arrived.set()

    def has_room(self) -> None:
        """Little enough is unsent again."""
        self._room.set()

    def peer_ended(self) -> None:
        """The peer sends no more; what came is still read."""
        self._ended = True
        self._arrived.set()

    def broke(self, reason: str) -> None:
        """The channel or its link is no more."""
        if self._broken is None:
            self._broken = reason
            self._decoder.clear()
            self._wake()

    def try_opening(self) -> Message | None:
        """The opening, once it is whole. Raises FrameError."""
        message = self._decoder.message()
        if message is not None:
            self._give_back(self._received - self._decoder.buffered)
        return message

    def named(self, name: str, opening: Message) -> None:
        """From now on it has a name, and the limits of that name."""
        self.name, self.opening = name, opening
        self._decoder.limit = self._limit

    # ---

    @property
    def _limit(self) -> int:
        return SYNC_FRAME_BYTES_MAX if self.name in LASTING else MESSAGE_FRAME_BYTES_MAX

    def _check(self) -> None:
        if self._broken is not None:
            raise LinkError(self._broken)
        if self._closed:
            raise LinkError("the channel is closed")

    async def _more(self) -> bool:
        """Wait for bytes; False at the end."""
        if self._broken is not None:
            raise LinkError(self._broken)
        if self._ended or self._closed:
            return False
        # A message longer than the window must not wait for a window that waits for the message.
        self._give_back(self._received)
        self._arrived.clear()
        await self._arrived.wait()
        if self._broken is not None:
            raise LinkError(self._broken)
        return True

    def _give_back(self, up_to: int) -> None:
        if up_to > self._returned:
            self._pump.consumed(self.stream, up_to - self._returned)
            self._returned = up_to

    def _wake(self) -> None:
        self._arrived.set()
        self._room.set()
