from __future__ import annotations

import asyncio

import pytest

from swarmchat.api.methods import UnknownMethodError, invoke
from swarmchat.errors import UsageError
from tests.support.fake_commands import ANSWERS, FakeCommands


def test_a_method_calls_the_command_of_its_name_with_what_was_given() -> None:
    node = FakeCommands()
    answer = asyncio.run(invoke(node, "message.send", {"conversation": "boats", "text": "hi", "wait": None}))
    assert answer == ANSWERS["message.send"]
    assert node.calls == [("message.send", {"conversation": "boats", "text": "hi"})]


def test_a_name_with_an_underscore_finds_its_command() -> None:
    node = FakeCommands()
    asyncio.run(invoke(node, "account.set_password", {"password": "x"}))
    assert node.calls == [("account.set_password", {"password": "x"})]


def test_nothing_is_called_with_wrong_parameters() -> None:
    node = FakeCommands()
    with pytest.raises(UsageError):
        asyncio.run(invoke(node, "message.send", {"conversation": "boats"}))
    assert node.calls == []


@pytest.mark.parametrize("name", ["message", "message_send", "events_wait", "__class__", "calls", "Message.send", ""])
def test_only_names_of_the_table_are_methods(name: str) -> None:
    with pytest.raises(UnknownMethodError):
        asyncio.run(invoke(FakeCommands(), name, {}))


def test_the_door_describes_itself_without_asking_the_node() -> None:
    node = FakeCommands()
    assert "methods" in asyncio.run(invoke(node, "rpc.discover", {}))
    assert node.calls == []
