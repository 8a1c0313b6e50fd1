"""An event is written a moment after its commit: a process that dies in between tells it when it runs again. (SCP-08 §3.3)"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from swarmchat.node.offline import Offline, open_commands
from tests.support import accounts


def told(node: Offline) -> list[dict[str, Any]]:
    return list(node.call("events.list", {})["events"])


def die_before_the_events(node: Offline) -> None:
    """What is recorded from here on is never written."""
    node.call("conversation.list", {})
    assert node._node is not None
    journal = node._node.journal
    journal.flush = lambda: None  # type: ignore[method-assign]


def test_what_was_not_told_before_the_end_is_told_at_the_next_start_and_once(tmp_path: Path) -> None:
    home = accounts.home(tmp_path / "home")
    with open_commands(home) as node:
        room = node.call("conversation.create", {"title": "Room"})["id"]
        first = node.call("message.send", {"conversation": room, "text": "told"})["id"]
    with open_commands(home) as node:
        before = told(node)
        die_before_the_events(node)
        lost = node.call("message.send", {"conversation": room, "text": "not told"})["id"]
        reaction = node.call("message.react", {"conversation": room, "message": first, "reaction": "+"})["id"]
        node.call("member.invite", {"conversation": room, "accounts": ["a" * 40]})
    for _ in range(2):
        with open_commands(home) as node:
            after = told(node)
            assert after[: len(before)] == before
            assert [event["id"] for event in after] == list(range(1, len(after) + 1))
            new = [(event["type"], event["data"]) for event in after[len(before) :]]
            assert [kind for kind, _ in new] == ["message.added", "reaction.added", "message.added", "member.changed"]
            assert new[0][1]["id"] == lost
            assert reaction in new[1][1].values()
            assert new[3][1]["account"] == "a" * 40


def test_a_home_without_such_a_note_tells_nothing_of_its_past(tmp_path: Path) -> None:
    home = accounts.home(tmp_path / "home")
    with open_commands(home) as node:
        room = node.call("conversation.create", {"title": "Room"})["id"]
        node.call("message.send", {"conversation": room, "text": "old"})
    (home.data / "events.sqlite").unlink()
    with open_commands(home) as node:
        assert told(node) == []
        sent = node.call("message.send", {"conversation": room, "text": "new"})["id"]
        assert [event["data"]["id"] for event in told(node)] == [sent]
