from __future__ import annotations

import math
import warnings
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from swarmchat import limits
from swarmchat.crypto import der
from swarmchat.crypto.certificates import (
    RENEWAL_MAX,
    Certificate,
    CertificateError,
    ChainFault,
    check_chain,
    device_serial,
    issue_account,
    issue_device,
)
from swarmchat.crypto.keys import PublicKey
from tests.support.certs import ACCOUNT_FORGERY, ALICE, BOB, DAY, DEVICE_FORGERY, NOW, Forgery, x509_usage

PREFIX = bytes.fromhex(ALICE.device.subject_id)[:16]


def test_an_account_certificate_is_what_the_page_says() -> None:
    theirs = x509.load_der_x509_certificate(ALICE.account.der)
    account = ALICE.account_key.public.account_id
    assert theirs.version is x509.Version.v3
    assert theirs.subject == theirs.issuer
    assert theirs.subject.rfc4514_string() == f"UID={account},CN=swarmchat account"
    assert theirs.not_valid_before_utc == datetime.fromtimestamp(NOW - DAY, tz=UTC)
    assert theirs.not_valid_after_utc == datetime.fromtimestamp(NOW + 20 * 365 * DAY, tz=UTC)
    assert theirs.serial_number == int.from_bytes(b"alice...........", "big") >> 1
    assert [(extension.value, extension.critical) for extension in theirs.extensions] == [
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (x509_usage("key_cert_sign", "crl_sign"), True),
        (x509.SubjectKeyIdentifier(bytes.fromhex(account)), False),
    ]
    theirs.verify_directly_issued_by(theirs)


def test_a_device_certificate_is_what_the_page_says() -> None:
    theirs = x509.load_der_x509_certificate(ALICE.device.der)
    device = ALICE.device_key.public.device_id
    account = ALICE.account_key.public.account_id
    assert theirs.subject.rfc4514_string() == f"UID={device},CN=swarmchat device"
    assert theirs.serial_number == int("01" + device[:32] + "000000", 16)
    assert theirs.not_valid_after_utc == datetime.fromtimestamp(NOW + 10 * 365 * DAY, tz=UTC)
    assert [(extension.value, extension.critical) for extension in theirs.extensions] == [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509_usage("digital_signature"), True),
        (x509.SubjectKeyIdentifier(bytes.fromhex(device)[:20]), False),
        (x509.AuthorityKeyIdentifier(bytes.fromhex(account), None, None), False),
    ]
    theirs.verify_directly_issued_by(x509.load_der_x509_certificate(ALICE.account.der))


def test_what_was_issued_is_read_back() -> None:
    for mine in (ALICE.account, ALICE.device):
        read = Certificate.from_pem(mine.pem)
        assert read == mine
        assert hash(read) == hash(mine)
    assert ALICE.device.account_id == ALICE.account.account_id == ALICE.account_key.public.account_id
    assert ALICE.device.device_id == ALICE.device_key.public.device_id
    assert (ALICE.device.is_ca, ALICE.account.is_ca) == (False, True)
    assert (ALICE.device.not_before, ALICE.device.not_after) == (NOW - DAY, NOW + limits.DEVICE_VALIDITY_S)
    assert ALICE.device.issuer_id == ALICE.account.subject_id


def test_dates_from_2050_on_are_written_and_read() -> None:
    late = int(datetime(2049, 12, 31, tzinfo=UTC).timestamp())
    account = issue_account(ALICE.account_key, now=late, entropy=bytes(16))
    theirs = x509.load_der_x509_certificate(account.der)
    assert int(theirs.not_valid_before_utc.timestamp()) == account.not_before == late - DAY
    assert int(theirs.not_valid_after_utc.timestamp()) == account.not_after == late + limits.ACCOUNT_VALIDITY_S
    assert account.serial == 1


