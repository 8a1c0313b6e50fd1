"""What a node keeps over a restart: its key, the last number it signed, and whom it knew. JSON, whole or not at all. (SCP-05 §1.9)"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from swarmchat import disk, limits
from swarmchat.crypto.keys import KEY_BYTES
from swarmchat.discovery.dht.hosts import Endpoint, pack

_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class State:
    """`seed` makes the node key; `seq` is the greatest number of a record of ours; `addresses` stand best first."""

    seed: bytes
    seq: int = 0
    addresses: tuple[Endpoint, ...] = ()


def load(path: Path) -> State | None:
    """What was saved; None where there is nothing, or nothing that can be read: then the node is a new one."""
    try:
        raw = path.read_bytes()[: limits.DHT_STATE_BYTES_MAX + 1]
        return _parse(json.loads(raw)) if len(raw) <= limits.DHT_STATE_BYTES_MAX else None
    except (OSError, ValueError, RecursionError):
        return None


def save(path: Path, state: State) -> None:
    """Write it in place of what was there, for its owner alone; raises StorageError."""
    addresses = [list(one) for one in state.addresses[: limits.DHT_CONTACTS_KEPT_MAX]]
    saved = {"v": _VERSION, "seed": state.seed.hex(), "seq": state.seq, "addresses": addresses}
    disk.write_whole(path, json.dumps(saved, separators=(",", ":")).encode())


def _parse(saved: object) -> State | None:
    if not isinstance(saved, dict) or saved.get("v") != _VERSION:
        return None
    seed, seq, addresses = saved.get("seed"), saved.get("seq"), saved.get("addresses")
    if not isinstance(seed, str) or len(bytes.fromhex(seed)) != KEY_BYTES:
        return None
    if type(seq) is not int or not 0 <= seq < 2**63 or not isinstance(addresses, list):
        return None
    return State(bytes.fromhex(seed), seq, tuple(_address(one) for one in addresses[: limits.DHT_CONTACTS_KEPT_MAX]))


def _address(saved: object) -> Endpoint:
    if not isinstance(saved, list) or len(saved) != 2 or type(saved[0]) is not str or type(saved[1]) is not int:
        raise ValueError("no address")
    address = (saved[0], saved[1])
    pack(address)
    return address
