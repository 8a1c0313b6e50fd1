"""Where a device can be reached."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Self

_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """A host (name, IPv4, or IPv6 with an optional %scope) and a TCP port, 0–65535 (0 only for listening)."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `host:port`, `1.2.3.4:port` or `[v6%scope]:port`; raises ValueError with a sentence."""
        host, colon, port = text.rpartition(":")
        if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ValueError(f"{text!r} is not host:port")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
            ipaddress.IPv6Address(host)
        elif ":" in host:
            raise ValueError(f"{text!r}: write an IPv6 address in brackets, as in [::1]:4000")
        elif len(host) > 253 or not _HOST_NAME.fullmatch(host):
            raise ValueError(f"{text!r} has no valid host")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_link_local(self) -> bool:
        """Whether it means something on this cable only, so that it must not travel further."""
        ip = self._ip
        return ip is not None and ip.is_link_local

    @property
    def is_loopback(self) -> bool:
        """Whether it leads whoever dials it to his own machine."""
        ip = self._ip
        return ip is not None and ip.is_loopback

    @property
    def is_literal(self) -> bool:
        """Whether the host is an IP address and no name to be looked up."""
        return self._ip is not None

    @property
    def may_travel(self) -> bool:
        """Whether others may be told: one host's IP address, no name to be looked up, nothing of one cable."""
        ip = self._ip
        if ip is None or "%" in self.host or not self.port:
            return False
        return not (ip.is_link_local or ip.is_unspecified or ip.is_multicast)

    @property
    def _ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The literal address, an IPv4 one that is written as IPv6 as what it is; None for a name."""
        try:
            ip = ipaddress.ip_address(self.host)
        except ValueError:
            return None
        return (isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped) or ip
