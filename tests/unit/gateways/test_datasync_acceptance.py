"""The acceptance list of data sync by number. (SCP-09 §4)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways.datasync import payload as payloads
from swarmchat.gateways.datasync.effects import Confirmed, Deliver, GivenUp, Ignored
from swarmchat.gateways.datasync.effects import Fault as MachineFault
from swarmchat.gateways.datasync.group import Fault as GroupFault
from swarmchat.gateways.datasync.group import Group
from swarmchat.gateways.datasync.machine import Mode, Resolution
from swarmchat.gateways.datasync.messages import (
    Ack,
    ClientMessage,
    Content,
    Invite,
    Join,
    Kick,
    Leave,
    Post,
    Type,
    read_body,
    read_client,
    text_post,
    write_client,
)
from swarmchat.gateways.datasync.messages import Fault as ClientFault
from swarmchat.gateways.datasync.payload import (
    GroupId,
    Message,
    MessageId,
    Metadata,
    Payload,
    PeerId,
    Profile,
    read_payload,
    write_payload,
)
from swarmchat.gateways.datasync.records import Kind as RecordKind
from swarmchat.gateways.datasync.records import Record
from swarmchat.gateways.datasync.schedule import CHANNEL, SIMULATION, STATUS, Schedule
from swarmchat.gateways.datasync.standing import Fault as StandingFault
from swarmchat.gateways.datasync.standing import Law
from swarmchat.gateways.refusal import Refused
from tests.support.datasync import ANNA, BERT, CARL, GROUP, SECRET_OF, Air, Chain, Peer
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
    assert anna.effects == [GivenUp(BERT, message.id, RecordKind.MESSAGE)]
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


# --- 11-13: who may do what


def founded(*members: PeerId) -> tuple[Chain, Group]:
    """A group of Anna's that these have joined."""
    chain, group = Chain(), Group(GROUP, Law(founder=ANNA))
    assert group.add(chain.write(ANNA, Invite(Key(ANNA), GROUP))) is None
    invited(chain, group, *members)
    return chain, group


def invited(chain: Chain, group: Group, *members: PeerId) -> None:
    for member in members:
        assert added(group, chain.write(ANNA, Invite(Key(member), GROUP))) is None
        assert added(group, chain.write(member, Join(Key(member), GROUP))) is None
    assert group.standing.members == {ANNA, *members}


def added(group: Group, message: Message) -> str | None:
    """Why a message does not count."""
    assert group.add(message, BERT) is None
    verdict = group.verdict(message.id)
    return verdict and verdict.reason


def test_11_previous_message_of_another_sender_or_group_or_none_of_a_known_sender_is_refused() -> None:
    chain, group = founded(BERT, CARL)
    of_bert, of_carl = chain.last[BERT], chain.last[CARL]
    assert of_bert
    assert of_carl
    assert added(group, chain.write(BERT, text_post("moved"), previous=of_carl)) == GroupFault.PREVIOUS_OF_ANOTHER
    elsewhere = Chain(GroupId(bytes(32))).write(BERT, text_post("elsewhere"))
    assert (
        added(group, chain.write(BERT, text_post("carried over"), previous=elsewhere.id)) == GroupFault.PREVIOUS_MISSING
    )
    assert added(group, chain.write(BERT, text_post("as if new"), previous="none")) == GroupFault.PREVIOUS_EMPTY
    assert group.add(elsewhere) == Refused(GroupFault.WRONG_GROUP)
    assert added(group, chain.write(BERT, text_post("well"), previous=of_bert)) is None
    assert [entry.body for entry in group.shown()] == [text_post("well")]


def test_11_previous_message_is_empty_or_32_bytes() -> None:
    for length in (1, 31, 33, 64):
        client = ClientMessage(Type.POST, b"\1x", MessageId(bytes(length)), b"")
        signed = replace(client, signature=SECRET_OF[ANNA].sign(client.digest))
        assert read_client(write_client(signed)) == Refused(ClientFault.BAD_PREVIOUS, f"{length} bytes")


def test_11_bytes_moved_out_of_previous_message_have_the_same_signature_and_do_not_count() -> None:
    chain, group = founded(BERT)
    post = chain.write(BERT, text_post("hello"))
    client = read_client(post.body)
    assert isinstance(client, ClientMessage)
    assert client.previous
    moved = read_client(write_client(replace(client, body=client.body + client.previous, previous=None)))
    assert isinstance(moved, ClientMessage)
    assert moved.sender == client.sender
    assert added(group, replace(post, body=write_client(moved))) == GroupFault.PREVIOUS_EMPTY
    assert added(group, post) is None


def test_12_a_join_copied_into_another_group_is_refused() -> None:
    there = Chain(GroupId(bytes(32)))
    join = there.write(BERT, Join(Key(BERT), there.group))
    chain, group = founded()
    assert added(group, chain.write(ANNA, Invite(Key(BERT), GROUP))) is None
    assert added(group, replace(join, group=GROUP, metadata=Metadata(chain.heads()))) == GroupFault.WRONG_GROUP
    assert group.standing.invited == {BERT}


