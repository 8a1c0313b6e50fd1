"""The law on real nodes: three daemons vote, a group without admins elects one, a device is revoked; all of it typed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from swarmchat.account.home import Home
from swarmchat.account.store import AccountStore
from tests.support.builders import Person
from tests.support.partitions import without_admins
from tests.support.process import NodeProcess, found_room, introduce, nodes, same

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def test_three_admins_vote_and_two_of_them_are_enough(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann", "Ben", "Cem") as made:
        ann, ben, cem = made
        introduce(*made)
        room = found_room(*made)
        assert "is promoted" in ann.cli("promote", "Harbour", "Ben").out
        ben.until(lambda: ben.roles(room)[ben.account] == "admin")
        assert "voted to promote Cem: 1 of 2 votes" in ann.cli("promote", "Harbour", "Cem").out
        ben.until(lambda: ben.call("member.votes", conversation=room))
        assert "is promoted" in ben.cli("promote", "Harbour", "Cem").out
        for node in made:
            node.until(lambda node=node: node.roles(room)[cem.account] == "admin")

        vote = ann.did("ban", "Harbour", "Cem")
        assert (vote["state"], len(vote["voters"]), vote["needed"]) == ("voted", 1, 2)
        twice = ann.cli("--json", "ban", "Harbour", "Cem")
        assert (twice.status, twice.error["data"]["rule"]) == (4, "SCP-02 §5.6")
        assert "1 of 2 votes" in twice.error["message"]
        assert "more than half of the admins" in twice.error["hint"]
        assert cem.cli("ban", "Harbour", "Cem").status == 4  # nobody votes on himself
        ben.until(lambda: ben.call("member.votes", conversation=room))
        assert "1 of 2  Ann" in ben.cli("votes", "Harbour").out
        ban = ben.did("ban", "Harbour", "Cem")
        assert ban["state"] == "resolved"
        for node in (ann, ben):
            node.until(lambda node=node: node.roles(room)[cem.account] == "banned")
            node.until(lambda node=node: not node.linked(cem))
        told = [node.did("explain", ban["commits"][-1]) for node in (ann, ben)]
        assert told[0] == told[1]
        assert (told[0]["effect"], told[0]["because"][0]) == (
            "in force",
            "Ben banned Cem, with the votes of Ann, Ben (2 of 3 admins)",
        )
        assert ann.did("explain", vote["commits"][0])["because"][0] == "Ann voted to ban Cem: 1 of 2 votes then"

        refused = cem.cli("--json", "send", "Harbour", "hello?")  # he was told before his links went
        assert (refused.status, refused.error["data"]["rule"]) == (4, "SCP-02 §4.3")
        ann.did("send", "Harbour", "quiet again", "--wait", "any", "--timeout", "20")
        assert ann.texts(room) == ben.texts(room) == ["quiet again"]
        assert "voted to unban Cem: 1 of 2 votes" in ann.cli("unban", "Harbour", "Cem").out
        ben.until(lambda: ben.call("member.votes", conversation=room))
        assert "Cem is unbanned" in ben.cli("unban", "Harbour", "Cem").out
        cem.until(lambda: cem.roles(room)[cem.account] == "admin")
        cem.did("send", "Harbour", "thank you")
        same(room, *made)
        assert sorted(ann.texts(room)) == ["quiet again", "thank you"]
        for node in made:
            assert node.cli("verify", "Harbour").status == 0


def test_members_elect_an_admin_when_the_admins_are_gone(tmp_path: Path) -> None:
    made = tuple(NodeProcess(tmp_path / name.lower(), name) for name in ("Dan", "Eve", "Fay"))
    dan, eve, fay = made
    for node in made:
        node.did("account", "create", "--name", node.name)
    room = _stranded(tmp_path, *made)
    with _running(*made):
        introduce(*made)
        same(room, *made)
        for node in made:
            assert set(node.roles(room).values()) == {"member", "banned", "left"}
        refused = dan.cli("--json", "invite", room, "a" * 40)
        assert (refused.status, refused.error["data"]["rule"]) == (4, "SCP-02 §5.2")
        assert "only admins invite here" in refused.error["message"]
        assert dan.cli("promote", room, "Dan").status == 4
        assert "voted to promote Dan: 1 of 2 votes" in eve.cli("promote", room, "Dan").out
        fay.until(lambda: fay.call("member.votes", conversation=room))
        elected = fay.did("promote", room, "Dan")
        assert elected["state"] == "resolved"
        for node in made:
            node.until(lambda node=node: node.roles(room)[dan.account] == "admin")
        told = eve.did("explain", elected["commits"][-1])
        assert told["because"][0] == "Fay made Dan an admin, with the votes of Eve, Fay (2 of 2 other members)"
        dan.did("conversation", "set", room, "--title", "Afloat again")
        stuck = dan.cli("--json", "leave", room, "--yes")
        assert (stuck.status, stuck.error["data"]["rule"]) == (4, "SCP-02 §5.4")
        assert "promote somebody first" in stuck.error["message"]
        assert "swarmchat promote" in stuck.error["hint"]
        dan.did("leave", room, "--promote", "Eve", "--yes")
        for node in (eve, fay):
            node.until(lambda node=node: node.roles(room)[dan.account] == "left")
            assert node.roles(room)[eve.account] == "admin"
        same(room, eve, fay)
        assert eve.cli("verify", room).status == 0


def test_a_device_from_an_archive_is_revoked_and_its_earlier_messages_stand(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann", "Ben") as (ann, ben):
        introduce(ann, ben)
        room = found_room(ann, ben)
        password = {"SWARMCHAT_PASSPHRASE": "correct horse"}
        archive = tmp_path / "ann.archive"
        ann.did("account", "export", str(archive), env=password)
        tablet = NodeProcess(tmp_path / "tablet", "Tablet")
        tablet.did("account", "import", str(archive), env=password)
        with _running(tablet):
            tablet.call("peer.add", account=ben.account, address=str(ben.listen))
            tablet.until(lambda: any(row["state"] == "ready" for row in tablet.call("conversation.list")))
            earlier = tablet.did("send", room, "from the tablet")["id"]
            for node in (ann, ben):
                node.until(lambda node=node: "from the tablet" in node.texts(room))
            device = tablet.did("account", "show")["device"]
            revoked = ann.did("device", "revoke", device, "--yes")
            assert (revoked["id"], revoked["state"]) == (device, "revoked")
            ben.until(lambda: all(row["device"] != device or row["state"] != "linked" for row in ben.call("peer.list")))
            tablet.cli("send", room, "from a thief")  # written there or not: nobody takes it
            ann.did("send", room, "that was not me", "--wait", "all", "--timeout", "20")
        same(room, ann, ben)
        assert ben.texts(room) == ["from the tablet", "that was not me"]
        states = {row["id"]: row["revoked"] for row in ann.did("device", "list")}
        assert states[device] is True
        told = ben.did("explain", earlier)
        assert (told["valid"], told["effect"]) == (True, "in force")
        for node in (ann, ben):
            assert node.cli("verify", room).status == 0


# --- inside


@contextmanager
def _running(*made: NodeProcess) -> Iterator[None]:
    try:
        for node in made:
            node.start()
        yield
    finally:
        for node in made:
            if node.process is not None:
                node.kill()


def _stranded(folder: Path, *made: NodeProcess) -> str:
    """A conversation of these nodes whose three admins are gone, in each of their homes; its id."""
    homes = [Home.locate(node.home, {}) for node in made]
    stores = [AccountStore(home, os.urandom) for home in homes]
    people = []
    for store in stores:
        account = store.load()
        assert account.account_key is not None
        keys = account.account_key, account.certificate, account.device_key, account.device_certificate
        people.append(Person(account.name, *keys))
    now = int(time.time())
    side, _ = without_admins(folder / "founding", *people, now=now)
    side.log.close()
    room = side.log.conversation
    for home, store in zip(homes, stores, strict=True):
        with home.lock("a test"):
            shutil.copytree(side.log.path, home.conversations / f"{room}.git")
            state, _ = store.load_state().add_conversation(room, title="", mode=1, now_ms=now * 1000)
            store.save_state(state)
    return room
