from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from swarmchat import limits
from swarmchat.crypto.certificates import CertificateError, ChainFault, check_chain, issue_account
from swarmchat.crypto.keys import PrivateKey
from swarmchat.crypto.revocation import RevocationList, device_prefix, issue_revocations
from tests.support.certs import ALICE, BOB, NOW, x509_name

FIRST = device_prefix(ALICE.device.device_id)
OTHER = bytes(range(16))


def issue(*devices: bytes, number: int = 1, now: int = NOW) -> RevocationList:
    return issue_revocations(ALICE.account_key, ALICE.account, devices, number=number, now=now)


def test_a_list_is_what_the_page_says() -> None:
    theirs = x509.load_der_x509_crl(issue(OTHER, FIRST, OTHER, number=7).der)
    assert theirs.issuer == x509.load_der_x509_certificate(ALICE.account.der).subject
    assert theirs.is_signature_valid(Ed25519PrivateKey.from_private_bytes(ALICE.account_key.seed).public_key())
    assert theirs.next_update_utc == datetime.fromtimestamp(ALICE.account.not_after, tz=UTC)
    assert theirs.last_update_utc == datetime.fromtimestamp(NOW, tz=UTC)
    assert [entry.serial_number for entry in theirs] == sorted(
        int("01" + prefix.hex() + "000000", 16) for prefix in (FIRST, OTHER)
    )
    assert theirs.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 7
    assert len(list(theirs.extensions)) == 2


@pytest.mark.parametrize("devices", [(), (FIRST,), (FIRST, OTHER), (b"\xff" * 16, bytes(16))])
def test_what_was_issued_is_read_back(devices: tuple[bytes, ...]) -> None:
    made = issue(*devices, number=3)
    read = RevocationList.from_der(made.der, ALICE.account)
    assert read == made
    assert (read.number, read.revoked, read.issuer_id) == (3, frozenset(devices), ALICE.account.account_id)


def test_a_listed_device_no_longer_passes_the_chain_check() -> None:
    assert check_chain(ALICE.device, ALICE.account, at=NOW, revoked=issue(OTHER).revoked) is None
    assert check_chain(ALICE.device, ALICE.account, at=NOW, revoked=issue(FIRST).revoked) is ChainFault.REVOKED


def test_a_list_outlives_the_renewal_of_the_account_certificate() -> None:
    renewed = issue_account(ALICE.account_key, now=NOW + 1000, entropy=bytes(16))
    assert RevocationList.from_der(issue(FIRST).der, renewed).revoked == {FIRST}


def test_the_list_of_another_account_is_refused() -> None:
    with pytest.raises(CertificateError) as caught:
        RevocationList.from_der(issue(FIRST).der, BOB.account)
    assert caught.value.fault is ChainFault.ID_MISMATCH


def test_a_device_certificate_signs_no_list() -> None:
    with pytest.raises(CertificateError) as caught:
        RevocationList.from_der(issue(FIRST).der, ALICE.device)
    assert caught.value.fault is ChainFault.NOT_A_CA


def test_numbers_run_from_one_to_their_limit() -> None:
    assert issue(number=1).number == 1
    assert issue(number=limits.REVOCATION_NUMBER_MAX).number == limits.REVOCATION_NUMBER_MAX
    for number in (-1, 0, limits.REVOCATION_NUMBER_MAX + 1):
        with pytest.raises(ValueError, match="number"):
            issue(number=number)


def test_prefixes_of_another_length_and_foreign_keys_are_not_issued() -> None:
    for length in (15, 17):
        with pytest.raises(ValueError, match="16 bytes"):
            issue(bytes(length))
    with pytest.raises(ValueError, match="not that of the account"):
        issue_revocations(BOB.account_key, ALICE.account, [], number=1, now=NOW)


def test_a_list_grows_up_to_its_limit_and_not_further() -> None:
    prefixes = [n.to_bytes(16, "big") for n in range(2000)]
    entry = len(issue(*prefixes[:1001]).der) - len(issue(*prefixes[:1000]).der)
    fitting = 1000 + (limits.REVOCATION_LIST_BYTES_MAX - len(issue(*prefixes[:1000]).der)) // entry
    assert issue(*prefixes[:fitting]).revoked == frozenset(prefixes[:fitting])
    with pytest.raises(CertificateError, match="larger"):
        issue(*prefixes[: fitting + 1])
    with pytest.raises(CertificateError, match="larger"):
        RevocationList.from_der(bytes(limits.REVOCATION_LIST_BYTES_MAX + 1), ALICE.account)


def forge(
    *,
    signer: PrivateKey = ALICE.account_key,
    serials: tuple[int, ...] = (int("01" + FIRST.hex() + "000005", 16),),
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = ((x509.CRLNumber(2), False),),
    entry_extension: x509.ExtensionType | None = None,
    issuer: x509.Name | None = None,
) -> bytes:
    moment = datetime.fromtimestamp(NOW, tz=UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer or x509_name("swarmchat account", ALICE.account.subject_id))
        .last_update(moment)
        .next_update(moment + timedelta(days=1))
    )
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(moment)
        if entry_extension is not None:
            entry = entry.add_extension(entry_extension, critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(Ed25519PrivateKey.from_private_bytes(signer.seed), None).public_bytes(Encoding.DER)


def test_the_renewal_number_of_a_revoked_serial_does_not_matter() -> None:
    assert RevocationList.from_der(forge(), ALICE.account).revoked == {FIRST}


def test_a_list_that_another_key_signed_is_refused() -> None:
    with pytest.raises(CertificateError) as caught:
        RevocationList.from_der(forge(signer=BOB.account_key), ALICE.account)
    assert caught.value.fault is ChainFault.SIGNATURE


@pytest.mark.parametrize(
    "data",
    [
        forge(serials=(5,)),
        forge(serials=(int("02" + FIRST.hex() + "000000", 16),)),
        forge(serials=(int(FIRST.hex() + "000000", 16) >> 8,)),
        forge(extensions=()),
        forge(extensions=((x509.AuthorityKeyIdentifier(bytes.fromhex(ALICE.account.subject_id), None, None), False),)),
        forge(extensions=((x509.CRLNumber(2), True),)),
        forge(extensions=((x509.CRLNumber(0), False),)),
        forge(extensions=((x509.CRLNumber(2**63), False),)),
        forge(extensions=((x509.CRLNumber(2), False), (x509.DeltaCRLIndicator(1), True))),
        forge(
            extensions=(
                (x509.CRLNumber(2), False),
                (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\5\0"), False),
            )
        ),
        forge(
            extensions=(
                (x509.CRLNumber(2), False),
                (x509.AuthorityKeyIdentifier(bytes(20), None, None), False),
            )
        ),
        forge(entry_extension=x509.CRLReason(x509.ReasonFlags.remove_from_crl)),
        forge(issuer=x509_name("somebody", ALICE.account.subject_id)),
        issue(FIRST).der.replace(bytes.fromhex("020101300506032b6570"), bytes.fromhex("020100300506032b6570")),
        issue(FIRST).der + b"\0",
        issue(FIRST).der[:-1],
        ALICE.account.der,
        b"",
    ],
)  # fmt: skip
def test_a_list_of_another_form_is_refused(data: bytes) -> None:
    with pytest.raises(CertificateError):
        RevocationList.from_der(data, ALICE.account)


def test_a_prefix_is_the_first_sixteen_bytes_of_the_id() -> None:
    assert device_prefix(ALICE.device.device_id).hex() == ALICE.device.device_id[:32]
