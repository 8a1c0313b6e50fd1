"""What every client makes of the other side of the door: calls as bytes, answers, events, and the words for who went away. No I/O. (SCP-08 §3.1)"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from swarmchat.api import jsonrpc
from swarmchat.api.shapes import JsonObject
from swarmchat.errors import DeliveryTimeout, SwarmchatError, UnreachableError


def call(number: int, method: str, params: Mapping[str, Any]) -> bytes:
    """The line that calls a method; parameters that are None are not sent."""
    given = {name: value for name, value in params.items() if value is not None}
    return jsonrpc.encode({"jsonrpc": "2.0", "id": number, "method": method, "params": given})


def said(line: bytes | bytearray) -> JsonObject:
    """One line of the other side's; SwarmchatError when it is no JSON object."""
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise SwarmchatError("the daemon said something that is not JSON-RPC")
    return value


def result(answer: JsonObject) -> Any:
    """The result in an answer; raises the error in it as what it was there."""
    if "result" in answer:
        return answer["result"]
    raise jsonrpc.error_of(answer)


def event(notification: JsonObject) -> JsonObject | None:
    """The event in a notification, a gap as one of type `gap` without id; None: a reader ignores what it does not know.

    UnreachableError with the reason at the end of the events.
    """
    params = notification.get("params", {})
    match notification.get("method"):
        case "event":
            return dict(params)
        case "event.gap":
            return {"type": "gap", "data": params}
        case "events.closed":
            raise ended(params.get("reason"))
        case _:
            return None


def ended(reason: object) -> UnreachableError:
    """The stream of events is over, and why."""
    return UnreachableError(f"the stream of events ended: {reason}")


def gone(reason: object, hint: str | None = "swarmchat daemon status") -> UnreachableError:
    """The daemon went away; nobody knows how far it was."""
    return UnreachableError("the daemon went away in the middle of this", hint=hint, data={"reason": str(reason)})


def late(timeout_s: float | None) -> DeliveryTimeout:
    """No answer came in time."""
    return DeliveryTimeout(f"the daemon did not answer within {timeout_s or 0:g} s")
