"""Contacts between two daemons, by the commands that a person types. (SCP-06 §2, §7, SCP-08 §2.1)"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.process import NodeProcess, nodes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def contact(node: NodeProcess, other: NodeProcess) -> dict[str, Any]:
    """The row of the other in `contact list`."""
    (row,) = [each for each in node.did("contact", "list") if each["id"] == other.account]
    return dict(row)


def listed(node: NodeProcess) -> list[str]:
    return [row["id"] for row in node.did("conversation", "list")]


def test_a_contact_is_asked_removed_and_added_again_and_nobody_is_asked_twice(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann", "Ben") as (ann, ben):
        asked = ann.did("contact", "add", ben.account, "--name", "Ben", "--address", str(ben.listen))
        assert asked["state"] == "waiting"
        first = asked["conversation"]
        (request,) = ben.until(lambda: ben.did("request", "list"))
        assert (request["kind"], request["from"], request["conversation"]) == ("contact", ann.account, first)
        ben.did("accept", request["id"])
        ann.until(lambda: contact(ann, ben)["state"] == "confirmed")
        ann.did("send", "Ben", "hello", "--wait", "all", "--timeout", "20")
        assert "hello" in ben.texts(first)

        ann.did("contact", "remove", "Ben")
        assert listed(ann) == []
        ben.until(lambda: contact(ben, ann)["state"] == "left")
        again = ann.did("contact", "add", ben.account, "--name", "Ben", "--address", str(ben.listen))
        ben.until(lambda: contact(ben, ann)["conversation"] == again["conversation"] != first)
        ann.until(lambda: contact(ann, ben)["state"] == contact(ben, ann)["state"] == "confirmed")
        assert ben.did("request", "list") == []
        ben.did("send", again["conversation"], "still friends", "--wait", "all", "--timeout", "20")
        assert ann.texts(again["conversation"]) == ["still friends"]
        assert (listed(ann), "hello" in ben.texts(first)) == ([again["conversation"]], True)

        ben.did("contact", "block", ann.account)
        assert contact(ben, ann)["state"] == "blocked"
        # His node holds a stranger's link with hers from now on, or none: as it happens.
        ann.did("send", "Ben", "are you there?")
        back = ben.did("contact", "add", ann.account, "--address", str(ann.listen))
        assert (back["state"], back["conversation"]) == ("confirmed", again["conversation"])
        ben.until(lambda: "are you there?" in ben.texts(again["conversation"]))
