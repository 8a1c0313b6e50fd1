"""A second device, by a code: real processes, from the first word to a conversation on both. (SCP-01 §3.2, §3.3)"""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from swarmchat.errors import NotFoundError
from tests.e2e.test_dht import public_node
from tests.support.newcomers import at_terminal, linked, newcomer
from tests.support.process import NodeProcess, found_room, introduce, nodes, same

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

OTHER_WORDS = "acid-acorn-acre-acts-afar-affix"


def wrong(code: str) -> str:
    """The code with other words."""
    scheme, device, rest = code.split(":", 2)
    return f"{scheme}:{device}:{OTHER_WORDS}?{rest.partition('?')[2]}"


def test_a_device_is_linked_and_both_write_in_the_conversation_that_was_there_before(tmp_path: Path) -> None:
    """L-01, L-02, RV-01: the code of the new device given to the old one; both write; then one is revoked."""
    with nodes(tmp_path, "Ann", "Ben") as (ann, ben):
        introduce(ann, ben)
        room = found_room(ann, ben)
        ann.did("send", room, "written before")
        same(room, ann, ben)
        ann.did("contact", "add", ben.account, "--name", "Ben of the boats")
        key = ann.did("status", "identity")["key"]
        laptop = linked(ann, tmp_path / "laptop")
        try:
            laptop.start()
            assert laptop.account == ann.account
            assert laptop.did("status", "identity")["key"] == key
            laptop.until(lambda: laptop.call("conversation.show", conversation=room)["state"] == "ready")
            same(room, ann, laptop)
            assert "written before" in laptop.texts(room)
            assert [one["name"] for one in laptop.call("contact.list")] == ["Ben of the boats"]
            laptop.did("send", room, "from the laptop")
            ann.did("send", room, "from the desk")
            ben.until(lambda: {"from the laptop", "from the desk"} <= set(ben.texts(room)))
            same(room, ann, laptop)
            same(room, ann, ben)

            shown = {one["name"]: (one["this"], one["revoked"], one["may_link"]) for one in ann.call("device.list")}
            assert shown == {platform.node(): (True, False, True), "laptop": (False, False, False)}
            told = ann.cli("device", "revoke", "laptop", "--yes")
            assert "It never had the account key" in told.err
            device = laptop.call("account.show")["device"]
            ann.until(
                lambda: all(peer["device"] != device for peer in ann.call("peer.list") if peer["state"] == "linked")
            )
            ben.until(
                lambda: all(peer["device"] != device for peer in ben.call("peer.list") if peer["state"] == "linked")
            )
            (row,) = [one for one in ann.call("device.list") if one["name"] == "laptop"]
            assert row["revoked"]
            told = [one["data"] for one in ann.call("events.list")["events"] if one["type"] == "device.changed"]
            assert {"device": device, "name": "laptop", "state": "linked"} in told
            assert told[-1] == {"device": device, "name": "laptop", "state": "revoked"}
            laptop.cli("send", room, "from the thief")
            ann.did("send", room, "after the theft")
            same(room, ann, ben)
            assert "after the theft" in ben.texts(room)
            assert "from the thief" not in ben.texts(room)
            assert "after the theft" not in laptop.texts(room)
        finally:
            laptop.kill()


