from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator

import pytest

from swarmchat import limits
from swarmchat.discovery import interfaces as module
from swarmchat.discovery.interfaces import Interface, Watcher, hosts_for, usable_interfaces
from swarmchat.runtime import SystemRuntime

LOOPBACK, CABLE = Interface("lo", "127.0.0.1"), Interface("eth0", "192.0.2.2")
INTERFACES = [
    CABLE,
    Interface("eth0", "fe80::2%eth0"),
    Interface("eth0", "2001:db8::2"),
    Interface("wlan0", "169.254.3.4"),
]


@pytest.mark.parametrize(
    ("listens", "hosts"),
    [
        (["0.0.0.0"], ["169.254.3.4", "192.0.2.2"]),
        (["::"], ["2001:db8::2", "fe80::2%eth0"]),
        (["0.0.0.0", "::"], ["169.254.3.4", "192.0.2.2", "2001:db8::2", "fe80::2%eth0"]),
        (["192.0.2.2"], ["192.0.2.2"]),
        (["127.0.0.1"], []),
        ([], []),
    ],
)
def test_a_port_is_reached_where_it_is_listened_on_and_nowhere_else(listens: list[str], hosts: list[str]) -> None:
    assert hosts_for(INTERFACES, listens) == hosts


def test_the_interfaces_of_this_machine_can_be_bound_and_loopback_is_among_them() -> None:
    found = usable_interfaces()
    assert LOOPBACK in found
    for one in found:
        family = socket.AF_INET6 if ":" in one.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind(socket.getaddrinfo(one.host, 0, family, socket.SOCK_DGRAM)[0][4])


class Machine:
    """Shows what it is told to, and remembers what the watcher told of it."""

    def __init__(self) -> None:
        self.shown = {LOOPBACK}
        self.fault: OSError | None = None
        self.looks = 0
        self.watcher = Watcher(SystemRuntime(), self.look)
        self.heard: list[frozenset[Interface]] = []
        self.watcher.tell(lambda: self.heard.append(self.watcher.found))

    def look(self) -> Iterator[Interface]:
        self.looks += 1
        if self.fault is not None:
            raise self.fault
        return iter(sorted(self.shown))

    async def shows(self, *interfaces: Interface) -> None:
        """It changes; returns when that was noticed."""
        before = self.watcher.found
        self.shown = set(interfaces)
        await self.watcher.changed(before)


def watched(story: Callable[[Machine], Awaitable[None]], *, readers: bool = True) -> Machine:
    """A machine after a story that a watcher ran beside; the watcher leaves no socket."""
    machine = Machine()

    async def run() -> None:
        if not readers:
            asyncio.get_running_loop().add_reader = _absent  # type: ignore[method-assign]
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(machine.watcher.run())
            await story(machine)
            watching.cancel()

    asyncio.run(run())
    return machine


def _absent(*_arguments: object) -> None:
    raise NotImplementedError


def _denied(*_arguments: object) -> socket.socket:
    raise PermissionError(1, "Operation not permitted")


async def plugged_and_pulled(machine: Machine) -> None:
    await machine.shows(LOOPBACK, CABLE)
    await machine.shows(LOOPBACK)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "INTERFACES_POLL_S", 0.01)
    monkeypatch.setattr(limits, "INTERFACES_CHECKED_S", 1_000.0)


@pytest.mark.usefixtures("hasty")
def test_without_netlink_it_looks_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FAMILY", None)
    assert watched(plugged_and_pulled).heard == [{LOOPBACK, CABLE}, {LOOPBACK}]


@pytest.mark.usefixtures("hasty")
def test_where_netlink_is_denied_it_looks_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FAMILY", 16)
    monkeypatch.setattr(module, "_open", _denied)
    assert watched(plugged_and_pulled).heard == [{LOOPBACK, CABLE}, {LOOPBACK}]


@pytest.mark.usefixtures("hasty")
def test_on_a_loop_that_waits_for_no_socket_it_looks_again_and_again(kernel: socket.socket) -> None:
    assert watched(plugged_and_pulled, readers=False).heard == [{LOOPBACK, CABLE}, {LOOPBACK}]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Where the kernel writes; the watcher reads at the other end."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    monkeypatch.setattr(module, "_netlink", lambda: theirs)
    with ours, theirs:
        yield ours


@pytest.mark.usefixtures("hasty")
def test_a_notice_of_the_kernel_wakes_it(kernel: socket.socket) -> None:
    async def story(machine: Machine) -> None:
        for interfaces in ([LOOPBACK, CABLE], [LOOPBACK]):
            kernel.send(b"something changed")
            await machine.shows(*interfaces)

    assert watched(story).heard == [{LOOPBACK, CABLE}, {LOOPBACK}]


@pytest.mark.usefixtures("hasty")
def test_what_changes_nothing_is_told_to_nobody(kernel: socket.socket) -> None:
    async def story(machine: Machine) -> None:
        looks = machine.looks
        kernel.send(b"the weather")
        while machine.looks < looks + 2:
            await SystemRuntime().sleep(0)

    assert watched(story).heard == []


@pytest.mark.usefixtures("hasty")
def test_a_machine_that_does_not_say_is_asked_again_and_what_was_known_stands(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_FAMILY", None)

    async def story(machine: Machine) -> None:
        machine.fault = OSError(24, "Too many open files")
        while "Too many open files" not in caplog.text:
            await SystemRuntime().sleep(0)
        assert machine.watcher.found == {LOOPBACK}
        machine.fault = None
        await machine.shows(LOOPBACK, CABLE)

    assert watched(story).heard == [{LOOPBACK, CABLE}]


@pytest.mark.skipif(not hasattr(socket, "AF_NETLINK"), reason="netlink is Linux's")
def test_the_kernel_of_this_machine_lets_us_listen() -> None:
    listening = module._netlink()
    assert listening is not None
    with listening, pytest.raises(BlockingIOError):
        listening.recv(1)
