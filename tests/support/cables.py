"""Laptops on one cable: network namespaces on a bridge, with link-local addresses only and no route elsewhere. Needs root."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

NEEDS = "network namespaces need root and `ip` (iproute2)"


def available() -> bool:
    """Whether this machine lets us make namespaces."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"swt{os.getpid()}probe"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    return made.returncode == 0


@dataclass(frozen=True)
class Laptop:
    """One host; commands run in it with `prefix`."""

    name: str

    @property
    def prefix(self) -> tuple[str, ...]:
        return ("ip", "netns", "exec", self.name)

    def unplug(self) -> None:
        """The interface goes down."""
        _run(*self.prefix, "ip", "link", "set", "eth0", "down")

    def plug(self) -> None:
        """The interface comes up, with the address that a laptop on a bare cable gives itself."""
        _run(*self.prefix, "ip", "link", "set", "eth0", "up")


@contextmanager
def one_cable(count: int) -> Iterator[tuple[Laptop, ...]]:
    """`count` hosts on one bridge; all namespaces are gone afterwards."""
    base = f"swt{os.getpid()}"
    bridge = f"{base}b"
    laptops = tuple(Laptop(f"{base}n{number}") for number in range(count))
    try:
        _run("ip", "netns", "add", bridge)
        _run("ip", "-n", bridge, "link", "add", "name", "br0", "type", "bridge", "forward_delay", "0")
        _run("ip", "-n", bridge, "link", "set", "br0", "up")
        subprocess.run(
            ["ip", "netns", "exec", bridge, "sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0"],
            capture_output=True,
            check=False,
        )
        for number, laptop in enumerate(laptops):
            _run("ip", "netns", "add", laptop.name)
            _run(*laptop.prefix, "ip", "link", "set", "lo", "up")
            _run(
                "ip",
                "link",
                "add",
                "name",
                "eth0",
                "netns",
                laptop.name,
                "type",
                "veth",
                "peer",
                "name",
                f"p{number}",
                "netns",
                bridge,
            )
            _run("ip", "-n", bridge, "link", "set", f"p{number}", "master", "br0")
            _run("ip", "-n", bridge, "link", "set", f"p{number}", "up")
            _run(*laptop.prefix, "ip", "addr", "add", f"169.254.7.{number + 1}/16", "dev", "eth0")
            _run(*laptop.prefix, "ip", "link", "set", "eth0", "up")
        yield laptops
    finally:
        for name in (bridge, *(laptop.name for laptop in laptops)):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
