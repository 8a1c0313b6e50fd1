"""How a command reaches the node: the running daemon, else the same commands in this process. (SCP-08 §1.3)"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, Protocol, Self

from swarmchat import limits
from swarmchat.account.home import Home
from swarmchat.api.client import Client
from swarmchat.api.schema import METHODS
from swarmchat.api.shapes import JsonObject
from swarmchat.cli.passwords import Passwords
from swarmchat.errors import PasswordNeededError, UnreachableError

_PATIENT: Final = frozenset(
    {
        *(
            "verify",
            "doctor",
            "debug.bundle",
            "graph",
            "explain",
            "conversation.import",
            "account.export",
            "account.import",
            "status.export",
            "status.import",
        ),
        *("device.add", "device.confirm", "device.revoke"),
        *("export", "bundle.export", "bundle.import"),
        *("search", "index.rebuild"),  # what the index lacks is taken in first
    }
)
_TRIES: Final = 3


class Door(Protocol):
    """What commands see of the node."""

    def call(self, method: str, /, **params: Any) -> Any:
        """The result of a method; parameters that are None count as absent."""
        ...

    def events(self, since: int | None = None) -> Iterator[JsonObject]:
        """What happens, for ever; needs a daemon."""
        ...


class HomeDoor:
    """The door of one home. A context manager; what was opened is closed at its end."""

    def __init__(self, home: Home, passwords: Passwords) -> None:
        self._home = home
        self._passwords = passwords
        self._stack = contextlib.ExitStack()
        self._client: Client | None = None
        self._had_daemon = False  # then the home is the daemon's: while it is away nothing is done here in its stead
        self._offline: Any = None  # node.offline.Offline, imported only when it is needed

    def call(self, method: str, /, **params: Any) -> Any:
        """Ask the daemon; without one, do it here if it needs no network, else UnreachableError with a hint."""
        entry = METHODS[method]
        arguments = entry.checked(params)
        client = self._daemon()
        if client is not None:
            try:
                return client.call(method, timeout_s=_patience_s(method, arguments), **arguments)
            except UnreachableError as error:
                if "reason" in error.data:  # it is the daemon that went away, not somebody whom it was asked for
                    self._client = None
                raise
        if self._had_daemon or entry.wants_daemon(arguments):
            raise UnreachableError("no daemon is running", hint="swarmchat daemon start")
        return self._here(method, entry.arguments(arguments))

    def events(self, since: int | None = None) -> Iterator[JsonObject]:
        """Every event after `since`; on a connection of its own, so that calls may go on beside it."""
        return self._stack.enter_context(Client.connect(self._home.socket)).events(since)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _daemon(self) -> Client | None:
        if self._client is None and self._offline is None:
            with contextlib.suppress(UnreachableError):
                self._client = self._stack.enter_context(Client.connect(self._home.socket))
                self._had_daemon = True
        return self._client

    def _here(self, method: str, arguments: JsonObject) -> Any:
        password = self._passwords.given()
        for tries_left in reversed(range(_TRIES)):
            try:
                if self._offline is None:
                    self._offline = self._open(password)
                return self._offline.call(method, arguments)
            except PasswordNeededError:
                if not self._passwords.may_ask or not tries_left:
                    raise
                self._stack.close()
                self._offline = None
                password = self._passwords.ask("Password of the account")
        raise AssertionError("the last try raises or returns")

    def _open(self, password: str | None) -> Any:
        from swarmchat.gateways.commands import GatewayCommands  # noqa: PLC0415 - git and keys: only without a daemon
        from swarmchat.node.offline import open_commands  # noqa: PLC0415 - see above

        return self._stack.enter_context(open_commands(self._home, password=password, commands=GatewayCommands))


def _patience_s(method: str, arguments: JsonObject) -> float | None:
    if method in _PATIENT:
        return None
    if arguments.get("wait") is not None and arguments.get("timeout") is None:
        return None
    return limits.API_CALL_TIMEOUT_S + float(arguments.get("timeout", 0))
