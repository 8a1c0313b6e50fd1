from __future__ import annotations

from dataclasses import replace

import pytest

from swarmchat import limits
from swarmchat.crypto.keys import PrivateKey
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.dht.records import Kind, Record, owned_key, work, write
from swarmchat.discovery.dht.storage import RecordStorage, Stored, StoreFault

NOW = 1_780_000_000
KEY = DhtKey(bytes(range(20)))
HOME, AWAY = b"\xc0\x00\x02", b"\xc6\x33\x64"


def writer(number: int) -> PrivateKey:
    return PrivateKey.from_seed(number.to_bytes(32, "big"))


WRITERS = [writer(number) for number in range(80)]


def record(
    by: int = 0,
    *,
    key: DhtKey = KEY,
    salt: bytes = b"",
    seq: int = 1,
    data: bytes = b"x",
    created: int = NOW,
    ttl: int = 600,
) -> Record:
    return write(Kind.MAILBOX, key, WRITERS[by], data, seq=seq, created=created, ttl=ttl, salt=salt)


def bits_of(one: Record, bits: int) -> Record:
    """The same with just so many bits of work."""
    nonce = 0
    while (tried := replace(one, nonce=nonce)).bits != bits:
        nonce += 1
    return tried


def full_key(bits: int = 3) -> tuple[RecordStorage, list[Record]]:
    """A storage with 64 records under a key, of as many networks, that came a second apart."""
    storage, records = RecordStorage(), [bits_of(record(by), bits) for by in range(limits.DHT_RECORDS_PER_KEY_MAX)]
    for number, one in enumerate(records):
        assert storage.put(one, source=bytes([number]), now=NOW + number) is Stored.NEW
    return storage, records


def test_what_is_put_is_found_under_its_key() -> None:
    storage, one, other = RecordStorage(), record(), record(key=DhtKey(bytes(20)))
    assert storage.put(one, source=HOME, now=NOW) is Stored.NEW
    assert storage.put(other, source=HOME, now=NOW) is Stored.NEW
    assert storage.records(KEY, NOW) == [one]
    assert storage.records(DhtKey(b"k" * 20), NOW) == []
    assert (storage.count, storage.size) == (2, len(one.encoded) + len(other.encoded))


def test_many_stand_under_one_key_by_writer_and_salt() -> None:
    storage = RecordStorage()
    records = [record(0), record(0, salt=b"a"), record(1), record(1, salt=b"a")]
    for one in records:
        assert storage.put(one, source=HOME, now=NOW) is Stored.NEW
    assert {one.slot for one in storage.records(KEY, NOW)} == {one.slot for one in records}


def test_a_newer_record_replaces_and_an_older_is_refused() -> None:
    storage, old, new = RecordStorage(), record(seq=1), record(seq=2, data=b"longer")
    storage.put(old, source=HOME, now=NOW)
    assert storage.put(new, source=HOME, now=NOW) is Stored.NEWER
    assert storage.put(old, source=HOME, now=NOW) is StoreFault.OLD
    assert storage.records(KEY, NOW) == [new]
    assert storage.size == len(new.encoded)
    assert storage.rejected == {StoreFault.OLD: 1}


def test_the_same_made_later_lasts_longer_and_the_same_again_changes_nothing() -> None:
    storage, first, later = RecordStorage(), record(created=NOW), record(created=NOW + 300)
    storage.put(first, source=HOME, now=NOW)
    assert storage.put(first, source=AWAY, now=NOW) is Stored.KNOWN
    assert storage.put(later, source=HOME, now=NOW + 300) is Stored.REFRESHED
    assert storage.put(first, source=HOME, now=NOW + 300) is StoreFault.OLD
    assert storage.records(KEY, NOW + 899) == [later]
    assert storage.records(KEY, NOW + 900) == []


