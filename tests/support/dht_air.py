"""Datagrams in virtual time: who is so slow that his answers come late is not the machine that runs the tests.

The sockets are real and bound, so that addresses are, and carry nothing.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from tests.support.sim import loop as sim

DELAY_S = 0.001, 0.01  # of a datagram, from and to
LIMIT_S = 3_600.0


class Air(sim.SimLoop):
    """A simulated loop that has datagram endpoints, all of which hear each other."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.dice = random.Random(seed)
        self.here: dict[tuple[str, int], _Transport] = {}

    async def create_datagram_endpoint(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.DatagramProtocol], *, sock: socket.socket, **_: Any
    ) -> tuple[asyncio.DatagramTransport, asyncio.DatagramProtocol]:
        """An endpoint where the socket is bound."""
        protocol = protocol_factory()
        transport = self.here[sock.getsockname()[:2]] = _Transport(self, sock, protocol)
        protocol.connection_made(transport)
        return transport, protocol

    async def getaddrinfo(self, host: str, port: int, **_: Any) -> Any:  # type: ignore[override]
        """Of literal addresses only: no name server is asked."""
        return socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)


class _Transport(asyncio.DatagramTransport):
    def __init__(self, air: Air, sock: socket.socket, protocol: asyncio.DatagramProtocol) -> None:
        self._name = sock.getsockname()[:2]
        super().__init__({"sockname": self._name})
        self._air = air
        self._sock = sock
        self._protocol = protocol

    def sendto(self, data: Any, addr: Any = None) -> None:
        """It comes there in a moment, if anybody is there then."""
        self._air.call_later(self._air.dice.uniform(*DELAY_S), self._arrive, bytes(data), addr[:2])

    def _arrive(self, data: bytes, address: tuple[str, int]) -> None:
        there = self._air.here.get(address)
        if there is not None:
            there._protocol.datagram_received(data, self._name)

    def is_closing(self) -> bool:
        return self._name not in self._air.here

    def close(self) -> None:
        if self._air.here.pop(self._name, None) is not None:
            self._sock.close()
            self._air.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()


def play(story: Callable[[], Coroutine[Any, Any, None]], seed: int = 1) -> None:
    """Run a story of nodes in virtual time. What `tests.support.sim.loop.run` promises."""
    sim.run(story, limit_s=LIMIT_S, loop=Air(seed))
