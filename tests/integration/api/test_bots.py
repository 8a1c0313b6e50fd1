"""What bots are written with: the client over HTTP, a place that is kept, following through restarts and gaps."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from swarmchat.account.home import Home
from swarmchat.api import httpclient
from swarmchat.api.bots import Node, Place, connect, follow
from swarmchat.api.httpclient import HttpClient
from swarmchat.api.server import serve
from swarmchat.errors import DeliveryTimeout, RefusedError, UnreachableError, UsageError, UserError
from tests.support.fake_commands import ANSWERS, REFUSAL, ROOM, FakeCommands
from tests.support.http_door import Door, http_door


def at_door(folder: Path, scene: Callable[[Door], Awaitable[None]]) -> None:
    async def run() -> None:
        async with http_door(folder) as door:
            await scene(door)

    asyncio.run(asyncio.wait_for(run(), 30))


def test_the_link_of_the_page_is_enough_to_call(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        def bot() -> None:
            with connect(f"http://{door.host}/#token={door.owner}") as node:
                assert node.call("account.show") == ANSWERS["account.show"]
                node.call("message.send", conversation=ROOM, text="ö", reply_to=None, timeout_s=5)
                with pytest.raises(UserError) as caught:
                    node.call("message.read", conversation=ROOM)
                assert (caught.value.hint, caught.value.data) == (REFUSAL.hint, REFUSAL.data)

        door.node.answers["message.read"] = REFUSAL
        await asyncio.to_thread(bot)
        assert door.node.calls[1] == ("message.send", {"conversation": ROOM, "text": "ö"})

    at_door(tmp_path, scene)


def test_what_keeps_a_bot_out_is_raised_as_what_it_is(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        async def forever(**_params: Any) -> Any:
            await asyncio.Event().wait()

        door.node.answers["message.list"] = forever

        def bot() -> None:
            for url, token in ((f"http://{door.host}", None), ("ftp://x", "t"), ("http://", "t")):
                with pytest.raises(UsageError, match="a URL and a token"):
                    HttpClient(url, token)
            with pytest.raises(RefusedError, match="not known here"):
                connect(f"http://{door.host}", "wrong").call("account.show")
            with pytest.raises(RefusedError, match="not known here"):
                connect(f"http://{door.host}", "wrong").events()
            with pytest.raises(UnreachableError, match="no daemon answers"):
                connect("http://127.0.0.1:1", "t").call("account.show")
            with pytest.raises(DeliveryTimeout, match=r"within 0\.1 s"):
                connect(f"http://{door.host}", door.owner).call("message.list", conversation=ROOM, timeout_s=0.1)
            with pytest.raises(UsageError, match="has not happened"):
                connect(f"http://{door.host}", door.owner).events(since=99)

        await asyncio.to_thread(bot)
        door.measured.ready = False
        with pytest.raises(UnreachableError, match="starting or stopping"):
            await asyncio.to_thread(connect(f"http://{door.host}", door.owner).call, "account.show")

    at_door(tmp_path, scene)


def test_an_address_where_nobody_answers_is_waited_for_and_does_not_end_a_bot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpclient, "_CONNECT_S", 0.1)
    monkeypatch.setattr(httpclient, "_SILENT_S", 0.1)
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # who comes after these is neither taken nor refused, as by a machine that is off
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        dumb = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        for server in (full, dumb):
            node = stack.enter_context(HttpClient(f"http://127.0.0.1:{server.getsockname()[1]}", "t"))
            with pytest.raises(UnreachableError):
                node.events(since=1)
        with pytest.raises(UnreachableError, match="no daemon answers"):
            HttpClient(f"http://127.0.0.1:{full.getsockname()[1]}", "t").call("account.show")


def test_closing_ends_a_stream_that_another_thread_waits_for(tmp_path: Path) -> None:
    async def scene(door: Door) -> None:
        node = connect(f"http://{door.host}", door.owner)
        stream = await asyncio.to_thread(node.events)
        waiting = asyncio.create_task(asyncio.to_thread(next, stream))
        await asyncio.wait([waiting], timeout=0.2)
        assert not waiting.done()
        await asyncio.to_thread(node.close)
        with pytest.raises(UnreachableError, match="went away"):
            await asyncio.wait_for(waiting, 5)

    at_door(tmp_path, scene)


def test_events_over_http_are_those_of_the_socket(tmp_path: Path) -> None:
    async def run() -> None:
        async with http_door(tmp_path) as door, serve(door.node, tmp_path / "s"):
            door.node.dropped = 2
            await door.node.happen("c")
            await door.node.happen("d", text="a\nb\u2028")
            told: dict[str, list[Any]] = {}

            def bot(name: str, node: Node) -> None:
                stream = node.events(since=0)
                told[name] = list(itertools.islice(stream, 3))
                ready.wait(10)
                told[name] += list(itertools.islice(stream, 1))
                node.close()

            ready = threading.Barrier(3)
            bots = [
                asyncio.create_task(asyncio.to_thread(bot, "http", connect(f"http://{door.host}", door.owner))),
                asyncio.create_task(asyncio.to_thread(bot, "socket", connect(tmp_path / "s"))),
            ]
            await asyncio.to_thread(ready.wait, 10)
            await door.node.pass_by("typing", on=True)
            await asyncio.gather(*bots)
            assert told["http"] == told["socket"]
            assert [one["type"] for one in told["http"]] == ["gap", "c", "d", "typing"]

    asyncio.run(asyncio.wait_for(run(), 30))


def test_a_stream_that_ends_says_why(tmp_path: Path) -> None:
    async def run() -> None:
        async with http_door(tmp_path) as door:
            stream = await asyncio.to_thread(connect(f"http://{door.host}", door.owner).events)
        with pytest.raises(UnreachableError, match="the daemon stops"):
            await asyncio.to_thread(next, stream)

    asyncio.run(asyncio.wait_for(run(), 30))


def test_the_node_of_the_user_is_found_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARMCHAT_HOME", str(tmp_path / "h"))
    home = Home.locate(None, {"SWARMCHAT_HOME": str(tmp_path / "h")})
    home.prepare()
    with pytest.raises(UnreachableError, match="no daemon is running"):
        connect()

    def bot() -> Any:
        with connect() as node:
            return node.call("account.show")

    async def run() -> Any:
        async with serve(FakeCommands(), home.socket):
            return await asyncio.to_thread(bot)

    assert asyncio.run(run()) == ANSWERS["account.show"]


# --- a place, and following


def test_a_place_is_kept_in_a_file(tmp_path: Path) -> None:
    place = Place(tmp_path / "place")
    assert place.read() is None
    place.write(17)
    assert Place(tmp_path / "place").read() == 17
    (tmp_path / "place").write_text("x\n")
    with pytest.raises(UserError, match="holds no number"):
        place.read()


class Log:
    """A node with a log of events; it goes away after `gives` of them."""

    def __init__(self, newest: int, gives: int = 10**9, oldest: int = 1) -> None:
        self.newest, self.gives, self.oldest = newest, gives, oldest

    def open(self) -> Any:
        return self

    def call(self, method: str, /, **params: Any) -> Any:
        assert (method, params) == ("events.list", {"limit": 1})
        return {"last": self.newest, "events": [], "gap": None}

    def events(self, since: int | None = None) -> Any:
        assert since is not None
        if since > self.newest:
            raise UsageError("it has not happened", data={"last": self.newest})
        return self._tell(since)

    def _tell(self, since: int) -> Any:
        if since + 1 < self.oldest:
            yield {"type": "gap", "data": {"from": since + 1, "to": self.oldest - 1}}
            since = self.oldest - 1
        yield {"type": "typing", "id": None, "data": {}}
        for number in range(since + 1, self.newest + 1):
            if not self.gives:
                self.gives = 10**9
                raise UnreachableError("it went away")
            self.gives -= 1
            yield {"type": "x", "id": number, "data": {}}
        raise UnreachableError("it went away")

    def close(self) -> None:
        pass


def taken(events: Any, count: int) -> list[Any]:
    return [one["id"] if one["type"] == "x" else one["type"] for one in itertools.islice(events, count)]


def test_the_first_time_it_begins_with_what_happens_from_then_on(tmp_path: Path) -> None:
    log, place = Log(5), Place(tmp_path / "p")
    bot = follow(place, log.open)
    assert taken(bot, 1) == ["typing"]
    assert place.read() == 5
    log.newest = 7
    bot.close()
    assert taken(follow(place, log.open), 3) == ["typing", 6, 7]


def test_an_event_counts_as_dealt_with_when_the_next_is_asked_for(tmp_path: Path) -> None:
    log, place = Log(3), Place(tmp_path / "p")
    place.write(0)
    bot = follow(place, log.open)
    assert taken(bot, 3) == ["typing", 1, 2]
    assert place.read() == 1
    bot.close()  # it is killed in the middle of 2
    assert taken(follow(place, log.open), 3) == ["typing", 2, 3]


def test_it_goes_on_when_the_node_comes_back(tmp_path: Path) -> None:
    log, place = Log(4, gives=2), Place(tmp_path / "p")
    place.write(0)
    assert taken(follow(place, log.open), 6) == ["typing", 1, 2, "typing", 3, 4]


def test_a_gap_moves_the_place_and_is_told(tmp_path: Path) -> None:
    log, place = Log(9, oldest=7), Place(tmp_path / "p")
    place.write(2)
    bot = follow(place, log.open)
    assert next(bot) == {"type": "gap", "data": {"from": 3, "to": 6}}
    assert place.read() == 2
    assert taken(bot, 2) == ["typing", 7]
    assert place.read() == 6


def test_a_log_that_was_begun_anew_is_a_gap_too(tmp_path: Path) -> None:
    log, place = Log(3), Place(tmp_path / "p")
    place.write(1_000)
    bot = follow(place, log.open)
    assert next(bot) == {"type": "gap", "data": {"from": None, "to": 3}}
    log.newest = 4
    assert taken(bot, 2) == ["typing", 4]


def test_it_is_patient_only_as_long_as_it_is_told(tmp_path: Path) -> None:
    tries = []

    def nobody() -> Any:
        tries.append(1)
        raise UnreachableError("no daemon is running")

    with pytest.raises(UnreachableError):
        next(follow(Place(tmp_path / "p"), nobody, patience_s=0.2))
    assert len(tries) == 2


def test_a_node_that_is_reached_only_by_asking_is_not_asked_without_end(tmp_path: Path) -> None:
    tries = []

    class Away(Log):
        def events(self, since: int | None = None) -> Any:
            tries.append(since)
            raise UnreachableError("no daemon answers there")

    place = Place(tmp_path / "p")
    place.write(3)
    with pytest.raises(UnreachableError):
        next(follow(place, Away(3).open, patience_s=0.2))
    assert tries == [3, 3]
