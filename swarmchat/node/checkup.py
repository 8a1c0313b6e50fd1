"""What `doctor` looks at, and what it says of it. (SCP-08 §2.6)"""

from __future__ import annotations

import os
import shutil
import socket
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from swarmchat import limits
from swarmchat.account.home import Home
from swarmchat.account.store import AccountStore
from swarmchat.addresses import Address
from swarmchat.errors import SettingsError, SwarmchatError
from swarmchat.index import database
from swarmchat.node import config as configs
from swarmchat.node.dht import DhtStatus

State = Literal["ok", "warning", "fault"]
SEARCH: Final = "search.sqlite"
INDEX: Final = ("events.sqlite", "receipts.sqlite", "status.sqlite", SEARCH)
_SENTRY: Final = ("account.json", "state.json", "api-token", "tokens.json")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: which check, about what, how it stands, in words, and what helps."""

    check: str
    about: str
    state: State
    found: str
    hint: str | None = None


def of_home(home: Home, store: AccountStore) -> Iterator[Finding]:
    """What can be looked at without opening the node: permissions, space, settings, account, state, index."""
    yield _permissions(home)
    yield _space(home.data)
    yield _readable("settings", home.config_file, lambda: configs.load(home.config_file))
    yield _readable("account", home.data / "account.json", store.identity)
    yield _readable("state", home.data / "state.json", store.load_state)
    yield from (_index(home.data / name) for name in INDEX if (home.data / name).exists())
    yield from (
        Finding("index", str(place), "warning", "was damaged and put aside", "remove it when nothing is missed")
        for place in sorted(home.data.glob("*.damaged-*"))
    )


def of_revoked() -> Finding:
    """This device is no longer one of its account. (SCP-01 §3.3)"""
    hint = "what is here can be read; to take part again, link a new device in another home: `swarmchat link`"
    return Finding("account", "this device", "fault", "it was revoked by its account", hint)


def of_dht(status: DhtStatus) -> Finding:
    """How this node stands in the network in which nodes find each other."""
    settled = status.state in {"connected", "making-key", "off"}
    return Finding("dht", "this node", "ok" if settled else "warning", status.found, status.hint)


def of_reach(reached: bool | None, udp_port: int | None, tcp_ports: Sequence[int]) -> Finding | None:
    """Whether a router stands between this node and strangers; None while nobody could tell. (SCP-05 §1.18)"""
    if reached is None:
        return None
    if reached:
        return Finding("nat", "this node", "ok", f"nodes outside reach UDP port {udp_port} unasked")
    ports = ", ".join(f"TCP {port}" for port in sorted(set(tcp_ports)))
    told = f"no node outside has reached UDP port {udp_port} unasked: a router (NAT) or a firewall is in between, as it seems"
    hint = f"this node still links outwards; to be reached, forward UDP {udp_port} and {ports or 'the port of `listen`'} to this machine"
    return Finding("nat", "this node", "warning", told, hint)


def of_ports(listens: Sequence[Address], reachable: Sequence[Address], refused: Mapping[Address, str]) -> Finding:
    """Where others may dial this node: `reachable` as they are told, `refused`: what this machine itself could not connect to, and why."""
    about = "this node"
    outside = [address for address in reachable if not address.is_loopback]
    if not outside and all(address.is_loopback for address in listens):
        hint = "swarmchat config set listen 0.0.0.0:0 [::]:0, and start the daemon again"
        return Finding("ports", about, "warning", "it listens for programs on this machine alone", hint)
    if not outside:
        return Finding(
            "ports", about, "warning", "this machine has no network now", "plug it in; nothing else is needed"
        )
    if refused:
        told = "; ".join(f"{address}: {why}" for address, why in sorted(refused.items()))
        ports = ", ".join(str(port) for port in sorted({address.port for address in refused}))
        return Finding(
            "ports",
            about,
            "warning",
            f"does not answer at {told}",
            f"let TCP port {ports} in: a firewall is in the way",
        )
    told = " ".join(str(address) for address in outside)
    return Finding("ports", about, "ok", f"answers at {told}")


def unanswered(addresses: Sequence[Address], timeout_s: float) -> dict[Address, str]:
    """Which of this machine's own addresses do not take a connection, and why. Blocking, at most `timeout_s` each."""
    found = {}
    for address in addresses:
        try:
            socket.create_connection((address.host, address.port), timeout_s).close()
        except OSError as error:
            found[address] = error.strerror or "no answer"
    return found


