"""Can strangers reach this node? A client until something arrives that nobody was asked for. Times are given. (SCP-05 §1.6, §1.18)

A router between us and the network lets in what answers our own datagrams. So what proves that we are reached is a request
from where we sent nothing lately; a node that we know asks a third one to send it (`probe`, `knock`).
"""

from __future__ import annotations

from collections import OrderedDict

from swarmchat import limits
from swarmchat.discovery.dht.hosts import Endpoint, is_private


class Reach:
    """What is known of our own address, apart for the networks at home and the one outside.

    `client`: True never to serve, False to serve at once (a bootstrap node), None to find out.
    `home`: False takes private addresses for public ones (tests on one machine).
    """

    def __init__(self, *, client: bool | None = None, home: bool = True) -> None:
        self._client = client
        self._home = home
        self._sent: OrderedDict[object, float] = OrderedDict()
        self._unsure_until = 0.0
        self._proven: dict[bool, float] = {}

    def serves(self, host: str, now: float) -> bool:
        """Whether we are a node to who is at `host`: he may keep us in his table, and we keep records for him."""
        if self._client is not None:
            return not self._client
        proven = self._proven.get(self._is_home(host))
        return proven is not None and now < proven + limits.DHT_REACHED_S

    def from_outside(self, now: float) -> bool:
        """Whether who is outside our own networks reaches us without having been asked."""
        if self._client is not None:
            return not self._client
        proven = self._proven.get(False)
        return proven is not None and now < proven + limits.DHT_REACHED_S

    def wants_proof(self, host: str, now: float) -> bool:
        """Whether it is time to ask the node at `host` for a probe."""
        if self._client is not None:
            return False
        proven = self._proven.get(self._is_home(host))
        return proven is None or now > proven + limits.DHT_REACHED_S / 2

    def sent(self, address: Endpoint, now: float) -> None:
        """A datagram of ours goes there: what comes from there proves nothing for a while."""
        name = self._name(address)
        self._sent[name] = now
        self._sent.move_to_end(name)
        if len(self._sent) > limits.DHT_SENT_REMEMBERED_MAX:
            _, when = self._sent.popitem(last=False)
            if now - when < limits.DHT_MAPPING_S:
                self._unsure_until = now + limits.DHT_MAPPING_S

    def heard(self, address: Endpoint, now: float) -> None:
        """A request came from there."""
        when = self._sent.get(self._name(address))
        if now >= self._unsure_until and (when is None or now - when > limits.DHT_MAPPING_S):
            self._proven[self._is_home(address[0])] = now

    def seen_as(self, you: Endpoint, teller: Endpoint, port: int, now: float) -> None:
        """`teller` sees us at `you`; at home, at the very `port` that we listen on, nothing stands between us."""
        if self._is_home(teller[0]) and is_private(you[0]) and you[1] == port:
            self._proven[True] = now

    def _is_home(self, host: str) -> bool:
        return self._home and is_private(host)

    def _name(self, address: Endpoint) -> object:
        """What a router would let in after we sent there: on one machine the port tells nodes apart, outside the host."""
        return address if is_private(address[0]) else address[0]
