from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from swarmchat.account.home import Home
from swarmchat.cli.door import HomeDoor
from swarmchat.cli.passwords import Passwords
from swarmchat.errors import PasswordNeededError, UnreachableError, UsageError


class Offline:
    """What `node.offline` gives, recording; opens only with the right password."""

    def __init__(self, password: str | None = None) -> None:
        self.password = password
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        self.opened = self.closed = 0

    @contextmanager
    def open_commands(self, _home: Home, *, password: str | None = None, commands: object) -> Iterator[Offline]:
        self.opened += 1
        self._given = password
        try:
            yield self
        finally:
            self.closed += 1

    def call(self, method: str, params: Mapping[str, Any]) -> str:
        if self._given != self.password:
            raise PasswordNeededError("the account is sealed")
        self.calls.append((method, params))
        return "done"


def door(folder: Path, passwords: Passwords | None = None) -> HomeDoor:
    return HomeDoor(Home.locate(folder, {}), passwords or Passwords({}, may_ask=False))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Offline:
    made = Offline()
    pretended = SimpleNamespace(open_commands=made.open_commands)
    monkeypatch.setitem(sys.modules, "swarmchat.node.offline", pretended)  # type: ignore[arg-type]
    return made


def test_without_a_daemon_what_needs_no_network_is_done_here(tmp_path: Path, offline: Offline) -> None:
    with door(tmp_path) as opened:
        assert opened.call("message.send", conversation="boats", text="hi", reply_to=None) == "done"
        opened.call("account.show")
    assert offline.calls == [("message.send", {"conversation": "boats", "text": "hi"}), ("account.show", {})]
    assert (offline.opened, offline.closed) == (1, 1)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("peer.list", {}),
        ("conversation.join", {"conversation": "swarm:x"}),
        ("message.send", {"conversation": "boats", "text": "hi", "wait": "any"}),
    ],
)
def test_without_a_daemon_what_needs_the_network_says_so_and_starts_nothing(
    tmp_path: Path, offline: Offline, method: str, params: dict[str, Any]
) -> None:
    with door(tmp_path) as opened, pytest.raises(UnreachableError, match="no daemon is running") as caught:
        opened.call(method, **params)
    assert caught.value.hint == "swarmchat daemon start"
    assert offline.opened == 0


def test_wrong_parameters_reach_nobody(tmp_path: Path, offline: Offline) -> None:
    with door(tmp_path) as opened, pytest.raises(UsageError):
        opened.call("message.send", conversation="boats")
    assert offline.opened == 0


def test_a_password_that_was_given_opens_the_account(tmp_path: Path, offline: Offline) -> None:
    offline.password = "secret"
    with door(tmp_path, Passwords({"SWARMCHAT_PASSPHRASE": "secret"}, may_ask=False)) as opened:
        opened.call("account.show")
    assert offline.opened == 1


def test_a_password_is_asked_for_three_times_at_most(
    tmp_path: Path, offline: Offline, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline.password = "secret"
    answers = iter(["wrong", "secret"])
    monkeypatch.setattr("click.prompt", lambda *_args, **_kwargs: next(answers))
    with door(tmp_path, Passwords({}, may_ask=True)) as opened:
        opened.call("account.show")
    assert (offline.opened, offline.closed) == (3, 3)
    monkeypatch.setattr("click.prompt", lambda *_args, **_kwargs: "wrong")
    with door(tmp_path, Passwords({}, may_ask=True)) as opened, pytest.raises(PasswordNeededError):
        opened.call("account.show")
    assert offline.opened == 6


def test_nobody_is_asked_without_a_terminal(tmp_path: Path, offline: Offline) -> None:
    offline.password = "secret"
    with door(tmp_path) as opened, pytest.raises(PasswordNeededError):
        opened.call("account.show")
    assert offline.opened == 1
