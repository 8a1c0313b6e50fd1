from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import msgpack
import pytest

from swarmchat import limits
from swarmchat.crypto.keys import PrivateKey
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.dht.records import (
    Kind,
    Record,
    RecordFault,
    check,
    owned_key,
    pseudonym,
    read,
    work,
    write,
)

NOW = 1_780_000_000
KEY = DhtKey(bytes(range(20)))
WRITER = PrivateKey.from_seed(bytes([9]) * 32)
OWN = owned_key(WRITER.public.raw, b"salt")


def mailbox(data: bytes = b"sealed", **fields: Any) -> Record:
    return write(Kind.MAILBOX, KEY, WRITER, data, **({"seq": 5, "created": NOW, "ttl": 600, "salt": b"s"} | fields))


def owned(**fields: Any) -> Record:
    given = {"seq": 5, "created": NOW, "ttl": 600, "salt": b"salt"} | fields
    return write(Kind.OWNED, OWN, WRITER, b"mine", **given)


def parsed(raw: bytes) -> Record:
    found = read(raw)
    assert isinstance(found, Record), found
    return found


def changed(place: int, value: object, record: Record | None = None) -> bytes:
    """The bytes of a record with another field, signature and work left as they are."""
    fields = msgpack.unpackb((record or mailbox()).encoded)
    fields[place] = value
    packed: bytes = msgpack.packb(fields)
    return packed


def test_a_record_is_read_back_and_believed() -> None:
    for made, key in ((work(mailbox(), 4), KEY), (owned(), OWN)):
        assert parsed(made.encoded) == made
        assert parsed(made.encoded).encoded == made.encoded
        assert check(made, key, NOW, bits=4) is None


def test_its_bytes_are_an_array_of_ten_signed_over_the_first_eight() -> None:
    record = work(mailbox(), 4)
    fields = msgpack.unpackb(record.encoded)
    assert fields[:8] == [1, KEY, WRITER.public.raw, b"s", 5, NOW, 600, b"sealed"]
    assert WRITER.public.verify(fields[8], b"swarmchat/dht-record/1" + msgpack.packb(fields[:8]))
    assert hashlib.sha256(fields[8] + fields[9].to_bytes(8, "big")).digest()[0] < 16


def test_the_largest_record_fits_its_bound() -> None:
    record = mailbox(bytes(limits.DHT_DATA_BYTES_MAX), seq=2**63 - 1, created=2**40 - 1, salt=bytes(16))
    largest = replace(record, nonce=2**63 - 1)
    assert len(changed(9, largest.nonce, record)) <= limits.DHT_RECORD_BYTES_MAX


@pytest.mark.parametrize(
    "fields",
    [{"seq": -1}, {"seq": 2**63}, {"created": -1}, {"created": 2**40}, {"ttl": 0}, {"ttl": 601}, {"salt": bytes(17)},
     {"data": bytes(3841)}],
)  # fmt: skip
def test_nothing_out_of_bounds_is_written(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="bounds"):
        mailbox(**fields)


def test_nobody_writes_under_the_key_of_another_owner() -> None:
    with pytest.raises(ValueError, match="owner"):
        write(Kind.OWNED, KEY, WRITER, b"", seq=1, created=NOW, ttl=60)


@pytest.mark.parametrize(
    ("place", "value"),
    [(0, 2), (0, -1), (0, True), (0, 1.0), (1, bytes(19)), (1, bytes(21)), (1, "k" * 20), (2, bytes(31)), (3, bytes(17)), (3, None),
     (4, -1), (4, 2**63), (4, 1.5), (4, False), (5, -1), (5, 2**40), (6, 0), (6, 601), (6, "600"), (7, bytes(3841)), (7, [b""]),
     (7, {}), (8, bytes(63)), (8, bytes(65)), (9, -1), (9, 2**63), (9, None)],
)  # fmt: skip
def test_a_field_out_of_its_bounds_is_no_record(place: int, value: object) -> None:
    assert read(changed(place, value)) is RecordFault.FORM


@pytest.mark.parametrize(("place", "value"), [(4, 0), (4, 2**63 - 1), (5, 0), (5, 2**40 - 1), (6, 1), (9, 2**63 - 1)])
def test_a_field_at_its_bound_is_read(place: int, value: int) -> None:
    assert isinstance(read(changed(place, value)), Record)


