"""Requests, called by what `request list` shows. (SCP-08 §2.1)"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from swarmchat.account import requests
from swarmchat.account.account import create
from swarmchat.account.home import Home
from swarmchat.account.records import Offer, RequestKind
from swarmchat.account.state import State
from swarmchat.account.store import AccountStore
from swarmchat.errors import AmbiguousError
from swarmchat.ids import AccountId
from swarmchat.node.offline import open_commands
from tests.support.accounts import account, commit, conversation


def home_with(folder: Path, *offers: Offer, contacts: Mapping[AccountId, str] | None = None) -> Home:
    home = Home.locate(folder / "home", {})
    home.prepare()
    state = State()
    for who, name in (contacts or {}).items():
        state, _ = state.add_contact(who, conversation=None, name=name, now_ms=5)
    for offer in offers:
        state, _ = requests.receive(state, offer, shared=False, now_ms=10)
    me = create(name="me", now=1_790_000_000, entropy=lambda count: bytes(range(1, count + 1)))
    AccountStore(home, bytes).create(me, state)
    return home


@pytest.mark.parametrize(
    ("title", "name", "called"), [("", "Bob", "Bob"), ("", "Bob", "bob"), ("Garden", "", "garden"), ("", "", "0000")]
)
def test_a_request_is_named_by_what_the_list_shows(tmp_path: Path, title: str, name: str, called: str) -> None:
    kind = RequestKind.CONTACT if name else RequestKind.GROUP
    offer = Offer(account(1), kind, conversation(1), commit(1), 5, title=title, name=name)
    with open_commands(home_with(tmp_path, offer)) as node:
        (row,) = node.call("request.list", {})
        assert row["title"] == (title or name)
        assert node.call("request.decline", {"request": called}) == {"id": row["id"], "state": "declined"}
        assert node.call("request.list", {}) == []


SENDER = AccountId("ab" * 20)


@pytest.mark.parametrize("called", [SENDER, SENDER[:8], SENDER.upper(), "bob", "Boats"])
def test_a_request_is_named_by_who_sent_it(tmp_path: Path, called: str) -> None:
    offer = Offer(SENDER, RequestKind.GROUP, conversation(1), commit(1), 5, title="Boats")
    with open_commands(home_with(tmp_path, offer, contacts={SENDER: "Bob"})) as node:
        (row,) = node.call("request.list", {})
        assert node.call("request.decline", {"request": called}) == {"id": row["id"], "state": "declined"}


def test_who_sent_two_requests_names_none_of_them(tmp_path: Path) -> None:
    brought = [Offer(SENDER, RequestKind.GROUP, conversation(one), commit(one), 5, title=f"{one}") for one in (1, 2)]
    with open_commands(home_with(tmp_path, *brought)) as node:
        for called in (SENDER, SENDER[:8]):
            with pytest.raises(AmbiguousError) as refused:
                node.call("request.decline", {"request": called})
            assert sorted(refused.value.data["candidates"]) == sorted(
                one["id"] for one in node.call("request.list", {})
            )


@pytest.mark.parametrize("called", ["Garden", "garden", conversation(1), conversation(1)[:8]])
def test_one_invitation_that_two_have_brought_is_declined_by_its_title_or_its_conversation(
    tmp_path: Path, called: str
) -> None:
    """The inviter and who holds it for him: two rows of the list, and one matter. (SCP-05 §1.11)"""
    brought = [Offer(account(one), RequestKind.GROUP, conversation(1), commit(1), 5, title="Garden") for one in (1, 2)]
    with open_commands(home_with(tmp_path, *brought)) as node:
        rows = node.call("request.list", {})
        assert sorted(row["from"] for row in rows) == [account(1), account(2)]
        done = node.call("request.decline", {"request": called})
        assert done["id"] in {row["id"] for row in rows}
        assert node.call("request.list", {}) == []


@pytest.mark.parametrize("which", [0, 1])
def test_each_of_two_who_brought_one_invitation_is_named_by_the_id_of_his_request(tmp_path: Path, which: int) -> None:
    brought = [Offer(account(one), RequestKind.GROUP, conversation(1), commit(1), 5, title="Garden") for one in (1, 2)]
    with open_commands(home_with(tmp_path, *brought)) as node:
        row = node.call("request.list", {})[which]
        for shared in ("Garden", row["conversation"], row["conversation"][:8]):
            with pytest.raises(AmbiguousError):  # whom to block is the user's word
                node.call("request.block", {"request": shared})
        assert node.call("request.block", {"request": row["id"]})["id"] == row["id"]
        (other,) = node.call("request.list", {})
        assert other["id"] != row["id"]


def test_two_invitations_of_one_title_are_told_apart_by_the_user(tmp_path: Path) -> None:
    brought = [
        Offer(account(one), RequestKind.GROUP, conversation(1), commit(one), 5, title="Garden") for one in (1, 2)
    ]
    with open_commands(home_with(tmp_path, *brought)) as node:
        with pytest.raises(AmbiguousError):
            node.call("request.decline", {"request": "Garden"})
        assert len(node.call("request.list", {})) == 2
