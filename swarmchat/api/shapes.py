"""What a method takes and gives, as plain values: parameters with bounds, result shapes, their JSON Schema. (SCP-08 §2.5)

A *shape* is written as it looks in JSON: a dict is an object with those keys, a list of one is an array of it, a leaf is
the name of a kind (`KINDS`), and a kind that ends in `?` may be null. Readers ignore keys they do not know.
"""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from swarmchat import limits
from swarmchat.errors import UsageError

JsonObject = dict[str, Any]
Shape = str | Mapping[str, "Shape"] | list["Shape"]
ObjectShape = Mapping[str, Shape]
Type = Literal["string", "integer", "number", "boolean", "strings"]

KINDS: Final[Mapping[str, JsonObject]] = {
    "account": {"type": "string", "pattern": "^[0-9a-f]{40}$"},
    "device": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    "target": {"type": "string", "pattern": "^([0-9a-f]{40}|[0-9a-f]{64})$"},
    "conversation": {"type": "string", "pattern": "^[0-9a-f]{40}$"},
    "commit": {"type": "string", "pattern": "^[0-9a-f]{40}$"},
    "time": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"},
    "text": {"type": "string"},
    "int": {"type": "integer"},
    "bool": {"type": "boolean"},
    "any": {},
    "object": {"type": "object"},
}


@dataclass(frozen=True, slots=True)
class Param:
    """One named parameter. `largest` bounds characters of a string, items of `strings`, or the value of a number."""

    name: str
    type: Type
    summary: str
    required: bool = False
    choices: tuple[str, ...] = ()
    smallest: float | None = None
    largest: float | None = None
    needs_network: bool = False  # given, it makes the whole call need a running daemon
    is_place: bool = False  # may name a file of this machine, which only its owner may ask about

    @property
    def argument(self) -> str:
        """The name of the coroutine's argument: the same, with an underscore where Python keeps the word for itself."""
        return f"{self.name}_" if keyword.iskeyword(self.name) else self.name

    def fault(self, value: object) -> str | None:
        """Why `value` is not acceptable here, or None."""
        match self.type:
            case "string":
                return self._string_fault(value)
            case "strings":
                if not isinstance(value, list):
                    return "must be an array of strings"
                if not value or len(value) > (self.largest or limits.API_PARAM_ITEMS_MAX):
                    return f"must have 1 to {self.largest or limits.API_PARAM_ITEMS_MAX:g} items"
                return next(
                    (
                        f"item {at}: {fault}"
                        for at, item in enumerate(value)
                        if (fault := _text_fault(item, limits.API_PARAM_CHARS_MAX))
                    ),
                    None,
                )
            case "boolean":
                return None if isinstance(value, bool) else "must be true or false"
            case "integer" | "number":
                kinds = (int,) if self.type == "integer" else (int, float)
                if isinstance(value, bool) or not isinstance(value, kinds):
                    return f"must be {'an integer' if self.type == 'integer' else 'a number'}"
                assert isinstance(value, int | float)
                if not _at_least(value, self.smallest) or not _at_most(value, self.largest):
                    return f"must lie between {_bound(self.smallest)} and {_bound(self.largest)}"
                return None

    def _string_fault(self, value: object) -> str | None:
        fault = _text_fault(value, int(self.largest or limits.API_PARAM_CHARS_MAX))
        if fault is None and self.choices and value not in self.choices:
            return f"must be one of {', '.join(self.choices)}"
        return fault

    def json_schema(self) -> JsonObject:
        """The JSON Schema of this parameter."""
        if self.type == "strings":
            longest = {"type": "string", "maxLength": limits.API_PARAM_CHARS_MAX}
            most = int(self.largest or limits.API_PARAM_ITEMS_MAX)
            return {"type": "array", "items": longest, "minItems": 1, "maxItems": most}
        schema: JsonObject = {"type": self.type}
        if self.type == "string":
            schema["maxLength"] = int(self.largest or limits.API_PARAM_CHARS_MAX)
        else:
            schema |= {} if self.smallest is None else {"minimum": self.smallest}
            schema |= {} if self.largest is None else {"maximum": self.largest}
        return schema | ({"enum": list(self.choices)} if self.choices else {})


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the API, which is one command of the CLI and one coroutine of `Commands`."""

    name: str  # "message.send"
    summary: str
    params: tuple[Param, ...]
    result: Shape
    needs_network: bool = False  # only a running daemon can do it
    read_only: bool = False  # changes nothing, here or elsewhere
    owner: bool = False  # for the owner alone, though it changes nothing

    @property
    def function(self) -> str:
        """The name of the coroutine in `Commands`: `message_send`."""
        return self.name.replace(".", "_")

    def scope(self, params: Mapping[str, object] = MappingProxyType({})) -> str:
        """What a token for HTTP must be good for to make this very call: read, send or admin. (SCP-08 §3.2)"""
        names_place = any(
            p.name == "path" or (p.is_place and isinstance(value := params.get(p.name), str) and _is_place(value))
            for p in self.params
        )
        if self.owner or names_place:
            return "admin"
        if self.read_only:
            return "read"
        return "send" if self.name.startswith("message.") else "admin"

    def checked(self, params: Mapping[str, object]) -> JsonObject:
        """The parameters to call with; a null counts as absent. Raises UsageError naming the parameter at fault."""
        known = {param.name: param for param in self.params}
        for name in params:
            if name not in known:
                raise _wrong(self, name, f"unknown parameter {_quoted(name)}")
        given = {name: value for name, value in params.items() if value is not None}
        for param in self.params:
            if param.name not in given:
                if param.required:
                    raise _wrong(self, param.name, f"{param.name} is missing")
            elif fault := param.fault(given[param.name]):
                raise _wrong(self, param.name, f"{param.name} {fault}")
        return given

    def arguments(self, params: Mapping[str, object]) -> JsonObject:
        """Checked parameters under the names of the coroutine's arguments."""
        return {param.argument: params[param.name] for param in self.params if param.name in params}

    def wants_daemon(self, params: Mapping[str, object]) -> bool:
        """Whether this very call can only be done by a running daemon. (SCP-08 §1.3)"""
        return self.needs_network or any(p.needs_network and params.get(p.name) is not None for p in self.params)


def json_schema(shape: Shape) -> JsonObject:
    """The JSON Schema of a result shape."""
    match shape:
        case str():
            kind = KINDS[shape.removesuffix("?")]
            return {"anyOf": [kind, {"type": "null"}]} if shape.endswith("?") else dict(kind)
        case list():
            return {"type": "array", "items": json_schema(shape[0])}
        case _:
            required = [key for key in shape if not key.endswith("?")]
            properties = {key.removesuffix("?"): json_schema(value) for key, value in shape.items()}
            return {"type": "object", "properties": properties, "required": required}


def _is_place(value: str) -> bool:
    return "/" in value or value.startswith(".")


def _wrong(method: Method, name: str, sentence: str) -> UsageError:
    return UsageError(f"{method.name}: {sentence}", data={"method": method.name, "param": name[:80]})


def _quoted(name: str) -> str:
    return repr(name if len(name) <= 40 else name[:40] + "…")


def _text_fault(value: object, largest: int) -> str | None:
    if not isinstance(value, str):
        return "must be a string"
    if len(value) > largest:
        return f"is longer than {largest} characters"
    return None


def _at_least(value: float, smallest: float | None) -> bool:
    return value == value and (smallest is None or value >= smallest)  # noqa: PLR0124 - only NaN differs from itself


def _at_most(value: float, largest: float | None) -> bool:
    return largest is None or value <= largest


def _bound(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"
