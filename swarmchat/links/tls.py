"""TLS 1.3 with both sides certified, on memory buffers: bytes in, bytes out. The only importer of OpenSSL. (SCP-03 §2)

The certificate callback sees a claim, not a peer: it runs before the other end proves that it holds the key. So it judges
and remembers nothing else; there is a `peer` only once the handshake is finished.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from functools import cached_property
from typing import Final

from OpenSSL import SSL, crypto

from swarmchat.crypto.certificates import Certificate, CertificateError, ChainFault, check_chain
from swarmchat.ids import AccountId, DeviceId
from swarmchat.links.peers import Identity, Peer

ALPN: Final = b"swarmchat/1"
EXPORTER_BYTES: Final = 32
_RECORD_BYTES: Final = 16_384
_READ_BYTES: Final = 65_536
# Found by OpenSSL, judged by our own rule instead: dates by the injected clock, and nobody's root is in a store.
_WAIVED: Final = frozenset(
    {
        9,  # X509_V_ERR_CERT_NOT_YET_VALID
        10,  # X509_V_ERR_CERT_HAS_EXPIRED
        19,  # X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN
    }
)


class TlsSecurity:
    """Endpoints for one identity; the two contexts are shared by all links.

    `now` is the wall clock in seconds; `revoked(account)` gives the 16-byte prefixes of its revoked devices; `dismisses`: a
    revoked device that calls gets through the handshake, for whoever is above to tell it so. ValueError when key and certificate
    of the identity do not fit.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        now: Callable[[], float],
        revoked: Callable[[AccountId], Container[bytes]],
        dismisses: bool = False,
    ) -> None:
        if identity.device_key.public != identity.device.key:
            raise ValueError("the key of this device does not fit its certificate")
        self._identity = identity
        self._us = identity.device.device_id
        self._now = now
        self._revoked = revoked
        self._dismisses = dismisses

    # Made for the first link: a command that reads a history without a daemon has none, and they are a tenth of its time.

    @cached_property
    def _client(self) -> SSL.Context:
        context = _context(self._identity, SSL.TLS_CLIENT_METHOD)
        context.set_alpn_protos([ALPN])
        return context

    @cached_property
    def _server(self) -> SSL.Context:
        context = _context(self._identity, SSL.TLS_SERVER_METHOD)
        context.set_alpn_select_callback(_select_alpn)
        return context

    def endpoint(self, *, server: bool, device: DeviceId | None = None) -> TlsEndpoint:
        """A fresh endpoint; `device`: the only one accepted at the other end."""
        connection = SSL.Connection(self._server if server else self._client, None)
        spares = server and self._dismisses
        return TlsEndpoint(connection, server=server, judge=lambda leaf, root: self._judge(leaf, root, device, spares))

    def _judge(self, leaf: Certificate, root: Certificate, wanted: DeviceId | None, spares_revoked: bool) -> str | None:
        fault = check_chain(leaf, root, at=self._now(), revoked=self._revoked(root.account_id))
        if fault and not (spares_revoked and fault is ChainFault.REVOKED):  # found last: there is no other
            return fault.value
        if leaf.device_id == self._us:
            return "that is this device"
        if wanted is not None and leaf.device_id != wanted:
            return "another device answers"
        return None


