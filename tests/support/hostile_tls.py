"""TLS ends that do what ours never would: other versions, other chains, no certificate, a stolen certificate."""

from __future__ import annotations

import base64
import socket
import warnings
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509 import load_der_x509_certificate
from OpenSSL import SSL

from swarmchat.crypto.keys import PrivateKey
from swarmchat.links.peers import Identity

ALPN = b"swarmchat/1"


def hostile_context(
    key: PrivateKey | object,
    chain: Sequence[bytes],
    *,
    server: bool = False,
    alpn: Sequence[bytes] = (ALPN,),
    tls12: bool = False,
) -> SSL.Context:
    """A context that checks nothing and shows `chain` (DER, leaf first; may be empty)."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD if server else SSL.TLS_CLIENT_METHOD)
    version = SSL.TLS1_2_VERSION if tls12 else SSL.TLS1_3_VERSION
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    if chain:
        context.use_certificate(load_der_x509_certificate(chain[0]))
        if isinstance(key, PrivateKey):
            key = Ed25519PrivateKey.from_private_bytes(key.seed)
        context.use_privatekey(key)  # type: ignore[arg-type]
        for der in chain[1:]:
            context.add_extra_chain_cert(load_der_x509_certificate(der))
    context.set_verify(SSL.VERIFY_PEER, lambda *_: True)  # a server that asks for a certificate, and takes any
    if server:
        chosen = alpn[0] if alpn else SSL.NO_OVERLAPPING_PROTOCOLS
        context.set_alpn_select_callback(lambda _connection, _offered: chosen)  # type: ignore[arg-type, return-value]
    elif alpn:
        context.set_alpn_protos(list(alpn))
    return context


class HostileEnd:
    """One end in memory, with the methods of an Endpoint that a dialogue needs."""

    def __init__(self, context: SSL.Context, *, server: bool = False) -> None:
        self.connection = SSL.Connection(context, None)
        (self.connection.set_accept_state if server else self.connection.set_connect_state)()
        self.handshaken = False
        self.fault: str | None = None

    def start(self) -> None:
        self._step()

    def receive(self, data: bytes) -> bytes:
        self.connection.bio_write(data)
        if not self.handshaken:
            self._step()
        try:
            return self.connection.recv(65_536) if self.handshaken else b""
        except SSL.WantReadError:
            return b""
        except SSL.Error as error:
            self.fault = repr(error)
            return b""

    def pull(self) -> bytes:
        try:
            return self.connection.bio_read(65_536)
        except SSL.WantReadError:
            return b""

    def _step(self) -> None:
        try:
            self.connection.do_handshake()
            self.handshaken = True
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            self.fault = repr(error)


def shake_with_another_key(sock: socket.socket, shown: Identity, key: PrivateKey) -> str:
    """Dial with the certificates of `shown` but sign with `key`, through a TLS stack that does not mind. What came of it.

    OpenSSL refuses to load a certificate with another's key, so this takes a TLS written in Python.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it still looks for asyncore
        from tlslite.api import X509, HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey  # noqa: PLC0415
    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = (3, 4)
    settings.use_heartbeat_extension = False
    settings.keyShares = settings.eccCurves = ["x25519"]
    settings.certificate_compression_send = settings.certificate_compression_receive = []
    chain = []
    for certificate in (shown.device, shown.account):
        chain.append(X509())
        chain[-1].parse(certificate.pem.decode())
    pem = base64.b64encode(key.pkcs8).decode()
    private = parsePEMKey(f"-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n", private=True)
    connection = TLSConnection(sock)
    try:
        connection.handshakeClientCert(X509CertChain(chain), private, settings=settings, alpn=[bytearray(ALPN)])
        return f"read {bytes(connection.read(max=1, min=1))!r}"
    except Exception as error:  # noqa: BLE001 - whatever it calls the refusal
        return f"failed: {error!r}"
