"""Two devices of one person as daemons: what one does the other does, and one that was revoked says so. (SCP-04 §7, SCP-01 §3.3)"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.newcomers import linked
from tests.support.process import found_room, introduce, nodes, same

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]


def test_settings_preferences_and_what_is_left_are_followed_by_the_other_device(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann", "Ben") as (ann, ben):
        introduce(ann, ben)
        room = found_room(ben, ann)
        laptop = linked(ann, tmp_path / "laptop")
        try:
            laptop.start()
            laptop.until(lambda: laptop.call("conversation.show", conversation=room)["state"] == "ready")
            ann.did("account", "set", "--name", "Anna", "--read-receipts", "off")
            laptop.until(lambda: laptop.did("account", "show")["name"] == "Anna")
            assert laptop.did("account", "show")["read_receipts"] is False
            ann.did("conversation", "prefs", room, "colour=red")
            laptop.until(lambda: laptop.did("conversation", "prefs", room)["prefs"] == {"colour": "red"})
            other = laptop.did("create", "--title", "Diary")["id"]
            ann.until(
                lambda: any(row["id"] == other and row["state"] == "ready" for row in ann.call("conversation.list"))
            )
            laptop.did("leave", room)
            ann.until(lambda: [row["id"] for row in ann.call("conversation.list")] == [other])
            ben.until(lambda: ann.account not in ben.roles(room) or ben.roles(room)[ann.account] == "left")
        finally:
            laptop.kill()


def test_a_device_that_was_off_when_it_was_revoked_says_so_also_after_a_restart(tmp_path: Path) -> None:
    """RV-01: the others refuse its links, and tell it why."""
    with nodes(tmp_path, "Ann", "Ben") as (ann, ben):
        introduce(ann, ben)
        room = found_room(ann, ben)
        laptop = linked(ann, tmp_path / "laptop")
        try:
            laptop.start()
            laptop.until(lambda: laptop.call("conversation.show", conversation=room)["state"] == "ready")
            laptop.did("send", room, "from the laptop")
            same(room, ann, ben)
            laptop.stop()
            ann.did("device", "revoke", "laptop", "--yes")
            laptop.start()
            laptop.until(lambda: laptop.did("daemon", "status")["revoked"])
            refused = laptop.cli("--json", "send", room, "from the thief")
            assert refused.status == 4
            assert "revoked" in refused.error["message"]
            assert refused.error["hint"]
            assert "from the laptop" in laptop.texts(room)
            assert laptop.call("peer.list") == []
            told = [event for event in laptop.call("events.list")["events"] if event["type"] == "account.revoked"]
            assert len(told) == 1
            assert "revoked" in laptop.cli("account", "show").out
            assert any("revoked" in one["found"] for one in laptop.call("doctor"))
            (row,) = [row for row in ben.call("member.list", conversation=room) if row["id"] == ann.account]
            assert row["revoked"] == [told[0]["data"]["device"]]
            laptop.stop()
            assert laptop.did("account", "show")["revoked"]
            laptop.start()
            assert laptop.did("daemon", "status")["revoked"]
            assert laptop.cli("send", room, "again").status == 4
        finally:
            laptop.kill()