def test_more_work_for_the_same_counts_and_less_does_not() -> None:
    storage, less, more = RecordStorage(), bits_of(record(), 1), bits_of(record(), 4)
    assert storage.put(less, source=HOME, now=NOW) is Stored.NEW
    assert storage.put(more, source=HOME, now=NOW) is Stored.REFRESHED
    assert storage.put(less, source=HOME, now=NOW) is Stored.KNOWN
    assert [one.bits for one in storage.records(KEY, NOW)] == [4]


def test_other_content_of_the_same_number_is_refused() -> None:
    storage = RecordStorage()
    storage.put(record(data=b"one"), source=HOME, now=NOW)
    assert storage.put(record(data=b"two"), source=HOME, now=NOW) is StoreFault.CONFLICT
    assert storage.put(record(data=b"two", created=NOW + 1), source=HOME, now=NOW) is StoreFault.CONFLICT
    assert storage.put(record(data=b"one", ttl=60), source=HOME, now=NOW) is StoreFault.CONFLICT


def test_a_record_ends_at_its_time_and_is_forgotten() -> None:
    storage, short, long = RecordStorage(), record(0, ttl=60), record(1, ttl=600)
    for one in (short, long):
        storage.put(one, source=HOME, now=NOW)
    assert {one.slot for one in storage.records(KEY, NOW + 59.9)} == {short.slot, long.slot}
    assert storage.records(KEY, NOW + 60) == [long]
    storage.sweep(NOW + 60)
    assert (storage.count, storage.expired) == (1, 1)
    storage.sweep(NOW + 600)
    assert (storage.count, storage.size, storage.memory, storage.expired) == (0, 0, 0, 2)


def test_what_is_over_when_it_comes_is_refused() -> None:
    storage = RecordStorage()
    assert storage.put(record(ttl=60), source=HOME, now=NOW + 60) is StoreFault.EXPIRED
    assert storage.put(record(ttl=60), source=HOME, now=NOW + 59) is Stored.NEW


def test_a_writer_whose_clock_runs_ahead_gets_no_more_than_ten_minutes() -> None:
    storage, ahead = RecordStorage(), record(created=NOW + limits.DHT_AHEAD_MAX_S)
    storage.put(ahead, source=HOME, now=NOW)
    assert storage.records(KEY, NOW + 599.9) == [ahead]
    assert storage.records(KEY, NOW + 600) == []


def test_a_clock_that_is_set_back_keeps_nothing_for_longer() -> None:
    storage = RecordStorage()
    storage.put(record(), source=HOME, now=NOW)
    assert storage.records(KEY, NOW - 120) == [record()]
    assert storage.records(KEY, NOW - 241) == []
    assert (storage.count, storage.size, storage.memory) == (0, 0, 0)


def test_a_writer_has_four_places_under_a_key() -> None:
    storage = RecordStorage()
    for number in range(limits.DHT_RECORDS_PER_WRITER_MAX):
        assert storage.put(record(salt=bytes([number])), source=HOME, now=NOW) is Stored.NEW
    assert storage.put(record(salt=b"more"), source=AWAY, now=NOW) is StoreFault.WRITER
    assert storage.put(record(salt=b"\0", seq=2), source=AWAY, now=NOW) is Stored.NEWER
    assert storage.put(record(salt=b"more", key=DhtKey(bytes(20))), source=AWAY, now=NOW) is Stored.NEW
    assert storage.put(record(salt=b"more"), source=AWAY, now=NOW + 600) is StoreFault.EXPIRED
    assert storage.put(record(salt=b"more", created=NOW + 600), source=AWAY, now=NOW + 600) is Stored.NEW


