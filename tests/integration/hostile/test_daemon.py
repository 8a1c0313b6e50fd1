"""A daemon under attack from outside: nothing in its log that should not be there, and it goes on. (SCP-03, SCP-08 §1.1)"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest

from swarmchat.addresses import Address
from swarmchat.conversation.actions import Kick
from swarmchat.errors import LinkError, PeerError
from swarmchat.ids import CommitId, ConversationId
from swarmchat.links.tcp import TcpCarrier
from swarmchat.runtime import SystemRuntime
from swarmchat.swarm.messages import Bad, News, PackRequest, Shared, encode, pack_request_fields
from tests.support.builders import DAVE
from tests.support.commitlogs import post
from tests.support.process import found_room, introduce, nodes, same
from tests.support.rogue import Rogue, refusing

pytestmark = pytest.mark.e2e


def test_a_daemon_goes_on_and_writes_no_traceback_whatever_comes(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann", "Cem") as (ann, cem):
        introduce(ann, cem)
        room = ConversationId(found_room(ann, cem))

        async def attack() -> None:
            bob = await Rogue.new("bob", tmp_path / "bob", SystemRuntime(), carrier=TcpCarrier()).up()
            ann.call("member.invite", conversation=room, accounts=[bob.account.id])
            try:
                await _attack(bob, ann.listen, room)
            finally:
                await bob.down()

        asyncio.run(attack())
        ann.until(lambda: len(ann.members(room)) == 3)
        for text, (one, other) in {"still here": (ann, cem), "me too": (cem, ann)}.items():
            one.call("message.send", conversation=room, text=text)
            other.until(lambda text=text, other=other: text in other.texts(room))
        same(room, ann, cem)
        assert ann.call("verify", conversation=room)["valid"] is True
        assert ann.process is not None
        assert "Traceback" not in ann.output()
        assert " ERROR " not in ann.output()
        assert "\x1b" not in ann.output()
        assert "x\\nforged line" in ann.output()
        assert not list((tmp_path / "ann" / "conversations").rglob("incoming/*"))
        for node in (ann, cem):
            assert node.stop() == 0


async def _attack(bob: Rogue, address: Address, room: ConversationId) -> None:
    await _wrong_protocols(address)
    async with bob.linked(address) as link:
        await bob.join(link, room)
        await bob.fetch(link, room)
        post(bob.log(room), bob.person, "a word of a member", now=int(bob._runtime.now()))
    bob.serve_pack = refusing
    async with bob.linked(address) as link:
        channel = await bob.sync(link, Shared(room, bob.log(room).heads))
        await channel.send(encode(Bad(room, CommitId("0" * 40), "\x1b[2J", "x\nforged line")))
        for number in range(20):
            await channel.send(encode(News(room, (CommitId(f"{number:040x}"),))))
        for number in range(2):
            commit, objects = bob.forge(room, Kick(DAVE.id), extra={"n": number})
            await bob.push(channel, room, objects, [commit])
            await bob.push(channel, room, b"rubbish", [CommitId("e" * 40)])
        for name in ("pack", "invite", "file", "nonsense", "device"):
            with contextlib.suppress(PeerError):
                await link.open_channel(name, id=7, mimetype=[], body=b"", ts="now")
        with contextlib.suppress(PeerError):
            await link.open_channel("pack", **pack_request_fields(PackRequest(room, (), None)))
        bob.open_raw(link, b"\0\0\0\x01\xc1")
        async with asyncio.timeout(10):
            await link.closed
    async with bob.linked(address) as link:
        channel = await bob.sync(link)
        with contextlib.suppress(LinkError):
            await channel.send_bytes(b"\xff" * 100_000)
        async with asyncio.timeout(10):
            await link.closed


async def _wrong_protocols(address: Address) -> None:
    for words in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"SSH-2.0-x\r\n",
        bytes(5_000),
        b"\x16\x03\x01\xff\xff" + b"x" * 70_000,
        b"",
    ):
        reader, writer = await asyncio.open_connection(address.host, address.port)
        with contextlib.suppress(ConnectionError):
            writer.write(words)
            await writer.drain()
            writer.close()
            await asyncio.wait_for(reader.read(), 10)
            await writer.wait_closed()
    plain = ssl.create_default_context()
    plain.check_hostname, plain.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(OSError):  # TLS without a certificate
        reader, writer = await asyncio.open_connection(address.host, address.port, ssl=plain)
        await asyncio.wait_for(reader.read(), 10)
        writer.close()