def test_an_account_without_conversations_leads_its_devices_to_each_other_all_the_same(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann") as (ann,):
        laptop = linked(ann, tmp_path / "laptop")
        try:
            laptop.start()
            laptop.until(lambda: laptop.linked(ann))
            room = ann.did("create", "--title", "Diary")["id"]
            assert room
        finally:
            laptop.kill()


def test_wrong_words_once_and_then_the_right_ones(tmp_path: Path) -> None:
    """L-04: a wrong try is told with what is left, and the next one counts."""
    with nodes(tmp_path, "Ann") as (ann,), newcomer(tmp_path / "laptop") as laptop:
        code = laptop.code
        refused = ann.cli("--json", "device", "add", wrong(code), "--yes")
        assert refused.status == 4
        assert refused.error["data"] == {"reason": "auth", "left": 2}
        assert "2 tries are left" in refused.error["hint"]
        assert laptop.event("failed") == {"event": "failed", "reason": "auth", "left": 2}
        assert ann.did("device", "add", code, "--yes")["state"] == "linked"
        laptop.event("linked")
        assert laptop.end() == 0


def test_after_three_wrong_tries_it_is_over_and_nothing_was_written(tmp_path: Path) -> None:
    """L-05: asked again twice; after the third both sides end with an error."""
    with nodes(tmp_path, "Ann") as (ann,), newcomer(tmp_path / "laptop") as laptop:
        code = laptop.code
        told = [ann.cli("--json", "device", "add", wrong(code), "--yes").error for _ in range(3)]
        assert [one["data"]["left"] for one in told] == [2, 1, 0]
        assert "begin anew" in told[-1]["hint"]
        assert laptop.end() == 4
        assert "wrong words came three times" in laptop.error["message"]
        late = ann.cli("--json", "device", "add", code, "--yes", "--timeout", "0")
        assert late.status == 6
        assert [one["name"] for one in ann.call("device.list")] == ["Ann"]
    assert not (tmp_path / "laptop" / "account.json").exists()


def test_an_interrupted_link_leaves_an_empty_home_and_may_be_begun_anew(tmp_path: Path) -> None:
    home = tmp_path / "new" / "laptop"
    with nodes(tmp_path / "old", "Ann") as (ann,):
        with newcomer(home) as process:
            assert process.code
            process.interrupt()
            assert process.end() == 130
        assert {path.name for path in home.iterdir()} <= {"conversations", "log", "lock"}
        laptop = linked(ann, home)
        assert laptop.did("account", "show")["name"] == "Ann"
        with newcomer(home) as again:
            assert again.end() == 4
            assert "there is an account in this home already" in again.error["message"]


def test_a_device_without_the_account_key_links_nobody_and_one_that_may_does(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann") as (ann,):
        plain, trusted = linked(ann, tmp_path / "plain", name="plain"), None
        try:
            plain.start()
            refused = plain.cli("--json", "device", "add", f"swarm-link:{'e' * 64}:{OTHER_WORDS}", "--yes")
            assert refused.status == 4
            assert platform.node() in refused.error["hint"]
            trusted = linked(ann, tmp_path / "trusted", "--may-link", name="trusted")
            trusted.start()
            third = linked(trusted, tmp_path / "third", name="third")
            assert third.did("account", "show")["id"] == ann.account
            rows = {one["name"]: one["may_link"] for one in trusted.call("device.list")}
            assert rows["trusted"] is True
            assert rows["third"] is False
            told = ann.cli("device", "revoke", "trusted", "--yes")
            assert "That device had the account key" in told.err
        finally:
            for node in (plain, trusted):
                if node is not None:
                    node.kill()


def test_the_keys_of_the_new_device_are_sealed_with_the_password_given_there(tmp_path: Path) -> None:
    """L-03."""
    password = {"SWARMCHAT_PASSPHRASE": "correct horse"}
    home = tmp_path / "laptop"
    with nodes(tmp_path / "old", "Ann") as (ann,), newcomer(home, env=password) as process:
        ann.did("device", "add", process.code, "--yes")
        assert process.end() == 0
    laptop = NodeProcess(home, "laptop")
    assert laptop.cli("--json", "--no-input", "create").error["code"] == "password_needed"
    assert laptop.did("create", "--title", "Mine", env=password)["title"] == "Mine"


def test_a_device_is_renamed_and_found_by_its_new_name(tmp_path: Path) -> None:
    """RV-02: what is no device is not revoked."""
    with nodes(tmp_path, "Ann") as (ann,):
        linked(ann, tmp_path / "laptop")
        ann.did("device", "rename", "desk")
        renamed = ann.did("device", "rename", "old laptop", "laptop")
        assert [one["name"] for one in ann.call("device.list")] == ["desk", "old laptop"]
        assert ann.cli("device", "rename", " ", "desk").status == 2
        assert ann.cli("device", "revoke", "foo", "--yes").status == 3
        assert ann.cli("device", "rename", "x", "e" * 64).status == 3
        assert ann.did("device", "revoke", "old laptop", "--yes")["id"] == renamed["id"]


def test_without_a_daemon_nothing_is_linked_and_the_hint_says_why(tmp_path: Path) -> None:
    ann = NodeProcess(tmp_path / "ann", "Ann")
    ann.did("account", "create", "--name", "Ann")
    refused = ann.cli("--json", "device", "add", f"swarm-link:{'e' * 64}:{OTHER_WORDS}", "--yes")
    assert refused.status == 5
    assert refused.error["hint"] == "swarmchat daemon start"
    assert ann.did("device", "rename", "desk")["name"] == "desk"
    assert ann.did("device", "list")[0]["name"] == "desk"


def test_the_new_device_is_found_over_the_dht(tmp_path: Path) -> None:
    with public_node(tmp_path / "public", 0) as (name, _):
        options = ("--listen", "127.0.0.1:0", "--no-lan", "--bootstrap", name)
        homes = tmp_path / "homes"
        with nodes(homes, "Ann", options=options) as (ann,), newcomer(tmp_path / "laptop", *options) as process:
            code = process.code.partition("?")[0]  # where it listens is not told
            assert ann.did("device", "add", code, "--yes")["state"] == "linked"
            assert process.end() == 0


def test_who_asks_for_the_new_device_and_goes_away_leaves_the_code_good(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann", "Ben") as (ann, ben), newcomer(tmp_path / "laptop") as process:
        code = process.code
        asked = ben.call("device.add", code=code)
        assert asked["name"]
        ben.stop()  # his link breaks while his user thinks
        process.event("lost")
        assert ann.did("device", "add", code, "--yes")["state"] == "linked"
        assert process.event("linked")["name"] == "Ann"
        assert process.end() == 0


def test_a_client_that_dies_before_it_has_answered_keeps_nobody_from_linking(tmp_path: Path) -> None:
    """It asked, and went away without a yes or a no: the next one need not wait out its five minutes."""
    with nodes(tmp_path, "Ann") as (ann,), newcomer(tmp_path / "laptop") as process:
        code = process.code
        forgotten = ann.call("device.add", code=code)
        assert ann.did("device", "add", code, "--yes")["state"] == "linked"
        assert process.event("linked")["name"] == "Ann"
        assert process.end() == 0
        with pytest.raises(NotFoundError):
            ann.call("device.confirm", pairing=forgotten["pairing"], accept=True)


def test_the_user_of_the_existing_device_says_no(tmp_path: Path) -> None:
    with nodes(tmp_path, "Ann") as (ann,), newcomer(tmp_path / "laptop") as process:
        asked = ann.call("device.add", code=process.code)
        refused = ann.call("device.confirm", pairing=asked["pairing"], accept=False)
        assert refused == {"id": None, "name": "", "state": "refused"}
        assert process.end() == 4
        assert "did not agree" in process.error["message"]


LISTEN = ("--listen", "127.0.0.1:0", "--no-lan")


def test_both_users_are_asked_and_see_whom_they_agree_to(tmp_path: Path) -> None:
    home = str(tmp_path / "laptop")
    with (
        nodes(tmp_path / "old", "Ann") as (ann,),
        at_terminal("--home", home, "link", "--name", "laptop", *LISTEN) as new,
    ):
        code = new.until(r"swarmchat device add '(\S+)'")
        assert "▄" in new.until(r"(?s)█.*good for five minutes"), "a drawing for a camera"
        with at_terminal("--home", str(ann.home), "device", "add", code) as old:
            new.until("Become a device of Ann\\?")
            assert ann.account in new.screen
            assert platform.node() in new.screen
            new.type("perhaps")
            new.until("(?s)Become a device of Ann.*Become a device of Ann\\?")
            new.type("y")
            old.until("Make laptop .* a device of this account\\?")
            assert "laptop at 127.0.0.1" in old.screen
            old.type("y")
            old.until("laptop  linked")
            assert old.end() == 0
        new.until("swarmchat daemon start")
        assert new.end() == 0


def test_the_user_of_the_new_device_says_no(tmp_path: Path) -> None:
    home = tmp_path / "laptop"
    with nodes(tmp_path / "old", "Ann") as (ann,), at_terminal("--home", str(home), "link", "--no-qr", *LISTEN) as new:
        code = new.until(r"swarmchat device add '(\S+)'")
        with at_terminal("--home", str(ann.home), "device", "add", code, "--yes") as old:
            new.until("Become a device of Ann\\?")
            new.type("n")
            assert old.until("the new device refuses")
            assert old.end() == 4
        new.until("you said no")
        assert new.end() == 4
        assert not (home / "account.json").exists()
        assert [one["id"] for one in ann.call("device.list")] == [ann.call("account.show")["device"]]


def test_who_gives_up_at_the_old_device_while_the_new_one_is_asked_leaves_the_code_good(tmp_path: Path) -> None:
    home = str(tmp_path / "laptop")
    with nodes(tmp_path / "old", "Ann") as (ann,), at_terminal("--home", home, "link", "--no-qr", *LISTEN) as new:
        code = new.until(r"swarmchat device add '(\S+)'")
        with at_terminal("--home", str(ann.home), "device", "add", code, "--yes"):
            new.until("Become a device of Ann\\?")
        new.until("the other side is gone; the code is still good")
        with at_terminal("--home", str(ann.home), "device", "add", code, "--yes") as old:
            new.until("(?s)Become a device of Ann.*still good.*Become a device of Ann\\?")
            new.type("yes")
            old.until("linked")
            assert old.end() == 0
        assert new.end() == 0
