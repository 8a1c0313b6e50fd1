"""Lines that a client of the local API may send, their parameters, and the answers that come back. (SCP-08 §2, §3)"""

from __future__ import annotations

import json
from collections.abc import Iterator

from swarmchat import errors
from swarmchat.api import jsonrpc
from swarmchat.api.jsonrpc import Call, Fault
from swarmchat.api.schema import METHODS
from tests.fuzz.recipe import Recipe

TOKENS = (
    *(
        b'{"jsonrpc":"2.0","id":1,"method":"',
        b'","params":{',
        b"}}",
        b'"jsonrpc":"2.0"',
        b'"id":null',
        b'"method":"',
        b'"params":',
    ),
    *(
        b"NaN",
        b"1e999",
        b"-Infinity",
        b"\\ud800",
        b"\\u0000",
        b"[[[[[[[[",
        b"true",
        b"null",
        b'{"a":1,"a":2}',
        b"99999999999999999999",
    ),
    *(f'"{name}"'.encode() for name in sorted(METHODS)),
    *(
        f'"{param}":'.encode()
        for param in sorted({param.name for method in METHODS.values() for param in method.params})
    ),
)
_LINE, _PARAMS, _ANSWER = range(3)
_METHODS = [METHODS[name] for name in sorted(METHODS)]
_EXAMPLES = {"string": "words", "integer": 3, "number": 1.5, "boolean": True, "strings": ["one", "two"]}


def seeds() -> Iterator[bytes]:
    """A call of every method with every parameter; batches, notifications, answers of every family of errors."""
    calls = []
    for number, method in enumerate(_METHODS):
        params = {param.name: param.choices[0] if param.choices else _EXAMPLES[param.type] for param in method.params}
        calls.append({"jsonrpc": "2.0", "id": number, "method": method.name, "params": params})
        yield bytes((_PARAMS, number)) + json.dumps(params).encode()
    yield bytes((_LINE,)) + json.dumps(calls[5]).encode() + b"\n"
    yield bytes((_LINE,)) + json.dumps([*calls[8:11], {"jsonrpc": "2.0", "method": "x"}, 3]).encode()
    for family in jsonrpc._CLASSES.values():
        error = family("sentence", hint="do this", data={"commit": "ab", "path": None})
        yield bytes((_ANSWER,)) + jsonrpc.encode(jsonrpc.failure_of(3, error))
    yield bytes((_ANSWER,)) + jsonrpc.encode(jsonrpc.result("x", {"id": [1, None]}))


def run(data: bytes) -> None:
    """`parse` never raises, only UsageError refuses parameters, and every answer can be written on one line."""
    recipe = Recipe(data)
    match recipe.u8() % 3:
        case 0:
            _line(recipe.rest())
        case 1:
            _params(_METHODS[recipe.u8() % len(_METHODS)].name.encode(), recipe.rest())
        case _:
            _answer(recipe.rest())


def _params(name: bytes, params: bytes) -> None:
    _line(b'{"jsonrpc":"2.0","id":"x","method":"%s","params":%s}' % (name, params))


def _line(line: bytes) -> None:
    incoming = jsonrpc.parse(line)
    assert incoming.items
    answers = []
    for item in incoming.items:
        if isinstance(item, Fault):
            answers.append(item.reply)
            continue
        assert isinstance(item, Call)
        answers.append(_answered(item))
    written = jsonrpc.reply(incoming, [answer for answer in answers if answer is not None])
    if written is not None:
        assert written.count(b"\n") == 1
        assert written.endswith(b"\n")
        json.loads(written)
    if not all(isinstance(item, Fault) for item in incoming.items):
        value = json.loads(line)  # what we take, JSON is
        sent = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]
        said = [one.get("method") for one in sent]
        assert all(item.method in said for item in incoming.items if isinstance(item, Call))


def _answered(call: Call) -> dict[str, object] | None:
    method = METHODS.get(call.method)
    if method is None:
        return call.id and jsonrpc.failure(call.id, jsonrpc.METHOD_NOT_FOUND, f"no method {call.method}")
    try:
        checked = method.checked(call.params)
    except errors.UsageError as error:
        reply = jsonrpc.failure_of(call.id, error)
        if type(jsonrpc.error_of(json.loads(jsonrpc.encode(reply)))) is errors.UsageError:
            return reply
        raise
    known = {param.name: param for param in method.params}
    assert checked.keys() <= known.keys()
    for name, value in checked.items():
        assert value is not None
        assert known[name].fault(value) is None
        if known[name].type in ("integer", "number") and known[name].largest is not None:
            assert value <= known[name].largest
    method.wants_daemon(checked)
    return jsonrpc.result(call.id, checked) if call.id is not None else None


def _answer(line: bytes) -> None:
    """What the client makes of an answer, whoever wrote it."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return
    if isinstance(value, dict):
        error = jsonrpc.error_of(value)
        assert isinstance(error, errors.SwarmchatError)
        assert isinstance(error.message, str)
        assert error.hint is None or isinstance(error.hint, str)
        str(error)
