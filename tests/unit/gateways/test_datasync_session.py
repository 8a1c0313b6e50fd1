"""What waits for a peer that reads slowly is bounded; what is lost by that is sent again later."""

from __future__ import annotations

import asyncio

import pytest

from swarmchat.api.schema import METHODS
from swarmchat.errors import UsageError
from swarmchat.gateways.datasync.frames import Frames
from swarmchat.gateways.datasync.payload import MessageId, Payload, PeerId
from swarmchat.gateways.datasync.session import Session
from swarmchat.limits import DATASYNC_TICK_MS_MAX, DATASYNC_UNSENT_PAYLOADS_MAX


class Slow:
    """Takes what is written once it is told to."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.all = asyncio.Event()
        self.written: list[bytes] = []

    async def read(self) -> bytes:
        await self.all.wait()
        return b""

    async def write(self, data: bytes) -> None:
        await self.reads.wait()
        self.written.append(data)
        if len(self.written) == DATASYNC_UNSENT_PAYLOADS_MAX:
            self.all.set()

    def close(self) -> None:
        self.reads.set()


def test_no_more_payloads_wait_for_a_slow_peer_than_may() -> None:
    async def story() -> None:
        wire = Slow()
        session = Session(wire, Frames(), PeerId(bytes(65)), lambda: False)
        for number in range(DATASYNC_UNSENT_PAYLOADS_MAX + 1):
            session.send(Payload(acks=(MessageId(number.to_bytes(32)),)))
        wire.reads.set()

        async def take(_payload: object) -> None:
            raise AssertionError("nothing comes")

        assert await session.run(take) is None
        assert len(wire.written) == DATASYNC_UNSENT_PAYLOADS_MAX
        assert (0).to_bytes(32) in wire.written[0]
        assert not any(DATASYNC_UNSENT_PAYLOADS_MAX.to_bytes(32) in each for each in wire.written)

    asyncio.run(story())


def test_a_tick_has_a_longest() -> None:
    serve = METHODS["mvds.serve"]
    assert serve.checked({"tick_ms": DATASYNC_TICK_MS_MAX})["tick_ms"] == DATASYNC_TICK_MS_MAX
    with pytest.raises(UsageError):
        serve.checked({"tick_ms": DATASYNC_TICK_MS_MAX + 1})
