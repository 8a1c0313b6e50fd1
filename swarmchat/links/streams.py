"""What a link needs of the world: a carrier of bytes, and an endpoint that makes them secret and names the peer.

A simulation puts its own in the place of TCP and TLS. (SCP-03 §1)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from swarmchat.addresses import Address
from swarmchat.ids import DeviceId
from swarmchat.links.peers import Peer


class Receiver(Protocol):
    """Who is told what happens on a ByteStream; never raises."""

    def received(self, data: bytes | memoryview) -> None:
        """Bytes arrived; `data` is valid during the call only."""
        ...

    def writable(self) -> None:
        """`congested` became false."""
        ...

    def ended(self, reason: str) -> None:
        """Nothing comes or goes any more; called once, also after our own `close` or `abort`."""
        ...


class ByteStream(Protocol):
    """An ordered, reliable pipe of bytes to one other node; nothing about it is trusted."""

    @property
    def remote(self) -> Address:
        """Where the other end is."""
        ...

    @property
    def path(self) -> str:
        """The way taken, for people: `tcp 127.0.0.1:4000`."""
        ...

    @property
    def congested(self) -> bool:
        """Whether enough is waiting; more is still taken, but `writable` will tell when it is wise."""
        ...

    def start(self, receiver: Receiver) -> None:
        """Hand what arrives to `receiver`; before that nothing is read."""
        ...

    def write(self, data: bytes) -> None:
        """Send; lost silently once the stream is over."""
        ...

    def close(self) -> None:
        """End it when what was written is out."""
        ...

    def abort(self) -> None:
        """End it now."""
        ...


class Dialer(Protocol):
    """Reaches other nodes."""

    async def dial(self, address: Address) -> ByteStream:
        """A stream to `address`, not started; OSError when it is not to be had. Cancelling leaves nothing behind."""
        ...


class Listener(Protocol):
    """An open ear at `address`."""

    @property
    def address(self) -> Address:
        """Where it really listens: the port is known even if 0 was asked for."""
        ...

    def close(self) -> None:
        """Take no more; streams that were taken live on."""
        ...


class Carrier(Dialer, Protocol):
    """A way for bytes between nodes, in both directions."""

    async def listen(self, address: Address, accept: Callable[[ByteStream], None]) -> Listener:
        """Call `accept` with each stream that comes in; OSError if the address cannot be had."""
        ...


class Endpoint(Protocol):
    """One end of a secure session, bytes in and bytes out; no I/O."""

    @property
    def peer(self) -> Peer | None:
        """Who the other end has proved to be; None until the handshake is finished."""
        ...

    @property
    def fault(self) -> str | None:
        """Why the session failed; what `pull` still gives is to be sent, then close."""
        ...

    @property
    def finished(self) -> bool:
        """Whether the other end said that it sends no more."""
        ...

    def start(self) -> None:
        """Begin; then `pull`."""
        ...

    def receive(self, data: bytes | memoryview) -> bytes:
        """Cipher bytes in, plain bytes out; then look at `fault`, `peer`, and `pull`."""
        ...

    def send(self, data: bytes) -> None:
        """Plain bytes in, after `peer` is known; then `pull`."""
        ...

    def exporter(self, label: bytes) -> bytes:
        """32 bytes that only the two ends of this session can compute; after `peer` is known."""
        ...

    def pull(self) -> bytes:
        """Cipher bytes to be carried to the other end."""
        ...

    def end(self) -> None:
        """Say that no more comes; then `pull`."""
        ...


class Security(Protocol):
    """Makes endpoints for one identity."""

    def endpoint(self, *, server: bool, device: DeviceId | None = None) -> Endpoint:
        """A fresh endpoint; `device`: the only one accepted at the other end, None for any that passes the chain check."""
        ...
