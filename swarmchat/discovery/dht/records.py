"""Records: what stands under a key of the DHT, signed, numbered, and over at a time that nobody can put off. Pure. (SCP-05 §1.2)

msgpack `[kind, key, writer, salt, seq, created, ttl, data, sig, nonce]`, in one spelling. `sig` is the writer's over
"swarmchat/dht-record/1" and the msgpack of the first eight; SHA-256(sig ‖ nonce, 8 bytes) begins with as many zero bits as
a mailbox asks for.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass, field, replace
from typing import Final

import msgpack

from swarmchat import limits
from swarmchat.crypto.derivation import derive
from swarmchat.crypto.keys import KEY_BYTES, SIGNATURE_BYTES, PrivateKey, signed_by
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.dht.identity import work_target

DIGEST_BYTES: Final = 8

_CONTEXT: Final = b"swarmchat/dht-record/1"
_OWNED: Final = b"swarmchat/dht-owned/1"
_WRITER: Final = b"swarmchat/dht-writer/1"
_FIELDS: Final = 10


class Kind(enum.IntEnum):
    """Who may write under a key."""

    OWNED = 0  # whose key it is made of, and nobody else
    MAILBOX = 1  # anybody who does the work


class RecordFault(enum.StrEnum):
    """Why a record is not believed."""

    FORM = "form"
    KEY = "key"  # it was written for another key
    AHEAD = "ahead"
    EXPIRED = "expired"
    OWNER = "owner"  # the key is another writer's
    WORK = "work"
    SIGNATURE = "signature"


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it was read or written; `encoded` is what travels. Reading proves its form only: `check` judges it."""

    kind: Kind
    key: DhtKey
    writer: bytes  # Ed25519, 32 bytes; a pseudonym in a mailbox
    salt: bytes  # tells the records of one writer under one key apart
    seq: int  # a greater one replaces
    created: int  # seconds since 1970
    ttl: int  # seconds
    data: bytes
    signature: bytes
    nonce: int = 0  # the work; 0 in what is owned
    encoded: bytes = field(default=b"", repr=False, compare=False)

    @property
    def slot(self) -> tuple[bytes, bytes]:
        """What a newer record replaces this one in: its writer and salt."""
        return self.writer, self.salt

    @property
    def digest(self) -> bytes:
        """8 bytes that name this record to who may have it already; the work counts for nothing here."""
        return hashlib.sha256(self.signature).digest()[:DIGEST_BYTES]

    @property
    def expires(self) -> int:
        """When it is over, seconds since 1970."""
        return self.created + self.ttl

    @property
    def bits(self) -> int:
        """How much work was done for it: zero bits at the beginning of the digest."""
        found = hashlib.sha256(self.signature + self.nonce.to_bytes(8, "big")).digest()
        return 256 - int.from_bytes(found, "big").bit_length() if self.kind is Kind.MAILBOX else 0


def owned_key(writer: bytes, salt: bytes) -> DhtKey:
    """The only key under which `writer` (32 raw bytes) may put what is OWNED with this salt."""
    return DhtKey(hashlib.sha256(_OWNED + writer + salt).digest()[: limits.DHT_KEY_BYTES])


def pseudonym(secret: bytes, key: DhtKey) -> PrivateKey:
    """Who writes under a mailbox's key: the same again after a restart, and under another key somebody else.

    So our records replace each other, and nobody can tell who wrote in two mailboxes or hours. `secret`: 32 unpredictable
    bytes that stay with this node.
    """
    return PrivateKey.from_seed(derive(secret, _WRITER + key))


def write(
    kind: Kind, key: DhtKey, writer: PrivateKey, data: bytes, *, seq: int, created: int, ttl: int, salt: bytes = b""
) -> Record:
    """A signed record, no work done yet (`work`); ValueError for a field out of its bounds or a key that is not the owner's."""
    if kind is Kind.OWNED and key != owned_key(writer.public.raw, salt):
        raise ValueError("what is owned stands under its owner's key only")
    signed = _signed(kind, key, writer.public.raw, salt, seq, created, ttl, data)
    record = _whole(Record(kind, key, writer.public.raw, salt, seq, created, ttl, data, writer.sign(signed)))
    if not _in_bounds(record):
        raise ValueError("a field of a DHT record is out of its bounds")
    return record


