from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from swarmchat import limits
from swarmchat.account import requests, sharing, strict
from swarmchat.account.records import ConversationState, Host, Offer, OwnDevice, RequestKind
from swarmchat.account.state import State
from swarmchat.account.statefile import state_from_json, state_to_json
from swarmchat.addresses import Address
from tests.support.accounts import account, commit, conversation, device

few = st.integers(0, 4)  # so that things meet again
times = st.integers(0, 10) | st.integers(0, 2**52)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=64)
kinds = st.sampled_from(RequestKind)
offers = st.builds(
    Offer, st.builds(account, few), kinds, st.builds(conversation, few), st.builds(commit, few), times, texts, texts, texts,
    st.integers(0, 3), st.integers(0, 2**52),
)  # fmt: skip
hosts = st.lists(
    st.builds(Host, st.builds(device, few), st.builds(Address, st.just("192.0.2.1"), st.integers(1, 65535))),
    max_size=10,
)
steps = st.one_of(
    st.tuples(st.just("add_contact"), few, few, texts, times),
    st.tuples(st.just("remove_contact"), few, times),
    st.tuples(st.just("confirm_contact"), few, times),
    st.tuples(st.just("block"), few, times),
    st.tuples(st.just("unblock"), few),
    st.tuples(st.just("receive"), offers, st.booleans(), times),
    st.tuples(st.just("accept"), few, times),
    st.tuples(st.just("decline"), few, times),
    st.tuples(st.just("add_conversation"), few, texts, st.integers(0, 3), hosts, times),
    st.tuples(st.just("change_conversation"), few, st.sampled_from(ConversationState)),
    st.tuples(st.just("remove_conversation"), few, times),
    st.tuples(st.just("refuse_heads"), few, st.lists(st.builds(commit, st.integers(0, 99)), max_size=40)),
    st.tuples(st.just("invite"), few, few, kinds, times),
    st.tuples(st.just("tried"), few, few, st.booleans(), times),
    st.tuples(st.just("expire_invitations"), times),
    st.tuples(st.just("add_device"), few, texts, times),
    st.tuples(st.just("revoke_device"), few, times),
)


def step(state: State, what: tuple[Any, ...]) -> State:
    match what:
        case ("add_contact", who, conv, name, now):
            return state.add_contact(account(who), conversation=conversation(conv), name=name, now_ms=now)[0]
        case ("remove_contact" | "confirm_contact" | "block" as method, who, now):
            return getattr(state, method)(account(who), now_ms=now)[0]  # type: ignore[no-any-return]
        case ("unblock", who):
            return state.unblock(account(who))[0]
        case ("receive", offer, shared, now):
            return requests.receive(state, offer, shared=shared, now_ms=now)[0]
        case ("accept" | "decline" as method, index, now):
            pending = state.pending()
            return getattr(requests, method)(state, pending[index].id, now_ms=now)[0] if index < len(pending) else state  # type: ignore[no-any-return]
        case ("add_conversation", conv, title, mode, found, now):
            return state.add_conversation(conversation(conv), title=title, mode=mode, hosts=found, now_ms=now)[0]
        case ("change_conversation", conv, to):
            return state.change_conversation(conversation(conv), state=to)[0]
        case ("remove_conversation", conv, now):
            return state.remove_conversation(conversation(conv), now_ms=now)[0]
        case ("refuse_heads", conv, heads):
            return state.refuse_heads(conversation(conv), heads)[0]
        case ("invite", who, conv, kind, now):
            return state.invite(account(who), conversation(conv), kind=kind, commit=commit(1), now_ms=now)[0]
        case ("tried", who, conv, delivered, now):
            return state.tried(account(who), conversation(conv), delivered=delivered, now_ms=now)
        case ("expire_invitations", now):
            return state.expire_invitations(now_ms=now)[0]
        case ("add_device", number, name, now):
            return state.add_device(OwnDevice(device(number), name, now))[0]
        case ("revoke_device", number, now):
            return state.revoke_device(device(number), now_ms=now)[0]
    raise AssertionError(what)


@given(st.lists(steps, max_size=30))
def test_whatever_happens_the_state_is_bounded_and_read_back_equal(happenings: list[tuple[Any, ...]]) -> None:
    state = State()
    for what in happenings:
        state = step(state, what)
        assert len(state.requests) <= limits.REQUESTS_MAX
        assert not any(state.is_blocked(request.offer.sender) for request in state.pending())
    assert state_from_json(strict.decode(strict.encode(state_to_json(state)))) == state


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.binary(max_size=200) | json_values.map(lambda value: repr(value).encode("utf-8", "surrogatepass")))
def test_no_bytes_make_the_reader_do_anything_but_refuse(data: bytes) -> None:
    try:
        state_from_json(strict.decode(data))
    except ValueError:
        return
    raise AssertionError("junk was read as a state")


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 300), st.booleans(), st.integers(0, 3_600_000)), max_size=300))
def test_a_flood_of_requests_never_pushes_those_who_share_something_out(flood: list[tuple[int, bool, int]]) -> None:
    state = State()
    for sender, shared, now in flood:
        offer = Offer(account(sender), RequestKind.GROUP, conversation(sender), commit(1), 0)
        before = sum(request.shared for request in state.pending())
        state, outcome = requests.receive(state, offer, shared=shared, now_ms=now)
        if not shared and outcome.verdict.value != "updated":
            assert sum(request.shared for request in state.pending()) == before
    assert sum(request.shared for request in state.pending()) <= 50
    assert sum(not request.shared for request in state.pending()) <= 50


@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.lists(steps, max_size=4)), max_size=25))
def test_own_devices_that_have_met_share_the_same_whatever_each_did_and_in_whatever_order_they_met(
    story: list[tuple[int, int, list[tuple[Any, ...]]]],
) -> None:
    devices = [device(number) for number in (1, 2, 3)]
    states = [State(), State(), State()]

    def hear(one: int, other: int) -> None:
        came = sharing.delta(states[other], states[one].seen)
        taken = sharing.merged(states[one], came, device=devices[one], now_ms=5)
        states[one] = sharing.adopted(taken, states[other].seen, device=devices[one])

    for one, other, changes in story:
        for change in changes:
            after = step(states[one], change)
            states[one] = sharing.stamped(states[one], after, device=devices[one], now_ms=5)
        if one != other:
            hear(one, other)
    for _ in range(3):
        for one in range(3):
            for other in range(3):
                if one != other:
                    hear(one, other)
    for state in states:
        assert state.seen == states[0].seen
        assert state.stamps == states[0].stamps
        values = {entry.key: entry.value for entry in sharing.delta(state, {})}
        first = {entry.key: entry.value for entry in sharing.delta(states[0], {})}
        assert values.keys() == first.keys()
        for key, value in values.items():
            there = first[key]
            if key.startswith("conversation/"):  # title, mode and members each device reads in the conversation
                assert (value and value[:5]) == (there and there[:5]), key
            else:
                assert value == there, key
        assert state_from_json(strict.decode(strict.encode(state_to_json(state)))) == state
