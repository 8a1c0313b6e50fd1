"""Links over real TCP and TLS on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import random

import pytest

from swarmchat.addresses import Address
from swarmchat.errors import LinkError, StorageError
from swarmchat.ids import DeviceId
from swarmchat.limits import MIB
from swarmchat.links.channel import LASTING, NAMES, Channel
from swarmchat.links.link import LinkTimes
from tests.support.linked import LinkedNode, eventually, identity

ALICE, BOB = identity(1), identity(2)
PING_LIMIT_S = 0.25  # the spec wants 25 ms on a quiet machine; this one may be busy


async def take(channel: Channel) -> None:
    """Take the announced bytes, answer their hash."""
    await channel.accept()
    left, digest = channel.opening["n"], hashlib.sha256()
    while left:
        data = await channel.receive_bytes(left)
        assert data, "ended early"
        digest.update(data)
        left -= len(data)
    await channel.send({"sha256": digest.digest()})


async def settled(node: LinkedNode) -> None:
    """Wait until it has exactly one live link."""
    await eventually(lambda: len(node.manager._all) == 1 and len(node.manager.links) == 1)


def test_a_channel_for_each_name_carries_megabytes_both_ways_at_once() -> None:
    async def run() -> None:
        alice, bob = LinkedNode(ALICE, on_channel=take), LinkedNode(BOB, on_channel=take)
        async with alice.running(), bob.running() as address:
            link = await alice.manager.dial(DeviceId(bob.device), [address])
            await bob.until("up")
            (back,) = bob.manager.links

            async def give(by: object, name: str, seed: int) -> None:
                data = random.Random(seed).randbytes(2 * MIB + seed)
                channel, _ = await by.open_channel(name, n=len(data))  # type: ignore[attr-defined]
                await channel.send_bytes(data)
                answer = await channel.receive()
                assert answer == {"sha256": hashlib.sha256(data).digest()}
                channel.close()

            async with asyncio.TaskGroup() as tasks:
                for seed, name in enumerate(sorted(NAMES)):
                    tasks.create_task(give(link, name, seed))
                    if name not in LASTING:
                        tasks.create_task(give(back, name, 100 + seed))
            assert link.bytes_out > 18 * MIB
            assert link.bytes_in > 14 * MIB
            assert link.path == f"tcp {address}"
            assert back.path.startswith("tcp 127.0.0.1:")

    asyncio.run(run())


def test_a_ping_overtakes_bulk() -> None:
    async def run() -> None:
        alice, bob = LinkedNode(ALICE), LinkedNode(BOB, on_channel=take)
        async with alice.running(), bob.running() as address:
            link = await alice.manager.dial(DeviceId(bob.device), [address])
            size = 64 * MIB
            channel, _ = await link.open_channel("file", n=size)
            async with asyncio.TaskGroup() as tasks:

                async def push() -> None:
                    piece = bytes(65_536)
                    for _ in range(size // len(piece)):
                        await channel.send_bytes(piece)
                    assert await channel.receive() is not None

                pushing = tasks.create_task(push())
                times = []
                while not pushing.done():
                    times.append(await link.ping())
                    await asyncio.sleep(0)
            assert len(times) >= 3
            assert max(times) < PING_LIMIT_S

    asyncio.run(run())


def test_both_dialling_at_once_end_with_one_common_link() -> None:
    async def run(first: int, second: int) -> None:
        one, two = LinkedNode(identity(first)), LinkedNode(identity(second))
        async with one.running() as here, two.running() as there:
            async with asyncio.TaskGroup() as both:
                both.create_task(one.manager.dial(DeviceId(two.device), [there]))
                both.create_task(two.manager.dial(DeviceId(one.device), [here]))
            await settled(one)
            await settled(two)
            (link,), (back,) = one.manager.links, two.manager.links
            assert link.dialled is not back.dialled
            dialler = link if link.dialled else back
            channel, _ = await dialler.open_channel("sync")
            await channel.send({"x": 1})
            assert await channel.receive() == {"x": 1}

    for seed in range(20):
        asyncio.run(run(1 + seed, 100 + seed))


def test_a_restarted_peer_takes_the_place_of_its_former_self() -> None:
    async def run() -> None:
        bob = LinkedNode(BOB)
        former, latter = LinkedNode(identity(1)), LinkedNode(identity(1, boot=b"boot-two"))
        async with bob.running() as address, former.running(), latter.running():
            old = await former.manager.dial(DeviceId(bob.device), [address])
            await bob.until("up")
            new = await latter.manager.dial(DeviceId(bob.device), [address])
            await old.closed
            await settled(bob)
            assert new.is_open

    asyncio.run(run())


def test_a_ban_ends_a_running_transfer_at_once() -> None:
    async def run() -> None:
        alice, bob = LinkedNode(ALICE), LinkedNode(BOB, on_channel=take)
        async with alice.running(), bob.running() as address:
            link = await alice.manager.dial(DeviceId(bob.device), [address])
            channel, _ = await link.open_channel("file", n=1 << 40)
            sending = asyncio.get_running_loop().create_task(send_for_ever(channel))
            await eventually(lambda: bob.manager.links[0].bytes_in > MIB)
            bob.policy.classes[ALICE.account.account_id] = None
            bob.manager.reclassify()
            assert bob.manager.links == ()
            with pytest.raises(LinkError):
                await sending
            assert link.is_over

    asyncio.run(run())


async def send_for_ever(channel: Channel) -> None:
    while True:
        await channel.send_bytes(bytes(65_536))


def test_a_disk_that_is_full_costs_the_channel_and_is_no_fault_of_the_program(caplog: pytest.LogCaptureFixture) -> None:
    async def no_room(channel: Channel) -> None:
        raise StorageError("there is no space left")

    async def run() -> None:
        alice, bob = LinkedNode(ALICE), LinkedNode(BOB, on_channel=no_room)
        async with alice.running(), bob.running() as address:
            link = await alice.manager.dial(DeviceId(bob.device), [address])
            with pytest.raises(LinkError, match=r"ended without an answer|reset"):
                await link.open_channel("invite")
            assert await link.ping() < 10

    asyncio.run(run())
    told = [record for record in caplog.records if "no space left" in record.getMessage()]
    assert [record.levelname for record in told] == ["WARNING"]


def test_a_peer_that_stopped_without_a_word_is_found_dead() -> None:
    async def run() -> None:
        quick = LinkTimes(ping_after_s=0.05, ping_timeout_s=0.05)
        alice, bob = LinkedNode(ALICE, times=quick), LinkedNode(BOB)
        async with alice.running(), bob.running() as address:
            link = await alice.manager.dial(DeviceId(bob.device), [address])
            await bob.until("up")
            bob.manager.links[0]._pump._stream._transport.pause_reading()  # type: ignore[attr-defined]
            async with asyncio.timeout(5):
                assert await link.closed == "the peer is silent"

    asyncio.run(run())


def test_an_idle_link_lives_on_pings() -> None:
    async def run() -> None:
        quick = LinkTimes(ping_after_s=0.02, ping_timeout_s=0.2)
        alice, bob = LinkedNode(ALICE, times=quick), LinkedNode(BOB, times=quick)
        async with alice.running(), bob.running() as address:
            link = await alice.manager.dial(DeviceId(bob.device), [address])
            before = link.bytes_in
            await eventually(lambda: link.bytes_in > before + 100)
            assert link.is_open

    asyncio.run(run())


def test_it_listens_on_ipv6_too() -> None:
    async def run() -> None:
        alice, bob = LinkedNode(ALICE), LinkedNode(BOB)
        async with alice.running(), bob.running():
            (address,) = await bob.manager.listen([Address("::1", 0)])
            link = await alice.manager.dial(DeviceId(bob.device), [address])
            assert link.path == f"tcp [::1]:{address.port}"

    asyncio.run(run())


def test_a_port_that_is_taken_is_an_error_of_the_system() -> None:
    async def run() -> None:
        alice, bob = LinkedNode(ALICE), LinkedNode(BOB)
        async with alice.running() as address, bob.running():
            with pytest.raises(OSError, match="address already in use"):
                await bob.manager.listen([address])

    asyncio.run(run())


def test_fifty_devices_hold_links_with_one() -> None:
    async def run() -> None:
        hub = LinkedNode(BOB)
        async with hub.running() as address:
            nodes = [LinkedNode(identity(3 + seed)) for seed in range(50)]
            async with asyncio.TaskGroup() as tasks:
                for node in nodes:
                    tasks.create_task(node.manager.run())
                await asyncio.sleep(0)
                # one after the other: they share one source address
                links = [await node.manager.dial(DeviceId(hub.device), [address]) for node in nodes]
                channels = [(await link.open_channel("sync"))[0] for link in links]
                for number, channel in enumerate(channels):
                    await channel.send({"number": number})
                assert [await channel.receive() for channel in channels] == [{"number": n} for n in range(50)]
                assert len(hub.manager.links) == 50
                for node in nodes:
                    await node.manager.close()

    asyncio.run(run())
