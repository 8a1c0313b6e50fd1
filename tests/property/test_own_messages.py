"""Whatever another own device sends is a message, of another kind, or refused; and no merge is half done. (SCP-04 §7)"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from swarmchat.account import sharing
from swarmchat.account.state import State
from swarmchat.links import frames
from swarmchat.swarm.messages import MessageError
from swarmchat.swarm.own_messages import Delta, Have, decode, encode
from tests.support.accounts import account, conversation, device

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=40)
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
topics = st.sampled_from(
    [
        "contact",
        "block",
        "name",
        "note",
        "conversation",
        "declined",
        "request",
        "invitation",
        "device",
        "device-name",
        "device-revoked",
        "setting",
        "preference",
        "weather",
        "",
    ]
)
names = st.sampled_from(
    [account(1), conversation(2), device(3), "name", "send_typing", f"{conversation(1)}/colour", "x", ""]
)
keys = st.builds(lambda topic, name: f"{topic}/{name}", topics, names) | st.text(max_size=20)
numbers = st.integers(1, 2**53 - 1) | leaves
rows = st.tuples(keys | leaves, values, numbers, st.just(bytes.fromhex(device(4))) | leaves, numbers).map(list) | values
seen = st.dictionaries(st.just(device(4)) | st.text(max_size=5), numbers, max_size=3) | values
messages = st.fixed_dictionaries(
    {"t": st.sampled_from(["have", "delta", "marks"]) | leaves},
    optional={
        "v": leaves,
        "seen": seen,
        "crl": leaves,
        "entries": st.lists(rows, max_size=4) | values,
        "more": st.booleans() | leaves,
    },
)


@given(messages)
def test_a_message_is_read_or_refused_and_what_is_read_is_written_the_same(fields: dict[str, Any]) -> None:
    try:
        message = decode(fields)
    except MessageError:
        return
    if isinstance(message, Have | Delta):
        again = decode(encode(message))
        assert repr(again) == repr(message)  # NaN is not itself


@given(messages)
def test_a_delta_is_merged_whole_or_refused_and_the_state_can_be_told_again(fields: dict[str, Any]) -> None:
    try:
        message = decode(fields)
    except MessageError:
        return
    if not isinstance(message, Delta):
        return
    before = State()
    try:
        after = sharing.merged(before, message.entries, device=device(9), now_ms=1_750_000_000_000)
    except ValueError:
        assert before == State()
        return
    told = sharing.delta(after, {})
    frames.encode(encode(Delta(tuple(told), {})))
    assert sharing.merged(State(), told, device=device(8), now_ms=1).stamps.keys() >= {entry.key for entry in told}
