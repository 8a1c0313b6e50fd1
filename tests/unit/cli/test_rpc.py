"""`swarmchat rpc` without a daemon."""

from __future__ import annotations

import io
import json
from typing import Any

from swarmchat import limits
from swarmchat.cli.rpc import answers
from swarmchat.errors import NotFoundError
from tests.support.fake_commands import ANSWERS, FakeCommands
from tests.support.fake_door import FakeDoor


def told(*lines: bytes, node: FakeCommands | None = None) -> list[Any]:
    source = io.BytesIO(b"\n".join(lines) + b"\n")
    return [json.loads(line) for line in answers(FakeDoor(node or FakeCommands()), source)]


def call(call_id: int | None, method: str, **params: Any) -> bytes:
    request = {"jsonrpc": "2.0", "method": method, "params": params} | ({} if call_id is None else {"id": call_id})
    return json.dumps(request).encode()


def test_calls_are_answered_in_their_order_and_notifications_not() -> None:
    node = FakeCommands()
    replies = told(call(1, "account.show"), b"", call(None, "device.list"), call(2, "rpc.discover"), node=node)
    assert [reply["id"] for reply in replies] == [1, 2]
    assert replies[0]["result"] == ANSWERS["account.show"]
    assert "methods" in replies[1]["result"]
    assert [method for method, _ in node.calls] == ["account.show", "device.list"]


def test_what_goes_wrong_is_answered_and_the_next_line_is_read() -> None:
    node = FakeCommands()
    node.answers["conversation.show"] = NotFoundError("none of that name")
    replies = told(
        b"{",
        call(1, "nonsense"),
        call(2, "message.send"),
        call(3, "conversation.show", conversation="x"),
        b"[" + call(4, "account.show") + b",7]",
        node=node,
    )
    assert [reply["error"]["code"] for reply in replies[:4]] == [-32700, -32601, -32602, -32003]
    assert [one.get("result") for one in replies[4]] == [ANSWERS["account.show"], None]


def test_a_line_that_is_too_long_ends_the_dialogue() -> None:
    replies = told(b" " * (limits.API_LINE_BYTES_MAX + 1) + b"x" * 100, call(1, "account.show"))
    assert [reply["error"]["code"] for reply in replies] == [-32600]
