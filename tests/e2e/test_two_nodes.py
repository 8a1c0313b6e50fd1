"""Two and three real daemons on loopback: the main job, as a stranger would do it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swarmchat.account.home import Home
from swarmchat.api.client import Client
from swarmchat.cli.cable import Cable, Switchboard
from swarmchat.errors import RefusedError
from tests.support.process import NodeProcess, found_room, introduce, nodes, same

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[NodeProcess, NodeProcess]]:
    with nodes(tmp_path, "Ann", "Ben") as made:
        ann, ben = made
        yield ann, ben


def cabled(switchboard: Switchboard, *made: NodeProcess) -> list[Cable]:
    """Everybody reaches everybody through a cable."""
    cables = []
    for node in made:
        for other in made:
            if other is not node:
                cable = switchboard.cable(other.listen)
                cables.append(cable)
                node.call("peer.add", account=other.account, address=str(cable.address))
    return cables


def test_two_daemons_talk_are_cut_and_agree_again(tmp_path: Path) -> None:
    blind = ("--listen", "127.0.0.1:0", "--no-lan", "--addresses", "none")  # of a way around the cables
    with nodes(tmp_path, "Ann", "Ben", options=blind) as pair, Switchboard() as switchboard:
        ann, ben = pair
        cables = cabled(switchboard, ann, ben)
        room = found_room(ann, ben)
        ann.did("send", "Harbour", "from ann")
        ben.did("send", "Harbour", "from ben")
        same(room, ann, ben)
        for cable in cables:
            cable.cut()
        ann.until(lambda: not ann.linked(ben))
        ben.until(lambda: not ben.linked(ann))
        for node in pair:
            for count in range(3):
                node.did("send", "Harbour", f"{node.name} alone {count}")
        assert ann.view(room) != ben.view(room)
        for cable in cables:
            cable.heal()
        same(room, ann, ben)
        assert len(ann.texts(room)) == 8
        assert ann.cli("--json", "log", room).out == ben.cli("--json", "log", room).out
        assert ann.cli("--json", "member", "list", room).out == ben.cli("--json", "member", "list", room).out
        for node in pair:
            assert node.cli("verify", room).status == 0


def test_a_message_waits_for_the_other_and_says_who_has_it(pair: tuple[NodeProcess, NodeProcess]) -> None:
    ann, ben = pair
    introduce(ann, ben)
    room = found_room(ann, ben)
    sent = ann.did("send", room, "anybody?", "--wait", "all", "--timeout", "20")
    assert [got["account"] for got in sent["received"]] == [ben.account]
    assert "anybody?" in ben.texts(room)
    ben.stop()
    late = ann.cli("--json", "send", room, "still there?", "--wait", "all", "--timeout", "0.3")
    assert late.status == 6
    assert late.error["hint"]
    assert "still there?" in ann.texts(room)


def test_edits_reactions_replies_and_deletions_arrive(pair: tuple[NodeProcess, NodeProcess]) -> None:
    ann, ben = pair
    introduce(ann, ben)
    room = found_room(ann, ben)
    first = ann.did("send", room, "helo")["id"]
    same(room, ann, ben)
    ann.did("edit", room, first, "hello")
    ben.did("react", room, first, "👍")
    ben.did("send", room, "hi", "--reply-to", first[:8])
    gone = ann.did("send", room, "a secret")["id"]
    ann.did("delete", room, gone)
    same(room, ann, ben)
    lines = {line["id"]: line for line in ben.log(room)}
    assert lines[first]["body"] == "hello"
    assert [edit["body"] for edit in lines[first]["edits"]] == ["hello"]
    assert [made["reaction"] for made in lines[first]["reactions"]] == ["👍"]
    assert lines[gone]["body"] == ""
    assert [line["reply_to"] for line in lines.values() if line["body"] == "hi"] == [first]
    assert [version["body"] for version in ann.did("message", "history", room, first)] == ["helo", "hello"]
    with pytest.raises(RefusedError, match="only the author"):
        ben.call("message.edit", conversation=room, message=first, text="mine now")


def test_who_has_read_and_who_types_is_told(pair: tuple[NodeProcess, NodeProcess]) -> None:
    ann, ben = pair
    introduce(ann, ben)
    room = found_room(ann, ben)
    first = ann.did("send", room, "read me")["id"]
    same(room, ann, ben)
    ann.until(lambda: ann.did("message", "show", room, first, "--local")["status"]["state"] == "sent")
    ben.did("message", "read", room)
    ann.until(
        lambda: (
            ann.call("message.show", conversation=room, message=first, local=True)["status"]["read"] == [ben.account]
        )
    )
    with Client.connect(Home.locate(ann.home, {}).socket) as door:
        stream = door.events()
        ben.did("message", "typing", room)
        typing = next(event for event in stream if event["type"] == "typing")
    assert (typing["id"], typing["data"]["account"], typing["data"]["on"]) == (None, ben.account, True)
    assert not any(event["type"] == "typing" for event in ann.call("events.list", limit=10_000)["events"])


def test_how_far_a_message_came_and_who_is_there_is_known_after_a_restart_too(
    pair: tuple[NodeProcess, NodeProcess],
) -> None:
    """FS-03: the status of messages, with its times, is there when the node runs again."""
    ann, ben = pair
    introduce(ann, ben)
    room = found_room(ann, ben)
    him = ben.account

    def delivery(commit: str) -> dict[str, Any]:
        rows = ann.call("message.show", conversation=room, message=commit, delivery=True)["delivery"]
        found: dict[str, Any] = next(row for row in rows if row["account"] == him)
        return found

    def presence() -> dict[str, Any]:
        (row,) = ann.call("presence", contact=him)
        return dict(row)

    first, second = [ann.did("send", room, text)["id"] for text in ("one", "two")]
    same(room, ann, ben)
    assert ben.call("conversation.list")[0]["unread"] == 2
    ann.until(lambda: delivery(second)["state"] == "sent")
    ben.did("message", "read", room, first)
    assert ben.call("conversation.list")[0]["unread"] == 1
    ann.until(lambda: delivery(first)["state"] == "read")
    assert presence()["state"] == presence()["devices"][0]["state"] == "linked"
    ben.stop()
    ann.until(lambda: presence()["state"] == "away")
    third = ann.did("send", room, "three")["id"]
    before = [delivery(commit) for commit in (first, second, third)], presence()
    ann.stop()
    ann.start()
    assert ([delivery(commit) for commit in (first, second, third)], presence()) == before
    (one,), (two,), nothing = (row["devices"] for row in before[0])
    assert one["sent_at"] <= one["read_at"]
    assert (two["read_at"], nothing) == (None, [])
    assert [row["state"] for row in before[0]] == ["read", "sent", "written"]
    assert (before[1]["source"], before[1]["as_of"] >= one["read_at"]) == ("link", True)
    rows = {row["id"]: row["read"] for row in ann.call("member.list", conversation=room, local=True)}
    assert rows[him]["commit"] == first
    assert rows[ann.account] is None


def test_a_ban_needs_two_of_three_admins_and_shuts_the_door(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann", "Ben", "Cem") as made:
        ann, ben, cem = made
        introduce(*made)
        room = found_room(ann, ben, cem)
        ann.call("member.promote", conversation=room, target=ben.account)
        ben.until(lambda: ben.roles(room)[ben.account] == "admin")
        voted = ann.call("member.promote", conversation=room, target=cem.account)
        assert (voted["state"], voted["needed"]) == ("voted", 2)
        ben.until(lambda: ben.call("member.votes", conversation=room))
        assert ben.call("member.promote", conversation=room, target=cem.account)["state"] == "resolved"
        cem.until(lambda: cem.roles(room)[cem.account] == "admin")
        assert ann.call("member.ban", conversation=room, target=cem.account)["state"] == "voted"
        ben.until(lambda: ben.call("member.votes", conversation=room))
        assert ben.call("member.ban", conversation=room, target=cem.account)["state"] == "resolved"
        for node in (ann, ben):
            node.until(lambda node=node: node.roles(room)[cem.account] == "banned")
            node.until(lambda node=node: not node.linked(cem))
        assert cem.roles(room)[cem.account] == "banned"  # it was told before the links went
        refused = cem.cli("--json", "send", room, "you have not got rid of me")
        assert refused.status == 4
        assert "unban" in refused.error["hint"]
        ann.call("message.send", conversation=room, text="quiet")
        same(room, ann, ben)
        assert all(node.did("verify", room)["valid"] for node in made)
        told = ann.did("explain", ben.call("graph", conversation=room, limit=3)["commits"][1]["id"])
        assert told["valid"]
        assert told["because"]


def test_who_is_kicked_is_told_and_may_come_back_when_invited_again(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann", "Ben", "Cem") as made:
        ann, ben, cem = made
        introduce(*made)
        room = found_room(ann, ben, cem)
        ann.did("kick", room, cem.account)
        cem.until(lambda: cem.roles(room)[cem.account] == "left")
        assert cem.did("conversation", "show", room)["state"] == "closed"
        refused = cem.cli("--json", "send", room, "hello?")
        assert refused.status == 4
        assert refused.error["hint"]
        ann.did("send", room, "without Cem")
        same(room, ann, ben)
        assert "without Cem" not in cem.texts(room)
        ann.did("invite", room, cem.account)
        cem.until(lambda: cem.call("request.list"))
        cem.did("join", "harbour")  # by the title of the invitation that waits
        same(room, ann, ben, cem)
        assert "without Cem" in cem.texts(room)


def test_a_dissolved_group_is_over_for_all_also_for_who_was_away(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann", "Ben", "Cem") as made:
        ann, ben, cem = made
        introduce(*made)
        room = found_room(ann, ben, cem)
        repository = ann.home / "conversations" / f"{room}.git"
        assert repository.exists()
        cem.stop()
        ann.did("leave", room, "--dissolve", "--yes")
        ben.until(lambda: set(ben.roles(room).values()) == {"left"})
        ann.until(lambda: not ann.linked(ben))  # he has said that he knows, and that is noted
        assert ann.call("conversation.list") == []
        assert repository.exists()  # Cem has not been told
        ann.stop()
        ann.start()
        cem.start()
        cem.call("peer.add", account=ann.account, address=str(ann.listen))
        cem.until(lambda: set(cem.roles(room).values()) == {"left"})
        assert ben.cli("send", room, "anybody?").status == cem.cli("send", room, "anybody?").status == 4
        ann.until(lambda: not repository.exists())


def test_an_imported_account_gets_its_conversations_from_the_others(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann", "Ben") as made:
        ann, ben = made
        introduce(ann, ben)
        room = found_room(ann, ben)
        ann.did("send", room, "before")
        same(room, ann, ben)
        archive = tmp_path / "ann.archive"
        password = {"SWARMCHAT_PASSPHRASE": "correct horse"}
        ann.did("account", "export", str(archive), env=password)
        tablet = NodeProcess(tmp_path / "tablet", "Tablet")
        wrong = tablet.cli("--json", "account", "import", str(archive), env={"SWARMCHAT_PASSPHRASE": "wrong"})
        assert wrong.status == 1
        assert not (tablet.home / "account.json").exists()
        assert tablet.did("account", "import", str(archive), "--check", env=password)["device"] is None
        assert tablet.did("account", "import", str(archive), env=password)["id"] == ann.account
        tablet.start()
        try:
            tablet.call("peer.add", account=ben.account, address=str(ben.listen))
            tablet.until(lambda: any(row["state"] == "ready" for row in tablet.call("conversation.list")))
            tablet.did("send", room, "from the tablet")
            same(room, ann, ben, tablet)
            assert ann.texts(room) == ["before", "from the tablet"]
            devices = next(m["devices"] for m in ann.members(room) if m["id"] == ann.account)
            assert len(devices) == 2
        finally:
            tablet.kill()


def test_a_bot_reads_every_event_by_number(pair: tuple[NodeProcess, NodeProcess]) -> None:
    ann, ben = pair
    introduce(ann, ben)
    room = found_room(ann, ben)
    for count in range(5):
        ann.did("send", room, f"message {count}")
    same(room, ann, ben)
    ben.until(lambda: _added(ben) >= 5)
    events = [json.loads(line) for line in ben.cli("--json", "events").out.splitlines()]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))


def _added(node: NodeProcess) -> int:
    events = node.call("events.list", limit=10_000)["events"]
    return sum(event["type"] == "message.added" and event["data"]["kind"] == "text/plain" for event in events)
