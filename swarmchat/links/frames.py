"""What is written on a channel: maps with a length before them, raw bytes between them, and the preface of a link. (SCP-03 §2a, §4a)"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgpack

from swarmchat.limits import (
    FRAME_CONTAINERS_MAX,
    FRAME_DEPTH_MAX,
    MESSAGE_FRAME_BYTES_MAX,
    PREFACE_BYTES_MAX,
)

_LENGTH: Final = struct.Struct(">I")
_PREFACE_LENGTH: Final = struct.Struct(">H")
_LEAVES: Final = frozenset({type(None), bool, int, float, str, bytes})
_DIAL_MAX: Final = 2**63 - 1

Message = dict[str, Any]


class FrameError(ValueError):
    """The bytes are no message; `code` is `bad-message` or `too-big`. The link they came on is closed (SCP-03 §4a)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def encode(message: Mapping[str, Any], limit: int = MESSAGE_FRAME_BYTES_MAX) -> bytes:
    """One message as it travels: u32 length, one msgpack map. ValueError above `limit` bytes (SCP-03 §4a)."""
    body: bytes = msgpack.packb(message, use_bin_type=True)
    if len(body) > limit:
        raise ValueError(f"a message of {len(body)} bytes; the limit is {limit}")
    return _LENGTH.pack(len(body)) + body


def decode_map(body: bytes) -> Message:
    """Read one msgpack map with string keys; FrameError for anything else, for depth > 8, ext types, duplicate keys, trailing bytes."""
    containers = 0

    def count(items: list[Any]) -> list[Any]:
        nonlocal containers
        containers += 1
        if containers > FRAME_CONTAINERS_MAX:
            raise FrameError("too-big", f"more than {FRAME_CONTAINERS_MAX} maps and lists in one message")
        return items

    def join(pairs: list[tuple[Any, Any]]) -> Message:
        count(pairs)
        joined = dict(pairs)
        if len(joined) != len(pairs):
            raise FrameError("bad-message", "a key stands twice")
        return joined

    def refuse(code: int, _data: bytes) -> None:
        raise FrameError("bad-message", f"ext type {code}")

    try:
        value = msgpack.unpackb(
            body, raw=False, strict_map_key=True, list_hook=count, object_pairs_hook=join, ext_hook=refuse
        )
    except FrameError:
        raise
    except (ValueError, TypeError) as error:
        raise FrameError("bad-message", f"no msgpack: {error}") from error
    if not isinstance(value, dict):
        raise FrameError("bad-message", "not a map")
    _check_shape(value)
    return value


class FrameDecoder:
    """Cuts a byte stream into messages and the raw bytes that stand between them, under any chunking. Does no I/O.

    `limit` (bytes of one message) may be raised once the channel's name is known.
    """

    def __init__(self, limit: int = MESSAGE_FRAME_BYTES_MAX) -> None:
        self.limit = limit
        self.buffered = 0  # bytes fed and not taken yet
        self._chunks: deque[bytes] = deque()

    def receive(self, data: bytes) -> list[Message]:
        """Feed, and take every message that is whole: for a channel without raw bytes. Raises FrameError."""
        self.feed(data)
        messages = []
        while (message := self.message()) is not None:
            messages.append(message)
        return messages

    def feed(self, data: bytes) -> None:
        """Bytes arrived."""
        if data:
            self._chunks.append(data)
            self.buffered += len(data)

    def message(self) -> Message | None:
        """The next message, or None while it is not whole. Raises FrameError."""
        if self.buffered < 4:
            return None
        (size,) = _LENGTH.unpack(self._peek(4))
        if size > self.limit:
            raise FrameError("too-big", f"a message of {size} bytes; the limit is {self.limit}")
        if self.buffered < 4 + size:
            return None
        return decode_map(self._take(4 + size)[4:])

    def raw(self, limit: int) -> bytes:
        """Up to `limit` bytes as they came; empty when there are none yet. The message before announced how many."""
        if not self._chunks or limit <= 0:
            return b""
        return self._take(min(limit, len(self._chunks[0])))

    def clear(self) -> int:
        """Forget what is buffered; how many bytes that was."""
        forgotten, self.buffered = self.buffered, 0
        self._chunks.clear()
        return forgotten

    def _peek(self, count: int) -> bytes:
        if len(self._chunks[0]) < count:
            self._gather(count)
        return self._chunks[0][:count]

    def _take(self, count: int) -> bytes:
        if len(self._chunks[0]) < count:
            self._gather(count)
        head = self._chunks.popleft()
        self.buffered -= count
        if len(head) == count:
            return head
        self._chunks.appendleft(head[count:])
        return head[:count]

    def _gather(self, count: int) -> None:
        parts, size = [], 0
        while size < count:
            parts.append(self._chunks.popleft())
            size += len(parts[-1])
        self._chunks.appendleft(b"".join(parts))


