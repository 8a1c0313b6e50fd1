"""The ports that were chosen for `port 0`, kept so that others find this node where it was. (SCP-05 §2.4b)"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from swarmchat import disk
from swarmchat.addresses import Address
from swarmchat.errors import StorageError
from swarmchat.limits import PORTS_FILE_BYTES_MAX

_log = logging.getLogger(__name__)

Listen = Callable[[Sequence[Address]], Awaitable[list[Address]]]


class Ports:
    """What `path` says of the last start; a damaged file is begun anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = _read(path)  # host -> the ports it had, in the order of the settings
        self._now: dict[str, list[int]] = {}

    async def listen(self, address: Address, listen: Listen) -> list[Address]:
        """Listen there; for port 0 on the port of the last start, or on another when that is taken now. OSError."""
        if address.port:
            return await listen([address])
        kept = self._kept.get(address.host, [])
        number = len(self._now.get(address.host, []))
        bound = await self._again(Address(address.host, kept[number]), listen) if number < len(kept) else []
        bound = bound or await listen([address])
        self._now.setdefault(address.host, []).extend(each.port for each in bound)
        return bound

    def save(self) -> None:
        """Keep what was chosen, atomically; a disk that refuses costs no more than another port next time."""
        ports = self._kept | self._now  # a family that the machine lacks today keeps its port
        if ports == self._kept:
            return
        try:
            disk.write_whole(self._path, json.dumps({"version": 1, "ports": ports}).encode() + b"\n")
        except StorageError as fault:
            _log.warning("the ports are not kept: %s", fault)

    async def _again(self, address: Address, listen: Listen) -> list[Address]:
        try:
            return await listen([address])
        except OSError as fault:
            _log.warning("not on %s as before (%s): taking another port", address, fault.strerror or fault)
            return []


def _read(path: Path) -> dict[str, list[int]]:
    try:
        data = disk.read_bounded(path, PORTS_FILE_BYTES_MAX)
        return {} if data is None else _ports(json.loads(data))
    except (ValueError, RecursionError, StorageError) as fault:
        _log.warning("%s is damaged and begun anew: %s", path, fault)
        return {}


def _ports(document: object) -> dict[str, list[int]]:
    if not isinstance(document, dict) or document.keys() != {"version", "ports"} or document["version"] != 1:
        raise ValueError("not of a version known here")
    ports = document["ports"]
    if not isinstance(ports, dict) or not all(isinstance(each, list) for each in ports.values()):
        raise ValueError("no ports by host")
    if not all(type(port) is int and 0 < port <= 65535 for each in ports.values() for port in each):
        raise ValueError("a port that is none")
    return ports
