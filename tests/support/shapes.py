"""Does a value have the shape that the schema promises?"""

from __future__ import annotations

import re
from typing import Any

from swarmchat.api.shapes import KINDS, Shape

_TYPES: dict[str, type | tuple[type, ...]] = {"string": str, "integer": int, "boolean": bool, "object": dict}


def mismatch(shape: Shape, value: Any, where: str = "result") -> str | None:
    """The first place where `value` differs from `shape`, or None. Keys the shape does not name are faults too."""
    if isinstance(shape, str):
        return _leaf(shape, value, where)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f"{where} is no list"
        return next(
            (fault for at, item in enumerate(value) if (fault := mismatch(shape[0], item, f"{where}[{at}]"))), None
        )
    if not isinstance(value, dict):
        return f"{where} is no object"
    for key, inner in shape.items():
        name = key.removesuffix("?")
        if name not in value:
            if not key.endswith("?"):
                return f"{where}.{name} is missing"
        elif fault := mismatch(inner, value[name], f"{where}.{name}"):
            return fault
    unknown = sorted(value.keys() - {key.removesuffix("?") for key in shape})
    return f"{where}.{unknown[0]} is not in the schema" if unknown else None


def _leaf(kind: str, value: Any, where: str) -> str | None:
    if value is None and kind.endswith("?"):
        return None
    wanted = KINDS[kind.removesuffix("?")]
    if "type" in wanted and (
        not isinstance(value, _TYPES[wanted["type"]]) or (isinstance(value, bool) and wanted["type"] == "integer")
    ):
        return f"{where} is no {kind}: {value!r}"
    if "pattern" in wanted and not re.fullmatch(wanted["pattern"].strip("^$"), value):
        return f"{where} is no {kind}: {value!r}"
    return None
