from __future__ import annotations

import random
from collections.abc import Container
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from swarmchat.crypto.keys import PrivateKey
from swarmchat.crypto.revocation import device_prefix
from swarmchat.ids import AccountId, DeviceId
from swarmchat.limits import ACCOUNT_VALIDITY_S, DEVICE_VALIDITY_S, NOT_BEFORE_SLACK_S
from swarmchat.links.peers import Identity
from swarmchat.links.tls import TlsEndpoint, TlsSecurity
from tests.support import certs
from tests.support.hostile_tls import HostileEnd, hostile_context
from tests.support.linked import NOW, identity

ALICE, BOB, MALLORY = identity(1), identity(2), identity(3)


def security(who: Identity, *, at: float = NOW, revoked: Container[bytes] = frozenset()) -> TlsSecurity:
    def of(_account: AccountId) -> Container[bytes]:
        return revoked

    return TlsSecurity(who, now=lambda: at, revoked=of)


def talk(client: Any, server: Any, *, chunk: int = 100_000) -> None:
    """Carry bytes both ways until neither says more."""
    client.start()
    server.start()
    while True:
        said = False
        for source, target in ((client, server), (server, client)):
            data = source.pull()
            said = said or bool(data)
            for at in range(0, len(data), chunk):
                target.receive(data[at : at + chunk])
        if not said:
            return


def meet(
    client: TlsSecurity, server: TlsSecurity, *, wanted: DeviceId | None = None
) -> tuple[TlsEndpoint, TlsEndpoint]:
    ends = client.endpoint(server=False, device=wanted), server.endpoint(server=True)
    talk(*ends)
    return ends


@pytest.mark.parametrize("chunk", [1, 7, 100_000])
def test_two_devices_that_never_met_know_each_other(chunk: int) -> None:
    client, server = security(ALICE).endpoint(server=False), security(BOB).endpoint(server=True)
    talk(client, server, chunk=chunk)
    assert (client.fault, server.fault) == (None, None)
    assert client.peer == BOB.peer
    assert server.peer == ALICE.peer


def test_what_is_sent_arrives_in_any_chunking() -> None:
    client, server = meet(security(ALICE), security(BOB))
    dice = random.Random(1)
    said = dice.randbytes(300_000)
    client.send(said)
    wire, heard = client.pull(), b""
    while wire:
        cut = dice.choice((1, 1000, 70_000))
        heard += server.receive(wire[:cut])
        wire = wire[cut:]
    assert heard == said


def test_an_end_is_told() -> None:
    client, server = meet(security(ALICE), security(BOB))
    client.end()
    server.receive(client.pull())
    assert server.finished
    assert server.fault is None


def test_a_flipped_byte_ends_the_session() -> None:
    client, server = meet(security(ALICE), security(BOB))
    client.send(b"hello")
    wire = bytearray(client.pull())
    wire[-1] ^= 1
    assert server.receive(bytes(wire)) == b""
    assert server.fault is not None
    assert server.fault.startswith("tls: ")


@pytest.mark.parametrize(
    ("at", "fault"),
    [
        (NOW - NOT_BEFORE_SLACK_S, None),
        (NOW - NOT_BEFORE_SLACK_S - 1, "not_yet_valid"),
        (NOW + DEVICE_VALIDITY_S, None),
        (NOW + DEVICE_VALIDITY_S + 1, "expired"),
        (NOW + ACCOUNT_VALIDITY_S + 1, "expired"),
    ],
)
def test_dates_are_judged_by_the_given_clock(at: float, fault: str | None) -> None:
    client, server = meet(security(ALICE), security(BOB, at=at))
    assert server.fault == fault
    assert (server.peer is None) == (fault is not None)
    client, server = meet(security(ALICE, at=at), security(BOB))
    assert client.fault == fault
    assert server.peer is None or fault is None


def test_a_revoked_device_is_refused_on_either_side() -> None:
    revoked = frozenset({device_prefix(ALICE.device.device_id)})
    _, server = meet(security(ALICE), security(BOB, revoked=revoked))
    assert (server.fault, server.peer) == ("revoked", None)
    client, server = meet(security(BOB, revoked=revoked), security(ALICE))
    assert (client.fault, client.peer, server.peer) == ("revoked", None, None)


def test_another_device_than_the_wanted_one_is_refused() -> None:
    client, server = meet(security(ALICE), security(MALLORY), wanted=BOB.device.device_id)
    assert (client.fault, client.peer, server.peer) == ("another device answers", None, None)
    client, _ = meet(security(ALICE), security(BOB), wanted=BOB.device.device_id)
    assert client.peer == BOB.peer


def test_this_very_device_is_refused() -> None:
    client, _ = meet(security(ALICE), security(ALICE))
    assert client.fault == "that is this device"


def test_another_device_of_the_same_account_is_not_this_device() -> None:
    second = identity(1, device=1)
    client, _ = meet(security(ALICE), security(second))
    assert client.peer == second.peer


def hostile_client(context_key: Any, chain: list[bytes], **how: Any) -> tuple[HostileEnd, TlsEndpoint]:
    client = HostileEnd(hostile_context(context_key, chain, **how))
    server = security(certs_bob(), at=certs.NOW).endpoint(server=True)
    talk(client, server)
    return client, server


def certs_bob() -> Identity:
    return identity(2, now=certs.NOW)


def test_the_hostile_client_gets_in_with_an_honest_chain() -> None:
    _, server = hostile_client(certs.ALICE.device_key, [certs.ALICE.device.der, certs.ALICE.account.der])
    assert server.fault is None
    assert server.peer is not None


