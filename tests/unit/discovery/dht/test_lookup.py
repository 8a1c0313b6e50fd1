from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from swarmchat import limits
from swarmchat.crypto.keys import PrivateKey
from swarmchat.discovery.blinding import DhtKey
from swarmchat.discovery.dht.identity import NodeId
from swarmchat.discovery.dht.lookup import Harvest, Lookup
from swarmchat.discovery.dht.records import Kind, Record, RecordFault, work, write
from swarmchat.discovery.dht.wire import Peer

OWN, TARGET = b"\xff" * 20, bytes(20)
KEY = DhtKey(TARGET)
NOW = 1_780_000_000
WRITER = PrivateKey.from_seed(bytes([9]) * 32)


def peer(number: int, host: str = "127.0.0.1") -> Peer:
    return Peer(NodeId(number.to_bytes(20, "big")), (host, 1 + number % 60_000))


def lookup(seeds: list[Peer], **bounds: Any) -> Lookup:
    return Lookup(TARGET, OWN, seeds, **({"width": 8, "alpha": 3} | bounds))


def ids(peers: list[Peer]) -> list[int]:
    return [int.from_bytes(one.id, "big") for one in peers]


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 120), dead=st.floats(0, 0.6))
def test_the_nearest_that_live_are_found_from_one_seed(seed: int, count: int, dead: float) -> None:
    dice = random.Random(seed)
    world = {dice.randbytes(20): number for number in range(count)}
    peers = {name: Peer(NodeId(name), ("127.0.0.1", 1 + number)) for name, number in world.items()}
    alive = {name for name in world if dice.random() >= dead}
    nearest = sorted(world, key=lambda one: int.from_bytes(one, "big"))
    seed_peer = peers[dice.choice(list(world))]
    alive.add(seed_peer.id)
    search = lookup([seed_peer])
    waiting: list[Peer] = []
    for _ in range(10_000):
        waiting += search.wanted()
        if search.finished:
            break
        one = waiting.pop(dice.randrange(len(waiting)))
        if one.id in alive:
            search.answered(one.id, [peers[name] for name in nearest[:20]])
        elif dice.random() < 0.5:
            search.slow(one.id)
            waiting.append(one)
        else:
            search.failed(one.id)
    assert search.finished
    found = search.found
    assert len(found) >= min(8, len([one for one in nearest[:20] if one in alive]))
    assert [one.id for one in found] == sorted(one.id for one in found)
    assert {one.id for one in found} <= alive


def test_so_many_are_asked_at_once_and_one_more_for_each_that_is_slow() -> None:
    search = lookup([peer(number) for number in range(1, 30)])
    assert ids(search.wanted()) == [1, 2, 3]
    assert search.wanted() == []
    search.slow(peer(1).id)
    assert ids(search.wanted()) == [4, 5]  # its place, and one more
    for number in range(2, 20):
        search.slow(peer(number).id)
        search.wanted()
    assert search.queries <= 19 + limits.DHT_ALPHA_MAX


def test_who_is_late_has_another_asked_and_is_waited_for() -> None:
    search = lookup([peer(1), peer(2), peer(3)], width=2, alpha=1)
    assert ids(search.wanted()) == [1]
    search.late(peer(1).id)
    assert ids(search.wanted()) == [2, 3]  # its place, and one more
    search.answered(peer(2).id, [])
    assert not search.finished
    search.answered(peer(1).id, [])
    assert search.finished
    assert ids(search.found) == [1, 2]


def test_for_each_that_is_late_one_farther_off_is_asked() -> None:
    search = lookup([peer(number) for number in range(1, 9)], width=2)
    assert ids(search.wanted()) == [1, 2]
    search.late(peer(1).id)
    search.late(peer(2).id)
    assert ids(search.wanted()) == [3, 4]
    search.answered(peer(3).id, [])
    search.answered(peer(4).id, [])
    assert not search.finished
    search.answered(peer(1).id, [])
    search.answered(peer(2).id, [])
    assert search.finished
    assert ids(search.found) == [1, 2]


def test_who_is_slow_holds_nothing_up_and_may_still_answer() -> None:
    search = lookup([peer(1), peer(2)], width=1)
    search.wanted()
    search.slow(peer(1).id)
    assert ids(search.wanted()) == [2]
    search.answered(peer(2).id, [])
    assert search.finished
    assert ids(search.found) == [2]
    search.answered(peer(1).id, [])
    assert ids(search.found) == [1]


def test_where_nobody_else_is_left_a_slow_one_is_waited_for() -> None:
    search = lookup([peer(1)])
    search.wanted()
    search.slow(peer(1).id)
    assert not search.finished
    search.failed(peer(1).id)
    assert search.finished
    assert search.found == []


