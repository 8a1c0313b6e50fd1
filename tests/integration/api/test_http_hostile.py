"""The HTTP door and those who mean no good: strangers, other sites' pages, rubbish, floods, and who does not read."""
# ruff: noqa: ASYNC110

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import random
import socket
from pathlib import Path
from typing import Any

import pytest

from swarmchat import limits
from swarmchat.addresses import Address
from swarmchat.api.http.server import serve
from swarmchat.errors import UserError
from swarmchat.runtime import SystemRuntime
from tests.integration.api.test_http import at_door, stream
from tests.support.fake_commands import ROOM
from tests.support.http_door import Door, http_door, read_answer, read_frame

SHOW = b'{"jsonrpc":"2.0","id":1,"method":"account.show"}'
SEED = 20261121
GUARDED = ["/api/v1/rpc", "/api/v1/events", "/api/v1/ws", "/metrics"]


# --- who asks


@pytest.mark.parametrize("target", GUARDED)
def test_without_a_token_that_is_known_nothing_is_told(tmp_path: Path, target: str) -> None:
    async def scene(door: Door) -> None:
        method = "POST" if target.endswith("rpc") else "GET"
        body = SHOW if method == "POST" else None
        wrong = [
            "",
            "Bearer",
            "Bearer ",
            f"Basic {door.owner}",
            door.owner,
            f"Bearer {door.owner}x",
            f"Bearer {door.owner[:-1]}",
        ]
        wrong += [f"Bearer {door.owner},{door.owner}", "Bearer " + "a" * 513, "Bearer \xff\xfe"]
        for value in wrong:
            answer = await door.ask(target, method=method, body=body, authorization=value)
            assert answer.status == 401, value
            assert answer.headers["www-authenticate"].startswith("Bearer")
        twice = door.request(target, method=method, token=door.owner, body=body)
        twice = twice.replace(b"\r\n\r\n", b"\r\nauthorization: Bearer x\r\n\r\n", 1)
        assert (await door.raw(twice)).status == 401
        assert (await door.ask(f"{target}?token={door.owner}", method=method, body=body)).status == 401
        assert (await door.ask(target, method=method, body=body, cookie=f"token={door.owner}")).status == 401
        assert not door.node.calls

    at_door(tmp_path, scene)


def test_many_wrong_tokens_are_slowed_down_and_the_right_one_is_not(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        statuses = [(await door.ask("/metrics", token="wrong")).status for _ in range(limits.HTTP_WRONG_AT_ONCE + 10)]
        assert statuses[: limits.HTTP_WRONG_AT_ONCE] == [401] * limits.HTTP_WRONG_AT_ONCE
        assert 429 in statuses
        assert (await door.call("account.show")).status == 200

    at_door(tmp_path, scene)


def test_wrong_tokens_are_answered_again_at_their_pace(tmp_path: Path) -> None:
    class Still(SystemRuntime):
        passed = 0.0

        def monotonic(self) -> float:
            return self.passed

    async def scene(door: Door) -> None:
        door.house.runtime = clock = Still()
        for _ in range(limits.HTTP_WRONG_AT_ONCE):
            assert (await door.ask("/metrics", token="wrong")).status == 401
        for _ in range(2):
            assert (await door.ask("/metrics", token="wrong")).status == 429
            clock.passed += 1 / limits.HTTP_WRONG_PER_S
            assert (await door.ask("/metrics", token="wrong")).status == 401

    at_door(tmp_path, scene)


def test_a_token_that_asks_without_end_is_slowed_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HTTP_CALLS_AT_ONCE", 5)
    monkeypatch.setattr(limits, "HTTP_CALLS_PER_S", 0.001)

    async def scene(door: Door) -> None:
        other = str(door.house.tokens.add("other", "read")["token"])
        assert [(await door.call("account.show")).status for _ in range(7)] == [200] * 5 + [429] * 2
        assert (await door.call("account.show", token=other)).status == 200

    at_door(tmp_path, scene)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "2130706433",
        "0.0.0.0",
        "192.0.2.7",
        "evil.example:7777",
        "a@127.0.0.1",
        "127.0.0.1/x",
        "",
        "[::2]",
        "127.1",
        "xn--lcalhost-example",
    ],
)
def test_a_name_that_is_not_ours_is_refused_for_the_page_too(tmp_path: Path, host: str) -> None:
    async def scene(door: Door) -> None:
        for target in ("/", "/healthz", "/api/v1/events"):
            answer = await door.ask(target, token=door.owner, host=host)
            assert answer.status == 403, (target, answer)

    at_door(tmp_path, scene)


