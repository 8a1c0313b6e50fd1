"""Joining through real daemons where something is not as it was said. (SCP-06 §5, §9)"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from swarmchat.account.home import Home
from swarmchat.account.store import AccountStore
from tests.support.process import PATIENCE_S, NodeProcess, introduce, nodes, same

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def promise(node: NodeProcess, mode: int) -> None:
    """Whoever invited it said another mode than is true; the daemon is down."""
    store = AccountStore(Home.locate(node.home, {}), os.urandom)
    state = store.load_state()
    lies = {name: replace(one, offer=replace(one.offer, mode=mode)) for name, one in state.requests.items()}
    store.save_state(replace(state, requests=MappingProxyType(lies)))


def test_a_conversation_of_another_mode_than_offered_is_joined_only_when_the_user_agrees(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann", "Ben") as (ann, ben):
        introduce(ann, ben)
        room = ann.did("create", "--title", "Harbour", "--mode", "private")["id"]
        ann.did("invite", room, ben.account)
        ben.until(lambda: ben.call("request.list"))
        ben.stop()
        promise(ben, 1)
        ben.start()
        introduce(ann, ben)
        refused = ben.cli("--json", "accept", room, "--timeout", f"{PATIENCE_S:g}")
        assert refused.status == 4
        assert refused.error["message"] == "it was not joined: it is private, and the invitation said admin-invites"
        assert refused.error["data"]["cause"] == "other-mode"
        hint = f"if you agree: swarmchat join {room[:8]} --any-mode; if not: swarmchat leave {room[:8]}"
        assert refused.error["hint"] == hint
        page = ben.did("conversation", "show", room)
        assert (page["state"], page["refused"]["cause"], page["refused"]["hint"]) == ("refused", "other-mode", hint)
        shown = ben.cli("conversation", "show", room)
        assert "it is private, and the invitation said admin-invites" in shown.out
        assert hint in shown.err
        assert ben.cli("join", room[:8], "--timeout", "1").status == 4
        joined = ben.did("join", room[:8], "--any-mode", "--timeout", f"{PATIENCE_S:g}")
        assert joined == {"id": room, "state": "ready"}
        assert ben.did("conversation", "show", room)["refused"] is None
        ann.until(lambda: ann.roles(room)[ben.account] == "member")


def test_a_stranger_joins_a_public_room_by_the_link_that_a_member_prints(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann", "Ben") as (ann, ben):
        room = ann.did("create", "--title", "Harbour", "--mode", "public")["id"]
        made = ann.did("conversation", "link", "Harbour")
        assert made == {
            "id": room,
            "link": f"swarm:{room}?from={ann.account}&at={ann.listen}",
            "public": True,
            "addresses": [str(ann.listen)],
        }
        printed = ann.cli("conversation", "link", room[:6])
        assert (printed.out, printed.err) == (made["link"] + "\n", "")
        assert ben.did("join", made["link"], "--timeout", f"{PATIENCE_S:g}") == {"id": room, "state": "ready"}
        ann.until(lambda: ann.roles(room)[ben.account] == "member")
        same(room, ann, ben)
        assert ben.did("conversation", "link", "Harbour")["link"].startswith(f"swarm:{room}?from={ben.account}&at=")


def test_who_is_invited_and_knows_no_address_joins_by_the_link(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann", "Ben") as (ann, ben):
        room = ann.did("create", "--title", "Harbour", "--mode", "private")["id"]
        ann.did("invite", room, ben.account)
        printed = ann.cli("conversation", "link", room)
        assert "only who is invited can join by it" in printed.err
        assert ben.did("join", printed.out.strip(), "--timeout", f"{PATIENCE_S:g}")["state"] == "ready"
        same(room, ann, ben)


def test_a_link_needs_a_daemon_and_a_conversation_that_one_is_in(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann", "Ben") as (ann, ben):
        room = ann.did("create", "--mode", "public")["id"]
        assert ben.did("join", room, "--timeout", "0")["state"] == "syncing"  # nobody who has it is known
        refused = ben.cli("--json", "conversation", "link", room)
        assert (refused.status, refused.error["message"]) == (4, "you are not in it: it is syncing")
        ann.stop()
        assert ann.cli("conversation", "link", room).status == 5


def test_one_may_agree_to_any_mode_while_accepting_and_accept_again_what_was_refused(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann", "Ben", "Cem") as (ann, ben, cem):
        introduce(ann, ben, cem)
        room = ann.did("create", "--title", "Harbour", "--mode", "private")["id"]
        ann.did("invite", room, ben.account, cem.account)
        for node in (ben, cem):
            node.until(lambda node=node: node.call("request.list"))
            node.stop()
            promise(node, 1)
            node.start()
        introduce(ann, ben, cem)
        patience = f"{PATIENCE_S:g}"
        assert ben.did("accept", room, "--any-mode", "--timeout", patience)["state"] == "ready"
        assert cem.cli("accept", room, "--timeout", patience).status == 4
        assert cem.did("accept", "harbour", "--any-mode", "--timeout", patience)["state"] == "ready"