@dataclass(frozen=True, slots=True)
class Preface:
    """What each end says first; `dial` (u63, growing within a `boot`) is the client's only. (SCP-03 §2a)"""

    agent: str
    boot: bytes  # 8 bytes, new at each start of the node
    now: int  # the speaker's wall clock, seconds since 1970
    dial: int | None = None


def encode_preface(preface: Preface) -> bytes:
    """u16 length, one msgpack map."""
    fields: Message = {"v": 1, "agent": preface.agent, "boot": preface.boot, "now": preface.now}
    if preface.dial is not None:
        fields["dial"] = preface.dial
    body: bytes = msgpack.packb(fields, use_bin_type=True)
    if len(body) > PREFACE_BYTES_MAX:
        raise ValueError("the preface is too long")
    return _PREFACE_LENGTH.pack(len(body)) + body


class PrefaceDecoder:
    """Reads exactly one preface; what came after it is `rest`. `client`: whose preface it is."""

    def __init__(self, *, client: bool) -> None:
        self.rest = b""
        self._client = client
        self._buffer = b""

    def receive(self, data: bytes) -> Preface | None:
        """Feed; the preface once it is whole. Raises FrameError."""
        self._buffer += data
        if len(self._buffer) < 2:
            return None
        (size,) = _PREFACE_LENGTH.unpack_from(self._buffer)
        if size > PREFACE_BYTES_MAX:
            raise FrameError("too-big", "the preface is too long")
        if len(self._buffer) < 2 + size:
            return None
        fields = decode_map(self._buffer[2 : 2 + size])
        self.rest, self._buffer = self._buffer[2 + size :], b""
        return self._read(fields)

    def _read(self, fields: Message) -> Preface:
        match fields:
            case {"v": 1, "agent": str(agent), "boot": bytes(boot), "now": int(now)} if len(boot) == 8:
                pass
            case _:
                raise FrameError("bad-message", "no preface of version 1")
        if not self._client:
            return Preface(agent, boot, now)
        dial = fields.get("dial")
        if not isinstance(dial, int) or isinstance(dial, bool) or not 0 <= dial <= _DIAL_MAX:
            raise FrameError("bad-message", "the client's preface has no dial number")
        return Preface(agent, boot, now, dial)


def _check_shape(message: Message) -> None:
    level: list[Any] = [message]
    for _ in range(FRAME_DEPTH_MAX):
        below: list[Any] = []
        for container in level:
            values = container.values() if isinstance(container, dict) else container
            kinds = set(map(type, values))
            if not kinds <= _LEAVES:
                if kinds - _LEAVES - {dict, list}:
                    raise FrameError("bad-message", "ext type")  # msgpack makes its own type of a timestamp
                below.extend(value for value in values if isinstance(value, dict | list))
            if isinstance(container, dict) and set(map(type, container)) - {str}:
                raise FrameError("bad-message", "a key is no string")
        if not below:
            return
        level = below
    raise FrameError("bad-message", f"deeper than {FRAME_DEPTH_MAX}")
