"""Revocation lists: which devices an account has withdrawn. (SCP-01 §1.6)"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from swarmchat import limits
from swarmchat.crypto import der
from swarmchat.crypto.certificates import (
    AUTHORITY_KEY_ID,
    CRL_SIGN,
    Certificate,
    CertificateError,
    ChainFault,
    account_name,
    authority_key_id,
    open_body,
    read_account_name,
    require_ed25519,
    seal_body,
)
from swarmchat.crypto.keys import ED25519_ALGORITHM, PrivateKey
from swarmchat.ids import AccountId, DeviceId

PREFIX_BYTES: Final = 16

_CRL_NUMBER: Final = bytes.fromhex("551d14")
_VERSION_2: Final = der.integer(1)
_SERIAL_BITS: Final = 8 * (1 + PREFIX_BYTES + 3)


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A list that its account signed; equal when its bytes are. `revoked` holds 16-byte prefixes of device ids."""

    der: bytes = field(repr=False)
    number: int = field(compare=False)
    revoked: frozenset[bytes] = field(compare=False)
    issuer_id: AccountId = field(compare=False)

    @classmethod
    def from_der(cls, data: bytes, account: Certificate) -> RevocationList:
        """Read a list and check that `account` signed it; its dates are ignored. Raises CertificateError."""
        if len(data) > limits.REVOCATION_LIST_BYTES_MAX:
            raise CertificateError("a revocation list is larger than allowed")
        try:
            return _read(data, account)
        except der.DerError as error:
            raise CertificateError(f"not a revocation list: {error}") from None


def issue_revocations(
    account_key: PrivateKey, account: Certificate, devices: Iterable[bytes], *, number: int, now: int
) -> RevocationList:
    """The list number `number` (1 … 2^63 − 1) of all devices the account has withdrawn, by their 16-byte prefixes.

    Raises ValueError if the key is not the account's, a prefix has another length, a number or time is out of range,
    or the list would pass `limits.REVOCATION_LIST_BYTES_MAX`.
    """
    if account_key.public != account.key:
        raise ValueError("the key is not that of the account certificate")
    if not 1 <= number <= limits.REVOCATION_NUMBER_MAX:
        raise ValueError("the number of a revocation list is at least 1 and fits 63 bits")
    prefixes = sorted(set(devices))
    if any(len(prefix) != PREFIX_BYTES for prefix in prefixes):
        raise ValueError("a device is revoked by the first 16 bytes of its id")
    moment = der.time(now)
    entries = [
        der.element(der.SEQUENCE, der.integer(int.from_bytes(b"\x01" + prefix + bytes(3), "big")), moment)
        for prefix in prefixes
    ]
    body = der.element(
        der.SEQUENCE,
        _VERSION_2,
        ED25519_ALGORITHM,
        account_name(account.account_id),
        moment,
        der.time(account.not_after),
        der.element(der.SEQUENCE, *entries) if entries else b"",  # RFC 5280 §5.1.2.6: an empty list is left out
        der.element(
            0xA0,
            der.element(
                der.SEQUENCE,
                der.extension(AUTHORITY_KEY_ID, authority_key_id(account.account_id)),
                der.extension(_CRL_NUMBER, der.integer(number)),
            ),
        ),
    )
    return RevocationList.from_der(seal_body(account_key, body), account)


def device_prefix(device: DeviceId) -> bytes:
    """The first 16 bytes of a device id: what a revocation list and a certificate's serial number say of it."""
    return bytes.fromhex(device[: 2 * PREFIX_BYTES])


def _read(data: bytes, account: Certificate) -> RevocationList:
    whole, signature = open_body(der.Reader(data))
    body = der.Reader(whole).enter(der.SEQUENCE)
    if body.element(der.INTEGER) != _VERSION_2:
        raise CertificateError("not a revocation list of version 2")
    require_ed25519(body)
    issuer = read_account_name(body.element(der.SEQUENCE))
    body.time()
    body.time()
    revoked = _read_entries(body.enter(der.SEQUENCE)) if body.at(der.SEQUENCE) else frozenset()
    wrapper = body.enter(0xA0)
    body.finish()
    number = _read_number(der.read_extensions(wrapper), issuer)
    wrapper.finish()
    if not account.is_ca or not account.usage & CRL_SIGN:
        raise CertificateError("the certificate may not sign revocation lists", ChainFault.NOT_A_CA)
    if not issuer == account.subject_id == account.key.account_id:
        raise CertificateError("the revocation list of another account", ChainFault.ID_MISMATCH)
    if not account.key.verify(signature, whole):
        raise CertificateError("the account did not sign this revocation list", ChainFault.SIGNATURE)
    return RevocationList(data, number, revoked, issuer)


def _read_entries(entries: der.Reader) -> frozenset[bytes]:
    revoked: set[bytes] = set()
    while not revoked or not entries.finished:
        entry = entries.enter(der.SEQUENCE)
        serial = entry.integer()
        entry.time()
        entry.finish()
        if serial >> (_SERIAL_BITS - 8) != 1:
            raise CertificateError("a revoked serial number that is not a device's")
        revoked.add(serial.to_bytes(_SERIAL_BITS // 8, "big")[1 : 1 + PREFIX_BYTES])
    return frozenset(revoked)


def _read_number(extensions: dict[bytes, der.Extension], issuer: AccountId) -> int:
    if any(extension.critical for extension in extensions.values()):
        raise CertificateError("a critical extension that nobody here understands")
    if extensions.keys() - {_CRL_NUMBER, AUTHORITY_KEY_ID}:
        raise CertificateError("a revocation list has its number, the key of its issuer and no other extension")
    if AUTHORITY_KEY_ID in extensions and extensions[AUTHORITY_KEY_ID].value != authority_key_id(issuer):
        raise CertificateError("a key identifier that is not the id")
    if _CRL_NUMBER not in extensions:
        raise CertificateError("a revocation list without a number")
    reader = der.Reader(extensions[_CRL_NUMBER].value)
    number = reader.integer()
    reader.finish()
    if not 1 <= number <= limits.REVOCATION_NUMBER_MAX:
        raise CertificateError("the number of a revocation list is at least 1 and fits 63 bits")
    return number
