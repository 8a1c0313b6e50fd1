"""A conversation of Jami brought along by the real program: verify, import, read, refuse to write, throw away. (SCP-02 §9)"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swarmchat.errors import SwarmchatError
from tests.support.jami import ALICE, BOB, BUNDLE, CAROL, MALLORY, PHONE, bundled, doctored, group
from tests.support.process import NodeProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

ROOM = "eb15b5c699a5438291b883584a6af910d1713e1e"
HI = "94a7d23474ecb50e03217ebb4de85e67b0715e2a"
MESSAGE = {"conversation": ROOM, "message": HI}
CHARLIE = {"conversation": ROOM, "target": "Charlie"}
WRITES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("message.send", {"conversation": ROOM, "text": "hello"}),
    ("message.edit", {**MESSAGE, "text": "hello"}),
    ("message.delete", MESSAGE),
    ("message.react", {**MESSAGE, "reaction": "+"}),
    ("message.read", MESSAGE),
    ("message.typing", {"conversation": ROOM}),
    ("member.invite", {"conversation": ROOM, "accounts": ["a" * 40]}),
    ("member.ban", CHARLIE),
    ("member.unban", CHARLIE),
    ("member.promote", CHARLIE),
    ("member.kick", CHARLIE),
    ("member.demote", {"conversation": ROOM}),
    ("conversation.set", {"conversation": ROOM, "title": "Mine"}),
    ("conversation.leave", {"conversation": ROOM}),
    ("conversation.link", {"conversation": ROOM}),
    ("conversation.merge_forks", {"conversation": ROOM}),
)


@pytest.fixture
def ann(tmp_path: Path) -> Iterator[NodeProcess]:
    node = NodeProcess(tmp_path / "ann", "Ann")
    node.did("account", "create", "--name", "Ann")
    yield node
    if node.process is not None:
        node.stop()


def archived(node: NodeProcess) -> list[str]:
    folder = node.home / "archives"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_the_whole_way_of_a_real_conversation_with_a_daemon_and_without(ann: NodeProcess) -> None:
    told = ann.did("verify", str(BUNDLE))
    assert (told["valid"], told["format"], told["id"], told["commits"]) == (True, "jami", ROOM, 8)
    assert archived(ann) == []
    assert ann.did("conversation", "import", str(BUNDLE))["new"] is True
    assert ann.did("conversation", "import", str(BUNDLE))["new"] is False
    alone = [
        ann.cli("--json", *words).out
        for words in (
            ("conversation", "list"),
            ("log", ROOM),
            ("member", "list", ROOM),
            ("message", "show", ROOM, HI),
            ("message", "history", ROOM, HI),
            ("graph", ROOM),
            ("verify", ROOM),
            ("explain", HI),
            ("votes", ROOM),
        )
    ]
    (row,) = json.loads(alone[0])
    assert (row["id"], row["state"], row["title"], row["members"]) == (ROOM, "archived", "Alice, Charlie", 2)
    entries = json.loads(alone[1])
    assert [entry["body"] for entry in entries if entry["type"] == "text/plain"] == [
        "hi, one to one",
        "hi A (edited)",
        "reply",
    ]
    assert [one["reaction"] for entry in entries for one in entry["reactions"]] == ["❤"]
    assert [(one["name"], one["role"]) for one in json.loads(alone[2])] == [("Alice", "admin"), ("Charlie", "member")]
    assert [version["body"] for version in json.loads(alone[4])] == ["hi A", "hi A (edited)"]
    assert json.loads(alone[6])["valid"] is True
    ann.start()
    with_daemon = [
        ann.cli("--json", *words).out
        for words in (("conversation", "list"), ("log", ROOM), ("member", "list", ROOM), ("graph", ROOM))
    ]
    assert with_daemon == [alone[0], alone[1], alone[2], alone[5]]
    assert ann.call("conversation.import", path=str(BUNDLE))["new"] is False
    assert ann.call("daemon.status")["conversations"] == 0
    for method, params in WRITES:
        with pytest.raises(SwarmchatError, match="archived") as caught:
            ann.call(method, **params)
        assert caught.value.code == "read_only", method
    outcome = ann.cli("--json", "send", ROOM, "hello")
    assert outcome.status == 4
    assert outcome.error["code"] == "read_only"
    assert "swarmchat log" in outcome.error["hint"]
    assert ann.cli("verify", ROOM).status == 0
    ann.kill()
    ann.start()
    assert ann.cli("--json", "log", "Alice, Charlie").out == alone[1]
    assert ann.did("conversation", "purge", ROOM, "--yes") == {"id": ROOM, "state": "purged"}
    assert ann.cli("log", ROOM).status == 3
    assert archived(ann) == []


def test_a_group_with_a_ban_is_read_as_a_group(ann: NodeProcess, tmp_path: Path) -> None:
    story = group()
    story.write(ALICE, {"type": "application/update-profile"}, {"profile.vcf": b"BEGIN:VCARD\nVERSION:2.1\nFN:Boats\n"})
    fork = story.main
    beside = story.text(BOB, "nobody had seen this", at=fork)
    story.vote(PHONE, "ban", "members", BOB.uri, at=fork)
    ban = story.resolve(ALICE, "ban", "members", BOB.uri)
    story.merge(CAROL, ban, beside, base=fork)
    story.text(CAROL, "after")
    path = story.save(tmp_path / "boats", bare=False)
    assert ann.did("verify", str(path))["roster"]["banned"] == [BOB.uri]
    room = ann.did("conversation", "import", str(path))
    assert (room["title"], room["mode"], room["merges"]) == ("Boats", "private", 1)
    roles = {one["id"]: one["role"] for one in ann.did("member", "list", "Boats")}
    assert roles == {ALICE.uri: "admin", CAROL.uri: "member", BOB.uri: "banned"}
    texts = [one["body"] for one in ann.did("log", "Boats") if one["type"] == "text/plain"]
    assert texts == ["from my phone", "after"]
    (hidden,) = ann.did("log", "Boats", "--hidden")
    assert hidden["body"] == "nobody had seen this"
    assert "voted to ban" in ann.cli("log", "Boats").out


def test_a_doctored_history_is_told_and_not_kept(ann: NodeProcess, tmp_path: Path) -> None:
    told, struck = doctored(bundled(), 2, lambda raw: raw.replace(b"hi, one", b"ho, one"))
    path = str(told.save(tmp_path / "doctored"))
    story = group()
    story.text(BOB, changes={MALLORY.member: MALLORY.chain})
    smuggled = str(story.save(tmp_path / "smuggled", bare=False))
    for place, rule, commit in ((path, "SCP-02 §9.6", struck), (smuggled, "SCP-02 §9.7", story.main)):
        judged = ann.cli("--json", "verify", place)
        assert judged.status == 7
        assert judged.json["format"] == "jami"
        assert (judged.json["rejections"][0]["rule"], judged.json["rejections"][0]["commit"]) == (rule, commit)
        brought = ann.cli("--json", "conversation", "import", place)
        assert brought.status == 7
        assert (brought.error["data"]["rule"], brought.error["data"]["commit"]) == (rule, commit)
        assert rule in ann.cli("conversation", "import", place).err
    assert ann.did("conversation", "list") == []
    assert archived(ann) == []


def test_what_is_no_conversation_of_jami_is_told(ann: NodeProcess, tmp_path: Path) -> None:
    assert ann.cli("conversation", "import", str(tmp_path / "nowhere")).status == 3
    text = tmp_path / "text.bundle"
    text.write_text("hello")
    assert ann.cli("conversation", "import", str(text)).status == 7
    room = ann.did("create", "--title", "Own")["id"]
    own = ann.home / "conversations" / f"{room}.git"
    assert ann.did("verify", str(own))["format"] == "swarmchat"
    refused = ann.cli("conversation", "import", str(own))
    assert refused.status == 1
    assert "swarmchat join" in refused.err
    assert archived(ann) == []


def test_verify_of_a_path_needs_no_account(tmp_path: Path) -> None:
    nobody = NodeProcess(tmp_path / "nobody", "Nobody")
    assert nobody.did("verify", str(BUNDLE))["valid"] is True
    assert nobody.cli("verify", "Boats").status == 3
    assert nobody.cli("verify", str(BUNDLE), "--allowed-signers").status == 2
