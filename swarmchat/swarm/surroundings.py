"""What this node hears of the network around it: devices on the LAN, addresses, links of the host. (SCP-05 §2)"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

from swarmchat.addresses import Address
from swarmchat.ids import AccountId, DeviceId
from swarmchat.swarm.connector import Connector
from swarmchat.swarm.parts import Parts
from swarmchat.swarm.switchboard import Switchboard


class Surroundings:
    """Passes it on to who dials. `load`: everything is open when it returns."""

    def __init__(
        self, parts: Parts, board: Switchboard, connector: Connector, load: Callable[[], Awaitable[None]]
    ) -> None:
        self._parts = parts
        self._board = board
        self._connector = connector
        self._load = load

    def known_devices(self) -> Iterable[DeviceId]:
        """The devices that a LAN sighting may be of. (SCP-05 §2.2)"""
        pairing = self._parts.access.pairing
        return self._board.known_devices if pairing is None else self._board.known_devices | {pairing}

    async def peer_added(self, account: AccountId) -> None:
        """An address was put into the book: try it now."""
        await self._load()
        self._board.reevaluate()
        self._connector.sighted(account)

    def sighted(self, device: DeviceId | None, name: str, addresses: Sequence[Address]) -> None:
        """The LAN shows an instance (the finder knows it already): of a known device, or one that says no name."""
        if device is not None:
            self._connector.sighted(device)
        elif addresses:
            self._board.reevaluate()

    def network_changed(self) -> None:
        """The host's addresses or links changed."""
        self._connector.network_changed()
        self._board.moved()

    def dht_opened(self) -> None:
        """Our node of the DHT hears now: peers are told soon."""
        self._board.moved()
