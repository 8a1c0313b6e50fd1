"""`doctor` on damaged homes: what is wrong is named, with an exit status, and set right where it can be. (SCP-08 §2.6)"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.process import NodeProcess, found_room, introduce, nodes, same

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


@pytest.fixture
def ann(tmp_path: Path) -> NodeProcess:
    """A home with one conversation and two messages, no daemon."""
    node = NodeProcess(tmp_path / "ann", "Ann")
    node.did("account", "create", "--name", "Ann")
    room = node.did("create", "--title", "Harbour")["id"]
    for text in ("one", "two"):
        node.did("send", room, text)
    return node


def looked(node: NodeProcess, *options: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    outcome = node.cli("--json", "doctor", *options)
    found: dict[str, list[dict[str, Any]]] = {}
    for one in outcome.json:
        found.setdefault(one["check"], []).append(one)
    return outcome.status, found


def faults(found: dict[str, list[dict[str, Any]]]) -> list[str]:
    return [check for check, ones in found.items() if any(one["state"] == "fault" for one in ones)]


def damage(node: NodeProcess, text: str) -> Path:
    """Cut off the loose object of a message."""
    (line,) = (line for line in node.did("log", "Harbour") if line["body"] == text)
    place = next((node.home / "conversations").glob("*.git")) / "objects" / line["id"][:2] / line["id"][2:]
    place.chmod(0o600)
    place.write_bytes(place.read_bytes()[:-7])
    return place


def test_a_healthy_home_is_said_to_be(ann: NodeProcess) -> None:
    status, found = looked(ann)
    assert (status, faults(found)) == (0, [])
    assert {"permissions", "space", "settings", "account", "state", "index", "clock", "history"} <= found.keys()
    shown = ann.cli("doctor")
    assert shown.status == 0
    assert "all valid" in shown.out


def test_a_damaged_message_is_named_and_repaired_and_the_others_stay(ann: NodeProcess) -> None:
    place = damage(ann, "two")
    status, found = looked(ann)
    assert (status, faults(found)) == (7, ["history"])
    assert place.name in found["history"][0]["found"]
    verdict = ann.cli("--json", "verify", "Harbour")
    assert verdict.status == 7
    assert any(place.name in (one["path"] or "") for one in verdict.json["rejections"])
    status, found = looked(ann, "--repair")
    assert status == 0
    assert "asked: 1" in found["history"][0]["found"]
    assert [line["body"] for line in ann.did("log", "Harbour") if line["type"] == "text/plain"] == ["one"]
    assert ann.did("verify", "Harbour")["valid"]


def test_a_damaged_state_is_named_and_begun_anew_with_the_conversations_that_are_here(ann: NodeProcess) -> None:
    (ann.home / "state.json").write_text("{")
    assert ann.cli("conversation", "list").status == 1
    status, found = looked(ann)
    assert (status, faults(found)) == (1, ["state"])
    status, found = looked(ann, "--repair")
    assert status == 0
    assert [row["title"] for row in ann.did("conversation", "list")] == ["Harbour"]
    assert (ann.home / "state.json.damaged-1").read_text() == "{"


def test_what_is_open_to_others_damaged_or_wrongly_set_is_named(ann: NodeProcess) -> None:
    (ann.home / "account.json").chmod(0o644)
    status, found = looked(ann)
    assert (status, faults(found)) == (1, ["permissions"])
    (ann.home / "account.json").chmod(0o600)
    (ann.home / "events.sqlite").write_bytes(b"no database " * 500)
    status, found = looked(ann)
    assert status == 0
    assert [one["state"] for one in found["index"] if "damaged-1" in one["about"]] == ["warning"]
    (ann.home / "config.toml").write_text("listn = 3\n")
    status, found = looked(ann)
    assert (status, faults(found)[0]) == (1, "settings")


def test_what_is_lost_is_fetched_from_a_member_at_once(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann", "Ben") as (ann, ben):
        introduce(ann, ben)
        room = found_room(ann, ben)
        ann.call("message.send", conversation=room, text="one")
        ann.call("message.send", conversation=room, text="two")
        same(room, ann, ben)
        ann.stop()
        damage(ann, "one")
        ann.start()
        status, found = looked(ann)
        assert (status, faults(found)) == (7, ["history"])
        looked(ann, "--repair")
        ann.until(lambda: ann.linked(ben))
        same(room, ann, ben)
        status, found = looked(ann)
        assert (status, faults(found)) == (0, [])
        assert found["listening"][0]["state"] == "ok"
        assert (found["ports"][0]["state"], "listen 0.0.0.0:0" in found["ports"][0]["hint"]) == ("warning", True)
