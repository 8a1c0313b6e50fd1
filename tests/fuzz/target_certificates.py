"""Certificates, revocation lists and signatures, held against the library that knows all of X.509. (SCP-01 §1, §2)"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from swarmchat.crypto import der, sshsig
from swarmchat.crypto.certificates import (
    CRL_SIGN,
    DIGITAL_SIGNATURE,
    KEY_CERT_SIGN,
    Certificate,
    CertificateError,
    check_chain,
    seal_body,
)
from swarmchat.crypto.keys import PublicKey
from swarmchat.crypto.revocation import RevocationList
from tests.fuzz.recipe import Recipe
from tests.support.builders import ALICE, BOB, NOW

TOKENS = (
    *(
        bytes.fromhex(word)
        for word in ("551d13", "551d0f", "551d0e", "551d23", "551d14", "550403", "0992268993f22c640101")
    ),
    *(
        bytes.fromhex(word)
        for word in ("300506032b6570", "0101ff", "a003020102", "30030101ff", "03020106", "03020780", "180f")
    ),
    *(b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n", b"swarmchat account", b"swarmchat device"),
    *(
        b"-----BEGIN SSH SIGNATURE-----\n",
        b"-----END SSH SIGNATURE-----",
        b"ssh-ed25519",
        b"491231235959Z",
        b"20500101000000Z",
    ),
)
_DER, _BODY, _PEM, _LIST, _LIST_BODY, _ARMOUR, _KEY, _READER = range(8)


def seeds() -> Iterator[bytes]:
    """Real ones of every kind, old and renewed, with lists of none, one and three."""
    late = BOB.renewed(now=2_524_608_000 - 86_400 * 30, account=True)
    for one in (ALICE.certificate, ALICE.device_certificate, ALICE.renewed().device_certificate, late.certificate):
        yield bytes((_DER,)) + one.der
        yield bytes((_BODY,)) + one.body
        yield bytes((_PEM,)) + one.pem
    for devices in ((), (ALICE,), (ALICE, ALICE.on(2), ALICE.on(3))):
        listed = ALICE.revoking(*devices, number=7)
        yield bytes((_LIST,)) + listed
        yield bytes((_LIST_BODY,)) + _list_body(listed)
    yield bytes((_ARMOUR,)) + sshsig.sign(ALICE.device_key, b"words").encode()
    yield bytes((_KEY,)) + ALICE.device_key.public.spki
    yield bytes((_READER,)) + ALICE.device_certificate.der


def _list_body(listed: bytes) -> bytes:
    return der.Reader(listed).enter(der.SEQUENCE).element(der.SEQUENCE)


def run(data: bytes) -> None:
    """Only CertificateError, DerError or ValueError comes out; what is taken the big library takes too, with the same meaning."""
    recipe = Recipe(data)
    kind, rest = recipe.u8() % 8, recipe.rest()
    match kind:
        case 0:
            _certificate(rest)
        case 1:
            _certificate(seal_body(ALICE.account_key, rest))
        case 2:
            _pem(rest)
        case 3:
            _revocations(rest)
        case 4:
            _revocations(seal_body(ALICE.account_key, rest))
        case 5:
            _armour(rest)
        case 6:
            _key(rest)
        case _:
            _reader(rest)


def _certificate(data: bytes) -> None:
    try:
        mine = Certificate.from_der(data)
    except CertificateError:
        return
    theirs = x509.load_der_x509_certificate(data)
    assert theirs.public_bytes(Encoding.DER) == data
    assert theirs.serial_number == mine.serial > 0
    assert int(theirs.not_valid_before_utc.timestamp()) == mine.not_before
    assert int(theirs.not_valid_after_utc.timestamp()) == mine.not_after
    assert theirs.signature == mine.signature
    assert theirs.tbs_certificate_bytes == mine.body
    assert mine.subject_id in theirs.subject.rfc4514_string()
    assert mine.issuer_id in theirs.issuer.rfc4514_string()
    try:
        extensions = theirs.extensions
    except (ValueError, x509.UnsupportedGeneralNameType):
        extensions = None  # one that we take as opaque bytes and they do not
    if extensions is not None:
        assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca == mine.is_ca
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        assert usage.digital_signature == bool(mine.usage & DIGITAL_SIGNATURE)
        assert usage.key_cert_sign == bool(mine.usage & KEY_CERT_SIGN)
        assert usage.crl_sign == bool(mine.usage & CRL_SIGN)
    assert Certificate.from_pem(mine.pem) == mine
    for device, account in ((mine, ALICE.certificate), (ALICE.device_certificate, mine), (mine, mine)):
        fault = check_chain(device, account, at=NOW)
        assert fault is not None or _issued(device, account), "a chain that does not hold"
    assert mine.account_id
    assert mine.device_id


def _issued(device: Certificate, account: Certificate) -> bool:
    below, above = (x509.load_der_x509_certificate(one.der) for one in (device, account))
    try:
        below.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _pem(data: bytes) -> None:
    try:
        mine = Certificate.from_pem(data)
    except CertificateError:
        return
    assert mine.pem == data, "a second spelling of PEM"
    _certificate(mine.der)


def _revocations(data: bytes) -> None:
    try:
        mine = RevocationList.from_der(data, ALICE.certificate)
    except CertificateError:
        return
    theirs = x509.load_der_x509_crl(data)
    assert theirs.public_bytes(Encoding.DER) == data
    assert theirs.tbs_certlist_bytes == _list_body(data)
    assert ALICE.account_key.public.verify(theirs.signature, theirs.tbs_certlist_bytes)
    assert {one.serial_number.to_bytes(20, "big")[1:17] for one in theirs} == mine.revoked
    assert theirs.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == mine.number
    assert mine.issuer_id == ALICE.id


def _armour(data: bytes) -> None:
    text = data.decode("latin-1")
    assert not sshsig.verify(text, b"other words", ALICE.device_key.public)
    try:
        key, signature = sshsig.parse(text)
    except ValueError:
        return
    blob = base64.b64decode("".join(text.split("\n")[1:-1]))
    assert signature == blob[-64:]
    assert key.raw in blob
    assert sshsig._armour(blob) == text, "a second spelling of a signature"


def _key(data: bytes) -> None:
    for read in (PublicKey.from_spki, PublicKey.from_raw):
        try:
            key = read(data)
        except ValueError:
            continue
        assert data in (key.raw, key.spki)
        assert not key.verify(bytes(64), b"x")


def _reader(data: bytes) -> None:
    """The first element of a value, by every method; nothing is read past its end."""
    takes = (
        *(der.Reader.integer, der.Reader.object_id, der.Reader.boolean, der.Reader.bits, der.Reader.flags),
        *(der.Reader.time, der.read_extensions),
    )
    for take in takes:
        reader = der.Reader(data)
        try:
            take(reader)
        except der.DerError:
            continue
        assert reader._position <= len(data)
    tag = data[0] if data else 0
    try:
        content = der.Reader(data).content(tag)
    except der.DerError:
        return
    assert data.startswith(der.element(tag, content)), "a second spelling of a length"
