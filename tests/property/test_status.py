"""Whatever Status clients or strangers send: read without raising, kept whole, and folded to one state in any order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from swarmchat.crypto.secp256k1 import Secret
from swarmchat.gateways.protobuf import Message
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import clock, envelopes, events
from swarmchat.gateways.status.events import SignedEvent
from swarmchat.gateways.status.fold import Fold, Rules, fold, fold_strictly
from swarmchat.gateways.status.wire import (
    ApplicationMetadataMessage,
    ChatMessage,
    EmojiReaction,
    EventType,
    MembershipUpdateEvent,
    MembershipUpdateMessage,
)
from swarmchat.limits import STATUS_CLOCK_AHEAD_MS_MAX
from tests.support.status_groups import ANN, BOB, CHAT, DAN, EVE, event, founded

KINDS: list[type[Message]] = [
    ApplicationMetadataMessage,
    ChatMessage,
    EmojiReaction,
    MembershipUpdateEvent,
    MembershipUpdateMessage,
]
PEOPLE = [ANN, BOB, DAN, EVE]
SEALED = envelopes.sign(ChatMessage(clock=7, text="hi"), BOB)


def _tag(number: int, wire: int) -> bytes:
    return _varint(number << 3 | wire)


def _varint(number: int) -> bytes:
    low, high = number & 0x7F, number >> 7
    return bytes((low | 0x80,)) + _varint(high) if high else bytes((low,))


NUMBERS = st.integers(0, 2**64 - 1) | st.integers(0, 300)
FIELDS = st.one_of(
    st.builds(lambda number, value: _tag(number, 0) + _varint(value), st.integers(1, 120), NUMBERS),
    st.builds(lambda number, value: _tag(number, 1) + value, st.integers(1, 120), st.binary(min_size=8, max_size=8)),
    st.builds(lambda number, value: _tag(number, 5) + value, st.integers(1, 120), st.binary(min_size=4, max_size=4)),
    st.builds(
        lambda number, value: _tag(number, 2) + _varint(len(value)) + value,
        st.integers(1, 120),
        st.binary(max_size=20) | st.text(max_size=8).map(str.encode),
    ),
)
BYTES = st.lists(FIELDS, max_size=8).map(b"".join)  # well formed; what the fields say may be wrong
KIND = st.sampled_from(KINDS)


@given(KIND, st.binary(max_size=80) | BYTES)
def test_reading_never_raises_and_what_was_read_is_written_and_read_as_the_same(
    kind: type[Message], data: bytes
) -> None:
    message = kind.decode(data)
    if isinstance(message, Refused):
        return
    written = message.encode()
    again = kind.decode(written)
    assert again == message
    assert not isinstance(again, Refused)
    assert again.encode() == written


@given(KIND, st.lists(FIELDS, max_size=8))
def test_no_field_that_nobody_knows_is_lost(kind: type[Message], fields: list[bytes]) -> None:
    message = kind.decode(b"".join(fields))
    if isinstance(message, Refused):
        return
    kept = [each.raw for each in message.unknown]
    assert all(raw in fields for raw in kept)
    named = [raw for raw in fields if raw not in kept]
    assert sorted(raw for raw in fields if raw in kept) == sorted(kept)
    assert kind.decode(b"".join(named)) == replace(message, unknown=())


@given(st.binary(max_size=200))
def test_events_and_wrappers_are_read_without_raising(data: bytes) -> None:
    for read in (events.read(data, CHAT), envelopes.read(data), events.read(founded()[0].raw[:65] + data, CHAT)):
        assert isinstance(read, Refused | SignedEvent | envelopes.Envelope)


@given(st.integers(0, len(SEALED.raw) * 8 - 1))
def test_2_one_bit_of_a_wrapper_gives_another_author_another_name_or_nothing(at: int) -> None:
    changed = bytearray(SEALED.raw)
    changed[at // 8] ^= 1 << at % 8
    read = envelopes.read(bytes(changed))
    assert isinstance(read, Refused) or read.author != BOB.public or read.id != SEALED.id


@st.composite
def steps(draw: Any) -> SignedEvent:
    members: list[Secret] = draw(st.lists(st.sampled_from(PEOPLE), max_size=3))
    kind, by = draw(st.sampled_from(EventType)), draw(st.sampled_from(PEOPLE))
    name = draw(st.sampled_from(["", "Shed", "Barn"]))
    return event(kind, by, draw(st.integers(0, 5)), *members, name=name, color=name, image=name.encode())


@settings(max_examples=60)
@given(st.data(), st.lists(steps(), max_size=12), st.sampled_from(Rules))
def test_8_the_order_of_arrival_says_nothing(data: Any, more: list[SignedEvent], rules: Rules) -> None:
    sent = [*founded(), *more]
    folded = fold(CHAT, sent, rules)
    otherwise = fold(CHAT, data.draw(st.permutations(sent)), rules)
    assert otherwise == folded
    assert [*otherwise.group.members, *otherwise.group.admins] == [*folded.group.members, *folded.group.admins]
    assert fold(CHAT, [*sent, *data.draw(st.lists(st.sampled_from(sent), max_size=4))], rules) == folded
    assert {each.raw for each in sent} == {each.raw for each in folded.events} | {
        each.event.raw for each in folded.ignored
    }


@settings(max_examples=60)
@given(st.lists(steps(), max_size=12), st.sampled_from(Rules))
def test_9_what_the_lenient_fold_keeps_passes_the_strict_one(more: list[SignedEvent], rules: Rules) -> None:
    folded = fold(CHAT, [*founded(), *more], rules)
    strict = fold_strictly(CHAT, folded.events, rules)
    assert isinstance(strict, Fold)
    assert strict.group == folded.group
    assert folded.group.joined <= set(folded.group.members)


PARENTS = st.lists(st.lists(st.integers(0, 100), max_size=3), min_size=1, max_size=12)


@given(st.data(), PARENTS, st.lists(st.integers(-5, 200), min_size=12, max_size=12))
@example(data=None, drawn=[[], [0]], times=[5, -5] + [0] * 10)
def test_14_clocks_are_the_same_in_every_order_and_ancestors_have_smaller_ones(
    data: Any, drawn: list[list[int]], times: list[int]
) -> None:
    """Commit `n` has parents among those before it; two nodes meet the commits in different orders."""
    parents = [{each % number for each in some} if number else set() for number, some in enumerate(drawn)]
    stated = [None if data is None else data.draw(st.none() | st.integers(0, 400_000)) for _ in parents]

    def clocks(order: list[int]) -> dict[int, int]:
        known: dict[int, int] = {}
        waiting = list(order)
        while waiting:
            number = next(each for each in waiting if parents[each] <= known.keys())
            waiting.remove(number)
            known[number] = clock.of_commit(times[number], stated[number], [known[each] for each in parents[number]])
        return known

    here = clocks(list(range(len(parents))))
    if data is not None:
        assert clocks(data.draw(st.permutations(range(len(parents))))) == here
    for number, before in enumerate(parents):
        assert here[number] >= 1
        assert all(here[parent] < here[number] for parent in before)
        assert here[number] <= max(
            times[number] * 1000 + STATUS_CLOCK_AHEAD_MS_MAX, *[here[each] + 1 for each in before], 1
        )
