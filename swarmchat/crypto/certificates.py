"""Account and device certificates: issue them, read them, judge a chain at a given time. (SCP-01 §1)"""

from __future__ import annotations

import base64
import re
from collections.abc import Container
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Final

from swarmchat import limits
from swarmchat.crypto import der
from swarmchat.crypto.keys import ED25519_ALGORITHM, SIGNATURE_BYTES, PrivateKey, PublicKey
from swarmchat.ids import AccountId, DeviceId

DIGITAL_SIGNATURE: Final = 0x80
KEY_CERT_SIGN: Final = 0x04
CRL_SIGN: Final = 0x02
ACCOUNT_ENTROPY_BYTES: Final = 16
RENEWAL_MAX: Final = 2**24 - 1
SERIAL_MAX: Final = 2**159 - 1  # RFC 5280 §4.1.2.2: positive, at most 20 bytes

_BASIC_CONSTRAINTS: Final = bytes.fromhex("551d13")
_KEY_USAGE: Final = bytes.fromhex("551d0f")
_SUBJECT_KEY_ID: Final = bytes.fromhex("551d0e")
AUTHORITY_KEY_ID: Final = bytes.fromhex("551d23")
_COMMON_NAME: Final = bytes.fromhex("550403")
_USER_ID: Final = bytes.fromhex("0992268993f22c640101")
_VERSION_3: Final = der.element(0xA0, der.integer(2))

_PEM: Final = re.compile(
    rb"-----BEGIN CERTIFICATE-----\n((?:[A-Za-z0-9+/]{64}\n)*[A-Za-z0-9+/]{1,64}={0,2}\n)-----END CERTIFICATE-----\n"
)
_CACHED_BYTES_MAX = 1024  # ours have about 420; what a stranger blows up is parsed anew and does not fill the caches


class ChainFault(Enum):
    """Why a chain does not hold; the values are stable names. (SCP-01 §1.5)"""

    SIGNATURE = "signature"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    REVOKED = "revoked"
    NOT_A_CA = "not_a_ca"
    IS_A_CA = "is_a_ca"
    KEY_USAGE = "key_usage"
    KEY_TYPE = "key_type"
    ID_MISMATCH = "id_mismatch"


