"""Mail that a mailbox carries: signed by its writer, opened by one device. Pure. (SCP-06 §9)

msgpack `[mimetype, body, [account DER, device DER], ts, sig]`. `sig` is the device key's over a context, the device that is to
read it and the bytes of `[mimetype, body, ts]` as they came; so nobody can hand a letter on to another, or change it.
The sender stands nowhere but in the chain.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass

import msgpack

from swarmchat.crypto.certificates import Certificate, CertificateError, check_chain
from swarmchat.crypto.keys import PrivateKey
from swarmchat.ids import AccountId, DeviceId
from swarmchat.swarm.invitations import Sender
from swarmchat.swarm.mail import Letter, letter_fields, read_letter
from swarmchat.swarm.messages import MessageError

_CONTEXT = b"swarmchat/mail/1"
_TRIPLE = b"\x93"  # msgpack: an array of three
_FIELDS = 5
_SIGNATURE_BYTES = 64


class LetterFault(enum.StrEnum):
    """Why an opened letter is not believed."""

    FORM = "form"
    CHAIN = "chain"
    SIGNATURE = "signature"


@dataclass(frozen=True, slots=True)
class Opened:
    """A letter and who wrote it, both proved; None for mail of a later version."""

    sender: Sender
    letter: Letter | None


def write(letter: Letter, *, account: Certificate, device: Certificate, key: PrivateKey, to: DeviceId) -> bytes:
    """What is to be sealed to the device `to`."""
    fields = letter_fields(letter)
    mimetype, body, written = (_packed(fields[name]) for name in ("mimetype", "body", "ts"))
    signature = key.sign(_signed(to, mimetype, body, written))
    chain = _packed([account.der, device.der])
    return b"\x95" + mimetype + body + chain + written + _packed(signature)


def read(
    plain: bytes, *, to: DeviceId, now: float, revoked: Callable[[AccountId], Container[bytes]]
) -> Opened | LetterFault:
    """Judge what `open_letter` gave at `now` (seconds since 1970); `revoked` as in `check_chain`, for the account asked."""
    try:
        fields, raw = _split(plain)
        mimetype, body, chain, written, signature = fields
        account, device = _chain(chain)
        if type(signature) is not bytes or len(signature) != _SIGNATURE_BYTES:
            return LetterFault.FORM
        letter = read_letter({"mimetype": mimetype, "body": body, "ts": written})
    except (ValueError, CertificateError, MessageError, RecursionError):
        return LetterFault.FORM
    if check_chain(device, account, at=now, revoked=revoked(account.account_id)) is not None:
        return LetterFault.CHAIN
    if not device.key.verify(signature, _signed(to, raw[0], raw[1], raw[3])):
        return LetterFault.SIGNATURE
    return Opened(Sender(account.account_id, device.device_id), letter)


def _signed(to: DeviceId, mimetype: bytes, body: bytes, written: bytes) -> bytes:
    return _CONTEXT + bytes.fromhex(to) + _TRIPLE + mimetype + body + written


def _packed(value: object) -> bytes:
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


def _split(plain: bytes) -> tuple[list[object], list[bytes]]:
    """The five fields, and the bytes of each; ValueError for any other form."""
    size = max(1, len(plain))  # also of what a list claims to hold: room for it would be made before it is there
    reader = msgpack.Unpacker(raw=False, strict_map_key=True, object_pairs_hook=_unique, max_buffer_size=size)
    reader.feed(plain)
    fields: list[object] = []
    raw: list[bytes] = []
    try:
        if reader.read_array_header() != _FIELDS:
            raise ValueError("not the fields of a letter")
        for _ in range(_FIELDS):
            begin = reader.tell()
            fields.append(reader.unpack())
            raw.append(plain[begin : reader.tell()])
    except msgpack.OutOfData:
        raise ValueError("cut off") from None
    except msgpack.UnpackException as error:
        raise ValueError("not msgpack") from error
    if reader.tell() != len(plain):
        raise ValueError("something follows the letter")
    return fields, raw


def _chain(value: object) -> tuple[Certificate, Certificate]:
    if not isinstance(value, list) or len(value) != 2 or not all(isinstance(each, bytes) for each in value):
        raise ValueError("a chain is two certificates")
    account, device = (Certificate.from_der(each) for each in value)
    if not account.is_ca or device.is_ca:
        raise ValueError("the certificates are the wrong way round")
    return account, device


def _unique(pairs: Iterable[tuple[object, object]]) -> dict[object, object]:
    rows = list(pairs)
    body = dict(rows)
    if len(body) != len(rows):
        raise ValueError("a key is given twice")
    return body
