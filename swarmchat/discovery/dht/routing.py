"""Who is known to be where: kademlia's buckets, with exact neighbours and patience. Times are given. (SCP-05 §1.15)

Nobody enters but who has signed an answer from his address. What the package does otherwise: it finds neighbours by the order
of buckets instead of distance, drops a node for one lost datagram, and takes any number of them from one address.
"""

from __future__ import annotations

import bisect
from collections.abc import Collection, Iterable
from typing import Any, Final

from kademlia.node import Node
from kademlia.routing import KBucket, RoutingTable

from swarmchat import limits
from swarmchat.discovery.dht.hosts import Endpoint, is_private, prefix
from swarmchat.discovery.dht.identity import NodeId

ID_MAX: Final = 2**160 - 1


class Contact(Node):  # type: ignore[misc] # the package is untyped
    """A node that proved its id at its address. `failures` counts unanswered requests since the last answer."""

    def __init__(self, node_id: NodeId, address: Endpoint, now: float = 0.0) -> None:
        super().__init__(node_id, *address)
        self.failures = 0
        self.seen = now

    @property
    def address(self) -> Endpoint:
        return self.ip, self.port


class _Bucket(KBucket):  # type: ignore[misc]
    """A bucket whose age is set by the table, which is told the time."""

    def touch_last_updated(self) -> None:
        self.last_updated = 0.0

    def split(self) -> tuple[_Bucket, _Bucket]:
        lower, upper = self.range
        middle = (lower + upper) // 2
        halves = _Bucket(lower, middle, self.ksize), _Bucket(middle + 1, upper, self.ksize)
        for (
            node
        ) in self.nodes.values():  # nobody is in reserve: only our own bucket is split, and splits before it refuses
            halves[node.long_id > middle].add_node(node)
        for half in halves:
            half.last_updated = self.last_updated
        return halves


