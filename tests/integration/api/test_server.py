"""The door over a real UNIX socket."""
# ruff: noqa: ASYNC110, ASYNC240

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from swarmchat import limits
from swarmchat.api import server
from swarmchat.api.client import Client
from swarmchat.api.server import entry_fault, serve
from swarmchat.errors import (
    DeliveryTimeout,
    NotFoundError,
    StorageError,
    SwarmchatError,
    UnreachableError,
    UsageError,
    UserError,
)
from tests.support.fake_commands import ANSWERS, REFUSAL, FakeCommands

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def door(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


def talk(node: FakeCommands, door: Path, dialogue: Talk) -> None:
    """Run `dialogue` over one connection to a door on `node`."""

    async def run() -> None:
        async with serve(node, door):
            reader, writer = await asyncio.open_unix_connection(str(door), limit=2**27)
            try:
                await dialogue(reader, writer)
            finally:
                writer.close()

    asyncio.run(asyncio.wait_for(run(), 20))


def line(call_id: int | None, method: str, **params: Any) -> bytes:
    request = {"jsonrpc": "2.0", "method": method, "params": params} | ({} if call_id is None else {"id": call_id})
    return json.dumps(request).encode() + b"\n"


async def answer(reader: asyncio.StreamReader) -> Any:
    return json.loads(await reader.readline())


def test_the_socket_is_for_its_owner_only_and_gone_afterwards(door: Path) -> None:
    async def run() -> int:
        async with serve(FakeCommands(), door):
            return stat.S_IMODE(door.stat().st_mode)

    assert asyncio.run(run()) == 0o600
    assert not door.exists()


def test_a_stale_socket_is_replaced_and_anything_else_is_left_alone(door: Path) -> None:
    async def run() -> None:
        async with serve(FakeCommands(), door):
            pass

    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(door))
    stale.close()
    asyncio.run(run())
    door.write_text("precious")
    with pytest.raises(UserError, match="in the way"):
        asyncio.run(run())
    assert door.read_text() == "precious"


def test_what_goes_wrong_inside_comes_out_as_itself(door: Path) -> None:
    async def run() -> None:
        async with serve(FakeCommands(), door):
            raise REFUSAL

    with pytest.raises(UserError) as caught:
        asyncio.run(run())
    assert caught.value is REFUSAL
    assert not door.exists()


def test_another_user_is_turned_away_with_a_sentence(door: Path) -> None:
    assert entry_fault(uid=1000, owner=1000, clients=limits.API_CLIENTS_MAX - 1) is None
    assert entry_fault(uid=0, owner=1000, clients=0) is not None
    assert entry_fault(uid=1000, owner=1000, clients=limits.API_CLIENTS_MAX) is not None

    async def run() -> None:
        async with serve(FakeCommands(), door, owner=os.getuid() + 1):
            reader, writer = await asyncio.open_unix_connection(str(door))
            refusal = await answer(reader)
            assert refusal["error"]["code"] == -32004
            assert "belongs to user" in refusal["error"]["message"]
            assert await reader.read() == b""
            writer.close()

    asyncio.run(run())