def test_a_network_has_one_mebibyte_and_gets_room_back() -> None:
    storage, number, put = RecordStorage(), 0, 0
    size = len(record(data=bytes(3800)).encoded)
    while put + size <= limits.DHT_BYTES_PER_PREFIX_MAX:
        one = record(data=bytes(3800), key=DhtKey(number.to_bytes(20, "big")), ttl=60 if not number else 600)
        assert storage.put(one, source=HOME, now=NOW) is Stored.NEW
        number, put = number + 1, put + size
    more = record(data=bytes(3800), key=DhtKey(b"m" * 20))
    assert storage.put(more, source=HOME, now=NOW) is StoreFault.SOURCE
    again = record(data=bytes(3800), key=DhtKey((1).to_bytes(20, "big")), seq=2)
    assert storage.put(again, source=HOME, now=NOW) is Stored.NEWER  # in the place of its own
    assert storage.put(more, source=AWAY, now=NOW) is Stored.NEW
    storage.sweep(NOW + 60)
    assert storage.put(replace(more, writer=bytes(32)), source=HOME, now=NOW + 60) is Stored.NEW


def test_our_own_records_are_bound_by_no_network_s_share() -> None:
    storage = RecordStorage()
    for number in range(300):
        one = record(data=bytes(3800), key=DhtKey(number.to_bytes(20, "big")))
        assert storage.put(one, source=None, now=NOW) is Stored.NEW


def test_in_a_full_key_less_work_gives_way_to_more_and_the_latest_first() -> None:
    storage, records = full_key()
    same = bits_of(record(70), 3)
    assert storage.put(same, source=b"new", now=NOW + 100) is StoreFault.KEY
    assert storage.put(bits_of(record(70), 2), source=b"new", now=NOW + 100) is StoreFault.KEY
    more = bits_of(record(70), 4)
    assert storage.put(more, source=b"new", now=NOW + 100) is Stored.NEW
    assert storage.records(KEY, NOW + 100) == [more, *records[:-1]]
    weak = bits_of(record(71), 4)
    assert storage.put(weak, source=b"other", now=NOW + 101) is Stored.NEW
    assert storage.records(KEY, NOW + 101) == [more, weak, *records[:-2]]


def test_who_refreshes_keeps_his_place_in_the_line() -> None:
    storage, records = full_key()
    again = bits_of(record(0, created=NOW + 90), 3)
    assert storage.put(again, source=b"moved", now=NOW + 100) is Stored.REFRESHED
    assert storage.records(KEY, NOW + 100)[0] == again
    storage.put(bits_of(record(70), 4), source=b"new", now=NOW + 100)
    assert records[-1] not in storage.records(KEY, NOW + 100)


def test_in_a_full_key_a_network_has_four_places_before_any_more_of_one() -> None:
    storage = RecordStorage()
    crowd = [bits_of(record(by), 5) for by in range(limits.DHT_RECORDS_PER_KEY_MAX)]
    for number, one in enumerate(crowd):
        assert storage.put(one, source=HOME, now=NOW + number) is Stored.NEW  # while there is room, all of them
    few = [bits_of(record(70 + number), 0) for number in range(5)]
    for number, one in enumerate(few[:4]):
        assert storage.put(one, source=AWAY, now=NOW + 100 + number) is Stored.NEW
    assert storage.put(few[4], source=AWAY, now=NOW + 104) is StoreFault.KEY
    assert storage.put(bits_of(few[4], 4), source=HOME, now=NOW + 104) is StoreFault.KEY
    kept = storage.records(KEY, NOW + 104)
    assert kept == [*crowd[:4], *few[:4], *crowd[4:60]]


def test_a_key_holds_64_kibibytes() -> None:
    storage, put, by = RecordStorage(), 0, 0
    size = len(record(data=bytes(3800)).encoded)
    while put + size <= limits.DHT_BYTES_PER_KEY_MAX:
        assert storage.put(bits_of(record(by, data=bytes(3800)), 3), source=bytes([by]), now=NOW) is Stored.NEW
        by, put = by + 1, put + size
    assert by == 16
    assert storage.put(bits_of(record(by, data=bytes(3800)), 2), source=b"n", now=NOW + 1) is StoreFault.KEY
    assert storage.put(bits_of(record(by, data=bytes(3800)), 4), source=b"n", now=NOW + 1) is Stored.NEW
    assert len(storage.records(KEY, NOW + 1)) == 16
    assert storage.put(bits_of(record(0, seq=2, data=bytes(3840)), 0), source=b"\0", now=NOW + 1) is Stored.NEWER


