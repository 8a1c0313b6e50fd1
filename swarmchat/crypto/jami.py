"""The RSA certificates and signatures of repositories that Jami made: read strictly, judged as a chain. Nothing is issued. (SCP-02 §9.4–§9.5)

A reader of its own beside `certificates`: ours are Ed25519 in one spelling, these are what gnutls writes. About half of the real
ones have a serial number that is zero or negative, so the serial is read as bytes and used for nothing.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from swarmchat import limits
from swarmchat.crypto import der
from swarmchat.crypto.certificates import CRL_SIGN, KEY_CERT_SIGN, CertificateError, ChainFault
from swarmchat.ids import AccountId, DeviceId

_RSA_ALGORITHM: Final = bytes.fromhex("300d06092a864886f70d0101010500")  # rsaEncryption with NULL
_SIGNATURES: Final[dict[bytes, hashes.HashAlgorithm]] = {
    bytes.fromhex("300d06092a864886f70d01010b0500"): hashes.SHA256(),
    bytes.fromhex("300d06092a864886f70d01010c0500"): hashes.SHA384(),
    bytes.fromhex("300d06092a864886f70d01010d0500"): hashes.SHA512(),
}
_COMMIT_HASH: Final = hashes.SHA512()
_EXPONENT: Final = 65537
_BASIC_CONSTRAINTS: Final = bytes.fromhex("551d13")
_KEY_USAGE: Final = bytes.fromhex("551d0f")
_USER_ID: Final = bytes.fromhex("0992268993f22c640101")
_STRINGS: Final = (0x0C, 0x13, 0x16)  # UTF8String, PrintableString, IA5String
_NAME_PARTS_MAX: Final = 16
_SERIAL_BYTES_MAX: Final = 20
_VERSION_3: Final = der.element(0xA0, der.integer(2))
_ID: Final = re.compile(rb"[0-9a-f]{40}")
_BLOCK: Final = (
    rb"-----BEGIN CERTIFICATE-----\n((?:[A-Za-z0-9+/]{64}\n)*[A-Za-z0-9+/]{1,64}={0,2}\n)-----END CERTIFICATE-----\n"
)
_FILE: Final = re.compile(rb"(?:%s){1,%d}" % (_BLOCK, limits.JAMI_CHAIN_MAX))
_CERTIFICATE: Final = re.compile(_BLOCK)


@dataclass(frozen=True, slots=True)
class JamiKey:
    """An RSA public key of 2,048 to 8,192 bits with exponent 65537; equal when its DER is."""

    spki: bytes
    modulus: int = field(repr=False, compare=False)

    @classmethod
    def from_spki(cls, spki: bytes) -> Self:
        """Read a DER SubjectPublicKeyInfo; raises CertificateError with KEY_TYPE for any other key."""
        outer = der.Reader(spki).enter(der.SEQUENCE)
        if outer.element(der.SEQUENCE) != _RSA_ALGORITHM:
            raise CertificateError("the key is no RSA key", ChainFault.KEY_TYPE)
        numbers = der.Reader(outer.bits())
        outer.finish()
        pair = numbers.enter(der.SEQUENCE)
        numbers.finish()
        content, exponent = pair.content(der.INTEGER), pair.integer()
        pair.finish()
        if len(content) < 2 or content[0] & 0x80 or (content[0] == 0 and not content[1] & 0x80):
            raise CertificateError("the modulus is no positive number in its shortest form", ChainFault.KEY_TYPE)
        modulus = int.from_bytes(content, "big")
        if not limits.JAMI_RSA_BITS_MIN <= modulus.bit_length() <= limits.JAMI_RSA_BITS_MAX:
            raise CertificateError(
                f"an RSA key of {modulus.bit_length()} bits, not {limits.JAMI_RSA_BITS_MIN} to {limits.JAMI_RSA_BITS_MAX}",
                ChainFault.KEY_TYPE,
            )
        if exponent != _EXPONENT or not modulus & 1:
            raise CertificateError("an RSA key of a form that nobody makes", ChainFault.KEY_TYPE)
        return cls(spki, modulus)

    @property
    def account_id(self) -> AccountId:
        """SHA-1 of the key: the id of the account whose key it is, and the short id of a device."""
        return AccountId(hashlib.sha1(self.spki, usedforsecurity=False).hexdigest())

    @property
    def device_id(self) -> DeviceId:
        """SHA-256 of the key: the id of the device whose key it is."""
        return DeviceId(hashlib.sha256(self.spki).hexdigest())

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether this key signed a commit: RSASSA-PKCS1-v1_5 with SHA-512."""
        return _verify(self, signature, data, _COMMIT_HASH)


