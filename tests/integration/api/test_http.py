"""The API over HTTP on a real listener, as programs that mean well use it."""
# ruff: noqa: ASYNC110

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from swarmchat import limits
from swarmchat.api.schema import METHODS
from swarmchat.errors import StorageError
from tests.support.fake_commands import ANSWERS, REFUSAL, ROOM
from tests.support.http_door import Door, http_door, read_answer, read_frame

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'"


def at_door(folder: Path, scene: Callable[[Door], Awaitable[None]], **settings: Any) -> None:
    async def run() -> None:
        async with http_door(folder, **settings) as door:
            await scene(door)

    asyncio.run(asyncio.wait_for(run(), 30))


def test_a_call_is_answered_as_on_the_socket(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        answer = await door.call("conversation.list")
        assert (answer.status, answer.json) == (
            200,
            {"jsonrpc": "2.0", "id": 7, "result": ANSWERS["conversation.list"]},
        )
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"
        door.node.answers["message.send"] = REFUSAL
        answer = await door.call("message.send", conversation="Boats", text="hi")
        assert answer.status == 200
        assert answer.json["error"]["data"] == {"rule": "SCP-02 §5.4", "code": "failure", "hint": "try something else"}
        unknown = await door.call("message.sing")
        assert unknown.json["error"]["code"] == -32601
        wrong = await door.call("message.send", conversation="Boats", words="hi")
        assert (wrong.json["error"]["code"], wrong.json["error"]["data"]["param"]) == (-32602, "words")

    at_door(tmp_path, scene)


def test_a_batch_is_carried_out_in_its_order_and_notifications_are_not_answered(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        calls = [
            {"jsonrpc": "2.0", "id": 1, "method": "account.show"},
            {"jsonrpc": "2.0", "method": "message.read", "params": {"conversation": ROOM}},
            {"jsonrpc": "2.0", "id": 2, "method": "nothing"},
            7,
        ]
        answer = await door.ask("/api/v1/rpc", method="POST", token=door.owner, body=json.dumps(calls).encode())
        assert [one.get("id") for one in answer.json] == [1, 2, None]
        assert [name for name, _ in door.node.calls] == ["account.show", "message.read"]
        silent = await door.ask("/api/v1/rpc", method="POST", token=door.owner, body=json.dumps(calls[1]).encode())
        assert (silent.status, silent.body) == (204, b"")

    at_door(tmp_path, scene)


def test_every_method_of_the_table_is_refused_to_a_scope_below_its_own_and_done_for_its_own(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        scopes = ("read", "send", "admin")
        tokens = {scope: str(door.house.tokens.add(scope, scope)["token"]) for scope in scopes}
        for method in METHODS.values():
            params = {p.name: _example(p.type, p.choices, p.smallest) for p in method.params if p.required}
            for scope in scopes:
                answer = (await door.call(method.name, token=tokens[scope], **params)).json
                error = answer.get("error", {})
                if scopes.index(scope) < scopes.index(method.scope(params)):
                    assert error["code"] == -32004, method.name
                    assert error["data"]["scope"] == method.scope(params), method.name
                elif method.name != "events.subscribe":
                    assert "result" in answer, (method.name, scope, answer)
        assert {name for name, _ in door.node.calls} == METHODS.keys() - {
            "events.subscribe",
            "events.list",
            "rpc.discover",
        }

    at_door(tmp_path, scene)


def _example(kind: str, choices: tuple[str, ...], smallest: float | None) -> object:
    if choices:
        return choices[0]
    return {"string": "abcd", "strings": ["abcd"], "boolean": True, "integer": smallest or 1, "number": smallest or 1}[
        kind
    ]


def test_to_verify_a_place_on_the_disk_is_for_the_owner_and_a_conversation_for_all(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        token = str(door.house.tokens.add("reader", "read")["token"])
        for place in ("/etc", "./x", ".."):
            answer = await door.call("verify", token=token, conversation=place)
            assert answer.json["error"]["data"]["scope"] == "admin"
        assert "result" in (await door.call("verify", token=token, conversation="Boats")).json
        assert "result" in (await door.call("verify", conversation="/etc")).json

    at_door(tmp_path, scene)


def test_a_subscription_belongs_to_the_stream(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        answer = await door.call("events.subscribe")
        assert answer.json["error"]["data"]["hint"].startswith("GET /api/v1/events")

    at_door(tmp_path, scene)


def test_health_says_that_it_lives_and_readiness_that_it_works(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        assert (await door.ask("/readyz")).status == 200
        door.measured.ready = False
        assert (await door.ask("/healthz")).json == {"status": "ok"}
        assert (await door.ask("/readyz")).status == 503
        early = await door.call("account.show")
        assert (early.status, early.headers["retry-after"]) == (503, "1")
        assert (await door.ask("/metrics", token=door.owner)).status == 200
        door.measured.ready = True
        assert (await door.call("account.show")).status == 200

    at_door(tmp_path, scene)


def test_figures_have_their_help_and_count_what_was_answered(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        await door.ask("/nothing")
        page = (await door.ask("/metrics", token=door.owner)).body.decode()
        assert "# TYPE swarmchat_links gauge\nswarmchat_links 3\n" in page
        assert "\nprocess_start_time_seconds 1795297400.25\n" in page
        assert '\nswarmchat_http_requests_total{status="404"} 1\n' in page

    at_door(tmp_path, scene)


def test_the_document_names_every_path_and_method(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        document = (await door.ask("/api/v1/openapi.json")).json
        assert document["openapi"] == "3.1.0"
        for path in document["paths"]:
            assert (await door.ask(path, token=door.owner)).status in {200, 405, 426}, path
        titles = {one["title"] for one in document["components"]["schemas"]["Call"]["oneOf"]}
        assert titles == METHODS.keys()
        references = set(_references(document))
        assert references
        for reference in references:
            place: Any = document
            for step in reference.removeprefix("#/").split("/"):
                place = place[step]

    at_door(tmp_path, scene)


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        here = [value["$ref"]] if "$ref" in value else []
        return here + [found for inner in value.values() for found in _references(inner)]
    return [found for inner in value for found in _references(inner)] if isinstance(value, list) else []


def test_every_answer_has_the_headers_of_safety(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        for target, token in (
            ("/", None),
            ("/none", None),
            ("/api/v1/rpc", None),
            ("/metrics", door.owner),
            ("/healthz", None),
        ):
            answer = await door.ask(target, token=token)
            assert answer.headers["content-security-policy"].startswith(POLICY), target
            assert "unsafe" not in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["cache-control"] in {"no-store", "no-cache"}
            assert "server" not in answer.headers
            assert not any(name.startswith("access-control") for name in answer.headers)
            assert "set-cookie" not in answer.headers

    at_door(tmp_path, scene)


def test_a_connection_serves_one_request_after_the_other(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        reader, writer = await door.open()
        writer.write(door.request("/healthz") * 3)
        assert [(await read_answer(reader)).status for _ in range(3)] == [200, 200, 200]
        writer.close()

    at_door(tmp_path, scene)


# --- events


async def stream(door: Door, query: str = "", **headers: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await door.open()
    writer.write(door.request(f"/api/v1/events{query}", token=door.owner, accept="text/event-stream", **headers))
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    assert b"content-type: text/event-stream" in head
    return reader, writer


def test_a_stream_begins_after_since_and_goes_on(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        for kind in ("a", "b", "c"):
            await door.node.happen(kind)
        reader, writer = await stream(door, "?since=1")
        assert await read_frame(reader) == 'retry: 1000\nid: 1\nevent: open\ndata: {"since":1}\n\n'
        said = await read_frame(reader)
        assert [line for line in said.split("\n") if line.startswith("id")] == ["id: 2", "id: 3"]
        await door.node.happen("d", text="a\nb")
        frame = await read_frame(reader)
        assert frame.startswith("id: 4\ndata: {")
        assert json.loads(frame.split("data: ")[1])["data"] == {"text": "a\nb"}
        await door.node.pass_by("typing", on=True)
        assert (await read_frame(reader)).startswith('data: {"id":null,')
        writer.close()

    at_door(tmp_path, scene)


def test_without_since_it_begins_with_the_next_event_and_a_browser_resumes_by_the_last_id(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        await door.node.happen("a")
        reader, writer = await stream(door)
        assert "id: 1\nevent: open" in await read_frame(reader)
        await door.node.happen("b")
        assert (await read_frame(reader)).startswith("id: 2\n")
        writer.close()
        reader, writer = await stream(door, "?since=2", last_event_id="1")
        assert '{"since":1}' in await read_frame(reader)
        assert (await read_frame(reader)).startswith("id: 2\n")
        writer.close()

    at_door(tmp_path, scene)


def test_who_was_away_for_longer_than_events_are_kept_is_told_of_the_gap(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        door.node.dropped = 5
        await door.node.happen("f")
        reader, writer = await stream(door, "?since=2")
        await read_frame(reader)
        frames = (await read_frame(reader)).split("\n\n")
        assert frames[0] == 'id: 5\nevent: gap\ndata: {"from":3,"to":5}'
        assert frames[1].startswith("id: 6\n")
        writer.close()
        page = (await door.ask("/api/v1/events?since=2", token=door.owner)).json
        assert (page["gap"], [one["id"] for one in page["events"]], page["next"]) == ({"from": 3, "to": 5}, [6], 6)
        door.node.dropped, door.node.log = 9, []
        page = (await door.ask("/api/v1/events?since=2", token=door.owner)).json
        assert page == {"events": [], "gap": {"from": 3, "to": 9}, "next": 9}

    at_door(tmp_path, scene)


def test_a_long_poll_waits_for_the_first_event_and_no_longer_than_it_is_told(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        await door.node.happen("a")
        page = (await door.ask(f"/api/v1/events?since=0&limit=1&timeout={limits.HTTP_POLL_S:g}", token=door.owner)).json
        assert (page["events"][0]["id"], page["next"]) == (1, 1)
        reader, writer = await door.open()
        writer.write(door.request("/api/v1/events?since=1&timeout=20", token=door.owner))
        while not door.house.streams:
            await asyncio.sleep(0.005)
        await door.node.happen("b")
        assert (await read_answer(reader)).json["next"] == 2
        writer.close()
        began = asyncio.get_running_loop().time()
        nothing = await door.ask("/api/v1/events?since=2&timeout=1", token=door.owner)
        assert nothing.json == {"events": [], "gap": None, "next": 2}
        assert 0.9 < asyncio.get_running_loop().time() - began < 5
        assert (await door.ask("/api/v1/events", token=door.owner)).json == {"events": [], "gap": None, "next": 2}
        assert not door.house.streams

    at_door(tmp_path, scene)


@pytest.mark.parametrize(
    "query",
    [
        "since=-1",
        "since=x",
        "since=1&since=2",
        "since=9",
        "limit=0",
        "limit=10001",
        f"timeout={limits.HTTP_POLL_S + 1:g}",
        "what=1",
        "since=99999999999999999999",
        "since=%D9%A1",
    ],
)
def test_a_wrong_question_for_events_is_named(tmp_path: Path, query: str) -> None:
    async def scene(door: Door) -> None:
        answer = await door.ask(f"/api/v1/events?{query}", token=door.owner)
        assert (answer.status, answer.json["error"]["code"]) == (400, "usage")

    at_door(tmp_path, scene)


def test_a_log_that_fails_ends_the_stream_with_its_reason(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        await door.node.happen("a")
        reader, writer = await stream(door)
        await read_frame(reader)

        async def broken(**_params: Any) -> Any:
            raise StorageError("the disk is full")

        door.node.events_list = broken  # type: ignore[method-assign]
        await door.node.happen("b")
        assert await read_frame(reader) == 'event: closed\ndata: {"reason":"the disk is full"}\n\n'
        assert await read_frame(reader) == ""
        writer.close()

    at_door(tmp_path, scene)


def test_a_silent_stream_says_that_it_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HTTP_PULSE_S", 0.02)

    async def scene(door: Door) -> None:
        reader, writer = await stream(door)
        await read_frame(reader)
        assert b": still here" in await reader.readuntil(b": still here\n\n")
        await door.node.happen("a")
        assert (await read_frame_past(reader)).startswith("id: 1\n")
        writer.close()

    at_door(tmp_path, scene)


async def read_frame_past(reader: asyncio.StreamReader) -> str:
    await reader.readuntil(b"id:")
    return "id:" + (await reader.readuntil(b"\n\n")).decode()


def test_a_removed_token_ends_its_streams_and_its_calls(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        token = str(door.house.tokens.add("bot", "read")["token"])
        reader, writer = await door.open()
        writer.write(door.request("/api/v1/events", token=token, accept="text/event-stream"))
        await reader.readuntil(b"event: open")
        door.house.tokens.remove("bot")
        await door.node.happen("secret")
        rest = (await reader.readuntil(b"0\r\n\r\n")).decode()
        assert "secret" not in rest
        assert 'event: closed\ndata: {"reason":"this token has been removed"}' in rest
        assert (await door.call("account.show", token=token)).status == 401
        writer.close()

    at_door(tmp_path, scene)


def test_the_end_of_the_daemon_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    async def run() -> float:
        before_all = asyncio.all_tasks()
        async with http_door(tmp_path) as door:
            blocked = asyncio.Event()

            async def forever(**_params: Any) -> Any:
                blocked.set()
                await asyncio.Event().wait()

            door.node.answers["message.send"] = forever
            reader, writer = await stream(door)
            await read_frame(reader)
            idle_reader, idle_writer = await door.open()
            _, half_writer = await door.open()
            half_writer.write(b"GET / HTTP/1.1\r\nHo")
            calling = asyncio.get_running_loop().create_task(door.call("message.send", conversation=ROOM, text="x"))
            await blocked.wait()
            before = asyncio.get_running_loop().time()
        took = asyncio.get_running_loop().time() - before
        assert (await read_frame(reader)) == 'event: closed\ndata: {"reason":"the daemon stops"}\n\n'
        assert (await calling).status == 503
        assert await idle_reader.read() == b""
        with pytest.raises(ConnectionRefusedError):
            await door.open()
        for one in (writer, idle_writer, half_writer):
            one.close()
        others = asyncio.all_tasks() - before_all
        assert not others, others
        return took

    assert asyncio.run(asyncio.wait_for(run(), 20)) < 3.5


def test_who_wants_no_http_loads_nothing_for_it() -> None:
    told = "import sys, swarmchat.daemon; print(sorted({'uvicorn', 'starlette', 'h11', 'websockets', 'anyio'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    told = "import sys, swarmchat.api.http.server; print('websockets' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n", "WebSocket is loaded with the first one"