def test_a_time_or_entropy_out_of_range_is_refused() -> None:
    assert issue_account(ALICE.account_key, now=DAY, entropy=bytes(16)).not_before == 0
    for now in (DAY - 1, 253_402_300_800 - limits.ACCOUNT_VALIDITY_S):
        with pytest.raises(ValueError, match="no time"):
            issue_account(ALICE.account_key, now=now, entropy=bytes(16))
    for length in (15, 17):
        with pytest.raises(ValueError, match="16 bytes"):
            issue_account(ALICE.account_key, now=NOW, entropy=bytes(length))


def test_a_renewal_changes_the_last_24_bits_of_the_serial_and_stays_valid() -> None:
    for renewal in (1, RENEWAL_MAX):
        renewed = issue_device(
            ALICE.account_key, ALICE.account, ALICE.device_key.public, now=NOW + DAY, renewal=renewal
        )
        assert renewed.serial == ALICE.device.serial + renewal
        assert renewed.device_id == ALICE.device.device_id
        assert check_chain(renewed, ALICE.account, at=NOW) is None
        assert check_chain(renewed, ALICE.account, at=NOW, revoked={PREFIX}) is ChainFault.REVOKED
    for renewal in (-1, RENEWAL_MAX + 1):
        with pytest.raises(ValueError, match="24 bits"):
            device_serial(ALICE.device.device_id, renewal)


def test_a_device_is_not_issued_with_the_key_of_another_account() -> None:
    with pytest.raises(ValueError, match="not that of the account"):
        issue_device(BOB.account_key, ALICE.account, ALICE.device_key.public, now=NOW)


def test_a_good_chain_holds_from_its_first_to_its_last_second() -> None:
    first, last = ALICE.device.not_before, ALICE.device.not_after
    assert check_chain(ALICE.device, ALICE.account, at=NOW) is None
    assert check_chain(ALICE.device, ALICE.account, at=first) is None
    assert check_chain(ALICE.device, ALICE.account, at=last) is None
    assert check_chain(ALICE.device, ALICE.account, at=first - 1) is ChainFault.NOT_YET_VALID
    assert check_chain(ALICE.device, ALICE.account, at=last + 1) is ChainFault.EXPIRED
    assert check_chain(ALICE.device, ALICE.account, at=math.nan) is ChainFault.NOT_YET_VALID


def test_the_account_must_be_valid_at_that_time_too() -> None:
    future = replace(ACCOUNT_FORGERY, start=NOW + 10).make()
    past = replace(ACCOUNT_FORGERY, end=NOW + 10).make()
    assert check_chain(ALICE.device, future, at=NOW + 9) is ChainFault.NOT_YET_VALID
    assert check_chain(ALICE.device, future, at=NOW + 10) is None
    assert check_chain(ALICE.device, past, at=NOW + 10) is None
    assert check_chain(ALICE.device, past, at=NOW + 11) is ChainFault.EXPIRED


def test_a_device_whose_prefix_is_listed_is_revoked_and_no_other() -> None:
    assert check_chain(ALICE.device, ALICE.account, at=NOW, revoked=frozenset({PREFIX})) is ChainFault.REVOKED
    assert check_chain(ALICE.device, ALICE.account, at=NOW, revoked=frozenset({bytes(16), PREFIX[:15]})) is None


def test_the_forgery_kit_makes_valid_certificates_by_default() -> None:
    assert check_chain(DEVICE_FORGERY.make(), ACCOUNT_FORGERY.make(), at=NOW) is None
    assert check_chain(DEVICE_FORGERY.make(), ALICE.account, at=NOW) is None


EVERY_USE = (x509_usage("digital_signature", "key_cert_sign", "crl_sign"), True)
CA = (x509.BasicConstraints(ca=True, path_length=None), True)
NOT_CA = (x509.BasicConstraints(ca=False, path_length=None), True)


