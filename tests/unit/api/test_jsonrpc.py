from __future__ import annotations

import json
from typing import Any

import pytest

from swarmchat import errors, limits
from swarmchat.api import jsonrpc
from swarmchat.api.jsonrpc import Call, Fault


def line(**fields: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **fields}).encode()


def fault_code(data: bytes) -> int:
    (item,) = jsonrpc.parse(data).items
    assert isinstance(item, Fault), item
    return int(item.reply["error"]["code"])


def test_a_call_is_read_with_or_without_its_line_end() -> None:
    expected = (Call(7, "verify", {"conversation": "boats"}),)
    data = line(id=7, method="verify", params={"conversation": "boats"})
    assert jsonrpc.parse(data).items == expected
    assert jsonrpc.parse(data + b"\r\n").items == expected


def test_params_may_be_absent_and_without_id_it_is_a_notification() -> None:
    assert jsonrpc.parse(line(method="daemon.stop")).items == (Call(None, "daemon.stop", {}),)


def test_keys_nobody_knows_are_ignored() -> None:
    assert jsonrpc.parse(line(id="a", method="verify", trace="x")).items == (Call("a", "verify", {}),)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff",
        b'{"jsonrpc":"2.0","id":1,"method":"a"} x',
        b'{"jsonrpc":"2.0","id":1,"id":2,"method":"a"}',
        b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"n":NaN}}',
        b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"n":-Infinity}}',
        b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"t":"\\ud800"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"a","params":{"\\udfff":1}}',
        b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"a"}',
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b"\x00" * 10,
    ],
)
def test_what_is_not_json_is_a_parse_error(data: bytes) -> None:
    assert fault_code(data) == jsonrpc.PARSE_ERROR


@pytest.mark.parametrize(
    "data",
    [
        b"1",
        b'"verify"',
        b"null",
        b"[]",
        b'{"id":1,"method":"a"}',
        line(id=1),
        line(id=1, method=3),
        line(id=1, method=""),
        line(id=1, method="m" * 129),
        line(id=None, method="a"),
        line(id=1.5, method="a"),
        line(id=True, method="a"),
        line(id=[1], method="a"),
        line(id="i" * 129, method="a"),
        line(id=2**63 + 1, method="a"),
    ],
)
def test_what_is_no_request_is_an_invalid_request(data: bytes) -> None:
    assert fault_code(data) == jsonrpc.INVALID_REQUEST


@pytest.mark.parametrize("params", [[], ["boats"], "boats", 1])
def test_parameters_go_by_name_only(params: Any) -> None:
    (item,) = jsonrpc.parse(line(id=1, method="verify", params=params)).items
    assert isinstance(item, Fault)
    assert item.reply["id"] == 1
    assert item.reply["error"]["code"] == jsonrpc.INVALID_PARAMS


def nested(depth: int) -> bytes:
    deep: Any = 1
    for _ in range(depth - 1):
        deep = [deep]
    return line(id=1, method="a", params={"x": deep})


def test_depth_is_bounded_at_its_edge() -> None:
    (item,) = jsonrpc.parse(nested(limits.API_DEPTH_MAX - 1)).items
    assert isinstance(item, Call)
    assert fault_code(nested(limits.API_DEPTH_MAX)) == jsonrpc.PARSE_ERROR


def test_a_line_is_bounded_at_its_edge() -> None:
    empty = line(id=1, method="a", params={"x": ""})
    fitting = line(id=1, method="a", params={"x": "y" * (limits.API_LINE_BYTES_MAX - len(empty))})
    assert len(fitting) == limits.API_LINE_BYTES_MAX
    (item,) = jsonrpc.parse(fitting).items
    assert isinstance(item, Call)
    assert fault_code(fitting + b" ") == jsonrpc.INVALID_REQUEST


def test_a_batch_keeps_its_order_and_its_faults() -> None:
    data = b"[" + b",".join([line(id=1, method="a"), b"3", line(method="b")]) + b"]"
    incoming = jsonrpc.parse(data)
    assert incoming.batch
    assert [type(item) for item in incoming.items] == [Call, Fault, Call]


def test_a_batch_is_bounded_at_its_edge() -> None:
    one = line(id=1, method="a")
    assert len(jsonrpc.parse(b"[" + b",".join([one] * limits.API_BATCH_MAX) + b"]").items) == limits.API_BATCH_MAX
    assert fault_code(b"[" + b",".join([one] * (limits.API_BATCH_MAX + 1)) + b"]") == jsonrpc.INVALID_REQUEST


def test_a_batch_is_answered_with_an_array_and_notifications_with_nothing() -> None:
    batch = jsonrpc.parse(b"[" + line(id=1, method="a") + b"]")
    assert jsonrpc.reply(batch, [jsonrpc.result(1, "x")]) == b'[{"jsonrpc":"2.0","id":1,"result":"x"}]\n'
    assert jsonrpc.reply(batch, []) is None
    single = jsonrpc.parse(line(id=1, method="a"))
    assert jsonrpc.reply(single, [jsonrpc.result(1, "x")]) == b'{"jsonrpc":"2.0","id":1,"result":"x"}\n'


def test_no_text_can_break_a_line_or_fail_to_encode() -> None:
    encoded = jsonrpc.encode({"text": "a\nb\u2028\x1b[2J\ud800é"})
    assert encoded.count(b"\n") == 1
    assert encoded.isascii()
    assert json.loads(encoded)["text"] == "a\nb\u2028\x1b[2J\ud800é"


def families() -> list[type[errors.SwarmchatError]]:
    found, waiting = [], [errors.SwarmchatError]
    while waiting:
        family = waiting.pop()
        found.append(family)
        waiting.extend(family.__subclasses__())
    own = [family for family in found if family.__module__ == errors.__name__]  # not what other tests have imported
    return [family for family in own if family is not errors.PeerError]


@pytest.mark.parametrize("family", families(), ids=lambda family: family.__name__)
def test_an_error_arrives_as_what_it_was(family: type[errors.SwarmchatError]) -> None:
    sent = family("it is so", hint="do that", data={"rule": "SCP-02 §5.4", "path": "admins/x"})
    answer = json.loads(jsonrpc.encode(jsonrpc.failure_of(3, sent)))
    assert answer["error"]["code"] == jsonrpc.RPC_CODES[family.code]
    assert answer["error"]["data"]["rule"] == "SCP-02 §5.4"
    arrived = jsonrpc.error_of(answer)
    assert (arrived.code, arrived.exit_status) == (family.code, family.exit_status)
    assert (arrived.message, arrived.hint) == ("it is so", "do that")
    assert arrived.data == {"rule": "SCP-02 §5.4", "path": "admins/x"}


def test_the_numbers_are_those_of_the_specification() -> None:
    assert jsonrpc.RPC_CODES["refused"] == -32004
    assert jsonrpc.RPC_CODES["password_needed"] == -32010
    assert jsonrpc.RPC_CODES["ambiguous"] == -32011
    assert jsonrpc.RPC_CODES["read_only"] == -32012


def test_an_answer_that_makes_no_sense_is_an_error_too() -> None:
    assert "neither" in jsonrpc.error_of({"id": 1}).message
    assert jsonrpc.error_of({"error": {"code": -32601, "message": "m", "data": 3}}).hint is not None
