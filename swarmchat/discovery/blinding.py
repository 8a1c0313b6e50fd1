"""Keys of the DHT that only who knows an id can compute or link over the hours. Pure. (SCP-05 §1.3)"""

from __future__ import annotations

import enum
import hashlib
import hmac
from typing import NewType

from swarmchat import limits

DhtKey = NewType("DhtKey", bytes)  # 20 bytes


class Purpose(enum.StrEnum):
    """What stands under a key; the id that blinds it in brackets."""

    PRESENCE = "presence"  # device cards (account)
    CRL = "crl"  # revocation lists (account)
    MAILBOX = "mailbox"  # sealed mail (device)
    ICE = "ice"  # offers and answers (device)
    HOSTS = "hosts"  # who serves a conversation (conversation)
    PAIRING = "pairing"  # the card of a temporary device that waits to be linked (that device)


def bucket(now: float) -> int:
    """The hour of a time in seconds since 1970: floor(now / 3600)."""
    return int(now // limits.DHT_BUCKET_S)


def blinded_key(purpose: Purpose, id_bytes: bytes, number: int) -> DhtKey:
    """The key of an id (its raw bytes) for a purpose in the bucket `number`."""
    name = f"swarmchat/dht/1/{purpose}/{number}".encode()
    return DhtKey(hmac.new(id_bytes, name, hashlib.sha256).digest()[: limits.DHT_KEY_BYTES])


def writing(now: float) -> int:
    """The bucket that is put to."""
    return bucket(now)


def reading(now: float) -> tuple[int, ...]:
    """The buckets that are read, in their order: the previous one until 720 s after its end, the next from 180 s before.

    So long may a record of the previous hour live, written by a clock that is 120 s behind; and clocks run ahead as well.
    """
    return tuple(range(bucket(now - limits.DHT_BUCKET_AFTER_S), bucket(now + limits.DHT_BUCKET_BEFORE_S) + 1))