def test_no_host_or_two_of_them_are_refused(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        none = await door.raw(f"GET / HTTP/1.0\r\nauthorization: Bearer {door.owner}\r\n\r\n".encode())
        assert none.status == 403
        two = await door.raw(f"GET / HTTP/1.1\r\nhost: {door.host}\r\nhost: evil.example\r\n\r\n".encode())
        assert two.status in {400, 403}

    at_door(tmp_path, scene)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:80",
        "127.0.0.1",
        "127.9.9.9:1",
        "[::1]",
        "[::1]:7777",
        "node.example",
        "Node.Example.:443",
    ],
)
def test_loopback_names_and_those_of_the_settings_are_ours(tmp_path: Path, host: str) -> None:
    async def scene(door: Door) -> None:
        assert (await door.ask("/healthz", host=host)).status == 200
        assert (await door.ask("/healthz", host=host, origin=f"http://{host}")).status == 200

    at_door(tmp_path, scene, names=frozenset({"node.example"}))


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "",
        "http://127.0.0.1",
        "http://localhost:3000",
        "file://",
        "http://[",
        "ftp://{host}",
        "{host}",
        "http://{host}/x",
        "http://{host}.evil.example",
        "http://evil@{host}",
    ],
)
def test_pages_of_other_origins_may_not_ask(tmp_path: Path, origin: str) -> None:
    async def scene(door: Door) -> None:
        given = origin.format(host=door.host)
        answer = await door.ask("/api/v1/rpc", method="POST", token=door.owner, body=SHOW, origin=given)
        assert answer.status == 403
        preflight = await door.ask("/api/v1/rpc", method="OPTIONS", origin=given, access_control_request_method="POST")
        assert preflight.status == 403
        assert not door.node.calls

    at_door(tmp_path, scene)


def test_a_form_of_another_site_is_no_request(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "application/jsonp"):
            answer = await door.ask("/api/v1/rpc", method="POST", token=door.owner, body=SHOW, content_type=kind)
            assert answer.status == 415, kind
        good = await door.ask(
            "/api/v1/rpc", method="POST", token=door.owner, body=SHOW, content_type="Application/JSON; charset=utf-8"
        )
        assert good.status == 200

    at_door(tmp_path, scene)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_where_others_can_reach_it_there_is_none_without_tls(tmp_path: Path, host: str) -> None:
    async def run() -> None:
        async with http_door(tmp_path) as door, serve(door.house, Address(host, 0), None):
            raise AssertionError("it listens")

    with pytest.raises(UserError, match="without TLS") as caught:
        asyncio.run(run())
    assert "api.tls_certificate" in str(caught.value.hint)


def test_an_address_that_is_taken_is_told(tmp_path: Path) -> None:
    async def run() -> None:
        async with http_door(tmp_path) as door, serve(door.house, door.address, None):
            raise AssertionError("it listens twice")

    with pytest.raises(UserError, match="cannot listen for HTTP"):
        asyncio.run(run())


def test_a_certificate_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text("rubbish")

    async def run() -> None:
        async with http_door(tmp_path, tls=(tmp_path / "c.pem", tmp_path / "c.pem")):
            raise AssertionError("it listens")

    with pytest.raises(UserError, match="for TLS"):
        asyncio.run(run())


# --- what is asked


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"nonsense",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":1,"a":2}',
        b"NaN",
        b'"\\ud800"',
        b"1" * 5_000,
        b'{"jsonrpc":"2.0","id":1,"method":7}',
    ],
)
def test_rubbish_is_answered_as_on_the_socket(tmp_path: Path, body: bytes) -> None:
    async def scene(door: Door) -> None:
        answer = await door.ask("/api/v1/rpc", method="POST", token=door.owner, body=body)
        assert answer.status == 200
        assert answer.json["error"]["code"] in {-32700, -32600}

    at_door(tmp_path, scene)


