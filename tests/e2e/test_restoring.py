"""An account on a new machine, from its archive alone: the addresses in it lead to somebody who has the conversations. (SCP-01 §4.4)"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.process import NodeProcess, found_room, introduce, nodes, same

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

PASSWORD = {"SWARMCHAT_PASSPHRASE": "correct horse"}


def restored(archive: Path, home: Path) -> NodeProcess:
    """Another machine with the account, its daemon running; nothing was typed but the import."""
    node = NodeProcess(home, "Ann again")
    node.did("account", "import", str(archive), env=PASSWORD)
    return node.start()


def test_a_restored_account_finds_a_member_and_has_its_conversations_again(tmp_path: Path) -> None:
    """SY-08"""
    with nodes(tmp_path, "Ann", "Ben") as (ann, ben):
        introduce(ann, ben)
        room = found_room(ann, ben)
        ann.did("send", room, "remember me")
        same(room, ann, ben)
        archive = tmp_path / "ann.archive"
        ann.did("account", "export", str(archive), env=PASSWORD)
        ann.kill()  # the machine is lost
        again = restored(archive, tmp_path / "again")
        try:
            again.until(lambda: again.call("conversation.show", conversation=room)["state"] == "ready")
            same(room, again, ben)
            assert "remember me" in again.texts(room)
            again.did("send", room, "here I am")
            ben.until(lambda: "here I am" in ben.texts(room))
        finally:
            again.kill()


def test_what_came_after_the_archive_is_asked_for_and_what_waited_in_it_can_be_accepted(tmp_path: Path) -> None:
    """SY-07, SY-09: the machine is lost; one group is younger than the archive, of another the request waits in it."""
    with nodes(tmp_path, "Ann", "Ben") as (ann, ben):
        introduce(ann, ben)
        waiting = ben.did("create", "--title", "Harbour")["id"]
        ben.did("invite", waiting, ann.account)
        ann.until(lambda: ann.call("request.list"))
        archive = tmp_path / "ann.archive"
        ann.did("account", "export", str(archive), env=PASSWORD)
        younger = ben.did("create", "--title", "Garden")["id"]
        ben.did("invite", younger, ann.account)
        ann.until(lambda: len(ann.call("request.list")) == 2)
        ann.did("accept", younger)
        ann.until(lambda: ann.call("conversation.show", conversation=younger)["state"] == "ready")
        same(younger, ann, ben)
        ann.kill()
        again = restored(archive, tmp_path / "again")
        try:
            assert [row["conversation"] for row in again.call("request.list")] == [waiting]
            introduce(again, ben)
            again.did("accept", waiting)
            ben.until(lambda: ben.roles(waiting)[ann.account] == "member")
            ben.did("send", younger, "where have you been?")
            again.until(lambda: younger in [row["conversation"] for row in again.call("request.list")])
            again.did("accept", younger)
            same(younger, again, ben)
            again.did("send", younger, "on another machine")
            ben.until(lambda: "on another machine" in ben.texts(younger))
        finally:
            again.kill()


def test_what_nobody_else_is_in_comes_from_the_device_that_exported(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann") as (ann,):
        room = ann.did("create", "--title", "Diary")["id"]
        ann.did("send", room, "dear diary")
        archive = tmp_path / "ann.archive"
        ann.did("account", "export", str(archive), env=PASSWORD)
        again = restored(archive, tmp_path / "again")
        try:
            again.until(lambda: again.call("conversation.show", conversation=room)["state"] == "ready")
            same(room, ann, again)
            assert again.texts(room) == ["dear diary"]
        finally:
            again.kill()


def test_peers_name_a_device_of_the_archive_that_is_not_reached(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann") as (ann,):
        ann.did("create", "--title", "Diary")
        device = ann.did("account", "show")["device"]
        archive = tmp_path / "ann.archive"
        ann.did("account", "export", str(archive), env=PASSWORD)
        ann.kill()
        again = restored(archive, tmp_path / "again")
        try:
            (row,) = again.until(
                lambda: [row for row in again.call("peer.list") if row["device"] == device and row["last_error"]]
            )
            assert row["account"] is None
            assert device[:8] in again.cli("peers").out
        finally:
            again.kill()


def test_a_wrong_password_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann") as (ann,):
        archive, again = tmp_path / "ann.archive", NodeProcess(tmp_path / "new", "Ann again")
        ann.did("account", "export", str(archive), env=PASSWORD)
        tried = again.cli("--json", "account", "import", str(archive), env={"SWARMCHAT_PASSPHRASE": "guess"})
        assert (tried.status, tried.out, tried.error["code"]) == (1, "", "password_needed")
        assert tried.error["hint"] == "nothing was written; try again"
        assert not again.home.exists()
        assert again.did("account", "import", str(archive), env=PASSWORD)["id"] == ann.account
