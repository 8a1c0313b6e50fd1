"""What own devices tell each other of the account's key with Status. (SCP-04 §7.8)"""

from __future__ import annotations

from typing import Any

import pytest

from swarmchat.account.statuskey import StatusKey
from swarmchat.crypto.scalars import ORDER
from swarmchat.links import frames
from swarmchat.swarm import own_messages
from swarmchat.swarm.messages import MessageError
from swarmchat.swarm.own_messages import Other
from swarmchat.swarm.own_status_key import KIND, decode, encode

SECRET = b"\7" * 32


@pytest.mark.parametrize("key", [StatusKey(1, SECRET), StatusKey(2**53 - 1, (ORDER - 1).to_bytes(32))])
def test_what_is_said_is_heard(key: StatusKey) -> None:
    (fields,) = frames.FrameDecoder().receive(frames.encode(encode(key)))
    assert own_messages.decode(fields) == Other(KIND, fields)
    assert decode(fields) == key


def test_what_a_later_version_adds_is_no_fault() -> None:
    assert decode({**encode(StatusKey(1, SECRET)), "later": [1]}) == StatusKey(1, SECRET)


@pytest.mark.parametrize(
    "change",
    [{"generation": 0}, {"generation": 2**53}, {"generation": True}, {"generation": "1"}, {"generation": None}, {"generation": 1.0},
     {"secret": b""}, {"secret": bytes(32)}, {"secret": SECRET[:-1]}, {"secret": SECRET + b"\7"}, {"secret": "7" * 32}, {"secret": None},
     {"secret": ORDER.to_bytes(32)}],
)  # fmt: skip
def test_what_is_no_key_costs_the_channel(change: dict[str, Any]) -> None:
    with pytest.raises(MessageError, match=KIND):
        decode({**encode(StatusKey(1, SECRET)), **change})


@pytest.mark.parametrize("missing", ["generation", "secret"])
def test_half_a_key_costs_the_channel(missing: str) -> None:
    fields = encode(StatusKey(1, SECRET))
    del fields[missing]
    with pytest.raises(MessageError, match=KIND):
        decode(fields)
