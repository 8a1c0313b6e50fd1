"""Hosts that only a router connects: a network each, no multicast between them. Network namespaces; needs root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Site:
    """One host; commands run in it with `prefix`."""

    name: str
    address: str

    @property
    def prefix(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.name)


@contextmanager
def routed(count: int) -> Iterator[tuple[Site, ...]]:
    """`count` hosts and the router between them; all namespaces are gone afterwards."""
    base = f"swt{os.getpid()}"
    router = f"{base}r"
    sites = tuple(Site(f"{base}s{number}", f"10.77.{number}.2") for number in range(count))
    try:
        _run("ip", "netns", "add", router)
        _run("ip", "netns", "exec", router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        for number, site in enumerate(sites):
            wire = f"w{number}"
            _run("ip", "netns", "add", site.name)
            _run("ip", "-n", router, "link", "add", wire, "type", "veth", "peer", "name", "eth0", "netns", site.name)
            _run("ip", "-n", router, "addr", "add", f"10.77.{number}.1/24", "dev", wire)
            _run("ip", "-n", router, "link", "set", wire, "up")
            _run("ip", "-n", site.name, "link", "set", "lo", "up")
            _run("ip", "-n", site.name, "addr", "add", f"{site.address}/24", "dev", "eth0")
            _run("ip", "-n", site.name, "link", "set", "eth0", "up")
            _run("ip", "-n", site.name, "route", "add", "default", "via", f"10.77.{number}.1")
        yield sites
    finally:
        for name in (router, *(site.name for site in sites)):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
