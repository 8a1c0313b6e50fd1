"""Status with real processes and the command line: there and back, and an import that is killed again and again. (SCP-09 §3.9, §3.10)"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from swarmchat.gateways.protobuf import delimited, undelimited
from swarmchat.gateways.status import streams
from swarmchat.gateways.status.wire import EventType
from tests.support.process import NodeProcess, found_room, introduce, nodes, same
from tests.support.status_streams import ANN, BEN, CAT, Group

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

TEXTS = 1_500


def _seen(node: NodeProcess, conversation: str) -> dict[str, Any]:
    """The chat as clients see it, without whose account is whose here and what is missing of this very log."""
    shown: dict[str, Any] = node.did("status", "show", conversation)
    members = {(row["key"], row["role"]) for row in shown.pop("members")}
    for key in ("conversation", "missing", "dropped", "more", "counts"):
        del shown[key]
    return shown | {"members": members}


def _lines(node: NodeProcess, conversation: str) -> list[Any]:
    said = [row for row in node.log(conversation) if row["type"] == "text/plain"]
    bodies = {row["id"]: row["body"] for row in said}
    return [
        (row["body"], bodies.get(row["reply_to"]), sorted(one["reaction"] for one in row["reactions"])) for row in said
    ]


def _joined(node: NodeProcess, room: str) -> set[str]:
    return {row["id"] for row in node.members(room) if row["role"] in {"admin", "member"}}


def test_12_a_conversation_goes_to_status_and_back_onto_an_empty_node(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann", "Ben", "Cat", "Dan", "Eve") as made:
        ann, ben, cat, dan, eve = made
        introduce(ann, ben, cat, dan)
        room = found_room(ann, ben)
        opened = ann.did("status", "bridge", "Harbour")
        ann.until(lambda: len(_seen(ann, room)["members"]) == 2)
        for guest in (cat, dan):
            ann.did("invite", room, guest.account)
            guest.until(lambda: guest.cli("accept", room).status == 0)  # noqa: B023
        ann.until(lambda: len(_seen(ann, room)["members"]) == 4)
        same(room, ann, ben, cat, dan)
        ann.did("conversation", "set", room, "--title", "Ships", "--color", "#7cda00")
        asked = ann.did("send", room, "who sails?")["id"]
        same(room, ann, ben, cat, dan)
        answer = ben.did("send", room, "I do", "--reply-to", asked)["id"]
        same(room, ann, ben, cat, dan)
        ann.did("react", room, answer, "👍")
        ben.did("edit", room, answer, "we do")
        gone = cat.did("send", room, "never mind")["id"]
        cat.did("delete", room, gone)
        same(room, ann, ben, cat, dan)
        ann.did("promote", room, ben.account)
        same(room, ann, ben, cat, dan)
        ben.did("kick", room, cat.account)
        same(room, ann, ben, dan)
        dan.did("leave", room)
        ann.until(lambda: _joined(ann, room) == {ann.account, ben.account})
        same(room, ann, ben)

        file = tmp_path / "harbour.status"
        done = ann.did("status", "export", room, "--out", str(file))
        assert (done["chat"], done["events"]) == (opened["chat"], len(_events(file)))
        assert file.stat().st_mode & 0o777 == 0o600
        taken = eve.did("status", "import", str(file))
        there = taken["conversation"]
        assert taken["state"] == "made"
        assert _seen(eve, there) == _seen(ann, room)
        assert len(_seen(eve, there)["members"]) == 2
        assert (
            _lines(eve, there)
            == _lines(ann, room)
            == [
                ("who sails?", None, []),
                ("we do", "who sails?", ["👍"]),
                ("", None, []),
            ]
        )
        before = eve.log(there)
        assert eve.did("status", "import", str(file))["commits"] == 0
        assert ann.did("status", "import", str(file))["commits"] == 0
        assert eve.log(there) == before
        again = tmp_path / "again.status"
        eve.did("status", "export", there, "--out", str(again))
        assert again.read_bytes() == file.read_bytes()
        said = eve.cli("log", there).out
        assert "via Eve  who sails?" in said


def _events(path: Path) -> tuple[bytes, ...]:
    wrappers = undelimited(path.read_bytes(), 10_000)
    assert isinstance(wrappers, tuple)
    stream = streams.read(wrappers, 2**53)
    assert isinstance(stream, streams.Stream)
    return tuple(one.raw for one in stream.events)


def test_an_import_that_is_killed_goes_on_and_writes_nothing_twice(tmp_path: Path) -> None:
    group = Group()
    group.does(ANN, EventType.CHAT_CREATED, name="Boats")
    group.does(ANN, EventType.MEMBERS_ADDED, BEN.public, CAT.public)
    for number in range(TEXTS):
        said = group.says((ANN, BEN, CAT)[number % 3], f"text {number}")
        if number % 5 == 0:
            group.feels(BEN, said, 1)
    file = tmp_path / "boats.status"
    file.write_bytes(group.file())
    with nodes(tmp_path, "Ann") as (ann,):
        for commits in (5, 300, 900):
            importing = threading.Thread(target=ann.cli, args=("status", "import", str(file)))
            importing.start()
            ann.until(lambda: _commits(ann) >= commits)  # noqa: B023
            ann.kill()
            importing.join()
            ann.start()
        killed = _commits(ann)
        done = ann.did("status", "import", str(file))
        assert 900 <= killed < killed + done["commits"] == 3 + 2 + TEXTS + TEXTS // 5
        assert len(ann.did("conversation", "list")) == 1
        assert ann.did("status", "import", str(file))["commits"] == 0
        back = tmp_path / "back.status"
        ann.did("status", "export", "Boats", "--out", str(back))
        wrappers = undelimited(back.read_bytes(), 10_000)
        assert isinstance(wrappers, tuple)
        assert sorted(wrappers[1:]) == sorted(one.raw for one in group.said)
        assert set(_events(back)) == {one.raw for one in group.events}
        assert ann.did("verify", "Boats")["valid"] is True


def test_who_asks_waits_over_a_killed_daemon_and_is_let_in_by_the_command_line(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann", "Ben") as (ann, ben):
        introduce(ann, ben)
        room = found_room(ann, ben)
        chat = ann.did("status", "bridge", room)["chat"]
        ann.until(lambda: len(_seen(ann, room)["members"]) == 2)
        file = tmp_path / "asked.status"
        asked = [Group().asks(who, text, chat=chat).raw for who, text in ((CAT, "may I sail?"), (BEN, "me too"))]
        file.write_bytes(delimited(asked))
        assert ann.did("status", "import", str(file))["commits"] == 0
        ann.kill()
        ann.start()
        assert {row["text"] for row in ann.did("status", "requests")} == {"may I sail?", "me too"}
        assert "2 people on Status ask" in ann.cli("request", "list").err
        ann.did("status", "decline", room, BEN.public.compressed)
        ann.did("status", "accept", room, CAT.public.legacy)
        assert ann.did("status", "requests") == []
        assert ann.did("status", "import", str(file))["commits"] == 0
        assert ann.did("status", "requests") == []
        same(room, ann, ben)
        for node in (ann, ben):
            keys = {key for key, _ in _seen(node, room)["members"]}
            assert CAT.public.legacy in keys
            assert BEN.public.legacy not in keys
            (row,) = [one for one in node.members(room) if one["id"] == CAT.public.uri]
            assert (row["role"], row["gateway"]) == ("invited", "status")


def _commits(node: NodeProcess) -> int:
    rooms = node.call("conversation.list")
    return len(node.call("graph", conversation=rooms[0]["id"], limit=10_000)["commits"]) if rooms else 0
