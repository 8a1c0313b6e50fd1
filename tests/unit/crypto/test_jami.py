"""RSA certificates as Jami writes them: read strictly, judged as a chain, with every bound at its edge. (SCP-02 §9.4, §9.6)"""

from __future__ import annotations

import re

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from swarmchat import limits
from swarmchat.crypto import der, jami
from swarmchat.crypto.certificates import CertificateError, ChainFault
from swarmchat.crypto.jami import JamiKey
from tests.support.jami import ALICE, BOB, MADE, TEN_YEARS, bundled, certificate, key, long_id, short_id, spki

NOW = MADE + 10


def fault(device: bytes, above: bytes, *, at: int = NOW, latest: int = NOW) -> ChainFault | None:
    return jami.chain_fault(jami.read_file(device)[0], jami.read_file(above), at=at, latest=latest)


def made(bits: int, exponent: int = 65537, *, odd: bool = True) -> bytes:
    """The SubjectPublicKeyInfo of a number that need not be a key."""
    return (
        RSAPublicNumbers(exponent, (1 << bits - 1) | odd)
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )


def real_files() -> list[bytes]:
    return [data for kind, data in bundled().objects.values() if kind == 3 and data]


def test_real_certificates_are_read_serial_numbers_below_zero_included() -> None:
    files = [jami.read_file(data) for data in real_files()]
    assert sorted(map(len, files)) == [1, 1, 2, 2]
    for file in files:
        assert all(one.key.modulus.bit_length() == 4096 for one in file)
        assert all(one.subject_id == one.key.account_id for one in file)
    accounts = {file[0].key.account_id: file for file in files if len(file) == 2}
    for (device,) in (file for file in files if len(file) == 1):
        chain = accounts[jami.AccountId(device.issuer_id)]
        assert jami.chain_fault(device, chain, at=1_795_245_115, latest=1_795_245_122) is None


def test_ids_are_hashes_of_the_key() -> None:
    read = JamiKey.from_spki(spki("alice"))
    assert (read.account_id, read.device_id) == (short_id("alice"), long_id("alice"))


def test_a_signature_holds_for_its_bytes_alone() -> None:
    public = JamiKey.from_spki(spki("bob"))
    signature = key("bob").sign(b"data", PKCS1v15(), hashes.SHA512())
    assert public.verify(signature, b"data")
    assert not public.verify(signature, b"datb")
    assert not public.verify(signature[:-1], b"data")
    assert not public.verify(b"\0" + signature, b"data")
    assert not public.verify(b"", b"data")
    assert not public.verify(key("bob").sign(b"data", PKCS1v15(), hashes.SHA256()), b"data")
    assert not JamiKey.from_spki(spki("alice")).verify(signature, b"data")


@pytest.mark.parametrize(
    ("bits", "fine"),
    [
        (limits.JAMI_RSA_BITS_MIN - 1, False),
        (limits.JAMI_RSA_BITS_MIN, True),
        (limits.JAMI_RSA_BITS_MAX, True),
        (limits.JAMI_RSA_BITS_MAX + 1, False),
    ],
)
def test_keys_have_2048_to_8192_bits(bits: int, fine: bool) -> None:
    if fine:
        assert JamiKey.from_spki(made(bits)).modulus.bit_length() == bits
    else:
        with pytest.raises(CertificateError, match="bits"):
            JamiKey.from_spki(made(bits))


def test_other_keys_are_refused() -> None:
    ed25519 = bytes.fromhex("302a300506032b6570032100") + b"\1" * 32
    for wrong in (made(2048, 3), made(2048, odd=True).replace(b"\x01\x00\x01", b"\x01\x00\x03"), ed25519):
        with pytest.raises(CertificateError) as caught:
            JamiKey.from_spki(wrong)
        assert caught.value.fault is ChainFault.KEY_TYPE
    negative = der.element(
        der.SEQUENCE,
        bytes.fromhex("300d06092a864886f70d0101010500"),
        der.element(
            der.BIT_STRING,
            b"\0",
            der.element(der.SEQUENCE, der.element(der.INTEGER, b"\xff" * 256), der.integer(65537)),
        ),
    )
    with pytest.raises(CertificateError, match="positive"):
        JamiKey.from_spki(negative)


