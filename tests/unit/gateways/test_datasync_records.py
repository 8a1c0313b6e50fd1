"""Records and messages in memory."""

from __future__ import annotations

from swarmchat.gateways.datasync.payload import Message, MessageId, Metadata
from swarmchat.gateways.datasync.records import Kind, MemoryMessages, MemoryRecords, Record
from tests.support.datasync import ANNA, BERT, GROUP

ONE, TWO, THREE = (MessageId(bytes((each,)) * 32) for each in (1, 2, 3))


def record(kind: Kind, message: MessageId, due: int, count: int = 0) -> Record:
    return Record(kind, ANNA, message, GROUP, count, due)


def test_records_come_due_by_epoch_kind_and_id() -> None:
    records = MemoryRecords()
    assert records.due(ANNA, 10, 5) == []
    first, second, third = record(Kind.MESSAGE, TWO, 1), record(Kind.OFFER, THREE, 2), record(Kind.REQUEST, ONE, 2)
    for each in (third, second, first, record(Kind.OFFER, ONE, 9)):
        records.put(each)
    assert records.due(ANNA, 0, 5) == []
    assert records.due(ANNA, 8, 5) == [first, second, third]
    assert records.due(ANNA, 8, 2) == [first, second]
    assert records.due(ANNA, 8, 5) == [first, second, third], "they are not used up"
    assert records.due(BERT, 8, 5) == []


def test_a_record_takes_the_place_of_the_one_before() -> None:
    records = MemoryRecords()
    records.put(record(Kind.OFFER, ONE, 1))
    later = record(Kind.OFFER, ONE, 7, 3)
    records.put(later)
    assert records.get(ANNA, ONE, Kind.OFFER) == later
    assert records.get(BERT, ONE, Kind.OFFER) is None
    assert records.get(ANNA, ONE, Kind.MESSAGE) is None
    assert records.count(ANNA) == 1
    assert records.due(ANNA, 6, 5) == []
    assert records.due(ANNA, 7, 5) == [later]


def test_records_are_removed_by_kind_and_counted() -> None:
    records = MemoryRecords()
    for kind in Kind:
        records.put(record(kind, ONE, 1))
    assert (records.count(ANNA), records.count(ANNA, Kind.OFFER, Kind.REQUEST), records.count(BERT)) == (3, 2, 0)
    assert records.remove(ANNA, ONE, Kind.OFFER, Kind.MESSAGE)
    assert [each.kind for each in records.of(ANNA)] == [Kind.REQUEST]
    assert not records.remove(ANNA, ONE, Kind.OFFER)
    assert records.remove(ANNA, ONE)
    assert not records.remove(BERT, ONE)
    assert records.count(ANNA) == 0


def test_an_answer_ends_the_requests_of_all_peers() -> None:
    records = MemoryRecords()
    records.put(record(Kind.REQUEST, ONE, 1))
    records.put(Record(Kind.REQUEST, BERT, ONE, None, 0, 1))
    records.put(record(Kind.REQUEST, TWO, 1))
    records.answered(ONE)
    assert [each.message for each in records.of(ANNA)] == [TWO]
    assert records.count(BERT) == 0


def test_hastened_records_are_due_and_none_later_than_before() -> None:
    records = MemoryRecords()
    records.put(record(Kind.OFFER, ONE, 3))
    records.put(record(Kind.OFFER, TWO, 900, 4))
    epochs = iter((100, 101))
    records.hasten(ANNA, lambda: next(epochs))
    assert [(each.send_epoch, each.send_count) for each in records.of(ANNA)] == [(3, 0), (101, 4)]
    records.hasten(BERT, lambda: next(epochs))


def test_heads_are_what_nothing_follows_in_whatever_order_it_comes() -> None:
    messages = MemoryMessages()
    first = Message(GROUP, 1, b"")
    second = Message(GROUP, 2, b"", Metadata((first.id,)))
    third = Message(GROUP, 3, b"", Metadata((second.id,)))
    assert messages.heads(GROUP) == ()
    messages.add(third)
    messages.add(first)
    assert messages.heads(GROUP) == tuple(sorted((first.id, third.id)))
    messages.add(second)
    messages.add(second)
    assert messages.heads(GROUP) == (third.id,)
    assert messages.get(second.id) == second
    assert messages.get(ONE) is None
    assert not messages.has(ONE)


def test_what_is_removed_leaves_its_parents_as_heads() -> None:
    messages = MemoryMessages()
    first = Message(GROUP, 1, b"first", Metadata())
    second = Message(GROUP, 2, b"second", Metadata((first.id,)))
    third = Message(GROUP, 3, b"third", Metadata((first.id,)))
    for each in (first, second, third):
        messages.add(each)
    messages.remove(second.id)
    messages.remove(second.id)
    assert messages.heads(GROUP) == (third.id,)
    messages.remove(third.id)
    assert messages.heads(GROUP) == (first.id,)
    assert not messages.has(third.id)
    messages.add(third)
    assert messages.heads(GROUP) == (third.id,)