def test_owned_and_mailbox_records_stand_side_by_side() -> None:
    key = owned_key(WRITERS[0].public.raw, b"")
    own = write(Kind.OWNED, key, WRITERS[0], b"mine", seq=1, created=NOW, ttl=60)
    storage = RecordStorage()
    assert storage.put(own, source=HOME, now=NOW) is Stored.NEW
    assert storage.put(work(record(1, key=key), 1), source=HOME, now=NOW) is Stored.NEW
    assert len(storage.records(key, NOW)) == 2


def test_where_all_is_full_the_largest_network_gives_way_and_gets_no_more() -> None:
    one = record(data=bytes(3000))
    each = limits.DHT_RECORD_MEMORY_BYTES + 2 * len(one.encoded)
    storage = RecordStorage(bytes_max=10 * each)
    large = [bits_of(record(by, data=bytes(3000), key=DhtKey(bytes([by]) * 20)), 4 if by else 2) for by in range(8)]
    small = [bits_of(record(by, data=bytes(3000), key=DhtKey(bytes([by]) * 20)), 0) for by in (20, 21)]
    for by, given in enumerate(large):
        assert storage.put(given, source=HOME, now=NOW + by) is Stored.NEW
    for given in small:
        assert storage.put(given, source=AWAY, now=NOW + 50) is Stored.NEW
    assert storage.memory == 10 * each
    more = record(30, data=bytes(3000), key=DhtKey(b"m" * 20))
    assert storage.put(more, source=HOME, now=NOW + 60) is StoreFault.NODE
    assert storage.put(more, source=AWAY, now=NOW + 60) is Stored.NEW
    assert storage.memory <= 10 * each
    assert storage.records(large[0].key, NOW + 60) == []  # the least work of the largest network
    assert all(storage.records(given.key, NOW + 60) == [given] for given in small)
    newer = bits_of(record(3, data=bytes(3000), key=large[3].key, seq=2), 0)
    assert storage.put(newer, source=HOME, now=NOW + 61) is Stored.NEWER  # in the place of its own


def test_what_is_over_goes_before_anything_else() -> None:
    each = limits.DHT_RECORD_MEMORY_BYTES + 2 * len(record().encoded)
    storage = RecordStorage(bytes_max=2 * each)
    short, long = record(0, ttl=60, key=DhtKey(b"a" * 20)), record(1, key=DhtKey(b"b" * 20))
    for one in (short, long):
        assert storage.put(one, source=HOME, now=NOW) is Stored.NEW
    assert storage.put(record(2, key=DhtKey(b"c" * 20)), source=HOME, now=NOW + 60) is Stored.NEW
    assert storage.records(long.key, NOW + 60) == [long]


def test_replacing_over_and_over_leaves_nothing_behind() -> None:
    storage = RecordStorage()
    for seq in range(3_000):
        assert isinstance(
            storage.put(replace(record(), seq=seq, signature=seq.to_bytes(64, "big")), source=HOME, now=NOW), Stored
        )
    assert len(storage._ends) <= 1_026
    storage.sweep(NOW + 600)
    assert (storage.count, len(storage._ends)) == (0, 0)


@pytest.mark.parametrize("bytes_max", [0, limits.DHT_RECORD_MEMORY_BYTES])
def test_a_node_without_room_keeps_nothing(bytes_max: int) -> None:
    storage = RecordStorage(bytes_max=bytes_max)
    assert storage.put(record(), source=HOME, now=NOW) is StoreFault.NODE
    assert storage.put(record(), source=None, now=NOW) is StoreFault.NODE