def test_an_honest_chain_holds_within_its_time() -> None:
    end, begin = MADE + TEN_YEARS, MADE - limits.NOT_BEFORE_SLACK_S
    assert fault(BOB.file, BOB.chain) is None
    assert fault(BOB.file, BOB.chain, latest=end) is None
    assert fault(BOB.file, BOB.chain, latest=end + 1) is ChainFault.EXPIRED
    assert fault(BOB.file, BOB.chain, at=begin) is None
    assert fault(BOB.file, BOB.chain, at=begin - 1) is ChainFault.NOT_YET_VALID


def test_what_does_not_hang_together_has_its_fault() -> None:
    authority = certificate("ca", "ca", ca=True)
    assert fault(BOB.file, ALICE.chain) is ChainFault.ID_MISMATCH
    assert fault(certificate("bob-laptop", "alice", ca=False, uid=short_id("bob")), BOB.chain) is ChainFault.SIGNATURE
    assert fault(certificate("bob-laptop", "bob", ca=True), BOB.chain) is ChainFault.IS_A_CA
    assert fault(BOB.file, certificate("bob", "ca", ca=False) + authority) is ChainFault.NOT_A_CA
    assert fault(BOB.file, certificate("bob", "ca", ca=True)) is ChainFault.ID_MISMATCH  # nobody above it
    assert fault(BOB.file, certificate("bob", "ca", ca=True, signer="alice") + authority) is ChainFault.SIGNATURE
    assert fault(BOB.file, BOB.chain.replace(authority, ALICE.chain)) is ChainFault.ID_MISMATCH
    assert fault(BOB.file, BOB.chain.replace(authority, certificate("ca", "ca", ca=True, signer="bob"))) is (
        ChainFault.SIGNATURE
    )
    expired = certificate("ca", "ca", ca=True, end=NOW - 1)
    assert fault(BOB.file, certificate("bob", "ca", ca=True) + expired) is ChainFault.EXPIRED


def test_a_file_is_certificates_and_nothing_else() -> None:
    assert len(jami.read_file(BOB.file * limits.JAMI_CHAIN_MAX)) == limits.JAMI_CHAIN_MAX
    for wrong in (
        b"",
        b"x",
        BOB.file * (limits.JAMI_CHAIN_MAX + 1),
        b"\n" + BOB.file,
        BOB.file + b"x",
        BOB.file[:-1],
        BOB.file.replace(b"\n", b"\r\n"),
        BOB.file.replace(b"M", b"N", 1),
        b"-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
    ):
        with pytest.raises(CertificateError):
            jami.read_file(wrong)
    with pytest.raises(CertificateError, match="over"):
        jami.read_file(BOB.file + b" " * limits.CERTIFICATE_BYTES_MAX)


def test_a_certificate_of_another_kind_is_refused() -> None:
    """Ours of Ed25519 among them: the two readers do not overlap."""
    from tests.support import builders  # noqa: PLC0415

    with pytest.raises(CertificateError):
        jami.read_file(builders.ALICE.certificate.pem)


def test_every_byte_of_a_certificate_that_is_changed_is_refused_or_breaks_the_chain() -> None:
    import base64  # noqa: PLC0415

    text = re.sub(rb"-----.*?-----\n", b"", BOB.file)
    raw = base64.b64decode(text.replace(b"\n", b""))
    for at in range(len(raw)):
        changed = base64.b64encode(raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :])
        lines = b"".join(changed[i : i + 64] + b"\n" for i in range(0, len(changed), 64))
        file = b"-----BEGIN CERTIFICATE-----\n" + lines + b"-----END CERTIFICATE-----\n"
        try:
            verdict = fault(file, BOB.chain)
        except CertificateError:
            continue
        assert verdict is not None, at
