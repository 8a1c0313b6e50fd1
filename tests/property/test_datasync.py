"""Data sync over a line that loses, repeats and swaps: everybody ends with the same messages and the same group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways.datasync.effects import Deliver, Send
from swarmchat.gateways.datasync.group import Fault, Group
from swarmchat.gateways.datasync.machine import Mode, Resolution
from swarmchat.gateways.datasync.messages import Ack, Body, Invite, Join, Kick, Leave, Post, text_post
from swarmchat.gateways.datasync.payload import (
    Message,
    MessageId,
    Metadata,
    Offer,
    Payload,
    PeerId,
    read_payload,
    write_payload,
)
from swarmchat.gateways.datasync.schedule import SIMULATION, STATUS
from swarmchat.gateways.datasync.standing import Kind, Law
from swarmchat.gateways.refusal import Refused
from swarmchat.limits import DATASYNC_IDS_PER_PAYLOAD_MAX
from tests.support.datasync import ANNA, BERT, CARL, DORA, GROUP, Chain, Peer
from tests.support.datasync_model import Model

PEOPLE = (ANNA, BERT, CARL, DORA)
STEPS = st.lists(
    st.tuples(
        st.integers(0, 3),  # who
        st.integers(0, 5),  # does what
        st.integers(0, 3),  # to whom
        st.one_of(st.none(), st.integers(0, 11)),  # having seen only this one, counted from the last
        st.sampled_from(["own", "own", "own", "none", "other"]),  # and naming what as his last
    ),
    max_size=14,
)


def history(steps: Sequence[tuple[int, int, int, int | None, str]]) -> list[Message]:
    """A group of three, and what everybody does in it, allowed or not, having seen all or little."""
    chain = Chain()
    chain.write(ANNA, Invite(Key(ANNA), GROUP, Kind.MEMBERS.value))
    for member in (BERT, CARL):
        chain.write(ANNA, Invite(Key(member), GROUP))
        chain.write(member, Join(Key(member), GROUP))
    for who, what, whom, seen, last in steps:
        messages = list(chain.messages.values())
        sender, target = PEOPLE[who], Key(PEOPLE[whom])
        body: Body = (
            Invite(target, GROUP),
            Join(Key(sender), GROUP),
            Leave(None, None),
            Kick(target, GROUP),
            Ack(messages[-1 - whom].id),
            text_post(f"{len(messages)}"),
        )[what]
        previous: MessageId | str = messages[-1 - whom].id if last == "other" else last
        parents = None if seen is None else [messages[-1 - min(seen, len(messages) - 1)]]
        chain.write(sender, body, parents=parents, previous=previous)  # type: ignore[arg-type]
    return list(chain.messages.values())


def folded(messages: Sequence[Message]) -> Group:
    group = Group(GROUP, Law(founder=ANNA))
    for message in messages:
        assert group.add(message, BERT) is None
    return group


def outcome(group: Group) -> object:
    """All that a group says of itself."""
    entries = group.entries()
    return (
        group.standing,
        group.heads(),
        [(entry.id, group.verdict(entry.id)) for entry in entries],
        [entry.id for entry in group.shown()],
    )


@given(STEPS, st.randoms(use_true_random=False))
@settings(max_examples=120)
def test_a_group_is_the_same_in_whatever_order_its_messages_come(
    steps: list[tuple[int, int, int, int | None, str]], dice: object
) -> None:
    messages = history(steps)
    there = outcome(folded(messages))
    dice.shuffle(messages)  # type: ignore[attr-defined]
    assert outcome(folded([*messages, *messages])) == there


@given(STEPS, st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_asking_in_between_changes_nothing(steps: list[tuple[int, int, int, int | None, str]], dice: object) -> None:
    messages = history(steps)
    there = outcome(folded(messages))
    dice.shuffle(messages)  # type: ignore[attr-defined]
    group = Group(GROUP, Law(founder=ANNA))
    for message in messages:
        group.add(message)
        outcome(group)
    assert outcome(group) == there


@given(STEPS)
@settings(max_examples=150)
def test_a_group_is_what_the_page_says_word_for_word(steps: list[tuple[int, int, int, int | None, str]]) -> None:
    messages = history(steps)
    group, model = folded(messages), Model(Law(founder=ANNA), messages)
    assert [entry.id for entry in group.entries()] == model.order
    for entry in group.entries():
        verdict = group.verdict(entry.id)
        fault = verdict and verdict.reason
        hidden = isinstance(entry.body, Post) and model.is_hidden(entry.id)
        assert (fault == Fault.KICKED) == (entry.id in model.sound and hidden)
        assert fault == Fault.REPLAYED or (fault in {None, Fault.KICKED}) == (entry.id in model.sound)
    assert group.standing == model.standing(model.sound)
    assert [entry.id for entry in group.shown()] == model.shown()


@given(STEPS, st.data())
@settings(max_examples=60)
def test_parents_that_were_forged_change_no_order_of_arrival(
    steps: list[tuple[int, int, int, int | None, str]], data: st.DataObject
) -> None:
    messages = history(steps)
    ids = st.sampled_from([message.id for message in messages])
    forged = [
        replace(message, metadata=Metadata(tuple(data.draw(st.lists(ids, max_size=3))))) if index % 3 == 1 else message
        for index, message in enumerate(messages)
    ]
    there = outcome(folded(forged))
    assert outcome(folded(forged[::-1])) == there
    assert outcome(folded(data.draw(st.permutations(forged)))) == there


@given(STEPS)
@settings(max_examples=60)
def test_what_is_shown_stays_shown_but_for_a_kick_and_what_is_a_copy(
    steps: list[tuple[int, int, int, int | None, str]],
) -> None:
    group = Group(GROUP, Law(founder=ANNA))
    shown: set[MessageId] = set()
    for message in history(steps):
        group.add(message)
        now = {entry.id for entry in group.shown()}
        kick = any(entry.id == message.id and isinstance(entry.body, Kick) for entry in group.entries())
        assert kick or shown <= now
        shown = now


@given(
    st.sampled_from(Mode),
    st.sampled_from(Resolution),
    st.lists(st.integers(0, 2), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
@settings(max_examples=40)
def test_whatever_is_lost_doubled_or_swapped_everybody_gets_everything_once(
    mode: Mode, resolution: Resolution, speakers: list[int], dice: object
) -> None:
    names = PEOPLE[:3]
    peers = {name: Peer(name, names, mode=mode, resolution=resolution, schedule=SIMULATION) for name in names}
    for name, peer in peers.items():
        for other in names:
            if other != name:
                peer.machine.online(other)
    said = [peers[names[who]].say(f"{index}", index) for index, who in enumerate(speakers)]
    air: list[tuple[PeerId, PeerId, Payload]] = []
    for now in range(400):
        for name, peer in peers.items():
            air += [(name, to, payload) for to, payload in peer.tick(float(now)).items()]
        dice.shuffle(air)  # type: ignore[attr-defined]
        arriving, air = air[: len(air) // 2 + 1], air[len(air) // 2 + 1 :]
        for sender, to, payload in arriving:
            for _ in range(dice.choice((0, 1, 1, 2)) if now < 100 else 1):  # type: ignore[attr-defined]
                peers[to].receive(sender, payload, float(now))
        if not air and not any(peer.records.of(other) for peer in peers.values() for other in names):
            break
    for name, peer in peers.items():
        own = [message for message, who in zip(said, speakers, strict=True) if names[who] == name]
        assert len(peer.delivered) == len({message.id for message in peer.delivered})
        assert {message.id for message in (*peer.delivered, *own)} == {message.id for message in said}
        if resolution is Resolution.CONSISTENT:
            seen = {message.id for message in own}
            for message in peer.delivered:
                assert seen >= set(message.parents)
                seen.add(message.id)


_ID = st.one_of(
    st.sampled_from([MessageId(bytes((each,)) * 32) for each in range(4)]), st.binary(max_size=40).map(MessageId)
)
_IDS = st.lists(_ID, max_size=6).map(tuple)
_MESSAGE = st.builds(
    Message,
    st.sampled_from([GROUP, type(GROUP)(bytes(32))]),
    st.integers(-(2**63), 2**63 - 1),
    st.binary(max_size=8),
    st.one_of(st.none(), st.builds(Metadata, _IDS, st.booleans())),
)
_PAYLOAD = st.builds(
    Payload,
    _IDS,
    _IDS,
    _IDS,
    st.lists(_MESSAGE, max_size=5).map(tuple),
    st.lists(st.builds(Offer, st.just(GROUP), _IDS), max_size=2).map(tuple),
)


@given(st.lists(st.tuples(st.sampled_from(PEOPLE), _PAYLOAD, st.integers(0, 3)), max_size=10))
@settings(max_examples=120)
def test_no_payload_breaks_the_machine(payloads: list[tuple[PeerId, Payload, int]]) -> None:
    peer = Peer(BERT, PEOPLE[:3], schedule=STATUS)
    for other in (ANNA, CARL, DORA):
        peer.machine.online(other)
    for sender, payload, ticks in payloads:
        read = read_payload(write_payload(payload))
        if isinstance(read, Refused):
            assert payload == Payload()
            continue
        effects = peer.receive(sender, read)
        assert sender != DORA or not any(isinstance(effect, Deliver) for effect in effects)
        for _ in range(ticks):
            for going in peer.tick().values():
                assert read_payload(write_payload(going)) == going
                assert (
                    len((*going.acks, *going.offers, *going.requests, *going.messages)) <= DATASYNC_IDS_PER_PAYLOAD_MAX
                )
    assert not any(isinstance(effect, Send) for effect in peer.effects)


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_no_bytes_break_the_reader(data: bytes) -> None:
    read = read_payload(data)
    assert isinstance(read, Refused) or read_payload(write_payload(read)) in (read, Refused("payload-empty"))