@pytest.mark.parametrize(
    ("device", "fault"),
    [
        (replace(DEVICE_FORGERY, signer=BOB.account_key), ChainFault.SIGNATURE),
        (replace(DEVICE_FORGERY, signer=ALICE.device_key), ChainFault.SIGNATURE),
        (replace(DEVICE_FORGERY, issuer_user_id=BOB.account.subject_id), ChainFault.ID_MISMATCH),
        (replace(DEVICE_FORGERY, user_id=BOB.device.subject_id), ChainFault.ID_MISMATCH),
        (replace(DEVICE_FORGERY, key=BOB.device_key.public), ChainFault.ID_MISMATCH),
        (replace(DEVICE_FORGERY, serial=device_serial(BOB.device.device_id, 0)), ChainFault.ID_MISMATCH),
        (replace(DEVICE_FORGERY, serial=5), ChainFault.ID_MISMATCH),
        (replace(DEVICE_FORGERY, serial=ALICE.device.serial + (1 << 152)), ChainFault.ID_MISMATCH),
        (
            replace(DEVICE_FORGERY, common_name="swarmchat account", user_id=ALICE.account.subject_id),
            ChainFault.ID_MISMATCH,
        ),
        (replace(DEVICE_FORGERY, extensions=(CA, EVERY_USE)), ChainFault.IS_A_CA),
        (replace(DEVICE_FORGERY, extensions=(NOT_CA, EVERY_USE)), ChainFault.IS_A_CA),
        (replace(DEVICE_FORGERY, extensions=(NOT_CA, (x509_usage("key_agreement"), True))), ChainFault.KEY_USAGE),
    ],
)
def test_a_device_certificate_with_one_thing_wrong_has_that_fault(device: Forgery, fault: ChainFault) -> None:
    assert check_chain(device.make(), ALICE.account, at=NOW) is fault


@pytest.mark.parametrize(
    ("account", "fault"),
    [
        (replace(ACCOUNT_FORGERY, signer=BOB.account_key), ChainFault.SIGNATURE),
        (replace(ACCOUNT_FORGERY, issuer_user_id=BOB.account.subject_id), ChainFault.ID_MISMATCH),
        (replace(ACCOUNT_FORGERY, user_id=BOB.account.subject_id), ChainFault.ID_MISMATCH),
        (replace(ACCOUNT_FORGERY, key=BOB.account_key.public, signer=BOB.account_key), ChainFault.ID_MISMATCH),
        (replace(ACCOUNT_FORGERY, extensions=(NOT_CA, EVERY_USE)), ChainFault.NOT_A_CA),
        (replace(ACCOUNT_FORGERY, extensions=(CA, (x509_usage("key_cert_sign"), True))), ChainFault.NOT_A_CA),
        (replace(ACCOUNT_FORGERY, extensions=(CA, (x509_usage("crl_sign"), True))), ChainFault.NOT_A_CA),
        (replace(DEVICE_FORGERY, extensions=(CA, EVERY_USE)), ChainFault.NOT_A_CA),
    ],
)
def test_an_account_certificate_with_one_thing_wrong_has_that_fault(account: Forgery, fault: ChainFault) -> None:
    assert check_chain(ALICE.device, account.make(), at=NOW) is fault


def test_the_chain_of_another_account_does_not_hold() -> None:
    assert check_chain(ALICE.device, BOB.account, at=NOW) is ChainFault.ID_MISMATCH
    assert check_chain(ALICE.device, ALICE.device, at=NOW) is ChainFault.NOT_A_CA
    assert check_chain(ALICE.account, ALICE.account, at=NOW) is ChainFault.IS_A_CA


def test_a_certificate_too_large_for_the_cache_is_judged_the_same() -> None:
    padding = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), bytes(2000)), False)
    big = replace(DEVICE_FORGERY, extensions=(*DEVICE_FORGERY.extensions, padding))
    assert check_chain(big.make(), ALICE.account, at=NOW) is None
    assert check_chain(replace(big, signer=BOB.account_key).make(), ALICE.account, at=NOW) is ChainFault.SIGNATURE
    assert len(Certificate.from_pem(big.make().pem).der) > 2000


RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    "forgery",
    [
        replace(DEVICE_FORGERY, key=RSA_KEY.public_key()),
        replace(DEVICE_FORGERY, key=EC_KEY.public_key()),
        replace(DEVICE_FORGERY, signer=RSA_KEY, hash=hashes.SHA256()),
        replace(DEVICE_FORGERY, signer=EC_KEY, hash=hashes.SHA256()),
        replace(DEVICE_FORGERY, key=PublicKey((1).to_bytes(32, "little"))),
    ],
)
def test_another_kind_of_key_is_refused_and_named(forgery: Forgery) -> None:
    with pytest.raises(CertificateError) as caught:
        forgery.make()
    assert caught.value.fault is ChainFault.KEY_TYPE


