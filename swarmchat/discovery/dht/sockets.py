"""Opens the sockets of a node. (SCP-05 §1.15)"""

from __future__ import annotations

import contextlib
import ipaddress
import socket

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.errors import UserError


def opened(address: Address) -> socket.socket:
    """A datagram socket on a literal address, port 0 for any; of IPv6 only where it is one. UserError if it is refused."""
    try:
        v6 = ipaddress.ip_address(address.host).version == 6
    except ValueError as error:
        raise UserError(
            f"the DHT cannot listen on {address}: not an IP address", hint="name an address of this machine in digits"
        ) from error
    made = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        if v6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        with contextlib.suppress(OSError):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, limits.DHT_SOCKET_BYTES)
        made.bind((address.host, address.port))
    except OSError as error:
        made.close()
        raise UserError(
            f"the DHT cannot listen on {address}: {error.strerror or error}", hint="choose another port for the DHT"
        ) from error
    return made
