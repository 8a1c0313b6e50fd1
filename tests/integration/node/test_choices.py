"""What the user of a node chose: for the account, for a conversation; and a node whose account revoked it. (SCP-04 §7, SCP-01 §3.3)"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from swarmchat.account.home import Home
from swarmchat.account.store import AccountStore
from swarmchat.crypto.revocation import device_prefix, issue_revocations
from swarmchat.errors import RefusedError, SwarmchatError, UsageError
from swarmchat.node.offline import Offline, open_commands
from swarmchat.runtime import SystemRuntime


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home.locate(tmp_path / "home", {})
    with open_commands(made) as node:
        node.call("account.create", {"name": "Ann"})
    return made


@pytest.fixture
def node(home: Home) -> Iterator[Offline]:
    with open_commands(home) as opened:
        yield opened


def created(node: Offline) -> str:
    return str(node.call("conversation.create", {"title": "Harbour"})["id"])


def test_settings_of_the_account_are_kept_and_shown(home: Home) -> None:
    with open_commands(home) as node:
        done = node.call("account.set", {"name": "  Anna ", "typing": "off"})
        assert (done["name"], done["typing"], done["read_receipts"], done["revoked"]) == ("Anna", False, True, False)
    with open_commands(home) as node:
        assert node.call("account.show", {}) == done
        where = created(node)
        sent = node.call("message.send", {"conversation": where, "text": "hello"})
        assert node.call("member.list", {"conversation": where})[0]["name"] == "Anna", sent
    assert AccountStore(home, SystemRuntime().entropy).load().name == "Anna"


def test_what_the_settings_of_one_device_say_counts_there(home: Home) -> None:
    home.config_file.parent.mkdir(parents=True, exist_ok=True)
    home.config_file.write_text('name = "At work"\nsend_typing = true\n')
    with open_commands(home) as node:
        done = node.call("account.set", {"name": "Anna", "typing": "off", "read_receipts": "off"})
        assert (done["name"], done["typing"], done["read_receipts"]) == ("At work", True, False)
    home.config_file.unlink()
    with open_commands(home) as node:
        done = node.call("account.show", {})
        assert (done["name"], done["typing"], done["read_receipts"]) == ("Anna", False, False)


def test_nothing_to_set_and_a_name_that_is_none_are_refused(node: Offline) -> None:
    for wrong in ({}, {"name": "two\nlines"}):
        with pytest.raises(UsageError):
            node.call("account.set", wrong)
    assert node.call("account.show", {})["name"] == "Ann"


def test_preferences_of_a_conversation_are_kept_changed_and_forgotten(home: Home) -> None:
    """C-40, C-41, C-42"""
    with open_commands(home) as node:
        where = created(node)
        assert node.call("conversation.prefs", {"conversation": where})["prefs"] == {}
        node.call("conversation.prefs", {"conversation": where, "values": ["colour=red", "bell=off=quiet"]})
        node.call("conversation.prefs", {"conversation": where, "values": ["colour=blue"], "unset": ["never", "bell"]})
    with open_commands(home) as node:
        assert node.call("conversation.prefs", {"conversation": "Harbour"}) == {
            "id": where,
            "prefs": {"colour": "blue"},
        }
        told = [event for event in node.call("events.list", {})["events"] if event["type"] == "conversation.prefs"]
        assert [(event["data"]["name"], event["data"]["value"]) for event in told] == [
            ("colour", "red"),
            ("bell", "off=quiet"),
            ("colour", "blue"),
            ("bell", None),
        ]


@pytest.mark.parametrize("pair", ["colour", "two words=x", "=x", "k=" + "x" * 257, "k" * 33 + "=x"])
def test_a_preference_that_is_none_is_refused(node: Offline, pair: str) -> None:
    where = created(node)
    with pytest.raises(UsageError):
        node.call("conversation.prefs", {"conversation": where, "values": [pair]})
    assert node.call("conversation.prefs", {"conversation": where})["prefs"] == {}


def test_a_conversation_has_so_many_preferences_and_no_more(node: Offline) -> None:
    where = created(node)
    node.call("conversation.prefs", {"conversation": where, "values": [f"k{n}=x" for n in range(32)]})
    with pytest.raises(SwarmchatError, match="32"):
        node.call("conversation.prefs", {"conversation": where, "values": ["one=more"]})
    node.call("conversation.prefs", {"conversation": where, "values": ["k0=y"]})


@pytest.fixture
def revoked(home: Home) -> Home:
    """A home with a conversation, whose account has withdrawn this device since."""
    with open_commands(home) as node:
        where = created(node)
        node.call("message.send", {"conversation": where, "text": "before"})
    store = AccountStore(home, SystemRuntime().entropy)
    account = store.load()
    assert account.account_key is not None
    listed = issue_revocations(
        account.account_key,
        account.certificate,
        [device_prefix(account.device)],
        number=3,
        now=account.certificate.not_before,
    )
    store.save(replace(account, revocations=listed))
    return home


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("message.send", {"conversation": "Harbour", "text": "after"}),
        ("conversation.create", {"title": "New"}),
        ("conversation.set", {"conversation": "Harbour", "title": "Port"}),
        ("conversation.leave", {"conversation": "Harbour"}),
        ("conversation.prefs", {"conversation": "Harbour", "values": ["a=b"]}),
        ("contact.add", {"account": "b" * 40}),
        ("contact.block", {"contact": "b" * 40}),
        ("account.set", {"typing": "off"}),
        ("device.rename", {"name": "pocket"}),
        ("device.revoke", {"device": "c" * 64}),
    ],
)
def test_a_revoked_device_refuses_to_write_and_says_why(revoked: Home, method: str, arguments: dict[str, str]) -> None:
    with open_commands(revoked) as node, pytest.raises(RefusedError, match="revoked") as refused:
        node.call(method, arguments)
    assert refused.value.exit_status == 4
    assert refused.value.hint


def test_a_revoked_device_can_be_read_and_says_that_it_is_one(revoked: Home) -> None:
    with open_commands(revoked) as node:
        assert node.call("account.show", {})["revoked"]
        (line,) = [
            line for line in node.call("message.list", {"conversation": "Harbour"}) if line["type"] == "text/plain"
        ]
        assert line["body"] == "before"
        assert node.call("verify", {"conversation": "Harbour"})["valid"]
        assert [row["revoked"] for row in node.call("device.list", {})] == [True]
        (finding,) = [each for each in node.call("doctor", {}) if "revoked" in each["found"]]
        assert (finding["state"], bool(finding["hint"])) == ("fault", True)
        node.call("conversation.purge", {"conversation": "Harbour"})
        assert node.call("conversation.list", {}) == []
