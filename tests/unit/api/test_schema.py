from __future__ import annotations

import inspect
import typing

import pytest

from swarmchat import limits
from swarmchat.api.methods import Commands
from swarmchat.api.schema import METHODS, OF_THE_DOOR, openrpc
from swarmchat.api.shapes import KINDS, Method, Param, Shape, json_schema
from swarmchat.errors import UsageError
from tests.support.fake_commands import ANSWERS
from tests.support.shapes import mismatch

_PYTHON = {"string": str, "integer": int, "number": float, "boolean": bool, "strings": list[str]}


def method(*params: Param) -> Method:
    return Method("thing.do", "", params, "object")


def test_the_protocol_and_the_table_say_the_same() -> None:
    functions = {name: value for name, value in vars(Commands).items() if inspect.iscoroutinefunction(value)}
    assert functions.keys() - {"events_wait"} == {m.function for m in METHODS.values() if m.name not in OF_THE_DOOR}
    for entry in METHODS.values():
        if entry.name in OF_THE_DOOR:
            continue
        hints = typing.get_type_hints(functions[entry.function])
        signature = inspect.signature(functions[entry.function]).parameters
        assert [name for name in signature if name != "self"] == [p.argument for p in entry.params], entry.name
        for param in entry.params:
            expected = _PYTHON[param.type]
            optional = expected if param.required or param.type == "boolean" else typing.Optional[expected]  # noqa: UP045
            assert hints[param.argument] == optional, (entry.name, param.name)
            assert (signature[param.argument].default is inspect.Parameter.empty) == param.required, (
                entry.name,
                param.name,
            )


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_the_pretended_node_gives_what_the_table_promises(name: str) -> None:
    assert mismatch(METHODS[name].result, ANSWERS[name]) is None


def test_every_method_is_pretended() -> None:
    assert ANSWERS.keys() == METHODS.keys() - OF_THE_DOOR - {"events.list"}


def test_every_leaf_of_every_shape_is_a_known_kind() -> None:
    def leaves(shape: Shape) -> list[str]:
        if isinstance(shape, str):
            return [shape]
        inner = shape if isinstance(shape, list) else list(shape.values())
        return [leaf for item in inner for leaf in leaves(item)]

    assert {leaf.removesuffix("?") for m in METHODS.values() for leaf in leaves(m.result)} <= KINDS.keys()


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({}, "name is missing"),
        ({"name": None}, "name is missing"),
        ({"name": 1}, "name must be a string"),
        ({"name": "x" * 4}, "name is longer than 3 characters"),
        ({"name": "x", "other": 1}, "unknown parameter 'other'"),
        ({"name": "x", "mode": "c"}, "mode must be one of a, b"),
        ({"name": "x", "count": 0}, "count must lie between 1 and 5"),
        ({"name": "x", "count": 6}, "count must lie between 1 and 5"),
        ({"name": "x", "count": True}, "count must be an integer"),
        ({"name": "x", "count": 1.0}, "count must be an integer"),
        ({"name": "x", "wait": float("nan")}, "wait must lie between 0 and any"),
        ({"name": "x", "wait": "1"}, "wait must be a number"),
        ({"name": "x", "flag": 1}, "flag must be true or false"),
        ({"name": "x", "many": "ab"}, "many must be an array of strings"),
        ({"name": "x", "many": []}, "many must have 1 to 2 items"),
        ({"name": "x", "many": ["a", "b", "c"]}, "many must have 1 to 2 items"),
        ({"name": "x", "many": ["a", 2]}, "many item 1: must be a string"),
    ],
)
def test_wrong_parameters_are_named(params: dict[str, object], sentence: str) -> None:
    entry = method(
        Param("name", "string", "", required=True, largest=3),
        Param("mode", "string", "", choices=("a", "b")),
        Param("count", "integer", "", smallest=1, largest=5),
        Param("wait", "number", "", smallest=0),
        Param("flag", "boolean", ""),
        Param("many", "strings", "", largest=2),
    )
    with pytest.raises(UsageError) as caught:
        entry.checked(params)
    assert caught.value.message == f"thing.do: {sentence}"


def test_parameters_at_their_bounds_are_taken_and_null_counts_as_absent() -> None:
    entry = method(Param("name", "string", ""), Param("count", "integer", "", smallest=1, largest=5))
    longest = "x" * limits.API_PARAM_CHARS_MAX
    assert entry.checked({"name": longest, "count": 5}) == {"name": longest, "count": 5}
    assert entry.checked({"name": None, "count": 1}) == {"count": 1}


def test_a_search_has_bounds() -> None:
    entry = METHODS["search"]
    most = {
        "text": "x" * limits.SEARCH_TEXT_CHARS_MAX,
        "limit": limits.SEARCH_HITS_MAX,
        "context": limits.SEARCH_CONTEXT_MAX,
    }
    assert entry.checked(most) == most
    more: dict[str, object] = {name: value + ("x" if isinstance(value, str) else 1) for name, value in most.items()}  # type: ignore[operator]
    for name, value in more.items():
        with pytest.raises(UsageError, match=name):
            entry.checked(most | {name: value})


def test_so_many_texts_are_passed_on_by_one_call_and_no_more() -> None:
    entry, most = METHODS["mvds.attest"], limits.DATASYNC_ATTESTED_MAX
    for limit in (1, most):
        assert entry.checked({"conversation": "x", "limit": limit}) == {"conversation": "x", "limit": limit}
    for limit in (0, most + 1):
        with pytest.raises(UsageError, match="limit"):
            entry.checked({"conversation": "x", "limit": limit})


def test_waiting_for_others_needs_a_daemon_and_plain_sending_does_not() -> None:
    send = METHODS["message.send"]
    assert not send.wants_daemon({"conversation": "x", "text": "y"})
    assert not send.wants_daemon({"wait": None})
    assert send.wants_daemon({"wait": "any"})


def test_the_table_describes_itself_as_openrpc() -> None:
    document = openrpc()
    assert document["openrpc"].startswith("1.")
    by_name = {entry["name"]: entry for entry in document["methods"]}
    assert by_name.keys() == METHODS.keys()
    assert by_name["message.send"]["params"][0]["required"] is True
    mode = by_name["conversation.create"]["params"][1]["schema"]
    assert mode["enum"] == ["private", "admin-invites", "public"]
    assert by_name["member.list"]["result"]["schema"]["type"] == "array"


def test_a_shape_becomes_a_json_schema() -> None:
    assert json_schema({"a": "int", "b?": "text?", "c": ["bool"]}) == {
        "type": "object",
        "properties": {
            "a": {"type": "integer"},
            "b": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "c": {"type": "array", "items": {"type": "boolean"}},
        },
        "required": ["a", "c"],
    }
