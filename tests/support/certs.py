"""Identities with fixed keys, and certificates that no honest issuer would make."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from swarmchat.crypto.certificates import Certificate, device_serial, issue_account, issue_device
from swarmchat.crypto.keys import PrivateKey

NOW = 1_750_000_000
DAY = 86_400


@dataclass(frozen=True)
class Identity:
    """An account, its first device, and the certificates of both."""

    account_key: PrivateKey
    account: Certificate
    device_key: PrivateKey
    device: Certificate


def make_identity(name: str, *, now: int = NOW) -> Identity:
    """The same name gives the same identity."""
    account_key = PrivateKey.from_seed(f"{name} account".encode().ljust(32, b"."))
    device_key = PrivateKey.from_seed(f"{name} device".encode().ljust(32, b"."))
    account = issue_account(account_key, now=now, entropy=name.encode().ljust(16, b"."))
    return Identity(account_key, account, device_key, issue_device(account_key, account, device_key.public, now=now))


ALICE = make_identity("alice")
BOB = make_identity("bob")
EVE = make_identity("eve")


def x509_name(common_name: str, user_id: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, common_name), x509.NameAttribute(NameOID.USER_ID, user_id)]
    )


def x509_usage(*flags: str) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: name in flags for name in names})


@dataclass(frozen=True)
class Forgery:
    """A certificate built by another library; every field may be wrong. The defaults make Alice's valid device certificate."""

    signer: Any = ALICE.account_key
    key: Any = ALICE.device_key.public
    common_name: str = "swarmchat device"
    user_id: str = ALICE.device.subject_id
    issuer_name: str = "swarmchat account"
    issuer_user_id: str = ALICE.account.subject_id
    serial: int = device_serial(ALICE.device_key.public.device_id, 0)
    start: int = NOW - DAY
    end: int = NOW + 3650 * DAY
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509_usage("digital_signature"), True),
    )
    hash: Any = None

    def der(self) -> bytes:
        key = Ed25519PublicKey.from_public_bytes(self.key.raw) if hasattr(self.key, "raw") else self.key
        signer = Ed25519PrivateKey.from_private_bytes(self.signer.seed) if hasattr(self.signer, "seed") else self.signer
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509_name(self.common_name, self.user_id))
            .issuer_name(x509_name(self.issuer_name, self.issuer_user_id))
            .public_key(key)
            .serial_number(self.serial)
            .not_valid_before(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=self.start))
            .not_valid_after(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=self.end))
        )
        for extension, critical in self.extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(signer, self.hash).public_bytes(Encoding.DER)

    def make(self) -> Certificate:
        return Certificate.from_der(self.der())


DEVICE_FORGERY = Forgery()
ACCOUNT_FORGERY = replace(
    DEVICE_FORGERY,
    key=ALICE.account_key.public,
    common_name="swarmchat account",
    user_id=ALICE.account.subject_id,
    serial=7,
    end=NOW + 7300 * DAY,
    extensions=(
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (x509_usage("key_cert_sign", "crl_sign"), True),
    ),
)
