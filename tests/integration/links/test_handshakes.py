"""Callers of every kind at a real port of a real node: who is not what he should be gets nothing and harms nobody."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from OpenSSL import SSL

from swarmchat.addresses import Address
from swarmchat.errors import LinkError
from swarmchat.ids import DeviceId
from swarmchat.limits import DEVICE_VALIDITY_S, NOT_BEFORE_SLACK_S
from swarmchat.links.frames import Preface, encode_preface
from swarmchat.links.link import LinkTimes
from swarmchat.runtime import SystemRuntime
from tests.support import certs
from tests.support.hostile_tls import HostileEnd, hostile_context, shake_with_another_key
from tests.support.linked import LinkedNode, identity

ALICE, BOB, MALLORY = identity(1), identity(2), identity(3)
IMPATIENT = LinkTimes(handshake_s=0.2)


class ShiftedRuntime(SystemRuntime):
    """The system's clock, shifted."""

    def __init__(self, shift_s: float) -> None:
        self._shift_s = shift_s

    def now(self) -> float:
        return super().now() + self._shift_s


def at(time: float) -> ShiftedRuntime:
    return ShiftedRuntime(time - SystemRuntime().now())


async def say(address: Address, *said: bytes) -> bytes:
    """Say something to a port; all that it answers until it hangs up."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    with contextlib.suppress(ConnectionError):
        for part in said:
            writer.write(part)
            await writer.drain()
        async with asyncio.timeout(10):
            heard = await reader.read()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return heard


async def shake(address: Address, context: SSL.Context, then: bytes = b"") -> tuple[HostileEnd, bytes]:
    """A TLS client that we drive; what it heard after its handshake until the port hung up."""
    end = HostileEnd(context)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    heard = b""
    end.start()
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(10):
            writer.write(end.pull())
            while data := await reader.read(65_536):
                heard += end.receive(data)
                if end.handshaken and then:
                    end.connection.send(then)
                    then = b""
                writer.write(end.pull())
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return end, heard


def against_bob(scenario: Callable[[LinkedNode, Address], Coroutine[Any, Any, None]], **how: Any) -> None:
    """Run a scenario against Bob's port; in the end nobody came up with him, and an honest caller still does."""

    async def run() -> None:
        bob, alice = LinkedNode(BOB, **how), LinkedNode(ALICE, runtime=how.get("runtime"))
        async with bob.running() as address, alice.running():
            async with asyncio.timeout(20):
                await scenario(bob, address)
                assert bob.diary == []
                link = await alice.manager.dial(DeviceId(bob.device), [address])
                channel, _ = await link.open_channel("sync")
                await channel.send({"honest": True})
                assert await channel.receive() == {"honest": True}

    asyncio.run(run())


def test_a_stolen_certificate_without_its_key_gets_nothing_and_throws_nobody_out() -> None:
    async def run() -> None:
        bob, alice = LinkedNode(BOB), LinkedNode(ALICE)
        async with bob.running() as address, alice.running():
            link = await alice.manager.dial(DeviceId(bob.device), [address])

            def steal(key: Any) -> str:
                with socket.create_connection((address.host, address.port), timeout=5) as sock:
                    return shake_with_another_key(sock, ALICE, key)

            assert "failed" in await asyncio.to_thread(steal, MALLORY.device_key)
            assert link.is_open
            assert bob.diary == [f"up {ALICE.peer.account[:4]}"]
            # The same attacker with the right key does come in, so it was the key that mattered.
            assert "read" in await asyncio.to_thread(steal, ALICE.device_key)

    asyncio.run(run())


