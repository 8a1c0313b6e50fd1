from __future__ import annotations

import msgpack
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmchat import limits
from swarmchat.crypto.keys import PrivateKey
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.dht.records import Kind, Record, RecordFault, check, read, work, write

NOW = 1_780_000_000
WRITER = PrivateKey.from_seed(bytes([9]) * 32)
KEY = DhtKey(bytes(range(20)))
RECORD = work(write(Kind.MAILBOX, KEY, WRITER, b"sealed", seq=5, created=NOW, ttl=600, salt=b"s"), 3)

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.binary(max_size=5000))
def test_bytes_of_a_stranger_are_no_record_and_no_traceback(data: bytes) -> None:
    assert read(data) is RecordFault.FORM


@settings(max_examples=200)
@given(st.lists(values, max_size=12), st.dictionaries(st.integers(0, 9), values, max_size=3))
def test_values_of_a_stranger_are_no_record_and_no_traceback(row: list[object], put: dict[int, object]) -> None:
    assert read(msgpack.packb(row)) is RecordFault.FORM
    fields = msgpack.unpackb(RECORD.encoded)
    for place, value in put.items():
        fields[place] = value
    found = read(msgpack.packb(fields))
    assert isinstance(found, RecordFault) or found == RECORD or check(found, KEY, NOW, bits=0) is not None


@given(st.data())
def test_a_record_with_some_bytes_changed_is_never_believed(data: st.DataObject) -> None:
    whole = RECORD.encoded[:-1]  # the work is nobody's word: who likes may do more
    place = data.draw(st.integers(0, len(whole) - 1))
    piece, length = data.draw(st.binary(max_size=8)), data.draw(st.integers(0, 8))
    changed = whole[:place] + piece + whole[place + length :] + RECORD.encoded[-1:]
    found = read(changed)
    if changed != RECORD.encoded:
        assert (
            not isinstance(found, Record) or found.nonce != RECORD.nonce or check(found, KEY, NOW, bits=0) is not None
        )


@given(
    st.binary(max_size=limits.DHT_DATA_BYTES_MAX),
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**40 - 1),
    st.integers(1, 600),
    st.binary(max_size=16),
    st.integers(0, 5),
)
def test_what_is_written_is_read_back_and_believed_while_it_lasts(
    data: bytes, seq: int, created: int, ttl: int, salt: bytes, bits: int
) -> None:
    made = work(write(Kind.MAILBOX, KEY, WRITER, data, seq=seq, created=created, ttl=ttl, salt=salt), bits)
    found = read(made.encoded)
    assert found == made
    assert len(made.encoded) <= limits.DHT_RECORD_BYTES_MAX
    assert check(found, KEY, created, bits) is None
    assert check(found, KEY, created + ttl, bits) is RecordFault.EXPIRED
