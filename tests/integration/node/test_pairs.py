"""One-to-one conversations, called by the name of the other. (SCP-08 §2.1)"""

from __future__ import annotations

from pathlib import Path

from swarmchat.account.home import Home
from swarmchat.node.offline import open_commands


def test_a_one_to_one_is_called_as_its_contact_is(tmp_path: Path) -> None:
    other = "ab" * 20
    with open_commands(Home.locate(tmp_path / "home", {})) as node:
        node.call("account.create", {"name": "Alice"})
    with open_commands(Home.locate(tmp_path / "home", {})) as node:
        made = node.call("contact.add", {"account": other, "name": "Bob"})
        assert [row["title"] for row in node.call("conversation.list", {})] == ["Bob"]
        sent = node.call("message.send", {"conversation": "bob", "text": "hi"})
        assert sent["conversation"] == made["conversation"]
        node.call("contact.add", {"account": other, "name": "Robert"})
        assert node.call("conversation.show", {"conversation": "Robert"})["title"] == "Robert"
        assert [row["state"] for row in node.call("contact.list", {})] == ["waiting"]
