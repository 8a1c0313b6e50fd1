"""The local door takes any bytes; the terminal shows any text."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from swarmchat import limits
from swarmchat.api import jsonrpc
from swarmchat.api.jsonrpc import Call, Fault
from swarmchat.api.schema import METHODS
from swarmchat.cli.terminal import lines, plain, to_json
from swarmchat.errors import UsageError

ANY_TEXT = st.text(st.characters())  # lone surrogates too
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=20,
)
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | VALUES,
        "id": st.integers() | VALUES,
        "method": st.sampled_from(sorted(METHODS)) | VALUES,
        "params": st.dictionaries(ANY_TEXT, VALUES, max_size=3) | VALUES,
    },
)


def assert_taken(data: bytes) -> None:
    incoming = jsonrpc.parse(data)
    assert incoming.items
    for item in incoming.items:
        if isinstance(item, Fault):
            assert item.reply["error"]["code"] in {-32700, -32600, -32602}
            json.loads(jsonrpc.encode(item.reply))
        else:
            assert isinstance(item, Call)
            assert json.loads(jsonrpc.encode(item.params)) == item.params


@given(st.binary(max_size=2_000))
def test_any_bytes_are_taken(data: bytes) -> None:
    assert_taken(data)


@given(REQUESTS | st.lists(REQUESTS | VALUES, max_size=4) | VALUES)
def test_any_json_is_taken(value: Any) -> None:
    assert_taken(json.dumps(value).encode())


@given(st.sampled_from(sorted(METHODS)), st.dictionaries(ANY_TEXT, VALUES, max_size=3), st.data())
def test_any_parameters_are_checked(name: str, strange: dict[str, Any], data: st.DataObject) -> None:
    method = METHODS[name]
    known = {param.name: data.draw(VALUES) for param in method.params}
    try:
        checked = method.checked(data.draw(st.sampled_from([known, strange, known | strange])))
    except UsageError:
        return
    for param in method.params:
        value = checked.get(param.name)
        assert value is not None or not param.required
        assert not isinstance(value, str) or len(value) <= (param.largest or limits.API_PARAM_CHARS_MAX)


@given(ANY_TEXT)
def test_any_text_is_shown_without_harm(text: str) -> None:
    for line in [plain(text), *lines(text), to_json({text: text})]:
        line.encode("utf-8")
        assert not any(
            ord(char) < 0x20 or 0x7F <= ord(char) <= 0x9F or char in "\u2028\u2029\u202a\u202e\u2066" for char in line
        )


@given(VALUES)
def test_json_for_people_is_the_same_json(value: Any) -> None:
    assert repr(json.loads(to_json(value))) == repr(json.loads(json.dumps(value)))