@pytest.mark.parametrize(
    ("forgery", "message"),
    [
        (replace(DEVICE_FORGERY, common_name="somebody"), "not named"),
        (replace(DEVICE_FORGERY, issuer_name="swarmchat device"), "not named"),
        (replace(DEVICE_FORGERY, user_id=ALICE.device.subject_id.upper()), "not named"),
        (replace(DEVICE_FORGERY, user_id="0" * 63), "not named"),
        (replace(DEVICE_FORGERY, user_id="0" * 40), "not named"),
        (replace(DEVICE_FORGERY, user_id="é" * 32), "not named"),
        (replace(DEVICE_FORGERY, issuer_user_id=ALICE.device.subject_id), "not named"),
        (replace(DEVICE_FORGERY, extensions=()), "tag|cut off"),
        (replace(DEVICE_FORGERY, extensions=DEVICE_FORGERY.extensions[:1]), "whether it is a CA"),
        (replace(DEVICE_FORGERY, extensions=DEVICE_FORGERY.extensions[1:]), "whether it is a CA"),
        (
            replace(
                DEVICE_FORGERY,
                extensions=(
                    *DEVICE_FORGERY.extensions,
                    (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\5\0"), True),
                ),
            ),
            "critical",
        ),
        (
            replace(
                DEVICE_FORGERY,
                extensions=(
                    *DEVICE_FORGERY.extensions,
                    (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), True),
                ),
            ),
            "critical",
        ),
    ],
)
def test_a_certificate_of_another_form_is_refused(forgery: Forgery, message: str) -> None:
    with pytest.raises(CertificateError, match=message):
        forgery.make()


@pytest.mark.parametrize("account", [False, True])
def test_a_key_identifier_is_absent_or_the_id(account: bool) -> None:
    base, mine = (ACCOUNT_FORGERY, ALICE.account) if account else (DEVICE_FORGERY, ALICE.device)
    subject, issuer = bytes.fromhex(mine.subject_id)[:20], bytes.fromhex(mine.issuer_id)

    def with_ids(subject_key: bytes, issuer_key: bytes) -> Forgery:
        more = (x509.SubjectKeyIdentifier(subject_key), x509.AuthorityKeyIdentifier(issuer_key, None, None))
        return replace(base, extensions=(*base.extensions, *((extension, False) for extension in more)))

    assert with_ids(subject, issuer).make().subject_id == mine.subject_id
    for wrong in (with_ids(bytes(20), issuer), with_ids(subject, bytes(20)), with_ids(subject + b"x", issuer)):
        with pytest.raises(CertificateError, match="key identifier"):
            wrong.make()


def _with_serial(content: bytes) -> bytes:
    """Alice's device certificate with another INTEGER for its serial; signed by nobody."""
    old = ALICE.device.der
    position = old.index(bytes.fromhex("0214"))
    grown = len(content) - 20
    patched = old[:position] + bytes((2, len(content))) + content + old[position + 22 :]
    outer, inner = int.from_bytes(old[2:4], "big") + grown, int.from_bytes(old[6:8], "big") + grown
    return patched[:2] + outer.to_bytes(2, "big") + patched[4:6] + inner.to_bytes(2, "big") + patched[8:]


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"\xff", b"\x80" + bytes(19), b"\0\1", b"\x01" * 21, b"\0" + b"\xff" * 20, b"\0" + b"\x81" * 20],
)
def test_serials_that_are_zero_negative_padded_or_too_long_are_refused(content: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CertificateError):
            Certificate.from_der(_with_serial(content))


def test_the_longest_serial_is_read() -> None:
    assert Certificate.from_der(_with_serial(b"\x7f" + b"\xff" * 19)).serial == 2**159 - 1
    assert Certificate.from_der(_with_serial(b"\x01")).serial == 1


