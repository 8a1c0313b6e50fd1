"""Requests, called by what `request list` shows. (SCP-08 §2.1)"""

from __future__ import annotations

from pathlib import Path

import pytest

from swarmchat.account.account import create
from swarmchat.account.home import Home
from swarmchat.account.records import Offer, RequestKind
from swarmchat.account.state import State
from swarmchat.account.store import AccountStore
from swarmchat.node.offline import open_commands
from tests.support.accounts import account, commit, conversation


@pytest.mark.parametrize(
    ("title", "name", "called"), [("", "Bob", "Bob"), ("", "Bob", "bob"), ("Garden", "", "garden"), ("", "", "0000")]
)
def test_a_request_is_named_by_what_the_list_shows(tmp_path: Path, title: str, name: str, called: str) -> None:
    home = Home.locate(tmp_path / "home", {})
    home.prepare()
    kind = RequestKind.CONTACT if name else RequestKind.GROUP
    offer = Offer(account(1), kind, conversation(1), commit(1), 5, title=title, name=name)
    state, _ = State().receive(offer, shared=False, now_ms=10)
    me = create(name="me", now=1_790_000_000, entropy=lambda count: bytes(range(1, count + 1)))
    AccountStore(home, bytes).create(me, state)
    with open_commands(home) as node:
        (row,) = node.call("request.list", {})
        assert row["title"] == (title or name)
        assert node.call("request.decline", {"request": called}) == {"id": row["id"], "state": "declined"}
        assert node.call("request.list", {}) == []
