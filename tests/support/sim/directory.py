"""Who is where, told to the nodes as a LAN tells it: a hint with a name, that comes late, goes, and comes again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from swarmchat.addresses import Address
from swarmchat.discovery.finder import Finder
from swarmchat.discovery.lan import Sighting
from swarmchat.ids import DeviceId
from tests.support.sim.network import Network

PORT = 4000


class Listens(Protocol):
    """A node as the LAN knows it."""

    @property
    def host(self) -> str: ...
    @property
    def device(self) -> DeviceId: ...
    @property
    def finder(self) -> Finder: ...
    def known(self, device: DeviceId) -> bool: ...
    def sighted(self, device: DeviceId | None, name: str, address: Address) -> None: ...


@dataclass
class Directory:
    """The LAN of a simulated world: shows each node to those that it can reach."""

    network: Network

    def show(self, shown: Listens, to: Listens) -> None:
        """One node sees another; it knows the name only of who it knows, as with the tags of SCP-05 §2.2."""
        if shown.host == to.host or not self.network.reachable(shown.host, to.host):
            return
        device = shown.device if to.known(shown.device) else None
        address = Address(shown.host, PORT)
        name = f"node-{shown.host}"
        to.finder.saw_lan(Sighting(name, shown.host, device, (address,)))
        to.sighted(device, name, address)

    def gone(self, shown: Listens, to: Listens) -> None:
        """One node sees another no more."""
        to.finder.saw_lan(Sighting(f"node-{shown.host}", shown.host, None, (), gone=True))