@dataclass(frozen=True, slots=True)
class JamiCertificate:
    """One certificate as it was read; equal when its bytes are. `chain_fault` judges it."""

    der: bytes = field(repr=False)
    key: JamiKey = field(repr=False, compare=False)
    subject_id: str = field(compare=False)  # the UID in the name: the short id of its own key
    issuer_id: str = field(compare=False)
    not_before: int = field(compare=False)
    not_after: int = field(compare=False)
    is_ca: bool = field(compare=False)
    usage: int | None = field(compare=False)  # None: it does not say what its key is for
    body: bytes = field(repr=False, compare=False)
    signature: bytes = field(repr=False, compare=False)
    algorithm: bytes = field(repr=False, compare=False)


def read_file(data: bytes) -> tuple[JamiCertificate, ...]:
    """The certificates of a file in PEM, leaf first; raises CertificateError for anything else in it, and beyond the bounds."""
    if len(data) > limits.CERTIFICATE_BYTES_MAX:
        raise CertificateError(f"a certificate file is over {limits.CERTIFICATE_BYTES_MAX} bytes")
    return _read_file(data)


def chain_fault(
    device: JamiCertificate, above: Sequence[JamiCertificate], *, at: float, latest: float
) -> ChainFault | None:
    """The first fault of device ← account ← … ← a self-signed CA, or None: begun by `at` and not over at `latest` (seconds since 1970).

    `above` is the file of the account: its own certificate, then those above it. Two times, so that nobody outlives a
    certificate by dating back.
    """
    if device.is_ca or (device.usage or 0) & KEY_CERT_SIGN:
        return ChainFault.IS_A_CA
    chain = (device, *above)
    for below, issuer in zip(chain, (*above, above[-1]), strict=True):
        if below is not device and not _is_ca(below):
            return ChainFault.NOT_A_CA
        if below.subject_id != below.key.account_id or below.issuer_id != issuer.key.account_id:
            return ChainFault.ID_MISMATCH
        if not _signed(below, issuer):
            return ChainFault.SIGNATURE
    if any(at < one.not_before - limits.NOT_BEFORE_SLACK_S for one in chain):
        return ChainFault.NOT_YET_VALID
    if any(latest > one.not_after for one in chain):
        return ChainFault.EXPIRED
    return None


def _is_ca(certificate: JamiCertificate) -> bool:
    wanted = KEY_CERT_SIGN | CRL_SIGN
    return certificate.is_ca and certificate.usage is not None and certificate.usage & wanted == wanted


@lru_cache(maxsize=4096)  # of the same few files, with every commit
def _read_file(data: bytes) -> tuple[JamiCertificate, ...]:
    if _FILE.fullmatch(data) is None:
        raise CertificateError(f"not 1 to {limits.JAMI_CHAIN_MAX} PEM certificates with lines of 64 characters")
    try:
        return tuple(_read(base64.b64decode(text.replace(b"\n", b""))) for text in _CERTIFICATE.findall(data))
    except der.DerError as error:
        raise CertificateError(f"not a certificate: {error}") from None
    except ValueError as error:
        if isinstance(error, CertificateError):
            raise
        raise CertificateError("the base64 of a certificate is broken") from None


