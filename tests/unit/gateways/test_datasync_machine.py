"""The machine of data sync: who pays for what, what is not sent twice, and what our own side decides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swarmchat.errors import StorageError
from swarmchat.gateways.datasync.effects import Confirmed, Deliver, Fault, GivenUp, Ignored
from swarmchat.gateways.datasync.machine import Mode, Resolution
from swarmchat.gateways.datasync.payload import Message, MessageId, Metadata, Offer, Payload, PeerId
from swarmchat.gateways.datasync.records import Kind, Record
from swarmchat.gateways.datasync.schedule import CHANNEL, SIMULATION, STATUS
from swarmchat.gateways.refusal import Refused
from swarmchat.limits import (
    DATASYNC_ACKS_PER_PEER_MAX,
    DATASYNC_EPHEMERAL_BYTES_MAX,
    DATASYNC_EPHEMERAL_PER_PEER_MAX,
    DATASYNC_EPHEMERAL_REMEMBERED_MAX,
    DATASYNC_HELD_BYTES_PER_PEER_MAX,
    DATASYNC_HELD_PER_PEER_MAX,
    DATASYNC_HELD_S,
    DATASYNC_IDS_PER_PAYLOAD_MAX,
    DATASYNC_MESSAGE_BYTES_MAX,
    DATASYNC_RECORDS_PER_PEER_MAX,
    DATASYNC_REFUSED_PER_PEER_MAX,
    DATASYNC_REQUESTS_PER_PEER_MAX,
)
from tests.support.datasync import ANNA, BERT, CARL, GROUP, Peer


def made(text: str | bytes = b"", timestamp: int = 1, *parents: MessageId, ephemeral: bool = False) -> Message:
    body = text.encode() if isinstance(text, str) else text
    return Message(GROUP, timestamp, body, Metadata(parents, ephemeral))


def orphan(index: int, body: bytes = b"") -> Message:
    """A message whose parent nobody has."""
    return made(body, index, MessageId(index.to_bytes(32)))


def bert(*members: PeerId, **settings: object) -> Peer:
    """Bert, in a group with Anna and Carl, who are both online."""
    peer = Peer(BERT, members or (ANNA, BERT, CARL), **settings)  # type: ignore[arg-type]
    for other in (ANNA, CARL):
        peer.machine.online(other)
    return peer


def ticked(peer: Peer) -> dict[PeerId, Payload]:
    """What goes out once new records are due."""
    return peer.tick() | peer.tick()


# --- what our own side decides


def test_nothing_is_acknowledged_before_it_is_taken() -> None:
    peer = bert()
    peer.takes = False
    message = made("hello")
    assert peer.receive(ANNA, Payload(messages=(message,))) == [Deliver(message, ANNA)]
    assert peer.receive(ANNA, Payload(messages=(message,))) == [], "it is on its way in"
    assert peer.receive(CARL, Payload(messages=(message,))) == []
    assert ticked(peer) == {}
    assert not peer.messages.has(message.id)
    assert peer.machine.taken(message.id) == []
    assert ticked(peer) == {ANNA: Payload(acks=(message.id,)), CARL: Payload(acks=(message.id,))}
    assert peer.messages.has(message.id)
    assert peer.records.of(ANNA) == peer.records.of(CARL) == [], "both have it"


def test_what_is_noted_is_kept_and_acknowledged_and_goes_to_nobody_else() -> None:
    peer = bert()
    peer.takes = False
    message = made("seen")
    child = made("after it", 2, message.id)
    peer.receive(ANNA, Payload(messages=(message, child)))
    assert peer.machine.noted(message.id) == [Deliver(child, ANNA)]
    assert ticked(peer) == {ANNA: Payload(acks=(message.id,))}
    assert peer.messages.has(message.id)
    assert peer.machine.noted(message.id) == [], "it is settled"


def test_what_is_refused_is_acknowledged_and_goes_nowhere() -> None:
    peer = bert()
    peer.takes = False
    message = made("nonsense")
    peer.receive(ANNA, Payload(messages=(message,)))
    assert peer.machine.refused(message.id) == []
    assert ticked(peer) == {ANNA: Payload(acks=(message.id,))}
    assert not peer.messages.has(message.id)
    assert peer.receive(ANNA, Payload(offers=(message.id,))) == []
    assert peer.receive(ANNA, Payload(messages=(message,))) == []
    assert ticked(peer) == {ANNA: Payload(acks=(message.id,))}, "it is neither asked for nor judged again"


def test_what_one_peer_spoilt_and_was_refused_is_heard_of_another() -> None:
    peer = bert()
    peer.takes = False
    whole = made("hello", 1, MessageId(bytes(32)))
    spoilt = replace(whole, metadata=Metadata())
    peer.receive(ANNA, Payload(messages=(spoilt,)))
    peer.receive(CARL, Payload(messages=(whole,)))
    peer.machine.refused(whole.id)
    assert ticked(peer) == {ANNA: Payload(acks=(whole.id,))}, "Carl sends his again"
    assert peer.receive(CARL, Payload(offers=(whole.id,))) == []
    peer.tick()
    assert peer.tick() == {CARL: Payload(requests=(whole.id,))}


def test_a_message_that_is_held_for_parents_somebody_made_up_goes_on_with_another_copy() -> None:
    peer = bert()
    whole = made("hello")
    spoilt = replace(whole, metadata=Metadata((MessageId(bytes(32)),)))
    child = made("after it", 2, whole.id)
    peer.receive(ANNA, Payload(messages=(spoilt, child)))
    assert peer.delivered == []
    also_spoilt = replace(whole, metadata=Metadata((MessageId(b"1" * 32),)))
    assert peer.receive(CARL, Payload(messages=(also_spoilt,))) == []
    peer.receive(CARL, Payload(messages=(whole,)))
    assert peer.delivered == [whole, child]
    assert peer.messages.get(whole.id) == whole


def test_what_is_dropped_comes_again() -> None:
    peer = bert()
    peer.takes = False
    message = made("not now")
    peer.receive(ANNA, Payload(messages=(message,)))
    peer.machine.dropped(message.id)
    assert ticked(peer) == {}
    assert peer.receive(ANNA, Payload(messages=(message,))) == [Deliver(message, ANNA)]


def test_what_waits_for_a_refused_message_goes_on() -> None:
    peer = bert()
    peer.takes = False
    parent = made("nonsense")
    child = made("about it", 2, parent.id)
    assert peer.receive(ANNA, Payload(messages=(child, parent))) == [Deliver(parent, ANNA)]
    assert peer.machine.refused(parent.id) == [Deliver(child, ANNA)]
    other = made("more about it", 3, parent.id)
    assert peer.receive(CARL, Payload(messages=(other,))) == [Deliver(other, CARL)]


def test_a_message_that_came_another_way_settles_the_one_on_its_way_in() -> None:
    peer = bert()
    parent = made("through git")
    child = made("after it", 2, parent.id)
    peer.receive(ANNA, Payload(messages=(child,)))
    peer.tick()
    assert peer.tick() == {ANNA: Payload(requests=(parent.id,))}
    assert peer.machine.publish(parent) == [Deliver(child, ANNA)]
    assert [record.kind for record in peer.records.of(ANNA)] == [Kind.OFFER], "nobody is asked for it any more"


def test_answers_about_nothing_change_nothing() -> None:
    peer = bert()
    nothing = MessageId(bytes(32))
    assert peer.machine.taken(nothing) == []
    assert peer.machine.refused(nothing) == []
    peer.machine.dropped(nothing)
    peer.machine.offline(PeerId(b"stranger"))


# --- who has what


def test_a_message_goes_on_to_those_who_did_not_bring_it() -> None:
    peer = bert(mode=Mode.BATCH)
    message = made("pass it on")
    peer.receive(ANNA, Payload(messages=(message,)))
    assert ticked(peer) == {ANNA: Payload(acks=(message.id,)), CARL: Payload(messages=(message,))}


def test_a_request_takes_the_place_of_the_offer() -> None:
    peer = bert()
    message = peer.say("hello")
    peer.receive(ANNA, Payload(requests=(message.id,)))
    assert [record.kind for record in peer.records.of(ANNA)] == [Kind.MESSAGE]
    assert ticked(peer)[ANNA] == Payload(messages=(message,))


def test_who_may_not_read_learns_nothing() -> None:
    peer = bert(ANNA, BERT)
    message = peer.say("secret")
    unknown = Ignored(CARL, Refused(Fault.UNKNOWN_MESSAGE, message.id.hex()))
    assert peer.receive(CARL, Payload(requests=(message.id,))) == [unknown]
    assert peer.receive(CARL, Payload(offers=(message.id,))) == [
        Ignored(CARL, Refused(Fault.NOT_A_MEMBER, message.id.hex()))
    ]
    peer.machine.offer(CARL, [message.id])
    assert set(ticked(peer)) == {ANNA}
    assert peer.records.of(CARL) == []


def test_who_is_put_out_is_sent_nothing_that_waited_for_him() -> None:
    peer = bert(mode=Mode.BATCH)
    peer.say("hello")
    peer.groups.in_it.discard(CARL)
    assert set(ticked(peer)) == {ANNA}
    assert peer.records.of(CARL) == []


@pytest.mark.parametrize("mode", Mode)
def test_an_offer_or_the_message_itself_says_that_the_peer_has_it(mode: Mode) -> None:
    peer = bert(mode=mode)
    one, other = peer.say("one"), peer.say("other", 2)
    assert peer.receive(ANNA, Payload(offers=(one.id,), messages=(other,))) == [
        Confirmed(ANNA, one.id),
        Confirmed(ANNA, other.id),
    ]
    assert ticked(peer)[ANNA] == Payload(acks=(one.id, other.id))


def test_offers_of_a_group_count_like_others() -> None:
    peer = bert()
    wanted = MessageId(bytes(32))
    peer.receive(ANNA, Payload(group_offers=(Offer(GROUP, (wanted,)),)))
    assert ticked(peer) == {ANNA: Payload(requests=(wanted,))}


def test_an_ack_ends_a_request_too_and_says_nothing_of_ours() -> None:
    peer = bert()
    wanted = MessageId(bytes(32))
    peer.receive(ANNA, Payload(offers=(wanted,)))
    assert peer.receive(ANNA, Payload(acks=(wanted,))) == []
    assert peer.records.of(ANNA) == []


def test_what_came_from_elsewhere_is_not_asked_for_any_more() -> None:
    peer = bert()
    message = made("hello")
    peer.receive(ANNA, Payload(offers=(message.id,)))
    peer.messages.add(message)
    assert ticked(peer) == {}
    assert peer.records.of(ANNA) == []


def test_offering_brings_the_message_on_request_only() -> None:
    peer = bert()
    message = made("history")
    peer.messages.add(message)
    peer.machine.offer(ANNA, [message.id, MessageId(bytes(32))])
    assert ticked(peer) == {ANNA: Payload(offers=(message.id,))}


def test_one_peer_that_cannot_be_sent_to_keeps_nothing_from_the_others() -> None:
    peer = bert(mode=Mode.BATCH)
    peer.machine.offline(CARL)
    first = peer.say("first")
    assert ticked(peer) == {ANNA: Payload(messages=(first,))}
    peer.receive(ANNA, Payload(acks=(first.id,)))
    second = peer.say("second", 2)
    assert ticked(peer) == {ANNA: Payload(messages=(second,))}
    peer.machine.online(CARL)
    assert set(peer.tick()[CARL].messages) == {first, second}


def test_who_goes_offline_is_owed_nothing() -> None:
    peer = bert()
    message = made("hello")
    peer.receive(ANNA, Payload(messages=(message,)))
    peer.machine.offline(ANNA)
    peer.machine.online(ANNA)
    assert ANNA not in ticked(peer)
    peer.receive(ANNA, Payload(messages=(message,)))
    assert ticked(peer)[ANNA] == Payload(acks=(message.id,))


# --- ephemeral ones


def test_an_ephemeral_message_goes_round_once() -> None:
    peer = bert()
    message = made("typing", ephemeral=True)
    assert peer.receive(ANNA, Payload(messages=(message,))) == [Deliver(message, ANNA)]
    assert peer.receive(ANNA, Payload(messages=(message,))) == []
    assert ticked(peer) == {CARL: Payload(messages=(message,))}
    assert ticked(peer) == {}


def test_the_mark_does_not_keep_the_lasting_message_of_that_id_away() -> None:
    peer = bert()
    lasting = made("hello")
    marked = replace(lasting, metadata=Metadata(ephemeral=True))
    peer.receive(CARL, Payload(messages=(marked,)))
    peer.receive(ANNA, Payload(messages=(lasting,)))
    assert peer.messages.get(lasting.id) == lasting


def test_ephemeral_messages_are_small_and_few() -> None:
    peer = bert()
    filling = DATASYNC_EPHEMERAL_BYTES_MAX - made(bytes(1_000), ephemeral=True).size + 1_000
    most, more = made(bytes(filling), ephemeral=True), made(bytes(filling + 1), ephemeral=True)
    assert most.size == DATASYNC_EPHEMERAL_BYTES_MAX
    assert peer.receive(ANNA, Payload(messages=(most, more))) == [
        Deliver(most, ANNA),
        Ignored(ANNA, Refused(Fault.TOO_BIG, more.id.hex())),
    ]
    peer.machine.publish(most)
    with pytest.raises(ValueError, match="too long"):
        peer.machine.publish(more)
    ticked(peer)
    many = [made("typing", index, ephemeral=True) for index in range(DATASYNC_EPHEMERAL_PER_PEER_MAX + 1)]
    for each in many:
        peer.machine.publish(each, [ANNA])
    assert ticked(peer) == {ANNA: Payload(messages=tuple(many[1:]))}


def test_one_peers_marks_push_out_its_own_memory_only() -> None:
    peer = bert()
    of_carl = made("typing", ephemeral=True)
    peer.receive(CARL, Payload(messages=(of_carl,)))
    many = [made("noise", index, ephemeral=True) for index in range(DATASYNC_EPHEMERAL_REMEMBERED_MAX + 1)]
    for each in many:
        peer.receive(ANNA, Payload(messages=(each,)))
    assert peer.receive(CARL, Payload(messages=(of_carl,))) == []
    assert peer.receive(ANNA, Payload(messages=(many[1],))) == []
    assert peer.receive(ANNA, Payload(messages=(many[0],))) == [Deliver(many[0], ANNA)]


# --- bounds


def test_a_message_that_is_too_long_is_not_published() -> None:
    with pytest.raises(ValueError, match="too long"):
        bert().machine.publish(made(bytes(DATASYNC_MESSAGE_BYTES_MAX)))


def test_what_is_over_one_payload_waits_for_the_next() -> None:
    peer = bert()
    peer.machine.offline(CARL)
    said = [peer.say(f"{index}", index) for index in range(DATASYNC_IDS_PER_PAYLOAD_MAX + 3)]
    peer.tick()
    first, second = peer.tick()[ANNA], peer.tick()[ANNA]
    assert len(first.offers) == DATASYNC_IDS_PER_PAYLOAD_MAX
    assert not set(first.offers) & set(second.offers[:3])
    assert {*first.offers, *second.offers} == {message.id for message in said}


def test_long_messages_go_one_after_another() -> None:
    peer = bert(mode=Mode.BATCH, schedule=STATUS)
    peer.machine.offline(CARL)
    said = {peer.say("x" * (DATASYNC_MESSAGE_BYTES_MAX - 500), index).id for index in range(3)}
    peer.tick()
    sent = [peer.tick()[ANNA].messages for _ in range(3)]
    assert [len(messages) for messages in sent] == [1, 1, 1]
    assert {message.id for (message,) in sent} == said
    assert peer.tick() == {}


def test_a_peer_can_offer_so_many_ids_and_no_more() -> None:
    peer = bert()
    ids = [MessageId(index.to_bytes(32)) for index in range(DATASYNC_REQUESTS_PER_PEER_MAX + 1)]
    effects = peer.receive(ANNA, Payload(offers=tuple(ids)))
    assert effects == [Ignored(ANNA, Refused(Fault.TOO_MANY, ids[-1].hex()))]
    assert peer.records.count(ANNA, Kind.REQUEST) == DATASYNC_REQUESTS_PER_PEER_MAX
    assert peer.receive(CARL, Payload(offers=tuple(ids[-1:]))) == [], "it is nobody else's loss"


def test_so_many_records_wait_for_a_peer_and_no_more() -> None:
    peer = bert()
    for index in range(DATASYNC_RECORDS_PER_PEER_MAX):
        peer.records.put(Record(Kind.OFFER, ANNA, MessageId(index.to_bytes(32)), GROUP, 0, 1))
    message = peer.say("one more")
    assert peer.records.count(ANNA) == DATASYNC_RECORDS_PER_PEER_MAX
    assert peer.records.count(CARL) == 1
    effects = peer.receive(ANNA, Payload(requests=(message.id,)))
    assert effects == [Ignored(ANNA, Refused(Fault.TOO_MANY, message.id.hex()))]


def test_so_many_acks_are_owed_and_no_more() -> None:
    peer = bert()
    said = [made("x", index) for index in range(DATASYNC_ACKS_PER_PEER_MAX + 1)]
    for message in said:
        peer.messages.add(message)
        peer.receive(ANNA, Payload(offers=(message.id,)))
    assert peer.effects == [Ignored(ANNA, Refused(Fault.TOO_MANY, said[-1].id.hex()))]
    owed = [each for _ in range(5) for each in peer.tick().get(ANNA, Payload()).acks]
    assert owed == [message.id for message in said[:-1]]


def test_what_one_peer_brings_without_parents_is_held_up_to_the_bound_and_then_goes_on_at_once() -> None:
    peer = bert()
    peer.takes = False
    held = [orphan(index) for index in range(1, DATASYNC_HELD_PER_PEER_MAX + 1)]
    for message in held:
        peer.receive(ANNA, Payload(messages=(message,)))
    assert peer.delivered == []
    over = orphan(DATASYNC_HELD_PER_PEER_MAX + 1)
    peer.receive(ANNA, Payload(messages=(over,)))
    assert peer.delivered == [over]
    of_carl = orphan(5_000)
    assert peer.receive(CARL, Payload(messages=(of_carl,))) == [], "that is held"
    for index in range(DATASYNC_HELD_PER_PEER_MAX - 1):
        peer.receive(ANNA, Payload(messages=(orphan(10_000 + index),)))
    assert len(peer.delivered) == DATASYNC_HELD_PER_PEER_MAX
    last = orphan(20_000)
    assert peer.receive(ANNA, Payload(messages=(last,))) == [Ignored(ANNA, Refused(Fault.TOO_MANY, last.id.hex()))]
    for message in list(peer.delivered):
        peer.machine.taken(message.id)
    assert peer.receive(ANNA, Payload(messages=(last,)))[-1] == Deliver(last, ANNA)


def test_what_is_held_has_so_many_bytes_in_all() -> None:
    peer = bert()
    length = DATASYNC_HELD_BYTES_PER_PEER_MAX // 40
    for index in range(1, 45):
        peer.receive(ANNA, Payload(messages=(orphan(index, bytes(length)),)))
    assert [message.timestamp for message in peer.delivered] == [40, 41, 42, 43, 44]


def test_what_waited_for_seven_days_goes_on_without_its_parents() -> None:
    peer = bert()
    old, young = orphan(1), orphan(2)
    peer.receive(ANNA, Payload(messages=(old,)), 1_000.0)
    peer.receive(ANNA, Payload(messages=(young,)), 1_000.5)
    peer.tick(1_000.0 + DATASYNC_HELD_S - 0.1)
    assert peer.delivered == []
    peer.tick(1_000.0 + DATASYNC_HELD_S)
    assert peer.delivered == [old]
    assert peer.messages.has(old.id)


def test_of_what_was_refused_the_last_is_remembered() -> None:
    peer = bert()
    peer.takes = False
    refused = [made("x", index) for index in range(DATASYNC_REFUSED_PER_PEER_MAX + 1)]
    for message in refused:
        peer.receive(ANNA, Payload(messages=(message,)))
        peer.machine.refused(message.id)
    assert peer.receive(ANNA, Payload(messages=(refused[1],))) == []
    assert peer.receive(ANNA, Payload(messages=(refused[0],))) == [Deliver(refused[0], ANNA)]
    held, freed = made("y", 1, refused[0].id), made("y", 2, refused[1].id)
    assert peer.receive(CARL, Payload(messages=(held, freed))) == [Deliver(freed, CARL)]


def test_an_offer_of_what_is_on_its_way_in_is_acknowledged_with_it() -> None:
    peer = bert()
    peer.takes = False
    message = made("hello")
    peer.receive(ANNA, Payload(messages=(message,)))
    assert peer.receive(CARL, Payload(offers=(message.id,))) == []
    peer.machine.taken(message.id)
    assert ticked(peer)[CARL] == Payload(acks=(message.id,))


def test_two_of_one_parent_ask_for_it_once() -> None:
    peer = bert()
    parent = made("parent")
    grandparent = MessageId(bytes(32))
    middle = replace(parent, metadata=Metadata((grandparent,)))
    peer.receive(ANNA, Payload(messages=(middle, made("one", 2, parent.id), made("other", 3, parent.id))))
    assert ticked(peer) == {ANNA: Payload(requests=(grandparent,))}, "the parent is on its way in"


# --- the order of things


def test_two_messages_that_name_each_other_as_parents_wait_until_that_is_over() -> None:
    one, other = made("one", 1), made("other", 2)
    peer = bert()
    peer.receive(ANNA, Payload(messages=(replace(one, metadata=Metadata((other.id,))),)))
    peer.receive(ANNA, Payload(messages=(replace(other, metadata=Metadata((one.id,))),)))
    peer.receive(ANNA, Payload(messages=(replace(made("self", 3), metadata=Metadata((made("self", 3).id,))),)))
    assert [message.body for message in peer.delivered] == [b"self"]
    peer.tick(DATASYNC_HELD_S)
    assert {message.id for message in peer.delivered} >= {one.id, other.id}


def test_a_message_with_two_parents_waits_for_both() -> None:
    left, right = made("left", 1), made("right", 2)
    both = made("both", 3, left.id, right.id)
    peer = bert()
    peer.receive(ANNA, Payload(messages=(both, right)))
    assert peer.delivered == [right]
    peer.receive(CARL, Payload(messages=(left,)))
    assert peer.delivered == [right, left, both]


def test_eventual_mode_holds_nothing_and_asks_no_one_for_what_is_on_its_way() -> None:
    peer = bert(resolution=Resolution.EVENTUAL)
    peer.takes = False
    parent = made("parent")
    child = made("child", 2, parent.id)
    peer.receive(ANNA, Payload(messages=(parent, child)))
    assert peer.delivered == [parent, child]
    assert peer.records.of(ANNA) == []


def test_own_messages_follow_all_that_is_here() -> None:
    peer = bert()
    one, other = made("one"), made("other", 2)
    peer.receive(ANNA, Payload(messages=(one, other)))
    own = peer.say("both", 3)
    assert own.parents == tuple(sorted((one.id, other.id)))
    assert peer.say("next", 4).parents == (own.id,)


# --- when again


def test_the_schedules_grow_as_they_say() -> None:
    def thrown(values: int) -> int:
        return values - 1

    assert [SIMULATION.next(count, 10, thrown) for count in (1, 2, 3)] == [12, 14, 16]
    assert [STATUS.next(count, 10, thrown) - 10 for count in (1, 2, 14)] == [119, 209, 737_309]
    assert [CHANNEL.next(count, 0, thrown) for count in (1, 8, 9, 500)] == [119, 11_549, 11_549, 11_549]
    assert [each.online(5, thrown) for each in (SIMULATION, STATUS, CHANNEL)] == [5, 64, 5]


def test_on_a_channel_nothing_is_given_up() -> None:
    peer = bert(mode=Mode.BATCH, schedule=CHANNEL)
    peer.say("hello")
    for _ in range(30):
        peer.records.epoch = peer.records.of(ANNA)[0].send_epoch
        assert ANNA in peer.tick()
    assert not any(isinstance(effect, GivenUp) for effect in peer.effects)


def test_coming_online_delays_nothing() -> None:
    peer = bert(schedule=STATUS, dice=lambda values: values - 1)
    peer.say("hello")
    before = peer.records.of(ANNA)
    peer.machine.online(ANNA)
    assert peer.records.of(ANNA) == before


def test_what_came_with_something_that_the_disk_refused_is_delivered_when_it_comes_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bert = Peer(BERT, (ANNA, BERT))
    bert.machine.online(ANNA)
    first, second = Message(GROUP, 1, b"one"), Message(GROUP, 2, b"two")
    sound = bert.records.remove

    def remove(peer: PeerId, message: MessageId, *kinds: Kind) -> bool:
        if message == second.id:
            raise StorageError("no space left on device")
        return sound(peer, message, *kinds)

    monkeypatch.setattr(bert.records, "remove", remove)
    with pytest.raises(StorageError):
        bert.receive(ANNA, Payload(messages=(first, second)))
    monkeypatch.undo()
    bert.receive(ANNA, Payload(messages=(first, second)))
    assert bert.delivered == [first, second]
