"""The daemon at the other end of the socket, for a program that must not wait: calls from one thread, events from another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from swarmchat import limits
from swarmchat.api.client import Client
from swarmchat.api.schema import METHODS
from swarmchat.api.shapes import JsonObject
from swarmchat.cli.following import followed
from swarmchat.errors import SwarmchatError, UnreachableError


class Way(Protocol):
    """One way to the daemon, made anew by itself when it broke. For one thread; `hang_up` is for any."""

    def call(self, method: str, /, **params: Any) -> Any:
        """The result of a method; SwarmchatError."""
        ...

    def events(self, since: int | None = None) -> Iterator[JsonObject]:
        """Every event after `since`, until the daemon goes."""
        ...

    def hang_up(self) -> None:
        """Whoever waits for something sees the end; what is asked afterwards is UnreachableError."""
        ...

    def close(self) -> None:
        """Give back what is open."""
        ...


class SocketWay:
    """Over the control socket."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._client: Client | None = None
        self._subscribed: Client | None = None
        self._closed = False

    def call(self, method: str, /, **params: Any) -> Any:
        """See `Way.call`."""
        is_old = self._client is not None
        client = self._client = self._client or self._connect()
        try:
            return client.call(method, timeout_s=limits.API_CALL_TIMEOUT_S, **params)
        except UnreachableError as error:
            if "reason" not in error.data:
                raise
            client.close()  # it is the daemon that went away
            self._client = None
            if not (is_old and METHODS[method].read_only):
                raise
        return self.call(method, **params)  # it may have gone long ago: a question can be asked twice

    def events(self, since: int | None = None) -> Iterator[JsonObject]:
        """See `Way.events`; a connection of its own."""
        if self._subscribed is not None:
            self._subscribed.close()
        self._subscribed = self._connect()
        return self._subscribed.events(since)

    def hang_up(self) -> None:
        """See `Way.hang_up`."""
        self._closed = True
        for client in (self._client, self._subscribed):
            if client is not None:
                client.hang_up()

    def close(self) -> None:
        """See `Way.close`."""
        for client in (self._client, self._subscribed):
            if client is not None:
                client.close()

    def _connect(self) -> Client:
        if self._closed:
            raise UnreachableError("hung up")
        return Client.connect(self._path)


class Line:
    """Calls one after the other on a thread of their own, and events on another. `close` ends both."""

    def __init__(self, make_way: Callable[[], Way]) -> None:
        self._calls = make_way()
        self._events = make_way()
        self._caller = ThreadPoolExecutor(1, "calls")
        self._ended = threading.Event()
        self._hearer: threading.Thread | None = None

    @property
    def caller(self) -> ThreadPoolExecutor:
        """Where `call` is to be run."""
        return self._caller

    def call(self, method: str, params: JsonObject) -> Any:
        """The result of a method, on the thread of `caller`; parameters that are None count as absent."""
        return self._calls.call(method, **{name: value for name, value in params.items() if value is not None})

    def hear(self, happened: Callable[[JsonObject], None], told: Callable[[str], None]) -> None:
        """Hand every event from now on to `happened`, over restarts of the daemon; both are called on another thread."""

        def run() -> None:
            try:
                for event in followed(self._events, None, pause=self._pause, told=told):
                    happened(event)
            except SwarmchatError as error:
                if not self._ended.is_set():
                    told(error.message)

        self._hearer = threading.Thread(target=run, name="events", daemon=True)
        self._hearer.start()

    def close(self) -> None:
        """Hang up and wait for both threads."""
        self._ended.set()
        for way in (self._events, self._calls):
            way.hang_up()
        self._caller.shutdown()
        if self._hearer is not None:
            self._hearer.join(limits.API_CLOSE_S)
        for way in (self._events, self._calls):
            way.close()

    def _pause(self, seconds: float) -> None:
        if self._ended.wait(seconds):
            raise SwarmchatError("hung up")
