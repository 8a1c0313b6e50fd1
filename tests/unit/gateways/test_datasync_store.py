"""What data sync keeps on disk is what it would keep in memory, and outlives the process."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from swarmchat.gateways.datasync.payload import Message, MessageId, Metadata, PeerId
from swarmchat.gateways.datasync.records import Kind, MemoryRecords, Record
from swarmchat.gateways.datasync.store import Store
from swarmchat.gateways.datasync.thinstore import Kept, ThinStore
from swarmchat.ids import ConversationId
from swarmchat.limits import DATASYNC_CLIENTS_MAX, DATASYNC_RECEIPTS_MAX
from tests.support.datasync import ANNA, BERT, GROUP

ROOM = ConversationId("ab" * 20)


def test_records_on_disk_answer_as_those_in_memory(tmp_path: Path) -> None:
    dice, memory, store = Random(7), MemoryRecords(), Store(tmp_path / "d.sqlite")
    ids = [MessageId(bytes((each,)) * 32) for each in range(6)]
    for step in range(400):
        peer, message, kind = dice.choice((ANNA, BERT)), dice.choice(ids), dice.choice(list(Kind))
        due, epoch = dice.randrange(9), dice.randrange(9)
        kinds = dice.sample(list(Kind), dice.randrange(4))
        match dice.randrange(8):
            case 0 | 1 | 2:
                record = Record(kind, peer, message, dice.choice((GROUP, None)), step, due)
                memory.put(record)
                store.put(record)
            case 3:
                assert memory.remove(peer, message, *kinds) == store.remove(peer, message, *kinds)
            case 4:
                memory.answered(message)
                store.answered(message)
            case 5:
                memory.hasten(peer, lambda epoch=epoch: epoch)  # type: ignore[misc]
                store.hasten(peer, lambda epoch=epoch: epoch)  # type: ignore[misc]
            case _:
                pass
        assert store.due(peer, epoch, 4) == memory.due(peer, epoch, 4)
        assert store.get(peer, message, kind) == memory.get(peer, message, kind)
        assert store.count(peer, *kinds) == memory.count(peer, *kinds)
    store.close()


def test_records_epoch_clients_and_places_outlive_the_process(tmp_path: Path) -> None:
    store = Store(tmp_path / "d.sqlite")
    store.epoch = 41
    record = Record(Kind.OFFER, ANNA, MessageId(bytes(32)), GROUP, 1, 50)
    store.put(record)
    store.note_client(ANNA, 100)
    assert store.looked_through(ROOM) == 0
    store.note_looked_through(ROOM, 12)
    store.close()
    again = Store(tmp_path / "d.sqlite")
    assert (again.epoch, again.due(ANNA, 99, 9), again.clients()) == (41, [record], {ANNA})
    assert again.looked_through(ROOM) == 12
    again.close()


def test_who_called_longest_ago_is_forgotten_with_what_waited_for_him(tmp_path: Path) -> None:
    store = Store(tmp_path / "d.sqlite")
    peers = [PeerId(b"\4" + each.to_bytes(64)) for each in range(DATASYNC_CLIENTS_MAX + 1)]
    for now, peer in enumerate(peers[:-1]):
        store.note_client(peer, now)
    store.put(Record(Kind.OFFER, peers[0], MessageId(bytes(32)), GROUP, 0, 1))
    store.put(Record(Kind.OFFER, peers[1], MessageId(bytes(32)), GROUP, 0, 1))
    assert len(store.clients()) == DATASYNC_CLIENTS_MAX
    store.note_client(peers[-1], 10_000)
    assert store.clients() == set(peers[1:])
    assert (store.count(peers[0]), store.count(peers[1])) == (0, 1)
    store.close()


def test_a_thin_peer_keeps_what_it_said_and_what_it_told(tmp_path: Path) -> None:
    store = ThinStore(tmp_path / "t.sqlite")
    mine, theirs = Message(GROUP, 1, b"mine"), Message(GROUP, 2, b"theirs")
    assert store.group is None
    store.set_group(GROUP)
    store.keep(mine, mine=True)
    store.keep(theirs, mine=False)
    store.keep(mine, mine=False)
    assert store.kept() == [Kept(mine, True, False, True), Kept(theirs, False, False, False)]
    store.note_confirmed(mine.id)
    store.note_told(theirs.id)
    store.close()
    again = ThinStore(tmp_path / "t.sqlite")
    assert again.group == GROUP
    assert again.kept() == [Kept(mine, True, True, True), Kept(theirs, False, False, True)]
    again.close()


def receipt(number: int, target: MessageId) -> Message:
    return Message(GROUP, number, b"an ack", Metadata((target,)))


def test_receipts_outlive_the_process_one_of_each_sender_for_each_target(tmp_path: Path) -> None:
    one, other = (MessageId(bytes([number]) * 32) for number in (1, 2))
    store = Store(tmp_path / "d.sqlite")
    for number, (target, sender) in enumerate([(one, ANNA), (one, BERT), (other, ANNA), (one, ANNA), (one, ANNA)]):
        store.note_receipt(receipt(number, target), target, sender)
    store.close()
    again = Store(tmp_path / "d.sqlite")
    assert again.receipts_of(GROUP) == [(one, ANNA), (one, BERT), (other, ANNA)]
    assert again.receipt(receipt(1, one).id) == receipt(1, one)
    assert again.receipt(receipt(3, one).id) is None, "the second of Anna's"
    again.close()


def test_of_too_many_receipts_the_oldest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarmchat.gateways.datasync.store.DATASYNC_RECEIPTS_MAX", 3)
    assert DATASYNC_RECEIPTS_MAX > 3
    store = Store(tmp_path / "d.sqlite")
    targets = [MessageId(bytes([number]) * 32) for number in range(4)]
    for number, target in enumerate(targets[:3]):
        store.note_receipt(receipt(number, target), target, ANNA)
    assert [target for target, _ in store.receipts_of(GROUP)] == targets[:3]
    store.note_receipt(receipt(3, targets[3]), targets[3], ANNA)
    assert [target for target, _ in store.receipts_of(GROUP)] == targets[1:]
    store.close()


def test_a_thin_peer_takes_back_what_was_never_said_and_knows_what_is_of_the_past(tmp_path: Path) -> None:
    store = ThinStore(tmp_path / "t.sqlite")
    mine, old = Message(GROUP, 1, b"mine"), Message(GROUP, 2, b"old")
    store.keep(mine, mine=True)
    store.keep(old, mine=False, is_news=False)
    for peer in (ANNA, BERT):
        store.put(Record(Kind.MESSAGE, peer, mine.id, GROUP, 1, 5))
    store.put(Record(Kind.REQUEST, ANNA, old.id, None, 1, 5))
    store.take_back(mine.id)
    assert store.kept() == [Kept(old, False, False, False, is_news=False)]
    assert [store.count(peer) for peer in (ANNA, BERT)] == [1, 0]
    store.close()