def test_a_call_a_batch_and_a_notification(door: Path) -> None:
    node = FakeCommands()

    async def dialogue(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(line(1, "account.show"))
        assert await answer(reader) == {"jsonrpc": "2.0", "id": 1, "result": ANSWERS["account.show"]}
        writer.write(line(None, "account.show") + b"\n  \n")
        batch = [
            json.loads(line(2, "device.list")),
            json.loads(line(None, "peer.list")),
            5,
            json.loads(line(3, "nope")),
        ]
        writer.write(json.dumps(batch).encode() + b"\n")
        good, odd, unknown = await answer(reader)
        assert good["result"] == ANSWERS["device.list"]
        assert (odd["id"], odd["error"]["code"]) == (None, -32600)
        assert (unknown["id"], unknown["error"]["code"]) == (3, -32601)

    talk(node, door, dialogue)
    assert [method for method, _ in node.calls] == ["account.show", "account.show", "device.list", "peer.list"]


def test_errors_carry_their_number_and_data(door: Path) -> None:
    node = FakeCommands()
    node.answers["member.kick"] = REFUSAL
    node.answers["graph"] = ZeroDivisionError("a bug")

    async def dialogue(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(line(1, "member.kick", conversation="boats", target="bob"))
        error = (await answer(reader))["error"]
        assert error == {
            "code": -32001,
            "message": "no",
            "data": {"code": "failure", "hint": "try something else", "rule": "SCP-02 §5.4"},
        }
        writer.write(line(2, "graph", conversation="boats"))
        assert (await answer(reader))["error"]["code"] == -32603
        writer.write(line(3, "message.send", conversation="boats"))
        assert (await answer(reader))["error"]["code"] == -32602
        writer.write(line(4, "account.show"))
        assert (await answer(reader))["id"] == 4

    talk(node, door, dialogue)


def test_a_slow_call_does_not_hold_up_a_quick_one(door: Path) -> None:
    node = FakeCommands()
    gate = asyncio.Event()

    async def slow(**_: Any) -> list[Any]:
        await gate.wait()
        return []

    node.answers["sync.status"] = slow

    async def dialogue(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(line(1, "sync.status") + line(2, "account.show"))
        assert (await answer(reader))["id"] == 2
        gate.set()
        assert (await answer(reader))["id"] == 1

    talk(node, door, dialogue)


def test_calls_in_flight_are_bounded_and_the_rest_waits(door: Path) -> None:
    node = FakeCommands()
    gate = asyncio.Event()

    async def slow(**_: Any) -> list[Any]:
        await gate.wait()
        return []

    node.answers["sync.status"] = slow

    async def dialogue(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        most = limits.API_CALLS_PER_CLIENT_MAX
        writer.write(b"".join(line(n, "sync.status") for n in range(most)) + line(most, "account.show"))
        while len(node.calls) < most:
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        assert [method for method, _ in node.calls] == ["sync.status"] * most
        gate.set()
        assert {(await answer(reader))["id"] for _ in range(most + 1)} == set(range(most + 1))

    talk(node, door, dialogue)


def test_who_says_all_and_closes_its_side_still_gets_the_answers(door: Path) -> None:
    async def dialogue(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(line(1, "account.show").rstrip(b"\n"))
        writer.write_eof()
        assert (await answer(reader))["id"] == 1
        assert await reader.read() == b""

    talk(FakeCommands(), door, dialogue)


def test_a_client_that_is_gone_does_not_keep_its_place(door: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "API_CLOSE_S", 0.05)
    node = FakeCommands()
    ended = asyncio.Event()

    async def wait_for_ever(**_: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    node.answers["sync.status"] = wait_for_ever

    async def run() -> None:
        async with serve(node, door):
            _, writer = await asyncio.open_unix_connection(str(door))
            writer.write(line(1, "sync.status"))
            await writer.drain()
            writer.close()
            await ended.wait()

    asyncio.run(asyncio.wait_for(run(), 10))


@pytest.mark.parametrize("rubbish", [b"{\n", b"\xff\xfe\n", b"[" * 100_000 + b"\n", b'"x"\n', b"\x00\n"])
def test_rubbish_is_answered_and_the_connection_lives(door: Path, rubbish: bytes) -> None:
    async def dialogue(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(rubbish)
        assert (await answer(reader))["error"]["code"] in {-32700, -32600}
        writer.write(line(1, "account.show"))
        assert (await answer(reader))["id"] == 1

    talk(FakeCommands(), door, dialogue)


def test_a_line_that_is_too_long_is_refused_and_the_connection_ends(
    door: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "API_LINE_BYTES_MAX", 64 * 1024)

    async def dialogue(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b" " * 200_000)
        assert (await answer(reader))["error"]["code"] == -32600
        assert await reader.read() == b""

    talk(FakeCommands(), door, dialogue)


def test_an_answer_that_would_be_too_large_is_an_error_with_a_hint(door: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "API_REPLY_BYTES_MAX", 1_000)
    node = FakeCommands()

    async def dialogue(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for size, fits in ((1_000, True), (1_001, False)):
            empty = len(json.dumps({"jsonrpc": "2.0", "id": 1, "result": ""}, separators=(",", ":"))) + 1
            node.answers["account.show"] = "x" * (size - empty)
            writer.write(line(1, "account.show"))
            reply = await answer(reader)
            assert reply["id"] == 1
            assert ("result" in reply) is fits
            assert fits or "limit" in reply["error"]["data"]["hint"]

    talk(node, door, dialogue)


def test_events_follow_the_answer_to_their_subscription(door: Path) -> None:
    node = FakeCommands()

    async def dialogue(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await node.happen("member.changed")
        await node.happen("message.added", text="one")
        writer.write(line(1, "events.subscribe", since=1))
        assert await answer(reader) == {"jsonrpc": "2.0", "id": 1, "result": {"since": 1}}
        first = await answer(reader)
        assert (first["method"], first["params"]["id"], first["params"]["data"]) == ("event", 2, {"text": "one"})
        await node.happen("typing")
        assert (await answer(reader))["params"]["id"] == 3
        writer.write(line(2, "events.subscribe"))
        assert "subscribed already" in (await answer(reader))["error"]["message"]

    talk(node, door, dialogue)


def test_what_is_never_stored_reaches_who_subscribed_before_and_has_no_number(door: Path) -> None:
    node = FakeCommands()

    async def dialogue(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await node.happen("message.added")
        await node.pass_by("typing", on=True)
        writer.write(line(1, "events.subscribe", since=0))
        await answer(reader)
        await node.pass_by("typing", on=False)
        assert (await answer(reader))["params"]["id"] == 1
        passing = await answer(reader)
        assert (passing["method"], passing["params"]["id"]) == ("event", None)
        assert passing["params"]["data"] == {"on": False}
        await node.happen("message.added")
        assert (await answer(reader))["params"]["id"] == 2

    talk(node, door, dialogue)


def test_a_subscription_starts_with_the_newest_unless_told_and_never_in_the_future(door: Path) -> None:
    node = FakeCommands()

    async def dialogue(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await node.happen("typing")
        writer.write(line(1, "events.subscribe", since=2))
        error = (await answer(reader))["error"]
        assert (error["code"], error["data"]["last"]) == (-32602, 1)
        writer.write(line(2, "events.subscribe"))
        assert (await answer(reader))["result"] == {"since": 1}
        await node.happen("typing")
        assert (await answer(reader))["params"]["id"] == 2

    talk(node, door, dialogue)


def test_events_that_are_no_longer_kept_are_an_explicit_gap(door: Path) -> None:
    node = FakeCommands()
    node.dropped = 10

    async def dialogue(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await node.happen("typing")
        writer.write(line(1, "events.subscribe", since=3))
        await answer(reader)
        assert await answer(reader) == {"jsonrpc": "2.0", "method": "event.gap", "params": {"from": 4, "to": 10}}
        assert (await answer(reader))["params"]["id"] == 11

    talk(node, door, dialogue)


def test_a_subscriber_is_told_when_the_daemon_stops(door: Path) -> None:
    node = FakeCommands()

    async def run() -> None:
        async with serve(node, door):
            reader, writer = await asyncio.open_unix_connection(str(door))
            writer.write(line(1, "events.subscribe"))
            await answer(reader)
        assert (await answer(reader))["params"] == {"reason": "the daemon stops"}
        assert await reader.read() == b""
        writer.close()

    asyncio.run(asyncio.wait_for(run(), 10))


def test_a_call_in_flight_is_answered_before_the_door_closes(door: Path) -> None:
    node = FakeCommands()
    began, gate = asyncio.Event(), asyncio.Event()

    async def slow(**_: Any) -> list[Any]:
        began.set()
        await gate.wait()
        return []

    node.answers["sync.status"] = slow

    async def run() -> None:
        async with serve(node, door):
            reader, writer = await asyncio.open_unix_connection(str(door))
            writer.write(line(1, "sync.status"))
            await began.wait()
            asyncio.get_running_loop().call_later(0.01, gate.set)
        assert (await answer(reader))["id"] == 1
        writer.close()

    asyncio.run(asyncio.wait_for(run(), 10))


def test_who_does_not_read_is_hung_up_on_and_resumes_without_loss(
    door: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(limits, "API_WRITE_TIMEOUT_S", 0.05)
    node = FakeCommands()
    many = 3 * limits.API_EVENTS_PER_PUSH

    async def run() -> None:
        for _ in range(many):
            await node.happen("message.added", text="x" * 2_000)
        async with serve(node, door):
            reader, writer = await asyncio.open_unix_connection(str(door), limit=4096)
            writer.write(line(1, "events.subscribe", since=0))
            while "read nothing" not in caplog.text:
                await asyncio.sleep(0.01)
            seen = 0
            try:
                while event := await reader.readline():
                    said = json.loads(event)
                    if said.get("method") == "event":
                        seen = said["params"]["id"]
            except (ValueError, ConnectionError):
                pass  # the last line is cut, or longer than this reader's limit
            writer.close()
            assert seen < many
            reader, writer = await asyncio.open_unix_connection(str(door))
            writer.write(line(1, "events.subscribe", since=seen))
            await answer(reader)
            ids = [(await answer(reader))["params"]["id"] for _ in range(many - seen)]
            assert ids == list(range(seen + 1, many + 1))
            writer.close()

    asyncio.run(asyncio.wait_for(run(), 30))


def with_client(node: FakeCommands, door: Path, work: Callable[[Client], Any]) -> Any:
    """Run blocking `work` against a door on `node`."""

    async def run() -> Any:
        async with serve(node, door):

            def go() -> Any:
                with Client.connect(door) as client:
                    return work(client)

            return await asyncio.to_thread(go)

    return asyncio.run(asyncio.wait_for(run(), 20))


def test_the_client_calls_and_raises_what_was_raised(door: Path) -> None:
    node = FakeCommands()
    node.answers["conversation.show"] = NotFoundError("no such conversation", hint="list them")

    def work(client: Client) -> Any:
        with pytest.raises(NotFoundError) as caught:
            client.call("conversation.show", conversation="x")
        assert (caught.value.hint, caught.value.exit_status) == ("list them", 3)
        with pytest.raises(UsageError):
            client.call("message.send", conversation="x", text=None)
        return client.call("message.send", conversation="x", text="né\n", timeout=None, timeout_s=5)

    assert with_client(node, door, work) == ANSWERS["message.send"]
    assert node.calls[-1] == ("message.send", {"conversation": "x", "text": "né\n"})


def test_the_client_takes_large_answers(door: Path) -> None:
    node = FakeCommands()
    node.answers["account.show"] = "é" * 1_000_000
    assert with_client(node, door, lambda client: len(client.call("account.show"))) == 1_000_000


def test_the_client_streams_events_and_gaps(door: Path) -> None:
    node = FakeCommands()
    node.dropped = 2
    asyncio.run(node.happen("typing"))

    def work(client: Client) -> list[Any]:
        stream = client.events(since=0)
        return [next(stream), next(stream)]

    gap, event = with_client(node, door, work)
    assert gap == {"type": "gap", "data": {"from": 1, "to": 2}}
    assert event["id"] == 3


def test_the_client_says_when_no_daemon_runs_or_it_goes_away(door: Path) -> None:
    with pytest.raises(UnreachableError) as caught:
        Client.connect(door)
    assert caught.value.hint == "swarmchat daemon start"
    ours, theirs = socket.socketpair()
    theirs.close()
    with Client(ours) as client, pytest.raises(UnreachableError):
        client.call("account.show")


def test_the_client_waits_no_longer_than_told(door: Path) -> None:
    ours, theirs = socket.socketpair()
    with theirs, Client(ours) as client, pytest.raises(DeliveryTimeout, match=r"0\.01 s"):
        client.call("account.show", timeout_s=0.01)


def test_the_kernel_says_who_is_there() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert server.peer_uid(ours) == os.getuid()


def test_a_subscriber_is_told_when_the_log_fails(door: Path) -> None:
    node = FakeCommands()

    async def fail(*, after: int, passed: int | None = None) -> tuple[int, list[Any]]:
        if passed is None:
            return 0, []
        raise StorageError("the disk is full")

    async def dialogue(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        node.events_wait = fail  # type: ignore[method-assign]
        writer.write(line(1, "events.subscribe"))
        await answer(reader)
        assert await answer(reader) == {
            "jsonrpc": "2.0",
            "method": "events.closed",
            "params": {"reason": "the disk is full"},
        }
        writer.write(line(2, "account.show"))
        assert (await answer(reader))["id"] == 2

    talk(node, door, dialogue)


@pytest.mark.parametrize("name", ["none/control.sock", "x" * 200])
def test_a_socket_that_cannot_be_made_is_a_sentence(tmp_path: Path, name: str) -> None:
    async def run() -> None:
        async with serve(FakeCommands(), tmp_path / name):
            raise AssertionError("it opened")

    with pytest.raises(StorageError, match="control socket"):
        asyncio.run(run())


def speaking(said: bytes) -> Client:
    """A client at whose other end something says `said` and goes."""
    ours, theirs = socket.socketpair()
    theirs.sendall(said)
    theirs.close()
    return Client(ours)


def receive(client: Client) -> Any:
    """What the client makes of the first line; nothing is asked, as nobody would hear it."""
    return client._receive(1.0)


@pytest.mark.parametrize("said", [b"nonsense\n", b"[1]\n", b"\xff\n"])
def test_a_daemon_that_speaks_nonsense_is_an_error(said: bytes) -> None:
    with speaking(said) as client, pytest.raises(SwarmchatError, match="not JSON-RPC"):
        receive(client)


def test_a_daemon_that_never_ends_its_line_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "API_REPLY_BYTES_MAX", 1_000)
    with speaking(b"x" * 1_000 + b"\n") as client, pytest.raises(SwarmchatError, match="not JSON-RPC"):
        receive(client)
    with speaking(b"x" * 70_000) as client, pytest.raises(SwarmchatError, match="endless"):
        receive(client)
