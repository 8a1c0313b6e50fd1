from __future__ import annotations

from dataclasses import replace
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from swarmchat import limits
from swarmchat.crypto.keys import PrivateKey
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.dht.records import Kind, Record, write
from swarmchat.discovery.dht.storage import RecordStorage, Stored, StoreFault

NOW = 1_780_000_000
KEYS = [DhtKey(bytes([number]) * 20) for number in range(3)]
WRITERS = [PrivateKey.from_seed(bytes([number]) * 32) for number in range(8)]
SOURCES = [b"a", b"b", b"c", None]
NODE_BYTES, KEY_BYTES, SOURCE_BYTES, PER_KEY, PER_WRITER = 40_000, 6_000, 9_000, 6, 2


@st.composite
def records(draw: st.DrawFn) -> Record:
    made = write(
        Kind.MAILBOX,
        draw(st.sampled_from(KEYS)),
        draw(st.sampled_from(WRITERS)),
        bytes(draw(st.sampled_from([0, 10, 1_500, 3_840]))),
        seq=draw(st.integers(0, 3)),
        created=NOW + draw(st.sampled_from([-500, 0, 1, 120])),
        ttl=draw(st.sampled_from([1, 60, 600])),
        salt=draw(st.sampled_from([b"", b"1", b"2"])),
    )
    return replace(made, nonce=draw(st.integers(0, 50)))


steps = st.lists(
    st.tuples(records(), st.sampled_from(SOURCES), st.sampled_from([0, 0, 0, 1, 59, 61, 700, -100, -4_000])),
    max_size=60,
)
small = mock.patch.multiple(
    limits,
    DHT_BYTES_PER_KEY_MAX=KEY_BYTES,
    DHT_BYTES_PER_PREFIX_MAX=SOURCE_BYTES,
    DHT_RECORDS_PER_KEY_MAX=PER_KEY,
    DHT_RECORDS_PER_WRITER_MAX=PER_WRITER,
    DHT_RECORDS_PER_PREFIX_MAX=2,
)


@settings(max_examples=150)
@given(steps)
def test_whatever_is_put_no_bound_is_passed_and_nothing_outlives_its_time(
    happenings: list[tuple[Record, bytes | None, int]],
) -> None:
    with small:
        storage, now = RecordStorage(bytes_max=NODE_BYTES), float(NOW)
        arrived: dict[bytes, float] = {}
        for record, source, later in happenings:
            now += later
            before = [one for key in KEYS for one in storage.records(key, now)]
            outcome = storage.put(record, source=source, now=now)
            held = {key: storage.records(key, now) for key in KEYS}
            after = [one for of in held.values() for one in of]
            if isinstance(outcome, StoreFault) or outcome is Stored.KNOWN:
                assert set(map(id, after)) == set(map(id, before))
            else:
                assert record in held[record.key]
                arrived[record.encoded] = now
            assert storage.memory <= NODE_BYTES
            assert storage.size == sum(
                len(one.encoded) for of in storage._keys.values() for one in map(_record, of.values())
            )
            assert storage.count == sum(map(len, storage._keys.values()))
            for of in held.values():
                assert len(of) <= PER_KEY
                assert sum(len(one.encoded) for one in of) <= KEY_BYTES
                assert len({one.slot for one in of}) == len(of)
                assert all(sum(one.writer == writer.public.raw for one in of) <= PER_WRITER for writer in WRITERS)
            assert all(storage._source_bytes[source] <= SOURCE_BYTES for source in SOURCES if source is not None)
            assert all(one.expires > now for one in after)
            assert all(
                arrived[one.encoded] - limits.DHT_AHEAD_MAX_S <= now < arrived[one.encoded] + 600 for one in after
            )
        storage.sweep(now + 1_000)
        assert (storage.count, storage.size, storage.memory, dict(storage._source_bytes)) == (0, 0, 0, {})


def _record(kept: object) -> Record:
    record: Record = kept.record  # type: ignore[attr-defined]
    return record


versions = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 300)), min_size=1, max_size=8)


@given(versions, st.randoms(use_true_random=False))
def test_the_newest_of_a_slot_wins_in_any_order(made: list[tuple[int, int]], dice: object) -> None:
    """A writer that tells one thing by each number, and tells it again later, is read alike wherever his records come by."""
    told = [
        write(Kind.MAILBOX, KEYS[0], WRITERS[0], bytes([seq]), seq=seq, created=NOW + created, ttl=600)
        for seq, created in made
    ]
    dice.shuffle(told)  # type: ignore[attr-defined]
    storage = RecordStorage()
    for record in told:
        storage.put(record, source=b"a", now=NOW + 300)
    [kept] = storage.records(KEYS[0], NOW + 300)
    assert (kept.seq, kept.created) == max((record.seq, record.created) for record in told)


@given(st.lists(st.integers(0, 63), min_size=1, max_size=20), st.integers(0, 20))
def test_in_a_full_key_fewer_bits_go_first_whatever_comes(nonces: list[int], later: int) -> None:
    with small:
        storage = RecordStorage()
        for number, nonce in enumerate(nonces):
            made = write(
                Kind.MAILBOX,
                KEYS[0],
                PrivateKey.from_seed(bytes([99, number]) + bytes(30)),
                b"",
                seq=1,
                created=NOW,
                ttl=600,
            )
            storage.put(replace(made, nonce=nonce), source=bytes([number]), now=NOW + number * later / 20)
            kept = storage.records(KEYS[0], NOW + number)
            bits = [one.bits for one in kept]
            assert bits == sorted(bits, reverse=True)
        everything = sorted(
            (
                replace(
                    write(
                        Kind.MAILBOX,
                        KEYS[0],
                        PrivateKey.from_seed(bytes([99, number]) + bytes(30)),
                        b"",
                        seq=1,
                        created=NOW,
                        ttl=600,
                    ),
                    nonce=nonce,
                ).bits
                for number, nonce in enumerate(nonces)
            ),
            reverse=True,
        )
        assert [one.bits for one in storage.records(KEYS[0], NOW + 20)] == everything[:PER_KEY]
