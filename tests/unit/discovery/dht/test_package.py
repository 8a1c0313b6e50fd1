"""The names of kademlia and rpcudp that we override or lean on: another version may not change them unseen. (SCP-05 §1.1)"""

from __future__ import annotations

import inspect
from importlib.metadata import version

import pytest
from kademlia.network import Server
from kademlia.node import Node
from kademlia.protocol import KademliaProtocol
from kademlia.routing import KBucket, RoutingTable
from rpcudp.protocol import RPCProtocol

from swarmchat.discovery.dht.dht import Dht
from swarmchat.discovery.dht.protocol import Protocol
from swarmchat.discovery.dht.routing import Table


def test_the_versions_are_those_that_were_read() -> None:
    assert (version("kademlia"), version("rpcudp")) == ("2.2.3", "5.0.1")


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [
        (RPCProtocol, "__init__", ["self", "wait_timeout"]),
        (RPCProtocol, "datagram_received", ["self", "data", "addr"]),
        (RPCProtocol, "connection_made", ["self", "transport"]),
        (RPCProtocol, "__getattr__", ["self", "name"]),
        (KademliaProtocol, "__init__", ["self", "source_node", "storage", "ksize"]),
        (RoutingTable, "__init__", ["self", "protocol", "ksize", "node"]),
        (RoutingTable, "flush", ["self"]),
        (RoutingTable, "split_bucket", ["self", "index"]),
        (RoutingTable, "get_bucket_for", ["self", "node"]),
        (RoutingTable, "is_new_node", ["self", "node"]),
        (RoutingTable, "add_contact", ["self", "node"]),
        (RoutingTable, "remove_contact", ["self", "node"]),
        (RoutingTable, "lonely_buckets", ["self"]),
        (RoutingTable, "find_neighbors", ["self", "node", "k", "exclude"]),
        (KBucket, "__init__", ["self", "rangeLower", "rangeUpper", "ksize", "replacementNodeFactor"]),
        (KBucket, "touch_last_updated", ["self"]),
        (KBucket, "split", ["self"]),
        (KBucket, "has_in_range", ["self", "node"]),
        (Server, "__init__", ["self", "ksize", "alpha", "node_id", "storage"]),
        (Server, "listen", ["self", "port", "interface"]),
        (Server, "bootstrap", ["self", "addrs"]),
        (Server, "set", ["self", "key", "value"]),
        (Server, "set_digest", ["self", "dkey", "value"]),
        (Server, "get", ["self", "key"]),
        (Server, "stop", ["self"]),
        (Node, "__init__", ["self", "node_id", "ip", "port"]),
    ],
)
def test_what_we_override_is_called_as_it_was(owner: type, name: str, parameters: list[str]) -> None:
    assert list(inspect.signature(getattr(owner, name)).parameters) == parameters


def test_the_attributes_that_we_fill_are_those_that_it_reads() -> None:
    table = RoutingTable(None, 20, Node(bytes(20)))
    bucket = table.buckets[0]
    assert {"range", "nodes", "replacement_nodes", "ksize", "last_updated"} <= vars(bucket).keys()
    protocol = KademliaProtocol(Node(bytes(20)), None, 20)
    assert {"_outstanding", "transport", "router", "storage", "source_node"} <= vars(protocol).keys()
    assert {"node", "storage", "transport", "protocol", "ksize", "alpha"} <= vars(Server()).keys()


@pytest.mark.parametrize(("ours", "theirs"), [(Dht, Server), (Table, RoutingTable)], ids=["server", "table"])
def test_nothing_public_of_the_package_is_left_that_we_do_not_answer_for(ours: type, theirs: type) -> None:
    left = {name for name in vars(theirs) if not name.startswith("_")} - set(vars(ours))
    assert left <= {"bootstrappable_neighbors", "split_bucket", "protocol_class"}


def test_the_datagrams_of_the_package_are_never_taken_apart_by_it() -> None:
    assert {"datagram_received", "__getattr__", "error_received"} <= vars(Protocol).keys()