def _read(data: bytes) -> JamiCertificate:
    reader = der.Reader(data)
    outer = reader.enter(der.SEQUENCE)
    reader.finish()
    whole = outer.element(der.SEQUENCE)
    algorithm = outer.element(der.SEQUENCE)
    signature = outer.bits()
    outer.finish()
    body = der.Reader(whole).enter(der.SEQUENCE)
    if body.element(0xA0) != _VERSION_3:
        raise CertificateError("not an X.509 certificate of version 3")
    if not 1 <= len(body.content(der.INTEGER)) <= _SERIAL_BYTES_MAX:
        raise CertificateError("a serial number of no or too many bytes")
    if algorithm not in _SIGNATURES or body.element(der.SEQUENCE) != algorithm:
        raise CertificateError("signed with something else than RSA and SHA-2", ChainFault.KEY_TYPE)
    issuer_id = _read_name(body.enter(der.SEQUENCE))
    validity = body.enter(der.SEQUENCE)
    not_before, not_after = validity.time(), validity.time()
    validity.finish()
    subject_id = _read_name(body.enter(der.SEQUENCE))
    key = JamiKey.from_spki(body.element(der.SEQUENCE))
    is_ca, usage = False, None
    if not body.finished:
        wrapper = body.enter(0xA3)
        is_ca, usage = _read_purpose(der.read_extensions(wrapper))
        wrapper.finish()
    body.finish()
    return JamiCertificate(
        data, key, subject_id, issuer_id, not_before, not_after, is_ca, usage, whole, signature, algorithm
    )


def _read_name(name: der.Reader) -> str:
    """The one UID in a name; whatever else it says is nobody's id."""
    found: list[bytes] = []
    for _ in range(_NAME_PARTS_MAX):
        if name.finished:
            break
        part = name.enter(der.SET)
        pair = part.enter(der.SEQUENCE)
        part.finish()
        oid = pair.object_id()
        tag = next((tag for tag in _STRINGS if pair.at(tag)), None)
        if tag is None:
            raise CertificateError("a name with something else than text in it")
        text = pair.content(tag)
        pair.finish()
        if oid == _USER_ID:
            found.append(text)
    name.finish()
    if len(found) != 1 or not _ID.fullmatch(found[0]):
        raise CertificateError("a name has one UID, which is an id of 40 lower-case hex digits")
    return found[0].decode("ascii")


def _read_purpose(extensions: dict[bytes, der.Extension]) -> tuple[bool, int | None]:
    constraints, usage = extensions.get(_BASIC_CONSTRAINTS), extensions.get(_KEY_USAGE)
    if any(one.critical for one in extensions.values() if one is not constraints and one is not usage):
        raise CertificateError("a critical extension that nobody here understands")
    is_ca = False
    if constraints is not None:
        reader = der.Reader(constraints.value)
        inner = reader.enter(der.SEQUENCE)
        reader.finish()
        is_ca = inner.boolean()
        if is_ca and not inner.finished:
            inner.integer()
        inner.finish()
    if usage is None:
        return is_ca, None
    reader = der.Reader(usage.value)
    flags = reader.flags()
    reader.finish()
    return is_ca, flags


@lru_cache(maxsize=8192)  # a history shows the same chain with every commit
def _signed(below: JamiCertificate, issuer: JamiCertificate) -> bool:
    return _verify(issuer.key, below.signature, below.body, _SIGNATURES[below.algorithm])


def _verify(key: JamiKey, signature: bytes, data: bytes, digest: hashes.HashAlgorithm) -> bool:
    if len(signature) != (key.modulus.bit_length() + 7) // 8:
        return False
    loaded = _loaded(key)
    if loaded is None:
        return False
    try:
        loaded.verify(signature, data, PKCS1v15(), digest)
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=1024)
def _loaded(key: JamiKey) -> RSAPublicKey | None:
    try:
        return RSAPublicNumbers(_EXPONENT, key.modulus).public_key()
    except ValueError:
        return None