class TlsEndpoint:
    """One end of one session. Pure but for the shared, unchanging contexts. See `streams.Endpoint`."""

    __slots__ = ("_chain", "_claim", "_connection", "_judge", "_refusal", "_server", "fault", "finished", "peer")

    def __init__(
        self, connection: SSL.Connection, *, server: bool, judge: Callable[[Certificate, Certificate], str | None]
    ) -> None:
        self.peer: Peer | None = None
        self.fault: str | None = None
        self.finished = False
        self._connection = connection
        self._server = server
        self._judge = judge
        self._chain: dict[int, bytes] = {}  # DER by depth, as the callback saw it
        self._claim: Peer | None = None
        self._refusal: str | None = None
        connection.set_app_data(self)
        if server:
            connection.set_accept_state()
        else:
            connection.set_connect_state()

    def start(self) -> None:
        """The client speaks first; the server has nothing to say yet."""
        self._handshake()

    def receive(self, data: bytes | memoryview) -> bytes:
        """Cipher bytes in, plain bytes out; `fault` and `peer` may have changed."""
        plain: list[bytes] = []
        view = memoryview(data)
        while view and self.fault is None and not self.finished:
            view = view[self._connection.bio_write(view[:_READ_BYTES]) :]
            if self.peer is None:
                self._handshake()
            if self.peer is not None:
                self._read(plain)
        return plain[0] if len(plain) == 1 else b"".join(plain)

    def send(self, data: bytes) -> None:
        """Plain bytes in; only after `peer` is known."""
        assert self.peer is not None, "nothing is said to a claim"
        view = memoryview(data)
        try:
            while view and self.fault is None:
                view = view[self._connection.send(view[:_READ_BYTES]) :]
        except SSL.Error as error:
            self.fault = _explain(error)

    def pull(self) -> bytes:
        """Cipher bytes to be carried to the other end."""
        parts = []
        try:
            while True:
                parts.append(self._connection.bio_read(_READ_BYTES))
        except SSL.WantReadError:
            return parts[0] if len(parts) == 1 else b"".join(parts)

    def end(self) -> None:
        """Say close_notify."""
        if self.peer is not None and self.fault is None:
            try:
                self._connection.shutdown()
            except SSL.Error as error:
                self.fault = _explain(error)

    def exporter(self, label: bytes) -> bytes:
        """32 bytes that the two ends of this session can compute and nobody else (RFC 8446 §7.5); only once there is a peer."""
        assert self.peer is not None, "there is no session yet"
        return self._connection.export_keying_material(label, EXPORTER_BYTES)

    def consider(self, depth: int, der: bytes, *, last: bool) -> bool:
        """The certificate callback: keep what is shown, judge it at the last call. Remembers a claim, no more."""
        self._chain[depth] = der
        if not last:
            return True
        self._refusal = self._consider_chain()
        return self._refusal is None

    def refuse(self, reason: str) -> None:
        """OpenSSL found something wrong with the chain."""
        self._refusal = reason

    def _consider_chain(self) -> str | None:
        if self._chain.keys() != {0, 1}:
            return f"a chain of {len(self._chain)} certificates"
        try:
            leaf, root = Certificate.from_der(self._chain[0]), Certificate.from_der(self._chain[1])
        except CertificateError as error:
            return f"certificate: {error}"
        refusal = self._judge(leaf, root)
        if refusal is None:
            self._claim = Peer(leaf.device_id, root.account_id, leaf, root)
        return refusal

    def _handshake(self) -> None:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return
        except SSL.Error as error:
            self.fault = self._refusal or _explain(error)
            return
        self.fault = self._unproved()
        if self.fault is None:
            self.peer = self._claim  # the other end holds the key: only now is there a peer

    def _unproved(self) -> str | None:
        leaf = self._connection.get_peer_certificate()
        if self._claim is None or leaf is None:
            return "no certificate was judged"
        if crypto.dump_certificate(crypto.FILETYPE_ASN1, leaf) != self._claim.certificate.der:
            return "another certificate was judged"
        shown = len(self._connection.get_peer_cert_chain() or ())
        if shown != (1 if self._server else 2):  # a server is not shown the leaf here
            return "a chain is exactly two certificates"
        if self._connection.get_alpn_proto_negotiated() != ALPN:
            return "no common protocol"  # pyOpenSSL lets a missing overlap pass
        return None

    def _read(self, plain: list[bytes]) -> None:
        try:
            while True:
                plain.append(self._connection.recv(_RECORD_BYTES))
        except SSL.WantReadError:
            return
        except SSL.ZeroReturnError:
            self.finished = True
        except SSL.Error as error:
            self.fault = _explain(error)


def _context(identity: Identity, method: int) -> SSL.Context:
    context = SSL.Context(method)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # an idle link then costs 60 kB, not 80
    context.set_verify_depth(1)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _on_certificate)
    load = crypto.load_certificate
    context.use_certificate(load(crypto.FILETYPE_ASN1, identity.device.der).to_cryptography())
    key = crypto.load_privatekey(crypto.FILETYPE_ASN1, identity.device_key.pkcs8)
    context.use_privatekey(key.to_cryptography_key())  # type: ignore[arg-type]  # private, since a private key was loaded
    context.add_extra_chain_cert(load(crypto.FILETYPE_ASN1, identity.account.der).to_cryptography())
    return context


def _on_certificate(connection: SSL.Connection, shown: crypto.X509, error: int, depth: int, valid: int) -> bool:
    # Never raises: pyOpenSSL keeps an exception with the context, and another link would be hit by it.
    endpoint: TlsEndpoint = connection.get_app_data()
    if not valid and error not in _WAIVED:
        endpoint.refuse(f"certificate: OpenSSL fault {error}")
        return False
    return endpoint.consider(
        depth, crypto.dump_certificate(crypto.FILETYPE_ASN1, shown), last=bool(valid) and depth == 0
    )


def _select_alpn(_connection: SSL.Connection, offered: list[bytes]) -> bytes:
    return ALPN if ALPN in offered else SSL.NO_OVERLAPPING_PROTOCOLS  # type: ignore[return-value]


def _explain(error: SSL.Error) -> str:
    if isinstance(error, SSL.SysCallError):
        return "tls: cut off"
    try:
        return f"tls: {error.args[0][0][2]}"
    except (IndexError, TypeError):
        return "tls: failed"
