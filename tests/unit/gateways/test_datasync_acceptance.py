"""The acceptance list of data sync by number. (SCP-09 §4)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from swarmchat.gateways.datasync import payload as payloads
from swarmchat.gateways.datasync.effects import Confirmed, Deliver, GivenUp, Ignored
from swarmchat.gateways.datasync.effects import Fault as MachineFault
from swarmchat.gateways.datasync.machine import Mode, Resolution
from swarmchat.gateways.datasync.messages import (
    ClientMessage,
    Content,
    Post,
    Type,
    read_body,
    read_client,
    write_client,
)
from swarmchat.gateways.datasync.payload import (
    Message,
    MessageId,
    Metadata,
    Payload,
    Profile,
    read_payload,
    write_payload,
)
from swarmchat.gateways.datasync.records import Kind, Record
from swarmchat.gateways.datasync.schedule import CHANNEL, SIMULATION, STATUS, Schedule
from swarmchat.gateways.refusal import Refused
from tests.support.datasync import ANNA, BERT, CARL, GROUP, Air, Peer
from tests.support.mvds_vectors import GROUP as VECTOR_GROUP
from tests.support.mvds_vectors import SECRETS, VECTORS


def of_hex(text: str) -> bytes:
    return bytes.fromhex(text)


# --- 1-4: bytes


@pytest.mark.parametrize("vector", VECTORS["message_ids"], ids=lambda vector: str(vector["timestamp"]))
def test_1_ids_of_empty_long_old_and_far_messages(vector: dict[str, object]) -> None:
    message = Message(VECTOR_GROUP, int(str(vector["timestamp"])), of_hex(str(vector["body_hex"])))
    assert message.id.hex() == vector["id"]
    assert replace(message, metadata=Metadata((message.id,), ephemeral=True)).id == message.id


@pytest.mark.parametrize("vector", VECTORS["client"], ids=lambda vector: str(vector["type"]))
def test_2_chained_client_messages_verify_and_are_written_the_same(vector: dict[str, str]) -> None:
    wire, secret = of_hex(vector["wire_hex"]), SECRETS[vector["signer"]]
    client = read_client(wire)
    assert isinstance(client, ClientMessage)
    assert (client.type.name, client.body.hex()) == (vector["type"], vector["body_hex"])
    assert (client.previous or b"").hex() == vector["previous_message_hex"]
    assert client.digest.hex() == vector["hash_hex"]
    assert client.signature.hex() == vector["signature_hex"] == secret.sign(client.digest).hex()
    assert client.sender == secret.public
    assert not client.legacy
    assert write_client(client) == wire
    assert Message(VECTOR_GROUP, int(vector["timestamp"]), wire).id.hex() == vector["mvds_id"]


def test_3_the_form_of_2019_is_read_flagged_and_never_written() -> None:
    vector = VECTORS["dasy_legacy"]
    client = read_client(of_hex(vector["wire_hex"]))
    assert isinstance(client, ClientMessage)
    assert client.legacy
    assert (client.type, client.previous, client.digest.hex()) == (Type.POST, None, vector["hash_hex"])
    assert client.sender is not None
    assert read_body(client) == Post(Content.TEXT, b"hi", "hi")
    with pytest.raises(ValueError, match="2019"):
        write_client(client)
    assert read_client(write_client(replace(client, legacy=False))) == replace(client, legacy=False)


def test_4_the_numbers_of_the_specification_are_written_and_the_old_ones_read_where_they_are_expected() -> None:
    new, old, with_metadata, nothing = (of_hex(each["hex"]) for each in VECTORS["payloads"])
    read = read_payload(new)
    assert isinstance(read, Payload)
    assert write_payload(read) == new
    assert read_payload(old, Profile.VACP2P) == read
    assert read_payload(old) == read_payload(new, Profile.VACP2P) == Refused(payloads.Fault.WRONG_FIELD_NUMBERS)
    assert read_payload(nothing) == read_payload(nothing, Profile.VACP2P) == Refused(payloads.Fault.EMPTY)
    full = read_payload(with_metadata)
    assert isinstance(full, Payload)
    assert write_payload(full) == with_metadata
    (message,) = full.messages
    assert message.id.hex() == VECTORS["payloads"][2]["message_id"]
    assert [parent.hex() for parent in message.parents] == [VECTORS["client"][1]["mvds_id"]]


# --- 5-10: the machine


def test_5_batch_takes_one_message_and_one_ack() -> None:
    anna, bert = (Peer(me, (ANNA, BERT), mode=Mode.BATCH) for me in (ANNA, BERT))
    air = Air(anna, bert)
    message = anna.say("hello")
    air.until_quiet()
    assert [(sender, payload) for sender, _, payload in air.carried] == [
        (ANNA, Payload(messages=(message,))),
        (BERT, Payload(acks=(message.id,))),
    ]
    assert bert.delivered == [message]
    assert anna.effects == [Confirmed(BERT, message.id)]


def test_5_interactive_takes_offer_request_message_and_ack() -> None:
    anna, bert = (Peer(me, (ANNA, BERT), schedule=STATUS) for me in (ANNA, BERT))
    air = Air(anna, bert)
    message = anna.say("hello")
    air.until_quiet()
    assert [(sender, payload) for sender, _, payload in air.carried] == [
        (ANNA, Payload(offers=(message.id,))),
        (BERT, Payload(requests=(message.id,))),
        (ANNA, Payload(messages=(message,))),
        (BERT, Payload(acks=(message.id,))),
    ]
    assert bert.delivered == [message]
    assert anna.effects == [Confirmed(BERT, message.id)]


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("seed", range(5))
def test_6_half_of_all_payloads_lost_and_everything_arrives_as_the_schedule_says(mode: Mode, seed: int) -> None:
    print(f"seed {seed}")
    peers = anna, bert, carl = [Peer(me, (ANNA, BERT, CARL), mode=mode) for me in (ANNA, BERT, CARL)]
    air = Air(*peers, loss=0.5, seed=seed)
    said = [peer.say(f"{index}", index) for index, peer in enumerate((anna, bert, carl, anna, anna, bert, carl, carl))]
    waiting = _records(peers)
    while waiting:
        epoch = int(air.now)
        assert epoch < 2_000
        air.round()
        now = _records(peers)
        for record in now - waiting:
            new = record.send_count == 0 and record.send_epoch == epoch + 2  # it came after the tick, in the next epoch
            sent = record.send_count and record.send_epoch == SIMULATION.next(
                record.send_count, epoch, lambda values: 0
            )
            assert new or sent, record
        waiting = now
    for peer in peers:
        assert all(peer.messages.has(message.id) for message in said)
        assert len(peer.delivered) == len(set(peer.delivered)) == len(said) - len(_of(peer, peers, said))


def _records(peers: Sequence[Peer]) -> set[Record]:
    return {record for peer in peers for other in peers for record in peer.records.of(other.me)}


def _of(peer: Peer, peers: Sequence[Peer], said: list[Message]) -> list[Message]:
    """What a peer said itself: nobody delivered it to him."""
    return [message for message in said if message not in peer.delivered]


def test_7_a_record_is_dropped_after_its_last_sending() -> None:
    thrown: list[int] = []
    anna = Peer(ANNA, (ANNA, BERT), mode=Mode.BATCH, schedule=STATUS, dice=lambda values: thrown.append(values) or 7)
    anna.machine.online(BERT)
    message = anna.say("is anybody there?")
    (record,) = anna.records.of(BERT)
    for count in range(1, 15):
        epoch = anna.records.epoch = record.send_epoch
        assert anna.tick() == {BERT: Payload(messages=(message,))}
        (record,) = anna.records.of(BERT)
        assert (record.send_count, record.send_epoch) == (count, epoch + 2 ** (count - 1) * 30 * 3 + 7)
        anna.records.epoch = record.send_epoch - 1
        assert not anna.tick(), "sent before its time"
    anna.records.epoch = record.send_epoch
    assert anna.tick() == {BERT: Payload(messages=(message,))}
    assert anna.records.of(BERT) == []
    assert anna.effects == [GivenUp(BERT, message.id, Kind.MESSAGE)]
    assert thrown == [30] * 14


@pytest.mark.parametrize(("schedule", "due"), [(STATUS, 1_000 + 59), (CHANNEL, 1_000), (SIMULATION, 1_000)])
def test_7_coming_online_makes_records_due(schedule: Schedule, due: int) -> None:
    anna = Peer(ANNA, (ANNA, BERT), mode=Mode.BATCH, schedule=schedule, dice=lambda values: values - 1)
    anna.machine.online(BERT)
    anna.say("later")
    (record,) = anna.records.of(BERT)
    anna.records.put(replace(record, send_count=9, send_epoch=50_000))
    anna.machine.offline(BERT)
    anna.records.epoch = 1_000
    assert not anna.tick()
    anna.records.epoch = 1_000
    anna.machine.online(BERT)
    assert [record.send_epoch for record in anna.records.of(BERT)] == [due]
    anna.records.epoch = due
    assert list(anna.tick()) == [BERT]


def test_8_an_offer_of_what_is_here_is_acknowledged() -> None:
    anna, bert = (Peer(me, (ANNA, BERT)) for me in (ANNA, BERT))
    Air(anna, bert)
    message = anna.say("known")
    bert.messages.add(message)
    bert.receive(ANNA, Payload(offers=(message.id,)))
    assert bert.tick() == {ANNA: Payload(acks=(message.id,))}


def test_8_a_message_from_who_is_not_in_the_group_is_dropped_without_ack() -> None:
    bert = Peer(BERT, (ANNA, BERT))
    bert.machine.online(CARL)
    message = Message(GROUP, 1, b"let me in")
    assert bert.receive(CARL, Payload(messages=(message,))) == [
        Ignored(CARL, Refused(MachineFault.NOT_A_MEMBER, message.id.hex()))
    ]
    assert not bert.tick()
    assert not bert.messages.has(message.id)


def test_8_ids_of_a_wrong_length_are_passed_over_and_the_list_goes_on() -> None:
    good = MessageId(bytes(32))
    bad = [MessageId(bytes(31)), MessageId(bytes(33)), MessageId(b"")]
    lists = dict.fromkeys(("acks", "offers", "requests"), (*bad, good))
    read = read_payload(write_payload(Payload(**lists)))
    assert isinstance(read, Payload)
    assert (read.acks, read.offers, read.requests, read.passed_over) == ((good,), (good,), (good,), 9)


def test_8_unknown_ids_do_not_stop_the_list() -> None:
    anna, bert = (Peer(me, (ANNA, BERT), mode=Mode.BATCH) for me in (ANNA, BERT))
    Air(anna, bert)
    said = [anna.say("one"), anna.say("two", 2)]
    strange = MessageId(bytes(32))
    anna.receive(BERT, Payload(requests=(strange, said[0].id), acks=(strange, said[1].id)))
    unknown = Ignored(BERT, Refused(MachineFault.UNKNOWN_MESSAGE, strange.hex()))
    assert anna.effects == [unknown, Confirmed(BERT, said[1].id), unknown]
    anna.tick()
    assert anna.tick() == {BERT: Payload(messages=(said[0],))}


@pytest.mark.parametrize("mode", Mode)
def test_9_ephemeral_is_sent_once_neither_stored_nor_acknowledged(mode: Mode) -> None:
    anna, bert = (Peer(me, (ANNA, BERT), mode=mode) for me in (ANNA, BERT))
    air = Air(anna, bert)
    message = anna.say("typing", ephemeral=True)
    for _ in range(20):
        air.round()
    assert [(sender, payload) for sender, _, payload in air.carried] == [(ANNA, Payload(messages=(message,)))]
    assert bert.effects == [Deliver(message, ANNA)]
    assert not bert.messages.has(message.id)
    assert not anna.messages.has(message.id)
    assert bert.machine.taken(message.id) == []  # a shell that mistakes it cannot make it lasting
    assert not bert.messages.has(message.id)


def test_10_a_child_waits_for_its_parents_and_they_are_asked_of_its_sender() -> None:
    anna, bert = (Peer(me, (ANNA, BERT, CARL)) for me in (ANNA, BERT))
    bert.machine.online(ANNA)
    first, second = anna.say("first"), anna.say("second", 2)
    third = anna.say("third", 3)
    assert third.parents == (second.id,)
    bert.receive(ANNA, Payload(messages=(third,)))
    bert.receive(ANNA, Payload(messages=(second,)))
    assert bert.delivered == []
    bert.tick()
    assert bert.tick() == {ANNA: Payload(requests=(first.id,))}, "what came meanwhile is not asked for"
    bert.receive(ANNA, Payload(messages=(first,)))
    assert bert.delivered == [first, second, third]
    assert bert.tick()[ANNA].acks == (first.id, second.id, third.id)


def test_10_eventual_mode_delivers_at_once_and_asks() -> None:
    anna, bert = (Peer(me, (ANNA, BERT), resolution=Resolution.EVENTUAL) for me in (ANNA, BERT))
    bert.machine.online(ANNA)
    first, second = anna.say("first"), anna.say("second", 2)
    bert.receive(ANNA, Payload(messages=(second,)))
    assert bert.delivered == [second]
    bert.tick()
    assert bert.tick() == {ANNA: Payload(requests=(first.id,))}