def test_12_a_join_that_names_no_group_counts_as_its_senders_first_message_only() -> None:
    chain, group = founded()
    assert added(group, chain.write(ANNA, Invite(Key(BERT), GROUP))) is None
    assert added(group, chain.write(BERT, Join(Key(BERT), None))) is None
    assert added(group, chain.write(BERT, Leave(Key(BERT), None))) is None
    assert added(group, chain.write(ANNA, Invite(Key(BERT), GROUP))) is None
    assert added(group, chain.write(BERT, Join(Key(BERT), None))) == GroupFault.NAMES_NO_GROUP
    assert added(group, chain.write(BERT, Join(Key(BERT), None), previous="none")) == GroupFault.PREVIOUS_EMPTY
    assert group.standing.invited == {BERT}


def test_13_a_kick_removes_and_a_post_after_it_is_hidden() -> None:
    chain, group = founded(BERT, CARL)
    before = chain.write(BERT, text_post("before"))
    kick = chain.write(ANNA, Kick(Key(BERT), GROUP))
    after = chain.write(BERT, text_post("after"))
    assert [added(group, each) for each in (before, kick, after)] == [None, None, StandingFault.NOT_A_MEMBER]
    assert group.standing.members == {ANNA, CARL}
    assert group.standing.kicked == {BERT}
    assert added(group, chain.write(BERT, Join(Key(BERT), GROUP))) == StandingFault.NOT_INVITED
    assert added(group, chain.write(ANNA, Invite(Key(BERT), GROUP))) is None
    assert added(group, chain.write(BERT, Join(Key(BERT), GROUP))) is None
    assert added(group, chain.write(BERT, text_post("again"))) is None
    assert [entry.body for entry in group.shown()] == [text_post("before"), text_post("again")]


def test_13_a_post_beside_the_kick_is_hidden_until_somebody_else_says_that_he_saw_it_before() -> None:
    chain, group = founded(BERT, CARL)
    last = [chain.messages[each] for each in chain.heads()]
    kick = chain.write(ANNA, Kick(Key(BERT), GROUP), parents=last)
    pretended = chain.write(BERT, text_post("I saw no kick"), parents=last)
    assert [added(group, each) for each in (kick, pretended)] == [None, GroupFault.KICKED]
    own = chain.write(BERT, text_post("me neither"), parents=[pretended])
    assert added(group, own) == GroupFault.KICKED
    assert group.verdict(pretended.id) is not None, "nobody vouches for himself"
    late = chain.write(CARL, text_post("I saw both"), parents=[pretended, kick])
    assert added(group, late) is None
    assert group.verdict(pretended.id) is not None, "who has seen the kick says nothing about what was before it"
    joined = next(entry.id for entry in group.entries() if entry.sender == CARL)
    witness = chain.write(CARL, text_post("I saw it before"), parents=[pretended], previous=joined)
    assert added(group, witness) is None
    assert group.verdict(pretended.id) is None
    assert group.verdict(own.id) is not None


def test_13_who_leaves_is_out_and_comes_back_by_invitation() -> None:
    chain, group = founded(BERT)
    assert added(group, chain.write(BERT, Leave(None, None))) is None
    assert group.standing.members == {ANNA}
    assert added(group, chain.write(BERT, text_post("one more thing"))) == StandingFault.NOT_A_MEMBER
    assert added(group, chain.write(BERT, Join(Key(BERT), GROUP))) == StandingFault.NOT_INVITED
    invited(chain, group, BERT)


def test_13_the_owner_who_leaves_dissolves_the_group() -> None:
    chain, group = founded(BERT)
    last = [chain.messages[each] for each in chain.heads()]
    leave = chain.write(ANNA, Leave(Key(ANNA), GROUP), parents=last)
    beside = chain.write(BERT, text_post("beside"), parents=last)
    after = chain.write(BERT, text_post("after"))
    assert [added(group, each) for each in (leave, beside, after)] == [None, None, StandingFault.DISSOLVED]
    assert group.standing.dissolved
    assert added(group, chain.write(BERT, Ack(leave.id))) is None
    assert added(group, chain.write(BERT, Invite(Key(CARL), GROUP))) == StandingFault.DISSOLVED


def test_13_the_vectors_make_one_group_though_they_have_no_metadata() -> None:
    group = Group(VECTOR_GROUP, Law())
    for vector in VECTORS["client"]:
        message = Message(VECTOR_GROUP, vector["timestamp"], of_hex(vector["wire_hex"]))
        assert added(group, message) is None, vector["type"]
    assert [entry.body for entry in group.shown()] == [text_post("Привет")]
    assert group.standing.dissolved
    assert group.standing.members == frozenset()