def work(record: Record, bits: int) -> Record:
    """The same record with the first nonce that shows `bits` of work: 2^bits tries on average, 0.3 µs each; offload it.

    ValueError for more than `limits.DHT_WORK_BITS_MAX`, and for what is owned, which shows none.
    """
    if not 0 <= bits <= limits.DHT_WORK_BITS_MAX or record.kind is not Kind.MAILBOX:
        raise ValueError("at most 24 bits of work are done, and for mailboxes only")
    start = hashlib.sha256(record.signature)
    below = work_target(bits)
    nonce = 0
    while True:
        tried = start.copy()  # the signature is one block of SHA-256: this halves the work
        tried.update(nonce.to_bytes(8, "big"))
        if tried.digest() < below:
            return _whole(replace(record, nonce=nonce))
        nonce += 1


def read(raw: bytes) -> Record | RecordFault:
    """Read a record that anybody may have made; FORM for anything but the one spelling of fields within their bounds."""
    if len(raw) > limits.DHT_RECORD_BYTES_MAX:
        return RecordFault.FORM
    try:
        fields = msgpack.unpackb(raw, raw=False, max_array_len=_FIELDS, max_map_len=0, max_str_len=0, max_ext_len=0)
    except (ValueError, RecursionError):
        return RecordFault.FORM
    if not isinstance(fields, list) or len(fields) != _FIELDS:
        return RecordFault.FORM
    numbers, texts = (fields[0], *fields[4:7], fields[9]), (*fields[1:4], *fields[7:9])
    if not all(type(number) is int for number in numbers) or not all(type(text) is bytes for text in texts):
        return RecordFault.FORM
    if fields[0] not in (Kind.OWNED, Kind.MAILBOX):
        return RecordFault.FORM
    kind, key, writer, salt, seq, created, ttl, data, signature, nonce = fields
    record = Record(Kind(kind), key, writer, salt, seq, created, ttl, data, signature, nonce, bytes(raw))
    return record if _in_bounds(record) and _encode(record) == raw else RecordFault.FORM


def check(record: Record, key: DhtKey, now: float, bits: int = limits.DHT_WORK_BITS) -> RecordFault | None:
    """The first reason not to keep or believe this record under `key` now, or None; the dear signature is looked at last.

    `bits` of work are asked of a mailbox record. Storing nodes and readers ask alike.
    """
    if record.key != key:
        return RecordFault.KEY
    if record.created > now + limits.DHT_AHEAD_MAX_S:
        return RecordFault.AHEAD
    if record.expires <= now:
        return RecordFault.EXPIRED
    if record.kind is Kind.OWNED and key != owned_key(record.writer, record.salt):
        return RecordFault.OWNER
    if record.kind is Kind.MAILBOX and record.bits < bits:
        return RecordFault.WORK
    signed = _signed(record.kind, key, record.writer, record.salt, record.seq, record.created, record.ttl, record.data)
    return None if signed_by(record.writer, record.signature, signed) else RecordFault.SIGNATURE


def _in_bounds(record: Record) -> bool:
    return (
        len(record.key) == limits.DHT_KEY_BYTES
        and len(record.writer) == KEY_BYTES
        and len(record.salt) <= limits.DHT_SALT_BYTES_MAX
        and 0 <= record.seq < 2**63
        and 0 <= record.created < 2**40
        and 1 <= record.ttl <= limits.DHT_TTL_MAX_S
        and len(record.data) <= limits.DHT_DATA_BYTES_MAX
        and len(record.signature) == SIGNATURE_BYTES
        and 0 <= record.nonce < 2**63
        and (record.kind is Kind.MAILBOX or not record.nonce)
    )


def _signed(
    kind: Kind, key: DhtKey, writer: bytes, salt: bytes, seq: int, created: int, ttl: int, data: bytes
) -> bytes:
    return _CONTEXT + _pack([int(kind), key, writer, salt, seq, created, ttl, data])


def _encode(record: Record) -> bytes:
    head = [int(record.kind), record.key, record.writer, record.salt, record.seq, record.created, record.ttl]
    return _pack([*head, record.data, record.signature, record.nonce])


def _whole(record: Record) -> Record:
    return replace(record, encoded=_encode(record))


def _pack(fields: list[object]) -> bytes:
    packed: bytes = msgpack.packb(fields)
    return packed
