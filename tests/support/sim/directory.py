"""Who is where, told to the nodes as a LAN tells it: a hint with a name, once when a node comes, and when it says that it goes."""

from __future__ import annotations

from typing import Protocol

from swarmchat.addresses import Address
from swarmchat.discovery.finder import Finder
from swarmchat.discovery.lan import Sighting
from swarmchat.ids import DeviceId
from tests.support.sim.network import Network

PORT = 4000


class Listens(Protocol):
    """A node as the LAN knows it."""

    host: str
    device: DeviceId
    finder: Finder

    def known(self, device: DeviceId) -> bool:
        """Whether the node would recognise the device by its tag."""
        ...

    def sighted(self, device: DeviceId | None, name: str, address: Address) -> None:
        """The finder knows it already; now the swarm."""
        ...


class Directory:
    """The LAN of a simulated world."""

    def __init__(self, network: Network, *, works: bool = True) -> None:
        self._network = network
        self._works = works
        self._here: dict[str, Listens] = {}  # by host
        self._seen: dict[str, dict[str, Listens]] = {}  # who was seen by whom
        self._names: dict[str, str] = {}  # of the instance, by host: each start has a fresh one (SCP-05 §2.2)
        self._starts = 0

    def came(self, node: Listens) -> None:
        """A node listens: it and all that it can reach see each other."""
        self._starts += 1
        self._names[node.host] = f"node-{node.host}-{self._starts}"
        self._here[node.host] = node
        self._seen[node.host] = {}
        for other in list(self._here.values()):
            self._show(node, other)
            self._show(other, node)

    def left(self, node: Listens, *, saying_so: bool) -> None:
        """A node is gone; only one that is stopped says so."""
        del self._here[node.host]
        for other in list(self._here.values()):
            if saying_so and self._network.reachable(node.host, other.host):
                self._seen[other.host].pop(node.host, None)
                other.finder.saw_lan(Sighting(self._names[node.host], node.host, None, (), gone=True))

    def look_again(self) -> None:
        """The wires have changed: everybody asks anew."""
        for one in list(self._here.values()):
            for other in list(self._here.values()):
                self._show(one, other)

    def recognise(self, node: Listens) -> None:
        """A node knows other devices than before: what it sees may be one of them."""
        for shown in list(self._seen.get(node.host, {}).values()):
            self._tell(shown, node)

    def _show(self, shown: Listens, to: Listens) -> None:
        if self._works and shown.host != to.host and self._network.reachable(shown.host, to.host):
            self._seen[to.host][shown.host] = shown
            self._tell(shown, to)

    def _tell(self, shown: Listens, to: Listens) -> None:
        """It knows the name only of whom it knows, as with the tags of SCP-05 §2.2."""
        device = shown.device if to.known(shown.device) else None
        address = Address(shown.host, PORT)
        to.finder.saw_lan(Sighting(self._names[shown.host], shown.host, device, (address,)))
        to.sighted(device, self._names[shown.host], address)
