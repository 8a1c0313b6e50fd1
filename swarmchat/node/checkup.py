"""What `doctor` looks at, and what it says of it. (SCP-08 §2.6)"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from swarmchat import limits
from swarmchat.account.home import Home
from swarmchat.account.store import AccountStore
from swarmchat.errors import SwarmchatError
from swarmchat.index import database
from swarmchat.node import config as configs
from swarmchat.node.dht import DhtStatus

State = Literal["ok", "warning", "fault"]
SEARCH: Final = "search.sqlite"
INDEX: Final = ("events.sqlite", "receipts.sqlite", SEARCH)
_SENTRY: Final = ("account.json", "state.json")


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
        told = f"{behind} commits are not taken in yet"
        return Finding("index", "search", "ok", told, "they are with the next search, or in a moment")
    return Finding("index", "search", "ok", "all that is here can be found")