class CertificateError(ValueError):
    """Not a certificate, or revocation list, of SCP-01 §1; `fault` is set where a chain would have that fault by it."""

    def __init__(self, message: str, fault: ChainFault | None = None) -> None:
        super().__init__(message)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as it was read; equal when its bytes are. Reading proves its form only: `check_chain` judges it."""

    der: bytes = field(repr=False)
    key: PublicKey = field(repr=False, compare=False)
    subject_id: str = field(compare=False)
    issuer_id: str = field(compare=False)
    not_before: int = field(compare=False)
    not_after: int = field(compare=False)
    serial: int = field(compare=False)
    is_ca: bool = field(compare=False)
    usage: int = field(compare=False)
    body: bytes = field(repr=False, compare=False)
    signature: bytes = field(repr=False, compare=False)

    @classmethod
    def from_pem(cls, data: bytes) -> Certificate:
        """Read exactly one certificate in the one spelling of SCP-01 §1.7; raises CertificateError."""
        if len(data) > limits.CERTIFICATE_BYTES_MAX:
            raise CertificateError("a certificate file is larger than allowed")
        return _unwrapped(data) if len(data) <= _CACHED_BYTES_MAX else _unwrap(data)

    @classmethod
    def from_der(cls, data: bytes) -> Certificate:
        """Read a certificate of SCP-01 §1.1 or §1.2 (names, ids and key type included); raises CertificateError."""
        if len(data) > limits.CERTIFICATE_BYTES_MAX:
            raise CertificateError("a certificate is larger than allowed")
        return _parsed(data) if len(data) <= _CACHED_BYTES_MAX else _parse(data)

    @property
    def pem(self) -> bytes:
        """PEM with lines of 64 characters and one final line feed. (SCP-01 §1.7)"""
        return _pem(self.der)

    @property
    def names_account(self) -> bool:
        """Whether its subject is an account, by its name; `check_chain` knows whether it may be one."""
        return len(self.subject_id) == 40

    @property
    def account_id(self) -> AccountId:
        """The account it is about: of its own key, or for a device the one its issuer claims to be."""
        return self.key.account_id if self.names_account else AccountId(self.issuer_id)

    @property
    def device_id(self) -> DeviceId:
        """The device id of its key."""
        return self.key.device_id


def issue_account(key: PrivateKey, *, now: int, entropy: bytes) -> Certificate:
    """A self-signed account certificate; `now` in seconds since 1970, `entropy` 16 unpredictable bytes. (SCP-01 §1.1)

    Raises ValueError for times before 1970-01-02 or validity past 9999, or entropy of another length.
    """
    if len(entropy) != ACCOUNT_ENTROPY_BYTES:
        raise ValueError("the serial number of an account certificate takes 16 bytes of entropy")
    account = key.public.account_id
    name = account_name(account)
    return _issue(
        key,
        serial=(int.from_bytes(entropy, "big") >> 1) or 1,
        issuer=name,
        subject=name,
        spki=key.public.spki,
        not_before=now - limits.NOT_BEFORE_SLACK_S,
        not_after=now + limits.ACCOUNT_VALIDITY_S,
        extensions=(
            # path length 0: an account certifies devices, and a device certifies nothing
            der.extension(
                _BASIC_CONSTRAINTS,
                der.element(der.SEQUENCE, der.element(der.BOOLEAN, b"\xff"), der.integer(0)),
                critical=True,
            ),
            _key_usage(KEY_CERT_SIGN | CRL_SIGN),
            der.extension(_SUBJECT_KEY_ID, _subject_key_id(account)),
        ),
    )


def issue_device(
    account_key: PrivateKey, account: Certificate, device: PublicKey, *, now: int, renewal: int = 0
) -> Certificate:
    """A device certificate issued by the account; `renewal` (0 … 2^24 − 1) counts the certificates of this key. (SCP-01 §1.2)

    Raises ValueError if the key is not the account's, or for a time or renewal number out of range.
    """
    if account_key.public != account.key:
        raise ValueError("the key is not that of the account certificate")
    return _issue(
        account_key,
        serial=device_serial(device.device_id, renewal),
        issuer=account_name(account.account_id),
        subject=_name(_DEVICE, device.device_id),
        spki=device.spki,
        not_before=now - limits.NOT_BEFORE_SLACK_S,
        not_after=now + limits.DEVICE_VALIDITY_S,
        extensions=(
            der.extension(_BASIC_CONSTRAINTS, der.element(der.SEQUENCE), critical=True),
            _key_usage(DIGITAL_SIGNATURE),
            der.extension(_SUBJECT_KEY_ID, _subject_key_id(device.device_id)),
            der.extension(AUTHORITY_KEY_ID, authority_key_id(account.account_id)),
        ),
    )


def check_chain(
    device: Certificate, account: Certificate, *, at: float, revoked: Container[bytes] = frozenset()
) -> ChainFault | None:
    """The first fault of the chain at time `at` (seconds since 1970), or None: the whole of SCP-01 §1.5.

    `revoked` holds the 16-byte device id prefixes of the account's revocation lists (SCP-01 §1.6).
    """
    fault = _lasting_fault_once(device, account) if _are_small(device, account) else _lasting_fault(device, account)
    if fault is not None:
        return fault
    if not (at >= device.not_before and at >= account.not_before):
        return ChainFault.NOT_YET_VALID
    if not (at <= device.not_after and at <= account.not_after):
        return ChainFault.EXPIRED
    if bytes.fromhex(device.key.device_id[:32]) in revoked:
        return ChainFault.REVOKED
    return None


def device_serial(device: DeviceId, renewal: int) -> int:
    """The serial number of a device's certificate: 0x01 ‖ first 16 bytes of its id ‖ 24-bit renewal number. (SCP-01 §1.2)"""
    if not 0 <= renewal <= RENEWAL_MAX:
        raise ValueError("a renewal number has 24 bits")
    return int("01" + device[:32], 16) << 24 | renewal


def account_name(account: AccountId) -> bytes:
    """The DER name of an account: subject and issuer of its certificates, issuer of its revocation lists."""
    return _name(_ACCOUNT, account)


def authority_key_id(account: AccountId) -> bytes:
    """The value of the extension that points at the account's key; the key identifier is the account id."""
    return der.element(der.SEQUENCE, der.element(0x80, bytes.fromhex(account)))


