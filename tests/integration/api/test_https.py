"""HTTP inside TLS, for who is not on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import socket
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from swarmchat.addresses import Address
from swarmchat.api.http.server import serve
from swarmchat.api.httpclient import HttpClient
from swarmchat.errors import UnreachableError, UserError
from tests.support.fake_commands import ANSWERS
from tests.support.http_door import http_door


def certificate(folder: Path, password: bytes | None = None) -> tuple[Path, Path]:
    """One that signs itself, for 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "c.pem", folder / "k.pem"
    sealing = NoEncryption() if password is None else BestAvailableEncryption(password)
    files[0].write_bytes(made.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealing))
    return files


def test_calls_and_events_go_through_tls_and_nothing_goes_without(tmp_path: Path) -> None:
    files = certificate(tmp_path)

    async def run() -> None:
        async with http_door(tmp_path, tls=files) as door:

            def bot() -> None:
                with HttpClient(f"https://{door.host}", door.owner, certificate=files[0]) as node:
                    assert node.call("account.show") == ANSWERS["account.show"]
                    assert next(node.events(since=0))["type"] == "a"
                with pytest.raises(UnreachableError) as caught:
                    HttpClient(f"https://{door.host}", door.owner).call("account.show")  # who does not know it
                assert "CERTIFICATE_VERIFY_FAILED" in str(caught.value.data["reason"])
                with pytest.raises(UnreachableError):
                    HttpClient(f"http://{door.host}", door.owner).call("account.show", timeout_s=5)

            await door.node.happen("a")
            await asyncio.to_thread(bot)

    asyncio.run(asyncio.wait_for(run(), 30))


def test_with_tls_it_listens_for_other_machines_too(tmp_path: Path) -> None:
    files = certificate(tmp_path)

    async def run() -> Address:
        async with http_door(tmp_path) as door, serve(door.house, Address("0.0.0.0", 0), files) as address:
            return address

    assert asyncio.run(run()).host == "0.0.0.0"


def test_half_a_handshake_does_not_hold_up_the_end(tmp_path: Path) -> None:
    files = certificate(tmp_path)

    async def run() -> float:
        async with http_door(tmp_path, tls=files) as door:
            client = socket.create_connection((door.address.host, door.address.port))
            client.sendall(b"\x16\x03\x01")
            await asyncio.sleep(0.05)
            began = asyncio.get_running_loop().time()
        client.close()
        return asyncio.get_running_loop().time() - began

    assert asyncio.run(asyncio.wait_for(run(), 30)) < 3.5


def test_a_key_that_is_sealed_is_told_and_nothing_is_asked(tmp_path: Path) -> None:
    async def run() -> None:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(http_door(tmp_path, tls=certificate(tmp_path, b"secret")))

    with pytest.raises(UserError, match="sealed with a password"):
        asyncio.run(run())
