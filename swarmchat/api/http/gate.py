"""Who is let in: decisions about one request's headers. Pure. (SCP-08 §3.2)

A browser sends what any web site tells it to send. `Host` says under which name we were called: a name of the site's own
that it had pointed at 127.0.0.1 (DNS rebinding) is not ours. `Origin` says whose page asks: only our own may.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_BEARER: Final = re.compile(r"(?i:bearer) +([A-Za-z0-9._~+/=-]{1,512})")
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{1,5}))?")

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request goes no further."""

    status: int
    code: str
    message: str
    hint: str | None = None


def values(headers: Headers, name: bytes) -> list[str]:
    """All values of a header, whose name is in lower case."""
    return [value.decode("latin-1") for key, value in headers if key.lower() == name]


def foreign(headers: Headers, names: frozenset[str]) -> Refusal | None:
    """Why a request comes from elsewhere, or None. `names`: host names that are ours beside the loopback ones."""
    headers = list(headers)
    hosts, origins = values(headers, b"host"), values(headers, b"origin")
    match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if match is None:
        return Refusal(403, "refused", "a request names its host, once")
    if not _is_ours(match[1], names):
        return Refusal(
            403,
            "refused",
            f"this node is not called {match[1][:100]}",
            "call it localhost or 127.0.0.1, or name it in the setting api.hosts",
        )
    if len(origins) > 1 or (origins and not _is_same(origins[0], hosts[0])):
        return Refusal(403, "refused", "a page of another origin asks", "only this node's own page may")
    return None


def bearer(headers: Headers) -> str | None:
    """The token that a request carries, or None; one that carries two carries none."""
    given = values(headers, b"authorization")
    match = _BEARER.fullmatch(given[0].strip()) if len(given) == 1 else None
    return match[1] if match else None


def is_loopback(host: str) -> bool:
    """Whether a host name or address leads to this very machine, whatever a resolver says."""
    bare = host.removeprefix("[").removesuffix("]").lower()
    if bare == "localhost":
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def _is_ours(host: str, names: frozenset[str]) -> bool:
    return is_loopback(host) or host.lower().removesuffix(".") in names


def _is_same(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and parts.netloc.lower() == host.lower() and not parts.path
