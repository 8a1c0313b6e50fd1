"""JSON-RPC 2.0 as bytes in, values out: parsing, batches, answers, and one table of errors. No I/O. (SCP-08 §2.3, §3.1)

One message is one line of JSON. Parameters go by name. A line that is no request is answered, never raised; its sender
is not trusted with depth, duplicate keys, NaN, lone surrogates or long ids.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from swarmchat import errors, limits
from swarmchat.api.shapes import JsonObject

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603

RPC_CODES: Final[Mapping[str, int]] = {
    "failure": -32001,
    "storage": -32001,
    "link": -32001,
    "unreachable": -32001,
    "usage": INVALID_PARAMS,
    "not_found": -32003,
    "refused": -32004,
    "timeout": -32006,
    "verification_failed": -32007,
    "settings": -32001,
    "password_needed": -32010,
    "ambiguous": -32011,
    "read_only": -32012,
}

Id = str | int


@dataclass(frozen=True, slots=True)
class Call:
    """A request to carry out; `id` is None for a notification, which is never answered."""

    id: Id | None
    method: str
    params: JsonObject


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is no request; `reply` is what its sender gets."""

    reply: JsonObject


@dataclass(frozen=True, slots=True)
class Incoming:
    """What stood on one line. A batch is carried out in its order and answered with one array."""

    items: tuple[Call | Fault, ...]
    batch: bool


def parse(line: bytes) -> Incoming:
    """Read one line (without or with its LF). Never raises."""
    if len(line) > limits.API_LINE_BYTES_MAX:
        return _single(_invalid(f"a line has at most {limits.API_LINE_BYTES_MAX} bytes"))
    try:
        value = json.loads(line.decode("utf-8"), object_pairs_hook=_object, parse_constant=_constant)
        _check(value, limits.API_DEPTH_MAX)
    except RecursionError:
        return _single(Fault(failure(None, PARSE_ERROR, "nested too deeply")))
    except ValueError as error:  # JSONDecodeError, UnicodeError, and what the hooks and _check raise
        return _single(Fault(failure(None, PARSE_ERROR, f"not JSON as this API takes it: {str(error)[:200]}")))
    if not isinstance(value, list):
        return _single(_request(value))
    if not 1 <= len(value) <= limits.API_BATCH_MAX:
        return _single(_invalid(f"a batch has 1 to {limits.API_BATCH_MAX} calls"))
    return Incoming(tuple(_request(item) for item in value), batch=True)


def reply(incoming: Incoming, answers: Sequence[JsonObject]) -> bytes | None:
    """The line that answers `incoming`, or None when nothing is to be said (notifications only)."""
    if not answers:
        return None
    return encode(list(answers) if incoming.batch else answers[0])


def result(call_id: Id, value: Any) -> JsonObject:
    """The answer to a call that went well."""
    return {"jsonrpc": "2.0", "id": call_id, "result": value}


def failure(call_id: Id | None, code: int, message: str, data: Mapping[str, object] | None = None) -> JsonObject:
    """The answer to a call that did not."""
    error: JsonObject = {"code": code, "message": message}
    if data:
        error["data"] = dict(data)
    return {"jsonrpc": "2.0", "id": call_id, "error": error}


def failure_of(call_id: Id | None, error: errors.SwarmchatError) -> JsonObject:
    """The answer that carries `error`: number by the table, `data` with its word `code` and its `hint`."""
    data = {**error.data, "code": error.code, **({"hint": error.hint} if error.hint else {})}
    return failure(call_id, RPC_CODES.get(error.code, RPC_CODES["failure"]), error.message, data)


def error_of(answer: Mapping[str, Any]) -> errors.SwarmchatError:
    """The error in an answer, as the class it was on the other side; so its exit status is the same on both."""
    error = answer.get("error")
    if not isinstance(error, Mapping):
        return errors.SwarmchatError("the daemon gave an answer that is neither a result nor an error")
    message = str(error.get("message", ""))
    data = dict(error["data"]) if isinstance(error.get("data"), Mapping) else {}
    word, hint = data.pop("code", None), data.pop("hint", None)
    if word is None and error.get("code") == METHOD_NOT_FOUND:
        hint = "the daemon may be of another version: swarmchat daemon stop, then start"
    family = _CLASSES.get(str(word), errors.SwarmchatError)
    return family(message, hint=None if hint is None else str(hint), data=data)


def notification(method: str, params: JsonObject) -> JsonObject:
    """Something said without being asked: an event."""
    return {"jsonrpc": "2.0", "method": method, "params": params}


def encode(value: Any) -> bytes:
    """One line: compact, ASCII (so no text can break a line or fail to encode), with its LF."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"


def _classes() -> dict[str, type[errors.SwarmchatError]]:
    return {
        family.code: family
        for family in (
            errors.StorageError,
            errors.UserError,
            errors.PasswordNeededError,
            errors.UsageError,
            errors.AmbiguousError,
            errors.NotFoundError,
            errors.RefusedError,
            errors.ReadOnlyError,
            errors.UnreachableError,
            errors.DeliveryTimeout,
            errors.VerificationError,
            errors.SettingsError,
            errors.LinkError,
        )
    }


_CLASSES: Final = _classes()


def _single(item: Call | Fault) -> Incoming:
    return Incoming((item,), batch=False)


def _invalid(message: str, call_id: Id | None = None) -> Fault:
    return Fault(failure(call_id, INVALID_REQUEST, message))


def _request(value: object) -> Call | Fault:
    if not isinstance(value, dict):
        return _invalid("a request is an object")
    call_id = value.get("id")
    if "id" in value and not _is_id(call_id):
        return _invalid(f"id must be an integer or a string of at most {limits.API_ID_CHARS_MAX} characters")
    if value.get("jsonrpc") != "2.0":
        return _invalid('jsonrpc must be "2.0"', call_id)
    method = value.get("method")
    if not isinstance(method, str) or not 0 < len(method) <= limits.API_ID_CHARS_MAX:
        return _invalid("method must be the name of one", call_id)
    params = value.get("params", {})
    if not isinstance(params, dict):
        return Fault(failure(call_id, INVALID_PARAMS, "params must be an object: they go by name"))
    return Call(call_id, method, params)


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= limits.API_ID_CHARS_MAX
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 2**63


def _object(pairs: list[tuple[str, object]]) -> JsonObject:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key stands twice")
    return made


def _constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _check(value: object, depth: int) -> None:
    if depth < 0:
        raise ValueError(f"nested deeper than {limits.API_DEPTH_MAX}")
    if isinstance(value, str):
        value.encode("utf-8")  # a lone surrogate is a UnicodeError, which is a ValueError
    elif isinstance(value, list):
        for item in value:
            _check(item, depth - 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            key.encode("utf-8")
            _check(item, depth - 1)