@pytest.mark.parametrize(
    "said",
    [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", bytes(100_000), b"\x16\x03\x01\x02\x00\x01" + b"\xff" * 600],
    ids=["nothing", "HTTP", "zeros", "half a hello"],
)
def test_who_speaks_something_else_is_hung_up_on(said: bytes) -> None:
    async def scenario(bob: LinkedNode, address: Address) -> None:
        heard = await say(address, said)
        assert len(heard) < 100  # an alert at most

    against_bob(scenario, times=IMPATIENT)


def test_who_shakes_hands_and_then_says_nothing_is_hung_up_on() -> None:
    async def scenario(bob: LinkedNode, address: Address) -> None:
        context = hostile_context(MALLORY.device_key, [MALLORY.device.der, MALLORY.account.der])
        end, heard = await shake(address, context)
        assert end.handshaken
        assert b"agent" in heard  # Bob's preface
        assert b"\x00\x03" not in heard  # no GOAWAY: it was not up

    against_bob(scenario, times=IMPATIENT)


@pytest.mark.parametrize(
    "said",
    [
        b"\xff\xff",
        b"\x00\x02\xc1\xc1",
        encode_preface(Preface("no dial number", b"bootboot", 1)),
        encode_preface(Preface("short boot", b"boot", 1, 1)),
    ],
)
def test_who_shakes_hands_and_says_no_preface_is_hung_up_on(said: bytes) -> None:
    async def scenario(bob: LinkedNode, address: Address) -> None:
        context = hostile_context(MALLORY.device_key, [MALLORY.device.der, MALLORY.account.der])
        end, _ = await shake(address, context, said)
        assert end.handshaken

    against_bob(scenario)


def test_who_comes_up_and_speaks_no_yamux_loses_his_link_only() -> None:
    async def run() -> None:
        bob, alice = LinkedNode(BOB), LinkedNode(ALICE)
        async with bob.running() as address, alice.running():
            link = await alice.manager.dial(DeviceId(bob.device), [address])
            context = hostile_context(MALLORY.device_key, [MALLORY.device.der, MALLORY.account.der])
            await shake(address, context, encode_preface(Preface("m", b"bootboot", 1, 1)) + b"GET / HTTP/1.1\r\n")
            await bob.until(f"down {MALLORY.peer.account[:4]}: mux")
            assert link.is_open

    asyncio.run(run())


@pytest.mark.parametrize(
    ("key", "chain", "how"),
    [
        (MALLORY.device_key, [MALLORY.device.der, MALLORY.account.der], {"tls12": True}),
        (MALLORY.device_key, [MALLORY.device.der, MALLORY.account.der], {"alpn": [b"h2"]}),
        (MALLORY.device_key, [MALLORY.device.der, MALLORY.account.der], {"alpn": []}),
        (MALLORY.device_key, [], {}),
        (MALLORY.device_key, [MALLORY.device.der], {}),
        (certs.ALICE.device_key, [certs.Forgery(signer=MALLORY.device_key).der(), certs.ALICE.account.der], {}),
    ],
    ids=["TLS 1.2", "other ALPN", "no ALPN", "no certificate", "no account", "another CA under the same name"],
)
def test_who_is_not_what_he_should_be_is_refused(key: Any, chain: list[bytes], how: dict[str, Any]) -> None:
    async def scenario(bob: LinkedNode, address: Address) -> None:
        _, heard = await shake(address, hostile_context(key, chain, **how))
        assert heard == b""  # not even a preface

    against_bob(scenario)


@pytest.mark.parametrize(
    ("time", "fault"),
    [
        (float(ALICE.device.not_after) + 1, "expired"),
        (float(ALICE.device.not_before) - 1, "not_yet_valid"),
    ],
)
def test_certificates_are_judged_by_the_nodes_own_clock(time: float, fault: str) -> None:
    async def run() -> None:
        bob, alice = LinkedNode(BOB), LinkedNode(ALICE, runtime=at(time))
        async with bob.running() as address, alice.running() as back:
            with pytest.raises(LinkError, match=fault):
                await alice.manager.dial(DeviceId(bob.device), [address])
            with pytest.raises(LinkError):
                await bob.manager.dial(DeviceId(alice.device), [back])
            assert (alice.diary, bob.diary) == ([], [])

    asyncio.run(run())
    assert ALICE.device.not_after - ALICE.device.not_before == DEVICE_VALIDITY_S + NOT_BEFORE_SLACK_S


def test_a_revoked_device_is_refused_whoever_dials() -> None:
    async def run() -> None:
        bob, alice = LinkedNode(BOB), LinkedNode(ALICE)
        bob.policy.revocations[ALICE.account.account_id] = frozenset({bytes.fromhex(alice.device)[:16]})
        async with bob.running() as address, alice.running() as back:
            with pytest.raises(LinkError):
                await alice.manager.dial(DeviceId(bob.device), [address])
            with pytest.raises(LinkError, match="revoked"):
                await bob.manager.dial(DeviceId(alice.device), [back])
            assert (alice.diary, bob.diary) == ([], [])

    asyncio.run(run())


def test_another_device_of_the_account_is_not_the_one_that_was_dialled() -> None:
    async def run() -> None:
        bob, alice = LinkedNode(BOB), LinkedNode(ALICE)
        async with bob.running() as address, alice.running() as back:
            other = identity(2, device=1).device.device_id
            with pytest.raises(LinkError, match="another device answers"):
                await alice.manager.dial(other, [address])
            with pytest.raises(LinkError, match="that is this device"):
                await alice.manager.dial(None, [back])
            assert (alice.diary, bob.diary) == ([], [])

    asyncio.run(run())


def test_a_port_where_nobody_listens_is_a_reason_among_others() -> None:
    async def run() -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        alice = LinkedNode(ALICE)
        async with alice.running():
            with pytest.raises(LinkError, match=f"^127.0.0.1:{port}: Connection refused$"):
                await alice.manager.dial(None, [Address("127.0.0.1", port)])

    asyncio.run(run())