P256 = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("key", "chain", "how", "fault"),
    [
        (certs.ALICE.device_key, [], {}, "peer did not return a certificate"),
        (certs.ALICE.device_key, [certs.ALICE.device.der], {}, "certificate: OpenSSL fault 20"),
        (certs.ALICE.account_key, [certs.ALICE.account.der], {}, "certificate: OpenSSL fault 18"),
        (
            certs.ALICE.device_key,
            [certs.ALICE.device.der, certs.ALICE.account.der, MALLORY.account.der],
            {},
            "a chain is exactly two certificates",
        ),
        (
            certs.ALICE.device_key,
            [replace(certs.DEVICE_FORGERY, signer=MALLORY.device_key).der(), certs.ALICE.account.der],
            {},
            "certificate: OpenSSL fault",
        ),
        (
            certs.ALICE.device_key,
            [replace(certs.DEVICE_FORGERY, user_id="0" * 64).der(), certs.ALICE.account.der],
            {},
            "id_mismatch",
        ),
        (
            P256,
            [replace(certs.DEVICE_FORGERY, key=P256.public_key()).der(), certs.ALICE.account.der],
            {},
            "certificate: ",
        ),
        (
            certs.ALICE.device_key,
            [
                certs.ALICE.device.der,
                replace(certs.ACCOUNT_FORGERY, extensions=certs.DEVICE_FORGERY.extensions).der(),
            ],
            {},
            "certificate: OpenSSL fault",
        ),
        (certs.ALICE.device_key, [certs.ALICE.device.der, certs.ALICE.account.der], {"tls12": True}, "tls: "),
        (certs.ALICE.device_key, [certs.ALICE.device.der, certs.ALICE.account.der], {"alpn": []}, "no common protocol"),
        (
            certs.ALICE.device_key,
            [certs.ALICE.device.der, certs.ALICE.account.der],
            {"alpn": [b"h2", b"swarmchat/2"]},
            "no common protocol",
        ),
    ],
    ids=[
        "no certificate",
        "device without account",
        "account as device",
        "three certificates",
        "signed by another under the same name",
        "another id than its key's",
        "another kind of key",
        "account is no CA",
        "TLS 1.2",
        "no ALPN",
        "other ALPN",
    ],
)
def test_a_caller_who_is_not_what_he_should_be_is_no_peer(
    key: Any, chain: list[bytes], how: dict[str, Any], fault: str
) -> None:
    _, server = hostile_client(key, chain, **how)
    assert server.peer is None
    assert server.fault is not None
    assert fault in server.fault


@pytest.mark.parametrize(
    ("how", "fault"), [({"alpn": []}, "no common protocol"), ({"tls12": True}, "tls: ")], ids=["no ALPN", "TLS 1.2"]
)
def test_a_server_without_our_protocol_is_no_peer(how: dict[str, Any], fault: str) -> None:
    context = hostile_context(BOB.device_key, [BOB.device.der, BOB.account.der], server=True, **how)
    client = security(ALICE).endpoint(server=False)
    talk(client, HostileEnd(context, server=True))
    assert client.peer is None
    assert client.fault is not None
    assert fault in client.fault


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", bytes(300), b"\x16\x03\x01\xff\xff" + bytes(20_000)]
)
def test_garbage_is_a_fault_and_no_exception(garbage: bytes) -> None:
    for server in (False, True):
        end = security(ALICE).endpoint(server=server)
        end.start()
        end.receive(garbage)
        assert end.fault is not None
        assert end.peer is None
        end.receive(garbage)
        end.pull()


def test_no_session_is_resumed() -> None:
    ours, theirs = security(ALICE), security(BOB)
    client, server = meet(ours, theirs)
    server.send(b"hi")  # tickets would come with it
    client.receive(server.pull())
    session = client._connection.get_session()
    assert session is not None
    again, other = ours.endpoint(server=False), theirs.endpoint(server=True)
    again._connection.set_session(session)
    talk(again, other)
    assert again.peer == BOB.peer
    assert other._claim is not None  # the certificate was shown and judged anew


def test_a_claim_is_no_peer() -> None:
    """The callback has seen Alice's whole chain, and still nobody is there: the proof comes after it."""
    client, server = security(ALICE).endpoint(server=False), security(BOB).endpoint(server=True)
    client.start()
    server.receive(client.pull())
    client.receive(server.pull())
    flight = client.pull()
    seen_without_peer = False
    for byte in flight:
        server.receive(bytes([byte]))
        seen_without_peer = seen_without_peer or (server._claim is not None and server.peer is None)
    assert seen_without_peer
    assert server.peer == ALICE.peer


def test_keys_that_do_not_fit_their_certificate_are_not_loaded() -> None:
    wrong = Identity(PrivateKey.from_seed(bytes(32)), ALICE.device, ALICE.account, b"bootboot")
    with pytest.raises(ValueError, match="does not fit"):
        security(wrong)


def test_both_ends_of_a_session_export_the_same_bytes_and_every_session_others() -> None:
    label = b"EXPORTER-swarmchat-pairing"
    client, server = meet(security(ALICE), security(BOB))
    again, _ = meet(security(ALICE), security(BOB))
    assert client.exporter(label) == server.exporter(label)
    assert len(client.exporter(label)) == 32
    assert client.exporter(label) not in {again.exporter(label), client.exporter(b"EXPORTER-another")}


def test_nothing_is_exported_before_the_other_end_has_proved_who_it_is() -> None:
    with pytest.raises(AssertionError, match="no session"):
        security(ALICE).endpoint(server=False).exporter(b"EXPORTER-swarmchat-pairing")