def test_a_search_from_nowhere_is_over() -> None:
    assert lookup([]).finished


def test_answers_of_who_was_not_asked_name_nobody() -> None:
    search = lookup([peer(5)])
    search.answered(peer(5).id, [peer(1)])
    search.answered(peer(9).id, [peer(2)])
    assert ids(search.wanted()) == [5]


def test_we_are_not_asked_ourselves_and_nobody_twice() -> None:
    search = lookup([peer(3), peer(3), Peer(NodeId(OWN), ("127.0.0.1", 1))])
    assert ids(search.wanted()) == [3]
    search.answered(peer(3).id, [peer(3), Peer(NodeId(OWN), ("127.0.0.1", 1))])
    assert search.finished


def test_nobody_can_lead_a_search_where_no_node_is() -> None:
    search = lookup([Peer(NodeId(bytes(19) + b"\7"), ("8.8.8.8", 1))])
    search.wanted()
    bad = [("127.0.0.1", 1), ("192.168.1.1", 1), ("0.0.0.0", 1), ("9.9.9.9", 0), ("224.0.0.1", 1)]
    search.answered(bytes(19) + b"\7", [Peer(peer(n).id, where) for n, where in enumerate(bad, 1)])
    assert search.wanted() == []


def test_a_network_has_four_places_in_a_search() -> None:
    search = lookup([peer(number, f"8.8.8.{number}") for number in range(1, 20)], alpha=20)
    assert len(search.wanted()) == limits.DHT_PER_PREFIX_IN_LOOKUP_MAX


def test_who_invents_nodes_near_the_target_keeps_nobody_busy() -> None:
    search = lookup([peer(2**159)])
    asked, number = 0, 2**158
    while not search.finished:
        for one in search.wanted():
            asked += 1
            number -= 50
            search.answered(one.id, [peer(number - nearer) for nearer in range(20)])
    assert asked == limits.DHT_LOOKUP_QUERIES_MAX
    assert len(search._order) <= limits.DHT_LOOKUP_PEERS_MAX


def record(data: bytes = b"x", seq: int = 1, salt: bytes = b"", bits: int = 0, **fields: Any) -> Record:
    made = write(Kind.MAILBOX, KEY, WRITER, data, **({"seq": seq, "created": NOW, "ttl": 60, "salt": salt} | fields))
    return work(made, bits)


def test_the_newest_of_each_slot_is_kept_in_any_order() -> None:
    for order in ((1, 3, 2), (3, 2, 1)):
        harvest = Harvest(KEY, 0)
        for seq in order:
            harvest.offer(record(seq=seq).encoded, NOW)
        harvest.offer(record(salt=b"other").encoded, NOW)
        assert [(one.salt, one.seq) for one in harvest.records] == [(b"", 3), (b"other", 1)]


def test_what_does_not_hold_is_counted_and_not_kept() -> None:
    harvest = Harvest(KEY, 8)
    forged = bytearray(record(bits=8).encoded)
    forged[-20] ^= 1
    for raw in (b"", b"junk", bytes(forged), record().encoded, record(created=NOW + 500).encoded):
        assert harvest.offer(raw, NOW) is None
    assert harvest.records == []
    assert harvest.refused[RecordFault.FORM] == 2
    assert harvest.refused[RecordFault.AHEAD] == 1
    assert harvest.refused.total() == 5


def test_the_same_bytes_are_judged_once() -> None:
    harvest = Harvest(KEY, 0)
    assert harvest.offer(record().encoded, NOW) is not None
    assert harvest.offer(record().encoded, NOW) is None
    assert not harvest.refused


def test_rubbish_does_not_use_up_the_number_of_records() -> None:
    harvest = Harvest(KEY, 0)
    for number in range(limits.DHT_HARVEST_MAX + 1):
        harvest.offer(b"junk %d" % number, NOW)
    assert harvest.offer(record().encoded, NOW) is not None


def test_an_older_record_of_a_slot_holds_and_is_not_fetched_again() -> None:
    harvest = Harvest(KEY, 0)
    harvest.offer(record(seq=2).encoded, NOW)
    assert not harvest.holds(record(seq=1).digest)
    assert harvest.offer(record(seq=1).encoded, NOW) is None
    assert harvest.holds(record(seq=1).digest)
    assert not harvest.claim(record(seq=1).digest)
    assert harvest.digests == (record(seq=2).digest,)


def test_a_record_is_fetched_by_one_until_it_does_not_come() -> None:
    harvest = Harvest(KEY, 0)
    digest = record().digest
    assert harvest.claim(digest)
    assert not harvest.claim(digest)
    harvest.release(digest)
    assert harvest.claim(digest)
    harvest.offer(record().encoded, NOW)
    assert harvest.digests == (digest,)
    assert not harvest.claim(digest)
