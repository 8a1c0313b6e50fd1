"""Conversations become files: whole, private, the same on every node. (SCP-08 §2.9)"""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swarmchat.conversation.actions import Edit, React
from swarmchat.conversation.timeline import Timeline
from swarmchat.errors import NotFoundError, StorageError, UsageError, UserError
from swarmchat.node import exporting
from swarmchat.node.exports.document import written
from swarmchat.node.exports.forms import FORMS
from swarmchat.node.offline import Offline, open_commands
from swarmchat.node.view import View
from tests.support import accounts
from tests.support.builders import ALICE, BOB, CAROL, DAVE, NOW
from tests.support.jami import group
from tests.support.partitions import Side, found


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Offline]:
    with open_commands(accounts.home(tmp_path / "home")) as opened:
        yield opened


@pytest.fixture
def room(node: Offline) -> str:
    return str(node.call("conversation.create", {"title": "Harbour"})["id"])


def say(node: Offline, room: str, text: str) -> str:
    return str(node.call("message.send", {"conversation": room, "text": text})["id"])


def test_a_file_is_whole_private_and_replaces_nothing(node: Offline, room: str, tmp_path: Path) -> None:
    said = [say(node, room, f"boat {number}") for number in range(100)]
    path = tmp_path / "boats.json"
    done = node.call("export", {"conversation": "Harbour", "path": str(path), "format": "json"})
    assert done == {"id": room, "path": str(path), "format": "json", "messages": 102, "bytes": path.stat().st_size}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    told = json.loads(path.read_text())
    assert [line["id"] for line in told["messages"]][2:] == said
    assert told["messages"] == node.call("message.list", {"conversation": room, "limit": 1_000})
    assert told["members"] == node.call("member.list", {"conversation": room})
    before = path.read_bytes()
    with pytest.raises(UserError, match="exists already"):
        node.call("export", {"conversation": room, "path": str(path)})
    assert path.read_bytes() == before
    node.call("export", {"conversation": room, "path": str(path), "force": True})
    assert path.read_text().startswith("Harbour\n=======\n")
    assert {one.name for one in tmp_path.iterdir()} == {"home", "boats.json"}


def test_what_is_deleted_or_edited_is_not_in_any_form(node: Offline, room: str, tmp_path: Path) -> None:
    gone, changed = say(node, room, "a secret"), say(node, room, "a mistake")
    node.call("message.delete", {"conversation": room, "message": gone})
    node.call("message.edit", {"conversation": room, "message": changed, "text": "a correction"})
    for form in FORMS:
        node.call("export", {"conversation": room, "path": str(tmp_path / form), "format": form})
        told = (tmp_path / form).read_text()
        assert "secret" not in told
        assert "mistake" not in told
        assert "correction" in told


@pytest.mark.parametrize("path", ["here", "./b.zip", "/tmp/a\0b.zip"])
@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("account.export", {"password": "p"}),
        ("account.import", {"password": "p", "check": True}),
        ("conversation.import", {}),
        ("debug.bundle", {}),
        ("bundle.import", {}),
    ],
)
def test_a_file_is_named_in_a_way_that_does_not_depend_on_where_the_node_stands(
    node: Offline, method: str, more: dict[str, Any], path: str
) -> None:
    with pytest.raises(UsageError, match="no absolute path"):
        node.call(method, {"path": path, **more})


def test_where_nothing_can_be_written_it_is_said(node: Offline, room: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no absolute path"):
        node.call("export", {"conversation": room, "path": "here"})
    with pytest.raises(StorageError):
        node.call("export", {"conversation": room, "path": str(tmp_path / "nowhere" / "file")})
    with pytest.raises(NotFoundError):
        node.call("export", {"conversation": "Quay", "path": str(tmp_path / "file")})


def test_a_damaged_history_leaves_no_half_file(
    node: Offline, room: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(200):
        say(node, room, f"boat {number}")
    reading, read = exporting.views.message, []

    def message(*arguments: Any, **named: Any) -> Any:
        read.append(arguments)
        if len(read) > 150:
            raise StorageError("damaged")
        return reading(*arguments, **named)

    monkeypatch.setattr(exporting.views, "message", message)
    with pytest.raises(StorageError, match="damaged"):
        node.call("export", {"conversation": room, "path": str(tmp_path / "file")})
    assert [one.name for one in tmp_path.iterdir()] == ["home"]


def test_an_archive_is_exported_too(node: Offline, tmp_path: Path) -> None:
    story = group()
    archive = node.call("conversation.import", {"path": str(story.save(tmp_path / "boats", bare=False))})["id"]
    for form in FORMS:
        node.call("export", {"conversation": archive, "path": str(tmp_path / form), "format": form})
        assert "from my phone" in (tmp_path / form).read_text()


@pytest.mark.parametrize("form", sorted(FORMS))
def test_nodes_that_have_the_same_commits_write_the_same_bytes(tmp_path: Path, form: str) -> None:
    north, south = found(tmp_path, ALICE, BOB, members=[CAROL, DAVE]).forks("north", "south")
    said = north.say(ALICE, "boats", now=NOW + 5)
    answer = south.say(BOB, "ships", now=NOW + 3)
    north.write(ALICE, Edit("sails", said), now=NOW + 9)
    south.write(CAROL, React("👍", answer), now=NOW + 9)
    south.ban(DAVE.id, ALICE, BOB)
    for side, other in ((north, south), (south, north)):
        side.hears(other)

    def document(side: Side) -> bytes:
        view = View(side.log, Timeline(side.log.history))
        head, commits = exporting._opened(view)
        return b"".join(written(FORMS[form](), head, exporting._told(view, commits)))

    assert document(north) == document(south)
    assert b"sails" in document(north)


def test_the_event_loop_goes_on_while_a_file_is_written(node: Offline, room: str, tmp_path: Path) -> None:
    """The verb is offloaded: what else the daemon does is not held up."""
    seen: list[bool] = []

    async def offload(work: Any, *arguments: Any) -> Any:
        seen.append(True)
        return await asyncio.to_thread(work, *arguments)

    node.call("conversation.list", {})
    assert node._node is not None
    node._node.runtime.offload = offload  # type: ignore[method-assign]
    node.call("export", {"conversation": room, "path": str(tmp_path / "file")})
    assert seen
