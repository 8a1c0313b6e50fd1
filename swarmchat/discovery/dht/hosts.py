"""Addresses as datagrams carry them, and which of them a stranger may name to us. Pure. (SCP-05 §1.14)"""

from __future__ import annotations

import enum
import ipaddress
import socket
import struct
from functools import lru_cache
from typing import Final

Endpoint = tuple[str, int]  # numeric host in its canonical spelling, port: what a datagram socket says and takes

V4_BYTES: Final = 6
V6_BYTES: Final = 18
_PORT: Final = struct.Struct(">H")
_REMEMBERED: Final = 4_096  # hosts and addresses at hand: to read one costs 1 to 5 µs, and few are heard often


@lru_cache(maxsize=_REMEMBERED)
def pack(address: Endpoint) -> bytes:
    """4 or 16 bytes of host, 2 of port; ValueError for a name or a scope."""
    host, port = address
    try:
        return socket.inet_pton(_family(host), host) + _PORT.pack(port)
    except (OSError, struct.error, TypeError) as error:
        raise ValueError(f"{host!r} and {port!r} are no address") from error


@lru_cache(maxsize=_REMEMBERED)
def unpack(packed: bytes) -> Endpoint:
    """What `pack` packed; ValueError for another length. Whether anybody may be there is `usable`'s question."""
    if len(packed) == V4_BYTES:
        return socket.inet_ntop(socket.AF_INET, packed[:4]), _PORT.unpack_from(packed, 4)[0]
    if len(packed) == V6_BYTES:
        return socket.inet_ntop(socket.AF_INET6, packed[:16]), _PORT.unpack_from(packed, 16)[0]
    raise ValueError("a packed address has 6 or 18 bytes")


def usable(address: Endpoint, teller: str) -> bool:
    """Whether a node at `teller` may name this address: one host, a port, and nothing inside our network told from outside."""
    host, port = address
    nature = _nature(host)
    return port > 0 and (nature is _Nature.PUBLIC or (nature is not _Nature.NO_HOST and nature <= _nature(teller)))


@lru_cache(maxsize=_REMEMBERED)
def is_private(host: str) -> bool:
    """Whether the host stands in a network of its own: on this machine, at home, behind the same router."""
    return not ipaddress.ip_address(host).is_global


@lru_cache(maxsize=_REMEMBERED)
def prefix(host: str) -> bytes:
    """What one attacker has cheaply: the /24 or /48 of a public host; of a private one the host itself."""
    packed = socket.inet_pton(_family(host), host)
    if is_private(host):
        return packed
    return packed[:3] if len(packed) == 4 else packed[:6]


class _Nature(enum.IntEnum):
    """What kind of address it is; who is of a greater or the same kind may name one."""

    NO_HOST = 0
    PUBLIC = 1
    PRIVATE = 2
    LOOPBACK = 3


@lru_cache(maxsize=_REMEMBERED)
def _nature(host: str) -> _Nature:
    ip = ipaddress.ip_address(host)
    if isinstance(ip, ipaddress.IPv6Address) and (ip.ipv4_mapped or ip.is_link_local):
        return _Nature.NO_HOST
    if ip.is_loopback:
        return _Nature.LOOPBACK
    if ip.is_unspecified or ip.is_multicast or (ip.is_reserved and ip.version == 4):
        return _Nature.NO_HOST
    return _Nature.PRIVATE if is_private(host) else _Nature.PUBLIC


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