def of_http(config: configs.Config) -> Finding | None:
    """The door over HTTP, where the settings open it; None where they do not. (SCP-08 §3.2)"""
    if config.api_http is None:
        return None
    about = str(config.api_http)
    try:
        encrypted = config.api_tls is not None
    except SettingsError as fault:
        return Finding("http", about, "fault", fault.message, fault.hint)
    for name, key in ((config.api_tls_certificate, "api.tls_certificate"), (config.api_tls_key, "api.tls_key")):
        if name is not None and not os.access(name, os.R_OK):
            return Finding(
                "http", about, "fault", f"{key}: {name} cannot be read", "HTTP cannot begin with it: see who owns it"
            )
    if config.api_tls_key is not None and stat.S_IMODE(Path(config.api_tls_key).stat().st_mode) & 0o077:
        return Finding(
            "http", about, "fault", "the key of its certificate is open to others", f"chmod 600 {config.api_tls_key}"
        )
    if not config.api_http.is_loopback and not encrypted:
        hint = "name api.tls_certificate and api.tls_key, or a loopback address"
        return Finding("http", about, "fault", "others could listen: not on loopback and without TLS", hint)
    told = "with TLS" if encrypted else "for programs on this machine"
    return Finding("http", about, "ok", f"{told}; who wants in needs a token")


def of_clock(now: float, offsets_s: Sequence[float], dht_offsets_s: Sequence[float] = ()) -> Finding:
    """How this machine's clock stands beside those of linked devices and of nodes of the DHT; theirs less ours. (SCP-05 §1.22)"""
    if now < limits.BUILT_S:
        return Finding("clock", "this machine", "fault", "it is set before this program was made", "set the clock")
    if far := _most_beyond(limits.FUTURE_TOLERANCE_S, offsets_s):
        told = f"{len(far)} of {len(offsets_s)} linked devices are {_middle(far):+.0f} s from this machine"
        return Finding("clock", "this machine", "fault", told, "set the clock: what is written here is dated by it")
    if far := _most_beyond(limits.DHT_AHEAD_MAX_S, dht_offsets_s):
        told = f"{len(far)} of {len(dht_offsets_s)} networks of the DHT are {_middle(far):+.0f} s from this machine"
        hint = f"set the clock: what is put there more than {limits.DHT_AHEAD_MAX_S} s off is refused"
        return Finding("clock", "this machine", "warning", told, hint)
    agree = sum(abs(offset) <= limits.FUTURE_TOLERANCE_S for offset in offsets_s)
    compared = f"agrees with {agree} of {len(offsets_s)} linked devices"
    return Finding("clock", "this machine", "ok", compared if offsets_s else "set; no linked device to compare with")


def _most_beyond(limit_s: float, offsets_s: Sequence[float]) -> list[float]:
    """Those further away than that, sorted, if they are more than half; else none."""
    far = sorted(offset for offset in offsets_s if abs(offset) > limit_s)
    return far if 2 * len(far) > len(offsets_s) else []


def _middle(offsets_s: Sequence[float]) -> float:
    return offsets_s[len(offsets_s) // 2]


def is_fault(findings: Sequence[Finding], *checks: str) -> bool:
    """Whether one of these checks found a fault."""
    return any(one.state == "fault" and one.check in checks for one in findings)


def _permissions(home: Home) -> Finding:
    kept = [home.data, home.conversations, *(home.data / name for name in (*_SENTRY, *INDEX))]
    open_to_others = []
    for path in kept:
        try:
            found = path.stat()
        except OSError:
            continue
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            open_to_others.append(path)
    if not open_to_others:
        return Finding("permissions", str(home.data), "ok", "closed to others")
    names = ", ".join(str(path) for path in open_to_others)
    return Finding("permissions", names, "fault", "open to others, or somebody else's", f"chmod -R go= {home.data}")


def _space(path: Path) -> Finding:
    try:
        free = shutil.disk_usage(path).free
    except OSError as error:
        return Finding("space", str(path), "fault", f"the disk does not answer: {error.strerror}")
    state: State = "fault" if free < limits.SPACE_LEAST_BYTES else "warning" if free < limits.SPACE_LOW_BYTES else "ok"
    hint = None if state == "ok" else f"free some space on the disk that holds {path}"
    return Finding("space", str(path), state, f"{free // limits.MIB} MiB free", hint)


def _readable(check: str, path: Path, read: Callable[[], object]) -> Finding:
    try:
        read()
    except SwarmchatError as error:
        return Finding(check, str(path), "fault", error.message, error.hint)
    return Finding(check, str(path), "ok", "readable" if path.exists() else "not there; not needed")


def _index(path: Path) -> Finding:
    fault = database.fault(path)
    if fault is None:
        return Finding("index", str(path), "ok", "whole")
    hint = "swarmchat index rebuild" if path.name == SEARCH else "start again: it is put aside and begun anew"
    return Finding("index", str(path), "fault", f"damaged: {fault}", hint)


def of_search(behind: int) -> Finding:
    """Whether all that is here can be found."""
    if behind:
        told = f"{behind} commit{'s are' if behind > 1 else ' is'} not taken in yet"
        return Finding("index", "search", "ok", told, "they are with the next search, or in a moment")
    return Finding("index", "search", "ok", "all that is here can be found")
