"""One person, one home, no daemon: conversations and messages as a user sees them. (SCP-08 §2)"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from swarmchat.account.home import Home
from swarmchat.errors import NotFoundError, RefusedError, SwarmchatError
from swarmchat.node.offline import Offline, open_commands


def home(folder: Path) -> Home:
    return Home.locate(folder / "home", {})


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Offline]:
    with open_commands(home(tmp_path)) as made:
        made.call("account.create", {"name": "Ann"})
    with open_commands(home(tmp_path)) as opened:
        yield opened


def created(node: Offline, title: str = "Harbour") -> str:
    return str(node.call("conversation.create", {"title": title})["id"])


def said(node: Offline, where: str, text: str, **more: str) -> str:
    return str(node.call("message.send", {"conversation": where, "text": text, **more})["id"])


def listed(node: Offline) -> list[str]:
    return [row["id"] for row in node.call("conversation.list", {})]


def line(node: Offline, where: str, message: str) -> dict[str, Any]:
    shown: dict[str, Any] = node.call("message.show", {"conversation": where, "message": message})
    return shown


def test_conversations_are_made_and_written_without_any_network(node: Offline) -> None:
    """C-02, C-04: an account that is not connected has its conversations all the same."""
    where = created(node)
    said(node, where, "to myself")
    assert listed(node) == [where]
    assert node.call("conversation.show", {"conversation": where})["state"] == "ready"


def test_what_is_left_is_gone_from_the_list_at_once(node: Offline) -> None:
    """C-05, ME-02"""
    where = created(node)
    assert listed(node) == [where]
    node.call("conversation.leave", {"conversation": where})
    assert listed(node) == []


def test_leaving_what_does_not_exist_is_refused_and_takes_nothing_along(node: Offline) -> None:
    """C-06"""
    where = created(node)
    with pytest.raises(NotFoundError):
        node.call("conversation.leave", {"conversation": "f" * 40})
    assert listed(node) == [where]


@pytest.mark.parametrize("name", [" ", "<o>"])
def test_a_name_that_git_would_refuse_keeps_nobody_from_talking(tmp_path: Path, name: str) -> None:
    """C-03, C-08: what is written is made fit for a commit."""
    with open_commands(home(tmp_path)) as made:
        made.call("account.create", {"name": name})
    with open_commands(home(tmp_path)) as node:
        where = created(node)
        assert line(node, where, said(node, where, "hello"))["body"] == "hello"
        assert node.call("verify", {"conversation": where})["valid"]


def test_who_sends_hears_of_it_once(node: Offline) -> None:
    """C-10"""
    where = created(node)
    message = said(node, where, "hello")
    told = [each for each in node.call("events.list", {})["events"] if each["type"] == "message.added"]
    assert [each["data"]["id"] for each in told].count(message) == 1


def test_a_reply_names_a_message_that_is_here_or_nothing_is_written(node: Offline) -> None:
    """C-38"""
    where = created(node)
    first = said(node, where, "who is there?")
    assert line(node, where, said(node, where, "I am", reply_to=first))["reply_to"] == first
    before = node.call("message.list", {"conversation": where})
    with pytest.raises(NotFoundError):
        said(node, where, "to nobody", reply_to="feedface")
    assert node.call("message.list", {"conversation": where}) == before


def test_own_messages_are_edited_and_nothing_else_is(node: Offline) -> None:
    """C-45: not what does not exist, nor the first commit of all."""
    where = created(node)
    message = said(node, where, "helo")
    node.call("message.edit", {"conversation": where, "message": message, "text": "hello"})
    assert line(node, where, message)["body"] == "hello"
    root = node.call("message.list", {"conversation": where})[0]["id"]
    assert root == where
    before = node.call("message.list", {"conversation": where})
    for target, fault in (("feedface", NotFoundError), (root, RefusedError)):
        with pytest.raises(fault):
            node.call("message.edit", {"conversation": where, "message": target, "text": "x"})
    assert node.call("message.list", {"conversation": where}) == before


def test_a_reaction_is_seen_and_taken_back(node: Offline) -> None:
    """C-46"""
    where = created(node)
    message = said(node, where, "look")
    node.call("message.react", {"conversation": where, "message": message, "reaction": "👍"})
    assert [each["reaction"] for each in line(node, where, message)["reactions"]] == ["👍"]
    node.call("message.react", {"conversation": where, "message": message, "reaction": "👍", "remove": True})
    assert line(node, where, message)["reactions"] == []


def test_a_reaction_stays_with_an_edited_message_and_goes_with_a_deleted_one(node: Offline) -> None:
    """C-47, C-49"""
    where = created(node)
    message = said(node, where, "look")
    node.call("message.react", {"conversation": where, "message": message, "reaction": "👍"})
    node.call("message.edit", {"conversation": where, "message": message, "text": "look here"})
    assert [each["reaction"] for each in line(node, where, message)["reactions"]] == ["👍"]
    node.call("message.delete", {"conversation": where, "message": message})
    gone = line(node, where, message)
    assert (gone["body"], gone["reactions"]) == ("", [])


@pytest.mark.parametrize("account", ["Shitty/Uri", "", "a" * 39, "a" * 41, "../../etc/passwd", "g" * 40])
def test_what_is_no_account_becomes_no_contact(node: Offline, account: str) -> None:
    """ME-01: and no conversation is begun with it."""
    with pytest.raises(SwarmchatError):
        node.call("contact.add", {"account": account})
    assert (listed(node), node.call("contact.list", {})) == ([], [])


def test_members_are_listed_by_their_roles(node: Offline) -> None:
    """ME-08: who made it first, then who is invited."""
    where = created(node)
    guest = "a" * 40
    node.call("member.invite", {"conversation": where, "accounts": [guest]})
    me = node.call("account.show", {})["id"]
    assert [(row["id"], row["role"]) for row in node.call("member.list", {"conversation": where})] == [
        (me, "admin"),
        (guest, "invited"),
    ]
