"""Hostile bytes never crash the crypto package, and nothing that was changed is accepted."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmchat.crypto import der, sshsig
from swarmchat.crypto.certificates import Certificate, CertificateError, check_chain, issue_account, issue_device
from swarmchat.crypto.exchange import exchange_public
from swarmchat.crypto.keys import PrivateKey
from swarmchat.crypto.letters import LetterError, open_letter, seal_letter
from swarmchat.crypto.revocation import RevocationList, device_prefix, issue_revocations
from swarmchat.crypto.sealing import SealError, open_archive
from swarmchat.crypto.veil import VeilError, unveil, veil
from tests.support.archives import cheap_archive
from tests.support.certs import ALICE, BOB, NOW

PAYLOAD = b"a commit"
ARMOUR = sshsig.sign(ALICE.device_key, PAYLOAD)
PREFIXES = [device_prefix(ALICE.device.device_id), device_prefix(BOB.device.device_id)]
LIST = issue_revocations(ALICE.account_key, ALICE.account, PREFIXES, number=4, now=NOW)
ARCHIVE = cheap_archive(b"the document")


def one_byte_changed(data: bytes) -> list[bytes]:
    """`data` with each byte in turn changed in its lowest bit, its highest, and all bits."""
    return [
        data[:at] + bytes((data[at] ^ mask,)) + data[at + 1 :] for at in range(len(data)) for mask in (0x01, 0x80, 0xFF)
    ]


def device_holds(data: bytes, read: Callable[[bytes], Certificate]) -> bool:
    try:
        return check_chain(read(data), ALICE.account, at=NOW) is None
    except CertificateError:
        return False


def account_holds(data: bytes, read: Callable[[bytes], Certificate]) -> bool:
    try:
        return check_chain(ALICE.device, read(data), at=NOW) is None
    except CertificateError:
        return False


def list_holds(data: bytes) -> bool:
    try:
        RevocationList.from_der(data, ALICE.account)
    except CertificateError:
        return False
    return True


def opens(data: bytes) -> bool:
    try:
        open_archive(data, "pw")
    except SealError:
        return False
    return True


def test_the_unchanged_ones_hold() -> None:
    assert device_holds(ALICE.device.der, Certificate.from_der)
    assert device_holds(ALICE.device.pem, Certificate.from_pem)
    assert account_holds(ALICE.account.der, Certificate.from_der)
    assert account_holds(ALICE.account.pem, Certificate.from_pem)
    assert list_holds(LIST.der)
    assert opens(ARCHIVE)
    assert sshsig.verify(ARMOUR, PAYLOAD, ALICE.device_key.public)


def test_no_changed_byte_of_a_certificate_is_accepted() -> None:
    for changed in one_byte_changed(ALICE.device.der):
        assert not device_holds(changed, Certificate.from_der)
    for changed in one_byte_changed(ALICE.device.pem):
        assert not device_holds(changed, Certificate.from_pem)
    for changed in one_byte_changed(ALICE.account.der):
        assert not account_holds(changed, Certificate.from_der)
    for changed in one_byte_changed(ALICE.account.pem):
        assert not account_holds(changed, Certificate.from_pem)


def test_no_changed_byte_of_a_revocation_list_is_accepted() -> None:
    for changed in one_byte_changed(LIST.der):
        assert not list_holds(changed)


def test_no_changed_byte_of_an_armour_or_signature_is_accepted() -> None:
    key = ALICE.device_key.public
    for changed in one_byte_changed(ARMOUR.encode()):
        assert not sshsig.verify(changed.decode("latin-1"), PAYLOAD, key)
    signature = ALICE.device_key.sign(PAYLOAD)
    for changed in one_byte_changed(signature):
        assert not key.verify(changed, PAYLOAD)
    for changed in one_byte_changed(base64.b64decode("".join(ARMOUR.split("\n")[1:-1]))):
        text = base64.b64encode(changed).decode()
        lines = "".join(text[at : at + 70] + "\n" for at in range(0, len(text), 70))
        assert not sshsig.verify(f"-----BEGIN SSH SIGNATURE-----\n{lines}-----END SSH SIGNATURE-----", PAYLOAD, key)


def test_no_changed_byte_of_an_archive_opens_it() -> None:
    for changed in one_byte_changed(ARCHIVE):
        assert not opens(changed)


@given(st.binary(max_size=600))
def test_any_bytes_are_read_or_refused_by_name(data: bytes) -> None:
    assert not device_holds(data, Certificate.from_der)
    assert not device_holds(data, Certificate.from_pem)
    assert not list_holds(data)
    assert not opens(data)
    assert not opens(b"swarmchat-archive-1\n" + data)
    assert not sshsig.verify(data.decode("latin-1"), PAYLOAD, ALICE.device_key.public)


@given(st.text(max_size=400))
def test_any_text_as_an_armour_is_refused(text: str) -> None:
    assert not sshsig.verify(text, PAYLOAD, ALICE.device_key.public)
    assert not sshsig.verify(ARMOUR[:30] + text + ARMOUR[-29:], PAYLOAD, ALICE.device_key.public)


@st.composite
def spliced(draw: st.DrawFn, data: bytes) -> bytes:
    """`data` with a few pieces cut out, doubled, moved or overwritten: mostly still DER in large part."""
    for _ in range(draw(st.integers(1, 4))):
        at, length = draw(st.integers(0, len(data))), draw(st.integers(0, 40))
        piece = draw(st.one_of(st.binary(max_size=24), st.just(data[at : at + length])))
        data = data[:at] + piece + data[at + draw(st.integers(0, 40)) :]
    return data


def signed_again(key: PrivateKey, content: bytes) -> bytes:
    """What an issuer who goes astray can make: any body, rightly wrapped and rightly signed."""
    algorithm = bytes.fromhex("300506032b6570")
    body = der.element(der.SEQUENCE, content)
    return der.element(der.SEQUENCE, body, algorithm, der.element(der.BIT_STRING, b"\0", key.sign(body)))


def content_of_body(data: bytes) -> bytes:
    return der.Reader(data).enter(der.SEQUENCE).content(der.SEQUENCE)


@settings(max_examples=400)
@given(spliced(content_of_body(ALICE.device.der)))
def test_what_we_read_out_of_an_odd_but_signed_certificate_another_library_reads_too(content: bytes) -> None:
    data = signed_again(ALICE.account_key, content)
    try:
        ours = Certificate.from_der(data)
    except CertificateError:
        return
    theirs = x509.load_der_x509_certificate(data)
    assert theirs.serial_number == ours.serial
    assert int(theirs.not_valid_before_utc.timestamp()) == ours.not_before
    assert int(theirs.not_valid_after_utc.timestamp()) == ours.not_after
    assert ours.subject_id in theirs.subject.rfc4514_string()
    assert ours.issuer_id in theirs.issuer.rfc4514_string()
    assert Certificate.from_pem(ours.pem) == ours


@settings(max_examples=400)
@given(spliced(content_of_body(LIST.der)))
def test_what_we_read_out_of_an_odd_but_signed_list_another_library_reads_too(content: bytes) -> None:
    data = signed_again(ALICE.account_key, content)
    try:
        ours = RevocationList.from_der(data, ALICE.account)
    except CertificateError:
        return
    theirs = x509.load_der_x509_crl(data)
    assert {entry.serial_number.to_bytes(20, "big")[1:17] for entry in theirs} == ours.revoked
    assert theirs.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == ours.number


@given(
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=16, max_size=16),
    st.integers(86_400, 4_000_000_000),
    st.integers(0, 2**24 - 1),
)
def test_whatever_is_issued_is_valid_and_read_back(
    account_seed: bytes, device_seed: bytes, entropy: bytes, now: int, renewal: int
) -> None:
    account_key, device_key = PrivateKey.from_seed(account_seed), PrivateKey.from_seed(device_seed)
    account = issue_account(account_key, now=now, entropy=entropy)
    device = issue_device(account_key, account, device_key.public, now=now, renewal=renewal)
    assert Certificate.from_pem(account.pem) == account
    assert Certificate.from_pem(device.pem) == device
    assert check_chain(device, account, at=now) is None
    x509.load_der_x509_certificate(device.der).verify_directly_issued_by(x509.load_der_x509_certificate(account.der))


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_signature_holds_for_its_payload_only(payload: bytes, other: bytes) -> None:
    armour = sshsig.sign(ALICE.device_key, payload)
    assert sshsig.verify(armour, payload, ALICE.device_key.public)
    assert sshsig.verify(armour, other, ALICE.device_key.public) == (other == payload)


@given(
    st.binary(max_size=3_700)
    | st.sampled_from([304, 560, 1_072, 2_096, 3_120, 3_632]).flatmap(
        lambda size: st.binary(min_size=size, max_size=size)
    )
)
def test_bytes_of_a_stranger_are_no_letter_and_no_traceback(data: bytes) -> None:
    with pytest.raises(LetterError):
        open_letter(data, [bytes(32), bytes([1]) * 32], purpose="mailbox", device=bytes(32), key=bytes(20))


@given(
    st.binary(max_size=3_700)
    | st.sampled_from([284, 540, 1_052]).flatmap(lambda size: st.binary(min_size=size, max_size=size))
)
def test_bytes_of_a_stranger_are_not_veiled_and_no_traceback(data: bytes) -> None:
    with pytest.raises(VeilError):
        unveil(data, bytes(20), purpose="presence", bucket=1, key=bytes(20))


@given(st.binary(max_size=3_582), st.binary(min_size=32, max_size=32), st.binary(min_size=20, max_size=20))
def test_what_is_sealed_is_opened_by_its_key_alone(payload: bytes, private: bytes, key: bytes) -> None:
    sealed = seal_letter(payload, exchange_public(private), purpose="ice", device=bytes(32), key=key)
    assert open_letter(sealed, [bytes([7]) * 32, private], purpose="ice", device=bytes(32), key=key) == payload
    veiled = veil(payload, private, purpose="crl", bucket=3, key=key, nonce=bytes(12))
    assert unveil(veiled, private, purpose="crl", bucket=3, key=key) == payload
