"""Two machines and a cable: no router, no internet, and they find each other. (SCP-05 §2.3)"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from swarmchat.ids import DeviceId
from tests.support.accounts import device
from tests.support.netns import Host, Process, cable, missing, running

pytestmark = pytest.mark.netns

FOUND_WITHIN_S = 3.0
ANN, BOB = device(1), device(2)

NODE = """
import asyncio, json, signal, sys
from swarmchat.addresses import Address
from swarmchat.discovery.interfaces import Watcher
from swarmchat.discovery.lan import Lan
from swarmchat.runtime import SystemRuntime

def tell(sighting):
    print(json.dumps({"device": sighting.device, "gone": sighting.gone, "addresses": [str(one) for one in sighting.addresses]}))

async def main(own, other, port):
    watcher = Watcher(SystemRuntime())
    lan = Lan(SystemRuntime(), device=own, listens=[Address("0.0.0.0", port), Address("::", port)],
              known=lambda: [other], on_sighting=tell, watcher=watcher)
    watching = asyncio.create_task(watcher.run())
    running = asyncio.current_task()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    print(json.dumps({"ready": True}))
    try:
        await lan.run()
    except asyncio.CancelledError:
        watching.cancel()
        await asyncio.wait([watching])
        left = [str(task) for task in asyncio.all_tasks() if task is not running]
        print(json.dumps({"left": left}))

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    with cable() as pair:
        yield pair


def node(host: Host, own: DeviceId, other: DeviceId) -> Process:
    return Process(host, NODE, own, other, "4000")


def plug(host: Host, address: str | None = None) -> None:
    if address is not None:
        host.ip("addr", "add", address, "dev", host.wire)
    host.ip("link", "set", host.wire, "up")


def without_ipv6(host: Host) -> None:
    """The kernel gives the interface no link-local address."""
    host.ip("link", "set", host.wire, "addrgenmode", "none")


def both_see(one: Process, two: Process, within_s: float = FOUND_WITHIN_S) -> tuple[list[str], list[str]]:
    seen = one.expect(within_s, device=BOB, gone=False), two.expect(within_s, device=ANN, gone=False)
    return seen[0]["addresses"], seen[1]["addresses"]


def test_two_machines_see_each_other_within_three_seconds_without_a_router(hosts: tuple[Host, Host]) -> None:
    for host, address in zip(hosts, ("192.0.2.1/24", "192.0.2.2/24"), strict=True):
        without_ipv6(host)
        plug(host, address)
    with running(node(hosts[0], ANN, BOB), node(hosts[1], BOB, ANN)) as (one, two):
        for process in (one, two):
            process.expect(20, ready=True)
        assert both_see(one, two) == (["192.0.2.2:4000"], ["192.0.2.1:4000"])


def test_a_cable_that_was_pulled_and_plugged_in_again_is_noticed(hosts: tuple[Host, Host]) -> None:
    for host, address in zip(hosts, ("192.0.2.1/24", "192.0.2.2/24"), strict=True):
        plug(host, address)
    with running(node(hosts[0], ANN, BOB), node(hosts[1], BOB, ANN)) as (one, two):
        both_see(one, two, within_s=20)
        for _ in range(2):
            hosts[0].ip("link", "set", hosts[0].wire, "down")  # the other end sees its carrier go
            one.expect(5, device=BOB, gone=True)
            two.expect(5, device=ANN, gone=True)
            one.drain()
            two.drain()
            plug(hosts[0])
            both_see(one, two)


def test_an_interface_that_comes_later_is_noticed(hosts: tuple[Host, Host]) -> None:
    with running(node(hosts[0], ANN, BOB), node(hosts[1], BOB, ANN)) as (one, two):
        for process in (one, two):
            process.expect(20, ready=True)
        plug(hosts[0], "169.254.1.1/16")
        plug(hosts[1], "169.254.1.2/16")
        first, second = both_see(one, two)
        assert "169.254.1.2:4000" in first
        assert "169.254.1.1:4000" in second


def test_ipv6_link_local_alone_is_enough_and_keeps_its_scope(hosts: tuple[Host, Host]) -> None:
    for host in hosts:
        plug(host)
    with running(node(hosts[0], ANN, BOB), node(hosts[1], BOB, ANN)) as (one, two):
        for addresses in both_see(one, two, within_s=20):
            assert addresses
            assert all(address.startswith("[fe80::") and address.endswith("%eth0]:4000") for address in addresses)


def test_a_node_that_ends_says_goodbye_and_leaves_no_task(hosts: tuple[Host, Host]) -> None:
    for host, address in zip(hosts, ("192.0.2.1/24", "192.0.2.2/24"), strict=True):
        plug(host, address)
    with running(node(hosts[0], ANN, BOB), node(hosts[1], BOB, ANN)) as (one, two):
        both_see(one, two, within_s=20)
        assert one.stop() == 0
        assert one.expect(5, left=[])
        assert two.expect(5, device=ANN, gone=True)