_ACCOUNT: Final = "swarmchat account"
_DEVICE: Final = "swarmchat device"
_CA_USAGE: Final = KEY_CERT_SIGN | CRL_SIGN


def _name(common_name: str, user_id: str) -> bytes:
    return der.element(
        der.SEQUENCE,
        *(
            der.element(
                der.SET,
                der.element(
                    der.SEQUENCE, der.element(der.OBJECT_ID, oid), der.element(der.UTF8_STRING, value.encode("ascii"))
                ),
            )
            for oid, value in ((_COMMON_NAME, common_name), (_USER_ID, user_id))
        ),
    )


_ACCOUNT_NAME: Final = re.compile(re.escape(_name(_ACCOUNT, "0" * 40)[:-40]) + rb"([0-9a-f]{40})", re.DOTALL)
_DEVICE_NAME: Final = re.compile(re.escape(_name(_DEVICE, "0" * 64)[:-64]) + rb"([0-9a-f]{64})", re.DOTALL)


def read_account_name(name: bytes) -> AccountId:
    """The account id in a DER name; CertificateError if it is not the name of an account."""
    match = _ACCOUNT_NAME.fullmatch(name)
    if match is None:
        raise CertificateError("the issuer is not named as an account")
    return AccountId(match[1].decode("ascii"))


def _read_subject(name: bytes) -> str:
    match = _ACCOUNT_NAME.fullmatch(name) or _DEVICE_NAME.fullmatch(name)
    if match is None:
        raise CertificateError("the subject is not named as an account or a device")
    return match[1].decode("ascii")


def _key_usage(flags: int) -> bytes:
    unused = (flags & -flags).bit_length() - 1
    return der.extension(_KEY_USAGE, der.element(der.BIT_STRING, bytes((unused, flags))), critical=True)


def _subject_key_id(subject_id: str) -> bytes:
    return der.element(der.OCTET_STRING, bytes.fromhex(subject_id[:40]))


def _issue(
    key: PrivateKey,
    *,
    serial: int,
    issuer: bytes,
    subject: bytes,
    spki: bytes,
    not_before: int,
    not_after: int,
    extensions: tuple[bytes, ...],
) -> Certificate:
    body = der.element(
        der.SEQUENCE,
        _VERSION_3,
        der.integer(serial),
        ED25519_ALGORITHM,
        issuer,
        der.element(der.SEQUENCE, der.time(not_before), der.time(not_after)),
        subject,
        spki,
        der.element(0xA3, der.element(der.SEQUENCE, *extensions)),
    )
    return Certificate.from_der(seal_body(key, body))


def seal_body(key: PrivateKey, body: bytes) -> bytes:
    """Sign the body of a certificate or revocation list and put the two together."""
    return der.element(der.SEQUENCE, body, ED25519_ALGORITHM, der.element(der.BIT_STRING, b"\0", key.sign(body)))


def open_body(reader: der.Reader) -> tuple[bytes, bytes]:
    """Read what `seal_body` wrote: the body, still with its tag, and the signature; DerError, CertificateError."""
    outer = reader.enter(der.SEQUENCE)
    reader.finish()
    body = outer.element(der.SEQUENCE)
    require_ed25519(outer)
    signature = outer.bits()
    outer.finish()
    if len(signature) != SIGNATURE_BYTES:
        raise CertificateError("an Ed25519 signature has 64 bytes")
    return body, signature


def require_ed25519(reader: der.Reader) -> None:
    """Read an AlgorithmIdentifier that must be Ed25519 without parameters."""
    if reader.element(der.SEQUENCE) != ED25519_ALGORITHM:
        raise CertificateError("signed with something else than Ed25519", ChainFault.KEY_TYPE)


def _parse(data: bytes) -> Certificate:
    try:
        return _read(data)
    except der.DerError as error:
        raise CertificateError(f"not a certificate: {error}") from None