def test_a_body_that_is_too_long_is_refused_before_it_is_read(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        for length in (str(limits.API_LINE_BYTES_MAX + 1), "9" * 13, "9" * 5_000):
            head = door.request(
                "/api/v1/rpc", method="POST", token=door.owner, content_type="application/json", content_length=length
            )
            answer = await door.raw(head)
            assert answer.status in {400, 413}, length
        reader, writer = await door.open()
        writer.write(
            door.request(
                "/api/v1/rpc",
                method="POST",
                token=door.owner,
                content_type="application/json",
                transfer_encoding="chunked",
            )
        )
        piece = b"10000\r\n" + b" " * 65_536 + b"\r\n"
        with contextlib.suppress(ConnectionError):
            for _ in range(limits.API_LINE_BYTES_MAX // 65_536 + 1):
                writer.write(piece)
                await writer.drain()
        assert (await read_answer(reader)).status == 413
        writer.close()
        whole = SHOW + b" " * (limits.API_LINE_BYTES_MAX - len(SHOW))
        assert (await door.ask("/api/v1/rpc", method="POST", token=door.owner, body=whole)).status == 200

    at_door(tmp_path, scene)


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"x: y\r\n" * 10_000 + b"\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\n bad: folded\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nhost: evil.example\r\n\r\n",
        bytes(range(256)) * 200 + b"\r\n\r\n",
    ],
    ids=range(9),
)
def test_a_head_that_is_none_or_endless_is_refused_and_the_connection_closed(tmp_path: Path, head: bytes) -> None:
    async def scene(door: Door) -> None:
        reader, writer = await door.open()
        with contextlib.suppress(ConnectionError):
            writer.write(head)
            await writer.drain()
            answer = await reader.read(12)
            assert answer == b"" or answer[9:12] in {b"400", b"403", b"431"}
            await reader.read()  # to its end
        writer.close()
        assert (await door.call("account.show")).status == 200

    at_door(tmp_path, scene)


def test_a_head_has_so_many_bytes_and_no_more(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        empty = len(door.request("/healthz", x="")) - len("GET  HTTP/1.1\r\n\r\n")
        longest = "y" * (limits.HTTP_HEAD_BYTES_MAX - empty)
        assert (await door.ask("/healthz", x=longest)).status == 200
        assert (await door.ask("/healthz", x=longest + "y")).status == 431

    at_door(tmp_path, scene)


@pytest.mark.parametrize(
    "target",
    [
        "/../../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/js/../../__init__.py",
        "//etc/passwd",
        "/./index.html",
        "/index.html/",
        "/index.html%00.png",
        "/__init__.py",
        "/.git",
        "/js",
        "/js/",
        "/css/..%5c..%5cx",
        "/index.html;x",
        "/%ff",
        "/\\etc\\passwd",
        "/web/index.html",
    ],
)
def test_only_packaged_files_are_served(tmp_path: Path, target: str) -> None:
    async def scene(door: Door) -> None:
        answer = await door.ask(target)
        assert answer.status in {404, 400}, answer
        assert b"root:" not in answer.body

    at_door(tmp_path, scene)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "OPTIONS", "HEAD"])
def test_other_methods_do_nothing(tmp_path: Path, method: str) -> None:
    async def scene(door: Door) -> None:
        for target in ("/api/v1/rpc", "/api/v1/events", "/healthz"):
            answer = await door.raw(
                door.request(target, method=method, token=door.owner).replace(b" HTTP/1.1", b" HTTP/1.0")
            )
            assert answer.status in {400, 404, 405} or (method == "HEAD" and target == "/healthz"), (target, answer)
        assert not door.node.calls

    at_door(tmp_path, scene)


# --- how it is asked


def test_half_a_head_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HTTP_HEAD_S", 0.1)

    async def scene(door: Door) -> None:
        silent, silent_writer = await door.open()
        slow, slow_writer = await door.open()
        again, again_writer = await door.open()
        again_writer.write(door.request("/healthz"))
        assert (await read_answer(again)).status == 200
        again_writer.write(b"GET /healthz HT")

        async def drip() -> None:
            with contextlib.suppress(ConnectionError):
                for byte in door.request("/healthz", x="y" * 1_000):
                    slow_writer.write(bytes([byte]))
                    await slow_writer.drain()
                    await asyncio.sleep(0.01)

        dripping = asyncio.get_running_loop().create_task(drip())
        for reader in (silent, slow, again):
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 5) == b""
        dripping.cancel()
        await asyncio.wait([dripping])
        for writer in (silent_writer, slow_writer, again_writer):
            writer.close()
        reader, writer = await stream(door)
        await read_frame(reader)
        await asyncio.sleep(0.3)  # a stream is no head that is late
        await door.node.happen("a")
        assert (await read_frame(reader)).startswith("id: 1\n")
        writer.close()

    at_door(tmp_path, scene)


