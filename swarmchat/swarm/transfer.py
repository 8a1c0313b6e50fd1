"""A pack over its channel: asked for, received into the quarantine, served. (SCP-04 §3, §4.1)"""

from __future__ import annotations

import asyncio
import ipaddress
import struct
import zlib
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import aclosing
from typing import Final

from swarmchat.commitlog.log import CommitLog
from swarmchat.commitlog.writing import Admission
from swarmchat.errors import LinkError, NotFoundError, PeerError, StorageError
from swarmchat.limits import (
    BATCH_BYTES_MAX,
    MIB,
    PACK_PIECE_BYTES_MAX,
    PULL_GATHER_S,
    PULL_STALL_S,
    SERVE_WRITE_TIMEOUT_S,
)
from swarmchat.links.channel import Channel
from swarmchat.links.link import Link
from swarmchat.runtime import Runtime
from swarmchat.swarm.messages import (
    DEFLATE,
    PLAIN,
    PackAnswer,
    PackRequest,
    pack_answer_fields,
    pack_request_fields,
    read_pack_answer,
)
from swarmchat.swarm.pace import Pace

_LENGTH: Final = struct.Struct(">I")
_END: Final = 0
_ABORTED: Final = 0xFFFFFFFF
_WIRE_BYTES_MAX: Final = BATCH_BYTES_MAX + MIB  # deflate makes what it cannot pack a little longer

Progress = Callable[[int, int], None]  # objects received, objects announced


class StalledError(PeerError):
    """The peer sends too slowly."""

    def __init__(self) -> None:
        super().__init__("stalled", "too few bytes came in time")


async def fetch(
    link: Link,
    log: CommitLog,
    request: PackRequest,
    runtime: Runtime,
    progress: Progress,
    gives_way: Callable[[], bool] = lambda: False,
) -> Admission | None:
    """Pull a pack and admit it, once `gives_way` only what has come; None if the peer has nothing new. PeerError if the peer refuses, stalls or sends no pack; LinkError if the link breaks."""
    channel, fields = await link.open_channel("pack", **pack_request_fields(request))
    try:
        answer = read_pack_answer(fields)
        if answer.objects == 0:
            channel.close()
            return None
        ingest = await runtime.offload(log.ingest)
        try:
            async with aclosing(_pieces(channel, answer.encoding, runtime)) as pieces:
                async for data in pieces:
                    await runtime.offload(ingest.feed, data)
                    progress(ingest.progress[0], answer.objects)
                    if gives_way():
                        return await runtime.offload(ingest.cut)
            admission = await runtime.offload(ingest.finish, answer.heads)
            channel.close()
            return admission
        finally:
            await runtime.offload(ingest.close)
    finally:
        if not channel.closed:
            channel.reset()  # the peer would send all the rest, for nothing


async def serve(channel: Channel, log: CommitLog, request: PackRequest, runtime: Runtime) -> None:
    """Answer one request from the log."""
    encoding = DEFLATE if DEFLATE in request.encodings and _is_far(channel.link.address.host) else PLAIN
    try:
        pack = await runtime.offload(lambda: log.pack(request.want, request.have, stored=encoding == DEFLATE))
    except NotFoundError:
        await channel.refuse("gone", "a wanted commit is not here")
        return
    if pack is None:
        await channel.accept(**pack_answer_fields(PackAnswer(log.heads, 0)))
        return
    await channel.accept(**pack_answer_fields(PackAnswer(tuple(pack.heads), pack.objects, encoding)))
    pieces = _deflated(pack.chunks) if encoding == DEFLATE else pack.chunks
    try:
        while piece := await runtime.offload(_gathered, pieces):
            await _send(channel, piece)
    except StorageError:
        await channel.send_bytes(_LENGTH.pack(_ABORTED))
        raise
    await channel.send_bytes(_LENGTH.pack(_END))


async def _send(channel: Channel, piece: bytes) -> None:
    try:
        async with asyncio.timeout(SERVE_WRITE_TIMEOUT_S):
            for start in range(0, len(piece), PACK_PIECE_BYTES_MAX):
                part = piece[start : start + PACK_PIECE_BYTES_MAX]
                await channel.send_bytes(_LENGTH.pack(len(part)) + part)
    except TimeoutError:
        raise LinkError(f"it took nothing for {SERVE_WRITE_TIMEOUT_S:g} s") from None


async def _pieces(channel: Channel, encoding: str, runtime: Runtime) -> AsyncGenerator[bytes, None]:
    pace = Pace(runtime.monotonic())
    inflater = zlib.decompressobj() if encoding == DEFLATE else None
    left = _WIRE_BYTES_MAX
    while True:
        (length,) = _LENGTH.unpack(await _within(channel.receive_exactly(_LENGTH.size)))
        if length == _END:
            return
        if length == _ABORTED:
            raise PeerError("gone", "the peer broke off its pack")
        if length > PACK_PIECE_BYTES_MAX:
            raise PeerError("too-big", f"a piece of {length} bytes")
        left -= length
        if left < 0:  # the quarantine counts what comes out of the deflate stream, which may be nothing at all
            raise PeerError("too-big", f"more than {_WIRE_BYTES_MAX} bytes for one pack")
        parts: list[bytes] = []
        since = runtime.monotonic()
        while length:
            data = await _within(channel.receive_bytes(length))
            if not data:
                raise PeerError("stalled", "the channel ended inside a piece")
            length -= len(data)
            now = runtime.monotonic()
            if not pace.received(len(data), now):
                raise StalledError
            if inflater is None:
                # Scraps are gathered: each handing over costs the loop as much as a scrap. But who drips is to be noticed.
                parts.append(data)
                if length and now - since >= PULL_GATHER_S:
                    yield b"".join(parts)
                    parts, since = [], now
                continue
            while data:
                yield _inflate(inflater, data)
                data = inflater.unconsumed_tail
        if parts:
            yield b"".join(parts)


def _inflate(inflater: zlib._Decompress, data: bytes) -> bytes:
    """At most one piece's worth; the rest waits in `unconsumed_tail`. What inflates is counted by the quarantine."""
    if inflater.eof:  # it would be kept, and grow
        raise PeerError("bad-message", "bytes after the deflate stream")
    try:
        return inflater.decompress(data, PACK_PIECE_BYTES_MAX)
    except zlib.error as error:
        raise PeerError("bad-message", f"no deflate stream: {error}") from error


def _gathered(chunks: Iterator[bytes]) -> bytes:
    """Chunks until they make a piece; empty at the end."""
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size >= PACK_PIECE_BYTES_MAX // 2:
            break
    return b"".join(parts)


def _deflated(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """One deflate stream (RFC 1950) around all of them; level 1, since the serving side's time is dear."""
    squeeze = zlib.compressobj(1)
    for chunk in chunks:
        if piece := squeeze.compress(chunk):
            yield piece
    yield squeeze.flush()


def _is_far(host: str) -> bool:
    """Whether bytes cost more than time on the way there: not in this house."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return True
    return not (address.is_private or address.is_link_local or address.is_loopback)


async def _within(reading: Coroutine[object, object, bytes]) -> bytes:
    try:
        async with asyncio.timeout(PULL_STALL_S):
            return await reading
    except TimeoutError:
        raise StalledError from None