def _read(data: bytes) -> Certificate:
    whole, signature = open_body(der.Reader(data))
    body = der.Reader(whole).enter(der.SEQUENCE)
    if body.element(0xA0) != _VERSION_3:
        raise CertificateError("not an X.509 certificate of version 3")
    serial = body.integer()
    if not 1 <= serial <= SERIAL_MAX:
        raise CertificateError("a serial number is positive and has at most 20 bytes")
    require_ed25519(body)
    issuer_id = read_account_name(body.element(der.SEQUENCE))
    validity = body.enter(der.SEQUENCE)
    not_before, not_after = validity.time(), validity.time()
    validity.finish()
    subject_id = _read_subject(body.element(der.SEQUENCE))
    spki = body.element(der.SEQUENCE)
    try:
        key = PublicKey.from_spki(spki)
    except ValueError as error:
        raise CertificateError(str(error), ChainFault.KEY_TYPE) from None
    wrapper = body.enter(0xA3)
    body.finish()
    extensions = der.read_extensions(wrapper)
    wrapper.finish()
    is_ca, usage = _read_purpose(extensions)
    # TLS libraries follow these two when they build a chain, so they must say what the names say, or be absent.
    for oid, value in ((_SUBJECT_KEY_ID, _subject_key_id(subject_id)), (AUTHORITY_KEY_ID, authority_key_id(issuer_id))):
        if oid in extensions and extensions[oid].value != value:
            raise CertificateError("a key identifier that is not the id")
    return Certificate(data, key, subject_id, issuer_id, not_before, not_after, serial, is_ca, usage, whole, signature)


def _read_purpose(extensions: dict[bytes, der.Extension]) -> tuple[bool, int]:
    constraints, usage = extensions.get(_BASIC_CONSTRAINTS), extensions.get(_KEY_USAGE)
    if constraints is None or usage is None:
        raise CertificateError("a certificate says whether it is a CA and what its key is for")
    if any(one.critical for one in extensions.values() if one is not constraints and one is not usage):
        raise CertificateError("a critical extension that nobody here understands")
    reader = der.Reader(constraints.value)
    inner = reader.enter(der.SEQUENCE)
    reader.finish()
    is_ca = inner.boolean()
    if is_ca and not inner.finished:
        inner.integer()  # how many further CAs may stand below; there is never one
    inner.finish()
    reader = der.Reader(usage.value)
    flags = reader.flags()
    reader.finish()
    return is_ca, flags


_parsed = lru_cache(maxsize=4096)(_parse)


def _unwrap(data: bytes) -> Certificate:
    match = _PEM.fullmatch(data)
    if match is None:
        raise CertificateError("not one PEM certificate with lines of 64 characters and a final line feed")
    try:
        content = base64.b64decode(match[1].replace(b"\n", b""), validate=True)
    except ValueError:
        raise CertificateError("the base64 of a certificate is broken") from None
    if _pem(content) != data:
        raise CertificateError("the base64 of a certificate is not in its one spelling")
    return Certificate.from_der(content)


_unwrapped = lru_cache(maxsize=4096)(_unwrap)  # three times a commit, of the same few files


def _lasting_fault(device: Certificate, account: Certificate) -> ChainFault | None:
    """What no time and no revocation list changes."""
    if not account.names_account or not account.is_ca or account.usage & _CA_USAGE != _CA_USAGE:
        return ChainFault.NOT_A_CA
    if device.is_ca or device.usage & KEY_CERT_SIGN:
        return ChainFault.IS_A_CA
    if not device.usage & DIGITAL_SIGNATURE:
        return ChainFault.KEY_USAGE
    account_id, device_id = account.key.account_id, device.key.device_id
    if (
        not account.subject_id == account.issuer_id == device.issuer_id == account_id
        or device.subject_id != device_id
        or device.serial >> 24 != device_serial(device_id, 0) >> 24
    ):
        return ChainFault.ID_MISMATCH
    if not (_self_signed(account) and account.key.verify(device.signature, device.body)):
        return ChainFault.SIGNATURE
    return None


_lasting_fault_once = lru_cache(maxsize=8192)(
    _lasting_fault
)  # two verifications, and a history shows the same chain with every commit


def _are_small(device: Certificate, account: Certificate) -> bool:
    return max(len(device.der), len(account.der)) <= _CACHED_BYTES_MAX


def _self_signed(account: Certificate) -> bool:
    return account.key.verify(account.signature, account.body)


def _pem(content: bytes) -> bytes:
    text = base64.b64encode(content)
    lines = b"".join(text[at : at + 64] + b"\n" for at in range(0, len(text), 64))
    return b"-----BEGIN CERTIFICATE-----\n" + lines + b"-----END CERTIFICATE-----\n"