def test_a_connection_without_a_request_is_kept_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HTTP_IDLE_S", 0.5)

    async def scene(door: Door) -> None:
        reader, writer = await door.open()
        for _ in range(2):
            writer.write(door.request("/healthz"))
            assert (await read_answer(reader)).status == 200
        began = asyncio.get_running_loop().time()
        assert await asyncio.wait_for(reader.read(), limits.HTTP_HEAD_S - 1) == b""
        assert asyncio.get_running_loop().time() - began > 0.4
        writer.close()

    at_door(tmp_path, scene)


def test_half_a_body_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HTTP_BODY_S", 0.1)

    async def scene(door: Door) -> None:
        reader, writer = await door.open()
        writer.write(door.request("/api/v1/rpc", method="POST", token=door.owner, body=SHOW, content_length="4000"))
        assert (await read_answer(reader)).status == 408
        assert await reader.read() == b""
        writer.close()
        reader, writer = await door.open()
        writer.write(door.request("/api/v1/rpc", method="POST", token=door.owner, body=SHOW, content_length="4000"))
        await asyncio.sleep(0.02)
        writer.close()  # in the middle of its body
        assert (await door.call("account.show")).status == 200

    at_door(tmp_path, scene)


def test_there_are_so_many_connections_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HTTP_CONNECTIONS_MAX", 5)

    async def scene(door: Door) -> None:
        held = [await door.open() for _ in range(5)]
        refused = await door.ask("/healthz")
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        held.pop()[1].close()
        while (await door.ask("/healthz")).status == 503:
            await asyncio.sleep(0.01)
        for _, writer in held:
            writer.close()

    at_door(tmp_path, scene)


def test_those_who_wait_for_events_leave_room_for_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HTTP_STREAMS_MAX", 2)

    async def scene(door: Door) -> None:
        held = [await stream(door) for _ in range(2)]
        for headers in ({"accept": "text/event-stream"}, {}):
            assert (await door.ask("/api/v1/events", token=door.owner, **headers)).status == 503
        assert (await door.ask("/api/v1/ws", token=door.owner, **UPGRADE)).status == 503
        assert (await door.call("account.show")).status == 200
        held.pop()[1].close()
        while door.house.streams > 1:
            await asyncio.sleep(0.005)
        held.append(await stream(door))
        for _, writer in held:
            writer.close()

    at_door(tmp_path, scene)