PEM = ALICE.device.pem


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PEM[:-1],
        PEM + b"\n",
        PEM + PEM,
        b"\n" + PEM,
        b"subject=x\n" + PEM,
        PEM.replace(b"\n", b"\r\n"),
        PEM.replace(b"CERTIFICATE", b"X509 CRL"),
        PEM.replace(b"CERTIFICATE", b"certificate"),
        PEM[:28] + b"\n" + PEM[28:],
        PEM[:92] + PEM[93:],
        PEM[:60] + b"\n" + PEM[60:],
        PEM[:-26] + b"=" + PEM[-26:],
        PEM[:-28] + PEM[-27:],
        PEM[:-27] + b"=" + PEM[-27:],
        PEM[:40] + b" " + PEM[41:],
        PEM[:40] + b"=" + PEM[41:],
        PEM.decode().encode("utf-16"),
        ALICE.device.der,
    ],
)
def test_a_pem_file_has_one_spelling(data: bytes) -> None:
    assert data != PEM
    with pytest.raises(CertificateError):
        Certificate.from_pem(data)


def test_loose_bits_at_the_end_of_base64_are_refused() -> None:
    sizes = set()
    for pad in range(3):
        extra = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), bytes(pad)), False)
        pem = replace(ACCOUNT_FORGERY, extensions=(*ACCOUNT_FORGERY.extensions, extra)).make().pem
        body = pem.rpartition(b"-----END")[0]
        stripped = body.rstrip(b"=\n")
        sizes.add(body.count(b"="))
        if body.count(b"="):
            loose = bytes((stripped[-1] + 1,))
            with pytest.raises(CertificateError):
                Certificate.from_pem(stripped[:-1] + loose + pem[len(stripped) :])
    assert sizes == {0, 1, 2}


def _padded_der(total: int) -> bytes:
    def build(size: int) -> bytes:
        extra = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), bytes(size)), False)
        return replace(DEVICE_FORGERY, extensions=(*DEVICE_FORGERY.extensions, extra)).der()

    return build(total - len(build(10_000)) + 10_000)


def test_a_certificate_is_read_up_to_its_limit_and_not_one_byte_further() -> None:
    at_limit = _padded_der(limits.CERTIFICATE_BYTES_MAX)
    assert len(at_limit) == limits.CERTIFICATE_BYTES_MAX
    assert Certificate.from_der(at_limit).device_id == ALICE.device.device_id
    with pytest.raises(CertificateError, match="larger"):
        Certificate.from_der(_padded_der(limits.CERTIFICATE_BYTES_MAX + 1))
    with pytest.raises(CertificateError, match="larger"):
        Certificate.from_pem(b"-" * (limits.CERTIFICATE_BYTES_MAX + 1))
    with pytest.raises(CertificateError, match="not one PEM"):
        Certificate.from_pem(b"-" * limits.CERTIFICATE_BYTES_MAX)


def test_a_signature_of_another_length_or_version_is_refused() -> None:
    def with_parts(version: int, signature: bytes) -> bytes:
        content = der.Reader(ALICE.device.body).content(der.SEQUENCE)
        assert content.startswith(bytes.fromhex("a003020102"))
        body = der.element(der.SEQUENCE, der.element(0xA0, der.integer(version)), content[5:])
        signed = der.element(der.BIT_STRING, b"\0", signature)
        return der.element(der.SEQUENCE, body, bytes.fromhex("300506032b6570"), signed)

    assert Certificate.from_der(with_parts(2, ALICE.device.signature)) == ALICE.device
    for signature in (ALICE.device.signature[:-1], ALICE.device.signature + b"\0", b""):
        with pytest.raises(CertificateError, match="64 bytes"):
            Certificate.from_der(with_parts(2, signature))
    for version in (0, 1, 3):
        with pytest.raises(CertificateError, match="version 3"):
            Certificate.from_der(with_parts(version, ALICE.device.signature))


def test_der_with_bytes_after_it_is_refused() -> None:
    with pytest.raises(CertificateError):
        Certificate.from_der(ALICE.device.der + b"\0")
