"""Taking an account over from its archive, without a daemon. (SCP-01 §4)"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import pytest

from swarmchat.account.home import Home
from swarmchat.errors import UsageError
from swarmchat.node.offline import open_commands


def call(home: Path, method: str, **params: Any) -> Any:
    with open_commands(Home.locate(home, {})) as node:
        return node.call(method, params)


def test_what_was_left_is_not_counted_and_the_new_device_is_called_as_its_machine(tmp_path: Path) -> None:
    """Export, `--check` and import say the same number."""
    old, new, file = tmp_path / "old", tmp_path / "new", str(tmp_path / "archive")
    call(old, "account.create", name="Ann")
    kept, left = (call(old, "conversation.create", title=title)["id"] for title in ("Harbour", "Pier"))
    call(old, "conversation.leave", conversation=left)
    call(old, "contact.add", account="ab" * 20, name="Ben")
    call(old, "contact.add", account="cd" * 20, name="Carl")
    call(old, "contact.remove", contact="Carl")
    assert [row["id"] for row in call(old, "conversation.list") if row["title"] == "Harbour"] == [kept]
    assert call(old, "account.export", path=file, password="secret")["conversations"] == 2
    for check in (True, False):
        done = call(new, "account.import", path=file, password="secret", check=check)
        assert (done["conversations"], done["contacts"]) == (2, 1)
    this, *others = call(new, "device.list")
    assert (this["name"], this["id"], len(others)) == (platform.node(), done["device"], 1)


def test_nobody_blocks_himself(tmp_path: Path) -> None:
    """His own devices would be strangers to each other."""
    me = call(tmp_path / "home", "account.create", name="Ann")["id"]
    with pytest.raises(UsageError):
        call(tmp_path / "home", "contact.block", contact=me)
    assert call(tmp_path / "home", "contact.list") == []