def narrow(door: Door) -> socket.socket:
    """A client with a small buffer, that reads nothing by itself."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.connect((door.address.host, door.address.port))
    return client


def test_who_does_not_read_its_events_is_hung_up_on_and_costs_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(limits, "API_WRITE_TIMEOUT_S", 0.2)

    async def scene(door: Door) -> None:
        client = narrow(door)
        client.sendall(door.request("/api/v1/events", token=door.owner, accept="text/event-stream"))
        while not door.house.streams:
            await asyncio.sleep(0.005)
        for _ in range(400):
            await door.node.happen("news", text="x" * 50_000)
        while door.house.streams:
            await asyncio.sleep(0.01)
        assert door.house.cut == 1
        client.close()
        reader, writer = await stream(door)  # others are not held up
        await read_frame(reader)
        writer.close()

    at_door(tmp_path, scene)
    assert "hung up on an HTTP client: it reads nothing" in caplog.text


def test_who_does_not_read_its_answer_is_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "API_WRITE_TIMEOUT_S", 0.2)

    async def scene(door: Door) -> None:
        door.node.answers["account.show"] = {"id": "x" * 30_000_000}
        client = narrow(door)
        client.sendall(door.request("/api/v1/rpc", method="POST", token=door.owner, body=SHOW))
        while not door.house.cut:
            await asyncio.sleep(0.01)
        with contextlib.suppress(ConnectionError):
            while await asyncio.to_thread(client.recv, 2**20):  # the other end is on this loop, and has yet to close
                pass
        client.close()

    at_door(tmp_path, scene)


def test_a_call_whose_client_has_gone_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "API_CLOSE_S", 0.1)

    async def scene(door: Door) -> None:
        began, ended = asyncio.Event(), asyncio.Event()

        async def forever(**_params: Any) -> Any:
            began.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        door.node.answers["message.send"] = forever
        body = json.dumps(
            {"jsonrpc": "2.0", "id": 1, "method": "message.send", "params": {"conversation": ROOM, "text": "x"}}
        )
        _reader, writer = await door.open()
        writer.write(door.request("/api/v1/rpc", method="POST", token=door.owner, body=body.encode()))
        await began.wait()
        writer.close()
        await asyncio.wait_for(ended.wait(), 5)

    at_door(tmp_path, scene)


def test_a_bug_is_told_without_its_details(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        door.node.answers["account.show"] = ValueError("a secret")
        answer = await door.call("account.show")
        assert answer.json["error"] == {"code": -32603, "message": "a bug in the daemon; its log has the details"}

        async def broken() -> Any:
            raise ValueError("a secret")

        door.measured.metrics = broken  # type: ignore[method-assign]
        answer = await door.ask("/metrics", token=door.owner)
        assert (answer.status, b"secret" in answer.body) == (500, False)

    at_door(tmp_path, scene)


def test_requests_with_broken_bytes_break_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    dice = random.Random(SEED)

    async def scene(door: Door) -> None:
        batch = b"[" + b",".join([SHOW] * 3) + b"]"
        good = [
            door.request("/api/v1/rpc", method="POST", token=door.owner, body=batch),
            door.request("/api/v1/events?since=0&limit=5", token=door.owner),
            door.request("/api/v1/ws", token=door.owner, **UPGRADE) + bytes([0x81, 0x84, 1, 2, 3, 4]) + b"abcd",
            door.request("/index.html", if_none_match='"x"', range="bytes=0-"),
            door.request("/metrics", token=door.owner),
        ]
        answered = 0
        for _ in range(300):
            data = bytearray(dice.choice(good))
            for _ in range(dice.randint(1, 6)):
                place = dice.randrange(len(data))
                match dice.randrange(4):
                    case 0:
                        data[place] = dice.randrange(256)
                    case 1:
                        del data[place : place + dice.randint(1, 20)]
                    case 2:
                        data[place:place] = bytes(dice.randrange(256) for _ in range(dice.randint(1, 20)))
                    case _:
                        data[place:place] = data[dice.randrange(len(data)) :][: dice.randint(1, 80)]
            reader, writer = await door.open()
            with contextlib.suppress(ConnectionError):
                writer.write(bytes(data))
                writer.write_eof()
                said = await reader.read(2**20)
                assert b" 500 " not in said[:20], bytes(data)
                answered += said.startswith(b"HTTP/1.1 ")
            writer.close()
        assert answered > 30
        assert (await door.call("account.show")).status == 200
        while door.house.streams:
            await asyncio.sleep(0.005)

    at_door(tmp_path, scene)
    assert not [record for record in caplog.records if record.levelname == "ERROR"], caplog.text


# --- WebSocket

UPGRADE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec_websocket_version": "13",
    "sec_websocket_key": base64.b64encode(b"0123456789abcdef").decode(),
}


class Socket:
    """A WebSocket, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, data: bytes, *, opcode: int = 1, fin: bool = True) -> None:
        key = os.urandom(4)
        size = len(data)
        head = bytes([opcode | (0x80 if fin else 0)])
        head += (
            bytes([0x80 | size])
            if size < 126
            else bytes([0x80 | 127]) + size.to_bytes(8, "big")
            if size > 65_535
            else bytes([0x80 | 126]) + size.to_bytes(2, "big")
        )
        mask = (key * (size // 4 + 1))[:size]
        self.writer.write(
            head + key + (int.from_bytes(data, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")
        )

    async def hear(self) -> tuple[int, bytes]:
        first, second = await self.reader.readexactly(2)
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
        return first & 0x0F, await self.reader.readexactly(size)

    async def json(self) -> Any:
        opcode, data = await self.hear()
        assert opcode == 1, (opcode, data)
        return json.loads(data)


async def websocket(door: Door, token: str | None = None) -> Socket:
    reader, writer = await door.open()
    writer.write(door.request("/api/v1/ws", token=token or door.owner, **UPGRADE))
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 "), head
    return Socket(reader, writer)


def test_a_websocket_speaks_as_the_socket_does(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        await door.node.happen("a")
        ws = await websocket(door)
        ws.say(SHOW)
        assert (await ws.json())["result"]["name"]
        ws.say(b'{"jsonrpc":"2.0","id":2,"method":"events.subscribe","params":{"since":0}}')
        assert (await ws.json())["result"] == {"since": 0}
        assert (await ws.json())["params"]["id"] == 1
        await door.node.pass_by("typing", on=True)
        assert (await ws.json())["params"]["id"] is None
        ws.say(b"rubbish")
        assert (await ws.json())["error"]["code"] == -32700
        ws.say(SHOW[:10], fin=False)
        ws.say(SHOW[10:], opcode=0)
        assert "result" in await ws.json()
        ws.say((1000).to_bytes(2, "big"), opcode=8)
        assert (await ws.hear())[0] == 8
        while door.house.streams:
            await asyncio.sleep(0.005)
        ws.writer.close()

    at_door(tmp_path, scene)


def test_a_websocket_is_bound_to_its_token(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        token = str(door.house.tokens.add("reader", "read")["token"])
        ws = await websocket(door, token)
        ws.say(b'{"jsonrpc":"2.0","id":1,"method":"daemon.stop"}')
        assert (await ws.json())["error"]["data"]["scope"] == "admin"
        ws.say(b'{"jsonrpc":"2.0","id":2,"method":"events.subscribe"}')
        assert "result" in await ws.json()
        door.house.tokens.remove("reader")
        await door.node.happen("secret")
        closed = await ws.json()
        assert (closed["method"], closed["params"]) == ("events.closed", {"reason": "this token has been removed"})
        ws.say(SHOW)
        assert (await ws.json())["error"]["message"] == "this token has been removed"
        ws.writer.close()
        for headers, status in (({"origin": "http://evil.example"}, 403), ({"host": "evil.example"}, 403)):
            assert (await door.ask("/api/v1/ws", token=door.owner, **UPGRADE, **headers)).status == status
        assert (await door.ask("/api/v1/ws", token="wrong", **UPGRADE)).status == 401
        assert (await door.ask("/healthz", token=door.owner, **UPGRADE)).status == 403

    at_door(tmp_path, scene)


def test_a_message_that_is_too_long_ends_the_websocket(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        ws = await websocket(door)
        ws.say(b" " * (limits.API_LINE_BYTES_MAX // 2), fin=False)
        with contextlib.suppress(ConnectionError):
            ws.say(b" " * (limits.API_LINE_BYTES_MAX // 2 + 1), opcode=0)
            await ws.writer.drain()
        opcode, data = await ws.hear()
        assert (opcode, int.from_bytes(data[:2], "big")) == (8, 1009)
        ws.writer.close()

    at_door(tmp_path, scene)


def test_a_websocket_that_does_not_read_is_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "API_WRITE_TIMEOUT_S", 0.2)

    async def scene(door: Door) -> None:
        client = narrow(door)
        client.sendall(door.request("/api/v1/ws", token=door.owner, **UPGRADE))
        client.setblocking(False)
        assert await asyncio.get_running_loop().sock_recv(client, 12) == b"HTTP/1.1 101"
        client.sendall(bytes([0x81, 0x80 | len(SUBSCRIBE), 0, 0, 0, 0]) + SUBSCRIBE)
        await asyncio.sleep(0.1)
        for _ in range(400):
            await door.node.happen("news", text="x" * 50_000)
        while door.house.streams:
            await asyncio.sleep(0.01)
        client.close()

    at_door(tmp_path, scene)


SUBSCRIBE = b'{"jsonrpc":"2.0","id":1,"method":"events.subscribe","params":{}}'


def test_a_websocket_is_told_of_the_end_of_the_daemon_and_outlives_the_time_for_a_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HTTP_HEAD_S", 0.1)

    async def run() -> None:
        async with http_door(tmp_path) as door:
            ws = await websocket(door)
            await asyncio.sleep(0.3)
            ws.say(SUBSCRIBE)
            assert "result" in await ws.json()
        closed = await ws.json()
        assert (closed["method"], closed["params"]) == ("events.closed", {"reason": "the daemon stops"})
        assert (await ws.hear())[0] == 8
        ws.writer.close()

    asyncio.run(asyncio.wait_for(run(), 20))
