"""A revoked device that calls is told so, over real TLS, and gets no link. (SCP-01 §3.3, SCP-03 §2b)"""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from swarmchat.errors import LinkError, PeerError
from swarmchat.ids import DeviceId
from swarmchat.limits import OUTCAST_LINK_S
from swarmchat.links.channel import Channel
from swarmchat.links.link import Link
from swarmchat.links.peers import LinkClass
from tests.support.linked import LinkedNode, eventually, identity

ALICE, BOB = identity(1), identity(2)


def revoking(**hooks: object) -> LinkedNode:
    bob = LinkedNode(BOB, **hooks)
    bob.policy.revocations[ALICE.account.account_id] = frozenset({bytes.fromhex(ALICE.device.device_id)[:16]})
    return bob


async def call(alice: LinkedNode, bob: LinkedNode, address: object) -> None:
    with contextlib.suppress(LinkError):  # it may be over before it was up
        await alice.manager.dial(DeviceId(bob.device), [address])  # type: ignore[list-item]


def test_it_is_told_on_a_channel_of_ours_and_hung_up_on() -> None:
    heard: list[object] = []

    async def listen(channel: Channel) -> None:
        heard.append(channel.opening["said"])
        await channel.accept()

    async def tell(link: Link) -> None:
        assert link.link_class is LinkClass.REVOKED
        channel, _ = await link.open_channel("invite", said="it is over")
        channel.close()

    async def run() -> None:
        bob, alice = revoking(on_outcast=tell), LinkedNode(ALICE, on_channel=listen)
        async with bob.running() as address, alice.running():
            await call(alice, bob, address)
            await eventually(lambda: not alice.manager.links and bool(heard))
            assert heard == ["it is over"]
            assert (bob.diary, bob.manager.links) == ([], ())

    asyncio.run(run())


def test_it_can_open_nothing_and_is_hung_up_on_after_a_second() -> None:
    async def run() -> None:
        waited = asyncio.Event()

        async def forget(_link: Link) -> None:
            waited.set()
            await asyncio.sleep(60)

        bob, alice = revoking(on_outcast=forget), LinkedNode(ALICE)
        async with bob.running() as address, alice.running():
            begun = asyncio.get_running_loop().time()
            link = await alice.manager.dial(DeviceId(bob.device), [address])
            await waited.wait()
            for name in ("invite", "pack", "sync", "device"):
                with pytest.raises(PeerError, match="forbidden"):
                    await link.open_channel(name)
            async with asyncio.timeout(OUTCAST_LINK_S + 5):
                await link.closed
            assert asyncio.get_running_loop().time() - begun > OUTCAST_LINK_S - 0.1
            assert (bob.diary, bob.manager.links) == ([], ())

    asyncio.run(run())


def test_who_dials_a_revoked_device_does_not_finish_the_handshake() -> None:
    async def run() -> None:
        told: list[Link] = []

        async def tell(link: Link) -> None:
            told.append(link)

        bob, alice = revoking(on_outcast=tell), LinkedNode(ALICE)
        async with bob.running(), alice.running() as back:
            with pytest.raises(LinkError, match="revoked"):
                await bob.manager.dial(DeviceId(alice.device), [back])
            assert (bob.diary, told) == ([], [])

    asyncio.run(run())


def test_who_is_revoked_while_linked_loses_the_link_at_once() -> None:
    async def run() -> None:
        told: list[Link] = []

        async def tell(link: Link) -> None:
            told.append(link)

        bob, alice = LinkedNode(BOB, on_outcast=tell), LinkedNode(ALICE)
        async with bob.running() as address, alice.running():
            await alice.manager.dial(DeviceId(bob.device), [address])
            await bob.until("up")
            bob.policy.revocations[ALICE.account.account_id] = frozenset({bytes.fromhex(alice.device)[:16]})
            bob.manager.reclassify()
            assert bob.manager.links == ()
            assert "revoked" in bob.diary[-1]
            assert told == []

    asyncio.run(run())
