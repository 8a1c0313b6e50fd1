"""What there is over HTTP, as an OpenAPI document; the methods themselves stand in the table (`rpc.discover`). (SCP-08 §3.2)"""

from __future__ import annotations

from typing import Final

from swarmchat import __version__, limits
from swarmchat.api.results import EVENT
from swarmchat.api.schema import API_VERSION, METHODS
from swarmchat.api.shapes import JsonObject, Method, json_schema

_TOKEN: Final[list[JsonObject]] = [{"token": []}]
_OPEN: Final[list[JsonObject]] = []


def document() -> JsonObject:
    """OpenAPI 3.1."""
    methods = METHODS.values()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "swarmchat local API",
            "version": f"{API_VERSION}",
            "description": "JSON-RPC 2.0 on one path, events as a stream or by long poll. Parameters go by name.",
            "x-node-version": __version__,
        },
        "security": _TOKEN,
        "paths": {
            "/api/v1/rpc": {"post": _rpc()},
            "/api/v1/events": {"get": _events()},
            "/api/v1/ws": {
                "get": {
                    "summary": "WebSocket: the same as on the control socket, one JSON text in each message",
                    "responses": {"101": {"description": "it is one now"}, **_refusals()},
                }
            },
            "/api/v1/openapi.json": {"get": _plain("this document", "application/json")},
            "/healthz": {"get": _plain("the process lives", "application/json")},
            "/readyz": {
                "get": _plain("links are accepted and the state is loaded; 503 until then", "application/json")
            },
            "/metrics": {"get": _plain("figures for Prometheus", "text/plain", guarded=True)},
        },
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "from the file api-token of the home, or `swarmchat token add`",
                }
            },
            "schemas": {
                "Call": {"oneOf": [_call(method) for method in methods]},
                "Answer": _answer(),
                "Event": json_schema(EVENT),
                "Refusal": _refusal(),
                **{f"{method.name}.result": json_schema(method.result) for method in methods},
            },
        },
    }


def _rpc() -> JsonObject:
    call, one = {"$ref": "#/components/schemas/Call"}, {"$ref": "#/components/schemas/Answer"}
    return {
        "summary": "one call, or a batch that is carried out in its order",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _one_or_many(call, limits.API_BATCH_MAX)}},
        },
        "responses": {
            "200": _content("the answer, errors of the call included", _one_or_many(one, limits.API_BATCH_MAX)),
            "204": {"description": "there were notifications only"},
            "408": {"description": "the body came too slowly"},
            "413": {"description": f"the body has more than {limits.API_LINE_BYTES_MAX} bytes"},
            "415": {"description": "the body is not application/json"},
            **_refusals(),
        },
    }


def _events() -> JsonObject:
    page = {
        "type": "object",
        "properties": {
            "events": {"type": "array", "items": {"$ref": "#/components/schemas/Event"}},
            "gap": {"type": ["object", "null"], "description": "{from, to}: events that are no longer kept"},
            "next": {"type": "integer", "description": "give this as `since` in the next request"},
        },
        "required": ["events", "gap", "next"],
    }
    return {
        "summary": "what happened after `since`; a stream for who accepts text/event-stream, else a page",
        "parameters": [
            _query("since", "events with a greater id; default: what happens from now on", 0, 2**53),
            _query("limit", "of a page: at most so many", 1, limits.API_LIST_MAX),
            _query("timeout", "of a page: seconds to wait for the first one", 0, int(limits.HTTP_POLL_S)),
        ],
        "responses": {
            "200": {
                "description": "a page, or a stream of open, events, gap, closed",
                "content": {"application/json": {"schema": page}, "text/event-stream": {"schema": {"type": "string"}}},
            },
            "400": {"description": "a parameter is wrong, or `since` has not happened"},
            **_refusals(),
        },
    }


def _call(method: Method) -> JsonObject:
    properties = {p.name: {**p.json_schema(), "description": p.summary} for p in method.params}
    return {
        "title": method.name,
        "description": method.summary,
        "type": "object",
        "properties": {
            "jsonrpc": {"const": "2.0"},
            "id": {"type": ["integer", "string"]},
            "method": {"const": method.name},
            "params": {
                "type": "object",
                "properties": properties,
                "required": [p.name for p in method.params if p.required],
                "additionalProperties": False,
            },
        },
        "required": ["jsonrpc", "method"],
        "x-scope": method.scope(),
        "x-result": f"#/components/schemas/{method.name}.result",
    }


def _answer() -> JsonObject:
    error = {
        "type": "object",
        "properties": {"code": {"type": "integer"}, "message": {"type": "string"}, "data": {"type": "object"}},
        "required": ["code", "message"],
    }
    return {
        "type": "object",
        "properties": {"jsonrpc": {"const": "2.0"}, "id": {}, "result": {}, "error": error},
        "required": ["jsonrpc", "id"],
    }


def _refusal() -> JsonObject:
    inner = {"code": {"type": "string"}, "message": {"type": "string"}, "hint": {"type": ["string", "null"]}}
    error = {"type": "object", "properties": inner, "required": ["code", "message"]}
    return {"type": "object", "properties": {"error": error}, "required": ["error"]}


def _refusals() -> JsonObject:
    said = {
        "401": "no token, or one that is not known",
        "403": "the host or the origin of the request is not ours",
        "429": "too many requests with this token, or with wrong ones",
        "503": "the node is starting or stopping, or all places are taken",
    }
    return {status: _content(text, {"$ref": "#/components/schemas/Refusal"}) for status, text in said.items()}


def _plain(summary: str, kind: str, *, guarded: bool = False) -> JsonObject:
    answers: JsonObject = {"200": {"description": summary, "content": {kind: {"schema": {}}}}}
    if guarded:
        return {"summary": summary, "responses": answers | _refusals()}
    return {"summary": summary, "security": _OPEN, "responses": answers}


def _query(name: str, text: str, smallest: int, largest: int) -> JsonObject:
    schema = {"type": "integer", "minimum": smallest, "maximum": largest}
    return {"name": name, "in": "query", "description": text, "schema": schema}


def _content(text: str, schema: JsonObject) -> JsonObject:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _one_or_many(schema: JsonObject, largest: int) -> JsonObject:
    return {"oneOf": [schema, {"type": "array", "items": schema, "minItems": 1, "maxItems": largest}]}