def test_another_spelling_is_no_record() -> None:
    raw = mailbox().encoded
    fields = msgpack.unpackb(raw)
    assert raw[:2] == b"\x9a\x01"
    for other in (
        b"",
        raw[:-1],
        raw + b"\0",
        b"\xdc\x00\x0a" + raw[1:],  # the length of the array in two bytes
        b"\x9a\xcc\x01" + raw[2:],  # an integer in two bytes
        msgpack.packb(fields[:9]),
        msgpack.packb([*fields, 0]),
        msgpack.packb({}),
        b"\x91" * 3000,
        bytes(limits.DHT_RECORD_BYTES_MAX + 1),
    ):
        assert read(other) is RecordFault.FORM


def test_what_is_owned_shows_no_work() -> None:
    assert read(changed(9, 1, owned())) is RecordFault.FORM
    assert owned().bits == 0
    with pytest.raises(ValueError, match="mailboxes only"):
        work(owned(), 0)


def test_a_record_counts_under_its_own_key_only() -> None:
    assert check(work(mailbox(), 0), DhtKey(bytes(20)), NOW, bits=0) is RecordFault.KEY
    moved = parsed(changed(1, bytes(20)))
    assert check(moved, DhtKey(bytes(20)), NOW, bits=0) is RecordFault.SIGNATURE


@pytest.mark.parametrize(
    ("now", "fault"),
    [(NOW - 121, RecordFault.AHEAD), (NOW - 120, None), (NOW + 599.9, None), (NOW + 600, RecordFault.EXPIRED)],
)
def test_a_record_counts_from_when_it_was_made_until_it_is_over(now: float, fault: RecordFault | None) -> None:
    assert check(mailbox(), KEY, now, bits=0) is fault


def test_only_the_owner_writes_under_an_owned_key() -> None:
    other = PrivateKey.from_seed(bytes([8]) * 32)
    theirs = write(
        Kind.OWNED, owned_key(other.public.raw, b"salt"), other, b"x", seq=5, created=NOW, ttl=60, salt=b"salt"
    )
    assert check(parsed(changed(1, OWN, theirs)), OWN, NOW) is RecordFault.OWNER
    assert check(parsed(changed(3, b"pepper", owned())), OWN, NOW) is RecordFault.OWNER


@pytest.mark.parametrize("bits", [0, 1, 5, 8, 11])
def test_work_is_the_first_nonce_that_shows_enough(bits: int) -> None:
    record = work(mailbox(), bits)
    assert record.bits >= bits
    assert check(record, KEY, NOW, bits=bits) is None
    assert check(record, KEY, NOW, bits=record.bits + 1) is RecordFault.WORK
    assert all(replace(record, nonce=nonce).bits < bits for nonce in range(record.nonce))


def test_nobody_works_for_ever() -> None:
    with pytest.raises(ValueError, match="24"):
        work(mailbox(), limits.DHT_WORK_BITS_MAX + 1)


@pytest.mark.parametrize(
    ("place", "value"), [(3, b"t"), (4, 6), (5, NOW + 1), (6, 599), (7, b"forged"), (8, bytes(64))]
)
def test_nobody_can_change_a_record_or_put_off_its_end(place: int, value: object) -> None:
    assert check(parsed(changed(place, value)), KEY, NOW, bits=0) is RecordFault.SIGNATURE


def test_nobody_can_put_his_name_on_it() -> None:
    other = PrivateKey.from_seed(bytes([8]) * 32).public.raw
    for writer in (other, bytes(32), b"\1" + bytes(31), b"\xff" * 32):
        assert check(parsed(changed(2, writer)), KEY, NOW, bits=0) is RecordFault.SIGNATURE


def test_digest_and_slot_say_which_record_it_is_whatever_the_work() -> None:
    record = mailbox()
    assert record.digest == work(record, 6).digest == hashlib.sha256(record.signature).digest()[:8]
    assert record.digest != mailbox(b"other").digest
    assert record.slot == (WRITER.public.raw, b"s")


def test_a_pseudonym_is_the_same_after_a_restart_and_another_under_another_key() -> None:
    names = [
        pseudonym(secret, DhtKey(bytes([key]) * 20)).public.raw for secret in (bytes(32), b"s" * 32) for key in (1, 2)
    ]
    assert len(set(names)) == 4
    assert pseudonym(bytes(32), DhtKey(bytes([1]) * 20)).public.raw == names[0]