class Table(RoutingTable):  # type: ignore[misc]
    """The contacts of one family. Where a bucket is full the old ones stay, as long as they answer."""

    buckets: list[_Bucket]

    def __init__(
        self, protocol: object, ksize: int, node: Node, *, per_prefix: int = limits.DHT_PER_PREFIX_MAX
    ) -> None:
        self._per_prefix = per_prefix
        self._by_id: dict[bytes, Contact] = {}
        self._by_address: dict[Endpoint, Contact] = {}
        self.newcomers = 0  # how many have entered our own bucket so far
        super().__init__(protocol, ksize, node)

    def __len__(self) -> int:
        return len(self._by_id)

    def __bool__(self) -> bool:
        return True  # an empty table is a table

    # --- what is asked of it

    def contacts(self) -> list[Contact]:
        """All, in the order of their ids."""
        return [self._by_id[one] for one in sorted(self._by_id)]

    def get(self, node_id: bytes) -> Contact | None:
        """The contact with this id."""
        return self._by_id.get(node_id)

    def at(self, address: Endpoint) -> Contact | None:
        """The contact at this address."""
        return self._by_address.get(address)

    def nearest(self, target: bytes, count: int, *, failed: bool = False) -> list[Contact]:
        """The `count` contacts nearest to `target`, nearest first, `target` itself left out; those that `failed` lately come last or not at all.

        Buckets are disjoint ranges of a binary tree: in the order of their distance so are their members.
        """
        wanted = int.from_bytes(target, "big")
        found: list[Contact] = []
        for bucket in sorted(self.buckets, key=lambda one: (one.range[0] ^ wanted) & ~(one.range[1] - one.range[0])):
            members = [one for one in bucket.nodes.values() if not one.failures and one.long_id != wanted]
            found += sorted(members, key=lambda one: one.long_id ^ wanted)
            if len(found) >= count:
                return found[:count]
        if failed:
            rest = [one for one in self._by_id.values() if one.failures and one.long_id != wanted]
            found += sorted(rest, key=lambda one: one.long_id ^ wanted)
        return found[:count]

    def wants(self, node_id: bytes, address: Endpoint) -> bool:
        """Whether this node would enter if it proved itself: asked before a ping is spent on it."""
        if node_id == self.node.id or len(node_id) != limits.DHT_KEY_BYTES:
            return False
        known = self._by_id.get(node_id)
        if known is not None:
            return known.address != address and known.failures > 0
        bucket = self.buckets[self._index(int.from_bytes(node_id, "big"))]
        if not self._is_diverse(bucket, address[0]):
            return False
        return (
            len(bucket) < self.ksize
            or bucket.has_in_range(self.node)
            or any(one.failures for one in bucket.get_nodes())
        )

    def is_near(self, node_id: bytes) -> bool:
        """Whether this id falls into our own bucket: such neighbours are worth a ping at any time."""
        return bool(self.buckets[self._index(int.from_bytes(node_id, "big"))].has_in_range(self.node))

    def stale(self, before: float, count: int) -> list[Contact]:
        """Those not heard of since `before`, the longest unheard first."""
        return sorted((one for one in self._by_id.values() if one.seen < before), key=lambda one: one.seen)[:count]

    def quiet(self, before: float) -> list[tuple[int, int]]:
        """The ranges of ids that nobody answered from since `before`."""
        return [bucket.range for bucket in self.buckets if bucket.last_updated < before]

    # --- what is told it

    def answered(self, node_id: NodeId, address: Endpoint, now: float) -> bool:
        """A node signed an answer from this address: refresh it or let it in. Whether it is in the table now."""
        if node_id == self.node.id:
            return False
        known = self._by_id.get(node_id)
        if known is not None and known.address != address:
            if not known.failures:
                return True  # one id at two addresses: the first keeps it as long as it answers
            self._drop(known)
            known = None
        if known is None and not self._enter(Contact(node_id, address, now)):
            return False
        contact = self._by_id[node_id]
        contact.failures, contact.seen = 0, now
        bucket = self.buckets[self._index(contact.long_id)]
        bucket.nodes.move_to_end(node_id)
        bucket.last_updated = now
        return True

    def failed(self, node_id: bytes) -> None:
        """A contact did not answer, however often it was asked; the third time in a row it goes."""
        contact = self._by_id.get(node_id)
        if contact is not None:
            contact.failures += 1
            if contact.failures >= limits.DHT_FAILURES_MAX:
                self._drop(contact)

    def left(self, node_id: bytes) -> None:
        """A contact says that it is no node any more."""
        contact = self._by_id.get(node_id)
        if contact is not None:
            self._drop(contact)

    def searched(self, targets: Iterable[bytes], now: float) -> None:
        """These places were searched: whether anybody answered there or not, it was tried."""
        for target in targets:
            self.buckets[self._index(int.from_bytes(target, "big"))].last_updated = now

    # --- the package's names for the same, so that nobody reaches what it does

    def flush(self) -> None:
        self.buckets = [_Bucket(0, ID_MAX, self.ksize)]
        self._by_id.clear()
        self._by_address.clear()

    def get_bucket_for(self, node: Node) -> int:
        return self._index(node.long_id)

    def is_new_node(self, node: Node) -> bool:
        return node.id not in self._by_id

    def add_contact(self, node: Node) -> None:
        self.answered(node.id, (node.ip, node.port), getattr(node, "seen", 0.0))

    def remove_contact(self, node: Node) -> None:
        self.failed(node.id)

    def find_neighbors(self, node: Node, k: int | None = None, exclude: Node | None = None) -> list[Contact]:
        found = self.nearest(node.id, (k or self.ksize) + (exclude is not None))
        return [one for one in found if exclude is None or not one.same_home_as(exclude)][: k or self.ksize]

    def lonely_buckets(self) -> list[Any]:
        return []  # `quiet` is told the time

    # --- inside

    def _index(self, number: int) -> int:
        return bisect.bisect_left(self.buckets, number, key=lambda bucket: bucket.range[1])

    def _enter(self, contact: Contact) -> bool:
        there = self._by_address.get(contact.address)
        if there is not None:
            self._drop(there)  # a socket is one node: this one was started anew, or lies, and then once only
        while True:
            index = self._index(contact.long_id)
            bucket = self.buckets[index]
            if not self._is_diverse(bucket, contact.ip):
                return False
            if len(bucket) < self.ksize:
                bucket.nodes[contact.id] = contact
                self._by_id[contact.id] = self._by_address[contact.address] = contact
                self.newcomers += bucket.has_in_range(self.node)
                return True
            if bucket.has_in_range(self.node) and bucket.range[0] < bucket.range[1]:
                self.split_bucket(index)
                continue
            worst = max(bucket.get_nodes(), key=lambda one: one.failures)
            if not worst.failures:
                self._keep_in_reserve(bucket, contact)
                return False
            self._drop(worst, promote=False)

    def _keep_in_reserve(self, bucket: _Bucket, contact: Contact) -> None:
        bucket.replacement_nodes.pop(contact.id, None)
        bucket.replacement_nodes[contact.id] = contact
        while len(bucket.replacement_nodes) > limits.DHT_RESERVE_MAX:
            bucket.replacement_nodes.popitem(last=False)

    def _drop(self, contact: Contact, *, promote: bool = True) -> None:
        bucket = self.buckets[self._index(contact.long_id)]
        bucket.nodes.pop(contact.id, None)
        self._by_id.pop(contact.id, None)
        if self._by_address.get(contact.address) is contact:
            del self._by_address[contact.address]
        while promote and bucket.replacement_nodes and len(bucket) < self.ksize:
            _, other = bucket.replacement_nodes.popitem()
            if other.address not in self._by_address and self._is_diverse(bucket, other.ip):
                bucket.nodes[other.id] = self._by_id[other.id] = self._by_address[other.address] = other
                return

    def _is_diverse(self, bucket: _Bucket, host: str) -> bool:
        """Whether one more of this host's prefix may stand in the bucket; at home everybody is of one prefix."""
        if is_private(host):
            return True
        mine = prefix(host)
        return _count(mine, bucket.nodes.values()) < self._per_prefix and (
            _count(mine, self._by_id.values()) < limits.DHT_PER_PREFIX_IN_TABLE_MAX
        )


def _count(mine: bytes, contacts: Collection[Contact]) -> int:
    return sum(1 for one in contacts if prefix(one.ip) == mine)
